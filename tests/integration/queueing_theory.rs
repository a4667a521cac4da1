//! Queues whose answers are known: the simulator must agree within its own confidence interval.
//!
//! Formulas: L. Kleinrock, *Queueing Systems* vol. 1 (1975): M/M/1 and M/M/c (Erlang C), M/G/1
//! (Pollaczek and Khinchine), vol. 2 (1976): processor sharing; J. D. C. Little (1961): L = lambda W;
//! M. Mitzenmacher, *The power of two choices in randomized load balancing*, IEEE TPDS 12(10), 2001:
//! the supermarket model.

use tokenfleet::foundations::SimTime;
use tokenfleet::foundations::distribution::Law;
use tokenfleet::serving::RouterPolicy;
use tokenfleet::simulation::TrialOutcome;
use tokenfleet::simulation::plan::Plan;
use tokenfleet::workload::arrival::Arrivals;
use tokenfleet::workload::program::Branch;

use crate::fixture::{call, constant, end, plan, pool, program, run, server, tool_plan};

const TRIALS: u64 = 12;

fn poisson(rate: f64) -> Arrivals {
    Arrivals::poisson(rate).unwrap()
}

/// Means of a figure over trials with their half width: 4.437 is Student's t for 99.9 % and 11
/// degrees of freedom, so that a right simulator fails one test in a thousand.
fn estimate(plan: &Plan, figure: impl Fn(&TrialOutcome) -> f64) -> (f64, f64) {
    let values: Vec<f64> = (0..TRIALS).map(|trial| figure(&run(plan, trial))).collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, 4.437 * (variance / n).sqrt())
}

fn agrees(what: &str, plan: &Plan, expected: f64, figure: impl Fn(&TrialOutcome) -> f64) {
    let (mean, half_width) = estimate(plan, figure);
    assert!(half_width < 0.1 * expected, "{what}: {mean} ± {half_width} tells nothing");
    let off = (mean - expected).abs();
    assert!(off <= half_width, "{what}: {mean} ± {half_width}, theory says {expected}");
}

fn latency_s(outcome: &TrialOutcome) -> f64 {
    outcome.agents[0].task_latency.histogram.mean() / 1e6
}

/// Probability of waiting in M/M/c with offered load `a` Erlang.
fn erlang_c(c: u32, a: f64) -> f64 {
    let blocked = (1..=c).fold(1.0, |b, k| a * b / (f64::from(k) + a * b));
    let rho = a / f64::from(c);
    blocked / (1.0 - rho + rho * blocked)
}

#[test]
fn one_server_with_exponential_service() {
    let (lambda, mean) = (0.8, 1.0);
    let service = Law::exponential(mean).unwrap();
    let plan = tool_plan(service, 1, poisson(lambda), 60_000);
    agrees("M/M/1", &plan, mean / (1.0 - lambda * mean), latency_s);
}

#[test]
fn several_servers_with_exponential_service() {
    for (servers, load) in [(2, 1.6), (5, 4.0), (20, 17.0)] {
        let service = Law::exponential(1.0).unwrap();
        let plan = tool_plan(service, servers, poisson(load), 60_000);
        let wait = erlang_c(servers, load) / (f64::from(servers) - load);
        agrees(&format!("M/M/{servers}"), &plan, 1.0 + wait, latency_s);
    }
}

#[test]
fn one_server_with_constant_service() {
    let lambda = 0.8;
    let plan = tool_plan(constant(1.0), 1, poisson(lambda), 60_000);
    agrees("M/D/1", &plan, 1.0 + lambda / (2.0 * (1.0 - lambda)), latency_s);
}

#[test]
fn one_server_with_general_service() {
    let lambda = 0.6;
    let service = Law::lognormal(-0.125, 0.5).unwrap();
    let second_moment = service.variance() + service.mean().powi(2);
    let wait = lambda * second_moment / (2.0 * (1.0 - lambda * service.mean()));
    let plan = tool_plan(service.clone(), 1, poisson(lambda), 60_000);
    agrees("M/G/1", &plan, service.mean() + wait, latency_s);
}

