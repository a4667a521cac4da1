//! What happens to the replicas of a pool beside work: `failures`, `outages`, `outage`,
//! `maintenance`, `autoscale` and `lost_calls`, as they are written.

use super::autoscale;
use crate::foundations::units::format_duration;
use crate::foundations::{Dimension, Faults, SimDuration, SimTime, whole};
use crate::serving::replica::FULL_SPEED;
use crate::simulation::plan::{
    Breakdown, Degradation, FleetLaw, LostCalls, Maintenance, Pool, Reclaim,
};
use crate::simulation::scenario::outages;
use crate::simulation::scenario::reader::{Key, Schema, Section};
use crate::simulation::scenario::run::time;

/// Words of `lost_calls`.
pub const LOST_CALLS: [&str; 2] = ["fail", "restart"];

/// Keys of `failures`.
pub static FAILURES: Schema = Schema::new(
    "What breaks, slows down or is taken away.",
    &[
        Key::section("gpu", &GPU).optional(),
        Key::section("node", &NODE).optional(),
        Key::section("rack", &RACK).optional(),
        Key::section("degraded", &DEGRADED).optional(),
        Key::section("spot", &SPOT).optional(),
    ],
);

const MTBF: Key = Key::quantity("mtbf", Dimension::Time, "mean time between failures of one")
    .above(0.0)
    .example("11 years");
const REPAIR: Key = Key::law("repair", Dimension::Time, "time until its replicas serve again")
    .at_least(0.0)
    .example("{ lognormal = { median = \"1 h\", p90 = \"8 h\" } }");

/// Keys of `failures.gpu`.
pub static GPU: Schema =
    Schema::new("GPUs that fail, each with the replica that it belongs to.", &[MTBF, REPAIR]);

/// Keys of `failures.node`.
pub static NODE: Schema = Schema::new(
    "Servers that fail, with all replicas on them.",
    &[MTBF, REPAIR, Key::integer("gpus", 1, 4096, "GPUs of one").default("8")],
);

/// Keys of `failures.rack`.
pub static RACK: Schema = Schema::new(
    "Racks that fail, with all replicas in them.",
    &[MTBF, REPAIR, Key::integer("gpus", 1, 100_000, "GPUs in one").default("32")],
);

/// Keys of `failures.degraded`.
pub static DEGRADED: Schema = Schema::new(
    "Replicas that go on more slowly for a while.",
    &[
        Key::quantity("every", Dimension::Time, "mean time of a replica at full speed")
            .above(0.0)
            .example("30 days"),
        Key::law("for", Dimension::Time, "how long it lasts").at_least(0.0).example("2 h"),
        Key::quantity("slowdown", Dimension::Number, "how many times as long steps take")
            .between(1.0, 1000.0)
            .example("1.5"),
    ],
);

/// Keys of `failures.spot`.
pub static SPOT: Schema = Schema::new(
    "Machines that their owner takes back; while they are gone they are not paid for.",
    &[
        Key::quantity("every", Dimension::Time, "mean time that a replica is kept")
            .above(0.0)
            .example("12 h"),
        Key::quantity("notice", Dimension::Time, "how long before it is told")
            .at_least(0.0)
            .default("2 min"),
        Key::law("back", Dimension::Time, "time until there is another")
            .at_least(0.0)
            .example("{ exponential = { mean = \"10 min\" } }"),
    ],
);

/// Keys of `maintenance`.
pub static MAINTENANCE: Schema = Schema::new(
    "Reboots by plan, replica after replica: each takes no new calls, ends those that it has, and \
     starts again.",
    &[
        Key::quantity("start", Dimension::Time, "when the first round begins")
            .at_least(0.0)
            .example("1 h"),
        Key::quantity("every", Dimension::Time, "time between the beginnings of two rounds")
            .above(0.0)
            .optional()
            .example("7 days"),
        Key::law("reboot", Dimension::Time, "time that a reboot takes")
            .at_least(0.0)
            .example("10 min"),
        Key::quantity(
            "drain",
            Dimension::Time,
            "longest wait for calls to end; then they are lost",
        )
        .at_least(0.0)
        .default("5 min"),
        Key::integer("at_once", 1, 100_000, "replicas at once").default("1"),
    ],
);

