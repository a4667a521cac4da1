//! A simulated workload as a trace that others can replay.
//!
//! `mooncake` has a line for each call with its arrival in the simulation: an open loop, and what
//! prompts share as chained hashes of blocks of 512 tokens. `agentic-mooncake` (version 2, as
//! Dynamo reads it) keeps the loop closed: each request names those that it waited for and how long
//! after them it came, with blocks of 64 tokens whose hashes reach as far as their session.

use std::collections::BTreeMap;
use std::io::{self, Write};

use rustc_hash::FxHashMap;
use serde::Serialize;

use crate::foundations::random::derive;
use crate::foundations::{SimDuration, SimTime};
use crate::simulation::call_log::LoggedCall;
use crate::simulation::plan::Plan;
use crate::workload::trace::Gap;
use crate::workload::trace::recording::{Action, Call, Context, Session};

/// Tokens of a block of Mooncake's traces.
const MOONCAKE_BLOCK: u32 = 512;
/// Tokens of a block of agentic traces.
const AGENTIC_BLOCK: u32 = 64;

#[derive(Serialize)]
struct MooncakeRow<'a> {
    timestamp: u64,
    input_length: u32,
    output_length: u32,
    hash_ids: &'a [u64],
}

/// Small numbers for blocks, in the order in which they first come up.
#[derive(Default)]
struct Blocks {
    numbers: FxHashMap<u64, u64>,
    ids: Vec<u64>,
}

impl Blocks {
    /// The blocks of a prompt. A block is the same where all before its end is: that is, where it
    /// ends in the same piece, whose key names all before it, at the same token.
    fn of(&mut self, call: &LoggedCall, size: u32) -> &[u64] {
        self.ids.clear();
        let mut pieces = call.pieces.iter().filter(|piece| piece.end > 0).peekable();
        for block in 0..call.input.div_ceil(size) {
            let end = (block + 1).saturating_mul(size).min(call.input);
            while pieces.peek().is_some_and(|piece| piece.end < end) {
                pieces.next();
            }
            let key = pieces.peek().map_or(call.session, |piece| piece.key);
            let next = self.numbers.len() as u64;
            let hash = derive(key, u64::from(end));
            self.ids.push(*self.numbers.entry(hash).or_insert(next));
        }
        &self.ids
    }
}

/// Writes calls as Mooncake's lines, in the order in which they were made.
///
/// # Errors
/// When they cannot be written.
pub fn mooncake(calls: &[LoggedCall], out: &mut dyn Write) -> io::Result<()> {
    let mut order: Vec<&LoggedCall> = calls.iter().collect();
    order.sort_by_key(|call| call.since);
    let mut blocks = Blocks::default();
    for call in order {
        let row = MooncakeRow {
            timestamp: call.since.0 / 1_000_000_000,
            input_length: call.input,
            output_length: call.output,
            hash_ids: blocks.of(call, MOONCAKE_BLOCK),
        };
        serde_json::to_writer(&mut *out, &row)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

#[derive(Serialize)]
struct AgenticHeader<'a> {
    schema: &'a str,
    version: u32,
    block_size: u32,
    hash_id_scope: &'a str,
    source: Source<'a>,
}

#[derive(Serialize)]
struct Source<'a> {
    format: &'a str,
    digest: &'a str,
}

#[derive(Serialize)]
struct AgenticRow<'a> {
    request_id: String,
    play_id: String,
    session_id: String,
    model: &'a str,
    input_length: u32,
    output_length: u32,
    hash_ids: &'a [u64],
    not_before_ms: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dependencies: Vec<Dependency>,
}

#[derive(Serialize)]
struct Dependency {
    request_id: String,
    trigger: &'static str,
    delay_ms: f64,
    relation: &'static str,
}

/// Calls of one session by caller, each caller's in their order; the session's agent is `session`.
struct Family<'c> {
    session: u64,
    threads: BTreeMap<u64, Vec<&'c LoggedCall>>,
}

/// Sessions in the order of their first calls.
fn families(calls: &[LoggedCall]) -> Vec<Family<'_>> {
    let mut order: Vec<&LoggedCall> = calls.iter().collect();
    order.sort_by_key(|call| call.since);
    let mut places: FxHashMap<u64, usize> = FxHashMap::default();
    let mut families: Vec<Family<'_>> = Vec::new();
    for call in order {
        let place = *places.entry(call.session).or_insert_with(|| {
            families.push(Family { session: call.session, threads: BTreeMap::new() });
            families.len() - 1
        });
        families[place].threads.entry(call.actor).or_default().push(call);
    }
    families
}

