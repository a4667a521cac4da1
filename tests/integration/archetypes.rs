//! The catalog's agents behave as those that they were measured on: what a simulated population does
//! agrees with published figures that were not put in, or that several laws bring about together.

use tokenfleet::catalog::Catalog;
use tokenfleet::foundations::{SimDuration, SimTime};
use tokenfleet::serving::ReplicaSpec;
use tokenfleet::simulation::outcome::AgentTally;
use tokenfleet::simulation::plan::{Behaviour, Ending, Plan, Stop};
use tokenfleet::simulation::scenario::Archetype;
use tokenfleet::workload::arrival::Arrivals;
use tokenfleet::workload::expectation::{Caveat, Expectation, expect};

use crate::fixture::{plan, pool, run, server};

fn archetype(name: &str) -> Archetype {
    Archetype::read(name, &Catalog::embedded()).unwrap()
}

fn expected(name: &str) -> Expectation {
    let Archetype { programs, program, tools } = archetype(name);
    expect(&programs, program, &tools).unwrap()
}

/// Sessions of an archetype on a server that is fast and forgets nothing.
fn planned(name: &str, sessions_per_s: f64, horizon_s: f64) -> Plan {
    let Archetype { programs, program, tools } = archetype(name);
    let replica = ReplicaSpec { prefix_cache: true, ..server(1e-3, 0.0, 10_000) };
    let arrivals = Arrivals::poisson(sessions_per_s).unwrap();
    let mut plan = plan(programs[usize::from(program)].clone(), pool(replica, 1), arrivals, 0);
    (plan.programs, plan.tools) = (programs, tools);
    plan.populations[0].behaviour = Behaviour::Program(program);
    plan.stop = Stop { horizon: SimTime::from_s(horizon_s), tasks: None };
    plan.ending = Ending::Drain(SimDuration::MAX);
    plan
}

fn simulated(name: &str, sessions_per_s: f64, horizon_s: f64) -> AgentTally {
    run(&planned(name, sessions_per_s, horizon_s), 0).agents.swap_remove(0)
}

/// Means over calls and tasks that studies state.
struct Figures {
    calls_per_task: f64,
    input_per_call: f64,
    output_per_call: f64,
    input_to_output: f64,
    hit_rate: f64,
}

fn figures(tally: &AgentTally) -> Figures {
    let [tasks, calls, input, cached, output] =
        [tally.started, tally.calls, tally.input_tokens, tally.cached_tokens, tally.output_tokens]
            .map(|count| count as f64);
    Figures {
        calls_per_task: calls / tasks,
        input_per_call: input / calls,
        output_per_call: output / calls,
        input_to_output: input / output,
        hit_rate: cached / input,
    }
}

#[track_caller]
fn within(what: &str, found: f64, published: f64, tolerance: f64) {
    let off = found / published - 1.0;
    assert!(
        off.abs() <= tolerance,
        "{what}: {found:.3} against {published}, {:+.1} % off",
        off * 100.0
    );
}

#[track_caller]
fn between(what: &str, found: f64, low: f64, high: f64) {
    assert!((low..=high).contains(&found), "{what}: {found:.3} is not in {low}..{high}");
}

#[test]
fn autonomous_coding_is_like_the_recorded_runs() {
    // Applied Compute trie, agentic_coding_8k: 8,192 tasks.
    let tally = simulated("coding-autonomous", 0.5, 5_000.0);
    let found = figures(&tally);
    within("calls", found.calls_per_task, 21.2, 0.1);
    within("output per call", found.output_per_call, 220.3, 0.1);
    within("input over output", found.input_to_output, 99.0, 0.25);
    // 20.23 turns of 220.3 tokens with results of 647.2, and an answer of 444.7.
    within("growth", expected("coding-autonomous").growth_tokens, 17_993.0, 0.05);
    // Their 95.0 % are of a cache that shares nothing between tasks; here the harness is shared.
    between("hits", found.hit_rate, 0.945, 0.985);
    let calls = &tally.calls_per_task.histogram;
    within("median calls", calls.quantile(0.5) as f64, 14.0, 0.15);
    within("p90 of calls", calls.quantile(0.9) as f64, 47.0, 0.15);
}

