//! A folder of measurements: any of the files that are known, each by its name.

use super::engine_tpot::EngineTpot;
use super::table::{self, Line};
use crate::foundations::Faults;
use crate::foundations::error::Sources;

/// Names of the files that are read, and what is in them.
pub const FILES: [(&str, &str); 1] =
    [(ENGINE_TPOT, "engines in closed loop: time per output token, time to first token")];

pub(super) const ENGINE_TPOT: &str = "engine_tpot.csv";

/// What was measured.
#[derive(Clone, Debug, Default)]
pub struct Measurements {
    /// Rows of `engine_tpot.csv`.
    pub engine_tpot: Vec<Line<EngineTpot>>,
    /// Files that nobody knows.
    pub unknown: Vec<String>,
}

impl Measurements {
    /// Reads files, each a name within the folder and its text.
    ///
    /// # Errors
    /// All faults in them, with the texts that they stand in.
    pub fn read(
        files: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, (Faults, Sources)> {
        let (mut sources, mut faults) = (Sources::default(), Faults::default());
        let mut found = Self::default();
        for (name, text) in files {
            let source = sources.add_file(&name, text);
            match name.as_str() {
                ENGINE_TPOT => match table::read(source, &sources) {
                    Ok(rows) => found.engine_tpot = rows,
                    Err(wrong) => faults.extend(wrong),
                },
                _ => found.unknown.push(name),
            }
        }
        match faults.is_empty() {
            true => Ok(found),
            false => Err((faults, sources)),
        }
    }
}
