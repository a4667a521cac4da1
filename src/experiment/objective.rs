//! What a planner demands, and whether a trial met it.

use std::fmt;

use crate::foundations::interval::{Interval, wilson};
use crate::simulation::{Plan, scenario};

use super::evidence::{Evidence, Part, QUANTILES};
use super::figure::Figure;
use super::metric::{Metric, Scope};

/// A statistic of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// The mean, or the figure itself where it has no distribution.
    Mean,
    /// One of [`QUANTILES`], by its place.
    Quantile(usize),
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Statistic::Mean => f.write_str("mean"),
            Statistic::Quantile(index) => write!(f, "p{:.0}", QUANTILES[*index] * 100.0),
        }
    }
}

/// A bound on one figure.
#[derive(Clone, Debug)]
pub struct Objective {
    /// Its name in the scenario: `task_latency_p95`.
    pub name: String,
    /// The figure.
    pub metric: &'static Metric,
    /// Which statistic of it.
    pub statistic: Statistic,
    /// The bound, in the figure's unit.
    pub limit: f64,
    /// Whether the figure must not be below the bound, rather than not above it.
    pub at_least: bool,
    /// What it is demanded of.
    pub of: Part,
}

impl Objective {
    /// From what a scenario demands; none where there is no such figure.
    pub fn from_scenario(asked: &scenario::Objective) -> Option<Self> {
        let statistic = match asked.statistic {
            scenario::Statistic::Mean => Statistic::Mean,
            scenario::Statistic::Quantile(p) => {
                Statistic::Quantile(QUANTILES.iter().position(|known| *known == p)?)
            }
        };
        let of = match &asked.of {
            scenario::Part::Fleet => Part::FLEET,
            scenario::Part::Agent(name) => Part { scope: Scope::Agent, name: name.clone() },
            scenario::Part::Pool(name) => Part { scope: Scope::Pool, name: name.clone() },
        };
        Some(Self {
            name: asked.name.clone(),
            metric: Metric::find(asked.metric)?,
            statistic,
            limit: asked.limit,
            at_least: asked.at_least,
            of,
        })
    }

    /// What it is demanded of, by its place among the parts of a plan; none where that has no such
    /// part.
    pub fn place_in(&self, plan: &Plan) -> Option<usize> {
        let agents = plan.populations.len();
        match self.of.scope {
            Scope::Fleet => Some(0),
            Scope::Agent => {
                let mut names = plan.populations.iter().map(|agent| &agent.name);
                names.position(|name| *name == self.of.name).map(|at| 1 + at)
            }
            Scope::Pool => {
                let mut names = plan.pools.iter().map(|pool| &pool.name);
                names.position(|name| *name == self.of.name).map(|at| 1 + agents + at)
            }
        }
    }

    /// Whether a value meets it; what is not known does not.
    pub fn is_met_by(&self, value: f64) -> bool {
        if self.at_least { value >= self.limit } else { value <= self.limit }
    }

    /// The value to judge, given the figure's mean and distribution in a trial or in all: infinite
    /// where too much failed or never ended, not a number where nothing was observed.
    ///
    /// A task that was stopped by a limit or a failed call, or that never ended, counts as infinitely
    /// late, and so does a request that was refused, timed out or had no answer when the trial
    /// ended. A task that came to an end of its program without success is not late, but failed.
    pub fn judge(&self, mean: Option<f64>, evidence: &Evidence) -> f64 {
        let lost = evidence.lost(self.metric);
        match (self.statistic, evidence.histogram(self.metric)) {
            (Statistic::Quantile(index), Some((histogram, per_unit))) => {
                let all = (histogram.count() + lost) as f64;
                let rank = QUANTILES[index] * all / histogram.count() as f64;
                if rank > 1.0 { f64::INFINITY } else { histogram.quantile(rank) as f64 / per_unit }
            }
            _ if lost > 0 => f64::INFINITY,
            _ => mean.unwrap_or(f64::NAN),
        }
    }

    /// How the trials of a variant met it, given its value in each of them and over all.
    pub fn verdict(&self, figure: &Figure, value: f64, trials: &[f64], confidence: f64) -> Verdict {
        let met = trials.iter().filter(|&&value| self.is_met_by(value)).count() as u64;
        let count = trials.len() as u64;
        let interval = match self.statistic {
            Statistic::Mean => figure.interval,
            Statistic::Quantile(index) => {
                let stated = figure.quantiles[index];
                stated.filter(|stated| stated.value == value).and_then(|stated| stated.interval)
            }
        };
        Verdict {
            value,
            interval: interval.filter(|_| value.is_finite()),
            met: self.is_met_by(value),
            trials_met: met,
            trials: count,
            probability: wilson(met as f64, count as f64, confidence),
        }
    }
}

/// Whether an objective was met.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// What was judged, over all trials; see [`Objective::judge`].
    pub value: f64,
    /// Where it lies, where that is known.
    pub interval: Option<Interval>,
    /// Whether the value over all trials meets the limit.
    pub met: bool,
    /// Trials that met it by themselves.
    pub trials_met: u64,
    /// Trials.
    pub trials: u64,
    /// Where the probability lies that a trial meets it.
    pub probability: Interval,
}
