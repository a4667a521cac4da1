//! What one tier holds: for each key of context a run of blocks, evicted by use or by age.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::foundations::{SimDuration, SimTime};
use crate::serving::request::Piece;

/// Blocks of a key, counted from the start of the context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) key: u64,
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Run {
    pub(super) fn blocks(self) -> u64 {
        u64::from(self.end - self.start)
    }
}

/// When a run was used last, and its number among all uses.
type Use = (SimTime, u64);

/// See the module's page.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    capacity: u64,
    ttl: Option<SimDuration>,
    held: u64,
    /// By key. Never iterated.
    runs: FxHashMap<u64, (u32, u32, Use)>,
    /// Keys by their last use.
    order: BTreeMap<Use, u64>,
    uses: u64,
}

impl Ledger {
    /// Room for so many blocks; what nobody used for `ttl` is gone.
    pub(super) fn new(capacity: u64, ttl: Option<SimDuration>) -> Self {
        let (runs, order) = (FxHashMap::default(), BTreeMap::new());
        Self { capacity, ttl, held: 0, runs, order, uses: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.runs.clear();
        self.order.clear();
        (self.held, self.uses) = (0, 0);
    }

    /// Blocks held.
    #[cfg(test)]
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// Forgets what nobody used for too long; returns the blocks.
    pub(super) fn expire(&mut self, now: SimTime) -> u64 {
        let Some(ttl) = self.ttl else { return 0 };
        let before = self.held;
        while let Some((&(used, _), &key)) = self.order.first_key_value()
            && used + ttl <= now
        {
            self.forget(key);
        }
        before - self.held
    }

    /// How far a context is known here that is known up to block `from` already.
    pub(super) fn reach(&self, pieces: &[Piece], block: u32, from: u32, want: u32) -> u32 {
        let mut known = from;
        for piece in pieces {
            let until = (piece.end / block).min(want);
            if until <= known {
                continue;
            }
            match self.runs.get(&piece.key) {
                Some(&(start, end, _)) if start <= known && end > known => known = end.min(until),
                _ => break,
            }
            if known < until {
                break;
            }
        }
        known
    }

    /// Uses what it holds of a context, so that its start goes last.
    pub(super) fn touch(&mut self, pieces: &[Piece], now: SimTime) {
        for piece in pieces.iter().rev() {
            self.touch_key(piece.key, now);
        }
    }

    fn touch_key(&mut self, key: u64, now: SimTime) {
        if let Some((_, _, used)) = self.runs.get_mut(&key) {
            self.order.remove(used);
            self.uses += 1;
            *used = (now, self.uses);
            self.order.insert(*used, key);
        }
    }

    /// Blocks of a run that are not here. One that is whole is used.
    pub(super) fn missing(&mut self, run: Run, now: SimTime) -> u64 {
        let Some(&(start, end, _)) = self.runs.get(&run.key) else { return run.blocks() };
        let both = end.min(run.end).saturating_sub(start.max(run.start));
        let missing = run.blocks() - u64::from(both);
        if missing == 0 {
            self.touch_key(run.key, now);
        }
        missing
    }

    /// Takes in a run, beside what it holds under the key where both touch, in its place otherwise.
    /// What makes room is told, least recently used first and from its end.
    pub(super) fn insert(&mut self, run: Run, now: SimTime, mut tell: impl FnMut(Run)) {
        let mut joined = run;
        if let Some(&(start, end, _)) = self.runs.get(&run.key) {
            match start <= run.end && run.start <= end {
                true => joined = Run { start: start.min(run.start), end: end.max(run.end), ..run },
                false => tell(Run { start, end, ..run }),
            }
            self.forget(run.key);
        }
        // What is longer than the tier keeps its start, without which the rest is worth nothing.
        let most = u32::try_from(self.capacity).unwrap_or(u32::MAX);
        let end = joined.end;
        joined.end = end.min(joined.start.saturating_add(most));
        if end > joined.end {
            tell(Run { start: joined.end, end, ..joined });
        }
        while self.held + joined.blocks() > self.capacity {
            let Some((_, &key)) = self.order.first_key_value() else { break };
            let over = self.held + joined.blocks() - self.capacity;
            self.shorten(key, over, &mut tell);
        }
        self.uses += 1;
        let used = (now, self.uses);
        self.held += joined.blocks();
        self.runs.insert(run.key, (joined.start, joined.end, used));
        self.order.insert(used, run.key);
    }

    /// Takes up to `blocks` off the end of a key's run.
    fn shorten(&mut self, key: u64, blocks: u64, tell: &mut impl FnMut(Run)) {
        let Some((start, end, _)) = self.runs.get_mut(&key) else { return };
        let cut = u64::from(*end - *start).min(blocks);
        tell(Run { key, start: *end - cut as u32, end: *end });
        *end -= cut as u32;
        let emptied = start == end;
        self.held -= cut;
        if emptied {
            self.forget(key);
        }
    }

    fn forget(&mut self, key: u64) {
        if let Some((start, end, used)) = self.runs.remove(&key) {
            self.held -= u64::from(end - start);
            self.order.remove(&used);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(key: u64, start: u32, end: u32) -> Run {
        Run { key, start, end }
    }

    #[test]
    fn the_least_recently_used_goes_first_and_from_its_end() {
        let mut ledger = Ledger::new(10, None);
        let mut gone = Vec::new();
        for (at, key) in [(1, 1), (2, 2)] {
            ledger.insert(run(key, 0, 5), SimTime(at), |run| gone.push(run));
        }
        ledger.touch(&[Piece { key: 1, end: 80 }], SimTime(3));
        ledger.insert(run(3, 0, 2), SimTime(4), |run| gone.push(run));
        assert_eq!(gone, [run(2, 3, 5)]);
        assert_eq!(ledger.reach(&[Piece { key: 2, end: 80 }], 16, 0, 5), 3);
        assert_eq!(ledger.held(), 10);
    }

    #[test]
    fn runs_that_touch_become_one_and_a_gap_ends_a_context() {
        let mut ledger = Ledger::new(100, None);
        let context = [Piece { key: 1, end: 32 }, Piece { key: 2, end: 160 }];
        ledger.insert(run(2, 6, 10), SimTime(1), |_| {});
        ledger.insert(run(1, 0, 2), SimTime(1), |_| {});
        assert_eq!(ledger.reach(&context, 16, 0, 10), 2);
        assert_eq!(ledger.missing(run(2, 2, 8), SimTime(1)), 4);
        ledger.insert(run(2, 2, 6), SimTime(1), |_| {});
        assert_eq!(ledger.reach(&context, 16, 0, 10), 10);
        assert_eq!(ledger.reach(&context, 16, 5, 9), 9);
        assert_eq!(ledger.held(), 10);
    }

    #[test]
    fn what_nobody_used_for_its_time_is_gone() {
        let mut ledger = Ledger::new(100, Some(SimDuration(10)));
        ledger.insert(run(1, 0, 4), SimTime(0), |_| {});
        ledger.insert(run(2, 0, 4), SimTime(3), |_| {});
        ledger.touch(&[Piece { key: 1, end: 64 }], SimTime(5));
        assert_eq!(ledger.expire(SimTime(12)), 0);
        assert_eq!(ledger.expire(SimTime(13)), 4);
        assert_eq!(ledger.expire(SimTime(15)), 4);
    }

    proptest! {
        /// Blocks held are those of its runs, never more than fit; what is told was held.
        #[test]
        fn blocks_are_conserved(
            runs in proptest::collection::vec((0u64..6, 0u32..20, 1u32..20), 1..80),
            capacity in 1u64..60,
        ) {
            let mut ledger = Ledger::new(capacity, None);
            for (at, (key, start, blocks)) in runs.into_iter().enumerate() {
                ledger.insert(run(key, start, start + blocks), SimTime(at as u64), |gone| {
                    assert!(gone.blocks() > 0);
                });
                let sum: u64 = (0..6)
                    .filter_map(|key| ledger.runs.get(&key))
                    .map(|&(start, end, _)| u64::from(end - start))
                    .sum();
                prop_assert_eq!(ledger.held, sum);
                prop_assert!(ledger.held <= capacity);
                prop_assert_eq!(ledger.runs.len(), ledger.order.len());
            }
        }
    }
}
