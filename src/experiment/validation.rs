//! Predictions held against measurements of real engines.
//!
//! A folder of measurements is read row by row, each row's names are looked up in the catalog, and
//! what was measured is replayed through the same code that runs scenarios: catalog entries to a
//! replica, a plan, a world. What cannot be replayed is counted with its reason, never skipped in
//! silence.

pub mod campaign;
pub mod client;
pub mod closed_loop;
pub mod comparison;
pub mod configuration;
pub mod engine_tpot;
pub mod errors;
pub mod folder;
pub mod table;

pub use campaign::Settings;
pub use comparison::{Class, Comparison, FileFindings};
pub use configuration::{Configuration, Names, Unmodelled};
pub use engine_tpot::EngineTpot;
pub use errors::{ErrorRow, Errors};
pub use folder::Measurements;

use rayon::prelude::*;

use self::comparison::Outcome;
use self::table::Line;
use crate::catalog::Catalog;

/// Replays all measurements, on all cores: the findings of each file that has rows, in the order of
/// [`folder::FILES`].
#[must_use]
pub fn validate(measurements: &Measurements, catalog: &Catalog) -> Vec<FileFindings> {
    let files = [each(folder::ENGINE_TPOT, &measurements.engine_tpot, |line| {
        engine_tpot::compare(line, catalog)
    })];
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
