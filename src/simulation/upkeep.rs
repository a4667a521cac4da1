//! What happens to replicas beside work: they break and are repaired, slow down, are taken back,
//! rebooted; and what becomes of the calls that they had.

use super::actor::Server;
use super::call::Failure;
use super::event::{Event, FleetEvent, Handle};
use super::fleet::{Fleet, Leaving, RECLAIM, SLOW, START, Standing};
use super::plan::{FleetLaw, LostCalls};
use super::waste::Waste;
use super::world::World;
use crate::foundations::SimDuration;
use crate::foundations::distribution::Law;
use crate::foundations::random::Stream;
use crate::serving::Finished;
use crate::serving::replica::FULL_SPEED;

/// An exponential time of this mean.
fn exponential(mean_s: f64, stream: &mut Stream) -> SimDuration {
    SimDuration::from_s_saturating(-mean_s * libm::log(stream.uniform()))
}

fn drawn(law: &Law, stream: &mut Stream) -> SimDuration {
    SimDuration::from_s_saturating(law.sample(stream))
}

impl World<'_> {
    /// The fleets of a new trial, and what will happen to them first.
    pub(super) fn start_fleets(&mut self) {
        let plan = self.plan;
        for (index, pool) in plan.pools.iter().enumerate() {
            let Some(law) = &pool.fleet else { continue };
            let fleet = Fleet::new(pool, law, self.streams, index as u64);
            let (units, replicas) = (fleet.units.len() as u32, fleet.standing.len() as u32);
            self.pools[index].fleet = Some(Box::new(fleet));
            let pool = index as u16;
            (0..units).for_each(|unit| self.await_breakdown(pool, unit));
            for replica in 0..replicas {
                self.await_slow_stretch(pool, replica);
                self.await_reclaim(pool, replica);
            }
            self.await_outage(pool);
            if let Some(maintenance) = &law.maintenance {
                self.schedule(maintenance.start, fleet_event(pool, FleetEvent::Maintenance));
            }
            if let Some(scaling) = &law.autoscale {
                self.after(scaling.interval, pool, FleetEvent::Scale);
            }
        }
    }

    fn law(&self, pool: u16) -> Option<&FleetLaw> {
        self.plan.pools[usize::from(pool)].fleet.as_ref()
    }

    pub(super) fn after(&mut self, time: SimDuration, pool: u16, event: FleetEvent) {
        self.schedule(self.now + time, fleet_event(pool, event));
    }

    /// Something happens to a pool. Once no task is left, nothing matters any more.
    pub(super) fn fleet_event(&mut self, pool: u16, event: FleetEvent) {
        let plan = self.plan;
        let over = !self.accepting && self.tasks.iter().next().is_none();
        let (Some(law), false) = (&plan.pools[usize::from(pool)].fleet, over) else { return };
        match event {
            FleetEvent::Breaks { unit } => self.break_unit(pool, law, unit),
            FleetEvent::Repaired { unit } => {
                self.turn_unit(pool, unit, false);
                self.await_breakdown(pool, unit);
            }
            FleetEvent::Outage => {
                self.for_all(pool, |standing| standing.down += 1);
                let now = self.now;
                let outages = self.fleet(pool).map(|fleet| &mut fleet.outages);
                if let Some(outage) =
                    outages.and_then(|outages| outages.at_or_after(&law.outages, now))
                {
                    self.schedule(outage.end, fleet_event(pool, FleetEvent::OutageOver));
                }
            }
            FleetEvent::OutageOver => {
                self.for_all(pool, |standing| standing.down -= 1);
                self.await_outage(pool);
            }
            FleetEvent::Slows { replica } => self.slow_down(pool, law, replica),
            FleetEvent::Recovers { replica } => {
                self.set_slowness(pool, replica, FULL_SPEED);
                self.await_slow_stretch(pool, replica);
            }
            FleetEvent::Reclaimed { replica } => self.reclaim(pool, law, replica),
            FleetEvent::Returns { replica } => {
                self.change(pool, replica, |standing| standing.rented = true);
                self.await_reclaim(pool, replica);
            }
            FleetEvent::Maintenance => self.begin_maintenance(pool, law),
            FleetEvent::DrainOver { replica, turn } => {
                if self.standing(pool, replica).is_some_and(|found| found.turn == turn) {
                    self.left(pool, replica);
                }
            }
            FleetEvent::Rebooted { replica } => {
                self.change(pool, replica, |standing| standing.down -= 1);
                self.reboot_next(pool, 1);
            }
            FleetEvent::Scale => self.scale(pool, law),
            FleetEvent::Started { replica, turn } => self.started(pool, replica, turn),
        }
    }

    fn fleet(&mut self, pool: u16) -> Option<&mut Fleet> {
        self.pools[usize::from(pool)].fleet.as_deref_mut()
    }

    pub(super) fn standing(&self, pool: u16, replica: u32) -> Option<Standing> {
        let fleet = self.pools[usize::from(pool)].fleet.as_ref()?;
        fleet.standing.get(replica as usize).copied()
    }

    /// Changes how a replica stands: one that goes down loses its calls, one that opens takes those
    /// that wait.
    pub(super) fn change(&mut self, pool: u16, replica: u32, change: impl FnOnce(&mut Standing)) {
        let now = self.now;
        let Some(fleet) = self.fleet(pool) else { return };
        let (before, after) = fleet.change(replica as usize, now, change);
        if before.serves() && !after.serves() {
            self.take_down(pool, replica);
        }
        if after.is_open() && !before.is_open() {
            self.release_held(pool);
        }
    }

    /// Changes all replicas of a pool as one: no call goes from one to the next on their way down.
    fn for_all(&mut self, pool: u16, change: fn(&mut Standing)) {
        let count = self.plan.pools[usize::from(pool)].most_replicas();
        self.for_range(pool, 0..count as usize, change);
    }

    fn for_range(&mut self, pool: u16, range: std::ops::Range<usize>, change: fn(&mut Standing)) {
        let now = self.now;
        let Some(fleet) = self.fleet(pool) else { return };
        let changed: Vec<_> =
            range.map(|replica| (replica as u32, fleet.change(replica, now, change))).collect();
        for (replica, (before, after)) in &changed {
            if before.serves() && !after.serves() {
                self.take_down(pool, *replica);
            }
        }
        if changed.iter().any(|(_, (before, after))| after.is_open() && !before.is_open()) {
            self.release_held(pool);
        }
    }

    /// A replica goes down, with all that it was doing.
    fn take_down(&mut self, pool: u16, replica: u32) {
        let plan = self.plan;
        let index = self.pools[usize::from(pool)].replicas.start + replica as usize;
        let mut lost = std::mem::take(&mut self.finished);
        self.replicas[index].lose(&plan.pools[usize::from(pool)].replica, self.now, &mut lost);
        self.log_boundary(index);
        if let Some(tiers) = &mut self.pools[usize::from(pool)].tiers {
            tiers.lose(replica as usize);
        }
        self.follow(index);
        for request in lost.drain(..) {
            self.lose_request(&request, pool);
        }
        self.finished = lost;
        self.lose_kept(pool, index);
    }

    /// A request went down with its server.
    fn lose_request(&mut self, finished: &Finished, pool: u16) {
        let restarts = self.law(pool).is_some_and(|law| law.lost_calls == LostCalls::Restart);
        let request = self.in_flight.handle_at(finished.tag);
        let actor = self.in_flight[request].actor;
        let wanted = self.actors.contains(actor);
        self.log_given_up(request, Waste::Lost);
        let home = match self.in_flight[request].server {
            Server::Prefill { pool, .. } => pool,
            _ => pool,
        };
        let finished = &self.whole(request, finished);
        let pico = self.charge_of(finished, pool);
        if !(wanted && restarts) {
            let entry = &mut self.in_flight[request];
            entry.actor = Handle::NONE;
            entry.waste = if wanted { Waste::Lost } else { entry.waste };
            self.settle_request(finished, pool, pico);
            if wanted {
                self.attempt_failed(actor, Failure::Unavailable);
            }
            return;
        }
        let entry = &self.in_flight[request];
        let (task, population, output, counted) =
            (entry.task, entry.population, entry.output, entry.counted);
        self.tokens_produced += u64::from(finished.produced);
        self.tokens_cancelled += u64::from(output - finished.produced);
        if let Some(task) = self.tasks.get_mut(task) {
            task.charged_pico += pico;
        }
        if counted {
            let tally = self.tally(population);
            tally.charged_pico += u128::from(pico);
            self.waste((task, population), Waste::Lost, finished.produced, pico);
        }
        self.tokens_asked += u64::from(output);
        self.requests += 1;
        self.dispatch(request, home);
    }

    /// Whether a call to a pool finds nobody, and need not wait for anybody.
    #[inline]
    pub(super) fn turns_away(&self, pool: u16) -> bool {
        let side = self.plan.pools[usize::from(pool)].prefill.map(|side| side.pool);
        self.is_shut(pool) || side.is_some_and(|side| self.is_shut(side))
    }

    /// Whether nobody in a pool takes calls, and nobody will.
    #[inline]
    fn is_shut(&self, pool: u16) -> bool {
        let Some(fleet) = &self.pools[usize::from(pool)].fleet else { return false };
        let waits = self
            .law(pool)
            .is_some_and(|law| law.lost_calls == LostCalls::Restart || law.autoscale.is_some());
        fleet.open_count() == 0 && !waits
    }

    /// Keeps a request to `pool` until a replica of the pool `at` opens.
    #[cold]
    pub(super) fn hold(&mut self, request: Handle, at: u16, pool: u16) {
        self.in_flight[request].server = Server::Held { pool };
        if let Some(fleet) = self.fleet(at) {
            fleet.held.push_back(request);
        }
    }

    fn release_held(&mut self, pool: u16) {
        while let Some(fleet) = self.fleet(pool)
            && fleet.open_count() > 0
            && let Some(request) = fleet.held.pop_front()
        {
            if self.in_flight.contains(request)
                && let Server::Held { pool } = self.in_flight[request].server
            {
                self.dispatch(request, pool);
            }
        }
    }

    /// A replica may have done all that it had to before it leaves.
    pub(super) fn check_drained(&mut self, index: usize, pool: u16) {
        let replica = (index - self.pools[usize::from(pool)].replicas.start) as u32;
        let leaving = self.standing(pool, replica).and_then(|standing| standing.leaving);
        // What is reclaimed is used as long as it is there.
        let goes = matches!(leaving, Some(Leaving::Reboot | Leaving::Unneeded));
        if goes && self.replicas[index].load() + self.replicas[index].kept() == 0 {
            self.left(pool, replica);
        }
    }

    /// A replica takes no more requests; when it has none, or after `drain`, it goes.
    pub(super) fn begin_leaving(
        &mut self,
        pool: u16,
        replica: u32,
        leaving: Leaving,
        drain: SimDuration,
    ) {
        self.change(pool, replica, |standing| {
            standing.leaving = Some(leaving);
            standing.turn = standing.turn.wrapping_add(1);
        });
        let Some(Standing { turn, .. }) = self.standing(pool, replica) else { return };
        if drain < SimDuration::MAX {
            self.after(drain, pool, FleetEvent::DrainOver { replica, turn });
        }
        let index = self.pools[usize::from(pool)].replicas.start + replica as usize;
        self.check_drained(index, pool);
    }

    /// A leaving replica goes, with the calls that it still has.
    fn left(&mut self, pool: u16, replica: u32) {
        let plan = self.plan;
        let Some(law) = &plan.pools[usize::from(pool)].fleet else { return };
        let leaving = self.standing(pool, replica).and_then(|standing| standing.leaving);
        match (leaving, &law.maintenance, &law.reclaim) {
            (Some(Leaving::Reboot), Some(maintenance), _) => {
                self.change(pool, replica, |standing| {
                    (standing.leaving, standing.starting) = (None, false);
                    standing.down += 1;
                });
                let time = self.drawn_for(pool, replica, START, &maintenance.reboot_s);
                self.after(time, pool, FleetEvent::Rebooted { replica });
            }
            (Some(Leaving::Reclaimed), _, Some(reclaim)) => {
                self.give_back(pool, replica);
                let time = self.drawn_for(pool, replica, RECLAIM, &reclaim.back_s);
                if law.autoscale.is_none() {
                    self.after(time, pool, FleetEvent::Returns { replica });
                } else {
                    // The autoscaler rents another when it needs one.
                    self.await_reclaim(pool, replica);
                }
            }
            (Some(Leaving::Unneeded), ..) => self.give_back(pool, replica),
            _ => {}
        }
    }

    fn give_back(&mut self, pool: u16, replica: u32) {
        self.change(pool, replica, |standing| {
            (standing.leaving, standing.rented, standing.starting) = (None, false, false);
        });
    }

    pub(super) fn drawn_for(
        &mut self,
        pool: u16,
        replica: u32,
        what: usize,
        law: &Law,
    ) -> SimDuration {
        let Some(fleet) = self.fleet(pool) else { return SimDuration::ZERO };
        drawn(law, &mut fleet.streams[replica as usize][what])
    }

    fn await_breakdown(&mut self, pool: u16, unit: u32) {
        let plan = self.plan;
        let Some(law) = &plan.pools[usize::from(pool)].fleet else { return };
        let Some(fleet) = self.fleet(pool) else { return };
        let found = &mut fleet.units[unit as usize];
        let time = exponential(law.breakdowns[found.law].between_s, &mut found.stream);
        self.after(time, pool, FleetEvent::Breaks { unit });
    }

    fn break_unit(&mut self, pool: u16, law: &FleetLaw, unit: u32) {
        self.turn_unit(pool, unit, true);
        let Some(fleet) = self.fleet(pool) else { return };
        let found = &mut fleet.units[unit as usize];
        let time = drawn(&law.breakdowns[found.law].repair_s, &mut found.stream);
        self.after(time, pool, FleetEvent::Repaired { unit });
    }

    /// A thing breaks or works again, for all replicas that need it.
    fn turn_unit(&mut self, pool: u16, unit: u32, broken: bool) {
        let Some(fleet) = self.fleet(pool) else { return };
        let found = &mut fleet.units[unit as usize];
        let range = found.replicas.clone();
        match broken {
            true => self.for_range(pool, range, |standing| standing.down += 1),
            false => self.for_range(pool, range, |standing| standing.down -= 1),
        }
    }

    fn await_outage(&mut self, pool: u16) {
        let (plan, now) = (self.plan, self.now);
        let Some(law) = &plan.pools[usize::from(pool)].fleet else { return };
        let Some(fleet) = self.fleet(pool) else { return };
        if let Some(outage) = fleet.outages.at_or_after(&law.outages, now) {
            self.schedule(outage.start.max(now), fleet_event(pool, FleetEvent::Outage));
        }
    }

    fn await_slow_stretch(&mut self, pool: u16, replica: u32) {
        let plan = self.plan;
        let law = plan.pools[usize::from(pool)].fleet.as_ref();
        let Some(slow) = law.and_then(|law| law.degradation.as_ref()) else { return };
        let Some(fleet) = self.fleet(pool) else { return };
        let time = exponential(slow.between_s, &mut fleet.streams[replica as usize][SLOW]);
        self.after(time, pool, FleetEvent::Slows { replica });
    }

    fn slow_down(&mut self, pool: u16, law: &FleetLaw, replica: u32) {
        let Some(slow) = &law.degradation else { return };
        self.set_slowness(pool, replica, slow.slowness);
        let time = self.drawn_for(pool, replica, SLOW, &slow.length_s);
        self.after(time, pool, FleetEvent::Recovers { replica });
    }

    fn set_slowness(&mut self, pool: u16, replica: u32, slowness: u64) {
        let index = self.pools[usize::from(pool)].replicas.start + replica as usize;
        let spec = &self.plan.pools[usize::from(pool)].replica;
        self.replicas[index].set_slowness(spec, slowness, self.now);
        self.follow(index);
    }

    fn await_reclaim(&mut self, pool: u16, replica: u32) {
        let plan = self.plan;
        let law = plan.pools[usize::from(pool)].fleet.as_ref();
        let Some(reclaim) = law.and_then(|law| law.reclaim.as_ref()) else { return };
        let Some(fleet) = self.fleet(pool) else { return };
        let time = exponential(reclaim.between_s, &mut fleet.streams[replica as usize][RECLAIM]);
        self.after(time, pool, FleetEvent::Reclaimed { replica });
    }

    fn reclaim(&mut self, pool: u16, law: &FleetLaw, replica: u32) {
        let Some(reclaim) = &law.reclaim else { return };
        let Some(standing) = self.standing(pool, replica) else { return };
        if !standing.rented {
            return self.await_reclaim(pool, replica);
        }
        self.begin_leaving(pool, replica, Leaving::Reclaimed, reclaim.notice);
        if standing.leaving == Some(Leaving::Reboot) {
            self.reboot_next(pool, 1);
        }
    }

    /// A round of reboots begins.
    fn begin_maintenance(&mut self, pool: u16, law: &FleetLaw) {
        let Some(maintenance) = &law.maintenance else { return };
        if let Some(every) = maintenance.every {
            self.after(every, pool, FleetEvent::Maintenance);
        }
        let Some(fleet) = self.fleet(pool) else { return };
        // A round that takes longer than the time between two is ended before the next.
        let due = (0..fleet.standing.len() as u32).filter(|replica| !fleet.due.contains(replica));
        let due: Vec<u32> = due.collect();
        fleet.due.extend(due);
        self.reboot_next(pool, 0);
    }

    /// `done` reboots are over: those that are due begin, as many as may at once.
    fn reboot_next(&mut self, pool: u16, done: u32) {
        let plan = self.plan;
        let law = plan.pools[usize::from(pool)].fleet.as_ref();
        let Some(maintenance) = law.and_then(|law| law.maintenance.as_ref()) else { return };
        if let Some(fleet) = self.fleet(pool) {
            fleet.rebooting -= done;
        }
        while let Some(fleet) = self.fleet(pool)
            && fleet.rebooting < maintenance.at_once
            && let Some(replica) = fleet.due.pop_front()
        {
            let standing = fleet.standing[replica as usize];
            if standing.rented && standing.leaving.is_none() {
                fleet.rebooting += 1;
                self.begin_leaving(pool, replica, Leaving::Reboot, maintenance.drain);
            }
        }
    }
}

pub(super) fn fleet_event(pool: u16, event: FleetEvent) -> Event {
    Event::Fleet { pool, event }
}
