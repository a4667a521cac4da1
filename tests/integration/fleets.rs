//! Replicas that break, are rebooted, taken back or rented by the load: what is known of such systems
//! in closed form comes out.

use tokenfleet::foundations::distribution::Law;
use tokenfleet::foundations::{SimDuration, SimTime};
use tokenfleet::serving::interruption::{InterruptionLaw, Outage};
use tokenfleet::simulation::outcome::PoolTally;
use tokenfleet::simulation::plan::{
    Autoscale, Breakdown, Degradation, Ending, FleetLaw, LostCalls, Maintenance, Plan, Racks,
    Reclaim, ScaleOn, Stop, Watched,
};
use tokenfleet::simulation::series::Bin;
use tokenfleet::workload::arrival::{Arrivals, Profile};
use tokenfleet::workload::program::Branch;

use crate::fixture::{call, constant, end, plan, pool, program, run, server};

fn seconds(s: f64) -> SimDuration {
    SimDuration::from_s(s).unwrap()
}

fn at(s: f64) -> SimTime {
    SimTime::from_s(s).unwrap()
}

fn exponential(mean: f64) -> Law {
    Law::exponential(mean).unwrap()
}

/// Tasks of one call of `tokens` steps of 10 ms each, for so many seconds.
fn served(tokens: Law, replicas: u32, rate: f64, law: FleetLaw, horizon_s: f64) -> Plan {
    let steps = vec![call(constant(1.0), tokens, Branch::always(1)), end()];
    let arrivals = Arrivals::poisson(rate).unwrap();
    let mut plan = plan(program(steps), pool(server(0.01, 0.0, 64), replicas), arrivals, 0);
    plan.pools[0].fleet = Some(law);
    plan.stop = Stop { horizon: Some(at(horizon_s)), tasks: None };
    plan
}

fn breaking(between_s: f64, repair_s: Law, group: u32) -> Breakdown {
    Breakdown { between_s, group, repair_s }
}

fn availability(plan: &Plan) -> f64 {
    let pool = &run(plan, 0).pools[0];
    1.0 - pool.down_ps as f64 / pool.replica_ps as f64
}

/// MTBF / (MTBF + MTTR), for whatever law of repairs.
#[test]
fn availability_is_that_of_the_renewal_theorem() {
    for (repair, group) in [(exponential(100.0), 1), (Law::uniform(50.0, 150.0).unwrap(), 4)] {
        let law =
            FleetLaw { breakdowns: vec![breaking(900.0, repair, group)], ..FleetLaw::default() };
        // 8 replicas over 1,000 cycles each.
        let found = availability(&served(constant(10.0), 8, 0.01, law, 1e6));
        assert!((found - 0.9).abs() < 0.01, "groups of {group}: {found}");
    }
    // Two independent things that every replica needs: the product.
    let two = vec![breaking(900.0, exponential(100.0), 1), breaking(400.0, exponential(100.0), 8)];
    let law = FleetLaw { breakdowns: two, ..FleetLaw::default() };
    let found = availability(&served(constant(10.0), 8, 0.01, law, 2e6));
    assert!((found - 0.9 * 0.8).abs() < 0.015, "{found}");
}

/// A call of S seconds that is begun again at every failure takes
/// `(exp(S / MTBF) - 1) (MTBF + MTTR)` on a server that is up when it begins (V. G. Kulkarni,
/// V. F. Nicola, K. S. Trivedi, *The completion time of a job on multimode systems*, Advances in
/// Applied Probability 19(4), 1987: preemptive-repeat).
#[test]
fn a_call_that_begins_anew_takes_as_long_as_it_should() {
    let (service_s, between_s, repair_s): (f64, f64, f64) = (10.0, 20.0, 5.0);
    let law = FleetLaw {
        breakdowns: vec![breaking(between_s, exponential(repair_s), 1)],
        lost_calls: LostCalls::Restart,
        ..FleetLaw::default()
    };
    let mut plan = served(constant(1000.0), 1, 1.0, law, 200_000.0);
    // One caller who asks again at once: the server always has work, and is up when that begins.
    plan.populations[0].arrivals = Arrivals::closed_loop(1, constant(0.0)).unwrap();
    plan.populations[0].think_time_s = Some(constant(0.0));
    let outcome = run(&plan, 0);
    let found = outcome.agents[0].call_latency.histogram.mean() / 1e6;
    let expected = (libm::exp(service_s / between_s) - 1.0) * (between_s + repair_s);
    // 12,000 calls, whose spread is about their mean.
    assert!((found / expected - 1.0).abs() < 0.03, "{found} s, theory says {expected} s");
    assert_eq!(outcome.agents[0].unavailable, 0);
    assert!(outcome.agents[0].unread().tokens > 100_000);
}

