//! Recorded sessions of Claude Code, in the JSON of WEKA's and InferenceX's agentic traces.
//!
//! A file is one session (`trace_0001.json`) or has one per line (`.jsonl`); a folder may hold
//! many. A session has `requests`: calls with sizes, chained block hashes, the model's and the
//! client's time, and among them sub-agents with requests of their own.
//!
//! What is replayed: a call begins its recorded `think_time` after the previous call has ended.
//! Sub-agents between two calls of their parent become child sessions, in parallel where their
//! recorded times overlap; the parent waits for all, and goes on as long after the last of them as
//! it was recorded.
//!
//! A sub-agent's `t` is the moment of its *completion*: in all 32 sub-agents that were checked,
//! `t - duration_ms` lies 0.1 to 1.1 s behind the end of the parent's call that spawned it, and the
//! parent's next call begins after `t`. (Taken as the spawn, `t` would put that call before the end
//! of what it waited for.) A file that writes the spawn instead is recognised by `t - duration_ms`
//! lying before the end of the parent's call. Times of a sub-agent's calls count from its spawn; a
//! session in which a sub-agent's first call lies behind its whole duration counts them from the
//! session's start.
//!
//! Source: <https://github.com/callanjfox/kv-cache-tester> (739 sessions, Apache-2.0); the cap on
//! idle gaps is that of <https://github.com/SemiAnalysisAI/InferenceX> `utils/agentic`.
//!
//! ```
//! use tokenfleet::workload::trace::RecordedStep;
//! use tokenfleet::workload::trace::claude_code::{ClaudeCodeOptions, read_path};
//!
//! let trace = read_path("scenarios/traces/claude-code".as_ref(), ClaudeCodeOptions::default())?;
//! let spawns = trace.actions.iter().filter(|a| matches!(a.step, RecordedStep::Spawn(_)));
//! assert_eq!((trace.roots.len(), trace.sessions.len(), spawns.count()), (4, 10, 3));
//! # Ok::<(), tokenfleet::workload::trace::TraceError>(())
//! ```

mod builder;
mod counts;
mod session_file;

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::assemble::Assembler;
use super::lines::Lines;
use super::recording::{Ending, Sink};
use super::{Trace, TraceError};
use crate::foundations::SimDuration;
use builder::Builder;

/// What a session must look like, for messages.
const EXPECTED: &str = "a session is {\"id\": name, \"block_size\": tokens, \"hash_id_scope\": \
    \"local\" or \"global\", \"requests\": [{\"t\", \"type\", \"model\", \"in\", \"out\", \
    \"hash_ids\", ...}]}";

/// How to read recorded sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClaudeCodeOptions {
    /// Longer pauses between actions are cut to this; InferenceX cuts at 300 s. People leave their
    /// desks, and a short trial would see nothing else.
    pub idle_cap: Option<SimDuration>,
    /// Calls of more tokens, input and output together, are left out, for models whose window is
    /// smaller than the recorded ones'.
    pub longest_call: Option<u32>,
}

/// Reads a session file, a file of sessions one per line, or all `.json` and `.jsonl` files of a
/// folder in the order of their names. No more than one session's text is in memory.
///
/// # Errors
/// The first thing that is not as the format asks for, and a file or folder without calls.
pub fn read_path(path: &Path, options: ClaudeCodeOptions) -> Result<Trace, TraceError> {
    let mut trace = Assembler::new(&path.display().to_string());
    let ending = read_paths(&[path.to_owned()], options, &mut trace)?;
    trace.finish(ending)
}

/// Reads files and folders into a sink, as [`read_path`] does.
///
/// # Errors
/// As [`read_path`].
pub fn read_paths(
    paths: &[PathBuf],
    options: ClaudeCodeOptions,
    sink: &mut dyn Sink,
) -> Result<Ending, TraceError> {
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let mut builder = Builder::new(options, sink);
    for path in paths {
        let files = if path.is_dir() {
            session_files(path, &mut builder).map_err(|source| unreadable(path, source))?
        } else {
            vec![path.clone()]
        };
        for path in files {
            let file = File::open(&path).map_err(|source| unreadable(&path, source))?;
            let reader = BufReader::with_capacity(1 << 16, file);
            read_sessions(&path.display().to_string(), reader, &mut builder)?;
        }
    }
    builder.finish(&names.join(", "))
}

/// Reads one session over as many lines as it likes, or sessions one per line; `file` is its name
/// in messages.
///
/// # Errors
/// As [`read_path`].
pub fn read(
    file: &str,
    reader: impl BufRead,
    options: ClaudeCodeOptions,
) -> Result<Trace, TraceError> {
    let mut trace = Assembler::new(file);
    let ending = read_into(file, reader, options, &mut trace)?;
    trace.finish(ending)
}

/// Reads one session, or sessions one per line, into a sink.
///
/// # Errors
/// As [`read_path`].
pub fn read_into(
    file: &str,
    reader: impl BufRead,
    options: ClaudeCodeOptions,
    sink: &mut dyn Sink,
) -> Result<Ending, TraceError> {
    let mut builder = Builder::new(options, sink);
    read_sessions(file, reader, &mut builder)?;
    builder.finish(file)
}

fn read_sessions(
    file: &str,
    reader: impl BufRead,
    builder: &mut Builder<'_>,
) -> Result<(), TraceError> {
    let mut lines = Lines::new(file, reader);
    let mut is_first = true;
    while lines.read()? {
        if is_first && !lines.is_complete() {
            lines.read_rest()?;
        }
        is_first = false;
        builder.add(lines.parse(EXPECTED)?, lines.place())?;
    }
    builder.counts.blank_lines += lines.blank;
    Ok(())
}

/// Files of a folder that may hold sessions, by name.
fn session_files(folder: &Path, builder: &mut Builder<'_>) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let extension = path.extension().map(|found| found.to_ascii_lowercase());
        if extension.is_some_and(|found| found == "json" || found == "jsonl") {
            files.push(path);
        } else {
            builder.counts.other_files += 1;
        }
    }
    files.sort();
    Ok(files)
}

fn unreadable(path: &Path, source: io::Error) -> TraceError {
    TraceError::Unreadable { file: path.display().to_string(), source }
}

#[cfg(test)]
mod tests;
