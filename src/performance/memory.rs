//! What fits in the memory of one replica: weights, a reserve, and blocks of KV cache.
//!
//! An engine takes a share `u` of the memory `M` of each GPU for the cache, by one of three rules
//! ([`UtilizationOf`]):
//!
//! ```text
//! total              u M - weights - reserve
//! weights and cache  min(u M - weights, M - weights - reserve)
//! free               u (M - weights - reserve)
//! ```
//!
//! and cuts it into blocks of `block_size` tokens, whose bytes are the sum over all streams of what
//! one GPU keeps per token.
//!
//! Matrices with heads or neurons are cut over the GPUs, routers, norms and latent bottlenecks are
//! repeated; a GPU keeps at least one key-value head, and the whole latent. What a sequence keeps
//! however long it is (windows, recurrent states) takes `sequence_blocks` blocks beside those of its
//! context. The reserve covers activations, captured graphs and libraries.

mod search;
#[cfg(test)]
mod tests;

use super::attention::bytes_per_token;
use super::deployment::Deployment;
use super::error::PerformanceError;
use super::layout::Layout;
use crate::catalog::{NumberFormat, UtilizationOf};

/// Memory of each GPU of a replica, and the KV blocks that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// Bytes of memory of each GPU.
    pub memory: u64,
    /// Bytes of weights on each GPU.
    pub weights: u64,
    /// Bytes for activations, graphs and libraries on each GPU.
    pub reserve: u64,
    /// Bytes that the engine gives to the cache on each GPU.
    pub cache: u64,
    /// Tokens of one block.
    pub block_size: u32,
    /// Bytes of one block on each GPU.
    pub block_bytes: u64,
    /// Blocks of the replica: every GPU holds its part of each.
    pub blocks: u64,
    /// Blocks that each running sequence takes beside those of its context.
    pub sequence_blocks: u64,
}

/// What one GPU must hold of a deployment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Demand {
    /// Bytes of weights.
    pub(super) weights: u64,
    /// Bytes per token of context.
    pub(super) token: f64,
    /// Bytes per sequence, whatever its context.
    pub(super) sequence: f64,
}

impl Demand {
    pub(super) fn of(deployment: &Deployment<'_>) -> Self {
        let Deployment { model, precision, tensor_parallel, .. } = *deployment;
        let ranks = f64::from(tensor_parallel);
        let layout = Layout::of(deployment);
        let plain = layout.embedding + layout.head + layout.router + layout.norms;
        // The first stage has the embedding, the last one the output matrix; layers are dealt evenly.
        let stages = f64::from(deployment.pipeline_parallel.max(1));
        let plain = match stages > 1.0 {
            false => plain,
            true => layout.embedding.max(layout.head) + (layout.router + layout.norms) / stages,
        };
        let weights = plain * precision.unquantised().bytes_per_element()
            + (layout.linear * precision.weights.bytes_per_element()
                + layout.experts * precision.experts.bytes_per_element())
                / stages;
        let (mut token, mut window, mut windowed) = (0.0, 0.0, 0.0);
        for stream in model.context_streams() {
            let bytes = bytes_per_token(&stream, precision.kv, ranks);
            match stream.stored_limit.filter(|&limit| limit < model.max_context) {
                Some(limit) => {
                    window += bytes * limit as f64;
                    windowed += bytes;
                }
                None => token += bytes,
            }
        }
        // Where all layers have windows, blocks hold windows; that they free what has left the
        // window is not counted on.
        if token == 0.0 {
            (token, window) = (windowed, 0.0);
        }
        let state = model.state_bytes_per_sequence() as f64 / ranks;
        let [token, sequence] = [token, window + state].map(|bytes| bytes / stages);
        Self { weights: ceil(weights), token, sequence }
    }

    /// Bytes of a block of so many tokens; a model without a cache counts its states in bytes.
    fn block(&self, block_size: u32) -> u64 {
        ceil(self.token * f64::from(block_size)).max(1)
    }

    /// Bytes of one sequence of `context` tokens, in whole blocks.
    pub(super) fn context(&self, context: u64, block_size: u32) -> u64 {
        let block = self.block(block_size);
        let blocks = context.div_ceil(u64::from(block_size.max(1)));
        let own = if self.token > 0.0 { blocks } else { 0 };
        (own + self.sequence_blocks(block_size)).saturating_mul(block)
    }

    fn sequence_blocks(&self, block_size: u32) -> u64 {
        ceil(self.sequence).div_ceil(self.block(block_size))
    }
}

/// Bytes of keys and values that the GPUs of a replica hold together, with what several of them
/// repeat.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ContextBytes {
    /// For each token of context.
    pub token: f64,
    /// For each sequence, whatever its context: windows, states.
    pub sequence: f64,
}

impl ContextBytes {
    /// Those of a deployment.
    #[must_use]
    pub fn of(deployment: &Deployment<'_>) -> Self {
        let Demand { token, sequence, .. } = Demand::of(deployment);
        let gpus = f64::from(deployment.replica_gpus());
        Self { token: token * gpus, sequence: sequence * gpus }
    }
}

/// How an engine divides the memory of each GPU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rule {
    memory: u64,
    utilisation: f64,
    of: UtilizationOf,
    reserve: u64,
    block_size: u32,
}

