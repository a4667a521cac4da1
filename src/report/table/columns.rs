//! Figures of several parts side by side: of kinds of agents, or of variants.

use super::grid::{Cell, Grid, Style, Tone};
use crate::experiment::{Answer, Figure, Measure, Metric, Statistic, Unit};
use crate::report::quantity::with_interval;

/// An empty line between groups of figures.
pub(super) const BLANK: (&str, &str) = ("", "");

/// A column: its title, the variant, and the part of it that it is about.
pub(super) type Side<'a> = (&'a str, &'a Answer<'a>, usize);

/// Figures of several parts side by side.
pub(super) fn side_by_side(
    title: &str,
    labels: &[(&'static str, &'static str)],
    columns: &[Side<'_>],
    style: Style,
) -> String {
    blocks(columns, style, |columns| {
        let mut grid = head(title, columns);
        figures(&mut grid, labels, columns);
        grid
    })
}

/// As many columns beside each other as fit, the others below.
pub(super) fn blocks<'a>(
    columns: &[Side<'a>],
    style: Style,
    grid: impl Fn(&[Side<'a>]) -> Grid,
) -> String {
    let mut rest = columns;
    let mut text = String::new();
    while !rest.is_empty() {
        let fits = |count: &usize| grid(&rest[..*count]).full_width() <= style.width;
        let count = (1..=rest.len()).rev().find(fits).unwrap_or(1);
        let (now, later) = rest.split_at(count);
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&grid(now).render(style));
        rest = later;
    }
    text
}

pub(super) fn head(title: &str, columns: &[Side<'_>]) -> Grid {
    let first = Grid::default().words(Cell::new(title).tone(Tone::Title), 0);
    let title = |name: &str| Cell::new(name).tone(Tone::Title);
    columns.iter().fold(first, |grid, (name, ..)| grid.figures(title(name), 0))
}

pub(super) fn figures(
    grid: &mut Grid,
    labels: &[(&'static str, &'static str)],
    columns: &[Side<'_>],
) {
    for &(key, label) in labels {
        if (key, label) == BLANK {
            grid.row([]);
            continue;
        }
        let Some(metric) = Metric::find(key) else { continue };
        let found: Vec<_> = columns.iter().map(|(_, answer, part)| answer.of(*part, key)).collect();
        if found.iter().all(|figure| figure.mean.is_none_or(|mean| mean == 0.0)) {
            continue;
        }
        let cells = found.iter().map(|figure| match label.ends_with("p95") {
            true => Cell::new(quantile(metric, figure, 2)),
            false => Cell::new(with_interval(labelled(metric), figure.mean, figure.interval)),
        });
        grid.row([Cell::new(format!("  {label}"))].into_iter().chain(cells));
    }
}

/// A quantile with its interval; a dash where it cannot be told.
pub(super) fn quantile(metric: &Metric, figure: &Figure, at: usize) -> String {
    match figure.quantiles[at] {
        Some(quantile) => with_interval(metric.unit, Some(quantile.value), quantile.interval),
        None => "-".to_owned(),
    }
}

/// The unit of a figure beside a label that says what a price is per.
pub(super) fn labelled(metric: &Metric) -> Unit {
    match metric.unit {
        Unit::UsdPerHour | Unit::UsdPerMtoken => Unit::Usd,
        unit => unit,
    }
}

/// What a measure is called in a sentence.
pub(super) fn noun(measure: &Measure) -> String {
    let quantile = match measure.statistic {
        Statistic::Mean => String::new(),
        quantile => format!(" {quantile}"),
    };
    let noun = match measure.metric.key {
        "usd_per_successful_task" => "cost per successful task",
        "usd_per_task" => "cost per task",
        "usd_per_h" => "cost per hour",
        "usd_per_mtoken_output" => "cost per million output tokens",
        "task_latency_s" => "task latency",
        "task_success_rate" => "success rate",
        "ttft_s" => "TTFT",
        "tpot_s" => "TPOT",
        other => other,
    };
    let of = match measure.part.name.as_str() {
        "" => String::new(),
        name => format!(" of {name}"),
    };
    format!("{noun}{quantile}{of}")
}
