//! Why a command ends without an answer, and the exit code that says so.

use std::io;

use super::catalog::CatalogCommandError;
use crate::foundations::error::{Fault, Faults, Sources};
use crate::report::folder::FolderError;
use crate::report::html::ReportError;
use crate::workload::trace::TraceError;

/// All went well.
pub const FINE: u8 = 0;
/// An objective was missed where `--check` asks.
pub const MISSED: u8 = 1;
/// The input was bad.
pub const BAD_INPUT: u8 = 2;
/// The program is wrong.
pub const INTERNAL: u8 = 3;
/// Stopped before a trial was finished, as shells number the signal.
pub const STOPPED: u8 = 130;

/// Why a command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Faults in scenarios, to be shown where they stand.
    #[error("{faults}")]
    Scenario {
        /// The faults.
        faults: Faults,
        /// The texts that they stand in.
        sources: Sources,
    },
    /// Faults in what was typed behind a flag.
    #[error("{0}")]
    Argument(Faults),
    /// A file could not be read.
    #[error("cannot read {name}: {error}")]
    Unreadable {
        /// Its path, as it was typed.
        name: String,
        /// What the operating system said.
        error: io::Error,
    },
    /// A folder of measurements has none that are known.
    #[error("{folder} holds no measurements; see tests/data/fidelity/README.md for what is read")]
    NothingToCompare {
        /// The folder, as it was typed.
        folder: String,
    },
    /// A recording could not be read.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// A file could not be written.
    #[error("cannot write {name}: {error}")]
    Unwritable {
        /// Its path, as it was typed.
        name: String,
        /// What the operating system said.
        error: io::Error,
    },
    /// The result could not be written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A folder gives no report.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The catalog has no such entry, or could not be shown.
    #[error(transparent)]
    Catalog(CatalogCommandError),
    /// Whoever read the output has gone: there is nobody to tell.
    #[error("nobody reads the output")]
    ClosedPipe,
    /// The output could not be written.
    #[error("cannot write the output: {0}")]
    Output(io::Error),
    /// Cut by a limit before anything could be said.
    #[error("cut by {0} before there was an answer; --resume goes on where --out was given")]
    Cut(String),
    /// Stopped before anything could be said.
    #[error("stopped before a trial was finished")]
    Stopped,
    /// The part of an experiment that belongs here is done: there is nothing to conclude from it.
    #[error("a part of an experiment says nothing by itself")]
    Gathered,
    /// An argument makes no sense: why, and what would.
    #[error("{0}")]
    Usage(String),
    /// Something that cannot happen did.
    #[error("{0}")]
    Internal(String),
}

impl Failure {
    /// A fault in the value of a flag.
    pub fn of_flag(name: &str, fault: Fault) -> Self {
        let message = format!("{name}: {}", fault.message);
        Self::Argument(Faults::from(Fault { message, ..fault }))
    }

    /// The code that the process exits with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::ClosedPipe => FINE,
            Failure::Stopped | Failure::Cut(_) => STOPPED,
            Failure::Internal(_) => INTERNAL,
            _ => BAD_INPUT,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
            _ => Failure::Output(error),
        }
    }
}

impl From<CatalogCommandError> for Failure {
    fn from(error: CatalogCommandError) -> Self {
        match error {
            CatalogCommandError::Write(error) => error.into(),
            unknown => Failure::Catalog(unknown),
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Failure::Internal(error.to_string())
    }
}

impl From<rayon::ThreadPoolBuildError> for Failure {
    fn from(error: rayon::ThreadPoolBuildError) -> Self {
        Failure::Internal(format!("no threads: {error}"))
    }
}
