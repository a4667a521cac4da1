//! Whether prompts can fit the models that they go to at all.

use crate::foundations::units::format_number;
use crate::foundations::{Faults, Law};
use crate::simulation::plan::Pool;
use crate::simulation::scenario::reader::Section;
use crate::workload::program::{LlmStep, Program, StepIndex, StepKind};

/// Reports an agent whose first prompt never fits, and warns where half of them don't, or where
/// compaction comes too late.
pub(super) fn check_prompts(
    agent: &Section,
    program: &Program,
    pool: &Pool,
    warnings: &mut Faults,
) {
    let most = f64::from(pool.max_context);
    let room = format!(
        "pool `{}` takes {} tokens, prompt and answer together",
        pool.name,
        format_number(most)
    );
    let [least, median] = [Law::minimum, |law: &Law| law.quantile(0.5)]
        .map(|value: fn(&Law) -> f64| first_prompt(program, value));
    let prompt = |tokens: f64| format!("{} tokens", format_number(tokens));
    if least >= most {
        let message = format!("the first prompt has at least {}, but {room}", prompt(least));
        let help = "shorten it, raise `max_context`, or choose a model with a longer context";
        agent.report(agent.fault("program", message).help(help));
    } else if median >= most {
        let message = format!("a first prompt typically has {}, but {room}", prompt(median));
        warnings.push(agent.fault("program", message).help("such tasks fail"));
    }
    if let Some(cut) = &program.compaction
        && f64::from(cut.above_tokens) >= most
    {
        let message =
            format!("compaction begins above {}, but {room}", prompt(cut.above_tokens.into()));
        warnings.push(agent.fault("program", message).help("lower `compaction.above`"));
    }
}

/// Tokens of the shortest first prompt that a walk from the start can come to, each law standing
/// for the number that `value` makes of it; 0 where no call is made.
fn first_prompt(program: &Program, value: fn(&Law) -> f64) -> f64 {
    let opening: f64 = program.shared.iter().map(|segment| value(&segment.tokens)).sum();
    let own = opening + value(&program.opening_tokens);
    let mut seen = vec![false; program.steps.len()];
    let mut open = vec![program.start];
    let mut shortest = f64::INFINITY;
    while let Some(step) = open.pop() {
        if std::mem::replace(&mut seen[usize::from(step)], true) {
            continue;
        }
        match &program.steps[usize::from(step)].kind {
            StepKind::Llm(call) => shortest = shortest.min(own + call_tokens(call, value)),
            StepKind::Check(check) => {
                shortest = shortest.min(own + call_tokens(&check.call, value));
            }
            other => open.extend(onward(other)),
        }
    }
    if shortest.is_finite() { shortest } else { 0.0 }
}

fn call_tokens(call: &LlmStep, value: fn(&Law) -> f64) -> f64 {
    let passages = call.passages.as_ref();
    let retrieved = passages.map_or(0.0, |some| value(&some.count) * value(&some.tokens));
    value(&call.input_tokens) + retrieved
}

/// Where a step without a call leads.
fn onward(kind: &StepKind) -> Vec<StepIndex> {
    let (next, other) = match kind {
        StepKind::Tool(step) => (&step.next, step.on_error),
        StepKind::Spawn(step) => (&step.next, None),
        StepKind::Wait(step) => (&step.next, step.on_reject),
        StepKind::Loop(step) => return vec![step.body, step.next],
        StepKind::Llm(_) | StepKind::Check(_) | StepKind::End { .. } => return Vec::new(),
    };
    next.cumulative.iter().map(|&(_, step)| step).chain(other).collect()
}
