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

use super::accelerator::Accelerator;
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
    /// Defaults that were put in by hand.
    #[serde(default)]
    pub assumed_defaults: Vec<String>,
    /// Coefficients of the step time.
    pub step: StepCoefficients,
    /// Defaults of the scheduler, on accelerators with much memory.
    pub scheduler: SchedulerDefaults,
    /// Where the engine chooses smaller batches.
    #[serde(default)]
    small: Option<SmallBatches>,
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
    /// Share of an accelerator's memory that weights, KV blocks and (but for `utilization_of`
    /// `free`) everything else may take.
    pub memory_utilization: f64,
    /// What that is a share of.
    pub utilization_of: UtilizationOf,
    /// True where prompts are computed in chunks.
    pub chunked_prefill: bool,
    /// True where one step may hold decodes and parts of prompts; else prompts go first.
    pub mixed_steps: bool,
    /// True where finished prefixes are kept for reuse.
    pub prefix_cache: bool,
    /// Bytes per accelerator beside weights, activations and KV blocks: libraries, captured graphs,
    /// communication buffers.
    pub reserve_bytes: u64,
}

/// What `memory_utilization` is a share of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UtilizationOf {
    /// The whole memory; weights, activations and reserve come out of the share.
    Total,
    /// The whole memory; only weights and KV blocks come out of the share, the rest is the reserve.
    WeightsAndCache,
    /// What weights, activations and reserve leave free.
    Free,
}

/// Defaults that hold on accelerators with less memory or of some generations.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct SmallBatches {
    /// Bytes of memory below which they hold.
    below_bytes: f64,
    /// Generations on which they hold whatever the memory.
    #[serde(default)]
    generations: Vec<String>,
    max_batched_tokens: u64,
    max_running: u64,
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

    /// The scheduler's defaults on `accelerator`: engines choose smaller batches where there is
    /// little memory.
    #[must_use]
    pub fn scheduler_on(&self, accelerator: &Accelerator) -> SchedulerDefaults {
        let applies = |small: &&SmallBatches| {
            small.generations.contains(&accelerator.generation)
                || accelerator.memory().is_ok_and(|bytes| bytes < small.below_bytes)
        };
        match self.small.as_ref().filter(applies) {
            Some(small) => SchedulerDefaults {
                max_batched_tokens: small.max_batched_tokens,
                max_running: small.max_running,
                ..self.scheduler
            },
            None => self.scheduler,
        }
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
        let whole = value.as_integer().and_then(|number| u64::try_from(number).ok());
        let whole = whole.filter(|number| *number > 0 || name == "reserve_bytes");
        let whole = whole.ok_or(bad("must be a whole number greater than 0"));
        let flag = value.as_bool().ok_or(bad("must be true or false"));
        match name {
            "max_batched_tokens" => {
                self.scheduler.max_batched_tokens = whole?;
                self.small = None;
            }
            "max_running" => {
                self.scheduler.max_running = whole?;
                self.small = None;
            }
            "block_size" => self.scheduler.block_size = whole?,
            "reserve_bytes" => self.scheduler.reserve_bytes = whole?,
            "chunked_prefill" => self.scheduler.chunked_prefill = flag?,
            "mixed_steps" => self.scheduler.mixed_steps = flag?,
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
            rows.push(row(
                name,
                value,
                &self.scheduler_source,
                "",
                self.assumed_defaults.iter().any(|d| d == name),
            ));
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
    pub const NAMES: [&'static str; 8] = [
        "max_batched_tokens",
        "max_running",
        "block_size",
        "memory_utilization",
        "chunked_prefill",
        "mixed_steps",
        "prefix_cache",
        "reserve_bytes",
    ];

    fn named(&self) -> [(&'static str, String); 8] {
        let values = [
            self.max_batched_tokens.to_string(),
            self.max_running.to_string(),
            self.block_size.to_string(),
            self.memory_utilization.to_string(),
            self.chunked_prefill.to_string(),
            self.mixed_steps.to_string(),
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
    fn name(&self) -> &str {
        &self.name
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[test]
    fn small_and_old_accelerators_get_small_batches() {
        let catalog = Catalog::embedded();
        let vllm = catalog.engine("vllm").unwrap();
        let on = |key: &str| vllm.scheduler_on(catalog.accelerator(key).unwrap());
        let batch = |key: &str| (on(key).max_batched_tokens, on(key).max_running);
        assert_eq!(batch("h100-sxm"), (8192, 1024));
        assert_eq!(batch("a100-sxm-80gb"), (2048, 256));
        assert_eq!(batch("l40s"), (2048, 256));
    }

    #[test]
    fn an_accelerator_may_have_coefficients_of_its_own() {
        let text = include_str!("engines.toml");
        let mut file: EngineFile = toml::from_str(text).unwrap();
        let own = toml::toml! {
            kernel_launch_s = 9e-6
            source = "measured"
        };
        let engine = &mut file.engine[0];
        engine.accelerators.insert("h20".to_owned(), own);
        assert_eq!(engine.step_on("h20").kernel_launch_s, 9e-6);
        assert_eq!(engine.step_on("h20").sequence_s, engine.step.sequence_s);
        assert_eq!(engine.step_on("h100-sxm"), engine.step);
        let rows = engine.provenance(Some("h20"));
        let launch = rows.iter().find(|row| row.figure == "kernel_launch_s").unwrap();
        assert_eq!((launch.source.as_str(), launch.value.as_str()), ("measured", "0.000009"));
        // What the user states holds everywhere.
        engine.set("kernel_launch_s", &3e-6.into()).unwrap();
        assert_eq!(engine.step_on("h20").kernel_launch_s, 3e-6);
    }

    #[test]
    fn impossible_values_are_refused() {
        let catalog = Catalog::embedded();
        let mut vllm = catalog.engine("vllm").unwrap().clone();
        for (name, value) in [
            ("compute_efficiency", toml::Value::from(0.0)),
            ("kernel_launch_s", toml::Value::from(-1.0)),
            ("kernel_launch_s", toml::Value::from(f64::NAN)),
            ("block_size", toml::Value::from(0)),
            ("memory_utilization", toml::Value::from(1.5)),
            ("prefix_cache", toml::Value::from(1)),
        ] {
            assert!(vllm.set(name, &value).is_err(), "{name} = {value}");
        }
        let error = vllm.set("blok_size", &16.into()).unwrap_err();
        assert!(error.to_string().contains("did you mean `block_size`?"), "{error}");
    }

    #[test]
    fn every_coefficient_has_a_name_and_every_engine_reads() {
        let catalog = Catalog::embedded();
        for engine in catalog.engines() {
            let mut step = engine.step;
            for name in StepCoefficients::NAMES {
                assert!(step.slot(name).is_some_and(|value| *value >= 0.0), "{name}");
            }
            let rows = engine.provenance(None);
            assert_eq!(rows.len(), StepCoefficients::NAMES.len() + SchedulerDefaults::NAMES.len());
        }
    }
}
