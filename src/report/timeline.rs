//! One trial as a timeline in the Trace Event Format, which Perfetto (ui.perfetto.dev) and
//! `chrome://tracing` show.
//!
//! Each kind of agents is a process; what an agent and its sub-agents do lies on lanes in it: tasks,
//! in them calls and tools, in calls the queue, the prompt and the answer. Each replica is a process
//! too: its engine's steps, the requests that it served on lanes, and counters of those that ran and
//! waited. Steps with prompts stand one by one; decode steps that the simulator leapt over at once stand as
//! one slice that says how many they are. Attempts that were given up stand beside the others, by why.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::foundations::SimTime;
use crate::serving::UnderWay;
use crate::simulation::call_log::{Boundary, GivenUp, LoggedCall, TrialLog};
use crate::simulation::plan::{Backend, Plan};
use crate::simulation::waste::Waste;

/// Numbers of processes of replicas begin here.
const REPLICAS: usize = 1000;
/// Lanes of sub-agents begin here.
const SUB_AGENTS: usize = 1_000_000;
/// The lane of a replica's engine; those of its requests follow.
const ENGINE: usize = 0;

/// Writes what happened in a trial.
///
/// # Errors
/// When it cannot be written.
pub fn perfetto(plan: &Plan, log: &TrialLog, out: &mut dyn Write) -> io::Result<()> {
    let mut events = Events { out, first: true };
    events.out.write_all(b"{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n")?;
    agents(plan, log, &mut events)?;
    replicas(plan, log, &mut events)?;
    events.out.write_all(b"\n]}\n")
}

struct Events<'o> {
    out: &'o mut dyn Write,
    first: bool,
}

impl Events<'_> {
    fn put(&mut self, event: &Value) -> io::Result<()> {
        if !std::mem::replace(&mut self.first, false) {
            self.out.write_all(b",\n")?;
        }
        Ok(serde_json::to_writer(&mut *self.out, event)?)
    }

    /// A named process, in the order of its number.
    fn process(&mut self, pid: usize, name: &str) -> io::Result<()> {
        self.put(
            &json!({ "ph": "M", "name": "process_name", "pid": pid, "args": { "name": name } }),
        )?;
        let order = json!({ "sort_index": pid });
        self.put(&json!({ "ph": "M", "name": "process_sort_index", "pid": pid, "args": order }))
    }

    fn lane(&mut self, pid: usize, tid: usize, name: &str) -> io::Result<()> {
        let name = json!({ "name": name });
        self.put(&json!({ "ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": name }))
    }

    fn slice(
        &mut self,
        place: (usize, usize),
        name: &str,
        span: Span,
        args: &Value,
    ) -> io::Result<()> {
        let (pid, tid) = place;
        // Both ends are rounded, not their distance, so that what lies inside stays inside.
        let (start, end) = (nanoseconds(span.0), nanoseconds(span.1));
        self.put(&json!({
            "ph": "X", "pid": pid, "tid": tid, "name": name,
            "ts": microseconds(start), "dur": microseconds(end - start), "args": args,
        }))
    }

    /// The parts of a call: in the queue, reading the prompt, writing the answer.
    fn parts(&mut self, place: (usize, usize), call: &LoggedCall) -> io::Result<()> {
        for (name, span) in parts(call) {
            self.slice(place, name, span, &json!({}))?;
        }
        Ok(())
    }
}

/// Start and end.
type Span = (SimTime, SimTime);

fn nanoseconds(time: SimTime) -> u64 {
    time.0 / 1000
}

/// The unit of the format, with three decimals.
fn microseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1000.0
}

/// The parts of a call that take time.
pub fn parts(call: &LoggedCall) -> impl Iterator<Item = (&'static str, Span)> {
    let scheduled = call.scheduled.unwrap_or(call.finished);
    let first = call.first_token.unwrap_or(call.finished).max(scheduled);
    let parts = [
        ("queue", (call.submitted, scheduled)),
        ("prompt", (scheduled, first)),
        ("answer", (first, call.finished)),
    ];
    parts.into_iter().filter(|(_, (start, end))| start < end)
}

