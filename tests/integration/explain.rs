//! Parts of a difference multiply to the whole, and the whole is what `compare` finds.

use std::fs;

use serde_json::Value;

use crate::command_line::{folder, tokenfleet};

const VARIANT: &str = r#"
[variants.better]
"pools.main.accelerator"     = "h200-sxm"
"pools.main.tensor_parallel" = 2
"pools.main.precision"       = { weights = "fp8", kv = "bf16" }
"pools.main.prefix_cache"    = false
"agents.reader.arrivals.poisson" = "3 /s"
"#;

fn scenario() -> tempfile::TempDir {
    let dir = folder();
    let text = fs::read_to_string(dir.path().join("small.toml")).unwrap() + VARIANT;
    fs::write(dir.path().join("small.toml"), text).unwrap();
    dir
}

fn json(dir: &tempfile::TempDir, words: &[&str]) -> Value {
    let ran = tokenfleet(dir.path(), words);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn parts_multiply_to_what_compare_finds() {
    let dir = scenario();
    for metric in ["usd_per_task", "task_latency_p95"] {
        let words = ["explain", "small.toml", "--to", "better", "--metric", metric];
        let found = json(&dir, &[&words[..], &["--format", "json"]].concat());
        let factors = found["factors"].as_array().unwrap();
        let names: Vec<_> = factors.iter().map(|f| f["factor"].as_str().unwrap()).collect();
        let expected = ["hardware", "precision", "prefix_cache", "agents.reader.arrivals.poisson"];
        assert_eq!(names, expected);
        let product: f64 = factors.iter().map(|f| f["times"].as_f64().unwrap()).product();
        let whole = found["whole"]["times"].as_f64().unwrap();
        assert!((product / whole - 1.0).abs() < 1e-3, "{product} is not {whole}");

        let words = ["compare", "small.toml", "--variant", "better", "--metric", metric];
        let compared = json(&dir, &[&words[..], &["--format", "json"]].concat());
        let rows = compared["variants"][0]["differences"].as_array().unwrap();
        let row = rows.iter().find(|row| row["metric"] == metric).unwrap();
        assert_eq!(row["ratio"], found["whole"]["times"], "{metric}");
        for (one, other) in [("ratio_low", "low"), ("ratio_high", "high")] {
            let (one, other) =
                (row[one].as_f64().unwrap(), found["whole"][other].as_f64().unwrap());
            assert!((one / other - 1.0).abs() < 1e-9, "{one} {other}");
        }
    }
}

#[test]
fn the_way_back_is_the_inverse() {
    let dir = scenario();
    let explain = |from: &str, to: &str| {
        let words = ["explain", "small.toml", "--from", from, "--to", to, "--format", "json"];
        json(&dir, &words)
    };
    let (there, back) = (explain("base", "better"), explain("better", "base"));
    for (one, other) in
        there["factors"].as_array().unwrap().iter().zip(back["factors"].as_array().unwrap())
    {
        assert_eq!(one["factor"], other["factor"]);
        let product = one["times"].as_f64().unwrap() * other["times"].as_f64().unwrap();
        assert!((product - 1.0).abs() < 1e-9, "{one} {other}");
    }
}

#[test]
fn the_answer_is_a_waterfall() {
    let dir = scenario();
    let words = ["explain", "small.toml", "--to", "better", "--out", "why"];
    let group =
        ["--group", "load and cache=agents.reader.arrivals.poisson,pools.main.prefix_cache"];
    let ran = tokenfleet(dir.path(), &[&words[..], &group].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.contains("load and cache") && ran.stdout.contains('█'), "{}", ran.stdout);
    assert!(dir.path().join("why/explanation.csv").exists());
    let better = ["--to", "better"];
    for (words, message) in [
        (&["--to", "bitter"][..], "did you mean `better`?"),
        (&[&better[..], &["--metric", "usd"]].concat(), "unknown metric `usd`"),
        (&[&better[..], &["--group", "x=pools.main.engine"]].concat(), "unknown difference"),
        (&["--to", "base"], "differ in 0 factors"),
    ] {
        let ran = tokenfleet(dir.path(), &[&["explain", "small.toml"], words].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{words:?}");
        assert!(ran.stderr.contains(message), "{}", ran.stderr);
    }
}
