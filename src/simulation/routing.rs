//! Which of several pools and endpoints serves a call, and how long it is on its way.

use super::event::Handle;
use super::plan::{Backend, Geography, Pool, Route, RouteBy};
use super::world::World;
use crate::foundations::SimDuration;
use crate::serving::Replica;

impl World<'_> {
    /// The place of the pool or endpoint for a call to a route: the first in the route's order that
    /// has no more waiting than it may have, or the one with the fewest where all have.
    #[cold]
    pub(super) fn follow_route(
        &mut self,
        actor: Handle,
        geography: &Geography,
        route: &Route,
    ) -> u16 {
        let population = self.actors[actor].population;
        let mut ranked: smallvec::SmallVec<[(u128, u16); 4]> = smallvec::SmallVec::new();
        for &place in route.backends.iter().filter(|place| geography.allows(population, **place)) {
            let rank = match route.by {
                RouteBy::Order => 0,
                RouteBy::Distance => u128::from(geography.round_trip(population, place).0),
                RouteBy::Price => self.price_rank(place),
                RouteBy::Load => self.load_rank(place, true),
            };
            ranked.push((rank, place));
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        let most = route.spill.map_or(u128::MAX, |spill| u128::from(spill) << 32);
        let waiting = |place: u16| self.load_rank(place, false);
        let free = ranked.iter().find(|(_, place)| waiting(*place) < most);
        let least = || ranked.iter().min_by_key(|(_, place)| waiting(*place));
        free.or_else(least).map_or(route.backends[0], |(_, place)| *place)
    }

    fn price_rank(&self, place: u16) -> u128 {
        match self.plan.backend(place) {
            Backend::Pool(pool) => {
                (self.plan.pools[usize::from(pool)].usd_per_replica_h * 1e12) as u128
            }
            _ => u128::MAX,
        }
    }

    /// Requests that wait for each open replica of a pool, or with those that run, times 2^32.
    fn load_rank(&self, place: u16, with_running: bool) -> u128 {
        let Backend::Pool(pool) = self.plan.backend(place) else {
            return if with_running { u128::MAX } else { 0 };
        };
        let state = &self.pools[usize::from(pool)];
        let replicas = &self.replicas[state.replicas.clone()];
        let (open, held) = match &state.fleet {
            None => (replicas.len(), 0),
            Some(fleet) => (fleet.open_count(), fleet.held.len()),
        };
        let of = |replica: &Replica| match with_running {
            true => replica.load(),
            false => replica.queued(),
        };
        let prompts = self.prompts(&self.plan.pools[usize::from(pool)], of);
        let load = held + prompts + replicas.iter().map(of).sum::<usize>();
        match open {
            0 => u128::MAX,
            open => ((load as u128) << 32) / open as u128,
        }
    }

    /// Requests at the prefill side of a pool, where it has one, by what is counted of each replica.
    pub(super) fn prompts(&self, pool: &Pool, count: impl Fn(&Replica) -> usize) -> usize {
        pool.prefill.map_or(0, |side| {
            let replicas = self.pools[usize::from(side.pool)].replicas.clone();
            self.replicas[replicas].iter().map(count).sum()
        })
    }

    /// How long a call of an actor is on its way to a backend and back.
    pub(super) fn round_trip(&self, actor: Handle, place: u16) -> SimDuration {
        let population = self.actors[actor].population;
        let geography = self.plan.geography.as_ref();
        geography.map_or(SimDuration::ZERO, |map| map.round_trip(population, place))
    }

    /// A request has come to its pool.
    pub(super) fn delivered(&mut self, request: Handle, pool: u16) {
        if !self.in_flight.contains(request) {
            return;
        }
        if self.turns_away(pool) {
            let actor = self.in_flight[request].actor;
            self.tokens_cancelled += u64::from(self.in_flight[request].output);
            self.in_flight.remove(request);
            return self.attempt_failed(actor, super::call::Failure::Unavailable);
        }
        self.dispatch(request, pool);
    }
}
