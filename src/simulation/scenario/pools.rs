//! `[pools.NAME]`: identical model servers behind a router, as they are written.

pub mod autoscale;
pub mod cost;
mod deployment;
pub mod fleet;
pub mod kv_tiers;
mod measured;
pub mod overflow;
pub mod prefill;
pub mod speculation;

use super::document::{Entry, Node, join_path};
use super::outages;
use super::reader::{Bounds, Key, Kind, Named, Schema, Section};
use crate::catalog::{Catalog, NumberFormat, UnknownName};
use crate::foundations::{Dimension, Fault};
use crate::performance::Wide;
use crate::serving::{RouterPolicy, Scheduling};

pub(super) use deployment::{Deployed, resolve};

/// Keys of `[pools.NAME]`. What is left out is the model's, or the engine's default.
pub static POOL: Schema = Schema::new(
    "Identical replicas of a model behind a router.",
    &[
        Key::name("model", "model", "what the pool serves").example("llama-3.3-70b"),
        Key::name("accelerator", "accelerator", "what it runs on").example("h100-sxm"),
        Key::name("engine", "engine", "software that serves it").default("vllm"),
        Key::integer("tensor_parallel", 1, 4096, "GPUs that each layer is spread over")
            .default("1"),
        Key::integer("expert_parallel", 1, 4096, "groups of GPUs that routed experts are dealt to")
            .default("1"),
        Key::integer(
            "data_parallel",
            1,
            4096,
            "attention groups of `tensor_parallel` GPUs that share routed experts, dealt over all of \
             them by `expert_parallel`",
        )
        .default("1"),
        Key::quantity(
            "expert_skew",
            Dimension::Number,
            "popularity of experts as rank to the power of minus this; by default the engine's fitted \
             imbalance",
        )
        .between(0.0, 3.0)
        .optional()
        .example("0.4"),
        Key::integer(
            "redundant_experts",
            0,
            4096,
            "further copies of the most popular experts of each layer",
        )
        .default("0"),
        Key::integer(
            "pipeline_parallel",
            1,
            64,
            "stages that layers are dealt to, each of `tensor_parallel` GPUs",
        )
        .default("1"),
        Key::integer("micro_batches", 1, 1024, "batches that go round in the stages; by default as many")
            .optional()
            .example("4"),
        Key::boolean(
            "two_batch_overlap",
            "whether a batch is computed in two halves, one of which sends its tokens to their experts \
             while the other computes",
        )
        .default("false"),
        Key::integer("replicas", 1, 100_000, "servers of `tensor_parallel` x `data_parallel` GPUs each").default("1"),
        Key::either(
            "precision",
            &[Kind::Name(FORMAT), Kind::Section(&PRECISION)],
            "number format, \"fp8\", or { weights, experts, activations, kv }; by default the \
             model's own",
        )
        .optional()
        .example("{ weights = \"fp8\", kv = \"fp8\" }"),
        Key::either(
            "quality",
            &[Kind::Choice(&["same", "published"]), Kind::Quantity(Dimension::Fraction, SHARE)],
            "chance to get an answer right over that in the model's own format: \"same\", \
             \"published\" (what evaluations of the formats say), or a share of it",
        )
        .default("same"),
        Key::either(
            "router",
            &[Kind::Choice(&ROUTERS), Kind::Section(&ROUTER)],
            "\"least-loaded\", \"round-robin\", \"session-affinity\", \"random\", \"power-of-two\", \
             \"prefix-aware\" or { prefix-aware = { least_match = 0.3 } }",
        )
        .default("least-loaded"),
        Key::section("prefill", &prefill::PREFILL).optional(),
        Key::section("burst", &overflow::BURST).optional(),
        Key::section("shed", &overflow::SHED).optional(),
        Key::section("failures", &fleet::FAILURES).optional(),
        Key::section_list("outages", &outages::OUTAGES).optional(),
        Key::section("outage", &outages::OUTAGE).optional(),
        Key::section("maintenance", &fleet::MAINTENANCE).optional(),
        Key::section("autoscale", &autoscale::AUTOSCALE).optional(),
        Key::choice(
            "lost_calls",
            &fleet::LOST_CALLS,
            "what becomes of calls whose server goes down, or that find none: their callers see an \
             error (fail), or the router sends them again and lets them wait (restart)",
        )
        .default("fail"),
        Key::quantity(
            "price",
            Dimension::MoneyPerHour,
            "rent of one GPU; by default the catalog's on demand",
        )
        .at_least(0.0)
        .optional()
        .example("$2.49 /h"),
        Key::either(
            "cost",
            &[Kind::Choice(&cost::NAMES), Kind::Section(&cost::COST)],
            "what a GPU-hour costs where no `price` is stated: \"on-demand\", \"reserved\", \"spot\" \
             or \"owner\" of the catalog, or { owned = { years = 5 } } by its parts",
        )
        .default("on-demand"),
        Key::name("region", "region", "where it stands: electricity, PUE, carbon").default("us"),
        Key::quantity("max_context", Dimension::Tokens, "longest prompt and answer together")
            .between(1.0, MOST_TOKENS)
            .optional()
            .example("128k"),
        Key::integer("max_running", 1, 1_000_000, "most requests in a step")
            .optional()
            .example("256"),
        Key::quantity("max_batched_tokens", Dimension::Tokens, "most new tokens in a step")
            .between(1.0, MOST_TOKENS)
            .optional()
            .example("8192"),
        Key::quantity("memory_utilization", Dimension::Fraction, "memory that the engine takes")
            .between(0.01, 1.0)
            .optional()
            .example("90 %"),
        Key::integer("block_size", 1, 4096, "tokens of a KV block").optional().example("16"),
        Key::integer("kv_blocks", 1, 1_000_000_000_000, "KV blocks, instead of what memory holds")
            .optional()
            .example("80000"),
        Key::boolean("prefix_cache", "whether finished requests leave their context cached")
            .optional()
            .example("true"),
        Key::boolean("chunked_prefill", "whether a prompt may take several steps")
            .optional()
            .example("true"),
        Key::either(
            "scheduling",
            &[Kind::Choice(&SCHEDULING_NAMES), Kind::Section(&SCHEDULING)],
            "in which order requests are taken up: \"fcfs\", \"priority\" (classes, with preemption), \
             \"shortest-first\", \"deadline\", \"fair\" (among tenants) or { priority = { preemption \
             = false } }",
        )
        .default("fcfs"),
        Key::section("speculation", &speculation::SPECULATION).optional(),
        Key::section("kv_tiers", &kv_tiers::KV_TIERS).optional(),
        Key::text("calibration", "file by `tokenfleet calibrate`: factors fitted to measurements")
            .optional()
            .example("my-cluster.toml"),
        Key::text("step_table", "CSV of measured steps: batch, context, new_tokens, ms")
            .optional()
            .example("steps.csv"),
    ],
);

