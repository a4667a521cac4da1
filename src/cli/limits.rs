//! `--max-time` and `--max-memory`: what an experiment will take is estimated before it begins, and it
//! is cut where it takes more.
//!
//! The estimate comes from a pilot: the first trial of some variants, for a moment. How far that came
//! in simulated time says how long a trial takes; what it needed of memory, with what all trials leave
//! behind, how much there will be. Servers that fall behind need more than they did at first: so the
//! limits are looked at while it runs, too.

#![allow(clippy::disallowed_methods, reason = "limits on time are about the clock on the wall")]

use std::process;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use super::failure::Failure;
use super::process::{peak_rss_bytes, rss_bytes};
use super::terminal::remark;
use crate::experiment::{Findings, Watch};
use crate::foundations::units::{format_bytes, format_duration};
use crate::foundations::{Fault, Faults};
use crate::simulation::{Plan, World};

/// How long the pilot looks at one variant, and how many it looks at.
const MOMENT: Duration = Duration::from_millis(100);
const MOST_VARIANTS: usize = 8;
/// How often limits are looked at.
const TICK: Duration = Duration::from_millis(50);

/// What an experiment may take.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Time on the wall, s.
    pub time_s: Option<f64>,
    /// Memory, bytes.
    pub memory: Option<f64>,
}

/// Plans that are each to be simulated by so many trials.
#[derive(Clone, Copy, Debug)]
pub struct Effort<'a> {
    /// The plans.
    pub plans: &'a [&'a Plan],
    /// Trials of each.
    pub trials: u64,
    /// The seed behind all chance.
    pub seed: u64,
    /// Threads.
    pub threads: usize,
    /// How they are simulated.
    pub order: Order,
}

/// How the plans of an experiment are simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// All together: the findings of all are there at the same time.
    Together,
    /// One after the other.
    InTurn,
    /// As candidates of a search, of which nobody knows how many there will be.
    Search,
}

/// What an experiment is estimated to take.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    /// One trial of each plan, s on the wall; not known where trials end by what happens in them.
    round_s: Option<f64>,
    /// All trials, s on the wall.
    all_s: Option<f64>,
    /// Bytes at the peak.
    memory: f64,
}

impl Estimate {
    /// Runs the pilot.
    fn of(effort: &Effort<'_>) -> Self {
        let before = rss_bytes().unwrap_or(0);
        let step = effort.plans.len().div_ceil(MOST_VARIANTS).max(1);
        let looked_at: Vec<_> = effort.plans.iter().step_by(step).collect();
        let trial_s: Option<f64> = looked_at.iter().map(|plan| trial_s(plan, effort.seed)).sum();
        let round_s = trial_s.map(|sum| sum / looked_at.len() as f64 * effort.plans.len() as f64);
        let world = peak_rss_bytes().unwrap_or(0).saturating_sub(before) as f64;
        let threads = effort.threads as f64;
        let parallel = |s: f64, jobs: f64| s / threads.min(jobs).max(1.0);
        let jobs = effort.plans.len() as f64;
        let leave = |plan: &&Plan| Findings::bytes(plan, effort.trials) as f64;
        let each = effort.plans.iter().map(leave);
        let left = match effort.order {
            Order::InTurn => threads * each.fold(0.0, f64::max),
            Order::Together | Order::Search => each.sum(),
        };
        Self {
            round_s: round_s.map(|s| parallel(s, jobs)),
            all_s: round_s.map(|s| {
                let trials = effort.trials as f64;
                parallel(s * trials, jobs * trials)
            }),
            memory: before as f64 + threads * world + left,
        }
    }

    /// In words.
    fn told(&self) -> String {
        let time = self.all_s.map_or_else(|| "unknown time".to_owned(), format_duration);
        format!("about {time} and {}", format_bytes(self.memory))
    }
}

