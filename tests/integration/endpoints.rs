//! Hosted endpoints: limits let through exactly their rate, calls cost their tokens times their
//! prices, outages hit the share of calls that they should, and what a pool has too much of goes on
//! to them as the loss formulas say.

use tokenfleet::foundations::distribution::Law;
use tokenfleet::foundations::{SimDuration, SimTime};
use tokenfleet::serving::EndpointSpec;
use tokenfleet::serving::endpoint::{PriceList, PromptCachePolicy, RateLimit};
use tokenfleet::serving::interruption::{InterruptionLaw, Outage, RandomOutages};
use tokenfleet::simulation::plan::{Ending, Endpoint, Overflow, Plan, Stop};
use tokenfleet::workload::arrival::Arrivals;
use tokenfleet::workload::program::Branch;
use tokenfleet::workload::retry::RetryPolicy;

use crate::fixture::{call, constant, end, plan, pool, program, run, server};

fn seconds(s: f64) -> SimDuration {
    SimDuration::from_s(s).unwrap()
}

/// A hosted model without limits that takes a second to begin and 10 ms for each token.
pub(crate) fn endpoint() -> Endpoint {
    let spec = EndpointSpec {
        prices: PriceList::from_usd_per_mtok(3.0, 0.3, 15.0),
        requests: None,
        tokens: None,
        counts_cached: true,
        concurrency: None,
        first_token_s: constant(1.0),
        token_s: constant(0.01),
        prompt_token_s: 0.0,
        cache: None,
        outages: InterruptionLaw::default(),
    };
    Endpoint { name: "api".into(), model: "hosted".into(), max_context: 1 << 20, spec }
}

/// Tasks of one call each, answered by an endpoint alone.
fn hosted(spec: EndpointSpec, rate: f64, tasks: u64) -> Plan {
    let steps = vec![call(constant(1000.0), constant(101.0), Branch::always(1)), end()];
    let arrivals = Arrivals::poisson(rate).unwrap();
    let mut plan = plan(program(steps), pool(server(1.0, 0.0, 1), 1), arrivals, tasks);
    plan.pools.clear();
    plan.endpoints = vec![Endpoint { spec, ..endpoint() }];
    plan
}

#[test]
fn a_call_takes_its_first_token_and_the_others() {
    let outcome = run(&hosted(endpoint().spec, 5.0, 1000), 0);
    let agents = &outcome.agents[0];
    assert_eq!(agents.succeeded, 1000);
    assert_eq!(agents.ttft.histogram.max(), 1_000_000);
    assert_eq!(agents.call_latency.histogram.sum(), 1000 * 2_000_000);
}

/// 30 requests a minute under a load of 120: an hour lets through 1,800 and the bucket's 30.
#[test]
fn limits_let_through_exactly_their_rate() {
    let limit = RateLimit { per_minute: 30, depth: seconds(60.0) };
    // Tokens bind where they allow fewer calls: 1,101 a call, 22,020 a minute, 20 calls.
    let tokens = RateLimit { per_minute: 22_020, depth: seconds(60.0) };
    let spec = endpoint().spec;
    for (spec, calls_per_minute) in [
        (EndpointSpec { requests: Some(limit), ..spec.clone() }, 30),
        (EndpointSpec { requests: Some(limit), tokens: Some(tokens), ..spec }, 20),
    ] {
        let mut plan = hosted(spec, 2.0, 0);
        plan.stop = Stop { horizon: SimTime::from_s(3600.0), tasks: None };
        plan.ending = Ending::Cut;
        let outcome = run(&plan, 0);
        let usage = &outcome.endpoints[0];
        let taken = usage.requests - usage.throttled;
        // The last of them may not have been asked for yet.
        let most = calls_per_minute * 61;
        assert!((most - 2..=most).contains(&taken), "{usage:?}");
        // Without retries a refused call fails its task.
        assert_eq!(outcome.agents[0].throttled, usage.throttled);
        assert_eq!(outcome.agents[0].calls_failed, usage.throttled);
    }
}

/// Whoever is told when to come back and does needs one retry, not one for each backoff.
#[test]
fn a_refused_call_comes_back_when_it_was_told_to() {
    let limit = RateLimit { per_minute: 60, depth: seconds(1.0) };
    let spec = EndpointSpec { requests: Some(limit), ..endpoint().spec };
    let mut plan = hosted(spec, 0.5, 2000);
    let millisecond = seconds(0.001);
    let policy = RetryPolicy {
        attempts: 100,
        backoff: millisecond,
        factor: 1.0,
        ..plan.programs[0].retry.clone()
    };
    plan.programs[0].retry = policy;
    let agents = &run(&plan, 0).agents[0];
    assert_eq!(agents.succeeded, 2000);
    assert!(agents.throttled > 200);
    let per_call = agents.attempts as f64 / agents.calls as f64;
    assert!(per_call < 2.0, "{per_call} attempts per call");
}

