//! Published quantiles of recordings that are here only in part.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::Pair;
use crate::cli::failure::Failure;
use crate::foundations::Law;
use crate::report::likeness::Whole;

/// The file of a folder of recordings that holds them.
const FILE: &str = "empirical_quantiles.json";

/// Tables of quantiles by name.
#[derive(Default, Deserialize)]
pub(super) struct Tables {
    probabilities: Vec<f64>,
    tables: BTreeMap<String, Table>,
}

/// One of them: how many values it is of, their mean and standard deviation, and their quantiles.
#[derive(Deserialize)]
struct Table {
    #[serde(rename = "n")]
    count: Option<u64>,
    mean: f64,
    sd: f64,
    quantiles: Vec<f64>,
}

impl Tables {
    /// Those of a folder; none where it has no such file.
    ///
    /// # Errors
    /// A file that holds something else.
    pub(super) fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(FILE);
        if !path.exists() {
            return Ok(Self::default());
        }
        serde_json::from_slice(&std::fs::read(&path)?)
            .map_err(|fault| Failure::Usage(format!("`{}`: {fault}", path.display())))
    }

    /// What they say of a pair's recording.
    pub(super) fn of(&self, pair: &Pair) -> Vec<Whole> {
        let whole = |&(of, name, more): &(_, &str, f64)| {
            let Table { count, mean, sd, quantiles } = self.tables.get(name)?;
            let values = quantiles.iter().map(|value| value + more);
            let points: Vec<_> = self.probabilities.iter().copied().zip(values).collect();
            let law = Law::empirical(&points).ok()?;
            let count = (*count)?;
            let error = sd / libm::sqrt(count as f64);
            Some(Whole { of, count, mean: mean + more, error, law })
        };
        pair.tables.iter().filter_map(whole).collect()
    }
}
