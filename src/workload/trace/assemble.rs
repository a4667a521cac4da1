//! From recorded sessions to a [`Trace`] that can be replayed.

use std::ops::Range;

use rustc_hash::FxHashMap;

use super::context_tree::{ContextTree, Full};
use super::recording::{Action, Call, Context, Ending, Header, Session, Sink};
use super::{
    KeyScope, RecordedAction, RecordedCall, RecordedPiece, RecordedSession, RecordedStep, Trace,
    TraceError,
};
use crate::foundations::SimDuration;

/// Takes sessions and makes a trace of them.
#[derive(Debug)]
pub struct Assembler {
    trace: Trace,
    /// The blocks of the session that is being read, or of all where identities reach that far, and
    /// the calls that they belong to.
    tree: Option<ContextTree>,
    in_tree: Vec<u32>,
    common_block_size: u32,
    block_size: u32,
    /// Keys of texts by the key of what stands before them.
    texts: FxHashMap<(u32, u64), u32>,
    /// The furthest end of each key that was given out here.
    ends: FxHashMap<u32, u32>,
    scratch: Vec<u64>,
}

/// No text before.
const START: u32 = u32::MAX;

impl Assembler {
    /// An empty trace of this name.
    pub fn new(name: &str) -> Self {
        Self {
            trace: Trace { name: name.to_owned(), ..Trace::default() },
            tree: None,
            in_tree: Vec::new(),
            common_block_size: 1,
            block_size: 1,
            texts: FxHashMap::default(),
            ends: FxHashMap::default(),
            scratch: Vec::new(),
        }
    }

    /// The trace, when all sessions have been taken. Sessions stand in the order of their starts,
    /// those of one instant as they came.
    ///
    /// # Errors
    /// A trace without calls, or with more than 32 bits can count.
    pub fn finish(mut self, ending: Ending) -> Result<Trace, TraceError> {
        if self.trace.calls.is_empty() {
            let (file, expected) = (self.trace.name, "every session was empty");
            return Err(TraceError::Empty { file, expected });
        }
        self.resolve()?;
        let mut trace = self.trace;
        trace.clock_grid = SimDuration::from_s_saturating(ending.clock_grid_s);
        trace.notes = ending.notes;
        if let (grid @ 1.., sessions) = (trace.clock_grid.0, &mut trace.sessions) {
            for &root in &trace.roots {
                let start = &mut sessions[root as usize].start;
                *start = SimDuration(start.0.saturating_add(grid / 2) / grid * grid);
            }
        }
        let sessions = &trace.sessions;
        trace.roots.sort_by_key(|&root| sessions[root as usize].start);
        Ok(trace)
    }

    fn too_large(&self, what: &'static str) -> TraceError {
        TraceError::TooLarge { file: self.trace.name.clone(), what }
    }

    fn index(&self, count: usize, what: &'static str) -> Result<u32, TraceError> {
        u32::try_from(count).map_err(|_| self.too_large(what))
    }

    /// Turns the blocks in the tree into pieces.
    fn resolve(&mut self) -> Result<(), TraceError> {
        let Some(tree) = self.tree.take() else { return Ok(()) };
        let resolved = tree.resolve(self.trace.keys, &mut self.trace.pieces);
        let resolved = resolved.map_err(|Full| self.too_large("pieces"))?;
        self.trace.keys = resolved.next_key;
        for (call, pieces) in self.in_tree.drain(..).zip(resolved.prompts) {
            self.trace.calls[call as usize].pieces = pieces;
        }
        Ok(())
    }

    /// Fills in the session at `place`; `before` are the calls of its family so far.
    fn fill(
        &mut self,
        place: usize,
        session: Session,
        before: &mut Vec<u32>,
    ) -> Result<(), TraceError> {
        let mut actions = Vec::with_capacity(session.actions.len());
        for action in session.actions {
            let Action { wait_s, gap, task, call, spawn } = action;
            let step = match call {
                Some(call) => {
                    let index = self.call(&call, before)?;
                    before.push(index);
                    RecordedStep::Call(index)
                }
                None if spawn.is_empty() => continue,
                None => RecordedStep::Spawn(self.spawn(spawn, before)?),
            };
            let delay = SimDuration::from_s_saturating(wait_s);
            actions.push(RecordedAction { delay, gap, starts_task: task, step });
        }
        let first = self.index(self.trace.actions.len(), "actions")?;
        self.trace.actions.append(&mut actions);
        let actions = first..self.index(self.trace.actions.len(), "actions")?;
        let start = SimDuration::from_s_saturating(session.start_s.unwrap_or(0.0));
        let name = session.name.into();
        self.trace.sessions[place] = RecordedSession { start, actions, name };
        Ok(())
    }

    /// Siblings side by side, their own sub-agents behind them.
    fn spawn(
        &mut self,
        children: Vec<Session>,
        before: &mut Vec<u32>,
    ) -> Result<Range<u32>, TraceError> {
        let first = self.trace.sessions.len();
        let end = first + children.len();
        self.trace.sessions.resize_with(end, RecordedSession::default);
        for (place, child) in (first..).zip(children) {
            self.fill(place, child, before)?;
        }
        Ok(self.index(first, "sessions")?..self.index(end, "sessions")?)
    }

