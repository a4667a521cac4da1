//! What is fitted, and what is known of it beforehand.

use crate::catalog::{Catalog, Engine, StepCoefficients};

/// A constant that is fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// The coefficient.
    pub name: &'static str,
    /// The engine that it belongs to; all of them share it where there is none.
    pub engine: Option<&'static str>,
    /// What tables of single kernels say, or what is usual.
    pub prior: f64,
    /// How far from the prior it may be, in logarithms: the larger, the less the prior counts.
    pub width: f64,
}

const fn shared(name: &'static str, prior: f64, width: f64) -> Parameter {
    Parameter { name, engine: None, prior, width }
}

const fn own(engine: &'static str, name: &'static str, prior: f64, width: f64) -> Parameter {
    Parameter { name, engine: Some(engine), prior, width }
}

const VLLM: &str = "vllm";
const TRT: &str = "tensorrt-llm";
const SGLANG: &str = "sglang";

/// All of them. Priors of efficiencies are fits to the kernel tables of
/// ai-dynamo/aiconfigurator@095f58a51 (A100 to GB200), those of host times are orders of magnitude. What
/// vLLM's host does for each request trades against its launches here, and rate sweeps tell them apart: its
/// prior is what one fit of all engines with fewer constants found (16.6 us), and counts more.
pub const PARAMETERS: [Parameter; 32] = [
    shared("compute_efficiency_fp8", 0.68, 0.35),
    shared("compute_efficiency_fp8_block", 0.45, 0.35),
    shared("compute_efficiency_fp4", 0.53, 0.35),
    shared("compute_factor_fp4_chip", 0.72, 0.35),
    shared("memory_efficiency", 0.90, 0.35),
    shared("moe_compute_efficiency_bf16", 0.45, 0.5),
    shared("moe_compute_efficiency_fp8", 0.25, 0.5),
    shared("moe_compute_efficiency_fp4", 0.25, 0.5),
    shared("moe_memory_efficiency", 0.85, 0.35),
    shared("moe_padding_rows", 30.0, 0.7),
    shared("attention_memory_efficiency", 0.85, 0.35),
    shared("attention_memory_efficiency_fp8", 0.40, 0.35),
    shared("attention_compute_efficiency", 0.70, 0.35),
    shared("activation_traffic", 1.2, 0.35),
    shared("all_reduce_latency_s", 1e-6, 1.0),
    shared("all_reduce_slowdown", 2.3, 0.35),
    shared("step_s", 1e-4, 1.5),
    own(VLLM, "kernel_launch_s", 5e-6, 0.35),
    own(VLLM, "sequence_s", 16.6e-6, 0.7),
    own(VLLM, "prefill_kernel_s", 25e-6, 3.0),
    own(VLLM, "prefill_moe_layer_s", 200e-6, 12.0),
    own(VLLM, "request_s", 14e-3, 0.7),
    own(TRT, "kernel_launch_s", 5e-6, 0.35),
    own(TRT, "sequence_s", 8e-6, 3.0),
    own(TRT, "prefill_kernel_s", 25e-6, 3.0),
    own(TRT, "prefill_moe_layer_s", 200e-6, 12.0),
    own(TRT, "request_s", 8e-3, 12.0),
    own(TRT, "prompt_token_s", 3e-6, 5.0),
    own(SGLANG, "kernel_launch_s", 5e-6, 0.35),
    own(SGLANG, "sequence_s", 8e-6, 3.0),
    own(SGLANG, "prefill_kernel_s", 25e-6, 3.0),
    own(SGLANG, "prefill_moe_layer_s", 200e-6, 12.0),
];

impl Parameter {
    /// Whether it is one of `engine`'s.
    #[must_use]
    pub fn is_of(&self, engine: &str) -> bool {
        self.engine.is_none_or(|own| own == engine)
    }
}

/// Sets the constants of an engine to `values`, in the order of [`PARAMETERS`].
pub(super) fn apply(values: &[f64], engine: &mut Engine) {
    for (parameter, &value) in PARAMETERS.iter().zip(values) {
        if parameter.is_of(&engine.key)
            && let Some(slot) = engine.step.get_mut(parameter.name)
        {
            *slot = value;
        }
    }
    tie(&engine.key, &mut engine.step);
}

/// TensorRT-LLM reads a narrow cache as fast as a wide one.
fn tie(engine: &str, step: &mut StepCoefficients) {
    if engine == TRT {
        step.attention_memory_efficiency_fp8 = step.attention_memory_efficiency;
    }
}

/// The catalog's engines with these constants.
pub(super) fn engines(catalog: &Catalog, values: &[f64]) -> Vec<Engine> {
    let with = |engine: &Engine| {
        let mut engine = engine.clone();
        apply(values, &mut engine);
        engine
    };
    catalog.engines().map(with).collect()
}

/// The constants as the catalog has them, in the order of [`PARAMETERS`].
pub(super) fn held(catalog: &Catalog) -> Vec<f64> {
    let value = |parameter: &Parameter| {
        let mut engines = catalog.engines().filter(|engine| parameter.is_of(&engine.key));
        engines.next().and_then(|engine| engine.step.get(parameter.name)).unwrap_or(parameter.prior)
    };
    PARAMETERS.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_is_a_coefficient_that_the_catalog_holds() {
        let catalog = Catalog::embedded();
        for parameter in &PARAMETERS {
            assert!(StepCoefficients::NAMES.contains(&parameter.name), "{}", parameter.name);
            assert!(parameter.engine.is_none_or(|engine| catalog.engine(engine).is_ok()));
        }
        // Shared ones are the same in all engines, and setting them changes nothing.
        let engines = engines(&catalog, &held(&catalog));
        assert!(engines.iter().eq(catalog.engines()));
    }
}
