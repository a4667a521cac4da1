//! What a long experiment has found so far, on disk: killed, it can be resumed.
//!
//! Beside the folder of the result lies `NAME.progress`, a [`journal`](crate::experiment::journal) to
//! which pieces are added as they are found. It goes when the result is written.

#![allow(clippy::disallowed_methods, reason = "what was found is kept after so much time")]

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::failure::Failure;
use crate::experiment::Watch;
use crate::experiment::journal::{Damage, Journal, Written};
use crate::experiment::store::{Record, Sink};
use crate::foundations::{Fault, Faults};

/// Work that a crash may cost: a tenth of what was done, within these bounds.
const LEAST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(5);

/// A file of pieces that were found.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    is_locked: bool,
    begun: Instant,
    watch: Arc<Watch>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    journal: Journal<File>,
    kept: Instant,
    synchronised: Instant,
    has_pieces: bool,
    failed: Option<io::Error>,
}

/// The file beside a result's folder.
pub fn beside(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".progress");
    folder.with_file_name(name)
}

fn refuse(message: String, help: &str) -> Failure {
    Failure::Argument(Faults::from(Fault::new(message).help(help)))
}

impl Checkpoint {
    /// Begins an experiment that is described by `heading`, or goes on with it: the file, and the
    /// pieces that were found. When one cannot be kept, `watch` is told to stop.
    ///
    /// # Errors
    /// An unfinished experiment that is not to be resumed, or another one than this, or one that
    /// another process works on; what the file system says.
    pub fn open(
        folder: &Path,
        heading: &str,
        resume: bool,
        watch: Arc<Watch>,
    ) -> Result<(Self, Vec<Record>), Failure> {
        let path = beside(folder);
        let shown = path.display().to_string();
        let failed = |error| Failure::Unwritable { name: shown.clone(), error };
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        let mut file = options.open(&path).map_err(failed)?;
        let is_locked = match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let message = format!("another process works on {shown}");
                return Err(refuse(message, "wait for it, or write to another folder"));
            }
            // Where files cannot be locked, nothing is known of others.
            locked => locked.is_ok(),
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let (journal, known) = match Written::read(&bytes) {
            // Nothing was found yet when it was cut short.
            Err(Damage::Empty) => {
                file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
                (Journal::begin(file, heading).map_err(failed)?, Vec::new())
            }
            Err(damage) => {
                return Err(refuse(
                    format!("{shown}: {damage}"),
                    "remove it, or choose another folder",
                ));
            }
            Ok(_) if !resume => {
                let message = format!("{shown} is an unfinished experiment");
                return Err(refuse(message, "add --resume to go on with it, or remove it"));
            }
            Ok(read) if read.heading != heading => {
                let message = format!(
                    "{shown} was begun with another scenario, other settings or another version"
                );
                return Err(refuse(message, "repeat them, or remove it"));
            }
            // What stands behind the last sound piece was being written when it was cut short.
            Ok(read) => {
                let sound = read.sound as u64;
                let cut = file.set_len(sound).and_then(|()| file.seek(SeekFrom::Start(sound)));
                cut.map_err(failed)?;
                (Journal::resume(file, &read), read.records)
            }
        };
        let now = Instant::now();
        let has_pieces = !known.is_empty();
        let state = State { journal, kept: now, synchronised: now, has_pieces, failed: None };
        Ok((Self { path, is_locked, begun: now, watch, state: Mutex::new(state) }, known))
    }

    /// Whether no other process works on the same result.
    pub fn is_locked(&self) -> bool {
        self.is_locked
    }

    /// Time between pieces, now.
    fn patience(&self) -> Duration {
        (self.begun.elapsed() / 10).clamp(LEAST, MOST)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether everything could be kept.
    ///
    /// # Errors
    /// What the file system said when it could not.
    pub fn check(&self) -> Result<(), Failure> {
        match self.state().failed.take() {
            None => Ok(()),
            Some(error) => {
                Err(Failure::Unwritable { name: self.path.display().to_string(), error })
            }
        }
    }

    /// Removes the file: the result is written.
    ///
    /// # Errors
    /// What the file system says.
    pub fn finish(&self) -> Result<(), Failure> {
        let name = || self.path.display().to_string();
        let removed = fs::remove_file(&self.path);
        removed.map_err(|error| Failure::Unwritable { name: name(), error })
    }
}

/// Where nothing was found, there is nothing to go on from.
impl Drop for Checkpoint {
    fn drop(&mut self) {
        if !self.state().has_pieces {
            // Nothing can be done about a file that cannot be removed.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A sink that its owner looks at, too.
#[derive(Clone, Debug)]
pub struct Keeper(pub Arc<Checkpoint>);

impl Sink for Keeper {
    fn is_due(&self) -> bool {
        let mut state = self.0.state();
        let is_due = state.kept.elapsed() >= self.0.patience();
        if is_due {
            state.kept = Instant::now();
        }
        is_due
    }

    fn put(&self, record: Record) {
        let mut state = self.0.state();
        if state.failed.is_some() {
            return;
        }
        state.has_pieces = true;
        // A process that is killed loses nothing that it has written; a machine that loses power,
        // what was not synchronised.
        let kept = state.journal.record(record).and_then(|()| match state.synchronised.elapsed() {
            since if since >= self.0.patience() => {
                state.synchronised = Instant::now();
                state.journal.out().sync_data()
            }
            _ => Ok(()),
        });
        if let Err(error) = kept {
            state.failed = Some(error);
            self.0.watch.stop();
        }
    }
}
