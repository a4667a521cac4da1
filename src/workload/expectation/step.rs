//! What one visit of a step takes, and how it changes the context on each way out.

use std::collections::BTreeSet;

use super::affine::{CALLS, INPUT, REPORT};
use super::moment::{count, mean_of, mean_of_largest};
use super::{Caveat, ExpectationError, Solver};
use crate::foundations::{Law, SimDuration};
use crate::workload::program::{
    Branch, CheckStep, Join, LlmStep, Program, SpawnStep, Step, StepIndex, StepKind, ToolStep,
};
use crate::workload::tool::Tool;

/// One way out of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Way {
    pub(super) to: StepIndex,
    pub(super) probability: f64,
    /// Probability times the tokens that the step then has added to the context.
    pub(super) growth: f64,
}

/// What a step does with the output that the last call added to the context.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Joined {
    /// Leaves it.
    #[default]
    Stays,
    /// Adds so many tokens of its own.
    Sets(f64),
    /// Makes it final.
    Settles,
    /// Brings a result that counts it, and so takes it away.
    Replaced,
}

/// A step as its expectation sees it: figures of one visit.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Local {
    pub(super) success: f64,
    pub(super) llm_calls: f64,
    pub(super) tool_calls: f64,
    pub(super) sub_agents: f64,
    pub(super) output_tokens: f64,
    pub(super) reasoning_tokens: f64,
    pub(super) waiting_s: f64,
    /// Calls that read the context, its own input tokens included in the next figure.
    pub(super) reads: f64,
    /// Input tokens of its calls for a context that is empty on arrival.
    pub(super) input_tokens: f64,
    pub(super) joined: Joined,
    pub(super) ways: Vec<Way>,
}

impl Solver<'_> {
    /// A step's figures, with those of the sub-agents that it spawns.
    pub(super) fn local(
        &mut self,
        program: &Program,
        step: &Step,
        caveats: &mut BTreeSet<Caveat>,
    ) -> Result<Local, ExpectationError> {
        let local = match &step.kind {
            StepKind::Llm(call) => of_call(call, ways(&call.next, 1.0)),
            StepKind::Check(check) => of_check(check),
            StepKind::Tool(tool) => {
                let found = self.tools.get(tool.tool as usize);
                of_tool(tool, found.ok_or_else(|| dangling(program, step, "tool"))?)
            }
            StepKind::Spawn(spawn) => self.of_spawn(spawn, caveats)?,
            StepKind::Wait(wait) => {
                let accept = wait.on_reject.map_or(1.0, |_| wait.accept.clamp(0.0, 1.0));
                let mut ways = ways(&wait.next, accept);
                let back = wait.on_reject.filter(|_| accept < 1.0);
                ways.extend(back.map(|to| Way { to, probability: 1.0 - accept, growth: 0.0 }));
                let waiting_s = positive(&wait.time_s).mean();
                Local { waiting_s, ways, ..Local::default() }
            }
            StepKind::Loop(repeat) => {
                let ways =
                    [repeat.next, repeat.body].map(|to| Way { to, probability: 1.0, growth: 0.0 });
                Local { ways: ways.to_vec(), ..Local::default() }
            }
            StepKind::End { success } => {
                Local { success: f64::from(u8::from(*success)), ..Local::default() }
            }
        };
        let known = |way: &Way| (way.to as usize) < program.steps.len();
        if local.ways.iter().all(known) { Ok(local) } else { Err(dangling(program, step, "step")) }
    }

    fn of_spawn(
        &mut self,
        step: &SpawnStep,
        caveats: &mut BTreeSet<Caveat>,
    ) -> Result<Local, ExpectationError> {
        let child = self.program(step.program)?;
        caveats.extend(&child.task.caveats);
        let number = count(&step.count, 0);
        let mean = number.mean();
        let (reads, own) = (child.single[CALLS], child.single[INPUT]);
        let opening = if step.fork_context { 0.0 } else { child.task.opening_tokens };
        let input = count(&step.input_tokens, 0).mean();
        let report =
            step.report_tokens.as_ref().map_or(child.single[REPORT], |law| count(law, 0).mean());
        let (joining, waited_for) = match step.join {
            Join::All => (mean, 1.0 - number.cdf(0.0)),
            Join::First(some) => {
                caveats.insert(Caveat::Abandoned);
                // The first of several may be through at once.
                (mean_of(&number, |n| n.min(f64::from(some.max(1)))), 0.0)
            }
        };
        let mut ways = ways(&step.next, 1.0);
        grow(&mut ways, joining * report);
        Ok(Local {
            llm_calls: mean * child.task.llm_calls,
            tool_calls: mean * child.task.tool_calls,
            sub_agents: mean * (1.0 + child.task.sub_agents),
            output_tokens: mean * child.task.output_tokens,
            reasoning_tokens: mean * child.task.reasoning_tokens,
            waiting_s: waited_for * child.task.waiting_s,
            reads: if step.fork_context { mean * reads } else { 0.0 },
            input_tokens: mean * (own + (opening + input) * reads),
            ways,
            ..Local::default()
        })
    }
}

