//! `response_cache`: answers that were given before, given again.

use crate::foundations::Dimension;
use crate::simulation::scenario::reader::{Key, Schema, Section};
use crate::simulation::scenario::run::time;
use crate::workload::response_cache::{HitLaw, ResponseCache};

/// Keys of `response_cache`.
pub static RESPONSE_CACHE: Schema = Schema::new(
    "A cache of answers before the model.",
    &[
        Key::choice(
            "asked_by",
            &["first-call", "every-call"],
            "the first call of each task, or every call, also of sub-agents",
        )
        .default("first-call"),
        Key::quantity("hit", Dimension::Fraction, "part of the questions that it can answer")
            .between(0.0, 1.0)
            .optional()
            .example("30 %"),
        Key::law("questions", Dimension::Number, "ranks of what is asked, the same rank the same")
            .at_least(0.0)
            .optional()
            .example("{ zipf = { n = 10000, exponent = 1 } }"),
        Key::integer("capacity", 1, 1_000_000_000, "answers kept, at most")
            .optional()
            .example("5000"),
        Key::quantity("ttl", Dimension::Time, "how long an answer is kept after it was made")
            .above(0.0)
            .optional()
            .example("1 h"),
        Key::law("latency", Dimension::Time, "time that it takes to find an answer")
            .at_least(0.0)
            .default("30 ms"),
        Key::quantity("wrong", Dimension::Fraction, "part of its answers that miss the question")
            .between(0.0, 1.0)
            .default("0 %"),
    ],
);

/// Reads `response_cache`.
pub(super) fn read(section: &Section) -> Option<ResponseCache> {
    let hits = match section.one_of(&["hit", "questions"])? {
        "hit" => {
            for key in ["capacity", "ttl"].into_iter().filter(|key| section.has(key)) {
                let message = format!("`{key}` has no meaning where `hit` states what is found");
                section
                    .report(section.fault(key, message).help("give `questions` instead of `hit`"));
            }
            HitLaw::Stated(section.quantity("hit"))
        }
        _ => {
            let (capacity, ttl) = (
                section.optional("capacity", Section::integer),
                section.optional("ttl", time).flatten(),
            );
            if section.is_sound() && capacity.is_none() && ttl.is_none() {
                let fault = section.fault("questions", "no answer is ever forgotten");
                section.report(fault.help("give `capacity = 5000`, or `ttl = \"1 h\"`, or both"));
            }
            HitLaw::Questions { rank: section.law("questions"), capacity, ttl }
        }
    };
    let every_call = section.choice("asked_by", &[("first-call", false), ("every-call", true)]);
    let (latency_s, wrong) = (section.law("latency"), section.quantity("wrong"));
    Some(ResponseCache { every_call, hits, latency_s, wrong })
}
