//! What is known of one part of a plan: its figures in a trial, its distributions over trials.

use crate::foundations::histogram::Histogram;
use crate::simulation::outcome::AgentTally;
use crate::simulation::plan::Plan;

use super::metric::{Metric, Origin, Scope};

/// The quantiles that are stated of every distribution.
pub const QUANTILES: [f64; 4] = [0.50, 0.90, 0.95, 0.99];

/// Gaps between tokens are counted in picoseconds.
const PICO: f64 = 1e12;
/// Dollars of a task are counted in nanodollars.
pub(super) const NANO: f64 = 1e9;

/// What figures are about: the fleet, then each kind of agent, each pool, each endpoint, and each
/// tenant where several are named.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Part {
    /// What kind of thing it is.
    pub scope: Scope,
    /// Its name in the scenario; empty for the fleet.
    pub name: String,
}

impl Part {
    /// The fleet.
    pub const FLEET: Self = Self { scope: Scope::Fleet, name: String::new() };

    /// What stands before the name of a figure of it: `agents.coder.`, nothing for the fleet.
    pub fn prefix(&self) -> String {
        let kind = match self.scope {
            Scope::Fleet => return String::new(),
            Scope::Agent => "agents",
            Scope::Tenant => "tenants",
            Scope::Pool => "pools",
            Scope::Endpoint => "endpoints",
        };
        format!("{kind}.{}.", self.name)
    }
}

/// All parts of a plan, in the order in which trials list them.
pub fn parts(plan: &Plan) -> Vec<Part> {
    let agents = plan.populations.iter().map(|population| (Scope::Agent, &population.name));
    let pools = plan.pools.iter().map(|pool| (Scope::Pool, &pool.name));
    let endpoints = plan.endpoints.iter().map(|endpoint| (Scope::Endpoint, &endpoint.name));
    let tenants = plan.tenants.iter().map(|tenant| (Scope::Tenant, tenant));
    let named = agents
        .chain(pools)
        .chain(endpoints)
        .chain(tenants)
        .map(|(scope, name)| Part { scope, name: name.clone() });
    std::iter::once(Part::FLEET).chain(named).collect()
}

/// A figure of one trial.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(into = "Option<(f64, f64, Option<Spread>)>", from = "Option<(f64, f64, Option<Spread>)>")]
pub struct Value {
    /// Over `bottom` it is the figure; not a number where that is not known.
    pub top: f64,
    /// See `top`.
    pub bottom: f64,
    /// Its observations, where it has any.
    pub spread: Option<Spread>,
}

/// Observations in short.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Spread {
    /// How many.
    pub count: u64,
    /// Their [`QUANTILES`].
    pub quantiles: [f64; QUANTILES.len()],
}

/// Most figures of a part are not known: on a disk they take a byte.
impl From<Value> for Option<(f64, f64, Option<Spread>)> {
    fn from(Value { top, bottom, spread }: Value) -> Self {
        let known = !top.is_nan() || !bottom.is_nan() || spread.is_some();
        known.then_some((top, bottom, spread))
    }
}

impl From<Option<(f64, f64, Option<Spread>)>> for Value {
    fn from(written: Option<(f64, f64, Option<Spread>)>) -> Self {
        written.map_or(Self::UNKNOWN, |(top, bottom, spread)| Self { top, bottom, spread })
    }
}

impl Value {
    pub(super) const UNKNOWN: Self = Self { top: f64::NAN, bottom: f64::NAN, spread: None };

    /// The figure, where it is known.
    pub fn get(&self) -> Option<f64> {
        let value = self.top / self.bottom;
        value.is_finite().then_some(value)
    }
}

/// Distributions of one part, in integers that merge exactly in any order.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Evidence {
    /// What agents did; empty for a pool.
    pub tally: AgentTally,
    /// Gaps between tokens, ps.
    pub gaps: Histogram,
    /// Dollars of a task with its part of idle time, nanodollars.
    pub usd: Histogram,
}

impl Evidence {
    /// Adds another trial's, or another part's.
    pub fn merge(&mut self, other: &Self) {
        self.tally.merge(&other.tally);
        self.gaps.merge(&other.gaps);
        self.usd.merge(&other.usd);
    }

    /// The observations behind a metric, and how many units of theirs are one of the metric's.
    pub fn histogram(&self, metric: &Metric) -> Option<(&Histogram, f64)> {
        match metric.origin {
            Origin::Observed { of, per_unit, .. } => Some((&of(&self.tally).histogram, per_unit)),
            Origin::Gaps => Some((&self.gaps, PICO)),
            Origin::Dollars => Some((&self.usd, NANO)),
            Origin::PerObserved { .. }
            | Origin::Proportion(_)
            | Origin::Sum(_)
            | Origin::Ratio(_) => None,
        }
        .filter(|(histogram, _)| histogram.count() > 0)
    }

    /// Observations that are missing from [`Evidence::histogram`] because something failed.
    pub fn lost(&self, metric: &Metric) -> u64 {
        match metric.origin {
            Origin::Observed { lost, .. } => lost(&self.tally),
            _ => 0,
        }
    }
}
