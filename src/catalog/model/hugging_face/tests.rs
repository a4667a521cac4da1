//! The importer on whole files: every family with the spellings and traps of its real
//! configurations, and files that must be refused.

use std::collections::BTreeSet;
use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::catalog::{Catalog, NumberFormat, Precision};

/// Name and text of every `tests/data/config/KEY.json`.
fn fixtures() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/config");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: PathBuf| {
        let key = path.file_stem().unwrap().to_string_lossy().into_owned();
        (key, std::fs::read_to_string(&path).unwrap())
    };
    files.into_iter().map(read).collect()
}

#[test]
fn every_family_reads_its_own_spelling() {
    let catalog = Catalog::embedded();
    let mut types = BTreeSet::new();
    for (key, text) in fixtures() {
        let read = Model::from_config_json(&text).unwrap_or_else(|error| panic!("{key}: {error}"));
        let held = catalog.model(&key).unwrap();
        assert_eq!(read.layers, held.layers, "{key}");
        assert_eq!(read.native_precision, held.native_precision, "{key}");
        assert_eq!(read.parameters(), held.parameters(), "{key}");
        assert_eq!(read.max_context, held.max_context, "{key}");
        assert_eq!(read.speculative_layers, held.speculative_layers, "{key}");
        types.insert(read.model_type.trim_end_matches("_text").to_owned());
    }
    let untested: Vec<&str> =
        known_model_types().into_iter().filter(|known| !types.contains(*known)).collect();
    // Names of the wrappers whose `text_config` says the type in the fixtures.
    assert_eq!(untested, ["kimi_k25", "kimi_k3"]);
}

#[test]
fn checkpoints_keep_the_formats_that_they_are_published_in() {
    use NumberFormat::{Bf16, Fp8, Int4, Mxfp4};
    let catalog = Catalog::embedded();
    let formats = |key: &str| {
        let precision = catalog.model(key).unwrap().native_precision;
        (precision.weights, precision.experts, precision.activations)
    };
    assert_eq!(formats("llama-3.3-70b"), (Bf16, Bf16, Bf16));
    assert_eq!(formats("deepseek-r1"), (Fp8, Fp8, Fp8));
    assert_eq!(formats("deepseek-v4-pro"), (Fp8, Mxfp4, Fp8));
    assert_eq!(formats("gpt-oss-120b"), (Bf16, Mxfp4, Bf16));
    assert_eq!(formats("kimi-k2.5"), (Bf16, Int4, Bf16));
    // Sizes of the published checkpoints in GB: 61 to 65 and 1,561.
    let size = |key: &str| {
        let model = catalog.model(key).unwrap();
        model.weight_bytes(&model.native_precision) as f64 / 1e9
    };
    assert!((61.0..66.0).contains(&size("gpt-oss-120b")), "{}", size("gpt-oss-120b"));
    assert!((size("kimi-k3") / 1561.0 - 1.0).abs() < 0.02, "{}", size("kimi-k3"));
    assert!((size("deepseek-r1") / 671.0 - 1.0).abs() < 0.01, "{}", size("deepseek-r1"));
}

fn llama(changes: Value) -> Result<Model, ConfigError> {
    let mut config = json!({
        "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
        "vocab_size": 128_256, "max_position_embeddings": 131_072
    });
    let (config, changes) = (config.as_object_mut().unwrap(), changes.as_object().unwrap());
    config.extend(changes.clone());
    Model::from_config(config)
}

fn faults(error: &ConfigError) -> Vec<(&str, &Problem)> {
    let (ConfigError::Faulty { faults, .. } | ConfigError::UnknownType { faults, .. }) = error
    else {
        return Vec::new();
    };
    faults.iter().map(|fault| (fault.key.as_str(), &fault.problem)).collect()
}

#[test]
fn absurd_numbers_are_refused_by_name() {
    for (key, value) in [
        ("num_hidden_layers", json!(0)),
        ("num_hidden_layers", json!(1e12)),
        ("hidden_size", json!(-4096)),
        ("hidden_size", json!(4096.5)),
        ("vocab_size", json!(u64::MAX)),
        ("num_attention_heads", json!("32")),
        ("intermediate_size", json!([14336])),
        ("max_position_embeddings", json!(1e300)),
        ("num_key_value_heads", json!(7)),
        ("tie_word_embeddings", json!("yes")),
        ("quantization_config", json!({"quant_method": "magic"})),
    ] {
        let mut changes = Map::new();
        changes.insert(key.to_owned(), value.clone());
        let error = llama(Value::Object(changes)).unwrap_err();
        assert!(faults(&error).iter().any(|(named, _)| *named == key), "{key} = {value}: {error}");
    }
}

