//! Calls that leave for a hosted endpoint, and pools that have too many requests.

use super::actor::{InFlight, Reply, Server};
use super::call::Failure;
use super::event::{Event, Handle};
use super::plan::{Backend, Overflow, Pool};
use super::waste::Waste;
use super::world::{PoolState, World};
use crate::foundations::random::{Purpose, derive};
use crate::foundations::{EventKey, SimDuration, SimTime};
use crate::serving::endpoint::{Course, EndpointRequest, Refusal};
use crate::serving::{Finished, Moment, Replica};

/// Weight of the latest answer in the mean time in service.
const LATEST: f64 = 1.0 / 32.0;

impl PoolState {
    /// A pool answered a request.
    pub(super) fn note_answer(&mut self, answer: &Finished) {
        let Some(scheduled) = answer.scheduled.filter(|_| !answer.cancelled) else { return };
        let service_ps = answer.finished.since(scheduled).0 as f64;
        let weight = if self.service_ps == 0.0 { 1.0 } else { LATEST };
        self.service_ps += weight * (service_ps - self.service_ps);
    }
}

impl World<'_> {
    /// What answers a call to the backend at a place; nothing where the pool there has too many
    /// requests already and no endpoint to send them on to.
    #[inline(always)]
    pub(super) fn choose_backend(&mut self, actor: Handle, place: u16) -> Option<Backend> {
        let plan = self.plan;
        let place = match (plan.backend(place), &plan.geography) {
            (Backend::Route(route), Some(map)) => {
                self.follow_route(actor, map, &map.routes[usize::from(route)])
            }
            _ => place,
        };
        let Some(pool) = self.plan.pools.get(usize::from(place)) else {
            return Some(self.plan.backend(place));
        };
        match &pool.overflow {
            None => Some(Backend::Pool(place)),
            Some(overflow) => self.unless_crowded(place, pool, overflow),
        }
    }

    #[cold]
    fn unless_crowded(&mut self, place: u16, pool: &Pool, overflow: &Overflow) -> Option<Backend> {
        let prompts_waiting = self.prompts(pool, Replica::queued);
        let state = &self.pools[usize::from(place)];
        let replicas = &mut self.replicas[state.replicas.clone()];
        let present = state.fleet.as_ref().map_or(replicas.len(), |fleet| fleet.open_count());
        let (mut waiting, mut running) = (prompts_waiting, 0);
        let moment = Moment { now: self.now, turn: self.turn.saturating_sub(state.replicas.start) };
        for (at, replica) in replicas.iter_mut().enumerate() {
            moment.settle(at, replica, &pool.replica);
            waiting += replica.queued();
            running += replica.running();
        }
        let slots = present * pool.replica.batch_limit as usize;
        let waits = waiting > 0 || running >= slots;
        let most = |queue: u32| queue as usize * present;
        let wait_ps = waiting as f64 * state.service_ps / running.max(1) as f64;
        let crowded = waits && overflow.queue.is_some_and(|queue| waiting >= most(queue))
            || overflow.wait.is_some_and(|longest| wait_ps > longest.0 as f64);
        match (crowded, overflow.to) {
            (false, _) => Some(Backend::Pool(place)),
            (true, to) => to.map(Backend::Endpoint),
        }
    }

    /// Sends an actor's call to an endpoint.
    #[cold]
    pub(super) fn call_endpoint(&mut self, actor: Handle, index: u16) {
        let plan = self.plan;
        let spec = &plan.endpoints[usize::from(index)].spec;
        let found = &self.actors[actor];
        let Some(call) = found.call else { return };
        let (task, prompt) = (found.task, found.context.tokens());
        let name =
            derive(derive(found.entity, u64::from(self.tasks[task].calls)), call.attempts.into());
        let mut stream = self.streams.stream(Purpose::Endpoint, name);
        let wanted =
            EndpointRequest { pieces: found.context.pieces(), prompt, output: call.output };
        let sent = self.endpoints[usize::from(index)].send(spec, wanted, self.now, &mut stream);
        self.book_endpoint(index, |usage| {
            usage.requests += 1;
            usage.throttled += u64::from(matches!(sent, Err(Refusal::TooMany(_))));
            usage.unavailable += u64::from(sent == Err(Refusal::OutOfService));
        });
        let course = match sent {
            Ok(course) => course.from_afar(self.round_trip(actor, plan.pools.len() as u16 + index)),
            Err(Refusal::TooMany(told)) => {
                return self.attempt_failed(actor, Failure::TooMany(told));
            }
            Err(Refusal::OutOfService) => return self.attempt_failed(actor, Failure::Unavailable),
        };
        self.requests += 1;
        self.tokens_asked += u64::from(call.output);
        let (population, counted) = self.whose(actor);
        let sent = self.now;
        let reply =
            self.replies.insert_with(|reply| *reply = Reply { course, key: EventKey::NONE });
        let request = self.in_flight.insert_with(|entry| {
            *entry = InFlight {
                actor,
                task,
                population,
                server: Server::Endpoint { index, reply },
                sent,
                output: call.output,
                counted,
                waste: Waste::default(),
            };
        });
        self.replies[reply].key = self.schedule(course.end, Event::Reply { call: request });
        self.set_timeout(actor, request);
        if let Some(call) = &mut self.actors[actor].call {
            call.request = request;
        }
    }

    /// A call to an endpoint has come to its end: answered, or broken off by an outage.
    pub(super) fn reply(&mut self, request: Handle) {
        let plan = self.plan;
        let entry = &self.in_flight[request];
        let (Server::Endpoint { index, reply }, actor) = (entry.server, entry.actor) else {
            return;
        };
        let (spec, course) = (&plan.endpoints[usize::from(index)].spec, self.replies[reply].course);
        self.replies.remove(reply);
        let pieces = self.actors[actor].context.pieces();
        let Course { prompt, output, cached, .. } = course;
        let answered = EndpointRequest { pieces, prompt, output };
        let answered = (!course.broken).then_some(answered);
        self.endpoints[usize::from(index)].end(spec, answered, self.now);
        if course.broken {
            self.book_endpoint(index, |usage| usage.unavailable += 1);
            let entry = &mut self.in_flight[request];
            (entry.actor, entry.waste) = (Handle::NONE, Waste::Lost);
            // What never came in full is not charged for.
            let produced = course.produced(self.now);
            self.settle_request(&finished(request, &course, produced, self.now), index, 0);
            return self.attempt_failed(actor, Failure::Unavailable);
        }
        let pico = spec.prices.charge(prompt, cached, output);
        self.book_charge(index, &course, output, pico);
        self.book_endpoint(index, |usage| usage.calls += 1);
        let place = plan.pools.len() as u16 + index;
        self.settle_request(&finished(request, &course, output, self.now), place, pico);
    }

    /// A caller no longer wants what an endpoint is answering: pays for what it has.
    #[cold]
    pub(super) fn hang_up(&mut self, request: Handle, index: u16, reply: Handle) {
        let plan = self.plan;
        let spec = &plan.endpoints[usize::from(index)].spec;
        let Reply { course, key } = self.replies[reply];
        self.calendar.cancel(key);
        self.replies.remove(reply);
        self.endpoints[usize::from(index)].end(spec, None, self.now);
        let produced = course.produced(self.now);
        let pico = spec.prices.charge(course.prompt, course.cached, produced);
        self.book_charge(index, &course, produced, pico);
        let place = plan.pools.len() as u16 + index;
        self.settle_request(&finished(request, &course, produced, self.now), place, pico);
    }

    fn book_charge(&mut self, index: u16, course: &Course, produced: u32, pico: u64) {
        self.book_endpoint(index, |usage| {
            usage.input_tokens += u64::from(course.prompt);
            usage.cached_tokens += u64::from(course.cached);
            usage.output_tokens += u64::from(produced);
            usage.spent_pico += u128::from(pico);
        });
    }
}

/// A call at an endpoint as a request that left its server.
fn finished(request: Handle, course: &Course, produced: u32, now: SimTime) -> Finished {
    Finished {
        tag: request.index,
        submitted: course.sent,
        scheduled: Some(course.sent),
        first_token: (produced > 0).then_some(course.first_token),
        finished: now,
        prompt: course.prompt,
        cached: course.cached,
        produced,
        preemptions: 0,
        share: SimDuration::ZERO,
        cancelled: produced < course.output,
    }
}
