//! Summaries of observations: moments, averages over time, order statistics.
//!
//! All are plain values that merge. Where they hold floats, merge them in a fixed order (by trial),
//! and the result has the same bits whatever computed the parts.
//!
//! ```
//! use tokenfleet::foundations::statistics::{Moments, TimeWeighted, order_statistic};
//! use tokenfleet::foundations::SimTime;
//!
//! let latency: Moments = [4.0, 7.0, 13.0, 16.0].into_iter().collect();
//! assert_eq!((latency.mean(), latency.variance()), (10.0, 30.0));
//!
//! // Queue length: 2 from time 10, 5 from time 30; until time 40.
//! let mut queue = TimeWeighted::new(SimTime(10), 2);
//! queue.set(SimTime(30), 5);
//! assert_eq!(queue.average(SimTime(40)), 3.0);
//!
//! assert_eq!(order_statistic(&[1.0, 2.0, 3.0, 4.0], 0.75), Some(3.0));
//! ```

use super::time::SimTime;

/// Count, mean and variance, without keeping the values.
///
/// B. P. Welford, *Note on a method for calculating corrected sums of squares and products*,
/// Technometrics 4 (1962); merging by T. F. Chan, G. H. Golub, R. J. LeVeque, *Updating formulae and
/// a pairwise algorithm for computing sample variances* (1979).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    count: u64,
    mean: f64,
    /// Sum of squared deviations from the mean.
    squares: f64,
}

impl Moments {
    /// Adds a value.
    pub fn record(&mut self, value: f64) {
        self.count += 1;
        let off = value - self.mean;
        self.mean += off / self.count as f64;
        self.squares += off * (value - self.mean);
    }

    /// Adds all values that another one has seen.
    pub fn merge(&mut self, other: &Self) {
        if self.count == 0 || other.count == 0 {
            if self.count == 0 {
                *self = *other;
            }
            return;
        }
        let (n, m) = (self.count as f64, other.count as f64);
        let off = other.mean - self.mean;
        self.mean += off * (m / (n + m));
        self.squares += other.squares + off * off * (n * m / (n + m));
        self.count += other.count;
    }

    /// How many values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their mean; NaN for none.
    #[must_use]
    pub fn mean(&self) -> f64 {
        if self.count == 0 { f64::NAN } else { self.mean }
    }

    /// The unbiased estimate of their variance; NaN for fewer than two.
    #[must_use]
    pub fn variance(&self) -> f64 {
        if self.count < 2 { f64::NAN } else { self.squares / (self.count - 1) as f64 }
    }

    /// The standard error of the mean of independent values; NaN for fewer than two.
    #[must_use]
    pub fn standard_error(&self) -> f64 {
        (self.variance() / self.count as f64).sqrt()
    }
}

impl FromIterator<f64> for Moments {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut moments = Self::default();
        values.into_iter().for_each(|value| moments.record(value));
        moments
    }
}

/// The average over time of an integer that jumps, such as a queue length: `∫ value dt / ∫ dt`.
///
/// The integral is an exact integer in value times picoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeWeighted {
    start: SimTime,
    since: SimTime,
    value: u64,
    integral: u128,
    max: u64,
}

impl TimeWeighted {
    /// Starts to watch at `start`, with the value that holds then.
    #[must_use]
    pub fn new(start: SimTime, value: u64) -> Self {
        Self { start, since: start, value, integral: 0, max: value }
    }

    /// The value becomes `value` at `now`, which must not lie before the last change.
    #[inline]
    pub fn set(&mut self, now: SimTime, value: u64) {
        self.integral = self.integral(now);
        self.since = now;
        self.value = value;
        self.max = self.max.max(value);
    }

    /// Forgets the past at `now`, as at the end of a warm-up; the value stays.
    pub fn restart(&mut self, now: SimTime) {
        *self = Self::new(now, self.value);
    }

    /// The value that holds.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.value
    }

    /// The largest value so far.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The integral up to `now`, in value times picoseconds.
    #[must_use]
    pub fn integral(&self, now: SimTime) -> u128 {
        self.integral + u128::from(self.value) * u128::from(now.since(self.since).0)
    }

    /// The average up to `now`; NaN while no time has passed.
    #[must_use]
    pub fn average(&self, now: SimTime) -> f64 {
        self.integral(now) as f64 / now.since(self.start).0 as f64
    }
}

/// The quantile of values in rising order: the smallest of them that at least the fraction `p` of all
/// doesn't exceed, that is the value of rank `⌈p n⌉`; none of no values.
#[must_use]
pub fn order_statistic(sorted: &[f64], p: f64) -> Option<f64> {
    let rank = libm::ceil(p * sorted.len() as f64) as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn moments_keep_their_digits_far_from_zero() {
        // Mean 1e9 + 10, variance 30: the textbook sum of squares would lose it all.
        let moments: Moments = [4.0, 7.0, 13.0, 16.0].map(|x| 1e9 + x).into_iter().collect();
        assert_eq!((moments.mean(), moments.variance()), (1e9 + 10.0, 30.0));
        assert!(Moments::default().mean().is_nan());
        assert!(Moments::from_iter([1.0]).variance().is_nan());
    }

    #[test]
    fn time_averages_are_exact_over_long_spans() {
        let mut busy = TimeWeighted::new(SimTime::ZERO, u64::MAX);
        busy.set(SimTime(u64::MAX - 1), 0);
        assert_eq!(busy.integral(SimTime::MAX), u128::from(u64::MAX) * u128::from(u64::MAX - 1));
        busy.restart(SimTime(u64::MAX - 1));
        assert_eq!(
            (busy.integral(SimTime::MAX), busy.max(), busy.average(SimTime::MAX)),
            (0, 0, 0.0)
        );
    }

    #[test]
    fn order_statistics_by_rank() {
        let values = [10.0, 20.0, 30.0, 40.0, 50.0];
        let found = [0.0, 0.2, 0.21, 0.5, 0.99, 1.0].map(|p| order_statistic(&values, p).unwrap());
        assert_eq!(found, [10.0, 10.0, 20.0, 30.0, 50.0, 50.0]);
        assert_eq!(order_statistic(&[], 0.5), None);
    }

    proptest! {
        #[test]
        fn merging_is_recording_everything(
            a in prop::collection::vec(-1e3..1e3_f64, 0..40),
            b in prop::collection::vec(-1e3..1e3_f64, 2..40),
        ) {
            let mut merged: Moments = a.iter().copied().collect();
            merged.merge(&b.iter().copied().collect());
            let all: Moments = a.iter().chain(&b).copied().collect();
            prop_assert_eq!(merged.count(), all.count());
            prop_assert!((merged.mean() - all.mean()).abs() < 1e-10);
            prop_assert!((merged.variance() - all.variance()).abs() < 1e-9 * all.variance().max(1.0));
        }
    }
}
