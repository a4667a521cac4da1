//! What a calibration found: points before and after, factors with their intervals.

use super::grid::{Cell, Grid, Style, Tone, paragraph};
use crate::catalog::{Calibration, Factor};
use crate::experiment::calibration::kernels::{AcceleratorFactors, TimedKernels};
use crate::experiment::calibration::{Calibrated, Point, REPEATABILITY};
use crate::foundations::units::{format_number, format_percent};
use crate::performance::Latencies;
use crate::simulation::plan::Pool;

/// The answer as text, every line of it ended by a line break.
#[must_use]
pub fn render(entry: &Calibration, points: &[Point], found: &Calibrated, style: Style) -> String {
    let gpus = match entry.tensor_parallel {
        1 => entry.accelerator.clone(),
        gpus => format!("{gpus} x {}", entry.accelerator),
    };
    let mut text = Tone::Title.paint(&entry.model, style);
    text.push_str(&format!(
        " on {gpus} with {}: {} measured points, one replica\n\n",
        entry.engine,
        points.len()
    ));
    text.push_str(
        &by_point("TPOT", points, found, |point| Some(point.tpot_s), |of| of.tpot_s).render(style),
    );
    text.push('\n');
    if points.iter().any(|point| point.ttft_s.is_some()) {
        let grid = by_point("TTFT", points, found, |point| point.ttft_s, |of| of.ttft_s);
        text.push_str(&grid.render(style));
        text.push('\n');
    }
    text.push_str(&factors(entry).render(style));
    text.push('\n');
    text.push_str(&verdict(entry, style));
    if points.iter().any(|point| point.open) {
        let note = "concurrency of points at a request rate follows from Little's law";
        text.push_str(&paragraph("~ ", note, style));
    }
    text
}

/// Points with one of their latencies: measured, and how far predictions of it are off.
fn by_point(
    name: &str,
    points: &[Point],
    found: &Calibrated,
    measured: impl Fn(&Point) -> Option<f64>,
    predicted: impl Fn(&Latencies) -> f64,
) -> Grid {
    let mut grid = Grid::default().words(Cell::new(name), 0);
    for header in ["clients", "in", "out", "measured", "before", "after", "left out"] {
        grid = grid.figures(Cell::new(header), u8::from(matches!(header, "in" | "out")));
    }
    for (point, found) in points.iter().zip(&found.points) {
        let Some(seconds) = measured(point) else { continue };
        let clients = format_number(point.clients);
        let clients = if point.open { format!("~{clients}") } else { clients };
        let mut row = vec![
            Cell::new(point.name.as_str()),
            Cell::new(clients),
            Cell::new(format_number(point.prompt)),
            Cell::new(format_number(point.answer)),
            Cell::new(format!("{} ms", format_number(seconds * 1e3))),
        ];
        let sides = [found.before, found.after, found.left_out];
        row.extend(sides.map(|side| deviation(predicted(&side) / seconds)));
        grid.row(row);
    }
    grid
}

/// How far a prediction is off: `+12 %`.
fn deviation(ratio: f64) -> Cell {
    let percent = 100.0 * (ratio - 1.0);
    let tone = match percent.abs() {
        off if off < 10.0 => Tone::Plain,
        off if off < 25.0 => Tone::Caution,
        _ => Tone::Bad,
    };
    Cell::new(format!("{percent:+.1} %")).tone(tone)
}

fn factors(entry: &Calibration) -> Grid {
    let mut grid = Grid::default()
        .words(Cell::new("FACTOR"), 0)
        .figures(Cell::default(), 0)
        .figures(Cell::new("95 % interval"), 0)
        .words(Cell::default(), 1);
    let mut row = |name: &str, factor: Factor, on: &str| {
        let Factor { value, low, high } = factor;
        grid.row([
            Cell::new(name),
            Cell::new(format!("{value:.3}")),
            Cell::new(format!("{low:.3} to {high:.3}")),
            Cell::new(on).tone(Tone::Faint),
        ]);
    };
    row("gpu_time", entry.gpu_time, "on time in kernels");
    row("host_time", entry.host_time, "on launches and the host's work for a step");
    if let Some(factor) = entry.front_end {
        row("front_end", factor, "on delays before the scheduler");
    }
    grid
}

