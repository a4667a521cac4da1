//! From session files to [`Session`]s.

use super::counts::{CLOCK_S, Counts};
use super::session_file::{Entry, EntryType, SessionFile};
use super::{ClaudeCodeOptions, EXPECTED};
use crate::foundations::SimDuration;
use crate::workload::trace::lines::malformed;
use crate::workload::trace::recording::{
    Action, Call, Context, Ending, Header, Session, Sink, VERSION,
};
use crate::workload::trace::{Gap, KeyScope, TraceError, TracePlace};

/// Hands session after session to a sink.
pub(super) struct Builder<'s> {
    sink: &'s mut dyn Sink,
    options: ClaudeCodeOptions,
    /// What all sessions agree in.
    header: Option<Header>,
    has_calls: bool,
    /// Whether calls of sub-agents carry times of their session rather than of their spawn.
    on_session_clock: bool,
    pub(super) counts: Counts,
}

/// What messages say of where they are: the session's place in its file, the requests' in it.
struct At<'a> {
    place: &'a TracePlace,
    path: String,
}

/// A sub-agent with its times, in seconds of its parent's clock.
struct Child<'a> {
    entry: &'a Entry,
    requests: &'a [Entry],
    at: At<'a>,
    spawn: f64,
    end: f64,
}

/// Whether some sub-agent's first call lies behind its whole duration, and not before its session
/// could have spawned it: its times are then those of the session.
fn on_session_clock(requests: &[Entry]) -> bool {
    requests.iter().any(|entry| {
        let Some(inner) = &entry.requests else { return false };
        let span = entry.duration_ms.map(|ms| ms / 1000.0).zip(inner.first().map(|first| first.t));
        let shows = span.is_some_and(|(duration, first)| {
            first > duration + CLOCK_S && first >= entry.t - duration - CLOCK_S
        });
        shows || on_session_clock(inner)
    })
}

impl<'a> At<'a> {
    fn joined(&self, key: &str) -> String {
        let dot = if self.path.is_empty() || key.is_empty() { "" } else { "." };
        format!("{}{dot}{key}", self.path)
    }

    fn request(&self, index: usize) -> At<'a> {
        At { place: self.place, path: self.joined(&format!("requests[{index}]")) }
    }

    fn fault(&self, key: &str, problem: impl Into<String>, mend: &str) -> TraceError {
        malformed(TracePlace { path: self.joined(key), ..self.place.clone() }, problem, mend)
    }
}

impl<'s> Builder<'s> {
    pub(super) fn new(options: ClaudeCodeOptions, sink: &'s mut dyn Sink) -> Self {
        let (header, counts) = (None, Counts::default());
        Self { sink, options, header, has_calls: false, on_session_clock: false, counts }
    }

    /// Adds a session that stands at `place`.
    pub(super) fn add(&mut self, file: SessionFile, place: &TracePlace) -> Result<(), TraceError> {
        let SessionFile { id, block_size, hash_id_scope, requests } = file;
        let at = At { place, path: String::new() };
        let scope = KeyScope::from(hash_id_scope);
        if block_size == 0 {
            return Err(at.fault("block_size", "blocks of 0 tokens", "give a block's tokens: 64"));
        }
        match &self.header {
            Some(header) if header.scope != scope => {
                let mend = "read sessions of one scope at a time";
                return Err(at.fault("hash_id_scope", "differs from the sessions before", mend));
            }
            Some(Header { block_size: known, scope: KeyScope::Global, .. })
                if *known != block_size =>
            {
                let problem = format!("differs from the {known} of the sessions before");
                return Err(at.fault("block_size", problem, "global hashes need one block size"));
            }
            Some(_) => {}
            None => {
                let source = "claude-code".to_owned();
                let header = Header { version: VERSION, source, scope, block_size };
                self.sink.begin(&header)?;
                self.header = Some(header);
            }
        }
        self.on_session_clock = on_session_clock(&requests);
        let actions = self.session(&requests, block_size, None, &at)?;
        if actions.is_empty() {
            self.counts.empty_sessions += 1;
            return Ok(());
        }
        self.has_calls = true;
        let common = self.header.as_ref().map(|header| header.block_size);
        let own = Some(block_size).filter(|_| common != Some(block_size));
        self.sink.session(Session { name: id, block_size: own, actions, ..Session::default() })
    }

