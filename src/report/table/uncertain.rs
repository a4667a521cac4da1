//! What is not known, and how much of what differs between trials that is.

use super::columns::noun;
use super::grid::{Cell, Grid, Style, Tone, UNBROKEN, paragraph};
use crate::experiment::{Answer, Answers, Comparison, Doubt, Measure, Unit};
use crate::foundations::units::format_percent;
use crate::report::quantity::{plain, with_interval};
use crate::report::uncertainty::{Spread, spread};

/// The figures that are shown.
const SHOWN: [(&str, &str); 6] = [
    ("task_latency_s", "latency"),
    ("task_success_rate", "success"),
    ("ttft_s", "TTFT"),
    ("usd_per_task", "cost per task"),
    ("usd_per_mtoken_output", "per Mtoken output"),
    ("usd_per_h", "cost per hour"),
];

/// Those of them by which variants are compared.
const COMPARED: [&str; 2] = ["task_latency_s", "usd_per_task"];

const LEGEND: &str = "Each trial draws what is uncertain anew, so trials differ by what is not \
                      known and by chance. More trials narrow the mean, not what is not known: \
                      `tokenfleet sensitivity` says what to measure first.";

/// All inputs that are uncertain, and what they do to each variant; empty where none is.
pub(super) fn render(answers: &Answers<'_>, style: Style) -> String {
    let unsure: Vec<&Answer<'_>> =
        answers.variants.iter().filter(|answer| answer.plan.uncertain.is_some()).collect();
    if unsure.is_empty() {
        return String::new();
    }
    let several = answers.variants.len() > 1;
    let mut text = format!("\n{}", inputs(&unsure, several, style));
    let figures = figures(answers.confidence, &unsure, several, style);
    if !figures.is_empty() {
        text.push_str(&format!("\n{figures}"));
    }
    text.push_str(&paragraph("  ", LEGEND, style));
    text
}

/// All inputs that are uncertain, and what they do to what differs between variants; empty where none
/// is.
pub(super) fn compared(comparison: &Comparison<'_>, main: &Measure, style: Style) -> String {
    let Comparison { answers, baseline, .. } = comparison;
    let unsure: Vec<&Answer<'_>> =
        answers.variants.iter().filter(|answer| answer.plan.uncertain.is_some()).collect();
    let contrasts = differences(comparison, main, style);
    if unsure.is_empty() || contrasts.is_empty() {
        return String::new();
    }
    let baseline = &answers.variants[*baseline].plan.name;
    let legend = format!(
        "Each trial draws what is uncertain anew, alike for all variants. What they share cancels \
         in their difference; of what is left, the part that is not knowing is not narrowed by \
         more trials: in nine of ten trials a variant has {baseline}'s value so many times."
    );
    let inputs = inputs(&unsure, true, style);
    format!("\n{inputs}\n{contrasts}{}", paragraph("  ", &legend, style))
}

fn differences(comparison: &Comparison<'_>, main: &Measure, style: Style) -> String {
    let Comparison { answers, baseline, .. } = comparison;
    let faint = |text: &str| Cell::new(text).tone(Tone::Faint);
    let against = format!("times {}", answers.variants[*baseline].plan.name);
    let mut grid = Grid::default()
        .words(Cell::new("BETWEEN TRIALS").tone(Tone::Title), 0)
        .figures(faint(&against), 1)
        .figures(faint("5 % to 95 %"), 0)
        .figures(faint("not knowing"), 0)
        .words(Cell::default(), 0);
    let usual = COMPARED.iter().filter_map(|key| Measure::mean(key));
    let measures: Vec<Measure> =
        std::iter::once(main.clone()).chain(usual.filter(|measure| measure != main)).collect();
    let mut empty = true;
    for (variant, answer) in answers.variants.iter().enumerate() {
        for measure in &measures {
            let found = comparison.of(variant, measure);
            let found = found.and_then(|found| Some((found, found.ratio?, found.doubt?)));
            let Some((contrast, ratio, Doubt { trials, split })) = found else { continue };
            let times = |value| plain(Unit::Ratio, Some(value));
            empty = false;
            grid.row([
                Cell::new(format!("  {} {}", answer.plan.name, noun(measure))),
                Cell::new(with_interval(Unit::Ratio, Some(contrast.times()), Some(ratio))),
                Cell::new(format!("{} to {}", times(trials.low), times(trials.high))),
                Cell::new(format_percent(split.share)),
                faint(&format!(
                    "{} to {}",
                    format_percent(split.interval.low),
                    format_percent(split.interval.high)
                )),
            ]);
        }
    }
    if empty { String::new() } else { grid.render(style) }
}

