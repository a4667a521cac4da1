//! `export --format perfetto`: a timeline that a viewer can draw, and that adds up.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::command_line::{folder, tokenfleet};

const SCENARIO: &str = r#"
[run]
horizon = "10 min"

[agents.coder]
program  = "coding-autonomous"
model    = "main"
arrivals = { poisson = "0.05 /s" }

[agents.researcher]
program  = "deep-research"
model    = "main"
arrivals = { poisson = "0.01 /s" }

[pools.main]
model           = "llama-3.3-70b"
accelerator     = "h100-sxm"
tensor_parallel = 4
replicas        = 2
precision       = { weights = "fp8", kv = "fp8" }
"#;

/// Start and end of a slice, ns.
fn span(event: &Value) -> (u64, u64) {
    let nanoseconds = |key: &str| (event[key].as_f64().unwrap() * 1000.0).round() as u64;
    (nanoseconds("ts"), nanoseconds("ts") + nanoseconds("dur"))
}

#[test]
fn slices_nest_and_add_up() {
    let dir = folder();
    fs::write(dir.path().join("both.toml"), SCENARIO).unwrap();
    let export = |format: &str, file: &str| {
        let made =
            tokenfleet(dir.path(), &["export", "both.toml", "--format", format, "--out", file]);
        assert_eq!(made.code, 0, "{}", made.stderr);
        fs::read_to_string(dir.path().join(file)).unwrap()
    };
    let timeline: Value = serde_json::from_str(&export("perfetto", "timeline.json")).unwrap();
    let events = timeline["traceEvents"].as_array().unwrap();
    let slices: Vec<&Value> = events.iter().filter(|event| event["ph"] == "X").collect();

    // On each lane a slice lies wholly inside another one, or wholly beside it.
    let mut lanes: BTreeMap<(u64, u64), Vec<(u64, u64)>> = BTreeMap::new();
    for slice in &slices {
        let lane = (slice["pid"].as_u64().unwrap(), slice["tid"].as_u64().unwrap());
        lanes.entry(lane).or_default().push(span(slice));
    }
    for (lane, mut spans) in lanes {
        spans.sort_by_key(|&(start, end)| (start, std::cmp::Reverse(end)));
        let mut open: Vec<u64> = Vec::new();
        for (start, end) in spans {
            open.retain(|&until| until > start);
            assert!(open.last().is_none_or(|&until| end <= until), "{lane:?} {start} {end}");
            open.push(end);
        }
    }

    // The same calls as in another form of the same trial, seen by the agents and by the servers.
    let calls = |of_agents: bool| {
        let found = slices.iter().filter(move |slice| {
            slice["args"]["input_tokens"].is_u64()
                && (slice["pid"].as_u64().unwrap() < 1000) == of_agents
        });
        let mut calls: Vec<_> = found
            .map(|slice| {
                let tokens = |key: &str| slice["args"][key].as_u64().unwrap();
                (tokens("input_tokens"), tokens("output_tokens"))
            })
            .collect();
        calls.sort_unstable();
        calls
    };
    let mut exported: Vec<(u64, u64)> = export("mooncake", "calls.jsonl")
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|row| (row["input_length"].as_u64().unwrap(), row["output_length"].as_u64().unwrap()))
        .collect();
    exported.sort_unstable();
    assert!(exported.len() > 500, "{}", exported.len());
    assert_eq!(calls(true), exported);
    assert_eq!(calls(false), exported);

    // Time in tools is what a run of the same trial says.
    let words = ["run", "both.toml", "--trials", "1", "--format", "json"];
    let run: Value = serde_json::from_str(&tokenfleet(dir.path(), &words).stdout).unwrap();
    let told = &run["variants"][0]["metrics"]["tool_time_s"];
    let tools: Vec<f64> = slices
        .iter()
        .filter(|slice| slice["name"].as_str().unwrap().starts_with("tool: "))
        .map(|slice| slice["dur"].as_f64().unwrap() / 1e6)
        .collect();
    let mean = tools.iter().sum::<f64>() / tools.len() as f64;
    let told = told["mean"].as_f64().unwrap();
    assert!((mean / told - 1.0).abs() < 1e-3, "{mean} {told}");

    // Each token behind the first of an answer is that of one step, leapt over or not, of its server.
    let number = |event: &Value, key: &str| event["args"][key].as_u64().unwrap();
    let engines = slices.iter().filter(|slice| slice["args"]["steps"].is_u64());
    let mut steps: BTreeMap<u64, Vec<(u64, u64, u64)>> = BTreeMap::new();
    for engine in engines {
        let (start, end) = span(engine);
        let list = steps.entry(engine["pid"].as_u64().unwrap()).or_default();
        list.push((start, end, number(engine, "steps")));
    }
    assert_eq!(steps.len(), 2);
    assert!(steps.values().flatten().any(|&(_, _, steps)| steps > 10), "no leap");
    let server = |slice: &&&Value| slice["pid"].as_u64().unwrap() >= 1000;
    let mut held = 0;
    for call in slices.iter().filter(server).filter(|slice| slice["args"]["output_tokens"].is_u64())
    {
        let (lane, (start, end)) = ((&call["pid"], &call["tid"]), span(call));
        let answer = slices.iter().find(|slice| {
            let (from, to) = span(slice);
            slice["name"] == "answer"
                && (&slice["pid"], &slice["tid"]) == lane
                && (start..=end).contains(&from)
                && to == end
        });
        let Some((from, _)) = answer.map(|answer| span(answer)) else { continue };
        let of_server = &steps[&call["pid"].as_u64().unwrap()];
        let within = of_server.iter().filter(|&&(start, _, _)| from <= start && start < end);
        let (mut made, mut lasted) = (0, 0);
        within
            .for_each(|&(start, end, steps)| (made, lasted) = (made + steps, lasted + end - start));
        assert_eq!(made + 1, number(call, "output_tokens"), "{call}");
        assert_eq!(lasted, end - from, "{call}");
        held += 1;
    }
    assert!(held > 500, "{held}");

    // Nobody is left at a server in the end, and never fewer than nobody.
    let counters: Vec<&Value> = events.iter().filter(|event| event["ph"] == "C").collect();
    let last: BTreeMap<u64, &Value> =
        counters.iter().map(|event| (event["pid"].as_u64().unwrap(), &event["args"])).collect();
    assert_eq!(last.len(), 2);
    assert!(last.values().all(|left| left["running"] == 0 && left["waiting"] == 0), "{last:?}");
    assert!(counters.iter().all(|event| event["args"]["waiting"].as_i64().unwrap() >= 0));
}

