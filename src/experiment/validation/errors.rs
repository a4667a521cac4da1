//! How far predictions are off: absolute and signed errors as shares of what was measured.

use std::collections::{BTreeMap, BTreeSet};

use super::comparison::{Class, Comparison};
use crate::foundations::statistics::order_statistic;

/// The errors of some comparisons.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Errors {
    /// Comparisons.
    pub rows: usize,
    /// Mean absolute error, as a share.
    pub mape: f64,
    /// Median of the same.
    pub median_ape: f64,
    /// What nine in ten stay below.
    pub p90_ape: f64,
    /// Median of the signed errors: above 0 where predictions are too high.
    pub bias: f64,
}

impl Errors {
    /// The errors of these comparisons; `None` of none.
    pub fn of<'a>(comparisons: impl IntoIterator<Item = &'a Comparison>) -> Option<Self> {
        let mut signed: Vec<f64> = comparisons.into_iter().map(Comparison::error).collect();
        let mut sizes: Vec<f64> = signed.iter().map(|error| error.abs()).collect();
        signed.sort_unstable_by(f64::total_cmp);
        sizes.sort_unstable_by(f64::total_cmp);
        Some(Self {
            rows: sizes.len(),
            mape: sizes.iter().sum::<f64>() / sizes.len() as f64,
            median_ape: median(&sizes)?,
            p90_ape: order_statistic(&sizes, 0.9)?,
            bias: median(&signed)?,
        })
    }
}

/// The middle of values in rising order, or the mean of the two in the middle.
fn median(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

/// The errors of one metric in one class; suspected rows apart.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorRow {
    /// Source, engine, accelerator, model.
    pub class: Class,
    /// The figure.
    pub metric: &'static str,
    /// What its rows are suspected of, if anything.
    pub suspect: Option<String>,
    /// How far it is off.
    pub errors: Errors,
}

/// The errors of every class and metric, by class.
#[must_use]
pub fn by_class(comparisons: &[Comparison]) -> Vec<ErrorRow> {
    let mut groups: BTreeMap<_, Vec<&Comparison>> = BTreeMap::new();
    for comparison in comparisons {
        let key = (&comparison.class, comparison.metric, &comparison.suspect);
        groups.entry(key).or_default().push(comparison);
    }
    let row = |((class, metric, suspect), group): (_, Vec<&Comparison>)| {
        let (class, suspect) = (Class::clone(class), Option::clone(suspect));
        Errors::of(group).map(|errors| ErrorRow { class, metric, suspect, errors })
    };
    groups.into_iter().filter_map(row).collect()
}

/// Which comparisons of a file a summary is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slice {
    /// All of them.
    All,
    /// Those that are suspected of nothing; only where some are.
    Unsuspected,
    /// Those that are suspected of this.
    Suspected(String),
    /// Unsuspected ones of one source.
    Source(String),
    /// Unsuspected ones of one engine.
    Engine(String),
    /// Unsuspected ones of one accelerator.
    Accelerator(String),
    /// Unsuspected ones of one model.
    Model(String),
}

impl Slice {
    /// The slices that a comparison belongs to.
    fn of(comparison: &Comparison) -> Vec<Self> {
        let class = &comparison.class;
        if let Some(suspicion) = &comparison.suspect {
            return vec![Self::All, Self::Suspected(suspicion.clone())];
        }
        vec![
            Self::All,
            Self::Unsuspected,
            Self::Source(class.source.clone()),
            Self::Engine(class.engine.clone()),
            Self::Accelerator(class.accelerator.clone()),
            Self::Model(class.model.clone()),
        ]
    }

    /// What kind of slice it is, and of what.
    #[must_use]
    pub fn name(&self) -> (&'static str, &str) {
        match self {
            Self::All => ("all", ""),
            Self::Unsuspected => ("unsuspected", ""),
            Self::Suspected(what) => ("suspected", what),
            Self::Source(name) => ("source", name),
            Self::Engine(name) => ("engine", name),
            Self::Accelerator(name) => ("accelerator", name),
            Self::Model(name) => ("model", name),
        }
    }
}

/// Sources of this name tell engines apart and nothing else.
const ENGINE_SOURCE: &str = "engine-tpot-";

/// The errors of every slice and metric of some comparisons. A slice that says nothing new is left
/// out: unsuspected rows where all are, the only source, engine, accelerator or model.
#[must_use]
pub fn by_slice(comparisons: &[Comparison]) -> Vec<(Slice, &'static str, Errors)> {
    let mut groups: BTreeMap<(Slice, &'static str), Vec<&Comparison>> = BTreeMap::new();
    for comparison in comparisons {
        for slice in Slice::of(comparison) {
            groups.entry((slice, comparison.metric)).or_default().push(comparison);
        }
    }
    let kinds: Vec<&'static str> = {
        let slices: BTreeSet<&Slice> = groups.keys().map(|(slice, _)| slice).collect();
        slices.into_iter().map(|slice| slice.name().0).collect()
    };
    let count = |wanted: &str| kinds.iter().filter(|kind| **kind == wanted).count();
    let tells = |slice: &Slice| match slice {
        Slice::All | Slice::Suspected(_) => true,
        Slice::Unsuspected => count("suspected") > 0,
        Slice::Source(name) => count("source") > 1 && !name.starts_with(ENGINE_SOURCE),
        other => count(other.name().0) > 1,
    };
    let told = groups.into_iter().filter(|((slice, _), _)| tells(slice));
    let row =
        |((slice, metric), group): (_, Vec<&Comparison>)| Some((slice, metric, Errors::of(group)?));
    told.filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(predicted: f64, metric: &'static str) -> Comparison {
        let class = Class {
            source: "s".into(),
            engine: "e".into(),
            accelerator: "a".into(),
            model: "m".into(),
        };
        Comparison {
            class,
            metric,
            predicted,
            measured: 100.0,
            suspect: None,
            line: 2,
            what: String::new(),
        }
    }

    #[test]
    fn errors_by_hand() {
        let found = [90.0, 104.0, 98.0, 130.0].map(|predicted| comparison(predicted, "tpot_ms"));
        let errors = Errors::of(&found).unwrap();
        let rounded = [errors.mape, errors.median_ape, errors.p90_ape, errors.bias];
        assert_eq!(rounded.map(|share| (share * 1000.0).round()), [115.0, 70.0, 300.0, 10.0]);
        assert_eq!(Errors::of(&[]), None);
    }

    #[test]
    fn classes_and_metrics_are_kept_apart() {
        let found = [comparison(90.0, "tpot_ms"), comparison(104.0, "ttft_ms")];
        let rows = by_class(&found);
        assert_eq!(rows.iter().map(|row| row.metric).collect::<Vec<_>>(), ["tpot_ms", "ttft_ms"]);
        assert!(rows.iter().all(|row| row.errors.rows == 1));
    }
}
