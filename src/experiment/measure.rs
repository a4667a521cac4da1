//! What an experiment looks at: a figure of the fleet or of a part of it and one statistic of that, by
//! a name such as `usd_per_task`, `task_latency_p95` or `agents.coder.ttft_p99`.

use std::fmt;

use crate::foundations::{Fault, Interval};

use super::answer::Answer;
use super::evidence::{Part, QUANTILES, Value};
use super::figure::Figure;
use super::metric::{METRICS, Metric, Unit};
use super::objective::Statistic;
use super::split::Split;
use super::trial::TrialRow;

/// A statistic of a figure.
#[derive(Clone, Debug)]
pub struct Measure {
    /// The figure.
    pub metric: &'static Metric,
    /// Which statistic of it.
    pub statistic: Statistic,
    /// What it is about.
    pub part: Part,
}

impl PartialEq for Measure {
    fn eq(&self, other: &Self) -> bool {
        (self.metric.key, self.statistic, &self.part)
            == (other.metric.key, other.statistic, &other.part)
    }
}

impl Measure {
    /// The mean of a figure, or the figure itself where it has no distribution; none where there is
    /// no figure of this name.
    pub fn mean(key: &str) -> Option<Self> {
        let (statistic, part) = (Statistic::Mean, Part::FLEET);
        Some(Self { metric: Metric::find(key)?, statistic, part })
    }

    /// The measure of this name: a figure (`usd_per_task`, `ttft_s`), or one with a statistic behind
    /// it (`ttft_p99`, `task_latency_mean`).
    ///
    /// # Errors
    /// No figure of the fleet has this name, or it has no distribution to take a quantile of.
    pub fn parse(name: &str) -> Result<Self, Fault> {
        Self::parse_of(name, &[])
    }

    /// The same, also of one of `parts`: `agents.coder.ttft_p99`, `tenants.legal.usd_spent`.
    ///
    /// # Errors
    /// There is no such part, or no figure of this name is about it.
    pub fn parse_of(name: &str, parts: &[Part]) -> Result<Self, Fault> {
        let name = name.trim();
        let of: Vec<(String, &Part)> = parts.iter().map(|part| (part.prefix(), part)).collect();
        let begins = of.iter().filter(|(prefix, _)| !prefix.is_empty() && name.starts_with(prefix));
        let part = match begins.max_by_key(|(prefix, _)| prefix.len()) {
            Some((_, part)) => (*part).clone(),
            None if name.contains('.') && !parts.is_empty() => {
                let named = name.rsplit_once('.').map_or(name, |(named, _)| named);
                let known = of.iter().filter_map(|(prefix, _)| prefix.strip_suffix('.'));
                return Err(Fault::unknown("part", named, known));
            }
            None => Part::FLEET,
        };
        let all = || Self::all_of(part.clone());
        all()
            .find(|measure| measure.to_string() == name || measure.aliases().any(|a| a == name))
            .ok_or_else(|| {
                let names: Vec<String> = all().map(|measure| measure.to_string()).collect();
                Fault::unknown("metric", name, names.iter().map(String::as_str))
            })
    }

