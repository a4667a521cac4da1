//! The body of the page: the answer, the key figures and the provenance as plain HTML, and a place
//! for each chart.

use std::fmt::Write as _;

use serde_json::Value;

use super::ResultData;
use crate::experiment::Metric;
use crate::foundations::Interval;
use crate::foundations::units::format_percent;
use crate::report::quantity::{plain, with_interval};

/// The figures of the first screen, and what they are called.
const KEY: [(&str, &str); 12] = [
    ("usd_per_successful_task", "cost per successful task"),
    ("task_latency_s", "task latency"),
    ("task_success_rate", "tasks that succeed"),
    ("llm_calls_per_task", "LLM calls per task"),
    ("tokens_per_task", "tokens per task"),
    ("amplification", "amplification over one plain prompt and answer"),
    ("ttft_s", "time to first token"),
    ("tpot_s", "time per output token"),
    ("prefix_hit_rate", "prompt tokens found in the prefix cache"),
    ("utilization", "servers busy"),
    ("usd_per_h", "spent per hour"),
    ("idle_usd_share", "spent on idle time"),
];

/// The figures of a tenant, and what they are called.
const TENANT: [(&str, &str); 11] = [
    ("usd_spent", "cost"),
    ("bill_share", "part of the bill"),
    ("usd_per_task", "cost per task"),
    ("usd_per_successful_task", "cost per successful task"),
    ("tasks", "tasks"),
    ("task_success_rate", "tasks that succeed"),
    ("task_latency_s", "task latency"),
    ("ttft_s", "time to first token"),
    ("input_tokens", "input tokens"),
    ("cached_tokens", "found in the prefix cache"),
    ("output_tokens", "output tokens"),
];

/// Those that variants are compared by at a glance, with a bar each.
const BARS: [&str; 6] = [
    "usd_per_successful_task",
    "task_latency_s",
    "tokens_per_task",
    "ttft_s",
    "tpot_s",
    "usd_per_h",
];

/// A chart: its section's name, its title, what it shows, and its controls.
struct Chart {
    id: &'static str,
    title: &'static str,
    about: &'static str,
    controls: &'static [(&'static str, &'static str)],
}

const CHARTS: [Chart; 13] = [
    Chart {
        id: "distribution",
        title: "Distributions",
        about: "Part of all observations that are at most so large. Dots below are the means of \
                single trials: how far they lie apart is what another seed would change.",
        controls: &[("metric", "figure"), ("part", "of"), ("variant", "trials of")],
    },
    Chart {
        id: "series",
        title: "Over time",
        about: "Averages over the trials. Drag, or hold Ctrl and scroll, to zoom; select a name to leave it out.",
        controls: &[("column", "figure"), ("variant", "variant")],
    },
    Chart {
        id: "money",
        title: "Where the money goes",
        about: "Dollars per hour by agent: answers that were used, answers that were not (retries, \
                abandoned tasks), and each agent's part of the idle time and of the charge for peak \
                demand, where there is one.",
        controls: &[],
    },
    Chart {
        id: "time",
        title: "Where the time goes",
        about: "The mean task: its calls in the queue, reading the prompt and writing the answer; \
                the rest is tools, waits and retries. Sub-agents that work side by side can make \
                the parts longer than the whole, which is then marked.",
        controls: &[],
    },
    Chart {
        id: "spend",
        title: "What the dollars are charged for",
        about: "Dollars per hour by agent, model and step of the program, from tasks of one trial; \
                idle time beside them. Select a part to look closer.",
        controls: &[("variant", "variant")],
    },
    Chart {
        id: "task",
        title: "One task",
        about: "The task of median latency, call by call: in the queue, reading the prompt, writing \
                the answer, in tools. Each caller has a line of its own; drag, or hold Ctrl and scroll, to zoom.",
        controls: &[("which", "agent")],
    },
    Chart {
        id: "program",
        title: "The agent's program",
        about: "Its steps, with how often a task comes to each and takes each way, from tasks of \
                one trial.",
        controls: &[("which", "program")],
    },
    Chart {
        id: "amplification",
        title: "From one prompt to a task",
        about: "Tokens of one plain prompt and answer, and of the task that stands in its place.",
        controls: &[],
    },
    Chart {
        id: "front",
        title: "Trade-offs",
        about: "Each variant by two figures. The line joins those that no other one beats in both.",
        controls: &[("x", "across"), ("y", "up")],
    },
    Chart {
        id: "difference",
        title: "Paired differences",
        about: "Each variant against the baseline on the same tasks, as a ratio with its interval. \
                An interval that crosses 1 tells no difference.",
        controls: &[("metric", "figure")],
    },
    Chart {
        id: "waterfall",
        title: "Which factor brings how much",
        about: "From one variant to the other: each factor multiplies what stands before it.",
        controls: &[],
    },
    Chart {
        id: "points",
        title: "All points",
        about: "Each point by two figures. The line joins those that no other one beats in both; \
                points that miss an objective are hollow.",
        controls: &[("x", "across"), ("y", "up")],
    },
    Chart {
        id: "fleets",
        title: "The cheapest fleet of each kind",
        about: "Dollars per hour of the fewest machines that meet all objectives; kinds that cannot \
                meet them have no bar.",
        controls: &[],
    },
];

