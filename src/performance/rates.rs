//! Rates that kernels reach: the datasheet's peaks times fitted efficiencies.

use super::chip::{Chip, scales_in_blocks};
use super::deployment::Deployment;
use super::error::PerformanceError;
use crate::catalog::{ComputeFormat, StepCoefficients};

/// Sustained rates of one GPU, in FLOP and bytes per second, and the peaks behind them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rates {
    /// Linear layers.
    pub(super) linear: f64,
    /// Routed experts.
    pub(super) experts: f64,
    /// Output matrix, in 16 bits.
    pub(super) head: f64,
    /// Attention, in 16 bits.
    pub(super) attention: f64,
    /// Sparse index, in 8 bits.
    pub(super) index: f64,
    /// Reading weights.
    pub(super) weights: f64,
    /// Reading experts.
    pub(super) expert_weights: f64,
    /// Reading keys and values.
    pub(super) cache: f64,
    /// Moving activations, over what would ideally be moved.
    pub(super) activations: f64,
    /// Peak of the units that linear layers use.
    pub(super) linear_peak: f64,
    /// Peak of the units that experts use.
    pub(super) expert_peak: f64,
    /// 16-bit peak.
    pub(super) peak16: f64,
    /// Peak bandwidth of the memory.
    pub(super) bandwidth: f64,
}

impl Rates {
    pub(super) fn of(
        deployment: &Deployment<'_>,
        c: &StepCoefficients,
    ) -> Result<Self, PerformanceError> {
        let Deployment { accelerator, precision, .. } = deployment;
        let chip = Chip::of(accelerator);
        let own = c.compute_factor;
        let factor = own * if chip.has_fp4 { c.compute_factor_fp4_chip } else { 1.0 };
        let bandwidth = accelerator.memory_bandwidth()?;
        let sustained = c.memory_factor * bandwidth;
        let peak16 = accelerator.peak(ComputeFormat::Bf16)?;

        let linear_units = precision.compute();
        let linear_peak = accelerator.peak(linear_units)?;
        let blocks = scales_in_blocks(&deployment.model.model_type);
        let linear = match linear_units {
            ComputeFormat::Fp4 => c.compute_efficiency_fp4 * own,
            ComputeFormat::Fp8 if blocks => c.compute_efficiency_fp8_block * factor,
            ComputeFormat::Fp8 | ComputeFormat::Int8 => c.compute_efficiency_fp8 * factor,
            _ => c.compute_efficiency_bf16 * factor,
        };
        let expert_units = chip.expert_compute(precision);
        let expert_peak = accelerator.peak(expert_units)?;
        let experts = factor
            * match expert_units {
                ComputeFormat::Fp4 => c.moe_compute_efficiency_fp4,
                ComputeFormat::Fp8 | ComputeFormat::Int8 => c.moe_compute_efficiency_fp8,
                _ => c.moe_compute_efficiency_bf16,
            };
        let narrow_cache = precision.kv.bits_per_element() < 16.0;
        let cache = match narrow_cache && !chip.has_fp4 {
            true => c.attention_memory_efficiency_fp8,
            false => c.attention_memory_efficiency,
        };
        let attention = c.attention_compute_efficiency * factor * peak16;
        Ok(Self {
            linear: linear * linear_peak,
            experts: experts * expert_peak,
            head: c.compute_efficiency_bf16 * factor * peak16,
            attention,
            index: 2.0 * attention,
            weights: c.memory_efficiency * sustained,
            expert_weights: c.moe_memory_efficiency * sustained,
            cache: cache * sustained,
            linear_peak,
            expert_peak,
            peak16,
            activations: sustained / c.activation_traffic,
            bandwidth,
        })
    }
}
