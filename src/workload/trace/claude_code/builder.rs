//! From recorded sessions to a [`Trace`].

use std::ops::Range;

use super::counts::{CLOCK_S, Counts};
use super::session_file::{Entry, EntryType, SessionFile};
use super::{ClaudeCodeOptions, EXPECTED};
use crate::foundations::SimDuration;
use crate::workload::trace::context_tree::{ContextTree, Full};
use crate::workload::trace::lines::malformed;
use crate::workload::trace::{
    Gap, KeyScope, RecordedAction, RecordedCall, RecordedSession, RecordedStep, Trace, TraceError,
    TracePlace,
};

/// Adds session after session to a trace.
pub(super) struct Builder {
    trace: Trace,
    options: ClaudeCodeOptions,
    /// The blocks of the session that is being read, or of all where hashes reach that far.
    tree: Option<ContextTree>,
    /// The first call whose blocks are in `tree`.
    unresolved: usize,
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

    fn index(&self, count: usize, what: &'static str) -> Result<u32, TraceError> {
        u32::try_from(count).map_err(|_| self.too_large(what))
    }

    fn too_large(&self, what: &'static str) -> TraceError {
        TraceError::TooLarge { file: self.place.file.clone(), what }
    }
}

impl Builder {
    pub(super) fn new(name: &str, options: ClaudeCodeOptions) -> Self {
        Self {
            trace: Trace { name: name.to_owned(), ..Trace::default() },
            options,
            tree: None,
            unresolved: 0,
            counts: Counts::default(),
        }
    }

    /// Adds a session that stands at `place`.
    pub(super) fn add(&mut self, file: SessionFile, place: &TracePlace) -> Result<(), TraceError> {
        let SessionFile { id, block_size, hash_id_scope, requests } = file;
        let at = At { place, path: String::new() };
        let scope = KeyScope::from(hash_id_scope);
        if block_size == 0 {
            return Err(at.fault("block_size", "blocks of 0 tokens", "give a block's tokens: 64"));
        }
        if self.trace.roots.is_empty() {
            self.trace.scope = scope;
        } else if self.trace.scope != scope {
            let mend = "read sessions of one scope at a time";
            return Err(at.fault("hash_id_scope", "differs from the sessions before", mend));
        }
        let tree = self.tree.get_or_insert_with(|| ContextTree::new(block_size));
        if tree.block_size() != block_size {
            let problem = format!("differs from the {} of the sessions before", tree.block_size());
            return Err(at.fault("block_size", problem, "global hashes need one block size"));
        }
        let root = self.trace.sessions.len();
        self.trace.sessions.push(RecordedSession::default());
        let actions = self.session(&requests, false, &at)?;
        if actions.is_empty() {
            self.trace.sessions.truncate(root);
            self.counts.empty_sessions += 1;
            return Ok(());
        }
        let start = SimDuration::ZERO;
        self.trace.sessions[root] = RecordedSession { start, actions, name: id.into() };
        self.trace.roots.push(at.index(root, "sessions")?);
        if scope == KeyScope::PerSession { self.resolve(&at) } else { Ok(()) }
    }

    /// The trace, when all sessions have been added.
    pub(super) fn finish(mut self) -> Result<Trace, TraceError> {
        let place = TracePlace { file: self.trace.name.clone(), ..TracePlace::default() };
        if self.trace.calls.is_empty() {
            return Err(TraceError::Empty { file: place.file, expected: EXPECTED });
        }
        self.resolve(&At { place: &place, path: String::new() })?;
        self.trace.notes = self.counts.notes();
        Ok(self.trace)
    }

    /// Turns the blocks in `tree` into pieces.
    fn resolve(&mut self, at: &At<'_>) -> Result<(), TraceError> {
        let Some(tree) = self.tree.take() else { return Ok(()) };
        let resolved = tree.resolve(self.trace.keys, &mut self.trace.pieces);
        let resolved = resolved.map_err(|Full| at.too_large("pieces"))?;
        self.trace.keys = resolved.next_key;
        for (call, pieces) in self.trace.calls[self.unresolved..].iter_mut().zip(resolved.prompts) {
            call.pieces = pieces;
        }
        self.unresolved = self.trace.calls.len();
        Ok(())
    }

