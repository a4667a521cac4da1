//! What a replica has in hand, what it has been paid for, and the gaps between its tokens.

use super::{GAPS, Replica, ReplicaSpec};
use crate::foundations::Histogram;
use crate::serving::sequence::Phase;
use crate::serving::usage::{SHARE_BITS, Usage};

/// What a replica has in hand; for checking that nothing was lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// KV blocks of running requests.
    pub blocks_held: u64,
    /// Time in steps since the start of the trial, ps.
    pub busy_ps: u128,
    /// Time charged to requests that left, ps.
    pub charged_ps: u128,
}

impl Replica {
    /// Begins the running sums anew, at the end of a warm-up.
    pub fn start_measuring(&mut self) {
        self.before.busy_ps += u128::from(self.usage.busy_ps);
        self.before.charged_ps += u128::from(self.usage.charged_ps());
        self.usage = Usage::default();
        self.gaps.clear();
    }

    /// Whether gaps between tokens wait to be counted in some number.
    #[inline(always)]
    pub fn has_gaps(&self) -> bool {
        self.gaps.len() >= GAPS
    }

    /// Counts the gaps between tokens that are not counted yet, ps.
    #[inline(never)]
    pub fn count_gaps(&mut self, into: &mut Histogram) {
        for [first, growth, steps, requests] in self.gaps.drain(..) {
            into.record_progression(first, growth, steps, requests);
        }
    }

    /// What it has in hand, as of the last settled boundary.
    pub fn account(&self) -> Account {
        let own = |&slot: &u32| {
            let sequence = &self.sequences[slot as usize];
            let stayed = match sequence.phase {
                Phase::Decode => self.batch.made(slot, sequence.stay) as u32,
                _ => 0,
            };
            sequence.holding.map_or(0, |held| self.kv.own_blocks(&held, sequence.target + stayed))
        };
        Account {
            blocks_held: self.kv.shared_blocks()
                + self.running.iter().chain(&self.kept).map(own).sum::<u64>(),
            busy_ps: self.before.busy_ps + u128::from(self.usage.busy_ps),
            charged_ps: self.before.charged_ps + u128::from(self.usage.charged_ps()),
        }
    }

    /// Time charged so far to requests that are still running, ps.
    pub fn accrued_ps(&self, spec: &ReplicaSpec) -> u128 {
        let of = |&slot: &u32| {
            let sequence = &self.sequences[slot as usize];
            let decoding = sequence.phase == Phase::Decode;
            sequence.share + if decoding { self.decode_share(spec, slot) } else { 0 }
        };
        self.running.iter().map(of).sum::<u128>() >> SHARE_BITS
    }
}
