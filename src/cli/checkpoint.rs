//! What a long experiment has found so far, on disk: stopped, it can be resumed.
//!
//! Beside the folder of the result lies `NAME.progress.jsonl`: a line that says what the experiment is,
//! then one for each point that was finished. It goes when the result is written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::failure::Failure;
use crate::experiment::sweep::Outcome;
use crate::foundations::{Fault, Faults};

/// What was set at a point, and what came of it.
pub type Finished = (Vec<String>, Outcome);

/// A file of points that were finished.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    file: File,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Line {
    settings: Vec<String>,
    outcome: Outcome,
}

/// The file beside a result's folder.
fn beside(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".progress.jsonl");
    folder.with_file_name(name)
}

fn refuse(message: String, help: &str) -> Failure {
    Failure::Argument(Faults::from(Fault::new(message).help(help)))
}

impl Checkpoint {
    /// Begins an experiment that is described by `key`, or goes on with it: the file, and the points
    /// that were finished.
    ///
    /// # Errors
    /// An unfinished experiment that is not to be resumed, or another one than this; what the file
    /// system says.
    pub fn open(
        folder: &Path,
        key: &Value,
        resume: bool,
    ) -> Result<(Self, Vec<Finished>), Failure> {
        let path = beside(folder);
        let shown = path.display().to_string();
        let written = match fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Failure::Unreadable { name: shown, error }),
        };
        let mut done = Vec::new();
        if let Some(text) = written {
            if !resume {
                let message = format!("{shown} is an unfinished experiment");
                return Err(refuse(message, "add --resume to go on with it, or remove it"));
            }
            let mut lines = text.lines();
            let begun: Option<Value> =
                lines.next().and_then(|line| serde_json::from_str(line).ok());
            if begun.as_ref() != Some(key) {
                let message = format!(
                    "{shown} was begun with another scenario, other settings or another version"
                );
                return Err(refuse(message, "repeat them, or remove it"));
            }
            // The last line is cut short where the machine failed: that point is simulated again.
            let line = |line| serde_json::from_str(line).ok();
            done.extend(lines.filter_map(line).map(|line: Line| (line.settings, line.outcome)));
        }
        let failed = |error| Failure::Unreadable { name: shown.clone(), error };
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        // Written anew, so that no half line is left in its middle.
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .open(&path)
            .map_err(failed)?;
        writeln!(file, "{key}").map_err(failed)?;
        let mut checkpoint = Self { path, file };
        for (settings, outcome) in &done {
            checkpoint.add(settings, outcome)?;
        }
        Ok((checkpoint, done))
    }

    /// Notes a point.
    ///
    /// # Errors
    /// What the file system says.
    pub fn add(&mut self, settings: &[String], outcome: &Outcome) -> Result<(), Failure> {
        let line = Line { settings: settings.to_vec(), outcome: outcome.clone() };
        let mut text = serde_json::to_string(&line)?;
        text.push('\n');
        self.file.write_all(text.as_bytes())?;
        Ok(self.file.flush()?)
    }

    /// Removes the file: the result is written.
    ///
    /// # Errors
    /// What the file system says.
    pub fn finish(self) -> Result<(), Failure> {
        drop(self.file);
        Ok(fs::remove_file(self.path)?)
    }
}
