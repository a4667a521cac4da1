//! What a planner demands, and whether a trial met it.

use std::fmt;

use crate::foundations::interval::{Estimate, Interval, wilson};
use crate::simulation::{Plan, scenario};

use super::evidence::{Evidence, Part, QUANTILES, parts};
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
    /// Its name in the scenario: `task_latency_p95`, or `agents.coder.task_latency_p95` of a part.
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
            scenario::Part::Tenant(name) => Part { scope: Scope::Tenant, name: name.clone() },
            scenario::Part::Pool(name) => Part { scope: Scope::Pool, name: name.clone() },
            scenario::Part::Endpoint(name) => Part { scope: Scope::Endpoint, name: name.clone() },
        };
        Some(Self {
            name: format!("{}{}", of.prefix(), asked.name),
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
        parts(plan).iter().position(|part| *part == self.of)
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
                match stated.filter(|stated| stated.value == value) {
                    Some(stated) => stated.interval,
                    // What failed moves the quantile: only the trials' own values tell how far.
                    None => Estimate::of_trials(trials, confidence)
                        .interval
                        .map(|interval| Interval::around(value, interval.half_width())),
                }
            }
        };
        Verdict {
            value,
            interval: interval.filter(|_| value.is_finite()),
            met: self.is_met_by(value),
            trials_met: met,
            trials: count,
            probability: wilson(met as f64, count as f64, confidence),
            model_band: None,
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
    /// Where the value may lie for what the model gets wrong, where that is known.
    pub model_band: Option<Interval>,
}

impl Verdict {
    /// Whether the limit lies where the model may be wrong by so much: then measurements decide,
    /// not this prediction.
    pub fn is_within_model_error(&self, limit: f64) -> bool {
        self.model_band.is_some_and(|band| band.low < limit && limit < band.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::METRICS;
    use crate::simulation::Cause;
    use crate::simulation::scenario::objectives::TARGETS;

    fn latency_p90() -> Objective {
        Objective {
            name: "task_latency_p90".into(),
            metric: Metric::find("task_latency_s").unwrap(),
            statistic: Statistic::Quantile(1),
            limit: 60.0,
            at_least: false,
            of: Part::FLEET,
        }
    }

    /// Tasks of 1 s to 100 s.
    fn evidence(started: u64) -> Evidence {
        let mut evidence = Evidence::default();
        evidence.tally.started = started;
        evidence.tally.succeeded = 100;
        (1..=100).for_each(|second| evidence.tally.task_latency.record(second * 1_000_000));
        evidence
    }

    #[test]
    fn what_never_ended_is_infinitely_late() {
        let objective = latency_p90();
        let near = |value: f64, expected: f64| (value / expected - 1.0).abs() < 1e-3;
        assert!(near(objective.judge(None, &evidence(100)), 90.0));
        // Nine in ten of 105 are 95 tasks, and five more are infinitely late.
        assert!(near(objective.judge(None, &evidence(105)), 95.0));
        assert_eq!(objective.judge(None, &evidence(112)), f64::INFINITY);
        assert!(!objective.is_met_by(f64::INFINITY) && !objective.is_met_by(f64::NAN));
    }

    #[test]
    fn what_ended_without_success_is_not_late() {
        let mut evidence = evidence(112);
        evidence.tally.failed[Cause::Program as usize] = 12;
        assert!(latency_p90().judge(None, &evidence).is_finite());
        evidence.tally.failed = Default::default();
        evidence.tally.failed[Cause::Deadline as usize] = 12;
        assert_eq!(latency_p90().judge(None, &evidence), f64::INFINITY);
    }

    #[test]
    fn a_mean_over_what_is_left_does_not_count() {
        let mean = Objective { statistic: Statistic::Mean, ..latency_p90() };
        assert_eq!(mean.judge(Some(50.5), &evidence(100)), 50.5);
        assert_eq!(mean.judge(Some(50.5), &evidence(101)), f64::INFINITY);
    }

    #[test]
    fn a_verdict_counts_trials() {
        let trials = [50.0, 55.0, 70.0, f64::INFINITY, f64::NAN];
        let verdict = latency_p90().verdict(&Figure::default(), 58.0, &trials, 0.95);
        assert!(verdict.met);
        assert_eq!((verdict.trials_met, verdict.trials), (2, 5));
        assert!(verdict.probability.contains(0.4));
    }

    /// What a scenario may demand is what results tell.
    #[test]
    fn every_target_is_a_metric() {
        for target in TARGETS {
            let metric = METRICS.iter().find(|metric| metric.key == target.metric).unwrap();
            assert_eq!(metric.unit.dimension(), target.dimension, "{}", target.name);
            assert_eq!(metric.is_observed(), target.observed, "{}", target.name);
            assert_eq!(metric.applies_to(Scope::Agent), target.agents, "{}", target.name);
            assert_eq!(metric.applies_to(Scope::Pool), target.pools, "{}", target.name);
            assert_eq!(metric.applies_to(Scope::Endpoint), target.endpoints, "{}", target.name);
            assert_eq!(metric.applies_to(Scope::Fleet), target.fleet, "{}", target.name);
        }
    }
}
