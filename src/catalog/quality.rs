//! What fewer bits cost in quality: the part of a benchmark's score that is kept, by number format.
//!
//! Published evaluations state scores of the same model in several formats. Here stands the ratio of
//! a format's mean score to that of 16 bits, for weights (with the activations that engines use with
//! them) and for keys and values. How a task's success follows from scores on benchmarks is not
//! known: it is taken to fall in proportion, so that what is kept of the score is kept of the chance
//! to get an answer right.
//!
//! ```
//! use tokenfleet::catalog::{Catalog, NumberFormat, Precision};
//!
//! let catalog = Catalog::embedded();
//! let bf16 = Precision::of(NumberFormat::Bf16);
//! let fp8 = Precision::of(NumberFormat::Fp8);
//! assert_eq!(catalog.quality_kept(&bf16, &bf16), 1.0);
//! assert!((0.99..1.0).contains(&catalog.quality_kept(&fp8, &bf16)));
//! // A model that was trained for a format loses nothing in it.
//! assert_eq!(catalog.quality_kept(&fp8, &fp8), 1.0);
//! ```

use serde::Deserialize;

use super::figure::{Confidence, Provenance};
use super::precision::{NumberFormat, Precision};

/// What is kept in one format.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QualityRow {
    /// `weights` or `kv`.
    pub part: String,
    /// Name of the format.
    pub format: String,
    /// Part of the score of 16 bits that is kept.
    pub kept: f64,
    /// Where that may lie.
    pub low: f64,
    /// See `low`.
    pub high: f64,
    /// Whether it is assumed rather than published.
    pub assumed: bool,
    /// How sure it is.
    pub confidence: Confidence,
    /// When it was published.
    pub date: String,
    /// Where.
    pub source: String,
    /// What it is of.
    pub note: String,
}

/// All of them.
///
/// # Errors
/// The reader's, with the line.
pub(super) fn read_all() -> Result<Vec<QualityRow>, csv::Error> {
    csv::Reader::from_reader(include_str!("quality.csv").as_bytes()).deserialize().collect()
}

impl QualityRow {
    /// For the list of what a pool stands on.
    pub fn provenance(&self, pool: &str) -> Provenance {
        Provenance {
            what: pool.to_owned(),
            figure: format!("quality.{}.{}", self.part, self.format),
            value: self.kept.to_string(),
            low: self.low.to_string(),
            high: self.high.to_string(),
            source: self.source.clone(),
            date: self.date.clone(),
            confidence: self.confidence,
            assumed: self.assumed,
            note: self.note.clone(),
        }
    }
}

/// Formats in which `used` is narrower than what a model was `native`ly published in: of these
/// something is lost. Experts count as weights, the narrower of the two.
pub(super) fn narrowed(used: &Precision, native: &Precision) -> Vec<(&'static str, NumberFormat)> {
    let bits = NumberFormat::bits_per_element;
    let (mut weights, mut trained) = (used.weights, native.weights);
    if bits(used.experts) < bits(native.experts) && bits(used.experts) < bits(weights) {
        (weights, trained) = (used.experts, native.experts);
    }
    let parts = [("weights", weights, trained), ("kv", used.kv, native.kv)];
    let narrower = parts.into_iter().filter(|&(_, used, native)| bits(used) < bits(native));
    narrower.map(|(part, used, _)| (part, used)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_narrow_format_has_its_row_within_its_bounds() {
        let rows = read_all().unwrap();
        for row in &rows {
            assert!(row.format.parse::<NumberFormat>().is_ok(), "{row:?}");
            assert!(0.5 < row.low && row.low <= row.kept && row.kept <= row.high, "{row:?}");
            assert!(row.high <= 1.0 && !row.source.is_empty(), "{row:?}");
        }
        for part in ["weights", "kv"] {
            for format in NumberFormat::ALL.into_iter().filter(|f| f.bits_per_element() < 16.0) {
                let of = |row: &&QualityRow| row.part == part && row.format == format.name();
                assert_eq!(rows.iter().filter(of).count(), 1, "{part} {}", format.name());
            }
        }
    }
}
