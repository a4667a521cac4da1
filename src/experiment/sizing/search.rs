//! Candidates, each simulated once, with as many trials as it takes to tell.

use std::collections::{BTreeSet, VecDeque};

use crate::experiment::answers::Answers;
use crate::experiment::monte_carlo::{MonteCarlo, Watch};
use crate::experiment::objective::Objective;
use crate::experiment::store::Store;
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
    /// What comes next depends on this candidate, of which nothing is known.
    #[error("nothing is known of a candidate")]
    Unknown(Box<Ahead>),
    /// The operating system gave no threads.
    #[error("no threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

/// A candidate that a search may come to.
#[derive(Clone, Debug)]
pub struct Ahead {
    key: String,
    plan: Plan,
}

/// Simulates candidates and remembers them.
pub struct Search<'a> {
    /// What is the same for all.
    pub setup: Setup<'a>,
    watch: &'a Watch,
    store: &'a Store,
    told: &'a dyn Fn(&str, &Plan, &Assessment),
    seen: Vec<(String, Assessment)>,
    /// Where nothing is simulated: whether the candidates meet everything, in their order.
    supposed: Option<Vec<bool>>,
}

impl<'a> Search<'a> {
    /// A search without candidates yet; each one is `told` when it was simulated. Trials that the
    /// store has need not be.
    pub fn new(
        setup: Setup<'a>,
        watch: &'a Watch,
        store: &'a Store,
        told: &'a dyn Fn(&str, &Plan, &Assessment),
    ) -> Self {
        Self { setup, watch, store, told, seen: Vec::new(), supposed: None }
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
        let key = format!("candidate {name} {counts:?} {load}");
        let found = match &self.supposed {
            None => self.simulate(&key, &plan, counts, load)?,
            Some(supposed) => match supposed.get(self.seen.len()) {
                Some(&meets) => {
                    Assessment::supposed(&plan, self.setup.objectives, counts, load, meets)
                }
                None => return Err(Stopped::Unknown(Box::new(Ahead { key, plan }))),
            },
        };
        if self.supposed.is_none() {
            (self.told)(name, &plan, &found);
        }
        self.seen.push((name.to_owned(), found.clone()));
        Ok(found)
    }

    /// Simulates what a search may come to: the first trials of the candidates that it asks for under
    /// every supposition of what the ones before say, the fewest suppositions first. As far as they
    /// belong to the store's part of the experiment, it keeps them.
    ///
    /// # Errors
    /// See [`Stopped`].
    pub fn foresee<T>(
        &mut self,
        look: impl Fn(&mut Self) -> Result<T, Stopped>,
    ) -> Result<(), Stopped> {
        let mut open = VecDeque::from([Vec::new()]);
        let mut keys = BTreeSet::new();
        // Where few candidates are left to ask for, many suppositions lead to none that is new.
        for _ in 0..16 * self.setup.most_candidates {
            let Some(supposed) = open.pop_front() else { break };
            if keys.len() >= self.setup.most_candidates {
                break;
            }
            self.seen.clear();
            self.supposed = Some(supposed.clone());
            let ahead = match look(self) {
                Err(Stopped::Unknown(ahead)) => ahead,
                // The search is over, or would be.
                Ok(_) | Err(Stopped::TooMany(_)) => continue,
                Err(other) => return Err(other),
            };
            if keys.insert(ahead.key.clone()) {
                let Setup { objectives, trials, seed, threads, .. } = self.setup;
                let plans = std::slice::from_ref(&ahead.plan);
                let run = MonteCarlo { plans, objectives, trials: trials.max(2), seed, threads };
                run.run_with(self.store, &ahead.key, Vec::new(), self.watch)?;
            }
            open.extend([true, false].map(|meets| [&supposed[..], &[meets]].concat()));
        }
        Ok(())
    }

    fn simulate(
        &self,
        key: &str,
        plan: &Plan,
        counts: &[u32],
        load: f64,
    ) -> Result<Assessment, Stopped> {
        let Setup { objectives, most_trials, seed, threads, confidence, .. } = self.setup;
        let plans = std::slice::from_ref(plan);
        let trials = self.setup.trials.max(2);
        let mut run = MonteCarlo { plans, objectives, trials, seed, threads };
        let mut found = Vec::new();
        loop {
            found = run.run_with(self.store, key, found, self.watch)?;
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