/// Keys of `precision` where it is a table.
pub static PRECISION: Schema = Schema::new(
    "Number formats of a deployment.",
    &[
        Key::name("weights", FORMAT, "linear layers outside the routed experts")
            .optional()
            .example("fp8"),
        Key::name("experts", FORMAT, "routed experts; by default as `weights`")
            .optional()
            .example("mxfp4"),
        Key::name("activations", FORMAT, "what is multiplied with the weights")
            .optional()
            .example("fp8"),
        Key::name("kv", FORMAT, "keys and values in the cache").optional().example("fp8"),
    ],
);

/// Routers by their names.
const ROUTERS: [&str; 6] =
    ["least-loaded", "round-robin", "session-affinity", "random", "power-of-two", "prefix-aware"];

/// Keys of `router` where it is a table.
pub static ROUTER: Schema =
    Schema::new("A router with a setting.", &[Key::section("prefix-aware", &PREFIX_AWARE)]);

/// Keys of `router.prefix-aware`.
pub static PREFIX_AWARE: Schema = Schema::new(
    "The replica that has most of the prompt cached, unless it is loaded too much.",
    &[
        Key::quantity(
            "least_match",
            Dimension::Fraction,
            "share of the prompt that must be cached; below it, the least loaded",
        )
        .between(0.0, 1.0)
        .default("30 %"),
        Key::quantity(
            "load_bound",
            Dimension::Number,
            "most requests over the mean of all replicas",
        )
        .between(1.0, 1e6)
        .default("1.25"),
        Key::quantity("slack", Dimension::Number, "requests beyond that bound that do not matter")
            .between(0.0, 1e6)
            .default("4"),
    ],
);

/// Keys of `scheduling` where it is a table.
pub static SCHEDULING: Schema =
    Schema::new("A scheduler with a setting.", &[Key::section("priority", &PRIORITY)]);

/// Keys of `scheduling.priority`.
pub static PRIORITY: Schema = Schema::new(
    "The highest class first; agents have a `priority`.",
    &[Key::boolean("preemption", "whether it takes the place of a running one of a lower class")
        .default("true")],
);

