//! Answers that were given before, given again without asking a model.
//!
//! What is asked is known by its popularity: a law of ranks, Zipf's above all. An answer is kept for
//! a stated time after it was made, and while there is room; the one used longest ago makes room.
//! With rates l_i of the questions, answers that are only kept for a time T are found with probability
//!
//! ```text
//! sum of p_i l_i T / (1 + l_i T)
//! ```
//!
//! (each miss begins a stretch of T in which l_i T hits come), and those that are only kept for lack of
//! room to the degree of H. Che, Y. Tung, Z. Wang, *Hierarchical Web caching systems*, IEEE JSAC 20(7),
//! 2002. Or the share of answers found is simply stated, as for caches that compare meanings.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::foundations::distribution::Law;
use crate::foundations::{SimDuration, SimTime};

/// A cache of answers before the model. The first call of a task asks it: later ones carry a history
/// that no other task has, but a cache that compares the last question alone may be asked by all.
#[derive(Clone, Debug, PartialEq)]
pub struct ResponseCache {
    /// Whether every call of a task asks it, sub-agents' too, rather than its first alone.
    pub every_call: bool,
    /// When an answer is found.
    pub hits: HitLaw,
    /// Time that it takes to be found, seconds.
    pub latency_s: Law,
    /// Part of the answers found that do not fit the question: the task fails by them.
    pub wrong: f64,
}

/// When an answer is found.
#[derive(Clone, Debug, PartialEq)]
pub enum HitLaw {
    /// With this probability.
    Stated(f64),
    /// When the same was asked before and is still kept.
    Questions {
        /// Ranks of what is asked.
        rank: Law,
        /// Answers kept, at most.
        capacity: Option<u64>,
        /// How long one is kept.
        ttl: Option<SimDuration>,
    },
}

/// The answers that a cache keeps.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// By rank: when it was used last, as a number, and until when it may be used.
    kept: FxHashMap<u64, (u64, SimTime)>,
    /// Ranks by their last use.
    by_use: BTreeMap<u64, u64>,
    uses: u64,
}

impl Answers {
    /// Looks for an answer, and keeps the new one where there was none. Questions that come while the
    /// first of their kind is being answered count as answered by it.
    pub fn look_up(
        &mut self,
        rank: u64,
        capacity: Option<u64>,
        ttl: Option<SimDuration>,
        now: SimTime,
    ) -> bool {
        self.uses += 1;
        let known = self.kept.get(&rank).copied();
        if let Some((last, _)) = known {
            self.by_use.remove(&last);
        }
        let hit = known.filter(|(_, expires)| now < *expires);
        let expires = match hit {
            Some((_, expires)) => expires,
            None => ttl.map_or(SimTime::MAX, |ttl| now + ttl),
        };
        self.kept.insert(rank, (self.uses, expires));
        self.by_use.insert(self.uses, rank);
        if capacity.is_some_and(|most| self.kept.len() as u64 > most)
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.kept.remove(&oldest);
        }
        hit.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foundations::random::{Purpose, Streams};

    const QUESTIONS: u32 = 1000;

    fn popularity() -> Vec<f64> {
        let all: f64 = (1..=QUESTIONS).map(|rank| 1.0 / f64::from(rank)).sum();
        (1..=QUESTIONS).map(|rank| 1.0 / f64::from(rank) / all).collect()
    }

    /// Share of hits in 400,000 questions at one a second.
    fn found(capacity: Option<u64>, ttl_s: Option<f64>) -> f64 {
        let popularity = popularity();
        let mut cumulative = 0.0;
        let sums: Vec<f64> = popularity
            .iter()
            .map(|p| {
                cumulative += p;
                cumulative
            })
            .collect();
        let mut stream = Streams::new(1, 0).stream(Purpose::Sample, 0);
        let (mut answers, mut now, mut hits) = (Answers::default(), 0.0, 0);
        let ttl = ttl_s.and_then(SimDuration::from_s);
        for _ in 0..400_000 {
            now -= libm::log(stream.uniform());
            let u = stream.uniform();
            let rank = sums.partition_point(|sum| *sum < u) as u64;
            hits += u32::from(answers.look_up(rank, capacity, ttl, SimTime::from_s(now).unwrap()));
        }
        f64::from(hits) / 400_000.0
    }

    #[test]
    fn answers_kept_for_a_time_are_found_as_renewal_theory_says() {
        for ttl_s in [30.0, 600.0] {
            let expected: f64 =
                popularity().iter().map(|p| p * p * ttl_s / (1.0 + p * ttl_s)).sum();
            let found = found(None, Some(ttl_s));
            assert!((found - expected).abs() < 0.004, "{found}, theory says {expected}");
        }
    }

    #[test]
    fn answers_kept_while_there_is_room_are_found_as_che_says() {
        for capacity in [20_u32, 200] {
            let popularity = popularity();
            let held =
                |time: f64| -> f64 { popularity.iter().map(|p| 1.0 - libm::exp(-p * time)).sum() };
            let (mut low, mut high) = (0.0, 1e9);
            for _ in 0..200 {
                let middle = f64::midpoint(low, high);
                if held(middle) < f64::from(capacity) { low = middle } else { high = middle }
            }
            let expected: f64 = popularity.iter().map(|p| p * (1.0 - libm::exp(-p * low))).sum();
            let found = found(Some(u64::from(capacity)), None);
            assert!((found - expected).abs() < 0.006, "{found}, Che says {expected}");
        }
    }
}