    fn call(&mut self, call: &Call, before: &[u32]) -> Result<u32, TraceError> {
        let index = self.index(self.trace.calls.len(), "calls")?;
        let input = call.input.max(1);
        let pieces = match &call.context {
            Context::Blocks(runs) => {
                self.scratch.clear();
                for &(first, count) in runs {
                    self.scratch.extend((0..u64::from(count)).map(|i| first.wrapping_add(i)));
                }
                let size = self.block_size;
                let tree = self.tree.get_or_insert_with(|| ContextTree::new(size));
                tree.insert(&self.scratch, input).map_err(|Full| TraceError::TooLarge {
                    file: self.trace.name.clone(),
                    what: "blocks",
                })?;
                self.in_tree.push(index);
                0..0
            }
            &Context::Keep(tokens, back) => self.keep(tokens, back, input, before)?,
            Context::Texts(texts) => self.texts(texts, input)?,
        };
        let model = self.model(&call.model)?;
        let time = |seconds: Option<f64>| seconds.and_then(SimDuration::from_s);
        self.trace.calls.push(RecordedCall {
            input,
            output: call.output.max(1),
            pieces,
            model,
            recorded_ttft: time(call.ttft_s),
            recorded_time: time(call.time_s),
        });
        Ok(index)
    }

    /// The pieces of a prompt that goes on from an earlier one: its tail keeps the earlier tail's
    /// key where nobody else has gone on from there, and is a new branch otherwise.
    fn keep(
        &mut self,
        tokens: u32,
        back: u32,
        input: u32,
        before: &[u32],
    ) -> Result<Range<u32>, TraceError> {
        let first = self.index(self.trace.pieces.len(), "pieces")?;
        let kept = before.len().checked_sub(back.max(1) as usize).map(|at| before[at]);
        if let Some(kept) = kept {
            let tokens = tokens.min(input);
            let mut below = 0;
            for at in self.trace.calls[kept as usize].pieces.clone() {
                let RecordedPiece { key, end } = self.trace.pieces[at as usize];
                if below >= tokens {
                    break;
                }
                self.trace.pieces.push(RecordedPiece { key, end: end.min(tokens) });
                below = end;
            }
        }
        let last = self.trace.pieces[first as usize..].last().copied();
        let end = match last {
            Some(last) if self.ends.get(&last.key) == Some(&last.end) => {
                self.trace.pieces.pop();
                RecordedPiece { key: last.key, end: input }
            }
            Some(last) if last.end == input => return Ok(first..first + self.pieces_from(first)),
            _ => RecordedPiece { key: self.new_key()?, end: input },
        };
        self.ends.insert(end.key, input);
        self.trace.pieces.push(end);
        Ok(first..first + self.pieces_from(first))
    }

    fn pieces_from(&self, first: u32) -> u32 {
        self.trace.pieces.len() as u32 - first
    }

    fn texts(&mut self, texts: &[(u64, u32)], input: u32) -> Result<Range<u32>, TraceError> {
        let first = self.index(self.trace.pieces.len(), "pieces")?;
        let (mut above, mut end) = (START, 0_u32);
        for &(identity, tokens) in texts.iter().filter(|&&(_, tokens)| tokens > 0) {
            if end >= input {
                break;
            }
            end = end.saturating_add(tokens).min(input);
            let key = match self.texts.get(&(above, identity)) {
                Some(&key) => key,
                None => {
                    let key = self.new_key()?;
                    self.texts.insert((above, identity), key);
                    key
                }
            };
            self.trace.pieces.push(RecordedPiece { key, end });
            above = key;
        }
        Ok(first..first + self.pieces_from(first))
    }

    fn new_key(&mut self) -> Result<u32, TraceError> {
        let key = self.trace.keys;
        let next = key.checked_add(1).filter(|&next| next != START);
        self.trace.keys = next.ok_or_else(|| self.too_large("keys"))?;
        Ok(key)
    }

    /// The index of a model. There are few: looking through them beats hashing.
    fn model(&mut self, name: &str) -> Result<u16, TraceError> {
        let name = if name.is_empty() { "recorded" } else { name };
        let known = self.trace.models.iter().position(|model| model == name);
        let index = known.unwrap_or_else(|| {
            self.trace.models.push(name.to_owned());
            self.trace.models.len() - 1
        });
        u16::try_from(index).map_err(|_| self.too_large("models"))
    }
}

impl Sink for Assembler {
    fn begin(&mut self, header: &Header) -> Result<(), TraceError> {
        (self.trace.scope, self.common_block_size) = (header.scope, header.block_size);
        Ok(())
    }

    fn session(&mut self, session: Session) -> Result<(), TraceError> {
        if session.calls() == 0 {
            return Ok(());
        }
        self.block_size = self.common_block_size;
        if let (KeyScope::PerSession, Some(own)) = (self.trace.scope, session.block_size) {
            self.block_size = own;
        }
        let root = self.trace.sessions.len();
        self.trace.sessions.push(RecordedSession::default());
        self.fill(root, session, &mut Vec::new())?;
        let index = self.index(root, "sessions")?;
        self.trace.roots.push(index);
        self.ends.clear();
        if self.trace.scope == KeyScope::PerSession {
            self.texts.clear();
            self.resolve()?;
        }
        Ok(())
    }
}
