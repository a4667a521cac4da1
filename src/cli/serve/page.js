"use strict";
(() => {
  const { trimmed, show, words, dark, palette, base, axis } = tokenfleet;
  const root = document.documentElement;
  const at = (id) => document.getElementById(id);
  const make = (tag, more = {}, ...inside) => {
    const element = Object.assign(document.createElement(tag), more);
    element.append(...inside);
    return element;
  };
  const errors = [];
  const fail = (error) => { errors.push(String(error)); root.dataset.errors = errors.join(" | "); };
  addEventListener("error", (event) => fail(event.message));
  addEventListener("unhandledrejection", (event) => fail(event.reason));
  const later = (wait, work) => { let timer; return () => { clearTimeout(timer); timer = setTimeout(work, wait); }; };
  const say = (text) => { at("state").textContent = text; };

  // What is on the page: the scenario, what can be turned and how it stands, the last answer.
  const page = { name: "", knobs: null, turned: new Map(), result: null, run: null, kept: [], schema: null };
  const set = () => [...page.turned.values()].flat().map(([path, value]) => `${path}=${value}`);

  const post = (path, more, signal) => fetch(`api/${path}`, {
    method: "POST", headers: { "content-type": "application/json" }, signal,
    body: JSON.stringify({ name: page.name, text: at("text").value, set: set(), ...more }),
  });

  // ---- simulate ---------------------------------------------------------------------------------
  const METRICS = [
    ["usd_per_successful_task", "cost per successful task", "USD"], ["task_latency_s", "task latency", "s"],
    ["ttft_s", "time to first token", "s"], ["tpot_s", "time per output token", "s"],
    ["tokens_per_task", "tokens per task", ""], ["task_success_rate", "tasks that succeed", "share"],
    ["prefix_hit_rate", "prefix hit rate", "share"], ["utilization", "servers busy", "share"],
    ["usd_per_h", "spent per hour", "USD/h"], ["amplification", "amplification", "ratio"],
  ];
  const UNITS = { usd_per_task: "USD", tokens_per_task: "" };
  const unitOf = (key) => UNITS[key] ?? "s";

  const run = async () => {
    page.run?.abort();
    const mine = page.run = new AbortController();
    const begin = performance.now();
    let first = null;
    try {
      const response = await post("run", {}, mine.signal);
      if (!response.ok) {
        const found = await response.json().catch(() => ({ text: "the server is busy; try again" }));
        at("refused").textContent = found.text;
        at("refused").hidden = false;
        say("this cannot be: see below");
        return;
      }
      at("refused").hidden = true;
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ""; ;) {
        const { done, value } = await reader.read();
        if (done) break;
        const lines = (rest + value).split("\n");
        rest = lines.pop();
        const last = lines.filter(Boolean).pop();
        if (!last || page.run !== mine) continue;
        page.result = { ...JSON.parse(last), set: set(), name: page.name };
        draw();
        first ??= performance.now() - begin;
        root.dataset.latency = String(Math.round(first));
        root.dataset.results = String(Number(root.dataset.results ?? 0) + 1);
        const { trials, planned, sketch } = page.result;
        at("progress").textContent = (sketch ? `a sketch from the first ${sketch}; ` : `${trials} of ${planned} trials; `)
          + `first answer after ${Math.round(first)} ms`;
      }
      if (page.run === mine && page.result) {
        say(`done: ${page.result.trials} trials`);
        root.dataset.done = String(Number(root.dataset.done ?? 0) + 1);
      }
    } catch (error) {
      if (error.name !== "AbortError") { say("the server does not answer"); }
    }
  };
  const runSoon = later(40, run);

  // ---- show -------------------------------------------------------------------------------------
  const charts = new Map();
  const curve = (id, key) => {
    const place = at(id);
    if (!charts.has(id)) charts.set(id, echarts.init(place, null, { renderer: "canvas" }));
    const runs = [{ label: "now", ...page.result }, ...page.kept.filter((kept) => kept.shown)];
    const shown = runs.filter((one) => one.distributions?.[key]);
    const unit = unitOf(key);
    const ends = shown.flatMap(({ distributions }) => [distributions[key][8], distributions[key].at(-4)]);
    const log = ends.length > 0 && Math.min(...ends) > 0 && Math.max(...ends) > 30 * Math.min(...ends);
    charts.get(id).setOption({
      ...base(),
      tooltip: { ...base().tooltip, trigger: "item", renderMode: "richText",
        formatter: ({ seriesName, value }) => `${seriesName}: ${trimmed(value[1] * 100)} % are at most ${show(value[0], unit)}` },
      legend: { ...base().legend, show: shown.length > 1 },
      grid: { ...base().grid, top: shown.length > 1 ? 36 : 16 },
      xAxis: axis(unit, log ? { type: "log", scale: undefined } : {}),
      yAxis: axis("share", { min: 0, max: 1 }),
      series: shown.map((one, i) => ({
        name: one.label, type: "line", showSymbol: false, triggerLineEvent: true, color: palette()[i % 8],
        lineStyle: { width: i === 0 ? 3 : 1.8, type: i === 0 ? "solid" : "dashed" },
        data: one.distributions[key].map((x, k) => [x, one.p[k]]).filter(([x]) => !log || x > 0),
      })),
    }, true);
    const median = page.result.distributions[key]?.[page.result.p.indexOf(0.5)];
    place.setAttribute("aria-label", `Distribution of ${words(key)}: median ${show(median, unit)}`);
    place.dataset.drawn = "yes";
  };

  const draw = () => {
    const { result } = page;
    if (!result) return;
    at("words").textContent = result.answer;
    at("figures").replaceChildren(...METRICS.filter(([key]) => Number.isFinite(result.metrics[key]?.mean)).map(([key, label, unit]) => {
      const figure = result.metrics[key];
      const value = make("dd", { textContent: show(figure.mean, unit) });
      const notes = [];
      if (Number.isFinite(figure.ci_low)) notes.push(`${show(figure.ci_low, unit)} to ${show(figure.ci_high, unit)}`);
      if (/_s$|tokens_per_task/.test(key) && Number.isFinite(figure.p95)) notes.push(`p95 ${show(figure.p95, unit)}`);
      value.append(make("small", { textContent: notes.join("; ") }));
      return make("div", {}, make("dt", { textContent: label }), value);
    }));
    at("objectives").replaceChildren(...result.objectives.map(({ name, met, bound, limit, metric }) => make("li", {},
      make("span", { className: met ? "good" : "bad", textContent: met ? "✓" : "✗" }),
      ` ${name} ${bound} ${show(limit, /usd/.test(metric) ? "USD" : /_s$/.test(metric) ? "s" : /rate|utilization/.test(metric) ? "share" : "")}`)));
    at("warnings").replaceChildren(...(result.warnings.length ? [make("div", { className: "warnings" },
      make("ul", {}, ...result.warnings.map((text) => make("li", { textContent: text }))))] : []));
    const select = at("figure");
    const known = Object.keys(result.distributions).filter((key) => key !== "usd_per_task");
    if ([...select.options].map(({ value }) => value).join() !== known.join()) {
      const chosen = known.includes(select.value) ? select.value : "task_latency_s";
      select.replaceChildren(...known.map((key) => new Option(words(key), key, false, key === chosen)));
    }
    curve("cost", "usd_per_task");
    curve("other", select.value);
    root.dataset.ready = "yes";
  };
  at("figure").addEventListener("change", draw);

  // ---- turn -------------------------------------------------------------------------------------
  const turn = (key, pairs) => {
    if (pairs) page.turned.set(key, pairs); else page.turned.delete(key);
    at("changes").textContent = set().join(" · ");
    runSoon();
  };
  /** A slider over `values`; `pairs` gives what it sets, or nothing where it stands as written. */
  const slider = (key, label, values, now, text, pairs) => {
    const shown = make("output", { textContent: text(values[now]) });
    const input = make("input", { type: "range", min: 0, max: values.length - 1, step: 1, value: now, name: key });
    const told = () => {
      const value = values[Number(input.value)];
      const changed = Number(input.value) !== now;
      shown.textContent = text(value);
      shown.dataset.changed = changed ? "yes" : "no";
      input.setAttribute("aria-valuetext", text(value));
      turn(key, changed ? pairs(value) : null);
    };
    input.setAttribute("aria-valuetext", text(values[now]));
    input.addEventListener("input", told);
    return make("label", {}, make("span", { textContent: label }), shown, input);
  };
  const chooser = (key, label, options, now, pairs) => {
    const select = make("select", { name: key }, ...options.map(([value, name]) => new Option(name, value, false, value === now)));
    select.addEventListener("change", () => turn(key, select.value === now ? null : pairs(select.value)));
    return make("label", {}, make("span", { textContent: label }), select);
  };
  const group = (title, ...inside) => make("fieldset", {}, make("legend", { textContent: title }), ...inside);
  const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
  const quoted = (name) => /^[\w-]+$/.test(name) ? name : JSON.stringify(name);
  const compact = (value) => new Intl.NumberFormat("en", { notation: "compact" }).format(value);
  const tick = (name, pairs) => {
    const input = make("input", { type: "checkbox", name });
    input.addEventListener("change", () => turn(name, pairs(input.checked)));
    return input;
  };
  const FORMATS = [["", "as written"], ["bf16", "bf16"], ["fp8", "fp8"], ["nvfp4", "nvfp4, KV in fp8"], ["mxfp4", "mxfp4, KV in fp8"]];

  const build = () => {
    const { loads, pools, endpoints, retries, accelerators } = page.knobs;
    page.turned.clear();
    at("changes").textContent = "";
    const made = [];
    if (loads.length) {
      const factors = range(-20, 20).map((i) => Number((10 ** (i / 20)).toPrecision(2)));
      const total = loads.reduce((sum, { value }) => sum + value, 0);
      const one = loads.length === 1 || loads.every(({ unit }) => unit === "/s");
      const text = (factor) => `× ${factor}${one ? ` = ${trimmed(total * factor)} ${loads[0].unit || (loads[0].whole ? "users" : "speed")}` : ""}`;
      made.push(group("Load", slider("load", "tasks that arrive", factors, 20, text, (factor) => loads.map(
        ({ path, value, unit, whole }) => [path, whole ? Math.max(1, Math.round(value * factor)) : `${Number((value * factor).toPrecision(4))}${unit ? ` ${unit}` : ""}`]))));
    }
    for (const pool of pools) {
      const path = (key) => `pools.${quoted(pool.name)}.${key}`;
      const key = (name) => `${pool.name} ${name}`;
      const counts = range(1, Math.max(8, pool.replicas * 4));
      const cache = make("input", { type: "checkbox", checked: pool.prefix_cache, name: key("cache") });
      cache.addEventListener("change", () => turn(key("cache"),
        cache.checked === pool.prefix_cache ? null : [[path("prefix_cache"), cache.checked]]));
      const sizes = [...new Set([1, 2, 4, 8, 16, 32, pool.gpus])].sort((a, b) => a - b);
      made.push(group(`${pool.name}: ${pool.model}`,
        slider(key("replicas"), "servers", counts, pool.replicas - 1, String, (count) => [[path("replicas"), count]]),
        chooser(key("accelerator"), "hardware", accelerators.map((name) => [name, name]), pool.accelerator, (name) => [[path("accelerator"), name]]),
        chooser(key("gpus"), "GPUs of a server", sizes.map((count) => [String(count), String(count)]), String(pool.gpus), (count) => [[path("tensor_parallel"), count]]),
        chooser(key("precision"), "precision", FORMATS, "", (name) => [[path("precision"), `{ weights = "${name}", kv = "${name === "bf16" ? "bf16" : "fp8"}" }`]]),
        make("label", { className: "tick" }, cache, "prefix cache")));
    }
    for (const { name, model, others } of endpoints) {
      const path = (key) => `endpoints.${quoted(name)}.${key}`;
      const limit = (key, label, values) => slider(`${name} ${key}`, label, [0, ...values], 0, (value) => value ? compact(value) : "as written",
        (value) => [[path(key), value]]);
      const decades = (from, to) => range(2 * from, 2 * to).map((half) => Number((10 ** (half / 2)).toPrecision(1)));
      made.push(group(`${name}: ${model}`, ...[
        others.length > 1 && chooser(`${name} model`, "hosted model, at its list price", others.map((other) => [other, other]), model, (other) => [[path("model"), other]]),
        limit("requests_per_minute", "requests per minute", decades(1, 6)),
        limit("tokens_per_minute", "tokens per minute", decades(4, 9)),
        limit("concurrency", "calls at once", decades(0, 4)),
        make("label", { className: "tick" }, tick(`${name} batch`, (on) => on ? [[path("batch"), true]] : null), "batch interface, cheaper"),
      ].filter(Boolean)));
    }
    if (retries.length) {
      const percents = [0, 1, 2, 5, 10, 15, 20, 30, 40];
      made.push(group("Retries",
        slider("error", "further calls that fail on their way", percents, 0, (value) => value ? `${value} %` : "as written", (value) => retries.map((path) => [`${path}.error`, `${value} %`])),
        slider("attempts", "attempts of a call", [0, ...range(1, 10)], 0, (value) => value ? String(value) : "as written", (value) => retries.map((path) => [`${path}.attempts`, value]))));
    }
    at("knobs").replaceChildren(...made);
  };
  at("reset").addEventListener("click", () => { build(); run(); });

  // ---- edit -------------------------------------------------------------------------------------
  const text = at("text");
  let asked = 0;
  const check = async (first) => {
    const mine = ++asked;
    const response = await post("check", { set: [] });
    if (mine !== asked || !response.ok) return;
    const found = await response.json();
    const place = at("faults");
    if (found.faults.length) {
      page.run?.abort();
      say(`${found.faults.length} ${found.faults.length === 1 ? "fault" : "faults"}`);
      place.replaceChildren(make("pre", { tabIndex: 0, textContent: found.text }),
        ...found.faults.filter(({ line }) => line !== null).slice(0, 8).map(({ message, line, start, length }) => {
          const button = make("button", { type: "button", textContent: `line ${line}: ${message}` });
          button.addEventListener("click", () => { text.focus(); text.setSelectionRange(start, start + length); });
          return button;
        }));
      return;
    }
    place.replaceChildren(make("p", { className: "good", textContent: "✓ nothing is wrong" }),
      ...(found.warnings ? [make("pre", { tabIndex: 0, textContent: found.warnings })] : []));
    const same = JSON.stringify(found.knobs) === JSON.stringify(page.knobs);
    page.knobs = found.knobs;
    if (!same || first) build();
    run();
  };
  text.addEventListener("input", later(250, () => check(false)));

  // Keys that fit where the caret stands, from the schema.
  const objects = (node) => {
    if (!node) return [];
    if (node.$ref) return objects(page.schema.$defs[node.$ref.slice("#/$defs/".length)]);
    const inner = [...(node.allOf ?? []), ...(node.anyOf ?? [])].flatMap(objects);
    if (node.items) inner.push(...objects(node.items));
    return node.properties || node.additionalProperties ? [...inner, node] : inner;
  };
  const help = () => {
    if (!page.schema) return;
    const lines = text.value.slice(0, text.selectionStart).split("\n");
    const header = lines.findLast((line) => /^\s*\[/.test(line))?.match(/\[+\s*([^\]]*?)\s*\]/)?.[1] ?? "";
    const names = [...header.matchAll(/"([^"]*)"|([\w-]+)/g)].map(([, quoted, bare]) => quoted ?? bare);
    let found = objects(page.schema);
    for (const name of names) {
      found = found.flatMap((node) => objects(node.properties?.[name] ?? node.additionalProperties));
    }
    const start = lines.length - 1;
    const body = text.value.split("\n").slice(Math.max(0, lines.findLastIndex((line) => /^\s*\[/.test(line)) + 1));
    const end = body.findIndex((line) => /^\s*\[/.test(line));
    const own = (end < 0 ? body : body.slice(0, end)).join("\n");
    const kind = own.match(/^\s*kind\s*=\s*"(\w+)"/m)?.[1];
    const fit = found.filter((node) => !kind || !node.properties?.kind || node.properties.kind.const === kind);
    const keys = new Map(fit.flatMap((node) => Object.entries(node.properties ?? {})));
    const items = [...keys].filter(([key]) => !new RegExp(`^\\s*${key}\\b`, "m").test(own)).map(([key, { description, examples, default: usual }]) => {
      const button = make("button", { type: "button", textContent: key });
      button.addEventListener("click", () => {
        const value = examples?.[0] ?? usual;
        const line = `${key} = ${value === undefined ? "" : toml(value)}\n`;
        const offset = text.value.split("\n").slice(0, start).join("\n").length + (start ? 1 : 0);
        text.setRangeText(line, offset, offset, "end");
        text.focus();
        check(false);
      });
      return make("li", {}, button, description ?? "");
    });
    at("help").replaceChildren(make("h3", { textContent: header ? `[${header}]` : "The file" }), make("ul", {}, ...items));
  };
  const toml = (value) => Array.isArray(value) ? `[${value.map(toml).join(", ")}]`
    : typeof value === "object" ? `{ ${Object.entries(value).map(([key, inner]) => `${/^[\w-]+$/.test(key) ? key : JSON.stringify(key)} = ${toml(inner)}`).join(", ")} }`
    : JSON.stringify(value);
  const helpSoon = later(150, help);
  ["keyup", "click", "focus"].forEach((event) => text.addEventListener(event, helpSoon));

  // ---- keep -------------------------------------------------------------------------------------
  const compared = METRICS.slice(0, 4);
  const showKept = () => {
    const place = at("kept");
    place.hidden = page.kept.length === 0;
    const head = ["run", ...compared.map(([, label]) => label), "objectives met", "turned", ""];
    const first = page.kept[0];
    const row = (kept, i) => {
      const cell = ([key, , unit]) => {
        const [value, of] = [kept.metrics[key]?.mean, first.metrics[key]?.mean];
        const ratio = i > 0 && value && of ? make("small", { textContent: `${value >= of ? "+" : ""}${trimmed((value / of - 1) * 100)} %` }) : "";
        return make("td", {}, show(value, unit), ratio);
      };
      const shown = make("input", { type: "checkbox", checked: kept.shown, ariaLabel: `draw ${kept.label}` });
      shown.addEventListener("change", () => { kept.shown = shown.checked; draw(); });
      const away = make("button", { type: "button", textContent: "Forget", ariaLabel: `Forget ${kept.label}` });
      away.addEventListener("click", () => { page.kept.splice(i, 1); showKept(); draw(); });
      const met = kept.objectives.filter((objective) => objective.met).length;
      return make("tr", {}, make("th", { scope: "row" }, shown, ` ${kept.label}`), ...compared.map(cell),
        make("td", { textContent: `${met} of ${kept.objectives.length}` }),
        make("td", { textContent: kept.set.join(", ") || "–" }), make("td", {}, away));
    };
    place.replaceChildren(make("table", {}, make("caption", { textContent: "Runs side by side, against the first" }),
      make("thead", {}, make("tr", {}, ...head.map((label) => label ? make("th", { scope: "col", textContent: label }) : make("td")))),
      make("tbody", {}, ...page.kept.map(row))));
  };
  at("keep").addEventListener("click", () => {
    if (!page.result) return;
    const label = at("name").value.trim() || `run ${page.kept.length + 1}`;
    page.kept.push({ ...page.result, label, shown: true });
    at("name").value = "";
    showKept();
    draw();
    say(`kept as ${label}`);
  });

  const save = (name, blob) => {
    const link = make("a", { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  at("download").addEventListener("click", () => {
    const changes = [...page.turned.values()].flat();
    const plain = (value) => /^(true|false|-?\d+(\.\d+)?|\{.*\})$/.test(String(value)) ? value : JSON.stringify(value);
    let name = "page";
    while (text.value.includes(`[variants.${name}]`)) name += "-again";
    const variant = changes.length === 0 ? "" : `\n[variants.${name}]\n`
      + changes.map(([path, value]) => `${JSON.stringify(path)} = ${plain(value)}\n`).join("");
    save(`${page.name.split("/").pop().replace(/\.toml$/, "")}.toml`, new Blob([text.value + variant], { type: "application/toml" }));
  });
  at("report").addEventListener("click", async () => {
    say("simulating all variants for the report …");
    const response = await post("report", {});
    if (!response.ok) { say("no report: see the faults"); return; }
    save("report.html", await response.blob());
    say("the report is downloaded");
  });

  // ---- begin ------------------------------------------------------------------------------------
  const setTheme = (theme) => {
    root.dataset.theme = theme;
    at("theme").textContent = theme === "dark" ? "Light" : "Dark";
    draw();
  };
  at("theme").addEventListener("click", () => setTheme(dark() ? "light" : "dark"));
  setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  addEventListener("resize", () => charts.forEach((chart) => chart.resize()));
  const open = ({ name, text: whole }) => {
    page.name = name;
    text.value = whole;
    page.knobs = null;
    check(true);
    help();
  };
  (async () => {
    const offered = await (await fetch("api/scenarios")).json();
    at("scenario").replaceChildren(...offered.map(({ name }, i) => new Option(name, String(i))));
    at("scenario").addEventListener("change", () => open(offered[Number(at("scenario").value)]));
    open(offered[0]);
    page.schema = await (await fetch("api/schema")).json();
    help();
  })();
})();
