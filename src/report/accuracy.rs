//! The page on accuracy: targets, error tables, plots of predicted against measured.

use std::fmt::Write;

use super::plot::{Series, agreement, panels};
use crate::experiment::validation::errors::by_slice;
use crate::experiment::validation::folder::about;
use crate::experiment::validation::{Curves, FileFindings, Target};

/// A file of the page: its name, below the page's own where it is a plot, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageFile {
    /// File name; empty for the page itself.
    pub name: String,
    /// Content.
    pub text: String,
}

/// The page and its plots; `folder` is what the page calls the folder of the plots.
#[must_use]
pub fn page(
    findings: &[FileFindings],
    targets: &[Target],
    curves: &[Curves],
    folder: &str,
) -> Vec<PageFile> {
    let mut text = String::from(
        "# Accuracy\n\nPredictions held against measurements that others published, by `tokenfleet \
         validate`. Errors are shares of the measured figure; bias is the median of the signed \
         error, above 0 where predictions are too high. The rows, their sources and licences are in \
         [tests/data/fidelity](../tests/data/fidelity/README.md).\n\n## Targets\n\n",
    );
    text.push_str(&target_table(targets));
    let mut files = Vec::new();
    for found in findings {
        let about = about(found.file);
        let _ = write!(text, "\n## {}\n\n{} rows: {about}.\n", found.file, found.rows);
        for plot in plots(found) {
            let _ = write!(text, "\n![{0}]({folder}/{0})\n", plot.name);
            files.push(plot);
        }
        text.push_str(&error_table(found));
        text.push_str(&missed(found));
    }
    if !curves.is_empty() {
        text.push_str("\n## Queue and cache of the recorded runs\n");
    }
    for curve in curves {
        let plot = PageFile { name: format!("{}.svg", curve.name), text: overlay(curve) };
        let _ = write!(text, "\n![{0}]({folder}/{0})\n", plot.name);
        files.push(plot);
    }
    files.push(PageFile { name: String::new(), text });
    files
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn target_table(targets: &[Target]) -> String {
    let mut text =
        String::from("| error of | target | found | comparisons | |\n|---|---:|---:|---:|---|\n");
    for target in targets {
        let (found, verdict) = match (target.found, target.is_reached()) {
            (Some(found), Some(true)) => (percent(found), "reached".to_owned()),
            (Some(found), _) if target.reason.is_empty() => (percent(found), "missed".to_owned()),
            (Some(found), _) => (percent(found), format!("missed: {}", target.reason)),
            (None, _) => ("-".to_owned(), "no measurements here".to_owned()),
        };
        let (what, bound) = (target.what, percent(target.bound));
        let _ = writeln!(text, "| {what} | {bound} | {found} | {} | {verdict} |", target.rows);
    }
    text
}

fn error_table(found: &FileFindings) -> String {
    if found.comparisons.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "\n| | metric | rows | median | mean | p90 | bias |\n|---|---|---:|---:|---:|---:|---:|\n",
    );
    for (slice, metric, errors) in by_slice(&found.comparisons) {
        let label = match slice.name() {
            ("all", _) => "all".to_owned(),
            ("unsuspected", _) => "not suspected of anything".to_owned(),
            ("suspected", what) => format!("suspected: {what}"),
            (_, of) => of.to_owned(),
        };
        let _ = writeln!(
            text,
            "| {label} | {metric} | {} | {} | {} | {} | {:+.1} % |",
            errors.rows,
            percent(errors.median_ape),
            percent(errors.mape),
            percent(errors.p90_ape),
            errors.bias * 100.0,
        );
    }
    text
}

fn missed(found: &FileFindings) -> String {
    let mut text = String::new();
    for (reason, lines) in &found.missed {
        let first = lines.first().copied().unwrap_or(0);
        let _ =
            write!(text, "\nNot compared: {} rows from line {first} on, {reason}.\n", lines.len());
    }
    text
}

/// Metrics of a file in a plot each, where there are points enough to see something.
fn plots(found: &FileFindings) -> Vec<PageFile> {
    const LEAST: usize = 12;
    let mut metrics: Vec<&str> = found.comparisons.iter().map(|it| it.metric).collect();
    metrics.sort_unstable();
    metrics.dedup();
    let stem = found.file.replace(".csv", "");
    let plot = |metric: &str| {
        let mut series: Vec<Series> = Vec::new();
        for it in found.comparisons.iter().filter(|it| it.metric == metric) {
            let class = &it.class;
            let name = match &it.suspect {
                Some(what) => format!("suspected: {what}"),
                None => format!("{} {}", class.engine, class.accelerator),
            };
            let point = (it.measured, it.predicted);
            match series.iter_mut().find(|one| one.name == name) {
                Some(one) => one.points.push(point),
                None => series.push(Series { name, points: vec![point] }),
            }
        }
        series.sort_by(|one, two| one.name.cmp(&two.name));
        let points: usize = series.iter().map(|one| one.points.len()).sum();
        let unit = metric.rsplit('_').next().unwrap_or("");
        (points >= LEAST).then(|| PageFile {
            name: format!("{}-{metric}.svg", stem.replace(' ', "-")),
            text: agreement(&format!("{stem}: {metric}"), unit, &series),
        })
    };
    metrics.into_iter().filter_map(plot).collect()
}

/// A recorded run beside its replay.
fn overlay(curves: &Curves) -> String {
    let pick = |rows: &[[f64; 4]], column: usize| -> Vec<(f64, f64)> {
        rows.iter().map(|row| (row[0], row[column])).collect()
    };
    let both = |column| {
        vec![
            Series { name: "measured".into(), points: pick(&curves.measured, column) },
            Series { name: "predicted".into(), points: pick(&curves.predicted, column) },
        ]
    };
    let rows = [
        ("requests running", both(1)),
        ("requests waiting", both(2)),
        ("share of the KV cache in use", both(3)),
    ];
    panels(&curves.name, "seconds", &rows)
}
