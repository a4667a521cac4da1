//! An interval at 95 % holds the truth in 95 of 100 repetitions: runs of queues whose mean wait is
//! known are repeated, and hits are counted.

use tokenfleet::experiment::{Answers, MonteCarlo, Watch};
use tokenfleet::foundations::{Law, SimDuration, SimTime};
use tokenfleet::simulation::plan::{Ending, Plan, Stop};
use tokenfleet::workload::arrival::Arrivals;
use tokenfleet::workload::program::Branch;

use crate::fixture::{call, constant, end, plan, pool, program, server};

const STEP_S: f64 = 0.01;

/// One request at a time, geometric numbers of steps of 10 ms each: M/G/1 with a load of 0.6.
fn queue(horizon_s: f64) -> Plan {
    let output = Law::geometric_from_mean(100.0).unwrap();
    let steps = vec![call(constant(1.0), output, Branch::always(1)), end()];
    let arrivals = Arrivals::poisson(0.6).unwrap();
    Plan {
        stop: Stop { horizon: SimTime::from_s(horizon_s), tasks: None },
        warm_up: SimTime::from_s(200.0).unwrap(),
        ending: Ending::Drain(SimDuration::MAX),
        bin: SimDuration::from_s(10.0).unwrap(),
        ..plan(program(steps), pool(server(STEP_S, 0.0, 1), 1), arrivals, 1)
    }
}

/// Mean wait by Pollaczek and Khinchine.
fn wait_s(plan: &Plan) -> f64 {
    let output = Law::geometric_from_mean(100.0).unwrap();
    let mean = output.mean() * STEP_S;
    let second_moment = output.variance() * STEP_S * STEP_S + mean * mean;
    let rate = 0.6;
    assert_eq!(plan.pools[0].replicas, 1);
    rate * second_moment / (2.0 * (1.0 - rate * mean))
}

/// Figures whose truth is known, with it.
fn truths(plan: &Plan) -> [(&'static str, f64); 5] {
    let service_s = Law::geometric_from_mean(100.0).unwrap().mean() * STEP_S;
    let stay_s = wait_s(plan) + service_s;
    [
        ("queue_time_s", wait_s(plan)),
        ("task_latency_s", stay_s),
        ("queue_length", 0.6 * wait_s(plan)),
        ("utilization", 0.6 * service_s),
        ("usd_per_task", 1.0 / 3600.0 / 0.6),
    ]
}

/// How many of `repetitions` intervals hold the truth, by figure.
fn hits(plan: &Plan, trials: u64, repetitions: u64) -> Vec<(&'static str, u64)> {
    let truths = truths(plan);
    let mut hits: Vec<_> = truths.iter().map(|&(key, _)| (key, 0)).collect();
    for seed in 0..repetitions {
        let plans = std::slice::from_ref(plan);
        let run = MonteCarlo { plans, objectives: &[], trials, seed, threads: 2 };
        let answers = Answers::new("queue", &run, run.run(&Watch::default()).unwrap(), 0.95);
        for ((key, truth), (_, count)) in truths.iter().zip(&mut hits) {
            let figure = answers.variants[0].fleet(key);
            let interval = figure.interval.unwrap_or_else(|| panic!("{key} has no interval"));
            *count += u64::from(interval.contains(*truth));
        }
    }
    hits
}

/// Of 200 intervals at 95 %, fewer than 180 or all hold the truth in one of 1,000 tries or less.
#[test]
fn over_trials() {
    for (key, count) in hits(&queue(2000.0), 12, 200) {
        assert!(count >= 180, "{key}: {count} of 200 intervals hold the truth");
    }
}

/// Batches inside one long trial depend on each other a little, so less is asked: 90 %.
#[test]
fn within_one_long_trial() {
    for (key, count) in hits(&queue(40_000.0), 1, 200) {
        assert!(count >= 172, "{key}: {count} of 200 intervals hold the truth");
    }
}

/// The median wait of the pooled distribution, against that of a thousand trials.
#[test]
fn of_quantiles() {
    let plan = queue(2000.0);
    let plans = std::slice::from_ref(&plan);
    let run = |trials, seed| {
        let run = MonteCarlo { plans, objectives: &[], trials, seed, threads: 2 };
        Answers::new("queue", &run, run.run(&Watch::default()).unwrap(), 0.95)
    };
    let truth =
        run(2000, 1000).variants[0].fleet("task_latency_s").quantiles.map(|q| q.unwrap().value);
    let mut hits = [0; 4];
    for seed in 0..200 {
        let answers = run(12, seed);
        for ((quantile, truth), count) in
            answers.variants[0].fleet("task_latency_s").quantiles.iter().zip(truth).zip(&mut hits)
        {
            *count += u64::from(quantile.unwrap().interval.unwrap().contains(truth));
        }
    }
    for (count, p) in hits.into_iter().zip([50, 90, 95, 99]) {
        assert!(count >= 176, "p{p}: {count} of 200 intervals hold the truth");
    }
}
