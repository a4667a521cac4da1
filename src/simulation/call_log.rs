//! The calls of one trial, one by one: what each asked for and when. For exporting what was
//! simulated, and for holding it against what was recorded.

use crate::foundations::SimTime;
use crate::workload::context::Piece;

/// A call that was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedCall {
    /// The population, by its place in the plan.
    pub population: u16,
    /// The session that it belongs to.
    pub session: u64,
    /// Who called: the session's agent where this equals `session`, else a sub-agent.
    pub actor: u64,
    /// Who started the caller; `actor` itself for the session's agent.
    pub parent: u64,
    /// The task, numbered over the trial.
    pub task: u64,
    /// The pool that answered.
    pub pool: u16,
    /// When the first attempt was made.
    pub since: SimTime,
    /// When the first token was there.
    pub first_token: Option<SimTime>,
    /// When the answer was there.
    pub finished: SimTime,
    /// Tokens of the prompt.
    pub input: u32,
    /// Of those, found in a cache.
    pub cached: u32,
    /// Tokens of the answer.
    pub output: u32,
    /// Charged for its share of the steps that it sat in, picodollars.
    pub charged_pico: u64,
    /// What the prompt consisted of.
    pub pieces: Vec<Piece>,
}
