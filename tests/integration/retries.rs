//! What agents do about calls, tools and people that fail them, against closed forms: every layer of
//! failure leaves its count, and what it took in vain is told by cause.

use tokenfleet::foundations::distribution::Law;
use tokenfleet::foundations::{SimDuration, SimTime};
use tokenfleet::serving::{EndpointSpec, ReplicaSpec, RouterPolicy};
use tokenfleet::simulation::outcome::AgentTally;
use tokenfleet::simulation::plan::Stop;
use tokenfleet::simulation::waste::Waste;
use tokenfleet::workload::arrival::Arrivals;
use tokenfleet::workload::expectation::expect;
use tokenfleet::workload::program::{
    Branch, CheckStep, LlmStep, Pruning, StepKind, ToolStep, WaitStep,
};
use tokenfleet::workload::retry::RetryPolicy;

use crate::endpoints::endpoint;
use crate::fixture::{call, constant, end, plan, pool, program, run, server, tool, tool_plan};

fn seconds(s: f64) -> SimDuration {
    SimDuration::from_s(s).unwrap()
}

/// Calls of one token at an endpoint whose answer takes an exponential time of mean 1 s.
fn exponential_calls(retry: RetryPolicy, tasks: u64) -> AgentTally {
    let steps = vec![call(constant(1000.0), constant(1.0), Branch::always(1)), end()];
    let arrivals = Arrivals::poisson(20.0).unwrap();
    let mut plan = plan(program(steps), pool(server(1.0, 0.0, 1), 1), arrivals, tasks);
    let first_token_s = Law::exponential(1.0).unwrap();
    plan.pools.clear();
    let api = endpoint();
    let spec = EndpointSpec { first_token_s, ..api.spec.clone() };
    plan.endpoints = vec![tokenfleet::simulation::plan::Endpoint { spec, ..api }];
    plan.programs[0].retry = retry;
    run(&plan, 0).agents.swap_remove(0)
}

/// The lesser of an exponential time and of a wait of `d` with another one behind it: its mean is
/// `1 - e^-d / 2`, a part `e^-d` is hedged, and of those each of the two is the first equally often.
#[test]
fn a_hedged_call_takes_the_lesser_of_two_times() {
    let tasks = 100_000;
    for d in [0.5, 1.0, 2.0] {
        let retry = RetryPolicy { hedge: Some(seconds(d)), attempts: 2, ..RetryPolicy::default() };
        let found = exponential_calls(retry, tasks);
        let hedged = libm::exp(-d);
        let mean = found.call_latency.histogram.mean() / 1e6;
        assert_eq!(found.succeeded, tasks);
        assert!((mean / (1.0 - hedged / 2.0) - 1.0).abs() < 0.015, "{d}: {mean}");
        let share = found.hedges as f64 / tasks as f64;
        assert!((share - hedged).abs() < 0.006, "{d}: {share} are hedged, not {hedged}");
        let won = found.hedges_won as f64 / found.hedges as f64;
        assert!((won - 0.5).abs() < 0.015, "{d}: {won} of the hedges are first");
        // One of two requests is given up for each; it has read its prompt and said nothing.
        let wasted = found.wasted[Waste::Hedge as usize];
        assert_eq!(wasted.pico, u128::from(found.hedges) * 1000 * 3_000_000);
        assert_eq!((found.abandoned, found.attempts), (found.hedges, tasks + found.hedges));
        assert_eq!(found.unread(), wasted);
    }
}

/// A hedge is a retry to the budget: with a budget of 5 % at most so many calls are hedged.
#[test]
fn a_budget_bounds_hedges() {
    let retry = RetryPolicy {
        hedge: Some(seconds(1.0)),
        attempts: 2,
        budget: Some(0.05),
        ..RetryPolicy::default()
    };
    let found = exponential_calls(retry, 20_000);
    let share = found.hedges as f64 / 20_000.0;
    assert!((0.045..=0.05).contains(&share), "{share}");
}

/// Sessions are bound to one replica, which serves one call at a time: a second request to it would
/// wait behind the first. It goes to the other, and is answered to the half when it is given up.
#[test]
fn a_hedge_goes_to_another_replica() {
    let steps = vec![call(constant(100.0), constant(100.0), Branch::always(1)), end()];
    let mut pool = pool(server(0.01, 0.0, 1), 2);
    pool.router = RouterPolicy::SessionAffinity;
    let (tasks, arrivals) = (200, Arrivals::every(10.0).unwrap());
    let mut plan = plan(program(steps), pool, arrivals, tasks);
    let retry = RetryPolicy { hedge: Some(seconds(0.5)), attempts: 2, ..RetryPolicy::default() };
    plan.programs[0].retry = retry;
    let outcome = run(&plan, 0);
    let found = &outcome.agents[0];
    assert_eq!((found.hedges, found.hedges_won, found.succeeded), (tasks, 0, tasks));
    assert_eq!(outcome.requests, 2 * tasks);
    let wasted = found.wasted[Waste::Hedge as usize].tokens as f64 / tasks as f64;
    assert!((wasted - 50.0).abs() <= 1.0, "{wasted} tokens");
    // With one replica there is no other: what waits there is given up as it begins.
    plan.pools[0].replicas = 1;
    let found = run(&plan, 0).agents.swap_remove(0);
    assert!(found.hedges == tasks && found.unread().tokens <= tasks, "{:?}", found.unread());
}

