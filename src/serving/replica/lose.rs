//! A server that goes down takes with it what it was doing and all that it had in memory.

use super::{Activity, Replica, ReplicaSpec};
use crate::foundations::SimTime;
use crate::serving::request::Finished;
use crate::serving::sequence::Phase;

impl Replica {
    /// Goes down: every request leaves at once, as far as it got, and memory is empty. What the step
    /// under way had cost so far nobody is charged for. The caller sees to it that nothing is
    /// submitted until it is up again.
    pub fn lose(&mut self, spec: &ReplicaSpec, now: SimTime, lost: &mut Vec<Finished>) {
        self.settle(spec, now);
        self.activity = Activity::Idle;
        self.chunks.clear();
        while let Some((_, slot)) = self.arriving.pop_front() {
            let sequence = &mut self.sequences[slot as usize];
            sequence.phase = Phase::Waiting;
            self.fetching += usize::from(sequence.fetching);
            self.waiting.push_back(slot);
        }
        while let Some(&slot) = self.running.last().or(self.waiting.back()) {
            self.sequences[slot as usize].cancelled = true;
            self.leave(spec, slot, now, lost);
        }
        self.turns.clear();
        while let Some(slot) = self.kept.pop() {
            self.vacate(slot);
        }
        self.called.clear();
        self.fetches.clear();
        self.own_tokens = 0;
        self.kv.empty();
        (self.front_end_free, self.stall, self.taken_up) = (now, 0, self.done);
    }

    /// Runs at a stated part of its speed from the next step on: times are multiplied by `slowness`,
    /// in 1024ths.
    pub fn set_slowness(&mut self, spec: &ReplicaSpec, slowness: u64, now: SimTime) {
        self.settle(spec, now);
        self.slowness = slowness;
        self.cut(1);
    }
}
