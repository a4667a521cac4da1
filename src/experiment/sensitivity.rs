//! Which of the things that are not known drives a figure.
//!
//! With inputs X drawn independently, the *first-order index* of input i is the part of the figure's
//! variance that would go if X_i alone were known, the *total index* the part that would be left if
//! all others were (I. M. Sobol', *Sensitivity estimates for nonlinear mathematical models*, 1993):
//!
//! ```text
//! S_i  = Var(E[f | X_i]) / Var(f)         ≈ 1/N   Σ f(B) (f(A with B's column i) - f(A)) / Var(f)
//! ST_i = E[Var(f | X_~i)] / Var(f)        ≈ 1/2N  Σ (f(A) - f(A with B's column i))²    / Var(f)
//! ```
//!
//! with the rows of A and B from one Sobol sequence of twice as many dimensions (A. Saltelli and
//! others, *Variance based sensitivity analysis of model output*, Computer Physics Communications 181,
//! 2010, table 2: (b) for the first and Jansen's (f) for the second). Intervals are percentiles of
//! 1,000 bootstrap samples of the rows. A *tornado* moves one input at a time, the others at their
//! medians.
//!
//! ```
//! use tokenfleet::experiment::sensitivity::Design;
//!
//! let design = Design::new(2, 256, 1);
//! let values: Vec<f64> = design.rows().iter().map(|x| 3.0 * x[0] + x[1]).collect();
//! let found = design.conclude(&values, 0.95).unwrap();
//! assert!((found.inputs[0].first - 0.9).abs() < 0.02);       // 9 of 9 + 1
//! assert!((found.inputs[1].total - 0.1).abs() < 0.02);
//! ```

use crate::experiment::design::sobol;
use crate::foundations::Interval;
use crate::foundations::random::{Purpose, Streams};
use crate::foundations::statistics::{Moments, order_statistic};

/// Inputs whose indices can be told: Sobol points have 256 dimensions.
pub const MOST_INPUTS: usize = 64;
/// The quantiles between which a tornado moves an input.
pub const TORNADO: [f64; 2] = [0.05, 0.95];
/// Bootstrap samples behind an interval.
const RESAMPLES: u64 = 1000;

/// Where a figure is to be known: quantiles of the inputs, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Design {
    inputs: usize,
    base: usize,
    seed: u64,
    rows: Vec<Vec<f64>>,
}

/// What drives a figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Sensitivity {
    /// Its mean over what is not known.
    pub mean: f64,
    /// Its standard deviation over what is not known.
    pub deviation: f64,
    /// Its value with every input at its median.
    pub at_medians: f64,
    /// By input.
    pub inputs: Vec<Index>,
}

/// What one input does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Index {
    /// The part of the variance that would go if it were known.
    pub first: f64,
    /// Where that lies.
    pub first_interval: Interval,
    /// The part that would be left if all others were known: what it does by itself and together
    /// with others.
    pub total: f64,
    /// Where that lies.
    pub total_interval: Interval,
    /// The figure with this input at its 5th and its 95th percentile, all others at their medians.
    pub tornado: [f64; 2],
}

impl Design {
    /// The design of `inputs` inputs at `base` points of the sequence: `base` times two more than
    /// inputs, and for the tornado one and two for each input.
    pub fn new(inputs: usize, base: usize, seed: u64) -> Self {
        let point = |index: usize, from: usize| -> Vec<f64> {
            (0..inputs).map(|input| inside(sobol(index, from + input, seed))).collect()
        };
        let a: Vec<Vec<f64>> = (0..base).map(|index| point(index, 0)).collect();
        let b: Vec<Vec<f64>> = (0..base).map(|index| point(index, inputs)).collect();
        let mixed = (0..inputs).flat_map(|input| {
            let pairs = a.iter().zip(&b);
            pairs.map(move |(a, b)| replaced(a, input, b[input])).collect::<Vec<_>>()
        });
        let medians = vec![0.5; inputs];
        let moved = (0..inputs)
            .flat_map(|input| TORNADO.map(|u| replaced(&medians, input, u)))
            .collect::<Vec<_>>();
        let rows = a.iter().chain(&b).cloned().chain(mixed).chain([medians.clone()]).chain(moved);
        let rows = rows.collect();
        Self { inputs, base, seed, rows }
    }

    /// Quantiles of the inputs, row by row.
    pub fn rows(&self) -> &[Vec<f64>] {
        &self.rows
    }

