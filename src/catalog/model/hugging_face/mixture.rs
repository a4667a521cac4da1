//! Families with ordinary attention and routed experts.

use serde_json::Value;

use super::Layer;
use super::keys::Keys;
use super::parts::{attention, check_grouping, experts, gated, heads, window};
use super::patterns;
use crate::catalog::model::layer::{Attention, FeedForward, Heads, Moe, Selection};

const ACTIVE: &[&str] = &["num_experts_per_tok", "experts_per_token"];
const LOCAL: (&[&str], &[&str]) = (&["num_local_experts"], ACTIVE);
const PLAIN: (&[&str], &[&str]) = (&["num_experts"], ACTIVE);
const ROUTED: (&[&str], &[&str]) = (&["n_routed_experts"], ACTIVE);

/// Equal attention in every layer; experts where `sparse` says so, a dense network elsewhere.
fn assemble(
    sparse: &[bool],
    windowed: &[bool],
    attend: impl Fn(bool) -> Attention,
    moe: Moe,
    dense: &FeedForward,
) -> Vec<Layer> {
    let ffn = |sparse: bool| if sparse { FeedForward::Moe(moe) } else { dense.clone() };
    let pairs = sparse.iter().zip(windowed);
    pairs.map(|(&sparse, &short)| (attend(short), ffn(sparse))).collect()
}

/// The dense network under `key`, asked for only where a layer has one.
fn dense_if_any(keys: &mut Keys<'_>, sparse: &[bool], key: &str) -> FeedForward {
    if sparse.iter().all(|&sparse| sparse) { FeedForward::None } else { gated(keys, key) }
}

/// Mixtral, Phi MoE: experts everywhere, as wide as `intermediate_size`.
pub(super) fn mixtral(keys: &mut Keys<'_>) -> Vec<Layer> {
    let layers = keys.layers("num_hidden_layers");
    let heads = heads(keys);
    let width = keys.width("intermediate_size");
    let moe = experts(keys, LOCAL, width, 0);
    let window = window(keys, "sliding_window");
    (0..layers).map(|_| (attention(heads, true, window), FeedForward::Moe(moe))).collect()
}

/// Qwen 3 MoE.
pub(super) fn qwen3(keys: &mut Keys<'_>) -> Vec<Layer> {
    let layers = keys.layers("num_hidden_layers");
    let heads = heads(keys);
    let sparse = patterns::sparse(keys, layers);
    let moe = qwen_experts(keys);
    let dense = dense_if_any(keys, &sparse, "intermediate_size");
    let full = vec![false; sparse.len()];
    assemble(&sparse, &full, |_| Attention::Full(heads), moe, &dense)
}

/// Experts of the Qwen families, with a shared one where its width is given.
pub(super) fn qwen_experts(keys: &mut Keys<'_>) -> Moe {
    let width = keys.width("moe_intermediate_size");
    let shared = keys.maybe_width("shared_expert_intermediate_size").unwrap_or(0);
    experts(keys, PLAIN, width, shared)
}

/// gpt-oss: experts everywhere; every other layer is windowed, the first one included.
pub(super) fn gpt_oss(keys: &mut Keys<'_>) -> Vec<Layer> {
    let layers = keys.layers("num_hidden_layers");
    let heads = heads(keys);
    let width = keys.width("intermediate_size");
    let moe = experts(keys, (&["num_local_experts", "num_experts"], ACTIVE), width, 0);
    let window = window(keys, "sliding_window");
    let windowed = patterns::windowed(keys, layers, |layer| layer % 2 == 0);
    let attend = |short: bool| (attention(heads, short, window), FeedForward::Moe(moe));
    windowed.into_iter().map(attend).collect()
}

/// Llama 4: three chunked layers to a full one; experts in every `interleave_moe_layer_step`-th
/// layer, each beside a shared expert of the same width.
pub(super) fn llama4(keys: &mut Keys<'_>) -> Vec<Layer> {
    let layers = keys.layers("num_hidden_layers");
    let heads = heads(keys);
    let width = keys.width("intermediate_size");
    let moe = experts(keys, LOCAL, width, width);
    let sparse = patterns::sparse(keys, layers);
    let dense = dense_if_any(keys, &sparse, "intermediate_size_mlp");
    let window = window(keys, "attention_chunk_size");
    // `no_rope_layers` holds 0 for the full layers without positions, every fourth by default.
    let full: Vec<bool> = match keys.per_layer("no_rope_layers", layers) {
        Some(list) => list.iter().map(|item| item.as_u64() == Some(0)).collect(),
        None => (0..layers).map(|layer| (layer + 1) % 4 == 0).collect(),
    };
    let windowed: Vec<bool> = full.into_iter().map(|full| !full).collect();
    assemble(&sparse, &windowed, |short| attention(heads, short, window), moe, &dense)
}

/// GLM 4.5 to 4.7, Hunyuan 3: some dense layers first, then experts with shared ones.
pub(super) fn glm4(keys: &mut Keys<'_>) -> Vec<Layer> {
    let layers = keys.layers("num_hidden_layers");
    let heads = heads(keys);
    let sparse = patterns::sparse(keys, layers);
    let width = match keys.maybe_width("moe_intermediate_size") {
        Some(width) => width,
        None => keys.width("expert_hidden_dim"),
    };
    let shared = ["n_shared_experts", "num_shared_experts"];
    let shared = shared.iter().find_map(|key| keys.maybe_experts(key)).unwrap_or(0);
    let names: &[&str] = &["n_routed_experts", "num_experts"];
    let moe = experts(keys, (names, ACTIVE), width, shared * width);
    let dense = dense_if_any(keys, &sparse, "intermediate_size");
    let full = vec![false; sparse.len()];
    assemble(&sparse, &full, |_| Attention::Full(heads), moe, &dense)
}

