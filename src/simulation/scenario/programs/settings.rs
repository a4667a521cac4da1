//! What a program allows a task, how it retries, and how its sessions go on: `limits`, `retry`,
//! `session` and `compaction`. An agent may override the first three.

use crate::foundations::{Dimension, SimDuration};
use crate::simulation::scenario::reader::{Key, Schema, Section};
use crate::simulation::scenario::run::time;
use crate::workload::program::{Compaction, Limits, Pruning, Session};
use crate::workload::retry::{BreakerPolicy, RetryPolicy};

/// Keys of `limits`.
pub static LIMITS: Schema = Schema::new(
    "What a task may use before it is stopped.",
    &[
        Key::integer("calls", 1, 1_000_000_000, "LLM calls, those of sub-agents included")
            .optional()
            .example("50"),
        Key::quantity("tokens", Dimension::Tokens, "input and output tokens of all calls")
            .between(1.0, 1e15)
            .optional()
            .example("2M"),
        Key::quantity("usd", Dimension::Money, "dollars charged for its share of the servers")
            .above(0.0)
            .optional()
            .example("$2"),
        Key::quantity("deadline", Dimension::Time, "time since its start")
            .above(0.0)
            .optional()
            .example("30 min"),
    ],
);

/// Keys of `retry`.
pub static RETRY: Schema = Schema::new(
    "What happens when a call fails.",
    &[
        Key::quantity("error", Dimension::Fraction, "probability that an attempt fails on its way")
            .between(0.0, 0.999)
            .default("0 %"),
        Key::quantity("timeout", Dimension::Time, "longest time of an attempt")
            .above(0.0)
            .optional()
            .example("5 min"),
        Key::quantity(
            "hedge",
            Dimension::Time,
            "a call that is unanswered after this time is sent a second time, to another replica \
             where there is one; the sooner answer counts, and the hedge as an attempt",
        )
        .above(0.0)
        .optional()
        .example("10 s"),
        Key::integer("attempts", 1, 1000, "attempts of a call, the first included").default("4"),
        Key::quantity("backoff", Dimension::Time, "wait before the second attempt")
            .at_least(0.0)
            .default("1 s"),
        Key::quantity("factor", Dimension::Number, "each further wait over the one before")
            .between(1.0, 1000.0)
            .default("2"),
        Key::quantity("longest", Dimension::Time, "no wait is longer")
            .at_least(0.0)
            .default("1 min"),
        Key::quantity(
            "jitter",
            Dimension::Fraction,
            "part of the wait that is drawn: 0 waits exactly, 1 between nothing and all of it",
        )
        .between(0.0, 1.0)
        .default("1"),
        Key::quantity("budget", Dimension::Fraction, "retries for each call, over all such agents")
            .at_least(0.0)
            .optional()
            .example("20 %"),
        Key::section("breaker", &BREAKER).optional(),
    ],
);

/// Keys of `retry.breaker`.
pub static BREAKER: Schema = Schema::new(
    "Stops all calls for a while after failures in a row.",
    &[
        Key::integer("failures", 1, 1_000_000, "failures in a row that open it").example("5"),
        Key::quantity("cool_down", Dimension::Time, "how long it stays open")
            .above(0.0)
            .example("30 s"),
    ],
);

/// Keys of `session`.
pub static SESSION: Schema = Schema::new(
    "Tasks of one user.",
    &[
        Key::law("tasks", Dimension::Number, "tasks of a session").at_least(0.0).default("1"),
        Key::law("think_time", Dimension::Time, "time from a task's end to the next task")
            .at_least(0.0)
            .default("0 s"),
        Key::choice(
            "context",
            &["kept", "new"],
            "whether the next task goes on with the context of the one before, or with a new one",
        )
        .default("kept"),
    ],
);

/// Keys of `pruning`.
pub static PRUNING: Schema = Schema::new(
    "Takes old results of tools out of a context that has grown too long.",
    &[
        Key::quantity("above", Dimension::Tokens, "takes them out when a prompt would be longer")
            .between(1.0, 4e9)
            .example("100k"),
        Key::integer("keep", 0, 1_000_000, "latest results that stay").default("3"),
    ],
);

/// Keys of `compaction`.
pub static COMPACTION: Schema = Schema::new(
    "Cuts a context that has grown too long.",
    &[
        Key::quantity("above", Dimension::Tokens, "cuts when a prompt would be longer")
            .between(1.0, 4e9)
            .example("150k"),
        Key::law("to", Dimension::Tokens, "tokens of the context after the cut")
            .at_least(1.0)
            .example("40k"),
        Key::law("summary", Dimension::Tokens, "tokens of the call that summarises; none without")
            .at_least(1.0)
            .optional()
            .example("1500"),
    ],
);

/// No limits at all.
pub(super) const UNLIMITED: Limits =
    Limits { calls: None, tokens: None, usd: None, deadline: None };

pub(in crate::simulation::scenario) fn limits(section: &Section) -> Limits {
    Limits {
        calls: section.optional("calls", Section::integer),
        tokens: section.optional("tokens", |section, key| section.quantity(key) as u64),
        usd: section.optional("usd", Section::quantity),
        deadline: section.optional("deadline", time).flatten(),
    }
}

pub(in crate::simulation::scenario) fn retry(section: &Section) -> RetryPolicy {
    let duration = |key| time(section, key).unwrap_or(SimDuration::ZERO);
    let policy = RetryPolicy {
        transport_error: section.quantity("error"),
        timeout: section.optional("timeout", time).flatten(),
        hedge: section.optional("hedge", time).flatten(),
        attempts: section.integer("attempts"),
        backoff: duration("backoff"),
        factor: section.quantity("factor"),
        longest: duration("longest"),
        jitter: section.quantity("jitter"),
        budget: section.optional("budget", Section::quantity),
        breaker: section.optional("breaker", Section::section).map(|breaker| BreakerPolicy {
            failures: breaker.integer("failures"),
            cool_down: time(&breaker, "cool_down").unwrap_or(SimDuration::ZERO),
        }),
    };
    if section.is_sound()
        && let Some(hedge) = policy.hedge
    {
        let report = |message: &str, help: &str| {
            section.report(section.fault("hedge", message).help(help));
        };
        if policy.attempts < 2 {
            report("a hedge is an attempt, and there is only one", "raise `attempts`");
        }
        if policy.timeout.is_some_and(|timeout| timeout <= hedge) {
            report("calls time out before they are hedged", "`hedge` must be less than `timeout`");
        }
    }
    policy
}

pub(in crate::simulation::scenario) fn session(section: &Section) -> Session {
    Session {
        tasks: section.law("tasks"),
        think_time_s: section.law("think_time"),
        new_contexts: section.choice("context", &[("kept", false), ("new", true)]),
    }
}

pub(in crate::simulation::scenario) fn pruning(section: &Section) -> Pruning {
    Pruning { above_tokens: section.quantity("above") as u32, keep: section.integer("keep") }
}

pub(in crate::simulation::scenario) fn compaction(section: &Section) -> Compaction {
    let cut = Compaction {
        above_tokens: section.quantity("above") as u32,
        to_tokens: section.law("to"),
        summary_tokens: section.optional("summary", Section::law),
    };
    if section.is_sound() && cut.to_tokens.minimum() >= f64::from(cut.above_tokens) {
        let message = "the context is no shorter after the cut than before";
        section.report(section.fault("to", message).help("`to` must be less than `above`"));
    }
    cut
}
