//! A simulation under way: who may stop it, what of it is known already, where its result goes.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use serde_json::json;

use super::arguments::Common;
use super::checkpoint::{Checkpoint, Keeper};
use super::failure::Failure;
use super::limits::{Cut, Effort, Limits, Order};
use super::load;
use super::place::{Place, Planned};
use super::prepare::{Prepared, stop_on_interrupt};
use super::terminal::remark;
use crate::experiment::{Store, Watch};
use crate::foundations::{Fault, Faults};
use crate::report::folder::Folder;
use crate::report::manifest::{self, Origin};
use crate::simulation::Plan;

/// See the module's page.
#[derive(Debug)]
pub struct Work {
    /// How far it is, and the word to stop.
    pub watch: Arc<Watch>,
    /// What is known already, and where what is found is kept.
    pub store: Arc<Store>,
    /// Where the result is being written.
    pub folder: Option<Folder>,
    out: Option<PathBuf>,
    cut: Cut,
    checkpoint: Option<Arc<Checkpoint>>,
}

impl Work {
    /// Begins the experiment that these words describe, or goes on with what was found of it: all
    /// trials of these plans, in this order.
    ///
    /// # Errors
    /// When its result cannot be written, or it is not to be gone on with, or it takes more than it
    /// may.
    pub fn begin(
        common: &Common,
        prepared: &Prepared,
        plans: &[&Plan],
        order: Order,
        words: &[String],
    ) -> Result<Self, Failure> {
        if let Place::Planning(planned) = &common.place {
            let heading = heading(prepared, words);
            let files = files(common, prepared);
            let planned = &mut *planned.lock().unwrap_or_else(PoisonError::into_inner);
            *planned = Some(Planned { heading, files });
            return Err(Failure::Gathered);
        }
        let limits = Limits { time_s: common.max_time, memory: common.max_memory };
        if limits.is_some() {
            let Prepared { trials, seed, .. } = *prepared;
            let effort = Effort { plans, trials, seed, threads: prepared.threads(), order };
            limits.check(&effort, !common.quiet)?;
        }
        let out = folder_of(common)?;
        let folder = out.as_deref().map(Folder::begin).transpose()?;
        let watch = stop_on_interrupt();
        let cut = limits.guard(&watch);
        let mut work = Self {
            watch: Arc::clone(&watch),
            store: Arc::default(),
            folder,
            out,
            cut,
            checkpoint: None,
        };
        match (&common.place, &work.out) {
            (Place::Elsewhere(part), _) => {
                part.check(&heading(prepared, words))?;
                work.store = Arc::clone(&part.store);
            }
            (Place::Here, Some(out)) => {
                let (heading, resume) = (heading(prepared, words), common.resume.is_some());
                let (checkpoint, known) = Checkpoint::open(out, &heading, resume, watch)?;
                // Whoever has the file has the folder: what others began there was abandoned.
                if let Some(folder) = work.folder.as_ref().filter(|_| checkpoint.is_locked()) {
                    folder.remove_abandoned();
                }
                let checkpoint = Arc::new(checkpoint);
                let keeper = Keeper(Arc::clone(&checkpoint));
                work.store = Arc::new(Store::new(known, Some(Box::new(keeper))));
                work.checkpoint = Some(checkpoint);
            }
            (Place::Here, None) | (Place::Planning(_), _) => {}
        }
        Ok(work)
    }

    /// Whether all that was found could be kept, and all of the experiment is done here.
    ///
    /// # Errors
    /// Where it is not: there is nothing to conclude.
    pub fn check(&self) -> Result<(), Failure> {
        if let Some(checkpoint) = &self.checkpoint {
            checkpoint.check()?;
        }
        match self.store.share() {
            Some(_) if self.watch.is_stopped() => Err(self.stopped()),
            Some(_) => Err(Failure::Gathered),
            None => Ok(()),
        }
    }

    /// Why there is no answer when it was stopped before there was one.
    pub fn stopped(&self) -> Failure {
        self.cut.get().map_or(Failure::Stopped, |by| Failure::Cut(by.clone()))
    }

