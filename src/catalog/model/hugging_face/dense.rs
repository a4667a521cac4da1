//! Families whose layers have one feed-forward network each: Llama, Mistral, Qwen, Phi, Gemma, and
//! Nemotron found by architecture search.

use serde_json::Value;

use super::Layer;
use super::keys::Keys;
use super::parts::{attention, check_grouping, experts, gated, heads, window};
use super::patterns;
use crate::catalog::model::layer::{Attention, FeedForward, Heads};

/// Gemma 3 and 4 share a vocabulary, and leave it out of their configurations.
pub(super) const GEMMA_VOCABULARY: u64 = 262_208;

fn layers_of(
    keys: &mut Keys<'_>,
    heads: Heads,
    ffn: FeedForward,
    window: Option<u64>,
    windowed: impl Fn(u64) -> bool,
) -> Vec<Layer> {
    let layers = keys.layers("num_hidden_layers");
    let windowed = patterns::windowed(keys, layers, windowed);
    windowed.into_iter().map(|short| (attention(heads, short, window), ffn.clone())).collect()
}

/// Llama: full attention everywhere.
pub(super) fn plain(keys: &mut Keys<'_>) -> Vec<Layer> {
    let (heads, ffn) = (heads(keys), gated(keys, "intermediate_size"));
    layers_of(keys, heads, ffn, None, |_| false)
}

/// Mistral, Phi 3: a window, where one is given, holds for every layer.
pub(super) fn windowed(keys: &mut Keys<'_>) -> Vec<Layer> {
    let (heads, ffn) = (heads(keys), gated(keys, "intermediate_size"));
    let window = window(keys, "sliding_window");
    layers_of(keys, heads, ffn, window, |_| true)
}

/// Qwen 2 and 3: the `sliding_window` counts only with `use_sliding_window`, and then from layer
/// `max_window_layers` on.
pub(super) fn qwen(keys: &mut Keys<'_>) -> Vec<Layer> {
    let (heads, ffn) = (heads(keys), gated(keys, "intermediate_size"));
    let used = keys.flag("use_sliding_window", false);
    let window = window(keys, "sliding_window").filter(|_| used);
    let first = keys.maybe_layers("max_window_layers").unwrap_or(0);
    layers_of(keys, heads, ffn, window, move |layer| layer >= first)
}

/// Gemma 3, with the defaults that its configurations leave out: five windowed layers to a full
/// one, 8 heads of 256 elements over 4 key-value heads.
pub(super) fn gemma3(keys: &mut Keys<'_>) -> Vec<Layer> {
    let query = keys.maybe_heads("num_attention_heads").unwrap_or(8);
    let kv = keys.maybe_heads("num_key_value_heads").unwrap_or(4);
    check_grouping(keys, query, kv);
    let heads = Heads::plain(query, kv, keys.maybe_width("head_dim").unwrap_or(256));
    let ffn = gated(keys, "intermediate_size");
    let window = window(keys, "sliding_window").or(Some(4096));
    let pattern = keys.maybe_layers("sliding_window_pattern").unwrap_or(6).max(1);
    layers_of(keys, heads, ffn, window, move |layer| (layer + 1) % pattern != 0)
}