#[test]
fn a_stated_outage_takes_every_call_with_it() {
    let stated = vec![Outage { start: at(100.0), end: at(160.0) }];
    let outages = InterruptionLaw { stated, random: None };
    let law = FleetLaw { outages, ..FleetLaw::default() };
    let plan = served(constant(100.0), 2, 10.0, law.clone(), 400.0);
    let outcome = run(&plan, 0);
    let pool = &outcome.pools[0];
    assert_eq!(pool.down_ps, 2 * 60 * 1_000_000_000_000);
    // 60 s of arrivals at 10 /s and the ten that were under way.
    assert!(
        (520..700).contains(&outcome.agents[0].unavailable),
        "{:?}",
        outcome.agents[0].unavailable
    );
    // Where they wait, all are served when it is over, and none before.
    let law = FleetLaw { lost_calls: LostCalls::Restart, ..law };
    let outcome = run(&Plan { ..served(constant(100.0), 2, 10.0, law, 400.0) }, 0);
    assert_eq!(outcome.agents[0].failed.iter().sum::<u64>(), 0);
    assert!(outcome.agents[0].call_latency.histogram.max() >= 60_000_000);
}

#[test]
fn a_slow_server_takes_longer_by_its_factor() {
    let slow = Degradation { between_s: 1e-6, length_s: constant(1e9), slowness: 2048 };
    let law = FleetLaw { degradation: Some(slow), ..FleetLaw::default() };
    let outcome = run(&served(constant(100.0), 1, 0.1, law, 2000.0), 0);
    let found = outcome.agents[0].call_latency.histogram.mean() / 1e6;
    // Some calls come in the middle of another's step.
    assert!((2.0..2.005).contains(&found), "{found} s for 100 steps of 20 ms");
}

/// Machines on loan are there for E[kept] / (E[kept] + E[gone]) of the time, and paid for only then.
#[test]
fn what_is_taken_back_is_not_paid_for() {
    let reclaim = Reclaim { between_s: 880.0, notice: seconds(20.0), back_s: exponential(100.0) };
    let law = FleetLaw { reclaim: Some(reclaim), ..FleetLaw::default() };
    let plan = served(constant(100.0), 8, 1.0, law, 1e6);
    let outcome = run(&plan, 0);
    let pool = &outcome.pools[0];
    let paid = pool.replica_ps as f64 / 8e18;
    assert!((paid - 0.9).abs() < 0.01, "{paid}");
    assert_eq!(pool.down_ps, 0);
    let usd = pool.spent_pico as f64 / 1e12;
    let expected = 8.0 * paid * 1e6 / 3600.0;
    assert!((usd / expected - 1.0).abs() < 1e-9, "{usd}, {expected}");
    // Twenty seconds of notice are enough for calls of one.
    assert_eq!(outcome.agents[0].unavailable, 0);
}

#[test]
fn reboots_after_draining_lose_nothing_and_take_their_time() {
    let maintenance = Maintenance {
        start: at(1000.0),
        every: None,
        reboot_s: constant(60.0),
        drain: seconds(30.0),
        at_once: 2,
    };
    let law = FleetLaw { maintenance: Some(maintenance), ..FleetLaw::default() };
    let outcome = run(&served(constant(100.0), 8, 20.0, law, 3600.0), 0);
    let (pool, agents) = (&outcome.pools[0], &outcome.agents[0]);
    assert_eq!(pool.down_ps, 8 * 60 * 1_000_000_000_000);
    assert_eq!(agents.unavailable + agents.calls_failed, 0);
}