fn inputs(unsure: &[&Answer<'_>], several: bool, style: Style) -> String {
    let faint = |text: &str| Cell::new(text).tone(Tone::Faint);
    let mut grid = Grid::default()
        .words(Cell::new("UNCERTAIN").tone(Tone::Title), 0)
        .figures(faint("5 %"), 0)
        .figures(faint("median"), 0)
        .figures(faint("95 %"), 0)
        .words(faint("in"), 1);
    let mut rows: Vec<(Vec<&str>, Vec<&str>)> = Vec::new();
    for answer in unsure {
        for input in answer.plan.uncertain.iter().flat_map(|uncertain| &uncertain.inputs) {
            let words = [&input.name, &input.range[0], &input.range[1], &input.range[2]];
            let words = words.map(String::as_str).to_vec();
            match rows.iter_mut().find(|(known, _)| *known == words) {
                Some((_, variants)) => variants.push(&answer.plan.name),
                None => rows.push((words, vec![&answer.plan.name])),
            }
        }
    }
    for (words, variants) in rows {
        let variants = match several && variants.len() < unsure.len() {
            true => variants.join(", "),
            false => String::new(),
        };
        let words = words.into_iter().enumerate().map(|(at, word)| match at {
            0 => format!("  {word}"),
            _ => word.to_owned(),
        });
        grid.row(words.chain([variants]).map(Cell::new));
    }
    grid.render(style)
}

fn figures(confidence: f64, unsure: &[&Answer<'_>], several: bool, style: Style) -> String {
    let faint = |text: &str| Cell::new(text).tone(Tone::Faint);
    let mut grid = Grid::default()
        .words(Cell::new("BETWEEN TRIALS").tone(Tone::Title), 0)
        .figures(faint("mean"), 1)
        .figures(faint("5 % to 95 %"), 0)
        .figures(faint("not knowing"), 0)
        .words(Cell::default(), 0);
    let mut empty = true;
    for answer in unsure {
        let is_shown = |(key, _): &&(&str, &str)| !several || COMPARED.contains(key);
        for &(key, label) in SHOWN.iter().filter(is_shown) {
            let found = Measure::mean(key)
                .and_then(|measure| Some((spread(answer, &measure, confidence)?, measure)));
            let Some((spread, measure)) = found else { continue };
            let unit = measure.metric.unit;
            let label = match several {
                true => format!("  {} {label}", answer.plan.name),
                false => format!("  {label}"),
            };
            empty = false;
            grid.row([
                Cell::new(label),
                Cell::new(with_interval(unit, measure.value(answer), measure.interval(answer))),
                Cell::new(format!(
                    "{} to {}",
                    plain(unit, Some(spread.p5)),
                    plain(unit, Some(spread.p95))
                )),
                Cell::new(format_percent(spread.not_knowing)),
                faint(&format!(
                    "{} to {}",
                    format_percent(spread.not_knowing_low),
                    format_percent(spread.not_knowing_high)
                )),
            ]);
        }
    }
    if empty { String::new() } else { grid.render(style) }
}

/// What not knowing does to the cost of a task, as a sentence; empty where nothing is uncertain.
pub(super) fn in_words(answer: &Answer<'_>, confidence: f64) -> String {
    let found = Measure::mean("usd_per_task")
        .and_then(|measure| Some((spread(answer, &measure, confidence)?, measure)));
    let Some((Spread { p5, p95, not_knowing, .. }, measure)) = found else { return String::new() };
    let unit = measure.metric.unit;
    let text = |value| plain(unit, Some(value)).replace(' ', &UNBROKEN.to_string());
    format!(
        " In nine of ten trials it costs {} to {}: {} of what differs between trials is not knowing \
         the inputs marked uncertain, the rest chance.",
        text(p5),
        text(p95),
        format_percent(not_knowing).replace(' ', &UNBROKEN.to_string()),
    )
}
