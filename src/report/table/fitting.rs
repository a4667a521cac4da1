//! What a fit of the step-time model found: errors, and constants beside their priors.

use std::collections::BTreeMap;

use super::grid::{Cell, Grid, Style, Tone, paragraph};
use crate::experiment::fitting::{Fitted, PARAMETERS, RowErrors};
use crate::foundations::units::format_percent;

/// The answer as text, every line of it ended by a line break.
#[must_use]
pub fn render(found: &Fitted, style: Style) -> String {
    let mut text = format!(
        "{} constants fitted to {} rows, {} left out as suspect or of no use\n\n",
        PARAMETERS.len(),
        found.rows,
        found.left_out
    );
    text.push_str(&errors(found).render(style));
    text.push('\n');
    text.push_str(&constants(found).render(style));
    text.push('\n');
    let note = match found.largest_change() {
        change if change < 0.01 => "The catalog holds these constants.".to_owned(),
        change => format!(
            "The catalog holds others, up to {} away; `--write src/catalog` replaces them.",
            format_percent(change)
        ),
    };
    text.push_str(&paragraph("", &note, style));
    text
}

fn errors(found: &Fitted) -> Grid {
    let mut grid = Grid::default().words(Cell::new("ERROR"), 0);
    for header in ["rows", "TPOT mean", "median", "TTFT median"] {
        grid = grid.figures(Cell::new(header), 0);
    }
    let mut groups: Vec<(String, Vec<&RowErrors>)> =
        vec![("all rows, simulated".into(), found.errors.iter().collect())];
    let mut engines: BTreeMap<&str, Vec<&RowErrors>> = BTreeMap::new();
    for row in &found.errors {
        engines.entry(&row.engine).or_default().push(row);
    }
    groups.extend(engines.into_iter().map(|(engine, rows)| (format!("  {engine}"), rows)));
    for fold in &found.folds {
        groups.push((format!("left out: {}", fold.fold), fold.errors.iter().collect()));
    }
    for (name, rows) in groups {
        let size = |error: f64| error.abs();
        let tpot = sorted(rows.iter().map(|row| size(row.tpot)));
        let ttft = sorted(rows.iter().filter_map(|row| row.ttft).map(size));
        let mean = tpot.iter().sum::<f64>() / tpot.len().max(1) as f64;
        let cells = [mean, middle(&tpot), middle(&ttft)];
        let head = [name, rows.len().to_string()].map(Cell::new);
        let percents = cells.map(|error| Cell::new(format!("{:.1} %", 100.0 * error)));
        grid.row(head.into_iter().chain(percents));
    }
    grid
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

fn middle(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn constants(found: &Fitted) -> Grid {
    let mut grid = Grid::default().words(Cell::new("CONSTANT"), 0).words(Cell::new("of"), 0);
    for header in ["fitted", "prior", "catalog"] {
        grid = grid.figures(Cell::new(header), 0);
    }
    for (parameter, (value, held)) in PARAMETERS.iter().zip(found.values.iter().zip(&found.held)) {
        let tone = if (value / held - 1.0).abs() < 0.01 { Tone::Faint } else { Tone::Caution };
        grid.row([
            Cell::new(parameter.name),
            Cell::new(parameter.engine.unwrap_or("all")),
            Cell::new(shown(*value)),
            Cell::new(shown(parameter.prior)).tone(Tone::Faint),
            Cell::new(shown(*held)).tone(tone),
        ]);
    }
    grid
}

fn shown(value: f64) -> String {
    match value {
        v if v < 1e-4 => format!("{:.3} us", v * 1e6),
        v if v < 1e-1 => format!("{:.3} ms", v * 1e3),
        v => format!("{v:.4}"),
    }
}
