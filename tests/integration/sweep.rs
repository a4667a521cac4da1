//! A sweep is what `run` says at each of its points, however often it was interrupted.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use assert_cmd::cargo::CommandCargoExt;
use serde_json::Value;

use crate::command_line::{folder, tokenfleet};

const OVER: [&str; 4] =
    ["--over", "pools.main.replicas=1..3", "--over", "pools.main.tensor_parallel=1,4"];

fn sweep(dir: &Path, more: &[&str]) -> (i32, String, String) {
    let ran = tokenfleet(dir, &[&["sweep", "small.toml"], &OVER[..], more].concat());
    (ran.code, ran.stdout, ran.stderr)
}

#[test]
fn a_point_is_what_run_says() {
    let dir = folder();
    let (code, json, stderr) = sweep(dir.path(), &["--format", "json"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let found: Value = serde_json::from_str(&json).unwrap();
    let points = found["points"].as_array().unwrap();
    assert_eq!(points.len(), 6);
    let point = points.iter().find(|point| {
        let set = &point["settings"];
        set["pools.main.replicas"] == "2" && set["pools.main.tensor_parallel"] == "4"
    });
    let set = ["--set", "pools.main.replicas=2", "--set", "pools.main.tensor_parallel=4"];
    let words = ["run", "small.toml", "--variant", "base", "--format", "json"];
    let ran = tokenfleet(dir.path(), &[&words[..], &set[..]].concat());
    let summary: Value = serde_json::from_str(&ran.stdout).unwrap();
    let metrics = &summary["variants"][0]["metrics"];
    for (metric, key, mean) in [
        ("usd_per_task", "usd_per_task", "mean"),
        ("task_latency_s", "task_latency_s", "mean"),
        ("task_latency_p95", "task_latency_s", "p95"),
        ("ttft_p50", "ttft_s", "p50"),
    ] {
        let told = &point.unwrap()["metrics"][metric]["value"];
        assert_eq!(told, &metrics[key][mean], "{metric}");
        assert!(told.is_f64());
    }
}

/// A figure of a part is swept as one of the fleet is.
#[test]
fn parts_are_swept_by_name() {
    let dir = folder();
    let axes = ["--metric", "pools.main.utilization"];
    let front = ["--pareto", "agents.reader.ttft_p99,usd_per_task"];
    let (code, json, stderr) =
        sweep(dir.path(), &[&axes[..], &front[..], &["--format", "json"]].concat());
    assert_eq!((code, stderr.as_str()), (0, ""));
    let found: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(found["pareto"][0], "agents.reader.ttft_p99");
    let points = found["points"].as_array().unwrap();
    let built: Vec<&Value> = points.iter().filter(|point| point["gpus"].is_u64()).collect();
    assert_eq!(built.len(), 3);
    for point in built {
        let replicas = point["settings"]["pools.main.replicas"].as_str().unwrap();
        let set = format!("pools.main.replicas={replicas}");
        let words = ["run", "small.toml", "--variant", "base", "--format", "json"];
        let set = ["--set", &set, "--set", "pools.main.tensor_parallel=4"];
        let ran = tokenfleet(dir.path(), &[&words[..], &set[..]].concat());
        let summary: Value = serde_json::from_str(&ran.stdout).unwrap();
        let base = &summary["variants"][0];
        let told = |name: &str| &point["metrics"][name]["value"];
        let busy = &base["pools"]["main"]["utilization"]["mean"];
        assert!(busy.is_f64() && told("pools.main.utilization") == busy, "{point}");
        let ttft = &base["agents"]["reader"]["ttft_s"]["p99"];
        assert!(ttft.is_f64() && told("agents.reader.ttft_p99") == ttft, "{point}");
    }
    let (_, csv, _) = sweep(dir.path(), &[&axes[..], &front[..], &["--format", "csv"]].concat());
    assert!(csv.lines().next().unwrap().contains("pools.main.utilization_high"), "{csv}");
    for (wrong, meant) in [
        (["--metric", "pools.man.utilization"], "did you mean `pools.main`?"),
        (["--pareto", "usd_per_task,pools.main.utilisation"], "--pareto: unknown metric"),
    ] {
        let (code, _, stderr) = sweep(dir.path(), &wrong);
        assert!(code == 2 && stderr.contains(meant), "{stderr}");
    }
}

#[test]
fn what_cannot_be_built_is_passed_over() {
    let dir = folder();
    let (code, table, _) = sweep(dir.path(), &[]);
    let plain = table.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(code, 0);
    assert!(plain.contains("tensor_parallel 1 and 2 more cannot be built"), "{table}");
    assert!(plain.contains("3 of 3 points meet all objectives"), "{table}");
}

/// Where the key of a point stands in a checkpoint.
fn is_point(bytes: &&[u8]) -> bool {
    *bytes == b"point "
}

/// Killed in the middle and resumed, the result has the bytes of one that was left alone.
#[test]
fn an_interrupted_sweep_is_resumed() {
    let dir = folder();
    let axes = ["--over", "pools.main.replicas=1..40"];
    let words =
        |out| [&["sweep", "small.toml", "--out", out, "--threads", "1"], &axes[..]].concat();
    let mut child = Command::cargo_bin("tokenfleet")
        .unwrap()
        .current_dir(dir.path())
        .args(words("cut"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let progress = dir.path().join("cut.progress");
    let found = || fs::read(&progress).map_or(0, |bytes| bytes.windows(6).filter(is_point).count());
    while found() < 4 {
        sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!dir.path().join("cut/points.csv").exists());

    let refused = tokenfleet(dir.path(), &words("cut"));
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("add --resume to go on with it"), "{}", refused.stderr);
    let other = [&words("cut")[..], &["--resume", "--seed", "9"]].concat();
    assert!(tokenfleet(dir.path(), &other).stderr.contains("begun with another scenario"));

    assert_eq!(tokenfleet(dir.path(), &[&words("cut")[..], &["--resume"]].concat()).code, 0);
    assert_eq!(tokenfleet(dir.path(), &words("whole")).code, 0);
    assert!(!progress.exists());
    for file in ["points.csv", "sweep.json", "manifest.json"] {
        let read = |out: &str| fs::read(dir.path().join(out).join(file)).unwrap();
        assert!(read("cut") == read("whole"), "{file}");
    }
}

#[test]
fn mistakes_are_named() {
    let dir = folder();
    for (words, message) in [
        (["--over", "pools.main.replicas"], "expected `path=values`"),
        (["--over", "pools.main.replica=1,2"], "did you mean `replicas`?"),
        (["--over", "pools.main.accelerator=h100-sxn"], "did you mean `h100-sxm`?"),
        (["--pareto", "usd_per_task"], "expected two metrics"),
        (["--over", "pools.main.replicas=1..1000"], "say how many"),
    ] {
        let ran = tokenfleet(dir.path(), &[&["sweep", "small.toml"], &OVER[2..], &words].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{words:?}");
        assert!(ran.stderr.contains(message), "{}", ran.stderr);
    }
}
