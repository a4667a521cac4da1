//! How far the model's predictions are off, by engine, accelerator and model: what a prediction's
//! band stands on.
//!
//! The table is written by `tokenfleet fit` and compiled in. A prediction for a combination that was
//! measured has the error of its rows. One for a model that was not measured on that engine and
//! accelerator has the error that its rows had when their own model was left out of the fit; one for
//! another accelerator, that of rows whose accelerator was left out.
//!
//! ```
//! use tokenfleet::catalog::{Accuracy, Basis, Latency};
//!
//! let known = Accuracy::embedded();
//! let measured = known.expected(Latency::Tpot, "vllm", "h100-sxm", "llama-3.1-70b").unwrap();
//! assert_eq!(measured.basis, Basis::Measured);
//! let other = known.expected(Latency::Tpot, "vllm", "mi300x", "llama-3.1-70b").unwrap();
//! assert_eq!(other.basis, Basis::AcceleratorLeftOut);
//! assert!(other.expected() > measured.expected());
//! ```

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// A latency whose prediction has been held against measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Latency {
    /// Time per output token.
    Tpot,
    /// Time to first token.
    Ttft,
}

/// What an error was observed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Rows of this engine, accelerator and model that the constants were fitted to.
    Measured,
    /// Rows of this engine and accelerator, each with its model left out of the fit.
    ModelLeftOut,
    /// Rows of this engine, each with its accelerator left out.
    AcceleratorLeftOut,
}

/// The error of one class of predictions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassError {
    /// Which latency.
    pub latency: Latency,
    /// What the error was observed on.
    pub basis: Basis,
    /// Key of the engine, `*` for all.
    pub engine: String,
    /// Key of the accelerator, `*` for all.
    pub accelerator: String,
    /// Key of the model, `*` for all.
    pub model: String,
    /// Measured rows.
    pub rows: u32,
    /// Median of the absolute errors, as a share of what was measured.
    pub error: f64,
    /// Mean of the same.
    pub mean_error: f64,
}

impl ClassError {
    /// What to expect of a prediction: the median where its like was measured; the mean, which is
    /// larger, where it is extrapolated.
    #[must_use]
    pub fn expected(&self) -> f64 {
        match self.basis {
            Basis::Measured => self.error,
            Basis::ModelLeftOut | Basis::AcceleratorLeftOut => self.mean_error,
        }
    }
}

/// Errors of all classes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Accuracy(Vec<ClassError>);

/// Rows below which a class says too little by itself.
const LEAST_ROWS: u32 = 5;

impl Accuracy {
    /// The table that is compiled in.
    #[must_use]
    pub fn embedded() -> &'static Self {
        static TABLE: OnceLock<Accuracy> = OnceLock::new();
        // That it can be read is tested below.
        TABLE.get_or_init(|| Self::read(include_str!("accuracy.csv")).unwrap_or_default())
    }

    /// Reads what [`Accuracy::to_csv`] wrote.
    ///
    /// # Errors
    /// The reader's.
    pub fn read(text: &str) -> Result<Self, csv::Error> {
        let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
        reader.deserialize().collect::<Result<_, _>>().map(Self)
    }

    /// Rows as a data file.
    #[must_use]
    pub fn to_csv(rows: &[ClassError]) -> String {
        let head = "# Errors of the step-time model by class, by `tokenfleet fit`.\n";
        let mut writer = csv::Writer::from_writer(head.as_bytes().to_vec());
        // Nothing fails in memory.
        rows.iter().for_each(|row| writer.serialize(row).unwrap_or_default());
        let text = writer.into_inner().unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// All classes.
    #[must_use]
    pub fn classes(&self) -> &[ClassError] {
        &self.0
    }

    /// Keys of the models that were measured.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        let measured = self.0.iter().filter(|row| row.basis == Basis::Measured);
        measured.map(|row| row.model.as_str())
    }

    /// The class that says most of a prediction for this engine, accelerator and model; none where
    /// nothing at all was measured.
    #[must_use]
    pub fn expected(
        &self,
        latency: Latency,
        engine: &str,
        accelerator: &str,
        model: &str,
    ) -> Option<&ClassError> {
        let find = |basis, wanted: [&str; 3]| {
            self.0.iter().find(|row| {
                let keys = [&row.engine, &row.accelerator, &row.model];
                row.latency == latency
                    && row.basis == basis
                    && row.rows >= LEAST_ROWS
                    && keys.iter().zip(wanted).all(|(key, wanted)| *key == wanted)
            })
        };
        find(Basis::Measured, [engine, accelerator, model])
            .or_else(|| find(Basis::ModelLeftOut, [engine, accelerator, "*"]))
            .or_else(|| find(Basis::AcceleratorLeftOut, [engine, "*", "*"]))
            .or_else(|| find(Basis::AcceleratorLeftOut, ["*"; 3]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_reads_and_falls_back_from_what_was_measured() {
        let text = include_str!("accuracy.csv");
        let table = Accuracy::read(text).unwrap();
        assert_eq!(Accuracy::to_csv(table.classes()), text);
        let basis = |engine, accelerator, model| {
            table.expected(Latency::Tpot, engine, accelerator, model).unwrap().basis
        };
        assert_eq!(basis("vllm", "h100-sxm", "llama-3.1-70b"), Basis::Measured);
        assert_eq!(basis("vllm", "h100-sxm", "llama-3.1-405b"), Basis::ModelLeftOut);
        assert_eq!(basis("vllm", "mi300x", "llama-3.1-70b"), Basis::AcceleratorLeftOut);
        assert_eq!(basis("my-engine", "mi300x", "llama-3.1-70b"), Basis::AcceleratorLeftOut);
        let sound = |row: &ClassError| row.rows > 0 && row.error > 0.0 && row.error < 1.0;
        assert!(table.classes().iter().all(sound));
    }
}
