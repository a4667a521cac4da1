//! The constants of the step-time model.

use serde::Deserialize;

/// Declares the coefficients once: fields, names and access by name.
macro_rules! coefficients {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The constants of the step-time model. Times are in seconds, efficiencies are shares of
        /// the datasheet's peak; the symbol is that of the formulas in
        /// `performance`.
        #[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct StepCoefficients {
            $($(#[$doc])* pub $name: f64,)*
        }

        impl StepCoefficients {
            /// Names of all coefficients.
            pub const NAMES: [&'static str; [$(stringify!($name)),*].len()] =
                [$(stringify!($name)),*];

            /// The coefficient of this name.
            #[must_use]
            pub fn get(&self, name: &str) -> Option<f64> {
                match name {
                    $(stringify!($name) => Some(self.$name),)*
                    _ => None,
                }
            }

            /// The same, to be set.
            pub fn get_mut(&mut self, name: &str) -> Option<&mut f64> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)*
                    _ => None,
                }
            }
        }
    };
}

coefficients! {
    /// `e_c`: share of the 16-bit peak that large matrix products reach.
    compute_efficiency_bf16,
    /// `e_c` of the 8-bit peak, one scale per tensor.
    compute_efficiency_fp8,
    /// `e_c` of the 8-bit peak, a scale per block of 128 x 128 weights.
    compute_efficiency_fp8_block,
    /// `e_c` of the 4-bit peak.
    compute_efficiency_fp4,
    /// What is left of the other efficiencies of arithmetic on chips that have 4-bit units.
    compute_factor_fp4_chip,
    /// `g_c`: an accelerator's own factor on all efficiencies of arithmetic.
    compute_factor,
    /// `g_m`: an accelerator's own factor on its bandwidth.
    memory_factor,
    /// `e_m`: share of the peak bandwidth at which weights are read.
    memory_efficiency,
    /// `e_cm`: share of the 16-bit peak that routed experts reach.
    moe_compute_efficiency_bf16,
    /// `e_cm` of the 8-bit peak.
    moe_compute_efficiency_fp8,
    /// `e_cm` of the 4-bit peak.
    moe_compute_efficiency_fp4,
    /// `e_mm`: share of the peak bandwidth at which experts are read.
    moe_memory_efficiency,
    /// `pad`: rows by which the tile of each visited expert is padded.
    moe_padding_rows,
    /// Share of the routed draws that are independent: skewed routing visits fewer experts.
    moe_routing_spread,
    /// By how much the busiest rank of expert parallelism exceeds the mean.
    expert_parallel_imbalance,
    /// `p`: sharpness of the bend between the compute and the memory limit.
    overlap_sharpness,
    /// `e_a`: share of the peak bandwidth at which attention reads the cache.
    attention_memory_efficiency,
    /// `e_a` of a cache narrower than 16 bits on chips without 4-bit units.
    attention_memory_efficiency_fp8,
    /// `e_f`: share of the 16-bit peak that attention over a prompt reaches.
    attention_compute_efficiency,
    /// `t_a`: tokens by which a prompt's attention is padded, in effect.
    attention_padding_tokens,
    /// `e_l`: activations that kernels between matrix products move, over the ideal.
    activation_traffic,
    /// `alpha`: latency of one all-reduce.
    all_reduce_latency_s,
    /// `beta`: time of an all-reduce over what the link's bandwidth alone would take.
    all_reduce_slowdown,
    /// Bytes per second and direction above which a faster link brings nothing.
    all_reduce_link_ceiling,
    /// `tau`: time of one kernel that is replayed from a captured graph.
    kernel_launch_s,
    /// `s`: time per decoding sequence (sampling, block tables).
    sequence_s,
    /// `o`: time of a step beside all that.
    step_s,
    /// Host time of each micro-batch in each stage, where layers are dealt to stages: nothing hides it.
    stage_s,
    /// `tau_h`: host time per kernel of a step that contains prefill and so is not replayed.
    prefill_kernel_s,
    /// `o_h`: host time that each layer with experts adds to such a step.
    prefill_moe_layer_s,
    /// Time of the attention of decodes in such a step over that in a step of decodes alone: kernels
    /// that take both at once are tuned for prompts.
    attention_mixed_factor,
    /// Tokens up to which such a step is replayed piece by piece, 0 for never.
    prefill_captured_tokens,
    /// Host time of a step that is replayed piece by piece over that of one that is not.
    prefill_captured_factor,
    /// Delay of one request in the front end, however many there are: queues between processes.
    request_s,
    /// Time that one request occupies the front end, which serves one at a time.
    request_serial_s,
    /// The same per prompt token: tokenising.
    prompt_token_s,
    /// Kernels before each attention and each feed-forward network: residual addition and norm.
    kernels_norm,
    /// Kernels of ordinary attention: projections, rotation, cache, attention, reduction.
    kernels_attention,
    /// Kernels of latent attention.
    kernels_latent,
    /// Kernels of an output gate.
    kernels_gate,
    /// Kernels of a sparse index.
    kernels_index,
    /// Kernels of a recurrence.
    kernels_linear,
    /// Kernels of a dense network.
    kernels_dense,
    /// Kernels of routed experts.
    kernels_experts,
    /// Kernels of routed experts in MXFP4 on chips without 4-bit units.
    kernels_experts_mxfp4,
    /// Kernels of routed experts that are fused, as on server chips with 4-bit units.
    kernels_experts_fused,
    /// The same for FP8 in blocks, with those that quantise.
    kernels_experts_fused_fp8_block,
    /// Kernels of shared experts.
    kernels_shared,
    /// Kernels of shared experts on chips without 4-bit units, 0 where they run as routed ones.
    kernels_shared_unfused,
    /// Kernels that quantise the input of an attention or a dense network, one scale per tensor.
    kernels_quantise_tensor,
    /// The same to 4 bits.
    kernels_quantise_fp4,
    /// Kernels that quantise for one attention in blocks.
    kernels_quantise_block,
    /// What latent attention adds to these.
    kernels_quantise_block_latent,
    /// Kernels that quantise for a dense network or shared experts in blocks.
    kernels_quantise_block_ffn,
    /// Kernels that quantise for experts in blocks or to 4 bits.
    kernels_quantise_experts,
    /// The same where experts are fused.
    kernels_quantise_experts_fused,
    /// Kernels that the host launches for MXFP4 experts beside those that are replayed, on chips
    /// without 4-bit units.
    prefill_kernels_experts_mxfp4,
}

impl StepCoefficients {
    /// True for what the model divides by: at 0 a step would never end.
    fn divides(name: &str) -> bool {
        let others = ["compute_factor", "memory_factor", "all_reduce_link_ceiling"];
        name.contains("efficiency") || others.iter().any(|other| name.starts_with(other))
    }

    /// Sets one coefficient.
    ///
    /// # Errors
    /// What the number should have been, or that there is no such coefficient.
    pub(super) fn set(&mut self, name: &str, value: &toml::Value) -> Result<(), String> {
        let slot = self.get_mut(name).ok_or("is no coefficient")?;
        let number = value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
        let number = number.filter(|number| number.is_finite());
        let (least, fits): (_, fn(&f64) -> bool) = match name {
            "overlap_sharpness" => ("of at least 1", |number| *number >= 1.0),
            name if Self::divides(name) => ("greater than 0", |number| *number > 0.0),
            _ => ("of at least 0", |number| *number >= 0.0),
        };
        *slot = number.filter(fits).ok_or_else(|| format!("must be a number {least}"))?;
        Ok(())
    }
}
