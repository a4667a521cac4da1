//! Serving engines: the coefficients of their step time and the defaults of their schedulers.
//!
//! A step with `T` new tokens and `D` decoding sequences takes, with `P(x, y) = (x^p + y^p)^(1/p)`
//! and the datasheet's dense peaks and bandwidths, all per accelerator:
//!
//! ```text
//! t_linear    = P( F (1 + t0/T) / (e_c peak), W / (e_m bandwidth) )
//! t_experts   = P( (F + padding) / (e_cm peak), bytes of visited experts / (e_mm bandwidth) )
//! t_head      = P( 2hVS / (e_c peak16), 2hV / (e_m bandwidth) )
//! t_attention = KV bytes / (e_a bandwidth) + prompt operations / (e_f peak16)
//! t_all_reduce = 2L (alpha + beta bytes / link)
//! t_launch    = tau L N       N kernels per layer
//! t_sequences = s D
//! t_step      = the sum + o
//! ```
//!
//! The constants come from a fit to some 1,400 published closed-loop measurements on H100, H200,
//! B200 and B300 with vLLM, TensorRT-LLM and SGLang: 11.1 % mean and 8.6 % median error on time per
//! output token. They trade against each other (`memory_efficiency` above 1 means that launches and
//! reads overlap), so they are no facts about hardware. An engine may override any of them for one
//! accelerator.
//!
//! ```
//! use tokenfleet::catalog::Catalog;
//!
//! let catalog = Catalog::embedded();
//! let vllm = catalog.engine("vLLM")?;
//! assert_eq!(vllm.scheduler.block_size, 16);
//! assert!(vllm.step_on("h100-sxm").kernel_launch_s < 10e-6);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;

use super::figure::{Confidence, Provenance};
use super::name::Named;
use super::record::FieldError;

/// A serving engine at one version.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Engine {
    /// Stable name: `vllm`, `sglang`, `tensorrt-llm`.
    pub key: String,
    /// Name in prose.
    pub name: String,
    /// Version that the coefficients were fitted to.
    pub version: String,
    /// Other names.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Where the coefficients come from.
    pub fit: Fit,
    /// Where the scheduler's defaults come from.
    pub scheduler_source: String,
    /// Coefficients of the step time.
    pub step: StepCoefficients,
    /// Defaults of the scheduler.
    pub scheduler: SchedulerDefaults,
    /// What differs on some accelerators, by key: [`StepCoefficients`] by name, and a `source`.
    #[serde(default)]
    accelerators: BTreeMap<String, toml::Table>,
}

/// Standing of fitted coefficients.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fit {
    /// The measurements that they were fitted to.
    pub source: String,
    /// Date of those measurements.
    pub date: String,
    /// How far to trust them.
    pub confidence: Confidence,
    /// Mean absolute error of time per output token, as a share of the measured one.
    pub mean_error: f64,
    /// Median of the same.
    pub median_error: f64,
    /// Coefficients that were put in by hand rather than fitted.
    #[serde(default)]
    pub assumed: Vec<String>,
}

