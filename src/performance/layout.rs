//! What of a model lies on each GPU under tensor parallelism.
//!
//! Matrices with heads or neurons are cut; what has neither lies on every rank whole: routers,
//! norms, the bottlenecks of latent attention, sparse indices. Key-value projections are cut down
//! to one head and repeated beyond that. Embedding and output matrix are cut by vocabulary.
//! Experts dealt out whole (expert parallelism) come to the same bytes and arithmetic per GPU, so
//! long as they are visited evenly.

use super::deployment::Deployment;
use crate::catalog::{Attention, FeedForward, Heads, Latent, Model, Moe};

/// Parameters on each GPU, and what a token meets of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Layout {
    /// Matrices that every token meets, routers aside: attention, dense networks, shared experts.
    pub(super) linear: f64,
    /// Routers.
    pub(super) router: f64,
    /// Norms.
    pub(super) norms: f64,
    /// Routed experts, all of them.
    pub(super) experts: f64,
    /// Routed experts that one token visits.
    pub(super) visited: f64,
    /// Embeddings that are only looked up.
    pub(super) embedding: f64,
    /// Output matrix.
    pub(super) head: f64,
    /// Attentions and feed-forward networks: each ends in an all-reduce.
    pub(super) parts: f64,
    /// Mixtures of experts whose tokens travel to GPUs beyond those: an all-to-all instead.
    pub(super) exchanges: f64,
    /// Bytes that a token's copies take on these ways, on each GPU.
    pub(super) exchanged: f64,
    /// Bytes per new token that the kernels between matrix products move: additions, norms,
    /// quantisation, activation functions, rotation, gathering and scattering for experts.
    pub(super) activations: f64,
}

impl Layout {
    pub(super) fn of(deployment: &Deployment<'_>) -> Self {
        let Deployment { model, tensor_parallel, expert_parallel, wide, .. } = *deployment;
        let sharing = f64::from(wide.data_parallel);
        let ranks = f64::from(tensor_parallel);
        let hidden = model.hidden as f64;
        let whole = model.parameters();
        let mut layout = Self {
            norms: whole.norms as f64,
            embedding: whole.embedding as f64 / ranks,
            head: whole.head as f64 / ranks,
            ..Self::default()
        };
        for group in &model.layers {
            let count = group.count as f64;
            if group.attention != Attention::None {
                layout.parts += count;
                layout.linear += count * attention(&group.attention, model.hidden, ranks);
                layout.activations += count * attention_traffic(&group.attention, ranks);
            }
            match &group.ffn {
                FeedForward::Dense { dim, matrices } => {
                    let dim = *dim as f64 / ranks;
                    layout.parts += count;
                    layout.linear += count * *matrices as f64 * hidden * dim;
                    layout.activations += count * 6.0 * dim;
                }
                FeedForward::Moe(moe) => {
                    if wide.data_parallel > 1 {
                        layout.exchanges += count;
                        layout.exchanged += count * copies(moe, deployment) / ranks;
                    } else {
                        layout.parts += count;
                    }
                    layout.router += count * moe.router_weights(model.hidden) as f64;
                    let latent = (2 * model.hidden * moe.latent_dim) as f64;
                    let shared = moe.shared_weights(model.hidden) as f64 - latent;
                    layout.linear += count * (shared / ranks + latent);
                    let expert = moe.expert_weights(model.hidden) as f64 / ranks;
                    let held = (moe.experts + u64::from(wide.redundant_experts)) as f64;
                    layout.experts += count * held * expert / sharing;
                    layout.visited += count * moe.active as f64 * expert;
                    let traffic = expert_traffic(moe, hidden, ranks, f64::from(expert_parallel));
                    layout.activations += count * traffic;
                }
                FeedForward::None => {}
            }
        }
        // Residual addition, norm and quantisation before each part, on every rank.
        layout.activations += 12.0 * hidden * (layout.parts + layout.exchanges);
        layout
    }
}