impl<'c> Family<'c> {
    /// The last call of a thread that had ended by then, by its place.
    fn before(&self, thread: u64, at: SimTime) -> Option<usize> {
        let calls = self.threads.get(&thread)?;
        calls.partition_point(|call| call.finished <= at).checked_sub(1)
    }

    /// The session in tokenfleet's own form, from the call of one thread on.
    fn session(&self, thread: u64, base: SimTime) -> Session {
        let own: &[&LoggedCall] = self.threads.get(&thread).map_or(&[], Vec::as_slice);
        let mut children: BTreeMap<usize, Vec<(SimTime, u64)>> = BTreeMap::new();
        for (&child, calls) in self.threads.iter().filter(|&(&child, _)| child != thread) {
            let Some(first) = calls.first().filter(|first| first.parent == thread) else {
                continue;
            };
            let place = self.before(thread, first.since).map_or(0, |place| place + 1);
            children.entry(place).or_default().push((first.since, child));
        }
        let (mut actions, mut end, mut task) = (Vec::new(), None, None);
        for place in 0..=own.len() {
            if let Some(mut spawned) = children.remove(&place) {
                spawned.sort_unstable();
                let start = spawned[0].0;
                let spawn: Vec<Session> =
                    spawned.iter().map(|&(_, child)| self.session(child, start)).collect();
                let wait_s = end.map_or(0.0, |end| start.since(end).as_s());
                actions.push(Action { wait_s, gap: Gap::Tool, spawn, ..Action::default() });
                let last = spawned.iter().filter_map(|(_, child)| self.threads.get(child)?.last());
                end = last.map(|call| call.finished).max().max(end);
            }
            let Some(call) = own.get(place) else { break };
            let begins = task != Some(call.task) && thread == self.session;
            let gap = match (actions.is_empty(), begins) {
                (true, _) => Gap::None,
                (_, true) => Gap::Human,
                _ => Gap::Tool,
            };
            let wait = end.map_or(SimDuration::ZERO, |end| call.since.since(end));
            let call_time = call.finished.since(call.since).as_s();
            actions.push(Action {
                wait_s: wait.as_s(),
                gap,
                task: begins,
                call: Some(Call {
                    input: call.input.max(1),
                    output: call.output.max(1),
                    context: texts(call),
                    cached: Some(call.cached),
                    time_s: Some(call_time),
                    ttft_s: call.first_token.map(|first| first.since(call.since).as_s()),
                    ..Call::default()
                }),
                spawn: Vec::new(),
            });
            (end, task) = (Some(call.finished), Some(call.task));
        }
        let start = own.first().map_or(SimDuration::ZERO, |first| first.since.since(base));
        let name = if thread == self.session { String::new() } else { format!("{thread:016x}") };
        Session { name, start_s: Some(start.as_s()), actions, ..Session::default() }
    }
}

/// Pieces as texts: a key names its text and all before it.
fn texts(call: &LoggedCall) -> Context {
    let mut below = 0;
    let text = |piece: &crate::workload::context::Piece| {
        let tokens = piece.end.saturating_sub(below);
        below = piece.end;
        (piece.key, tokens)
    };
    Context::Texts(call.pieces.iter().map(text).filter(|&(_, tokens)| tokens > 0).collect())
}

/// Calls as sessions of tokenfleet's own form.
pub fn sessions(calls: &[LoggedCall]) -> Vec<Session> {
    let of = |family: &Family<'_>| family.session(family.session, SimTime::ZERO);
    families(calls).iter().map(of).collect()
}