fn verdict(entry: &Calibration, style: Style) -> String {
    let (before, after) = (entry.tpot_error_before.unwrap_or(f64::NAN), entry.tpot_error);
    let sentence = format!(
        "TPOT of points left out of the fit is {} off in the mean, {} without factors.",
        format_percent(after),
        format_percent(before)
    );
    let mut text = paragraph("", &sentence, style);
    if after > before {
        let note = match before < REPEATABILITY {
            true => {
                "The model is as near to the points as runs of one server are to each other: these \
                 factors are noise, leave them out."
            }
            false => {
                "These factors predict worse than none: the points contradict each other, or the \
                 pool is not what was measured. Compare its precision, tensor_parallel and engine \
                 with the server's command line."
            }
        };
        text.push_str(&paragraph("! ", note, style));
    }
    for (name, factor) in [("gpu_time", entry.gpu_time), ("host_time", entry.host_time)] {
        if !(0.5..=2.0).contains(&factor.value) {
            let note = format!(
                "{name} is {:.2}: more than machines of one kind differ. Check that the pool is \
                 what was measured.",
                factor.value
            );
            text.push_str(&paragraph("! ", &note, style));
        }
    }
    text
}

/// What timed kernels say of an accelerator.
#[must_use]
pub fn render_kernels(
    timed: &TimedKernels,
    found: &AcceleratorFactors,
    pool: &Pool,
    entry: &str,
    style: Style,
) -> String {
    let mut text = Tone::Title.paint(&timed.device.name, style);
    text.push_str(&format!(" as {} with {}\n\n", pool.accelerator, pool.engine));
    let mut grid = Grid::default().words(Cell::new("KERNEL"), 0);
    for header in ["timed", "time over the model's", "with the factors"] {
        grid = grid.figures(Cell::new(header), 0);
    }
    for (kind, count, before, after) in &found.kinds {
        let ratios = [before, after].map(|ratio| Cell::new(format!("{ratio:.2}")));
        let head = [kind.replace('_', " "), count.to_string()].map(Cell::new);
        grid.row(head.into_iter().chain(ratios));
    }
    text.push_str(&grid.render(style));
    if let Some(seconds) = timed.launch_s() {
        let note = format!(
            "a launch took {:.1} us there, which holds for the measuring program's host",
            seconds * 1e6
        );
        text.push('\n');
        text.push_str(&paragraph("~ ", &note, style));
    }
    text.push_str(&format!("\nFor the scenario:\n\n{entry}"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foundations::Interval;

    #[test]
    fn a_calibration_reads_well() {
        let latencies = |tpot_s, ttft_s| Latencies { tpot_s, ttft_s };
        let point = |clients: f64, tpot_s, open| Point {
            name: format!("bench-{clients}.json"),
            clients,
            open,
            prompt: 1024.0,
            answer: 512.0,
            tpot_s,
            ttft_s: Some(0.1),
            date: "2026-04-22".into(),
        };
        let points =
            [point(4.0, 11.8e-3, false), point(16.0, 13.2e-3, false), point(63.7, 19.5e-3, true)];
        let factor = |value, Interval { low, high }: Interval| Factor { value, low, high };
        let gpu_time = factor(1.21, Interval { low: 1.08, high: 1.36 });
        let host_time = factor(0.42, Interval { low: 0.3, high: 0.6 });
        let of = |point: &Point| crate::experiment::calibration::Prediction {
            before: latencies(point.tpot_s * 1.3, 0.05),
            after: latencies(point.tpot_s * 1.02, 0.09),
            left_out: latencies(point.tpot_s * 0.97, 0.08),
        };
        let found = Calibrated {
            gpu_time,
            host_time,
            front_end: None,
            points: points.iter().map(of).collect(),
        };
        let entry = Calibration {
            model: "llama-3.1-70b".into(),
            accelerator: "h100-sxm".into(),
            engine: "vllm".into(),
            tensor_parallel: 4,
            points: 3,
            tpot_error_before: Some(found.tpot_error_before(&points)),
            tpot_error: found.tpot_error(&points),
            ttft_error: found.ttft_error(&points),
            source: String::new(),
            date: String::new(),
            gpu_time,
            host_time,
            front_end: None,
        };
        insta::assert_snapshot!(render(&entry, &points, &found, Style::PLAIN));
    }
}
