//! What a user measures reaches the simulation: points to factors to a run, tables of steps to a run.

use std::fs;
use std::path::Path;
use std::process::Command;

use assert_cmd::cargo::CommandCargoExt;

const SCENARIO: &str = r#"
name = "measured"

[run]
horizon = "2 min"
trials  = 1

[agents.reader]
program  = "plain"
model    = "main"
arrivals = { poisson = "1 /s" }

[pools.main]
model           = "llama-3.1-70b"
accelerator     = "h100-sxm"
tensor_parallel = 4
precision       = { weights = "fp8", kv = "fp8" }
"#;

fn tokenfleet(dir: &Path, words: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("tokenfleet").unwrap();
    let output = command.current_dir(dir).args(words).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Mean time per output token of a run, seconds.
fn tpot_s(dir: &Path, words: &[&str]) -> f64 {
    let words = [&["run", "s.toml", "--quiet", "--format", "json"], words].concat();
    let (code, stdout, stderr) = tokenfleet(dir, &words);
    assert_eq!(code, 0, "{stderr}");
    let summary: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    summary["variants"][0]["metrics"]["tpot_s"]["mean"].as_f64().unwrap()
}

/// A result as `vllm bench serve --save-result` writes it.
pub(crate) fn bench(clients: u32, tpot_ms: f64) -> String {
    let requests = 10 * clients;
    format!(
        r#"{{"date": "20260406-101500", "backend": "vllm", "num_prompts": {requests},
        "request_rate": "inf", "max_concurrency": {clients}, "completed": {requests},
        "total_input_tokens": {0}, "total_output_tokens": {0}, "mean_tpot_ms": {tpot_ms}}}"#,
        922 * requests
    )
}

#[test]
fn points_become_factors_that_a_pool_names() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("s.toml"), SCENARIO).unwrap();
    // Llama 3.1 70B in FP8 on four H100 with vLLM (InferenceX, 2026-04-06), a half slower.
    for (clients, tpot_ms) in [(4, 11.78), (16, 13.19), (64, 19.51)] {
        fs::write(dir.join(format!("{clients}.json")), bench(clients, 1.5 * tpot_ms)).unwrap();
    }
    let words = ["calibrate", "4.json", "16.json", "64.json", "--pool", "main"];
    let words = [&words[..], &["--scenario", "s.toml", "--out", "mine.toml"]].concat();
    let (code, stdout, stderr) = tokenfleet(dir, &words);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("llama-3.1-70b on 4 x h100-sxm with vllm"), "{stdout}");
    assert!(stderr.contains("calibration = \"mine.toml\""), "{stderr}");
    let entry: toml::Table = fs::read_to_string(dir.join("mine.toml")).unwrap().parse().unwrap();
    assert_eq!(entry["date"].as_str(), Some("2026-04-06"));
    // The catalog's model is within a few percent of the real measurements.
    let before = entry["tpot_error_before"].as_float().unwrap();
    let after = entry["tpot_error"].as_float().unwrap();
    assert!((0.25..0.4).contains(&before) && after < 0.15, "{before} {after}");

    let plain = tpot_s(dir, &[]);
    let calibrated = tpot_s(dir, &["--set", "pools.main.calibration=\"mine.toml\""]);
    assert!((1.3..1.7).contains(&(calibrated / plain)), "{plain} {calibrated}");

    let (code, _, stderr) =
        tokenfleet(dir, &words[..2].iter().chain(&words[4..]).copied().collect::<Vec<_>>());
    assert_eq!(code, 2);
    assert!(stderr.contains("1 measured point(s) are too few"), "{stderr}");
    assert!(stderr.contains("worse than none"), "{stderr}");
}

#[test]
fn a_table_of_steps_stands_in_for_the_model() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("s.toml"), SCENARIO).unwrap();
    // 20 ms for a step of one, whatever the context; 20 ms for any prompt.
    let steps = "batch,context,new_tokens,ms\n1,0,0,20\n1,8000,0,20\n1024,0,0,20\n\
                 0,0,16,20\n0,0,8192,20\n";
    fs::write(dir.join("steps.csv"), steps).unwrap();
    let found = tpot_s(dir, &["--set", "pools.main.step_table=\"steps.csv\""]);
    // Every step lasts 20 ms, but for the attention of prompts beside decodes, which is the formula's.
    assert!((20e-3..22e-3).contains(&found), "{found}");

    fs::write(dir.join("steps.csv"), steps.replace("1,8000,0,20", "1,8000,0,fast")).unwrap();
    let words = ["run", "s.toml", "--set", "pools.main.step_table=\"steps.csv\""];
    let (code, _, stderr) = tokenfleet(dir, &words);
    assert_eq!(code, 2);
    assert!(stderr.contains("`steps.csv`, line 3"), "{stderr}");
}
