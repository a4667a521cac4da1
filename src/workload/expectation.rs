//! Expectations in closed form: what a task of a program takes, without simulating it.
//!
//! With limits and retries off, a program is an absorbing Markov chain, so expected visits solve a
//! linear system (J. Kemeny and J. Snell, *Finite Markov Chains*, 1960, chapter III). Every call
//! sends the whole context again, therefore input tokens need a second system: of a step `s`, let
//! `C` be the expected calls from there to the end, and `Q` their expected input tokens for a
//! context that is empty on arrival. What `s` appends, `a`, is read again by all later calls:
//!
//! ```text
//! C(s) = [s is a call]          + Σ p(s,t)  C(t)
//! Q(s) = [s is a call] input(s) + Σ p(s,t) (Q(t) + a(s,t) C(t))
//! ```
//!
//! and a context of `b` tokens on arrival adds `b C(s)`. A counted loop is one step whose body is an
//! affine map `V → A V + b` of the values behind it, so that `N` times of it are
//! `E[A^N] V + E[Σ A^k; k < N] b`, with the second moment of `N` inside: a context that grows `N`
//! times is read `N` times. A session is such a loop around the whole program. Sub-agents are
//! programs of their own, whose reports join the context of their parent.
//!
//! **Exact:** visits, calls, output tokens, success, and input tokens, also where a tool's result
//! counts the output before it, a report is a sub-agent's last output, a loop is left early, or
//! sub-agents fork the context; all laws with their rounding and clamping.
//!
//! **Approximate:** tokens that are drawn once for each trial (shared segments, passages) stand with
//! their mean, which the mean over many trials approaches; reasoning, a rounded product, is
//! off by half a token at most; laws of loops are summed up to the 2^20th time.
//!
//! **Left out**, and listed as a [`Caveat`] where the program has it: compaction, limits, retries,
//! the work of sub-agents that are abandoned. The length of the model's context bounds nothing here.
//!
//! ```
//! # use tokenfleet::foundations::Law;
//! # use tokenfleet::workload::expectation::expect;
//! # use tokenfleet::workload::program::*;
//! # let constant = |value| Law::constant(value).unwrap();
//! # let step = |name: &str, kind| Step { name: name.into(), kind };
//! // An agent that calls itself again with probability 3/4: 4 calls on average.
//! let again = Branch { cumulative: vec![(0.75, 0), (1.0, 1)] };
//! let call = LlmStep {
//!     input_tokens: constant(100.0),
//!     output_tokens: constant(20.0),
//!     # model: ModelChoice::Own,
//!     # passages: None,
//!     # reasoning_share: constant(0.0),
//!     # keep_reasoning: true,
//!     # keep_output: true,
//!     # on_error: None,
//!     next: again,
//! };
//! let steps = vec![step("act", StepKind::Llm(call)), step("end", StepKind::End { success: true })];
//! # let program = Program {
//! #     name: "agent".into(), steps, start: 0, restart: 0, loops: 0, shared: vec![],
//! #     opening_tokens: constant(0.0), session: Session::default(),
//! #     pruning: None, compaction: None, retry: Default::default(),
//! #     limits: Limits { calls: None, tokens: None, usd: None, deadline: None },
//! # };
//! let task = expect(&[program], 0, &[])?;
//! assert!((task.llm_calls - 4.0).abs() < 1e-12);
//! // 100 tokens in each call, and 120 for each pair of an earlier and a later one: E[N(N-1)/2] = 12.
//! assert!((task.input_tokens - (4.0 * 100.0 + 12.0 * 120.0)).abs() < 1e-9);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod affine;
mod chain;
mod matrix;
mod moment;
mod step;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use super::program::Program;
use super::tool::Tool;
use affine::{CALLS, INPUT, NOTHING_BEHIND, Powers, Values};
use chain::{Chain, Walk};
use moment::count;
use step::Local;

/// More steps than this are not solved: the work rises with the third power.
const MOST_STEPS: usize = 200;

