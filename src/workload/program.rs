//! Agents as programs: a graph of steps that a task walks from `start` to an `end`.
//!
//! With the limits off the graph is an absorbing Markov chain, so expected visits, calls and tokens
//! have a closed form (see [`super::expectation`]); the simulator must agree with it.

use super::retry::RetryPolicy;
use crate::foundations::SimDuration;
use crate::foundations::distribution::Law;

/// A step's place in [`Program::steps`].
pub type StepIndex = u16;

/// Where a step leads: one of several steps by probability.
#[derive(Clone, Debug, PartialEq)]
pub struct Branch {
    /// (cumulative probability, step); the last is 1.
    pub cumulative: Vec<(f64, StepIndex)>,
}

impl Branch {
    /// Always the same step.
    pub fn always(step: StepIndex) -> Self {
        Self { cumulative: vec![(1.0, step)] }
    }

    /// The only step, where there is just one and nothing need be drawn.
    pub fn certain(&self) -> Option<StepIndex> {
        match self.cumulative[..] {
            [(_, only)] => Some(only),
            _ => None,
        }
    }

    /// The step for a uniform number in (0, 1).
    pub fn choose(&self, uniform: f64) -> StepIndex {
        let found = self.cumulative.iter().find(|&&(upto, _)| uniform < upto);
        found.or(self.cumulative.last()).map_or(0, |&(_, step)| step)
    }

    /// (probability, step) of each way.
    pub fn ways(&self) -> impl Iterator<Item = (f64, StepIndex)> + '_ {
        let mut below = 0.0;
        self.cumulative.iter().map(move |&(upto, step)| {
            let probability = upto - below;
            below = upto;
            (probability, step)
        })
    }
}

/// Which pool serves a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelChoice {
    /// The agent's own.
    Own,
    /// A pool, by its place in the scenario.
    Pool(u16),
}

/// Passages retrieved into the context before a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Passages {
    /// How many.
    pub count: Law,
    /// Which: its rank by popularity, from 1.
    pub rank: Law,
    /// Tokens of a passage; drawn once for each rank.
    pub tokens: Law,
    /// Distinguishes collections with passages of their own.
    pub collection: u64,
}

/// A call of a language model.
#[derive(Clone, Debug, PartialEq)]
pub struct LlmStep {
    /// Which pool serves it.
    pub model: ModelChoice,
    /// Retrieved passages that join the context first.
    pub passages: Option<Passages>,
    /// Tokens that join the context before the call: the user's message, an instruction.
    pub input_tokens: Law,
    /// Tokens produced, reasoning included; at least 1.
    pub output_tokens: Law,
    /// Part of the output that is reasoning.
    pub reasoning_share: Law,
    /// Whether reasoning stays in the context.
    pub keep_reasoning: bool,
    /// Whether the output stays in the context.
    pub keep_output: bool,
    /// Where it leads.
    pub next: Branch,
    /// Where a call leads that failed for good; the task fails where this is not given.
    pub on_error: Option<StepIndex>,
}

/// A call that verifies the agent's work.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckStep {
    /// The call; its `next` is where a passed check leads.
    pub call: LlmStep,
    /// Probability that it passes.
    pub pass: f64,
    /// Where a failed check leads.
    pub on_fail: StepIndex,
}

/// A call of a tool, or of several at once.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolStep {
    /// Its place in the scenario's tools.
    pub tool: u16,
    /// Calls made in parallel; the step ends when all have returned.
    pub parallel: Law,
    /// Whether each call begins as soon as it is written, while the answer that asks for them goes
    /// on: the k-th of n when k/n of the answer is there, reasoning left out.
    pub streamed: bool,
    /// Whether the result's tokens count the preceding output too, as measured context growth does.
    pub result_includes_output: bool,
    /// Where it leads.
    pub next: Branch,
    /// Where it leads when a call returned an error; `next` where this is not given.
    pub on_error: Option<StepIndex>,
}

/// How many sub-agents must have ended before their parent goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// All of them.
    All,
    /// So many; the others are abandoned.
    First(u32),
}

/// Sub-agents in parallel.
#[derive(Clone, Debug, PartialEq)]
pub struct SpawnStep {
    /// Their program's place in the scenario's programs.
    pub program: u16,
    /// How many.
    pub count: Law,
    /// Tokens of the assignment that opens their own context.
    pub input_tokens: Law,
    /// Whether they start from a copy of the parent's context instead of their program's own.
    pub fork_context: bool,
    /// How many the parent waits for.
    pub join: Join,
    /// Tokens that each report adds to the parent's context; the sub-agent's last output where this
    /// is not given.
    pub report_tokens: Option<Law>,
    /// Which pool serves them.
    pub model: ModelChoice,
    /// Where it leads.
    pub next: Branch,
}

