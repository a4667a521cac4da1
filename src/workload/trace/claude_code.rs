//! Recorded sessions of Claude Code, in the JSON of WEKA's and InferenceX's agentic traces.
//!
//! A file is one session (`trace_0001.json`), a list of them one per line (`.jsonl`), or both in a
//! folder. A session has `requests`: calls with sizes, chained block hashes, the model's and the
//! client's time, and among them sub-agents with requests of their own.
//!
//! What is replayed: a call begins its recorded `think_time` after the previous call has ended.
//! Sub-agents between two calls of their parent become child sessions, in parallel where their
//! recorded times overlap; the parent waits for all, and goes on as long after the last of them as
//! it was recorded.
//!
//! A sub-agent's `t` is the moment of its *completion*: in all 32 sub-agents whose parent is in the
//! published sample, `t - duration_ms` lies 0.1 to 1.1 s behind the end of the parent's call that
//! spawned it, and the parent's next call begins after `t`. (Taken as the spawn, `t` would put the
//! parent's next call before its sub-agents' ends.) A file that writes the spawn instead is
//! recognised by `t - duration_ms` lying before that call's end.
//!
//! Source: <https://github.com/callanjfox/kv-cache-tester> (739 sessions, Apache-2.0); the cap on
//! idle gaps is that of <https://github.com/SemiAnalysisAI/InferenceX> `utils/agentic`.

mod builder;
mod counts;
mod session_file;

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::lines::{Lines, malformed, not_text};
use super::{Trace, TraceError, TracePlace};
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

/// Reads a session file, a file of sessions one per line, or all such files of a folder in the order
/// of their names.
///
/// # Errors
/// The first thing that is not as the format asks for, and a file or folder without calls.
pub fn read_path(path: &Path, options: ClaudeCodeOptions) -> Result<Trace, TraceError> {
    let name = path.display().to_string();
    let mut builder = Builder::new(&name, options);
    let files = if path.is_dir() {
        session_files(path, &mut builder).map_err(|source| unreadable(path, source))?
    } else {
        vec![path.to_owned()]
    };
    for file in files {
        let name = file.display().to_string();
        let opened = File::open(&file).map_err(|source| unreadable(&file, source))?;
        let mut reader = BufReader::with_capacity(1 << 16, opened);
        if has_extension(&file, "jsonl") {
            read_lines(&name, &mut reader, &mut builder)?;
        } else {
            read_session(&name, &mut reader, &mut builder)?;
        }
    }
    builder.finish()
}

/// Reads one session, or several one after the other; `file` is its name in messages.
///
/// # Errors
/// As [`read_path`].
pub fn read(
    file: &str,
    mut reader: impl BufRead,
    options: ClaudeCodeOptions,
) -> Result<Trace, TraceError> {
    let mut builder = Builder::new(file, options);
    read_session(file, &mut reader, &mut builder)?;
    builder.finish()
}

/// Files of a folder that may hold sessions, by name.
fn session_files(folder: &Path, builder: &mut Builder) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if has_extension(&path, "json") || has_extension(&path, "jsonl") {
            files.push(path);
        } else {
            builder.counts.other_files += 1;
        }
    }
    files.sort();
    Ok(files)
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

fn unreadable(path: &Path, source: io::Error) -> TraceError {
    TraceError::Unreadable { file: path.display().to_string(), source }
}

/// One session per line: no more than one line is in memory.
fn read_lines(file: &str, reader: impl BufRead, builder: &mut Builder) -> Result<(), TraceError> {
    let mut lines = Lines::new(file, reader);
    while lines.read()? {
        let session = lines.parse(EXPECTED)?;
        builder.add(session, lines.place())?;
    }
    builder.counts.blank_lines += lines.blank;
    Ok(())
}

/// Sessions one after the other, each over as many lines as it likes: the file is in memory.
fn read_session(
    file: &str,
    mut reader: impl BufRead,
    builder: &mut Builder,
) -> Result<(), TraceError> {
    let mut text = Vec::new();
    let read = reader.read_to_end(&mut text);
    read.map_err(|source| TraceError::Unreadable { file: file.to_owned(), source })?;
    let start = |byte: usize| {
        let line = 1 + text[..byte].iter().filter(|&&b| b == b'\n').count() as u64;
        TracePlace { file: file.to_owned(), line, byte: byte as u64, path: String::new() }
    };
    if let Some((problem, mend)) = not_text(&text) {
        return Err(malformed(start(0), problem, mend));
    }
    let mut next = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    loop {
        next += text[next..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if next == text.len() {
            return Ok(());
        }
        let place = start(next);
        let rest = &text[next..];
        let mut sessions = serde_json::Deserializer::from_slice(rest).into_iter();
        match sessions.next() {
            Some(Ok(session)) => builder.add(session, &place)?,
            Some(Err(error)) => {
                return Err(super::lines::json_error(&place, rest, &error, EXPECTED));
            }
            None => return Ok(()),
        }
        next += sessions.byte_offset();
    }
}