/// Text that is safe inside an element or a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            other => safe.push(other),
        }
    }
    safe
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// All between `<body>` and the data.
pub(super) fn body(results: &[ResultData]) -> String {
    let mut html = String::from(
        "<a class=\"skip\" href=\"#answer\">Skip to the answer</a>\n<header>\n\
         <p class=\"brand\">tokenfleet</p>\n\
         <nav aria-label=\"Sections\"><a href=\"#charts\">Charts</a> \
         <a href=\"#provenance\">Assumptions and sources</a> \
         <a href=\"#again\">Make it again</a></nav>\n\
         <button id=\"theme\" type=\"button\">Dark</button>\n\
         </header>\n<main id=\"answer\">\n",
    );
    results.iter().for_each(|result| answer(&mut html, result, results.len() > 1));
    html.push_str(
        "<h2 id=\"charts\">Charts</h2>\n<noscript><p>Charts need JavaScript; every figure \
                   above and below does not.</p></noscript>\n<div class=\"charts\">\n",
    );
    CHARTS.iter().for_each(|found| chart(&mut html, found));
    html.push_str("</div>\n<h2 id=\"provenance\">Assumptions and sources</h2>\n");
    results.iter().for_each(|result| provenance(&mut html, result));
    html.push_str("<h2 id=\"again\">Make it again</h2>\n");
    results.iter().for_each(|result| again(&mut html, result));
    html.push_str("</main>\n");
    html
}

fn answer(html: &mut String, result: &ResultData, several: bool) {
    if result.experiment.is_some() {
        let _ = write!(
            html,
            "<section>\n<h1>{} <small>{}</small></h1>\n<pre tabindex=\"0\">{}</pre>\n</section>\n",
            escape(text(&result.manifest, "scenario")),
            escape(&result.name),
            escape(&result.answer),
        );
        return;
    }
    let variants = items(&result.summary["variants"]);
    let (seed, trials) = (&result.manifest["seed"], &result.manifest["trials_finished"]);
    let level = result.manifest["confidence"].as_f64().map_or_else(String::new, format_percent);
    let name =
        if several { format!(" <small>{}</small>", escape(&result.name)) } else { String::new() };
    let _ = write!(
        html,
        "<section>\n<h1>{}{name}</h1>\n<p class=\"lead\">{}</p>\n\
         <p class=\"fine\">{trials} trials, seed {seed}; ± holds in {level} of all cases.</p>\n",
        escape(text(&result.summary, "scenario")),
        escape(text(&result.summary, "answer")),
    );
    objectives(html, variants);
    key_figures(html, variants);
    tenants(html, variants);
    warnings(html, variants);
    html.push_str("</section>\n");
}

