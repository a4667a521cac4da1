//! What the trials of one variant say, all figures together.

use crate::simulation::plan::Plan;
use crate::simulation::series::Series;
use crate::simulation::task_sample::TaskSample;

use super::evidence::{Evidence, Part, Value, parts};
use super::figure::{Figure, Sample};
use super::findings::Findings;
use super::metric::{METRICS, Metric, Scope};
use super::model_error;
use super::monte_carlo::FIRST_TWIN;
use super::objective::{Objective, Verdict};
use super::stretches::Stretches;
use super::trial::TrialRow;

/// The answer of one variant.
#[derive(Debug)]
pub struct Answer<'p> {
    /// What was simulated.
    pub plan: &'p Plan,
    /// What figures are about: the fleet, then each kind of agent, each pool and so on.
    pub parts: Vec<Part>,
    /// By part, in the order of [`METRICS`].
    pub figures: Vec<Vec<Figure>>,
    /// By objective.
    pub verdicts: Vec<Verdict>,
    /// Whether tasks end as fast as they start.
    pub keeps_up: bool,
    /// What to beware of, in plain words, the worst first.
    pub warnings: Vec<String>,
    /// The trials.
    pub rows: Vec<TrialRow>,
    /// Distributions over all trials, by part.
    pub evidence: Vec<Evidence>,
    /// Load over time, summed over trials.
    pub series: Series,
    /// A sample of the tasks of all trials.
    pub tasks: TaskSample,
    /// Twins of the first trials: drawn alike, other chance. Empty where nothing is uncertain.
    pub twins: Vec<TrialRow>,
}

impl<'p> Answer<'p> {
    /// Draws the conclusions from what was found, but for the warnings.
    pub(super) fn new(
        plan: &'p Plan,
        objectives: &[Objective],
        findings: Findings,
        confidence: f64,
    ) -> Self {
        let Findings { rows, evidence, series, tasks } = findings;
        let parts = parts(plan);
        let stretches = match &rows[..] {
            [only] => Stretches::new(plan.of_trial(only.trial), only.window_s, &series),
            _ => Stretches::default(),
        };
        let first_tenant = parts.len() - plan.tenants.len();
        let figure = |part: usize, (at, metric): (usize, &'static Metric)| {
            let Some(evidence_of) = evidence.get(part) else { return Figure::default() };
            let values: Vec<_> = rows.iter().map(|row| row.parts[part][at]).collect();
            let members = match part.checked_sub(first_tenant) {
                _ if part == 0 => (0..plan.populations.len()).collect(),
                Some(tenant) => plan.agents_of(tenant).collect(),
                None => Vec::new(),
            };
            let members: Vec<_> = members.into_iter().map(|agent| &evidence[1 + agent]).collect();
            let stretches = stretches.of(part, metric);
            let sample = Sample {
                metric,
                values: &values,
                evidence: evidence_of,
                members: &members,
                stretches: &stretches,
                confidence,
            };
            sample.figure()
        };
        let figures: Vec<Vec<Figure>> = (0..parts.len())
            .map(|part| METRICS.iter().enumerate().map(|metric| figure(part, metric)).collect())
            .collect();
        let verdict = |(index, objective): (usize, &Objective)| {
            let trials: Vec<f64> = rows.iter().map(|row| row.objectives[index]).collect();
            let place = objective.place_in(plan).filter(|place| *place < evidence.len());
            let Some(place) = place else {
                return objective.verdict(&Figure::default(), f64::NAN, &trials, confidence);
            };
            let figure = &figures[place][objective.metric.index()];
            let value = objective.judge(figure.mean, &evidence[place]);
            let mut verdict = objective.verdict(figure, value, &trials, confidence);
            if value.is_finite() {
                let share = model_error::share_of(plan, &parts[place], objective.metric.key);
                verdict.model_band = share.map(|share| model_error::band(value, share));
            }
            verdict
        };
        let verdicts = objectives.iter().enumerate().map(verdict).collect();
        Self {
            plan,
            parts,
            figures,
            verdicts,
            keeps_up: true,
            warnings: Vec::new(),
            rows,
            evidence,
            series,
            tasks,
            twins: Vec::new(),
        }
    }

    /// A figure of the fleet.
    pub fn fleet(&self, key: &str) -> &Figure {
        self.of(0, key)
    }

    /// A figure of one part.
    pub fn of(&self, part: usize, key: &str) -> &Figure {
        let index = METRICS.iter().position(|metric| metric.key == key).unwrap_or(0);
        &self.figures[part][index]
    }

    /// Figures of a part that there is something to say about, with their metrics.
    pub fn figures_of(&self, part: usize) -> impl Iterator<Item = (&'static Metric, &Figure)> {
        let scope = self.parts[part].scope;
        let said = move |metric: &Metric, figure: &Figure| {
            metric.applies_to(scope) && (figure.mean.is_some() || !metric.is_of_a_lever())
        };
        let all = METRICS.iter().zip(&self.figures[part]);
        all.filter(move |(metric, figure)| said(metric, figure))
    }

    /// The sum over all trials of one side of a figure; none where it is not known.
    pub fn total(&self, part: usize, key: &str, of: fn(&Value) -> f64) -> Option<f64> {
        let index = METRICS.iter().position(|metric| metric.key == key)?;
        let sum: f64 = self.rows.iter().map(|row| of(&row.parts[part][index])).sum();
        (!self.rows.is_empty() && sum.is_finite()).then_some(sum)
    }

    /// Parts of one kind, with their places.
    pub fn parts_of(&self, scope: Scope) -> impl Iterator<Item = (usize, &str)> {
        let all = self.parts.iter().enumerate();
        all.filter(move |(_, part)| part.scope == scope).map(|(at, part)| (at, part.name.as_str()))
    }

    /// Trials with their twins.
    pub(super) fn twinned(&self) -> impl Iterator<Item = (&TrialRow, &TrialRow)> {
        self.twins.iter().filter_map(|twin| {
            let at = self.rows.binary_search_by_key(&(twin.trial - FIRST_TWIN), |row| row.trial);
            Some((&self.rows[at.ok()?], twin))
        })
    }

    /// Whether every objective is met.
    pub fn meets_all(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.met)
    }
}
