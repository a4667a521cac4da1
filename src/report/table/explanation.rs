//! A waterfall: from one variant to another, factor by factor.

use super::grid::{Cell, Grid, Style, Tone, UNBROKEN, paragraph};
use crate::experiment::Unit;
use crate::experiment::explanation::Part;
use crate::foundations::units::format_percent;
use crate::report::explanation::Explained;
use crate::report::quantity::{plain, with_interval};

/// Columns of the waterfall.
const WIDTH: usize = 36;

/// The explanation as text.
pub fn render(explained: &Explained<'_>, style: Style) -> String {
    let style = style.readable();
    let found = &explained.explanation;
    let mut text = Tone::Title.paint(explained.scenario, style);
    text.push_str(&format!(
        ": {} from {} to {}, {} trials, seed {}, ± at {}\n\n",
        explained.measure,
        explained.from,
        explained.to,
        found.trials,
        explained.seed,
        format_percent(explained.confidence),
    ));
    text.push_str(&paragraph("  ", &headline(explained), style));
    text.push('\n');
    text.push_str(&waterfall(explained, style));
    text.push('\n');
    let legend = "Parts multiply to the whole. Each is the mean over all orders in which the factors \
                  could be changed; alone is what a factor brings first, last what it brings when \
                  all others are changed already.";
    text.push_str(&paragraph("  ", legend, style));
    text
}

fn headline(explained: &Explained<'_>) -> String {
    let found = &explained.explanation;
    let unit = explained.measure.metric.unit;
    let value = |value: f64| plain(unit, Some(value)).replace(' ', &UNBROKEN.to_string());
    let mut order: Vec<usize> = (0..found.parts.len()).collect();
    let size = |index: usize| libm::log(found.parts[index].times).abs();
    order.sort_by(|&one, &other| size(other).total_cmp(&size(one)));
    let most = order
        .iter()
        .take(3)
        .map(|&index| format!("{} {}", explained.factors[index].0, times(&found.parts[index])));
    format!(
        "{} is {} in {} and {} in {}, {} as much. Most of it: {}.",
        explained.measure,
        value(found.from),
        explained.from,
        value(found.to),
        explained.to,
        times(&found.whole),
        most.collect::<Vec<_>>().join(", "),
    )
}

/// `0.55 ±0.02 times`.
fn times(part: &Part) -> String {
    let text = with_interval(Unit::Ratio, Some(part.times), part.interval);
    format!("{text} times").replace(' ', &UNBROKEN.to_string())
}

fn waterfall(explained: &Explained<'_>, style: Style) -> String {
    let found = &explained.explanation;
    let heading = |text: &str| Cell::new(text).tone(Tone::Title);
    let mut grid = Grid::default()
        .words(heading("FACTOR"), 0)
        .figures(heading("times"), 0)
        .words(Cell::default(), 1)
        .figures(heading("alone"), 2)
        .figures(heading("last"), 2);
    // Where the product of the parts so far stands, from the first variant on.
    let mut steps = vec![0.0];
    for part in &found.parts {
        steps.push(steps.last().copied().unwrap_or(0.0) + libm::log(part.times));
    }
    let low = steps.iter().copied().fold(0.0, f64::min);
    let high = steps.iter().copied().fold(0.0, f64::max);
    let column = |log: f64| {
        let part = if high > low { (log - low) / (high - low) } else { 0.0 };
        libm::round(part * WIDTH as f64) as usize
    };
    let bar = |from: f64, to: f64| {
        let (one, other) = (column(from), column(to));
        let (start, end) = (one.min(other), one.max(other).max(one.min(other) + 1));
        format!("{}{}", " ".repeat(start), "█".repeat(end - start))
    };
    let more_is_better = explained.measure.more_is_better();
    let ratio = |value: f64| Cell::new(plain(Unit::Ratio, Some(value))).tone(Tone::Faint);
    for (index, part) in found.parts.iter().enumerate() {
        let good = (part.times > 1.0) == more_is_better;
        let tone = if good { Tone::Good } else { Tone::Bad };
        grid.row([
            Cell::new(format!("  {}", explained.factors[index].0)),
            Cell::new(with_interval(Unit::Ratio, Some(part.times), part.interval)),
            Cell::new(bar(steps[index], steps[index + 1])).tone(tone),
            ratio(part.alone),
            ratio(part.last),
        ]);
    }
    grid.row([
        Cell::new("  all"),
        Cell::new(with_interval(Unit::Ratio, Some(found.whole.times), found.whole.interval)),
        Cell::new(bar(0.0, libm::log(found.whole.times))),
    ]);
    grid.render(style)
}
