//! Several sites: distance is time, routes follow their rule, residency holds.

use tokenfleet::foundations::{SimDuration, SimTime};
use tokenfleet::simulation::plan::{Geography, Overflow, Plan, Pool, Route, RouteBy, Stop};
use tokenfleet::workload::arrival::Arrivals;
use tokenfleet::workload::program::Branch;
use tokenfleet::workload::response_cache::{HitLaw, ResponseCache};

use crate::endpoints::endpoint;
use crate::fixture::{call, constant, end, plan, pool, program, run, server};

/// Users in one region, a pool there and one and an endpoint far away; all behind one route.
fn two_sites(by: RouteBy, spill: Option<u32>, rate: f64) -> Plan {
    let steps = vec![call(constant(1.0), constant(100.0), Branch::always(1)), end()];
    let near = pool(server(0.01, 0.0, 4), 1);
    let far = Pool { name: "far".into(), usd_per_replica_h: 0.5, ..near.clone() };
    let arrivals = Arrivals::poisson(rate).unwrap();
    let mut plan = plan(program(steps), near, arrivals, 0);
    plan.stop = Stop { horizon: SimTime::from_s(4000.0), tasks: None };
    plan.pools.push(far);
    plan.endpoints = vec![endpoint()];
    let (here, there) = (SimDuration::ZERO, SimDuration::from_s(0.2).unwrap());
    plan.geography = Some(Geography {
        regions: vec!["here".into(), "there".into()],
        of_backend: vec![Some(0), Some(1), Some(1)],
        of_population: vec![Some(0)],
        residency: vec![vec![]],
        round_trip: vec![vec![here, there], vec![there, here]],
        routes: vec![Route { name: "any".into(), backends: vec![2, 1, 0], by, spill }],
    });
    plan.populations[0].pool = 3;
    plan
}

fn answered(plan: &Plan) -> ([u64; 3], f64) {
    let outcome = run(plan, 0);
    let pools = [outcome.pools[0].calls, outcome.pools[1].calls, outcome.endpoints[0].calls];
    (pools, outcome.agents[0].ttft.histogram.mean() / 1e6)
}

#[test]
fn a_route_follows_its_rule_and_distance_is_time() {
    let ([near, far, hosted], ttft) = answered(&two_sites(RouteBy::Distance, None, 0.5));
    assert!(near > 1500 && far == 0 && hosted == 0);
    let ([_, far, hosted], ttft_far) = answered(&two_sites(RouteBy::Price, None, 0.5));
    assert!(far > 1500 && hosted == 0);
    // The same calls on the same server: all that differs is the way.
    assert!((ttft_far - ttft - 0.2).abs() < 0.001, "{ttft_far}, {ttft}");
    let ([near, far, hosted], ttft_hosted) = answered(&two_sites(RouteBy::Order, None, 0.5));
    assert!(hosted > 1500 && near + far == 0);
    assert!((ttft_hosted - 1.2).abs() < 1e-6, "{ttft_hosted}");
}

#[test]
fn what_the_nearest_cannot_take_goes_further() {
    // 4 slots of a second each, 5 /s: the near pool keeps what it can, the rest goes to the first of
    // those equally far, which takes whatever comes.
    let ([near, far, hosted], _) = answered(&two_sites(RouteBy::Distance, Some(1), 5.0));
    assert!(near > 12_000 && far == 0 && hosted > 3000, "{near}, {far}, {hosted}");
}

#[test]
fn calls_stay_where_they_may_go() {
    let mut plan = two_sites(RouteBy::Price, Some(0), 5.0);
    plan.geography.as_mut().unwrap().residency = vec![vec![0]];
    let ([near, far, hosted], _) = answered(&plan);
    assert!(near > 1000 && far + hosted == 0, "{near}, {far}, {hosted}");
}

