//! The defaults of an engine's scheduler.

use serde::Deserialize;

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
    /// Share of an accelerator's memory that the engine takes; of which part, says
    /// `utilization_of`.
    pub memory_utilization: f64,
    /// What that is a share of.
    pub utilization_of: UtilizationOf,
    /// True where prompts are computed in chunks.
    pub chunked_prefill: bool,
    /// True where one step may hold decodes and parts of prompts; else prompts go first.
    pub mixed_steps: bool,
    /// Steps by which the scheduler composes ahead of the one that runs: a request that arrives
    /// during step `n` joins step `n + 1 + lookahead_steps`.
    pub lookahead_steps: u64,
    /// Decode steps between two looks at the queue of new requests.
    pub poll_steps: u64,
    /// Decode steps for which new prompts are held back, so that more of them are computed at once.
    pub batch_wait_steps: u64,
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
    /// The whole memory: weights, activations, reserve and KV blocks share it (vLLM).
    Total,
    /// The whole memory: only weights and KV blocks share it, the rest serves activations and
    /// reserve (SGLang).
    WeightsAndCache,
    /// What weights, activations and reserve leave: KV blocks have it alone (TensorRT-LLM).
    Free,
}

impl UtilizationOf {
    /// Name, as data files and scenarios write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::WeightsAndCache => "weights_and_cache",
            Self::Free => "free",
        }
    }
}

impl SchedulerDefaults {
    /// Names of all defaults.
    pub const NAMES: [&'static str; 12] = [
        "max_batched_tokens",
        "max_running",
        "block_size",
        "memory_utilization",
        "utilization_of",
        "chunked_prefill",
        "mixed_steps",
        "lookahead_steps",
        "poll_steps",
        "batch_wait_steps",
        "prefix_cache",
        "reserve_bytes",
    ];

    /// The default of this name, as text.
    #[must_use]
    pub fn show(&self, name: &str) -> Option<String> {
        Some(match name {
            "max_batched_tokens" => self.max_batched_tokens.to_string(),
            "max_running" => self.max_running.to_string(),
            "block_size" => self.block_size.to_string(),
            "memory_utilization" => self.memory_utilization.to_string(),
            "utilization_of" => self.utilization_of.name().to_owned(),
            "chunked_prefill" => self.chunked_prefill.to_string(),
            "mixed_steps" => self.mixed_steps.to_string(),
            "lookahead_steps" => self.lookahead_steps.to_string(),
            "poll_steps" => self.poll_steps.to_string(),
            "batch_wait_steps" => self.batch_wait_steps.to_string(),
            "prefix_cache" => self.prefix_cache.to_string(),
            "reserve_bytes" => self.reserve_bytes.to_string(),
            _ => return None,
        })
    }

    /// Sets one default.
    ///
    /// # Errors
    /// What the value should have been, or that there is no such default.
    pub(super) fn set(&mut self, name: &str, value: &toml::Value) -> Result<(), String> {
        let whole = |least: u64| {
            let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
            let fitting = number.filter(|number| *number >= least);
            fitting.ok_or_else(|| format!("must be a whole number of at least {least}"))
        };
        let flag = || value.as_bool().ok_or_else(|| "must be true or false".to_owned());
        match name {
            "max_batched_tokens" => self.max_batched_tokens = whole(1)?,
            "max_running" => self.max_running = whole(1)?,
            "block_size" => self.block_size = whole(1)?,
            "reserve_bytes" => self.reserve_bytes = whole(0)?,
            "chunked_prefill" => self.chunked_prefill = flag()?,
            "mixed_steps" => self.mixed_steps = flag()?,
            "lookahead_steps" => self.lookahead_steps = whole(0)?,
            "poll_steps" => self.poll_steps = whole(1)?,
            "batch_wait_steps" => self.batch_wait_steps = whole(0)?,
            "prefix_cache" => self.prefix_cache = flag()?,
            "memory_utilization" => {
                let share = value.as_float().filter(|share| *share > 0.0 && *share <= 1.0);
                self.memory_utilization = share.ok_or("must be a number above 0, at most 1")?;
            }
            "utilization_of" => {
                use UtilizationOf::{Free, Total, WeightsAndCache};
                let known = [Total, WeightsAndCache, Free];
                let found = known.into_iter().find(|known| Some(known.name()) == value.as_str());
                self.utilization_of =
                    found.ok_or("must be one of total, weights_and_cache, free")?;
            }
            _ => return Err("is no default".to_owned()),
        }
        Ok(())
    }
}

/// Limits that hold on accelerators with less memory or of some generations.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SmallBatches {
    /// Bytes of memory below which they hold.
    pub(super) below_bytes: f64,
    /// Generations on which they hold whatever the memory.
    #[serde(default)]
    pub(super) generations: Vec<String>,
    pub(super) max_batched_tokens: Option<u64>,
    pub(super) max_running: Option<u64>,
}