/// Calls longer than the drain are lost; callers see an error, or are sent elsewhere.
#[test]
fn a_short_drain_loses_long_calls() {
    let maintenance = Maintenance {
        start: at(100.0),
        every: Some(seconds(500.0)),
        reboot_s: constant(10.0),
        drain: seconds(5.0),
        at_once: 1,
    };
    let law = FleetLaw { maintenance: Some(maintenance), ..FleetLaw::default() };
    let long = served(constant(3000.0), 4, 1.0, law.clone(), 3600.0);
    assert!(run(&long, 0).agents[0].unavailable > 50);
    let law = FleetLaw { lost_calls: LostCalls::Restart, ..law };
    let outcome = run(&served(constant(3000.0), 4, 1.0, law, 3600.0), 0);
    assert_eq!(outcome.agents[0].unavailable, 0);
    assert!(outcome.agents[0].unread().tokens > 10_000);
}

fn scaling(least: u32, most: u32) -> Autoscale {
    Autoscale {
        least,
        most,
        on: ScaleOn::Requests,
        target: 4.0,
        interval: seconds(10.0),
        cool_down: seconds(60.0),
        start_s: constant(30.0),
    }
}

/// With far more replicas than needed, paid ones follow the requests: at 8 requests present on average
/// (Little: 4 /s of 2 s) and a target of 4, two and what the rounding up and the cool-down add.
#[test]
fn an_autoscaler_follows_the_load_between_its_bounds() {
    let law = FleetLaw { autoscale: Some(scaling(1, 32)), ..FleetLaw::default() };
    let mut plan = served(constant(200.0), 1, 4.0, law, 20_000.0);
    plan.warm_up = at(1000.0);
    let outcome = run(&plan, 0);
    let pool = &outcome.pools[0];
    let paid = pool.replica_ps as f64 / 19_000e12;
    assert!((2.0..4.5).contains(&paid), "{paid}");
    assert_eq!(outcome.agents[0].failed.iter().sum::<u64>(), 0);
    let usd = pool.spent_pico as f64 / 1e12;
    assert!((usd / (paid * 19_000.0 / 3600.0) - 1.0).abs() < 1e-9);
}

/// Asked once an hour, it rents one replica each time: 10 s at most until the look, 30 s to start, the
/// call, and the cool-down; and nothing in between.
#[test]
fn scaled_to_zero_the_first_call_waits_for_the_start() {
    let law = FleetLaw { autoscale: Some(scaling(0, 4)), ..FleetLaw::default() };
    let mut plan = served(constant(100.0), 0, 1.0, law, 100_000.0);
    plan.populations[0].arrivals = Arrivals::every(3600.0).unwrap();
    plan.ending = Ending::Drain(seconds(600.0));
    let outcome = run(&plan, 0);
    let latency = outcome.agents[0].call_latency.histogram.mean() / 1e6;
    assert!((31.0..=41.0).contains(&latency), "{latency} s");
    let paid_s = outcome.pools[0].replica_ps as f64 / 1e12 / outcome.agents[0].calls as f64;
    assert!((30.0 + 60.0..=30.0 + 60.0 + 21.0).contains(&paid_s), "{paid_s} s paid for each");
}

/// Holds a part of the waits below half a second, of requests that come at `rate` per second and take
/// one of four places of a replica for a second.
fn held(rate: f64) -> Plan {
    let watched = Watched { per_token: false, quantile: 0.95, window: seconds(120.0) };
    let scaling = Autoscale {
        least: 1,
        most: 60,
        on: ScaleOn::Latency(watched),
        target: 0.5,
        interval: seconds(15.0),
        cool_down: seconds(300.0),
        start_s: constant(30.0),
    };
    let law = FleetLaw { autoscale: Some(scaling), ..FleetLaw::default() };
    let mut plan = served(Law::exponential(100.0).unwrap(), 1, rate, law, 200_000.0 / rate);
    plan.pools[0].replica.batch_limit = 4;
    plan.warm_up = at(1000.0);
    plan
}

