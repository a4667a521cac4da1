//! `[run]`: how long to simulate, how often, and what happens at the end.

use super::reader::{Key, Schema, Section};
use crate::foundations::time::LONGEST_S;
use crate::foundations::units::format_duration;
use crate::foundations::{Dimension, SimDuration, SimTime};
use crate::simulation::plan::{Ending, Stop};

/// Keys of `[run]`.
pub static RUN: Schema = Schema::new(
    "How long to simulate, how often, and what happens at the end.",
    &[
        Key::quantity("horizon", Dimension::Time, "simulated time after which no task starts")
            .above(0.0)
            .optional()
            .example("2 h"),
        Key::integer("tasks", 1, 1_000_000_000_000, "tasks after which no further one starts")
            .optional()
            .example("10000"),
        Key::quantity("warm_up", Dimension::Time, "time at the start that is not measured")
            .at_least(0.0)
            .default("0 s"),
        Key::integer("trials", 1, 1_000_000, "independent repetitions").default("20"),
        Key::integer("seed", 0, i64::MAX, "root of all random numbers").default("1"),
        Key::choice(
            "ending",
            &["drain", "cut"],
            "whether tasks under way at the end are finished (drain) or left in flight (cut)",
        )
        .default("drain"),
        Key::quantity("drain_limit", Dimension::Time, "longest time to finish them")
            .at_least(0.0)
            .default("24 h"),
        Key::quantity("confidence", Dimension::Fraction, "level of the confidence intervals")
            .between(0.5, 0.9999)
            .default("95 %"),
        Key::integer("task_rows", 0, 10_000_000, "rows of the task table for each trial")
            .default("10000"),
        Key::quantity("bin", Dimension::Time, "shortest interval of the time series")
            .above(0.0)
            .default("10 s"),
    ],
);

/// What is the same in every variant, so that trials can be compared pair by pair.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunSettings {
    /// Independent repetitions.
    pub trials: u64,
    /// Root of all random numbers.
    pub seed: u64,
    /// Level of the confidence intervals, between 0 and 1.
    pub confidence: f64,
}

/// Keys of `[run]` that every variant shares.
pub(super) const SHARED: [&str; 3] = ["trials", "seed", "confidence"];

/// The times and bounds of a trial.
#[derive(Clone, Debug)]
pub(super) struct Timing {
    pub(super) stop: Stop,
    pub(super) warm_up: SimTime,
    pub(super) ending: Ending,
    pub(super) task_rows: usize,
    pub(super) bin: SimDuration,
}

/// Reads what every variant shares.
pub(super) fn settings(run: &Section) -> RunSettings {
    RunSettings {
        trials: run.integer("trials"),
        seed: run.integer("seed"),
        confidence: run.quantity("confidence"),
    }
}

/// Reads the rest.
pub(super) fn timing(run: &Section) -> Timing {
    let horizon = run.optional("horizon", |run, key| time(run, key).unwrap_or_default());
    let warm_up = time(run, "warm_up").unwrap_or_default();
    let longest = time(run, "drain_limit").unwrap_or_default();
    let drain = run.choice("ending", &[("drain", true), ("cut", false)]);
    if !drain && run.has("drain_limit") {
        let fault = run.fault("drain_limit", "nothing is drained where `ending` is \"cut\"");
        run.report(fault.help("remove `drain_limit`, or set `ending = \"drain\"`"));
    }
    if let Some(horizon) = horizon
        && warm_up >= horizon
        && run.is_sound()
    {
        let message = format!(
            "a warm-up of {} leaves nothing of a horizon of {} to measure",
            format_duration(warm_up.as_s()),
            format_duration(horizon.as_s()),
        );
        let help = "shorten `warm_up` or lengthen `horizon`";
        run.report(run.fault("warm_up", message).help(help));
    }
    let bin = time(run, "bin").unwrap_or_default();
    Timing {
        stop: Stop {
            horizon: horizon.map(|horizon| SimTime::ZERO + horizon),
            tasks: run.optional("tasks", Section::integer),
        },
        warm_up: SimTime::ZERO + warm_up,
        ending: if drain { Ending::Drain(longest) } else { Ending::Cut },
        task_rows: run.integer("task_rows"),
        bin: bin.max(SimDuration(1)),
    }
}

/// A time that the simulation's clock can reach; a longer one is reported.
pub(super) fn time(section: &Section, key: &str) -> Option<SimDuration> {
    let seconds = section.quantity(key);
    let time = SimDuration::from_s(seconds);
    if time.is_none() && seconds > 0.0 {
        let message = format!(
            "{} is longer than {}, the longest time that can be simulated",
            format_duration(seconds),
            format_duration(LONGEST_S),
        );
        section.report(section.fault(key, message));
    }
    time
}

/// Reports a scenario that would go on for ever.
pub(super) fn check_end(run: &Section, stop: &Stop, arrivals_end: bool) {
    if stop.horizon.is_none() && stop.tasks.is_none() && !arrivals_end && run.is_sound() {
        let message = "nothing ends this run: tasks would arrive for ever";
        let fault = run.fault("horizon", message);
        run.report(fault.help("give `horizon = \"2 h\"`, or `tasks = 10000`, or both"));
    }
}
