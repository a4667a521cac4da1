//! What others published of agents, found again: in simulations, in closed form, in recordings.

use std::fmt::Display;

use super::calls_of;
use crate::catalog::Catalog;
use crate::cli::failure::Failure;
use crate::foundations::Sources;
use crate::foundations::interval::Estimate;
use crate::report::published::{Form, Published};
use crate::simulation::call_log::LoggedCall;
use crate::simulation::outcome::TrialOutcome;
use crate::simulation::plan::Behaviour;
use crate::simulation::scenario::files::NoFiles;
use crate::simulation::scenario::{Archetype, ReadOptions, Scenario};
use crate::simulation::{Plan, World};
use crate::workload::expectation::{Expectation, expect};
use crate::workload::trace::habits::Half;

const LLM_COMPILER: &str = "S. Kim et al., LLMCompiler, arXiv 2312.04511";
const ANTHROPIC: &str = "Anthropic, How we built our multi-agent research system (2025)";

/// All but what needs recordings.
///
/// # Errors
/// None but faults of the program's own scenarios.
pub(super) fn found(seed: u64) -> Result<Vec<Published>, Failure> {
    let mut all = Vec::new();
    all.extend(plan_or_react(seed)?);
    all.push(tree_search()?);
    all.extend(against_chat(seed)?);
    all.push(mean_or_distribution(seed)?);
    Ok(all)
}

/// What sessions of Claude Code find of their own past, with an endless cache and with one that
/// forgets in five minutes.
pub(super) fn hits(recorded: &[Half], generated: &[Half]) -> Vec<Published> {
    let share = |halves: &[Half], of: fn(&Half) -> f64| {
        halves.iter().map(of).sum::<f64>() / halves.iter().map(|half| half.tokens.0).sum::<f64>()
    };
    let kept = |half: &Half| half.tokens.1;
    let soon = |half: &Half| half.kept_soon;
    let row = |what: &str, published: f64, found: f64, how| Published {
        what: what.to_owned(),
        source: "kv-cache-tester@94f6046d (WEKA), 710 sessions",
        form: Form::Share,
        published: (published, published),
        found,
        half_width: None,
        how,
    };
    let (ours, theirs) = ("the sessions generated above", "the recorded sessions compared above");
    vec![
        row("Claude Code, prompt found in the session's past", 0.964, share(generated, kept), ours),
        row("the same, recorded", 0.964, share(recorded, kept), theirs),
        row("after pauses of at most 5 min", 0.905, share(generated, soon), ours),
        row("the same, recorded", 0.905, share(recorded, soon), theirs),
    ]
}

/// The variants of one of the program's own scenarios.
fn plans(name: &str, text: &str) -> Result<Vec<Plan>, Failure> {
    let mut sources = Sources::default();
    let source = sources.add_file(name, text);
    match Scenario::read(source, &mut sources, &ReadOptions::new(&NoFiles)) {
        Ok(scenario) => Ok(scenario.variants.into_iter().map(|variant| variant.plan).collect()),
        Err(faults) => Err(Failure::Scenario { faults, sources }),
    }
}

/// A figure of each trial of a plan.
fn trials(plan: &Plan, seed: u64, figure: impl Fn(&TrialOutcome) -> f64) -> Vec<f64> {
    let mut world = World::new(plan);
    (0..5)
        .filter_map(|trial| world.run(seed, trial, |_, _| true).map(|found| figure(&found)))
        .collect()
}

/// The ratio of two plans' figures, trial by trial: trial i has the same tasks in both.
fn ratio(
    above: &Plan,
    below: &Plan,
    seed: u64,
    figure: impl Fn(&TrialOutcome) -> f64 + Copy,
) -> Estimate {
    let (above, below) = (trials(above, seed, figure), trials(below, seed, figure));
    let ratios: Vec<f64> = above.iter().zip(&below).map(|(above, below)| above / below).collect();
    Estimate::of_trials(&ratios, 0.95)
}

fn plan_or_react(seed: u64) -> Result<Vec<Published>, Failure> {
    let plans = plans("plan-or-react", include_str!("../../../scenarios/plan-or-react.toml"))?;
    let benchmarks = [
        (
            "HotpotQA",
            1.80,
            3.37,
            "published 7.12 s and 3.95 s; how long a search takes and how often ReAct makes a third were chosen for its times",
        ),
        (
            "movie recommendation",
            3.74,
            6.73,
            "published 20.47 s and 5.47 s; searches begin while the plan is still written",
        ),
        (
            "ParallelQA",
            2.15,
            4.65,
            "15 % are planned again, which is assumed: how often is not published",
        ),
    ];
    let mut all = Vec::new();
    for (pair, (name, speed_up, cheaper, how)) in plans.chunks_exact(2).zip(benchmarks) {
        let [react, plan] = pair else { continue };
        let latency = |found: &TrialOutcome| found.agents[0].task_latency.histogram.mean();
        let charge = |found: &TrialOutcome| found.agents[0].charge_per_task.histogram.mean();
        let row = |what: &str, figure: f64, found: Estimate, how| Published {
            what: format!("{name}: LLMCompiler {what} ReAct by"),
            source: LLM_COMPILER,
            form: Form::Times,
            published: (figure, figure),
            found: found.mean,
            half_width: found.interval.map(|interval| interval.half_width()),
            how,
        };
        all.push(row("faster than", speed_up, ratio(react, plan, seed, latency), how));
        let how = "tokens of the published prompts and their examples";
        all.push(row("cheaper than", cheaper, ratio(react, plan, seed, charge), how));
    }
    Ok(all)
}

