//! Candidates, each simulated once, with as many trials as it takes to tell.

use crate::experiment::answers::Answers;
use crate::experiment::monte_carlo::{MonteCarlo, Watch};
use crate::experiment::objective::Objective;
use crate::simulation::Plan;
use crate::workload::arrival::ArrivalError;

use super::assessment::{Assessment, Sure};
use super::{Knob, candidate};

/// What is the same for all candidates.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// What is demanded.
    pub objectives: &'a [Objective],
    /// Trials to begin with.
    pub trials: u64,
    /// Trials at most of a candidate that is hard to tell.
    pub most_trials: u64,
    /// Candidates at most.
    pub most_candidates: usize,
    /// Replicas at most of a pool.
    pub most_replicas: u32,
    /// How closely the highest load is sought: 0.02 for two percent.
    pub precision: f64,
    /// The seed behind all chance.
    pub seed: u64,
    /// Threads; 0 for one on each core.
    pub threads: usize,
    /// How often an interval must hold.
    pub confidence: f64,
}

/// Why a search ended early.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// Somebody asked to.
    #[error("stopped before a trial was finished")]
    Asked,
    /// As many candidates were simulated as were allowed.
    #[error("{0} candidates were simulated without an answer; narrow the search")]
    TooMany(usize),
    /// No arrival process can have the load that was tried.
    #[error("the load cannot be scaled: {0}")]
    Load(#[from] ArrivalError),
    /// The operating system gave no threads.
    #[error("no threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

/// Simulates candidates and remembers them.
pub struct Search<'a> {
    /// What is the same for all.
    pub setup: Setup<'a>,
    watch: &'a Watch,
    told: &'a dyn Fn(&str, &Plan, &Assessment),
    seen: Vec<(String, Assessment)>,
}

impl<'a> Search<'a> {
    /// A search without candidates yet; each one is `told` when it was simulated.
    pub fn new(
        setup: Setup<'a>,
        watch: &'a Watch,
        told: &'a dyn Fn(&str, &Plan, &Assessment),
    ) -> Self {
        Self { setup, watch, told, seen: Vec::new() }
    }

    /// The candidates that were simulated, in that order, by the names of their kinds.
    pub fn seen(&self) -> &[(String, Assessment)] {
        &self.seen
    }

    /// What is known of `plan`, which is called `name`, with these counts at this load.
    ///
    /// # Errors
    /// See [`Stopped`].
    pub fn assess(
        &mut self,
        name: &str,
        plan: &Plan,
        knobs: &[Knob],
        counts: &[u32],
        load: f64,
    ) -> Result<Assessment, Stopped> {
        let same = |(known, seen): &&(String, Assessment)| {
            known == name && seen.counts == counts && seen.load == load
        };
        if let Some((_, known)) = self.seen.iter().find(same) {
            return Ok(known.clone());
        }
        if self.seen.len() >= self.setup.most_candidates {
            return Err(Stopped::TooMany(self.seen.len()));
        }
        let plan = candidate(plan, knobs, counts, load)?;
        let found = self.simulate(&plan, counts, load)?;
        (self.told)(name, &plan, &found);
        self.seen.push((name.to_owned(), found.clone()));
        Ok(found)
    }

    fn simulate(&self, plan: &Plan, counts: &[u32], load: f64) -> Result<Assessment, Stopped> {
        let Setup { objectives, most_trials, seed, threads, confidence, .. } = self.setup;
        let plans = std::slice::from_ref(plan);
        let mut run =
            MonteCarlo { plans, objectives, trials: self.setup.trials.max(2), seed, threads };
        let mut found = Vec::new();
        loop {
            found = run.run_on(found, self.watch)?;
            let answers = Answers::new("", &run, found, confidence);
            if answers.stopped_after().is_some() {
                return Err(Stopped::Asked);
            }
            let assessed = Assessment::new(&answers.variants[0], objectives, counts, load);
            if assessed.sure != Sure::Unsure || run.trials >= most_trials {
                return Ok(assessed);
            }
            run.trials = (2 * run.trials).min(most_trials);
            found = answers.into_findings();
        }
    }
}