/// How long a trial takes on one thread, from its beginning.
fn trial_s(plan: &Plan, seed: u64) -> Option<f64> {
    let plan = plan.of_trial(0);
    let rates = plan.populations.iter().map(|population| population.arrivals.mean_rate());
    let rate: Option<f64> = rates.sum();
    let by_tasks = plan.stop.tasks.zip(rate).map(|(tasks, rate)| tasks as f64 / rate);
    let horizon = plan.stop.horizon.map(|horizon| horizon.as_s());
    let length_s = horizon.into_iter().chain(by_tasks).reduce(f64::min);
    let begin = Instant::now();
    let mut reached_s = 0.0;
    let whole = World::new(plan).run(seed, 0, |now, _| {
        reached_s = now.as_s();
        begin.elapsed() < MOMENT
    });
    let took_s = begin.elapsed().as_secs_f64();
    match whole {
        Some(_) => Some(took_s),
        None => length_s.map(|length_s| took_s * (length_s / reached_s).max(1.0)),
    }
}

/// Where an experiment was cut, in words.
pub type Cut = Arc<OnceLock<String>>;

impl Limits {
    /// Whether there are any.
    pub fn is_some(&self) -> bool {
        self.time_s.is_some() || self.memory.is_some()
    }

    /// Says what an experiment will take.
    ///
    /// # Errors
    /// When that is more memory than is allowed, or not even a trial of each variant would end in
    /// time.
    pub fn check(&self, effort: &Effort<'_>, wanted: bool) -> Result<(), Failure> {
        let estimate = Estimate::of(effort);
        let refuse = |message: String, help: &str| {
            Err(Failure::Argument(Faults::from(Fault::new(message).help(help))))
        };
        if let Some(allowed) = self.memory.filter(|allowed| *allowed < estimate.memory) {
            let needed = format_bytes(estimate.memory);
            let message =
                format!("{needed} of memory are needed, {} allowed", format_bytes(allowed));
            let help =
                "allow more, or take fewer --trials or --threads; `tokenfleet shard` spreads it";
            return refuse(message, help);
        }
        let rounds = estimate.round_s.zip(self.time_s);
        if let Some((needed, allowed)) = rounds.filter(|(needed, allowed)| needed > allowed) {
            let (needed, allowed) = (format_duration(needed), format_duration(allowed));
            let message = format!("a trial of each variant takes {needed}, {allowed} are allowed");
            let help = "allow more, or take a shorter horizon or fewer variants; `tokenfleet shard` \
                        spreads it";
            return refuse(message, help);
        }
        if wanted {
            let cut = match (estimate.all_s, self.time_s) {
                (Some(needed), Some(allowed)) if needed > allowed => {
                    format!("; it is cut after {}", format_duration(allowed))
                }
                _ => String::new(),
            };
            let what = if effort.order == Order::Search { "a candidate" } else { "this" };
            remark(&format!("{what} takes {}{cut}\n", estimate.told()));
        }
        Ok(())
    }

    /// Stops what is under way where it takes more than it may, and says so. That ends with the
    /// watch.
    pub fn guard(self, watch: &Arc<Watch>) -> Cut {
        let cut = Cut::default();
        let (begin, told, watch) = (Instant::now(), Arc::clone(&cut), Arc::downgrade(watch));
        let guard = move || {
            while let Some(watch) = watch.upgrade() {
                let late = self.time_s.filter(|&s| begin.elapsed().as_secs_f64() > s);
                let large = self.memory.filter(|&most| rss_bytes().unwrap_or(0) as f64 > most);
                let reason = late
                    .map(|s| format!("--max-time {}", format_duration(s)))
                    .or_else(|| large.map(|most| format!("--max-memory {}", format_bytes(most))));
                if let Some(reason) = reason {
                    // Before the watch, so that whoever sees that it was stopped sees why.
                    let _ = told.set(reason.replace('\u{a0}', " "));
                    watch.stop();
                    return;
                }
                drop(watch);
                thread::sleep(TICK);
            }
        };
        if self.is_some() && thread::Builder::new().spawn(guard).is_err() {
            remark("error: no thread to look at limits\n");
            process::exit(i32::from(super::failure::INTERNAL));
        }
        cut
    }
}
