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

/// Rows of `N` figures each, kept by column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kept<const N: usize> {
    columns: [[u64; ROWS]; N],
    /// How many figures each column holds: those that were observed.
    held: [usize; N],
    rows: usize,
}

impl<const N: usize> Default for Kept<N> {
    fn default() -> Self {
        Self { columns: [[0; ROWS]; N], held: [0; N], rows: 0 }
    }
}

impl<const N: usize> Kept<N> {
    /// Keeps a row; whether there is no room for another.
    #[inline]
    #[must_use]
    pub(super) fn is_full_with(&mut self, row: [u64; N]) -> bool {
        for ((column, held), figure) in self.columns.iter_mut().zip(&mut self.held).zip(row) {
            column[*held % ROWS] = figure;
            *held += usize::from(figure != ABSENT);
        }
        self.rows += 1;
        self.rows == ROWS
    }

    /// Counts what was kept, and forgets it: each figure among its own observations.
    pub(super) fn count(&mut self, observations: [&mut Observations; N]) {
        self.rows = 0;
        let columns = self.columns.iter().zip(&mut self.held);
        for (observations, (column, held)) in observations.into_iter().zip(columns) {
            observations.record_all(&column[..std::mem::take(held)]);
        }
    }
}
