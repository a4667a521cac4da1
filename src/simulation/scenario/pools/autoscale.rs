//! `autoscale`: how many replicas are rented, by the load.

use crate::foundations::units::{format_duration, format_number};
use crate::foundations::{Dimension, SimDuration, SimTime};
use crate::simulation::plan::{Autoscale, Pool, ScaleOn};
use crate::simulation::scenario::reader::{Key, Schema, Section};
use crate::simulation::scenario::run::time;

/// Words of `autoscale.on`.
const ON: [&str; 3] = ["queue", "requests", "utilization"];

/// Keys of `autoscale`.
pub static AUTOSCALE: Schema = Schema::new(
    "Rents replicas by the load; they are paid for from the moment that they are asked for.",
    &[
        Key::integer(
            "min",
            0,
            100_000,
            "replicas at least; 0 gives all back when nothing is to do",
        )
        .default("1"),
        Key::integer("max", 1, 100_000, "replicas at most").example("8"),
        Key::choice(
            "on",
            &ON,
            "requests that wait; that wait or run; or the part of time in steps",
        )
        .default("requests"),
        Key::quantity("target", Dimension::Number, "what there should be of it for each replica")
            .above(0.0)
            .example("32"),
        Key::quantity("interval", Dimension::Time, "time between two looks")
            .above(0.0)
            .default("15 s"),
        Key::quantity(
            "cool_down",
            Dimension::Time,
            "so long must fewer do before some are given back",
        )
        .at_least(0.0)
        .default("5 min"),
        Key::quantity("link", Dimension::Bandwidth, "how fast a replica's weights come to it")
            .above(0.0)
            .optional()
            .example("2 GB/s"),
        Key::law("start", Dimension::Time, "time that machine and engine take beside that")
            .at_least(0.0)
            .default("90 s"),
    ],
);

/// Reads `autoscale`; the weights of a replica have to come over the link when it starts.
pub(super) fn read(
    section: &Section,
    pool_section: &Section,
    pool: &Pool,
    weights_bytes: f64,
    horizon: Option<SimTime>,
) -> Autoscale {
    let loading_s =
        section.optional("link", Section::quantity).map_or(0.0, |link| weights_bytes / link);
    let start = section.law("start");
    let on = section.choice(
        "on",
        &[
            ("queue", ScaleOn::Queue),
            ("requests", ScaleOn::Requests),
            ("utilization", ScaleOn::Utilization),
        ],
    );
    let read = Autoscale {
        least: section.integer("min"),
        most: section.integer("max"),
        on,
        target: section.quantity("target"),
        interval: time(section, "interval").unwrap_or(SimDuration(1)),
        cool_down: time(section, "cool_down").unwrap_or_default(),
        start_s: start.clone().shifted(loading_s).unwrap_or(start),
    };
    if !section.is_sound() {
        return read;
    }
    let refuse = |key: &str, message: String, help: &str| {
        section.report(section.fault(key, message).help(help.to_owned()));
    };
    if read.least > read.most {
        let message = format!("`min` of {} is more than `max` of {}", read.least, read.most);
        refuse("min", message, "lower `min` or raise `max`");
    } else if pool_section.has("replicas") && !(read.least..=read.most).contains(&pool.replicas) {
        let message = format!(
            "it starts with {} replicas, outside of {} to {}",
            pool.replicas, read.least, read.most
        );
        pool_section.report(
            pool_section.fault("replicas", message).help("or remove it: then it starts with `min`"),
        );
    }
    if on == ScaleOn::Utilization && read.target > 1.0 {
        let message = format!(
            "a replica is never busy for more than all of the time, let alone {} of it",
            format_number(read.target)
        );
        refuse("target", message, "a part of the time, such as 0.7");
    }
    if let Some(horizon) = horizon.filter(|horizon| horizon.as_s() <= read.start_s.mean()) {
        let message = format!(
            "a replica takes {} to start, the run only {}: none that it rents ever serves",
            format_duration(read.start_s.mean()),
            format_duration(horizon.as_s()),
        );
        refuse(
            if section.has("start") { "start" } else { "link" },
            message,
            "lengthen the horizon, or speed up `link` or `start`",
        );
    }
    read
}
