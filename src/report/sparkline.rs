//! A row of small bars.

/// From nothing to full.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One bar for each value, the largest full; a blank where there is nothing.
pub fn sparkline(values: &[f64]) -> String {
    sparkline_to(values, 0.0)
}

/// One bar for each value, full for the largest of them and `most`.
pub fn sparkline_to(values: &[f64], most: f64) -> String {
    let most = values.iter().copied().filter(|value| value.is_finite()).fold(most, f64::max);
    let bar = |&value: &f64| match value {
        v if !v.is_finite() || v <= 0.0 || most <= 0.0 => ' ',
        v => {
            let height = libm::ceil(v / most * BARS.len() as f64) as usize;
            BARS[height.clamp(1, BARS.len()) - 1]
        }
    };
    values.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_is_full_and_nothing_is_blank() {
        assert_eq!(sparkline(&[0.0, 1.0, 4.0, 8.0, f64::NAN]), " ▁▄█ ");
        assert_eq!(sparkline(&[0.0, 0.0]), "  ");
        assert_eq!(sparkline(&[]), "");
        assert_eq!(sparkline_to(&[1.0, 4.0], 8.0), "▁▄");
    }
}