#[test]
fn interactive_coding_is_like_the_recorded_sessions() {
    // WEKA kv-cache-tester: 710 sessions of Claude Code. Sessions last for hours.
    let plan = planned("coding-interactive", 0.002, 500_000.0);
    let tally = run(&plan, 0).agents.swap_remove(0);
    let found = figures(&tally);
    within("calls of a request", found.calls_per_task, 6.76, 0.1);
    within("output per call", found.output_per_call, 439.0, 0.15);
    // 96.4 % of blocks in sessions with an unbounded cache; TraceLab has 95.7 %.
    within("hits", found.hit_rate, 0.964, 0.015);
    // 281 with windows of up to 1M tokens; a window of 200k holds less.
    between("input over output", found.input_to_output, 100.0, 281.0);
    between("input per call", found.input_per_call, 50_000.0, 123_000.0);
    assert!(tally.compactions > 100, "the window was never full");
    let calls = &tally.calls_per_task.histogram;
    within(
        "requests of one call",
        calls.count_at_most(1) as f64 / calls.count() as f64,
        0.49,
        0.06,
    );
    within("p90 of calls", calls.quantile(0.9) as f64, 17.0, 0.2);
    within("calls of a session", 10.14 * found.calls_per_task, 68.5, 0.1);
}

#[test]
fn chat_is_like_the_recorded_hour() {
    // Mooncake conversation trace: 12,031 requests.
    let found = figures(&simulated("chat", 0.3, 20_000.0));
    within("input", found.input_per_call, 12_035.0, 0.2);
    within("output", found.output_per_call, 342.6, 0.05);
    within("input over output", found.input_to_output, 35.0, 0.25);
    // An unbounded cache has 36.6 % of its blocks and 40 % of its tokens.
    between("hits", found.hit_rate, 0.33, 0.44);
}

#[test]
fn tool_agents_are_like_the_recorded_ones() {
    // LMCache agentic traces, GAIA: 94 sessions, 1,377 calls.
    let tally = simulated("react", 0.5, 4_000.0);
    let found = figures(&tally);
    within("calls", found.calls_per_task, 14.65, 0.05);
    within("output", found.output_per_call, 180.6, 0.08);
    within("p99 of calls", tally.calls_per_task.histogram.quantile(0.99) as f64, 27.07, 0.12);
    // Cost of Dynamic Reasoning: prompts grow three to four times over 5.7 to 8.8 calls.
    let expected = expected("react");
    let growth_per_call = expected.growth_tokens / expected.llm_calls;
    between("growth", 1.0 + 7.25 * growth_per_call / expected.opening_tokens, 3.0, 4.0);
}

#[test]
fn retrieval_is_like_the_recorded_week() {
    // RAGPulse: 7,106 requests.
    let found = figures(&simulated("rag", 1.0, 7_106.0));
    within("input", found.input_per_call, 2_944.0, 0.05);
    within("output", found.output_per_call, 283.2, 0.05);
    within("input over output", found.input_to_output, 10.4, 0.1);
    // 31.5 % for an unbounded cache, in the service's own order of the prompt's parts.
    within("hits", found.hit_rate, 0.315, 0.12);
}

#[test]
fn sub_agents_are_like_the_recorded_ones() {
    // WEKA kv-cache-tester: 63 sub-agents, 676 calls.
    let found = figures(&simulated("research-sub-agent", 0.05, 20_000.0));
    within("calls", found.calls_per_task, 10.73, 0.05);
    within("output per call", found.output_per_call, 508.3, 0.08);
    within("input per call", found.input_per_call, 45_278.0, 0.1);
    within("input over output", found.input_to_output, 89.0, 0.15);
    within("hits", found.hit_rate, 0.871, 0.12);
}

#[test]
fn searches_and_retries_take_their_published_calls() {
    // Cost of Dynamic Reasoning: 71.0 calls of LATS.
    within("tree search", expected("tree-search").llm_calls, 71.0, 0.05);
    // Reflexion's own runs: 2.49 attempts, success at first 62.7 %.
    let reflexion = expected("reflexion");
    within("attempts", reflexion.sub_agents, 2.49, 0.1);
    assert!(reflexion.success > 0.95);
    // LLMCompiler: two calls, or four where it plans again, for 3.6 tools in parallel.
    within("plan and execute", expected("plan-and-execute").llm_calls, 2.3, 1e-9);
}

#[test]
fn every_archetype_agrees_with_its_closed_form() {
    for agent in Catalog::embedded().agents() {
        let Archetype { programs, program, tools } = archetype(&agent.key);
        let exact = expect(&programs, program, &tools).unwrap();
        let work = exact.llm_calls * exact.session_tasks;
        if exact.caveats.contains(&Caveat::Compaction) {
            continue;
        }
        let horizon_s = 10_000.0;
        let found = figures(&simulated(&agent.key, 6_000.0 / work / horizon_s, horizon_s));
        // Heavy tails: the mean of some hundred tasks tells no more.
        within(&agent.key, found.calls_per_task, exact.llm_calls, 0.25);
        within(&agent.key, found.output_per_call, exact.output_tokens / exact.llm_calls, 0.25);
        assert!(exact.success > 0.9 && exact.success < 1.0 + 1e-9, "{}", agent.key);
    }
}
