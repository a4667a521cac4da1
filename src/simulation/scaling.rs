//! How many replicas a pool rents: an autoscaler looks now and then, and compares.
//!
//! It wants so many that each has no more than its target: `ceil(load / target)`, as Kubernetes'
//! Horizontal Pod Autoscaler does. More are rented at once, and take calls when they have started;
//! fewer only when for the whole cool-down fewer would have done (its stabilisation window), and they
//! end what they have before they go.
//!
//! Or it holds a latency below a limit: as long as too many of the requests answered of late were above
//! it, or wait longer already, it rents more, in the proportion of the two, at most as many again, and
//! then looks at what comes once they have started; where half the limit is kept, it gives back one.

use super::event::FleetEvent;
use super::fleet::{Leaving, START};
use super::plan::{Autoscale, FleetLaw, ScaleOn, Watched};
use super::world::World;
use crate::foundations::{SimDuration, SimTime};
use crate::serving::{Finished, Replica};

/// Parts by which the load may miss its target before anything changes, as Kubernetes has it.
const TOLERANCE: f64 = 0.1;
/// Part of a limit that lets one replica go.
const ENOUGH: f64 = 0.5;

/// Replicas for a load of so many targets, where so many are present.
fn for_load(targets: f64, present: u32) -> u32 {
    let close = (targets - f64::from(present)).abs() <= TOLERANCE * f64::from(present);
    match close && targets > 0.0 {
        true => present,
        false => libm::ceil(targets - 1e-9).clamp(0.0, 1e9) as u32,
    }
}

/// Replicas for a latency of so many limits, where so many are present.
fn for_latency(limits: f64, present: u32, starting: bool) -> u32 {
    match limits {
        _ if starting => present,
        limits if limits > 1.0 => {
            let more = f64::from(present.max(1)) * (limits - 1.0).min(1.0);
            present + (libm::ceil(more) as u32).max(1)
        }
        limits if limits <= ENOUGH => present.saturating_sub(1),
        _ => present,
    }
}

