//! Calls that a cache of answers may spare.

use super::actor::{Call, CallReason, OnWake};
use super::event::Handle;
use super::world::World;
use crate::foundations::SimDuration;
use crate::foundations::random::{Purpose, derive};
use crate::workload::response_cache::{HitLaw, ResponseCache};

impl World<'_> {
    /// Answers an actor's call from its population's cache, if that knows the answer; whether it did.
    #[cold]
    pub(super) fn answer_from(&mut self, cache: &ResponseCache, actor: Handle, call: Call) -> bool {
        let found = &self.actors[actor];
        let (task, population, entity) = (found.task, found.population, found.entity);
        let found = &mut self.tasks[task];
        let first = found.asked == 0;
        if !(cache.every_call || first && found.root == actor) {
            return false;
        }
        let name = match found.asked {
            0 => derive(entity, found.number),
            nth => derive(derive(entity, found.number), nth.into()),
        };
        found.asked += 1;
        let mut stream = self.streams.stream(Purpose::ResponseCache, name);
        let hit = match &cache.hits {
            HitLaw::Stated(share) => stream.chance(*share),
            HitLaw::Questions { rank, capacity, ttl } => {
                let rank = libm::round(rank.sample(&mut stream)).max(0.0) as u64;
                let answers = &mut self.counters[usize::from(population)].answers;
                answers.look_up(rank, *capacity, *ttl, self.now)
            }
        };
        let wrong = hit && stream.chance(cache.wrong);
        self.tasks[task].misled |= wrong;
        if self.tasks[task].counted {
            let tally = self.tally(population);
            tally.cache_asked += 1;
            tally.cache_hits += u64::from(hit);
            tally.cache_wrong += u64::from(wrong);
        }
        if hit {
            let time = SimDuration::from_s_saturating(cache.latency_s.sample(&mut stream));
            self.actors[actor].call = Some(call);
            self.wake_after(actor, time, OnWake::Cached);
        }
        hit
    }

    /// The answer from the cache is there.
    pub(super) fn cached_answer(&mut self, actor: Handle) {
        let Some(call) = self.actors[actor].call.take() else { return };
        let task = self.actors[actor].task;
        self.tasks[task].answer = call.output - call.reasoning;
        self.take_answer(actor, call.joins, call.output);
        self.go_on(actor, CallReason::Step);
    }
}