/// Reads what happens to a pool's replicas; `None` where nothing does.
pub(in crate::simulation::scenario) fn read(
    section: &Section,
    pool: &Pool,
    weights_bytes: f64,
    horizon: Option<SimTime>,
    warnings: &mut Faults,
) -> Option<FleetLaw> {
    const KEYS: [&str; 5] = ["failures", "outages", "outage", "maintenance", "autoscale"];
    let Some(first) = KEYS.into_iter().find(|key| section.has(key)) else {
        if section.has("lost_calls") {
            let fault = section.fault("lost_calls", "nothing happens to this pool's servers");
            section.report(fault.help("give `failures`, `outages` or `maintenance`, or remove it"));
        }
        return None;
    };
    if horizon.is_none() {
        let message = format!("`{first}` goes on for ever: the run needs an end");
        section.report(section.fault(first, message).help("give `[run] horizon = \"2 h\"`"));
    }
    let failures = section.optional("failures", Section::section);
    let failures = failures.as_ref();
    let lost_calls =
        section.choice("lost_calls", &[("fail", LostCalls::Fail), ("restart", LostCalls::Restart)]);
    let law = FleetLaw {
        breakdowns: failures.map(|failures| breakdowns(failures, pool.gpus)).unwrap_or_default(),
        degradation: failures.and_then(|failures| failures.optional("degraded", degradation)),
        reclaim: failures.and_then(|failures| failures.optional("spot", reclaim)),
        outages: outages::read(section),
        maintenance: section.optional("maintenance", |pool_section, key| {
            let section = pool_section.section(key);
            maintenance(&section, pool, warnings)
        }),
        autoscale: section.optional("autoscale", |section, key| {
            autoscale::read(&section.section(key), section, pool, weights_bytes, horizon)
        }),
        lost_calls,
    };
    if failures.is_some_and(|failures| failures.given_keys().next().is_none()) {
        section.report(section.fault("failures", "nothing fails").help("give `gpu = { ... }`"));
    }
    Some(law)
}

fn breakdowns(failures: &Section, gpus: u32) -> Vec<Breakdown> {
    let of = |key: &str, things_gpus: Option<u32>| {
        let section = failures.optional(key, Section::section)?;
        let things_gpus = things_gpus.unwrap_or_else(|| section.integer("gpus"));
        // A replica on several of them needs all; several replicas on one go down together.
        let needed = gpus.div_ceil(things_gpus.max(1));
        Some(Breakdown {
            between_s: section.quantity("mtbf") / f64::from(needed.max(1)),
            group: (things_gpus / gpus.max(1)).max(1),
            repair_s: section.law("repair"),
        })
    };
    [of("gpu", Some(1)), of("node", None), of("rack", None)].into_iter().flatten().collect()
}

fn degradation(failures: &Section, key: &str) -> Degradation {
    let section = failures.section(key);
    Degradation {
        between_s: section.quantity("every"),
        length_s: section.law("for"),
        slowness: whole(section.quantity("slowdown") * FULL_SPEED as f64),
    }
}

fn reclaim(failures: &Section, key: &str) -> Reclaim {
    let section = failures.section(key);
    Reclaim {
        between_s: section.quantity("every"),
        notice: time(&section, "notice").unwrap_or_default(),
        back_s: section.law("back"),
    }
}

fn maintenance(section: &Section, pool: &Pool, warnings: &mut Faults) -> Maintenance {
    let read = Maintenance {
        start: SimTime::ZERO + time(section, "start").unwrap_or_default(),
        every: section.optional("every", time).flatten(),
        reboot_s: section.law("reboot"),
        drain: time(section, "drain").unwrap_or(SimDuration::ZERO),
        at_once: section.integer("at_once"),
    };
    if !section.is_sound() {
        return read;
    }
    let round_s = f64::from(pool.replicas.div_ceil(read.at_once)) * read.reboot_s.mean();
    if let Some(every) = read.every.filter(|every| every.as_s() < round_s) {
        let message = format!(
            "a round of {} takes {} without draining, longer than the {} to the next",
            pool.replicas,
            format_duration(round_s),
            format_duration(every.as_s()),
        );
        let fault = section.fault("every", message);
        section.report(fault.help("lengthen `every`, or reboot more `at_once`"));
    }
    if read.at_once >= pool.replicas && pool.most_replicas() > 0 {
        let message = "all replicas are rebooted at once: nobody is served meanwhile";
        warnings.push(section.fault("at_once", message).help("lower `at_once`, or add replicas"));
    }
    read
}
