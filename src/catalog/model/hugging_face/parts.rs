//! What the families have in common: heads, windows, gated networks, experts.

use super::keys::Keys;
use crate::catalog::model::layer::{Attention, FeedForward, Heads, Moe};

/// Query and key-value heads by the common keys. `head_dim` is `hidden_size / heads` unless said.
pub(super) fn heads(keys: &mut Keys<'_>) -> Heads {
    let query = keys.heads("num_attention_heads");
    let kv = keys.maybe_heads("num_key_value_heads").unwrap_or(query);
    let head_dim = keys.maybe_width("head_dim").or_else(|| keys.maybe_width("attention_head_dim"));
    let head_dim = head_dim.unwrap_or_else(|| match keys.maybe_width("hidden_size") {
        Some(hidden) => (hidden / query).max(1),
        None => 1,
    });
    check_grouping(keys, query, kv);
    Heads::plain(query, kv, head_dim)
}

pub(super) fn check_grouping(keys: &mut Keys<'_>, query: u64, kv: u64) {
    if !query.is_multiple_of(kv) {
        keys.wrong("num_key_value_heads", format!("is {kv}, which does not divide {query} heads"));
    }
}

/// A gated network of the width under `key`.
pub(super) fn gated(keys: &mut Keys<'_>, key: &str) -> FeedForward {
    FeedForward::Dense { dim: keys.width(key), matrices: 3 }
}

/// Full or windowed attention, by layer.
pub(super) fn attention(heads: Heads, windowed: bool, window: Option<u64>) -> Attention {
    match window {
        Some(window) if windowed => Attention::Window { heads, window },
        _ => Attention::Full(heads),
    }
}

/// The window under `key`, none where it is as long as the context anyway.
pub(super) fn window(keys: &mut Keys<'_>, key: &str) -> Option<u64> {
    let window = keys.maybe_tokens(key)?;
    let context = keys.maybe_tokens("max_position_embeddings");
    (context.is_none_or(|context| window < context)).then_some(window)
}

/// Experts by the names of one family. The shared width is that of all shared experts together.
pub(super) fn experts(
    keys: &mut Keys<'_>,
    (all, active): (&[&str], &[&str]),
    expert_dim: u64,
    shared_dim: u64,
) -> Moe {
    let moe = Moe {
        experts: keys.experts(all),
        active: keys.experts(active),
        expert_dim,
        shared_dim,
        latent_dim: 0,
        matrices: 3,
    };
    if moe.active > moe.experts {
        keys.wrong(active[0], format!("is {} of {} experts", moe.active, moe.experts));
    }
    moe
}