/// The share of a head-wise tensor that each of `ranks` GPUs holds: whole heads, so never less
/// than one.
pub(super) fn head_share(kv_heads: u64, ranks: f64) -> f64 {
    f64::max(1.0 / ranks, 1.0 / kv_heads.max(1) as f64)
}

/// Parameters of one attention on each GPU.
fn attention(attention: &Attention, hidden: u64, ranks: f64) -> f64 {
    let all = attention.weights(hidden) as f64;
    let heads_repeat = |heads: &Heads| {
        let kv = (hidden * heads.cached_elements()) as f64;
        kv * (head_share(heads.kv, ranks) - 1.0 / ranks)
    };
    let replicated = match attention {
        Attention::Full(heads) | Attention::Window { heads, .. } => {
            return all / ranks + heads_repeat(heads);
        }
        Attention::Sparse { heads, .. } => {
            let plain = Attention::Full(*heads).weights(hidden) as f64;
            return plain / ranks + heads_repeat(heads) + (all - plain);
        }
        Attention::Latent(latent) => {
            let plain = Attention::Latent(Latent { selection: None, ..*latent });
            let index = all - plain.weights(hidden) as f64;
            (hidden * (latent.q_lora_rank + latent.cached_elements())) as f64 + index
        }
        Attention::Compressed(compressed) => {
            // Queries and outputs have heads; the rest has not.
            let queries = compressed.heads * compressed.head_dim;
            let output = compressed.o_lora_rank * (queries + compressed.o_groups * hidden);
            all - (compressed.q_lora_rank * queries + output) as f64
        }
        Attention::Linear(_) | Attention::None => 0.0,
    };
    (all - replicated) / ranks + replicated
}

/// Bytes that the small kernels of one attention move per new token: 8 for each element that is
/// rotated, normalised or written to the cache.
fn attention_traffic(attention: &Attention, ranks: f64) -> f64 {
    let elements = match attention {
        Attention::Full(heads)
        | Attention::Window { heads, .. }
        | Attention::Sparse { heads, .. } => {
            ((heads.query + 2 * heads.kv) * heads.head_dim) as f64 / ranks
        }
        Attention::Latent(latent) => {
            let head = latent.qk_nope_head_dim + latent.qk_rope_head_dim + latent.v_head_dim;
            (latent.heads * head) as f64 / ranks
                + (latent.q_lora_rank + latent.cached_elements()) as f64
        }
        Attention::Compressed(compressed) => {
            (2 * compressed.heads * compressed.head_dim) as f64 / ranks
                + (compressed.q_lora_rank + compressed.head_dim) as f64
        }
        Attention::Linear(linear) => {
            (linear.heads * (linear.key_dim + linear.value_dim)) as f64 / ranks
        }
        Attention::None => 0.0,
    };
    8.0 * elements
}

/// Bytes that the small kernels around one layer's experts move per new token.
fn expert_traffic(moe: &Moe, hidden: f64, ranks: f64, groups: f64) -> f64 {
    let width = if moe.latent_dim == 0 { hidden } else { moe.latent_dim as f64 };
    let routed = 8.0 * width / groups + 6.0 * moe.expert_dim as f64 / ranks;
    moe.active as f64 * routed + 6.0 * moe.shared_dim as f64 / ranks
}

/// Bytes of one token's way to its experts, in the format that these multiply, and back in 16 bits.
fn copies(moe: &Moe, deployment: &Deployment<'_>) -> f64 {
    let Deployment { model, precision, .. } = deployment;
    let width = if moe.latent_dim == 0 { model.hidden } else { moe.latent_dim };
    let there = precision.activations.bytes_per_element().clamp(1.0, 2.0);
    (moe.active * width) as f64 * (there + 2.0)
}

/// Inner width of the widest network of a layer that one token meets.
pub(super) fn widest(model: &Model) -> f64 {
    let width = |ffn: &FeedForward| match ffn {
        FeedForward::Dense { dim, .. } => *dim,
        FeedForward::Moe(moe) => (moe.active * moe.expert_dim).max(moe.shared_dim),
        FeedForward::None => 0,
    };
    model.layers.iter().map(|group| width(&group.ffn)).max().unwrap_or(0) as f64
}
