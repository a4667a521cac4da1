//! Requests whose prompt one server computes and another answers.
//!
//! The first keeps the prompt's blocks when it is done. The second makes room for them as it does for
//! a prompt that it would compute itself, in its queue's order; then they are fetched, which is the
//! caller's business, and from the next boundary on the request decodes. Who is being fetched for
//! cannot be preempted; where blocks run out later, a request loses them as any other does and is
//! computed again, here.

use super::{Replica, ReplicaSpec};
use crate::foundations::SimTime;
use crate::serving::request::{Fetch, Finished, RequestId};
use crate::serving::sequence::Phase;

impl Replica {
    /// Requests that room was made for since this was asked last: their keys and values may come.
    pub fn take_fetches(&mut self) -> impl Iterator<Item = Fetch> {
        self.fetches.drain(..)
    }

    /// The keys and values of a request's prompt are here: it decodes from the next boundary on. Of a
    /// settled server; does nothing when the request is gone.
    pub fn fetched(&mut self, id: RequestId) {
        if self.is_in(id, Phase::Fetching) {
            self.call(id.slot);
        }
    }

    /// The kept blocks of a request are no longer needed. Of a settled server; does nothing when they
    /// are gone already.
    pub fn release(&mut self, id: RequestId) {
        if self.is_in(id, Phase::Kept) {
            self.kept.retain(|&slot| slot != id.slot);
            let computed = self.sequences[id.slot as usize].computed;
            self.give_back(id.slot, computed);
            self.vacate(id.slot);
            self.look_again();
        }
    }

    /// Requests that are done here and whose blocks are still to be fetched.
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    fn is_in(&self, id: RequestId, phase: Phase) -> bool {
        let sequence = &self.sequences[id.slot as usize];
        sequence.generation == id.generation && sequence.phase == phase
    }

    /// A prompt is computed; its blocks stay.
    #[cold]
    pub(super) fn keep(
        &mut self,
        spec: &ReplicaSpec,
        slot: u32,
        now: SimTime,
        finished: &mut Vec<Finished>,
    ) {
        self.stop_running(slot);
        finished.push(self.report(spec, slot, now));
        self.sequences[slot as usize].phase = Phase::Kept;
        self.kept.push(slot);
    }

    /// There is room for a prompt that another server has computed.
    #[cold]
    pub(super) fn fetch(&mut self, slot: u32, now: SimTime) {
        let sequence = &mut self.sequences[slot as usize];
        sequence.phase = Phase::Fetching;
        sequence.scheduled = Some(now);
        sequence.cached = sequence.computed;
        let tokens = sequence.target - sequence.computed;
        self.fetches.push(Fetch { tag: sequence.tag, tokens });
    }
}
