//! Queues whose answers are known: the simulator must agree within its own confidence interval.
//!
//! Formulas: L. Kleinrock, *Queueing Systems* vol. 1 (1975): M/M/1 and M/M/c (Erlang C), M/G/1
//! (Pollaczek and Khinchine), vol. 2 (1976): processor sharing; J. D. C. Little (1961): L = lambda W;
//! M. Mitzenmacher, *The power of two choices in randomized load balancing*, IEEE TPDS 12(10), 2001:
//! the supermarket model; A. Cobham, *Priority assignment in waiting line problems*, Operations
//! Research 2(1), 1954: classes without preemption, which shortest-first is by length.

use tokenfleet::foundations::SimTime;
use tokenfleet::foundations::distribution::Law;
use tokenfleet::serving::{RouterPolicy, Scheduling};
use tokenfleet::simulation::TrialOutcome;
use tokenfleet::simulation::plan::{Behaviour, Claim, Plan, Population};
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

/// Mean waits by class, the first served first: (rate, mean, second moment of service) of each.
fn cobham(classes: &[(f64, f64, f64)]) -> Vec<f64> {
    let residual: f64 = classes.iter().map(|(rate, _, square)| rate * square / 2.0).sum();
    let wait = |load: &mut f64, &(rate, mean, _): &(f64, f64, f64)| {
        let before = *load;
        *load += rate * mean;
        Some(residual / ((1.0 - before) * (1.0 - *load)))
    };
    classes.iter().scan(0.0, wait).collect()
}

/// A server that takes one request at a time, and classes of requests: (rate, tokens of the answer,
/// priority).
fn classes(scheduling: Scheduling, classes: &[(f64, Law, u8)], tasks: u64) -> Plan {
    let mut server = server(0.01, 0.0, 1);
    server.scheduling = scheduling;
    let programs = classes.iter().map(|(_, output, _)| {
        program(vec![call(constant(1.0), output.clone(), Branch::always(1)), end()])
    });
    let programs: Vec<_> = programs.collect();
    let mut plan = plan(programs[0].clone(), pool(server, 1), poisson(1.0), tasks);
    let population = |(index, (rate, _, priority)): (usize, &(f64, Law, u8))| Population {
        name: format!("class-{index}"),
        behaviour: Behaviour::Program(index as u16),
        arrivals: poisson(*rate),
        claim: Claim { priority: *priority, ..Claim::default() },
        ..plan.populations[0].clone()
    };
    plan.populations = classes.iter().enumerate().map(population).collect();
    plan.programs = programs;
    plan
}

fn class_latency_s(outcome: &TrialOutcome, class: usize) -> f64 {
    outcome.agents[class].task_latency.histogram.mean() / 1e6
}

fn moments(rate: f64, output: &Law) -> (f64, f64, f64) {
    let mean = output.mean() * 0.01;
    (rate, mean, output.variance() * 1e-4 + mean * mean)
}

#[test]
fn classes_without_preemption() {
    let output = Law::uniform(50.0, 150.0).unwrap().rounded();
    let kinds: Vec<_> =
        [(0.2, 2), (0.3, 1), (0.3, 0)].map(|(rate, class)| (rate, output.clone(), class)).into();
    let plan = classes(Scheduling::Priority { preemption: false }, &kinds, 60_000);
    let services: Vec<_> = kinds.iter().map(|(rate, output, _)| moments(*rate, output)).collect();
    for (class, wait) in cobham(&services).into_iter().enumerate() {
        let expected = wait + services[class].1;
        agrees(&format!("class {class}"), &plan, expected, |o| class_latency_s(o, class));
    }
}

#[test]
fn the_shortest_first() {
    let kinds: Vec<_> = [(0.5, 40.0), (0.2, 120.0), (0.1, 300.0)]
        .map(|(rate, tokens)| (rate, constant(tokens), 0))
        .into();
    let plan = classes(Scheduling::ShortestFirst, &kinds, 60_000);
    let services: Vec<_> = kinds.iter().map(|(rate, output, _)| moments(*rate, output)).collect();
    for (class, wait) in cobham(&services).into_iter().enumerate() {
        let expected = wait + services[class].1;
        agrees(&format!("length {class}"), &plan, expected, |o| class_latency_s(o, class));
    }
}

/// With preemption the highest class is alone on the server, but for the rest of one step.
#[test]
fn preemption_hides_lower_classes() {
    let output = Law::uniform(50.0, 150.0).unwrap().rounded();
    let kinds = [(0.4, output.clone(), 1), (0.4, output.clone(), 0)];
    let plan = classes(Scheduling::Priority { preemption: true }, &kinds, 60_000);
    let (rate, mean, square) = moments(0.4, &output);
    let alone = mean + rate * square / (2.0 * (1.0 - rate * mean));
    let (found, half_width) = estimate(&plan, |o| class_latency_s(o, 0));
    assert!((found - alone).abs() <= half_width + 0.01, "{found} ± {half_width}, alone {alone}");
    let displaced = run(&plan, 0).pools[0].usage.preemptions;
    assert!(displaced > 1_000, "{displaced}");
}
