//! Which factor brings how much of the difference between two variants.
//!
//! With every subset S of the factors that differ taken from the second variant and the rest from the
//! first, a measure is R(S). The part of factor j is its mean effect over all orders in which the
//! factors could have been changed (L. S. Shapley, *A value for n-person games*, 1953), on
//! logarithms, so that parts multiply to the whole:
//!
//! ```text
//! ln part(j) = Σ over S without j of |S|! (n - |S| - 1)! / n! (ln R(S with j) - ln R(S))
//! ```
//!
//! All subsets have the same tasks, so trial by trial the same sum over what pulls their ratios gives
//! the part's standard error, as in [`comparison`](super::comparison).

use crate::foundations::Interval;
use crate::foundations::interval::student_t;
use crate::foundations::statistics::Moments;

use super::comparison::pulls;

/// Factors at most: each doubles the subsets.
pub const MOST_FACTORS: usize = 8;

/// A factor: how many times it makes the measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// Its part of the ratio.
    pub times: f64,
    /// Where that lies; none with fewer than two trials.
    pub interval: Option<Interval>,
    /// The ratio that it brings alone, all else as in the first variant.
    pub alone: f64,
    /// The ratio that it brings last, all else as in the second variant.
    pub last: f64,
}

/// A difference taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The measure in the first variant.
    pub from: f64,
    /// The measure in the second.
    pub to: f64,
    /// The second over the first.
    pub whole: Part,
    /// By factor.
    pub parts: Vec<Part>,
    /// Trials that all subsets have.
    pub trials: u64,
}

impl Explanation {
    /// Takes the difference apart. `subsets` holds the measure of each subset in each trial, as top
    /// and bottom of a ratio, by the subset's bits: bit j for factor j; `values` holds it over all
    /// trials. None where a value is not above zero or the number of subsets is no power of two.
    pub fn new(values: &[f64], subsets: &[Vec<(f64, f64)>], confidence: f64) -> Option<Self> {
        let factors = values.len().checked_ilog2()? as usize;
        let positive = values.iter().all(|value| *value > 0.0 && value.is_finite());
        if values.len() != 1 << factors || subsets.len() != values.len() || !positive {
            return None;
        }
        let trials = subsets.iter().map(Vec::len).min()?;
        // Of each subset: the logarithm of its value, and how far each trial pulls that.
        let logs: Vec<f64> = values.iter().map(|value| libm::log(*value)).collect();
        let pulled: Vec<Vec<f64>> = subsets
            .iter()
            .zip(values)
            .map(|(subset, value)| {
                pulls(&subset[..trials]).into_iter().map(|pull| pull / value).collect()
            })
            .collect();
        let part = |weights: &[(usize, f64)], alone: f64, last: f64| {
            let log: f64 = weights.iter().map(|&(subset, weight)| weight * logs[subset]).sum();
            let pull = |trial: usize| -> f64 {
                weights.iter().map(|&(subset, weight)| weight * pulled[subset][trial]).sum()
            };
            let error = (0..trials).map(pull).collect::<Moments>().standard_error();
            let half = student_t(confidence, trials as f64 - 1.0) * error;
            let interval = half
                .is_finite()
                .then(|| Interval { low: libm::exp(log - half), high: libm::exp(log + half) });
            Part { times: libm::exp(log), interval, alone, last }
        };
        let all = values.len() - 1;
        let ratio = values[all] / values[0];
        let parts = (0..factors).map(|factor| {
            let bit = 1 << factor;
            let (alone, last) = (values[bit] / values[0], values[all] / values[all ^ bit]);
            part(&weights(factor, factors), alone, last)
        });
        Some(Self {
            from: values[0],
            to: values[all],
            whole: Part { times: ratio, ..part(&[(all, 1.0), (0, -1.0)], ratio, ratio) },
            parts: parts.collect(),
            trials: trials as u64,
        })
    }
}

/// The weight of each subset in the part of one factor.
fn weights(factor: usize, factors: usize) -> Vec<(usize, f64)> {
    let factorial = |n: usize| (1..=n).map(|k| k as f64).product::<f64>();
    let bit = 1 << factor;
    let without = (0..1_usize << factors).filter(|subset| subset & bit == 0);
    without
        .flat_map(|subset| {
            let size = subset.count_ones() as usize;
            let weight = factorial(size) * factorial(factors - size - 1) / factorial(factors);
            [(subset | bit, weight), (subset, -weight)]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trials(value: f64) -> Vec<(f64, f64)> {
        [0.9, 1.0, 1.1].map(|times| (value * times, 1.0)).to_vec()
    }

    fn explained(values: &[f64]) -> Explanation {
        let subsets: Vec<_> = values.iter().map(|&value| trials(value)).collect();
        Explanation::new(values, &subsets, 0.95).unwrap()
    }

    /// Factors that do not touch each other bring what they bring alone.
    #[test]
    fn independent_factors_keep_their_effects() {
        let value = |subset: usize| {
            let effects = [0.5, 3.0, 0.8];
            (0..3).filter(|j| subset & (1 << j) != 0).map(|j| effects[j]).product::<f64>() * 7.0
        };
        let found = explained(&(0..8).map(value).collect::<Vec<_>>());
        for (part, effect) in found.parts.iter().zip([0.5, 3.0, 0.8]) {
            assert!((part.times - effect).abs() < 1e-12 && (part.alone - effect).abs() < 1e-12);
            // Trials differ alike in all subsets: their noise cancels.
            assert!(part.interval.unwrap().half_width() < 1e-9);
        }
    }

    /// By hand, for two factors: ln part(1) = (ln 2/8 + ln 1/4) / 2 of R = 8, 2, 4, 1.
    #[test]
    fn parts_multiply_to_the_whole() {
        let found = explained(&[8.0, 2.0, 4.0, 1.0]);
        assert!((found.parts[0].times - 0.25).abs() < 1e-12);
        assert!((found.parts[1].times - 0.5).abs() < 1e-12);
        let values: Vec<f64> = (0..16).map(|s| 1.0 + f64::from(s * s % 11)).collect();
        let found = explained(&values);
        let product: f64 = found.parts.iter().map(|part| part.times).product();
        assert!((product / found.whole.times - 1.0).abs() < 1e-12);
        assert_eq!(found.whole.times, values[15] / values[0]);
    }

    #[test]
    fn what_has_no_ratio_is_not_explained() {
        let one = vec![vec![(1.0, 1.0)]; 2];
        assert!(Explanation::new(&[0.0, 1.0], &one, 0.95).is_none());
        assert!(Explanation::new(&[1.0, 1.0, 1.0], &one, 0.95).is_none());
        let found = Explanation::new(&[1.0, 2.0], &one, 0.95).unwrap();
        assert_eq!((found.parts[0].times, found.parts[0].interval), (2.0, None));
    }
}
