//! What engines make of an accelerator beyond its figures.

use crate::catalog::{Accelerator, ComputeFormat, NumberFormat, Precision};

/// Traits that decide which kernels an engine has for a chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chip {
    /// Has 4-bit units, as from Blackwell on.
    pub(super) has_fp4: bool,
    /// Has them and is made for servers: experts run in fused kernels.
    pub(super) fuses_experts: bool,
}

impl Chip {
    pub(super) fn of(accelerator: &Accelerator) -> Self {
        let has_fp4 = accelerator.peak_flops(ComputeFormat::Fp4).is_some();
        let graphics = accelerator.memory_kind.starts_with("GDDR");
        Self { has_fp4, fuses_experts: has_fp4 && !graphics }
    }

    /// Units that routed experts run on. Engines quantise the activations of MXFP4 experts to
    /// MXFP8 where kernels for that exist, whatever the other layers use.
    pub(super) fn expert_compute(self, precision: &Precision) -> ComputeFormat {
        match precision.expert_compute() {
            ComputeFormat::Bf16
                if self.fuses_experts && precision.experts == NumberFormat::Mxfp4 =>
            {
                ComputeFormat::Fp8
            }
            other => other,
        }
    }
}

/// Families whose publishers release FP8 checkpoints with a scale per block of 128 x 128 weights;
/// others scale per tensor. By the start of `model_type`.
const BLOCK_SCALED: [&str; 7] = ["deepseek", "glm", "hy_v3", "kimi", "mimo", "minimax", "qwen3"];

/// True where FP8 weights of this `model_type` are scaled in blocks, which takes kernels that
/// quantise every input apart.
pub(super) fn scales_in_blocks(model_type: &str) -> bool {
    BLOCK_SCALED.iter().any(|family| model_type.starts_with(family))
}
