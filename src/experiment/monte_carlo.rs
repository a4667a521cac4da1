//! All trials of all variants, on all cores.
//!
//! Each trial depends on its seed and number alone, what is merged of it are integers, and what is
//! kept of it is ordered by its number: so the threads and their pace leave no trace in the result.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::foundations::SimTime;
use crate::simulation::series::Series;
use crate::simulation::task_sample::TaskSample;
use crate::simulation::{Plan, World};

use super::evidence::Evidence;
use super::objective::Objective;
use super::trial::{Digest, TrialRow};

/// The number of the first trial's twin, beyond those of all trials.
const FIRST_TWIN: u64 = 1 << 40;

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub struct MonteCarlo<'a> {
    /// The variants.
    pub plans: &'a [Plan],
    /// What each of them must meet; the same for all.
    pub objectives: &'a [Objective],
    /// Trials of each variant.
    pub trials: u64,
    /// The seed behind all chance.
    pub seed: u64,
    /// Threads; 0 for one on each core.
    pub threads: usize,
}

/// What the trials of one variant found.
#[derive(Debug, Default)]
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
        if self.rows.is_empty() {
            (self.evidence, self.series, self.tasks) = (trial.evidence, trial.series, trial.tasks);
        } else {
            for (mine, theirs) in self.evidence.iter_mut().zip(&trial.evidence) {
                mine.merge(theirs);
            }
            self.series.merge(trial.series);
            self.tasks.merge(trial.tasks);
        }
        self.rows.push(trial.row);
    }
}

/// How far trials are, and the word to stop; shared with whoever watches.
#[derive(Debug, Default)]
pub struct Watch {
    stopped: AtomicBool,
    trials: AtomicU64,
    calls: AtomicU64,
    simulated_us: AtomicU64,
}

impl Watch {
    /// Asks all trials under way to stop, and no more to start.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Trials that were finished.
    pub fn trials(&self) -> u64 {
        self.trials.load(Ordering::Relaxed)
    }

    /// LLM calls made so far in all trials.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Time simulated so far in all trials, s.
    pub fn simulated_s(&self) -> f64 {
        self.simulated_us.load(Ordering::Relaxed) as f64 / 1e6
    }
}

/// What one trial has told a [`Watch`] so far.
#[derive(Default)]
struct Reported {
    calls: u64,
    us: u64,
}

impl Reported {
    fn update(&mut self, watch: &Watch, now: SimTime, calls: u64) {
        let us = now.0 / 1_000_000;
        watch.calls.fetch_add(calls - self.calls, Ordering::Relaxed);
        watch.simulated_us.fetch_add(us - self.us, Ordering::Relaxed);
        (self.calls, self.us) = (calls, us);
    }
}

impl MonteCarlo<'_> {
    /// Runs all trials, or as many as are finished when `watch` says to stop: the findings of each
    /// variant.
    ///
    /// # Errors
    /// When the operating system gives no threads.
    pub fn run(&self, watch: &Watch) -> Result<Vec<Findings>, rayon::ThreadPoolBuildError> {
        self.run_on(Vec::new(), watch)
    }

    /// Goes on where an earlier run, which was not stopped, had fewer trials: what comes of it is
    /// what all trials in one run would have found.
    ///
    /// # Errors
    /// When the operating system gives no threads.
    pub fn run_on(
        &self,
        found: Vec<Findings>,
        watch: &Watch,
    ) -> Result<Vec<Findings>, rayon::ThreadPoolBuildError> {
        self.simulate(found, 0, watch)
    }

    /// The twins of all trials: what was drawn for a trial is the same, the rest of its chance is
    /// another.
    ///
    /// # Errors
    /// When the operating system gives no threads.
    pub fn twins(&self, watch: &Watch) -> Result<Vec<Findings>, rayon::ThreadPoolBuildError> {
        self.simulate(Vec::new(), FIRST_TWIN, watch)
    }

    /// Runs the trials that are not found yet, each under its number beyond `first`.
    fn simulate(
        &self,
        mut found: Vec<Findings>,
        first: u64,
        watch: &Watch,
    ) -> Result<Vec<Findings>, rayon::ThreadPoolBuildError> {
        found.resize_with(self.plans.len(), Findings::default);
        let done = found.iter().map(|found| found.rows.len() as u64).min().unwrap_or(0);
        let variants = self.plans.len() as u64;
        let jobs = self.trials.saturating_sub(done) * variants;
        let threads = match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            some => some,
        };
        let threads = threads.min(usize::try_from(jobs).unwrap_or(usize::MAX)).max(1);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let next = AtomicU64::new(0);
        let findings: Vec<_> = found.into_iter().map(Mutex::new).collect();
        pool.broadcast(|_| {
            // Trial by trial rather than variant by variant: stopped early, all variants have
            // about as many trials.
            let mut worlds: Vec<Option<World<'_>>> = self.plans.iter().map(|_| None).collect();
            while !watch.is_stopped() {
                let job = next.fetch_add(1, Ordering::Relaxed);
                if job >= jobs {
                    return;
                }
                let (trial, variant) = (done + job / variants, (job % variants) as usize);
                let plan = self.plans[variant].of_trial(trial);
                let world = &mut worlds[variant];
                if self.plans[variant].uncertain.is_some() {
                    *world = None;
                }
                let world = world.get_or_insert_with(|| World::new(plan));
                if let Some(digest) = self.trial(plan, world, first + trial, watch) {
                    let mut found =
                        findings[variant].lock().unwrap_or_else(PoisonError::into_inner);
                    found.add(digest);
                    watch.trials.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let findings = findings.into_iter().map(|found| {
            let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
            found.rows.sort_by_key(|row| row.trial);
            found
        });
        Ok(findings.collect())
    }

    fn trial(
        &self,
        plan: &Plan,
        world: &mut World<'_>,
        trial: u64,
        watch: &Watch,
    ) -> Option<Digest> {
        let mut reported = Reported::default();
        let outcome = world.run(self.seed, trial, |now, calls| {
            reported.update(watch, now, calls);
            !watch.is_stopped()
        })?;
        reported.update(watch, outcome.ended, outcome.requests);
        Some(Digest::new(plan, self.objectives, outcome))
    }
}
