//! What people and programs read: the terminal's answer, the summary, the tables.

use tokenfleet::experiment::trial::Digest;
use tokenfleet::experiment::{
    Answers, Findings, Metric, MonteCarlo, Objective, Part, Scope, Statistic, Watch,
};
use tokenfleet::report::table::{Style, render};
use tokenfleet::report::{Summary, csv};
use tokenfleet::simulation::plan::Plan;

use crate::made_up::outcome;
use crate::small_fleet::small_fleet;

fn objectives() -> Vec<Objective> {
    let objective = |name: &str, key: &str, statistic, limit, at_least| Objective {
        name: name.into(),
        metric: Metric::find(key).unwrap(),
        statistic,
        limit,
        at_least,
        of: Part::FLEET,
    };
    vec![
        objective("task_latency_p95", "task_latency_s", Statistic::Quantile(2), 50.0, false),
        objective("ttft_p99", "ttft_s", Statistic::Quantile(3), 0.2, false),
        objective("task_success_rate", "task_success_rate", Statistic::Mean, 0.9, true),
    ]
}

/// Two ways to serve the fleet.
fn variants() -> Vec<Plan> {
    let mut bigger = small_fleet(600.0, 0.5);
    bigger.name = "bigger".into();
    bigger.pools[0].replicas = 3;
    vec![small_fleet(600.0, 0.5), bigger]
}

fn answers<'p>(
    plans: &'p [Plan],
    objectives: &'p [Objective],
    trials: u64,
    threads: usize,
) -> Answers<'p> {
    let run = MonteCarlo { plans, objectives, trials, seed: 1, threads };
    let found = run.run(&Watch::default()).unwrap();
    Answers::new("small fleet", &run, found, 0.95)
}

const NARROW: Style = Style { width: 80, colour: false };
const WIDE: Style = Style { width: 120, colour: false };

/// The answers to trials that never ran, with so many requests waiting at their end.
fn made_up<'p>(
    plans: &'p [Plan],
    objectives: &'p [Objective],
    trials: u64,
    queue: u64,
) -> Answers<'p> {
    let run = MonteCarlo { plans, objectives, trials, seed: 1, threads: 1 };
    let findings = plans.iter().map(|plan| {
        let mut findings = Findings::default();
        for trial in 0..trials {
            findings.add(Digest::new(plan, objectives, outcome(plan, trial, queue)));
        }
        findings
    });
    Answers::new("small fleet", &run, findings.collect(), 0.95)
}

#[test]
fn the_answer_of_one_variant() {
    let (plans, objectives) = (&variants()[..1], objectives());
    let answers = made_up(plans, &objectives, 6, 0);
    insta::assert_snapshot!("one_variant_80", render(&answers, NARROW));
}

#[test]
fn the_answer_on_a_wide_terminal() {
    let (plans, objectives) = (&variants()[..1], objectives());
    let answers = made_up(plans, &objectives, 6, 0);
    insta::assert_snapshot!("one_variant_120", render(&answers, WIDE));
}

#[test]
fn the_answer_of_one_trial() {
    let (plans, objectives) = (&variants()[..1], objectives());
    let answers = made_up(plans, &objectives, 1, 0);
    insta::assert_snapshot!("one_trial_80", render(&answers, NARROW));
}

#[test]
fn the_answer_of_two_variants() {
    let (plans, objectives) = (variants(), objectives());
    let answers = made_up(&plans, &objectives, 6, 0);
    insta::assert_snapshot!("two_variants_80", render(&answers, NARROW));
}

#[test]
fn the_answer_of_a_fleet_that_does_not_keep_up() {
    let (plans, objectives) = (&variants()[..1], objectives());
    let answers = made_up(plans, &objectives, 6, 400);
    insta::assert_snapshot!("overload_80", render(&answers, NARROW));
}

#[test]
fn the_summary_of_one_variant() {
    let (plans, objectives) = (&variants()[..1], objectives());
    let answers = made_up(plans, &objectives, 6, 0);
    insta::assert_snapshot!("summary", Summary::new(&answers).to_json().unwrap());
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let (plans, objectives) = (variants(), objectives());
    let mut answers = made_up(&plans, &objectives, 2, 50);
    for _ in 0..2 {
        for width in [80, 100, 120, 200] {
            let text = render(&answers, Style { width, colour: false });
            let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(longest <= width, "{longest} columns in {width}:\n{text}");
        }
        answers.variants.pop();
    }
}

fn all_files(answers: &Answers<'_>) -> String {
    let mut files = Vec::new();
    csv::trials(answers, &mut files).unwrap();
    csv::tasks(answers, &mut files).unwrap();
    csv::timeseries(answers, &mut files).unwrap();
    csv::figures(answers, &mut files).unwrap();
    String::from_utf8(files).unwrap() + &Summary::new(answers).to_json().unwrap()
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let (plans, objectives) = (variants(), objectives());
    let one = all_files(&answers(&plans, &objectives, 5, 1));
    for threads in [2, 8] {
        assert!(one == all_files(&answers(&plans, &objectives, 5, threads)), "{threads} threads");
    }
}

