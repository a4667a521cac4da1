//! How many replicas a pool rents: an autoscaler looks now and then, and compares.
//!
//! It wants so many that each has no more than its target: `ceil(load / target)`, as Kubernetes'
//! Horizontal Pod Autoscaler does. More are rented at once, and take calls when they have started;
//! fewer only when for the whole cool-down fewer would have done (its stabilisation window), and they
//! end what they have before they go.

use super::event::FleetEvent;
use super::fleet::{Leaving, START};
use super::plan::{Autoscale, FleetLaw, ScaleOn};
use super::world::World;
use crate::foundations::SimDuration;

/// Parts by which the load may miss its target before anything changes, as Kubernetes has it.
const TOLERANCE: f64 = 0.1;

impl World<'_> {
    /// The autoscaler of a pool looks.
    pub(super) fn scale(&mut self, pool: u16, law: &FleetLaw) {
        let Some(scaling) = &law.autoscale else { return };
        self.after(scaling.interval, pool, FleetEvent::Scale);
        let load = self.load_for(pool, scaling);
        let now = self.now;
        let Some(fleet) = self.pools[usize::from(pool)].fleet.as_deref_mut() else { return };
        let present = fleet.wanted();
        let close =
            (load / scaling.target - f64::from(present)).abs() <= TOLERANCE * f64::from(present);
        let asked = libm::ceil(load / scaling.target - 1e-9).clamp(0.0, 1e9) as u32;
        let asked = if close && load > 0.0 { present } else { asked };
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
