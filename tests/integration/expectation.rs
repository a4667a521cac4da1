//! Programs have closed forms, and simulated tasks agree with them.

use tokenfleet::foundations::distribution::Law;
use tokenfleet::foundations::interval::Estimate;
use tokenfleet::simulation::outcome::AgentTally;
use tokenfleet::simulation::plan::Plan;
use tokenfleet::workload::arrival::Arrivals;
use tokenfleet::workload::expectation::expect;
use tokenfleet::workload::program::{
    Branch, CheckStep, Join, LlmStep, LoopStep, ModelChoice, Program, Pruning, SharedSegment,
    SpawnStep, StepIndex, StepKind, ToolStep, WaitStep,
};
use tokenfleet::workload::tool::Tool;

use crate::fixture::{call, constant, end, plan, pool, program, run, server, tool};

const TRIALS: u64 = 20;

fn to(step: StepIndex) -> Branch {
    Branch::always(step)
}

fn mostly(step: StepIndex, other: StepIndex) -> Branch {
    Branch { cumulative: vec![(0.75, step), (1.0, other)] }
}

fn llm(input: f64, next: Branch) -> LlmStep {
    let input = Law::exponential(input).unwrap();
    let output = Law::lognormal(3.0, 1.0).unwrap();
    let StepKind::Llm(step) = call(input, output, next) else { unreachable!() };
    step
}

fn repeat(times: Law, body: StepIndex, next: StepIndex, counter: u16) -> StepKind {
    StepKind::Loop(LoopStep { times, body, next, counter })
}

/// Nested loops of turns with tools that fail, a check that sends back, an early way out.
fn worker() -> Program {
    let failing = ToolStep {
        parallel: Law::poisson(1.5).unwrap(),
        on_error: Some(7),
        ..match tool(to(2)) {
            StepKind::Tool(step) => step,
            _ => unreachable!(),
        }
    };
    let check = CheckStep { call: llm(30.0, to(9)), pass: 0.7, on_fail: 1 };
    let mut worker = program(vec![
        StepKind::Wait(WaitStep {
            time_s: Law::exponential(3.0).unwrap(),
            accept: 1.0,
            on_reject: None,
            next: to(1),
        }),
        repeat(Law::poisson(2.0).unwrap(), 2, 8, 0),
        repeat(Law::geometric(0.3).unwrap(), 3, 1, 1),
        StepKind::Llm(llm(100.0, mostly(4, 6))),
        StepKind::Tool(failing),
        end(),
        StepKind::Tool(ToolStep {
            result_includes_output: true,
            ..match tool(mostly(2, 5)) {
                StepKind::Tool(step) => step,
                _ => unreachable!(),
            }
        }),
        StepKind::Llm(LlmStep {
            reasoning_share: constant(1.0),
            keep_reasoning: false,
            ..llm(10.0, to(2))
        }),
        StepKind::Check(check),
        StepKind::End { success: false },
    ]);
    worker.loops = 2;
    let (tokens, variant) = (constant(300.0), constant(1.0));
    worker.shared = vec![SharedSegment { identity: 1, tokens, variant, redrawn: 0.0 }];
    worker.opening_tokens = Law::exponential(500.0).unwrap();
    worker
}

/// Sub-agents that fork the context, and others that do not.
fn lead() -> Program {
    let report = Law::exponential(80.0).unwrap();
    let spawn = |fork_context: bool, report_tokens: Option<Law>, next: StepIndex| {
        StepKind::Spawn(SpawnStep {
            program: 1,
            count: Law::poisson(1.2).unwrap(),
            input_tokens: Law::exponential(40.0).unwrap(),
            fork_context,
            join: Join::All,
            report_tokens,
            model: ModelChoice::Own,
            next: to(next),
        })
    };
    let mut lead = program(vec![
        StepKind::Llm(llm(200.0, to(1))),
        spawn(true, None, 2),
        StepKind::Llm(llm(5.0, mostly(3, 4))),
        spawn(false, Some(report), 0),
        end(),
    ]);
    lead.session.tasks = Law::geometric(0.5).unwrap();
    lead
}

/// On servers so fast that a task takes no longer than its tools and waits.
fn planned(programs: Vec<Program>, tasks: u64) -> Plan {
    let mut plan = plan(
        programs[0].clone(),
        pool(server(1e-9, 0.0, 1000), 1),
        Arrivals::poisson(0.01).unwrap(),
        tasks,
    );
    plan.programs = programs;
    plan.tools = vec![Tool {
        name: "tool".into(),
        latency_s: Law::lognormal(1.0, 1.0).unwrap(),
        result_tokens: Law::lognormal(3.5, 1.0).unwrap(),
        failure: 0.2,
        timeout: None,
        slots: None,
    }];
    plan
}

fn per_task(tallies: &[AgentTally], total: impl Fn(&AgentTally) -> f64) -> Estimate {
    let ratios: Vec<_> = tallies.iter().map(|tally| (total(tally), tally.started as f64)).collect();
    Estimate::of_ratio(&ratios, 0.999)
}

