//! What every command that simulates does first: read the scenario, tell what to beware of in it, get
//! ready to be stopped.

use std::process;
use std::sync::Arc;

use super::arguments::Common;
use super::diagnostic;
use super::failure::{Failure, STOPPED};
use super::load::{self, Loaded};
use super::terminal::{fault_style, remark};
use crate::catalog::Provenance;
use crate::experiment::{Measure, MonteCarlo, Objective, Part, Watch, parts};
use crate::foundations::Faults;
use crate::report::manifest::{self, Input, Origin};
use crate::simulation::Plan;
use crate::simulation::scenario::{Draws, Point, Variant};

/// A scenario that is ready to be simulated.
#[derive(Debug)]
pub struct Prepared {
    /// What it is called.
    pub name: String,
    /// Its variants.
    pub plans: Vec<Plan>,
    /// What each of them must meet.
    pub objectives: Vec<Objective>,
    /// Trials of each variant.
    pub trials: u64,
    /// The seed behind all chance.
    pub seed: u64,
    /// Threads; 0 for one on each core.
    pub threads: usize,
    /// How often intervals must hold.
    pub confidence: f64,
    /// By variant: the paths that it changes.
    pub changed: Vec<Vec<Vec<String>>>,
    inputs: Vec<Input>,
    provenance: Vec<Provenance>,
}

impl Prepared {
    /// Reads the scenario with its variants, or the named ones; warnings go to standard error.
    ///
    /// # Errors
    /// When it cannot be read, and all faults in it.
    pub fn new(common: &Common, variants: &[String]) -> Result<Self, Failure> {
        Self::with_points(common, variants, &[]).map(|(prepared, _)| prepared)
    }

    /// As [`new`](Self::new), for an experiment that may go on to as many as `most` trials.
    ///
    /// # Errors
    /// See [`with_points`](Self::with_points).
    pub fn with_trials(common: &Common, variants: &[String], most: u64) -> Result<Self, Failure> {
        let draws = Draws::OfTrials { trials: Some(most), times: 1, seed: common.seed };
        Self::with_draws(common, variants, &[], draws).map(|(prepared, _)| prepared)
    }

    /// Reads the scenario, and the plan of each of `points` or why it cannot be built.
    ///
    /// # Errors
    /// When it cannot be read, and all faults in it and in the points.
    pub fn with_points(
        common: &Common,
        variants: &[String],
        points: &[Point],
    ) -> Result<(Self, Vec<Result<Plan, String>>), Failure> {
        let draws = Draws::OfTrials { trials: common.trials, times: 1, seed: common.seed };
        Self::with_draws(common, variants, points, draws)
    }

    /// As [`with_points`](Self::with_points), with what is uncertain drawn as it is said.
    ///
    /// # Errors
    /// See there.
    pub fn with_draws(
        common: &Common,
        variants: &[String],
        points: &[Point],
        draws: Draws<'_>,
    ) -> Result<(Self, Vec<Result<Plan, String>>), Failure> {
        let path = common.scenario.as_deref();
        let carried = common.place.carried();
        let (loaded, candidates) =
            load::load_with_points(path, &common.set, variants, points, draws, carried)?;
        let Loaded { scenario, sources, inputs } = loaded;
        if !common.quiet {
            remark(&diagnostic::render_warnings(&scenario.warnings, &sources, fault_style()));
        }
        let mut provenance = Vec::new();
        let mut plan = |variant: Variant| {
            provenance.extend(variant.provenance);
            variant.plan
        };
        let changed = scenario.variants.iter().map(|variant| variant.changed.clone()).collect();
        let plans = scenario.variants.into_iter().map(&mut plan).collect();
        let candidates = candidates.into_iter().map(|candidate| match candidate {
            Ok(variant) => Ok(plan(variant)),
            Err(faults) => Err(reason(&faults)),
        });
        let candidates = candidates.collect();
        let prepared = Self {
            name: scenario.name,
            objectives: scenario.objectives.iter().filter_map(Objective::from_scenario).collect(),
            trials: common.trials.unwrap_or(scenario.run.trials),
            seed: common.seed.unwrap_or(scenario.run.seed),
            threads: common.threads.map_or(0, usize::from),
            confidence: scenario.run.confidence,
            changed,
            inputs,
            provenance,
            plans,
        };
        Ok((prepared, candidates))
    }

    /// All trials of all variants.
    pub fn monte_carlo(&self) -> MonteCarlo<'_> {
        MonteCarlo {
            plans: &self.plans,
            objectives: &self.objectives,
            trials: self.trials,
            seed: self.seed,
            threads: self.threads,
        }
    }

    /// The parts of all variants, each once.
    fn parts(&self) -> Vec<Part> {
        let mut all: Vec<Part> = Vec::new();
        for part in self.plans.iter().flat_map(parts) {
            if !all.contains(&part) {
                all.push(part);
            }
        }
        all
    }

    /// The measure of this name that a flag asks for, of the fleet or of a part of it:
    /// `usd_per_task`, `agents.coder.ttft_p99`.
    ///
    /// # Errors
    /// No variant has such a part, or no figure of this name is about it.
    pub fn measure(&self, flag: &str, name: &str) -> Result<Measure, Failure> {
        Measure::parse_of(name, &self.parts()).map_err(|fault| Failure::of_flag(flag, fault))
    }

    /// All variants.
    pub fn plans(&self) -> Vec<&Plan> {
        self.plans.iter().collect()
    }

    /// The scenario's text first, then the files that it names.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// Where the result of a command comes from.
    pub fn origin(&self, command: Vec<String>) -> Origin {
        let sources = manifest::sources(self.provenance.clone());
        Origin { command, inputs: self.inputs.clone(), sources, cut: None }
    }

    /// Threads that there will be.
    pub fn threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            some => some,
        }
    }
}

/// The first fault in a sentence.
fn reason(faults: &Faults) -> String {
    faults.iter().next().map_or_else(String::new, |fault| fault.message.clone())
}

/// A watch that the first Ctrl-C stops; the second ends the process.
pub fn stop_on_interrupt() -> Arc<Watch> {
    let watch = Arc::new(Watch::default());
    let seen = Arc::clone(&watch);
    // Without a handler Ctrl-C ends the process, which is what it does anywhere.
    let _ = ctrlc::set_handler(move || {
        if seen.is_stopped() {
            process::exit(i32::from(STOPPED));
        }
        seen.stop();
    });
    watch
}

/// The words that give a result again. Where it is written and how it is computed and printed do
/// not belong to it.
pub fn command_words(command: &str, common: &Common) -> Vec<String> {
    let mut words = vec!["tokenfleet".to_owned(), command.to_owned()];
    words.extend(common.scenario.as_ref().map(|path| path.display().to_string()));
    let mut flag = |name: &str, value: String| words.extend([name.to_owned(), value]);
    if let Some(trials) = common.trials {
        flag("--trials", trials.to_string());
    }
    if let Some(seed) = common.seed {
        flag("--seed", seed.to_string());
    }
    common.set.iter().for_each(|change| flag("--set", change.clone()));
    words
}
