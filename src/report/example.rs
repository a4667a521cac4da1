//! `example.json`: some tasks of one trial looked at closely. One task of each kind of agent call by
//! call, programs with how often their steps are visited, and what the dollars were charged for.
//!
//! The task shown is the one of median latency, so that it stands for most. Visits and dollars are
//! those of the tasks that began after the warm-up and ended, of the part of the trial that was
//! logged.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::timeline;
use crate::foundations::SimTime;
use crate::simulation::call_log::{LoggedCall, TrialLog, Visit};
use crate::simulation::plan::Plan;
use crate::workload::program::{StepIndex, StepKind};

/// Calls after the warm-up that are enough.
const ENOUGH: u64 = 10_000;
/// Spans of a task that are kept.
const MOST_SPANS: usize = 800;

/// Whether a trial is to be logged further, by simulated time and calls made; asked in order.
pub fn proceed(plan: &Plan) -> impl FnMut(SimTime, u64) -> bool {
    let (warm_up, mut before) = (plan.warm_up, 0);
    move |now, calls| {
        if now <= warm_up {
            before = calls;
        }
        calls - before < ENOUGH
    }
}

/// What a log says of a variant.
pub fn describe(plan: &Plan, log: &TrialLog) -> Value {
    let ended = Ended::of(plan, log);
    json!({
        "tasks": ended.tasks.len(),
        "calls": log.calls.iter().filter(|call| ended.has(call.task)).count(),
        "spend": spend(plan, log, &ended),
        "programs": programs(plan, log, &ended),
        "examples": examples(plan, log, &ended),
    })
}

/// Tasks that began after the warm-up and ended, with their population, start and end.
struct Ended {
    tasks: BTreeMap<u64, (u16, SimTime, SimTime)>,
}

impl Ended {
    fn of(plan: &Plan, log: &TrialLog) -> Self {
        let sessions: BTreeSet<(u64, u64)> =
            log.calls.iter().map(|call| (call.task, call.session)).collect();
        let is_end = |visit: &&Visit| {
            let step = &plan.programs[usize::from(visit.program)].steps[visit.step as usize];
            matches!(step.kind, StepKind::End { .. })
                && sessions.contains(&(visit.task, visit.actor))
        };
        let mut ends: BTreeMap<u64, SimTime> =
            log.visits.iter().filter(is_end).map(|visit| (visit.task, visit.at)).collect();
        // A recorded task has no steps: it is as long as its calls.
        for call in log.calls.iter().filter(|call| call.step.is_none()) {
            let end = ends.entry(call.task).or_insert(call.finished);
            *end = call.finished.max(*end);
        }
        let mut starts: BTreeMap<u64, (u16, SimTime)> = BTreeMap::new();
        let begun = log.visits.iter().map(|visit| (visit.task, visit.population, visit.at));
        let asked = log.calls.iter().map(|call| (call.task, call.population, call.since));
        for (task, population, at) in begun.chain(asked) {
            let start = starts.entry(task).or_insert((population, at));
            start.1 = start.1.min(at);
        }
        let known = ends.into_iter().filter_map(|(task, end)| {
            let &(population, start) = starts.get(&task)?;
            (start >= plan.warm_up).then_some((task, (population, start, end)))
        });
        Self { tasks: known.collect() }
    }

    fn has(&self, task: u64) -> bool {
        self.tasks.contains_key(&task)
    }
}

/// Dollars by agent, pool and step, of all tasks together.
fn spend(plan: &Plan, log: &TrialLog, ended: &Ended) -> Vec<Value> {
    let mut sums: BTreeMap<(u16, u16, &str), u64> = BTreeMap::new();
    for call in log.calls.iter().filter(|call| ended.has(call.task)) {
        let place = (call.population, call.pool, timeline::name(plan, call));
        *sums.entry(place).or_default() += call.charged_pico;
    }
    let row = |((population, pool, step), pico): ((u16, u16, &str), u64)| {
        let (server, model) = timeline::server(plan, pool);
        json!({
            "agent": plan.populations[usize::from(population)].name,
            "pool": server,
            "model": model,
            "step": step,
            "usd": pico as f64 / 1e12,
        })
    };
    sums.into_iter().map(row).collect()
}