/// Expected figures of one task: the mean over a session's tasks, sub-agents included.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// How often each step of the program is visited; a loop also each time its body comes back.
    pub visits: Vec<f64>,
    /// Probability that the task ends with success.
    pub success: f64,
    /// LLM calls.
    pub llm_calls: f64,
    /// Tool calls.
    pub tool_calls: f64,
    /// Sub-agents started.
    pub sub_agents: f64,
    /// Input tokens of all calls, cached or not.
    pub input_tokens: f64,
    /// Output tokens, reasoning included.
    pub output_tokens: f64,
    /// Reasoning tokens.
    pub reasoning_tokens: f64,
    /// Time in tools, waits and one sub-agent of each batch, seconds: a bound from below for the
    /// time of a task, reached where servers are infinitely fast and no tool has a queue.
    pub waiting_s: f64,
    /// Tokens in the context when a session begins.
    pub opening_tokens: f64,
    /// Tokens by which a task leaves the context longer than it found it.
    pub growth_tokens: f64,
    /// Tasks of a session.
    pub session_tasks: f64,
    /// What of the program is left out.
    pub caveats: BTreeSet<Caveat>,
}

/// A part of a program that its expectation leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caveat {
    /// Contexts are cut when they grow too long, or old results taken out.
    Compaction,
    /// Tasks are stopped at a limit.
    Limits,
    /// Calls fail and are tried again.
    Retries,
    /// Sub-agents are abandoned when enough others are through.
    Abandoned,
}

impl fmt::Display for Caveat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Compaction => {
                "contexts are not cut nor summarised: input tokens mostly stand too high"
            }
            Self::Limits => "no limit stops a task: figures stand too high where one does",
            Self::Retries => "no call fails: attempts and failed tasks are left out",
            Self::Abandoned => "sub-agents are never abandoned: their work stands too high",
        })
    }
}

/// Why a program has no expectation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpectationError {
    /// Some tasks would go on for ever.
    #[error(
        "program `{program}`: step `{step}` never leads to an end; give it, or a step behind it, a \
         way to one"
    )]
    NoEnd {
        /// The program.
        program: String,
        /// A step without a way out.
        step: String,
    },
    /// The body of each of two loops contains the other.
    #[error(
        "program `{program}`: loops `{outer}` and `{inner}` are each inside the other; leave \
         `{inner}` only by its own end, or for good"
    )]
    TangledLoops {
        /// The program.
        program: String,
        /// The loop entered first.
        outer: String,
        /// The loop in its body.
        inner: String,
    },
    /// A program starts sub-agents of its own kind.
    #[error("program `{program}` spawns itself; give the sub-agents a program of their own")]
    Recursion {
        /// The program.
        program: String,
    },
    /// Too many steps.
    #[error("program `{program}` has {steps} steps; a closed form is made for up to {MOST_STEPS}")]
    TooLarge {
        /// The program.
        program: String,
        /// Its steps.
        steps: usize,
    },
    /// A place that leads nowhere.
    #[error("program `{program}`, step `{step}`: no such {what}")]
    Dangling {
        /// The program.
        program: String,
        /// The step.
        step: String,
        /// What is missing: a step, a tool or a program.
        what: &'static str,
    },
}

/// Expected figures of a task of `programs[program]`.
///
/// # Errors
///
/// Refuses programs that need not end, that spawn themselves, that are too large, or whose loops
/// are tangled.
pub fn expect(
    programs: &[Program],
    program: u16,
    tools: &[Tool],
) -> Result<Expectation, ExpectationError> {
    Solver { programs, tools, under_way: Vec::new() }.program(program).map(|found| found.task)
}

/// A program and the sub-agents that it spawns.
struct Solver<'p> {
    programs: &'p [Program],
    tools: &'p [Tool],
    under_way: Vec<u16>,
}

/// What is known of a program once it is solved.
struct Solved {
    task: Expectation,
    /// Calls, input tokens for an empty context and last output of a single task, weighted for
    /// contexts as [`Chain`] does.
    single: Values,
}

