//! Figures over all trials, with how sure they are.
//!
//! A figure is a ratio of sums, R = Σ aᵢ / Σ bᵢ over trials i, and its interval that of a ratio over
//! trials ([`Estimate::of_ratio`]). With one trial, batches inside it take the place of trials:
//! successive observations where there are any, stretches of the measured window otherwise.
//! Proportions are never surer than Wilson's interval for that many things counted.
//!
//! A quantile's interval comes from the spread of its values between trials where each trial has
//! observations enough to have one, and from order statistics otherwise, with the number of
//! observations reduced to that of independent ones which would leave the mean as unsure as it is.

use crate::foundations::histogram::Histogram;
use crate::foundations::interval::{
    BatchMeans, Estimate, Interval, quantile_interval, quantile_ranks, student_t, wilson,
};
use crate::foundations::statistics::order_statistic;
use crate::simulation::observations::Observations;
use crate::simulation::outcome::AgentTally;

use super::evidence::{Evidence, QUANTILES, Value};
use super::metric::{Metric, Origin};

/// Observations behind a quantile, on its far side, that a trial must have to be asked for it.
const OBSERVED_BEYOND: f64 = 10.0;
/// Batches or stretches inside a trial without which nothing is said.
const FEWEST_BATCHES: usize = 8;
/// Correlation of successive batches from which on the trial is too short to tell.
const TOO_CORRELATED: f64 = 0.8;

/// A figure over all trials.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Figure {
    /// Its value.
    pub mean: Option<f64>,
    /// Where it lies, at the confidence asked for; none where nothing honest can be said.
    pub interval: Option<Interval>,
    /// The [`QUANTILES`] of its observations, or of the trials' values where it has none.
    pub quantiles: [Option<Quantile>; QUANTILES.len()],
    /// Observations, or trials where it has none.
    pub n: u64,
}

/// A quantile over all trials.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Quantile {
    /// Its value.
    pub value: f64,
    /// Where it lies.
    pub interval: Option<Interval>,
}

/// What a figure is made from: one metric of one part of a plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample<'a> {
    /// The metric.
    pub(super) metric: &'static Metric,
    /// Its value in each trial, in the order of the trials.
    pub(super) values: &'a [Value],
    /// Distributions over all trials.
    pub(super) evidence: &'a Evidence,
    /// Distributions of the agents that this part is made of: a fleet or a tenant, else none.
    pub(super) members: &'a [&'a Evidence],
    /// Of a single trial: top and bottom in stretches of the measured window.
    pub(super) stretches: &'a [(f64, f64)],
    /// How often the interval must hold.
    pub(super) confidence: f64,
}