/// A person sends a third of the work back: 1 / (2/3) rounds, and what was sent back is half of what
/// was kept.
#[test]
fn work_that_people_send_back_is_done_again() {
    let back = WaitStep {
        time_s: Law::exponential(60.0).unwrap(),
        accept: 2.0 / 3.0,
        on_reject: Some(0),
        next: Branch::always(2),
    };
    let steps =
        vec![call(constant(10.0), constant(100.0), Branch::always(1)), StepKind::Wait(back), end()];
    let tasks = 30_000;
    let arrivals = Arrivals::poisson(1.0).unwrap();
    let plan = plan(program(steps), pool(server(0.001, 0.0, 1000), 1), arrivals, tasks);
    let exact = expect(&plan.programs, 0, &[]).unwrap();
    assert!((exact.llm_calls - 1.5).abs() < 1e-12 && (exact.waiting_s - 90.0).abs() < 1e-9);
    let found = run(&plan, 0).agents.swap_remove(0);
    let calls = found.calls as f64 / tasks as f64;
    assert!((calls / 1.5 - 1.0).abs() < 0.02, "{calls}");
    assert_eq!((found.reviews, found.rejections), (found.calls, found.calls - tasks));
    assert_eq!(found.wasted[Waste::Rejected as usize].tokens, 100 * found.rejections);
    assert_eq!((found.checks, found.unread().tokens), (0, 0));
}

/// A check that fails half of the time, by another model: the check itself is part of what is lost.
#[test]
fn work_that_a_check_finds_wrong_is_told_apart() {
    let StepKind::Llm(look) = call(constant(10.0), constant(20.0), Branch::always(2)) else {
        unreachable!()
    };
    let check = StepKind::Check(CheckStep { call: look, pass: 0.5, on_fail: 0 });
    let steps = vec![call(constant(10.0), constant(100.0), Branch::always(1)), check, end()];
    let arrivals = Arrivals::poisson(1.0).unwrap();
    let plan = plan(program(steps), pool(server(0.001, 0.0, 1000), 1), arrivals, 10_000);
    let found = run(&plan, 0).agents.swap_remove(0);
    assert_eq!(found.checks - found.checks_failed, 10_000);
    assert_eq!(found.wasted[Waste::Rejected as usize].tokens, 120 * found.checks_failed);
    let share = found.checks_failed as f64 / found.checks as f64;
    assert!((share - 0.5).abs() < 0.015, "{share}");
}

/// Two calls begin when half and all of an answer is written, which takes a second; both take a uniform
/// time of up to a second. The wait behind the answer is at most `t` with probability `t (t + 1/2)` below
/// half a second and `t` above, 25/48 s on average, where two calls behind it take 2/3 s. Of an answer
/// whose first half is reasoning, the calls begin when three quarters and all of it are written: `t (t +
/// 1/4)` up to 3/4, `t` above, 73/128 s.
#[test]
fn calls_begin_while_the_answer_is_written() {
    let arrivals = Arrivals::poisson(1.0).unwrap();
    let mean_wait_s = |streamed, reasoning| {
        let StepKind::Llm(ask) = call(constant(10.0), constant(11.0), Branch::always(1)) else {
            unreachable!()
        };
        let ask = LlmStep { reasoning_share: constant(reasoning), ..ask };
        let StepKind::Tool(two) = tool(Branch::always(2)) else { unreachable!() };
        let two = ToolStep { parallel: constant(2.0), streamed, ..two };
        let steps = vec![StepKind::Llm(ask), StepKind::Tool(two), end()];
        let mut plan = tool_plan(Law::uniform(0.0, 1.0).unwrap(), 1, arrivals.clone(), 40_000);
        plan.tools[0].slots = None;
        plan.programs[0] = program(steps);
        plan.pools[0] = pool(server(0.1, 0.0, 1000), 1);
        run(&plan, 0).agents[0].tool_time.histogram.mean() / 1e6
    };
    for (streamed, reasoning, expected) in
        [(false, 0.0, 2.0 / 3.0), (true, 0.0, 25.0 / 48.0), (true, 0.5, 73.0 / 128.0)]
    {
        let mean = mean_wait_s(streamed, reasoning);
        assert!((mean / expected - 1.0).abs() < 0.015, "{mean} for {expected}");
    }
}

