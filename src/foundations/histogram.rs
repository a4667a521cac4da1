//! A histogram of integers that merges exactly.
//!
//! Buckets are as wide as the third significant digit (H. Tene's HdrHistogram): two values in one
//! bucket differ by less than 0.1 %, from 1 to 2⁶⁴. Counts are integers, so histograms of trials add
//! up to the same one in any order, on one thread or on four machines. Beside the buckets stand the
//! exact sum, smallest and largest value.
//!
//! Gaps between tokens inside a leap are an arithmetic progression; its values are counted bucket by
//! bucket, not one by one.
//!
//! ```
//! use tokenfleet::foundations::Histogram;
//! let mut gaps = Histogram::default();
//! gaps.record_progression(20_000, 5, 1_000, 64); // 20,000, 20,005, ... each 64 times
//! assert_eq!((gaps.count(), gaps.min(), gaps.max()), (64_000, 20_000, 24_995));
//! assert_eq!(gaps.mean(), 22_497.5);
//! assert_eq!(gaps.quantile(0.5), 22_495);
//! ```

mod written;

use std::fmt;

use written::Written;

/// Values up to twice this have a bucket of their own; every further doubling is cut into so many
/// buckets, which is three significant digits.
const HALF: u64 = 1 << HALF_BITS;
const HALF_BITS: u32 = 10;
/// Buckets that a search for a quantile passes over at once.
const RUN: usize = 64;
/// Buckets beside a new one that are made with it.
const SLACK: usize = 64;

/// Counts at most in what a run could merge: sums of these stay far from the end of their range.
pub const MOST_COUNTED: u64 = 1 << 48;
/// The same of sums of times, bytes and dollars in their smallest units.
pub const MOST_SUMMED: u128 = 1 << 112;

/// How many low bits a value loses in its bucket.
#[inline]
fn shift(value: u64) -> u32 {
    (u64::BITS - (value | HALF).leading_zeros()) - (HALF_BITS + 1)
}

/// A value's bucket.
#[inline]
fn place(value: u64) -> usize {
    let shift = shift(value);
    ((u64::from(shift) << HALF_BITS) + (value >> shift)) as usize
}

/// The smallest and the largest value of a bucket.
fn bounds(place: usize) -> (u64, u64) {
    let place = place as u64;
    let shift = (place >> HALF_BITS).saturating_sub(1);
    let low = (place - (shift << HALF_BITS)) << shift;
    (low, low + ((1 << shift) - 1))
}

/// Integers counted in buckets of three significant digits. Empty, it owns no memory.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub struct Histogram {
    /// By place, from `first` on: memory follows how far values lie apart, not how large they are.
    buckets: Vec<u64>,
    first: usize,
    count: u64,
    sum: u128,
    /// The largest possible value while it is empty.
    min: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: Vec::new(), first: 0, count: 0, sum: 0, min: u64::MAX, max: 0 }
    }
}

/// Values that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The smallest value that belongs here.
    pub low: u64,
    /// The largest value that belongs here.
    pub high: u64,
    /// How many were recorded.
    pub count: u64,
}

impl Histogram {
    /// Counts a value.
    #[inline]
    pub fn record(&mut self, value: u64) {
        self.record_all(&[value]);
    }

    /// Counts each of the values. Their buckets lie far apart: a processor fetches several at once.
    pub fn record_all(&mut self, values: &[u64]) {
        let (mut low, mut high, mut sum) = (u64::MAX, 0, 0);
        for &value in values {
            (low, high, sum) = (low.min(value), high.max(value), sum + u128::from(value));
        }
        if low > high {
            return;
        }
        self.cover(low, high, sum);
        if low == high {
            return self.count_in(low, values.len() as u64);
        }
        let (first, buckets) = (self.first, self.buckets.as_mut_slice());
        for &value in values {
            buckets[place(value) - first] += 1;
        }
        self.count += values.len() as u64;
    }

    /// Counts a value `count` times.
    #[inline]
    pub fn record_n(&mut self, value: u64, count: u64) {
        if count > 0 {
            self.cover(value, value, u128::from(value) * u128::from(count));
            self.count_in(value, count);
        }
    }

    /// Counts the `n` values `first`, `first + step`, ... `weight` times each. What exceeds the range
    /// of a `u64` counts as its largest value.
    pub fn record_progression(&mut self, first: u64, step: u64, n: u64, weight: u64) {
        let Some(steps) = n.checked_sub(1) else { return };
        if steps == 0 || weight == 0 {
            return self.record_n(first, weight);
        }
        let Some(last) = step.checked_mul(steps).and_then(|way| first.checked_add(way)) else {
            let fitting = (u64::MAX - first) / step + 1;
            self.record_progression(first, step, fitting, weight);
            return self.record_n(u64::MAX, (n - fitting).saturating_mul(weight));
        };
        // n (first + last) is even: one factor is, or both ends have the same parity.
        let sum = u128::from(n) * (u128::from(first) + u128::from(last)) / 2;
        let sum = match u64::try_from(sum) {
            Ok(sum) => u128::from(sum) * u128::from(weight),
            Err(_) => sum.saturating_mul(u128::from(weight)),
        };
        self.cover(first, last, sum);
        let (mut value, mut left) = (first, n);
        loop {
            let room = bounds(place(value)).1 - value;
            if room >= last - value {
                return self.count_in(value, left.saturating_mul(weight));
            }
            let here = room / step + 1;
            self.count_in(value, here.saturating_mul(weight));
            value += here * step;
            left -= here;
        }
    }

