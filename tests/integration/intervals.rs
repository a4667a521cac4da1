//! An interval at 95 % holds the truth in 95 of 100 repetitions: runs of queues whose mean wait is
//! known are repeated, and hits are counted.

use tokenfleet::experiment::{Answers, MonteCarlo, QUANTILES, Watch};
use tokenfleet::foundations::{Law, SimDuration, SimTime};
use tokenfleet::simulation::plan::{Ending, Plan, Stop};
use tokenfleet::workload::arrival::Arrivals;
use tokenfleet::workload::program::Branch;

use crate::fixture::{call, constant, end, plan, pool, program, server, tool_plan};

const REPETITIONS: u64 = 60;
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

/// The answer of one run.
fn answers(plan: &Plan, trials: u64, seed: u64) -> Answers<'_> {
    let plans = std::slice::from_ref(plan);
    let run = MonteCarlo { plans, objectives: &[], trials, seed, threads: 2 };
    Answers::new("queue", &run, run.run(&Watch::default()).unwrap(), 0.95)
}

/// Asserts that at least `enough` of [`REPETITIONS`] intervals hold the truth.
fn hold_the_truth(plan: &Plan, trials: u64, enough: u64) {
    let truths = truths(plan);
    let mut hits = [0; 5];
    for seed in 0..REPETITIONS {
        let answers = answers(plan, trials, seed);
        for ((key, truth), count) in truths.iter().zip(&mut hits) {
            let interval = answers.variants[0].fleet(key).interval;
            *count += u64::from(interval.is_some_and(|interval| interval.contains(*truth)));
        }
    }
    for ((key, _), count) in truths.iter().zip(hits) {
        assert!(count >= enough, "{key}: {count} of {REPETITIONS} intervals hold the truth");
    }
}

/// Of 60 intervals that hold the truth with 95 %, fewer than 51 do so in one of 1,000 tries.
#[test]
fn over_trials() {
    hold_the_truth(&queue(1000.0), 10, 51);
}

/// Batches inside one trial depend on each other a little: 90 % is what they reach.
#[test]
fn within_one_long_trial() {
    hold_the_truth(&queue(8000.0), 1, 47);
}

/// The time in M/M/1 is exponential: so are its quantiles known.
#[test]
fn of_quantiles() {
    let exponential = Law::exponential(1.0).unwrap();
    let mut plan = tool_plan(exponential, 1, Arrivals::poisson(0.6).unwrap(), 1);
    plan.stop = Stop { horizon: SimTime::from_s(1000.0), tasks: None };
    plan.warm_up = SimTime::from_s(200.0).unwrap();
    let mean_s = 1.0 / (1.0 - 0.6);
    for (trials, enough) in [(10, 51), (1, 47)] {
        let mut hits = [0; QUANTILES.len()];
        for seed in 0..REPETITIONS {
            let answers = answers(&plan, trials, seed);
            let found = answers.variants[0].fleet("task_latency_s").quantiles;
            for ((quantile, p), count) in found.iter().zip(QUANTILES).zip(&mut hits) {
                let truth = -mean_s * libm::log(1.0 - p);
                let interval = quantile.unwrap().interval;
                *count += u64::from(interval.is_none_or(|interval| interval.contains(truth)));
            }
        }
        for (count, p) in hits.into_iter().zip(QUANTILES) {
            let what = format!("p{} of {trials} trials", p * 100.0);
            assert!(count >= enough, "{what}: {count} of {REPETITIONS} intervals hold the truth");
        }
    }
}