const SCHEDULING_NAMES: [&str; 5] = ["fcfs", "priority", "shortest-first", "deadline", "fair"];
const FORMAT: &str = "number format";
/// A part of a whole that is not nothing.
const SHARE: Bounds = Bounds { low: 0.0, above: true, high: 1.0 };
/// Tokens are counted in 32 bits.
const MOST_TOKENS: f64 = 4e9;

/// A pool as it is written; `None` leaves it to the catalog.
#[derive(Debug)]
pub(super) struct PoolSpec<'d> {
    pub(super) model: String,
    pub(super) accelerator: String,
    pub(super) engine: String,
    pub(super) tensor_parallel: u32,
    pub(super) expert_parallel: u32,
    pub(super) pipeline_parallel: u32,
    pub(super) micro_batches: Option<u32>,
    pub(super) wide: Wide,
    pub(super) replicas: u32,
    pub(super) precision: PrecisionSpec,
    pub(super) quality: Quality,
    pub(super) router: RouterPolicy,
    pub(super) scheduling: Scheduling,
    pub(super) usd_per_gpu_h: Option<f64>,
    pub(super) max_context: Option<u32>,
    pub(super) max_running: Option<u32>,
    pub(super) max_batched_tokens: Option<u32>,
    pub(super) memory_utilization: Option<f64>,
    pub(super) block_size: Option<u32>,
    pub(super) kv_blocks: Option<u64>,
    pub(super) prefix_cache: Option<bool>,
    pub(super) chunked_prefill: Option<bool>,
    speculation: Option<speculation::SpeculationSpec<'d>>,
    pub(super) calibration: Option<String>,
    pub(super) step_table: Option<String>,
}

/// What a pool's number formats do to its answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Quality {
    Published,
    Stated(f64),
}

/// Number formats as they are written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PrecisionSpec {
    pub(super) weights: Option<NumberFormat>,
    pub(super) experts: Option<NumberFormat>,
    pub(super) activations: Option<NumberFormat>,
    pub(super) kv: Option<NumberFormat>,
}

/// Reads a pool; `None` where it names something that the catalog does not hold.
pub(super) fn read<'d>(pool: &Section<'d>, catalog: &Catalog) -> Option<PoolSpec<'d>> {
    let model = known(pool, "model", |name| catalog.model(name).map(|found| found.key.clone()));
    let accelerator =
        known(pool, "accelerator", |name| catalog.accelerator(name).map(|found| found.key.clone()));
    let engine = known(pool, "engine", |name| catalog.engine(name).map(|found| found.key.clone()));
    let tokens = |key| pool.optional(key, |pool, key| pool.quantity(key) as u32);
    let spec = PoolSpec {
        model: String::new(),
        accelerator: String::new(),
        engine: String::new(),
        tensor_parallel: pool.integer("tensor_parallel"),
        expert_parallel: pool.integer("expert_parallel"),
        pipeline_parallel: pool.integer("pipeline_parallel"),
        micro_batches: pool.optional("micro_batches", Section::integer),
        wide: Wide {
            data_parallel: pool.integer("data_parallel"),
            expert_skew: pool.optional("expert_skew", Section::quantity),
            redundant_experts: pool.integer("redundant_experts"),
            two_batch_overlap: pool.boolean("two_batch_overlap"),
        },
        replicas: pool.integer("replicas"),
        precision: precision(pool),
        quality: quality(pool),
        router: router(pool),
        scheduling: scheduling(pool),
        usd_per_gpu_h: pool.optional("price", Section::quantity),
        max_context: tokens("max_context"),
        max_running: pool.optional("max_running", Section::integer),
        max_batched_tokens: tokens("max_batched_tokens"),
        memory_utilization: pool.optional("memory_utilization", Section::quantity),
        block_size: pool.optional("block_size", Section::integer),
        kv_blocks: pool.optional("kv_blocks", Section::integer),
        prefix_cache: pool.optional("prefix_cache", Section::boolean),
        chunked_prefill: pool.optional("chunked_prefill", Section::boolean),
        speculation: speculation::read(pool, catalog),
        calibration: pool.optional("calibration", Section::text).map(str::to_owned),
        step_table: pool.optional("step_table", Section::text).map(str::to_owned),
    };
    Some(PoolSpec { model: model?, accelerator: accelerator?, engine: engine?, ..spec })
}

/// The value of a key that names a catalog entry.
fn known<T>(
    section: &Section,
    key: &str,
    find: impl FnOnce(&str) -> Result<T, UnknownName>,
) -> Option<T> {
    let name = section.text(key);
    let written = section.node(key).map(Node::as_str);
    match find(name) {
        Ok(found) => Some(found),
        // What is missing or no text at all was reported as such.
        Err(unknown) => {
            if let Some(Some(_)) = written {
                section.report(unknown.fault().at(section.place(key)));
            }
            None
        }
    }
}

