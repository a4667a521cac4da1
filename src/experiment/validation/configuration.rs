//! From the names of a measurement to catalog entries.

use std::fmt;

use super::campaign::{Circumstances, Settings, settings};
use super::server::Server;
use crate::catalog::{
    Accelerator, Catalog, Model, NumberFormat, Precision, SchedulerDefaults, UnknownName,
};
use crate::foundations::distribution::LawError;
use crate::performance::{Deployment, GpuPower, PerformanceError, Wide};
use crate::serving::ReplicaSpec;
use crate::workload::arrival::ArrivalError;

/// What a source says of a replica, in its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names<'a> {
    /// Model.
    pub model: &'a str,
    /// Accelerator.
    pub accelerator: &'a str,
    /// Engine, a version behind it or not: `vllm 0.19.0`.
    pub engine: &'a str,
    /// Number format: `fp8`, `nvfp4`, `fp8_block`, `w4a16_mxfp4`.
    pub precision: &'a str,
    /// GPUs that each layer is spread over.
    pub tensor_parallel: u32,
    /// Groups of GPUs that experts are dealt to.
    pub expert_parallel: u32,
    /// Stages that layers are dealt to.
    pub pipeline_parallel: u32,
}

/// A measured replica that can be simulated.
#[derive(Clone, Debug)]
pub struct Configuration<'c> {
    /// Its catalog entries.
    pub deployment: Deployment<'c>,
    /// How it was run.
    pub settings: Settings,
}

/// Why a measurement cannot be compared with a prediction.
#[derive(Clone, Debug, PartialEq)]
pub enum Unmodelled {
    /// The catalog has no such accelerator, model or engine.
    Unknown(UnknownName),
    /// The replica cannot be.
    Impossible(PerformanceError),
    /// Something that the simulator does not do.
    NotSimulated(String),
}

impl fmt::Display for Unmodelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "unknown {} `{}`", name.kind, name.name),
            Self::Impossible(PerformanceError::DoesNotFit(_)) => {
                f.write_str("does not fit in memory")
            }
            Self::Impossible(error) => error.fmt(f),
            Self::NotSimulated(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Unmodelled {}

impl From<LawError> for Unmodelled {
    fn from(error: LawError) -> Self {
        Self::NotSimulated(error.to_string())
    }
}

impl From<ArrivalError> for Unmodelled {
    fn from(error: ArrivalError) -> Self {
        Self::NotSimulated(error.to_string())
    }
}

impl From<UnknownName> for Unmodelled {
    fn from(name: UnknownName) -> Self {
        Self::Unknown(name)
    }
}

impl From<PerformanceError> for Unmodelled {
    fn from(error: PerformanceError) -> Self {
        Self::Impossible(error)
    }
}

impl Configuration<'_> {
    /// The engine's scheduler as it was set. Benchmarks send random tokens unless they say
    /// otherwise: nothing is shared.
    #[must_use]
    pub fn scheduler(&self) -> SchedulerDefaults {
        let Deployment { engine, accelerator, .. } = self.deployment;
        let settings = &self.settings;
        let usual = engine.scheduler_on(accelerator);
        SchedulerDefaults {
            max_batched_tokens: settings.max_batched_tokens.unwrap_or(usual.max_batched_tokens),
            max_running: settings.max_running.unwrap_or(usual.max_running),
            memory_utilization: settings.memory_utilization.unwrap_or(usual.memory_utilization),
            poll_steps: settings.poll_steps.unwrap_or(usual.poll_steps),
            batch_wait_steps: settings.batch_wait_steps.unwrap_or(usual.batch_wait_steps),
            prefix_cache: settings.prefix_cache.unwrap_or(false),
            ..usual
        }
    }

    /// The replica, able to hold a context of `max_context` tokens.
    ///
    /// # Errors
    /// [`Unmodelled::Impossible`] where it does not fit.
    pub fn server(&self, max_context: u64) -> Result<Server, Unmodelled> {
        let mut engine = self.deployment.engine.clone();
        for (name, value) in &self.settings.engine {
            let set = engine.set(name, value, "campaign");
            set.map_err(|error| Unmodelled::NotSimulated(error.to_string()))?;
        }
        let deployment = Deployment { engine: &engine, ..self.deployment };
        Ok(Server {
            replica: ReplicaSpec::deploy(&deployment, &self.scheduler(), max_context)?,
            gpus: deployment.replica_gpus(),
            power: GpuPower::of(deployment.accelerator),
        })
    }
}

