//! What happened in one trial, one by one: calls, tools, steps. For exporting what was simulated, for
//! showing a task as it went, and for holding calls against what was recorded.

use super::waste::Waste;
use crate::foundations::SimTime;
use crate::serving::UnderWay;
use crate::workload::context::Piece;
use crate::workload::program::StepIndex;

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
    /// The pool that answered, or the endpoint: [`Plan::backend`](super::plan::Plan::backend).
    pub pool: u16,
    /// The replica of it; 0 of an endpoint.
    pub replica: u32,
    /// The step that asked for it; none in a recorded session.
    pub step: Option<(u16, StepIndex)>,
    /// Whether it summarised a context that had grown too long.
    pub is_compaction: bool,
    /// When the first attempt was made.
    pub since: SimTime,
    /// When the attempt that was answered reached the replica.
    pub submitted: SimTime,
    /// When its first prompt token entered a step.
    pub scheduled: Option<SimTime>,
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

/// Tools that a caller waited for, all those of one step together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoggedTools {
    /// The population, by its place in the plan.
    pub population: u16,
    /// The session that it belongs to.
    pub session: u64,
    /// Who called.
    pub actor: u64,
    /// The task, numbered over the trial.
    pub task: u64,
    /// The tool, by its place in the plan.
    pub tool: u16,
    /// When they were called.
    pub since: SimTime,
    /// When the last of them had returned.
    pub finished: SimTime,
}

/// A step of a program that an agent came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Visit {
    /// The population, by its place in the plan.
    pub population: u16,
    /// Who came there.
    pub actor: u64,
    /// The task, numbered over the trial.
    pub task: u64,
    /// The program, by its place in the plan.
    pub program: u16,
    /// The step of it.
    pub step: StepIndex,
    /// When.
    pub at: SimTime,
}

/// A server ended a step or a leap over several and began another, or fell idle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Boundary {
    /// The pool, by its place in the plan.
    pub pool: u16,
    /// The replica of it.
    pub replica: u32,
    /// When.
    pub at: SimTime,
    /// Steps that the server had done by then.
    pub done: u64,
    /// What it does from then on.
    pub next: UnderWay,
}

/// An attempt at a call whose answer nobody waits for any longer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GivenUp {
    /// The population, by its place in the plan.
    pub population: u16,
    /// The session that it belongs to.
    pub session: u64,
    /// Who called.
    pub actor: u64,
    /// The task, numbered over the trial.
    pub task: u64,
    /// Where it was: the pool or endpoint, and the replica; nowhere while no server was up.
    pub server: Option<(u16, u32)>,
    /// When it was sent.
    pub sent: SimTime,
    /// When it was given up.
    pub at: SimTime,
    /// Why.
    pub why: Waste,
}

/// What happened in a trial, one by one.
#[derive(Clone, Debug, Default)]
pub struct TrialLog {
    /// Calls in the order of their answers.
    pub calls: Vec<LoggedCall>,
    /// Tools in the order of their return.
    pub tools: Vec<LoggedTools>,
    /// Steps in the order in which they were entered.
    pub visits: Vec<Visit>,
    /// Attempts that were given up, in the order in which they were.
    pub given_up: Vec<GivenUp>,
    /// Boundaries of servers' steps and leaps, in their order, where they are kept.
    pub boundaries: Vec<Boundary>,
    /// Whether boundaries are kept.
    pub keeps_steps: bool,
    /// Whether calls keep the pieces of their prompts, which are most of a log.
    pub keeps_pieces: bool,
}