/// The fewest replicas of four places with which, by Erlang's C, at most one request in twenty waits
/// for longer than half a second.
fn erlang(rate: f64) -> u32 {
    let late = |servers: f64| {
        let terms = (0..servers as u32).scan(1.0, |term, k| {
            let this = *term;
            *term *= rate / f64::from(k + 1);
            Some((this, *term))
        });
        let (sum, last) = terms.fold((0.0, 1.0), |(sum, _), (this, next)| (sum + this, next));
        let tail = last * servers / (servers - rate);
        tail / (sum + tail) * libm::exp(-(servers - rate) * 0.5)
    };
    let enough = |replicas: &u32| {
        let servers = 4.0 * f64::from(*replicas);
        servers > rate && late(servers) <= 0.05
    };
    (1..).find(enough).unwrap()
}

/// An autoscaler that holds a latency rents as many as Erlang's C says suffice, from one replica that is
/// drowned at first: neither fewer, nor the more that a queue seems to ask for while others still start.
#[test]
#[expect(clippy::print_stderr, reason = "the figures are the answer")]
fn an_autoscaler_that_holds_a_latency_rents_what_suffices() {
    for (rate, enough) in [(10.0, 4), (20.0, 6), (40.0, 12)] {
        assert_eq!(erlang(rate), enough);
        let outcome = run(&held(rate), 0);
        let replicas = outcome.pools[0].replica_ps as f64 / (200_000e12 / rate - 1000e12);
        let late = outcome.agents[0].ttft.histogram.quantile(0.95) as f64 / 1e6;
        eprintln!("{rate} /s: {replicas:.2} replicas, {enough} suffice; {late:.2} s");
        // The load is counted within two minutes, which by chance may ask for one more.
        let few = f64::from(enough) - 0.05;
        assert!((few..few + 1.1).contains(&replicas), "{rate} /s: {replicas}");
        assert!(late < 0.5, "{rate} /s: {late} s");
    }
    // A limit that is never missed gives back all but the least.
    let mut idle = held(10.0);
    idle.programs[0].steps[0].kind = call(constant(1.0), constant(2.0), Branch::always(1));
    let replicas = run(&idle, 0).pools[0].replica_ps as f64 / 19_000e12;
    assert!((1.0..1.01).contains(&replicas), "{replicas} replicas");
}

/// Where the load doubles, the count follows within minutes to what suffices then: in the queue that grows
/// until replicas have started, it asks for those that work it off, and no more.
#[test]
fn an_autoscaler_that_holds_a_latency_follows_a_jump_without_passing_it() {
    let mut plan = held(10.0);
    let mut hours = [2.0; 24];
    hours[..3].fill(1.0);
    let arrivals = plan.populations[0].arrivals.clone();
    let profile = Profile::hourly(&hours, 0.0).unwrap();
    plan.populations[0].arrivals = arrivals.with_profile(profile).unwrap();
    plan.bin = seconds(60.0);
    let outcome = run(&plan, 0);
    let bins = &outcome.series.bins;
    let paid = |bin: &Bin| 60.0 - bin.pools[0].unpaid_ps as f64 / bin.covered_ps as f64;
    let paid: Vec<f64> = bins.iter().map(paid).collect();
    // A profile keeps the mean of its day: 5.3 requests a second, and 10.7 after three hours.
    let (before, after) = (f64::from(erlang(16.0 / 3.0)), f64::from(erlang(32.0 / 3.0)));
    let jump = paid.len() * 10_800 / 20_000;
    assert!((paid[jump - 2] - before).abs() < 0.01 && after > before, "{paid:.1?}");
    assert!(paid[jump + 3..jump + 20].iter().all(|&count| count >= after - 0.01), "{paid:.1?}");
    let most = paid[jump..].iter().copied().fold(0.0, f64::max);
    assert!(most < after + 1.01, "{most} replicas, {after} suffice");
    assert!((paid[paid.len() - 2] - after).abs() < 0.01, "{paid:.1?}");
}