#[track_caller]
fn agrees(what: &str, found: Estimate, expected: f64) {
    assert!(found.relative_half_width() < 0.2, "{what}: too few trials to tell, {found:?}");
    let interval = found.interval.unwrap();
    let rounding = 1e-9 * expected;
    let fits = interval.low - rounding <= expected && expected <= interval.high + rounding;
    assert!(fits, "{what}: {found:?}, expected {expected}");
}

fn compare(plan: &Plan) -> Vec<AgentTally> {
    let expected = expect(&plan.programs, 0, &plan.tools).unwrap();
    assert!(expected.caveats.is_empty());
    let tallies: Vec<AgentTally> =
        (0..TRIALS).map(|trial| run(plan, trial).agents.swap_remove(0)).collect();
    let check = |what: &str, total: fn(&AgentTally) -> u64, expected: f64| {
        agrees(what, per_task(&tallies, |tally| total(tally) as f64), expected);
    };
    check("success", |tally| tally.succeeded, expected.success);
    check("calls", |tally| tally.calls, expected.llm_calls);
    check("input", |tally| tally.input_tokens, expected.input_tokens);
    check("output", |tally| tally.output_tokens, expected.output_tokens);
    if expected.reasoning_tokens > 0.0 {
        check("reasoning", |tally| tally.reasoning_tokens, expected.reasoning_tokens);
    }
    if expected.sub_agents > 0.0 {
        check("sub-agents", |tally| tally.sub_agents, expected.sub_agents);
    }
    check("tool calls", |tally| tally.tool_calls, expected.tool_calls);
    tallies
}

#[test]
fn loops_tools_and_checks_have_their_expected_tokens() {
    compare(&planned(vec![worker()], 400));
}

#[test]
fn sub_agents_and_sessions_have_their_expected_tokens() {
    compare(&planned(vec![lead(), worker()], 300));
}

#[test]
fn later_tasks_start_where_they_are_told() {
    for new_contexts in [false, true] {
        let mut worker = worker();
        worker.restart = 8;
        worker.session.tasks = Law::geometric(0.4).unwrap();
        worker.session.new_contexts = new_contexts;
        compare(&planned(vec![worker], 600));
    }
}

/// What was pruned in one task's context is nothing to the next one's.
#[test]
fn a_new_context_has_no_old_results() {
    let per_task = |tasks: f64| {
        let StepKind::Tool(tool) = tool(to(0)) else { unreachable!() };
        let mut agent = program(vec![
            repeat(constant(6.0), 1, 3, 0),
            call(constant(10.0), constant(5.0), to(2)),
            StepKind::Tool(tool),
            end(),
        ]);
        agent.loops = 1;
        agent.pruning = Some(Pruning { above_tokens: 200, keep: 1 });
        agent.session.tasks = constant(tasks);
        agent.session.new_contexts = true;
        agent.opening_tokens = constant(100.0);
        let mut plan = planned(vec![agent], 60);
        plan.tools[0].result_tokens = constant(50.0);
        let tally = run(&plan, 0).agents.swap_remove(0);
        assert!(tally.pruned_tokens > 0);
        tally.input_tokens as f64 / tally.started as f64
    };
    assert_eq!(per_task(1.0), per_task(3.0));
}

/// A system prompt that no other session has, another one for three later tasks in ten, before tools
/// that all share: a later task finds what its session has computed unless that is so, and the first
/// nothing.
#[test]
fn another_system_prompt_makes_all_behind_it_new() {
    for new_contexts in [true, false] {
        let mut agent = program(vec![call(constant(16.0), constant(16.0), to(1)), end()]);
        let segment = |identity, tokens, variant, redrawn| SharedSegment {
            identity,
            tokens: constant(tokens),
            variant,
            redrawn,
        };
        let unique = Law::uniform(1.0, 4e9).unwrap().rounded();
        agent.shared = vec![segment(1, 1024.0, unique, 0.3), segment(2, 512.0, constant(1.0), 0.0)];
        agent.session.tasks = constant(11.0);
        agent.session.new_contexts = new_contexts;
        let mut plan = planned(vec![agent], 11_000);
        plan.pools[0].replica.prefix_cache = true;
        let found = run(&plan, 0).agents.swap_remove(0);
        // A kept context grows by 32 tokens with each task; its last block is not full.
        let kept = if new_contexts { 1536.0 } else { 1536.0 + 32.0 * 5.5 - 16.0 };
        let per_later_task = found.cached_tokens as f64 / 10_000.0;
        assert!((per_later_task / (0.7 * kept) - 1.0).abs() < 0.02, "{per_later_task} {kept}");
    }
}

#[test]
fn on_servers_without_delay_a_task_takes_its_tools_and_waits() {
    let mut worker = worker();
    worker.steps[9].kind = end(); // latency is that of tasks that succeed
    let plan = planned(vec![worker], 400);
    let tallies = compare(&plan);
    let time = per_task(&tallies, |tally| tally.task_latency.histogram.sum() as f64 / 1e6);
    agrees("time", time, expect(&plan.programs, 0, &plan.tools).unwrap().waiting_s);
}
