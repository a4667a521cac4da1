//! Small plots as SVG: predicted against measured, and curves over time.

use std::fmt::Write;

/// Colours of series that eyes without red or green tell apart (P. Tol, *bright*).
const COLOURS: [&str; 6] = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#aa3377", "#66ccee"];
const INK: &str = "#333333";
const GRID: &str = "#dddddd";

/// Points of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What they are.
    pub name: String,
    /// (x, y).
    pub points: Vec<(f64, f64)>,
}

/// A rectangle of the picture, and the values at its edges.
struct Frame {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    x: (f64, f64),
    y: (f64, f64),
}

impl Frame {
    fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let part = |value: f64, (low, high): (f64, f64)| (value - low) / (high - low);
        (self.left + self.width * part(x, self.x), self.top + self.height * (1.0 - part(y, self.y)))
    }

    fn border(&self, out: &mut String) {
        let Self { left, top, width, height, .. } = self;
        let _ = writeln!(
            out,
            r#"<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="none" stroke="{INK}"/>"#
        );
    }
}

fn begin(width: f64, height: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"{INK}\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    )
}

fn text(out: &mut String, (x, y): (f64, f64), anchor: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(out, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{words}</text>"#);
}

fn line(out: &mut String, from: (f64, f64), to: (f64, f64), style: &str) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(out, r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" {style}/>"#);
}

/// Predicted (y) against measured (x) on logarithmic axes, with the line where both agree and the
/// lines where they are 20 % apart.
#[must_use]
pub fn agreement(title: &str, unit: &str, series: &[Series]) -> String {
    let values = series.iter().flat_map(|one| &one.points).flat_map(|&(x, y)| [x, y]);
    let logs = values.filter(|value| *value > 0.0).map(libm::log10);
    let (low, high) = logs.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
    let (low, high) = if low < high { (low - 0.05, high + 0.05) } else { (0.0, 1.0) };
    let frame = Frame {
        left: 60.0,
        top: 34.0,
        width: 400.0,
        height: 400.0,
        x: (low, high),
        y: (low, high),
    };
    let mut out = begin(480.0, 480.0);
    text(&mut out, (260.0, 20.0), "middle", title);
    for power in libm::ceil(low) as i32..=libm::floor(high) as i32 {
        let at = f64::from(power);
        let grid = format!("stroke=\"{GRID}\"");
        line(&mut out, frame.at((at, low)), frame.at((at, high)), &grid);
        line(&mut out, frame.at((low, at)), frame.at((high, at)), &grid);
        let label = libm::exp10(at).to_string();
        let (x, y) = frame.at((at, low));
        text(&mut out, (x, y + 15.0), "middle", &label);
        let (x, y) = frame.at((low, at));
        text(&mut out, (x - 5.0, y + 4.0), "end", &label);
    }
    text(&mut out, (260.0, 468.0), "middle", &format!("measured, {unit}"));
    let _ = writeln!(
        out,
        r#"<text transform="translate(16 234) rotate(-90)" text-anchor="middle">predicted, {unit}</text>"#
    );
    for (number, one) in series.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let _ = writeln!(out, r#"<g fill="{colour}" fill-opacity="0.5">"#);
        for &(x, y) in one.points.iter().filter(|(x, y)| *x > 0.0 && *y > 0.0) {
            let (x, y) = frame.at((libm::log10(x), libm::log10(y)));
            let _ = writeln!(out, r#"<circle cx="{x:.1}" cy="{y:.1}" r="2.2"/>"#);
        }
        out.push_str("</g>\n");
        let y = frame.top + 18.0 + 16.0 * number as f64;
        let _ = writeln!(
            out,
            r#"<circle cx="{:.1}" cy="{:.1}" r="4" fill="{colour}"/>"#,
            frame.left + 12.0,
            y - 4.0
        );
        text(&mut out, (frame.left + 22.0, y), "start", &one.name);
    }
    line(&mut out, frame.at((low, low)), frame.at((high, high)), &format!("stroke=\"{INK}\""));
    let apart = libm::log10(1.2);
    let dashed = format!("stroke=\"{INK}\" stroke-dasharray=\"3 3\" stroke-opacity=\"0.6\"");
    line(&mut out, frame.at((low, low + apart)), frame.at((high - apart, high)), &dashed);
    line(&mut out, frame.at((low + apart, low)), frame.at((high, high - apart)), &dashed);
    frame.border(&mut out);
    out.push_str("</svg>\n");
    out
}

/// Curves over a common x axis, one panel below another: a title and its series.
#[must_use]
pub fn panels(title: &str, x_label: &str, panels: &[(&str, Vec<Series>)]) -> String {
    const HEIGHT: f64 = 130.0;
    let all = || panels.iter().flat_map(|(_, series)| series).flat_map(|one| &one.points);
    let end = all().map(|&(x, _)| x).fold(1.0, f64::max);
    let mut out = begin(640.0, 60.0 + (HEIGHT + 30.0) * panels.len() as f64);
    text(&mut out, (320.0, 20.0), "middle", title);
    for (row, (name, series)) in panels.iter().enumerate() {
        let points = series.iter().flat_map(|one| &one.points);
        let most = points.map(|&(_, y)| y).fold(0.0, f64::max).max(1e-9) * 1.05;
        let top = 44.0 + (HEIGHT + 30.0) * row as f64;
        let frame =
            Frame { left: 60.0, top, width: 560.0, height: HEIGHT, x: (0.0, end), y: (0.0, most) };
        text(&mut out, (60.0, top - 5.0), "start", name);
        text(&mut out, (54.0, top + 10.0), "end", &format!("{most:.3}"));
        text(&mut out, (54.0, top + HEIGHT), "end", "0");
        for (number, one) in series.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            let mut path = String::new();
            for &point in &one.points {
                let (x, y) = frame.at(point);
                let _ = write!(path, "{x:.1},{y:.1} ");
            }
            let _ = writeln!(
                out,
                r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="1.5"/>"#,
                path.trim_end()
            );
            let right = 610.0 - 90.0 * number as f64;
            let _ = writeln!(out, "<g fill=\"{colour}\">");
            text(&mut out, (right, top - 5.0), "end", &one.name);
            out.push_str("</g>\n");
        }
        frame.border(&mut out);
    }
    let bottom = 44.0 + (HEIGHT + 30.0) * panels.len() as f64 - 12.0;
    text(&mut out, (340.0, bottom), "middle", &format!("{x_label}, 0 to {end:.0}"));
    out.push_str("</svg>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_that_agree_lie_on_the_diagonal() {
        let series = [Series { name: "a".into(), points: vec![(1.0, 1.0), (100.0, 100.0)] }];
        let svg = agreement("t", "ms", &series);
        let numbers = |line: &str| -> Vec<f64> {
            line.split('"').filter_map(|part| part.parse().ok()).collect()
        };
        let circles: Vec<Vec<f64>> =
            svg.lines().filter(|line| line.contains(r#"r="2.2""#)).map(numbers).collect();
        for circle in &circles {
            // The frame is square: as far from its left as from its foot.
            assert!((circle[0] - 60.0 - (434.0 - circle[1])).abs() < 0.2, "{circle:?}");
        }
        assert_eq!(circles.len(), 2);
    }
}
