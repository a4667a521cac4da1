//! Variants are compared trial by trial, and what is said of their difference is true.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tokenfleet::experiment::{Answers, Comparison, Contrast, Measure, MonteCarlo, Told, Watch};
use tokenfleet::foundations::{Law, SimDuration, SimTime};
use tokenfleet::simulation::plan::{Ending, Plan, Stop};
use tokenfleet::workload::arrival::Arrivals;
use tokenfleet::workload::program::Branch;

use crate::command_line::{folder, tokenfleet};
use crate::fixture::{call, constant, end, plan, pool, program, server};

/// M/G/1 with a load of 0.5 at a step of 10 ms: geometric numbers of steps, one request at a time.
fn queue(name: &str, step_s: f64) -> Plan {
    let output = Law::geometric_from_mean(100.0).unwrap();
    let steps = vec![call(constant(1.0), output, Branch::always(1)), end()];
    let pool = pool(server(step_s, 0.0, 1), 1);
    Plan {
        name: name.into(),
        stop: Stop { horizon: SimTime::from_s(1500.0), tasks: None },
        warm_up: SimTime::from_s(200.0).unwrap(),
        ending: Ending::Drain(SimDuration::MAX),
        ..plan(program(steps), pool, Arrivals::poisson(0.5).unwrap(), 1)
    }
}

/// Mean stay by Pollaczek and Khinchine.
fn stay_s(step_s: f64) -> f64 {
    let output = Law::geometric_from_mean(100.0).unwrap();
    let mean = output.mean() * step_s;
    let second_moment = output.variance() * step_s * step_s + mean * mean;
    mean + 0.5 * second_moment / (2.0 * (1.0 - 0.5 * mean))
}

fn answers(plans: &[Plan], trials: u64, seed: u64) -> Answers<'_> {
    let run = MonteCarlo { plans, objectives: &[], trials, seed, threads: 2 };
    Answers::new("queue", &run, run.run(&Watch::default()).unwrap(), 0.95)
}

fn latency(answers: &Answers<'_>) -> Contrast {
    let measure = Measure::mean("task_latency_s").unwrap();
    *Comparison::new(answers, 0, vec![measure.clone()]).of(1, &measure).unwrap()
}

/// Of 60 intervals at 95 %, at least 52 hold the truth with a probability of 99.8 %.
#[test]
fn an_interval_holds_the_true_difference() {
    let plans = [queue("slow", 0.011), queue("fast", 0.010)];
    let (slow, fast) = (stay_s(0.011), stay_s(0.010));
    let (mut differences, mut ratios) = (0, 0);
    for seed in 0..60 {
        let contrast = latency(&answers(&plans, 12, seed));
        differences += u32::from(contrast.difference.contains(fast - slow));
        ratios += u32::from(contrast.ratio.unwrap().contains(fast / slow));
        assert!(contrast.pairing_gain() > 2.0, "{contrast:?}");
    }
    assert!(differences >= 52 && ratios >= 52, "{differences}, {ratios}");
}

#[test]
fn the_same_fleet_twice_is_the_same() {
    let contrast = latency(&answers(&[queue("one", 0.01), queue("other", 0.01)], 4, 1));
    assert_eq!(contrast.told(), Told::Same);
    assert_eq!(contrast.times(), 1.0);
}

/// Trials that are added later give what all of them give at once.
#[test]
fn adding_trials_is_running_them_all() {
    let plans = [queue("slow", 0.011), queue("fast", 0.010)];
    let run = |trials| MonteCarlo { plans: &plans, objectives: &[], trials, seed: 1, threads: 2 };
    let watch = Watch::default();
    let first = run(3).run(&watch).unwrap();
    let added = run(8).run_on(first, &watch).unwrap();
    let at_once = run(8).run(&watch).unwrap();
    // Some figures are not numbers, which are unequal to themselves.
    assert!(format!("{added:?}") == format!("{at_once:?}"));
}

/// The hardware comparison of the default scenario, paired and unpaired.
#[test]
fn common_tasks_make_intervals_five_times_narrower() {
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/quickstart.toml");
    let dir = folder();
    fs::copy(scenario, dir.path().join("quickstart.toml")).unwrap();
    let words = ["compare", "quickstart.toml", "--trials", "20", "--format", "json"];
    let ran = tokenfleet(dir.path(), &words);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    for variant in found["variants"].as_array().unwrap() {
        let differences = variant["differences"].as_array().unwrap();
        for metric in ["usd_per_task", "usd_per_successful_task", "usd_per_mtoken_output"] {
            let difference = differences.iter().find(|row| row["metric"] == metric).unwrap();
            let gain = difference["pairing_gain"].as_f64().unwrap();
            assert!(gain > 5.0, "{}: {metric} {gain}", variant["name"]);
        }
    }
}

#[test]
fn trials_are_added_until_the_answer_is_sharp() {
    let dir = folder();
    let words = ["compare", "small.toml", "--metric", "ttft_s", "--format", "json"];
    let compare = |until: &str, most: &str| {
        let until = ["--trials", "2", "--until", until, "--max-trials", most, "--quiet"];
        let ran = tokenfleet(dir.path(), &[&words[..], &until].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let found: Value = serde_json::from_str(&ran.stdout).unwrap();
        let differences = found["variants"][0]["differences"].as_array().unwrap();
        let row = differences.iter().find(|row| row["metric"] == "ttft_s").unwrap();
        let end = |end: &str| row[end].as_f64().unwrap();
        let half = (end("ratio_high") - end("ratio_low")) / 2.0;
        (half, row["trials"].as_u64().unwrap(), ran.stderr)
    };
    let (half, trials, stderr) = compare("3%", "500");
    assert!(half <= 0.03 && trials > 2 && trials < 500, "{half} at {trials}");
    assert_eq!(stderr, "");
    let (half, trials, stderr) = compare("0.1%", "10");
    assert!(half > 0.001 && trials == 10, "{half} at {trials}");
    assert!(stderr.contains("raise --max-trials"), "{stderr}");
}

#[test]
fn the_answer_is_in_plain_words_and_in_files() {
    let dir = folder();
    let ran = tokenfleet(dir.path(), &["compare", "small.toml", "--out", "results/compared"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let plain = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(plain.contains("two against base: cost per successful task"), "{}", ran.stdout);
    let rows = fs::read_to_string(dir.path().join("results/compared/comparison.csv")).unwrap();
    assert!(rows.starts_with("variant,metric,unit,baseline,value,difference"), "{rows}");
    let again = tokenfleet(dir.path(), &["compare", "small.toml", "--format", "csv"]);
    assert_eq!(again.stdout, rows);
    let other = ["compare", "small.toml", "--baseline", "two", "--threads", "1"];
    assert!(tokenfleet(dir.path(), &other).stdout.contains("base against two"));
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let dir = folder();
    for (words, message) in [
        (["--metric", "usd_per_tusk"], "did you mean `usd_per_task`?"),
        (["--baseline", "three"], "choose from: base, two"),
        (["--set", "run.trials=x"], "expected a whole number"),
        (["--until", "0%"], "must be above 0 %"),
    ] {
        let ran = tokenfleet(dir.path(), &["compare", "small.toml", words[0], words[1]]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{words:?}");
        assert!(ran.stderr.contains(message), "{}", ran.stderr);
    }
    let ran = tokenfleet(dir.path(), &["compare", "small.toml", "--variant", "base"]);
    assert!(ran.stderr.contains("there is nothing to compare"), "{}", ran.stderr);
}
