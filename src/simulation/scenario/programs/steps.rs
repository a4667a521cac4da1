//! `[programs.NAME.steps.STEP]`: what happens in a step, and where it leads.

use super::tools::{self, OWN_TOOL_KEYS};
use super::{Builder, constant, identity};
use crate::foundations::{Dimension, Fault};
use crate::simulation::scenario::document::{Node, Value, join_path};
use crate::simulation::scenario::reader::{Bounds, Key, Schema, Section, quantity};
use crate::workload::program::{
    Branch, CheckStep, Join, LlmStep, LoopStep, Passages, SpawnStep, StepIndex, StepKind, ToolStep,
    WaitStep,
};

/// Keys of a step.
pub static STEP: Schema = Schema::new(
    "A step of a program.",
    &[Key::choice("kind", &KINDS, "what happens in it").example("llm")],
)
.by(
    "kind",
    &[
        ("llm", &LLM),
        ("check", &CHECK),
        ("tool", &TOOL),
        ("spawn", &SPAWN),
        ("wait", &WAIT),
        ("loop", &LOOP),
        ("end", &END),
    ],
);

const KINDS: [&str; 7] = ["llm", "check", "tool", "spawn", "wait", "loop", "end"];

const MODEL: Key = Key::name("model", "pool", "pool that serves it; by default the agent's own")
    .optional()
    .example("main");
const PASSAGES_KEY: Key = Key::section("passages", &PASSAGES).optional();
const INPUT: Key =
    Key::law("input", Dimension::Tokens, "tokens that join the context before the call")
        .at_least(0.0)
        .default("0");
const OUTPUT: Key = Key::law("output", Dimension::Tokens, "tokens produced, reasoning included")
    .at_least(0.0)
    .example("{ lognormal = { median = 250, p90 = 600 } }");
const REASONING_KEY: Key = Key::section("reasoning", &REASONING).optional();
const KEEP_OUTPUT: Key =
    Key::boolean("keep_output", "whether the output stays in the context").default("true");
const NEXT: Key = Key::any(
    "next",
    "the step that follows, or probabilities of several: { answer = 0.3, search = 0.7 }; without \
     it the task ends",
)
.optional()
.example("answer");
const ON_ERROR: Key =
    Key::name("on_error", "step", "where a failure leads").optional().example("answer");

static LLM: Schema = Schema::new(
    "A call of a language model.",
    &[MODEL, PASSAGES_KEY, INPUT, OUTPUT, REASONING_KEY, KEEP_OUTPUT, NEXT, ON_ERROR],
);

static CHECK: Schema = Schema::new(
    "A call that verifies the agent's work.",
    &[
        Key::quantity("pass", Dimension::Fraction, "probability that the work is found good")
            .between(0.0, 1.0)
            .example("80 %"),
        Key::name("on_fail", "step", "where the work goes back to").example("work"),
        MODEL,
        PASSAGES_KEY,
        INPUT,
        OUTPUT,
        REASONING_KEY,
        KEEP_OUTPUT,
        NEXT,
        ON_ERROR,
    ],
);

static TOOL: Schema = Schema::new(
    "A call of a tool, or of several at once: a known one by `tool`, or one of its own by `latency`.",
    &[
        Key::name("tool", "tool", "the tool").optional().example("shell"),
        OWN_TOOL_KEYS[0],
        OWN_TOOL_KEYS[1],
        OWN_TOOL_KEYS[2],
        OWN_TOOL_KEYS[3],
        Key::law("parallel", Dimension::Number, "calls at once; the step ends with the last")
            .at_least(0.0)
            .default("1"),
        Key::boolean(
            "result_includes_output",
            "whether the result counts the output before it too, as measured growth does",
        )
        .default("false"),
        NEXT,
        ON_ERROR,
    ],
);

static SPAWN: Schema = Schema::new(
    "Sub-agents in parallel.",
    &[
        Key::name("program", "program", "what they do").example("researcher"),
        Key::law("count", Dimension::Number, "how many").at_least(0.0).default("1"),
        Key::law("input", Dimension::Tokens, "tokens of each assignment")
            .at_least(0.0)
            .default("0"),
        Key::choice(
            "context",
            &["own", "fork"],
            "whether they start with their program's own context or a copy of the parent's",
        )
        .default("own"),
        Key::any("join", "how many are waited for: \"all\", \"any\", or a number").default("all"),
        Key::law(
            "report",
            Dimension::Tokens,
            "tokens that each adds to the parent's context; by default its last output",
        )
        .at_least(0.0)
        .optional()
        .example("1500"),
        MODEL,
        NEXT,
    ],
);

static WAIT: Schema = Schema::new(
    "A person is waited for.",
    &[Key::law("time", Dimension::Time, "how long").at_least(0.0).example("2 min"), NEXT],
);

static LOOP: Schema = Schema::new(
    "Repeats a part of the program.",
    &[
        Key::law("times", Dimension::Number, "how often").at_least(0.0).example("5"),
        Key::name("body", "step", "first step of the part, which leads back here").example("think"),
        Key::name("next", "step", "where it leads after the last time; without it the task ends")
            .optional()
            .example("answer"),
    ],
);

static END: Schema = Schema::new(
    "The task is over.",
    &[Key::boolean("success", "whether the user got what was asked for").default("true")],
);

/// Keys of `passages`.
pub static PASSAGES: Schema = Schema::new(
    "Passages retrieved into the context, the same text for all who retrieve them.",
    &[
        Key::law("count", Dimension::Number, "how many").at_least(0.0).example("6"),
        Key::law("tokens", Dimension::Tokens, "tokens of each").at_least(1.0).example("260"),
        Key::law("popularity", Dimension::Number, "which one, as its rank from 1")
            .at_least(1.0)
            .example("{ zipf = { n = 3235, exponent = 1.05 } }"),
        Key::text("collection", "where they come from; programs that name the same share them")
            .default("passages"),
    ],
);

/// Keys of `reasoning`.
pub static REASONING: Schema = Schema::new(
    "The part of the output that the model thinks for itself.",
    &[
        Key::law("share", Dimension::Fraction, "part of the output")
            .between(0.0, 1.0)
            .example("0.7"),
        Key::boolean("keep", "whether it stays in the context").default("false"),
    ],
);

/// Steps that need not be written: where a task ends well, and where it fails.
pub(super) const IMPLIED: [(&str, bool); 2] = [("end", true), ("fail", false)];

/// The steps of a program by name, in order; the implied ones come last.
#[derive(Clone, Debug)]
pub(super) struct StepNames(pub(super) Vec<String>);

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
        "wait" => StepKind::Wait(WaitStep { time_s: step.law("time"), next: names.next(step) }),
        "loop" => StepKind::Loop(LoopStep {
            times: step.law("times"),
            body: names.named(step, "body").unwrap_or(names.end()),
            next: names.named(step, "next").unwrap_or(names.end()),
            counter: program.next_loop(),
        }),
        _ => StepKind::End { success: step.boolean("success") },
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
    ToolStep {
        tool,
        parallel: step.law("parallel"),
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
