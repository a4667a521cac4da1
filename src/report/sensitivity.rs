//! `sensitivity.json` and `sensitivity.csv`: what drives an answer, for programs.

use std::io::Write;

use crate::experiment::Measure;
use crate::experiment::sensitivity::{Index, Sensitivity};
use crate::simulation::plan::Unknown;

use super::csv::{number, writer};

/// What drives a figure, as it is told.
#[derive(Debug)]
pub struct Driven<'a> {
    /// The scenario's name.
    pub scenario: &'a str,
    /// The variant that was looked at.
    pub variant: &'a str,
    /// The figure.
    pub measure: Measure,
    /// The seed behind all chance.
    pub seed: u64,
    /// Trials at each point.
    pub trials: u64,
    /// Points that were simulated.
    pub points: usize,
    /// How often intervals hold.
    pub confidence: f64,
    /// What is not known.
    pub inputs: &'a [Unknown],
    /// What it does.
    pub found: Sensitivity,
}

#[derive(serde::Serialize)]
struct Summary<'a> {
    scenario: &'a str,
    variant: &'a str,
    metric: String,
    unit: &'static str,
    seed: u64,
    trials: u64,
    points: usize,
    confidence: f64,
    mean: f64,
    standard_deviation: f64,
    at_medians: f64,
    inputs: Vec<InputSummary<'a>>,
}

#[derive(serde::Serialize)]
struct InputSummary<'a> {
    input: &'a str,
    p5: &'a str,
    median: &'a str,
    p95: &'a str,
    first_order: f64,
    first_order_low: f64,
    first_order_high: f64,
    total: f64,
    total_low: f64,
    total_high: f64,
    at_p5: f64,
    at_p95: f64,
}

impl Driven<'_> {
    /// Places of the inputs, the one that drives most first.
    pub fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.inputs.len()).collect();
        let total = |at: usize| self.found.inputs[at].total;
        order.sort_by(|&one, &other| total(other).total_cmp(&total(one)));
        order
    }

    fn rows(&self) -> impl Iterator<Item = InputSummary<'_>> {
        let row = |at: usize| {
            let Index { first, first_interval, total, total_interval, tornado } =
                self.found.inputs[at];
            let [p5, median, p95] = self.inputs[at].range.each_ref().map(String::as_str);
            InputSummary {
                input: &self.inputs[at].name,
                p5,
                median,
                p95,
                first_order: first,
                first_order_low: first_interval.low,
                first_order_high: first_interval.high,
                total,
                total_low: total_interval.low,
                total_high: total_interval.high,
                at_p5: tornado[0],
                at_p95: tornado[1],
            }
        };
        self.order().into_iter().map(row)
    }

    /// As indented JSON with a line break at its end.
    ///
    /// # Errors
    /// When `serde_json` cannot write it; no value in it gives reason to.
    pub fn to_json(&self) -> serde_json::Result<String> {
        let summary = Summary {
            scenario: self.scenario,
            variant: self.variant,
            metric: self.measure.to_string(),
            unit: self.measure.metric.unit.text(),
            seed: self.seed,
            trials: self.trials,
            points: self.points,
            confidence: self.confidence,
            mean: self.found.mean,
            standard_deviation: self.found.deviation,
            at_medians: self.found.at_medians,
            inputs: self.rows().collect(),
        };
        serde_json::to_string_pretty(&summary).map(|json| json + "\n")
    }

    /// A row for each input, the one that drives most first.
    ///
    /// # Errors
    /// When writing fails.
    pub fn to_csv(&self, out: impl Write) -> csv::Result<()> {
        let mut out = writer(out);
        let indices = ["first_order", "first_order_low", "first_order_high"];
        let totals = ["total", "total_low", "total_high", "at_p5", "at_p95"];
        out.write_record(["input", "p5", "median", "p95"].iter().chain(&indices).chain(&totals))?;
        for row in self.rows() {
            let figures = [
                row.first_order,
                row.first_order_low,
                row.first_order_high,
                row.total,
                row.total_low,
                row.total_high,
                row.at_p5,
                row.at_p95,
            ];
            let words = [row.input, row.p5, row.median, row.p95].map(str::to_owned);
            out.write_record(words.into_iter().chain(figures.map(number)))?;
        }
        out.flush()?;
        Ok(())
    }
}
