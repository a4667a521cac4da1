//! A histogram as it is kept on a disk: the buckets that hold something, and nothing that depends on
//! the order of recording.

use super::{Histogram, MOST_COUNTED, place};

/// See the module's page.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct Written {
    sum: u128,
    min: u64,
    max: u64,
    /// How many places each bucket lies beyond the one before, and what it holds.
    buckets: Vec<(u32, u64)>,
}

impl From<Histogram> for Written {
    fn from(histogram: Histogram) -> Self {
        let mut before = 0;
        let held = (histogram.first..).zip(&histogram.buckets).filter(|(_, count)| **count > 0);
        let buckets = held.map(|(place, &count)| {
            let beyond = place - before;
            before = place;
            (beyond as u32, count)
        });
        Self {
            buckets: buckets.collect(),
            sum: histogram.sum,
            min: histogram.min,
            max: histogram.max,
        }
    }
}

impl TryFrom<Written> for Histogram {
    type Error = &'static str;

    fn try_from(Written { sum, min, max, buckets }: Written) -> Result<Self, Self::Error> {
        let mut histogram = Histogram::default();
        let (Some(&(first, _)), true) = (buckets.first(), min <= max) else {
            let empty = buckets.is_empty() && sum == 0 && (min, max) == (u64::MAX, 0);
            return empty.then_some(histogram).ok_or("a histogram without values has a sum");
        };
        let last = buckets.iter().try_fold(0_u32, |at, (beyond, _)| at.checked_add(*beyond));
        let last = last.map_or(usize::MAX, |last| last as usize);
        let count = buckets.iter().try_fold(0_u64, |all, (_, count)| all.checked_add(*count));
        let count =
            count.filter(|&count| count <= MOST_COUNTED).ok_or("a histogram holds too much")?;
        if (first as usize, last) != (place(min), place(max)) {
            return Err("a histogram's ends are not those of its buckets");
        }
        if sum > u128::from(count) * u128::from(max) {
            return Err("a histogram's sum is too large");
        }
        histogram.reach(first as usize);
        histogram.reach(last);
        let mut at = 0;
        for (beyond, count) in buckets {
            at += beyond as usize;
            histogram.buckets[at - histogram.first] += count;
        }
        (histogram.count, histogram.sum) = (count, sum);
        (histogram.min, histogram.max) = (min, max);
        Ok(histogram)
    }
}