impl Solver<'_> {
    fn program(&mut self, index: u16) -> Result<Solved, ExpectationError> {
        let Some(program) = self.programs.get(index as usize) else {
            let (program, step) = (index.to_string(), String::new());
            return Err(ExpectationError::Dangling { program, step, what: "program" });
        };
        let name = || program.name.clone();
        if self.under_way.contains(&index) {
            return Err(ExpectationError::Recursion { program: name() });
        }
        if program.steps.len() > MOST_STEPS {
            let steps = program.steps.len();
            return Err(ExpectationError::TooLarge { program: name(), steps });
        }
        if usize::from(program.start.max(program.restart)) >= program.steps.len() {
            let step = "start".to_owned();
            return Err(ExpectationError::Dangling { program: name(), step, what: "step" });
        }
        self.under_way.push(index);
        let mut caveats = caveats_of(program);
        let mut locals = Vec::with_capacity(program.steps.len());
        for step in &program.steps {
            locals.push(self.local(program, step, &mut caveats)?);
        }
        self.under_way.pop();
        let chain = Chain::new(program, &locals)?;
        let first = chain.walk(program.start)?;
        let later = match program.restart == program.start {
            true => None,
            false => Some(chain.walk(program.restart)?),
        };
        Ok(sum_up(program, &locals, first, later, caveats))
    }
}

fn caveats_of(program: &Program) -> BTreeSet<Caveat> {
    let limits = &program.limits;
    let limited = limits.calls.is_some()
        || limits.tokens.is_some()
        || limits.usd.is_some()
        || limits.deadline.is_some();
    let retry = &program.retry;
    let fails = retry.transport_error > 0.0 || retry.timeout.is_some();
    [
        (program.compaction.is_some() || program.pruning.is_some(), Caveat::Compaction),
        (limited, Caveat::Limits),
        (fails, Caveat::Retries),
    ]
    .into_iter()
    .filter_map(|(holds, caveat)| holds.then_some(caveat))
    .collect()
}

/// A session's tasks are one walk from the program's start and, where they start elsewhere, `later`
/// ones.
fn sum_up(
    program: &Program,
    locals: &[Local],
    first: Walk,
    later: Option<Walk>,
    caveats: BTreeSet<Caveat>,
) -> Solved {
    let shared: f64 = program.shared.iter().map(|part| count(&part.tokens, 0).mean()).sum();
    let opening_tokens = shared + count(&program.opening_tokens, 0).mean();
    let tasks = count(&program.session.tasks, 1);
    let session_tasks = tasks.mean();
    let again = later.as_ref().unwrap_or(&first);
    let single = |walk: &Walk| Powers::once(&walk.behind).apply(&walk.own, &NOTHING_BEHIND);
    let (single, other) = (single(&first), single(again));
    let whole: Values = if program.session.new_contexts {
        std::array::from_fn(|row| single[row] + (session_tasks - 1.0) * other[row])
    } else {
        let others = Powers::all_but_one(&again.behind, &tasks).apply(&again.own, &NOTHING_BEHIND);
        Powers::once(&first.behind).apply(&first.own, &others)
    };
    let visits =
        |(first, later): (f64, f64)| (first + (session_tasks - 1.0) * later) / session_tasks;
    let visits: Vec<f64> =
        first.visits.iter().copied().zip(again.visits.iter().copied()).map(visits).collect();
    let total = |figure: fn(&Local) -> f64| -> f64 {
        visits.iter().zip(locals).map(|(visits, local)| visits * figure(local)).sum()
    };
    let task = Expectation {
        success: total(|local| local.success),
        llm_calls: total(|local| local.llm_calls),
        tool_calls: total(|local| local.tool_calls),
        sub_agents: total(|local| local.sub_agents),
        input_tokens: (whole[INPUT] + opening_tokens * whole[CALLS]) / session_tasks,
        output_tokens: total(|local| local.output_tokens),
        reasoning_tokens: total(|local| local.reasoning_tokens),
        waiting_s: total(|local| local.waiting_s),
        opening_tokens,
        // As the next task's first call would read it.
        growth_tokens: if program.session.new_contexts { 0.0 } else { again.behind[INPUT][CALLS] },
        session_tasks,
        visits,
        caveats,
    };
    Solved { task, single }
}