    /// What is left to say when all sessions have been added.
    pub(super) fn finish(self, name: &str) -> Result<Ending, TraceError> {
        if !self.has_calls {
            return Err(TraceError::Empty { file: name.to_owned(), expected: EXPECTED });
        }
        Ok(Ending { clock_grid_s: 0.0, notes: self.counts.notes() })
    }

    /// What a session does, its sub-agents included; a sub-agent was `spawned` at a time on the
    /// clock of its own calls.
    fn session(
        &mut self,
        requests: &[Entry],
        block_size: u32,
        spawned: Option<f64>,
        at: &At<'_>,
    ) -> Result<Vec<Action>, TraceError> {
        let is_child = spawned.is_some();
        let mut actions = Vec::new();
        let mut children = Vec::new();
        let mut previous: Option<&Entry> = None;
        // When the last action ended, where that is known.
        let mut end = spawned.or(requests.first().map(|first| first.t));
        for (index, entry) in requests.iter().enumerate() {
            let here = at.request(index);
            if entry.kind == EntryType::Subagent {
                children.push(self.child(entry, previous, here)?);
                continue;
            }
            let joined = self.spawn(&mut children, block_size, end, &mut actions)?;
            end = joined.or(end);
            if let Some(call) = self.call(entry, block_size, &here)? {
                // After sub-agents, the recorded think_time holds theirs too.
                let is_next = previous.is_some() && joined.is_none();
                let think_time = entry.think_time.filter(|_| is_next);
                if is_next && think_time.is_none() {
                    self.counts.without_think_time();
                }
                let by_user = !is_child && entry.has_user_text(previous);
                let gap = if by_user { Gap::Human } else { Gap::Tool };
                actions.push(Action {
                    wait_s: self.counts.pause(think_time, end, entry.t, &self.options),
                    gap: if actions.is_empty() { Gap::None } else { gap },
                    task: !is_child && (by_user || actions.is_empty()),
                    call: Some(call),
                    spawn: Vec::new(),
                });
            }
            (end, previous) = (entry.end(), Some(entry));
        }
        self.spawn(&mut children, block_size, end, &mut actions)?;
        Ok(actions)
    }

    /// A call; `None` where it is left out for its length.
    fn call(
        &mut self,
        entry: &Entry,
        block_size: u32,
        at: &At<'_>,
    ) -> Result<Option<Call>, TraceError> {
        let (Some(input), Some(output), Some(hashes)) =
            (entry.input, entry.output, &entry.hash_ids)
        else {
            return Err(at.fault("", "a call lacks `in`, `out` or `hash_ids`", EXPECTED));
        };
        if input == 0 {
            return Err(at.fault("in", "a call without input", "remove the request"));
        }
        if !self.keeps(entry) {
            self.counts.too_long += 1;
            return Ok(None);
        }
        let blocks = hashes.count;
        if blocks > u64::from(input.div_ceil(block_size)) {
            let problem =
                format!("{blocks} blocks of {block_size} tokens for {input} tokens of input");
            let mend = "one block per `block_size` tokens of `in`, the last may be partly filled";
            return Err(at.fault("hash_ids", problem, mend));
        }
        self.counts.uncovered += u64::from(blocks < u64::from(input / block_size));
        self.counts.no_output += u64::from(output == 0);
        let time = |seconds: Option<f64>| seconds.filter(|seconds| *seconds >= 0.0);
        Ok(Some(Call {
            input,
            output: output.max(1),
            context: Context::Blocks(hashes.runs.clone()),
            model: entry.model.clone(),
            cached: None,
            ttft_s: time(entry.ttft),
            time_s: time(entry.api_time),
        }))
    }

