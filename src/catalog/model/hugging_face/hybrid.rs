//! Families that mix recurrent layers with attention: Qwen 3 Next and 3.5, Kimi Linear, Nemotron H.

use serde_json::Value;

use super::Layer;
use super::keys::{Keys, LAYERS};
use super::latent::latent;
use super::mixture::qwen_experts;
use super::parts::{experts, gated, heads};
use super::patterns;
use crate::catalog::model::layer::{Attention, FeedForward, Heads, Linear};

/// Qwen 3 Next and 3.5: gated delta rule beside gated attention; with or without experts.
pub(super) fn qwen(keys: &mut Keys<'_>) -> Vec<Layer> {
    let layers = keys.layers("num_hidden_layers");
    let gate = keys.flag("attn_output_gate", true);
    let full = Attention::Full(Heads { gated: gate, ..heads(keys) });
    let delta = Attention::Linear(gated_delta(keys));
    let linear = patterns::linear(keys, layers);
    let has_experts = keys.has("num_experts");
    let ffn = match has_experts {
        true => FeedForward::Moe(qwen_experts(keys)),
        false => gated(keys, "intermediate_size"),
    };
    let sparse = if has_experts { patterns::sparse(keys, layers) } else { Vec::new() };
    let dense = match sparse.iter().all(|&sparse| sparse) {
        true => ffn.clone(),
        false => gated(keys, "intermediate_size"),
    };
    let layer = |(position, linear): (usize, bool)| {
        let attention = if linear { delta.clone() } else { full.clone() };
        let routed = sparse.get(position).copied().unwrap_or(false);
        (attention, if routed { ffn.clone() } else { dense.clone() })
    };
    linear.into_iter().enumerate().map(layer).collect()
}

/// Projections to queries, keys, values, an output gate and two scalars per head; a convolution
/// over queries, keys and values; the output projection.
fn gated_delta(keys: &mut Keys<'_>) -> Linear {
    let hidden = keys.maybe_width("hidden_size").unwrap_or(1);
    let (key_heads, heads) =
        (keys.heads("linear_num_key_heads"), keys.heads("linear_num_value_heads"));
    let (key_dim, value_dim) =
        (keys.width("linear_key_head_dim"), keys.width("linear_value_head_dim"));
    let kernel = keys.maybe_width("linear_conv_kernel_dim").unwrap_or(4);
    let mixed = 2 * key_heads * key_dim + heads * value_dim;
    let out = heads * value_dim;
    Linear {
        heads,
        key_dim,
        value_dim,
        weights: hidden * (mixed + 2 * out + 2 * heads) + mixed * kernel,
        conv_state: mixed * (kernel - 1),
    }
}

/// Kimi Linear and K3: delta attention beside latent attention, experts in a latent space.
pub(super) fn kimi_linear(keys: &mut Keys<'_>) -> Vec<Layer> {
    let layers = keys.layers("num_hidden_layers");
    let output_gate = keys.flag("mla_use_output_gate", false);
    let full = Attention::Latent(latent(keys, output_gate));
    let hidden = keys.maybe_width("hidden_size").unwrap_or(1);
    let Some(mut config) = keys.nested("linear_attn_config") else {
        keys.missing("linear_attn_config");
        return Vec::new();
    };
    let delta = Attention::Linear(kimi_delta(&mut config, hidden));
    let full_layers = config.numbers("full_attn_layers", LAYERS);
    let delta_layers = config.numbers("kda_layers", LAYERS);
    keys.faults.append(&mut config.faults);
    if full_layers.is_none() && delta_layers.is_none() {
        keys.missing("linear_attn_config.kda_layers");
    }
    // Both lists count layers from 1.
    let is_delta = |layer: u64| match (&full_layers, &delta_layers) {
        (Some(full), _) => !full.contains(&(layer + 1)),
        (None, Some(delta)) => delta.contains(&(layer + 1)),
        (None, None) => false,
    };
    let sparse = patterns::sparse(keys, layers);
    let width = keys.width("moe_intermediate_size");
    let shared = keys.maybe_experts("num_shared_experts").unwrap_or(0);
    let names: (&[&str], &[&str]) =
        (&["num_experts"], &["num_experts_per_token", "num_experts_per_tok"]);
    let mut moe = experts(keys, names, width, shared * width);
    moe.latent_dim = keys.maybe_width("routed_expert_hidden_size").unwrap_or(0);
    let dense = match sparse.iter().all(|&sparse| sparse) {
        true => FeedForward::None,
        false => gated(keys, "intermediate_size"),
    };
    let layer = |(position, sparse): (u64, bool)| {
        let attention = if is_delta(position) { delta.clone() } else { full.clone() };
        (attention, if sparse { FeedForward::Moe(moe) } else { dense.clone() })
    };
    (0..layers).zip(sparse).map(layer).collect()
}

