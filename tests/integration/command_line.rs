//! What the program promises to whoever calls it: exit codes, streams, folders.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use assert_cmd::cargo::CommandCargoExt;

const SCENARIO: &str = r#"
name = "small"

[run]
horizon = "60 s"
trials  = 3

[agents.reader]
program  = "plain"
model    = "main"
arrivals = { poisson = "2 /s" }

[pools.main]
model           = "llama-3.3-70b"
accelerator     = "h100-sxm"
tensor_parallel = 4
precision       = { weights = "fp8", kv = "fp8" }

[objectives]
ttft_p50 = "10 min"

[variants.two]
"pools.main.replicas" = 2
"#;

pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn tokenfleet(dir: &Path, words: &[&str]) -> Ran {
    let mut command = Command::cargo_bin("tokenfleet").unwrap();
    let output = command.current_dir(dir).args(words).output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A folder with the scenario in `small.toml`.
pub(crate) fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("small.toml"), SCENARIO).unwrap();
    dir
}

#[test]
fn a_result_is_a_folder_of_documented_files() {
    let dir = folder();
    let ran = tokenfleet(dir.path(), &["run", "small.toml", "--out", "results/small", "--stats"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.contains("calls per CPU second"), "{}", ran.stdout);
    let result = dir.path().join("results/small");
    let mut names: Vec<_> = fs::read_dir(&result)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = [
        "distributions.csv",
        "example.json",
        "manifest.json",
        "report.html",
        "stats.json",
        "summary.json",
        "tasks.csv",
        "timeseries.csv",
        "trials.csv",
    ];
    assert_eq!(names, expected);

    let json = |name: &str| -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(result.join(name)).unwrap()).unwrap()
    };
    let manifest = json("manifest.json");
    assert_eq!(manifest["tokenfleet"], env!("CARGO_PKG_VERSION"));
    assert_eq!(manifest["scenario"]["text"], SCENARIO);
    assert_eq!(manifest["command"], serde_json::json!(["tokenfleet", "run", "small.toml"]));
    assert!(manifest["sources"].as_array().unwrap().len() > 5);
    let stats = json("stats.json");
    let mut keys: Vec<_> = stats.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "calls",
            "calls_per_cpu_second",
            "cpu_seconds",
            "events",
            "leaps",
            "peak_rss_bytes",
            "steps"
        ]
    );
    assert!(stats["calls"].as_u64().unwrap() > 100);
    let rows = fs::read_to_string(result.join("trials.csv")).unwrap();
    assert_eq!(rows.lines().count(), 1 + 2 * 3);
}

#[test]
fn everything_but_the_stats_is_the_same_bytes() {
    let dir = folder();
    let read = |out: &str| -> Vec<Vec<u8>> {
        tokenfleet::report::folder::FILES
            .iter()
            .filter(|name| dir.path().join(out).join(name).exists())
            .map(|name| fs::read(dir.path().join(out).join(name)).unwrap())
            .collect()
    };
    for (out, threads) in [("one", "1"), ("two", "2"), ("eight", "8")] {
        let words = ["run", "small.toml", "--quiet", "--threads", threads, "--out", out];
        assert_eq!(tokenfleet(dir.path(), &words).code, 0);
    }
    assert!(read("one").len() >= 7, "the result is whole");
    assert!(read("one") == read("two") && read("one") == read("eight"));
}

#[test]
fn exit_codes_say_what_happened() {
    let dir = folder();
    let code = |words: &[&str]| tokenfleet(dir.path(), words).code;
    assert_eq!(code(&["run", "small.toml", "--check"]), 0);
    let missed = ["run", "small.toml", "--set", "objectives.ttft_p50=1 us"];
    assert_eq!(code(&missed), 0);
    assert_eq!(code(&[&missed[..], &["--check"]].concat()), 1);
    assert_eq!(code(&["run", "nowhere.toml"]), 2);
    assert_eq!(code(&["run", "small.toml", "--set", "pools.main.replica=8"]), 2);
    assert_eq!(code(&["run", "small.toml", "--variant", "three"]), 2);
    assert_eq!(code(&["run", "small.toml", "--trials", "0"]), 2);
    assert_eq!(code(&["fly"]), 2);
    assert_eq!(code(&["--version"]), 0);
    assert_eq!(code(&["check", "small.toml"]), 0);
    assert_eq!(code(&["check", "small.toml", "nowhere.toml"]), 2);
    assert_eq!(code(&["catalog", "accelerators", "h100-sxm"]), 0);
    assert_eq!(code(&["catalog", "accelerators", "h100-sxn"]), 2);
    assert_eq!(code(&["completions", "bash"]), 0);
}