/// Attempts that time out stand where they were, in number as a run of the same trial counts them.
#[test]
fn what_is_given_up_is_shown() {
    let dir = folder();
    let scenario =
        SCENARIO.replace("0.05 /s", "0.5 /s").replace("horizon = ", "trials = 1\nhorizon = ");
    let scenario = scenario.replace("replicas        = 2", "replicas        = 1\nmax_running = 8");
    let retry = "[agents.coder.retry]\ntimeout = '20 s'\nattempts = 2\n";
    fs::write(dir.path().join("late.toml"), format!("{scenario}\n{retry}")).unwrap();
    let words = ["export", "late.toml", "--format", "perfetto", "--out", "late.json"];
    let made = tokenfleet(dir.path(), &words);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let text = fs::read_to_string(dir.path().join("late.json")).unwrap();
    let timeline: Value = serde_json::from_str(&text).unwrap();
    let events = timeline["traceEvents"].as_array().unwrap();
    let named =
        |name: &str| events.iter().filter(|event| event["name"] == name).collect::<Vec<_>>();
    let (of_agents, of_servers) = (named("timed out"), named("coder: timed out"));
    assert!(of_agents.len() > 20 && of_agents.len() == of_servers.len(), "{}", of_agents.len());
    // Each was waited for as long as its callers have patience.
    let waited = |event: &&Value| span(event).1 - span(event).0;
    assert!(of_agents.iter().chain(&of_servers).all(|event| waited(event) == 20_000_000_000));
    let names: BTreeMap<&str, usize> = ["process_name", "thread_name"]
        .iter()
        .flat_map(|kind| named(kind))
        .fold(BTreeMap::new(), |mut names, event| {
            *names.entry(event["args"]["name"].as_str().unwrap()).or_default() += 1;
            names
        });
    for name in ["agents: coder", "agents: researcher", "server: main 0", "engine steps"] {
        assert_eq!(names.get(name), Some(&1), "{name}");
    }
    assert!(names.contains_key("session lane 1") && names.contains_key("requests lane 1"));
}