    /// Adds all that another one counted.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        self.cover(other.min, other.max, other.sum);
        let (low, high) = (place(other.min), place(other.max));
        // Without a look at what a bucket holds, so that several are added at once.
        let theirs = &other.buckets[low - other.first..=high - other.first];
        let mine = &mut self.buckets[low - self.first..][..theirs.len()];
        mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine += theirs);
        self.count += other.count;
    }

    /// Forgets everything but keeps the memory.
    pub fn reset(&mut self) {
        self.buckets.clear();
        (self.count, self.sum, self.min, self.max) = (0, 0, u64::MAX, 0);
    }

    /// How many values were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The sum of all values, exact.
    #[must_use]
    pub fn sum(&self) -> u128 {
        self.sum
    }

    /// The mean, from the exact sum; NaN when empty.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.sum as f64 / self.count() as f64
    }

    /// The standard deviation, each value taken as the middle of its bucket; NaN when empty.
    #[must_use]
    pub fn standard_deviation(&self) -> f64 {
        let mean = self.mean();
        let square = |bucket: Bucket| {
            let off = f64::midpoint(bucket.low as f64, bucket.high as f64) - mean;
            off * off * bucket.count as f64
        };
        (self.iter().map(square).sum::<f64>() / self.count() as f64).sqrt()
    }

    /// The smallest value, exact; 0 when empty.
    #[must_use]
    pub fn min(&self) -> u64 {
        self.min.min(self.max)
    }

    /// The largest value, exact; 0 when empty.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The quantile: the upper end of the first bucket up to which at least the fraction `p` of all
    /// values lies, so a latency is never reported too short; 0 when empty.
    #[must_use]
    pub fn quantile(&self, p: f64) -> u64 {
        let wanted = (libm::ceil(p * self.count as f64) as u64).clamp(1, self.count.max(1));
        // Whole runs of buckets are passed over by their sums, which takes a fraction of the time.
        let (mut below, mut passed) = (0, 0);
        for run in self.buckets.chunks(RUN) {
            let sum: u64 = run.iter().sum();
            if below + sum >= wanted {
                break;
            }
            below += sum;
            passed += run.len();
        }
        let found = self.buckets[passed..].iter().position(|count| {
            below += count;
            below >= wanted
        });
        found.map_or(self.max, |at| bounds(self.first + passed + at).1.clamp(self.min, self.max))
    }

    /// How many values are at most `value`, those of its whole bucket included.
    #[must_use]
    pub fn count_at_most(&self, value: u64) -> u64 {
        self.buckets.iter().take((place(value) + 1).saturating_sub(self.first)).sum()
    }

    /// The buckets that hold something, by rising value.
    pub fn iter(&self) -> impl Iterator<Item = Bucket> + '_ {
        let counts = (self.first..).zip(&self.buckets);
        counts.filter(|&(_, &count)| count > 0).map(|(place, &count)| {
            let (low, high) = bounds(place);
            Bucket { low, high, count }
        })
    }

    /// Takes account of values between `low` and `high` with the given sum.
    #[inline]
    fn cover(&mut self, low: u64, high: u64, sum: u128) {
        self.sum = self.sum.saturating_add(sum);
        if low < self.min || high > self.max {
            self.widen(low, high);
        }
    }

    /// Makes buckets from `low` to `high`; seldom, once there are some values.
    #[cold]
    fn widen(&mut self, low: u64, high: u64) {
        (self.min, self.max) = (self.min.min(low), self.max.max(high));
        for place in [place(low), place(high)] {
            if place.wrapping_sub(self.first) >= self.buckets.len() {
                self.reach(place);
            }
        }
    }

    #[inline]
    fn count_in(&mut self, value: u64, count: u64) {
        let bucket = &mut self.buckets[place(value) - self.first];
        *bucket = bucket.saturating_add(count);
        self.count = self.count.saturating_add(count);
    }

    /// Makes a bucket for `place`, and some more so that this happens seldom.
    #[cold]
    fn reach(&mut self, place: usize) {
        let room = SLACK + self.buckets.len() / 4;
        if self.buckets.is_empty() {
            self.first = place.saturating_sub(SLACK);
        } else if place < self.first {
            let first = place.saturating_sub(room);
            self.buckets.splice(..0, std::iter::repeat_n(0, self.first - first));
            self.first = first;
        }
        if place - self.first >= self.buckets.len() {
            self.buckets.resize(place - self.first + room, 0);
        }
    }
}

