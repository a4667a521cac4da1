//! Programs small enough to work out by hand, against the closed forms.

use super::*;
use crate::foundations::Law;
use crate::workload::program::*;
use crate::workload::retry::RetryPolicy;

fn constant(value: f64) -> Law {
    Law::constant(value).unwrap()
}

/// 1 or 3, half each.
fn one_or_three() -> Law {
    Law::mixture(vec![(0.5, constant(1.0)), (0.5, constant(3.0))]).unwrap()
}

fn to(step: StepIndex) -> Branch {
    Branch::always(step)
}

fn either(probability: f64, one: StepIndex, other: StepIndex) -> Branch {
    Branch { cumulative: vec![(probability, one), (1.0, other)] }
}

fn call(input: f64, output: f64, next: Branch) -> LlmStep {
    LlmStep {
        model: ModelChoice::Own,
        passages: None,
        input_tokens: constant(input),
        output_tokens: constant(output),
        reasoning_share: constant(0.0),
        keep_reasoning: true,
        keep_output: true,
        next,
        on_error: None,
    }
}

fn llm(input: f64, output: f64, next: Branch) -> StepKind {
    StepKind::Llm(call(input, output, next))
}

fn tool_step(next: Branch) -> ToolStep {
    ToolStep {
        tool: 0,
        parallel: constant(1.0),
        streamed: false,
        result_includes_output: false,
        next,
        on_error: None,
    }
}

fn repeat(times: Law, body: StepIndex, next: StepIndex, counter: u16) -> StepKind {
    StepKind::Loop(LoopStep { times, body, next, counter })
}

fn spawn(count: f64, next: Branch) -> SpawnStep {
    SpawnStep {
        program: 1,
        count: constant(count),
        input_tokens: constant(0.0),
        fork_context: false,
        join: Join::All,
        report_tokens: None,
        model: ModelChoice::Own,
        next,
    }
}

const END: StepKind = StepKind::End { success: true };
const FAIL: StepKind = StepKind::End { success: false };

fn program(steps: Vec<StepKind>) -> Program {
    let named = |(at, kind)| Step { name: format!("step-{at}"), kind };
    Program {
        name: "program".into(),
        loops: steps.len() as u16,
        steps: steps.into_iter().enumerate().map(named).collect(),
        start: 0,
        restart: 0,
        shared: vec![],
        opening_tokens: constant(0.0),
        session: Session::default(),
        pruning: None,
        compaction: None,
        limits: Limits { calls: None, tokens: None, usd: None, deadline: None },
        retry: RetryPolicy::default(),
    }
}

/// A tool that takes 4 s, brings 50 tokens, and fails so often.
fn tools(failure: f64) -> [Tool; 1] {
    [Tool {
        name: "tool".into(),
        latency_s: constant(4.0),
        result_tokens: constant(50.0),
        failure,
        timeout: None,
        slots: None,
    }]
}

fn solve(steps: Vec<StepKind>) -> Expectation {
    expect(&[program(steps)], 0, &tools(0.0)).unwrap()
}

#[track_caller]
fn close(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
        "{found} is not {expected}"
    );
}

#[test]
fn one_call_reads_what_stands_before_it() {
    let mut plain = program(vec![llm(70.0, 30.0, to(1)), END]);
    plain.opening_tokens = constant(1000.0);
    let identity = 7;
    plain.shared = vec![SharedSegment {
        identity,
        tokens: constant(500.0),
        variant: constant(1.0),
        redrawn: 0.0,
    }];
    let task = expect(&[plain], 0, &[]).unwrap();
    close(task.input_tokens, 1570.0);
    close(task.opening_tokens, 1500.0);
    close(task.growth_tokens, 100.0);
    close(task.output_tokens, 30.0);
    assert_eq!((task.success, task.visits), (1.0, vec![1.0, 1.0]));
}

