//! Nothing is lost and nothing comes from nowhere, whatever goes wrong: failures, timeouts, limits,
//! a horizon that cuts everything off.

use tokenfleet::foundations::distribution::Law;
use tokenfleet::foundations::random::{Purpose, Streams};
use tokenfleet::foundations::{SimDuration, SimTime};
use tokenfleet::performance::{HostProfile, Speculation};
use tokenfleet::serving::endpoint::{PromptCachePolicy, RateLimit};
use tokenfleet::serving::interruption::{InterruptionLaw, Outage, RandomOutages};
use tokenfleet::serving::link::LinkSpec;
use tokenfleet::serving::usage::Counter;
use tokenfleet::serving::{ReplicaSpec, RouterPolicy};
use tokenfleet::simulation::World;
use tokenfleet::simulation::plan::{
    Autoscale, Breakdown, Degradation, Ending, FleetLaw, LostCalls, Maintenance, Overflow, Plan,
    Prefill, Reclaim, ScaleOn, Stop,
};
use tokenfleet::workload::arrival::Arrivals;
use tokenfleet::workload::program::{
    Branch, CheckStep, Compaction, Join, Limits, ModelChoice, Pruning, SpawnStep, StepKind,
    WaitStep,
};
use tokenfleet::workload::retry::{BreakerPolicy, RetryPolicy};
use tokenfleet::workload::tool::Tool;

use crate::endpoints::endpoint;
use crate::fixture::{call, constant, end, plan, pool, program, server, tool};
use crate::tiers::add_random_tiers;

fn seconds(s: f64) -> SimDuration {
    SimDuration::from_s(s).unwrap()
}

/// Whatever may happen to replicas, each by chance.
fn random_fleet(some: &mut impl FnMut(f64) -> bool) -> FleetLaw {
    let law = |s: f64| Law::exponential(s).unwrap();
    let broken = |between_s, group| Breakdown { between_s, group, repair_s: law(5.0) };
    let stated = vec![Outage {
        start: SimTime::from_s(100.0).unwrap(),
        end: SimTime::from_s(110.0).unwrap(),
    }];
    FleetLaw {
        breakdowns: if some(0.5) { vec![broken(60.0, 1), broken(100.0, 2)] } else { vec![] },
        degradation: some(0.5).then(|| Degradation {
            between_s: 30.0,
            length_s: law(10.0),
            slowness: 1536,
        }),
        reclaim: some(0.5).then(|| Reclaim {
            between_s: 60.0,
            notice: seconds(3.0),
            back_s: law(10.0),
        }),
        outages: InterruptionLaw { stated: if some(0.5) { stated } else { vec![] }, random: None },
        maintenance: some(0.5).then(|| Maintenance {
            start: SimTime::from_s(40.0).unwrap(),
            every: Some(seconds(60.0)),
            reboot_s: law(4.0),
            drain: seconds(2.0),
            at_once: 1,
        }),
        autoscale: some(0.5).then(|| Autoscale {
            least: u32::from(some(0.5)),
            most: 5,
            on: if some(0.5) { ScaleOn::Requests } else { ScaleOn::Utilization },
            target: if some(0.5) { 2.0 } else { 0.5 },
            interval: seconds(3.0),
            cool_down: seconds(9.0),
            start_s: law(5.0),
        }),
        lost_calls: if some(0.5) { LostCalls::Fail } else { LostCalls::Restart },
    }
}

/// Has two servers of their own compute the prompts of a plan's pool, with little room beside them.
fn disaggregate(plan: &mut Plan, seed: u64) {
    let mut stream = Streams::new(seed, 0).stream(Purpose::Sample, 2);
    let mut some = |p: f64| stream.chance(p);
    let replica = ReplicaSpec {
        prefix_cache: some(0.7),
        kv_blocks: if some(0.5) { 1_500 } else { 20_000 },
        ..server(0.004, 0.001, 4)
    };
    let mut prompts = pool(replica, 2);
    prompts.max_context = 20_000;
    prompts.fleet = some(0.5).then(|| random_fleet(&mut some));
    plan.pools.push(prompts);
    let latency = SimDuration::from_s(0.001).unwrap();
    plan.pools[0].prefill = Some(Prefill {
        pool: 1,
        link: LinkSpec { bytes_per_s: if some(0.5) { 10_000_000 } else { 1_000_000_000 }, latency },
        shared: some(0.5),
        token_bytes: 1000.5,
        sequence_bytes: 10_000,
    });
}

