//! Variants against a baseline: what differs, by how much, and what cannot be told.

use super::columns::{labelled, noun};
use super::grid::{Cell, Grid, Style, Tone, UNBROKEN, paragraph};
use super::many::FLEET;
use super::{title, uncertain, warnings};
use crate::experiment::{Comparison, Contrast, Measure, Metric, Part, Statistic, Told, Unit};
use crate::foundations::Interval;
use crate::report::quantity::{plain, roughly, with_interval};

/// Ratios from which on a change is told in times rather than in percent.
const TIMES: f64 = 2.0;
/// Changes below this part of the whole are not worth telling.
const LEAST: f64 = 1e-4;
/// What is said first of each variant, after the measure that was asked for.
const SPOKEN: [&str; 3] = ["usd_per_successful_task", "task_latency_s", "task_success_rate"];

/// Everything that is compared when nothing else is asked for, with its label; no metric stands for
/// an empty line.
pub fn usual_measures() -> Vec<(Option<Measure>, &'static str)> {
    let measure = |&(key, label): &(&str, &'static str)| {
        let statistic =
            if label.ends_with("p95") { Statistic::Quantile(2) } else { Statistic::Mean };
        let part = Part::FLEET;
        (Metric::find(key).map(|metric| Measure { metric, statistic, part }), label)
    };
    FLEET.iter().map(measure).collect()
}

/// The comparison as text. `main` is the measure that was asked for.
pub fn render(comparison: &Comparison<'_>, main: &Measure, style: Style) -> String {
    let style = style.readable();
    let mut text = title(comparison.answers, style);
    text.push('\n');
    text.push_str(&headline(comparison, main, style));
    text.push('\n');
    text.push_str(&body(comparison, main, style));
    text.push('\n');
    text.push_str(&legend(comparison, main, style));
    text.push_str(&uncertain::compared(comparison, main, style));
    text.push_str(&warnings(comparison.answers, style));
    text
}

fn name(comparison: &Comparison<'_>, variant: usize) -> String {
    comparison.answers.variants[variant].plan.name.clone()
}

fn others(comparison: &Comparison<'_>) -> impl Iterator<Item = usize> {
    let baseline = comparison.baseline;
    (0..comparison.answers.variants.len()).filter(move |&variant| variant != baseline)
}

/// A sentence for each variant.
fn headline(comparison: &Comparison<'_>, main: &Measure, style: Style) -> String {
    let spoken = SPOKEN.iter().filter_map(|key| Measure::mean(key));
    let mut measures = vec![main.clone()];
    measures.extend(spoken.filter(|measure| measure != main));
    let baseline = name(comparison, comparison.baseline);
    let mut text = String::new();
    for variant in others(comparison) {
        let mut told = Vec::new();
        let mut silent = Vec::new();
        for measure in &measures {
            let Some(contrast) = comparison.of(variant, measure) else { continue };
            match contrast.told() {
                Told::Less | Told::More => told.push(phrase(measure, contrast)),
                Told::Nothing => silent.push(noun(measure)),
                Told::Same => {}
            }
        }
        let mut sentence = match (told.is_empty(), silent.is_empty()) {
            (true, true) if measures.iter().all(|one| comparison.of(variant, one).is_none()) => {
                format!(
                    "{} against {baseline}: one trial tells no difference",
                    name(comparison, variant)
                )
            }
            (true, true) => format!("{} does as {baseline} does", name(comparison, variant)),
            (true, false) => format!("{} against {baseline}", name(comparison, variant)),
            (false, _) => {
                format!("{} against {baseline}: {}", name(comparison, variant), told.join(", "))
            }
        };
        if !silent.is_empty() {
            let trials = comparison.answers.variants[variant].rows.len();
            let join = if told.is_empty() { ": " } else { "; " };
            sentence.push_str(&format!(
                "{join}no difference can be told at {trials} trials in {}",
                silent.join(" and ")
            ));
        }
        sentence.push('.');
        text.push_str(&paragraph("  ", &sentence, style));
    }
    text
}