/// Programs as graphs: steps with their visits and the ways that were taken, for each task.
fn programs(plan: &Plan, log: &TrialLog, ended: &Ended) -> Vec<Value> {
    let compactions: BTreeSet<(u64, SimTime)> = log
        .calls
        .iter()
        .filter(|call| call.is_compaction)
        .map(|call| (call.actor, call.finished))
        .collect();
    let mut last: BTreeMap<(u64, u64), StepIndex> = BTreeMap::new();
    let mut visits: BTreeMap<(u16, u16), BTreeMap<StepIndex, u64>> = BTreeMap::new();
    let mut ways: BTreeMap<(u16, u16), BTreeMap<(StepIndex, StepIndex), u64>> = BTreeMap::new();
    for visit in log.visits.iter().filter(|visit| ended.has(visit.task)) {
        let before = last.insert((visit.actor, visit.task), visit.step);
        // A step that goes on behind a compaction is not entered again.
        if before == Some(visit.step) && compactions.contains(&(visit.actor, visit.at)) {
            continue;
        }
        let graph = (visit.population, visit.program);
        *visits.entry(graph).or_default().entry(visit.step).or_default() += 1;
        if let Some(before) = before {
            *ways.entry(graph).or_default().entry((before, visit.step)).or_default() += 1;
        }
    }
    let graph = |(&(population, program), steps): (&(u16, u16), &BTreeMap<StepIndex, u64>)| {
        let tasks = ended.tasks.values().filter(|(of, ..)| *of == population).count() as f64;
        let program_of = &plan.programs[usize::from(program)];
        let step = |index: StepIndex| &program_of.steps[index as usize];
        let nodes = steps.iter().map(|(&index, &count)| {
            json!({
                "step": step(index).name,
                "kind": kind(&step(index).kind),
                "visits": count as f64 / tasks,
            })
        });
        let taken = ways.get(&(population, program)).into_iter().flatten();
        let edges = taken.map(|(&(from, to), &count)| {
            json!({
                "from": step(from).name,
                "to": step(to).name,
                "visits": count as f64 / tasks,
            })
        });
        json!({
            "agent": plan.populations[usize::from(population)].name,
            "program": program_of.name,
            "start": step(program_of.start).name,
            "nodes": nodes.collect::<Vec<_>>(),
            "edges": edges.collect::<Vec<_>>(),
        })
    };
    visits.iter().map(graph).collect()
}

fn kind(kind: &StepKind) -> &'static str {
    match kind {
        StepKind::Llm(_) => "llm",
        StepKind::Check(_) => "check",
        StepKind::Tool(_) => "tool",
        StepKind::Spawn(_) => "spawn",
        StepKind::Wait(_) => "wait",
        StepKind::Loop(_) => "loop",
        StepKind::End { .. } => "end",
    }
}

/// The task of median latency of each kind of agent, call by call.
fn examples(plan: &Plan, log: &TrialLog, ended: &Ended) -> Vec<Value> {
    let example = |(at, population): (usize, &crate::simulation::plan::Population)| {
        let own = ended.tasks.iter().filter(|(_, (of, ..))| usize::from(*of) == at);
        let mut own: Vec<_> =
            own.map(|(&task, &(_, start, end))| (end.since(start), task, start)).collect();
        own.sort_unstable();
        let &(latency, task, start) = own.get(own.len().checked_sub(1)? / 2)?;
        Some(json!({
            "agent": population.name,
            "task": task,
            "latency_s": latency.as_s(),
            "spans": spans(plan, log, task, start),
        }))
    };
    plan.populations.iter().enumerate().filter_map(example).collect()
}

/// Something that a caller did in a task.
struct Done<'l> {
    is_sub_agent: bool,
    from: SimTime,
    actor: u64,
    to: SimTime,
    part: &'static str,
    name: &'l str,
    call: Option<&'l LoggedCall>,
}

/// What is done in a task, in the order of its beginning; callers are numbered from 0, the session's
/// agent first.
fn spans(plan: &Plan, log: &TrialLog, task: u64, start: SimTime) -> Vec<Value> {
    let mut found: Vec<Done<'_>> = Vec::new();
    for call in log.calls.iter().filter(|call| call.task == task) {
        found.extend(timeline::parts(call).map(|(part, (from, to))| Done {
            is_sub_agent: call.actor != call.session,
            from,
            actor: call.actor,
            to,
            part,
            name: timeline::name(plan, call),
            call: Some(call),
        }));
    }
    let returned = log.tools.iter().filter(|tools| tools.task == task);
    found.extend(returned.filter(|tools| tools.finished > tools.since).map(|tools| Done {
        is_sub_agent: tools.actor != tools.session,
        from: tools.since,
        actor: tools.actor,
        to: tools.finished,
        part: "tool",
        name: &plan.tools[usize::from(tools.tool)].name,
        call: None,
    }));
    found.sort_by_key(|done| (done.is_sub_agent, done.from, done.actor, done.to));
    let mut callers: Vec<u64> = Vec::new();
    let tell = |done: &Done<'_>| {
        let known = callers.iter().position(|known| *known == done.actor);
        let caller = known.unwrap_or_else(|| {
            callers.push(done.actor);
            callers.len() - 1
        });
        json!({
            "caller": caller,
            "part": done.part,
            "name": done.name,
            "start_s": done.from.since(start).as_s(),
            "end_s": done.to.since(start).as_s(),
            "input_tokens": done.call.map(|call| call.input),
            "cached_tokens": done.call.map(|call| call.cached),
            "output_tokens": done.call.map(|call| call.output),
        })
    };
    found.iter().take(MOST_SPANS).map(tell).collect()
}
