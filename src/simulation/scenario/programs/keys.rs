//! The keys of a program.

use super::settings::{COMPACTION, LIMITS, PRUNING, RETRY, SESSION};
use super::steps::STEP;
use super::tools::TOOL;
use crate::foundations::Dimension;
use crate::simulation::scenario::reader::{Key, Schema};

/// Keys of `[programs.NAME]`.
pub static PROGRAM: Schema = Schema::new(
    "What an agent does: a graph of steps that each task walks from its start to an end.",
    &[
        Key::name(
            "base",
            "program",
            "a program or archetype to start from; the keys here override",
        )
        .optional()
        .example("chat"),
        Key::name("start", "step", "where a task starts; by default at the first step")
            .optional()
            .example("think"),
        Key::name("restart", "step", "where later tasks of a session start, if not there")
            .optional()
            .example("respond"),
        Key::section_list("shared", &SHARED).optional(),
        Key::law("opening_tokens", Dimension::Tokens, "own tokens behind them in a new session")
            .at_least(0.0)
            .default("0"),
        Key::section("session", &SESSION).optional(),
        Key::section("pruning", &PRUNING).optional(),
        Key::section("compaction", &COMPACTION).optional(),
        Key::section("limits", &LIMITS).optional(),
        Key::section("retry", &RETRY).optional(),
        Key::sections("tools", &TOOL).optional(),
        Key::sections("steps", &STEP),
    ],
)
.inherits();

/// Keys of each of `shared`.
pub static SHARED: Schema = Schema::new(
    "Segments that open every conversation: system prompt, tool definitions.",
    &[
        Key::text("name", "what it is called; programs that name the same one share it")
            .example("system-prompt"),
        Key::law("tokens", Dimension::Tokens, "tokens of it").at_least(0.0).example("2500"),
        Key::section("variants", &VARIANTS).optional(),
    ],
);

/// Keys of `variants` of a shared segment.
pub static VARIANTS: Schema = Schema::new(
    "Different texts, of which each conversation has one.",
    &[
        Key::integer("count", 1, 1_000_000_000, "how many").example("20"),
        Key::quantity("exponent", Dimension::Number, "rank i is used like i^-exponent")
            .between(0.0, 10.0)
            .default("1"),
        Key::quantity(
            "redrawn",
            Dimension::Fraction,
            "part of a session's later tasks that draw theirs anew: all behind it is new then",
        )
        .between(0.0, 1.0)
        .default("0 %"),
    ],
);