/// A plan with everything in it, each part switched on or off by chance.
fn random_plan(seed: u64) -> Plan {
    let mut stream = Streams::new(seed, 0).stream(Purpose::Sample, 1);
    let mut some = |p: f64| stream.chance(p);
    let output = Law::lognormal(4.0, 1.0).unwrap();
    let input = Law::exponential(200.0).unwrap();
    let StepKind::Llm(check) = call(input.clone(), output.clone(), Branch::always(5)) else {
        unreachable!()
    };
    let again = Branch { cumulative: vec![(0.6, 1), (0.7, 2), (0.8, 3), (1.0, 4)] };
    let mut main = program(vec![
        call(input.clone(), output.clone(), again),
        tool(Branch::always(0)),
        StepKind::Wait(WaitStep {
            time_s: input.clone(),
            accept: 0.8,
            on_reject: some(0.5).then_some(0),
            next: Branch::always(0),
        }),
        StepKind::Spawn(SpawnStep {
            program: 1,
            count: Law::poisson(2.0).unwrap(),
            input_tokens: input.clone(),
            fork_context: some(0.5),
            join: if some(0.5) { Join::All } else { Join::First(1) },
            report_tokens: if some(0.5) { Some(constant(100.0)) } else { None },
            model: ModelChoice::Own,
            next: Branch::always(0),
        }),
        StepKind::Check(CheckStep { call: check, pass: 0.7, on_fail: 0 }),
        end(),
    ]);
    main.session.tasks = Law::geometric(0.5).unwrap();
    main.session.think_time_s = Law::exponential(20.0).unwrap();
    if some(0.5) {
        let summary_tokens = some(0.5).then(|| constant(300.0));
        let to_tokens = constant(500.0);
        main.compaction = Some(Compaction { above_tokens: 2_000, to_tokens, summary_tokens });
    }
    main.pruning = some(0.5).then_some(Pruning { above_tokens: 800, keep: 1 });
    let limit = |on: bool| on.then_some(20);
    main.limits = Limits {
        calls: limit(some(0.5)),
        tokens: some(0.3).then_some(50_000),
        usd: some(0.3).then_some(0.005),
        deadline: some(0.5).then(|| seconds(60.0)),
    };
    main.retry = RetryPolicy {
        transport_error: if some(0.5) { 0.2 } else { 0.0 },
        timeout: some(0.5).then(|| seconds(5.0)),
        hedge: some(0.5).then(|| seconds(1.5)),
        attempts: 3,
        budget: some(0.5).then_some(0.2),
        breaker: some(0.3).then(|| BreakerPolicy { failures: 3, cool_down: seconds(10.0) }),
        ..RetryPolicy::default()
    };
    let child =
        program(vec![call(input, output, Branch { cumulative: vec![(0.5, 0), (1.0, 1)] }), end()]);
    let speculation = some(0.3).then_some(Speculation { drafted: 3, acceptance: 0.6, draft: None });
    let replica = ReplicaSpec {
        speculation,
        prefix_cache: some(0.7),
        kv_blocks: if some(0.5) { 1_500 } else { 20_000 },
        host: HostProfile {
            request_delay_ps: if some(0.5) { 10_000_000_000 } else { 0 },
            request_serial_ps: if some(0.5) { 1_000_000_000 } else { 0 },
            lookahead_steps: u32::from(some(0.5)),
            prefill_alone: some(0.3),
            ..HostProfile::default()
        },
        ..server(0.01, 0.001, 16)
    };
    let mut pool = pool(replica, 3);
    pool.max_context = 20_000;
    pool.router = match (some(0.5), some(0.5)) {
        (true, true) => RouterPolicy::LeastLoaded,
        (true, false) => RouterPolicy::RoundRobin,
        (false, true) => RouterPolicy::SessionAffinity,
        (false, false) => RouterPolicy::PREFIX_AWARE,
    };
    let mut plan = plan(main, pool, Arrivals::poisson(2.0).unwrap(), 0);
    plan.programs.push(child);
    if seed.is_multiple_of(3) {
        disaggregate(&mut plan, seed);
    }
    if some(0.4) {
        let mut api = endpoint();
        api.spec.requests = some(0.5).then(|| RateLimit { per_minute: 60, depth: seconds(5.0) });
        api.spec.concurrency = some(0.5).then_some(5);
        let cache = PromptCachePolicy { ttl: seconds(30.0), least_tokens: 500 };
        api.spec.cache = some(0.5).then_some(cache);
        let law = |s: f64| Law::exponential(s).unwrap();
        let random = RandomOutages { between_s: law(50.0), length_s: law(5.0) };
        api.spec.outages.random = some(0.5).then_some(random);
        plan.endpoints = vec![api];
        match some(0.7) {
            true => {
                plan.pools[0].overflow = Some(Overflow {
                    queue: some(0.7).then_some(2),
                    wait: Some(seconds(3.0)),
                    to: some(0.7).then_some(0),
                })
            }
            false => plan.populations[0].pool = plan.pools.len() as u16,
        }
    }
    if some(0.5) {
        plan.pools[0].fleet = Some(random_fleet(&mut some));
    }
    add_random_tiers(&mut plan.pools[0], seed);
    plan.tools = vec![Tool {
        name: "search".into(),
        latency_s: Law::lognormal(0.0, 1.0).unwrap(),
        result_tokens: Law::exponential(300.0).unwrap(),
        failure: 0.1,
        timeout: some(0.5).then(|| seconds(3.0)),
        slots: some(0.5).then_some(2),
    }];
    plan.stop = Stop { horizon: SimTime::from_s(300.0), tasks: None };
    plan.warm_up = SimTime::from_s(30.0).unwrap();
    plan.ending = match (some(0.5), some(0.5)) {
        (true, _) => Ending::Cut,
        (false, true) => Ending::Drain(seconds(20.0)),
        (false, false) => Ending::Drain(SimDuration::MAX),
    };
    plan
}

