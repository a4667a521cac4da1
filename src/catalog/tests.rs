//! The catalog as a whole: names, additions, sources, assumptions.

use std::collections::BTreeMap;

use super::*;

fn changes(text: &str) -> toml::Table {
    text.parse().unwrap()
}

#[test]
fn every_name_of_a_model_finds_that_model() {
    let catalog = Catalog::embedded();
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    for model in catalog.models() {
        for name in model.aliases.iter().chain([&model.key]) {
            let held = owners.insert(name.to_lowercase(), &model.key);
            assert_eq!(held, None, "{name} stands for two models");
            assert_eq!(catalog.model(name).map(|found| &found.key), Ok(&model.key), "{name}");
        }
    }
    // 70 shapes, of which two are listed under two names.
    assert_eq!(catalog.models().count(), 72);
    assert!(catalog.model("META-LLAMA/meta-llama-3.1-8b-instruct").is_ok());
}

#[test]
fn an_accelerator_may_be_built_on_another_or_from_nothing() {
    let mut catalog = Catalog::embedded();
    let own = changes(
        r#"
        memory = "96 GiB"
        fp4 = { value = "2 PFLOPS", low = "1 PFLOPS" }
        on_demand = "$1.50 /h"
        name = "Mine"
        "#,
    );
    catalog.add_accelerator("mine", Some("H100 SXM"), &own, "scenario").unwrap();
    let mine = catalog.accelerator("mine").unwrap();
    assert_eq!((mine.name.as_str(), mine.base.as_deref()), ("Mine", Some("h100-sxm")));
    assert_eq!(mine.memory(), Ok(96.0 * f64::from(1 << 30)));
    assert_eq!(mine.memory_bandwidth(), Ok(3.35e12));
    assert_eq!(mine.figure(Field::OnDemand).unwrap().source.text, "scenario");
    // The base keeps its names and its figures.
    assert_eq!(catalog.accelerator("h100").map(|found| found.key.as_str()), Ok("h100-sxm"));
    assert_eq!(catalog.accelerator("h100").unwrap().on_demand_usd_per_hour(), Ok(2.77));

    catalog.add_accelerator("bare", None, &changes(r#"tdp = "10 W""#), "scenario").unwrap();
    assert!(catalog.accelerator("bare").unwrap().memory().is_err());
    catalog.add_accelerator("h100-sxm", Some("h100-sxm"), &own, "scenario").unwrap();
    assert_eq!(catalog.accelerator("h100").unwrap().on_demand_usd_per_hour(), Ok(1.5));
}

#[test]
fn a_model_may_be_built_on_another_by_the_keys_of_its_configuration() {
    let mut catalog = Catalog::embedded();
    let deeper = changes("num_hidden_layers = 40");
    catalog.add_model("llama-9b", Some("llama-3.1-8b"), &deeper, "scenario").unwrap();
    let [base, deeper] = ["llama-3.1-8b", "llama-9b"].map(|key| catalog.model(key).unwrap());
    let per_layer = (base.parameters().total() - 2 * 128_256 * 4096 - 4096) / 32;
    assert_eq!(deeper.parameters().total(), base.parameters().total() + 8 * per_layer);
    assert_eq!(deeper.published_total, None);

    let error = catalog
        .add_model("broken", Some("llama-3.1-8b"), &changes("num_hidden_layers = 0"), "scenario")
        .unwrap_err();
    assert!(error.to_string().contains("`num_hidden_layers` is 0"), "{error}");
    let text = r#"{"model_type": "llama"}"#;
    let error = catalog.add_model_config("broken", text, "file").unwrap_err();
    let faults: Vec<String> = error.faults().iter().map(ToString::to_string).collect();
    assert!(faults.len() >= 5, "{faults:?}");
    assert!(faults.contains(&"llama model `broken`: `vocab_size` is missing".to_owned()));
    assert!(catalog.model("broken").is_err());
}

#[test]
fn bad_additions_are_refused() {
    let mut catalog = Catalog::embedded();
    let nothing = toml::Table::new();
    let base = catalog.add_accelerator("x", Some("h1000"), &nothing, "scenario").unwrap_err();
    assert!(matches!(base, EntryError::Base(_)), "{base}");
    let field = catalog.add_accelerator("x", None, &changes("memory = 80"), "scenario");
    assert!(field.unwrap_err().to_string().contains("80 without a unit"));
    let field = changes(r#"memory_bandwidht = "4 TB/s""#);
    let field = catalog.add_accelerator("x", None, &field, "scenario").unwrap_err();
    assert!(field.to_string().contains("did you mean `memory_bandwidth`?"), "{field}");
    assert!(catalog.add_engine("x", None, &nothing, "scenario").is_err());
    assert!(catalog.add_region("x", Some("us"), &changes("pue = 0.9"), "scenario").is_err());
    assert!(catalog.accelerator("x").is_err());
}

#[test]
fn a_deployment_has_the_sources_of_all_its_figures() {
    let catalog = Catalog::embedded();
    let rows = catalog.sources_of("gb200", "deepseek-r1", "trtllm").unwrap();
    for what in ["gb200-nvl72", "deepseek-r1", "tensorrt-llm"] {
        assert!(rows.iter().any(|row| row.what == what), "{what}");
    }
    assert!(rows.iter().all(|row| !row.source.is_empty() && !row.value.is_empty()));
    let memory = rows.iter().find(|row| row.figure == "memory").unwrap();
    assert_eq!((memory.value.as_str(), memory.confidence), ("184.31 GiB", Confidence::A));
}

#[test]
fn what_is_assumed_can_be_listed() {
    let assumed = Catalog::embedded().assumptions();
    let lists = |what: &str, figure: &str| {
        assumed.iter().any(|row| row.what == what && row.figure == figure)
    };
    assert!(lists("norway", "electricity"));
    assert!(lists("vr200-nvl72", "memory"));
    assert!(lists("mistral-small-3-24b", "shape"));
    assert!(lists("vllm", "kernels_experts"));
    assert!(!lists("h100-sxm", "memory_bandwidth"));
    assert!(
        assumed.iter().all(|row| row.confidence >= Confidence::C || row.what.contains(" from "))
    );
}

/// Figures that a planner would look up first, as they are published.
#[test]
fn the_first_figures_looked_up_are_the_published_ones() {
    let catalog = Catalog::embedded();
    let chip = |key: &str, field: Field| catalog.accelerator(key).unwrap().value(field).unwrap();
    assert_eq!(chip("h200-sxm", Field::MemoryBandwidth), 4.8e12);
    assert_eq!(chip("vr200", Field::PeakFp4), 35e15);
    assert_eq!(chip("gb300-nvl72", Field::OwnerCost), 2.652);
    assert_eq!(chip("mi300x", Field::PeakBf16), 1307.4e12);
    let kv = |key: &str| catalog.model(key).unwrap().kv_bytes_per_token(NumberFormat::Fp8);
    assert_eq!(kv("llama-3.3-70b"), 163_840.0);
    assert_eq!(kv("deepseek-r1"), 35_136.0);
    assert_eq!(catalog.region("texas").unwrap().electricity.value, 0.0725);
}
