//! Files that a scenario names: recorded workloads and models' `config.json`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::workload::trace::assemble::Assembler;
use crate::workload::trace::import::{self, Format, ImportOptions};
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
    pub format: Format,
    /// Tokens of a block of a Mooncake trace.
    pub block_size: Option<u32>,
    /// Claude Code calls of more tokens are left out.
    pub longest_call: Option<u32>,
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
        String::from_utf8(whole(&self.0.join(path))?).map_err(io::Error::other)
    }

    fn trace(&self, wanted: &WantedTrace) -> Result<Trace, TraceError> {
        let path = self.0.join(&wanted.path);
        let options = ImportOptions {
            block_size: wanted.block_size,
            longest_call: wanted.longest_call,
            ..ImportOptions::default()
        };
        let mut trace = Assembler::new(&path.display().to_string());
        let ending = import::read(wanted.format, &[path], &options, &mut trace)?;
        trace.finish(ending)
    }
}

/// The longest file that is read whole, bytes; recordings are read piece by piece.
const LONGEST: u64 = 256 << 20;

/// The bytes of a file.
///
/// # Errors
/// Whatever keeps it from being read; that it has no end, as `/dev/zero`, or is longer than any
/// scenario or configuration.
pub fn whole(path: &Path) -> io::Result<Vec<u8>> {
    whole_of(File::open(path)?)
}

/// All bytes of a stream; see [`whole`].
///
/// # Errors
/// As [`whole`].
pub fn whole_of(stream: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match stream.take(LONGEST + 1).read_to_end(&mut bytes)? as u64 > LONGEST {
        true => Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is longer than 256 MB")),
        false => Ok(bytes),
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