/// Writes calls as Dynamo's agentic Mooncake, version 2.
///
/// # Errors
/// When they cannot be written.
pub fn agentic_mooncake(plan: &Plan, calls: &[LoggedCall], out: &mut dyn Write) -> io::Result<()> {
    let header = AgenticHeader {
        schema: "dynamo.agentic_mooncake",
        version: 2,
        block_size: AGENTIC_BLOCK,
        hash_id_scope: "local",
        source: Source { format: "tokenfleet", digest: &plan.name },
    };
    serde_json::to_writer(&mut *out, &header)?;
    out.write_all(b"\n")?;
    for (play, family) in families(calls).iter().enumerate() {
        let mut blocks = Blocks::default();
        let id = |thread: u64, place: usize| format!("{play}-{thread:016x}-{place}");
        let all = family.threads.iter().flat_map(|(&thread, calls)| {
            calls.iter().enumerate().map(move |(place, call)| (thread, place, *call))
        });
        let mut all: Vec<(u64, usize, &LoggedCall)> = all.collect();
        all.sort_by_key(|&(_, place, call)| (call.since, place));
        for (thread, place, call) in all {
            let mut dependencies = Vec::new();
            let mut depend = |of: u64, at: usize, relation| {
                let on = family.threads[&of][at];
                dependencies.push(Dependency {
                    request_id: id(of, at),
                    trigger: "completion",
                    delay_ms: call.since.since(on.finished).as_s() * 1e3,
                    relation,
                });
            };
            if let Some(before) = place.checked_sub(1) {
                depend(thread, before, "sequence");
                let last = family.threads[&thread][before].since;
                for (&child, calls) in &family.threads {
                    let spawned = calls.first().is_some_and(|first| {
                        child != thread && first.parent == thread && first.since >= last
                    });
                    if let Some(end) = family.before(child, call.since).filter(|_| spawned) {
                        depend(child, end, "join");
                    }
                }
            } else if thread != family.session
                && let Some(at) = family.before(call.parent, call.since)
            {
                depend(call.parent, at, "spawn");
            }
            let starts = dependencies.is_empty();
            let row = AgenticRow {
                request_id: id(thread, place),
                play_id: play.to_string(),
                session_id: format!("{play}-{thread:016x}"),
                model: plan.pools.get(usize::from(call.pool)).map_or("", |pool| &pool.model),
                input_length: call.input,
                output_length: call.output,
                hash_ids: blocks.of(call, AGENTIC_BLOCK),
                not_before_ms: if starts { call.since.as_s() * 1e3 } else { 0.0 },
                dependencies,
            };
            serde_json::to_writer(&mut *out, &row)?;
            out.write_all(b"\n")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foundations::Sources;
    use crate::simulation::World;
    use crate::simulation::scenario::files::NoFiles;
    use crate::simulation::scenario::{ReadOptions, Scenario};
    use crate::workload::trace::RecordedStep;
    use crate::workload::trace::assemble::Assembler;
    use crate::workload::trace::import::{self, Format, ImportOptions};
    use crate::workload::trace::recording::{Ending, Header, Sink, VERSION};
    use crate::workload::trace::{KeyScope, Trace};

    const SCENARIO: &str = r#"
[run]
horizon = "4 min"
[agents.research]
program = "deep-research"
model = "main"
arrivals = { poisson = "0.02 /s" }
[agents.coder]
program = "coding-interactive"
model = "main"
session = { think_time = "5 s" }
arrivals = { poisson = "0.02 /s" }
[pools.main]
model = "qwen3-coder-480b-a35b"
accelerator = "h200-sxm"
tensor_parallel = 8
precision = { weights = "fp8", kv = "fp8" }
"#;

    fn simulated() -> (Plan, Vec<LoggedCall>) {
        let mut sources = Sources::default();
        let source = sources.add_file("s.toml", SCENARIO);
        let options = ReadOptions::new(&NoFiles);
        let mut scenario = Scenario::read(source, &mut sources, &options).unwrap();
        let plan = scenario.variants.remove(0).plan;
        let calls = World::calls_of_trial(&plan, 1, 0, |_, _| true).unwrap();
        assert!(calls.len() > 100, "{}", calls.len());
        (plan, calls)
    }

    fn imported(format: Format, text: &[u8]) -> Trace {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("exported");
        std::fs::write(&path, text).unwrap();
        let mut trace = Assembler::new("t");
        let ending = import::read(format, &[path], &ImportOptions::default(), &mut trace).unwrap();
        assert_eq!(ending.notes, [""; 0]);
        trace.finish(ending).unwrap()
    }

    fn sizes(trace: &Trace) -> Vec<(u32, u32)> {
        let mut sizes: Vec<_> = trace.calls.iter().map(|call| (call.input, call.output)).collect();
        sizes.sort_unstable();
        sizes
    }

    fn sizes_of(calls: &[LoggedCall]) -> Vec<(u32, u32)> {
        let mut sizes: Vec<_> = calls.iter().map(|call| (call.input, call.output)).collect();
        sizes.sort_unstable();
        sizes
    }

    /// Tokens that two prompts have in common, by the pieces of the simulation.
    fn common(one: &LoggedCall, other: &LoggedCall) -> u32 {
        let mut common = 0;
        for (a, b) in one.pieces.iter().zip(&other.pieces).take_while(|(a, b)| a.key == b.key) {
            common = a.end.min(b.end);
            if a.end != b.end {
                break;
            }
        }
        common
    }

    #[test]
    fn a_mooncake_trace_has_every_call_and_what_prompts_share() {
        let (_, calls) = simulated();
        let mut text = Vec::new();
        mooncake(&calls, &mut text).unwrap();
        let trace = imported(Format::Mooncake, &text);
        assert_eq!(sizes(&trace), sizes_of(&calls));
        let mut order: Vec<&LoggedCall> = calls.iter().collect();
        order.sort_by_key(|call| call.since);
        for (one, other) in [(0, 1), (3, 4), (10, 90), (50, 51), (20, 100)] {
            let blocks = common(order[one], order[other]) / MOONCAKE_BLOCK;
            let shared = trace.common_prefix(one as u32, other as u32) / MOONCAKE_BLOCK;
            assert_eq!(shared, blocks, "{one} {other}");
        }
    }

    #[test]
    fn an_agentic_trace_keeps_sub_agents_and_pauses() {
        let (plan, calls) = simulated();
        let mut text = Vec::new();
        agentic_mooncake(&plan, &calls, &mut text).unwrap();
        let trace = imported(Format::AgenticMooncake, &text);
        assert_eq!(sizes(&trace), sizes_of(&calls));
        let roots: std::collections::BTreeSet<u64> =
            calls.iter().map(|call| call.session).collect();
        let actors: std::collections::BTreeSet<u64> = calls.iter().map(|call| call.actor).collect();
        assert_eq!((trace.roots.len(), trace.sessions.len()), (roots.len(), actors.len()));
        assert!(roots.len() < actors.len());
        // A pause behind sub-agents counts from the last of them, not from the call before them.
        let pauses = |trace: &Trace| {
            let of = |session: u32| {
                let actions = trace.actions_of(session).iter();
                let calls = actions.filter_map(|action| match action.step {
                    RecordedStep::Call(call) => Some((call, action.delay.as_s())),
                    RecordedStep::Spawn(_) => None,
                });
                calls.map(|(call, pause)| (trace.calls[call as usize].input, pause)).collect()
            };
            let mut all: Vec<Vec<(u32, f64)>> = (0..trace.sessions.len() as u32).map(of).collect();
            all.sort_by(|a, b| a.partial_cmp(b).unwrap());
            all.concat()
        };
        let (own, read) = (pauses(&as_own_sessions(&calls)), pauses(&trace));
        assert_eq!(own.len(), read.len());
        for (own, read) in own.iter().zip(&read) {
            assert!(own.0 == read.0 && (own.1 - read.1).abs() < 1e-6, "{own:?} {read:?}");
        }
    }

    fn as_own_sessions(calls: &[LoggedCall]) -> Trace {
        let mut trace = Assembler::new("t");
        let (version, scope) = (VERSION, KeyScope::Global);
        trace.begin(&Header { version, source: "x".into(), scope, block_size: 1 }).unwrap();
        sessions(calls).into_iter().for_each(|session| trace.session(session).unwrap());
        trace.finish(Ending::default()).unwrap()
    }

    #[test]
    fn own_sessions_give_back_the_simulated_clock() {
        let (_, calls) = simulated();
        let trace = as_own_sessions(&calls);
        assert_eq!(sizes(&trace), sizes_of(&calls));
        // A session's agent makes its calls when it made them: starts, pauses and service add up.
        let first = calls.iter().min_by_key(|call| call.since).unwrap();
        let own = calls.iter().filter(|call| call.actor == first.session);
        let recorded: Vec<f64> = own.map(|call| call.since.as_s()).collect();
        let root = trace.roots[0];
        let mut clock = trace.sessions[root as usize].start.as_s();
        let mut replayed = Vec::new();
        for action in trace.actions_of(root) {
            clock += action.delay.as_s();
            let RecordedStep::Call(call) = action.step else {
                return assert!(replayed.len() > 1, "spawns end the comparison");
            };
            replayed.push(clock);
            clock += trace.calls[call as usize].recorded_time.unwrap().as_s();
        }
        assert_eq!(recorded.len(), replayed.len());
        for (recorded, replayed) in recorded.iter().zip(&replayed) {
            assert!((recorded - replayed).abs() < 1e-6, "{recorded} {replayed}");
        }
    }
}
