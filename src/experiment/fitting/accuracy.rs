//! Errors by class, for predictions to carry.

use std::collections::BTreeMap;

use super::errors::{Fold, RowErrors};
use super::search::Fitted;
use crate::catalog::{Basis, ClassError, Latency};

/// The errors of a fit by class, as the catalog holds them.
#[must_use]
pub fn accuracy(fitted: &Fitted) -> Vec<ClassError> {
    let mut found = Vec::new();
    for latency in [Latency::Tpot, Latency::Ttft] {
        let all =
            |row: &RowErrors| [row.engine.clone(), row.accelerator.clone(), row.model.clone()];
        classes(latency, Basis::Measured, &fitted.errors, all, &mut found);
        let left_out = |of: Fold| {
            let fold = fitted.folds.iter().find(|fold| fold.fold == of);
            fold.map_or(&[][..], |fold| &fold.errors)
        };
        let any = || "*".to_owned();
        let same_hardware = |row: &RowErrors| [row.engine.clone(), row.accelerator.clone(), any()];
        let same_engine = |row: &RowErrors| [row.engine.clone(), any(), any()];
        let model = left_out(Fold::Model);
        classes(latency, Basis::ModelLeftOut, model, same_hardware, &mut found);
        let accelerator = left_out(Fold::Accelerator);
        classes(latency, Basis::AcceleratorLeftOut, accelerator, same_engine, &mut found);
        classes(
            latency,
            Basis::AcceleratorLeftOut,
            accelerator,
            |_| [any(), any(), any()],
            &mut found,
        );
    }
    found
}

fn classes(
    latency: Latency,
    basis: Basis,
    rows: &[RowErrors],
    class: impl Fn(&RowErrors) -> [String; 3],
    found: &mut Vec<ClassError>,
) {
    let mut sizes: BTreeMap<[String; 3], Vec<f64>> = BTreeMap::new();
    for row in rows {
        let error = match latency {
            Latency::Tpot => Some(row.tpot),
            Latency::Ttft => row.ttft,
        };
        if let Some(error) = error.filter(|error| error.is_finite()) {
            sizes.entry(class(row)).or_default().push(error.abs());
        }
    }
    let rounded = |error: f64| libm::round(error * 1e4) / 1e4;
    found.extend(sizes.into_iter().map(|(class, mut sizes)| {
        sizes.sort_unstable_by(f64::total_cmp);
        let [engine, accelerator, model] = class;
        let middle = f64::midpoint(sizes[sizes.len() / 2], sizes[(sizes.len() - 1) / 2]);
        let mean = sizes.iter().sum::<f64>() / sizes.len() as f64;
        ClassError {
            latency,
            basis,
            engine,
            accelerator,
            model,
            rows: sizes.len() as u32,
            error: rounded(middle),
            mean_error: rounded(mean),
        }
    }));
}
