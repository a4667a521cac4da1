//! `end_to_end.csv`: published figures with their full configuration, one to a row.
//!
//! Replayed are engines at a stated number of clients (`c64`) and the vendor's maximum throughput,
//! for which as many requests are kept under way as the cache holds. Rows of disaggregated serving are
//! `disaggregated`'s; data-parallel attention is counted, not simulated.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::client::{Client, Seen, drawn_from, mean, observe};
use super::closed_loop::ClosedLoop;
use super::comparison::{Class, Comparison, Outcome};
use super::configuration::{Configuration, Names, Unmodelled};
use super::table::{Line, Row, positive};
use crate::catalog::Catalog;
use crate::foundations::distribution::Law;
use crate::workload::arrival::Arrivals;

/// Requests for each one under way where throughput is asked for.
const TURNS: u64 = 3;
/// Requests under way at most: engines take no more.
const MOST_RUNNING: u64 = 2048;

/// One published figure.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct EndToEnd {
    /// Who measured.
    pub source: String,
    /// Where it is published; `aic#` stands before a row's own name.
    #[serde(default)]
    pub url: String,
    /// Accelerator.
    pub hardware: String,
    /// Model.
    pub model: String,
    /// Number format.
    pub precision: String,
    /// Engine and its version.
    pub engine: String,
    /// `TP4`, `TP4 EP2`, `TP1 ADP8 EP8`, `disagg ...`.
    pub parallelism: String,
    /// Prompt tokens.
    pub isl: String,
    /// Tokens of an answer.
    pub osl: String,
    /// `c64` for clients, or words.
    pub concurrency_or_rate: String,
    /// What was measured.
    pub metric: String,
    /// The figure.
    pub value: f64,
    /// Its unit.
    pub unit: String,
}

impl Row for EndToEnd {
    const COLUMNS: &'static [&'static str] = &[
        "source",
        "hardware",
        "model",
        "precision",
        "engine",
        "parallelism",
        "isl",
        "osl",
        "concurrency_or_rate",
        "metric",
        "value",
        "unit",
    ];

    fn fault(&self) -> Option<(&'static str, &'static str)> {
        positive(&[("value", Some(self.value))])
    }
}

/// The degree behind a letter code: 4 for `TP` in `TP4 EP2`.
pub(super) fn degree(parallelism: &str, code: &str) -> Option<u32> {
    parallelism.split_whitespace().find_map(|word| word.strip_prefix(code)?.parse().ok())
}

impl EndToEnd {
    /// The row's own name in its collection.
    pub(super) fn id(&self) -> &str {
        self.url.strip_prefix("aic#").unwrap_or(&self.source)
    }

    pub(super) fn tokens(&self) -> Result<(u32, u32), Unmodelled> {
        match (self.isl.parse(), self.osl.parse()) {
            (Ok(prompt), Ok(answer)) if prompt > 0 && answer > 0 => Ok((prompt, answer)),
            _ => Err(Unmodelled::NotSimulated("lengths that are not stated as numbers".into())),
        }
    }

    fn configuration<'c>(
        &self,
        catalog: &'c Catalog,
        clients: u32,
    ) -> Result<Configuration<'c>, Unmodelled> {
        let refuse = |what: &str| Err(Unmodelled::NotSimulated(what.to_owned()));
        if degree(&self.parallelism, "ADP").is_some_and(|ranks| ranks > 1) {
            return refuse("data-parallel attention");
        }
        let Some(tensor_parallel) = degree(&self.parallelism, "TP") else {
            return refuse("a fleet whose replicas are not described");
        };
        let names = Names {
            model: &self.model,
            accelerator: &self.hardware,
            engine: &self.engine,
            precision: &self.precision,
            tensor_parallel,
            expert_parallel: degree(&self.parallelism, "EP").unwrap_or(1),
            pipeline_parallel: degree(&self.parallelism, "PP").unwrap_or(1),
        };
        names.under(catalog, self.id(), clients, self.tokens().unwrap_or((0, 0)))
    }

    pub(super) fn clients(&self) -> Option<u32> {
        self.concurrency_or_rate.strip_prefix('c')?.parse().ok().filter(|&clients| clients > 0)
    }
}

