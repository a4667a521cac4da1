//! `[objectives]`: what is demanded, of the fleet or of one part of it.
//!
//! A key is a figure with a statistic behind it, `ttft_p99`, `task_latency_mean`; a figure that has
//! no distribution stands alone, `task_success_rate`. Latencies, dollars and tokens must be at most
//! what is demanded, rates and throughputs at least.

use super::document::{Entry, Node, Table, join_path};
use super::reader::{Bounds, Section, quantity};
use crate::foundations::Dimension::{Fraction, Money, MoneyPerHour, MoneyPerMtok, Number, Rate};
use crate::foundations::Dimension::{Time, TokenRate, Tokens};
use crate::foundations::{Dimension, Fault};
use crate::simulation::plan::Plan;
use crate::workload::program::{LlmStep, StepKind};

/// A bound on one figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// Its key in the scenario: `task_latency_p95`.
    pub name: String,
    /// The figure, by its key in results: `task_latency_s`.
    pub metric: &'static str,
    /// Which statistic of it.
    pub statistic: Statistic,
    /// The bound, in the base unit of the figure's dimension.
    pub limit: f64,
    /// Whether the figure must not be below the bound, rather than not above it.
    pub at_least: bool,
    /// What it is demanded of.
    pub of: Part,
}

/// A statistic of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// The mean, or the figure itself where it has no distribution.
    Mean,
    /// The value that this part of all observations does not exceed.
    Quantile(f64),
}

/// A part of the fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Fleet,
    /// The agents of this name.
    Agent(String),
    /// The agents of the tenant of this name.
    Tenant(String),
    /// The pool of this name.
    Pool(String),
    /// The endpoint of this name.
    Endpoint(String),
}

/// A figure that may be demanded.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// As an objective names it.
    pub name: &'static str,
    /// As results name it.
    pub metric: &'static str,
    /// What it is counted in.
    pub dimension: Dimension,
    /// Whether more of it is better.
    pub at_least: bool,
    /// Whether it has a distribution over tasks or calls.
    pub observed: bool,
    /// Whether one kind of agent has it, and one tenant.
    pub agents: bool,
    /// Whether one pool has it.
    pub pools: bool,
    /// Whether one endpoint has it.
    pub endpoints: bool,
    /// Whether the fleet has it.
    pub fleet: bool,
}

/// Percentiles that results state.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)];

/// Every figure that may be demanded.
pub static TARGETS: &[Target] = &[
    latency("task_latency", "task_latency_s"),
    latency("call_latency", "call_latency_s"),
    latency("ttft", "ttft_s"),
    latency("tpot", "tpot_s"),
    Target { agents: false, pools: true, ..latency("itl", "itl_s") },
    latency("queue_time", "queue_time_s"),
    latency("tool_time", "tool_time_s"),
    per_task("llm_calls_per_task", Number),
    per_task("tool_calls_per_task", Number),
    per_task("tokens_per_task", Tokens),
    per_task("input_tokens_per_task", Tokens),
    per_task("output_tokens_per_task", Tokens),
    per_task("usd_per_task", Money),
    Target { pools: false, endpoints: false, ..ratio("usd_per_successful_task", Money) },
    ratio("usd_per_mtoken", MoneyPerMtok),
    ratio("usd_per_mtoken_input", MoneyPerMtok),
    ratio("usd_per_mtoken_output", MoneyPerMtok),
    ratio("usd_per_h", MoneyPerHour),
    Target {
        at_least: true,
        pools: false,
        endpoints: false,
        ..ratio("task_success_rate", Fraction)
    },
    Target { at_least: true, pools: false, endpoints: false, ..ratio("tasks_per_s", Rate) },
    Target { at_least: true, ..ratio("calls_per_s", Rate) },
    Target { at_least: true, ..ratio("output_tokens_per_s", TokenRate) },
    Target { at_least: true, ..ratio("prefix_hit_rate", Fraction) },
    servers("utilization", Fraction),
    servers("kv_occupancy", Fraction),
    servers("queue_length", Number),
    hosted("throttled_share", Fraction),
    hosted("unavailable_share", Fraction),
    hosted("usd_spent", Money),
];