    /// Every measure of the fleet.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::all_of(Part::FLEET)
    }

    fn all_of(part: Part) -> impl Iterator<Item = Self> {
        let scope = part.scope;
        let figures = METRICS.iter().filter(move |metric| metric.applies_to(scope));
        figures.flat_map(move |metric| {
            let quantiles = if metric.is_observed() { QUANTILES.len() } else { 0 };
            let quantiles = (0..quantiles).map(Statistic::Quantile);
            let statistics = std::iter::once(Statistic::Mean).chain(quantiles);
            let part = part.clone();
            statistics.map(move |statistic| Self { metric, statistic, part: part.clone() })
        })
    }

    /// The figure without its unit, as objectives name it.
    fn stem(&self) -> &'static str {
        let key = self.metric.key;
        if self.metric.unit == Unit::Seconds { key.strip_suffix("_s").unwrap_or(key) } else { key }
    }

    fn aliases(&self) -> impl Iterator<Item = String> {
        let named = |stem: &str| format!("{}{stem}_{}", self.part.prefix(), self.statistic);
        [named(self.metric.key), named(self.stem())].into_iter()
    }

    /// Whether more of it is better.
    pub fn more_is_better(&self) -> bool {
        self.metric.more_is_better()
    }

    /// Its value over all trials; none where there is no such part.
    pub fn value(&self, answer: &Answer<'_>) -> Option<f64> {
        self.of(&answer.figures[self.place_in(answer)?]).0
    }

    /// Where its value lies.
    pub fn interval(&self, answer: &Answer<'_>) -> Option<Interval> {
        self.of(&answer.figures[self.place_in(answer)?]).1
    }

    fn place_in(&self, answer: &Answer<'_>) -> Option<usize> {
        answer.parts.iter().position(|part| *part == self.part)
    }

    /// Its value among the figures of its part, in the order of [`METRICS`], and where that lies.
    pub fn of(&self, figures: &[Figure]) -> (Option<f64>, Option<Interval>) {
        let Some(figure) = figures.get(self.metric.index()) else { return (None, None) };
        match self.statistic {
            Statistic::Mean => (figure.mean, figure.interval),
            Statistic::Quantile(at) => {
                let quantile = figure.quantiles[at];
                (quantile.map(|q| q.value), quantile.and_then(|q| q.interval))
            }
        }
    }

    /// In one trial of an answer: its value as something over something else. A quantile is itself
    /// over one.
    pub fn in_trial(&self, answer: &Answer<'_>, row: &TrialRow) -> Option<(f64, f64)> {
        let value: &Value = row.parts.get(self.place_in(answer)?)?.get(self.metric.index())?;
        let (top, bottom) = match self.statistic {
            Statistic::Mean => (value.top, value.bottom),
            Statistic::Quantile(at) => (value.spread?.quantiles[at], 1.0),
        };
        (top.is_finite() && bottom.is_finite()).then_some((top, bottom))
    }

    /// How much of what differs between trials is not knowing; none where nothing is uncertain, or
    /// where there are too few trials.
    pub fn split(&self, answer: &Answer<'_>, confidence: f64) -> Option<Split> {
        let value = |row: &TrialRow| self.in_trial(answer, row).map(|(top, bottom)| top / bottom);
        let pairs: Vec<_> =
            answer.twinned().filter_map(|(row, twin)| Some((value(row)?, value(twin)?))).collect();
        Split::new(&pairs, confidence)
    }
}

/// As it is asked for: `usd_per_task`, `ttft_p99`.
impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.part.prefix())?;
        match self.statistic {
            Statistic::Mean => f.write_str(self.metric.key),
            Statistic::Quantile(_) => write!(f, "{}_{}", self.stem(), self.statistic),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measure_has_one_name() {
        let names: Vec<String> = Measure::all().map(|measure| measure.to_string()).collect();
        for (index, name) in names.iter().enumerate() {
            assert!(!names[..index].contains(name), "{name}");
            assert_eq!(Measure::parse(name).unwrap().to_string(), *name);
        }
        for (alias, name) in [
            ("task_latency_s_p95", "task_latency_p95"),
            ("task_latency_mean", "task_latency_s"),
            ("usd_per_task_p50", "usd_per_task_p50"),
            (" ttft_s ", "ttft_s"),
        ] {
            assert_eq!(Measure::parse(alias).unwrap().to_string(), name);
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_what_was_meant() {
        let fault = Measure::parse("task_latncy_p95").unwrap_err();
        assert_eq!(fault.message, "unknown metric `task_latncy_p95`");
        assert_eq!(fault.help[0], "did you mean `task_latency_p95`?");
        assert!(Measure::parse("utilization_p95").is_err());
    }
}
