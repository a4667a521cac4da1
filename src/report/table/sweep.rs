//! A scenario at many points: the best of them, and the front of two measures.

use super::columns::labelled;
use super::grid::{Cell, Grid, Style, Tone, UNBROKEN, paragraph};
use crate::experiment::Measure;
use crate::experiment::sweep::{Outcome, SweepPoint, best, front};
use crate::foundations::units::format_percent;
use crate::report::quantity::with_interval;
use crate::report::sweep::Sweep;

/// Points that the table lists at most; a file holds them all.
const MOST_ROWS: usize = 60;

/// The sweep as text.
pub fn render(sweep: &Sweep<'_>, style: Style) -> String {
    let style = style.readable();
    let front = front(&sweep.points, &sweep.pareto);
    let mut text = Tone::Title.paint(sweep.scenario, style);
    text.push_str(&format!(
        ": {} points of {} trials, seed {}, ± at {}\n\n",
        sweep.points.len(),
        sweep.trials,
        sweep.seed,
        format_percent(sweep.confidence),
    ));
    text.push_str(&paragraph("  ", &headline(sweep, &front), style));
    text.push('\n');
    text.push_str(&table(sweep, &front, style));
    text.push_str(&remarks(sweep, &front, style));
    text
}

/// `replicas 4, accelerator h200-sxm`: the last key of each path says which it is, as long as no two
/// end alike.
fn names(sweep: &Sweep<'_>) -> Vec<String> {
    let last = |path: &String| path.rsplit('.').next().unwrap_or(path).to_owned();
    let short: Vec<String> = sweep.paths.iter().map(last).collect();
    let name = |(index, path): (usize, &String)| {
        let alike = short.iter().filter(|name| **name == short[index]).count() > 1;
        if alike { path.clone() } else { short[index].clone() }
    };
    sweep.paths.iter().enumerate().map(name).collect()
}

fn described(sweep: &Sweep<'_>, point: &SweepPoint) -> String {
    let names = names(sweep);
    let pairs = names.iter().enumerate();
    let pairs = pairs.map(|(axis, name)| format!("{name} {}", point.value(axis)));
    pairs.collect::<Vec<_>>().join(", ")
}

fn shown(measure: &Measure, outcome: &Outcome) -> String {
    let (value, interval) = outcome.measured(measure);
    with_interval(measure.metric.unit, value, interval)
}

fn headline(sweep: &Sweep<'_>, front: &[bool]) -> String {
    let main = &sweep.main;
    let outcomes: Vec<_> = sweep.points.iter().filter_map(SweepPoint::outcome).collect();
    let Some(at) = best(&sweep.points, main) else {
        return "No point was simulated, so there is nothing to say.".to_owned();
    };
    let (point, good) = (&sweep.points[at], outcomes.iter().filter(|o| o.is_good()).count());
    let value = point.outcome().map_or_else(String::new, |outcome| shown(main, outcome));
    let value = value.replace(' ', &UNBROKEN.to_string());
    let demands = match sweep.objectives.len() {
        0 => "keep up with their load",
        _ => "meet all objectives",
    };
    let all = outcomes.len();
    let meet = match good {
        0 => format!("None of {all} points {}.", demands.replacen("meet", "meets", 1)),
        good => format!("{good} of {all} points {demands}."),
    };
    let among = if good > 0 && good < all { " of these" } else { "" };
    let on_front = front.iter().filter(|&&on| on).count();
    format!(
        "{meet} Best{among} in {main}: {}, at {value}. {on_front} points are on the front of {} and \
         {}, marked *.",
        described(sweep, point),
        sweep.pareto[0],
        sweep.pareto[1],
    )
}

fn table(sweep: &Sweep<'_>, front: &[bool], style: Style) -> String {
    let measures = sweep.asked();
    let title = |text: &str| Cell::new(text).tone(Tone::Title);
    let mut grid = Grid::default().words(Cell::default(), 0);
    for name in names(sweep) {
        grid = grid.words(title(&name), 0);
    }
    grid = grid.figures(title("GPUs"), 3);
    for measure in &measures {
        grid = grid.figures(title(&measure.to_string()), 0);
    }
    grid = grid.words(title("objectives"), 1);
    let many = sweep.points.len() > MOST_ROWS;
    for (point, &on_front) in sweep.points.iter().zip(front) {
        if many && !on_front {
            continue;
        }
        let mark = Cell::new(if on_front { "*" } else { "" }).tone(Tone::Good);
        let values = (0..sweep.paths.len()).map(|axis| Cell::new(point.value(axis)));
        let mut cells: Vec<Cell> = std::iter::once(mark).chain(values).collect();
        if let Some(outcome) = point.outcome() {
            cells.push(Cell::new(outcome.gpus.to_string()));
            for measure in &measures {
                let (value, interval) = outcome.measured(measure);
                cells.push(Cell::new(with_interval(labelled(measure.metric), value, interval)));
            }
            cells.push(verdict(sweep, outcome));
        } else {
            cells.extend(std::iter::repeat_n(Cell::default(), measures.len() + 1));
            let why = if point.found.is_some() { "cannot be built" } else { "not simulated" };
            cells.push(Cell::new(why).tone(Tone::Faint));
        }
        grid.row(cells);
    }
    grid.render(style)
}

fn verdict(sweep: &Sweep<'_>, outcome: &Outcome) -> Cell {
    if !outcome.keeps_up {
        return Cell::new("does not keep up").tone(Tone::Bad);
    }
    let missed: Vec<&str> = sweep
        .objectives
        .iter()
        .zip(&outcome.met)
        .filter(|&(_, &met)| !met)
        .map(|(objective, _)| objective.name.as_str())
        .collect();
    match (sweep.objectives.is_empty(), missed.is_empty()) {
        (true, _) => Cell::default(),
        (false, true) => Cell::new("met").tone(Tone::Good),
        (false, false) => Cell::new(format!("misses {}", missed.join(", "))).tone(Tone::Bad),
    }
}

/// What cannot be built and why, and what the table leaves out.
fn remarks(sweep: &Sweep<'_>, front: &[bool], style: Style) -> String {
    let mut text = String::new();
    let mut reasons: Vec<(&str, usize, String)> = Vec::new();
    for point in &sweep.points {
        let Some(Err(why)) = &point.found else { continue };
        match reasons.iter_mut().find(|(known, ..)| known == why) {
            Some((_, count, _)) => *count += 1,
            None => reasons.push((why, 1, described(sweep, point))),
        }
    }
    for (why, count, first) in reasons {
        let more = match count {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        let line = format!("{first}{more} cannot be built: {why}");
        text.push_str(&paragraph("! ", &line, style));
    }
    if sweep.points.len() > MOST_ROWS {
        let shown = front.iter().filter(|&&on| on).count();
        let line = format!(
            "{shown} of {} points are shown, those on the front; --format csv and --out give all",
            sweep.points.len()
        );
        text.push_str(&paragraph("! ", &line, style));
    }
    if text.is_empty() { text } else { format!("\n{text}") }
}
