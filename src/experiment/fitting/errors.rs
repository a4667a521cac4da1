//! Errors of rows, and rows left out of a fit.

use std::collections::BTreeSet;
use std::fmt;

use super::rows::Row;
use crate::foundations::least_squares::NoMinimum;
use crate::performance::Latencies;

/// How far the prediction of one row is off: predicted over measured, less 1.
#[derive(Clone, Debug, PartialEq)]
pub struct RowErrors {
    /// Key of the engine.
    pub engine: String,
    /// Key of the accelerator.
    pub accelerator: String,
    /// Key of the model.
    pub model: String,
    /// Of time per output token.
    pub tpot: f64,
    /// Of time to first token, where it was measured.
    pub ttft: Option<f64>,
}

impl RowErrors {
    pub(super) fn of(row: &Row<'_>, found: &Latencies) -> Self {
        let [engine, accelerator, model] = row.class().map(str::to_owned);
        Self {
            engine,
            accelerator,
            model,
            tpot: found.tpot_s / row.tpot_s - 1.0,
            ttft: row.ttft_s.map(|ttft_s| found.ttft_s / ttft_s - 1.0),
        }
    }
}

/// Which rows are left out together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// All of an accelerator.
    Accelerator,
    /// All of a model.
    Model,
    /// Every fifth.
    Fifth,
}

impl Fold {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Accelerator, Self::Model, Self::Fifth];

    fn group(self, index: usize, row: &Row<'_>) -> String {
        let [_, accelerator, model] = row.class();
        match self {
            Self::Accelerator => accelerator.to_owned(),
            Self::Model => model.to_owned(),
            // Neighbours in the file are points of one configuration: scatter them.
            Self::Fifth => (index.wrapping_mul(2_654_435_761) >> 16).rem_euclid(5).to_string(),
        }
    }
}

impl fmt::Display for Fold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accelerator => "accelerator",
            Self::Model => "model",
            Self::Fifth => "every fifth row",
        })
    }
}

/// Errors of all rows, each from a fit without its group.
#[derive(Clone, Debug)]
pub struct FoldErrors {
    /// What was left out.
    pub fold: Fold,
    /// By row.
    pub errors: Vec<RowErrors>,
}

impl FoldErrors {
    /// Mean error of time per output token.
    #[must_use]
    pub fn mean_tpot(&self) -> f64 {
        self.errors.iter().map(|row| row.tpot.abs()).sum::<f64>() / self.errors.len().max(1) as f64
    }
}

/// Predictions of all rows, each by `solve` on the rows that are not of its group.
pub(super) fn folds(
    fold: Fold,
    rows: &[Row<'_>],
    solve: impl Fn(&[usize]) -> Result<Vec<Latencies>, NoMinimum>,
) -> Result<Vec<Latencies>, NoMinimum> {
    let groups: Vec<String> =
        rows.iter().enumerate().map(|(index, row)| fold.group(index, row)).collect();
    let mut found = vec![Latencies { ttft_s: f64::NAN, tpot_s: f64::NAN }; rows.len()];
    for group in groups.iter().collect::<BTreeSet<_>>() {
        let kept: Vec<usize> = (0..rows.len()).filter(|&index| groups[index] != *group).collect();
        let predicted = solve(&kept)?;
        for (index, predicted) in predicted.into_iter().enumerate() {
            if groups[index] == *group {
                found[index] = predicted;
            }
        }
    }
    Ok(found)
}
