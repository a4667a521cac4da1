//! What would take too much is refused before it begins; what takes too long is cut, says so, and goes
//! on later.

use std::fs;

use serde_json::Value;

use crate::command_line::{folder, tokenfleet};
use crate::shards::assert_same;

#[test]
fn too_much_memory_is_refused_before_anything_is_done() {
    let dir = folder();
    let words = ["run", "small.toml", "--out", "out", "--trials", "1000"];
    let refused = tokenfleet(dir.path(), &[&words[..], &["--max-memory", "1 MB"]].concat());
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("of memory are needed, 1 MB allowed"), "{}", refused.stderr);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    let fine = tokenfleet(dir.path(), &["run", "small.toml", "--max-memory", "10 GB"]);
    assert_eq!(fine.code, 0);
    assert!(fine.stderr.contains("this takes about"), "{}", fine.stderr);
}

/// The estimate is near what the run takes, which its own statistics say.
#[test]
fn the_estimate_is_near_what_it_takes() {
    let dir = folder();
    let words = ["run", "small.toml", "--trials", "400", "--stats", "--out", "out"];
    let ran = tokenfleet(dir.path(), &[&words[..], &["--max-memory", "10 GB"]].concat());
    let stats = fs::read_to_string(dir.path().join("out/stats.json")).unwrap();
    let stats: Value = serde_json::from_str(&stats).unwrap();
    let peak_mb = stats["peak_rss_bytes"].as_f64().unwrap() / 1e6;
    let told = ran.stderr.split(" and ").nth(1).unwrap();
    let told_mb: f64 = told.split_once("MB").unwrap().0.trim().parse().unwrap();
    assert!((0.5..2.0).contains(&(told_mb / peak_mb)), "{told_mb} MB told, {peak_mb} MB taken");
}

#[test]
fn too_much_time_is_refused_or_cut_and_goes_on() {
    let dir = folder();
    let long = ["run", "small.toml", "--set", "run.horizon=100 h", "--max-time", "1 s"];
    let refused = tokenfleet(dir.path(), &long);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("a trial of each variant takes"), "{}", refused.stderr);

    let words = ["run", "small.toml", "--trials", "300", "--set", "run.horizon=300 s"];
    let limit = ["--resume", "cut", "--max-time", "500 ms"];
    let cut = tokenfleet(dir.path(), &[&words[..], &limit].concat());
    assert_eq!(cut.code, 0, "{}", cut.stderr);
    let read = |file: &str| fs::read_to_string(dir.path().join("cut").join(file)).unwrap();
    let manifest: Value = serde_json::from_str(&read("manifest.json")).unwrap();
    let finished = manifest["trials_finished"].as_u64().unwrap();
    assert!(finished < 300);
    assert_eq!(manifest["cut_by"], "--max-time 500 ms");
    assert!(cut.stderr.contains("warning: cut by --max-time 500 ms; --resume goes on"));
    assert!(read("summary.json").contains(&format!("stopped after {finished} of 300 trials")));
    let whole = tokenfleet(dir.path(), &[&words[..], &["--out", "whole"]].concat());
    assert_eq!(whole.code, 0);
    assert_eq!(tokenfleet(dir.path(), &[&words[..], &["--resume", "cut"]].concat()).code, 0);
    assert_same(&dir.path().join("cut"), &dir.path().join("whole"));
}