#[test]
fn all_faults_come_at_once() {
    let error = llama(json!({
        "hidden_size": 0, "num_hidden_layers": null, "num_attention_heads": 32,
        "vocab_size": -1, "intermediate_size": null
    }))
    .unwrap_err();
    let keys: Vec<&str> = faults(&error).into_iter().map(|(key, _)| key).collect();
    for key in ["hidden_size", "num_hidden_layers", "vocab_size", "intermediate_size"] {
        assert!(keys.contains(&key), "{key} not in {keys:?}");
    }
}

#[test]
fn an_unknown_type_is_refused_with_the_known_ones_and_what_is_missing() {
    let error = Model::from_config_json(r#"{"model_type": "lama", "hidden_size": 8}"#).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("unknown model_type `lama` (did you mean `llama`?)"), "{text}");
    assert!(text.contains("qwen3_5_moe"), "{text}");
    assert!(text.contains("`num_hidden_layers` is missing"), "{text}");
    let text = Model::from_config_json("{}").unwrap_err().to_string();
    assert!(text.contains("`model_type` is missing"), "{text}");
}

#[test]
fn text_that_is_no_object_is_refused() {
    for text in ["", "[]", "null", "{", "{\"model_type\": \"llama\"", "3"] {
        let error = Model::from_config_json(text).unwrap_err();
        assert!(matches!(error, ConfigError::NotJson(_)), "{text}: {error}");
    }
}

#[test]
fn side_files_change_the_formats() {
    let model = llama(json!({})).unwrap();
    let side = r#"{"quantization": {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8"}}"#;
    let precision = model.with_quantization_json(side).unwrap().native_precision;
    assert_eq!(precision.weights, NumberFormat::Nvfp4);
    assert_eq!(precision.kv, NumberFormat::Fp8);
    let model = llama(json!({})).unwrap();
    assert!(model.with_quantization_json(r#"{"quantization": {"quant_algo": "X"}}"#).is_err());
}

/// A value that a key may be damaged to.
fn damage() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!({})),
        Just(json!([])),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0u64..1 << 18).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::collection::vec(any::<u16>(), 0..200).prop_map(Value::from),
    ]
}

/// Sets the `choice`-th key of the (nested) configuration to `value`.
fn damaged(config: &mut Value, choice: usize, value: Value) {
    let nested = config.get("text_config").is_some_and(Value::is_object);
    let object = match nested && !choice.is_multiple_of(8) {
        true => &mut config["text_config"],
        false => config,
    };
    let object = object.as_object_mut().unwrap();
    if object.is_empty() {
        return;
    }
    let key = object.keys().nth(choice % object.len()).unwrap().clone();
    object.insert(key, value);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    /// Whatever stands in a file, it is read or refused; what is read has figures.
    #[test]
    fn damaged_files_never_panic(
        file in 0usize..64,
        changes in prop::collection::vec((any::<usize>(), damage()), 1..4),
    ) {
        let fixtures = fixtures();
        let (_, text) = &fixtures[file % fixtures.len()];
        let mut config: Value = serde_json::from_str(text).unwrap();
        for (choice, value) in changes {
            damaged(&mut config, choice, value);
        }
        if let Ok(model) = Model::from_config(config.as_object().unwrap()) {
            prop_assert!(model.parameters().total() > 0);
            prop_assert!(model.weight_bytes(&model.native_precision) > 0);
            prop_assert!(model.kv_bytes(1 << 40, NumberFormat::Fp32).is_finite());
        }
    }
}

/// Sizes raised one after another to the greatest power of two that is accepted: no figure
/// overflows.
#[test]
fn the_greatest_sizes_have_figures() {
    for (key, text) in fixtures() {
        let mut config: Value = serde_json::from_str(&text).unwrap();
        if let Some(text) = config.get_mut("text_config") {
            config = text.take();
        }
        let config = config.as_object_mut().unwrap();
        let numbers = config.iter().filter(|(_, value)| value.is_u64());
        for name in numbers.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            let real = config[&name].clone();
            let greatest = (0..=41).rev().find(|power| {
                config.insert(name.clone(), json!(1u64 << power));
                Model::from_config(config).is_ok()
            });
            if greatest.is_none() {
                config.insert(name, real);
            }
        }
        let model = Model::from_config(config).unwrap_or_else(|error| panic!("{key}: {error}"));
        let parameters = model.parameters();
        assert!(parameters.total() >= parameters.active(), "{key}");
        assert!(model.weight_bytes(&Precision::of(NumberFormat::Fp32)) > parameters.total());
        assert!(model.kv_bytes(1 << 40, NumberFormat::Fp32) > 0.0, "{key}");
    }
}
