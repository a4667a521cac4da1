//! The accelerators of the catalog against what holds of all hardware.

use super::*;
use crate::catalog::Catalog;

#[test]
fn every_name_finds_one_accelerator() {
    let catalog = Catalog::embedded();
    let mut names: Vec<String> = Vec::new();
    for accelerator in catalog.accelerators() {
        for name in accelerator.aliases.iter().chain([&accelerator.key, &accelerator.name]) {
            assert_eq!(catalog.accelerator(name).map(|a| &a.key), Ok(&accelerator.key), "{name}");
        }
        names.push(accelerator.key.clone());
        names.extend(accelerator.aliases.iter().cloned());
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "a name stands for two accelerators");
    assert!(catalog.accelerators().count() >= 40);
}

/// Sparse rates, twice the dense ones, are the usual error in tables of hardware.
#[test]
fn eight_bit_rates_are_twice_the_sixteen_bit_ones() {
    let catalog = Catalog::embedded();
    for accelerator in catalog.accelerators() {
        let rate = |format| accelerator.peak_flops(format).map(|figure| figure.value);
        let expected = match accelerator.key.as_str() {
            "vr200-nvl72" => 4.375,
            "trainium3" => 3.75,
            "gaudi-3" | "tpu-v6e" => 1.0,
            _ => 2.0,
        };
        if let (Some(bf16), Some(fp8)) = (rate(ComputeFormat::Bf16), rate(ComputeFormat::Fp8)) {
            let ratio = fp8 / bf16;
            assert!((ratio / expected - 1.0).abs() < 0.03, "{}: {ratio}", accelerator.key);
        }
    }
}

#[test]
fn figures_of_one_chip_are_of_one_chip() {
    let within = |field: Field| match field {
        Field::Memory => (1e8, 2e12),
        Field::MemoryBandwidth => (2e11, 2.2e16),
        Field::LinkDomain => (1.0, 1e4),
        Field::Purchase | Field::ClusterCost => (1e3, 2.5e6),
        Field::IdlePower => (5.0, 3e3),
        Field::OnDemand | Field::Reserved | Field::Spot | Field::OwnerCost => (0.2, 20.0),
        _ => match field.kind() {
            FieldKind::Chip => (1e13, 1.3e17),
            FieldKind::Link => (5e9, 6e12),
            _ => (40.0, 2.4e4),
        },
    };
    for accelerator in Catalog::embedded().accelerators() {
        for (field, figure) in accelerator.figures() {
            let (least, most) = within(field);
            let Figure { value, low, high, source, .. } = figure;
            let what = format!("{} {field} = {value}", accelerator.key);
            assert!((least..=most).contains(value), "{what}");
            assert!(low.is_none_or(|low| low <= *value), "{what}");
            assert!(high.is_none_or(|high| high >= *value), "{what}");
            assert!(!source.text.is_empty(), "{what} has no source");
        }
        for (less, more) in [
            (Field::Tdp, Field::ServerPower),
            (Field::ServerPower, Field::FacilityPower),
            (Field::Spot, Field::OnDemand),
        ] {
            if let (Ok(less), Ok(more)) = (accelerator.value(less), accelerator.value(more)) {
                assert!(less <= more, "{}: {less} > {more}", accelerator.key);
            }
        }
    }
}

#[test]
fn chips_without_a_published_figure_are_listed_all_the_same() {
    let catalog = Catalog::embedded();
    let error = catalog.accelerator("tpu-8i").unwrap().memory_bandwidth().unwrap_err();
    assert_eq!(error.field, Field::MemoryBandwidth);
    let error = catalog.accelerator("vr200").unwrap().on_demand_usd_per_hour().unwrap_err();
    assert_eq!(
        error.to_string(),
        "no on_demand is published for `vr200-nvl72`; state one: on_demand = \"$2.49 /h\" in an \
         entry with base = \"vr200-nvl72\""
    );
}