/// What a call is called: the step that asked for it.
pub fn name<'p>(plan: &'p Plan, call: &LoggedCall) -> &'p str {
    match call.step {
        _ if call.is_compaction => "compaction",
        Some((program, step)) => &plan.programs[usize::from(program)].steps[step as usize].name,
        None => "call",
    }
}

/// Names of what answered, and of its model.
pub fn server(plan: &Plan, place: u16) -> (&str, &str) {
    match plan.backend(place) {
        Backend::Pool(pool) => {
            let pool = &plan.pools[usize::from(pool)];
            (&pool.name, &pool.model)
        }
        Backend::Endpoint(endpoint) => {
            let endpoint = &plan.endpoints[usize::from(endpoint)];
            (&endpoint.name, &endpoint.model)
        }
        // A call is answered by what stands behind a route, never by the route.
        Backend::Route(_) => ("", ""),
    }
}

fn arguments(plan: &Plan, call: &LoggedCall) -> Value {
    json!({
        "input_tokens": call.input,
        "cached_tokens": call.cached,
        "output_tokens": call.output,
        "usd": call.charged_pico as f64 / 1e12,
        "task": call.task,
        "server": format!("{} {}", server(plan, call.pool).0, call.replica),
    })
}

/// What an attempt is called that was given up.
fn given_up(why: Waste) -> &'static str {
    match why {
        Waste::Timeout => "timed out",
        Waste::Lost => "lost with its server",
        Waste::Hedge => "another was sooner",
        Waste::Abandoned | Waste::Rejected | Waste::FailedTask => "no longer wanted",
    }
}

/// What one caller does in one task, by its parts.
#[derive(Default)]
struct Doing<'l> {
    calls: Vec<&'l LoggedCall>,
    given_up: Vec<&'l GivenUp>,
    tools: Vec<(Span, u16)>,
}

impl Doing<'_> {
    fn span(&self) -> Span {
        let calls = self.calls.iter().map(|call| (call.since, call.finished));
        let given_up = self.given_up.iter().map(|attempt| (attempt.sent, attempt.at));
        let tools = self.tools.iter().map(|(span, _)| *span);
        let spans = || calls.clone().chain(given_up.clone()).chain(tools.clone());
        let start = spans().map(|(start, _)| start).min().unwrap_or(SimTime::ZERO);
        (start, spans().map(|(_, end)| end).max().unwrap_or(start))
    }
}

/// By population, caller (first whether a sub-agent) and task.
type Doings<'l> = BTreeMap<(u16, bool, u64), BTreeMap<u64, Doing<'l>>>;

fn agents(plan: &Plan, log: &TrialLog, events: &mut Events<'_>) -> io::Result<()> {
    let mut callers: Doings<'_> = BTreeMap::new();
    for call in &log.calls {
        let caller = (call.population, call.actor != call.session, call.actor);
        callers.entry(caller).or_default().entry(call.task).or_default().calls.push(call);
    }
    for attempt in &log.given_up {
        let caller = (attempt.population, attempt.actor != attempt.session, attempt.actor);
        let doing = callers.entry(caller).or_default().entry(attempt.task).or_default();
        doing.given_up.push(attempt);
    }
    for tools in &log.tools {
        let caller = (tools.population, tools.actor != tools.session, tools.actor);
        let doing = callers.entry(caller).or_default().entry(tools.task).or_default();
        doing.tools.push(((tools.since, tools.finished), tools.tool));
    }
    for (at, population) in plan.populations.iter().enumerate() {
        let pid = at + 1;
        events.process(pid, &format!("agents: {}", population.name))?;
        for is_sub in [false, true] {
            let own: Vec<_> =
                callers.range((at as u16, is_sub, 0)..=(at as u16, is_sub, u64::MAX)).collect();
            let spans: Vec<Span> =
                own.iter().map(|(_, tasks)| whole(tasks.values().map(Doing::span))).collect();
            let (what, first) = if is_sub { ("sub-agent", SUB_AGENTS) } else { ("session", 0) };
            let lanes = lanes(&spans);
            for lane in 0..lanes.iter().max().map_or(0, |last| last + 1) {
                events.lane(pid, first + lane, &format!("{what} lane {}", lane + 1))?;
            }
            for ((_, tasks), lane) in own.iter().zip(lanes) {
                for (task, doing) in *tasks {
                    doings(plan, (pid, first + lane), *task, doing, events)?;
                }
            }
        }
    }
    Ok(())
}

