//! Which layers attend how, and which have experts: the many ways configurations say it.

use serde_json::Value;

use super::keys::{Keys, LAYERS};

/// For each layer, true where it sees a window only: by `layer_types`, or by `otherwise` of the
/// layer's position where no list is given.
pub(super) fn windowed(
    keys: &mut Keys<'_>,
    layers: u64,
    otherwise: impl Fn(u64) -> bool,
) -> Vec<bool> {
    match keys.per_layer("layer_types", layers) {
        Some(list) => {
            let kinds: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
            for kind in &kinds {
                if !matches!(*kind, "full_attention" | "sliding_attention" | "chunked_attention") {
                    let known = "full_attention, sliding_attention, chunked_attention";
                    keys.wrong("layer_types", format!("names `{kind}`; known: {known}"));
                    break;
                }
            }
            let mut windowed: Vec<bool> =
                kinds.iter().map(|kind| *kind != "full_attention").collect();
            windowed.resize(list.len(), false);
            windowed
        }
        None => (0..layers).map(otherwise).collect(),
    }
}

/// For each layer, true where it has routed experts. Said by, in this order: a list
/// `mlp_layer_types`; a list `moe_layer_freq`; `first_k_dense_replace` with a number
/// `moe_layer_freq`; `decoder_sparse_step` with `mlp_only_layers`; `interleave_moe_layer_step`.
pub(super) fn sparse(keys: &mut Keys<'_>, layers: u64) -> Vec<bool> {
    if let Some(list) = keys.per_layer("mlp_layer_types", layers) {
        return list.iter().map(|kind| kind.as_str() == Some("sparse")).collect();
    }
    if keys.get("moe_layer_freq").is_some_and(Value::is_array) {
        let list = keys.per_layer("moe_layer_freq", layers).unwrap_or_default();
        return list.iter().map(|kind| kind.as_u64() != Some(0)).collect();
    }
    let first = keys.maybe_layers("first_k_dense_replace").unwrap_or(0);
    let frequency = keys.maybe_layers("moe_layer_freq").unwrap_or(1).max(1);
    let step = ["decoder_sparse_step", "interleave_moe_layer_step"]
        .iter()
        .find_map(|key| keys.maybe_layers(key))
        .unwrap_or(1)
        .max(1);
    let dense = keys.numbers("mlp_only_layers", LAYERS).unwrap_or_default();
    if first > layers {
        keys.wrong("first_k_dense_replace", format!("is {first} of {layers} layers"));
    }
    (0..layers)
        .map(|layer| {
            layer >= first
                && layer % frequency == 0
                && (layer + 1) % step == 0
                && !dense.contains(&layer)
        })
        .collect()
}

/// For each layer, true where attention is linear, by `layer_types` or `full_attention_interval`.
pub(super) fn linear(keys: &mut Keys<'_>, layers: u64) -> Vec<bool> {
    if let Some(list) = keys.per_layer("layer_types", layers) {
        return list.iter().map(|kind| kind.as_str() == Some("linear_attention")).collect();
    }
    let interval = keys.maybe_layers("full_attention_interval").unwrap_or(4).max(1);
    (0..layers).map(|layer| (layer + 1) % interval != 0).collect()
}
