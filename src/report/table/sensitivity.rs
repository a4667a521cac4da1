//! What to measure first: indices and a tornado.

use super::grid::{Cell, Grid, Style, Tone, UNBROKEN, paragraph};
use crate::experiment::sensitivity::Index;
use crate::foundations::units::{format_count, format_percent};
use crate::report::quantity::plain;
use crate::report::sensitivity::Driven;

/// Columns of the tornado on each side of the medians.
const WIDTH: usize = 7;
/// An input that does less than this is told not to matter.
const LITTLE: f64 = 0.02;
/// Where less than this is left to interactions they are not told.
const INTERACTING: f64 = 0.1;

/// The answer as text, every line of it ended by a line break.
pub fn render(driven: &Driven<'_>, style: Style) -> String {
    let style = style.readable();
    let mut text = Tone::Title.paint(driven.scenario, style);
    text.push_str(&format!(
        ": {} of {}, {} points of {} trials, seed {}, ranges at {}\n\n",
        driven.measure,
        driven.variant,
        format_count(driven.points as f64),
        driven.trials,
        driven.seed,
        format_percent(driven.confidence),
    ));
    text.push_str(&paragraph("  ", &headline(driven), style));
    text.push('\n');
    text.push_str(&grid(driven, style));
    text.push('\n');
    let legend = "known: the part of the variance that would go if this input were known. in all: \
                  with what it does together with others. 5 % and 95 %: the figure with this input \
                  there and all others at their medians.";
    text.push_str(&paragraph("  ", legend, style));
    text
}

fn value(driven: &Driven<'_>, value: f64) -> String {
    plain(driven.measure.metric.unit, Some(value)).replace(' ', &UNBROKEN.to_string())
}

/// To whole percents: an index is hardly ever known better.
fn share(share: f64) -> String {
    format!("{:.0}{UNBROKEN}%", 100.0 * share)
}

/// What to measure first, and what it would bring.
pub(crate) fn headline(driven: &Driven<'_>) -> String {
    let found = &driven.found;
    let order = driven.order();
    let name = |at: usize| driven.inputs[at].name.as_str();
    let Some((&first, rest)) = order.split_first() else { return String::new() };
    let top = found.inputs[first];
    let left = found.deviation * libm::sqrt((1.0 - top.first).max(0.0));
    let mut text = format!(
        "Measure {} first: {} of what is not known of {} would go if it were known ({} to {}). Its \
         standard deviation of {} around {} would fall to {}.",
        name(first),
        share(top.first),
        driven.measure,
        share(top.first_interval.low),
        share(top.first_interval.high),
        value(driven, found.deviation),
        value(driven, found.mean),
        value(driven, left),
    );
    let matter: Vec<usize> =
        rest.iter().copied().filter(|&at| found.inputs[at].total >= LITTLE).collect();
    if !matter.is_empty() {
        let next =
            matter.iter().map(|&at| format!("{} ({})", name(at), share(found.inputs[at].first)));
        text.push_str(&format!(" Then {}.", next.collect::<Vec<_>>().join(", ")));
    }
    let little: Vec<&str> =
        rest.iter().filter(|&&at| found.inputs[at].total < LITTLE).map(|&at| name(at)).collect();
    if !little.is_empty() {
        text.push_str(&format!(" Any value will do for {}.", little.join(", ")));
    }
    let alone: f64 = found.inputs.iter().map(|input| input.first).sum();
    if 1.0 - alone > INTERACTING {
        text.push_str(&format!(
            " {} comes of inputs together, not of any one alone.",
            share(1.0 - alone)
        ));
    }
    text
}

fn grid(driven: &Driven<'_>, style: Style) -> String {
    let found = &driven.found;
    let faint = |text: &str| Cell::new(text).tone(Tone::Faint);
    let mut grid = Grid::default()
        .words(Cell::new("INPUT").tone(Tone::Title), 0)
        .words(faint("from 5 % to 95 %"), 4)
        .figures(faint("known"), 0)
        .words(Cell::default(), 3)
        .figures(faint("in all"), 0)
        .words(Cell::default(), 3)
        .figures(faint("5 %"), 0)
        .words(Cell::default(), 1)
        .figures(faint("95 %"), 0);
    let reach = |input: &Index| {
        input.tornado.map(|value| (value - found.at_medians).abs()).into_iter().fold(0.0, f64::max)
    };
    let most = found.inputs.iter().map(reach).fold(0.0, f64::max);
    for at in driven.order() {
        let index = &found.inputs[at];
        let [low, _, high] = &driven.inputs[at].range;
        let range = |low: f64, high: f64| faint(&format!("{:.0} to {}", 100.0 * low, share(high)));
        grid.row([
            Cell::new(format!("  {}", driven.inputs[at].name)),
            Cell::new(format!("{low} to {high}")),
            Cell::new(share(index.first)),
            range(index.first_interval.low, index.first_interval.high),
            Cell::new(share(index.total)),
            range(index.total_interval.low, index.total_interval.high),
            Cell::new(value(driven, index.tornado[0])),
            Cell::new(bar(index.tornado.map(|value| value - found.at_medians), most)),
            Cell::new(value(driven, index.tornado[1])),
        ]);
    }
    grid.render(style)
}

/// A bar from one end to the other, around the medians in its middle.
fn bar(ends: [f64; 2], most: f64) -> String {
    let column = |offset: f64| {
        let part = if most > 0.0 { offset / most } else { 0.0 };
        (WIDTH as f64 * (1.0 + part)).round().clamp(0.0, 2.0 * WIDTH as f64) as usize
    };
    let (low, high) = (column(ends[0].min(ends[1])), column(ends[0].max(ends[1])));
    let cell = |at: usize| match at {
        at if (low..high).contains(&at) => '█',
        WIDTH => '│',
        _ => ' ',
    };
    (0..2 * WIDTH).map(cell).collect()
}