/// A person is waited for, who may look at the work.
#[derive(Clone, Debug, PartialEq)]
pub struct WaitStep {
    /// How long, seconds.
    pub time_s: Law,
    /// Probability that the person is content.
    pub accept: f64,
    /// Where it leads when not; nobody looks at the work where this is not given.
    pub on_reject: Option<StepIndex>,
    /// Where it leads.
    pub next: Branch,
}

/// Repeats a part of the program a drawn number of times.
#[derive(Clone, Debug, PartialEq)]
pub struct LoopStep {
    /// Times the body runs; drawn when the loop is entered from outside.
    pub times: Law,
    /// First step of the body, which comes back to this step when it is through.
    pub body: StepIndex,
    /// Where it leads after the last time.
    pub next: StepIndex,
    /// Its place among the program's loops.
    pub counter: u16,
}

/// What happens in a step.
#[derive(Clone, Debug, PartialEq)]
pub enum StepKind {
    /// A call of a language model.
    Llm(LlmStep),
    /// A call that verifies the agent's work.
    Check(CheckStep),
    /// A call of a tool.
    Tool(ToolStep),
    /// Sub-agents.
    Spawn(SpawnStep),
    /// A person is waited for.
    Wait(WaitStep),
    /// A counted repetition.
    Loop(LoopStep),
    /// The task is over, with success or without.
    End {
        /// Whether the user got what was asked for.
        success: bool,
    },
}

/// A named step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Name in the scenario.
    pub name: String,
    /// What happens in it.
    pub kind: StepKind,
}

/// A segment at the start of a context that many conversations share.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedSegment {
    /// Identity; two programs that name the same segment share it.
    pub identity: u64,
    /// Tokens; drawn once for each variant.
    pub tokens: Law,
    /// Which variant a conversation gets (its rank from 1); constant 1 where there is just one.
    pub variant: Law,
    /// Part of a session's later tasks that draw their variant anew.
    pub redrawn: f64,
}

/// Takes old results of tools out of a context that has grown too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruning {
    /// Takes them out when the next prompt would be longer.
    pub above_tokens: u32,
    /// Latest results that stay.
    pub keep: u32,
}

/// Cuts a context that has grown too long.
#[derive(Clone, Debug, PartialEq)]
pub struct Compaction {
    /// Cuts when the next prompt would be longer.
    pub above_tokens: u32,
    /// Tokens of the whole context after the cut.
    pub to_tokens: Law,
    /// Tokens produced by the call that summarises; no call where this is not given.
    pub summary_tokens: Option<Law>,
}

/// The tasks of one user.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// How many.
    pub tasks: Law,
    /// Time between a task's end and the next task, seconds.
    pub think_time_s: Law,
    /// Whether each task begins with a new context behind the shared segments, as at a service that
    /// writes what it keeps of a conversation into every prompt anew.
    pub new_contexts: bool,
}

impl Default for Session {
    /// A single task.
    fn default() -> Self {
        Self { tasks: Law::ONE, think_time_s: Law::ZERO, new_contexts: false }
    }
}

/// What a task may use before it is stopped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// LLM calls.
    pub calls: Option<u32>,
    /// Input and output tokens of all calls.
    pub tokens: Option<u64>,
    /// Dollars charged for its share of the steps it sat in.
    pub usd: Option<f64>,
    /// Time since its start.
    pub deadline: Option<SimDuration>,
}

/// An agent's program. One task walks the graph once; a session is a row of tasks with think time
/// between them, which mostly share their context.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// Name in the scenario or catalog.
    pub name: String,
    /// The graph.
    pub steps: Vec<Step>,
    /// Where a session's first task starts.
    pub start: StepIndex,
    /// Where its later tasks start.
    pub restart: StepIndex,
    /// Loops in it.
    pub loops: u16,
    /// Shared segments that open a conversation.
    pub shared: Vec<SharedSegment>,
    /// Own tokens behind them at the start of a session (files already read, an earlier summary).
    pub opening_tokens: Law,
    /// How a session goes on behind a task.
    pub session: Session,
    /// Takes old results of tools out of long contexts, if at all.
    pub pruning: Option<Pruning>,
    /// Cuts long contexts, if at all.
    pub compaction: Option<Compaction>,
    /// Limits of a task.
    pub limits: Limits,
    /// What happens when a call fails.
    pub retry: RetryPolicy,
}

impl Program {
    /// Whether what opens a session's contexts may be another text for a later task.
    pub fn redraws(&self) -> bool {
        self.shared.iter().any(|segment| segment.redrawn > 0.0)
    }
}