/// `37 % less cost per task (36.5 to 37.1)`, `task latency 2.3 times (2.2 to 2.4)`.
fn phrase(measure: &Measure, contrast: &Contrast) -> String {
    let noun = noun(measure);
    let more = contrast.told() == Told::More;
    let text = if measure.metric.is_share() {
        let points = |value: f64| plain(Unit::Share, Some(value.abs())).replace(" %", "");
        let (low, high) = ends(contrast.difference);
        let way = if more { "higher" } else { "lower" };
        let size = points(contrast.value - contrast.baseline);
        format!("{noun} {size} points {way} ({} to {})", points(low), points(high))
    } else {
        let times = contrast.times();
        match contrast.ratio {
            Some(ratio) if !(1.0 / TIMES..TIMES).contains(&times) => {
                let show = |value: f64| plain(Unit::Ratio, Some(value));
                let (low, high) = (show(ratio.low), show(ratio.high));
                format!("{noun} {} times ({low} to {high})", show(times))
            }
            Some(ratio) => {
                let percent =
                    |times: f64| plain(Unit::Share, Some((times - 1.0).abs())).replace(" %", "");
                let (low, high) = ends(Interval { low: ratio.low - 1.0, high: ratio.high - 1.0 });
                let way = if more { "higher" } else { "lower" };
                let (size, low, high) = (percent(times), percent(1.0 + low), percent(1.0 + high));
                match low == high {
                    true => format!("{noun} {size} % {way}"),
                    false => format!("{noun} {size} % {way} ({low} to {high})"),
                }
            }
            None => format!("{noun} {}", if more { "higher" } else { "lower" }),
        }
    };
    text.replace(" %", &format!("{UNBROKEN}%"))
}

/// The ends of an interval, the one nearer to zero first.
fn ends(interval: Interval) -> (f64, f64) {
    let Interval { low, high } = interval;
    if low.abs() <= high.abs() { (low, high) } else { (high, low) }
}

/// How much a measure changes, and what that means.
fn change(measure: &Measure, contrast: &Contrast) -> Cell {
    let told = contrast.told();
    let signed = |text: String| if text.starts_with('-') { text } else { format!("+{text}") };
    let shares = measure.metric.is_share();
    let (centre, interval) = match contrast.ratio {
        Some(ratio) if !shares => {
            let less = |times: f64| times - 1.0;
            (less(contrast.times()), Interval { low: less(ratio.low), high: less(ratio.high) })
        }
        _ => (contrast.value - contrast.baseline, contrast.difference),
    };
    let text = match contrast.ratio {
        _ if told == Told::Same => return Cell::new("same").tone(Tone::Faint),
        _ if told == Told::Nothing || interval.half_width() < LEAST && centre.abs() < LEAST => {
            let most = interval.low.abs().max(interval.high.abs()).max(LEAST);
            let within = roughly(Unit::Share, Some(most));
            let within = if shares { within.replace('%', "pt") } else { within };
            return Cell::new(format!("within ±{within}")).tone(Tone::Faint);
        }
        Some(ratio) if !shares && !(1.0 / TIMES..TIMES).contains(&contrast.times()) => {
            format!("x{}", with_interval(Unit::Ratio, Some(contrast.times()), Some(ratio)))
        }
        None if !shares => String::new(),
        _ => {
            let text = with_interval(Unit::Share, Some(centre), Some(interval));
            signed(if shares { text.replace('%', "pt") } else { text })
        }
    };
    let text = text.strip_suffix(" ±0").unwrap_or(&text);
    let better = (told == Told::More) == measure.more_is_better();
    match is_judged(measure.metric) {
        false => Cell::new(text),
        true => Cell::new(text).tone(if better { Tone::Good } else { Tone::Bad }),
    }
}