/// A model server that takes one request at a time is M/G/1 as well: a step of prefill and one
/// for each further token.
#[test]
fn a_model_server_that_serves_one_at_a_time() {
    let (step, lambda) = (0.01, 0.6);
    let output = Law::uniform(50.0, 150.0).unwrap().rounded();
    let steps = vec![call(constant(1.0), output.clone(), Branch::always(1)), end()];
    let plan = plan(program(steps), pool(server(step, 0.0, 1), 1), poisson(lambda), 60_000);
    let mean = output.mean() * step;
    let second_moment = output.variance() * step * step + mean * mean;
    let wait = lambda * second_moment / (2.0 * (1.0 - lambda * mean));
    agrees("M/G/1 by batches of one", &plan, mean + wait, latency_s);
}

/// Where a step takes as long as it has requests, the batch shares the server as processor sharing
/// does, and the mean stay depends on the mean demand alone.
#[test]
fn a_batch_that_shares_its_server() {
    let (token_s, lambda) = (0.001, 0.7);
    for output in [constant(1000.0), Law::gamma(0.5, 2000.0).unwrap()] {
        let mean = output.mean() * token_s;
        let steps = vec![call(constant(1.0), output, Branch::always(1)), end()];
        let server = server(0.0, token_s, 1000);
        let plan = plan(program(steps), pool(server, 1), poisson(lambda), 40_000);
        // Steps are whole tokens: at most one step of this batch early or late.
        let expected = mean / (1.0 - lambda * mean);
        let (found, half_width) = estimate(&plan, latency_s);
        let step = token_s / (1.0 - lambda * mean);
        let off = (found - expected).abs();
        assert!(off <= half_width + step, "{found} ± {half_width}, theory says {expected}");
    }
}

#[test]
fn requests_present_are_the_rate_times_their_stay() {
    let output = Law::uniform(50.0, 400.0).unwrap();
    let steps = vec![call(constant(200.0), output, Branch::always(1)), end()];
    let server = server(0.01, 0.0005, 16);
    let plan = plan(program(steps), pool(server, 2), poisson(5.0), 100_000);
    let outcome = run(&plan, 0);
    let pool = &outcome.pools[0];
    let window = pool.replica_ps as f64 / 2.0;
    // Waiting, and in the batch from the first token on: all of the stay but the first step.
    let present = (pool.usage.waiting_ps + pool.usage.batch_ps) as f64 / window;
    let calls = &outcome.agents[0];
    let stay = (calls.queue_time.histogram.mean() + calls.call_latency.histogram.mean()
        - calls.ttft.histogram.mean())
        / 1e6;
    let rate = 100_000.0 / (window / 1e12);
    let (left, right) = (present, rate * stay);
    assert!((left / right - 1.0).abs() < 0.005, "L = {left}, lambda W = {right}");
}

/// Mean stay with so many choices where many servers with exponential service are loaded to `load`
/// each: the sum of `load^((d^i - d) / (d - 1))`, which for one choice is M/M/1.
fn supermarket(load: f64, choices: u32) -> f64 {
    let d = f64::from(choices);
    let exponent = |i: i32| match choices {
        1 => f64::from(i - 1),
        _ => (d.powi(i) - d) / (d - 1.0),
    };
    (1..1000).map(|i| libm::pow(load, exponent(i).min(1e9))).sum()
}

#[test]
fn two_choices_among_many_servers() {
    assert!((supermarket(0.9, 2) - 2.6141).abs() < 5e-5, "as published in the paper's table 1");
    let (step, servers) = (0.001, 400);
    for (choices, load) in [(1, 0.5), (2, 0.8), (3, 0.8)] {
        // Answers of 1,000 tokens on average, one after the other: a second of nearly exponential
        // service.
        let output = Law::geometric(1.0 / 1000.0).unwrap().shifted(1.0).unwrap();
        let steps = vec![call(constant(1.0), output, Branch::always(1)), end()];
        let mut pool = pool(server(step, 0.0, 1), servers);
        pool.router = RouterPolicy::PowerOfChoices { choices };
        let rate = load * f64::from(servers);
        let mut plan = plan(program(steps), pool, poisson(rate), 30_000);
        plan.warm_up = SimTime::from_s(20.0).unwrap();
        agrees(&format!("{choices} choices"), &plan, supermarket(load, choices), latency_s);
    }
}