/// In short: buckets are many, and how much memory is kept for them says nothing.
impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quantiles = [0.1, 0.5, 0.9, 0.99].map(|p| self.quantile(p));
        f.debug_struct("Histogram")
            .field("count", &self.count)
            .field("sum", &self.sum)
            .field("min", &self.min())
            .field("max", &self.max)
            .field("p10_p50_p90_p99", &quantiles)
            .finish()
    }
}

/// Equal where everything recorded is, whatever memory is kept.
impl PartialEq for Histogram {
    fn eq(&self, other: &Self) -> bool {
        (self.count(), self.sum, self.min, self.max)
            == (other.count(), other.sum, other.min, other.max)
            && self.iter().eq(other.iter())
    }
}

impl Eq for Histogram {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        values.iter().for_each(|&value| histogram.record(value));
        histogram
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_values_to_three_digits() {
        // A linear congruential sequence over six decades.
        let mut state = 1_u64;
        let mut values: Vec<u64> = (0..20_000)
            .map(|_| {
                state =
                    state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888);
                libm::exp((state >> 40) as f64 / 1_215_000.0) as u64
            })
            .collect();
        let histogram = of(&values);
        values.sort_unstable();
        for p in [0.0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.9999, 1.0] {
            let rank = (libm::ceil(p * 20_000.0) as usize).max(1);
            let (found, exact) = (histogram.quantile(p) as f64, values[rank - 1] as f64);
            assert!(found >= exact && found <= exact * 1.001, "{p}: {found} not {exact}");
        }
        let mean = values.iter().map(|&v| v as f64).sum::<f64>() / 20_000.0;
        assert!((histogram.mean() / mean - 1.0).abs() < 1e-12);
        let square = values.iter().map(|&v| (v as f64 - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!((histogram.standard_deviation() / square.sqrt() - 1.0).abs() < 1e-3);
        assert_eq!((histogram.min(), histogram.max()), (values[0], values[19_999]));
        assert_eq!(histogram.count_at_most(values[19_999]), 20_000);
    }

    #[test]
    fn an_empty_histogram_owns_nothing_and_answers() {
        let empty = Histogram::default();
        assert_eq!(empty.buckets.capacity(), 0);
        assert_eq!((empty.count(), empty.sum(), empty.min(), empty.max()), (0, 0, 0, 0));
        assert_eq!((empty.quantile(0.5), empty.count_at_most(9)), (0, 0));
        assert!(empty.mean().is_nan() && empty.standard_deviation().is_nan());
        let mut merged = empty.clone();
        merged.merge(&empty);
        assert_eq!(merged.buckets.capacity(), 0);
    }

    #[test]
    fn reset_forgets_values_and_keeps_memory() {
        let mut histogram = of(&[5, 1 << 50]);
        histogram.reset();
        assert_eq!(histogram, Histogram::default());
        assert!(histogram.buckets.capacity() > 10_000);
        histogram.record(7);
        assert_eq!(histogram, of(&[7]));
        assert_eq!(of(&[7]), histogram);
    }

    #[test]
    fn the_whole_range_fits() {
        let mut histogram = of(&[0, 1, u64::MAX]);
        assert_eq!((histogram.min(), histogram.max()), (0, u64::MAX));
        assert_eq!(histogram.quantile(1.0), u64::MAX);
        histogram.record_progression(u64::MAX - 10, 4, 5, 2);
        let mut single = of(&[0, 1, u64::MAX]);
        for value in [u64::MAX - 10, u64::MAX - 6, u64::MAX - 2, u64::MAX, u64::MAX] {
            single.record_n(value, 2);
        }
        assert_eq!(histogram, single);
    }

    proptest! {
        #[test]
        fn a_progression_counts_like_its_values(
            first in 0..60_u32, shift in 0..50_u32, step in 0..5_000_u64, n in 0..400_u64, weight in 0..5_u64,
        ) {
            let first = u64::from(first) << shift;
            let (mut whole, mut single) = (Histogram::default(), Histogram::default());
            whole.record_progression(first, step, n, weight);
            for i in 0..n {
                (0..weight).for_each(|_| single.record(first + i * step));
            }
            prop_assert_eq!(whole, single);
        }

        #[test]
        fn merging_is_recording_everything(a: Vec<u64>, b: Vec<u64>) {
            let mut merged = of(&a);
            merged.merge(&of(&b));
            let mut other_way = of(&b);
            other_way.merge(&of(&a));
            let together: Vec<u64> = a.into_iter().chain(b).collect();
            prop_assert_eq!(&merged, &of(&together));
            prop_assert_eq!(merged, other_way);
        }
    }
}
