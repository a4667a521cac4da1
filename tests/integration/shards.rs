//! Shards, put together, are what one machine would have written; what is no shard is refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tokenfleet::experiment::{Findings, MonteCarlo, Watch};
use tokenfleet::workload::arrival::Arrivals;
use tokenfleet::workload::program::Branch;

use crate::command_line::{folder, tokenfleet};
use crate::fixture::{call, constant, end, plan, pool, program, server};

/// A price that is not known: trials have draws, and twins.
const UNKNOWN: &str = r#"pools.main.price={ uncertain = { uniform = ["$2 /h", "$4 /h"] } }"#;

/// Every file of a folder with its bytes.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let name = |entry: &fs::DirEntry| entry.file_name().into_string().unwrap();
    entries.map(|entry| (name(&entry), fs::read(entry.path()).unwrap())).collect()
}

/// That two folders have the same files of the same bytes.
pub(crate) fn assert_same(one: &Path, other: &Path) {
    let (one, other) = (files(one), files(other));
    assert!(one.keys().eq(other.keys()), "{:?} {:?}", one.keys(), other.keys());
    for (name, bytes) in &one {
        assert!(*bytes == other[name], "{name} differs");
    }
}

fn fine(dir: &Path, words: &[&str]) -> String {
    let ran = tokenfleet(dir, words);
    assert_eq!(ran.code, 0, "{words:?}: {}", ran.stderr);
    ran.stdout
}

/// Plans `shards` of a command and simulates them, with a number of threads that differs.
fn shards(dir: &Path, words: &[&str], shards: usize) -> Vec<String> {
    let count = shards.to_string();
    let plan = ["shard", "plan", "--shards", &count, "--out", "plan.json"];
    fine(dir, &[&plan[..], words].concat());
    let shard = |index: usize| {
        let (file, index) = (format!("shard-{index}"), index.to_string());
        let threads = if index == "1" { "3" } else { "1" };
        let words = ["--plan", "plan.json", "--index", &index, "--threads", threads];
        fine(dir, &[&["shard", "run"], &words[..], &["--out", &file]].concat());
        file
    };
    (0..shards).map(shard).collect()
}

fn merge<'a>(files: &[&'a str], out: &'a str) -> Vec<&'a str> {
    [&["shard", "merge", "--plan", "plan.json", "--quiet", "--out", out], files].concat()
}

/// One machine and three shards of the same command leave the same folder.
fn same(words: &[&str]) {
    let dir = folder();
    fine(dir.path(), &[words, &["--out", "whole", "--quiet"]].concat());
    let found = shards(dir.path(), words, 3);
    // The scenario travels in the plan.
    fs::rename(dir.path().join("small.toml"), dir.path().join("gone.toml")).unwrap();
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    fine(dir.path(), &merge(&found, "merged"));
    assert_same(&dir.path().join("merged"), &dir.path().join("whole"));
}

#[test]
fn a_run_in_shards() {
    same(&["run", "small.toml", "--trials", "7"]);
    same(&["run", "small.toml", "--trials", "5", "--set", UNKNOWN]);
}

#[test]
fn a_comparison_in_shards() {
    same(&["compare", "small.toml", "--trials", "5"]);
    same(&["compare", "small.toml", "--until", "20%", "--max-trials", "40"]);
}

#[test]
fn a_sweep_in_shards() {
    let over = ["--over", "pools.main.replicas=1..3", "--over", "pools.main.tensor_parallel=1,4"];
    same(&[&["sweep", "small.toml"], &over[..]].concat());
}

#[test]
fn a_sizing_in_shards() {
    same(&["size", "small.toml", "--max-candidates", "12"]);
}

#[test]
fn sensitivity_and_explanation_in_shards() {
    same(&["sensitivity", "small.toml", "--points", "4", "--set", UNKNOWN]);
    same(&["explain", "small.toml", "--to", "two"]);
}

/// A recorded workload that the scenario names travels in the plan, and a shard can be simulated
/// again.
#[test]
fn a_plan_carries_files_and_a_shard_is_the_same_on_any_machine() {
    let dir = folder();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scenario = root.join("scenarios/replay-mooncake.toml");
    let text = fs::read_to_string(&scenario).unwrap();
    fs::write(dir.path().join("replay.toml"), text).unwrap();
    let traces = root.join("scenarios/traces");
    std::os::unix::fs::symlink(traces, dir.path().join("traces")).unwrap();
    let words = ["run", "replay.toml", "--trials", "2", "--set", "run.horizon=60 s"];
    fine(dir.path(), &[&words[..], &["--out", "whole"]].concat());
    let first = shards(dir.path(), &words, 2);
    let before: Vec<_> =
        first.iter().map(|file| fs::read(dir.path().join(file)).unwrap()).collect();
    fs::remove_file(dir.path().join("traces")).unwrap();
    for (index, before) in before.iter().enumerate() {
        let (index, again) = (index.to_string(), format!("again-{index}"));
        let words = ["shard", "run", "--plan", "plan.json", "--index", &index, "--out", &again];
        fine(dir.path(), &words);
        assert!(fs::read(dir.path().join(&again)).unwrap() == *before);
    }
    fine(dir.path(), &merge(&["again-0", "again-1"], "merged"));
    assert_same(&dir.path().join("merged"), &dir.path().join("whole"));
}

