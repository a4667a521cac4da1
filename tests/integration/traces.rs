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
fn drift_tells_programs_what_it_tells_people() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("expected.toml"), SCENARIO).unwrap();
    let export =
        ["export", "expected.toml", "--format", "tokenfleet", "--seed", "7", "--out", "more.jsonl"];
    // Answers twice as long, all else as expected.
    let twice = "programs.ours.steps.think.output={ lognormal = { median = 400, sigma = 0.5 }, \
                 round = true, min = 1 }";
    tokenfleet(dir.path(), &[&export[..], &["--set", twice]].concat());
    let words = ["drift", "expected.toml", "more.jsonl", "--trials", "3", "--json", "--quiet"];
    let told: serde_json::Value = serde_json::from_str(&tokenfleet(dir.path(), &words)).unwrap();
    let [drift] = &told.as_array().unwrap()[..] else { panic!("{told}") };
    let figures = drift["figures"].as_array().unwrap();
    let figure = |name: &str| figures.iter().find(|figure| figure["figure"] == name).unwrap();
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    let answers = figure("answer tokens per call");
    let (change, error) = (number(&answers["change"]), number(&answers["change_error"]));
    assert_eq!(answers["moved"], true);
    assert!((change - 1.0).abs() < 3.0 * error + 0.01, "{answers}");
    assert_eq!(figure("calls per task")["moved"], false);
    // The effects add up to what the bill has grown by.
    let bill = &drift["bill"];
    let effects: f64 = bill["effects_usd"].as_object().unwrap().values().map(number).sum();
    let grown = number(&bill["observed_usd_per_task"]) - number(&bill["expected_usd_per_task"]);
    assert!(grown > 0.0 && (effects / grown - 1.0).abs() < 1e-9, "{bill}");
}

/// Published figures come out of the program's own scenarios and archetypes; recordings that are not
/// there are said to be.
#[test]
fn agents_are_held_against_what_was_published() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data/mooncake");
    fs::create_dir_all(&folder).unwrap();
    let recording = sample("mooncake-conversation-1000.jsonl");
    fs::copy(recording, folder.join("conversation_first5000.jsonl")).unwrap();
    let words = ["agents", "--data", "data", "--out", "agents.md", "--format", "json"];
    let told: serde_json::Value = serde_json::from_str(&tokenfleet(dir.path(), &words)).unwrap();
    assert_eq!(told["likenesses"][0]["archetype"], "chat");
    assert_eq!(told["skipped"].as_array().unwrap().len(), 5);
    let published = told["published"].as_array().unwrap();
    let found = |what: &str| {
        let row = published.iter().find(|row| row["what"].as_str().unwrap().starts_with(what));
        row.unwrap_or_else(|| panic!("{what}"))["found"].as_f64().unwrap()
    };
    for (what, published) in [
        ("HotpotQA: LLMCompiler faster", 1.80),
        ("movie recommendation: LLMCompiler faster", 3.74),
        ("ParallelQA: LLMCompiler faster", 2.15),
    ] {
        assert!((found(what) / published - 1.0).abs() < 0.1, "{what} by {}", found(what));
    }
    assert!((6.0..7.4).contains(&found("movie recommendation: LLMCompiler cheaper")));
    assert!((0.1..0.2).contains(&found("throughput of mean agents")));
    assert!((found("calls of a tree search") / 71.0 - 1.0).abs() < 0.05);
    let page = fs::read_to_string(dir.path().join("agents.md")).unwrap();
    assert!(page.contains("## Published figures") && page.contains("## Not compared"), "{page}");
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

#[test]
fn a_column_of_no_known_meaning_is_refused_before_any_file_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |words: &[&str], expected: &str| {
        let mut command = Command::cargo_bin("tokenfleet").unwrap();
        let output = command.current_dir(dir.path()).args(words).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("--column") && said.contains(expected), "{said}");
    };
    let import = ["import", "columns", "none.csv", "--out", "ours", "--column"];
    let drift = ["drift", "none.toml", "none.csv", "--column"];
    for words in [&import[..], &drift] {
        refused(&[words, &["wait-after=pause"]].concat(), "did you mean `wait_after`?");
        refused(&[words, &["colour=pause"]].concat(), "a column may mean input, output, session");
        refused(&[words, &["pause"]].concat(), "write MEANING=NAME");
    }
}