    /// What the values of a figure at all rows say; none where it does not differ, or is not known
    /// everywhere.
    pub fn conclude(&self, values: &[f64], confidence: f64) -> Option<Sensitivity> {
        if values.len() != self.rows.len() || values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let (base, n) = (&values[..2 * self.base], self.base);
        let moments: Moments = base.iter().copied().collect();
        if moments.variance() <= 0.0 || moments.variance().is_nan() {
            return None;
        }
        // Of centred values the estimators are the same, and surer.
        let centred: Vec<f64> = values.iter().map(|value| value - moments.mean()).collect();
        let (a, b) = (&centred[..n], &centred[n..2 * n]);
        let column = |input: usize| &centred[(2 + input) * n..(3 + input) * n];
        let indices = |rows: &[usize], input: usize| -> (f64, f64) {
            let (mut first, mut total) = (0.0, 0.0);
            let mut all = Moments::default();
            let mixed = column(input);
            for &row in rows {
                first += b[row] * (mixed[row] - a[row]);
                total += (a[row] - mixed[row]) * (a[row] - mixed[row]) / 2.0;
                all.record(a[row]);
                all.record(b[row]);
            }
            let variance = all.variance() * rows.len() as f64;
            (first / variance, total / variance)
        };
        let every: Vec<usize> = (0..n).collect();
        let mut stream = Streams::new(self.seed, 0).stream(Purpose::Resample, 0);
        let samples: Vec<Vec<usize>> = (0..RESAMPLES)
            .map(|_| (0..n).map(|_| stream.below(n as u64) as usize).collect())
            .collect();
        let tornado = &values[(2 + self.inputs) * n..];
        let index = |input: usize| {
            let (first, total) = indices(&every, input);
            let again: Vec<(f64, f64)> = samples.iter().map(|rows| indices(rows, input)).collect();
            Index {
                first: first.clamp(0.0, 1.0),
                first_interval: percentiles(again.iter().map(|pair| pair.0), confidence),
                total: total.clamp(0.0, 1.0),
                total_interval: percentiles(again.iter().map(|pair| pair.1), confidence),
                tornado: [tornado[1 + 2 * input], tornado[2 + 2 * input]],
            }
        };
        Some(Sensitivity {
            mean: moments.mean(),
            deviation: libm::sqrt(moments.variance()),
            at_medians: tornado[0],
            inputs: (0..self.inputs).map(index).collect(),
        })
    }
}

/// A quantile at which every law has a value.
fn inside(u: f64) -> f64 {
    u.clamp(1e-6, 1.0 - 1e-6)
}

fn replaced(row: &[f64], at: usize, u: f64) -> Vec<f64> {
    let mut row = row.to_vec();
    row[at] = u;
    row
}

/// The middle part of what a bootstrap found, within 0 and 1.
fn percentiles(values: impl Iterator<Item = f64>, confidence: f64) -> Interval {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let tail = (1.0 - confidence) / 2.0;
    let at = |p: f64| order_statistic(&values, p).unwrap_or(f64::NAN).clamp(0.0, 1.0);
    Interval { low: at(tail), high: at(1.0 - tail) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    /// T. Ishigami, T. Homma, *An importance quantification technique in uncertainty analysis for
    /// computer models*, 1990: f = sin x + a sin² y + b z⁴ sin x on (-π, π)³ with a = 7, b = 0.1. By
    /// hand Var f = a²/8 + bπ⁴/5 + b²π⁸/18 + 1/2.
    #[test]
    fn ishigamis_function() {
        let (a, b) = (7.0, 0.1);
        let design = Design::new(3, 4096, 7);
        let f = |u: &Vec<f64>| {
            let [x, y, z] = [0, 1, 2].map(|at| PI * (2.0 * u[at] - 1.0));
            let (sine, square) = (libm::sin(x), libm::sin(y) * libm::sin(y));
            sine + a * square + b * z * z * z * z * sine
        };
        let values: Vec<f64> = design.rows().iter().map(f).collect();
        let found = design.conclude(&values, 0.95).unwrap();
        let (p4, p8) = (PI.powi(4), PI.powi(8));
        let variance = a * a / 8.0 + b * p4 / 5.0 + b * b * p8 / 18.0 + 0.5;
        let x = 0.5 * (1.0 + b * p4 / 5.0) * (1.0 + b * p4 / 5.0) / variance;
        let y = a * a / 8.0 / variance;
        let xz = b * b * p8 * (1.0 / 18.0 - 1.0 / 50.0) / variance;
        assert!((found.deviation * found.deviation / variance - 1.0).abs() < 0.01);
        for (input, (first, total)) in found.inputs.iter().zip([(x, x + xz), (y, y), (0.0, xz)]) {
            assert!((input.first - first).abs() < 0.015, "{input:?} {first}");
            assert!((input.total - total).abs() < 0.015, "{input:?} {total}");
            assert!(input.total_interval.contains(total), "{input:?} {total}");
        }
        assert!((found.mean - a / 2.0).abs() < 0.01);
    }

    /// Intervals of few points hold the truth about as often as they promise.
    #[test]
    fn few_points_have_honest_intervals() {
        let mut held = 0;
        for seed in 0..40 {
            let design = Design::new(2, 32, seed);
            let values: Vec<f64> = design.rows().iter().map(|x| x[0] * 2.0 + x[1]).collect();
            let found = design.conclude(&values, 0.9).unwrap();
            held += u32::from(found.inputs[0].total_interval.contains(0.8));
        }
        assert!(held >= 30, "{held} of 40");
    }

    #[test]
    fn a_tornado_moves_one_input_at_a_time() {
        let design = Design::new(2, 8, 1);
        assert_eq!(design.rows().len(), 8 * 4 + 5);
        let values: Vec<f64> = design.rows().iter().map(|x| 10.0 * x[0] - x[1]).collect();
        let found = design.conclude(&values, 0.95).unwrap();
        assert_eq!(found.at_medians, 4.5);
        assert!((found.inputs[0].tornado[0] - 0.0).abs() < 1e-12);
        assert!((found.inputs[1].tornado[1] - (5.0 - 0.95)).abs() < 1e-12);
        assert_eq!(design.conclude(&vec![1.0; 37], 0.95), None);
        assert_eq!(design.conclude(&values[1..], 0.95), None);
    }
}
