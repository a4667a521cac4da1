//! `vllm_h100_runs.csv`: whole runs of vLLM by load stage: arrivals, shared prompts, engine flags.
//!
//! A run has so many users, each with a prompt of its own behind one of a few system prompts; users
//! take turns, so all but the first prompts are found in the prefix cache as long as it holds them.
//! A request that takes longer than 300 s is given up: in the overloaded runs no answer took longer.

use serde::Deserialize;

use super::client::{Client, Seen, mean, observe};
use super::comparison::{Class, Comparison, Outcome};
use super::configuration::{Names, Unmodelled};
use super::table::{Line, Row, at_least_one, positive};
use crate::catalog::Catalog;
use crate::foundations::SimDuration;
use crate::foundations::distribution::Law;
use crate::workload::arrival::Arrivals;
use crate::workload::program::SharedSegment;

/// How long the benchmark waits for an answer, s.
const TIMEOUT_S: f64 = 300.0;
/// How far answers spread around their mean at most.
const SPREAD: f64 = 0.15;

/// One stage of a run.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct VllmRun {
    /// Name of the run.
    pub run: String,
    /// Its stage, from 0.
    pub stage: u32,
    /// Accelerator.
    pub hardware: String,
    /// Engine.
    pub engine: String,
    /// Model.
    pub model: String,
    /// GPUs that each layer is spread over.
    pub tensor_parallel: u32,
    /// Longest context.
    pub max_model_len: u64,
    /// Most new tokens in a step.
    pub max_num_batched_tokens: u64,
    /// Most requests at once.
    pub max_num_seqs: u64,
    /// How requests arrive: `constant` or `poisson`.
    pub arrivals: String,
    /// Requests per second.
    pub rate_per_s: f64,
    /// Length of the stage, s.
    pub duration_s: f64,
    /// System prompts that differ.
    pub unique_system_prompts: u32,
    /// Users of each of them.
    pub users_per_system_prompt: u32,
    /// Tokens that an answer may have at most.
    pub output_tokens: f64,
    /// Requests answered.
    pub completed: f64,
    /// Requests not answered.
    pub failed: f64,
    /// Time to the last token, median, s.
    pub e2e_median_s: Option<f64>,
    /// Its mean, s.
    pub e2e_mean_s: Option<f64>,
    /// Its 99th percentile, s.
    pub e2e_p99_s: Option<f64>,
    /// Time to the first token, median, s.
    pub ttft_median_s: Option<f64>,
    /// Its mean, s.
    pub ttft_mean_s: Option<f64>,
    /// Prompt tokens, mean.
    pub measured_prompt_len_mean: f64,
    /// Tokens of an answer, mean.
    pub measured_output_len_mean: f64,
}

impl Row for VllmRun {
    const COLUMNS: &'static [&'static str] = &[
        "run",
        "stage",
        "hardware",
        "engine",
        "model",
        "tensor_parallel",
        "max_model_len",
        "max_num_batched_tokens",
        "max_num_seqs",
        "arrivals",
        "rate_per_s",
        "duration_s",
        "unique_system_prompts",
        "users_per_system_prompt",
        "output_tokens",
        "completed",
        "failed",
        "measured_prompt_len_mean",
        "measured_output_len_mean",
    ];

    fn fault(&self) -> Option<(&'static str, &'static str)> {
        at_least_one(&[
            ("tensor_parallel", f64::from(self.tensor_parallel)),
            ("max_num_seqs", self.max_num_seqs as f64),
            ("max_num_batched_tokens", self.max_num_batched_tokens as f64),
            ("measured_prompt_len_mean", self.measured_prompt_len_mean),
            ("measured_output_len_mean", self.measured_output_len_mean),
        ])
        .or(positive(&[
            ("rate_per_s", Some(self.rate_per_s)),
            ("duration_s", Some(self.duration_s)),
            ("e2e_median_s", self.e2e_median_s),
            ("ttft_median_s", self.ttft_median_s),
        ]))
    }
}

