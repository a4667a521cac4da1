//! `autoscale`: how many replicas are rented, by the load.

use crate::foundations::units::{format_duration, format_number};
use crate::foundations::{Dimension, SimDuration, SimTime};
use crate::simulation::plan::{Autoscale, Pool, ScaleOn, Watched};
use crate::simulation::scenario::reader::{Key, Schema, Section};
use crate::simulation::scenario::run::time;

/// Words of `autoscale.on`.
const ON: [&str; 9] = [
    "queue",
    "requests",
    "utilization",
    "ttft_p50",
    "ttft_p95",
    "ttft_p99",
    "tpot_p50",
    "tpot_p95",
    "tpot_p99",
];

/// A latency by its name, its limit and the time over which it is looked at.
const fn latency(per_token: bool, quantile: f64) -> ScaleOn {
    ScaleOn::Latency(Watched { per_token, quantile, window: SimDuration::ZERO })
}

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
            "requests that wait; that wait or run; the part of time in steps; or a latency that is to stay \
             below `limit`",
        )
        .default("requests"),
        Key::quantity("target", Dimension::Number, "what there should be of it for each replica")
            .above(0.0)
            .optional()
            .example("32"),
        Key::quantity("limit", Dimension::Time, "what the latency is to stay below")
            .above(0.0)
            .optional()
            .example("2 s"),
        Key::quantity("window", Dimension::Time, "requests answered within this time are looked at")
            .above(0.0)
            .default("2 min"),
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
            ("ttft_p50", latency(false, 0.5)),
            ("ttft_p95", latency(false, 0.95)),
            ("ttft_p99", latency(false, 0.99)),
            ("tpot_p50", latency(true, 0.5)),
            ("tpot_p95", latency(true, 0.95)),
            ("tpot_p99", latency(true, 0.99)),
        ],
    );
    let (on, target) = aim(section, on, pool);
    let read = Autoscale {
        least: section.integer("min"),
        most: section.integer("max"),
        on,
        target,
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

/// What is looked at and what there should be of it, by the keys that belong to it; a latency that a
/// request alone on a server exceeds is refused.
fn aim(section: &Section, on: ScaleOn, pool: &Pool) -> (ScaleOn, f64) {
    let word = section.text("on");
    let refuse = |key: &str, message: String, help: &str| {
        section.report(section.fault(key, message).help(help.to_owned()));
        (on, 1.0)
    };
    let ScaleOn::Latency(watched) = on else {
        for key in ["limit", "window"].into_iter().filter(|key| section.has(key)) {
            let message = format!("`{key}` has no meaning for `{word}`");
            refuse(key, message, "give `target`, or a latency such as `on = \"ttft_p95\"`");
        }
        return match section.optional("target", Section::quantity) {
            Some(target) => (on, target),
            None => refuse("target", "missing key `target`".into(), "for example `target = 32`"),
        };
    };
    if section.has("target") {
        let message = format!("`target` has no meaning for `{word}`");
        return refuse("target", message, "give `limit = \"2 s\"`");
    }
    let Some(limit_s) = section.optional("limit", Section::quantity) else {
        return refuse("limit", "missing key `limit`".into(), "for example `limit = \"2 s\"`");
    };
    let (model, host) = (&pool.replica.model, &pool.replica.host);
    let step = model.tokens(1).ps + model.head(1).ps + model.host_ps(1);
    let least_ps = match watched.per_token {
        true => step,
        false => step + host.request_delay_ps + host.serial_ps(1),
    };
    let least_s = SimDuration(least_ps).as_s();
    // Drafts give more than one token a step.
    if limit_s < least_s && !(watched.per_token && pool.replica.speculation.is_some()) {
        let message = format!(
            "`{word}` is never below {}, however many replicas there are: alone on one, a token takes \
             that",
            format_duration(least_s)
        );
        return refuse("limit", message, "raise `limit`, or take faster servers");
    }
    let window = time(section, "window").unwrap_or_default();
    (ScaleOn::Latency(Watched { window, ..watched }), limit_s)
}
