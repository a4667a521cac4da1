//! How many kernels one pass through a model launches: the larger part of a small step.
//!
//! Each kernel costs a few microseconds even when it is replayed from a captured graph. The counts
//! are those of the engines' own code paths, by kind of layer; they are coefficients of the engine
//! ([`StepCoefficients`]) and can be overridden. All-reduces are not counted here, they have a
//! latency of their own.

use super::chip::{Chip, scales_in_blocks};
use super::deployment::Deployment;
use crate::catalog::{
    Attention, ComputeFormat, FeedForward, Heads, LayerGroup, Moe, NumberFormat, StepCoefficients,
};

/// Kernels of one pass.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct KernelCount {
    /// Replayed from a captured graph.
    pub(super) replayed: f64,
    /// Launched one by one.
    pub(super) launched: f64,
}

/// How the input of a matrix product is quantised.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quantised {
    Not,
    Tensor,
    Block,
    Fp4,
}

impl KernelCount {
    pub(super) fn of(deployment: &Deployment<'_>, c: &StepCoefficients) -> Self {
        let counter = Counter::new(deployment, c);
        let mut total = Self::default();
        for group in &deployment.model.layers {
            let count = group.count as f64;
            let kernels = counter.layer(group);
            total.replayed += count * kernels;
            total.launched += count * (kernels + counter.launched_only(group));
        }
        total
    }
}

struct Counter<'a> {
    c: &'a StepCoefficients,
    chip: Chip,
    weights: Quantised,
    experts: NumberFormat,
    experts_in_blocks: bool,
}

impl<'a> Counter<'a> {
    fn new(deployment: &Deployment<'_>, c: &'a StepCoefficients) -> Self {
        let precision = &deployment.precision;
        let blocks = scales_in_blocks(&deployment.model.model_type);
        let weights = match precision.compute() {
            ComputeFormat::Fp8 if blocks => Quantised::Block,
            ComputeFormat::Fp8 | ComputeFormat::Int8 => Quantised::Tensor,
            ComputeFormat::Fp4 => Quantised::Fp4,
            _ => Quantised::Not,
        };
        Self {
            c,
            chip: Chip::of(deployment.accelerator),
            weights,
            experts: precision.experts,
            experts_in_blocks: blocks && precision.experts == NumberFormat::Fp8,
        }
    }

    /// Kernels of one layer.
    fn layer(&self, group: &LayerGroup) -> f64 {
        let c = self.c;
        let network = match &group.ffn {
            FeedForward::Dense { .. } => c.kernels_norm + c.kernels_dense + self.quantise_ffn(true),
            FeedForward::Moe(moe) => c.kernels_norm + self.shared(moe) + self.routed(),
            FeedForward::None => 0.0,
        };
        self.attention(&group.attention) + network
    }

    fn attention(&self, attention: &Attention) -> f64 {
        let c = self.c;
        let ordinary =
            |heads: &Heads| c.kernels_attention + if heads.gated { c.kernels_gate } else { 0.0 };
        let index = |indexed: bool| if indexed { c.kernels_index } else { 0.0 };
        let latent_blocks = c.kernels_quantise_block + c.kernels_quantise_block_latent;
        let (kernels, blocks) = match attention {
            Attention::Full(heads) | Attention::Window { heads, .. } => {
                (ordinary(heads), c.kernels_quantise_block)
            }
            Attention::Sparse { heads, selection } => {
                (ordinary(heads) + index(selection.has_index()), c.kernels_quantise_block)
            }
            Attention::Latent(latent) => {
                let indexed = latent.selection.is_some_and(|selection| selection.has_index());
                let gate = if latent.gated { c.kernels_gate } else { 0.0 };
                (c.kernels_latent + gate + index(indexed), latent_blocks)
            }
            // Compressing the history takes about what an index does.
            Attention::Compressed(compressed) => {
                let indexed = compressed.selection.is_some();
                (c.kernels_latent + index(indexed), latent_blocks)
            }
            Attention::Linear(_) => (c.kernels_linear, c.kernels_quantise_block),
            Attention::None => return 0.0,
        };
        let quantise = match self.weights {
            Quantised::Not => 0.0,
            Quantised::Tensor => c.kernels_quantise_tensor,
            Quantised::Fp4 => c.kernels_quantise_fp4,
            Quantised::Block => blocks,
        };
        c.kernels_norm + kernels + quantise
    }

