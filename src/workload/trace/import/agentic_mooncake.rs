//! Dynamo's agentic Mooncake: requests with the requests that they waited for.
//!
//! Version 1 has a row `{"request_id", "session_id", "input_length", "output_length", "hash_ids",
//! "timestamp", "wait_for": [request ids], "delay", "tool_wait_ms"}` for each request. Version 2
//! opens with a header `{"schema": "dynamo.agentic_mooncake", "version": 2, "block_size", ...}`, and
//! its rows name their play and `"dependencies": [{"request_id", "trigger", "delay_ms",
//! "relation"}]` instead. Times are milliseconds.
//!
//! Rows of one session follow each other. A session whose first row waited for a row of another one
//! is its sub-agent, spawned behind that row; here a parent waits for its sub-agents.
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
    #[serde(alias = "not_before_ms")]
    timestamp: Option<f64>,
    delay: Option<f64>,
    tool_wait_ms: Option<f64>,
    #[serde(default)]
    wait_for: Vec<String>,
    #[serde(default)]
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    request_id: String,
    delay_ms: f64,
}

/// A request, its waits in seconds.
struct Request {
    id: String,
    call: Call,
    start_s: f64,
    wait_s: f64,
    after: Vec<String>,
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
        let seconds = |ms: Option<f64>| (ms.unwrap_or(0.0) / 1e3).clamp(0.0, 1e7);
        let longest = row.dependencies.iter().map(|on| on.delay_ms).fold(0.0, f64::max);
        let named = row.dependencies.into_iter().map(|on| on.request_id);
        let request = Request {
            after: row.wait_for.into_iter().chain(named).collect(),
            wait_s: seconds(row.delay) + seconds(row.tool_wait_ms) + seconds(Some(longest)),
            start_s: seconds(row.timestamp),
            call: Call {
                input,
                output: output.max(1),
                context: Context::Blocks(blocks.runs),
                model: row.model,
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
    adopt(&mut threads, &mut notes);
    for root in 0..threads.len() {
        if !threads[root].is_child {
            let start = threads[root].requests.first().map_or(0.0, |first| first.start_s);
            let session = take(&mut threads, root, Some(start), 0);
            sink.session(session)?;
        }
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
    let sizes: Vec<u32> = (4..=13).map(|power| 1 << power).collect();
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

/// Hangs sessions that waited for a request of another session below it.
fn adopt(threads: &mut [Thread], notes: &mut Notes) {
    let mut owner: FxHashMap<String, (usize, usize)> = FxHashMap::default();
    for (thread, found) in threads.iter().enumerate() {
        for (place, request) in found.requests.iter().enumerate() {
            owner.insert(request.id.clone(), (thread, place));
        }
    }
    let mut parents: Vec<Option<usize>> = vec![None; threads.len()];
    for child in 0..threads.len() {
        let Some(first) = threads[child].requests.first() else { continue };
        let found = first.after.iter().filter_map(|id| owner.get(id).copied());
        let Some((parent, place)) = found.into_iter().find(|&(parent, _)| parent != child) else {
            notes.add("named dependencies are in no row", first.after.len() as u64);
            continue;
        };
        // A loop of sessions that wait for each other has no beginning.
        let mut above = Some(parent);
        while let Some(next) = above.filter(|&next| next != child) {
            above = parents[next];
        }
        if above.is_none() {
            parents[child] = Some(parent);
            threads[child].is_child = true;
            threads[parent].children.entry(place).or_default().push(child);
        } else {
            notes.count("sessions waited for each other in a circle: begun at their timestamps");
        }
    }
}

/// A session with its sub-agents; beyond a depth that no agent reaches they are left out.
fn take(threads: &mut [Thread], at: usize, start_s: Option<f64>, depth: u32) -> Session {
    const DEEPEST: u32 = 30;
    let Thread { name, requests, mut children, is_child } = std::mem::take(&mut threads[at]);
    let mut actions = Vec::with_capacity(requests.len());
    for (place, request) in requests.into_iter().enumerate() {
        let is_first = actions.is_empty();
        actions.push(Action {
            wait_s: if is_first { 0.0 } else { request.wait_s },
            gap: if is_first { Gap::None } else { Gap::Tool },
            task: is_first && !is_child,
            call: Some(request.call),
            spawn: Vec::new(),
        });
        let spawned = children.remove(&place).unwrap_or_default();
        let spawned = spawned.into_iter().filter(|_| depth < DEEPEST);
        let spawn: Vec<Session> = spawned
            .map(|child| {
                let delay = threads[child].requests.first().map_or(0.0, |first| first.wait_s);
                take(threads, child, Some(delay), depth + 1)
            })
            .collect();
        if !spawn.is_empty() {
            actions.push(Action { gap: Gap::Tool, spawn, ..Action::default() });
        }
    }
    Session { name, start_s, actions, ..Session::default() }
}
