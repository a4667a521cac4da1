//! All trials of all variants, on all cores.
//!
//! Each trial depends on its seed and number alone, what is merged of it are integers, and what is
//! kept of it is ordered by its number: so the threads and their pace leave no trace in the result.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::foundations::SimTime;
use crate::simulation::{Plan, World};

use super::findings::Findings;
use super::objective::Objective;
use super::store::Store;
use super::trial::Digest;

/// The number of the first trial's twin, beyond those of all trials.
pub(super) const FIRST_TWIN: u64 = 1 << 40;

/// Trials that get a twin where something is uncertain: enough to tell not knowing from chance.
const MOST_TWINS: u64 = 40;

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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.run_with(&Store::default(), "", found, watch)
    }

    /// As [`run_on`](Self::run_on): what a store has under this name need not be simulated, and it
    /// is given what is found.
    ///
    /// # Errors
    /// When the operating system gives no threads.
    pub fn run_with(
        &self,
        store: &Store,
        name: &str,
        found: Vec<Findings>,
        watch: &Watch,
    ) -> Result<Vec<Findings>, rayon::ThreadPoolBuildError> {
        self.simulate(store, name, found, 0, watch)
    }

    /// The twins of all trials: what was drawn for a trial is the same, the rest of its chance is
    /// another.
    ///
    /// # Errors
    /// When the operating system gives no threads.
    pub fn twins(&self, watch: &Watch) -> Result<Vec<Findings>, rayon::ThreadPoolBuildError> {
        self.simulate(&Store::default(), "", Vec::new(), FIRST_TWIN, watch)
    }

    /// The twins of as many trials as it takes to tell not knowing from chance, those that are found
    /// among them; none where nothing is uncertain. With a store as in
    /// [`run_with`](Self::run_with).
    ///
    /// # Errors
    /// When the operating system gives no threads.
    pub fn twins_with(
        &self,
        store: &Store,
        name: &str,
        found: Vec<Findings>,
        watch: &Watch,
    ) -> Result<Vec<Findings>, rayon::ThreadPoolBuildError> {
        if self.plans.iter().all(|plan| plan.uncertain.is_none()) {
            return Ok(found);
        }
        let few = Self { trials: self.trials.min(MOST_TWINS), ..*self };
        few.simulate(store, name, found, FIRST_TWIN, watch)
    }

    /// Runs the trials that neither are found yet nor in the store, each under its number beyond
    /// `first`.
    fn simulate(
        &self,
        store: &Store,
        name: &str,
        mut found: Vec<Findings>,
        first: u64,
        watch: &Watch,
    ) -> Result<Vec<Findings>, rayon::ThreadPoolBuildError> {
        found.resize_with(self.plans.len(), Findings::default);
        let wanted = first..first + self.trials;
        let keys: Vec<String> = (0..self.plans.len()).map(|at| format!("{name}/{at}")).collect();
        for ((plan, found), key) in self.plans.iter().zip(&mut found).zip(&keys) {
            let fits = |piece: &Findings| {
                let known = |trial: u64| found.rows.iter().any(|row| row.trial == trial);
                let open = |trial: u64| wanted.contains(&trial) && !known(trial);
                piece.is_of(plan, self.objectives) && piece.rows.iter().all(|row| open(row.trial))
            };
            let pieces: Vec<Findings> = store.take(key, fits);
            pieces.into_iter().for_each(|piece| found.merge(piece));
        }
        let open = self.open(store, &found, first);
        let variants = self.plans.len() as u64;
        let threads = match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            some => some,
        };
        let threads = threads.min(open.len()).max(1);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let next = AtomicUsize::new(0);
        // Of each variant what is found, and what of that the store has yet to be given.
        let findings: Vec<_> =
            found.into_iter().map(|found| Mutex::new((found, Findings::default()))).collect();
        let hand_over = |variant: usize| {
            let (found, fresh) = &mut *lock(&findings[variant]);
            if !fresh.rows.is_empty() {
                let piece = std::mem::take(fresh).in_order();
                store.put(&keys[variant], &piece);
                found.merge(piece);
            }
        };
        pool.broadcast(|_| {
            // Trial by trial rather than variant by variant: stopped early, all variants have
            // about as many trials.
            let mut worlds: Vec<Option<World<'_>>> = self.plans.iter().map(|_| None).collect();
            while !watch.is_stopped() {
                let Some(job) = open.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
                let (trial, variant) = (job / variants, (job % variants) as usize);
                let plan = self.plans[variant].of_trial(trial);
                let world = &mut worlds[variant];
                if self.plans[variant].uncertain.is_some() {
                    *world = None;
                }
                let world = world.get_or_insert_with(|| World::new(plan));
                if let Some(digest) = self.trial(plan, world, first + trial, watch) {
                    let (found, fresh) = &mut *lock(&findings[variant]);
                    if store.keeps() {
                        fresh.add(digest)
                    } else {
                        found.add(digest)
                    }
                    watch.trials.fetch_add(1, Ordering::Relaxed);
                }
                if store.is_due() {
                    (0..findings.len()).for_each(hand_over);
                }
            }
        });
        (0..findings.len()).for_each(hand_over);
        let findings = findings.into_iter().map(|found| {
            let (found, _) = found.into_inner().unwrap_or_else(PoisonError::into_inner);
            found.in_order()
        });
        Ok(findings.collect())
    }

    /// Trials of variants that are to be simulated here: trial times variants plus variant.
    fn open(&self, store: &Store, found: &[Findings], first: u64) -> Vec<u64> {
        let mut known = vec![vec![false; self.trials as usize]; found.len()];
        for (known, found) in known.iter_mut().zip(found) {
            for row in &found.rows {
                if let Some(known) = known.get_mut((row.trial - first) as usize) {
                    *known = true;
                }
            }
        }
        let variants = found.len() as u64;
        let is_open = |job: &u64| {
            let known = known[(job % variants) as usize][(job / variants) as usize];
            // Asked for known ones too: it counts.
            store.is_mine() && !known
        };
        (0..self.trials * variants).filter(is_open).collect()
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