impl Names<'_> {
    /// The catalog entries, with a cache in 16 bits.
    ///
    /// # Errors
    /// [`Unmodelled`] for unknown names; whether the replica can be is not asked.
    pub fn deployment<'c>(&self, catalog: &'c Catalog) -> Result<Deployment<'c>, Unmodelled> {
        let engine = self.engine.split_whitespace().next().unwrap_or(self.engine);
        let model = catalog.model(self.model)?;
        let accelerator = catalog.accelerator(self.accelerator)?;
        Ok(Deployment {
            model,
            accelerator,
            engine: catalog.engine(engine)?,
            precision: formats(self.precision, model, accelerator)?,
            tensor_parallel: self.tensor_parallel,
            expert_parallel: self.expert_parallel,
            pipeline_parallel: self.pipeline_parallel,
            wide: Wide::default(),
        })
    }

    /// The configuration that so many clients met in the run `id` of a campaign, with prompts and
    /// answers of these tokens.
    ///
    /// # Errors
    /// [`Unmodelled`].
    pub fn under<'c>(
        &self,
        catalog: &'c Catalog,
        id: &str,
        clients: u32,
        (prompt, answer): (u32, u32),
    ) -> Result<Configuration<'c>, Unmodelled> {
        let mut deployment = self.deployment(catalog)?;
        let circumstances =
            Circumstances { id, precision: self.precision, clients, prompt, answer };
        let settings = settings(&deployment, &circumstances);
        if let Some(kv) = settings.kv {
            deployment.precision.kv = kv;
        }
        deployment.check()?;
        Ok(Configuration { deployment, settings })
    }
}

/// The number formats behind a source's label.
///
/// Checkpoints with MXFP4 experts are published in that format alone, whatever a table calls them;
/// NVFP4 checkpoints of mixtures of experts keep attention, shared experts and dense layers in 16
/// bits.
fn formats(label: &str, model: &Model, accelerator: &Accelerator) -> Result<Precision, Unmodelled> {
    let native = model.native_precision;
    if native.experts == NumberFormat::Mxfp4 && native.weights != NumberFormat::Mxfp4 {
        let unpacked = native.with_activations(NumberFormat::Bf16);
        return Ok(if native.check(accelerator).is_ok() { native } else { unpacked });
    }
    let weights = match label {
        "fp4" => NumberFormat::Nvfp4,
        "fp8_block" => NumberFormat::Fp8,
        label => label.parse()?,
    };
    Ok(match weights {
        NumberFormat::Nvfp4 if model.moe_layers() > 0 => Precision {
            experts: NumberFormat::Nvfp4,
            activations: NumberFormat::Nvfp4,
            ..Precision::of(NumberFormat::Bf16)
        },
        weights => Precision::of(weights),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names<'a>(model: &'a str, accelerator: &'a str, precision: &'a str) -> Names<'a> {
        Names {
            model,
            accelerator,
            engine: "vllm 0.19.0",
            precision,
            tensor_parallel: 1,
            expert_parallel: 1,
            pipeline_parallel: 1,
        }
    }

    #[test]
    fn labels_stand_for_formats_by_model() {
        let catalog = Catalog::embedded();
        let formats = |model, accelerator, label| {
            let deployment = names(model, accelerator, label).deployment(&catalog).unwrap();
            let Precision { weights, experts, activations, .. } = deployment.precision;
            [weights, experts, activations].map(NumberFormat::name)
        };
        assert_eq!(formats("Llama-3.1-70B", "B200-SXM", "fp4"), ["nvfp4"; 3]);
        assert_eq!(formats("DeepSeek-R1", "B200-SXM", "fp4"), ["bf16", "nvfp4", "nvfp4"]);
        for label in ["fp4", "fp8", "w4a16_mxfp4"] {
            assert_eq!(formats("gpt-oss-120b", "H100-SXM", label), ["bf16", "mxfp4", "bf16"]);
        }
        assert_eq!(formats("Llama-3.1-8B", "A100-SXM", "fp16"), ["bf16"; 3]);
        assert_eq!(formats("Qwen3-32B", "H100-SXM", "fp8_block"), ["fp8"; 3]);
    }

    #[test]
    fn unknown_names_are_told() {
        let catalog = Catalog::embedded();
        let reason = |model, accelerator, label| {
            names(model, accelerator, label).deployment(&catalog).unwrap_err().to_string()
        };
        assert_eq!(reason("GPT-9", "H100-SXM", "fp8"), "unknown model `GPT-9`");
        let powercap = reason("Llama-3.1-8B", "H100-SXM-powercap", "fp8");
        assert_eq!(powercap, "unknown accelerator `H100-SXM-powercap`");
        assert_eq!(reason("Llama-3.1-8B", "H100", "fp9"), "unknown number format `fp9`");
    }
}
