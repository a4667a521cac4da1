//! `explanation.json` and `explanation.csv`: which factor brings how much, for programs.

use std::io::Write;

use crate::experiment::Measure;
use crate::experiment::explanation::{Explanation, Part};

use super::csv::{number, writer};

/// An explanation, as it is told.
#[derive(Debug)]
pub struct Explained<'a> {
    /// The scenario's name.
    pub scenario: &'a str,
    /// The variant that is the starting point.
    pub from: &'a str,
    /// The variant that it is led to.
    pub to: &'a str,
    /// What is explained.
    pub measure: Measure,
    /// The seed behind all chance.
    pub seed: u64,
    /// How often intervals hold.
    pub confidence: f64,
    /// Factors, each with the paths that belong to it.
    pub factors: Vec<(String, Vec<String>)>,
    /// The difference taken apart.
    pub explanation: Explanation,
}

#[derive(serde::Serialize)]
struct Summary<'a> {
    scenario: &'a str,
    from: &'a str,
    to: &'a str,
    metric: String,
    unit: &'static str,
    seed: u64,
    trials: u64,
    confidence: f64,
    value_from: f64,
    value_to: f64,
    whole: PartSummary<'a>,
    factors: Vec<PartSummary<'a>>,
}

#[derive(serde::Serialize)]
struct PartSummary<'a> {
    factor: &'a str,
    paths: &'a [String],
    times: f64,
    low: Option<f64>,
    high: Option<f64>,
    alone: f64,
    last: f64,
}

fn part<'a>(factor: &'a str, paths: &'a [String], part: &Part) -> PartSummary<'a> {
    PartSummary {
        factor,
        paths,
        times: part.times,
        low: part.interval.map(|interval| interval.low),
        high: part.interval.map(|interval| interval.high),
        alone: part.alone,
        last: part.last,
    }
}

impl Explained<'_> {
    fn parts(&self) -> Vec<PartSummary<'_>> {
        let pairs = self.factors.iter().zip(&self.explanation.parts);
        pairs.map(|((name, paths), found)| part(name, paths, found)).collect()
    }

    /// As indented JSON with a line break at its end.
    ///
    /// # Errors
    /// When `serde_json` cannot write it; no value in it gives reason to.
    pub fn to_json(&self) -> serde_json::Result<String> {
        let summary = Summary {
            scenario: self.scenario,
            from: self.from,
            to: self.to,
            metric: self.measure.to_string(),
            unit: self.measure.metric.unit.text(),
            seed: self.seed,
            trials: self.explanation.trials,
            confidence: self.confidence,
            value_from: self.explanation.from,
            value_to: self.explanation.to,
            whole: part("all", &[], &self.explanation.whole),
            factors: self.parts(),
        };
        serde_json::to_string_pretty(&summary).map(|json| json + "\n")
    }

    /// A row for each factor, and one for all together.
    ///
    /// # Errors
    /// When writing fails.
    pub fn to_csv(&self, out: impl Write) -> csv::Result<()> {
        let mut out = writer(out);
        out.write_record(["factor", "paths", "times", "low", "high", "alone", "last"])?;
        let whole = part("all", &[], &self.explanation.whole);
        for row in self.parts().iter().chain([&whole]) {
            let end = |end: Option<f64>| end.map_or_else(String::new, number);
            out.write_record([
                row.factor,
                &row.paths.join(" "),
                &number(row.times),
                &end(row.low),
                &end(row.high),
                &number(row.alone),
                &number(row.last),
            ])?;
        }
        out.flush()?;
        Ok(())
    }
}
