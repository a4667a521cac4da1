//! `replay` of an agent: what was recorded instead of a program.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::foundations::error::choices;
use crate::foundations::{Dimension, Fault, Faults, SimDuration};
use crate::simulation::plan::Pool;
use crate::simulation::scenario::files::{Files, WantedTrace};
use crate::simulation::scenario::pools::pools_by_name;
use crate::simulation::scenario::reader::{Key, Schema, Section};
use crate::simulation::scenario::run::time;
use crate::workload::trace::import::Format;
use crate::workload::trace::{Trace, TraceError};

/// Keys of `replay`.
pub static REPLAY: Schema = Schema::new(
    "Recorded sessions instead of a program.",
    &[
        Key::text("trace", "file or folder, relative to the scenario")
            .example("traces/mooncake-conversation-1000.jsonl"),
        Key::choice("format", &Format::NAMES, "how it was recorded").default("tokenfleet"),
        Key::quantity("speed", Dimension::Number, "recorded arrivals come so many times as fast")
            .between(1e-6, 1e6)
            .default("1"),
        Key::quantity("longest_gap", Dimension::Time, "longer recorded pauses are cut to this")
            .at_least(0.0)
            .default("5 min"),
        Key::integer("block_size", 1, 1_000_000, "tokens of a block of a Mooncake trace")
            .optional()
            .example("512"),
        Key::quantity("longest_call", Dimension::Tokens, "Claude Code calls beyond are left out")
            .between(1.0, 4e9)
            .optional()
            .example("200k"),
        Key::named_names("models", "pool", "pool by recorded model, `*` standing for any letters")
            .optional()
            .example("{ \"*haiku*\" = \"small\" }"),
    ],
);

/// Traces that were read, for all agents and variants.
#[derive(Default)]
pub(in crate::simulation::scenario) struct Traces(
    RefCell<BTreeMap<WantedTrace, Result<Arc<Trace>, Fault>>>,
);

impl Traces {
    fn get(&self, wanted: WantedTrace, files: &dyn Files) -> Result<Arc<Trace>, Fault> {
        let mut known = self.0.borrow_mut();
        let read = |wanted: &WantedTrace| {
            let trace = files.trace(wanted).map(Arc::new);
            trace.map_err(|error: TraceError| Fault::from(error))
        };
        if let Some(trace) = known.get(&wanted) {
            return trace.clone();
        }
        let trace = read(&wanted);
        known.insert(wanted, trace.clone());
        trace
    }
}

/// A replay as it is written, its trace read.
#[derive(Debug)]
pub(super) struct Replay {
    pub(super) trace: Arc<Trace>,
    pub(super) longest_gap: SimDuration,
    pub(super) speed: f64,
    /// The pool of each of the trace's models.
    pub(super) pools: Vec<u16>,
}

/// Reads a replay; `own` is the agent's pool, for models that are not named.
pub(super) fn read(
    replay: &Section,
    own: u16,
    pools: &[&str],
    traces: &Traces,
    files: &dyn Files,
) -> Option<Replay> {
    let path = replay.text("trace");
    let format = replay.choice("format", &Format::ALL.map(|format| (format.name(), format)));
    let wanted = WantedTrace {
        path: path.to_owned(),
        format,
        block_size: replay.optional("block_size", Section::integer),
        longest_call: replay.optional("longest_call", |r, key| r.quantity(key) as u32),
    };
    for (key, meant) in [
        ("block_size", &[Format::Mooncake, Format::AgenticMooncake][..]),
        ("longest_call", &[Format::ClaudeCode]),
    ] {
        if replay.has(key) && !meant.contains(&format) {
            let message = format!("`{key}` has no meaning for this format");
            replay.report(replay.fault(key, message).help("remove it"));
        }
    }
    let (speed, longest_gap) = (replay.quantity("speed"), time(replay, "longest_gap"));
    let named = pools_by_name(replay, "models", pools);
    if !replay.is_sound() {
        return None;
    }
    let trace = traces
        .get(wanted, files)
        .map_err(|fault| replay.report(fault.at(replay.place("trace"))))
        .ok()?;
    let pools = trace.models.iter().map(|model| {
        let found = named.iter().find(|named| matches(named.name, model));
        found.map_or(own, |named| named.value)
    });
    let pools = pools.collect();
    for named in &named {
        if !trace.models.iter().any(|model| matches(named.name, model)) {
            let models = trace.models.iter().map(String::as_str);
            let message = format!("no recorded model is called `{}`", named.name);
            let help = format!("recorded are: {}", choices(named.name, models));
            replay.report(Fault::new(message).help(help).at(named.place.clone()));
        }
    }
    Some(Replay { trace, longest_gap: longest_gap?, speed, pools })
}

/// Warns of recorded calls that the pools cannot take.
pub(super) fn check_lengths(
    agent: &Section,
    replay: &Replay,
    pools: &[Option<Pool>],
    warnings: &mut Faults,
) {
    for (index, pool) in pools.iter().enumerate() {
        let Some(pool) = pool else { continue };
        let calls = replay.trace.calls.iter().filter(|call| {
            replay.pools.get(usize::from(call.model)).is_some_and(|&at| usize::from(at) == index)
        });
        let prompts: Vec<u32> = calls.map(|call| call.input).collect();
        let too_long = prompts.iter().filter(|&&prompt| prompt >= pool.max_context).count();
        if too_long == 0 {
            continue;
        }
        let message = format!(
            "{} of {} recorded prompts for pool `{}` are longer than the {} tokens that it takes, \
             the longest {}",
            too_long,
            prompts.len(),
            pool.name,
            pool.max_context,
            prompts.iter().max().copied().unwrap_or(0),
        );
        let help = "such tasks fail: raise its `max_context`, or leave long calls out with \
                    `longest_call`";
        warnings.push(agent.fault("replay", message).help(help));
    }
}

/// Whether a name fits a pattern in which `*` stands for any letters.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        last = Some(part);
        rest = &rest[at + part.len()..];
    }
    match last {
        None => rest.is_empty(),
        // The last part must stand at the very end, wherever else it stands.
        Some(part) => name.len() >= first.len() + part.len() && name.ends_with(part),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_stand_for_any_letters() {
        for (pattern, name, fits) in [
            ("*haiku*", "claude-haiku-4-5", true),
            ("claude-*", "claude-opus", true),
            ("claude-*", "gpt", false),
            ("*-4-5", "claude-haiku-4-5", true),
            ("*-4", "claude-4-5", false),
            ("a*b*a", "aba", true),
            ("a*a", "a", false),
            ("*", "", true),
            ("", "x", false),
            ("opus", "opus", true),
            ("*4*4", "4-4x", false),
            ("*ab", "abab", true),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