/// How a figure is taken from what clients saw.
type Taken = fn(&Seen) -> f64;

/// The name of a figure and how it is taken.
fn figure(metric: &str, unit: &str) -> Option<(&'static str, Taken)> {
    Some(match (metric, unit) {
        ("TPOT" | "TPOT mean", "ms") => ("tpot_ms", Seen::tpot_ms),
        ("TTFT" | "TTFT mean", "ms") => ("ttft_ms", Seen::ttft_ms),
        ("TPOT p50", "ms") => ("tpot_p50_ms", |seen| {
            seen.outcome.agents[0].tpot.histogram.quantile(0.5) as f64 * 1e-6
        }),
        ("TTFT p50", "ms") => ("ttft_p50_ms", |seen| {
            seen.outcome.agents[0].ttft.histogram.quantile(0.5) as f64 * 1e-3
        }),
        ("output throughput" | "total output throughput", "tok/s") => {
            ("output_tokens_per_s", Seen::output_tokens_per_s)
        }
        _ => return None,
    })
}

/// Replays a row, unless its run stands among those `known` from another file.
pub(super) fn compare(line: &Line<EndToEnd>, catalog: &Catalog, known: &BTreeSet<&str>) -> Outcome {
    let row = &line.row;
    if known.contains(row.id()) {
        return Err(Unmodelled::NotSimulated("the same run stands in engine_tpot.csv".into()));
    }
    let clients = row.clients();
    let configuration = row.configuration(catalog, clients.unwrap_or(0))?;
    let (prompt, answer) = row.tokens()?;
    let Some((metric, of)) = figure(&row.metric, &row.unit) else {
        let what = format!("`{}` in {}", row.metric, row.unit);
        return Err(Unmodelled::NotSimulated(what));
    };
    let (metric, seen) = match clients {
        Some(clients) => {
            let load = ClosedLoop { clients, prompt, answer };
            (metric, load.replay(&configuration, line.number)?)
        }
        None if row.concurrency_or_rate.starts_with("max load") => {
            ("max_output_tokens_per_s", saturated(&configuration, prompt, answer)?)
        }
        None => {
            let what = "a load that is neither clients nor all that the cache holds";
            return Err(Unmodelled::NotSimulated(what.to_owned()));
        }
    };
    let class = Class::of(&row.source, &configuration);
    let what = format!(
        "{} {}, {}, {prompt} in, {answer} out",
        row.precision, row.parallelism, row.concurrency_or_rate
    );
    let predicted = mean(&seen, of);
    let suspect = &configuration.settings.suspect;
    let figures = [(metric, Some(predicted), Some(row.value))];
    Ok(Comparison::all(&class, line.number, &what, suspect, figures))
}

/// As many requests under way as fit into the cache.
fn saturated(
    configuration: &Configuration<'_>,
    prompt: u32,
    answer: u32,
) -> Result<Vec<Seen>, Unmodelled> {
    let context = u64::from(prompt) + u64::from(answer);
    let server = configuration.server(context)?;
    let replica = &server.replica;
    let blocks = context.div_ceil(u64::from(replica.block)) + replica.sequence_blocks;
    let most = MOST_RUNNING.min(u64::from(replica.batch_limit));
    let users = (replica.kv_blocks / blocks.max(1)).clamp(1, most);
    let client = Client {
        prompt: Law::constant(f64::from(prompt))?,
        answer: drawn_from(0.95, answer)?,
        arrivals: Arrivals::closed_loop(u32::try_from(users).unwrap_or(u32::MAX), Law::ZERO)?,
        requests: TURNS * users,
        shared: None,
        timeout: None,
    };
    observe(&client.plan(&server), 1, 1)
}