/// Gemma 4: full layers have heads of their own size and number, whose keys may serve as values;
/// the last `num_kv_shared_layers` read the cache of earlier ones; experts may stand beside the
/// dense network.
pub(super) fn gemma4(keys: &mut Keys<'_>) -> Vec<Layer> {
    let layers = keys.layers("num_hidden_layers");
    let query = keys.maybe_heads("num_attention_heads").unwrap_or(8);
    let kv = keys.maybe_heads("num_key_value_heads").unwrap_or(4);
    let global_kv = keys.maybe_heads("num_global_key_value_heads").unwrap_or(kv);
    check_grouping(keys, query, kv);
    check_grouping(keys, query, global_kv);
    let local = Heads::plain(query, kv, keys.maybe_width("head_dim").unwrap_or(256));
    let global_dim = keys.maybe_width("global_head_dim").unwrap_or(512);
    let shared_kv = keys.flag("attention_k_eq_v", false);
    let global = Heads { shared_kv, ..Heads::plain(query, global_kv, global_dim) };

    let window = window(keys, "sliding_window").or(Some(512));
    let windowed =
        patterns::windowed(keys, layers, |layer| (layer + 1) % 6 != 0 && layer + 1 != layers);
    let dim = keys.width("intermediate_size");
    let shared = keys.maybe_layers("num_kv_shared_layers").unwrap_or(0);
    if shared >= layers {
        keys.wrong("num_kv_shared_layers", format!("is {shared} of {layers} layers"));
    }
    let own_kv = layers.saturating_sub(shared);
    let wider = if keys.flag("use_double_wide_mlp", false) { 2 } else { 1 };
    let moe = keys.flag("enable_moe_block", false).then(|| {
        let width = match keys.maybe_width("moe_intermediate_size") {
            Some(width) => width,
            None => keys.width("expert_intermediate_size"),
        };
        let names: (&[&str], &[&str]) =
            (&["num_experts"], &["top_k_experts", "num_experts_per_tok"]);
        experts(keys, names, width, dim)
    });
    let layer = |(position, short): (usize, bool)| {
        let shares = position as u64 >= own_kv;
        // A layer without keys and values of its own still queries: its cache costs nothing.
        let heads = if short { local } else { global };
        let heads = if shares { Heads { kv: 0, ..heads } } else { heads };
        let dim = if shares { dim * wider } else { dim };
        let dense = FeedForward::Dense { dim, matrices: 3 };
        (attention(heads, short, window), moe.map_or(dense, FeedForward::Moe))
    };
    windowed.into_iter().enumerate().map(layer).collect()
}

/// Elements that Gemma 4's small models look up per token, over all layers.
pub(super) fn per_layer_embedding(keys: &mut Keys<'_>) -> u64 {
    let width = keys.maybe_width("hidden_size_per_layer_input").unwrap_or(0);
    if width == 0 { 0 } else { width * keys.layers("num_hidden_layers") }
}

/// Nemotron by architecture search: `block_configs` says layer by layer whether there is attention
/// and how wide the feed-forward network is.
pub(super) fn nemotron_nas(keys: &mut Keys<'_>) -> Vec<Layer> {
    let layers = keys.layers("num_hidden_layers");
    let query = keys.heads("num_attention_heads");
    let hidden = keys.width("hidden_size");
    let head_dim = keys.maybe_width("head_dim").unwrap_or((hidden / query).max(1));
    let Some(blocks) = keys.per_layer("block_configs", layers) else {
        if !keys.has("block_configs") {
            keys.missing("block_configs");
        }
        return Vec::new();
    };
    let mut read = Vec::new();
    for (position, block) in blocks.iter().enumerate() {
        match nas_block(block, query, head_dim, hidden) {
            Ok(layer) => read.push(layer),
            Err(why) => keys.wrong("block_configs", format!("item {position} {why}")),
        }
    }
    read
}

fn nas_block(block: &Value, query: u64, head_dim: u64, hidden: u64) -> Result<Layer, String> {
    let part = |name: &str| block.get(name).ok_or_else(|| format!("has no `{name}`"));
    let flag = |part: &Value, name: &str| part.get(name).and_then(Value::as_bool) == Some(true);
    let (attention, ffn) = (part("attention")?, part("ffn")?);
    if flag(attention, "replace_with_linear") || flag(ffn, "replace_with_linear") {
        return Err("replaces a part by a linear layer, which is not known".to_owned());
    }
    let attention = if flag(attention, "no_op") {
        Attention::None
    } else {
        let group = attention.get("n_heads_in_group").and_then(Value::as_u64);
        let group = group.filter(|&group| group > 0 && query.is_multiple_of(group));
        let group = group.ok_or("has no fitting `n_heads_in_group`")?;
        Attention::Full(Heads::plain(query, query / group, head_dim))
    };
    let ffn = if flag(ffn, "no_op") {
        FeedForward::None
    } else {
        let factor = ffn.get("ffn_mult").and_then(Value::as_f64);
        let factor = factor.filter(|factor| *factor > 0.0 && *factor < 64.0);
        let factor = factor.ok_or("has no fitting `ffn_mult`")?;
        FeedForward::Dense { dim: gated_width(factor, hidden), matrices: 3 }
    };
    Ok((attention, ffn))
}

/// Width of a gated network: two thirds of the multiple, rounded up to 256.
fn gated_width(factor: f64, hidden: u64) -> u64 {
    let width = (2.0 * factor * hidden as f64 / 3.0) as u64;
    width.div_ceil(256) * 256
}