#[test]
fn branches_share_their_visits() {
    let task = solve(vec![
        llm(10.0, 5.0, either(0.3, 1, 2)),
        llm(20.0, 5.0, to(3)),
        StepKind::Tool(tool_step(either(0.25, 3, 4))),
        END,
        FAIL,
    ]);
    for (visits, expected) in task.visits.iter().zip([1.0, 0.3, 0.7, 0.475, 0.525]) {
        close(*visits, expected);
    }
    close(task.success, 0.475);
    close(task.llm_calls, 1.3);
    close(task.tool_calls, 0.7);
    close(task.waiting_s, 2.8);
    // The second call reads 15 tokens of the first, and 20 of its own.
    close(task.input_tokens, 10.0 + 0.3 * 35.0);
}

#[test]
fn a_check_that_fails_is_tried_again() {
    let check = CheckStep { call: call(10.0, 1.0, to(2)), pass: 0.8, on_fail: 0 };
    let task = solve(vec![llm(100.0, 20.0, to(1)), StepKind::Check(check), END]);
    close(task.llm_calls, 2.0 * 1.25);
    close(task.output_tokens, 21.0 * 1.25);
    // Rounds are 1 + geometric: E[N] = 1.25, E[N(N-1)/2] = 0.2/0.8^2.
    close(task.input_tokens, 1.25 * (100.0 + 130.0) + 0.2 / 0.64 * 131.0 * 2.0);
}

#[test]
fn a_counted_loop_reads_its_context_quadratically() {
    let task = solve(vec![
        repeat(constant(5.0), 1, 3, 0),
        llm(10.0, 7.0, to(2)),
        StepKind::Tool(tool_step(to(0))),
        END,
    ]);
    close(task.llm_calls, 5.0);
    close(task.input_tokens, 5.0 * 10.0 + 10.0 * (10.0 + 7.0 + 50.0));
    close(task.growth_tokens, 5.0 * 67.0);
    close(task.waiting_s, 20.0);
    assert_eq!(task.visits, [6.0, 5.0, 5.0, 1.0]);
}

#[test]
fn nested_random_loops_need_second_moments() {
    let task = solve(vec![
        repeat(one_or_three(), 1, 3, 0),
        repeat(one_or_three(), 2, 0, 1),
        llm(10.0, 7.0, to(1)),
        END,
    ]);
    // n calls, a sum of M parts of mean 2 and variance 1, with M of mean 2 and variance 1.
    let (mean, square) = (4.0, 2.0 * 1.0 + 1.0 * 4.0 + 16.0);
    close(task.llm_calls, mean);
    close(task.input_tokens, 10.0 * mean + 17.0 * (square - mean) / 2.0);
}

#[test]
fn a_loop_can_be_left_early_and_then_bounds_the_attempts() {
    let check = CheckStep { call: call(10.0, 1.0, to(2)), pass: 0.6, on_fail: 0 };
    let task = solve(vec![repeat(constant(3.0), 1, 3, 0), StepKind::Check(check), END, FAIL]);
    close(task.llm_calls, 1.0 + 0.4 + 0.16);
    close(task.success, 1.0 - 0.064);
    // Attempt k reads 10 k + (k - 1) tokens.
    close(task.input_tokens, 10.0 + 0.4 * 21.0 + 0.16 * 32.0);
    close(task.visits[0], 1.0 + 0.4 + 0.16 + 0.064);
}

#[test]
fn a_session_is_a_loop_of_tasks() {
    let mut chat = program(vec![llm(10.0, 5.0, to(1)), END]);
    chat.session.tasks = one_or_three();
    chat.opening_tokens = constant(100.0);
    let task = expect(&[chat], 0, &[]).unwrap();
    // A session of 1: 110. One of 3: 110 + 125 + 140. Two tasks on average.
    close(task.session_tasks, 2.0);
    close(task.input_tokens, (110.0 + 375.0) / 2.0 / 2.0);
    close(task.llm_calls, 1.0);
}

#[test]
fn later_tasks_can_start_elsewhere() {
    let mut chat = program(vec![llm(0.0, 5.0, to(2)), llm(10.0, 5.0, to(2)), END]);
    chat.restart = 1;
    chat.session.tasks = one_or_three();
    chat.opening_tokens = constant(100.0);
    let task = expect(&[chat], 0, &[]).unwrap();
    // A session of 1: 100. One of 3: 100 + 115 + 130. Two tasks on average.
    close(task.input_tokens, (100.0 + 345.0) / 2.0 / 2.0);
    close(task.growth_tokens, 15.0);
    assert_eq!(task.visits, [0.5, 0.5, 1.0]);
}

