//! What is not known, and what it does to the answer: for `summary.json` and the terminal.

use std::collections::BTreeMap;

use crate::experiment::split::Split;
use crate::experiment::{Answer, Measure, Scope, Statistic};
use crate::foundations::statistics::order_statistic;

/// What is uncertain in a variant.
#[derive(Debug, serde::Serialize)]
pub struct Uncertainty<'a> {
    /// What is not known.
    pub inputs: Vec<InputSummary<'a>>,
    /// Trials that were simulated twice with the same draw.
    pub twins: usize,
    /// By figure of the fleet: how it differs between trials, and what part of that is not knowing.
    pub metrics: BTreeMap<&'static str, Spread>,
}

/// One input.
#[derive(Debug, serde::Serialize)]
pub struct InputSummary<'a> {
    name: &'a str,
    p5: &'a str,
    median: &'a str,
    p95: &'a str,
}

/// How a figure differs between trials.
#[derive(Debug, serde::Serialize)]
pub struct Spread {
    /// The 5th percentile of the trials.
    pub p5: f64,
    /// The 95th.
    pub p95: f64,
    /// The part of the variance between trials that is not knowing; the rest is chance.
    pub not_knowing: f64,
    /// Where it lies.
    pub not_knowing_low: f64,
    /// See `not_knowing_low`.
    pub not_knowing_high: f64,
}

/// How a figure differs between trials; none where nothing is uncertain.
pub fn spread(answer: &Answer<'_>, measure: &Measure, confidence: f64) -> Option<Spread> {
    let Split { share, interval, .. } = measure.split(answer, confidence)?;
    let in_trials = answer.rows.iter().filter_map(|row| measure.in_trial(answer, row));
    let mut values: Vec<f64> = in_trials.map(|(top, bottom)| top / bottom).collect();
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    Some(Spread {
        p5: order_statistic(&values, 0.05)?,
        p95: order_statistic(&values, 0.95)?,
        not_knowing: share,
        not_knowing_low: interval.low,
        not_knowing_high: interval.high,
    })
}

impl<'a> Uncertainty<'a> {
    /// What is uncertain in a variant, if anything is.
    pub fn new(answer: &'a Answer<'_>, confidence: f64) -> Option<Self> {
        let uncertain = answer.plan.uncertain.as_ref()?;
        let inputs = uncertain.inputs.iter().map(|input| {
            let [p5, median, p95] = input.range.each_ref().map(String::as_str);
            InputSummary { name: &input.name, p5, median, p95 }
        });
        let means = Measure::all().filter(|measure| {
            measure.statistic == Statistic::Mean && measure.metric.applies_to(Scope::Fleet)
        });
        let metrics = means
            .filter_map(|mean| Some((mean.metric.key, spread(answer, &mean, confidence)?)))
            .collect();
        Some(Self { inputs: inputs.collect(), twins: answer.twins.len(), metrics })
    }
}