/// Forty callers who ask again at once, four for each replica: the autoscaler asks for ten, of servers of
/// 1,250 W at the meter.
fn crowded(most: u32) -> Plan {
    let law = FleetLaw { autoscale: Some(scaling(1, most)), ..FleetLaw::default() };
    let mut plan = served(Law::exponential(100.0).unwrap(), 1, 1.0, law, 3000.0);
    plan.populations[0].arrivals = Arrivals::closed_loop(40, constant(0.0)).unwrap();
    plan.populations[0].think_time_s = Some(constant(0.0));
    plan.pools[0].gpu_power.full_w = 1000.0;
    plan.pools[0].bill.facility_factor = 1.25;
    plan.warm_up = at(100.0);
    plan
}

/// Under a limit of its site a pool does what it would do if it were told to rent no more than fit.
#[test]
fn an_autoscaler_rents_no_more_than_the_site_feeds_and_holds() {
    let free = run(&crowded(20), 0).pools[0].clone();
    let ten = |pool: &PoolTally| pool.replica_ps as f64 / 2900e12;
    assert!((ten(&free) - 10.0).abs() < 1e-9 && free.refused_ps == [None, None]);

    let four = run(&crowded(4), 0);
    let two_racks = |gpus| Some(Racks { limit: 2, gpus: vec![gpus] });
    let refused = 6 * 2900 * 1_000_000_000_000;
    for (power_limit_w, racks, expected) in [
        // 6,249 W feed four; two racks of two hold four; of three more than are fed.
        (Some(6249.0), None, [Some(refused), None]),
        (None, two_racks(2), [None, Some(refused)]),
        (Some(5000.0), two_racks(3), [Some(refused), Some(0)]),
        (Some(7500.0), two_racks(2), [Some(0), Some(refused)]),
    ] {
        let found = run(&Plan { power_limit_w, racks, ..crowded(20) }, 0);
        assert_eq!(found.pools[0].refused_ps, expected);
        assert_eq!(found.agents, four.agents);
        assert_eq!(found.pools[0].spent_pico, four.pools[0].spent_pico);
        assert_eq!(found.pools[0].usage, four.pools[0].usage);
    }
    // A limit that is never reached changes nothing.
    let wide = run(&Plan { power_limit_w: Some(12_500.0), ..crowded(20) }, 0).pools[0].clone();
    assert_eq!(wide, PoolTally { refused_ps: [Some(0), None], ..free });
}

/// What stands beside an autoscaled pool has its power first, whether it works or not; what goes or is
/// taken back needs its power until it is gone.
#[test]
fn a_site_is_never_drawn_beyond_its_limit() {
    let mut plan = crowded(20);
    let reclaim = Reclaim { between_s: 300.0, notice: seconds(60.0), back_s: constant(1.0) };
    let fleet = plan.pools[0].fleet.as_mut().unwrap();
    fleet.reclaim = Some(reclaim);
    fleet.autoscale.as_mut().unwrap().cool_down = seconds(10.0);
    // Callers who come and go, so that replicas are given back, too.
    plan.populations[0].arrivals = Arrivals::gamma(30.0, 5.0).unwrap();
    plan.populations[0].think_time_s = None;
    let mut beside = plan.pools[0].clone();
    (beside.replicas, beside.fleet) = (3, None);
    plan.pools.push(beside);
    plan.power_limit_w = Some(8.0 * 1250.0);
    plan.bin = seconds(1.0);
    let outcome = run(&plan, 0);
    let most = outcome.series.bins.iter().map(|bin: &Bin| {
        let unpaid = bin.pools[0].unpaid_ps as f64 / bin.covered_ps as f64;
        20.0 - unpaid
    });
    let most = most.fold(0.0, f64::max);
    assert!((4.9..=5.0 + 1e-9).contains(&most), "{most} beside three, of eight that are fed");
    assert!(outcome.pools[0].refused_ps[0].unwrap() > 0);
}
