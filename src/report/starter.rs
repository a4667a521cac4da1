//! The scenario that `import` writes beside a trace: the recording on a fleet to begin with.
//!
//! The fleet is sized by rule of thumb, so that the first run answers rather than queues: one
//! replica for every 8,000 new prompt tokens or 1,500 answer tokens a second at 60 % load. What a
//! run of the scenario says is worth more than this.

use std::fmt::Write;

use crate::foundations::units::{format_count, format_duration};
use crate::workload::trace::survey::Figures;

/// Calls of a first run; longer recordings are played in part.
const CALLS: u64 = 20_000;
/// Users of a recording that nobody timed.
const USERS: u64 = 8;

/// A pool that takes prompts up to `window` tokens.
struct Fleet {
    model: &'static str,
    accelerator: &'static str,
    tensor_parallel: u32,
    window: u64,
    input_per_s: f64,
    output_per_s: f64,
}

const FLEETS: [Fleet; 3] = [
    Fleet {
        model: "llama-3.3-70b",
        accelerator: "h100-sxm",
        tensor_parallel: 4,
        window: 131_072,
        input_per_s: 8000.0,
        output_per_s: 1500.0,
    },
    Fleet {
        model: "qwen3-coder-480b-a35b",
        accelerator: "h200-sxm",
        tensor_parallel: 8,
        window: 262_144,
        input_per_s: 8000.0,
        output_per_s: 1500.0,
    },
    Fleet {
        model: "llama-4-maverick",
        accelerator: "h200-sxm",
        tensor_parallel: 8,
        window: 1_048_576,
        input_per_s: 8000.0,
        output_per_s: 1500.0,
    },
];
/// Sessions that lie further apart on average would be played on an idle fleet, seconds.
const SPARSE_S: f64 = 3600.0;

/// When sessions begin, in a first run.
struct Pace {
    arrivals: String,
    /// The same as a closed loop.
    closed: String,
    horizon_s: f64,
    warm_up_s: f64,
    /// Calls a second, about.
    rate: f64,
    /// Whether only a part is played.
    is_part: bool,
    /// Whether recorded starts were left aside for lying too far apart.
    is_sparse: bool,
}

/// What the agents of a scenario do.
pub enum Agents<'a> {
    /// They repeat a trace, by its file.
    Replay(&'a str),
    /// They walk a program: its text, and when its sessions begin where that is known.
    Program(&'a str, Option<&'a str>),
}

/// The scenario's text; `name` is its own, `command` what was typed.
pub fn scenario(name: &str, agents: &Agents<'_>, command: &str, figures: &Figures) -> String {
    let fleet = FLEETS.iter().find(|fleet| figures.longest < fleet.window);
    let is_clipped = fleet.is_none();
    let fleet = fleet.unwrap_or(&FLEETS[2]);
    let pace = pace(figures);
    let is_replay = matches!(agents, Agents::Replay(_));
    let mut text = String::new();
    let mut line = |words: &str| {
        let _ = writeln!(text, "{words}");
    };
    line(&format!("# Written by `{command}`."));
    line(&format!(
        "# {} sessions with {} calls, {} tokens of prompts and {} of answers.",
        figures.sessions,
        figures.calls,
        format_count(figures.input as f64),
        format_count(figures.output as f64),
    ));
    line("# The fleet is a default to begin with, sized by rule of thumb: change it.");
    if pace.is_part && is_replay {
        line("# The horizon ends before the recording: the first 20,000 calls or so are played.");
    }
    if pace.is_sparse && is_replay {
        line(&format!(
            "# Recorded starts lie over {}: a few users play the sessions one after the other.",
            format_duration(figures.span_s())
        ));
        line("# `arrivals = \"recorded\"` with a longer horizon plays them when they began.");
    }
    if is_clipped {
        line(&format!(
            "# The longest call has {} tokens: more than this model takes, such tasks fail.",
            figures.longest
        ));
    }
    line(&format!("name = {name:?}"));
    let what = if is_replay { "replayed" } else { "as laws" };
    line(&format!("description = \"{} recorded sessions {what}\"", figures.sessions));
    line("");
    line("[run]");
    line(&format!("horizon = \"{}\"", format_duration(pace.horizon_s)));
    if pace.warm_up_s > 0.0 {
        line(&format!("warm_up = \"{}\"", format_duration(pace.warm_up_s)));
    }
    line("trials  = 5");
    line("");
    line("[agents.recorded]");
    line("model    = \"main\"");
    match agents {
        Agents::Replay(trace) => {
            line(&format!("arrivals = {}", pace.arrivals));
            line(&format!("replay   = {{ trace = {trace:?} }}"));
        }
        Agents::Program(program, arrivals) => {
            let known = arrivals.filter(|_| !pace.is_sparse && pace.arrivals.starts_with('"'));
            line(&format!("arrivals = {}", known.unwrap_or(&pace.closed)));
            line(&format!("program  = {name:?}\n"));
            line(program.trim_end());
        }
    }
    line("");
    line(&pool(fleet, &pace, figures));
    text
}

