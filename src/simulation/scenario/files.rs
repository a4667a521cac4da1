//! Files that a scenario names: recorded workloads and models' `config.json`.

use std::io;
use std::path::{Path, PathBuf};

use crate::workload::trace::claude_code::{self, ClaudeCodeOptions};
use crate::workload::trace::mooncake::{self, MooncakeOptions};
use crate::workload::trace::{Trace, TraceError};

/// Where the files lie that a scenario names.
pub trait Files {
    /// The text of a file.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    fn text(&self, path: &str) -> io::Result<String>;

    /// A recorded workload.
    ///
    /// # Errors
    /// Whatever keeps it from being read, and what is wrong in it.
    fn trace(&self, wanted: &WantedTrace) -> Result<Trace, TraceError>;
}

/// A recorded workload as a scenario asks for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WantedTrace {
    /// File or folder, as the scenario writes it.
    pub path: String,
    /// What is in it.
    pub format: TraceFormat,
    /// Tokens of a block of a Mooncake trace.
    pub block_size: u32,
    /// Claude Code calls of more tokens are left out.
    pub longest_call: Option<u32>,
}

/// How a workload was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TraceFormat {
    /// Mooncake's JSON lines of single requests.
    Mooncake,
    /// Session files of Claude Code, or a folder of them.
    ClaudeCode,
}

/// Files below a folder; paths are relative to it.
#[derive(Clone, Debug)]
pub struct Folder(
    /// The folder.
    pub PathBuf,
);

impl Folder {
    /// The folder that a scenario file lies in.
    pub fn of(scenario: &Path) -> Self {
        Self(scenario.parent().unwrap_or(Path::new("")).to_owned())
    }
}

impl Files for Folder {
    fn text(&self, path: &str) -> io::Result<String> {
        std::fs::read_to_string(self.0.join(path))
    }

    fn trace(&self, wanted: &WantedTrace) -> Result<Trace, TraceError> {
        let path = self.0.join(&wanted.path);
        match wanted.format {
            TraceFormat::Mooncake => {
                mooncake::read_path(&path, MooncakeOptions { block_size: wanted.block_size })
            }
            TraceFormat::ClaudeCode => {
                let options = ClaudeCodeOptions {
                    longest_call: wanted.longest_call,
                    ..ClaudeCodeOptions::default()
                };
                claude_code::read_path(&path, options)
            }
        }
    }
}

/// No files at all, for scenarios that name none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

impl NoFiles {
    fn refuse() -> io::Error {
        io::Error::new(io::ErrorKind::NotFound, "there are no files here")
    }
}

impl Files for NoFiles {
    fn text(&self, _: &str) -> io::Result<String> {
        Err(Self::refuse())
    }

    fn trace(&self, wanted: &WantedTrace) -> Result<Trace, TraceError> {
        Err(TraceError::Unreadable { file: wanted.path.clone(), source: Self::refuse() })
    }
}
