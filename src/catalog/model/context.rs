//! What a sequence's context costs: bytes kept, bytes read, operations.
//!
//! Every kind of attention is a sum of *streams*: so many elements kept per token of context in so
//! many layers, of which a decode step reads those within a limit. With context `c`,
//!
//! - kept: `layers * elements_per_token * min(c, stored_limit)`
//! - read by one decode step: `layers * elements_per_token * min(c, read_limit)`
//!
//! so both are piecewise linear in `c`, with kinks at the limits only: what lets the simulator
//! leap over steps. Compressed histories (`r` tokens to one entry) count `1/r` of an entry per
//! token, so a top-k over entries is a limit of `r * k` tokens.

use super::layer::{Attention, Heads, LayerGroup, Selection};
use crate::catalog::precision::NumberFormat;

/// What a stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamRole {
    /// Keys and values, or the latent that stands for them; in the KV format.
    KeyValue,
    /// Keys of a sparse index; always in fp8 with a 4-byte scale per 128 elements.
    Index,
}

/// Elements that are kept per token of context and read at each step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ContextStream {
    /// What it holds.
    pub role: StreamRole,
    /// Layers that have it.
    pub layers: u64,
    /// Elements per token of context, in each of these layers.
    pub elements_per_token: f64,
    /// Heads that tensor parallelism can spread; with 1, every rank keeps and reads the whole.
    pub kv_heads: u64,
    /// Tokens of context beyond which nothing more is kept.
    pub stored_limit: Option<u64>,
    /// Tokens of context beyond which nothing more is read.
    pub read_limit: Option<u64>,
    /// Operations per layer, new token and token of context while decoding, over all query heads.
    /// Latent attention works on the latent itself here.
    pub decode_flops: f64,
    /// The same for a prompt, where latent attention unpacks keys and values first.
    pub prefill_flops: f64,
}

impl ContextStream {
    /// Bytes per token of context, over all layers.
    #[must_use]
    pub fn bytes_per_token(&self, kv: NumberFormat) -> f64 {
        const INDEX_BYTES: f64 = 1.0 + 4.0 / 128.0;
        let width = match self.role {
            StreamRole::KeyValue => kv.bytes_per_element(),
            StreamRole::Index => INDEX_BYTES,
        };
        self.layers as f64 * self.elements_per_token * width
    }

    /// Tokens kept of a context.
    #[must_use]
    pub fn stored(&self, context: u64) -> u64 {
        self.stored_limit.map_or(context, |limit| limit.min(context))
    }

    /// Tokens read of a context by one decode step.
    #[must_use]
    pub fn read(&self, context: u64) -> u64 {
        self.read_limit.map_or(context, |limit| limit.min(context))
    }
}

/// The streams of `group`: none for linear attention, whose state does not grow.
pub(super) fn streams(group: &LayerGroup) -> Vec<ContextStream> {
    let layers = group.count;
    let ordinary = |heads: &Heads, stored_limit, read_limit| {
        let flops = 2.0 * (heads.query * (heads.head_dim + heads.v_head_dim)) as f64;
        ContextStream {
            role: StreamRole::KeyValue,
            layers,
            elements_per_token: heads.cached_elements() as f64,
            kv_heads: heads.kv,
            stored_limit,
            read_limit,
            decode_flops: flops,
            prefill_flops: flops,
        }
    };
    let index = |selection: &Selection, tokens_per_entry: u64| {
        let flops = 2.0 * (selection.index_heads * selection.index_dim) as f64;
        selection.has_index().then(|| ContextStream {
            role: StreamRole::Index,
            layers,
            elements_per_token: selection.index_dim as f64 / tokens_per_entry as f64,
            kv_heads: 1,
            stored_limit: None,
            read_limit: None,
            decode_flops: flops / tokens_per_entry as f64,
            prefill_flops: flops / tokens_per_entry as f64,
        })
    };
    match &group.attention {
        Attention::Full(heads) => vec![ordinary(heads, None, None)],
        Attention::Window { heads, window } => vec![ordinary(heads, Some(*window), Some(*window))],
        Attention::Sparse { heads, selection } => {
            let mut all = vec![ordinary(heads, None, Some(selection.top_k))];
            all.extend(index(selection, 1));
            all
        }
        Attention::Latent(latent) => {
            let kept = latent.cached_elements();
            let unpacked = latent.qk_nope_head_dim + latent.qk_rope_head_dim + latent.v_head_dim;
            let mut all = vec![ContextStream {
                role: StreamRole::KeyValue,
                layers,
                elements_per_token: kept as f64,
                kv_heads: 1,
                stored_limit: None,
                read_limit: latent.selection.map(|selection| selection.top_k),
                decode_flops: 2.0 * (latent.heads * (kept + latent.kv_lora_rank)) as f64,
                prefill_flops: 2.0 * (latent.heads * unpacked) as f64,
            }];
            all.extend(latent.selection.as_ref().and_then(|selection| index(selection, 1)));
            all
        }
        Attention::Compressed(compressed) => {
            let one_head = Heads {
                query: compressed.heads,
                kv: 1,
                head_dim: compressed.head_dim,
                v_head_dim: compressed.head_dim,
                gated: false,
                shared_kv: true,
            };
            let mut all =
                vec![ordinary(&one_head, Some(compressed.window), Some(compressed.window))];
            if compressed.ratio > 0 {
                let entry = ordinary(&one_head, None, None);
                let ratio = compressed.ratio as f64;
                let selected = compressed.selection.map(|s| s.top_k * compressed.ratio);
                all.push(ContextStream {
                    elements_per_token: entry.elements_per_token / ratio,
                    decode_flops: entry.decode_flops / ratio,
                    prefill_flops: entry.prefill_flops / ratio,
                    read_limit: selected,
                    ..entry
                });
                let of_entries = |selection| index(selection, compressed.ratio);
                all.extend(compressed.selection.as_ref().and_then(of_entries));
            }
            all
        }
        Attention::Linear(_) | Attention::None => Vec::new(),
    }
}
