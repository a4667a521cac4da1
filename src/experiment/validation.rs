//! Predictions held against measurements of real engines.
//!
//! A folder of measurements is read row by row, each row's names are looked up in the catalog, and
//! what was measured is replayed through the same code that runs scenarios: catalog entries to a
//! replica, a plan, a world. What cannot be replayed is counted with its reason, never skipped in
//! silence.

pub mod calibrated;
pub mod campaign;
pub mod client;
pub mod closed_loop;
pub mod comparison;
pub mod configuration;
mod disaggregated;
pub mod end_to_end;
pub mod engine_tpot;
pub mod errors;
pub mod folder;
pub mod load_sweep;
pub mod recorded_run;
pub mod server;
pub mod step_times;
pub mod table;
pub mod targets;
pub mod vllm_runs;

pub use campaign::Settings;
pub use comparison::{Class, Comparison, FileFindings};
pub use configuration::{Configuration, Names, Unmodelled};
pub use engine_tpot::EngineTpot;
pub use errors::{ErrorRow, Errors};
pub use folder::Measurements;
pub use recorded_run::{Curves, RecordedRun};
pub use targets::{Target, targets};

use rayon::prelude::*;

use self::comparison::Outcome;
use self::disaggregated::is_disaggregated;
use self::table::Line;
use crate::catalog::Catalog;

/// Replays all measurements, on all cores: the findings of each file that has rows, in the order of
/// [`folder::FILES`].
#[must_use]
pub fn validate(measurements: &Measurements, catalog: &Catalog) -> Vec<FileFindings> {
    let Measurements { engine_tpot, end_to_end, step_times, .. } = measurements;
    let Measurements { load_sweep, vllm_runs, recorded_runs, .. } = measurements;
    let known = engine_tpot.iter().map(|line| line.row.id.as_str()).collect();
    let split = disaggregated::runs(end_to_end);
    let recorded: Vec<Line<&RecordedRun>> =
        (1..).zip(recorded_runs).map(|(number, row)| Line { number, row }).collect();
    let files = [
        each(folder::ENGINE_TPOT, engine_tpot, |line| engine_tpot::compare(line, catalog)),
        calibrated::compare(engine_tpot, catalog),
        each(folder::END_TO_END, end_to_end, |line| match is_disaggregated(&line.row) {
            true => disaggregated::compare(line, catalog, &split),
            false => end_to_end::compare(line, catalog, &known),
        }),
        each(folder::STEP_TIMES, step_times, |line| step_times::compare(line, catalog)),
        each(folder::LOAD_SWEEP, load_sweep, |line| load_sweep::compare(line, catalog)),
        each(folder::VLLM_RUNS, vllm_runs, |line| vllm_runs::compare(line, catalog)),
        each(folder::RECORDED_RUNS, &recorded, |line| recorded_run::compare(line.row, catalog)),
    ];
    files.into_iter().filter(|found| found.rows > 0).collect()
}

fn each<T: Sync>(
    file: &'static str,
    lines: &[Line<T>],
    compare: impl Fn(&Line<T>) -> Outcome + Sync,
) -> FileFindings {
    let outcomes: Vec<(u64, Outcome)> =
        lines.par_iter().map(|line| (line.number, compare(line))).collect();
    FileFindings::gather(file, outcomes)
}
