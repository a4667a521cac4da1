//! `load_sweep.csv`: engines under Poisson arrivals of rising rate: latency quantiles, throughput,
//! power and dollars.
//!
//! Each run sent 500 requests. One path of arrivals is one draw: a prediction is the mean over
//! several.

use serde::Deserialize;

use super::client::{Client, Seen, mean, observe};
use super::comparison::{Class, Comparison, Outcome};
use super::configuration::{Configuration, Names};
use super::table::{Line, Row, at_least_one, positive};
use crate::catalog::Catalog;
use crate::foundations::Histogram;
use crate::foundations::distribution::Law;
use crate::simulation::outcome::AgentTally;
use crate::workload::arrival::Arrivals;

/// Requests of a run.
const REQUESTS: u64 = 500;
/// Runs that a prediction is the mean of.
const RUNS: u64 = 8;

/// One configuration at one rate.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct LoadSweep {
    /// The source's name of the configuration.
    pub config: String,
    /// Engine.
    pub engine: String,
    /// Model.
    pub model: String,
    /// Number format.
    pub precision: String,
    /// Accelerator.
    pub hardware: String,
    /// GPUs.
    pub gpus: u32,
    /// Requests sent per second.
    pub rate_per_s: f64,
    /// Requests answered per second.
    pub completed_per_s: Option<f64>,
    /// Output tokens per second.
    pub output_tokens_per_s: Option<f64>,
    /// Time to first token, median, ms.
    pub ttft_p50_ms: Option<f64>,
    /// Its 99th percentile, ms.
    pub ttft_p99_ms: Option<f64>,
    /// Time to the last token, median, ms.
    pub e2e_p50_ms: Option<f64>,
    /// Its 99th percentile, ms.
    pub e2e_p99_ms: Option<f64>,
    /// Time per output token, median, ms.
    pub tpot_p50_ms: Option<f64>,
    /// Power of each GPU, W.
    pub gpu_power_w: Option<f64>,
    /// Rent of all GPUs, dollars per hour.
    pub usd_per_gpu_h: Option<f64>,
    /// Dollars per million output tokens.
    pub usd_per_mtoken_output: Option<f64>,
    /// Prompt tokens, mean.
    pub input_tokens_mean: f64,
    /// Tokens of an answer, mean.
    pub output_tokens_mean: f64,
}

impl Row for LoadSweep {
    const COLUMNS: &'static [&'static str] = &[
        "config",
        "engine",
        "model",
        "precision",
        "hardware",
        "gpus",
        "rate_per_s",
        "input_tokens_mean",
        "output_tokens_mean",
    ];

    fn fault(&self) -> Option<(&'static str, &'static str)> {
        at_least_one(&[
            ("gpus", f64::from(self.gpus)),
            ("input_tokens_mean", self.input_tokens_mean),
            ("output_tokens_mean", self.output_tokens_mean),
        ])
        .or(positive(&[
            ("rate_per_s", Some(self.rate_per_s)),
            ("completed_per_s", self.completed_per_s),
            ("output_tokens_per_s", self.output_tokens_per_s),
            ("ttft_p50_ms", self.ttft_p50_ms),
            ("e2e_p50_ms", self.e2e_p50_ms),
            ("tpot_p50_ms", self.tpot_p50_ms),
            ("gpu_power_w", self.gpu_power_w),
            ("usd_per_mtoken_output", self.usd_per_mtoken_output),
        ]))
    }
}

impl LoadSweep {
    /// The accelerator's catalog name. The source writes `H100` for the NVL card of Azure's NCads
    /// H100 v5: it draws 377 W, more than the PCIe card may and half of what the SXM module does,
    /// and costs what that machine costs.
    fn accelerator(&self) -> &str {
        let nvl = self
            .usd_per_gpu_h
            .is_some_and(|usd| (6.9..7.1).contains(&(usd / f64::from(self.gpus))));
        if self.hardware == "H100" && nvl { "h100-nvl" } else { &self.hardware }
    }

    fn configuration<'c>(
        &self,
        catalog: &'c Catalog,
    ) -> Result<Configuration<'c>, super::Unmodelled> {
        let names = Names {
            model: &self.model,
            accelerator: self.accelerator(),
            engine: &self.engine,
            precision: &self.precision,
            tensor_parallel: self.gpus,
            expert_parallel: 1,
            pipeline_parallel: 1,
        };
        names.under(catalog, &format!("load_sweep_{}", self.config), 0, (0, 0))
    }
}

/// Replays a row.
pub(super) fn compare(line: &Line<LoadSweep>, catalog: &Catalog) -> Outcome {
    let row = &line.row;
    let configuration = row.configuration(catalog)?;
    let context = 2.0 * (row.input_tokens_mean + row.output_tokens_mean);
    let server = configuration.server(context as u64)?;
    let client = Client {
        prompt: Law::constant(row.input_tokens_mean)?,
        answer: Law::constant(row.output_tokens_mean)?,
        arrivals: Arrivals::poisson(row.rate_per_s)?,
        requests: REQUESTS,
        shared: None,
        timeout: None,
    };
    let seen = observe(&client.plan(&server), 1, RUNS)?;
    let quantile = |of: fn(&AgentTally) -> &Histogram, p: f64, unit: f64| {
        mean(&seen, |run: &Seen| of(&run.outcome.agents[0]).quantile(p) as f64 * unit)
    };
    let ttft: fn(&AgentTally) -> &Histogram = |tally| &tally.ttft.histogram;
    let e2e: fn(&AgentTally) -> &Histogram = |tally| &tally.call_latency.histogram;
    let tokens_per_s = mean(&seen, Seen::output_tokens_per_s);
    let usd = row.usd_per_gpu_h.map(|usd| usd * 1e6 / 3600.0 / tokens_per_s);
    let figures = [
        ("output_tokens_per_s", Some(tokens_per_s), row.output_tokens_per_s),
        ("usd_per_mtoken_output", usd, row.usd_per_mtoken_output),
        ("tpot_p50_ms", Some(quantile(|tally| &tally.tpot.histogram, 0.5, 1e-6)), row.tpot_p50_ms),
        ("ttft_p50_ms", Some(quantile(ttft, 0.5, 1e-3)), row.ttft_p50_ms),
        ("ttft_p99_ms", Some(quantile(ttft, 0.99, 1e-3)), row.ttft_p99_ms),
        ("e2e_p50_ms", Some(quantile(e2e, 0.5, 1e-3)), row.e2e_p50_ms),
        ("e2e_p99_ms", Some(quantile(e2e, 0.99, 1e-3)), row.e2e_p99_ms),
        (
            "gpu_power_w",
            Some(mean(&seen, |run| server.power.watts(run.gpu_busy()))),
            row.gpu_power_w,
        ),
    ];
    let what = format!("{} {} x{}, {} /s", row.config, row.precision, row.gpus, row.rate_per_s);
    let class = Class::of("vllm-cost-meter", &configuration);
    Ok(Comparison::all(&class, line.number, &what, &None, figures))
}