fn dangling(program: &Program, step: &Step, what: &'static str) -> ExpectationError {
    ExpectationError::Dangling { program: program.name.clone(), step: step.name.clone(), what }
}

/// The ways of a branch that is taken with some probability; those that are never taken are none.
fn ways(branch: &Branch, probability: f64) -> Vec<Way> {
    let ways = branch.ways().map(|(part, to)| (part * probability, to));
    let way = |(probability, to)| Way { to, probability, growth: 0.0 };
    ways.filter(|&(part, _)| part > 0.0).map(way).collect()
}

/// Adds tokens to the context on all ways alike.
fn grow(ways: &mut [Way], tokens: f64) {
    for way in ways {
        way.growth += way.probability * tokens;
    }
}

fn positive(time: &Law) -> Law {
    time.clone().clamped(0.0, f64::INFINITY).unwrap_or_else(|_| time.clone())
}

fn of_call(step: &LlmStep, mut ways: Vec<Way>) -> Local {
    let passages = step.passages.as_ref().map_or(0.0, |passages| {
        count(&passages.count, 0).mean() * count(&passages.tokens, 0).mean()
    });
    let input = passages + count(&step.input_tokens, 0).mean();
    let output = count(&step.output_tokens, 1).mean();
    let share = step.reasoning_share.clone();
    let reasoning = output * share.clone().clamped(0.0, 1.0).unwrap_or(share).mean();
    let joined = match (step.keep_output, step.keep_reasoning) {
        (false, _) => 0.0,
        (true, true) => output,
        (true, false) => output - reasoning,
    };
    grow(&mut ways, input + joined);
    Local {
        llm_calls: 1.0,
        output_tokens: output,
        reasoning_tokens: reasoning,
        reads: 1.0,
        input_tokens: input,
        joined: Joined::Sets(joined),
        ways,
        ..Local::default()
    }
}

fn of_check(step: &CheckStep) -> Local {
    let pass = step.pass.clamp(0.0, 1.0);
    let mut out = ways(&step.call.next, pass);
    out.extend(ways(&Branch::always(step.on_fail), 1.0 - pass));
    of_call(&step.call, out)
}

fn of_tool(step: &ToolStep, tool: &Tool) -> Local {
    let calls = count(&step.parallel, 0);
    let (mean, tokens) = (calls.mean(), count(&tool.result_tokens, 0).mean());
    let (latency_s, in_time) = match tool.timeout.map(SimDuration::as_s) {
        None => (positive(&tool.latency_s), 1.0),
        Some(most) => {
            let cut = tool.latency_s.clone().clamped(0.0, most);
            (cut.unwrap_or_else(|_| tool.latency_s.clone()), tool.latency_s.cdf(most))
        }
    };
    // A failure is the likelier the more calls are made, and so goes with more tokens.
    let sound = in_time * (1.0 - tool.failure.clamp(0.0, 1.0));
    let (well, calls_when_well) = match step.on_error {
        Some(_) if sound < 1.0 => {
            (mean_of(&calls, |n| libm::pow(sound, n)), mean_of(&calls, |n| n * libm::pow(sound, n)))
        }
        _ => (1.0, mean * in_time),
    };
    let mut out = ways(&step.next, 1.0);
    for way in &mut out {
        way.growth = way.probability * calls_when_well * tokens;
        way.probability *= well;
    }
    if let Some(to) = step.on_error.filter(|_| well < 1.0) {
        let growth = (mean * in_time - calls_when_well) * tokens;
        out.push(Way { to, probability: 1.0 - well, growth });
    }
    Local {
        tool_calls: mean,
        waiting_s: mean_of_largest(&latency_s, &calls),
        joined: if step.result_includes_output { Joined::Replaced } else { Joined::Settles },
        ways: out,
        ..Local::default()
    }
}