const fn latency(name: &'static str, metric: &'static str) -> Target {
    Target {
        name,
        metric,
        dimension: Time,
        at_least: false,
        observed: true,
        agents: true,
        pools: false,
        endpoints: false,
        fleet: true,
    }
}

const fn per_task(name: &'static str, dimension: Dimension) -> Target {
    Target { dimension, ..latency(name, name) }
}

const fn ratio(name: &'static str, dimension: Dimension) -> Target {
    Target { observed: false, pools: true, endpoints: true, ..per_task(name, dimension) }
}

const fn servers(name: &'static str, dimension: Dimension) -> Target {
    Target { agents: false, endpoints: false, ..ratio(name, dimension) }
}

const fn hosted(name: &'static str, dimension: Dimension) -> Target {
    Target { agents: false, pools: false, fleet: false, ..ratio(name, dimension) }
}

impl Target {
    /// The keys that demand it, with each of its statistics.
    pub fn keys(&self) -> impl Iterator<Item = String> {
        let percentiles = QUANTILES.iter().filter(|_| self.observed).map(|(name, _)| *name);
        let suffixes = ["mean"].into_iter().chain(percentiles);
        let named = suffixes.map(|suffix| format!("{}_{suffix}", self.name));
        [self.name.to_owned()].into_iter().chain(named)
    }

    /// What may be demanded of it.
    pub fn bounds(&self) -> Bounds {
        let high = if self.dimension == Fraction { 1.0 } else { f64::INFINITY };
        Bounds { low: 0.0, above: true, high }
    }
}

/// Names of the parts of a scenario of which something may be demanded.
pub(super) struct Names<'a> {
    pub(super) agents: &'a [&'a str],
    pub(super) tenants: &'a [&'a str],
    pub(super) pools: &'a [&'a str],
    pub(super) endpoints: &'a [&'a str],
}

/// Reads the objectives of a scenario.
pub(super) fn read(root: &Section, names: &Names) -> Vec<Objective> {
    let Some(node) = root.node("objectives") else { return Vec::new() };
    let mut reader = Reader { root, found: Vec::new() };
    let Some(table) = reader.table(node, "objectives") else { return Vec::new() };
    let names = [
        ("agents", "agent", names.agents),
        ("tenants", "tenant", names.tenants),
        ("pools", "pool", names.pools),
        ("endpoints", "endpoint", names.endpoints),
    ];
    for entry in &table.entries {
        let path = join_path("objectives", &entry.key);
        match names.iter().find(|(key, ..)| *key == entry.key) {
            None => reader.objective(entry, &path, &Part::Fleet),
            Some((_, kind, valid)) => {
                let Some(parts) = reader.table(&entry.node, &path) else { continue };
                for part in &parts.entries {
                    reader.part(part, &join_path(&path, &part.key), kind, valid);
                }
            }
        }
    }
    reader.found
}

struct Reader<'a, 'd> {
    root: &'a Section<'d>,
    found: Vec<Objective>,
}

impl<'d> Reader<'_, 'd> {
    fn table(&self, node: &'d Node, path: &str) -> Option<&'d Table> {
        if node.as_table().is_none() {
            let message = format!("expected a table of objectives, found {}", node.describe());
            self.root.report(Fault::new(message).at(node.origin.place(path)));
        }
        node.as_table()
    }

    /// The objectives of one part of the fleet.
    fn part(&mut self, entry: &'d Entry, path: &str, kind: &str, valid: &[&str]) {
        if !valid.contains(&entry.key.as_str()) {
            let fault = Fault::unknown(kind, &entry.key, valid.iter().copied());
            return self.root.report(fault.at(entry.key_origin.place(path)));
        }
        let part = match kind {
            "agent" => Part::Agent(entry.key.clone()),
            "tenant" => Part::Tenant(entry.key.clone()),
            "pool" => Part::Pool(entry.key.clone()),
            _ => Part::Endpoint(entry.key.clone()),
        };
        let Some(table) = self.table(&entry.node, path) else { return };
        for entry in &table.entries {
            self.objective(entry, &join_path(path, &entry.key), &part);
        }
    }

    fn objective(&mut self, entry: &Entry, path: &str, of: &Part) {
        let (target, statistic) = match named(&entry.key, of) {
            Ok(found) => found,
            Err(fault) => return self.root.report(fault.at(entry.key_origin.place(path))),
        };
        match quantity(&entry.key, target.dimension, target.bounds(), &entry.node) {
            Ok(limit) => self.found.push(Objective {
                name: entry.key.clone(),
                metric: target.metric,
                statistic,
                limit,
                at_least: target.at_least,
                of: of.clone(),
            }),
            Err(message) => {
                self.root.report(Fault::new(message).at(entry.node.origin.place(path)));
            }
        }
    }
}