fn precision(pool: &Section) -> PrecisionSpec {
    let Some(table) = pool.section_by("precision", &PRECISION) else {
        let weights = pool.optional("precision", |pool, key| format(pool, key)).flatten();
        return PrecisionSpec { weights, ..PrecisionSpec::default() };
    };
    let part = |key| table.optional(key, |table, key| format(table, key)).flatten();
    PrecisionSpec {
        weights: part("weights"),
        experts: part("experts"),
        activations: part("activations"),
        kv: part("kv"),
    }
}

fn format(section: &Section, key: &str) -> Option<NumberFormat> {
    known(section, key, str::parse)
}

fn quality(pool: &Section) -> Quality {
    let written = match pool.node("quality") {
        None => return Quality::Stated(1.0),
        Some(node) => node.as_str(),
    };
    match written {
        Some("same") => return Quality::Stated(1.0),
        Some("published") => return Quality::Published,
        _ => {}
    }
    match written.map(|text| Dimension::Fraction.parse(text)) {
        Some(Ok(share)) if SHARE.contain(share) => Quality::Stated(share),
        _ => {
            let fault = pool.fault("quality", "`quality` is a share above 0 % and at most 100 %");
            pool.report(fault.help("for example \"98 %\", or \"published\", or \"same\""));
            Quality::Stated(1.0)
        }
    }
}

fn scheduling(pool: &Section) -> Scheduling {
    if let Some(table) = pool.section_by("scheduling", &SCHEDULING) {
        let preemption = table.section("priority").boolean("preemption");
        return Scheduling::Priority { preemption };
    }
    match pool.text("scheduling") {
        "fcfs" => Scheduling::Fcfs,
        "priority" => Scheduling::Priority { preemption: true },
        "shortest-first" => Scheduling::ShortestFirst,
        "deadline" => Scheduling::Deadline,
        "fair" => Scheduling::Fair,
        other => {
            let fault = Fault::unknown("scheduling", other, SCHEDULING_NAMES);
            pool.report(fault.at(pool.place("scheduling")));
            Scheduling::Fcfs
        }
    }
}

fn router(pool: &Section) -> RouterPolicy {
    if let Some(table) = pool.section_by("router", &ROUTER) {
        let setting = table.section("prefix-aware");
        let [least_match, load_bound, slack] =
            ["least_match", "load_bound", "slack"].map(|key| setting.quantity(key));
        return RouterPolicy::PrefixAware { least_match, load_bound, slack };
    }
    match pool.text("router") {
        "least-loaded" => RouterPolicy::LeastLoaded,
        "round-robin" => RouterPolicy::RoundRobin,
        "session-affinity" => RouterPolicy::SessionAffinity,
        "random" => RouterPolicy::PowerOfChoices { choices: 1 },
        "power-of-two" => RouterPolicy::PowerOfChoices { choices: 2 },
        "prefix-aware" => RouterPolicy::PREFIX_AWARE,
        other => {
            pool.report(Fault::unknown("router", other, ROUTERS).at(pool.place("router")));
            RouterPolicy::LeastLoaded
        }
    }
}

/// A table of pools under free names, such as `models`.
pub(super) fn pools_by_name<'d>(
    section: &Section<'d>,
    key: &str,
    pools: &[&str],
) -> Vec<Named<'d, u16>> {
    let Some(node) = section.node(key) else { return Vec::new() };
    let Some(table) = node.as_table() else {
        let message = format!("expected a table of pools, found {}", node.describe());
        section.report(section.fault(key, message).help("for example `{ small = \"helper\" }`"));
        return Vec::new();
    };
    let path = join_path(section.path(), key);
    let named = |entry: &'d Entry| {
        let path = join_path(&path, &entry.key);
        let found = entry.node.as_str().map(|pool| (pool, pools.iter().position(|p| *p == pool)));
        let fault = match found {
            Some((_, Some(pool))) => {
                let (value, place) = (pool as u16, entry.key_origin.place(path));
                return Some(Named { name: entry.key.as_str(), value, place });
            }
            Some((pool, None)) => Fault::unknown("pool", pool, pools.iter().copied()),
            None => {
                Fault::new(format!("expected the name of a pool, found {}", entry.node.describe()))
            }
        };
        section.report(fault.at(entry.node.origin.place(path)));
        None
    };
    table.entries.iter().filter_map(named).collect()
}
