//! `example.json`: tasks looked at closely, held against what their program makes certain.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::command_line::{folder, tokenfleet};

/// A program whose visits are known: a task asks 1 / 0.25 = 4 times in the mean, looks something up
/// between two questions, and ends once.
const SCENARIO: &str = r#"
[run]
horizon = "40 min"
warm_up = "2 min"
trials  = 1

[programs.asks.steps.ask]
kind   = "llm"
input  = 200
output = 40
next   = { look = 0.75, done = 0.25 }

[programs.asks.steps.look]
kind    = "tool"
latency = "2 s"
result  = 100
next    = "ask"

[programs.asks.steps.done]
kind = "end"

[agents.asker]
program  = "asks"
model    = "main"
arrivals = { poisson = "1 /s" }

[pools.main]
model           = "llama-3.3-70b"
accelerator     = "h100-sxm"
tensor_parallel = 4
precision       = { weights = "fp8", kv = "fp8" }
"#;

#[test]
fn visits_are_those_of_the_markov_chain_and_a_task_adds_up() {
    let dir = folder();
    fs::write(dir.path().join("asks.toml"), SCENARIO).unwrap();
    let ran = tokenfleet(dir.path(), &["run", "asks.toml", "--out", "asks"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let read = |file: &str| -> Value {
        serde_json::from_str(&fs::read_to_string(dir.path().join(file)).unwrap()).unwrap()
    };
    let example = read("asks/example.json")["base"].take();

    // Visits to `ask` are geometric: their standard deviation is sqrt(0.75) / 0.25 = 3.46.
    let tasks = example["tasks"].as_f64().unwrap();
    assert!(tasks > 1000.0, "{tasks}");
    let program = &example["programs"][0];
    let visits: BTreeMap<&str, f64> = program["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["step"].as_str().unwrap(), node["visits"].as_f64().unwrap()))
        .collect();
    let allowed = 4.0 * 3.46 / tasks.sqrt();
    assert!((visits["ask"] - 4.0).abs() < allowed, "{visits:?}, ±{allowed}");
    assert!((visits["look"] - (visits["ask"] - 1.0)).abs() < 1e-9, "{visits:?}");
    assert!((visits["done"] - 1.0).abs() < 1e-9, "{visits:?}");
    assert_eq!(example["calls"].as_f64().unwrap(), (visits["ask"] * tasks).round());

    // The shown task has the median latency; its parts follow each other and fill it.
    let shown = &example["examples"][0];
    let latency = shown["latency_s"].as_f64().unwrap();
    let mut at = 0.0;
    for span in shown["spans"].as_array().unwrap() {
        let (start, end) = (span["start_s"].as_f64().unwrap(), span["end_s"].as_f64().unwrap());
        assert!(start >= at - 1e-9 && end > start, "{span}");
        at = end;
    }
    assert!((at - latency).abs() < 1e-6, "{at} {latency}");
    let summary = read("asks/summary.json");
    let median = summary["variants"][0]["metrics"]["task_latency_s"]["p50"].as_f64().unwrap();
    assert!((latency / median - 1.0).abs() < 0.15, "{latency} {median}");

    let spend = example["spend"].as_array().unwrap();
    assert_eq!((spend.len(), &spend[0]["step"]), (1, &Value::from("ask")));
}

/// Calls to an endpoint have no server to name.
#[test]
fn calls_to_an_endpoint_are_looked_at_too() {
    let dir = folder();
    let (agents, _) = SCENARIO.split_once("[pools.main]").unwrap();
    let hosted = "[endpoints.main]\nmodel = \"gpt-4o-mini\"\ntpot = \"12 ms\"\nttft = \"1 s\"\n";
    fs::write(dir.path().join("asks.toml"), [agents, hosted].concat()).unwrap();
    let ran = tokenfleet(dir.path(), &["run", "asks.toml", "--out", "asks"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let example = fs::read_to_string(dir.path().join("asks/example.json")).unwrap();
    let example: Value = serde_json::from_str(&example).unwrap();
    assert!(example["base"]["tasks"].as_u64().unwrap() > 1000);
}