/// A cache that answers 30 % of the questions, and a tenth of these wrongly.
#[test]
fn cached_answers_spare_the_model_and_may_be_wrong() {
    let steps = vec![call(constant(1.0), constant(100.0), Branch::always(1)), end()];
    let arrivals = Arrivals::poisson(10.0).unwrap();
    let mut plan = plan(program(steps), pool(server(0.01, 0.0, 64), 1), arrivals, 20_000);
    plan.populations[0].response_cache = Some(ResponseCache {
        every_call: false,
        hits: HitLaw::Stated(0.3),
        latency_s: constant(0.05),
        wrong: 0.1,
    });
    let agents = &run(&plan, 0).agents[0];
    let share = |count: u64| count as f64 / 20_000.0;
    assert!((share(agents.cache_hits) - 0.3).abs() < 0.012, "{}", agents.cache_hits);
    assert!((share(agents.succeeded) - 0.97).abs() < 0.005, "{}", agents.succeeded);
    assert_eq!(agents.calls, 20_000 - agents.cache_hits);
    assert_eq!(agents.failed.iter().sum::<u64>(), agents.cache_wrong);
    // What was found took 50 ms, all else a second.
    let mean = agents.task_latency.histogram.mean() / 1e6;
    assert!((mean - 0.7 * 1.0 - 0.3 * 0.05).abs() < 0.02, "{mean}");
}

/// Three calls a task, each of which asks: three times as many questions, and 0.7^3 of the tasks pay for
/// all three.
#[test]
fn every_call_may_ask_the_cache() {
    let then = |next| call(constant(1.0), constant(100.0), Branch::always(next));
    let steps = vec![then(1), then(2), then(3), end()];
    let arrivals = Arrivals::poisson(10.0).unwrap();
    let mut plan = plan(program(steps), pool(server(0.01, 0.0, 64), 1), arrivals, 20_000);
    let hits = HitLaw::Stated(0.3);
    let cache = ResponseCache { every_call: true, hits, latency_s: constant(0.05), wrong: 0.0 };
    plan.populations[0].response_cache = Some(cache.clone());
    let agents = &run(&plan, 0).agents[0];
    assert_eq!(agents.cache_asked, 60_000);
    assert!((agents.cache_hits as f64 / 60_000.0 - 0.3).abs() < 0.01, "{}", agents.cache_hits);
    assert_eq!(agents.calls, 60_000 - agents.cache_hits);
    plan.populations[0].response_cache = Some(ResponseCache { every_call: false, ..cache });
    let agents = &run(&plan, 0).agents[0];
    assert_eq!((agents.cache_asked, agents.calls), (20_000, 60_000 - agents.cache_hits));
}

/// What a route sends to a pool whose formats keep half of the chances succeeds half of the time, what
/// it sends to another always; and so does what a pool passes on to an endpoint.
#[test]
fn an_answer_is_as_good_as_the_place_it_comes_from() {
    for (by, expected) in [(RouteBy::Price, 0.5), (RouteBy::Distance, 1.0), (RouteBy::Order, 1.0)] {
        let mut plan = two_sites(by, None, 2.0);
        plan.pools[1].quality = 0.5;
        let agents = &run(&plan, 0).agents[0];
        let share = agents.succeeded as f64 / agents.started as f64;
        assert!((share - expected).abs() < 0.03, "{by:?}: {share}");
    }
    let mut plan = two_sites(RouteBy::Order, None, 5.0);
    plan.geography = None;
    plan.populations[0].pool = 0;
    plan.pools[0].quality = 0.5;
    plan.pools[0].overflow = Some(Overflow { queue: Some(0), wait: None, to: Some(0) });
    let outcome = run(&plan, 0);
    let own = outcome.pools[0].calls as f64;
    let expected = 1.0 - 0.5 * own / (own + outcome.endpoints[0].calls as f64);
    let agents = &outcome.agents[0];
    let share = agents.succeeded as f64 / agents.started as f64;
    assert!(expected < 0.75 && (share - expected).abs() < 0.02, "{share}, {expected}");
}