    /// A sub-agent with its times; `previous` is the call that spawned it.
    fn child<'a>(
        &mut self,
        entry: &'a Entry,
        previous: Option<&Entry>,
        at: At<'a>,
    ) -> Result<Child<'a>, TraceError> {
        let Some(requests) = &entry.requests else {
            return Err(at.fault("requests", "a sub-agent without requests", EXPECTED));
        };
        // The replayed child ends with its last call, so whatever came after counts as delay.
        let last_end = requests.iter().rev().find(|inner| inner.kind != EntryType::Subagent);
        let last_end = last_end.map(|call| call.end().unwrap_or(call.t));
        let duration = entry.duration_ms.map(|ms| ms / 1000.0).or(last_end).unwrap_or(0.0);
        let spawner_end = previous.map_or(0.0, |call| call.end().unwrap_or(call.t));
        let first = requests.first().filter(|_| self.on_session_clock).map(|first| first.t);
        let stamped_at_end = match first {
            Some(first) => first < entry.t - CLOCK_S,
            None => entry.t - duration >= spawner_end - CLOCK_S,
        };
        self.counts.stamped_at_spawn += u64::from(!stamped_at_end);
        self.counts.on_session_clock += u64::from(self.on_session_clock);
        let spawn = if stamped_at_end { entry.t - duration } else { entry.t };
        let behind_spawn = if self.on_session_clock { 0.0 } else { spawn };
        let end = last_end.map_or(spawn + duration, |end| behind_spawn + end);
        Ok(Child { entry, requests, at, spawn, end })
    }

    /// Adds the sub-agents that wait in `children`, one action for those that overlap in time;
    /// returns when the last of them ended.
    fn spawn(
        &mut self,
        children: &mut Vec<Child<'_>>,
        block_size: u32,
        mut end: Option<f64>,
        actions: &mut Vec<Action>,
    ) -> Result<Option<f64>, TraceError> {
        let mut joined = None;
        let all = children.len();
        children.retain(|child| child.requests.iter().any(|inner| self.keeps(inner)));
        self.counts.empty_subagents += (all - children.len()) as u64;
        children.sort_by(|a, b| a.spawn.total_cmp(&b.spawn));
        let mut waiting = children.drain(..).peekable();
        while let Some(first) = waiting.next() {
            let spawn = first.spawn;
            let mut last = first.end;
            let mut wave = vec![first];
            while let Some(next) = waiting.next_if(|next| next.spawn < last) {
                last = last.max(next.end);
                wave.push(next);
            }
            let mut sessions = Vec::with_capacity(wave.len());
            for child in wave {
                let spawned = if self.on_session_clock { child.spawn } else { 0.0 };
                let actions = self.session(child.requests, block_size, Some(spawned), &child.at)?;
                let start = SimDuration::from_s_saturating(child.spawn - spawn).as_s();
                let name = child.entry.agent_id.clone();
                let start_s = Some(start);
                sessions.push(Session { name, start_s, actions, ..Session::default() });
            }
            actions.push(Action {
                wait_s: self.counts.pause(None, end, spawn, &self.options),
                gap: if actions.is_empty() { Gap::None } else { Gap::Tool },
                task: false,
                call: None,
                spawn: sessions,
            });
            (end, joined) = (Some(last), Some(last));
        }
        Ok(joined)
    }

    /// Whether a request leaves a call behind.
    fn keeps(&self, entry: &Entry) -> bool {
        match &entry.requests {
            Some(inner) if entry.kind == EntryType::Subagent => inner.iter().any(|e| self.keeps(e)),
            _ => {
                let tokens = entry.input.unwrap_or(0).saturating_add(entry.output.unwrap_or(0));
                tokens <= self.options.longest_call.unwrap_or(u32::MAX)
            }
        }
    }
}