#[test]
fn each_task_can_have_a_context_of_its_own() {
    let mut chat = program(vec![llm(10.0, 5.0, to(1)), llm(20.0, 7.0, to(2)), END]);
    chat.session.tasks = one_or_three();
    chat.session.new_contexts = true;
    chat.opening_tokens = constant(100.0);
    let task = expect(&[chat], 0, &[]).unwrap();
    close(task.input_tokens, 110.0 + 135.0);
    close(task.growth_tokens, 0.0);
}

#[test]
fn a_result_can_count_the_output_before_it() {
    let mut tool = tool_step(to(3));
    tool.result_includes_output = true;
    let task = solve(vec![
        llm(10.0, 7.0, to(1)),
        repeat(one_or_three(), 2, 4, 0),
        StepKind::Tool(tool),
        llm(0.0, 20.0, to(1)),
        END,
    ]);
    // Calls read 10, then 60, 110, 160: the outputs of 7 and of 20 tokens are in the 50.
    close(task.input_tokens, (10.0 + 60.0) / 2.0 + (10.0 + 60.0 + 110.0 + 160.0) / 2.0);
    close(task.growth_tokens, 10.0 + 2.0 * 50.0 + 20.0);
}

#[test]
fn a_tool_after_a_tool_finds_no_output_to_replace() {
    let mut tool = tool_step(to(2));
    tool.result_includes_output = true;
    let again = ToolStep { next: to(3), ..tool.clone() };
    let task = solve(vec![
        llm(10.0, 7.0, to(1)),
        StepKind::Tool(tool),
        StepKind::Tool(again),
        llm(0.0, 20.0, to(4)),
        END,
    ]);
    close(task.input_tokens, 10.0 + 110.0);
}

#[test]
fn reasoning_leaves_the_context_where_it_is_not_kept() {
    let thinking = LlmStep {
        reasoning_share: constant(0.75),
        keep_reasoning: false,
        ..call(10.0, 40.0, to(1))
    };
    let task = solve(vec![StepKind::Llm(thinking), llm(5.0, 1.0, to(2)), END]);
    close(task.reasoning_tokens, 30.0);
    close(task.input_tokens, 10.0 + 10.0 + 10.0 + 5.0);
}

#[test]
fn failures_go_with_more_calls_and_more_tokens() {
    let tool = ToolStep { parallel: one_or_three(), on_error: Some(2), ..tool_step(to(3)) };
    let steps = vec![llm(10.0, 5.0, to(1)), StepKind::Tool(tool), llm(0.0, 5.0, to(3)), END];
    let task = expect(&[program(steps)], 0, &tools(0.5)).unwrap();
    // 1 call fails with 1/2, one of 3 with 7/8; the second call then reads 50 or 150 more.
    close(task.visits[2], (0.5 + 0.875) / 2.0);
    close(task.input_tokens, 10.0 + (0.5 * 65.0 + 0.875 * 165.0) / 2.0);
    close(task.tool_calls, 2.0);
}

#[test]
fn sub_agents_bring_their_own_contexts_and_their_last_outputs() {
    let parent = program(vec![
        llm(10.0, 5.0, to(1)),
        StepKind::Spawn(SpawnStep { input_tokens: constant(3.0), ..spawn(4.0, to(2)) }),
        llm(0.0, 5.0, to(3)),
        END,
    ]);
    let mut child = program(vec![
        llm(2.0, 20.0, to(1)),
        StepKind::Tool(tool_step(either(0.5, 2, 3))),
        llm(0.0, 60.0, to(3)),
        END,
    ]);
    child.name = "child".into();
    child.opening_tokens = constant(100.0);
    let task = expect(&[parent, child], 0, &tools(0.0)).unwrap();
    close(task.sub_agents, 4.0);
    close(task.llm_calls, 2.0 + 4.0 * 1.5);
    close(task.tool_calls, 4.0);
    close(task.waiting_s, 4.0);
    let children = 4.0 * (105.0 + 0.5 * (105.0 + 20.0 + 50.0));
    let reports = 4.0 * (20.0 + 60.0) / 2.0;
    close(task.input_tokens, 10.0 + children + 15.0 + reports);
}

