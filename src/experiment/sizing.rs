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
pub use fleet::{Fleet, FleetFound, Hints};
pub use load::LoadFound;
pub use search::{Ahead, Search, Setup, Stopped};

use std::sync::Arc;

use crate::simulation::Plan;
use crate::simulation::plan::{Draw, Uncertain};
use crate::workload::arrival::ArrivalError;

/// A number that may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Knob {
    /// Replicas of the pool at this place.
    Replicas(usize),
    /// Slots of the tool at this place.
    Slots(usize),
}

impl Knob {
    /// The replicas of every pool.
    pub fn of_all_pools(plan: &Plan) -> Vec<Knob> {
        (0..plan.pools.len()).map(Knob::Replicas).collect()
    }

    /// What it is at in a plan; tools without a limit have none.
    pub fn get(self, plan: &Plan) -> Option<u32> {
        match self {
            Knob::Replicas(pool) => Some(plan.pools.get(pool)?.replicas),
            Knob::Slots(tool) => plan.tools.get(tool)?.slots,
        }
    }

    fn set(self, plan: &mut Plan, count: u32) {
        match self {
            Knob::Replicas(pool) => plan.pools[pool].replicas = count,
            Knob::Slots(tool) => plan.tools[tool].slots = Some(count),
        }
    }

    /// Dollars per hour of one more.
    pub fn usd_per_h(self, plan: &Plan) -> f64 {
        match self {
            Knob::Replicas(pool) => plan.pools[pool].usd_per_replica_h,
            Knob::Slots(_) => 0.0,
        }
    }

    /// Its path in a scenario: `pools.main.replicas`.
    pub fn path(self, plan: &Plan) -> String {
        match self {
            Knob::Replicas(pool) => format!("pools.{}.replicas", plan.pools[pool].name),
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

/// Dollars per hour of all pools.
pub fn usd_per_h(plan: &Plan) -> f64 {
    plan.pools.iter().map(|pool| pool.usd_per_replica_h * f64::from(pool.replicas)).sum()
}