impl VllmRun {
    fn arrivals(&self) -> Result<Arrivals, Unmodelled> {
        Ok(match self.arrivals.as_str() {
            "constant" => Arrivals::every(1.0 / self.rate_per_s)?,
            "poisson" => Arrivals::poisson(self.rate_per_s)?,
            other => {
                return Err(Unmodelled::NotSimulated(format!("arrivals by `{other}`")));
            }
        })
    }

    /// Answers end where they are as long as they may be, and some before.
    fn answer(&self) -> Result<Law, Unmodelled> {
        let mean = self.measured_output_len_mean;
        let spread = (self.output_tokens - mean).abs().clamp(1.0, SPREAD * mean.max(10.0));
        Ok(Law::uniform((mean - spread).max(1.0), mean + spread)?.rounded())
    }

    /// The whole prompt belongs to one user, and so is there when that user's turn comes again; the
    /// last token is computed anyhow.
    fn prompts(&self) -> Result<SharedSegment, Unmodelled> {
        let users =
            f64::from(self.unique_system_prompts.max(1) * self.users_per_system_prompt.max(1));
        Ok(SharedSegment {
            identity: 1,
            tokens: Law::constant((self.measured_prompt_len_mean - 1.0).max(1.0))?.rounded(),
            variant: Law::uniform(0.5, users + 0.5)?.rounded().clamped(1.0, users)?,
            redrawn: 0.0,
        })
    }
}

/// Replays a row.
pub(super) fn compare(line: &Line<VllmRun>, catalog: &Catalog) -> Outcome {
    let row = &line.row;
    let names = Names {
        model: &row.model,
        accelerator: &row.hardware,
        engine: &row.engine,
        precision: "bf16",
        tensor_parallel: row.tensor_parallel,
        expert_parallel: 1,
        pipeline_parallel: 1,
    };
    let mut configuration = names.under(catalog, "vllm_h100_runs", 0, (0, 0))?;
    let settings = &mut configuration.settings;
    settings.max_batched_tokens = Some(row.max_num_batched_tokens);
    settings.max_running = Some(row.max_num_seqs);
    settings.prefix_cache = Some(true);
    let server = configuration.server(row.max_model_len)?;
    let client = Client {
        prompt: Law::ONE,
        answer: row.answer()?,
        arrivals: row.arrivals()?,
        requests: libm::round(row.rate_per_s * row.duration_s).max(1.0) as u64,
        shared: Some(row.prompts()?),
        timeout: Some(SimDuration::from_s_saturating(TIMEOUT_S)),
    };
    let seen = observe(&client.plan(&server), 1, 1)?;
    let class = Class::of("vllm-h100", &configuration);
    let what = format!("{} stage {}, {} /s", row.run, row.stage, row.rate_per_s);
    if row.failed > 0.0 {
        let answered = mean(&seen, |run| run.outcome.agents[0].succeeded as f64);
        let given_up = mean(&seen, |run| run.outcome.agents[0].finished() as f64) - answered;
        let figures = [
            ("completed", Some(answered), Some(row.completed)),
            ("failed", Some(given_up), Some(row.failed)),
        ];
        return Ok(Comparison::all(&class, line.number, &what, &None, figures));
    }
    let e2e = |p| quantile(&seen, |run| run.outcome.agents[0].call_latency.histogram.quantile(p));
    let ttft = |p| quantile(&seen, |run| run.outcome.agents[0].ttft.histogram.quantile(p));
    let figures = [
        ("e2e_p50_s", Some(e2e(0.5)), row.e2e_median_s),
        ("e2e_p99_s", Some(e2e(0.99)), row.e2e_p99_s),
        ("ttft_p50_s", Some(ttft(0.5)), row.ttft_median_s),
        ("ttft_mean_s", Some(mean(&seen, Seen::ttft_ms) * 1e-3), row.ttft_mean_s),
    ];
    Ok(Comparison::all(&class, line.number, &what, &None, figures))
}

fn quantile(seen: &[Seen], us: impl Fn(&Seen) -> u64) -> f64 {
    mean(seen, |run| us(run) as f64) * 1e-6
}