    /// Where the result comes from, and by what it was cut where it is not whole.
    pub fn origin(&self, prepared: &Prepared, words: Vec<String>, is_whole: bool) -> Origin {
        let cut = self.cut.get().filter(|_| !is_whole).cloned();
        Origin { cut, ..prepared.origin(words) }
    }

    /// Writes the manifest of an experiment over many points of so many trials.
    ///
    /// # Errors
    /// What the file system says.
    pub fn describe(
        &self,
        folder: &Folder,
        prepared: &Prepared,
        trials: u64,
        words: Vec<String>,
        is_whole: bool,
    ) -> Result<(), Failure> {
        let origin = self.origin(prepared, words, is_whole);
        let json = manifest::of_experiment(&prepared.name, prepared.seed, trials, &origin)?;
        Ok(folder.file("manifest.json", |out| out.write_all(json.as_bytes()))?)
    }

    /// Puts the result, if it is written anywhere, in its place, and says where that is; of one that
    /// is whole nothing needs to be kept any more.
    ///
    /// # Errors
    /// What the file system says.
    pub fn finish(self, is_whole: bool) -> Result<Option<PathBuf>, Failure> {
        if let Some(by) = self.cut.get().filter(|_| !is_whole) {
            let goes_on = if self.checkpoint.is_some() { "; --resume goes on" } else { "" };
            remark(&format!("warning: cut by {by}{goes_on}\n"));
        }
        if let Some(folder) = self.folder {
            folder.commit()?;
        }
        if let Some(checkpoint) = self.checkpoint.filter(|_| is_whole) {
            checkpoint.finish()?;
        }
        Ok(self.out)
    }
}

/// What an experiment is: two of the same give the same result.
pub fn heading(prepared: &Prepared, words: &[String]) -> String {
    let inputs: Vec<_> =
        prepared.inputs().iter().map(|input| (&input.name, &input.sha256)).collect();
    let heading = json!({
        "tokenfleet": env!("CARGO_PKG_VERSION"),
        "command": words,
        "inputs": inputs,
        "seed": prepared.seed,
        "trials": prepared.trials,
    });
    heading.to_string()
}

/// Names and bytes of the scenario and of the files that it names.
fn files(common: &Common, prepared: &Prepared) -> Vec<(String, Vec<u8>)> {
    let mut inputs = prepared.inputs().iter();
    let scenario = inputs
        .next()
        .into_iter()
        .map(|input| (input.name.clone(), input.text.clone().unwrap_or_default().into_bytes()));
    let folder = load::folder_of(common.scenario.as_deref());
    scenario.chain(inputs.flat_map(|input| load::files_under(&folder, &input.name))).collect()
}

/// The folder of a result: behind `--out`, or behind `--resume`.
///
/// # Errors
/// Where it is not clear which.
pub fn folder_of(common: &Common) -> Result<Option<PathBuf>, Failure> {
    let named = common.resume.as_ref().and_then(Option::as_ref);
    match (&common.out, named) {
        (Some(out), Some(resume)) if out != resume => {
            let (out, resume) = (out.display(), resume.display());
            let fault = Fault::new(format!("--out {out} and --resume {resume} are two folders"));
            Err(Failure::Argument(Faults::from(fault.help("name one of them"))))
        }
        (None, None) if common.resume.is_some() => {
            let fault = Fault::new("there is nothing to resume without a folder");
            let help = "name it: `--resume DIR`, where DIR is what `--out` was";
            Err(Failure::Argument(Faults::from(fault.help(help))))
        }
        (out, named) => Ok(out.as_ref().or(named).cloned()),
    }
}

/// Says that an experiment was stopped, and how to go on with it.
pub fn remark_stopped(left: usize, common: &Common) {
    if left > 0 {
        let resume = match folder_of(common) {
            Ok(Some(_)) => "; the same command with --resume goes on",
            _ => "; with --out it could be resumed",
        };
        remark(&format!("warning: stopped with {left} points left{resume}\n"));
    }
}
