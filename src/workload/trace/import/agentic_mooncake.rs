//! Dynamo's agentic Mooncake: requests with the requests that they waited for.
//!
//! Version 1 has a row `{"request_id", "session_id", "input_length", "output_length", "hash_ids",
//! "timestamp", "wait_for": [request ids], "delay", "tool_wait_ms"}` for each request. Version 2
//! opens with a header `{"schema": "dynamo.agentic_mooncake", "version": 2, "block_size", ...}`, and
//! its rows name their play and `"dependencies": [{"request_id", "trigger", "delay_ms",
//! "relation"}]` instead. Times are milliseconds; a delay counts from the end of the other request,
//! or from its start where `trigger` is `dispatch`.
//!
//! Rows of one session follow each other. A session whose first row waited for a row of another one
//! is its sub-agent, spawned behind that row, and its parent waits for it before it goes on. One
//! that no later row of its parent waited for is a session of its own where its time is known.
//! Each delay of a row is counted from a recorded end, so the least of them is the pause behind the
//! last that it waited for.
//!
//! Source: the crate `dynamo-data-gen` 1.3 (version 1) and 1.6 (version 2), Apache-2.0.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rustc_hash::FxHashMap;
use serde::Deserialize;

use super::ImportOptions;
use super::input::{name, only, open};
use super::notes::{NO_OUTPUT, Notes};
use crate::workload::trace::block_ids::BlockIds;
use crate::workload::trace::lines::{Lines, malformed};
use crate::workload::trace::recording::{
    Action, Call, Context, Ending, Header, Session, Sink, VERSION,
};
use crate::workload::trace::{Gap, KeyScope, TraceError, TracePlace};

const EXPECTED: &str = "a row is {\"request_id\", \"session_id\", \"input_length\", \
    \"output_length\", \"hash_ids\", ...} with `wait_for` (version 1) or `dependencies` (version 2)";

#[derive(Deserialize)]
struct Opening {
    #[serde(rename = "schema")]
    _schema: String,
    version: u32,
    block_size: u32,
}

#[derive(Deserialize)]
struct Row {
    request_id: String,
    #[serde(default)]
    play_id: String,
    #[serde(default)]
    session_id: Option<String>,
    #[serde(default)]
    model: String,
    #[serde(alias = "input_tokens")]
    input_length: Option<u32>,
    #[serde(alias = "output_tokens")]
    output_length: Option<u32>,
    #[serde(default)]
    hash_ids: Option<BlockIds>,
    #[serde(alias = "not_before_ms", alias = "created_time")]
    timestamp: Option<f64>,
    #[serde(alias = "delay_ms")]
    delay: Option<f64>,
    tool_wait_ms: Option<f64>,
    recorded_api_time_ms: Option<f64>,
    #[serde(default)]
    wait_for: Vec<String>,
    #[serde(default)]
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    request_id: String,
    delay_ms: f64,
    #[serde(default)]
    trigger: Trigger,
}

/// What of another request a request waits for.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Trigger {
    #[default]
    Completion,
    Dispatch,
}

/// A request and when it began, on the recorded clock.
struct Request {
    id: String,
    call: Call,
    start_s: Option<f64>,
    waits: Vec<Wait>,
}

/// A wait of a request: `delay_s` after another one.
struct Wait {
    on: String,
    delay_s: f64,
    trigger: Trigger,
}

/// A session of the file: its requests in their order, and what spawned it.
#[derive(Default)]
struct Thread {
    name: String,
    requests: Vec<Request>,
    /// Sub-agents by the place of the request that they follow.
    children: BTreeMap<usize, Vec<usize>>,
    is_child: bool,
}

impl Thread {
    /// When its first request began.
    fn start_s(&self) -> Option<f64> {
        self.requests.first()?.start_s
    }
}

