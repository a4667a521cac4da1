//! Models from a Hugging Face `config.json`.
//!
//! The language model's keys are those of `text_config` where there is one. `model_type` decides
//! which keys count and what is meant by the ones left out; a type that is not known is refused
//! with the list of those that are. All faults of a file are reported together.
//!
//! Traps that are minded: `head_dim` of latent attention is not the size of what is cached;
//! `num_key_value_heads` means nothing there; qwen2 writes a `sliding_window` that it does not use;
//! Gemma leaves out whatever is its default; `intermediate_size` is an expert's width in some
//! families and a dense layer's in others.
//!
//! ```
//! use tokenfleet::catalog::{Model, NumberFormat};
//!
//! let model = Model::from_config_json(r#"{
//!     "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32,
//!     "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
//!     "vocab_size": 128256, "max_position_embeddings": 131072, "torch_dtype": "bfloat16"}"#)?;
//! assert_eq!(model.parameters().total(), 8_030_261_248);
//!
//! let error = Model::from_config_json(r#"{"model_type": "llama", "hidden_size": -1}"#).unwrap_err();
//! assert!(error.to_string().contains("`hidden_size` is -1"));
//! assert!(error.to_string().contains("`num_hidden_layers` is missing"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod dense;
mod hybrid;
mod keys;
mod latent;
mod mixture;
mod parts;
mod patterns;
mod quantization;
#[cfg(test)]
mod tests;

pub use keys::{ConfigFault, Problem};

use serde_json::{Map, Value};

use super::Model;
use super::layer::{Attention, FeedForward, LayerGroup};
use crate::catalog::name::did_you_mean;
use crate::foundations::error::suggest;
use keys::Keys;

/// One layer, before equal ones are counted together.
type Layer = (Attention, FeedForward);

/// Reads the layers of one family.
type Family = fn(&mut Keys<'_>) -> Vec<Layer>;

/// Every `model_type` that is understood, with the family that reads it. A trailing `_text` is
/// dropped before looking here.
const FAMILIES: &[(&str, Family)] = &[
    ("deepseek_ref", latent::deepseek_v4),
    ("deepseek_v2", latent::deepseek),
    ("deepseek_v3", latent::deepseek),
    ("deepseek_v32", latent::deepseek),
    ("deepseek_v4", latent::deepseek_v4),
    ("gemma3", dense::gemma3),
    ("gemma4", dense::gemma4),
    ("glm4_moe", mixture::glm4),
    ("glm_moe_dsa", latent::deepseek),
    ("gpt_oss", mixture::gpt_oss),
    ("hy_v3", mixture::glm4),
    ("inkling", mixture::step),
    ("kimi_k2", latent::deepseek),
    ("kimi_k25", latent::deepseek),
    ("kimi_k3", hybrid::kimi_linear),
    ("kimi_linear", hybrid::kimi_linear),
    ("llama", dense::plain),
    ("llama4", mixture::llama4),
    ("mimo_v2_flash", mixture::mimo),
    ("minimax_m2", mixture::minimax_m2),
    ("minimax_m3", mixture::minimax_m3),
    ("mistral", dense::windowed),
    ("mixtral", mixture::mixtral),
    ("nemotron-nas", dense::nemotron_nas),
    ("nemotron_h", hybrid::nemotron_h),
    ("phi3", dense::windowed),
    ("phimoe", mixture::mixtral),
    ("qwen2", dense::qwen),
    ("qwen3", dense::qwen),
    ("qwen3_5", hybrid::qwen),
    ("qwen3_5_moe", hybrid::qwen),
    ("qwen3_moe", mixture::qwen3),
    ("qwen3_next", hybrid::qwen),
    ("step3p7", mixture::step),
];

/// A `config.json` that no model can be built from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is not a JSON object.
    #[error("not a JSON object: {0}")]
    NotJson(String),
    /// Its `model_type` is none of those that are understood.
    #[error(
        "unknown model_type `{found}`{}; known: {}{}",
        did_you_mean(*meant),
        known.join(", "),
        list(faults)
    )]
    UnknownType {
        /// The type as it is written; empty where there is none.
        found: String,
        /// The type that was probably meant.
        meant: Option<&'static str>,
        /// Every known type.
        known: Vec<&'static str>,
        /// Keys that any type would need and that are faulty too.
        faults: Vec<ConfigFault>,
    },
    /// Keys are missing, absurd or at odds.
    #[error("cannot read a `{model_type}` model{}", list(faults))]
    Faulty {
        /// Its `model_type`.
        model_type: String,
        /// Every fault found.
        faults: Vec<ConfigFault>,
    },
}

fn list(faults: &[ConfigFault]) -> String {
    let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
    if texts.is_empty() { String::new() } else { format!(": {}", texts.join("; ")) }
}

