//! What a server is asked for, and what it reports when it is done.

use super::scheduling::Standing;
use crate::foundations::{SimDuration, SimTime};
pub use crate::workload::context::Piece;

/// One LLM request as a server sees it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The caller's own number for the request, given back when it is done.
    pub tag: u32,
    /// The prompt's pieces, first token first. The last may be private to the session.
    pub pieces: &'a [Piece],
    /// Prompt tokens, at least 1.
    pub prompt: u32,
    /// Tokens to produce, at least 1; the first comes out of the prefill.
    pub output: u32,
    /// Produced tokens that later prompts of the conversation begin with, behind this prompt: all
    /// of them where the answer joins the context as it is, none where later prompts are known by
    /// other keys or leave the answer out.
    pub kept: u32,
    /// A random number of its own, for what the server leaves to chance.
    pub luck: u64,
    /// What it may claim of a scheduler that looks at more than the order of arrival.
    pub standing: Standing,
    /// What of it the server is to do.
    pub stage: Stage,
}

/// What of a request a server does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// All of it.
    #[default]
    Whole,
    /// The prompt and the first token. Its blocks stay taken until they are fetched.
    Prompt,
    /// The tokens behind the first. Another server has the prompt's keys and values: they are fetched
    /// once there is room for them.
    Answer,
}

/// A request whose prompt's keys and values are to be fetched: a server has made room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The caller's number for the request.
    pub tag: u32,
    /// Tokens to fetch: those of the prompt that the server did not have cached.
    pub tokens: u32,
}

/// Names a request inside its replica. Outlives the request harmlessly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

impl RequestId {
    /// Names no request.
    pub const NONE: Self = Self { slot: u32::MAX, generation: u32::MAX };
}

/// A request that left its replica, produced in full or cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The caller's number.
    pub tag: u32,
    /// When it reached the replica.
    pub submitted: SimTime,
    /// When its first prompt token entered a step.
    pub scheduled: Option<SimTime>,
    /// When its first token came out.
    pub first_token: Option<SimTime>,
    /// When its last token came out, or when it was cancelled.
    pub finished: SimTime,
    /// Prompt tokens.
    pub prompt: u32,
    /// Prompt tokens found in the prefix cache when it was first admitted.
    pub cached: u32,
    /// Tokens produced; less than asked for when cancelled.
    pub produced: u32,
    /// Times it lost its blocks and was computed again.
    pub preemptions: u32,
    /// Its share of the time of every step it sat in.
    pub share: SimDuration,
    /// Whether it was cancelled.
    pub cancelled: bool,
}