impl World<'_> {
    /// The autoscaler of a pool looks.
    pub(super) fn scale(&mut self, pool: u16, law: &FleetLaw) {
        let Some(scaling) = &law.autoscale else { return };
        self.after(scaling.interval, pool, FleetEvent::Scale);
        let load = self.load_for(pool, scaling);
        let now = self.now;
        let Some(fleet) = self.pools[usize::from(pool)].fleet.as_deref_mut() else { return };
        let present = fleet.wanted();
        let asked = match scaling.on {
            ScaleOn::Latency(_) => {
                let starting = fleet.standing.iter().any(|standing| standing.starting);
                if starting {
                    fleet.seen.clear();
                    fleet.seen_from = now;
                }
                for_latency(load / scaling.target, present, starting)
            }
            _ => for_load(load / scaling.target, present),
        };
        let asked = asked.clamp(scaling.least, scaling.most);
        if asked >= present {
            fleet.spare_since = None;
            return self.rent(pool, scaling, asked - present);
        }
        let (since, most) = fleet.spare_since.unwrap_or((now, asked));
        let most = most.max(asked);
        if now.since(since) < scaling.cool_down {
            fleet.spare_since = Some((since, most));
            return;
        }
        fleet.spare_since = None;
        let spare = present.saturating_sub(most);
        let stays = |place: &u32| {
            let standing = &fleet.standing[*place as usize];
            standing.rented && standing.leaving.is_none()
        };
        let places = (0..fleet.standing.len() as u32).rev();
        let going: Vec<u32> = places.filter(stays).take(spare as usize).collect();
        for replica in going {
            self.begin_leaving(pool, replica, Leaving::Unneeded, SimDuration::MAX);
        }
    }

    /// Notes what an answered request saw, where an autoscaler looks at that.
    pub(super) fn note_latency(&mut self, report: &Finished, pool: u16) {
        let scaling = self.plan.pools[usize::from(pool)].fleet.as_ref();
        let Some(ScaleOn::Latency(watched)) =
            scaling.and_then(|law| law.autoscale.as_ref()).map(|scaling| scaling.on)
        else {
            return;
        };
        let Some(first) = report.first_token.filter(|_| !report.cancelled) else { return };
        let seen = match watched.per_token {
            false => first.since(report.submitted).as_s(),
            true if report.produced < 2 => return,
            true => report.finished.since(first).as_s() / f64::from(report.produced - 1),
        };
        let now = self.now;
        if let Some(fleet) = self.pools[usize::from(pool)].fleet.as_deref_mut()
            && report.submitted >= fleet.seen_from
        {
            fleet.seen.push_back((now, seen));
        }
    }

    /// The latency that a stated part of the requests kept within, of those answered of late and
    /// those that wait for longer than the limit already, s; nothing where there are none.
    fn latency_for(&mut self, pool: u16, limit_s: f64, watched: Watched) -> f64 {
        let now = self.now;
        let fleet = self.pools[usize::from(pool)].fleet.as_deref();
        let from = fleet.map_or(SimTime::ZERO, |fleet| fleet.seen_from);
        let late = |since: SimTime| {
            let age_s = now.since(since).as_s();
            (since >= from && age_s > limit_s).then_some(age_s)
        };
        let replicas = self.pools[usize::from(pool)].replicas.clone();
        let waiting = self.replicas[replicas].iter().flat_map(Replica::waiting_since);
        let mut seen: Vec<f64> = match watched.per_token {
            true => Vec::new(),
            false => waiting.filter_map(late).collect(),
        };
        let Some(fleet) = self.pools[usize::from(pool)].fleet.as_deref_mut() else { return 0.0 };
        while fleet.seen.front().is_some_and(|(at, _)| now.since(*at) > watched.window) {
            fleet.seen.pop_front();
        }
        if fleet.wanted() == 0 && !fleet.held.is_empty() {
            return 2.0 * limit_s;
        }
        seen.extend(fleet.seen.iter().map(|(_, seen)| *seen));
        seen.sort_by(f64::total_cmp);
        let rank = libm::ceil(watched.quantile * seen.len() as f64) as usize;
        rank.checked_sub(1).map_or(0.0, |at| seen[at])
    }

    /// What the autoscaler of a pool looks at, over all replicas.
    fn load_for(&mut self, pool: u16, scaling: &Autoscale) -> f64 {
        let plan = self.plan;
        if let ScaleOn::Latency(watched) = scaling.on {
            return self.latency_for(pool, scaling.target, watched);
        }
        let spec = &plan.pools[usize::from(pool)].replica;
        let state = &self.pools[usize::from(pool)];
        let (mut waiting, mut running, mut busy_ps) = (0, 0, 0);
        for replica in &mut self.replicas[state.replicas.clone()] {
            replica.settle(spec, self.now);
            waiting += replica.queued();
            running += replica.running();
            busy_ps += replica.account().busy_ps;
        }
        let in_flight = &self.in_flight;
        let Some(fleet) = self.pools[usize::from(pool)].fleet.as_deref_mut() else { return 0.0 };
        fleet.held.retain(|request| in_flight.contains(*request));
        waiting += fleet.held.len();
        let before = std::mem::replace(&mut fleet.busy_ps, busy_ps);
        match scaling.on {
            ScaleOn::Queue => waiting as f64,
            ScaleOn::Requests => (waiting + running) as f64,
            // Who waits while nobody is there wants somebody.
            ScaleOn::Utilization if fleet.wanted() == 0 => waiting as f64,
            ScaleOn::Utilization => (busy_ps - before) as f64 / scaling.interval.0 as f64,
            ScaleOn::Latency(_) => 0.0,
        }
    }

    /// Rents more replicas: those first that were about to go.
    fn rent(&mut self, pool: u16, scaling: &Autoscale, more: u32) {
        let Some(fleet) = self.pools[usize::from(pool)].fleet.as_deref() else { return };
        let going =
            |place: &u32| fleet.standing[*place as usize].leaving == Some(Leaving::Unneeded);
        let gone = |place: &u32| !fleet.standing[*place as usize].rented;
        let places = 0..fleet.standing.len() as u32;
        let kept: Vec<u32> = places.clone().filter(going).take(more as usize).collect();
        let new: Vec<u32> = places.filter(gone).take(more as usize - kept.len()).collect();
        for replica in kept {
            self.change(pool, replica, |standing| {
                (standing.leaving, standing.turn) = (None, standing.turn.wrapping_add(1));
            });
        }
        for replica in new {
            self.change(pool, replica, |standing| {
                (standing.rented, standing.starting) = (true, true);
                standing.turn = standing.turn.wrapping_add(1);
            });
            let Some(standing) = self.standing(pool, replica) else { return };
            let time = self.drawn_for(pool, replica, START, &scaling.start_s);
            self.after(time, pool, FleetEvent::Started { replica, turn: standing.turn });
        }
    }

    /// A rented replica is ready.
    pub(super) fn started(&mut self, pool: u16, replica: u32, turn: u32) {
        if self.standing(pool, replica).is_some_and(|standing| standing.turn == turn) {
            self.change(pool, replica, |standing| standing.starting = false);
        }
    }
}
