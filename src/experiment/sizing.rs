//! How much a fleet carries, and how little is enough.
//!
//! A *candidate* is a plan with some counts (replicas of pools, slots of tools) and its load
//! multiplied by a factor. It *meets* its objectives where their intervals lie within the limits,
//! *misses* where one lies beyond; as long as neither is so, trials are added. More servers and less
//! load only make things better, so what is sought is bisected, on common random numbers: every
//! candidate has the same tasks.

mod assessment;
mod fleet;
mod load;
mod search;

pub use assessment::{Assessment, Fullness, Sure};
pub use fleet::{Fleet, FleetFound, Hints, SiteLimit};
pub use load::LoadFound;
pub use search::{Ahead, Search, Setup, Stopped};

use std::sync::Arc;

use crate::simulation::Plan;
use crate::simulation::plan::{Draw, Pool, Uncertain};
use crate::workload::arrival::ArrivalError;

/// A number that may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Knob {
    /// Replicas of the pool at this place.
    Replicas(usize),
    /// Replicas that the autoscaler of the pool at this place may rent at most.
    MostReplicas(usize),
    /// Slots of the tool at this place.
    Slots(usize),
}

impl Knob {
    /// The replicas of every pool; where an autoscaler chooses them, how many it may rent.
    pub fn of_all_pools(plan: &Plan) -> Vec<Knob> {
        let knob = |pool: usize| match plan.pools[pool].autoscale() {
            Some(_) => Knob::MostReplicas(pool),
            None => Knob::Replicas(pool),
        };
        (0..plan.pools.len()).map(knob).collect()
    }

    /// What it is at in a plan; tools without a limit have none.
    pub fn get(self, plan: &Plan) -> Option<u32> {
        match self {
            Knob::Replicas(pool) => {
                let pool = plan.pools.get(pool)?;
                Some(pool.replicas / pool.attention_groups)
            }
            Knob::MostReplicas(pool) => Some(plan.pools.get(pool)?.most_replicas()),
            Knob::Slots(tool) => plan.tools.get(tool)?.slots,
        }
    }

    /// What it is at least: an autoscaler may rent as many as it starts with.
    pub fn least(self, plan: &Plan) -> u32 {
        match self {
            Knob::MostReplicas(pool) => plan.pools[pool].replicas.max(1),
            Knob::Replicas(_) | Knob::Slots(_) => 1,
        }
    }

    fn set(self, plan: &mut Plan, count: u32) {
        match self {
            Knob::Replicas(pool) => {
                let pool = &mut plan.pools[pool];
                pool.replicas = count.saturating_mul(pool.attention_groups);
            }
            Knob::MostReplicas(pool) => {
                let law = plan.pools[pool].fleet.as_mut();
                if let Some(scaling) = law.and_then(|law| law.autoscale.as_mut()) {
                    scaling.most = count;
                }
            }
            Knob::Slots(tool) => plan.tools[tool].slots = Some(count),
        }
    }

    /// Dollars per hour of one more.
    pub fn usd_per_h(self, plan: &Plan) -> f64 {
        match self {
            Knob::Replicas(pool) => {
                let pool = &plan.pools[pool];
                pool.usd_per_replica_h * f64::from(pool.attention_groups)
            }
            Knob::MostReplicas(pool) => plan.pools[pool].usd_per_replica_h,
            Knob::Slots(_) => 0.0,
        }
    }

    /// Its path in a scenario: `pools.main.replicas`.
    pub fn path(self, plan: &Plan) -> String {
        match self {
            Knob::Replicas(pool) => format!("pools.{}.replicas", plan.pools[pool].name),
            Knob::MostReplicas(pool) => format!("pools.{}.autoscale.max", plan.pools[pool].name),
            Knob::Slots(tool) => format!("tools.{}.slots", plan.tools[tool].name),
        }
    }
}

/// A plan with these counts and its load multiplied by `load`.
///
/// # Errors
/// A load that no arrival process can have.
pub fn candidate(
    plan: &Plan,
    knobs: &[Knob],
    counts: &[u32],
    load: f64,
) -> Result<Plan, ArrivalError> {
    let mut plan = plan.clone();
    if let Some(uncertain) = &plan.uncertain {
        let draw = |draw: &Draw| {
            let plan = candidate(&draw.plan, knobs, counts, load)?;
            Ok(Draw { values: draw.values.clone(), plan })
        };
        let draws = uncertain.draws.iter().map(draw).collect::<Result<_, ArrivalError>>()?;
        plan.uncertain = Some(Arc::new(Uncertain { inputs: uncertain.inputs.clone(), draws }));
    }
    for (knob, &count) in knobs.iter().zip(counts) {
        knob.set(&mut plan, count);
    }
    if load != 1.0 {
        for population in &mut plan.populations {
            population.arrivals = population.arrivals.times(load)?;
        }
    }
    Ok(plan)
}

/// Whether what a fleet costs follows what it does: calls to endpoints or the highest draw are paid
/// for, or its servers come and go.
pub fn is_metered(plan: &Plan) -> bool {
    let comes_and_goes = |pool: &Pool| {
        pool.autoscale().is_some()
            || pool.fleet.as_ref().is_some_and(|fleet| fleet.reclaim.is_some())
    };
    !plan.endpoints.is_empty() || plan.demand.is_some() || plan.pools.iter().any(comes_and_goes)
}

/// Whether a pool hands what it has too much of to an endpoint.
pub fn bursts(plan: &Plan) -> bool {
    !plan.endpoints.is_empty() && plan.pools.iter().any(|pool| pool.overflow.is_some())
}

/// Dollars per hour of all pools, every replica rented.
pub fn usd_per_h(plan: &Plan) -> f64 {
    plan.pools.iter().map(Pool::usd_per_h).sum()
}