/// Queries, keys and values with a short convolution each, a decay through a bottleneck of one
/// head's width, an output gate of full rank or through such a bottleneck, a scalar per head.
fn kimi_delta(config: &mut Keys<'_>, hidden: u64) -> Linear {
    let (heads, dim) = (config.heads("num_heads"), config.width("head_dim"));
    let kernel = config.maybe_width("short_conv_kernel_size").unwrap_or(4);
    let width = heads * dim;
    let bottleneck = dim * (hidden + width);
    let gate = if config.flag("use_full_rank_gate", false) { hidden * width } else { bottleneck };
    Linear {
        heads,
        key_dim: dim,
        value_dim: dim,
        weights: hidden * (4 * width + heads) + bottleneck + gate + 3 * width * kernel,
        conv_state: 3 * width * (kernel - 1),
    }
}

/// Nemotron H: one part per layer, spelled by `hybrid_override_pattern` (`M` Mamba 2,
/// `*` attention, `E` experts, `-` dense network) or listed in `layers_block_type`.
pub(super) fn nemotron_h(keys: &mut Keys<'_>) -> Vec<Layer> {
    let Some(pattern) = pattern(keys) else {
        keys.missing("hybrid_override_pattern");
        return Vec::new();
    };
    let matrices = if keys.text("mlp_hidden_act").unwrap_or("relu2") == "relu2" { 2 } else { 3 };
    let attention = pattern.contains(&'*').then(|| Attention::Full(heads(keys)));
    let mamba = pattern.contains(&'M').then(|| Attention::Linear(mamba2(keys)));
    let moe = pattern.contains(&'E').then(|| {
        let width = keys.width("moe_intermediate_size");
        let shared = match keys.maybe_width("moe_shared_expert_intermediate_size") {
            Some(shared) => shared,
            None => keys.maybe_experts("n_shared_experts").unwrap_or(0) * width,
        };
        let names: (&[&str], &[&str]) = (&["n_routed_experts"], &["num_experts_per_tok"]);
        let mut moe = experts(keys, names, width, shared);
        moe.latent_dim = keys.maybe_width("moe_latent_size").unwrap_or(0);
        moe.matrices = matrices;
        FeedForward::Moe(moe)
    });
    let dense = pattern
        .contains(&'-')
        .then(|| FeedForward::Dense { dim: keys.width("intermediate_size"), matrices });
    let layer = |kind: &char| match kind {
        'M' => (mamba.clone().unwrap_or(Attention::None), FeedForward::None),
        '*' => (attention.clone().unwrap_or(Attention::None), FeedForward::None),
        'E' => (Attention::None, moe.clone().unwrap_or(FeedForward::None)),
        _ => (Attention::None, dense.clone().unwrap_or(FeedForward::None)),
    };
    pattern.iter().map(layer).collect()
}

fn pattern(keys: &mut Keys<'_>) -> Option<Vec<char>> {
    let letters: Vec<char> = match keys.text("hybrid_override_pattern") {
        Some(text) => text.chars().collect(),
        None => {
            let list = keys.get("layers_block_type")?.as_array()?;
            let letter = |kind: &Value| match kind.as_str() {
                Some("mamba") => 'M',
                Some("attention") => '*',
                Some("moe") => 'E',
                Some("mlp") => '-',
                _ => '?',
            };
            list.iter().map(letter).collect()
        }
    };
    if letters.is_empty() || letters.len() as u64 > LAYERS {
        keys.wrong("hybrid_override_pattern", format!("has {} layers", letters.len()));
    }
    if let Some(other) = letters.iter().find(|letter| !"M*E-".contains(**letter)) {
        keys.wrong("hybrid_override_pattern", format!("has a layer `{other}`; known: M * E -"));
    }
    let layers = letters.len() as u64;
    if let Some(said) = keys.maybe_layers("num_hidden_layers").filter(|&said| said != layers) {
        let why = format!("is {said}, but the pattern has {layers} layers");
        keys.wrong("num_hidden_layers", why);
    }
    Some(letters)
}

/// Mamba 2: one projection to gate, values, keys, queries and time steps; a convolution over all
/// but the gate and the steps; the output projection.
fn mamba2(keys: &mut Keys<'_>) -> Linear {
    let hidden = keys.maybe_width("hidden_size").unwrap_or(1);
    let (heads, dim) = (keys.heads("mamba_num_heads"), keys.width("mamba_head_dim"));
    let state = keys.width("ssm_state_size");
    let groups = keys.maybe_heads("n_groups").unwrap_or(1);
    let kernel = keys.maybe_width("conv_kernel").unwrap_or(4);
    let inner = heads * dim;
    let mixed = inner + 2 * groups * state;
    Linear {
        heads,
        key_dim: state,
        value_dim: dim,
        weights: hidden * (inner + mixed + heads + inner) + mixed * kernel,
        conv_state: mixed * (kernel - 1),
    }
}
