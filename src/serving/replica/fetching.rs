//! Context that a request finds in lower tiers: while it is on its way the request is passed over in
//! the queue; when it has come it lies in the cache, where the request finds it when it is admitted.

use std::hint::cold_path;
use std::ops::Range;

use super::{Activity, Replica, ReplicaSpec};
use crate::foundations::SimTime;
use crate::serving::kv_cache::Moved;
use crate::serving::request::{Piece, RequestId};
use crate::serving::sequence::{Phase, Sequence, alive};
use crate::serving::usage::Counter;

/// Part of the blocks that are freed at once when none is free, so that a batch need not stop for
/// every block that it grows by.
const RECLAIMED: u64 = 128;

impl Replica {
    /// Time passes for what nobody stands on.
    #[cold]
    pub(super) fn pass(&mut self, now: SimTime) {
        let expired = self.kv.pass(now) * u64::from(self.kv.block_tokens());
        self.usage.counters.count(Counter::Expired, expired);
        let unpinned = self.kv.take_unpinned() * u64::from(self.kv.block_tokens());
        self.usage.counters.count(Counter::Unpinned, unpinned);
    }

    /// Sees to it that the batch can grow without evicting: what is evicted tells the tiers below, and
    /// must do so at the boundary at which it happens.
    #[cold]
    pub(super) fn reclaim(&mut self) {
        let next = self.batch.blocks_for(1);
        if next > self.kv.free_blocks() {
            self.kv.reclaim(next.max(self.kv.total_blocks() / RECLAIMED));
        }
    }

    /// The first request of the queue whose context is not on its way, and its place.
    #[inline]
    pub(super) fn first_there(&self) -> Option<(usize, u32)> {
        if self.fetching == 0 {
            return self.waiting.front().map(|&slot| (0, slot));
        }
        cold_path();
        let mut queue = self.waiting.iter().copied().enumerate();
        queue.find(|&(_, slot)| !self.sequences[slot as usize].fetching)
    }

    /// A request is at its turn and nobody has looked for its context below: it is passed over until
    /// somebody has.
    #[cold]
    pub(super) fn wait_for_look(&mut self, slot: u32) {
        let sequence = &mut self.sequences[slot as usize];
        (sequence.sought, sequence.fetching) = (true, true);
        self.fetching += 1;
        self.turns.push(slot);
    }

    fn queued_sequence(&mut self, id: RequestId) -> Option<&mut Sequence> {
        let sequence = self.sequences.get_mut(id.slot as usize)?;
        let queued = matches!(sequence.phase, Phase::Arriving | Phase::Waiting);
        (queued && sequence.generation == id.generation).then_some(sequence)
    }

    /// The context of a request that is queued, its prompt tokens, and whole blocks of it that are
    /// here; these go last from now on.
    pub fn seek(&mut self, id: RequestId) -> Option<(&[Piece], u32, u32)> {
        let sequence = self.queued_sequence(id)?;
        sequence.sought = true;
        let slot = id.slot as usize;
        let (pieces, prompt) = (&self.sequences[slot].pieces, self.sequences[slot].prompt);
        self.kv.touch(pieces, prompt);
        let known = self.kv.known_blocks(pieces, prompt);
        Some((&self.sequences[slot].pieces, prompt, known))
    }

    /// Whether context could be fetched for one more request without driving out what was fetched for
    /// others that wait.
    pub fn can_fetch_ahead(&self, prompt: u32) -> bool {
        self.ahead + u64::from(prompt.div_ceil(self.kv.block_tokens())) <= self.kv.available()
    }

    /// So many blocks of a queued request's context are on their way.
    pub fn expect(&mut self, id: RequestId, blocks: u32) {
        let Some(sequence) = self.queued_sequence(id) else { return };
        sequence.fetched = blocks;
        let waits = sequence.phase == Phase::Waiting;
        let fresh = !std::mem::replace(&mut sequence.fetching, true);
        self.ahead += u64::from(blocks);
        self.fetching += usize::from(waits && fresh);
    }

    /// These blocks of a queued request's context have come, or nothing is to come: it takes part in
    /// the queue again.
    pub fn context_came(
        &mut self,
        spec: &ReplicaSpec,
        id: RequestId,
        blocks: Range<u32>,
        now: SimTime,
    ) {
        self.settle(spec, now);
        let Some(sequence) = self.queued_sequence(id) else { return };
        sequence.fetching = false;
        let waits = sequence.phase == Phase::Waiting;
        let reserve = self.batch.blocks_for(1);
        self.kv.insert(&self.sequences[id.slot as usize].pieces, blocks, reserve);
        if self.kv.free_blocks() < reserve {
            self.kv.reclaim(reserve);
        }
        if matches!(self.activity, Activity::Leap { .. }) {
            let (free, sequences) = (self.kv.free_blocks(), &self.sequences);
            let longest =
                self.batch.undisturbed(free, |slot, ticket| alive(sequences, slot, ticket));
            self.cut(longest);
        }
        if waits {
            if self.activity == Activity::Stalled {
                self.activity = Activity::Idle;
            }
            self.fetching -= 1;
            let ready = self.next_look(&spec.host, 0);
            self.sequences[id.slot as usize].ready = ready;
            let room = self.running.len() < spec.batch_limit as usize;
            if room || spec.scheduling.preempts() {
                self.cut(ready - self.done);
            }
        }
    }

    /// A request left the queue: what was fetched for it is no longer ahead of its use.
    #[cold]
    pub(super) fn used_fetched(&mut self, slot: u32) {
        let sequence = &mut self.sequences[slot as usize];
        self.ahead -= u64::from(std::mem::take(&mut sequence.fetched));
        if std::mem::take(&mut sequence.fetching) && sequence.phase == Phase::Waiting {
            self.fetching -= 1;
        }
    }

    /// Keeps the end of a context, known by the key of its last piece, until then, as long as anything
    /// else can go.
    pub fn pin(&mut self, spec: &ReplicaSpec, tail: u64, until: SimTime, now: SimTime) {
        self.settle(spec, now);
        self.kv.pin(tail, until);
    }

    /// Lets the end of a context go first, and tells that it is to be kept below.
    pub fn offload(&mut self, spec: &ReplicaSpec, tail: u64, now: SimTime) {
        self.settle(spec, now);
        self.kv.offload(tail);
    }

    /// Hands over what became of cached context, and the requests that came to their turn unsought.
    pub fn hand_over(&mut self, moved: &mut Vec<Moved>, turns: &mut Vec<RequestId>) {
        self.kv.hand_over(moved);
        let sequences = &self.sequences;
        turns.extend(
            self.turns
                .drain(..)
                .map(|slot| RequestId { slot, generation: sequences[slot as usize].generation }),
        );
    }
}
