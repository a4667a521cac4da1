//! How many replicas a pool rents: an autoscaler looks now and then, and compares.
//!
//! It wants so many that each has no more than its target: `ceil(load / target)`, as Kubernetes'
//! Horizontal Pod Autoscaler does. More are rented at once, and take calls when they have started;
//! fewer only when for the whole cool-down fewer would have done (its stabilisation window), and they
//! end what they have before they go. None is rented that the power or the racks of the site have no
//! room for, were all replicas at full load.
//!
//! Or it holds a latency below a limit ([`latency`]).

use super::event::FleetEvent;
use super::fleet::{Fleet, Leaving, START, Standing};
use super::plan::{Autoscale, FleetLaw, ScaleOn, SiteResource, Watched};
use super::world::World;
use crate::foundations::SimDuration;
use crate::serving::Finished;
use latency::Stand;

pub(super) mod latency;

/// Parts by which the load may miss its target before anything changes, as Kubernetes has it.
const TOLERANCE: f64 = 0.1;

/// Replicas for a load of so many targets, where so many are present.
fn for_load(targets: f64, present: u32) -> u32 {
    let close = (targets - f64::from(present)).abs() <= TOLERANCE * f64::from(present);
    match close && targets > 0.0 {
        true => present,
        false => libm::ceil(targets - 1e-9).clamp(0.0, 1e9) as u32,
    }
}

impl World<'_> {
    /// The autoscaler of a pool looks.
    pub(super) fn scale(&mut self, pool: u16, law: &FleetLaw) {
        let Some(scaling) = &law.autoscale else { return };
        self.after(scaling.interval, pool, FleetEvent::Scale);
        let asked = match scaling.on {
            ScaleOn::Latency(watched) => self.for_latency(pool, scaling, watched),
            _ => {
                let load = self.load_for(pool, scaling);
                let fleet = self.pools[usize::from(pool)].fleet.as_deref();
                for_load(load / scaling.target, fleet.map_or(0, Fleet::wanted))
            }
        };
        let now = self.now;
        let asked = asked.clamp(scaling.least, scaling.most);
        let asked = self.within_site(pool, asked);
        let Some(fleet) = self.pools[usize::from(pool)].fleet.as_deref_mut() else { return };
        let present = fleet.wanted();
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

    /// Of the replicas that a pool's autoscaler asks for as many as its site has power and room for,
    /// beside all that are still there; what it refuses is counted.
    fn within_site(&mut self, pool: u16, asked: u32) -> u32 {
        let plan = self.plan;
        if plan.power_limit_w.is_none() && plan.racks.is_none() {
            return asked;
        }
        let (place, now) = (usize::from(pool), self.now);
        let present = |at: usize| match (plan.pools[at].autoscale(), &self.pools[at].fleet) {
            (Some(_), Some(fleet)) => fleet.rented(),
            _ => plan.pools[at].replicas,
        };
        let room = SiteResource::ALL.map(|resource| plan.room(place, resource, present));
        let Some(fleet) = self.pools[place].fleet.as_deref_mut() else { return asked };
        let room = room.map(|room| Some(room?.saturating_sub(fleet.reclaimed())));
        let most = room.into_iter().flatten().min().unwrap_or(u32::MAX);
        fleet.book(now);
        // The scarcer refuses.
        fleet.refused = room.map(|room| match room {
            Some(room) if room == most => asked.saturating_sub(room),
            _ => 0,
        });
        asked.min(most.max(fleet.wanted()))
    }

    /// Notes what a request saw that left a pool, where an autoscaler looks at that.
    pub(super) fn note_latency(&mut self, report: &Finished, pool: u16) {
        let law = self.plan.pools[usize::from(pool)].fleet.as_ref();
        if let Some(ScaleOn::Latency(watched)) =
            law.and_then(|law| law.autoscale.as_ref()).map(|scaling| scaling.on)
            && let Some(fleet) = self.pools[usize::from(pool)].fleet.as_deref_mut()
        {
            fleet.watch.note(report, watched);
        }
    }

    /// The replicas that hold the latency of a pool.
    fn for_latency(&mut self, pool: u16, scaling: &Autoscale, watched: Watched) -> u32 {
        let (now, limit_s) = (self.now, scaling.target);
        let replicas = self.pools[usize::from(pool)].replicas.clone();
        let mut stand = Stand { most: scaling.most, ..Stand::default() };
        for replica in &mut self.replicas[replicas] {
            replica.settle(&self.plan.pools[usize::from(pool)].replica, now);
            stand.present += (replica.queued() + replica.running()) as u64;
            let before = stand.waiting.len();
            stand.waiting.extend(replica.waiting_since());
            let longest = stand.waiting[before..].iter().map(|&sent| now.since(sent)).max();
            if longest.is_some_and(|age| age.as_s() > limit_s) {
                stand.crowded.push(replica.running());
            }
        }
        let in_flight = &self.in_flight;
        let Some(fleet) = self.pools[usize::from(pool)].fleet.as_deref_mut() else { return 0 };
        fleet.held.retain(|request| in_flight.contains(*request));
        stand.present += fleet.held.len() as u64;
        stand.replicas = fleet.wanted();
        stand.starting = fleet.standing.iter().any(|standing| standing.starting);
        let down = |standing: &&Standing| standing.rented && standing.down > 0;
        stand.down = fleet.standing.iter().filter(down).count() as u32;
        fleet.watch.wanted(now, &stand, limit_s, watched)
    }

    /// What the autoscaler of a pool looks at, over all replicas.
    fn load_for(&mut self, pool: u16, scaling: &Autoscale) -> f64 {
        let plan = self.plan;
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
