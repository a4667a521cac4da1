//! `sweep.json` and `points.csv`: a scenario at many points, for programs.

use std::collections::BTreeMap;
use std::io::Write;

use crate::experiment::sweep::{Outcome, SweepPoint, front};
use crate::experiment::{Measure, Objective, Part, Scope, Statistic, Unit};

use super::csv::{number, writer};

/// A sweep, as it is told.
#[derive(Debug)]
pub struct Sweep<'a> {
    /// The scenario's name.
    pub scenario: &'a str,
    /// The variant that all points start from.
    pub variant: &'a str,
    /// The seed behind all chance.
    pub seed: u64,
    /// Trials at each point.
    pub trials: u64,
    /// How often intervals hold.
    pub confidence: f64,
    /// The paths that were gone over.
    pub paths: Vec<String>,
    /// What was demanded at each point.
    pub objectives: &'a [Objective],
    /// The points.
    pub points: Vec<SweepPoint>,
    /// By what the best point is chosen.
    pub main: Measure,
    /// What the front is of.
    pub pareto: [Measure; 2],
}

#[derive(serde::Serialize)]
struct SweepSummary<'a> {
    scenario: &'a str,
    variant: &'a str,
    seed: u64,
    trials: u64,
    confidence: f64,
    pareto: [String; 2],
    points: Vec<PointSummary<'a>>,
}

#[derive(serde::Serialize)]
struct PointSummary<'a> {
    settings: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cannot_be_built: Option<&'a str>,
    pareto_front: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpus: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keeps_up: Option<bool>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    objectives_met: BTreeMap<&'a str, bool>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metrics: BTreeMap<String, ValueSummary>,
}

#[derive(serde::Serialize)]
struct ValueSummary {
    value: f64,
    low: Option<f64>,
    high: Option<f64>,
    unit: &'static str,
}

impl Sweep<'_> {
    /// What was asked for: the main measure and those of the front, each once.
    pub fn asked(&self) -> Vec<Measure> {
        let mut asked = vec![self.main.clone()];
        for measure in &self.pareto {
            if !asked.contains(measure) {
                asked.push(measure.clone());
            }
        }
        asked
    }

    /// Measures that files of points state: of the fleet every mean, and quantiles of times; of
    /// other parts what was asked for.
    fn stated(&self) -> Vec<Measure> {
        let of_fleet = Measure::all().filter(|measure| match measure.statistic {
            Statistic::Mean => measure.metric.applies_to(Scope::Fleet),
            Statistic::Quantile(_) => measure.metric.unit == Unit::Seconds,
        });
        let asked = self.asked().into_iter().filter(|measure| measure.part != Part::FLEET);
        of_fleet.chain(asked).collect()
    }

    /// As indented JSON with a line break at its end.
    ///
    /// # Errors
    /// When `serde_json` cannot write it; no value in it gives reason to.
    pub fn to_json(&self) -> serde_json::Result<String> {
        let front = front(&self.points, &self.pareto);
        let stated = self.stated();
        let value = |outcome: &Outcome, measure: &Measure| {
            let (value, interval) = outcome.measured(measure);
            Some(ValueSummary {
                value: value?,
                low: interval.map(|interval| interval.low),
                high: interval.map(|interval| interval.high),
                unit: measure.metric.unit.text(),
            })
        };
        let metrics = |outcome: &Outcome| {
            let known = stated.iter();
            let known =
                known.filter_map(|measure| Some((measure.to_string(), value(outcome, measure)?)));
            known.collect()
        };
        let met = |outcome: &Outcome| {
            let pairs = self.objectives.iter().zip(&outcome.met);
            pairs.map(|(objective, &met)| (objective.name.as_str(), met)).collect()
        };
        let points = self.points.iter().zip(&front).map(|(point, &pareto_front)| {
            let outcome = point.outcome();
            PointSummary {
                settings: point.settings.iter().filter_map(|set| set.split_once('=')).collect(),
                cannot_be_built: match &point.found {
                    Some(Err(why)) => Some(why),
                    _ => None,
                },
                pareto_front,
                gpus: outcome.map(|outcome| outcome.gpus),
                keeps_up: outcome.map(|outcome| outcome.keeps_up),
                objectives_met: outcome.map(met).unwrap_or_default(),
                metrics: outcome.map(metrics).unwrap_or_default(),
            }
        });
        let summary = SweepSummary {
            scenario: self.scenario,
            variant: self.variant,
            seed: self.seed,
            trials: self.trials,
            confidence: self.confidence,
            pareto: self.pareto.each_ref().map(Measure::to_string),
            points: points.collect(),
        };
        serde_json::to_string_pretty(&summary).map(|json| json + "\n")
    }

    /// A row for each point: what was set, what came of it, every measure with its interval.
    ///
    /// # Errors
    /// When writing fails.
    pub fn to_csv(&self, out: impl Write) -> csv::Result<()> {
        let front = front(&self.points, &self.pareto);
        let measures = self.stated();
        let mut out = writer(out);
        let fixed = ["gpus", "keeps_up", "objectives_met", "pareto_front", "cannot_be_built"];
        let objectives = self.objectives.iter().map(|o| format!("objectives.{}", o.name));
        let names = measures
            .iter()
            .flat_map(|measure| ["", "_low", "_high"].map(|end| format!("{measure}{end}")));
        out.write_record(
            self.paths
                .iter()
                .cloned()
                .chain(fixed.map(str::to_owned))
                .chain(objectives)
                .chain(names),
        )?;
        for (point, on_front) in self.points.iter().zip(front) {
            let settings = (0..self.paths.len()).map(|axis| point.value(axis).to_owned());
            let outcome = point.outcome();
            let flag = |of: fn(&Outcome) -> bool| {
                outcome.map_or_else(String::new, |outcome| of(outcome).to_string())
            };
            let why = match &point.found {
                Some(Err(why)) => why.clone(),
                _ => String::new(),
            };
            let fixed = [
                outcome.map_or_else(String::new, |outcome| outcome.gpus.to_string()),
                flag(|outcome| outcome.keeps_up),
                flag(Outcome::is_good),
                on_front.to_string(),
                why,
            ];
            let met = (0..self.objectives.len()).map(|index| {
                outcome.map_or_else(String::new, |outcome| outcome.met[index].to_string())
            });
            let values = measures.iter().flat_map(|measure| {
                let (value, interval) = match outcome {
                    Some(outcome) => outcome.measured(measure),
                    None => (None, None),
                };
                [value, interval.map(|i| i.low), interval.map(|i| i.high)]
                    .map(|value| value.map_or_else(String::new, number))
            });
            out.write_record(settings.chain(fixed).chain(met).chain(values))?;
        }
        out.flush()?;
        Ok(())
    }
}