impl Sample<'_> {
    /// The figure.
    pub(super) fn figure(&self) -> Figure {
        let known = |value: &&Value| !(value.top.is_nan() || value.bottom.is_nan());
        let trials: Vec<_> =
            self.values.iter().filter(known).map(|value| (value.top, value.bottom)).collect();
        let between = Estimate::of_ratio(&trials, self.confidence);
        let mean = between.mean;
        if !mean.is_finite() {
            return Figure::default();
        }
        let half = match between.interval {
            Some(interval) => Some(interval.half_width()),
            None => self.half_width_of_one(mean),
        };
        let interval = match self.metric.origin {
            Origin::Proportion(_) => Some(self.proportion(&trials, mean, half.unwrap_or(0.0))),
            _ => half.map(|half| self.bounded(Interval::around(mean, half))),
        };
        let (quantiles, n) = match self.evidence.histogram(self.metric) {
            Some((histogram, per_unit)) => {
                let error = half.map(|half| half / student_t(self.confidence, f64::INFINITY));
                (self.observed_quantiles(histogram, per_unit, error), histogram.count())
            }
            None => (self.quantiles_of_trials(), trials.len() as u64),
        };
        Figure { mean: Some(mean), interval, quantiles, n }
    }

    fn proportion(&self, trials: &[(f64, f64)], mean: f64, half: f64) -> Interval {
        let (top, bottom) = trials.iter().fold((0.0, 0.0), |(a, b), part| (a + part.0, b + part.1));
        let counted = wilson(top, bottom, self.confidence);
        Interval {
            low: counted.low.min(mean - half).max(0.0),
            high: counted.high.max(mean + half).min(1.0),
        }
    }

    /// Nothing that is counted here is negative, and no part is more than its whole.
    fn bounded(&self, interval: Interval) -> Interval {
        let most = if self.metric.is_share() { 1.0_f64.max(interval.low) } else { f64::INFINITY };
        let low = interval.low.max(0.0).min(interval.high);
        Interval { low, high: interval.high.min(most) }
    }

    /// How far the mean of a single trial may be off.
    fn half_width_of_one(&self, mean: f64) -> Option<f64> {
        match self.metric.origin {
            Origin::Observed { of, per_unit, .. } => {
                self.combined(of).map(|units| units / per_unit)
            }
            Origin::PerObserved { top, bottom } => {
                let tally = match self.members {
                    [] => &self.evidence.tally,
                    [only] => &only.tally,
                    _ => return None,
                };
                let batches = top(tally).batches.means().zip(bottom(tally).batches.means());
                self.over(&batches.collect::<Vec<_>>()).map(|(_, half)| half)
            }
            // The stretches leave out the ends of the window: their uncertainty is taken over in
            // proportion.
            Origin::Gaps | Origin::Dollars | Origin::Sum(_) | Origin::Ratio(_) => {
                let (value, half) = self.over(self.stretches)?;
                let relative = if half > 0.0 { half / value } else { 0.0 };
                Some(relative * mean).filter(|half| half.is_finite())
            }
            Origin::Proportion(_) => None,
        }
    }

    /// A ratio over batches or stretches, and its half-width.
    fn over(&self, parts: &[(f64, f64)]) -> Option<(f64, f64)> {
        let estimate = Estimate::of_ratio(parts, self.confidence);
        let half = estimate.interval?.half_width();
        (parts.len() >= FEWEST_BATCHES).then_some((estimate.mean, half))
    }

    /// The half-width of a mean over several kinds of agents, as if all erred together: they share
    /// servers, so they may well.
    fn combined(&self, of: fn(&AgentTally) -> &Observations) -> Option<f64> {
        if self.members.is_empty() {
            return within_batches(&of(&self.evidence.tally).batches, self.confidence);
        }
        let (mut sum, mut count) = (0.0, 0);
        for member in self.members {
            let observed = of(&member.tally);
            let n = observed.histogram.count();
            if n > 0 {
                sum += within_batches(&observed.batches, self.confidence)? * n as f64;
                count += n;
            }
        }
        (count > 0).then(|| sum / count as f64)
    }

    fn quantiles_of_trials(&self) -> [Option<Quantile>; QUANTILES.len()] {
        let mut values: Vec<f64> = self.values.iter().filter_map(Value::get).collect();
        values.sort_by(f64::total_cmp);
        QUANTILES.map(|p| {
            let value = order_statistic(&values, p)?;
            let interval = quantile_interval(&values, p, self.confidence);
            is_seen(p, values.len() as u64).then_some(Quantile { value, interval })
        })
    }

    fn observed_quantiles(
        &self,
        histogram: &Histogram,
        per_unit: f64,
        error: Option<f64>,
    ) -> [Option<Quantile>; QUANTILES.len()] {
        let mut quantiles = [None; QUANTILES.len()];
        let effective = error.map(|error| effective_count(histogram, per_unit, error));
        for (index, &p) in QUANTILES.iter().enumerate() {
            if is_seen(p, histogram.count()) {
                let value = histogram.quantile(p) as f64 / per_unit;
                let interval = self
                    .between_trials(index, value)
                    .or_else(|| self.by_order(histogram, per_unit, p, effective?));
                quantiles[index] = Some(Quantile { value, interval });
            }
        }
        quantiles
    }

    /// The interval of a quantile from its values in the trials.
    fn between_trials(&self, index: usize, value: f64) -> Option<Interval> {
        let needed = OBSERVED_BEYOND / (1.0 - QUANTILES[index]);
        let quantile = |value: &Value| {
            let spread = value.spread.filter(|spread| spread.count as f64 >= needed)?;
            Some(spread.quantiles[index])
        };
        let values: Option<Vec<f64>> = self.values.iter().map(quantile).collect();
        let half = Estimate::of_trials(&values?, self.confidence).interval?.half_width();
        Some(self.bounded(Interval::around(value, half)))
    }

    /// The interval of a quantile from the distribution itself, worth so many independent
    /// observations.
    fn by_order(
        &self,
        histogram: &Histogram,
        per_unit: f64,
        p: f64,
        effective: f64,
    ) -> Option<Interval> {
        let (low, high) = quantile_ranks(effective as u64, p, self.confidence)?;
        let at = |rank: u64| histogram.quantile(rank as f64 / effective) as f64 / per_unit;
        Some(Interval { low: at(low), high: at(high) })
    }
}

/// As many independent observations as would leave the mean with this standard error.
fn effective_count(histogram: &Histogram, per_unit: f64, error: f64) -> f64 {
    let count = histogram.count() as f64;
    let deviation = histogram.standard_deviation() / per_unit;
    let independent = deviation / error * (deviation / error);
    if independent < count { libm::floor(independent) } else { count }
}

