//! A catalog figure: a value that remembers where it comes from and how far to trust it.
//!
//! Published hardware and price figures disagree, are rounded, or are somebody's guess. A
//! [`Figure`] therefore carries its source, the date of that source, a [`Confidence`] letter, the
//! range that other sources span and whether it is *assumed*: recalled, inferred or a placeholder
//! rather than read. [`Provenance`] is the same as one flat row, for manifests and listings.
//!
//! ```
//! use tokenfleet::catalog::{Catalog, Confidence};
//!
//! let catalog = Catalog::embedded();
//! let rent = catalog.accelerator("h100-sxm")?.figure(tokenfleet::catalog::Field::OnDemand)?;
//! assert_eq!((rent.value, rent.low, rent.high), (2.77, Some(1.99), Some(12.29)));
//! assert_eq!(rent.confidence, Confidence::A);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

/// How far a figure can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub enum Confidence {
    /// A primary source, or two that agree.
    A,
    /// One dated secondary source.
    B,
    /// Recalled, estimated, or sources that conflict.
    C,
    /// A statement without evidence.
    D,
}

impl Confidence {
    /// The letter's meaning in a few words.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::A => "primary, or two agreeing sources",
            Self::B => "one dated secondary source",
            Self::C => "recalled, estimated or conflicting",
            Self::D => "a statement only",
        }
    }

    /// Reads a letter, as it stands in the data files.
    #[must_use]
    pub fn from_letter(letter: &str) -> Option<Self> {
        Some(match letter.trim() {
            "A" => Self::A,
            "B" => Self::B,
            "C" => Self::C,
            "D" => Self::D,
            _ => return None,
        })
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Where a figure was read, and when that was published or retrieved.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Source {
    /// The publication, file or page.
    pub text: String,
    /// Date of the source (`2026-08-21`, `2026-05`, `2026`), or empty where none is known.
    pub date: String,
}

/// A value with its range, source and standing.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure<T> {
    /// The value that is used.
    pub value: T,
    /// The lowest value that a source names, where sources span a range.
    pub low: Option<T>,
    /// The highest value that a source names.
    pub high: Option<T>,
    /// Where it comes from.
    pub source: Arc<Source>,
    /// How far to trust it.
    pub confidence: Confidence,
    /// True for what was recalled, inferred or put in as a placeholder.
    pub assumed: bool,
    /// What a reader must know to use it, or empty.
    pub note: String,
}

impl<T> Figure<T> {
    /// A figure stated by the user of the program, say in a scenario: beyond doubt, and named so.
    #[must_use]
    pub fn stated(value: T, by: &str) -> Self {
        Self {
            value,
            low: None,
            high: None,
            source: Arc::new(Source { text: by.to_owned(), date: String::new() }),
            confidence: Confidence::A,
            assumed: false,
            note: String::new(),
        }
    }

    /// Its row in a listing: `figure` of `what`, with the value as text.
    #[must_use]
    pub fn provenance(&self, what: &str, figure: &str, show: impl Fn(&T) -> String) -> Provenance {
        Provenance {
            what: what.to_owned(),
            figure: figure.to_owned(),
            value: show(&self.value),
            low: self.low.as_ref().map(&show).unwrap_or_default(),
            high: self.high.as_ref().map(&show).unwrap_or_default(),
            source: self.source.text.clone(),
            date: self.source.date.clone(),
            confidence: self.confidence,
            assumed: self.assumed,
            note: self.note.clone(),
        }
    }
}

/// One row of a listing of figures: what a result's manifest says of the numbers it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// Key of the catalog entry, such as `h100-sxm`.
    pub what: String,
    /// Name of the figure within it, such as `memory_bandwidth`.
    pub figure: String,
    /// The value with its unit.
    pub value: String,
    /// Lower end of the range named by sources, or empty.
    pub low: String,
    /// Upper end, or empty.
    pub high: String,
    /// Where it was read.
    pub source: String,
    /// Date of that source, or empty.
    pub date: String,
    /// How far to trust it.
    pub confidence: Confidence,
    /// True for what was recalled, inferred or put in as a placeholder.
    pub assumed: bool,
    /// Remark, or empty.
    pub note: String,
}
