//! Inversion of a law on consecutive integers by table, for laws whose quantile has no closed form.
//!
//! The cumulative probabilities are added up once. A guide table remembers for each of `G` equal
//! slices of (0, 1) where the search may start; with as many slices as entries the expected number of
//! comparisons is below 2, whatever the law (H.-C. Chen and Y. Asau, *On generating random variates
//! from an empirical distribution*, AIIE Transactions 6, 1974; Devroye, III.2.4).

use super::{LawError, Partial};

/// The most entries of a table: 8 MB of probabilities.
pub(super) const LIMIT: usize = 1 << 20;

/// Weights below this fraction of the largest are beyond the reach of a 52-bit uniform number.
const NEGLIGIBLE: f64 = 1e-24;

/// Cumulative probabilities of the integers from `first` on.
#[derive(Debug, PartialEq)]
pub(super) struct Tabulated {
    first: u64,
    cumulative: Vec<f64>,
    guide: Vec<u32>,
}

impl Tabulated {
    /// From weights in proportion to the probabilities of `first`, `first + 1`, ...
    fn new(first: u64, weights: &[f64]) -> Self {
        // Compensated summation: a million terms add up without losing digits.
        let (mut sum, mut lost) = (0.0, 0.0);
        let mut cumulative: Vec<f64> = weights
            .iter()
            .map(|weight| {
                let term = weight - lost;
                let next = sum + term;
                lost = (next - sum) - term;
                sum = next;
                sum
            })
            .collect();
        cumulative.iter_mut().for_each(|c| *c /= sum);
        if let Some(last) = cumulative.last_mut() {
            *last = 1.0;
        }
        // A power of two, so that scaling a uniform number by it is exact.
        let slices = cumulative.len().next_power_of_two();
        let mut k = 0;
        let guide = (0..slices)
            .map(|slice| {
                while cumulative[k] < slice as f64 / slices as f64 {
                    k += 1;
                }
                k as u32
            })
            .collect();
        Self { first, cumulative, guide }
    }

    /// From the weight of every integer in `first..=last`, if they are not too many.
    pub(super) fn from_range(
        first: u64,
        last: u64,
        weight: impl Fn(f64) -> f64,
        name: impl FnOnce() -> String,
    ) -> Result<Self, LawError> {
        if last - first >= LIMIT as u64 {
            return Err(LawError::TooWide { law: name(), limit: LIMIT });
        }
        let weights: Vec<f64> = (first..=last).map(|k| weight(k as f64)).collect();
        Ok(Self::new(first, &weights))
    }

    /// From the ratio of successive probabilities `P(k + 1) / P(k)`, outwards from the mode until the
    /// rest is negligible: no logarithm of a large factorial is ever needed.
    pub(super) fn from_ratio(
        mode: f64,
        ratio: impl Fn(f64) -> f64,
        name: impl FnOnce() -> String,
    ) -> Result<Self, LawError> {
        let too_wide = |name: String| LawError::TooWide { law: name, limit: LIMIT };
        if !(0.0..9e15).contains(&mode) {
            return Err(too_wide(name()));
        }
        let mut weights = Vec::new();
        let (mut k, mut weight) = (mode, 1.0);
        while k > 0.0 && weight > NEGLIGIBLE && weights.len() < LIMIT {
            k -= 1.0;
            weight /= ratio(k);
            weights.push(weight);
        }
        weights.reverse();
        let first = k as u64;
        (k, weight) = (mode, 1.0);
        while weight > NEGLIGIBLE && weights.len() < LIMIT {
            weights.push(weight);
            weight *= ratio(k);
            k += 1.0;
        }
        if weights.len() >= LIMIT { Err(too_wide(name())) } else { Ok(Self::new(first, &weights)) }
    }

    /// The smallest integer with a cumulative probability of at least `p`.
    #[inline]
    pub(super) fn quantile(&self, p: f64) -> f64 {
        let slice = (p * self.guide.len() as f64) as usize;
        let mut k = self.guide[slice.min(self.guide.len() - 1)] as usize;
        while self.cumulative[k] < p {
            k += 1;
        }
        (self.first + k as u64) as f64
    }

    /// `P(X <= x)`.
    pub(super) fn cdf(&self, x: f64) -> f64 {
        self.entries(x).checked_sub(1).map_or(0.0, |last| self.cumulative[last])
    }

    /// `E[Xᵏ; X <= x]`, by adding up.
    pub(super) fn partial(&self, x: f64) -> Partial {
        let (mut sums, mut below) = ([0.0; 3], 0.0);
        for (k, &upto) in (self.first..).zip(&self.cumulative[..self.entries(x)]) {
            let (k, mass) = (k as f64, upto - below);
            sums = [upto, sums[1] + k * mass, sums[2] + k * k * mass];
            below = upto;
        }
        sums
    }

    /// How many entries are at most `x`.
    fn entries(&self, x: f64) -> usize {
        let first = self.first as f64;
        if x < first {
            0
        } else {
            ((x - first) as usize).saturating_add(1).min(self.cumulative.len())
        }
    }
}