/// Whether a quantile can be told from so many: at least one is expected beyond it.
fn is_seen(p: f64, count: u64) -> bool {
    count as f64 * (1.0 - p) >= 1.0 - 1e-9
}

/// The half-width of the mean of successive observations, widened where batches still depend on
/// each other as if they followed an autoregression of the first order.
fn within_batches(batches: &BatchMeans, confidence: f64) -> Option<f64> {
    if batches.means().count() < FEWEST_BATCHES {
        return None;
    }
    let half = batches.estimate(confidence).interval?.half_width();
    let correlation = batches.correlation();
    if correlation.is_nan() || correlation <= 0.0 {
        return Some(half);
    }
    let widening = libm::sqrt((1.0 + correlation) / (1.0 - correlation));
    (correlation < TOO_CORRELATED).then_some(half * widening)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::evidence::Spread;

    fn figure(key: &str, values: &[Value], evidence: &Evidence) -> Figure {
        let sample = Sample {
            metric: Metric::find(key).unwrap(),
            values,
            evidence,
            members: &[],
            stretches: &[],
            confidence: 0.95,
        };
        sample.figure()
    }

    fn value(top: f64, bottom: f64) -> Value {
        Value { top, bottom, spread: None }
    }

    /// Cochran, section 6.3, by hand: R = 30 / 20, residuals -1, 2, -1.
    #[test]
    fn a_ratio_over_trials() {
        let trials = [value(5.0, 4.0), value(14.0, 8.0), value(11.0, 8.0)];
        let found = figure("batch_size", &trials, &Evidence::default());
        let half = 4.302_653 * (6.0_f64 / 2.0 / 3.0).sqrt() / (20.0 / 3.0);
        let interval = found.interval.unwrap();
        assert_eq!((found.mean, found.n), (Some(1.5), 3));
        assert!((interval.half_width() - half).abs() < 1e-6, "{interval:?}");
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let trials = [value(1.0, 2.0), value(f64::NAN, 2.0), value(1.0, 2.0)];
        assert_eq!(figure("batch_size", &trials, &Evidence::default()).n, 2);
        assert_eq!(figure("batch_size", &[], &Evidence::default()), Figure::default());
        assert_eq!(figure("batch_size", &[value(0.0, 0.0)], &Evidence::default()).mean, None);
    }

    #[test]
    fn a_single_trial_without_stretches_has_no_interval() {
        let found = figure("batch_size", &[value(1.0, 2.0)], &Evidence::default());
        assert_eq!((found.mean, found.interval), (Some(0.5), None));
    }

    /// Trials that all succeeded are no proof that all ever will.
    #[test]
    fn a_proportion_is_never_surer_than_the_count_allows() {
        let found = figure("task_success_rate", &[value(50.0, 50.0); 4], &Evidence::default());
        let interval = found.interval.unwrap();
        assert!((interval.low - 0.981_2).abs() < 1e-4 && interval.high == 1.0, "{interval:?}");
    }

    /// Trials agree within themselves and differ from each other: the quantile is as unsure as they
    /// differ, not as sure as thousands of observations would be.
    #[test]
    fn a_quantile_is_as_unsure_as_trials_differ() {
        let (mut evidence, mut values) = (Evidence::default(), Vec::new());
        for level in [1_u64, 2, 3, 4] {
            for step in 0..2_000 {
                evidence.tally.ttft.record(level * 1_000_000 + step);
            }
            let at = level as f64 + 0.001;
            let spread = Spread { count: 2_000, quantiles: [at; 4] };
            values.push(Value { top: at * 2_000.0, bottom: 2_000.0, spread: Some(spread) });
        }
        let found = figure("ttft_s", &values, &evidence);
        for quantile in found.quantiles {
            // Half-widths are t s / 2 = 3.182 x 1.291 / 2 = 2.054, cut at zero.
            let interval = quantile.unwrap().interval.unwrap();
            let value = quantile.unwrap().value;
            assert!((interval.high - value - 2.054).abs() < 0.01, "{interval:?} of {value}");
        }
    }

    #[test]
    fn a_quantile_needs_observations_beyond_it() {
        let mut evidence = Evidence::default();
        (0..50).for_each(|step| evidence.tally.ttft.record(step * 1000));
        let spread = Spread { count: 50, quantiles: [0.0; 4] };
        let values = [Value { top: 1.0, bottom: 50.0, spread: Some(spread) }];
        let known = figure("ttft_s", &values, &evidence).quantiles.map(|q| q.is_some());
        assert_eq!(known, [true, true, true, false]);
    }
}