    /// Adds the actions of one session, and the sessions of its sub-agents.
    fn session(
        &mut self,
        requests: &[Entry],
        is_child: bool,
        at: &At<'_>,
    ) -> Result<Range<u32>, TraceError> {
        let mut actions = Vec::new();
        let mut children = Vec::new();
        let mut previous: Option<&Entry> = None;
        // When the last action ended, where that is known. A session's clock starts with it, a
        // sub-agent's with its spawn.
        let mut end = if is_child { Some(0.0) } else { requests.first().map(|first| first.t) };
        for (index, entry) in requests.iter().enumerate() {
            let here = at.request(index);
            if entry.kind == EntryType::Subagent {
                children.push(self.child(entry, previous, here)?);
                continue;
            }
            let joined = self.spawn(&mut children, end, &mut actions)?;
            end = joined.or(end);
            if let Some(call) = self.call(entry, &here)? {
                // After sub-agents, the recorded think_time holds theirs too.
                let is_next = previous.is_some() && joined.is_none();
                let think_time = entry.think_time.filter(|_| is_next);
                if is_next && think_time.is_none() {
                    self.counts.without_think_time();
                }
                let by_user = !is_child && entry.has_user_text(previous);
                let gap = if by_user { Gap::Human } else { Gap::Tool };
                actions.push(RecordedAction {
                    delay: self.counts.pause(think_time, end, entry.t, &self.options),
                    gap: if actions.is_empty() { Gap::None } else { gap },
                    starts_task: !is_child && (by_user || actions.is_empty()),
                    step: RecordedStep::Call(call),
                });
            }
            (end, previous) = (entry.end(), Some(entry));
        }
        self.spawn(&mut children, end, &mut actions)?;
        let first = at.index(self.trace.actions.len(), "actions")?;
        self.trace.actions.append(&mut actions);
        Ok(first..at.index(self.trace.actions.len(), "actions")?)
    }

    /// Adds a call; `None` where it is left out for its length.
    fn call(&mut self, entry: &Entry, at: &At<'_>) -> Result<Option<u32>, TraceError> {
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
        let Some(tree) = &mut self.tree else { return Ok(None) };
        let (size, blocks) = (tree.block_size(), hashes.0.len());
        if blocks > input.div_ceil(size) as usize {
            let problem = format!("{blocks} blocks of {size} tokens for {input} tokens of input");
            let mend = "one block per `block_size` tokens of `in`, the last may be partly filled";
            return Err(at.fault("hash_ids", problem, mend));
        }
        tree.insert(&hashes.0, input).map_err(|Full| at.too_large("blocks"))?;
        self.counts.uncovered += u64::from(blocks < (input / size) as usize);
        self.counts.no_output += u64::from(output == 0);
        let time = |seconds: Option<f64>| seconds.and_then(SimDuration::from_s);
        let model = self.model(&entry.model, at)?;
        self.trace.calls.push(RecordedCall {
            input,
            output: output.max(1),
            pieces: 0..0,
            model,
            recorded_ttft: time(entry.ttft),
            recorded_time: time(entry.api_time),
        });
        at.index(self.trace.calls.len() - 1, "calls").map(Some)
    }

    /// The index of a model. There are few: looking through them beats hashing.
    fn model(&mut self, name: &str, at: &At<'_>) -> Result<u16, TraceError> {
        let known = self.trace.models.iter().position(|model| model == name);
        let index = known.unwrap_or_else(|| {
            self.trace.models.push(name.to_owned());
            self.trace.models.len() - 1
        });
        let mend = "check that `model` holds the model's name";
        u16::try_from(index).map_err(|_| at.fault("model", "more than 65,536 models", mend))
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
        let stamped_at_end = entry.t - duration >= spawner_end - CLOCK_S;
        self.counts.stamped_at_spawn += u64::from(!stamped_at_end);
        let spawn = if stamped_at_end { entry.t - duration } else { entry.t };
        Ok(Child { entry, requests, at, spawn, end: spawn + last_end.unwrap_or(duration) })
    }

    /// Adds the sub-agents that wait in `children`, one action for those that overlap in time;
    /// returns when the last of them ended.
    fn spawn(
        &mut self,
        children: &mut Vec<Child<'_>>,
        mut end: Option<f64>,
        actions: &mut Vec<RecordedAction>,
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
            actions.push(RecordedAction {
                delay: self.counts.pause(None, end, spawn, &self.options),
                gap: if actions.is_empty() { Gap::None } else { Gap::Tool },
                starts_task: false,
                step: RecordedStep::Spawn(self.wave(&wave, spawn)?),
            });
            (end, joined) = (Some(last), Some(last));
        }
        Ok(joined)
    }

    /// Adds the sessions of sub-agents that ran in parallel: siblings side by side, their own
    /// sub-agents behind them.
    fn wave(&mut self, wave: &[Child<'_>], spawn: f64) -> Result<Range<u32>, TraceError> {
        let first = self.trace.sessions.len();
        self.trace.sessions.resize_with(first + wave.len(), RecordedSession::default);
        for (place, child) in wave.iter().enumerate() {
            let actions = self.session(child.requests, true, &child.at)?;
            let start = SimDuration::from_s_saturating(child.spawn - spawn);
            let name = child.entry.agent_id.as_str().into();
            self.trace.sessions[first + place] = RecordedSession { start, actions, name };
        }
        let index = |count| wave[0].at.index(count, "sessions");
        Ok(index(first)?..index(first + wave.len())?)
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