fn unknown(name: &str, fault: &dyn Display) -> Failure {
    Failure::Internal(format!("`{name}`: {fault}"))
}

fn expected(name: &str) -> Result<Expectation, Failure> {
    let Archetype { programs, program, tools } =
        Archetype::read(name, &Catalog::embedded()).map_err(|fault| unknown(name, &fault))?;
    expect(&programs, program, &tools).map_err(|fault| unknown(name, &fault))
}

/// Tokens of a session, each counted as often as it is read.
fn processed(expected: &Expectation) -> f64 {
    (expected.input_tokens + expected.output_tokens) * expected.session_tasks
}

/// Such tokens of a simple question and of a comparison, as the source of the archetype has them done.
fn by_effort() -> Result<Vec<f64>, Failure> {
    let tokens = |plan: &Plan| {
        let Behaviour::Program(program) = plan.populations[0].behaviour else {
            return Ok(f64::NAN);
        };
        let expected = expect(&plan.programs, program, &plan.tools);
        expected.map(|found| processed(&found)).map_err(|fault| unknown("research", &fault))
    };
    plans("research", include_str!("research.toml"))?.iter().map(tokens).collect()
}

fn tree_search() -> Result<Published, Failure> {
    Ok(Published {
        what: "calls of a tree search".to_owned(),
        source: "J. Kim et al., The Cost of Dynamic Reasoning, arXiv 2506.04301",
        form: Form::Count,
        published: (71.0, 71.0),
        found: expected("tree-search")?.llm_calls,
        half_width: None,
        how: "closed form; the number of iterations was chosen for it",
    })
}

/// Tokens of a session, each counted once: what the contexts of all its agents hold at their end.
fn distinct_tokens(calls: &[LoggedCall]) -> f64 {
    let mut ends = std::collections::BTreeMap::new();
    for call in calls {
        let end = ends.entry(call.actor).or_insert(0.0_f64);
        *end = end.max(f64::from(call.input) + f64::from(call.output));
    }
    let sessions: std::collections::BTreeSet<u64> = calls.iter().map(|call| call.session).collect();
    ends.values().sum::<f64>() / sessions.len() as f64
}

fn against_chat(seed: u64) -> Result<Vec<Published>, Failure> {
    let all_of = |name: &str| expected(name).map(|expected| processed(&expected));
    let distinct = |name| -> Result<f64, Failure> {
        Ok(distinct_tokens(&calls_of("", name, 20, 2, seed)?.concat()))
    };
    let row = |what: &str, figure: f64, found, how| Published {
        what: what.to_owned(),
        source: ANTHROPIC,
        form: Form::Times,
        published: (figure, figure),
        found,
        half_width: None,
        how,
    };
    let (chat, chat_once) = (all_of("chat")?, distinct("chat")?);
    let by_effort = by_effort()?;
    Ok(vec![
        row(
            "an agent's tokens over a chat's",
            4.0,
            all_of("react")? / chat,
            "react over a whole chat session, tokens read again with each call counted",
        ),
        row(
            "multi-agent research, tokens over a chat's",
            15.0,
            all_of("deep-research")? / chat,
            "so counted; the archetype's 7 sub-agents are assumed, the 480 k tokens of each are measured",
        ),
        row(
            "the same, each token counted once",
            15.0,
            distinct("deep-research")? / chat_once,
            "what contexts hold at their end; what the source counts, and whose chats, it does not say",
        ),
        row(
            "multi-agent research by that source's rule of effort",
            15.0,
            by_effort.iter().sum::<f64>() / by_effort.len() as f64 / chat,
            "half simple questions, 1 sub-agent of 6 tool calls, and half comparisons, 3 of 12: halves are assumed",
        ),
    ])
}

fn mean_or_distribution(seed: u64) -> Result<Published, Failure> {
    let text = include_str!("../../../scenarios/mean-or-distribution.toml");
    let plans = plans("mean-or-distribution", text)?;
    // The window is as long for both.
    let per_s = |found: &TrialOutcome| found.pools[0].usage.output_tokens as f64;
    let more = ratio(&plans[1], &plans[0], seed, per_s);
    Ok(Published {
        what: "throughput of mean agents over that of real ones, less 1".to_owned(),
        source: "Applied Compute (2026)",
        form: Form::Share,
        published: (0.10, 0.20),
        found: more.mean - 1.0,
        half_width: more.interval.map(|interval| interval.half_width()),
        how: "32 coding agents on a server of four H100; with 16 a third of it",
    })
}
