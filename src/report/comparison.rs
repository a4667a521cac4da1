//! `comparison.json` and `comparison.csv`: variants against a baseline, for programs.

use std::io::Write;

use crate::experiment::{Comparison, Contrast, Doubt, Measure, Told};

use super::csv::{number, writer};

/// A comparison as it stands in `comparison.json`. What is not known is left out.
#[derive(Debug, serde::Serialize)]
pub struct ComparisonSummary<'a> {
    scenario: &'a str,
    baseline: &'a str,
    seed: u64,
    trials: u64,
    confidence: f64,
    variants: Vec<VariantDifferences<'a>>,
}

#[derive(Debug, serde::Serialize)]
struct VariantDifferences<'a> {
    name: &'a str,
    differences: Vec<Difference>,
}

#[derive(Debug, serde::Serialize)]
struct Difference {
    metric: String,
    unit: &'static str,
    baseline: f64,
    value: f64,
    difference: f64,
    difference_low: f64,
    difference_high: f64,
    ratio: Option<f64>,
    ratio_low: Option<f64>,
    ratio_high: Option<f64>,
    /// `less`, `more`, `same`, or `nothing` where this many trials cannot tell.
    told: &'static str,
    /// How many times wider the interval would be, had each variant had tasks of its own.
    pairing_gain: Option<f64>,
    trials: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    between_trials: Option<BetweenTrials>,
}

/// How a difference differs between trials, where something is uncertain.
#[derive(Debug, serde::Serialize)]
struct BetweenTrials {
    /// The 5th percentile of the trials' own ratios, or differences where there is no ratio.
    p5: f64,
    /// The 95th.
    p95: f64,
    /// The part of the variance between trials that is not knowing; the rest is chance.
    not_knowing: f64,
    not_knowing_low: f64,
    not_knowing_high: f64,
}

impl BetweenTrials {
    const COLUMNS: [&str; 5] =
        ["trials_p5", "trials_p95", "not_knowing", "not_knowing_low", "not_knowing_high"];

    fn cells(&self) -> [f64; Self::COLUMNS.len()] {
        [self.p5, self.p95, self.not_knowing, self.not_knowing_low, self.not_knowing_high]
    }
}

impl From<Doubt> for BetweenTrials {
    fn from(Doubt { trials, split }: Doubt) -> Self {
        Self {
            p5: trials.low,
            p95: trials.high,
            not_knowing: split.share,
            not_knowing_low: split.interval.low,
            not_knowing_high: split.interval.high,
        }
    }
}

impl Difference {
    fn new(measure: &Measure, contrast: &Contrast) -> Self {
        let ratio = contrast.ratio;
        Self {
            metric: measure.to_string(),
            unit: measure.metric.unit.text(),
            baseline: contrast.baseline,
            value: contrast.value,
            difference: contrast.value - contrast.baseline,
            difference_low: contrast.difference.low,
            difference_high: contrast.difference.high,
            ratio: ratio.map(|_| contrast.times()),
            ratio_low: ratio.map(|ratio| ratio.low),
            ratio_high: ratio.map(|ratio| ratio.high),
            told: match contrast.told() {
                Told::Less => "less",
                Told::More => "more",
                Told::Same => "same",
                Told::Nothing => "nothing",
            },
            pairing_gain: Some(contrast.pairing_gain()).filter(|gain| gain.is_finite()),
            trials: contrast.trials,
            between_trials: contrast.doubt.map(BetweenTrials::from),
        }
    }
}

impl<'a> ComparisonSummary<'a> {
    /// The summary of a comparison.
    pub fn new(comparison: &'a Comparison<'a>) -> Self {
        let answers = comparison.answers;
        let name = |at: usize| answers.variants[at].plan.name.as_str();
        let differences = |contrasts: &[Option<Contrast>]| {
            let pairs = comparison.measures.iter().zip(contrasts);
            let known = pairs.filter_map(|(measure, contrast)| Some((measure, contrast.as_ref()?)));
            known.map(|(measure, contrast)| Difference::new(measure, contrast)).collect()
        };
        let others = comparison.contrasts.iter().enumerate();
        let others = others.filter(|&(at, _)| at != comparison.baseline);
        Self {
            scenario: answers.scenario,
            baseline: name(comparison.baseline),
            seed: answers.seed,
            trials: answers.planned,
            confidence: answers.confidence,
            variants: others
                .map(|(at, contrasts)| VariantDifferences {
                    name: name(at),
                    differences: differences(contrasts),
                })
                .collect(),
        }
    }

    /// As indented JSON with a line break at its end.
    ///
    /// # Errors
    /// When `serde_json` cannot write it; no value in it gives reason to.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|json| json + "\n")
    }

    /// A row for each variant and measure; where something is uncertain, with what that does.
    ///
    /// # Errors
    /// When writing fails.
    pub fn to_csv(&self, out: impl Write) -> csv::Result<()> {
        let mut out = writer(out);
        let rows = || self.variants.iter().flat_map(|variant| &variant.differences);
        let is_uncertain = rows().any(|row| row.between_trials.is_some());
        let head = [
            "variant",
            "metric",
            "unit",
            "baseline",
            "value",
            "difference",
            "difference_low",
            "difference_high",
            "ratio",
            "ratio_low",
            "ratio_high",
            "told",
            "pairing_gain",
            "trials",
        ];
        let doubts = if is_uncertain { &BetweenTrials::COLUMNS[..] } else { &[] };
        out.write_record(head.iter().chain(doubts))?;
        for variant in &self.variants {
            for row in &variant.differences {
                let optional = |value: Option<f64>| value.map_or_else(String::new, number);
                let cells = [
                    variant.name.to_owned(),
                    row.metric.clone(),
                    row.unit.to_owned(),
                    number(row.baseline),
                    number(row.value),
                    number(row.difference),
                    number(row.difference_low),
                    number(row.difference_high),
                    optional(row.ratio),
                    optional(row.ratio_low),
                    optional(row.ratio_high),
                    row.told.to_owned(),
                    optional(row.pairing_gain),
                    row.trials.to_string(),
                ];
                let known = row.between_trials.as_ref().map(BetweenTrials::cells);
                let doubts = (0..doubts.len()).map(|at| optional(known.map(|known| known[at])));
                out.write_record(cells.into_iter().chain(doubts))?;
            }
        }
        out.flush()?;
        Ok(())
    }
}