#[test]
fn everything_is_accounted_for() {
    let (mut failed, mut wasted, mut abandoned, mut cut) = (0, 0, 0, 0);
    let (mut hosted, mut turned_away, mut fetched) = (0, 0, 0);
    let (mut hedged, mut won, mut pruned, mut sent_back, mut late) = (0, 0, 0, 0, 0);
    for seed in 0..120 {
        let plan = random_plan(seed);
        let outcome = World::new(&plan).run(seed, 0, |_, _| true).unwrap();
        let sums = outcome.conservation;
        assert_eq!(sums.violations(), Vec::<String>::new(), "plan {seed}");
        let agents = &outcome.agents[0];
        assert_eq!(agents.started, agents.finished() + agents.in_flight, "plan {seed}");
        for pool in &outcome.pools {
            assert!(u128::from(pool.usage.busy_ps) <= pool.replica_ps, "busier than there is time");
            // The step under way when the warm-up ended counts whole.
            let capacity = pool.kv_capacity_ps as f64 * 1.001;
            assert!(pool.usage.kv_token_ps as f64 <= capacity, "more memory than there is");
            assert!(pool.charged_pico <= pool.spent_pico, "charged more than was spent");
            let transfers = &pool.transfers;
            assert!(u128::from(transfers.link.busy_ps) <= transfers.link_ps);
            assert!(transfers.pinned_block_ps <= transfers.block_ps);
            fetched += transfers.arrived;
        }
        if sums.tasks_in_flight == 0 && sums.tokens_in_flight == 0 {
            assert_eq!(sums.blocks_held, 0, "plan {seed}: an idle server holds blocks");
            // Charges are rounded down, by less than a picosecond for each token in a step. What a
            // step had cost when its server went down nobody is charged for.
            let lost = sums.busy_ps - sums.charged_ps;
            let whole = plan.pools.iter().all(|pool| pool.fleet.is_none());
            let lost = if whole { lost } else { 0 };
            assert!(lost as f64 <= 1e-6 * sums.busy_ps as f64 + 1e6, "plan {seed}: lost {lost} ps");
        }
        failed += agents.failed.iter().sum::<u64>();
        wasted += agents.unread().tokens;
        abandoned += agents.abandoned;
        cut += agents.in_flight;
        assert!(agents.wasted.iter().map(|some| some.pico).sum::<u128>() <= agents.charged_pico);
        (hedged, won) = (hedged + agents.hedges, won + agents.hedges_won);
        (pruned, sent_back) = (pruned + agents.prunings, sent_back + agents.rejections);
        late += agents.tool_timeouts;
        hosted += outcome.endpoints.iter().map(|usage| usage.calls).sum::<u64>();
        turned_away += agents.throttled + agents.unavailable;
    }
    assert!(failed > 100 && wasted > 100 && abandoned > 10 && cut > 100);
    assert!(hedged > 1000 && won > 100 && won < hedged, "{won} of {hedged}");
    assert!(pruned > 100 && sent_back > 100 && late > 100, "{pruned} {sent_back} {late}");
    assert!(hosted > 1000 && turned_away > 1000, "{hosted}, {turned_away}");
    assert!(fetched > 10_000, "{fetched}");
}

/// Whatever happens to servers in the middle of a leap, the bits are those of single steps.
#[test]
fn leaps_change_nothing_in_a_world_of_failures() {
    let (mut eventful, mut fetched, mut pinned) = (0, 0, 0);
    for seed in 0..60 {
        let plan = random_plan(seed);
        let outcome = |longest_leap| {
            let mut plan = plan.clone();
            plan.pools.iter_mut().for_each(|pool| pool.replica.longest_leap = longest_leap);
            let mut outcome = World::new(&plan).run(seed, 0, |_, _| true).unwrap();
            outcome.events = 0;
            outcome.pools.iter_mut().for_each(|pool| pool.usage.leaps = 0);
            outcome
        };
        let leapt = outcome(u64::MAX);
        assert!(leapt == outcome(1), "plan {seed}");
        eventful += u32::from(plan.pools[0].fleet.is_some());
        fetched += leapt.pools[0].tiers.iter().map(|tier| tier.hit_tokens).sum::<u64>();
        pinned += leapt.pools[0].usage.counters.all()[Counter::Unpinned as usize];
    }
    assert!(eventful > 20 && fetched > 10_000 && pinned > 1_000, "{fetched} {pinned}");
}