pub(super) fn read(
    paths: &[PathBuf],
    options: &ImportOptions,
    sink: &mut dyn Sink,
) -> Result<Ending, TraceError> {
    let path = only(paths, "agentic-mooncake")?;
    let mut notes = Notes::default();
    let mut lines = Lines::new(&name(path), open(path)?);
    let mut opening: Option<Opening> = None;
    let mut threads: Vec<Thread> = Vec::new();
    let mut places: FxHashMap<(String, String), usize> = FxHashMap::default();
    while lines.read()? {
        if threads.is_empty()
            && opening.is_none()
            && lines.line().windows(8).any(|w| w == b"\"schema\"")
        {
            let found: Opening = lines.parse(EXPECTED)?;
            if found.version != 2 || found.block_size == 0 {
                let problem = format!("version {} of the format, 1 and 2 are known", found.version);
                return Err(malformed(lines.place().clone(), problem, EXPECTED));
            }
            opening = Some(found);
            continue;
        }
        let row: Row = lines.parse(EXPECTED)?;
        let (Some(input @ 1..), Some(output)) = (row.input_length, row.output_length) else {
            let place = TracePlace { path: row.request_id, ..lines.place().clone() };
            return Err(malformed(place, "a request without `input_length` or output", EXPECTED));
        };
        notes.count_if(output == 0, NO_OUTPUT);
        let blocks = row.hash_ids.unwrap_or_default();
        let seconds = |ms: f64| (ms / 1e3).clamp(0.0, 1e7);
        let paused = seconds(row.delay.unwrap_or(0.0)) + seconds(row.tool_wait_ms.unwrap_or(0.0));
        let before = row.wait_for.into_iter().map(|on| Wait {
            on,
            delay_s: paused,
            trigger: Trigger::Completion,
        });
        let named = row.dependencies.into_iter().map(|wait| Wait {
            on: wait.request_id,
            delay_s: seconds(wait.delay_ms),
            trigger: wait.trigger,
        });
        let request = Request {
            waits: before.chain(named).collect(),
            start_s: row.timestamp.map(|ms| ms / 1e3),
            call: Call {
                input,
                output: output.max(1),
                context: Context::Blocks(blocks.runs),
                model: row.model,
                time_s: row.recorded_api_time_ms.map(seconds),
                ..Call::default()
            },
            id: row.request_id,
        };
        let session = row.session_id.unwrap_or_else(|| request.id.clone());
        let thread = *places.entry((row.play_id, session)).or_insert_with_key(|(_, session)| {
            threads.push(Thread { name: session.clone(), ..Thread::default() });
            threads.len() - 1
        });
        threads[thread].requests.push(request);
    }
    if threads.is_empty() {
        return Err(TraceError::Empty { file: name(path), expected: EXPECTED });
    }
    notes.add("blank lines passed over", lines.blank);
    let scope = if opening.is_some() { KeyScope::PerSession } else { KeyScope::Global };
    let stated = opening.map(|found| found.block_size).or(options.block_size);
    let block_size = stated.unwrap_or_else(|| fitting_block_size(&threads));
    clip_blocks(&mut threads, block_size, &mut notes);
    sink.begin(&Header { version: VERSION, source: "agentic-mooncake".into(), scope, block_size })?;
    let pauses = adopt(&mut threads, &mut notes);
    let starts = || threads.iter().filter_map(Thread::start_s);
    let origin = starts().min_by(f64::total_cmp).unwrap_or(0.0);
    let roots: Vec<usize> = (0..threads.len()).filter(|&root| !threads[root].is_child).collect();
    for root in roots {
        let start = threads[root].start_s().map_or(0.0, |start| start - origin);
        sink.session(take(&mut threads, &pauses, root, start.min(1e7), 0))?;
    }
    Ok(Ending { clock_grid_s: 0.0, notes: notes.into_lines() })
}

fn count(call: &Call) -> u64 {
    match &call.context {
        Context::Blocks(runs) => runs.iter().map(|&(_, count)| u64::from(count)).sum(),
        Context::Keep(..) | Context::Texts(_) => 0,
    }
}

/// The smallest power of two for which no prompt has more blocks than it has room for; version 1
/// does not say.
fn fitting_block_size(threads: &[Thread]) -> u32 {
    let calls = || threads.iter().flat_map(|thread| &thread.requests).map(|request| &request.call);
    let fits = |size: &u32| {
        calls().all(|call| u64::from(call.input).div_ceil(u64::from(*size)) <= count(call).max(1))
    };
    let sizes: Vec<u32> = (0..=13).map(|power| 1 << power).collect();
    sizes.iter().copied().find(fits).unwrap_or(512)
}

/// Cuts blocks for which a prompt has no room.
fn clip_blocks(threads: &mut [Thread], block_size: u32, notes: &mut Notes) {
    let requests = threads.iter_mut().flat_map(|thread| &mut thread.requests);
    for call in requests.map(|request| &mut request.call) {
        let room = call.input.div_ceil(block_size.max(1));
        let needed = count(call);
        notes.count_if(needed > u64::from(room), "prompts had more blocks than room for them: cut");
        notes.count_if(
            needed < u64::from(room),
            "prompts had fewer blocks than input: the rest is shared with nobody",
        );
        let Context::Blocks(runs) = &mut call.context else { continue };
        let mut left = room;
        runs.retain_mut(|(_, length)| {
            *length = (*length).min(left);
            left -= *length;
            *length > 0
        });
    }
}

