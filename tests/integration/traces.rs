//! Recorded traffic: imported, replayed, fitted, exported, and held against a scenario.

use std::fs;
use std::path::Path;
use std::process::Command;

use assert_cmd::cargo::CommandCargoExt;

const SCENARIO: &str = r#"
name = "expected"

[run]
horizon = "20 min"

[agents.worker]
program  = "ours"
model    = "main"
arrivals = { poisson = "0.5 /s" }

[programs.ours]
opening_tokens = { lognormal = { median = 3000, sigma = 0.3 }, round = true }

[programs.ours.steps.turns]
kind  = "loop"
times = { geometric = { mean = 3 }, plus = 1 }
body  = "think"

[programs.ours.steps.think]
kind   = "llm"
output = { lognormal = { median = 200, sigma = 0.5 }, round = true, min = 1 }
next   = "act"

[programs.ours.steps.act]
kind    = "tool"
latency = { lognormal = { median = "1 s", sigma = 0.8 }, max = "1 min" }
result  = { lognormal = { median = 300, sigma = 0.8 }, round = true, min = 1 }
next    = "turns"

[pools.main]
model           = "llama-3.3-70b"
accelerator     = "h100-sxm"
tensor_parallel = 4
replicas        = 4
precision       = { weights = "fp8", kv = "fp8" }
"#;

/// Standard output of a command that went well.
fn tokenfleet(dir: &Path, words: &[&str]) -> String {
    let mut command = Command::cargo_bin("tokenfleet").unwrap();
    let output = command.current_dir(dir).args(words).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words:?}\n{stderr}");
    String::from_utf8(output.stdout).unwrap()
}

fn sample(name: &str) -> String {
    format!("{}/scenarios/traces/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn an_imported_trace_runs() {
    let dir = tempfile::tempdir().unwrap();
    for (format, file, calls, least) in [
        // An unbounded cache would find 21 % of the first and 90 % of the second.
        ("mooncake", "mooncake-conversation-1000.jsonl", "1000 sessions, 1000 calls", 0.05),
        ("auto", "claude-code", "4 sessions, ", 0.7),
    ] {
        let said = tokenfleet(dir.path(), &["import", format, &sample(file), "--out", "ours"]);
        assert!(said.starts_with(calls), "{said}");
        let run = ["run", "ours.toml", "--trials", "1", "--format", "json", "--quiet"];
        let summary: serde_json::Value =
            serde_json::from_str(&tokenfleet(dir.path(), &run)).unwrap();
        let hits = &summary["variants"][0]["metrics"]["prefix_hit_rate"]["mean"];
        assert!(hits.as_f64().unwrap() > least, "{format}: {hits}");
    }
}

#[test]
fn a_fitted_program_runs() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("expected.toml"), SCENARIO).unwrap();
    let export =
        ["export", "expected.toml", "--format", "tokenfleet", "--out", "seen.jsonl", "--seed", "7"];
    tokenfleet(dir.path(), &export);
    let said = tokenfleet(dir.path(), &["import", "auto", "seen.jsonl", "--out", "ours", "--fit"]);
    assert!(said.contains("further calls of a task"), "{said}");
    let same = tokenfleet(dir.path(), &["drift", "ours-fit.toml", "seen.jsonl"]);
    assert!(!same.contains("calls per task +") && !same.contains("answer tokens per call +"));
    assert!(fs::read_to_string(dir.path().join("ours-fit.md")).unwrap().contains("| law |"));
}

#[test]
fn drift_finds_what_was_shifted_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("expected.toml"), SCENARIO).unwrap();
    let telemetry = |file: &str, set: &[&str]| {
        let words =
            ["export", "expected.toml", "--format", "tokenfleet", "--seed", "7", "--out", file];
        tokenfleet(dir.path(), &[&words[..], set].concat());
        tokenfleet(dir.path(), &["drift", "expected.toml", file, "--trials", "3"])
    };
    let same = telemetry("same.jsonl", &[]);
    assert!(same.contains("nothing has moved"), "{same}");
    let shifted = telemetry("shifted.jsonl", &["--set", "programs.ours.steps.turns.times.plus=2"]);
    assert!(shifted.contains("moved: calls per task +"), "{shifted}");
    assert!(shifted.contains("a task costs"), "{shifted}");
}

#[test]
fn a_foreign_or_truncated_file_is_refused_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let whole = fs::read_to_string(sample("mooncake-conversation-1000.jsonl")).unwrap();
    fs::write(dir.path().join("cut.jsonl"), &whole[..1000]).unwrap();
    for (format, file, expected) in [
        ("mooncake", "cut.jsonl", "truncated"),
        ("trie", "cut.jsonl", "it looks like mooncake: `tokenfleet import mooncake`"),
    ] {
        let mut command = Command::cargo_bin("tokenfleet").unwrap();
        let words = ["import", format, file, "--out", "ours"];
        let output = command.current_dir(dir.path()).args(words).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected) && said.contains("cut.jsonl, line "), "{said}");
        // Nothing half-written stays behind.
        assert!(!dir.path().join("ours.trace.jsonl").exists());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
