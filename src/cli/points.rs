//! Plans at many points of an experiment: each is simulated by all trials, and noted when it is found.

use serde_json::json;

use super::arguments::Common;
use super::checkpoint::{Checkpoint, Finished};
use super::failure::Failure;
use super::prepare::{Prepared, stop_on_interrupt};
use super::progress;
use super::terminal::remark;
use crate::experiment::sweep::Outcome;
use crate::experiment::{Answers, MonteCarlo};
use crate::simulation::Plan;

/// Begins to note the points of an experiment beside `--out`, or goes on with those that an earlier
/// run of the same experiment has noted.
///
/// # Errors
/// See [`Checkpoint::open`].
pub fn begin(
    common: &Common,
    prepared: &Prepared,
    command: &[String],
    resume: bool,
) -> Result<(Option<Checkpoint>, Vec<Finished>), Failure> {
    let Some(out) = common.out.as_deref() else { return Ok((None, Vec::new())) };
    let inputs = prepared.origin(Vec::new()).inputs;
    let inputs: Vec<_> = inputs.into_iter().map(|input| (input.name, input.sha256)).collect();
    let key = json!({
        "tokenfleet": env!("CARGO_PKG_VERSION"),
        "command": command,
        "inputs": inputs,
        "seed": prepared.seed,
        "trials": prepared.trials,
    });
    let (checkpoint, done) = Checkpoint::open(out, &key, resume)?;
    Ok((Some(checkpoint), done))
}

/// Simulates the plans at all open points, as many of them side by side as there are threads to
/// spare, until somebody says to stop; each outcome is noted and handed on with its place.
///
/// # Errors
/// What the file system says, and when the operating system gives no threads.
pub fn simulate(
    prepared: &Prepared,
    open: &[(&[String], &Plan)],
    checkpoint: &mut Option<Checkpoint>,
    wanted: bool,
    mut found: impl FnMut(usize, Outcome),
) -> Result<(), Failure> {
    let plans: Vec<Plan> = open.iter().map(|(_, plan)| (*plan).clone()).collect();
    let threads = match prepared.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        some => some,
    };
    let abreast = threads.div_ceil(usize::try_from(prepared.trials).unwrap_or(usize::MAX)).max(1);
    let watch = stop_on_interrupt();
    progress::shown(wanted, &plans, prepared.trials, &watch, || {
        for (chunk, plans) in plans.chunks(abreast).enumerate() {
            let monte_carlo = MonteCarlo { plans, ..prepared.monte_carlo() };
            let trials = monte_carlo.run(&watch)?;
            let answers = Answers::new(&prepared.name, &monte_carlo, trials, prepared.confidence);
            if answers.stopped_after().is_some() {
                break;
            }
            for (at, answer) in answers.variants.iter().enumerate() {
                let (at, outcome) = (chunk * abreast + at, Outcome::new(answer));
                if let Some(checkpoint) = checkpoint {
                    checkpoint.add(open[at].0, &outcome)?;
                }
                found(at, outcome);
            }
        }
        Ok(())
    })
}

/// Says that an experiment was stopped, and how to go on with it.
pub fn remark_stopped(left: usize, common: &Common) {
    if left > 0 {
        let resume = match &common.out {
            Some(_) => "; the same command with --resume goes on",
            None => "; with --out it could be resumed",
        };
        remark(&format!("warning: stopped with {left} points left{resume}\n"));
    }
}
