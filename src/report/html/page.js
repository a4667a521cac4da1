"use strict";
(() => {
  const errors = [];
  const fail = (error) => {
    errors.push(String(error));
    document.documentElement.dataset.errors = errors.join(" | ");
  };
  addEventListener("error", (event) => fail(event.message));

  const results = JSON.parse(document.getElementById("data").textContent);
  const several = results.length > 1;
  // One row for each variant of each result, with all that is known of it.
  const variants = results.filter((result) => result.summary).flatMap((result) =>
    result.summary.variants.map((summary) => ({
      label: several ? `${result.name}: ${summary.name}` : summary.name,
      name: summary.name,
      result,
      summary,
      trials: result.trials[summary.name] ?? {},
      distributions: result.distributions[summary.name] ?? {},
      series: result.series[summary.name] ?? {},
      example: result.example?.[summary.name],
    })));

  // ---- words and numbers ------------------------------------------------------------------------
  const unitOf = (key) => {
    const bare = key.replace(/^(agents|pools)\.[^.]+\./, "").replace(/_p\d+$/, "");
    for (const { summary } of variants) {
      const unit = summary.metrics[bare]?.unit ?? Object.values(summary.pools)[0]?.[bare]?.unit;
      if (unit !== undefined) return unit;
    }
    return /_s$/.test(bare) ? "s" : /^usd/.test(bare) ? "USD" : "";
  };
  const { trimmed, show, words, dark, css, palette, base, axis, zoom } = tokenfleet;

  // ---- charts -----------------------------------------------------------------------------------
  const names = (data, more = {}) => axis("", {
    type: "category", data, scale: undefined, splitLine: { show: false },
    axisLabel: { color: css("--ink"), width: 130, overflow: "break" }, ...more,
  });

  const drawn = [];
  const fill = (select, options, chosen) => {
    select.replaceChildren(...options.map(([value, label]) => new Option(label, value, false, value === chosen)));
  };
  /** Registers a figure: `choices` fills its controls, `draw` gives an option and rows to download. */
  const figure = (id, choices, draw, about = variants) => {
    if (about.length === 0) return;
    const element = document.getElementById(id);
    const controls = Object.fromEntries(
      [...element.querySelectorAll("[data-control]")].map((select) => [select.dataset.control, select]));
    const offered = choices(controls);
    if (offered === false) return;
    element.hidden = false;
    const place = element.querySelector(".chart");
    let chart;
    let rows = [];
    const render = () => {
      try {
        const chosen = Object.fromEntries(Object.entries(controls).map(([name, select]) => [name, select.value]));
        const made = draw(chosen);
        chart ??= echarts.init(place, null, { renderer: "svg" });
        chart.setOption({ ...base(), ...made.option }, true);
        rows = made.rows;
        place.setAttribute("aria-label", made.label);
        element.dataset.drawn = "yes";
      } catch (error) { fail(`${id}: ${error}`); }
    };
    Object.values(controls).forEach((select) => select.addEventListener("change", render));
    element.querySelector("[data-download]").addEventListener("click", () => {
      const cell = (value) => /[",\n]/.test(String(value)) ? `"${String(value).replace(/"/g, '""')}"` : value ?? "";
      const csv = rows.map((row) => row.map(cell).join(",")).join("\n") + "\n";
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([csv], { type: "text/csv" }));
      link.download = `${id}.csv`;
      link.click();
      URL.revokeObjectURL(link.href);
    });
    render();
    drawn.push({ render, resize: () => chart?.resize() });
  };
  const known = (key) => variants.some((variant) => Number.isFinite(variant.summary.metrics[key]?.mean));
  const all = (list) => [["", "all"], ...list];

  // Distributions, with the trials' means below.
  const stem = (column) => column.replace(/^(agents|pools)\.[^.]+\./, "");
  figure("distribution", ({ metric, part, variant }) => {
    const columns = [...new Set(variants.flatMap(({ distributions }) => Object.keys(distributions)))].filter((c) => c !== "p");
    if (columns.length === 0) return false;
    const metrics = [...new Set(columns.map(stem))];
    const parts = [...new Set(columns.map((c) => c.slice(0, c.length - stem(c).length)))];
    fill(metric, metrics.map((m) => [m, words(m)]), metrics.includes("usd_per_task") ? "usd_per_task" : metrics[0]);
    fill(part, parts.map((p) => [p, p === "" ? "the fleet" : p.slice(0, -1).replace(".", " ")]), "");
    fill(variant, all(variants.map((v, at) => [String(at), v.label])), "");
  }, ({ metric, part, variant }) => {
    const key = part + metric, unit = unitOf(metric);
    const shown = variants.map((v, at) => ({ ...v, at })).filter((v) => v.distributions[key]);
    const values = shown.flatMap((v) => v.distributions[key]).filter((x) => x > 0);
    const logarithmic = values.length > 0 && Math.max(...values) > 50 * Math.min(...values);
    const lines = shown.map((v) => ({
      name: v.label, type: "line", showSymbol: false, color: palette()[v.at % 8],
      data: v.distributions[key].map((x, i) => [x, v.distributions.p[i]]).filter(([x]) => !logarithmic || x > 0),
    }));
    const dots = shown.filter((v) => variant === "" || String(v.at) === variant).map((v) => ({
      name: v.label, type: "scatter", symbolSize: 7, color: palette()[v.at % 8], itemStyle: { opacity: 0.5 },
      data: (v.trials[key] ?? []).filter((x) => x !== null && (!logarithmic || x > 0)).map((x) => [x, -0.06]),
      tooltip: { formatter: ({ value }) => `mean of one trial of ${v.label}: ${show(value[0], unit)}` },
    }));
    return {
      label: `Distribution of ${words(metric)}: ` + shown.map((v) => {
        const at = v.distributions.p.indexOf(0.5);
        return `${v.label} median ${show(v.distributions[key][at], unit)}`;
      }).join(", "),
      option: {
        tooltip: { ...base().tooltip, trigger: "item", formatter: ({ seriesName, value }) =>
          `${seriesName}: ${trimmed(value[1] * 100)} % are at most ${show(value[0], unit)}` },
        xAxis: axis(unit, logarithmic ? { type: "log", logBase: 10 } : {}),
        yAxis: axis("share", { min: -0.1, max: 1, axisLabel: { color: css("--faint"), formatter: (v) => v < 0 ? "trials" : show(v, "share") } }),
        dataZoom: [zoom],
        series: [...lines.map((line) => ({ ...line, triggerLineEvent: true })), ...dots],
      },
      rows: [["variant", "p", key], ...shown.flatMap((v) => v.distributions[key].map((x, i) => [v.label, v.distributions.p[i], x]))],
    };
  });

  // Over time.
  const skipped = new Set(["start_s", "end_s", "coverage"]);
  figure("series", ({ column, variant }) => {
    const columns = [...new Set(variants.flatMap(({ series }) => Object.keys(series)))].filter((c) => !skipped.has(c));
    if (columns.length === 0) return false;
    const bare = [...new Set(columns.map(stem))];
    fill(column, bare.map((c) => [c, words(c)]), bare.includes("batch_size") ? "batch_size" : bare[0]);
    fill(variant, all(variants.map((v, at) => [String(at), v.label])), "");
  }, ({ column, variant }) => {
    const unit = /(utilization|occupancy|saturation|rate)$/.test(column) ? "share" : /per_s$/.test(column) ? "/s" : unitOf(column);
    const shown = variants.map((v, at) => ({ ...v, at })).filter((v) => variant === "" || String(v.at) === variant);
    const series = shown.flatMap((v) => Object.keys(v.series).filter((c) => stem(c) === column).map((c) => ({
      name: c === column ? v.label : `${v.label} ${c.split(".")[1]}`,
      type: "line", showSymbol: false, sampling: "lttb",
      data: v.series[c].map((y, i) => [(v.series.start_s[i] + v.series.end_s[i]) / 2, y]),
    })));
    return {
      label: `${words(column)} over simulated time`,
      option: {
        tooltip: { ...base().tooltip, trigger: "axis", valueFormatter: (value) => show(value, unit),
          axisPointer: { label: { formatter: ({ value }) => show(value, "s") } } },
        grid: { ...base().grid, bottom: 48 },
        dataZoom: [zoom, { type: "slider", height: 18, bottom: 8, labelFormatter: (v) => show(v, "s") }],
        xAxis: axis("s", { scale: false, min: "dataMin", max: "dataMax" }),
        yAxis: axis(unit, { scale: false }),
        series,
      },
      rows: [["series", "time_s", column], ...series.flatMap((s) => s.data.map(([x, y]) => [s.name, x, y]))],
    };
  });

  // Where the money goes.
  figure("money", () => known("usd_per_h") ? undefined : false, () => {
    const parts = new Map();
    const put = (name, at, value) => {
      if (!parts.has(name)) parts.set(name, variants.map(() => 0));
      parts.get(name)[at] = value;
    };
    variants.forEach(({ summary }, at) => {
      const idle = summary.metrics.idle_usd_share?.mean ?? 0, peak = summary.metrics.demand_usd_share?.mean ?? 0;
      for (const [agent, metrics] of Object.entries(summary.agents)) {
        const spent = metrics.usd_per_h?.mean ?? 0, busy = spent * (1 - idle - peak), wasted = busy * (metrics.wasted_usd_share?.mean ?? 0);
        put(`${agent}: used`, at, busy - wasted);
        if (wasted > 0) put(`${agent}: not used`, at, wasted);
        put(`${agent}: idle`, at, spent * idle);
        if (peak > 0) put(`${agent}: peak demand`, at, spent * peak);
      }
    });
    const series = [...parts].map(([name, data]) => ({ name, type: "bar", stack: "money", data, barMaxWidth: 40,
      itemStyle: name.endsWith("idle") ? { decal: { symbol: "rect", dashArrayX: [1, 0], dashArrayY: [2, 4], rotation: 0.8 }, opacity: 0.65 } : {} }));
    return {
      label: "Dollars per hour by agent and use: " + variants.map((v) => `${v.label} ${show(v.summary.metrics.usd_per_h?.mean, "USD/h")}`).join(", "),
      option: {
        tooltip: { ...base().tooltip, trigger: "axis", axisPointer: { type: "shadow" }, valueFormatter: (v) => show(v, "USD/h") },
        xAxis: axis("USD/h", { scale: false }), yAxis: names(variants.map((v) => v.label), { inverse: true }), series,
      },
      rows: [["variant", ...parts.keys()], ...variants.map((v, at) => [v.label, ...[...parts.values()].map((data) => data[at])])],
    };
  });

  // Where the time goes.
  figure("time", () => known("task_latency_s") && known("call_latency_s") ? undefined : false, () => {
    const labels = ["queue", "prompt", "answer", "tools, waits, retries"];
    const table = variants.map(({ label, summary: { metrics } }) => {
      const mean = (key) => metrics[key]?.mean ?? 0;
      const calls = mean("llm_calls_per_task"), queue = mean("queue_time_s");
      const prompt = Math.max(0, mean("ttft_s") - queue), answer = Math.max(0, mean("call_latency_s") - mean("ttft_s"));
      const rest = mean("task_latency_s") - calls * (queue + prompt + answer);
      return { label: rest < -0.01 * mean("task_latency_s") ? `${label} (side by side)` : label,
        parts: [queue * calls, prompt * calls, answer * calls, Math.max(0, rest)] };
    });
    const series = labels.map((name, part) => ({ name, type: "bar", stack: "time", barMaxWidth: 40, data: table.map((row) => row.parts[part]) }));
    return {
      label: "Seconds of the mean task by what it waits for",
      option: {
        tooltip: { ...base().tooltip, trigger: "axis", axisPointer: { type: "shadow" }, valueFormatter: (v) => show(v, "s") },
        xAxis: axis("s", { scale: false }), yAxis: names(table.map((row) => row.label), { inverse: true }), series,
      },
      rows: [["variant", ...labels], ...table.map((row) => [row.label, ...row.parts])],
    };
  });

  // What the dollars are charged for.
  const looked = variants.filter(({ example }) => example?.tasks > 0);
  figure("spend", ({ variant }) => {
    fill(variant, looked.map(({ label }, at) => [String(at), label]), "0");
  }, ({ variant }) => {
    const { label, summary: { metrics }, example: { spend } } = looked[Number(variant)];
    const whole = metrics.usd_per_h?.mean ?? 0, idle = whole * (metrics.idle_usd_share?.mean ?? 0), peak = whole * (metrics.demand_usd_share?.mean ?? 0);
    const sample = spend.reduce((sum, { usd }) => sum + usd, 0);
    const rows = spend.map((row) => ({ ...row, value: sample > 0 ? row.usd / sample * (whole - idle - peak) : 0 }));
    const tree = (parts, [key, ...more]) => [...new Set(parts.map((part) => part[key]))].map((name) => {
      const own = parts.filter((part) => part[key] === name);
      return { name, value: own.reduce((sum, { value }) => sum + value, 0), ...(more.length ? { children: tree(own, more) } : {}) };
    });
    const data = [...tree(rows, ["agent", "model", "step"]), { name: "idle time", value: idle, itemStyle: { color: css("--faint") } },
      ...(peak > 0 ? [{ name: "peak demand", value: peak, itemStyle: { color: css("--faint") } }] : [])];
    const text = ({ name, value }) => `${name}\n${show(value, "USD/h")}`;
    return {
      label: `Dollars per hour of ${label}: ` + data.map(({ name, value }) => `${name} ${show(value, "USD/h")}`).join(", "),
      option: {
        legend: { show: false },
        tooltip: { ...base().tooltip, formatter: ({ treePathInfo, value }) =>
          `${treePathInfo.slice(1).map((part) => part.name).join(" › ")}<br>${show(value, "USD/h")}, ${trimmed(value / whole * 100)} %` },
        series: [{ type: "treemap", data, roam: false, top: 8, bottom: 34, left: 8, right: 8, visibleMin: 1,
          label: { formatter: text, overflow: "truncate", lineHeight: 18 }, upperLabel: { show: true, height: 22, lineHeight: 22, color: css("--paper"), textBorderColor: "transparent", formatter: ({ name, value }) => `${name}, ${show(value, "USD/h")}` },
          breadcrumb: { bottom: 4, itemStyle: { color: css("--panel"), textStyle: { color: css("--ink") } } },
          levels: [{ itemStyle: { gapWidth: 3, borderColor: css("--paper") }, upperLabel: { show: false } },
            { itemStyle: { gapWidth: 2, borderWidth: 2, borderColor: css("--faint") } },
            { itemStyle: { gapWidth: 1, borderWidth: 1, borderColor: css("--faint") }, colorSaturation: [0.35, 0.6] }, { colorSaturation: [0.35, 0.6] }] }],
      },
      rows: [["agent", "model", "step", "usd_per_h"], ...rows.map(({ agent, model, step, value }) => [agent, model, step, value]), ["", "", "idle", idle], ...(peak > 0 ? [["", "", "peak demand", peak]] : [])],
    };
  }, looked);

  // One task, call by call.
  const tasks = looked.flatMap(({ label, example }) => example.examples.map((task) => ({ ...task, label: `${label}: ${task.agent}` })));
  figure("task", ({ which }) => {
    fill(which, tasks.map(({ label }, at) => [String(at), label]), "0");
  }, ({ which }) => {
    const { label, latency_s: latency, spans } = tasks[Number(which)];
    const callers = Array.from({ length: 1 + Math.max(0, ...spans.map(({ caller }) => caller)) }, (_, at) => at === 0 ? "agent" : `sub-agent ${at}`);
    const series = ["queue", "prompt", "answer", "tool"].map((part) => ({
      name: part, type: "custom", encode: { x: [1, 2], y: 0 },
      data: spans.filter((span) => span.part === part).map((span) => ({ value: [span.caller, span.start_s, span.end_s], span })),
      renderItem: (_, api) => {
        const [start, end] = [1, 2].map((at) => api.coord([api.value(at), api.value(0)]));
        const height = Math.min(34, api.size([0, 1])[1] * 0.7);
        return { type: "rect", shape: { x: start[0], y: start[1] - height / 2, width: Math.max(1, end[0] - start[0]), height }, style: { fill: api.visual("color") } };
      },
    }));
    return {
      label: `One task of ${label} takes ${show(latency, "s")} in ${new Set(spans.filter(({ part }) => part === "answer").map(({ start_s }) => start_s)).size} calls`,
      option: {
        tooltip: { ...base().tooltip, formatter: ({ seriesName, data: { span } }) => `${span.name}: ${seriesName}, ${show(span.end_s - span.start_s, "s")} from ${show(span.start_s, "s")}`
          + (span.input_tokens === null ? "" : `<br>${show(span.input_tokens, "")} tokens in (${show(span.cached_tokens, "")} cached), ${show(span.output_tokens, "")} out`) },
        grid: { ...base().grid, bottom: 48 },
        dataZoom: [{ ...zoom, filterMode: "weakFilter" }, { type: "slider", height: 18, bottom: 8, filterMode: "weakFilter", labelFormatter: (v) => show(v, "s") }],
        xAxis: axis("s", { scale: false, min: 0, max: latency }), yAxis: names(callers, { inverse: true }), series,
      },
      rows: [["caller", "name", "part", "start_s", "end_s", "input_tokens", "cached_tokens", "output_tokens"],
        ...spans.map((s) => [callers[s.caller], s.name, s.part, s.start_s, s.end_s, s.input_tokens, s.cached_tokens, s.output_tokens])],
    };
  }, tasks);

  // The agent's program as a graph.
  const programs = looked.flatMap(({ label, example }) => example.programs.map((program) => ({ ...program,
    label: `${label}: ${program.agent}${program.program === program.agent ? "" : `, ${program.program}`}` })));
  figure("program", ({ which }) => {
    fill(which, programs.map(({ label }, at) => [String(at), label]), "0");
  }, ({ which }) => {
    const { label, start, nodes, edges } = programs[Number(which)];
    // Layers by the least number of ways from the start.
    const depth = new Map([[start, 0]]);
    for (const queue = [start]; queue.length > 0;) {
      const from = queue.shift();
      for (const { to } of edges.filter((edge) => edge.from === from && !depth.has(edge.to))) {
        depth.set(to, depth.get(from) + 1);
        queue.push(to);
      }
    }
    const layers = new Map();
    const placed = nodes.map((node) => {
      const layer = depth.get(node.step) ?? 0;
      layers.set(layer, (layers.get(layer) ?? 0) + 1);
      return { ...node, layer, place: layers.get(layer) };
    });
    const kinds = [...new Set(nodes.map(({ kind }) => kind))];
    const most = Math.max(...nodes.map(({ visits }) => visits), ...edges.map(({ visits }) => visits));
    return {
      label: `Program of ${label}: ` + nodes.map(({ step, visits }) => `${step} ${trimmed(visits)} times`).join(", "),
      option: {
        tooltip: { ...base().tooltip, formatter: ({ dataType, data }) => dataType === "edge"
          ? `${data.source} → ${data.target}: ${trimmed(data.value)} times a task` : `${data.name} (${kinds[data.category]}): ${trimmed(data.value)} times a task` },
        series: [{ type: "graph", layout: "none", preserveAspect: "contain", left: 60, right: 60, top: 60, bottom: 40, edgeSymbol: ["none", "arrow"], edgeSymbolSize: 8,
          autoCurveness: true, categories: kinds.map((name) => ({ name })),
          data: placed.map(({ step, kind, visits, layer, place }) => ({ name: step, value: visits, category: kinds.indexOf(kind), x: layer * 100,
            y: (place - (layers.get(layer) + 1) / 2) * 80, symbolSize: 14 + 30 * Math.sqrt(visits / most) })),
          links: edges.map(({ from, to, visits }) => ({ source: from, target: to, value: visits, lineStyle: { width: 1 + 4 * visits / most } })),
          label: { show: true, position: "bottom", color: css("--ink"), lineHeight: 16, formatter: ({ name, value }) => `${name}\n${trimmed(value)}×` },
          lineStyle: { color: css("--faint"), opacity: 0.8, curveness: 0.15 }, emphasis: { focus: "adjacency" } }],
      },
      rows: [["step", "kind", "visits_per_task"], ...nodes.map(({ step, kind, visits }) => [step, kind, visits]),
        ["from", "to", "visits_per_task"], ...edges.map(({ from, to, visits }) => [from, to, visits])],
    };
  }, programs);

  // From one prompt to a task.
  figure("amplification", () => known("amplification") ? undefined : false, () => {
    const steps = ["plain prompt and answer", "prompts, computed", "prompts, from the cache", "answers", "reasoning"];
    const table = variants.map(({ label, summary: { metrics } }) => {
      const mean = (key) => metrics[key]?.mean ?? 0;
      const cached = mean("cached_tokens_per_task"), reasoning = mean("reasoning_tokens_per_task");
      return [label, mean("tokens_per_task") / mean("amplification"), mean("input_tokens_per_task") - cached, cached,
        mean("output_tokens_per_task") - reasoning, reasoning];
    });
    const series = steps.map((name, at) => ({ name, type: "bar", stack: at === 0 ? "plain" : "task", barMaxWidth: 26,
      data: table.map((row) => row[at + 1]),
      label: { show: at === 0, position: "right", color: css("--ink"), formatter: ({ dataIndex }) =>
        `${show(table[dataIndex][1], "")}; the task takes ${show(variants[dataIndex].summary.metrics.amplification?.mean, "")} times as many` } }));
    return {
      label: "Tokens: " + variants.map((v) => `a task of ${v.label} takes ${show(v.summary.metrics.amplification?.mean, "")} times one plain prompt and answer`).join(", "),
      option: {
        tooltip: { ...base().tooltip, trigger: "axis", axisPointer: { type: "shadow" }, valueFormatter: (v) => show(v, "tokens") },
        xAxis: axis("", { scale: false }), yAxis: names(table.map((row) => row[0]), { inverse: true }), series,
      },
      rows: [["variant", ...steps], ...table],
    };
  });

  // Trade-offs between two figures.
  const lessIsBetter = (key) => !/(per_gpu|per_s|rate|per_joule|per_user|utilization)$/.test(key) || /preempt/.test(key);
  figure("front", ({ x, y }) => {
    if (variants.length < 2) return false;
    const keys = Object.keys(variants[0].summary.metrics).filter(known);
    const tails = keys.filter((k) => Number.isFinite(variants[0].summary.metrics[k].p95) && /_s$/.test(k)).map((k) => `${k}|p95`);
    const options = [...keys, ...tails].sort().map((k) => [k, words(k.split("|")[0]) + (k.includes("|") ? " p95" : "")]);
    fill(x, options, "usd_per_successful_task");
    fill(y, options, tails.includes("task_latency_s|p95") ? "task_latency_s|p95" : "task_latency_s");
  }, ({ x, y }) => {
    const value = (v, key) => { const [metric, of = "mean"] = key.split("|"); return v.summary.metrics[metric]?.[of]; };
    const points = variants.map((v) => ({ name: v.label, value: [value(v, x), value(v, y)] })).filter((p) => p.value.every(Number.isFinite));
    const sign = [x, y].map((key) => lessIsBetter(key.split("|")[0]) ? 1 : -1);
    const beats = (a, b) => a.value.every((v, i) => sign[i] * v <= sign[i] * b.value[i]) && a.value.some((v, i) => v !== b.value[i]);
    const front = points.filter((p) => !points.some((q) => beats(q, p))).sort((a, b) => a.value[0] - b.value[0]);
    const [ux, uy] = [x, y].map((key) => unitOf(key.split("|")[0]));
    return {
      label: `${words(x)} against ${words(y)}; not beaten: ${front.map((p) => p.name).join(", ")}`,
      option: {
        legend: { show: false },
        tooltip: { ...base().tooltip, formatter: ({ name, value }) => `${name}<br>${show(value[0], ux)}, ${show(value[1], uy)}` },
        grid: { ...base().grid, top: 28, right: 60 },
        xAxis: axis(ux), yAxis: axis(uy),
        series: [
          { type: "line", data: front.map((p) => p.value), silent: true, symbol: "none", lineStyle: { type: "dashed" }, tooltip: { show: false } },
          { type: "scatter", data: points, symbolSize: 13, color: palette()[1], labelLayout: { moveOverlap: "shiftY" },
            label: { show: true, position: "right", formatter: "{b}", color: css("--ink") } },
        ],
      },
      rows: [["variant", x, y], ...points.map((p) => [p.name, ...p.value])],
    };
  });

  // Paired differences.
  const compared = results.filter((result) => result.comparison);
  figure("difference", ({ metric }) => {
    const metrics = [...new Set(compared.flatMap((r) => r.comparison.variants.flatMap((v) => v.differences.map((d) => d.metric))))];
    if (metrics.length === 0) return false;
    fill(metric, metrics.map((m) => [m, words(m)]), metrics.includes("usd_per_successful_task") ? "usd_per_successful_task" : metrics[0]);
  }, ({ metric }) => {
    const rows = compared.flatMap((r) => r.comparison.variants.map((v) => ({ name: `${v.name} / ${r.comparison.baseline}`, ...v.differences.find((d) => d.metric === metric) })))
      .filter((row) => Number.isFinite(row.ratio));
    return {
      label: `${words(metric)}: ` + rows.map((row) => `${row.name} ${trimmed(row.ratio)} (${trimmed(row.ratio_low)} to ${trimmed(row.ratio_high)})`).join(", "),
      option: {
        legend: { show: false },
        tooltip: { ...base().tooltip, formatter: ({ dataIndex: i }) => `${rows[i].name}: ${trimmed(rows[i].ratio)} times, ${trimmed(rows[i].ratio_low)} to ${trimmed(rows[i].ratio_high)}` },
        xAxis: axis(""), yAxis: names(rows.map((row) => row.name), { inverse: true }),
        series: [
          { type: "custom", encode: { x: [1, 2], y: 0 }, data: rows.map((row, i) => [i, row.ratio_low, row.ratio_high]),
            renderItem: (_, api) => {
              const [a, b] = [1, 2].map((at) => api.coord([api.value(at), api.value(0)]));
              return { type: "line", shape: { x1: a[0], y1: a[1], x2: b[0], y2: b[1] }, style: { stroke: palette()[0], lineWidth: 5, opacity: 0.5 } };
            } },
          { type: "scatter", symbolSize: 12, color: palette()[0], data: rows.map((row, i) => [row.ratio, i]),
            markLine: { silent: true, symbol: "none", data: [{ xAxis: 1 }], lineStyle: { color: css("--faint") }, label: { show: false } } },
        ],
      },
      rows: [["pair", "ratio", "low", "high"], ...rows.map((row) => [row.name, row.ratio, row.ratio_low, row.ratio_high])],
    };
  });

  // ---- experiments over many points ---------------------------------------------------------------
  const found = (kind) => results.filter(({ experiment }) => experiment?.kind === kind).map(({ name, experiment }) => ({ name, ...experiment.found }));
  const explained = found("explain");
  figure("waterfall", () => undefined, () => {
    const { from, to, metric, unit, value_from: first, value_to: last, factors } = explained[0];
    let level = first;
    const steps = factors.map(({ factor, times, low, high }) => {
      const before = level;
      level *= times;
      return { factor, times, low, high, before, after: level };
    });
    const bars = [{ name: from, base: 0, size: first }, ...steps.map(({ factor, before, after }) => ({ name: factor, base: Math.min(before, after), size: Math.abs(after - before), up: after > before })), { name: to, base: 0, size: last }];
    return {
      label: `${words(metric)}: ${show(first, unit)} in ${from}, ` + steps.map(({ factor, times }) => `${factor} times ${trimmed(times)}`).join(", ") + `, ${show(last, unit)} in ${to}`,
      option: {
        legend: { show: false },
        tooltip: { ...base().tooltip, formatter: ({ dataIndex: at }) => at === 0 || at > steps.length ? `${bars[at].name}: ${show(bars[at].size, unit)}`
          : `${bars[at].name}: ${trimmed(steps[at - 1].times)} times (${trimmed(steps[at - 1].low)} to ${trimmed(steps[at - 1].high)})` },
        xAxis: names(bars.map(({ name }) => name)), yAxis: axis(unit, { scale: false }),
        series: [
          { type: "bar", stack: "all", silent: true, itemStyle: { color: "transparent" }, data: bars.map(({ base: low }) => low), tooltip: { show: false } },
          { type: "bar", stack: "all", barMaxWidth: 60, label: { show: true, position: "top", color: css("--ink"),
            formatter: ({ dataIndex: at }) => at === 0 || at > steps.length ? show(bars[at].size, unit) : `× ${trimmed(steps[at - 1].times)}` },
            data: bars.map(({ size, up }) => ({ value: size, itemStyle: { color: up === undefined ? palette()[0] : up ? palette()[1] : palette()[2] } })) },
        ],
      },
      rows: [["factor", "times", "low", "high", "before", "after"], ...steps.map(({ factor, times, low, high, before, after }) => [factor, times, low, high, before, after])],
    };
  }, explained);

  const swept = found("sweep");
  figure("points", ({ x, y }) => {
    const keys = [...new Set(swept.flatMap(({ points }) => points.flatMap(({ metrics }) => Object.keys(metrics ?? {}))))].sort();
    if (keys.length === 0) return false;
    const options = keys.map((key) => [key, words(key)]);
    fill(x, options, swept[0].pareto[0]);
    fill(y, options, swept[0].pareto[1]);
  }, ({ x, y }) => {
    const points = swept.flatMap(({ points: all }) => all).filter(({ metrics }) => Number.isFinite(metrics?.[x]?.value) && Number.isFinite(metrics[y]?.value));
    const told = ({ settings }) => Object.entries(settings).map(([path, value]) => `${path.split(".").at(-1)} ${value}`).join(", ");
    const front = x === swept[0].pareto[0] && y === swept[0].pareto[1] ? points.filter((point) => point.pareto_front) : [];
    const place = ({ metrics }) => [metrics[x].value, metrics[y].value];
    const [ux, uy] = points.length > 0 ? [points[0].metrics[x].unit, points[0].metrics[y].unit] : ["", ""];
    const meets = ({ objectives_met: met }) => Object.values(met ?? {}).every(Boolean);
    return {
      label: `${words(x)} against ${words(y)} at ${points.length} points` + (front.length ? `; not beaten: ${front.map(told).join("; ")}` : ""),
      option: {
        legend: { show: false },
        tooltip: { ...base().tooltip, formatter: ({ data: { point } }) => `${told(point)}<br>${show(point.metrics[x].value, ux)}, ${show(point.metrics[y].value, uy)}${meets(point) ? "" : "<br>misses an objective"}` },
        xAxis: axis(ux), yAxis: axis(uy), dataZoom: [zoom],
        series: [
          { type: "line", data: front.map(place).sort((a, b) => a[0] - b[0]), silent: true, symbol: "none", lineStyle: { type: "dashed" }, tooltip: { show: false } },
          { type: "scatter", symbolSize: 12, data: points.map((point) => ({ value: place(point), point,
            itemStyle: meets(point) ? { color: palette()[0] } : { color: "transparent", borderColor: palette()[1], borderWidth: 2 } })),
            label: { show: points.length <= 24, position: "right", color: css("--ink"), formatter: ({ data: { point } }) => told(point) }, labelLayout: { hideOverlap: true } },
        ],
      },
      rows: [["settings", x, y, "meets_all"], ...points.map((point) => [told(point), ...place(point), meets(point)])],
    };
  }, swept);

  const sized = found("size").filter(({ fleets }) => fleets.length > 0);
  figure("fleets", () => undefined, () => {
    const fleets = sized.flatMap(({ fleets: all }) => all);
    const name = (one) => one.name || "as it stands";
    return {
      label: fleets.map((one) => `${name(one)}: ${one.fleet ? show(one.fleet.usd_per_h, "USD/h") : one.why ?? one.found}`).join(", "),
      option: {
        legend: { show: false },
        tooltip: { ...base().tooltip, formatter: ({ dataIndex: at }) => { const { fleet, why, found: how } = fleets[at];
          return fleet ? `${name(fleets[at])}: ${Object.entries(fleet.counts).map(([path, count]) => `${count} ${path}`).join(", ")}, ${fleet.gpus} GPUs, ${show(fleet.usd_per_h, "USD/h")}` : `${name(fleets[at])}: ${why ?? how}`; } },
        xAxis: axis("USD/h", { scale: false }), yAxis: names(fleets.map(name), { inverse: true }),
        series: [{ type: "bar", barMaxWidth: 40, color: palette()[0], data: fleets.map(({ fleet }) => fleet?.usd_per_h ?? 0),
          label: { show: true, position: "right", color: css("--ink"), formatter: ({ dataIndex: at }) => fleets[at].fleet ? `${fleets[at].fleet.gpus} GPUs` : fleets[at].why ?? fleets[at].found } }],
      },
      rows: [["fleet", "gpus", "usd_per_h", "found"], ...fleets.map((one) => [name(one), one.fleet?.gpus, one.fleet?.usd_per_h, one.found])],
    };
  }, sized);

  // ---- theme, size, print -----------------------------------------------------------------------
  const button = document.getElementById("theme");
  const setTheme = (theme) => {
    document.documentElement.dataset.theme = theme;
    button.textContent = theme === "dark" ? "Light" : "Dark";
    drawn.forEach(({ render }) => render());
  };
  button.addEventListener("click", () => setTheme(dark() ? "light" : "dark"));
  setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  addEventListener("resize", () => drawn.forEach(({ resize }) => resize()));
  addEventListener("beforeprint", () => { setTheme("light"); drawn.forEach(({ resize }) => resize()); });
  document.documentElement.dataset.ready = String(drawn.length);
  // How long it took until all was to be seen, for whoever measures it.
  requestAnimationFrame(() => setTimeout(() => performance.mark("seen")));
})();
