//! What happens to the tiers of pools: what memories forget goes down, what requests need comes up, and
//! what a session waits for says what becomes of its context.

use super::actor::Script;
use super::event::{Event, Handle};
use super::world::World;
use crate::foundations::SimTime;
use crate::serving::RequestId;
use crate::serving::router::Moment;
use crate::serving::tiers::{Arrived, Keep, Pause};
use crate::workload::program::StepKind;
use crate::workload::trace::Gap;

impl World<'_> {
    /// A request was sent to a replica: begins to fetch what the tiers hold of its context.
    pub(super) fn prefetch(&mut self, pool: u16, replica: usize, request: RequestId, prompt: u32) {
        let plan = &self.plan.pools[usize::from(pool)];
        let state = &mut self.pools[usize::from(pool)];
        let first = state.replicas.start;
        let (Some(some), Some(spec)) = (&mut state.tiers, &plan.tiers) else { return };
        if spec.tiers.is_empty() || !spec.prefetch {
            return;
        }
        let (own, found) = (replica - first, &mut self.replicas[replica]);
        let moment = Moment { now: self.now, turn: self.turn.saturating_sub(first) };
        moment.settle(own, found, &plan.replica);
        if found.can_fetch_ahead(prompt) {
            some.tiers.seek(own, found, &plan.replica, request, self.now);
            self.watch_tiers(pool);
        }
    }

    /// A replica may have told what became of cached context, or asked for some.
    pub(super) fn heed_tiers(&mut self, index: usize, pool: u16) {
        let plan = &self.plan.pools[usize::from(pool)];
        let state = &mut self.pools[usize::from(pool)];
        let Some(some) = &mut state.tiers else { return };
        let own = index - state.replicas.start;
        let replica = &mut self.replicas[index];
        replica.hand_over(&mut some.moved, &mut some.turns);
        some.tiers.take_in(own, &mut some.moved, self.now);
        let mut came = false;
        for request in some.turns.drain(..) {
            if !some.tiers.seek(own, replica, &plan.replica, request, self.now) {
                replica.context_came(&plan.replica, request, 0..0, self.now);
                came = true;
            }
        }
        if came {
            self.follow(index);
        }
        self.watch_tiers(pool);
    }

    /// Transfers end.
    pub(super) fn tiers_advance(&mut self, pool: u16) {
        let plan = &self.plan.pools[usize::from(pool)];
        let state = &mut self.pools[usize::from(pool)];
        let (first, Some(some)) = (state.replicas.start, &mut state.tiers) else { return };
        some.due = None;
        some.tiers.advance(self.now, &mut some.arrived);
        let mut arrived = std::mem::take(&mut some.arrived);
        for Arrived { replica, request, start, end } in arrived.drain(..) {
            let index = first + replica;
            self.replicas[index].context_came(&plan.replica, request, start..end, self.now);
            self.follow(index);
            self.heed_tiers(index, pool);
        }
        if let Some(some) = &mut self.pools[usize::from(pool)].tiers {
            some.arrived = arrived;
        }
        self.watch_tiers(pool);
    }

    /// Sees to it that the end of the next transfer is an event.
    fn watch_tiers(&mut self, pool: u16) {
        let Some(some) = &mut self.pools[usize::from(pool)].tiers else { return };
        let next = some.tiers.next();
        if next == some.due.map(|(at, _)| at) {
            return;
        }
        if let Some((_, key)) = some.due.take() {
            self.calendar.cancel(key);
        }
        some.due = next.map(|at| (at, self.calendar.schedule(at, Event::Tiers { pool })));
    }

    /// A call was answered whose prompt a replica has: what becomes of the session's context, known by
    /// the key of its last piece then, depends on what the session waits for now.
    pub(super) fn retain(&mut self, actor: Handle, pool: u16, index: usize, tail: u64) {
        let plan = &self.plan.pools[usize::from(pool)];
        let (Some(tiers), Some(pause)) = (&plan.tiers, self.pause_of(actor)) else { return };
        let replica = &mut self.replicas[index];
        match tiers.keep(pause) {
            Keep::Lru => return,
            Keep::Pinned => replica.pin(&plan.replica, tail, SimTime::MAX, self.now),
            Keep::PinnedFor(time) => replica.pin(&plan.replica, tail, self.now + time, self.now),
            Keep::Offloaded => replica.offload(&plan.replica, tail, self.now),
        }
        self.heed_tiers(index, pool);
    }

    /// What an actor waits for, if it does.
    fn pause_of(&self, actor: Handle) -> Option<Pause> {
        if !self.actors.contains(actor) || self.actors[actor].call.is_some() {
            return None;
        }
        let found = &self.actors[actor];
        match found.script {
            Script::Program(program) => {
                let program = &self.plan.programs[usize::from(program)];
                match program.steps[found.step as usize].kind {
                    StepKind::Tool(_) | StepKind::Spawn(_) => Some(Pause::Tool),
                    StepKind::Wait(_) | StepKind::End { .. } => Some(Pause::Human),
                    _ => None,
                }
            }
            Script::Recorded { trace, next, end } => {
                let actions = &self.plan.traces[usize::from(trace)].actions;
                match (next < end).then(|| actions[next as usize].gap)? {
                    Gap::Tool => Some(Pause::Tool),
                    Gap::Human => Some(Pause::Human),
                    Gap::None => None,
                }
            }
        }
    }
}
