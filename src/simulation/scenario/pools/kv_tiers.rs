//! `[pools.NAME.kv_tiers]`: where cached context goes beside the memory of the GPUs, and what becomes
//! of it while its session waits, as it is written.

use crate::catalog::Field;
use crate::foundations::units::format_bytes;
use crate::foundations::{Dimension, Fault, SimDuration};
use crate::performance::{Deployment, MemoryPlan};
use crate::serving::LinkSpec;
use crate::serving::kv_cache::Retention;
use crate::serving::tiers::{Keep, Level, TierSpec, TiersSpec};
use crate::simulation::scenario::reader::{Key, Kind, Schema, Section};
use crate::simulation::scenario::run::time;

/// Keys of `kv_tiers`.
pub static KV_TIERS: Schema = Schema::new(
    "Where cached context goes beside the memory of the GPUs, and what becomes of it while its session \
     waits.",
    &[
        Key::section("host", &HOST).optional(),
        Key::section("storage", &STORAGE).optional(),
        Key::section("store", &STORE).optional(),
        Key::quantity(
            "ttl",
            Dimension::Time,
            "context in the GPUs' memory that nobody used for so long is gone",
        )
        .above(0.0)
        .optional()
        .example("5 min"),
        Key::either("tool_gap", KEEP, "what becomes of a session's context while a tool runs")
            .default("lru"),
        Key::either("human_pause", KEEP, "what becomes of it while a person thinks").default("lru"),
        Key::choice(
            "fetch",
            &["sooner", "always"],
            "whether a tier's context is fetched where that is sooner than to compute it again, or \
             always",
        )
        .default("sooner"),
        Key::boolean(
            "prefetch",
            "whether it is looked for when a request is sent, and not when it is its turn",
        )
        .default("true"),
    ],
);

/// What may become of context while its session waits.
const KEEP: &[Kind] = &[Kind::Choice(&KEEP_NAMES), Kind::Section(&PINNED)];
const KEEP_NAMES: [&str; 3] = ["lru", "keep", "offload"];

/// Keys of `tool_gap` and `human_pause` where they are tables.
pub static PINNED: Schema = Schema::new(
    "Kept for a time as long as anything else can go; first to go afterwards.",
    &[Key::quantity("pin", Dimension::Time, "how long").above(0.0).example("5 min")],
);

const CAPACITY: Key =
    Key::quantity("capacity", Dimension::Bytes, "what it holds: of each server, or of the store")
        .above(0.0)
        .example("1 TB");
const BANDWIDTH: Key = Key::quantity(
    "bandwidth",
    Dimension::Bandwidth,
    "of its link to a server's GPUs together, which all transfers share evenly",
)
.above(0.0)
.example("20 GB/s");
const WRITE_BANDWIDTH: Key =
    Key::quantity("write_bandwidth", Dimension::Bandwidth, "of the way there, where it differs")
        .above(0.0)
        .optional()
        .example("10 GB/s");
const LATENCY: Key =
    Key::quantity("latency", Dimension::Time, "from a transfer's last byte sent to its end")
        .at_least(0.0);
const WRITE: Key = Key::choice(
    "write",
    &["back", "through"],
    "whether it takes what the tier above it forgets, or all context as it is computed",
)
.default("back");
const TTL: Key =
    Key::quantity("ttl", Dimension::Time, "context that nobody used for so long is gone")
        .above(0.0)
        .optional()
        .example("1 h");
const BUFFER: Key = Key::quantity(
    "buffer",
    Dimension::Bytes,
    "what may wait to be written; while there is more, nothing else is",
)
.above(0.0)
.default("16 GB");

/// Keys of `kv_tiers.host`.
pub static HOST: Schema = Schema::new(
    "Memory of a server's host.",
    &[
        CAPACITY,
        Key::quantity(
            "bandwidth",
            Dimension::Bandwidth,
            "of its links to a server's GPUs together; by default the catalog's, of each GPU",
        )
        .above(0.0)
        .optional()
        .example("400 GB/s"),
        WRITE_BANDWIDTH,
        LATENCY.default("20 us"),
        WRITE,
        TTL,
        BUFFER,
    ],
);

/// Keys of `kv_tiers.storage`.
pub static STORAGE: Schema = Schema::new(
    "Storage in the server, as solid-state drives.",
    &[CAPACITY, BANDWIDTH, WRITE_BANDWIDTH, LATENCY.default("200 us"), WRITE, TTL, BUFFER],
);

/// Keys of `kv_tiers.store`.
pub static STORE: Schema = Schema::new(
    "A store behind a network that all servers of the pool share, with its link.",
    &[CAPACITY, BANDWIDTH, WRITE_BANDWIDTH, LATENCY.default("1 ms"), WRITE, TTL, BUFFER],
);