fn doings(
    plan: &Plan,
    place: (usize, usize),
    task: u64,
    doing: &Doing<'_>,
    events: &mut Events<'_>,
) -> io::Result<()> {
    let about = json!({
        "calls": doing.calls.len(),
        "tool_steps": doing.tools.len(),
        "given_up": doing.given_up.len(),
    });
    events.slice(place, &format!("task {task}"), doing.span(), &about)?;
    for call in &doing.calls {
        let span = (call.since, call.finished);
        events.slice(place, name(plan, call), span, &arguments(plan, call))?;
        events.parts(place, call)?;
    }
    for attempt in &doing.given_up {
        let at = attempt.server.map_or("nowhere".to_owned(), |(place, replica)| {
            format!("{} {replica}", server(plan, place).0)
        });
        let about = json!({ "task": task, "server": at });
        events.slice(place, given_up(attempt.why), (attempt.sent, attempt.at), &about)?;
    }
    for &(span, tool) in &doing.tools {
        let name = format!("tool: {}", plan.tools[usize::from(tool)].name);
        events.slice(place, &name, span, &json!({}))?;
    }
    Ok(())
}

/// What one replica did.
#[derive(Default)]
struct Served<'l> {
    calls: Vec<&'l LoggedCall>,
    given_up: Vec<&'l GivenUp>,
    boundaries: Vec<&'l Boundary>,
}

fn replicas(plan: &Plan, log: &TrialLog, events: &mut Events<'_>) -> io::Result<()> {
    let mut served: BTreeMap<(u16, u32), Served<'_>> = BTreeMap::new();
    for boundary in &log.boundaries {
        let place = (boundary.pool, boundary.replica);
        served.entry(place).or_default().boundaries.push(boundary);
    }
    for call in &log.calls {
        served.entry((call.pool, call.replica)).or_default().calls.push(call);
    }
    for attempt in &log.given_up {
        if let Some(place) = attempt.server {
            served.entry(place).or_default().given_up.push(attempt);
        }
    }
    for (at, ((pool, replica), served)) in served.into_iter().enumerate() {
        let pid = REPLICAS + at;
        events.process(pid, &format!("server: {} {replica}", server(plan, pool).0))?;
        engine(pid, &served.boundaries, events)?;
        requests(plan, pid, served, events)?;
    }
    Ok(())
}

/// The steps of a replica's engine.
fn engine(pid: usize, boundaries: &[&Boundary], events: &mut Events<'_>) -> io::Result<()> {
    if boundaries.is_empty() {
        return Ok(());
    }
    events.lane(pid, ENGINE, "engine steps")?;
    for pair in boundaries.windows(2) {
        let UnderWay { decoding, prompts, prompt_tokens } = pair[0].next;
        let steps = pair[1].done - pair[0].done;
        // A step that is cut short by a failure was none.
        if decoding + prompts == 0 || steps == 0 {
            continue;
        }
        let name = match (prompts, decoding, steps) {
            (0, _, 1) => "decode step".to_owned(),
            (0, _, _) => format!("{steps} decode steps"),
            (_, 0, _) => "prompts".to_owned(),
            _ => "prompts and decodes".to_owned(),
        };
        let about = json!({
            "steps": steps,
            "decoding": decoding,
            "prompts": prompts,
            "prompt_tokens": prompt_tokens,
        });
        events.slice((pid, ENGINE), &name, (pair[0].at, pair[1].at), &about)?;
    }
    Ok(())
}