/// A table that scrolls by itself where the screen is narrow.
fn table(html: &mut String, caption: &str, head: &[String], rows: &[Vec<String>]) {
    let _ = write!(
        html,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\"><table>\
         <caption>{caption}</caption>\n<thead><tr>"
    );
    for cell in head {
        let _ = match cell.is_empty() {
            true => write!(html, "<td></td>"),
            false => write!(html, "<th scope=\"col\">{cell}</th>"),
        };
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        html.push_str("<tr>");
        for (at, cell) in row.iter().enumerate() {
            let _ = match at {
                0 => write!(html, "<th scope=\"row\">{cell}</th>"),
                _ => write!(html, "<td>{cell}</td>"),
            };
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
}

fn interval(figure: &Value) -> Option<Interval> {
    Some(Interval { low: figure["ci_low"].as_f64()?, high: figure["ci_high"].as_f64()? })
}

fn key_figures(html: &mut String, variants: &[Value]) {
    let names = variants.iter().map(|variant| escape(text(variant, "name")));
    let head: Vec<String> = std::iter::once(String::new()).chain(names).collect();
    let row = |&(key, label): &(&str, &str)| {
        let metric = Metric::find(key)?;
        let mean = |variant: &Value| variant["metrics"][key]["mean"].as_f64();
        let most = variants.iter().filter_map(mean).fold(0.0, f64::max);
        let bar = |variant: &Value| {
            let mean = mean(variant)
                .filter(|mean| BARS.contains(&key) && variants.len() > 1 && *mean > 0.0)?;
            let width = 6.5 * mean / most;
            Some(format!("<span class=\"bar\" style=\"width:{width:.2}rem\"></span>"))
        };
        let cell = |variant: &Value| {
            let figure = &variant["metrics"][key];
            let [mean, late] = shown(metric, figure);
            let bar = bar(variant).unwrap_or_default();
            format!("{mean}{bar}{late}")
        };
        Some(std::iter::once(titled(metric, label)).chain(variants.iter().map(cell)).collect())
    };
    let rows: Vec<Vec<String>> = KEY.iter().filter_map(row).collect();
    table(html, "Key figures", &head, &rows);
}

/// A column for each tenant of each variant, where a scenario names several.
fn tenants(html: &mut String, variants: &[Value]) {
    let of = |variant: &'_ Value| -> Vec<(String, Value)> {
        let named = variant["tenants"].as_object().into_iter().flatten();
        let name = |tenant: &str| match variants.len() {
            1 => escape(tenant),
            _ => format!("{}, {}", escape(tenant), escape(text(variant, "name"))),
        };
        named.map(|(tenant, figures)| (name(tenant), figures.clone())).collect()
    };
    let columns: Vec<(String, Value)> = variants.iter().flat_map(of).collect();
    if columns.is_empty() {
        return;
    }
    let names = columns.iter().map(|(name, _)| name.clone());
    let head: Vec<String> = std::iter::once(String::new()).chain(names).collect();
    let row = |&(key, label): &(&str, &str)| {
        let metric = Metric::find(key)?;
        let cells = columns.iter().map(|(_, figures)| shown(metric, &figures[key]).concat());
        Some(std::iter::once(titled(metric, label)).chain(cells).collect())
    };
    let rows: Vec<Vec<String>> = TENANT.iter().filter_map(row).collect();
    table(html, "Tenants", &head, &rows);
}

/// A figure's mean with its interval, and its 95th percentile where it has one.
fn shown(metric: &Metric, figure: &Value) -> [String; 2] {
    let mean = with_interval(metric.unit, figure["mean"].as_f64(), interval(figure));
    let late = figure["p95"].as_f64().filter(|_| metric.is_observed());
    let late = late.map(|late| format!(" <small>p95 {}</small>", plain(metric.unit, Some(late))));
    [escape(&mean), late.unwrap_or_default()]
}

/// What a figure is called, with its meaning to hover over.
fn titled(metric: &Metric, label: &str) -> String {
    format!("<span title=\"{}\">{label}</span>", escape(metric.meaning))
}

/// A row for each objective, a column for each variant.
fn objectives(html: &mut String, variants: &[Value]) {
    let mut rows: Vec<String> = Vec::new();
    for objective in variants.iter().flat_map(|variant| items(&variant["objectives"])) {
        let row = asked(objective);
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    if rows.is_empty() {
        return;
    }
    let names = variants.iter().map(|variant| escape(text(variant, "name")));
    let head: Vec<String> = std::iter::once(String::new()).chain(names).collect();
    let row = |row: &String| {
        let cell = |variant: &Value| {
            let found = items(&variant["objectives"]).iter().find(|found| asked(found) == *row);
            found.map_or_else(|| "–".to_owned(), verdict)
        };
        std::iter::once(row.clone()).chain(variants.iter().map(cell)).collect()
    };
    table(html, "Objectives", &head, &rows.iter().map(row).collect::<Vec<_>>());
}

/// An objective's name, and its limit.
fn asked(objective: &Value) -> String {
    let (name, bound) = (escape(text(objective, "name")), text(objective, "bound"));
    format!("{name} <small>{bound} {}</small>", objective_figure(objective, "limit"))
}

fn objective_figure(objective: &Value, key: &str) -> String {
    let unit = Metric::find(text(objective, "metric")).map(|metric| metric.unit);
    unit.map_or_else(String::new, |unit| escape(&plain(unit, objective[key].as_f64())))
}

/// Met or missed, what was found, and how sure that is.
fn verdict(objective: &Value) -> String {
    let share = |key: &str| objective[key].as_f64().map_or_else(String::new, format_percent);
    let (class, word) = match objective["met"].as_bool() {
        Some(true) => ("good", "✓ met"),
        _ => ("bad", "✗ missed"),
    };
    let found = match objective["infinite"].as_bool() {
        Some(true) => "never ends".to_owned(),
        _ => objective_figure(objective, "value"),
    };
    format!(
        "<span class=\"{class}\">{word}</span> {found} <small>in {} of {} trials, probability {} to \
         {}</small>",
        objective["trials_met"],
        objective["trials"],
        share("probability_low"),
        share("probability_high"),
    )
}

fn warnings(html: &mut String, variants: &[Value]) {
    let mut seen: Vec<(&str, Vec<&str>)> = Vec::new();
    for variant in variants {
        for warning in items(&variant["warnings"]).iter().filter_map(Value::as_str) {
            let name = text(variant, "name");
            match seen.iter_mut().find(|(known, _)| *known == warning) {
                Some((_, whose)) => whose.push(name),
                None => seen.push((warning, vec![name])),
            }
        }
    }
    if seen.is_empty() {
        return;
    }
    html.push_str("<div class=\"warnings\"><h2>Beware</h2><ul>\n");
    for (warning, whose) in seen {
        let about = match whose.len() == variants.len() {
            true => String::new(),
            false => format!("<b>{}</b>: ", escape(&whose.join(", "))),
        };
        let _ = writeln!(html, "<li>{about}{}</li>", escape(warning));
    }
    html.push_str("</ul></div>\n");
}

fn chart(html: &mut String, chart: &Chart) {
    let Chart { id, title, about, controls } = chart;
    let _ = write!(
        html,
        "<figure id=\"{id}\" hidden>\n<figcaption><h3>{title}</h3><p>{about}</p></figcaption>\n\
         <div class=\"controls\">"
    );
    for (name, label) in *controls {
        let _ = write!(html, "<label>{label} <select data-control=\"{name}\"></select></label> ");
    }
    let _ = write!(
        html,
        "<button type=\"button\" data-download>Download the data</button></div>\n\
         <div class=\"chart\" role=\"img\" aria-label=\"{title}\"></div>\n</figure>\n"
    );
}

fn provenance(html: &mut String, result: &ResultData) {
    let mut sources: Vec<&Value> = items(&result.manifest["sources"]).iter().collect();
    sources.sort_by_key(|source| source["assumed"].as_bool() != Some(true));
    let assumed = sources.iter().filter(|source| source["assumed"].as_bool() == Some(true)).count();
    let _ = writeln!(
        html,
        "<details><summary>{}: {} catalog figures took part, {assumed} of them assumed rather than \
         measured or published</summary>",
        escape(&result.name),
        sources.len(),
    );
    let row = |source: &&Value| {
        let assumed = match source["assumed"].as_bool() {
            Some(true) => "<span class=\"bad\">assumed</span>".to_owned(),
            _ => format!("confidence {}", escape(text(source, "confidence"))),
        };
        let cell = |key: &str| escape(text(source, key));
        let entry = format!("{} {}", cell("entry"), cell("figure"));
        vec![entry, cell("value"), assumed, format!("{} {}", cell("source"), cell("date"))]
    };
    let rows: Vec<Vec<String>> = sources.iter().map(row).collect();
    let head = ["figure", "value", "standing", "source"].map(str::to_owned);
    table(html, "Figures of the catalog", &head, &rows);
    html.push_str("</details>\n");
}

fn again(html: &mut String, result: &ResultData) {
    let words = items(&result.manifest["command"]).iter().filter_map(Value::as_str);
    let command = words.map(quoted).collect::<Vec<_>>().join(" ");
    // An experiment's manifest has the scenario among its inputs.
    let scenario = match result.manifest["scenario"].is_object() {
        true => &result.manifest["scenario"],
        false => &result.manifest["inputs"][0],
    };
    let _ = write!(
        html,
        "<p>With tokenfleet {} and the scenario below (SHA-256 {}), this gives the same bytes:</p>\n\
         <pre tabindex=\"0\"><code>{}</code></pre>\n\
         <details><summary>The scenario</summary><pre tabindex=\"0\"><code>{}</code></pre></details>\n",
        escape(text(&result.manifest, "tokenfleet")),
        escape(text(scenario, "sha256")),
        escape(&command),
        escape(text(scenario, "text")),
    );
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=:,%+@".contains(letter);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_scenario_says_stays_text() {
        assert_eq!(escape("<b a=\"x\">&"), "&lt;b a=&quot;x&quot;&gt;&amp;");
        assert_eq!(quoted("pools.main.replicas=8"), "pools.main.replicas=8");
        assert_eq!(quoted("it's 0.5 /s"), "'it'\\''s 0.5 /s'");
    }

    #[test]
    fn key_figures_are_figures() {
        KEY.iter()
            .chain(&TENANT)
            .for_each(|(key, _)| assert!(Metric::find(key).is_some(), "{key}"));
    }
}
