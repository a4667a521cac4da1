//! The empirical law: a table of quantiles, as measurements are published.
//!
//! The quantile function runs through the points (probability, value) in straight lines, so between
//! two points the law is uniform, and equal values in a row make an atom. Nothing is invented beyond
//! the ends: the table must say where the law starts (probability 0) and ends (probability 1).
//!
//! A guide table finds the piece of a probability: cells of equal width know their first piece (H.-C.
//! Chen and Y. Asau, *On generating random variates from an empirical distribution*, AIIE Transactions
//! 6, 1974), and with two cells for each point few hold more than one. The width is a power of two,
//! so that no rounding puts a probability into another cell.
//!
//! Moments are sums over the pieces; a piece of width `w` from `a` to `b` adds `w (a + b)/2` to the
//! mean and `w (a² + ab + b²)/3` to the mean square.
//!
//! ```
//! use tokenfleet::foundations::Law;
//! let latency = Law::empirical(&[(0.0, 0.2), (0.5, 1.0), (0.9, 3.0), (1.0, 10.0)])?;
//! assert!((latency.quantile(0.7) - 2.0).abs() < 1e-12);
//! assert!((latency.mean() - (0.3 + 0.8 + 0.65)).abs() < 1e-12);
//! # Ok::<(), tokenfleet::foundations::LawError>(())
//! ```

use super::{Distribution, Law, LawError, Partial, atom};
use crate::foundations::units::format_number;
use std::fmt;
use std::hint::cold_path;
use std::sync::Arc;

/// A table of measured quantiles.
#[derive(Clone, Debug, PartialEq)]
pub struct Empirical {
    /// Probability and value, both rising, the first strictly.
    points: Box<[(f64, f64)]>,
    /// Of each cell, and of the one behind the last: the first point that is not below it, but the
    /// very first.
    guide: Box<[u32]>,
    /// The value, where there is only one.
    only: Option<f64>,
}

/// Most cells of a guide.
const MOST_CELLS: usize = 1 << 12;

impl Law {
    /// From quantiles as pairs of probability and value.
    ///
    /// # Errors
    ///
    /// Refuses probabilities that don't rise from 0 to 1, and values that fall or are not finite.
    pub fn empirical(points: &[(f64, f64)]) -> Result<Self, LawError> {
        let fault = |problem| Err(LawError::Contradiction { law: "empirical", problem });
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            return fault("the table is empty; give at least the values at 0 and 1".into());
        };
        if (first.0, last.0) != (0.0, 1.0) {
            return fault(format!(
                "the probabilities run from {} to {}; add the smallest value at 0 and the largest at 1",
                first.0, last.0
            ));
        }
        if let Some((p, v)) = points.iter().find(|(_, value)| !value.is_finite()) {
            return fault(format!("the value {v} at {p} is not a finite number"));
        }
        for pair in points.windows(2) {
            let ((p, v), (next_p, next_v)) = (pair[0], pair[1]);
            if next_p.partial_cmp(&p) != Some(std::cmp::Ordering::Greater) {
                return fault(format!("probability {next_p} follows {p}; they must rise"));
            }
            if next_v < v {
                return fault(format!(
                    "value {next_v} at {next_p} follows {v} at {p}; quantiles can't fall"
                ));
            }
        }
        let cells = (2 * points.len()).next_power_of_two().min(MOST_CELLS);
        let beyond = |cell| points.partition_point(|point| point.0 < cell as f64 / cells as f64);
        let guide = (0..=cells).map(|cell| beyond(cell).max(1) as u32).collect();
        let only = (first.1 == last.1).then_some(first.1);
        Self::Empirical(Arc::new(Empirical { points: points.into(), guide, only })).finite()
    }

    /// From observations: the i-th smallest of n stands at probability `(i - 1)/(n - 1)`.
    ///
    /// # Errors
    ///
    /// Refuses an empty list and values that are not finite.
    pub fn from_observations(values: &[f64]) -> Result<Self, LawError> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        if let [only] = sorted[..] {
            return Self::constant(only);
        }
        let last = sorted.len().saturating_sub(1) as f64;
        let points: Vec<(f64, f64)> =
            sorted.into_iter().enumerate().map(|(i, value)| (i as f64 / last, value)).collect();
        Self::empirical(&points)
    }
}

impl Empirical {
    /// The value, where there is only one.
    #[inline]
    pub(super) fn only(&self) -> Option<f64> {
        self.only
    }
}

impl Distribution for Empirical {
    #[inline(always)]
    fn quantile(&self, p: f64) -> f64 {
        let cells = self.guide.len() - 1;
        let cell = ((p * cells as f64) as usize).min(cells - 1);
        let first = self.guide[cell] as usize;
        // Most cells hold one point at most: whether it is passed is added, not guessed.
        let mut next = first + usize::from(self.points[first].0 < p);
        if self.points[next].0 < p {
            cold_path();
            let last = self.guide[cell + 1] as usize;
            next += self.points[next..last].partition_point(|point| point.0 < p);
        }
        let ((p0, v0), (p1, v1)) = (self.points[next - 1], self.points[next]);
        v0 + (v1 - v0) * ((p - p0) / (p1 - p0))
    }

    fn cdf(&self, x: f64) -> f64 {
        let next = self.points.partition_point(|point| point.1 <= x);
        if next == 0 || next == self.points.len() {
            return if next == 0 { 0.0 } else { 1.0 };
        }
        let ((p0, v0), (p1, v1)) = (self.points[next - 1], self.points[next]);
        p0 + (p1 - p0) * ((x - v0) / (v1 - v0))
    }

    fn partial(&self, x: f64) -> Partial {
        let mut sums = atom(0.0, 0.0);
        for pair in self.points.windows(2).take_while(|pair| pair[0].1 <= x) {
            let ((p0, a), (p1, end)) = (pair[0], pair[1]);
            let (width, b) = match end <= x {
                true => (p1 - p0, end),
                false => ((p1 - p0) * ((x - a) / (end - a)), x),
            };
            let moments = [1.0, (a + b) / 2.0, (a * a + a * b + b * b) / 3.0];
            (0..3).for_each(|k| sums[k] += width * moments[k]);
        }
        sums
    }

    fn support(&self) -> (f64, f64) {
        (self.points[0].1, self.points[self.points.len() - 1].1)
    }
}

impl fmt::Display for Empirical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, (_, maximum)) = (self.quantile(0.5), self.support());
        let (median, maximum) = (format_number(median), format_number(maximum));
        write!(f, "empirical({} points, median {median}, max {maximum})", self.points.len())
    }
}
