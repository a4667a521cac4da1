//! `step_times.csv`: single iterations of a model: sums of measured kernels or layers, or whole steps.

use serde::Deserialize;

use super::comparison::{Class, Comparison, Outcome};
use super::configuration::{Configuration, Names, Unmodelled};
use super::table::{Line, Row, at_least_one, positive};
use crate::catalog::Catalog;
use crate::performance::StepModel;

/// One iteration.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct StepTime {
    /// Who measured, and how.
    pub source: String,
    /// Accelerator.
    pub hardware: String,
    /// Model.
    pub model: String,
    /// Number format.
    pub precision: String,
    /// GPUs that each layer is spread over.
    pub tp: u32,
    /// `decode`, `prefill` or `mixed`, the last with one prompt beside decodes.
    pub phase: String,
    /// Requests, prompts included.
    pub batch: u32,
    /// New tokens of all requests.
    pub new_tokens: f64,
    /// Tokens of context of each decoding request.
    pub context_tokens: f64,
    /// Time of the iteration, ms.
    pub measured_ms: f64,
}

impl Row for StepTime {
    const COLUMNS: &'static [&'static str] = &[
        "source",
        "hardware",
        "model",
        "precision",
        "tp",
        "phase",
        "batch",
        "new_tokens",
        "context_tokens",
        "measured_ms",
    ];

    fn fault(&self) -> Option<(&'static str, &'static str)> {
        at_least_one(&[
            ("tp", f64::from(self.tp)),
            ("batch", f64::from(self.batch)),
            ("new_tokens", self.new_tokens),
            ("context_tokens", self.context_tokens.max(1.0)),
        ])
        .or(positive(&[("measured_ms", Some(self.measured_ms))]))
    }
}

/// What a source's figure contains of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// Matrix products, attention, experts and all-reduces.
    Kernels,
    /// All kernels.
    Layers,
    /// The whole iteration, host and all.
    Step,
}

/// Launches that a sum of matrix products and attention has: five of a layer's eleven.
const COUNTED_LAUNCHES: f64 = 5.0 / 11.0;

impl StepTime {
    fn scope(&self) -> Scope {
        match self.source.as_str() {
            source if source.ends_with("kernelsum") => Scope::Kernels,
            source if source.ends_with("layersum") => Scope::Layers,
            _ => Scope::Step,
        }
    }

    /// The time of the iteration, s.
    fn seconds(&self, model: &StepModel) -> Result<f64, Unmodelled> {
        let (batch, new) = (self.batch, libm::round(self.new_tokens) as u32);
        let context = libm::round(self.context_tokens) as u64;
        let (decodes, prompts, chunk) = match self.phase.as_str() {
            "decode" => (batch, 0, 0),
            "prefill" => (0, batch, new / batch),
            "mixed" => (batch - 1, 1, new.saturating_sub(batch - 1)),
            other => return Err(Unmodelled::NotSimulated(format!("steps of phase `{other}`"))),
        };
        let windows =
            model.windows.iter().map(|it| (u64::from(it.window).min(context), it.cost.ps));
        let read = windows.chain([(context, model.context.ps)]);
        let decode_ps = u64::from(decodes) * read.map(|(tokens, ps)| tokens * ps).sum::<u64>();
        let mixed_ps = if prompts > 0 { model.mixed_delay_ps(decode_ps) } else { 0 };
        let prompt_ps = u64::from(prompts) * model.prefill_attention(chunk, 0).ps;
        let tokens = decodes + prompts * chunk;
        let gpu_ps =
            model.tokens(tokens).ps + model.head(batch).ps + decode_ps + mixed_ps + prompt_ps;
        let gpu_s = gpu_ps as f64 * 1e-12;
        let host_s = model.host_ps(decodes) as f64 * 1e-12;
        Ok(match self.scope() {
            Scope::Layers => gpu_s,
            Scope::Kernels => {
                let between = model.activation_token_s * f64::from(tokens);
                gpu_s - model.launch_s * (1.0 - COUNTED_LAUNCHES) - between
            }
            Scope::Step if prompts > 0 => {
                gpu_s.max(model.prefill_host_ps(tokens) as f64 * 1e-12) + host_s
            }
            Scope::Step => gpu_s + host_s,
        })
    }
}

/// Computes a row.
pub(super) fn compare(line: &Line<StepTime>, catalog: &Catalog) -> Outcome {
    let row = &line.row;
    let names = Names {
        model: &row.model,
        accelerator: &row.hardware,
        engine: "vllm",
        precision: &row.precision,
        tensor_parallel: row.tp,
        expert_parallel: 1,
        pipeline_parallel: 1,
    };
    let deployment = names.deployment(catalog)?;
    let model = StepModel::compile(&deployment)?;
    let seconds = row.seconds(&model)?;
    let configuration = Configuration { deployment, settings: super::Settings::default() };
    let class = Class::of(&row.source, &configuration);
    let StepTime { phase, precision, tp, batch, new_tokens, context_tokens, .. } = row;
    let what = format!(
        "{precision} tp{tp}, {phase} of {batch}, {new_tokens} new, {context_tokens} before"
    );
    let metric = match phase.as_str() {
        "decode" => "decode_step_ms",
        "prefill" => "prefill_step_ms",
        _ => "mixed_step_ms",
    };
    let figures = [(metric, Some(seconds * 1e3), Some(row.measured_ms))];
    Ok(Comparison::all(&class, line.number, &what, &None, figures))
}