/// The tiers of a pool, and what its memories must do for them; `None` where it has none, or none
/// that can be, which is reported.
pub(super) fn read(
    pool: &Section,
    deployment: &Deployment,
    block: u32,
    prefix_cache: bool,
) -> Option<(TiersSpec, Retention)> {
    pool.has("kv_tiers").then_some(())?;
    let section = pool.section("kv_tiers");
    if !prefix_cache {
        let fault = pool.fault("kv_tiers", "without a prefix cache no context is kept");
        pool.report(fault.help("give `prefix_cache = true`, or remove `kv_tiers`"));
    }
    let block_bytes = MemoryPlan::context_bytes(deployment, block);
    if block_bytes == 0 {
        let message = format!(
            "`{}` keeps a state for each request, and nothing for each token that could be kept for \
             another",
            deployment.model.key
        );
        pool.report(pool.fault("kv_tiers", message).help("remove `kv_tiers`"));
    }
    let host_link = deployment.accelerator.value(Field::HostBandwidth);
    let gpus = f64::from(deployment.tensor_parallel);
    let host_bandwidth = host_link.map(|link| link * gpus).ok();
    let mut tiers = Vec::new();
    for (key, level) in
        [("host", Level::Host), ("storage", Level::Storage), ("store", Level::Store)]
    {
        if let Some(found) = section.optional(key, Section::section) {
            tiers.extend(tier(&found, level, host_bandwidth, block_bytes, deployment));
        }
    }
    let ttl = section.optional("ttl", time).flatten();
    let keep = |key| self::keep(&section, key, tiers.is_empty());
    let spec = TiersSpec {
        block_bytes,
        always_fetch: section.choice("fetch", &[("sooner", false), ("always", true)]),
        prefetch: section.boolean("prefetch"),
        tool_gap: keep("tool_gap"),
        human_pause: keep("human_pause"),
        tiers,
    };
    check(&section, &spec, ttl);
    let retention = Retention {
        ttl,
        seeks: !spec.tiers.is_empty(),
        tells_evicted: spec.tiers.first().is_some_and(|tier| !tier.write_through),
        tells_computed: spec.tiers.iter().any(|tier| tier.write_through),
    };
    (section.is_sound() && block_bytes > 0).then_some((spec, retention))
}

/// What the tiers say together.
fn check(section: &Section, spec: &TiersSpec, ttl: Option<SimDuration>) {
    let waits = [spec.tool_gap, spec.human_pause];
    if spec.tiers.is_empty() {
        if let Some(key) = ["fetch", "prefetch"].into_iter().find(|key| section.has(key)) {
            let fault = section.fault(key, "there is no tier to fetch from");
            section.report(fault.help("give `host = { capacity = \"1 TB\" }`, or remove it"));
        }
        if ttl.is_none() && waits == [Keep::Lru; 2] && section.is_sound() {
            let fault = Fault::new("`kv_tiers` names no tier and no rule").at(section.place(""));
            section
                .report(fault.help("give `host = { capacity = \"1 TB\" }`, `tool_gap`, or `ttl`"));
        }
    }
    for (key, keep) in ["tool_gap", "human_pause"].into_iter().zip(waits) {
        let pinned = match keep {
            Keep::Pinned => Some(SimDuration::MAX),
            Keep::PinnedFor(time) => Some(time),
            Keep::Lru | Keep::Offloaded => None,
        };
        if let (Some(pinned), Some(ttl)) = (pinned, ttl)
            && pinned > ttl
            && section.is_sound()
        {
            let message = "context is to be kept for longer than the `ttl` after which it is gone";
            section.report(section.fault(key, message).help("shorten it, or lengthen `ttl`"));
        }
    }
}

fn tier(
    section: &Section,
    level: Level,
    host_bandwidth: Option<f64>,
    block_bytes: u64,
    deployment: &Deployment,
) -> Option<TierSpec> {
    let stated = section.optional("bandwidth", Section::quantity);
    let default = if level == Level::Host { host_bandwidth } else { None };
    let Some(read) = stated.or(default) else {
        if level == Level::Host {
            let message = format!(
                "the catalog knows no link of `{}` to its host's memory",
                deployment.accelerator.key
            );
            let fault = section.fault("bandwidth", message);
            section.report(fault.help("give `bandwidth = \"64 GB/s\"`"));
        } else {
            section.quantity("bandwidth");
        }
        return None;
    };
    let write = section.optional("write_bandwidth", Section::quantity).unwrap_or(read);
    let latency = time(section, "latency")?;
    let link = |bytes_per_s: f64| LinkSpec { bytes_per_s: (bytes_per_s as u64).max(1), latency };
    let capacity = section.quantity("capacity");
    let blocks = (capacity / (block_bytes.max(1) as f64)) as u64;
    if section.is_sound() && blocks == 0 {
        let message = format!(
            "{} hold no block of context, which takes {}",
            format_bytes(capacity),
            format_bytes(block_bytes as f64)
        );
        section.report(section.fault("capacity", message).help("raise `capacity`"));
    }
    let spec = TierSpec {
        level,
        blocks,
        read: link(read),
        write: link(write),
        write_through: section.choice("write", &[("back", false), ("through", true)]),
        ttl: section.optional("ttl", time).flatten(),
        buffer: section.quantity("buffer") as u64,
    };
    section.is_sound().then_some(spec)
}

/// What becomes of context while its session waits.
fn keep(section: &Section, key: &str, nowhere: bool) -> Keep {
    if let Some(table) = section.section_by(key, &PINNED) {
        return time(&table, "pin").map_or(Keep::Lru, Keep::PinnedFor);
    }
    match section.text(key) {
        "lru" => Keep::Lru,
        "keep" => Keep::Pinned,
        "offload" if nowhere => {
            let fault = section.fault(key, "there is no tier to take what is offloaded");
            section.report(fault.help("give `host = { capacity = \"1 TB\" }`, or `\"keep\"`"));
            Keep::Lru
        }
        "offload" => Keep::Offloaded,
        other => {
            let fault = Fault::unknown("rule", other, KEEP_NAMES).at(section.place(key));
            section.report(fault.help("or for a time: { pin = \"5 min\" }"));
            Keep::Lru
        }
    }
}
