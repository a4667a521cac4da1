//! `[programs.NAME.steps.STEP]`: what happens in a step, and where it leads.

mod keys;

use super::tools::{self, OWN_TOOL_KEYS};
use super::{Builder, constant, identity};
use crate::foundations::{Dimension, Fault};
use crate::simulation::scenario::document::{Node, Value, join_path};
use crate::simulation::scenario::reader::{Bounds, Section, quantity};
use crate::workload::program::{
    Branch, CheckStep, Join, LlmStep, LoopStep, Passages, SpawnStep, StepIndex, StepKind, ToolStep,
    WaitStep,
};

use keys::KINDS;

pub use keys::{PASSAGES, REASONING, STEP};

/// Steps that need not be written: where a task ends well, and where it fails.
pub(super) const IMPLIED: [(&str, bool); 2] = [("end", true), ("fail", false)];

/// The steps of a program by name, in order; the implied ones come last.
#[derive(Clone, Debug)]
pub(super) struct StepNames(Vec<String>);

impl StepNames {
    pub(super) fn new<'n>(written: impl Iterator<Item = &'n str>) -> Self {
        let mut names: Vec<String> = written.map(str::to_owned).collect();
        for (implied, _) in IMPLIED {
            if names.iter().all(|name| name != implied) {
                names.push(implied.to_owned());
            }
        }
        Self(names)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.iter().map(String::as_str)
    }

    fn position(&self, name: &str) -> Option<StepIndex> {
        self.iter().position(|known| known == name).map(|index| index as StepIndex)
    }

    fn end(&self) -> StepIndex {
        self.position(IMPLIED[0].0).unwrap_or(0)
    }

    /// The step that a key names; `None` where it was left out or names none.
    pub(super) fn named(&self, section: &Section, key: &str) -> Option<StepIndex> {
        section.name(key, self.iter()).and_then(|name| self.position(name))
    }

    /// Where `next` leads; the task ends where it was left out.
    fn next(&self, section: &Section) -> Branch {
        let end = Branch::always(self.end());
        let Some(node) = section.node("next") else { return end };
        let path = join_path(section.path(), "next");
        let report = |fault: Fault, node: &Node, path: &str| {
            section.report(fault.at(node.origin.place(path)));
        };
        let unknown = |name: &str| Fault::unknown("step", name, self.iter());
        if let Some(name) = node.as_str() {
            let found = self.position(name);
            if found.is_none() {
                report(unknown(name), node, &path);
            }
            return found.map_or(end, Branch::always);
        }
        let Some(table) = node.as_table() else {
            let message = format!("expected a step or probabilities, found {}", node.describe());
            report(Fault::new(message).help("for example `next = \"answer\"`"), node, &path);
            return end;
        };
        let (mut ways, mut total) = (Vec::new(), 0.0);
        for entry in &table.entries {
            let path = join_path(&path, &entry.key);
            let step = self.position(&entry.key);
            if step.is_none() {
                section.report(unknown(&entry.key).at(entry.key_origin.place(path.as_str())));
            }
            match probability(&entry.key, &entry.node) {
                Ok(probability) => {
                    total += probability;
                    ways.extend(step.map(|step| (probability, step)));
                }
                Err(fault) => report(fault, &entry.node, &path),
            }
        }
        if !section.is_sound() {
            return end;
        }
        if libm::fabs(total - 1.0) > 1e-6 {
            let message = format!("the probabilities add up to {total:.6}, not to 1");
            report(Fault::new(message), node, &path);
            return end;
        }
        branch(&ways, total)
    }
}

/// Ways that can be gone, with their cumulative probabilities.
fn branch(ways: &[(f64, StepIndex)], total: f64) -> Branch {
    let mut sum = 0.0;
    let possible = ways.iter().filter(|&&(probability, _)| probability > 0.0);
    let mut cumulative: Vec<(f64, StepIndex)> = possible
        .map(|&(probability, step)| {
            sum += probability / total;
            (sum, step)
        })
        .collect();
    if let Some(last) = cumulative.last_mut() {
        last.0 = 1.0;
    }
    Branch { cumulative }
}

fn probability(name: &str, node: &Node) -> Result<f64, Fault> {
    let bounds = Bounds { low: 0.0, above: false, high: 1.0 };
    quantity(name, Dimension::Fraction, bounds, node).map_err(Fault::new)
}

