//! What the trials of all variants of a scenario say.

use super::answer::Answer;
use super::findings::Findings;
use super::metric::Metric;
use super::monte_carlo::MonteCarlo;
use super::objective::Objective;
use super::warning;

/// The answers of all variants of a scenario.
#[derive(Debug)]
pub struct Answers<'p> {
    /// The scenario's name.
    pub scenario: &'p str,
    /// The seed behind all chance.
    pub seed: u64,
    /// Trials that were asked for, of each variant.
    pub planned: u64,
    /// How often the intervals must hold.
    pub confidence: f64,
    /// What was demanded of each variant.
    pub objectives: &'p [Objective],
    /// One answer for each variant.
    pub variants: Vec<Answer<'p>>,
}

impl<'p> Answers<'p> {
    /// Draws the conclusions from what a run found in all its trials, or in as many as were
    /// finished.
    pub fn new(
        scenario: &'p str,
        run: &MonteCarlo<'p>,
        findings: Vec<Findings>,
        confidence: f64,
    ) -> Self {
        let conclude = |(plan, findings)| {
            let mut answer = Answer::new(plan, run.objectives, findings, confidence);
            answer.keeps_up = warning::keeps_up(&answer);
            answer.warnings = warning::warnings(&answer, run.trials);
            answer
        };
        Self {
            scenario,
            seed: run.seed,
            planned: run.trials,
            confidence,
            objectives: run.objectives,
            variants: run.plans.iter().zip(findings).map(conclude).collect(),
        }
    }

    /// With the twins of trials, by variant.
    #[must_use]
    pub fn with_twins(mut self, twins: &[Findings]) -> Self {
        for (variant, twins) in self.variants.iter_mut().zip(twins) {
            variant.twins.clone_from(&twins.rows);
        }
        self
    }

    /// What was found, to go on from.
    pub fn into_findings(self) -> Vec<Findings> {
        let found = |answer: Answer<'p>| Findings {
            rows: answer.rows,
            evidence: answer.evidence,
            series: answer.series,
            tasks: answer.tasks,
        };
        self.variants.into_iter().map(found).collect()
    }

    /// Trials that were finished, where that was not all: stopped before the end.
    pub fn stopped_after(&self) -> Option<u64> {
        let fewest = self.variants.iter().map(|variant| variant.rows.len() as u64).min()?;
        (fewest < self.planned).then_some(fewest)
    }

    /// Whether a figure is one that always is, or its lever is switched on somewhere.
    pub fn speaks_of(&self, metric: &Metric) -> bool {
        let known = |answer: &Answer<'_>| answer.fleet(metric.key).mean.is_some();
        !metric.is_of_a_lever() || self.variants.iter().any(known)
    }

    /// Whether every variant meets every objective.
    pub fn meet_all(&self) -> bool {
        self.variants.iter().all(Answer::meets_all)
    }
}