/// MiniMax M2: experts everywhere, as wide as `intermediate_size`.
pub(super) fn minimax_m2(keys: &mut Keys<'_>) -> Vec<Layer> {
    let layers = keys.layers("num_hidden_layers");
    let heads = heads(keys);
    let width = keys.width("intermediate_size");
    let shared = keys.maybe_width("shared_intermediate_size").unwrap_or(0);
    let moe = experts(keys, LOCAL, width, shared);
    (0..layers).map(|_| (Attention::Full(heads), FeedForward::Moe(moe))).collect()
}

/// MiniMax M3: block-sparse attention and experts after a few dense layers.
pub(super) fn minimax_m3(keys: &mut Keys<'_>) -> Vec<Layer> {
    let layers = keys.layers("num_hidden_layers");
    let heads = heads(keys);
    let sparse = patterns::sparse(keys, layers);
    let width = match keys.maybe_width("moe_intermediate_size") {
        Some(width) => width,
        None => keys.width("intermediate_size"),
    };
    let shared = keys.maybe_experts("n_shared_experts").unwrap_or(0) * width;
    let moe = experts(keys, (&["num_local_experts", "n_routed_experts"], ACTIVE), width, shared);
    let dense = dense_if_any(keys, &sparse, "dense_intermediate_size");

    let mut selected = vec![false; sparse.len()];
    let mut selection = None;
    if let Some(mut config) = keys.nested("sparse_attention_config") {
        if config.flag("use_sparse_attention", true) {
            let block = config.maybe_tokens("sparse_block_size").unwrap_or(128);
            let blocks = config.maybe_tokens("sparse_topk_blocks").unwrap_or(16)
                + config.maybe_layers("sparse_init_block").unwrap_or(0)
                + config.maybe_layers("sparse_local_block").unwrap_or(0);
            selection = Some(Selection {
                top_k: block.saturating_mul(blocks),
                index_heads: config.heads("sparse_num_index_heads"),
                index_dim: config.width("sparse_index_dim"),
            });
            let frequency = config.per_layer("sparse_attention_freq", layers);
            selected = match frequency {
                Some(list) => list.iter().map(|item| item.as_u64() != Some(0)).collect(),
                None => vec![true; sparse.len()],
            };
        }
        keys.faults.append(&mut config.faults);
    }
    let attend = |sparse: bool| match selection {
        Some(selection) if sparse => Attention::Sparse { heads, selection },
        _ => Attention::Full(heads),
    };
    assemble(&sparse, &selected, attend, moe, &dense)
}

/// MiMo V2 Flash: windowed layers have heads of their own; values are narrower than keys.
pub(super) fn mimo(keys: &mut Keys<'_>) -> Vec<Layer> {
    let layers = keys.layers("num_hidden_layers");
    let plain = heads(keys);
    let full =
        Heads { v_head_dim: keys.maybe_width("v_head_dim").unwrap_or(plain.head_dim), ..plain };
    let short = Heads {
        query: keys.maybe_heads("swa_num_attention_heads").unwrap_or(full.query),
        kv: keys.maybe_heads("swa_num_key_value_heads").unwrap_or(full.kv),
        head_dim: keys.maybe_width("swa_head_dim").unwrap_or(full.head_dim),
        v_head_dim: keys.maybe_width("swa_v_head_dim").unwrap_or(full.v_head_dim),
        ..full
    };
    check_grouping(keys, short.query, short.kv);
    let window = window(keys, "sliding_window");
    let windowed: Vec<bool> = match keys.per_layer("hybrid_layer_pattern", layers) {
        Some(list) => list.iter().map(|item| item.as_u64() == Some(1)).collect(),
        None => patterns::windowed(keys, layers, |_| false),
    };
    let sparse = patterns::sparse(keys, layers);
    let width = keys.width("moe_intermediate_size");
    let shared = keys.maybe_experts("n_shared_experts").unwrap_or(0) * width;
    let moe = experts(keys, ROUTED, width, shared);
    let dense = dense_if_any(keys, &sparse, "intermediate_size");
    let attend = |narrow: bool| attention(if narrow { short } else { full }, narrow, window);
    assemble(&sparse, &windowed, attend, moe, &dense)
}

/// Step 3.7 Flash, Inkling: windowed layers by `layer_types`, dense layers first.
pub(super) fn step(keys: &mut Keys<'_>) -> Vec<Layer> {
    let layers = keys.layers("num_hidden_layers");
    let full = heads(keys);
    let short =
        Heads { kv: keys.maybe_heads("swa_num_key_value_heads").unwrap_or(full.kv), ..full };
    check_grouping(keys, short.query, short.kv);
    let window = window(keys, "sliding_window");
    if window.is_some() && !keys.get("layer_types").is_some_and(Value::is_array) {
        keys.missing("layer_types");
    }
    let windowed = patterns::windowed(keys, layers, |_| false);
    let sparse = patterns::sparse(keys, layers);
    let width = keys.width("moe_intermediate_size");
    let shared = match keys.maybe_width("share_expert_dim") {
        Some(shared) => shared,
        None => keys.maybe_experts("n_shared_experts").unwrap_or(0) * width,
    };
    let names: &[&str] = &["num_experts", "n_routed_experts"];
    let moe = experts(keys, (names, ACTIVE), width, shared);
    let dense = dense_if_any(keys, &sparse, "intermediate_size");
    let attend = |narrow: bool| attention(if narrow { short } else { full }, narrow, window);
    assemble(&sparse, &windowed, attend, moe, &dense)
}
