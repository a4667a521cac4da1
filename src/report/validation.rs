//! How far predictions are off: as JSON, one object for each row of the error table; as CSV, one line
//! for each figure that was compared.

use serde::Serialize;

use crate::experiment::validation::errors::{by_class, by_slice};
use crate::experiment::validation::{Errors, FileFindings, Target};

/// A row of the error table.
#[derive(Debug, Serialize)]
struct Row<'a> {
    file: &'a str,
    source: &'a str,
    engine: &'a str,
    accelerator: &'a str,
    model: &'a str,
    metric: &'a str,
    suspect: Option<&'a str>,
    #[serde(flatten)]
    errors: Shares,
}

/// The errors of many classes together.
#[derive(Debug, Serialize)]
struct Total<'a> {
    file: &'a str,
    slice: &'a str,
    of: &'a str,
    metric: &'a str,
    #[serde(flatten)]
    errors: Shares,
}

/// Errors as shares, rounded to a hundredth of a per cent.
#[derive(Debug, Serialize)]
struct Shares {
    rows: usize,
    mape: f64,
    median_ape: f64,
    p90_ape: f64,
    bias: f64,
}

impl From<Errors> for Shares {
    fn from(errors: Errors) -> Self {
        let rounded = |share: f64| libm::round(share * 1e4) / 1e4;
        Self {
            rows: errors.rows,
            mape: rounded(errors.mape),
            median_ape: rounded(errors.median_ape),
            p90_ape: rounded(errors.p90_ape),
            bias: rounded(errors.bias),
        }
    }
}

/// Rows that were not compared, for one reason.
#[derive(Debug, Serialize)]
struct Missed<'a> {
    file: &'a str,
    reason: &'a str,
    rows: usize,
    first_line: u64,
}

/// A target, and whether it is reached.
#[derive(Debug, Serialize)]
struct Goal<'a> {
    what: &'a str,
    bound: f64,
    found: Option<f64>,
    rows: usize,
    reached: Option<bool>,
    reason: Option<&'a str>,
}

impl<'a> From<&'a Target> for Goal<'a> {
    fn from(target: &'a Target) -> Self {
        let missed = target.is_reached() == Some(false) && !target.reason.is_empty();
        Self {
            what: target.what,
            bound: target.bound,
            found: target.found.map(|share| libm::round(share * 1e4) / 1e4),
            rows: target.rows,
            reached: target.is_reached(),
            reason: missed.then_some(target.reason),
        }
    }
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    errors: Vec<Row<'a>>,
    totals: Vec<Total<'a>>,
    not_compared: Vec<Missed<'a>>,
    targets: Vec<Goal<'a>>,
}

/// The findings as JSON.
///
/// # Errors
/// None that input could cause.
pub fn to_json(findings: &[FileFindings], targets: &[Target]) -> serde_json::Result<String> {
    let by_class: Vec<_> =
        findings.iter().map(|found| (found.file, by_class(&found.comparisons))).collect();
    let by_slice: Vec<_> =
        findings.iter().map(|found| (found.file, by_slice(&found.comparisons))).collect();
    let errors = by_class.iter().flat_map(|(file, rows)| {
        rows.iter().map(|row| Row {
            file,
            source: &row.class.source,
            engine: &row.class.engine,
            accelerator: &row.class.accelerator,
            model: &row.class.model,
            metric: row.metric,
            suspect: row.suspect.as_deref(),
            errors: row.errors.into(),
        })
    });
    let totals = by_slice.iter().flat_map(|(file, rows)| {
        rows.iter().map(|(slice, metric, errors)| {
            let (slice, of) = slice.name();
            Total { file, slice, of, metric, errors: (*errors).into() }
        })
    });
    let not_compared = findings.iter().flat_map(|found| {
        found.missed.iter().map(|(reason, lines)| Missed {
            file: found.file,
            reason,
            rows: lines.len(),
            first_line: lines.first().copied().unwrap_or(0),
        })
    });
    let document = Document {
        errors: errors.collect(),
        totals: totals.collect(),
        not_compared: not_compared.collect(),
        targets: targets.iter().map(Goal::from).collect(),
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// Every comparison as CSV.
///
/// # Errors
/// None that input could cause.
pub fn to_csv(findings: &[FileFindings]) -> csv::Result<Vec<u8>> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record([
        "file",
        "line",
        "source",
        "engine",
        "accelerator",
        "model",
        "what",
        "metric",
        "predicted",
        "measured",
        "suspect",
    ])?;
    for found in findings {
        for comparison in &found.comparisons {
            let class = &comparison.class;
            out.write_record([
                found.file,
                &comparison.line.to_string(),
                &class.source,
                &class.engine,
                &class.accelerator,
                &class.model,
                &comparison.what,
                comparison.metric,
                &comparison.predicted.to_string(),
                &comparison.measured.to_string(),
                comparison.suspect.as_deref().unwrap_or(""),
            ])?;
        }
    }
    out.into_inner().map_err(|error| error.into_error().into())
}