#[test]
fn what_is_no_shard_is_refused_by_name() {
    let dir = folder();
    let path = |name: &str| dir.path().join(name);
    shards(dir.path(), &["small.toml"], 3);
    let foreign = folder();
    shards(foreign.path(), &["small.toml", "--seed", "9"], 3);
    fs::copy(foreign.path().join("shard-2"), path("foreign")).unwrap();
    fs::copy(path("shard-0"), path("twice")).unwrap();
    let whole = fs::read(path("shard-1")).unwrap();
    fs::write(path("cut"), &whole[..whole.len() - 1]).unwrap();
    let mut flipped = whole;
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    fs::write(path("flipped"), flipped).unwrap();

    for (files, told) in [
        (&["shard-0", "shard-2"][..], "shard 1 is missing"),
        (&["shard-0", "shard-1", "shard-2", "twice"], "shard-0 and twice are both shard 0"),
        (&["shard-0", "shard-1", "foreign"], "foreign is no shard of this plan"),
        (&["shard-0", "cut", "shard-2"], "cut: it is damaged or cut short at byte"),
        (&["shard-0", "flipped", "shard-2"], "flipped: it is damaged or cut short at byte"),
        (&["shard-0", "small.toml", "shard-2"], "small.toml: it is no file of pieces"),
    ] {
        let ran = tokenfleet(dir.path(), &merge(files, "merged"));
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
        assert!(!path("merged").exists());
    }

    let plan = fs::read_to_string(path("plan.json")).unwrap();
    fs::write(path("plan.json"), plan.replace("2 /s", "3 /s")).unwrap();
    let words = ["shard", "run", "--plan", "plan.json", "--index", "0", "--out", "new"];
    let ran = tokenfleet(dir.path(), &words);
    assert!(ran.stderr.contains("small.toml is not the file that the plan was made with"));
    assert_eq!((ran.code, path("new").exists()), (2, false));
}

#[test]
fn mistakes_in_plans_are_named() {
    let dir = folder();
    for (words, told) in [
        (&["small.toml", "--out", "p"][..], "into how many parts?"),
        (&["small.toml", "--shards", "2"], "where is the plan to go?"),
        (&["forecast", "small.toml", "--shards", "2", "--out", "p"], "`forecast` has no parts"),
        (&["nothing.toml", "--shards", "2", "--out", "p"], "cannot read nothing.toml"),
        (&["sweep", "small.toml", "--shards", "2", "--out", "p"], "--over <PATH=VALUES>"),
        (&["small.toml", "--shards", "2", "--out", "p", "--resume"], "nothing to resume"),
    ] {
        let ran = tokenfleet(dir.path(), &[&["shard", "plan"], words].concat());
        assert_eq!(ran.code, 2, "{words:?}");
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
        assert!(!dir.path().join("p").exists());
    }
}

/// Counts that no run comes to, under a digest that fits them, are not added up: they would pass the
/// end of their range.
#[test]
fn counts_that_nobody_could_have_made_are_no_findings() {
    let program = program(vec![call(constant(10.0), constant(5.0), Branch::always(1)), end()]);
    let pool = pool(server(0.01, 0.0, 4), 1);
    let plans = [plan(program, pool, Arrivals::poisson(1.0).unwrap(), 20)];
    let run = MonteCarlo { plans: &plans, objectives: &[], trials: 1, seed: 1, threads: 1 };
    let found = || run.run(&Watch::default()).unwrap().remove(0);
    assert!(found().is_of(&plans[0], &[]));
    let inflate: [fn(&mut Findings); 6] = [
        |found| found.evidence[0].tally.started = u64::MAX,
        |found| found.evidence[0].tally.failed[0] = 1 << 60,
        |found| found.evidence[1].tally.charged_pico = u128::MAX / 2,
        |found| found.series.bins[0].tasks_finished = u64::MAX,
        |found| found.series.bins[0].pools[0].output_tokens = u64::MAX - 1,
        |found| found.series.bins[0].pools[0].bytes = u128::MAX,
    ];
    for (at, inflate) in inflate.iter().enumerate() {
        let mut inflated = found();
        inflate(&mut inflated);
        assert!(!inflated.is_of(&plans[0], &[]), "{at}");
    }
}