#[test]
fn bad_input_is_told_on_standard_error_with_its_place() {
    let dir = folder();
    fs::write(dir.path().join("bad.toml"), SCENARIO.replace("h100-sxm", "h100-sxn")).unwrap();
    for words in [["check", "bad.toml"], ["run", "bad.toml"]] {
        let ran = tokenfleet(dir.path(), &words);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
        for part in ["bad.toml:15", "h100-sxn", "did you mean `h100-sxm`?"] {
            assert!(ran.stderr.contains(part), "{part} is missing in:\n{}", ran.stderr);
        }
    }
    let ran = tokenfleet(dir.path(), &["run", "nowhere.toml"]);
    assert!(ran.stderr.starts_with("error: cannot read nowhere.toml: "), "{}", ran.stderr);
}

#[test]
fn standard_output_is_for_the_answer() {
    let dir = folder();
    let ran = tokenfleet(dir.path(), &["run", "small.toml", "--format", "json", "--stats"]);
    let summary: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(summary["variants"][1]["name"], "two");
    assert!(ran.stderr.contains("calls per CPU second"));

    let ran = tokenfleet(dir.path(), &["run", "small.toml", "--format", "csv", "--quiet"]);
    let mut rows = ::csv::Reader::from_reader(ran.stdout.as_bytes());
    let known = rows.records().filter(|row| !row.as_ref().unwrap()[4].is_empty()).count();
    assert!(known > 100, "{known}");
    assert_eq!(ran.stderr, "");

    let ran = tokenfleet(dir.path(), &["run", "small.toml"]);
    assert!(!ran.stdout.contains('\u{1b}'), "no colours where nobody looks");
}

#[test]
fn one_variant_may_be_picked() {
    let dir = folder();
    let ran = tokenfleet(dir.path(), &["run", "small.toml", "--variant", "two", "--trials", "2"]);
    assert!(ran.stdout.starts_with("small: 2 trials"), "{}", ran.stdout);
    assert!(ran.stdout.contains("POOL main  2 x llama-3.3-70b"), "{}", ran.stdout);
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let dir = folder();
    let ran = tokenfleet(dir.path(), &["run", "small.toml", "--out", "."]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("it contains small.toml"), "{}", ran.stderr);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn whoever_stops_reading_hears_no_complaint() {
    let dir = folder();
    let mut command = Command::cargo_bin("tokenfleet").unwrap();
    let words = ["run", "small.toml", "--format", "csv", "--quiet"];
    command.current_dir(dir.path()).args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let mut complaint = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    assert_eq!((child.wait().unwrap().code(), complaint.as_str()), (Some(0), ""));
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_what_is_finished() {
    let dir = folder();
    let mut command = Command::cargo_bin("tokenfleet").unwrap();
    let words = ["run", "small.toml", "--trials", "100000", "--out", "part"];
    command.current_dir(dir.path()).args(words).stdout(Stdio::piped());
    let child = command.spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(signal.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("stopped after") && text.contains("of 100000 trials"), "{text}");
    let manifest = fs::read_to_string(dir.path().join("part/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let done = manifest["trials_finished"].as_u64().unwrap();
    assert!((1..100_000).contains(&done), "{done}");
    let rows = fs::read_to_string(dir.path().join("part/trials.csv")).unwrap().lines().count();
    assert!(rows as u64 > done, "{rows} rows of {done} trials in two variants");
}

#[test]
fn what_has_no_end_is_refused() {
    let dir = folder();
    for words in [
        &["run", "/dev/zero"][..],
        &["calibrate", "/dev/zero", "--pool", "main"],
        &["sweep", "small.toml", "--over", "pools.main.replicas=1..1000000000"],
        &["sensitivity", "small.toml", "--points", "999999999999"],
        &["run", "small.toml", "--trials", "999999999999"],
        &["run", "small.toml", "--set", "pools.main.replicas=1000000000"],
    ] {
        let ran = tokenfleet(dir.path(), words);
        assert_eq!(ran.code, 2, "{words:?}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("error: "), "{words:?}: {}", ran.stderr);
    }
}

#[test]
fn programs_are_told_what_people_are() {
    let dir = folder();
    let wrong = SCENARIO.replace("trials  = 3", "trials  = 0");
    fs::write(dir.path().join("wrong.toml"), wrong).unwrap();
    let ran = tokenfleet(dir.path(), &["check", "small.toml", "wrong.toml", "--format", "json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (2, ""));
    let told: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(told[0]["fine"], true);
    assert_eq!(told[0]["variants"], serde_json::json!(["base", "two"]));
    let fault = &told[1]["faults"][0];
    assert_eq!((&fault["line"], &fault["column"]), (&6.into(), &10.into()), "{fault}");
    assert!(fault["message"].as_str().unwrap().contains("`trials` must be"), "{fault}");

    let ran = tokenfleet(dir.path(), &["check", "small.toml", "--quiet"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));

    fs::write(
        dir.path().join("points.csv"),
        "concurrency,input_tokens,output_tokens,tpot_ms\n4,1024,512,14\n16,1024,512,17\n64,1024,512,28\n",
    )
    .unwrap();
    let words = ["calibrate", "points.csv", "--pool", "main", "--scenario", "small.toml"];
    let ran = tokenfleet(dir.path(), &[&words[..], &["--format", "json"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let told: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&told["accelerator"], &told["points"]), (&"h100-sxm".into(), &3.into()));
}
