//! Requests whose prompt one pool computes and another answers: what lies between them.
//!
//! When a prompt is computed its blocks stay where they are, and the request queues at a replica of
//! the pool that answers. When that has made room for the prompt, its keys and values go over the
//! link, which they share with others; when they are there, the blocks behind them are free again and
//! the request decodes. Where the answering side has no room, the blocks of the other fill up with
//! prompts that nobody fetches, until it can take no more of them: that is the back-pressure.

use super::actor::Server;
use super::call::Failure;
use super::event::{Event, Handle};
use super::exchange::{HandOver, Way};
use super::plan::LostCalls;
use super::waste::Waste;
use super::world::World;
use crate::foundations::EventKey;
use crate::serving::{Finished, Moment, RequestId, Stage};

impl World<'_> {
    /// What became of requests at the end of a step of a replica that takes part in hand-overs.
    pub(super) fn hand_over(&mut self, index: usize, pool: u16, finished: &mut Vec<Finished>) {
        for report in finished.drain(..) {
            let request = self.in_flight.handle_at(report.tag);
            match self.in_flight[request].server {
                Server::Prefill { request: kept, pool: home, .. } => {
                    self.prompt_computed(request, (index, kept), &report, pool, home);
                }
                Server::Answer { .. } => {
                    let prompt = self.prompt_of(request, pool);
                    let whole = self.whole(request, &report);
                    self.answered(&whole, pool);
                    if let Some((actor, side, index, tail)) = prompt {
                        self.retain(actor, side, index, tail);
                    }
                }
                _ => self.answered(&report, pool),
            }
            self.note_latency(&report, pool);
        }
        if self.pools[usize::from(pool)].exchange.is_some() {
            self.begin_transfers(index, pool);
        }
    }

    /// Of a request that is about to be answered: who asked, the pool and the replica that computed its
    /// prompt, and the key of its context's last piece; nothing where that pool has no tiers.
    fn prompt_of(&self, request: Handle, pool: u16) -> Option<(Handle, u16, usize, u64)> {
        let side = self.plan.pools[usize::from(pool)].prefill?.pool;
        self.plan.pools[usize::from(side)].replica.retention?;
        let actor = self.in_flight[request].actor;
        let context = self.actors.contains(actor).then(|| &self.actors[actor].context)?;
        let held = self.pools[usize::from(pool)].exchange.as_ref()?.open.get(&request.index)?;
        Some((actor, side, held.source.0, context.pieces().last()?.key))
    }

    /// A prompt is computed: its request goes on to the pool that answers it.
    fn prompt_computed(
        &mut self,
        request: Handle,
        source: (usize, RequestId),
        report: &Finished,
        pool: u16,
        home: u16,
    ) {
        let entry = &self.in_flight[request];
        let (actor, task, population) = (entry.actor, entry.task, entry.population);
        let (counted, output) = (entry.counted, entry.output);
        if output == 1 || !self.actors.contains(actor) {
            self.release(source);
            return self.answered(report, pool);
        }
        let pico = self.charge_of(report, pool);
        self.bear(task, population, counted, pico);
        let held = HandOver { prompt: *report, source, fetched: None };
        if let Some(exchange) = &mut self.pools[usize::from(home)].exchange {
            exchange.open.insert(report.tag, held);
        }
        self.submit(request, home, home, Stage::Answer);
        if matches!(self.in_flight[request].server, Server::Held { .. }) {
            // Nobody is there to take it: it will be computed again.
            self.close(report.tag, home);
        }
    }

    /// Room was made for prompts: their keys and values set out.
    fn begin_transfers(&mut self, index: usize, pool: u16) {
        let Some(side) = self.plan.pools[usize::from(pool)].prefill else { return };
        let first = self.pools[usize::from(side.pool)].replicas.start;
        let now = self.now;
        let Some(exchange) = self.pools[usize::from(pool)].exchange.as_deref_mut() else { return };
        let mut changed = smallvec::SmallVec::<[usize; 4]>::new();
        for fetch in self.replicas[index].take_fetches() {
            let Some(held) = exchange.open.get_mut(&fetch.tag) else { continue };
            let link = if side.shared { 0 } else { held.source.0 - first };
            let transfer = exchange.links[link].start(now, side.bytes(fetch.tokens), fetch.tag);
            held.fetched = Some((now, Way { link, transfer }));
            exchange.tally.wait_ps += u128::from(now.since(held.prompt.finished).0);
            changed.push(link);
        }
        for link in changed {
            self.await_transfer(pool, link);
        }
    }

    fn await_transfer(&mut self, pool: u16, link: usize) {
        let Some(exchange) = self.pools[usize::from(pool)].exchange.as_deref_mut() else { return };
        self.calendar.cancel(exchange.ends[link]);
        exchange.ends[link] = match exchange.links[link].next() {
            Some(at) => self.calendar.schedule(at, Event::Transferred { pool, link: link as u32 }),
            None => EventKey::NONE,
        };
    }

    /// Keys and values have come over a link: their requests decode, the blocks behind are free.
    pub(super) fn transferred(&mut self, pool: u16, link: u32) {
        let (now, link) = (self.now, link as usize);
        while let Some(exchange) = self.pools[usize::from(pool)].exchange.as_deref_mut()
            && let Some(tag) = exchange.links[link].pop(now)
        {
            let Some(held) = exchange.open.get(&tag) else { continue };
            if let Some((began, _)) = held.fetched {
                exchange.tally.arrived += 1;
                exchange.tally.transfer_ps += u128::from(now.since(began).0);
            }
            self.let_go(tag, pool);
            let request = self.in_flight.handle_at(tag);
            if let Server::Answer { index, request } = self.in_flight[request].server {
                let index = index as usize;
                self.settle(index);
                self.replicas[index].fetched(request);
                self.follow(index);
            }
        }
        self.await_transfer(pool, link);
    }

    /// The blocks of a prompt are no longer needed where it was computed.
    fn let_go(&mut self, tag: u32, pool: u16) {
        let plan = self.plan;
        let Some(side) = plan.pools[usize::from(pool)].prefill else { return };
        let (now, since, open) = (self.now, self.window.0, self.measuring && self.accepting);
        let Some(exchange) = self.pools[usize::from(pool)].exchange.as_deref_mut() else { return };
        let Some(held) = exchange.open.get_mut(&tag).filter(|held| held.is_kept()) else { return };
        if open {
            let block = plan.pools[usize::from(side.pool)].replica.block;
            exchange.tally.pinned_block_ps += held.pinned(block, since, now);
        }
        let source = held.source;
        held.source.1 = RequestId::NONE;
        self.release(source);
    }

    fn release(&mut self, (index, kept): (usize, RequestId)) {
        self.settle(index);
        self.replicas[index].release(kept);
        self.follow(index);
        let pool = self.pool_of_replica[index];
        if self.pools[usize::from(pool)].fleet.is_some() {
            self.check_drained(index, pool);
        }
    }

    /// A hand-over comes to its end, if it has not yet: nothing is kept for it, nothing on its way.
    fn close(&mut self, tag: u32, pool: u16) -> Option<Finished> {
        self.let_go(tag, pool);
        let exchange = self.pools[usize::from(pool)].exchange.as_deref_mut()?;
        let held = exchange.open.remove(&tag)?;
        if let Some((_, way)) = held.fetched
            && exchange.links[way.link].cancel(self.now, way.transfer).is_some()
        {
            self.await_transfer(pool, way.link);
        }
        Some(held.prompt)
    }

    /// What is to be said of a request that leaves the server that answers it, prompt and answer
    /// together.
    pub(super) fn whole(&mut self, request: Handle, report: &Finished) -> Finished {
        let Server::Answer { index, .. } = self.in_flight[request].server else { return *report };
        let pool = self.pool_of_replica[index as usize];
        let Some(prompt) = self.close(request.index, pool) else { return *report };
        Finished {
            submitted: prompt.submitted,
            scheduled: prompt.scheduled,
            cached: prompt.cached,
            produced: report.produced.max(prompt.produced),
            preemptions: prompt.preemptions + report.preemptions,
            ..*report
        }
    }

    /// A replica went down, and with it the prompts that it had kept: what is made of them is lost.
    pub(super) fn lose_kept(&mut self, pool: u16, index: usize) {
        let plan = self.plan;
        let of = |place: &usize| plan.pools[*place].prefill.is_some_and(|side| side.pool == pool);
        let Some(home) = (0..plan.pools.len()).find(of) else { return };
        let Some(exchange) = &self.pools[home].exchange else { return };
        let gone =
            exchange.open.iter().filter(|(_, held)| held.is_kept() && held.source.0 == index);
        let gone: Vec<u32> = gone.map(|(tag, _)| *tag).collect();
        let law = plan.pools[usize::from(pool)].fleet.as_ref();
        let restarts = law.is_some_and(|law| law.lost_calls == LostCalls::Restart);
        for tag in gone {
            let request = self.in_flight.handle_at(tag);
            let actor = self.in_flight[request].actor;
            self.close(tag, home as u16);
            if self.actors.contains(actor) {
                self.abandon_request(request, Waste::Lost);
                match restarts {
                    true => self.send(actor, home as u16),
                    false => self.attempt_failed(actor, Failure::Unavailable),
                }
            }
        }
    }

    /// Settles a replica as of now.
    pub(super) fn settle(&mut self, index: usize) {
        let spec = &self.plan.pools[usize::from(self.pool_of_replica[index])].replica;
        let moment = Moment { now: self.now, turn: self.turn };
        moment.settle(index, &mut self.replicas[index], spec);
    }

    /// Ends the hand-over of a request that left the server before it was taken into its queue.
    pub(super) fn end_hand_over(&mut self, request: Handle, replica: usize) {
        self.close(request.index, self.pool_of_replica[replica]);
    }
}