    /// Quantising the input of a feed-forward network; where there is no `matrix` that every token
    /// meets, blocks need none.
    fn quantise_ffn(&self, matrix: bool) -> f64 {
        match self.weights {
            Quantised::Not => 0.0,
            Quantised::Tensor => self.c.kernels_quantise_tensor,
            Quantised::Fp4 => self.c.kernels_quantise_fp4,
            Quantised::Block if matrix => self.c.kernels_quantise_block_ffn,
            Quantised::Block => 0.0,
        }
    }

    fn shared(&self, moe: &Moe) -> f64 {
        let c = self.c;
        let kernels = if self.chip.has_fp4 { c.kernels_shared } else { c.kernels_shared_unfused };
        let own = moe.shared_dim > 0 && kernels > 0.0;
        if own { kernels + self.quantise_ffn(true) } else { self.quantise_ffn(false) }
    }

    fn routed(&self) -> f64 {
        let c = self.c;
        let fused = self.chip.fuses_experts;
        if fused && self.experts_in_blocks {
            return c.kernels_experts_fused_fp8_block;
        }
        let kernels = match self.experts {
            _ if fused => c.kernels_experts_fused,
            NumberFormat::Mxfp4 => c.kernels_experts_mxfp4,
            _ => c.kernels_experts,
        };
        let quantised = self.experts_in_blocks || self.experts == NumberFormat::Nvfp4;
        match (quantised, fused) {
            (false, _) => kernels,
            (true, true) => kernels + c.kernels_quantise_experts_fused,
            (true, false) => kernels + c.kernels_quantise_experts,
        }
    }

    /// Kernels of routed experts that only the host sees.
    fn launched_only(&self, group: &LayerGroup) -> f64 {
        let unfused = self.experts == NumberFormat::Mxfp4 && !self.chip.fuses_experts;
        match group.ffn {
            FeedForward::Moe(_) if unfused => self.c.prefill_kernels_experts_mxfp4,
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Catalog, Precision};
    use crate::performance::Wide;

    /// Kernels per layer as counted for the fit.
    #[test]
    fn counts_per_layer_are_those_of_the_fit() {
        use NumberFormat::{Bf16, Fp8, Mxfp4, Nvfp4};
        let catalog = Catalog::embedded();
        let dense = Precision::of;
        let experts =
            |experts, activations| Precision { experts, activations, ..Precision::of(Bf16) };
        let mxfp4 = experts(Mxfp4, Bf16);
        let nvfp4 = experts(Nvfp4, Nvfp4);
        for (model, engine, accelerator, precision, expected) in [
            ("llama-3.1-70b", "vllm", "h100-sxm", dense(Fp8), 13.0),
            ("llama-3.1-70b", "tensorrt-llm", "h200-sxm", dense(Fp8), 11.0),
            ("llama-3.1-70b", "vllm", "b200-sxm", dense(Nvfp4), 14.0),
            ("llama-3.1-8b", "vllm", "h100-sxm", dense(Bf16), 11.0),
            ("qwen3-32b", "tensorrt-llm", "h100-sxm", dense(Fp8), 14.0),
            ("gpt-oss-120b", "vllm", "h100-sxm", mxfp4, 16.0),
            ("gpt-oss-120b", "vllm", "b200-sxm", mxfp4, 13.0),
            ("gpt-oss-120b", "tensorrt-llm", "b200-sxm", mxfp4, 12.0),
            ("gpt-oss-120b", "tensorrt-llm", "h200-sxm", mxfp4, 22.0),
            ("minimax-m2.5", "vllm", "h100-sxm", dense(Fp8), 20.0),
            ("minimax-m2.5", "vllm", "b200-sxm", nvfp4, 14.0),
            ("deepseek-r1", "sglang", "h200-sxm", dense(Fp8), 25.75),
            ("deepseek-r1", "tensorrt-llm", "b200-sxm", dense(Fp8), 23.7),
            ("deepseek-r1", "tensorrt-llm", "b200-sxm", nvfp4, 18.7),
            ("glm-5", "sglang", "b200-sxm", dense(Fp8), 35.8),
            ("qwen3.5-397b-a17b", "sglang", "b200-sxm", dense(Fp8), 22.75),
        ] {
            let deployment = Deployment {
                model: catalog.model(model).unwrap(),
                accelerator: catalog.accelerator(accelerator).unwrap(),
                engine: catalog.engine(engine).unwrap(),
                precision,
                tensor_parallel: 1,
                expert_parallel: 1,
                pipeline_parallel: 1,
                wide: Wide::default(),
            };
            let count = KernelCount::of(&deployment, &deployment.engine.step);
            let layers = deployment.model.layer_count() as f64;
            let counted = count.replayed / layers;
            assert!((counted - expected).abs() < 0.06, "{model} on {engine}: {counted}");
            assert!(count.launched >= count.replayed);
        }
    }
}
