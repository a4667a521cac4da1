//! What can be wrong with a recorded file.

use std::fmt;

use crate::foundations::Fault;

/// Why a recorded workload could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file system refused.
    #[error("cannot read `{file}`: {source}")]
    Unreadable {
        /// The file or folder.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// What was read could not be written down.
    #[error("cannot write `{file}`: {source}")]
    Unwritable {
        /// The file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The content is not what the format asks for.
    #[error("{place}: {problem} ({mend})")]
    Malformed {
        /// Where.
        place: TracePlace,
        /// What is wrong.
        problem: String,
        /// What was expected, or what to do.
        mend: String,
    },
    /// There is no recorded call in it.
    #[error("`{file}` holds no recorded calls ({expected})")]
    Empty {
        /// The file or folder.
        file: String,
        /// What was looked for.
        expected: &'static str,
    },
    /// More sessions, calls or blocks than 32-bit indices can count.
    #[error("`{file}` is too large: {what} exceed 4 billion (split it)")]
    TooLarge {
        /// The file that went over the limit.
        file: String,
        /// What there is too much of.
        what: &'static str,
    },
}

/// Where in a recorded file something stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TracePlace {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// Bytes from the start of the file.
    pub byte: u64,
    /// The JSON value concerned, such as `requests[12].in`; empty where the text itself is broken.
    pub path: String,
}

impl fmt::Display for TracePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}, byte {}", self.file, self.line, self.byte)?;
        if self.path.is_empty() { Ok(()) } else { write!(f, ", {}", self.path) }
    }
}

impl From<TraceError> for Fault {
    fn from(error: TraceError) -> Self {
        match error {
            TraceError::Malformed { place, problem, mend } => {
                Fault::new(format!("{place}: {problem}")).help(mend)
            }
            other => Fault::new(other.to_string()),
        }
    }
}
