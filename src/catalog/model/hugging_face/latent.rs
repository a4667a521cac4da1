//! Families with latent attention: DeepSeek V2 to V4, Kimi K2, GLM 5.

use serde_json::Value;

use super::Layer;
use super::keys::Keys;
use super::parts::{experts, gated};
use super::patterns;
use crate::catalog::model::layer::{Attention, Compressed, FeedForward, Latent, Moe, Selection};

const NAMES: (&[&str], &[&str]) = (&["n_routed_experts"], &["num_experts_per_tok"]);

/// Latent attention by DeepSeek's keys. `head_dim` and `num_key_value_heads` mean nothing here.
pub(super) fn latent(keys: &mut Keys<'_>, gated: bool) -> Latent {
    Latent {
        heads: keys.heads("num_attention_heads"),
        kv_lora_rank: keys.width("kv_lora_rank"),
        q_lora_rank: keys.maybe_width("q_lora_rank").unwrap_or(0),
        qk_rope_head_dim: keys.width("qk_rope_head_dim"),
        qk_nope_head_dim: keys.width("qk_nope_head_dim"),
        v_head_dim: keys.width("v_head_dim"),
        gated,
        selection: None,
    }
}

fn selection(keys: &mut Keys<'_>) -> Option<Selection> {
    keys.has("index_topk").then(|| Selection {
        top_k: keys.maybe_tokens("index_topk").unwrap_or(1),
        index_heads: keys.heads("index_n_heads"),
        index_dim: keys.width("index_head_dim"),
    })
}

fn shared_and_routed(keys: &mut Keys<'_>) -> Moe {
    let width = keys.width("moe_intermediate_size");
    let shared = keys.maybe_experts("n_shared_experts").unwrap_or(0);
    experts(keys, NAMES, width, shared * width)
}

/// DeepSeek V2 and V3, Kimi K2 and, with a sparse index, DeepSeek V3.2 and GLM 5.
pub(super) fn deepseek(keys: &mut Keys<'_>) -> Vec<Layer> {
    let layers = keys.layers("num_hidden_layers");
    let latent = latent(keys, false);
    let selection = selection(keys);
    // Layers marked "shared" take over the choice of the last layer that has an index.
    let shares: Vec<bool> = match keys.per_layer("indexer_types", layers) {
        Some(list) => list.iter().map(|kind| kind.as_str() == Some("shared")).collect(),
        None => (0..layers).map(|_| false).collect(),
    };
    let sparse = patterns::sparse(keys, layers);
    let moe = shared_and_routed(keys);
    let dense = match sparse.iter().all(|&sparse| sparse) {
        true => FeedForward::None,
        false => gated(keys, "intermediate_size"),
    };
    let layer = |(sparse, shares): (bool, bool)| {
        let index = selection.map(|own| match shares {
            true => Selection { index_heads: 0, ..own },
            false => own,
        });
        let attention = Attention::Latent(Latent { selection: index, ..latent });
        (attention, if sparse { FeedForward::Moe(moe) } else { dense.clone() })
    };
    sparse.into_iter().zip(shares).map(layer).collect()
}

/// DeepSeek V4: a window, and a history compressed by the ratio that `compress_ratios` gives for
/// each layer; entries of ratio 4 are selected by an index.
pub(super) fn deepseek_v4(keys: &mut Keys<'_>) -> Vec<Layer> {
    let layers = keys.layers("num_hidden_layers");
    let base = Compressed {
        heads: keys.heads("num_attention_heads"),
        head_dim: keys.width("head_dim"),
        q_lora_rank: keys.width("q_lora_rank"),
        o_lora_rank: keys.width("o_lora_rank"),
        o_groups: keys.heads("o_groups"),
        window: keys.maybe_tokens("sliding_window").unwrap_or(128),
        ratio: 0,
        selection: None,
    };
    let index = selection(keys);
    let moe = shared_and_routed(keys);
    let Some(ratios) = keys.per_layer("compress_ratios", layers) else {
        if !keys.has("compress_ratios") {
            keys.missing("compress_ratios");
        }
        return Vec::new();
    };
    let mut read = Vec::new();
    for ratio in ratios.iter().map(Value::as_u64) {
        let Some(ratio) = ratio.filter(|&ratio| ratio <= 1 << 16) else {
            keys.wrong("compress_ratios", "is not a list of whole numbers up to 65536");
            break;
        };
        let selection = index.filter(|_| ratio == 4);
        let attention = Attention::Compressed(Compressed { ratio, selection, ..base });
        read.push((attention, FeedForward::Moe(moe)));
    }
    read
}
