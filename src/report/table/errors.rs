//! How far predictions are off, on a terminal.

use super::grid::{Cell, Grid, Style, Tone, paragraph};
use crate::experiment::validation::errors::by_slice;
use crate::experiment::validation::folder::about;
use crate::experiment::validation::{FileFindings, Target};

/// The targets, and whether they are reached.
pub fn targets(targets: &[Target], style: Style) -> String {
    let header = |text: &str| Cell::new(text).tone(Tone::Faint);
    let mut grid = Grid::default().words(header("error of"), 0);
    for name in ["target", "found", "of"] {
        grid = grid.figures(header(name), 0);
    }
    grid = grid.words(Cell::default(), 0);
    let percent = |share: f64| Cell::new(format!("{:.1} %", share * 100.0));
    let held = targets.iter().filter_map(|target| Some((target, target.found?)));
    for (target, found) in held.clone() {
        let verdict = match target.is_reached() {
            Some(true) => Cell::new("reached").tone(Tone::Good),
            _ => Cell::new("missed").tone(Tone::Caution),
        };
        let (what, rows) = (Cell::new(target.what), Cell::new(target.rows.to_string()));
        grid.row([what, percent(target.bound), percent(found), rows, verdict]);
    }
    let others = targets.len() - held.count();
    let mut text = format!("{}\n\n{}", Tone::Title.paint("Targets", style), grid.render(style));
    if others > 0 {
        text.push_str(&format!("{others} more have nothing here to be held against\n"));
    }
    let missed = targets.iter().filter(|it| it.is_reached() == Some(false));
    let mut known = missed.filter(|it| !it.reason.is_empty()).peekable();
    if known.peek().is_some() {
        text.push_str("what keeps the rows that come with tokenfleet from these:\n");
    }
    for target in known {
        text.push_str(&paragraph("- ", &format!("{}: {}", target.what, target.reason), style));
    }
    text
}

/// One table for each file: errors of all rows, and by engine, accelerator and model.
pub fn errors(findings: &[FileFindings], style: Style) -> String {
    let mut text = String::new();
    for found in findings {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&title(found, style));
        if !found.comparisons.is_empty() {
            text.push('\n');
            text.push_str(&table(found).render(style));
        }
        text.push_str(&missed(found, style));
    }
    text
}

fn title(found: &FileFindings, style: Style) -> String {
    let about = about(found.file);
    let rows = if found.rows == 1 { "row" } else { "rows" };
    format!("{}: {} {rows}, {about}\n", Tone::Title.paint(found.file, style), found.rows)
}

fn table(found: &FileFindings) -> Grid {
    let header = |text: &str| Cell::new(text).tone(Tone::Faint);
    let mut grid = Grid::default().words(header(""), 0).words(header("metric"), 0);
    for name in ["rows", "median", "mean", "p90", "bias"] {
        grid = grid.figures(header(name), 0);
    }
    let mut last = String::new();
    for (slice, metric, errors) in by_slice(&found.comparisons) {
        let label = match slice.name() {
            ("all", _) => "all".to_owned(),
            ("unsuspected", _) => "  not suspected of anything".to_owned(),
            ("suspected", what) => format!("  suspected: {what}"),
            (_, of) => format!("  {of}"),
        };
        let shown = if label == last { String::new() } else { label.clone() };
        last = label;
        let share = |share: f64| Cell::new(format!("{:.1} %", share * 100.0));
        grid.row([
            Cell::new(shown),
            Cell::new(metric),
            Cell::new(errors.rows.to_string()),
            share(errors.median_ape),
            share(errors.mape),
            share(errors.p90_ape),
            Cell::new(format!("{:+.1} %", errors.bias * 100.0)),
        ]);
    }
    grid
}

/// What was not compared, and why.
fn missed(found: &FileFindings, style: Style) -> String {
    let mut text = String::new();
    for (reason, lines) in &found.missed {
        let first = lines.first().copied().unwrap_or(0);
        let what = match lines.len() {
            1 => format!("line {first} is not compared: {reason}"),
            rows => format!("{rows} rows are not compared, the first on line {first}: {reason}"),
        };
        let lines = paragraph("! ", &what, style);
        text.push_str(&lines.replacen('!', &Tone::Caution.paint("!", style), 1));
    }
    text
}