/// The default pool.
fn pool(fleet: &Fleet, pace: &Pace, figures: &Figures) -> String {
    let mean = |tokens: u64| tokens as f64 / figures.calls.max(1) as f64;
    let new = mean(figures.input - figures.kept.min(figures.input)) / fleet.input_per_s;
    let load = pace.rate * (new + mean(figures.output) / fleet.output_per_s);
    let replicas = libm::ceil(load / 0.6).clamp(1.0, 512.0) as u32;
    let router = if figures.shares_between_sessions || figures.kept > 0 {
        "\nrouter          = \"prefix-aware\""
    } else {
        ""
    };
    format!(
        "[pools.main]
model           = {:?}
accelerator     = {:?}
engine          = \"vllm\"
tensor_parallel = {}
replicas        = {replicas}{router}
precision       = {{ weights = \"fp8\", kv = \"fp8\" }}",
        fleet.model, fleet.accelerator, fleet.tensor_parallel
    )
}

fn pace(figures: &Figures) -> Pace {
    let mut starts = figures.starts.clone();
    starts.sort_by(|one, other| one.0.total_cmp(&other.0));
    let all_timed = starts.len() as u64 == figures.sessions;
    let is_sparse = figures.span_s() > SPARSE_S * figures.sessions as f64;
    let users = figures.sessions.clamp(1, USERS);
    let think = "{ exponential = { mean = \"30 s\" } }";
    let closed = format!("{{ closed = {{ users = {users}, think_time = {think} }} }}");
    if !all_timed || figures.span_s() <= 0.0 || is_sparse {
        return Pace {
            arrivals: closed.clone(),
            closed,
            horizon_s: 3600.0,
            warm_up_s: 600.0,
            rate: users as f64 / 10.0,
            is_part: false,
            is_sparse,
        };
    }
    let mut calls = 0;
    let first = starts.first().map_or(0.0, |&(start, _)| start);
    let last = starts.iter().find(|&&(_, own)| {
        calls += u64::from(own);
        calls >= CALLS
    });
    let end = last.or(starts.last()).map_or(0.0, |&(start, _)| start);
    let span = (end - first).max(1.0);
    let horizon_s = libm::ceil(end.max(60.0) / 60.0) * 60.0 + 60.0;
    Pace {
        arrivals: "\"recorded\"".to_owned(),
        closed,
        horizon_s,
        warm_up_s: 0.0,
        rate: calls as f64 / span,
        is_part: last.is_some_and(|&(start, _)| start < first + figures.span_s()),
        is_sparse: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(starts: Vec<(f64, u32)>, longest: u64) -> Figures {
        let (sessions, calls) =
            (starts.len() as u64, starts.iter().map(|&(_, n)| u64::from(n)).sum());
        Figures { sessions, calls, longest, starts, ..Figures::default() }
    }

    #[test]
    fn the_first_run_ends_with_the_recording_or_after_enough_calls() {
        let short = scenario(
            "a",
            &Agents::Replay("a.trace.jsonl"),
            "c",
            &figures(vec![(0.0, 1), (90.0, 1)], 10),
        );
        assert!(short.contains("horizon = \"3 min\"") && short.contains("\"recorded\""), "{short}");
        let long = (0..40_000).map(|i| (f64::from(i), 1)).collect();
        let long = scenario("a", &Agents::Replay("a.trace.jsonl"), "c", &figures(long, 200_000));
        assert!(long.contains("20,000 calls") && long.contains("qwen3-coder"), "{long}");
        assert!(long.contains("horizon = \"5.58 h\""), "{long}");
    }

    #[test]
    fn sessions_that_nobody_timed_are_played_by_users() {
        let sparse = scenario(
            "a",
            &Agents::Replay("a.trace.jsonl"),
            "c",
            &figures(vec![(0.0, 1), (1e6, 1)], 10),
        );
        assert!(sparse.contains("closed = { users = 2"), "{sparse}");
        assert!(sparse.contains("# Recorded starts lie over"), "{sparse}");
    }
}