impl Rule {
    /// Bytes left to the cache beside so many bytes of weights; negative where not even these fit.
    fn cache(&self, weights: u64) -> i128 {
        let [memory, weights, reserve] = [self.memory, weights, self.reserve].map(i128::from);
        let share = |bytes: i128| (bytes as f64 * self.utilisation) as i128;
        match self.of {
            UtilizationOf::Total => share(memory) - weights - reserve,
            UtilizationOf::WeightsAndCache => {
                (share(memory) - weights).min(memory - weights - reserve)
            }
            UtilizationOf::Free => {
                let free = memory - weights - reserve;
                if free > 0 { share(free) } else { free }
            }
        }
    }

    /// Bytes that are missing for one sequence of `context` tokens.
    fn missing(&self, demand: &Demand, context: u64) -> Option<u64> {
        let short =
            i128::from(demand.context(context, self.block_size)) - self.cache(demand.weights);
        (short > 0).then(|| u64::try_from(short).unwrap_or(u64::MAX))
    }
}

impl MemoryPlan {
    /// Lays out the memory of a replica whose engine takes the share `utilisation` of each GPU, by
    /// its own rule, and keeps `reserve` bytes for everything but weights and cache
    /// (see [`usual_reserve`]).
    ///
    /// # Errors
    /// [`PerformanceError::DoesNotFit`] where not even one sequence of `max_context` tokens fits,
    /// with the smallest changes that would do; the faults of [`Deployment::check`] before that.
    pub fn fit(
        deployment: &Deployment<'_>,
        max_context: u64,
        utilisation: f64,
        reserve: u64,
        block_size: u32,
    ) -> Result<Self, PerformanceError> {
        deployment.check()?;
        let rule = Rule {
            memory: deployment.accelerator.memory()? as u64,
            utilisation: utilisation.clamp(0.0, 1.0),
            of: deployment.engine.scheduler.utilization_of,
            reserve,
            block_size: block_size.max(1),
        };
        let demand = Demand::of(deployment);
        if let Some(missing) = rule.missing(&demand, max_context) {
            let fault = search::explain(deployment, rule, max_context, missing);
            return Err(PerformanceError::DoesNotFit(Box::new(fault)));
        }
        let cache = u64::try_from(rule.cache(demand.weights)).unwrap_or(0);
        let block_bytes = demand.block(rule.block_size);
        Ok(Self {
            memory: rule.memory,
            weights: demand.weights,
            reserve,
            cache,
            block_size: rule.block_size,
            block_bytes,
            blocks: cache / block_bytes,
            sequence_blocks: demand.sequence_blocks(rule.block_size),
        })
    }

    /// The same with the engine's own defaults for the accelerator.
    ///
    /// # Errors
    /// As [`MemoryPlan::fit`].
    pub fn usual(deployment: &Deployment<'_>, max_context: u64) -> Result<Self, PerformanceError> {
        deployment.check()?;
        let defaults = deployment.engine.scheduler_on(deployment.accelerator);
        let reserve = usual_reserve(deployment, defaults.max_batched_tokens, defaults.max_running);
        let block_size = u32::try_from(defaults.block_size).unwrap_or(u32::MAX);
        Self::fit(deployment, max_context, defaults.memory_utilization, reserve, block_size)
    }

    /// The same with a draft model in the same memory: its weights, and its part of every block. A
    /// draft that `shares` embedding and output matrix with the model keeps none of its own. `None`
    /// where its weights leave no block.
    #[must_use]
    pub fn beside_draft(self, draft: &Deployment<'_>, shares: bool) -> Option<Self> {
        let demand = Demand::of(draft);
        let layout = Layout::of(draft);
        let shared =
            (layout.embedding + layout.head) * draft.precision.unquantised().bytes_per_element();
        let weights = demand.weights - if shares { shared as u64 } else { 0 };
        let cache = self.cache.checked_sub(weights)?;
        let block_bytes = self.block_bytes + demand.block(self.block_size);
        let blocks = cache / block_bytes;
        let weights = self.weights + weights;
        (blocks > 0).then_some(Self { weights, cache, block_bytes, blocks, ..self })
    }

    /// Bytes of a block of context in one copy, however many GPUs keep it; none where a model keeps
    /// nothing for each token.
    #[must_use]
    pub fn context_bytes(deployment: &Deployment<'_>, block_size: u32) -> u64 {
        let whole = Deployment { tensor_parallel: 1, ..*deployment };
        ceil(Demand::of(&whole).token * f64::from(block_size))
    }

    /// Tokens of context that all sequences together may have.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.blocks * u64::from(self.block_size)
    }
}

/// Bytes that the engine needs on each GPU for everything but weights and cache while it computes
/// `batched_tokens` tokens at once for `running` sequences: its own reserve for libraries and
/// graphs, the activations around the widest network of a layer, and the logits in 16 bits and in
/// single precision, of which engines hold 512 sequences at most at a time.
///
/// With the reserve of vLLM 0.19 this gives 2,586 of the 2,588 blocks that it reported for
/// Llama-3.1-8B in bf16 on an RTX 4090.
#[must_use]
pub fn usual_reserve(deployment: &Deployment<'_>, batched_tokens: u64, running: u64) -> u64 {
    let model = deployment.model;
    let ranks = f64::from(deployment.tensor_parallel.max(1));
    let wide = 4.0 * model.hidden as f64 + 3.0 * super::layout::widest(model) / ranks;
    let activations = batched_tokens as f64 * wide * NumberFormat::Bf16.bytes_per_element();
    let logits = running.min(512) as f64 * model.vocab as f64 / ranks * 6.0;
    deployment.engine.scheduler.reserve_bytes.saturating_add(ceil(activations + logits))
}

fn ceil(bytes: f64) -> u64 {
    libm::ceil(bytes) as u64
}