/// A tool of exponential latency is given up after its mean: a part 1/e of the calls, and a call takes
/// 1 - 1/e of the mean.
#[test]
fn a_tool_that_takes_too_long_is_given_up() {
    let arrivals = Arrivals::poisson(50.0).unwrap();
    let mut plan = tool_plan(Law::exponential(1.0).unwrap(), 1_000_000, arrivals, 50_000);
    plan.tools[0].timeout = Some(seconds(1.0));
    plan.tools[0].result_tokens = constant(100.0);
    let late = libm::exp(-1.0);
    let exact = expect(&plan.programs, 0, &plan.tools).unwrap();
    assert!((exact.waiting_s - (1.0 - late)).abs() < 1e-6, "{}", exact.waiting_s);
    assert!((exact.growth_tokens - 100.0 * (1.0 - late)).abs() < 1e-6, "{}", exact.growth_tokens);
    let found = run(&plan, 0).agents.swap_remove(0);
    let share = found.tool_timeouts as f64 / found.tool_calls as f64;
    assert!((share - late).abs() < 0.008, "{share}");
    assert_eq!(found.tool_errors, found.tool_timeouts);
    assert_eq!(found.tool_time.histogram.max(), 1_000_000);
    let mean = found.tool_time.histogram.mean() / 1e6;
    assert!((mean / (1.0 - late) - 1.0).abs() < 0.015, "{mean}");
    // Both of two calls must come back in time, or the step leads elsewhere.
    let two = StepKind::Tool(ToolStep {
        tool: 0,
        parallel: constant(2.0),
        streamed: false,
        result_includes_output: false,
        next: Branch::always(1),
        on_error: Some(2),
    });
    plan.programs[0] = program(vec![two, end(), StepKind::End { success: false }]);
    let exact = expect(&plan.programs, 0, &plan.tools).unwrap();
    assert!((exact.success - (1.0 - late) * (1.0 - late)).abs() < 1e-9);
    let found = run(&plan, 0).agents.swap_remove(0);
    let success = found.succeeded as f64 / found.started as f64;
    assert!((success - exact.success).abs() < 0.01, "{success}");
}

/// Ten turns of 10 tokens with results of 100, the last two kept once a prompt has more than 300: the
/// prompts are known one by one.
#[test]
fn pruning_takes_old_results_out() {
    let repeat = tokenfleet::workload::program::LoopStep {
        times: constant(10.0),
        body: 1,
        next: 3,
        counter: 0,
    };
    let steps = vec![
        StepKind::Loop(repeat),
        call(constant(0.0), constant(10.0), Branch::always(2)),
        tool(Branch::always(0)),
        call(constant(0.0), constant(10.0), Branch::always(4)),
        end(),
    ];
    let arrivals = Arrivals::poisson(0.01).unwrap();
    let replica = ReplicaSpec { prefix_cache: true, ..server(0.001, 0.0, 10) };
    let mut plan = plan(program(steps), pool(replica, 1), arrivals, 50);
    plan.programs[0].loops = 1;
    plan.programs[0].opening_tokens = constant(100.0);
    plan.programs[0].pruning = Some(Pruning { above_tokens: 300, keep: 2 });
    plan.tools = tool_plan(constant(1.0), 1, Arrivals::poisson(1.0).unwrap(), 1).tools;
    plan.tools[0].result_tokens = constant(100.0);
    plan.tools[0].slots = None;
    plan.stop = Stop { horizon: SimTime::from_s(1e6), tasks: Some(50) };
    let found = run(&plan, 0).agents.swap_remove(0);
    // A context of 100, and 110 more behind each turn; from the fourth call on each prompt would have
    // three results, and one goes.
    let (mut context, mut input, mut pruned) = (100_u64, 0, 0);
    for turn in 0..11 {
        if turn >= 3 {
            context -= 100;
            pruned += 100;
        }
        input += context;
        context += 110;
    }
    assert_eq!(found.input_tokens, 50 * input);
    assert_eq!((found.pruned_tokens, found.prunings), (50 * pruned, 50 * 8));
    // What stands behind the gap is computed anew: the cache holds what is before the first result.
    let mut kept = plan.clone();
    kept.programs[0].pruning = None;
    let kept = run(&kept, 0).agents.swap_remove(0);
    let hits = |agents: &AgentTally| agents.cached_tokens as f64 / agents.input_tokens as f64;
    assert!(hits(&found) < hits(&kept) - 0.2, "{} {}", hits(&found), hits(&kept));
}