/// Every `model_type` that [`Model::from_config_json`] understands.
#[must_use]
pub fn known_model_types() -> Vec<&'static str> {
    FAMILIES.iter().map(|(name, _)| *name).collect()
}

impl Model {
    /// Builds a model from the text of a `config.json`. Its key and name are the `model_type`
    /// until the caller names it.
    ///
    /// # Errors
    /// [`ConfigError`], naming every missing or absurd key at once.
    pub fn from_config_json(text: &str) -> Result<Self, ConfigError> {
        match serde_json::from_str(text) {
            Ok(Value::Object(map)) => Self::from_config(&map),
            Ok(other) => Err(ConfigError::NotJson(format!("found {}", kind(&other)))),
            Err(error) => Err(ConfigError::NotJson(error.to_string())),
        }
    }

    /// Likewise from a parsed object.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn from_config(config: &Map<String, Value>) -> Result<Self, ConfigError> {
        let (map, outer) = match config.get("text_config").and_then(Value::as_object) {
            Some(text) => (text, Some(config)),
            None => (config, None),
        };
        let declared = |map: &Map<String, Value>| {
            map.get("model_type").and_then(Value::as_str).map(str::to_owned)
        };
        let found = declared(map).or_else(|| declared(config)).unwrap_or_default();
        let name = found.strip_suffix("_text").unwrap_or(&found);
        let mut keys = Keys::new(map, outer);
        let Some((_, family)) = FAMILIES.iter().find(|(known, _)| *known == name) else {
            return Err(unknown_type(found, keys));
        };

        let hidden = keys.width("hidden_size");
        let layers = group(family(&mut keys));
        let gemma = name.starts_with("gemma");
        let vocab = match keys.vocabulary("vocab_size") {
            Some(vocab) => vocab,
            None if gemma => dense::GEMMA_VOCABULARY,
            None => {
                keys.missing("vocab_size");
                1
            }
        };
        let max_context = keys.maybe_tokens("max_position_embeddings");
        let max_context = max_context.or(gemma.then_some(131_072)).unwrap_or_else(|| {
            keys.missing("max_position_embeddings");
            1
        });
        let model = Self {
            key: name.to_owned(),
            name: name.to_owned(),
            vendor: String::new(),
            release: String::new(),
            model_type: found.clone(),
            aliases: Vec::new(),
            hidden,
            vocab,
            per_layer_embedding: dense::per_layer_embedding(&mut keys),
            tied_embeddings: keys.flag("tie_word_embeddings", gemma),
            max_context,
            layers,
            speculative_layers: speculative_layers(&mut keys),
            native_precision: quantization::native_precision(&mut keys),
            published_total: None,
            published_active: None,
            shape: None,
        };
        if keys.faults.is_empty() {
            Ok(model)
        } else {
            Err(ConfigError::Faulty { model_type: found, faults: keys.faults })
        }
    }
}

impl Model {
    /// The same model in the formats of a side file `hf_quant_config.json`, as NVIDIA's checkpoints
    /// have.
    ///
    /// # Errors
    /// [`ConfigError`] for a text that is no object or an algorithm that is not known.
    pub fn with_quantization_json(self, text: &str) -> Result<Self, ConfigError> {
        let Ok(Value::Object(mut side)) = serde_json::from_str(text) else {
            return Err(ConfigError::NotJson("expected an hf_quant_config.json".to_owned()));
        };
        side.insert("quant_method".to_owned(), Value::from("modelopt"));
        let mut config = Map::new();
        config.insert("quantization_config".to_owned(), Value::Object(side));
        let mut keys = Keys::new(&config, None);
        let native_precision = quantization::native_precision(&mut keys);
        match keys.faults.is_empty() {
            true => Ok(Self { native_precision, ..self }),
            false => Err(ConfigError::Faulty { model_type: self.model_type, faults: keys.faults }),
        }
    }
}

/// Counts equal layers together, in order of first appearance.
fn group(layers: Vec<Layer>) -> Vec<LayerGroup> {
    let mut groups: Vec<LayerGroup> = Vec::new();
    for (attention, ffn) in layers {
        match groups.iter_mut().find(|group| group.attention == attention && group.ffn == ffn) {
            Some(group) => group.count += 1,
            None => groups.push(LayerGroup { count: 1, attention, ffn }),
        }
    }
    groups
}

fn speculative_layers(keys: &mut Keys<'_>) -> u64 {
    ["num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules"]
        .iter()
        .find_map(|key| keys.maybe_layers(key))
        .unwrap_or(0)
}

fn unknown_type(found: String, mut keys: Keys<'_>) -> ConfigError {
    for key in ["hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size"] {
        if !keys.has(key) {
            keys.missing(key);
        }
    }
    if found.is_empty() {
        keys.missing("model_type");
    }
    let known = known_model_types();
    let meant = suggest(&found, known.iter().copied());
    ConfigError::UnknownType { found, meant, known, faults: keys.faults }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
