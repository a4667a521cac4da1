//! `[tools.NAME]`: what agents call beside models.

use crate::foundations::Dimension;
use crate::simulation::scenario::reader::{Key, Schema, Section};
use crate::simulation::scenario::run::time;
use crate::workload::tool::Tool;

const LATENCY: Key =
    Key::law("latency", Dimension::Time, "time of a call once it has a slot").at_least(0.0);
const RESULT: Key =
    Key::law("result", Dimension::Tokens, "tokens that a result adds to the context")
        .at_least(0.0)
        .default("0");
const FAILURE: Key =
    Key::quantity("failure", Dimension::Fraction, "probability that a call returns an error")
        .between(0.0, 1.0)
        .default("0 %");
const TIMEOUT: Key = Key::quantity(
    "timeout",
    Dimension::Time,
    "a call that takes longer is given up: an error without a result",
)
.above(0.0)
.optional();
const SLOTS: Key =
    Key::integer("slots", 1, 1_000_000, "calls served at once; the others queue").optional();

/// Keys of `[tools.NAME]`. A step that names no tool takes the same ones.
pub static TOOL: Schema = Schema::new(
    "A tool. All agents that name it share its slots.",
    &[LATENCY.example("2 s"), RESULT, FAILURE, TIMEOUT.example("30 s"), SLOTS.example("8")],
);

/// The same keys for a step with a tool of its own.
pub(in crate::simulation::scenario) const OWN_TOOL_KEYS: [Key; 5] = [
    LATENCY.optional().example("2 s"),
    RESULT,
    FAILURE,
    TIMEOUT.example("30 s"),
    SLOTS.example("8"),
];

/// Reads a tool; `section` is that of the tool, or of a step with a tool of its own.
pub(in crate::simulation::scenario) fn read(name: &str, section: &Section) -> Tool {
    Tool {
        name: name.to_owned(),
        latency_s: section.law("latency"),
        result_tokens: section.law("result"),
        failure: section.quantity("failure"),
        timeout: section.optional("timeout", time).flatten(),
        slots: section.optional("slots", Section::integer),
    }
}
