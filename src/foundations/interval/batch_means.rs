//! Batch means: an interval from one long run, whose successive observations depend on each other.
//!
//! The run is cut into equal batches. If a batch is long against the time over which observations
//! remember each other, batch means are nearly independent, and Student's t applies to them (Law,
//! section 9.5.3). The run's length needn't be known: from 64 full batches neighbours are joined in
//! pairs, so 32 to 63 batches stand at any time in half a kilobyte.
//!
//! ```
//! use tokenfleet::foundations::interval::BatchMeans;
//! let mut waits = BatchMeans::default();
//! (0..10_000).for_each(|i| waits.record(f64::from(i % 10)));
//! assert_eq!((waits.batch_size(), waits.means().count()), (256, 39));
//! let estimate = waits.estimate(0.95);
//! assert!(estimate.interval.is_some_and(|interval| interval.contains(4.5)));
//! ```

use super::Estimate;
use crate::foundations::statistics::Moments;

/// So many full batches are halved in number.
const MOST: usize = 64;

/// Means of successive batches of observations.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct BatchMeans {
    /// Sums of the full batches.
    sums: Vec<f64>,
    /// A batch holds two to this power of observations.
    doublings: u32,
    /// The batch that is being filled.
    sum: f64,
    /// Observations that it lacks beside the next one.
    missing: u64,
}

impl BatchMeans {
    /// Adds an observation.
    #[inline]
    pub fn record(&mut self, value: f64) {
        self.sum += value;
        match self.missing {
            0 => self.begin_batch(),
            _ => self.missing -= 1,
        }
    }

    /// Adds observations, one after the other; those of a batch as an integer first.
    pub fn record_all(&mut self, mut values: &[u64]) {
        let sum = |values: &[u64]| -> f64 {
            values.iter().fold(0_u64, |sum, &value| sum.saturating_add(value)) as f64
        };
        while let Some(room) =
            usize::try_from(self.missing).ok().filter(|room| *room < values.len())
        {
            let (filling, rest) = values.split_at(room + 1);
            self.sum += sum(filling);
            self.begin_batch();
            values = rest;
        }
        self.sum += sum(values);
        self.missing -= values.len() as u64;
    }

    /// The batch is full; from so many on, neighbours are joined.
    #[cold]
    fn begin_batch(&mut self) {
        if self.sums.capacity() < MOST {
            self.sums.reserve_exact(MOST);
        }
        self.sums.push(self.sum);
        self.sum = 0.0;
        if self.sums.len() == MOST {
            for i in 0..MOST / 2 {
                self.sums[i] = self.sums[2 * i] + self.sums[2 * i + 1];
            }
            self.sums.truncate(MOST / 2);
            self.doublings += 1;
        }
        self.missing = self.batch_size() - 1;
    }

    /// Forgets all observations but keeps the memory.
    pub fn reset(&mut self) {
        self.sums.clear();
        (self.doublings, self.sum, self.missing) = (0, 0.0, 0);
    }

    /// Observations per batch.
    #[must_use]
    pub fn batch_size(&self) -> u64 {
        1 << self.doublings
    }

    /// How many observations were added.
    #[must_use]
    pub fn count(&self) -> u64 {
        (self.sums.len() as u64 + 1) * self.batch_size() - 1 - self.missing
    }

    /// The means of the full batches, in the order of time.
    pub fn means(&self) -> impl Iterator<Item = f64> + '_ {
        self.sums.iter().map(|sum| sum / self.batch_size() as f64)
    }

    /// The mean of the full batches, with Student's interval over them; `n` is their number.
    #[must_use]
    pub fn estimate(&self, confidence: f64) -> Estimate {
        let moments: Moments = self.means().collect();
        Estimate::with_error(moments.mean(), moments.standard_error(), moments.count(), confidence)
    }

    /// The correlation of successive batch means, about 0 where batches are long enough: with `m` of
    /// them, above `2/√m` the interval is too narrow. NaN for fewer than three or where all are alike.
    #[must_use]
    pub fn correlation(&self) -> f64 {
        let moments: Moments = self.means().collect();
        let off: Vec<f64> = self.means().map(|mean| mean - moments.mean()).collect();
        if off.len() < 3 {
            return f64::NAN;
        }
        let products: f64 = off.windows(2).map(|pair| pair[0] * pair[1]).sum();
        products / off.iter().map(|off| off * off).sum::<f64>()
    }
}