/// The requests that a replica had, and how many at once.
fn requests(
    plan: &Plan,
    pid: usize,
    served: Served<'_>,
    events: &mut Events<'_>,
) -> io::Result<()> {
    let Served { mut calls, given_up: attempts, .. } = served;
    calls.sort_by_key(|call| (call.submitted, call.finished));
    let answered = calls.iter().map(|call| (call.submitted, call.finished));
    let spans: Vec<Span> =
        answered.chain(attempts.iter().map(|attempt| (attempt.sent, attempt.at))).collect();
    let lanes = lanes(&spans);
    for lane in 0..lanes.iter().max().map_or(0, |last| last + 1) {
        events.lane(pid, ENGINE + 1 + lane, &format!("requests lane {}", lane + 1))?;
    }
    let mut lanes = lanes.into_iter().map(|lane| (pid, ENGINE + 1 + lane));
    let agent = |population: u16| &plan.populations[usize::from(population)].name;
    let mut changes: Vec<(SimTime, [i64; 3])> = Vec::new();
    for (call, place) in calls.iter().zip(&mut lanes) {
        let span = (call.submitted, call.finished);
        events.slice(place, agent(call.population), span, &arguments(plan, call))?;
        events.parts(place, call)?;
        let scheduled = call.scheduled.unwrap_or(call.finished);
        changes.push((call.submitted, [0, 1, 0]));
        changes.push((scheduled, [1, -1, 0]));
        changes.push((call.finished, [-1, 0, 0]));
    }
    for (attempt, place) in attempts.iter().zip(lanes) {
        let name = format!("{}: {}", agent(attempt.population), given_up(attempt.why));
        let about = json!({ "task": attempt.task });
        events.slice(place, &name, (attempt.sent, attempt.at), &about)?;
        changes.push((attempt.sent, [0, 0, 1]));
        changes.push((attempt.at, [0, 0, -1]));
    }
    changes.sort_unstable();
    let mut present = [0; 3];
    for (index, &(time, change)) in changes.iter().enumerate() {
        present = std::array::from_fn(|at| present[at] + change[at]);
        // Of one instant only what is left counts.
        if changes.get(index + 1).is_none_or(|next| nanoseconds(next.0) > nanoseconds(time)) {
            let [running, waiting, lost] = present;
            let counts = json!({ "running": running, "waiting": waiting, "given up later": lost });
            let ts = microseconds(nanoseconds(time));
            events.put(
                &json!({ "ph": "C", "pid": pid, "name": "requests", "ts": ts, "args": counts }),
            )?;
        }
    }
    Ok(())
}

fn whole(spans: impl Iterator<Item = Span>) -> Span {
    spans.fold((SimTime::MAX, SimTime::ZERO), |(start, end), span| {
        (start.min(span.0), end.max(span.1))
    })
}

/// A lane for each span, so that those of one lane do not overlap: the lowest that is free.
fn lanes(spans: &[Span]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..spans.len()).collect();
    order.sort_by_key(|&at| spans[at]);
    let mut busy: BinaryHeap<Reverse<(SimTime, usize)>> = BinaryHeap::new();
    let mut free: BinaryHeap<Reverse<usize>> = BinaryHeap::new();
    let (mut lanes, mut made) = (vec![0; spans.len()], 0);
    for at in order {
        while let Some(&Reverse((end, lane))) =
            busy.peek().filter(|Reverse((end, _))| *end <= spans[at].0)
        {
            debug_assert!(end <= spans[at].0, "the lane is free");
            busy.pop();
            free.push(Reverse(lane));
        }
        let lane = free.pop().map_or(made, |Reverse(lane)| lane);
        made = made.max(lane + 1);
        lanes[at] = lane;
        busy.push(Reverse((spans[at].1, lane)));
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_lies_on_lanes_of_its_own() {
        let span = |start, end| (SimTime(start), SimTime(end));
        let found = lanes(&[span(0, 10), span(2, 4), span(4, 6), span(5, 20), span(10, 11)]);
        assert_eq!(found, [0, 1, 1, 2, 0]);
    }
}
