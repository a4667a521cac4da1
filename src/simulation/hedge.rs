//! Hedged calls: one that is not answered after a while is sent a second time, to another replica
//! where there is one; the sooner answer is taken and the other request is given up (J. Dean,
//! L. Barroso, *The Tail at Scale*, Communications of the ACM 56(2), 2013).
//!
//! A hedge is an attempt, and a retry to the budget. While one of the two is under way, a failure of
//! the other is counted and leads to nothing.

use super::actor::Call;
use super::call::Failure;
use super::event::Handle;
use super::plan::Backend;
use super::waste::Waste;
use super::world::World;

impl World<'_> {
    /// Whether an actor still waits for a request.
    fn waits_for(&self, actor: Handle, request: Handle) -> bool {
        self.in_flight.contains(request) && self.in_flight[request].actor == actor
    }

    /// The other request of a hedged call, while it is under way.
    fn other(&self, actor: Handle, call: &Call, request: Handle) -> Option<Handle> {
        let both = [call.request, call.twin].into_iter();
        both.filter(|other| *other != request).find(|other| self.waits_for(actor, *other))
    }

    /// Whether a call that has failed in one attempt is still under way in another.
    pub(super) fn goes_on(&self, actor: Handle, call: &Call) -> bool {
        call.twin != Handle::NONE && self.other(actor, call, Handle::NONE).is_some()
    }

    /// A request that was sent some time ago is sent again, if it is still unanswered.
    #[cold]
    pub(super) fn hedge(&mut self, first: Handle) {
        if !self.in_flight.contains(first) || !self.actors.contains(self.in_flight[first].actor) {
            return;
        }
        let actor = self.in_flight[first].actor;
        let Some(policy) = self.retry_policy(actor) else { return };
        let (attempts, budget, now) = (policy.attempts, policy.budget, self.now);
        let memory = self.memory_of(actor);
        if memory.open_until > now || !memory.affords(budget) {
            return;
        }
        let Some(call) = self.actors[actor].call.as_mut().filter(|call| call.attempts < attempts)
        else {
            return;
        };
        (call.twin, call.attempts) = (first, call.attempts + 1);
        let place = call.pool;
        self.memory_of(actor).retries += 1;
        let (population, counted) = self.whose(actor);
        let tally = self.tally(population);
        tally.attempts += u64::from(counted);
        tally.hedges += u64::from(counted);
        match self.choose_backend(actor, place) {
            Some(Backend::Pool(index)) if !self.turns_away(index) => self.send(actor, index),
            Some(Backend::Endpoint(endpoint)) => self.call_endpoint(actor, endpoint),
            Some(Backend::Pool(_)) => self.attempt_failed(actor, Failure::Unavailable),
            Some(Backend::Route(_)) | None => self.attempt_failed(actor, Failure::TooMany(None)),
        }
    }

    /// The replica, among all, where the first request of a hedged call is.
    #[inline]
    pub(super) fn hedged_at(&self, actor: Handle) -> Option<usize> {
        match self.actors[actor].call.as_ref()?.twin {
            Handle::NONE => None,
            twin => self.replica_of(twin),
        }
    }

    /// The replica that a request is at, if it is still at one.
    #[cold]
    fn replica_of(&self, request: Handle) -> Option<usize> {
        self.in_flight.contains(request).then(|| self.in_flight[request].server.replica()).flatten()
    }

    /// A hedged call was answered by one request: the other is given up.
    #[cold]
    pub(super) fn give_up_other(&mut self, actor: Handle, call: &Call, answered: Handle) {
        let (population, counted) = self.whose(actor);
        self.tally(population).hedges_won += u64::from(counted && answered != call.twin);
        if let Some(other) = self.other(actor, call, answered) {
            self.tally(population).abandoned += u64::from(counted);
            self.abandon_request(other, Waste::Hedge);
        }
    }
}