#[test]
fn more_trials_only_add_rows() {
    let (plans, objectives) = (variants(), objectives());
    let rows = |trials| {
        let mut file = Vec::new();
        csv::trials(&answers(&plans[..1], &objectives, trials, 2), &mut file).unwrap();
        String::from_utf8(file).unwrap()
    };
    assert!(rows(5).starts_with(&rows(3)));
}

#[test]
fn the_summary_has_its_documented_shape() {
    let (plans, objectives) = (variants(), objectives());
    let answers = answers(&plans, &objectives, 2, 2);
    let json = Summary::new(&answers).to_json().unwrap();
    let summary: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(summary["scenario"], "small fleet");
    let keys = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    for variant in summary["variants"].as_array().unwrap() {
        let expected = [
            "agents",
            "conservation",
            "metrics",
            "model_error",
            "name",
            "objectives",
            "pools",
            "warnings",
        ];
        assert_eq!(keys(variant), expected);
        assert_eq!(keys(&variant["agents"]), ["chat", "coder"]);
        assert_eq!(variant["conservation"]["holds"], true);
        let parts = [
            (Scope::Fleet, &variant["metrics"]),
            (Scope::Agent, &variant["agents"]["coder"]),
            (Scope::Pool, &variant["pools"]["main"]),
        ];
        for (scope, metrics) in parts {
            for key in keys(metrics) {
                let metric = Metric::find(&key).unwrap();
                assert!(metric.applies_to(scope), "{key}");
                let fields = ["ci_high", "ci_low", "mean", "n", "p50", "p90", "p95", "p99", "unit"];
                let known = |field: &String| field != "model_low" && field != "model_high";
                let shown: Vec<String> = keys(&metrics[&key]).into_iter().filter(known).collect();
                assert_eq!(shown, fields);
                // What the model may have wrong is told of latencies and throughput alone.
                let banded = metrics[&key]["model_high"].is_f64();
                let timed = ["ttft_s", "tpot_s", "itl_s", "call_latency_s", "task_latency_s"];
                assert!(!banded || key == "output_tokens_per_s" || timed.contains(&key.as_str()));
            }
        }
        // What the issue asks by name.
        for key in [
            "ttft_s",
            "tpot_s",
            "task_latency_s",
            "llm_calls_per_task",
            "input_tokens_per_task",
            "cached_tokens_per_task",
            "output_tokens_per_task",
            "usd_per_task",
            "usd_per_successful_task",
            "usd_per_mtoken_output",
            "prefix_hit_rate",
            "hbm_bandwidth_saturation",
            "compute_utilization",
            "prompt_to_output_ratio",
            "amplification",
        ] {
            assert!(variant["metrics"][key]["mean"].is_f64(), "{key}");
        }
    }
}

/// The parts of the fleet add up to it.
#[test]
fn agents_share_all_dollars_and_tokens() {
    let (plans, objectives) = (variants(), objectives());
    let answers = answers(&plans, &objectives, 2, 2);
    let answer = &answers.variants[0];
    for key in ["usd_per_h", "tasks_per_s", "calls_per_s", "output_tokens_per_s"] {
        let mean = |part: usize| answer.of(part, key).mean.unwrap();
        let agents: f64 = answer.parts_of(Scope::Agent).map(|(part, _)| mean(part)).sum();
        assert!((agents / mean(0) - 1.0).abs() < 1e-9, "{key}: {agents} of {}", mean(0));
    }
    let (loaded, busy) = (answer.fleet("usd_per_task"), answer.fleet("usd_busy_per_task"));
    let idle = answer.fleet("idle_usd_share").mean.unwrap();
    let share = 1.0 - busy.mean.unwrap() / loaded.mean.unwrap();
    assert!((share - idle).abs() < 1e-9, "{share} against {idle}");
}

#[test]
fn a_stopped_run_says_how_far_it_came() {
    let (plans, objectives) = (variants(), objectives());
    let run =
        MonteCarlo { plans: &plans, objectives: &objectives, trials: 400, seed: 1, threads: 1 };
    let watch = Watch::default();
    let found = std::thread::scope(|scope| {
        scope.spawn(|| {
            while watch.trials() < 5 {
                std::thread::yield_now();
            }
            watch.stop();
        });
        run.run(&watch).unwrap()
    });
    let answers = Answers::new("small fleet", &run, found, 0.95);
    let done = answers.stopped_after().unwrap();
    assert!((2..400).contains(&done), "{done}");
    let warning = &answers.variants[1].warnings[0];
    assert_eq!(*warning, format!("stopped after {done} of 400 trials"));
    assert!(render(&answers, NARROW).contains(&format!("stopped after {done} of 400 trials")));
}