#[test]
fn a_call_costs_its_tokens_times_their_prices() {
    let cache = PromptCachePolicy { ttl: seconds(300.0), least_tokens: 1024 };
    let spec = EndpointSpec { cache: Some(cache), ..endpoint().spec };
    let mut plan = hosted(spec, 1.0, 0);
    plan.stop = Stop { horizon: SimTime::from_s(600.0), tasks: None };
    plan.ending = Ending::Cut;
    // Ten calls of a growing context each.
    let again = Branch { cumulative: vec![(0.9, 0), (1.0, 1)] };
    plan.programs[0].steps[0].kind = call(constant(1000.0), constant(101.0), again);
    let outcome = run(&plan, 0);
    let usage = &outcome.endpoints[0];
    let fresh = usage.input_tokens - usage.cached_tokens;
    let pico = fresh * 3_000_000 + usage.cached_tokens * 300_000 + usage.output_tokens * 15_000_000;
    assert_eq!(usage.spent_pico, u128::from(pico));
    assert_eq!(outcome.agents[0].charged_pico, usage.spent_pico);
    assert_eq!(outcome.agents[0].cached_tokens, usage.cached_tokens);
    // Each call but the first of a task finds the whole prompt before it.
    assert!(usage.cached_tokens > usage.input_tokens / 2, "{usage:?}");
}

/// Arrivals see the endpoint as it is over time: a tenth of it is out of service. A call of two
/// seconds is broken off, too, where an outage begins within it: one in fifty cycles of 100 s.
#[test]
fn outages_hit_their_share_of_calls() {
    let law = |s: f64| Law::exponential(s).unwrap();
    let random = RandomOutages { between_s: law(90.0), length_s: law(10.0) };
    let outages = InterruptionLaw { stated: vec![], random: Some(random) };
    let plan = hosted(EndpointSpec { outages, ..endpoint().spec }, 20.0, 400_000);
    let usage = run(&plan, 0).endpoints[0];
    let share = usage.unavailable as f64 / usage.requests as f64;
    let expected = 0.1 + 0.9 * (1.0 - libm::exp(-2.0 / 90.0));
    // 200 cycles, whose lengths vary as their means do.
    assert!((share - expected).abs() < 0.02, "{share}, expected {expected}");
    // What was under way at the end was neither.
    assert!(usage.requests - usage.calls - usage.unavailable < 100, "{usage:?}");
}

#[test]
fn a_stated_outage_is_just_that() {
    let stated = vec![Outage {
        start: SimTime::from_s(600.0).unwrap(),
        end: SimTime::from_s(660.0).unwrap(),
    }];
    let outages = InterruptionLaw { stated, random: None };
    let mut plan = hosted(EndpointSpec { outages, ..endpoint().spec }, 10.0, 0);
    plan.stop = Stop { horizon: SimTime::from_s(1200.0), tasks: None };
    let usage = run(&plan, 0).endpoints[0];
    // 60 s of arrivals, and those that were under way.
    assert!((520..720).contains(&usage.unavailable), "{usage:?}");
}

/// A pool of `c` slots without a queue passes on what Erlang's loss formula says (A. K. Erlang, 1917),
/// whatever the law of service times.
#[test]
fn what_finds_no_slot_goes_on_to_the_endpoint() {
    let (slots, load) = (8_u32, 6.0);
    let blocked = (1..=slots).fold(1.0, |b, k| load * b / (f64::from(k) + load * b));
    // A step of 1 ms and 1,000 tokens on average: a second of service.
    let output = Law::uniform(500.0, 1500.0).unwrap().rounded();
    let steps = vec![call(constant(1.0), output, Branch::always(1)), end()];
    let mut pool = pool(server(0.001, 0.0, slots), 1);
    pool.overflow = Some(Overflow { queue: Some(0), wait: None, to: Some(0) });
    let mut plan = plan(program(steps), pool, Arrivals::poisson(load).unwrap(), 100_000);
    plan.endpoints = vec![endpoint()];
    let outcome = run(&plan, 0);
    let usage = outcome.endpoints[0];
    let share = usage.requests as f64 / 100_000.0;
    assert!((share / blocked - 1.0).abs() < 0.05, "{share}, Erlang says {blocked}");
    assert_eq!(outcome.agents[0].succeeded, 100_000);
    let charged = outcome.pools[0].charged_pico + usage.spent_pico;
    let billed = outcome.agents[0].charged_pico;
    // What was under way when the last task came was billed after the window.
    assert!(billed.abs_diff(charged) as f64 <= 0.005 * charged as f64, "{billed} of {charged}");
    // Where there is no endpoint to go to, they are refused.
    plan.pools[0].overflow = Some(Overflow { queue: Some(0), wait: None, to: None });
    let agents = &run(&plan, 0).agents[0];
    let share = agents.throttled as f64 / 100_000.0;
    assert!((share / blocked - 1.0).abs() < 0.05, "{share}, Erlang says {blocked}");
}