#[test]
fn forked_sub_agents_read_the_context_of_their_parent() {
    let report_tokens = Some(constant(1.0));
    let fork = SpawnStep { fork_context: true, report_tokens, ..spawn(2.0, to(2)) };
    let mut parent = program(vec![llm(10.0, 5.0, to(1)), StepKind::Spawn(fork), END]);
    parent.opening_tokens = constant(1000.0);
    parent.session.tasks = constant(2.0);
    let mut child = program(vec![llm(2.0, 20.0, to(1)), llm(0.0, 20.0, to(2)), END]);
    child.opening_tokens = constant(777.0);
    let task = expect(&[parent, child], 0, &[]).unwrap();
    let of_task = |before: f64| before + 10.0 + 2.0 * (2.0 * (before + 15.0) + 2.0 + 22.0);
    close(task.input_tokens, (of_task(1000.0) + of_task(1017.0)) / 2.0);
    close(task.growth_tokens, 17.0);
}

#[test]
fn enough_sub_agents_may_be_some_of_them() {
    let first = SpawnStep { join: Join::First(2), ..spawn(3.0, to(1)) };
    let parent = program(vec![StepKind::Spawn(first), END]);
    let child = program(vec![llm(2.0, 20.0, to(1)), END]);
    let task = expect(&[parent, child], 0, &[]).unwrap();
    close(task.growth_tokens, 40.0);
    assert_eq!(task.caveats, BTreeSet::from([Caveat::Abandoned]));
}

#[test]
fn a_program_without_a_way_out_is_refused() {
    let endless = program(vec![llm(1.0, 1.0, either(0.5, 1, 2)), llm(1.0, 1.0, to(1)), END]);
    let refused = expect(&[endless], 0, &[]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "program `program`: step `step-1` never leads to an end; give it, or a step behind it, a \
         way to one"
    );
    // A way that is never taken is none.
    let never = program(vec![llm(1.0, 1.0, either(1.0, 0, 1)), END]);
    assert!(matches!(expect(&[never], 0, &[]), Err(ExpectationError::NoEnd { .. })));
    // What is not reached may be endless.
    let idle = program(vec![llm(1.0, 1.0, to(1)), END, llm(1.0, 1.0, to(2))]);
    assert!(expect(&[idle], 0, &[]).is_ok());
}

#[test]
fn loops_inside_each_other_are_refused() {
    // The inner loop is left for the outer one, which comes back to it half done.
    let tangled = program(vec![
        repeat(constant(2.0), 1, 3, 0),
        repeat(constant(2.0), 2, 0, 1),
        llm(1.0, 1.0, either(0.5, 0, 1)),
        END,
    ]);
    let refused = expect(&[tangled], 0, &[]).unwrap_err();
    let (outer, inner) = ("step-0".into(), "step-1".into());
    let program = "program".into();
    assert_eq!(refused, ExpectationError::TangledLoops { program, outer, inner });
}

#[test]
fn what_spawns_itself_or_points_nowhere_is_refused() {
    let mut own = spawn(1.0, to(1));
    own.program = 0;
    let recursive = program(vec![StepKind::Spawn(own), END]);
    assert!(matches!(expect(&[recursive], 0, &[]), Err(ExpectationError::Recursion { .. })));
    let missing = [
        (program(vec![StepKind::Spawn(spawn(1.0, to(1))), END]), "program"),
        (program(vec![StepKind::Tool(tool_step(to(1))), END]), "tool"),
        (program(vec![llm(1.0, 1.0, to(9)), END]), "step"),
        (program(vec![]), "step"),
    ];
    for (program, missing) in missing {
        match expect(&[program], 0, &[]) {
            Err(ExpectationError::Dangling { what, .. }) => assert_eq!(what, missing),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_loop_straight_back_to_itself_costs_nothing() {
    let task = solve(vec![repeat(constant(9.0), 0, 1, 0), llm(10.0, 5.0, to(2)), END]);
    close(task.llm_calls, 1.0);
    close(task.visits[0], 10.0);
}
