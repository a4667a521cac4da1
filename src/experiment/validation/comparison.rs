//! What was predicted beside what was measured.

use std::collections::BTreeMap;

use super::configuration::{Configuration, Unmodelled};

/// What a comparison belongs to in the tables of errors.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class {
    /// Who measured, or in which file it stands.
    pub source: String,
    /// Key of the engine.
    pub engine: String,
    /// Key of the accelerator.
    pub accelerator: String,
    /// Key of the model.
    pub model: String,
}

impl Class {
    /// The class of a configuration that `source` measured.
    #[must_use]
    pub fn of(source: &str, configuration: &Configuration<'_>) -> Self {
        let deployment = &configuration.deployment;
        Self {
            source: source.to_owned(),
            engine: deployment.engine.key.clone(),
            accelerator: deployment.accelerator.key.clone(),
            model: deployment.model.key.clone(),
        }
    }
}

/// One figure, predicted and measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Where it belongs.
    pub class: Class,
    /// Which figure, with its unit: `tpot_ms`.
    pub metric: &'static str,
    /// As the simulator has it.
    pub predicted: f64,
    /// As it was measured.
    pub measured: f64,
    /// What the row is suspected of; such rows are a class of their own.
    pub suspect: Option<String>,
    /// The row's line in its file.
    pub line: u64,
    /// The configuration and load, in the row's own words.
    pub what: String,
}

impl Comparison {
    /// The figures of one row that are known on both sides: metric, predicted, measured.
    pub(super) fn all(
        class: &Class,
        line: u64,
        what: &str,
        suspect: &Option<String>,
        figures: impl IntoIterator<Item = (&'static str, Option<f64>, Option<f64>)>,
    ) -> Vec<Self> {
        let known = figures.into_iter().filter_map(|(metric, predicted, measured)| {
            Some((metric, predicted.filter(|value| value.is_finite())?, measured?))
        });
        let comparison = |(metric, predicted, measured)| Self {
            class: class.clone(),
            metric,
            predicted,
            measured,
            suspect: suspect.clone(),
            line,
            what: what.to_owned(),
        };
        known.map(comparison).collect()
    }

    /// Predicted over measured, less 1.
    #[must_use]
    pub fn error(&self) -> f64 {
        self.predicted / self.measured - 1.0
    }
}

/// What became of one row.
pub(super) type Outcome = Result<Vec<Comparison>, Unmodelled>;

/// What became of the rows of one file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileFindings {
    /// The file's name.
    pub file: &'static str,
    /// Rows in it.
    pub rows: usize,
    /// What was compared, in the order of the rows.
    pub comparisons: Vec<Comparison>,
    /// Why rows were not compared, with their lines.
    pub missed: BTreeMap<String, Vec<u64>>,
}

impl FileFindings {
    /// Gathers the outcomes of the rows of a file, each with its line.
    pub(super) fn gather(
        file: &'static str,
        outcomes: impl IntoIterator<Item = (u64, Outcome)>,
    ) -> Self {
        let mut found =
            Self { file, rows: 0, comparisons: Vec::new(), missed: BTreeMap::default() };
        for (line, outcome) in outcomes {
            found.rows += 1;
            match outcome {
                Ok(comparisons) => found.comparisons.extend(comparisons),
                Err(reason) => found.missed.entry(reason.to_string()).or_default().push(line),
            }
        }
        found
    }

    /// Rows that were not compared.
    #[must_use]
    pub fn missed_rows(&self) -> usize {
        self.missed.values().map(Vec::len).sum()
    }
}