/// Pauses before each request of each thread, seconds.
type Pauses = Vec<Vec<f64>>;

/// Hangs sessions that waited for a request of another session below it.
fn adopt(threads: &mut [Thread], notes: &mut Notes) -> Pauses {
    let mut owner: FxHashMap<&str, (usize, usize)> = FxHashMap::default();
    for (thread, found) in threads.iter().enumerate() {
        for (place, request) in found.requests.iter().enumerate() {
            owner.insert(&request.id, (thread, place));
        }
    }
    // Threads and places that each request of each thread waited for.
    let waited: Vec<Vec<Vec<(usize, usize)>>> = threads
        .iter()
        .map(|thread| {
            let of = |request: &Request| {
                let found = request.waits.iter().filter_map(|wait| owner.get(wait.on.as_str()));
                let found: Vec<_> = found.copied().collect();
                let missing = request.waits.len() - found.len();
                notes.add("named dependencies are in no row", missing as u64);
                found
            };
            thread.requests.iter().map(of).collect()
        })
        .collect();
    let pause = |request: &Request| {
        let behind_end = |wait: &Wait| match (wait.trigger, owner.get(wait.on.as_str())) {
            (Trigger::Completion, _) => wait.delay_s,
            (Trigger::Dispatch, Some(&(thread, place))) => {
                let time_s = threads[thread].requests[place].call.time_s;
                time_s.map_or(0.0, |time_s| (wait.delay_s - time_s).max(0.0))
            }
            (Trigger::Dispatch, None) => 0.0,
        };
        request.waits.iter().map(behind_end).min_by(f64::total_cmp).unwrap_or(0.0)
    };
    let pauses = threads.iter().map(|thread| thread.requests.iter().map(pause).collect()).collect();
    let mut parents: Vec<Option<usize>> = vec![None; threads.len()];
    for child in 0..threads.len() {
        let Some(&(parent, place)) = waited[child][0].iter().find(|wait| wait.0 != child) else {
            continue;
        };
        // A loop of sessions that wait for each other has no beginning.
        let mut above = Some(parent);
        while let Some(next) = above.filter(|&next| next != child) {
            above = parents[next];
        }
        if above.is_some() {
            notes.count("sessions waited for each other in a circle: begun at their timestamps");
            continue;
        }
        let later = &waited[parent][place + 1..];
        let joined = later.iter().position(|waits| waits.iter().any(|wait| wait.0 == child));
        let spawned = threads[parent].requests[place].start_s;
        let start = threads[child].start_s();
        let is_dated = start.zip(spawned).is_some_and(|(start, spawned)| start > spawned);
        if joined.is_none() && !later.is_empty() && is_dated {
            notes.count("sub-agents that nobody waited for: sessions of their own");
            continue;
        }
        notes.count_if(
            joined != Some(0) && !later.is_empty(),
            "sub-agents ran beside later calls of their parent: here it waits for them first",
        );
        parents[child] = Some(parent);
        threads[child].is_child = true;
        threads[parent].children.entry(place).or_default().push(child);
    }
    pauses
}

/// A session with its sub-agents; beyond a depth that no agent reaches they are left out.
fn take(threads: &mut [Thread], pauses: &Pauses, at: usize, start_s: f64, depth: u32) -> Session {
    const DEEPEST: u32 = 30;
    let Thread { name, requests, mut children, is_child } = std::mem::take(&mut threads[at]);
    let mut actions = Vec::with_capacity(requests.len());
    for (place, request) in requests.into_iter().enumerate() {
        let is_first = actions.is_empty();
        actions.push(Action {
            wait_s: if is_first { 0.0 } else { pauses[at][place] },
            gap: if is_first { Gap::None } else { Gap::Tool },
            task: is_first && !is_child,
            call: Some(request.call),
            spawn: Vec::new(),
        });
        let spawned = children.remove(&place).unwrap_or_default();
        let spawned = spawned.into_iter().filter(|_| depth < DEEPEST);
        let spawn: Vec<Session> = spawned
            .map(|child| take(threads, pauses, child, pauses[child][0], depth + 1))
            .collect();
        if !spawn.is_empty() {
            actions.push(Action { gap: Gap::Tool, spawn, ..Action::default() });
        }
    }
    Session { name, start_s: Some(start_s), actions, ..Session::default() }
}