/// The figure and the statistic that a key names.
fn named(key: &str, of: &Part) -> Result<(&'static Target, Statistic), Fault> {
    let applies = |target: &&Target| match of {
        Part::Fleet => target.fleet,
        Part::Agent(_) | Part::Tenant(_) => target.agents,
        Part::Pool(_) => target.pools,
        Part::Endpoint(_) => target.endpoints,
    };
    let find = |name: &str| TARGETS.iter().find(|target| target.name == name);
    let (figure, suffix) = match key.rsplit_once('_') {
        _ if find(key).is_some() => (key, None),
        Some((figure, suffix)) if find(figure).is_some() => (figure, Some(suffix)),
        // A percentile that is meant so, behind a figure that is not known.
        Some((figure, suffix)) if suffix.starts_with('p') && suffix.len() <= 5 => {
            (figure, Some(suffix))
        }
        _ => (key.strip_suffix("_mean").unwrap_or(key), None),
    };
    let names = TARGETS.iter().filter(applies).map(|target| target.name);
    let Some(target) = find(figure) else { return Err(Fault::unknown("figure", figure, names)) };
    if !applies(&target) {
        let part = match of {
            Part::Fleet => "the fleet",
            Part::Agent(_) => "one kind of agent",
            Part::Tenant(_) => "a tenant",
            Part::Pool(_) => "a pool",
            Part::Endpoint(_) => "an endpoint",
        };
        let fault = Fault::new(format!("`{figure}` is not a figure of {part}"));
        return Err(fault.help(match target.fleet {
            true => "demand it of the whole fleet, in [objectives]",
            false => "demand it of an endpoint, in [objectives.endpoints.NAME]",
        }));
    }
    let statistic = match suffix {
        None | Some("mean") => Ok(Statistic::Mean),
        Some(_) if !target.observed => {
            let message = format!("`{figure}` is one number for each trial, it has no percentiles");
            Err(Fault::new(message).help(format!("demand `{figure}`")))
        }
        Some(suffix) => match QUANTILES.iter().find(|(name, _)| *name == suffix) {
            Some(&(_, p)) => Ok(Statistic::Quantile(p)),
            None => {
                let message = format!("`{suffix}` is not a statistic of `{figure}`");
                Err(Fault::new(message).help("choose from: mean, p50, p90, p95, p99"))
            }
        },
    };
    statistic.map(|statistic| (target, statistic))
}

/// Reports objectives on figures that a plan cannot have.
pub(super) fn check(objectives: &[Objective], root: &Section, plan: &Plan) {
    let recorded = !plan.traces.is_empty();
    let steps = || plan.programs.iter().flat_map(|program| &program.steps);
    let call = |kind: &StepKind| -> bool {
        let several = |call: &LlmStep| call.output_tokens.maximum() > 1.0;
        match kind {
            StepKind::Llm(step) => several(step),
            StepKind::Check(step) => several(&step.call),
            _ => false,
        }
    };
    for objective in objectives {
        let reason = match objective.metric {
            "tpot_s" | "itl_s" if !recorded && !steps().any(|step| call(&step.kind)) => {
                "no call produces more than one token"
            }
            "tool_time_s" | "tool_calls_per_task"
                if !recorded && !steps().any(|step| matches!(step.kind, StepKind::Tool(_))) =>
            {
                "no agent calls a tool"
            }
            "prefix_hit_rate" if plan.pools.iter().all(|pool| !pool.replica.prefix_cache) => {
                "no pool has a prefix cache"
            }
            _ => continue,
        };
        let message = format!("`{}` cannot be measured: {reason}", objective.name);
        root.report(root.fault("objectives", message).help("remove it"));
    }
}