/// Whether more or less of a figure is good or bad by itself.
fn is_judged(metric: &Metric) -> bool {
    matches!(metric.unit, Unit::Seconds | Unit::Usd | Unit::UsdPerHour | Unit::UsdPerMtoken)
        || metric.more_is_better()
}

/// All measures of all variants, as many variants beside each other as fit.
fn body(comparison: &Comparison<'_>, main: &Measure, style: Style) -> String {
    let rest: Vec<usize> = others(comparison).collect();
    let mut rest = &rest[..];
    let mut text = String::new();
    while !rest.is_empty() {
        let fits =
            |&count: &usize| grid(comparison, main, &rest[..count]).full_width() <= style.width;
        let count = (1..=rest.len()).rev().find(fits).unwrap_or(1);
        let (now, later) = rest.split_at(count);
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&grid(comparison, main, now).render(style));
        rest = later;
    }
    text
}

fn grid(comparison: &Comparison<'_>, main: &Measure, variants: &[usize]) -> Grid {
    let heading = |text: String| Cell::new(text).tone(Tone::Title);
    let mut grid = Grid::default()
        .words(heading("AGAINST".to_owned()), 0)
        .figures(heading(name(comparison, comparison.baseline)), 0);
    for &variant in variants {
        grid = grid.figures(heading(name(comparison, variant)), 0);
        grid = grid.figures(Cell::default(), 0);
    }
    let usual = usual_measures();
    if !usual.iter().any(|(measure, _)| measure.as_ref() == Some(main)) {
        line(&mut grid, comparison, main, &main.to_string(), variants);
        grid.row([]);
    }
    for (measure, label) in &usual {
        match measure {
            Some(measure) => line(&mut grid, comparison, measure, label, variants),
            None => grid.row([]),
        }
    }
    grid
}

fn line(
    grid: &mut Grid,
    comparison: &Comparison<'_>,
    measure: &Measure,
    label: &str,
    variants: &[usize],
) {
    let answers = &comparison.answers.variants;
    let all = std::iter::once(comparison.baseline).chain(variants.iter().copied());
    let values: Vec<_> = all.map(|variant| measure.value(&answers[variant])).collect();
    if values.iter().all(|value| value.is_none_or(|value| value == 0.0)) {
        return;
    }
    let unit = labelled(measure.metric);
    let mut cells = vec![Cell::new(format!("  {label}")), Cell::new(plain(unit, values[0]))];
    for (&variant, &value) in variants.iter().zip(&values[1..]) {
        cells.push(Cell::new(plain(unit, value)));
        let contrast = comparison.of(variant, measure);
        cells.push(contrast.map_or_else(Cell::default, |contrast| change(measure, contrast)));
    }
    grid.row(cells);
}

/// How to read the table, and what common random numbers were worth.
fn legend(comparison: &Comparison<'_>, main: &Measure, style: Style) -> String {
    let contrasts = comparison.contrasts.iter().flatten().flatten();
    let mut text = String::new();
    if contrasts.clone().any(|contrast| contrast.told() == Told::Nothing) {
        let trials = comparison.answers.variants[comparison.baseline].rows.len();
        text.push_str(&format!(
            "Within: no difference can be told at {trials} trials; if there is one, it is smaller. "
        ));
    }
    let gains = others(comparison).filter_map(|variant| comparison.of(variant, main));
    let gains = gains.map(Contrast::pairing_gain).filter(|gain| gain.is_finite());
    let least = gains.fold(f64::INFINITY, f64::min);
    if least.is_finite() && least >= 1.0 {
        let times = match roughly(Unit::Ratio, Some(least)) {
            one if one == "1" => String::new(),
            times => format!("{times} times "),
        };
        text.push_str(&format!(
            "Every variant had the same tasks: separate ones would leave {} {times}as unsure.",
            noun(main)
        ));
    }
    if text.is_empty() { text } else { paragraph("  ", &text, style) }
}