/// The constants of the step-time model. Times are in seconds, efficiencies are shares of the
/// datasheet's peak; the symbol is that of the formula above.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepCoefficients {
    /// `e_c`: share of the peak rate that large matrix products reach.
    pub compute_efficiency: f64,
    /// `t0`: tokens by which small batches are padded, in effect.
    pub small_batch_tokens: f64,
    /// `e_m`: share of the peak bandwidth at which weights are read.
    pub memory_efficiency: f64,
    /// `e_cm`: share of the peak rate that routed experts reach.
    pub moe_compute_efficiency: f64,
    /// `e_mm`: share of the peak bandwidth at which experts are read.
    pub moe_memory_efficiency: f64,
    /// `pad`: rows by which the tile of each visited expert is padded.
    pub moe_padding_rows: f64,
    /// `p`: sharpness of the bend between the compute and the memory limit.
    pub overlap_sharpness: f64,
    /// `e_a`: share of the peak bandwidth at which attention reads the cache.
    pub attention_memory_efficiency: f64,
    /// `e_f`: share of the 16-bit peak that attention over a prompt reaches.
    pub attention_compute_efficiency: f64,
    /// `alpha`: latency of one all-reduce.
    pub all_reduce_latency_s: f64,
    /// `beta`: time of an all-reduce over what the link's bandwidth alone would take.
    pub all_reduce_slowdown: f64,
    /// `tau`: time of one kernel that is launched from a captured graph.
    pub kernel_launch_s: f64,
    /// `s`: time per decoding sequence (sampling, block tables).
    pub sequence_s: f64,
    /// `o`: time of a step beside all that.
    pub step_s: f64,
    /// `N`: kernels of a layer with ordinary attention and a dense network.
    pub kernels_dense_layer: f64,
    /// `N`: kernels of a layer with ordinary attention and routed experts.
    pub kernels_moe_layer: f64,
    /// Added to `N` by latent attention with a shared expert.
    pub kernels_latent_extra: f64,
    /// Added to `N` where activations are quantised.
    pub kernels_quantised_extra: f64,
    /// Host time per kernel in steps that contain prefill and so are not replayed from a graph.
    pub prefill_kernel_s: f64,
    /// Delay of one request in the front end: parsing, tokenising, queues between processes.
    pub request_s: f64,
}

/// What an engine's scheduler does when nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchedulerDefaults {
    /// Tokens computed at most in one step, prompts and decodes together.
    pub max_batched_tokens: u64,
    /// Sequences running at most.
    pub max_running: u64,
    /// Tokens of one KV block.
    pub block_size: u64,
    /// Share of an accelerator's memory that the engine takes.
    pub memory_utilization: f64,
    /// True where prompts are computed in chunks beside decodes.
    pub chunked_prefill: bool,
    /// True where finished prefixes are kept for reuse.
    pub prefix_cache: bool,
    /// Bytes kept free of KV blocks for activations, graphs and libraries, per accelerator.
    pub reserve_bytes: u64,
}

impl Engine {
    /// The coefficients on the accelerator of this key: the engine's own, with its overrides.
    #[must_use]
    pub fn step_on(&self, accelerator: &str) -> StepCoefficients {
        let Some(changes) = self.accelerators.get(accelerator) else { return self.step };
        let mut step = self.step;
        for (name, value) in changes {
            if let (Some(slot), Some(number)) = (step.slot(name), number(value)) {
                *slot = number;
            }
        }
        step
    }

    /// Keys of the accelerators that have coefficients of their own.
    pub fn accelerators(&self) -> impl Iterator<Item = &str> {
        self.accelerators.keys().map(String::as_str)
    }

