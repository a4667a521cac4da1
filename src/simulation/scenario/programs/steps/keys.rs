//! The keys of a step, by its kind.

use crate::foundations::Dimension;
use crate::simulation::scenario::programs::tools::OWN_TOOL_KEYS;
use crate::simulation::scenario::reader::{Bounds, Key, Kind, Schema};

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

/// What may happen in a step.
pub(super) const KINDS: [&str; 7] = ["llm", "check", "tool", "spawn", "wait", "loop", "end"];

const PROBABILITY: Bounds = Bounds { low: 0.0, above: false, high: 1.0 };
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
const NEXT: Key = Key::either(
    "next",
    &[Kind::Name("step"), Kind::NamedQuantities(Dimension::Fraction, PROBABILITY)],
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
        OWN_TOOL_KEYS[4],
        Key::law("parallel", Dimension::Number, "calls at once; the step ends with the last")
            .at_least(0.0)
            .default("1"),
        Key::boolean(
            "streamed",
            "whether each call begins as soon as it is written, before the answer that asks for it ends",
        )
        .default("false"),
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
        Key::either(
            "join",
            &[Kind::Choice(&["all", "any"]), Kind::Integer(1, u32::MAX as i64)],
            "how many are waited for: \"all\", \"any\", or a number",
        )
        .default("all"),
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
    "A person is waited for, who may look at the work and send it back.",
    &[
        Key::law("time", Dimension::Time, "how long").at_least(0.0).example("2 min"),
        Key::quantity("accept", Dimension::Fraction, "probability that the person is content")
            .between(0.0, 1.0)
            .optional()
            .example("80 %"),
        Key::name("on_reject", "step", "where the work goes back to when not")
            .optional()
            .example("work"),
        NEXT,
    ],
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
