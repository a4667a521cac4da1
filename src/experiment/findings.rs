//! What the trials of one variant found: rows of figures by trial, and what merges exactly.
//!
//! Findings of some trials and of others make those of all, in whatever order they are merged; so a
//! part of the trials can be found on another machine, or before a machine failed.

use crate::serving::endpoint::EndpointUsage;
use crate::simulation::plan::Plan;
use crate::simulation::series::{Bin, MOST_BINS, PoolBin, Series};
use crate::simulation::task_sample::{TaskRow, TaskSample};

use super::evidence::{Evidence, Value, parts};
use super::metric::METRICS;
use super::objective::Objective;
use super::trial::{Digest, TrialRow};

/// Distributions that a part has, and about how much memory one takes: three digits of two decades.
const DISTRIBUTIONS: usize = 17;
const DISTRIBUTION_BYTES: usize = 7 * 1024 * 8;

/// What the trials of one variant found.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Findings {
    /// The trials that were finished, in order.
    pub rows: Vec<TrialRow>,
    /// Distributions over all trials, by part.
    pub evidence: Vec<Evidence>,
    /// Load over time, summed over trials.
    pub series: Series,
    /// A sample of the tasks of all trials.
    pub tasks: TaskSample,
}

impl Findings {
    /// Adds a trial.
    pub fn add(&mut self, trial: Digest) {
        let Digest { row, evidence, series, tasks } = trial;
        self.merge(Self { rows: vec![row], evidence, series, tasks });
    }

    /// Adds other trials.
    pub fn merge(&mut self, other: Self) {
        if self.rows.is_empty() {
            *self = other;
            return;
        }
        for (mine, theirs) in self.evidence.iter_mut().zip(&other.evidence) {
            mine.merge(theirs);
        }
        self.series.merge(other.series);
        self.tasks.merge(other.tasks);
        self.rows.extend(other.rows);
    }

    /// About how much memory the findings of so many trials of a plan take, bytes.
    pub fn bytes(plan: &Plan, trials: u64) -> u64 {
        let parts = parts(plan).len();
        let row = size_of::<TrialRow>() + parts * METRICS.len() * size_of::<Value>();
        let evidence = parts * (size_of::<Evidence>() + DISTRIBUTIONS * DISTRIBUTION_BYTES);
        let servers = plan.pools.len() * size_of::<PoolBin>()
            + plan.endpoints.len() * size_of::<EndpointUsage>();
        let series = MOST_BINS * (size_of::<Bin>() + servers);
        let tasks = 2 * plan.task_rows * size_of::<(u64, TaskRow)>();
        trials * row as u64 + (evidence + series + tasks) as u64
    }

    /// With its trials in order.
    #[must_use]
    pub fn in_order(mut self) -> Self {
        self.rows.sort_by_key(|row| row.trial);
        self
    }

    /// Whether these can be findings of this plan: they may come from a disk.
    pub fn is_of(&self, plan: &Plan, objectives: &[Objective]) -> bool {
        let parts = parts(plan).len();
        let row = |row: &TrialRow| {
            row.parts.len() == parts
                && row.parts.iter().all(|values| values.len() == METRICS.len())
                && row.objectives.len() == objectives.len()
        };
        let Series { length, bins } = &self.series;
        let (bin, doubled) = (plan.bin.0.max(1), length.0 / plan.bin.0.max(1));
        bins.len() < MOST_BINS
            && (length.0 % bin, doubled.is_power_of_two()) == (0, true)
            && bins.iter().all(|bin| {
                bin.pools.len() == plan.pools.len() && bin.endpoints.len() == plan.endpoints.len()
            })
            && self.rows.iter().all(row)
            && self.rows.windows(2).all(|pair| pair[0].trial < pair[1].trial)
            && bins.iter().all(Bin::is_possible)
            && self.evidence.len() == parts
            && self.evidence.iter().all(|evidence| evidence.tally.is_possible())
            && self.tasks.is_of(plan)
    }
}
