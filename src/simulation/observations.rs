//! What is observed again and again, and how it is counted.
//!
//! What is observed of a call or a task belongs into as many histograms, and in each into another
//! bucket, which is seldom in a near cache. So rows of figures are kept back for a while and then
//! counted by column: a processor fetches the buckets of one column side by side.

use crate::foundations::histogram::Histogram;
use crate::foundations::interval::BatchMeans;

/// Observations of one quantity, in integers of its unit.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Observations {
    /// All of them, in buckets of three digits, with their exact sum.
    pub histogram: Histogram,
    /// Means of successive batches: how sure one long trial is of its mean.
    pub batches: BatchMeans,
}

impl Observations {
    /// Adds one.
    pub fn record(&mut self, value: u64) {
        self.record_all(&[value]);
    }

    /// Adds several, one after the other.
    pub fn record_all(&mut self, values: &[u64]) {
        self.histogram.record_all(values);
        self.batches.record_all(values);
    }

    /// Adds another trial's. Between trials, trials tell how sure they are: batches go, whichever
    /// trial they are of.
    pub fn merge(&mut self, other: &Self) {
        self.histogram.merge(&other.histogram);
        self.batches.reset();
    }
}

/// Rows that are counted together.
const ROWS: usize = 16;

/// A figure that was not observed.
pub(super) const ABSENT: u64 = u64::MAX;

/// Rows of `N` figures each.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kept<const N: usize> {
    rows: [[u64; N]; ROWS],
    held: usize,
}

impl<const N: usize> Default for Kept<N> {
    fn default() -> Self {
        Self { rows: [[ABSENT; N]; ROWS], held: 0 }
    }
}

impl<const N: usize> Kept<N> {
    /// Keeps a row; whether there is no room for another.
    #[inline]
    #[must_use]
    pub(super) fn is_full_with(&mut self, row: [u64; N]) -> bool {
        self.rows[self.held % ROWS] = row;
        self.held += 1;
        self.held == ROWS
    }

    /// Counts what was kept, and forgets it: each figure among its own observations.
    pub(super) fn count(&mut self, columns: [&mut Observations; N]) {
        let rows = &self.rows[..std::mem::take(&mut self.held)];
        for (at, observations) in columns.into_iter().enumerate() {
            let mut observed = [0; ROWS];
            let mut count = 0;
            for row in rows {
                observed[count] = row[at];
                count += usize::from(row[at] != ABSENT);
            }
            observations.record_all(&observed[..count]);
        }
    }
}