    /// Sets one coefficient or default by its name.
    ///
    /// # Errors
    /// [`FieldError`] for an unknown name (with the valid ones) or a value that cannot be.
    pub fn set(&mut self, name: &str, value: &toml::Value) -> Result<(), FieldError> {
        let bad = |reason: &str| FieldError::bad("engine", &self.key, name, reason);
        let negative = "must be a number of at least 0";
        if self.step.slot(name).is_some() {
            let number = number(value).filter(|number| *number >= 0.0).ok_or(bad(negative))?;
            // Divisors of the model: at 0 a step would never end.
            if number == 0.0 && (name.ends_with("_efficiency") || name == "overlap_sharpness") {
                return Err(bad("must be greater than 0"));
            }
            if let Some(slot) = self.step.slot(name) {
                *slot = number;
            }
            for changes in self.accelerators.values_mut() {
                changes.remove(name);
            }
            return Ok(());
        }
        let whole = || value.as_integer().and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0);
        let whole = whole().ok_or(bad("must be a whole number greater than 0"));
        let flag = value.as_bool().ok_or(bad("must be true or false"));
        match name {
            "max_batched_tokens" => self.scheduler.max_batched_tokens = whole?,
            "max_running" => self.scheduler.max_running = whole?,
            "block_size" => self.scheduler.block_size = whole?,
            "reserve_bytes" => self.scheduler.reserve_bytes = whole?,
            "chunked_prefill" => self.scheduler.chunked_prefill = flag?,
            "prefix_cache" => self.scheduler.prefix_cache = flag?,
            "memory_utilization" => {
                let share = number(value).filter(|share| *share > 0.0 && *share <= 1.0);
                self.scheduler.memory_utilization = share.ok_or(bad("must lie in 0 .. 1"))?;
            }
            _ => {
                let valid = StepCoefficients::NAMES.iter().chain(&SchedulerDefaults::NAMES);
                let valid = valid.map(|name| (*name).to_owned()).collect();
                return Err(FieldError::unknown("engine", &self.key, name, valid));
            }
        }
        Ok(())
    }

    /// One row per coefficient and default, for manifests and listings.
    #[must_use]
    pub fn provenance(&self, accelerator: Option<&str>) -> Vec<Provenance> {
        let overrides = accelerator.and_then(|key| self.accelerators.get(key));
        let mut step = accelerator.map_or(self.step, |key| self.step_on(key));
        let row =
            |figure: &str, value: String, source: &str, date: &str, assumed: bool| Provenance {
                what: self.key.clone(),
                figure: figure.to_owned(),
                value,
                low: String::new(),
                high: String::new(),
                source: source.to_owned(),
                date: date.to_owned(),
                confidence: if assumed { Confidence::C } else { self.fit.confidence },
                assumed,
                note: String::new(),
            };
        let mut rows = Vec::new();
        for name in StepCoefficients::NAMES {
            let own = overrides.filter(|changes| changes.contains_key(name));
            let source = own.and_then(|changes| changes.get("source")?.as_str());
            let assumed = own.is_none() && self.fit.assumed.iter().any(|assumed| assumed == name);
            let value = step.slot(name).map(|value| format!("{value}")).unwrap_or_default();
            rows.push(row(
                name,
                value,
                source.unwrap_or(&self.fit.source),
                &self.fit.date,
                assumed,
            ));
        }
        for (name, value) in self.scheduler.named() {
            rows.push(row(name, value, &self.scheduler_source, "", name == "reserve_bytes"));
        }
        rows
    }
}

fn number(value: &toml::Value) -> Option<f64> {
    let number = value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64))?;
    number.is_finite().then_some(number)
}

macro_rules! slots {
    ($($name:ident),* $(,)?) => {
        impl StepCoefficients {
            /// Names of all coefficients.
            pub const NAMES: [&'static str; [$(stringify!($name)),*].len()] =
                [$(stringify!($name)),*];

            fn slot(&mut self, name: &str) -> Option<&mut f64> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)*
                    _ => None,
                }
            }
        }
    };
}

slots! {
    compute_efficiency,
    small_batch_tokens,
    memory_efficiency,
    moe_compute_efficiency,
    moe_memory_efficiency,
    moe_padding_rows,
    overlap_sharpness,
    attention_memory_efficiency,
    attention_compute_efficiency,
    all_reduce_latency_s,
    all_reduce_slowdown,
    kernel_launch_s,
    sequence_s,
    step_s,
    kernels_dense_layer,
    kernels_moe_layer,
    kernels_latent_extra,
    kernels_quantised_extra,
    prefill_kernel_s,
    request_s,
}

impl SchedulerDefaults {
    /// Names of all defaults.
    pub const NAMES: [&'static str; 7] = [
        "max_batched_tokens",
        "max_running",
        "block_size",
        "memory_utilization",
        "chunked_prefill",
        "prefix_cache",
        "reserve_bytes",
    ];

    fn named(&self) -> [(&'static str, String); 7] {
        let values = [
            self.max_batched_tokens.to_string(),
            self.max_running.to_string(),
            self.block_size.to_string(),
            self.memory_utilization.to_string(),
            self.chunked_prefill.to_string(),
            self.prefix_cache.to_string(),
            self.reserve_bytes.to_string(),
        ];
        let mut values = values.into_iter();
        Self::NAMES.map(|name| (name, values.next().unwrap_or_default()))
    }
}

impl Named for Engine {
    fn key(&self) -> &str {
        &self.key
    }
    fn aliases(&self) -> &[String] {
        &self.aliases
    }
}

/// The `[[engine]]` tables of a data file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EngineFile {
    pub(super) engine: Vec<Engine>,
}
