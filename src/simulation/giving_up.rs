//! When callers stop waiting: timeouts, and what becomes of requests that nobody wants any more.

use std::hint::cold_path;

use super::actor::{Actor, InFlight, Script, Server};
use super::call::Failure;
use super::event::{Event, Handle};
use super::slab::Slab;
use super::waste::Waste;
use super::world::World;

impl World<'_> {
    /// Notes when a request that was just sent is sent again, and when it becomes too late.
    #[inline(always)]
    pub(super) fn set_timeout(&mut self, actor: Handle, request: Handle) {
        let Script::Program(program) = self.actors[actor].script else { return };
        let policy = &self.plan.programs[program as usize].retry;
        if let Some(after) = policy.hedge
            && self.actors[actor].call.is_some_and(|call| call.twin == Handle::NONE)
        {
            cold_path();
            self.schedule(self.now + after, Event::Hedge { call: request });
        }
        if let Some(timeout) = policy.timeout {
            let calls = &self.in_flight;
            let (due, awaited) = (self.now + timeout, awaited(calls, &self.actors));
            self.timeouts.set(program, due, request, calls.len(), awaited);
        }
    }

    /// An attempt takes too long, if it is still awaited.
    pub(super) fn time_out(&mut self) {
        let due = self.timeouts.next();
        if let Some(request) = self.timeouts.pop(awaited(&self.in_flight, &self.actors)) {
            self.now = due;
            let actor = self.in_flight[request].actor;
            self.abandon_request(request, Waste::Timeout);
            self.attempt_failed(actor, Failure::Timeout);
        }
    }

    /// The actor no longer wants the answer to its call.
    pub(super) fn abandon_call(&mut self, actor: Handle) {
        let Some(call) = self.actors[actor].call.take() else { return };
        for request in [call.request, call.twin] {
            if self.in_flight.contains(request) {
                let (population, counted) = self.whose(actor);
                self.tally(population).abandoned += u64::from(counted);
                self.abandon_request(request, Waste::Abandoned);
            }
        }
    }

    /// Nobody waits for a request any more.
    pub(super) fn abandon_request(&mut self, request: Handle, why: Waste) {
        self.log_given_up(request, why);
        let entry = &mut self.in_flight[request];
        (entry.actor, entry.waste) = (Handle::NONE, why);
        let (replica, id) = match entry.server {
            Server::Replica { index, request }
            | Server::Prefill { index, request, .. }
            | Server::Answer { index, request } => (index as usize, request),
            Server::Endpoint { index, reply } => return self.hang_up(request, index, reply),
            Server::Held { .. } => {
                self.tokens_cancelled += u64::from(self.in_flight[request].output);
                return self.in_flight.remove(request);
            }
        };
        self.settle(replica);
        if self.replicas[replica].cancel(id) {
            if matches!(self.in_flight[request].server, Server::Answer { .. }) {
                self.end_hand_over(request, replica);
            }
            self.tokens_cancelled += u64::from(self.in_flight[request].output);
            self.in_flight.remove(request);
        }
        self.follow(replica);
    }
}

/// Tells whether somebody still waits for a request.
fn awaited(calls: &Slab<InFlight>, actors: &Slab<Actor>) -> impl Fn(Handle) -> bool {
    |request| calls.contains(request) && actors.contains(calls[request].actor)
}
