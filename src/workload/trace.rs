//! Recorded workloads: what agents asked for, once, on a fleet that was not ours.
//!
//! A trace is a list of sessions, a session a list of actions, an action a call of a language model
//! or sub-agents that run in parallel. What depended on the recorded fleet (service times) is not
//! replayed; what did not (tokens, contexts, and the pauses between the end of one action and the
//! beginning of the next) is. So sessions are a closed loop: on a slower fleet they last longer.
//!
//! A call's context is a short run of [`RecordedPiece`]s made from its block hashes by a
//! [`context_tree::ContextTree`]: two calls share a prefix exactly as far as their hashes agree,
//! and nobody has to carry thousands of hashes per call around.
//!
//! Everything lies in five contiguous arrays and refers to itself by `u32` indices.

pub mod assemble;
#[cfg(test)]
mod block_cache;
mod block_ids;
pub mod claude_code;
pub mod context_tree;
mod error;
pub mod habits;
pub mod import;
mod lines;
pub mod mooncake;
pub mod recording;
pub mod survey;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::foundations::{SimDuration, SimTime};

pub use error::{TraceError, TracePlace};

/// A recorded workload, ready to be walked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// Where it came from, for people: a file or folder name.
    pub name: String,
    /// Sessions that begin by themselves, ordered by their start; each a place in `sessions`.
    pub roots: Vec<u32>,
    /// All sessions, those of sub-agents included.
    pub sessions: Vec<RecordedSession>,
    /// Actions of all sessions, each session's in one run.
    pub actions: Vec<RecordedAction>,
    /// Calls of all sessions.
    pub calls: Vec<RecordedCall>,
    /// Contexts of all calls, each call's in one run.
    pub pieces: Vec<RecordedPiece>,
    /// Names of the models that [`RecordedCall::model`] counts.
    pub models: Vec<String>,
    /// How many different keys `pieces` uses: they are `0..keys`.
    pub keys: u32,
    /// How far a key reaches.
    pub scope: KeyScope,
    /// The recording clock's grid, zero where it is finer than what is worth mending: starts stand
    /// at its lines and truly lay somewhere in the interval that follows.
    pub clock_grid: SimDuration,
    /// What was dropped, repaired, clipped or assumed while reading, with counts, for people.
    pub notes: Vec<String>,
}

/// Where equal keys mean equal content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyScope {
    /// Everywhere: a session that is played twice finds its own contexts again.
    #[default]
    Global,
    /// Within one playing of one root session and its sub-agents. Keys of different root sessions
    /// differ anyway; a second playing of the same one has other content.
    #[serde(rename = "session")]
    PerSession,
}

/// One conversation of an agent, or one sub-agent's part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordedSession {
    /// When it begins: after the start of the trace for a root session (zero where only relative
    /// times were recorded and an arrival process must decide), after the spawn for a sub-agent.
    pub start: SimDuration,
    /// What it does, in this order: places in [`Trace::actions`].
    pub actions: Range<u32>,
    /// Its recorded identity, empty where there was none.
    pub name: Box<str>,
}

/// One thing that a session does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedAction {
    /// Pause after the previous action's end, or after the session's start.
    pub delay: SimDuration,
    /// What the pause was spent on.
    pub gap: Gap,
    /// Whether a person's request begins here: the first action of a task.
    pub starts_task: bool,
    /// What is done then.
    pub step: RecordedStep,
}

/// What an agent waits for before it acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gap {
    /// Nothing: the session begins.
    #[default]
    None,
    /// A tool, and the agent's own overhead.
    Tool,
    /// A person's thinking and typing.
    Human,
}

impl Gap {
    /// Whether nothing is waited for.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// What an action consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordedStep {
    /// A call: its place in [`Trace::calls`].
    Call(u32),
    /// Sub-agents in parallel, each from its own [`RecordedSession::start`] on; the action ends
    /// when the last of them does. Places in [`Trace::sessions`].
    Spawn(Range<u32>),
}

/// One request to a language model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedCall {
    /// Tokens of the prompt.
    pub input: u32,
    /// Tokens of the answer, at least 1.
    pub output: u32,
    /// What the prompt consists of, first token first: places in [`Trace::pieces`]. The last piece
    /// may end before `input`: what follows was in no recorded block and is this call's alone.
    pub pieces: Range<u32>,
    /// Which model answered: a place in [`Trace::models`].
    pub model: u16,
    /// Time to the first token on the recorded fleet.
    pub recorded_ttft: Option<SimDuration>,
    /// Time to the last token on the recorded fleet.
    pub recorded_time: Option<SimDuration>,
}

/// A part of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedPiece {
    /// Identity of the content of this piece *and* of all before it, as far as `end`: two pieces of
    /// one key and different ends have the shorter one's tokens in common.
    pub key: u32,
    /// Tokens from the start of the prompt to the end of this piece.
    pub end: u32,
}

impl Trace {
    /// What a session does.
    pub fn actions_of(&self, session: u32) -> &[RecordedAction] {
        slice(&self.actions, &self.sessions[session as usize].actions)
    }

    /// What a call's prompt consists of.
    pub fn pieces_of(&self, call: u32) -> &[RecordedPiece] {
        slice(&self.pieces, &self.calls[call as usize].pieces)
    }

    /// When the root sessions begin, in the order of [`Trace::roots`], on the lines of the
    /// recording clock's grid.
    pub fn starts(&self) -> impl ExactSizeIterator<Item = SimTime> + '_ {
        self.roots.iter().map(|&root| SimTime::ZERO + self.sessions[root as usize].start)
    }

    /// Tokens that the prompts of two calls have in common from their beginning.
    pub fn common_prefix(&self, one: u32, other: u32) -> u32 {
        context_tree::common_prefix(self.pieces_of(one), self.pieces_of(other))
    }
}

fn slice<'a, T>(all: &'a [T], range: &Range<u32>) -> &'a [T] {
    &all[range.start as usize..range.end as usize]
}
