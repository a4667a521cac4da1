//! The constants of the step-time model.

use serde::Deserialize;

/// Declares the coefficients once: fields, names and access by name.
macro_rules! coefficients {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The constants of the step-time model. Times are in seconds, efficiencies are shares of
        /// the datasheet's peak; the symbol is that of the formula in the module's page.
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
    /// `e_c`: share of the peak rate that large matrix products reach.
    compute_efficiency,
    /// `t0`: tokens by which small batches are padded, in effect.
    small_batch_tokens,
    /// `e_m`: share of the peak bandwidth at which weights are read.
    memory_efficiency,
    /// `e_cm`: share of the peak rate that routed experts reach.
    moe_compute_efficiency,
    /// `e_mm`: share of the peak bandwidth at which experts are read.
    moe_memory_efficiency,
    /// `pad`: rows by which the tile of each visited expert is padded.
    moe_padding_rows,
    /// `p`: sharpness of the bend between the compute and the memory limit.
    overlap_sharpness,
    /// `e_a`: share of the peak bandwidth at which attention reads the cache.
    attention_memory_efficiency,
    /// `e_f`: share of the 16-bit peak that attention over a prompt reaches.
    attention_compute_efficiency,
    /// `alpha`: latency of one all-reduce.
    all_reduce_latency_s,
    /// `beta`: time of an all-reduce over what the link's bandwidth alone would take.
    all_reduce_slowdown,
    /// `tau`: time of one kernel that is launched from a captured graph.
    kernel_launch_s,
    /// `s`: time per decoding sequence (sampling, block tables).
    sequence_s,
    /// `o`: time of a step beside all that.
    step_s,
    /// `N`: kernels of a layer with ordinary attention and a dense network.
    kernels_dense_layer,
    /// `N`: kernels of a layer with ordinary attention and routed experts.
    kernels_moe_layer,
    /// Added to `N` by latent attention with a shared expert.
    kernels_latent_extra,
    /// Added to `N` where activations are quantised.
    kernels_quantised_extra,
    /// Host time per kernel in steps that contain prefill and so are not replayed from a graph.
    prefill_kernel_s,
    /// Delay of one request in the front end: parsing, tokenising, queues between processes.
    request_s,
}

impl StepCoefficients {
    /// Sets one coefficient.
    ///
    /// # Errors
    /// What the number should have been, or that there is no such coefficient.
    pub(super) fn set(&mut self, name: &str, value: &toml::Value) -> Result<(), String> {
        // Divisors of the model: at 0 a step would never end.
        let divides = name.ends_with("_efficiency") || name == "overlap_sharpness";
        let slot = self.get_mut(name).ok_or("is no coefficient")?;
        let number = value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
        match number.filter(|number| number.is_finite()) {
            Some(number) if number > 0.0 || (number == 0.0 && !divides) => {
                *slot = number;
                Ok(())
            }
            _ if divides => Err("must be a number greater than 0".to_owned()),
            _ => Err("must be a number of at least 0".to_owned()),
        }
    }
}
