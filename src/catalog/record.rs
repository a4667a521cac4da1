//! Reading catalog records: TOML tables whose figures are bare values or tables with a standing.
//!
//! A figure is written bare, `tdp = "700 W"`, and then stands on the record's own source and
//! confidence; or in full:
//!
//! ```toml
//! on_demand = { value = "$2.77 /h", low = "$1.99 /h", high = "$12.29 /h", source = "index",
//!               confidence = "A", note = "index; lists of providers span the range" }
//! ```
//!
//! `source` names an entry of the file's `[sources]` table. A source with `assumed = true`
//! (recalled, never looked up) marks everything that stands on it as assumed; what is assumed has
//! a confidence of C at most.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::figure::{Confidence, Figure, Source};
use super::name::did_you_mean;
use crate::foundations::error::{choices, suggest};
use crate::foundations::units::Dimension;

/// A field of an entry that cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// There is no such field.
    #[error(
        "unknown field `{name}` of {kind} `{key}`{}; choose from: {}",
        did_you_mean(meant.as_deref()),
        choices(name, valid.iter().map(String::as_str))
    )]
    Unknown {
        /// What kind of entry: `accelerator`, `engine`, ...
        kind: &'static str,
        /// The entry's key.
        key: String,
        /// The field as it was written.
        name: String,
        /// The field that was probably meant.
        meant: Option<String>,
        /// Every valid name.
        valid: Vec<String>,
    },
    /// The value is of the wrong kind, out of range, or not readable.
    #[error("`{name}` of {kind} `{key}`: {reason}")]
    Bad {
        /// What kind of entry.
        kind: &'static str,
        /// The entry's key.
        key: String,
        /// The field.
        name: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
}

impl FieldError {
    pub(super) fn unknown(kind: &'static str, key: &str, name: &str, valid: Vec<String>) -> Self {
        let meant = suggest(name, valid.iter().map(String::as_str)).map(str::to_owned);
        Self::Unknown { kind, key: key.to_owned(), name: name.to_owned(), meant, valid }
    }

    pub(super) fn bad(
        kind: &'static str,
        key: &str,
        name: &str,
        reason: impl Into<String>,
    ) -> Self {
        Self::Bad { kind, key: key.to_owned(), name: name.to_owned(), reason: reason.into() }
    }
}

/// The sources of a data file, by their names there.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources(BTreeMap<String, (Arc<Source>, bool)>);

impl Sources {
    /// Reads the `[sources]` table.
    pub(super) fn read(table: Option<&toml::Value>) -> Self {
        let text = |source: &toml::Value, key: &str| {
            source.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned()
        };
        let entries = table.and_then(toml::Value::as_table).into_iter().flatten();
        let read = entries.map(|(name, source)| {
            let assumed = source.get("assumed").and_then(toml::Value::as_bool).unwrap_or(false);
            let source = Source { text: text(source, "text"), date: text(source, "date") };
            (name.clone(), (Arc::new(source), assumed))
        });
        Self(read.collect())
    }

    /// The source of this name and whether it was only recalled.
    fn get(&self, name: &str) -> Result<(Arc<Source>, bool), String> {
        self.0.get(name).cloned().ok_or_else(|| format!("no entry `{name}` in [sources]"))
    }
}

/// The standing of figures that state none of their own.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) source: Arc<Source>,
    pub(super) confidence: Confidence,
    pub(super) assumed: bool,
}

impl Standing {
    /// What the user of the program states.
    pub(super) fn stated(by: &str) -> Self {
        let source = Arc::new(Source { text: by.to_owned(), date: String::new() });
        Self { source, confidence: Confidence::A, assumed: false }
    }

    /// The standing that `table` states by `source`, `confidence` and `assumed`, over `self`.
    pub(super) fn with(&self, table: &toml::Table, sources: &Sources) -> Result<Self, String> {
        let mut standing = self.clone();
        if let Some(name) = table.get("source").and_then(toml::Value::as_str) {
            (standing.source, standing.assumed) = sources.get(name)?;
        }
        if let Some(letter) = table.get("confidence").and_then(toml::Value::as_str) {
            standing.confidence = Confidence::from_letter(letter)
                .ok_or_else(|| format!("confidence `{letter}` is none of A, B, C, D"))?;
        }
        if let Some(assumed) = table.get("assumed").and_then(toml::Value::as_bool) {
            standing.assumed = assumed;
        }
        if standing.assumed {
            standing.confidence = standing.confidence.max(Confidence::C);
        }
        Ok(standing)
    }
}

/// Reads a figure: a bare quantity, or a table with one and its standing.
pub(super) fn figure(
    value: &toml::Value,
    dimension: Dimension,
    sources: &Sources,
    standing: &Standing,
) -> Result<Figure<f64>, String> {
    const KEYS: [&str; 7] = ["value", "low", "high", "source", "confidence", "assumed", "note"];
    let bare = |value: f64, standing: Standing| Figure {
        value,
        low: None,
        high: None,
        source: standing.source,
        confidence: standing.confidence,
        assumed: standing.assumed,
        note: String::new(),
    };
    let Some(table) = value.as_table() else {
        return Ok(bare(quantity(value, dimension)?, standing.clone()));
    };
    if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("unknown key `{key}`; a figure has {}", KEYS.join(", ")));
    }
    let part = |key: &str| table.get(key).map(|value| quantity(value, dimension)).transpose();
    let value = part("value")?.ok_or("a figure needs a `value`")?;
    let (low, high) = (part("low")?, part("high")?);
    if low.is_some_and(|low| low > value) || high.is_some_and(|high| high < value) {
        return Err("`value` lies outside `low` .. `high`".to_owned());
    }
    let note = table.get("note").and_then(toml::Value::as_str).unwrap_or_default().to_owned();
    Ok(Figure { low, high, note, ..bare(value, standing.with(table, sources)?) })
}

/// A positive number in the base unit of `dimension`.
fn quantity(value: &toml::Value, dimension: Dimension) -> Result<f64, String> {
    let number = match value {
        toml::Value::Integer(number) => dimension.from_number(*number as f64),
        toml::Value::Float(number) => dimension.from_number(*number),
        toml::Value::String(text) => dimension.parse(text),
        other => return Err(format!("expected a quantity, found {}", other.type_str())),
    };
    let number = number.map_err(|error| error.to_string())?;
    if number.is_finite() && number > 0.0 {
        Ok(number)
    } else {
        Err(format!("expected a number greater than 0, found {number}"))
    }
}

/// Text under `key`, or empty.
pub(super) fn text(table: &toml::Table, key: &str) -> String {
    table.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned()
}

/// The list of texts under `key`, or empty.
pub(super) fn texts(table: &toml::Table, key: &str) -> Vec<String> {
    let list = table.get(key).and_then(toml::Value::as_array).into_iter().flatten();
    list.filter_map(toml::Value::as_str).map(str::to_owned).collect()
}
