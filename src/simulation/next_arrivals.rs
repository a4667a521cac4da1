//! When the next session of each population starts.
//!
//! A population has one arrival due at a time, and there are few populations: looking at them all is
//! a fraction of what the calendar's heap costs, which a plain request would pass for this alone.

use crate::foundations::SimTime;

/// The arrivals that are due, at most one for each population.
#[derive(Debug, Default)]
pub(super) struct NextArrivals {
    /// By population: when, and its turn among the events of that instant.
    due: Vec<(SimTime, u64)>,
    first: usize,
}

/// Later than every arrival.
const NEVER: (SimTime, u64) = (SimTime::MAX, u64::MAX);

impl NextArrivals {
    /// None is due, for so many populations.
    pub(super) fn clear(&mut self, populations: usize) {
        self.due.clear();
        self.due.resize(populations, NEVER);
        self.first = 0;
    }

    /// The first one: when, and its turn among the events of that instant.
    #[inline]
    pub(super) fn next(&self) -> (SimTime, u64) {
        self.due.get(self.first).copied().unwrap_or(NEVER)
    }

    /// Takes out the first one; its population.
    #[inline]
    pub(super) fn pop(&mut self) -> u16 {
        let population = self.first;
        self.set(population, NEVER);
        population as u16
    }

    /// Sets when the next one of a population comes.
    #[inline]
    pub(super) fn set(&mut self, population: usize, due: (SimTime, u64)) {
        self.due[population] = due;
        let all = self.due.iter().enumerate();
        self.first = all.min_by_key(|(_, due)| **due).map_or(0, |(at, _)| at);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_come_in_order(times in proptest::collection::vec(0_u64..50, 0..20)) {
            let mut arrivals = NextArrivals::default();
            arrivals.clear(times.len());
            for (population, &time) in times.iter().enumerate() {
                arrivals.set(population, (SimTime(time), population as u64));
            }
            let mut sorted: Vec<_> = times.iter().copied().zip(0..).collect();
            sorted.sort_unstable();
            for (time, population) in sorted {
                prop_assert_eq!(arrivals.next(), (SimTime(time), u64::from(population)));
                prop_assert_eq!(arrivals.pop(), population);
            }
            prop_assert_eq!(arrivals.next(), NEVER);
        }
    }
}