/// Reads a step.
pub(super) fn read(
    name: &str,
    step: &Section,
    names: &StepNames,
    program: &mut Builder,
) -> StepKind {
    let kinds = KINDS.map(|kind| (kind, kind));
    match step.choice("kind", &kinds) {
        "llm" => StepKind::Llm(call(step, names, program)),
        "check" => StepKind::Check(CheckStep {
            call: call(step, names, program),
            pass: step.quantity("pass"),
            on_fail: names.named(step, "on_fail").unwrap_or(names.end()),
        }),
        "tool" => StepKind::Tool(tool(name, step, names, program)),
        "spawn" => StepKind::Spawn(spawn(step, names, program)),
        "wait" => StepKind::Wait(wait(step, names)),
        "loop" => StepKind::Loop(LoopStep {
            times: step.law("times"),
            body: names.named(step, "body").unwrap_or(names.end()),
            next: names.named(step, "next").unwrap_or(names.end()),
            counter: program.next_loop(),
        }),
        _ => StepKind::End { success: step.boolean("success") },
    }
}

fn wait(step: &Section, names: &StepNames) -> WaitStep {
    let judged = ["accept", "on_reject"].map(|key| step.has(key));
    if judged == [true, false] || judged == [false, true] {
        let (there, missing) =
            if judged[0] { ("accept", "on_reject") } else { ("on_reject", "accept") };
        let fault = step.fault(there, format!("`{there}` needs `{missing}` beside it"));
        step.report(fault.help("for example `accept = \"80 %\", on_reject = \"work\"`"));
    }
    WaitStep {
        time_s: step.law("time"),
        accept: step.optional("accept", Section::quantity).unwrap_or(1.0),
        on_reject: step.has("on_reject").then(|| names.named(step, "on_reject")).flatten(),
        next: names.next(step),
    }
}

fn call(step: &Section, names: &StepNames, program: &mut Builder) -> LlmStep {
    let passages = step.optional("passages", |step, key| {
        let section = step.section(key);
        let collection = section.text("collection");
        let tokens = section.law("tokens");
        program.check_shared_text(&section, "collection", collection, &tokens);
        Passages {
            count: section.law("count"),
            rank: section.law("popularity"),
            tokens,
            collection: identity("collection", collection),
        }
    });
    let reasoning = step.optional("reasoning", |step, key| {
        let section = step.section(key);
        (section.law("share"), section.boolean("keep"))
    });
    let (reasoning_share, keep_reasoning) = reasoning.unwrap_or((constant(0.0), false));
    LlmStep {
        model: program.model(step),
        passages,
        input_tokens: step.law("input"),
        output_tokens: step.law("output"),
        reasoning_share,
        keep_reasoning,
        keep_output: step.boolean("keep_output"),
        next: names.next(step),
        on_error: step.has("on_error").then(|| names.named(step, "on_error")).flatten(),
    }
}

fn tool(name: &str, step: &Section, names: &StepNames, program: &mut Builder) -> ToolStep {
    let tool = match step.one_of(&["tool", "latency"]) {
        Some("tool") => {
            for key in OWN_TOOL_KEYS.iter().map(|key| key.name).filter(|key| step.has(key)) {
                if key != "latency" {
                    let message = format!("`{key}` can't stand beside `tool`");
                    let help = "it belongs to the tool, in [tools]";
                    step.report(step.fault(key, message).help(help));
                }
            }
            program.tool(step, "tool")
        }
        Some(_) => program.own_tool(name, tools::read(name, step)),
        None => 0,
    };
    let streamed = step.boolean("streamed");
    if streamed && program.tool_at(tool).is_some_and(|tool| tool.slots.is_some()) {
        let message = "a tool with `slots` can't be `streamed`";
        let help =
            "how long its calls queue is known only when the answer is; leave one of the two out";
        step.report(step.fault("streamed", message).help(help));
    }
    ToolStep {
        tool,
        parallel: step.law("parallel"),
        streamed,
        result_includes_output: step.boolean("result_includes_output"),
        next: names.next(step),
        on_error: step.has("on_error").then(|| names.named(step, "on_error")).flatten(),
    }
}

fn spawn(step: &Section, names: &StepNames, program: &mut Builder) -> SpawnStep {
    SpawnStep {
        program: program.spawned(step),
        count: step.law("count"),
        input_tokens: step.law("input"),
        fork_context: step.choice("context", &[("own", false), ("fork", true)]),
        join: join(step),
        report_tokens: step.optional("report", Section::law),
        model: program.model(step),
        next: names.next(step),
    }
}

fn join(step: &Section) -> Join {
    match step.node("join").map(|node| (&node.value, node)) {
        None => Join::All,
        Some((Value::Integer(count), _)) if (1..=i64::from(u32::MAX)).contains(count) => {
            Join::First(*count as u32)
        }
        Some((Value::String(word), _)) if word == "all" => Join::All,
        Some((Value::String(word), _)) if word == "any" => Join::First(1),
        Some((_, node)) => {
            let message =
                format!("expected \"all\", \"any\" or a number above 0, found {}", node.describe());
            step.report(step.fault("join", message));
            Join::All
        }
    }
}
