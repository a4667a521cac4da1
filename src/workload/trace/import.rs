//! Recordings of other tools, read into the one form of [`super::recording`].
//!
//! Each format has a reader of its own in a file of its own: it takes files, hands sessions to a
//! [`Sink`] and says at the end what it dropped, repaired or assumed. Where a line is a session or a
//! request by itself, no more than that is in memory. Where rows of one session are spread over a
//! file, their numbers are kept until its end, and none of their text.

mod agentic_mooncake;
mod agentperf;
mod azure;
mod burstgpt;
mod columns;
mod inference_lab;
mod input;
mod llmservingsim;
mod notes;
mod otel;
mod ragpulse;
mod servegen;
mod tau_bench;
mod timeline;
mod tracelab;
mod trie;

use std::path::{Path, PathBuf};

pub use columns::NamedColumn;

use super::claude_code::{self, ClaudeCodeOptions};
use super::mooncake::{self, MooncakeOptions};
use super::recording::{self, Ending, Sink};
use super::{TraceError, lines};

/// What a recording is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// What `tokenfleet import` writes.
    Tokenfleet,
    /// Mooncake's JSON lines of single requests.
    Mooncake,
    /// Session files of Claude Code (WEKA, InferenceX), or a folder of them.
    ClaudeCode,
    /// Azure's tables of 2023 to 2025.
    Azure,
    /// BurstGPT's tables.
    BurstGpt,
    /// ServeGen's clients: rates and lengths by window, of which requests are drawn.
    ServeGen,
    /// Applied Compute's trie: an agent's turns, one task a line.
    Trie,
    /// Rounds of TraceLab.
    TraceLab,
    /// OpenTelemetry spans of generative AI, as OTLP JSON.
    Otel,
    /// Dynamo's agentic Mooncake, version 1 or 2.
    AgenticMooncake,
    /// LLMServingSim's JSON lines, agentic or flat.
    LlmServingSim,
    /// Sessions of inference-lab.
    InferenceLab,
    /// RAGPulse's requests and the sizes of their parts.
    RagPulse,
    /// Model calls of agentperf (Artificial Analysis).
    AgentPerf,
    /// The table of runs of tau-bench.
    TauBench,
    /// Any table or JSON lines with a row for each call and named columns.
    Columns,
}

impl Format {
    /// All formats, in the order in which they are listed.
    pub const ALL: [Self; 16] = [
        Self::Tokenfleet,
        Self::Mooncake,
        Self::ClaudeCode,
        Self::Azure,
        Self::BurstGpt,
        Self::ServeGen,
        Self::Trie,
        Self::TraceLab,
        Self::Otel,
        Self::AgenticMooncake,
        Self::LlmServingSim,
        Self::InferenceLab,
        Self::RagPulse,
        Self::AgentPerf,
        Self::TauBench,
        Self::Columns,
    ];

    /// Their names on the command line and in scenarios, in the same order.
    pub const NAMES: [&str; 16] = [
        "tokenfleet",
        "mooncake",
        "claude-code",
        "azure",
        "burstgpt",
        "servegen",
        "trie",
        "tracelab",
        "otel",
        "agentic-mooncake",
        "llmservingsim",
        "inference-lab",
        "ragpulse",
        "agentperf",
        "tau-bench",
        "columns",
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The format of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// What a file looks like that begins so, if it looks like any.
    pub fn guess(start: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(&start[..start.len().min(1 << 14)]);
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let line = text.lines().next().unwrap_or_default();
        let has = |key: &str| text.contains(&format!("\"{key}\""));
        if !text.starts_with(['{', '[']) {
            return Self::guess_table(line);
        }
        let signs: [(Self, &[&str]); 13] = [
            (Self::Tokenfleet, &["tokenfleet_trace"]),
            (Self::Otel, &["resourceSpans"]),
            (Self::ClaudeCode, &["hash_id_scope", "requests"]),
            (Self::Trie, &["assistant_response_length"]),
            (Self::TraceLab, &["newly_append_tokens"]),
            (Self::LlmServingSim, &["sub_requests"]),
            (Self::LlmServingSim, &["input_toks", "arrival_time_ns"]),
            (Self::AgenticMooncake, &["play_id"]),
            (Self::AgenticMooncake, &["request_id", "hash_ids"]),
            (Self::RagPulse, &["passages_ids"]),
            (Self::AgentPerf, &["recorded_prompt_tokens"]),
            (Self::InferenceLab, &["steps", "gap"]),
            (Self::Mooncake, &["hash_ids", "input_length"]),
        ];
        let found = signs.iter().find(|(_, keys)| keys.iter().all(|key| has(key)));
        let generic = has("output_tokens") || has("input_tokens");
        found.map(|(format, _)| *format).or(generic.then_some(Self::Columns))
    }

    fn guess_table(header: &str) -> Option<Self> {
        if header.starts_with("TIMESTAMP,") && header.contains("GeneratedTokens") {
            Some(Self::Azure)
        } else if header.contains("Request tokens") {
            Some(Self::BurstGpt)
        } else if header.contains("llm_calls") && header.contains("assistant_chars") {
            Some(Self::TauBench)
        } else if header.split(',').count() == 6
            && header.split(',').take(3).all(|cell| cell.trim().parse::<f64>().is_ok())
        {
            Some(Self::ServeGen)
        } else {
            let token_column = header.split(',').any(|cell| cell.contains("token"));
            token_column.then_some(Self::Columns)
        }
    }
}

/// How to read recordings; each option concerns some of the formats.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportOptions {
    /// Tokens of a block of hashes, where the file does not say: 512 for Mooncake.
    pub block_size: Option<u32>,
    /// Claude Code calls of more tokens are left out.
    pub longest_call: Option<u32>,
    /// Seconds of a described workload (ServeGen) to draw.
    pub span_s: Option<f64>,
    /// Seed of what is drawn.
    pub seed: u64,
    /// Columns whose meaning their own name does not tell.
    pub columns: Vec<NamedColumn>,
}

/// Reads files of one format into a sink.
///
/// # Errors
/// The first thing that is not as the format asks for, with its place, and what the file looks like
/// instead.
pub fn read(
    format: Format,
    paths: &[PathBuf],
    options: &ImportOptions,
    sink: &mut dyn Sink,
) -> Result<Ending, TraceError> {
    dispatch(format, paths, options, sink).map_err(|error| hint(error, format))
}

fn dispatch(
    format: Format,
    paths: &[PathBuf],
    options: &ImportOptions,
    sink: &mut dyn Sink,
) -> Result<Ending, TraceError> {
    match format {
        Format::Tokenfleet => {
            let path = input::only(paths, "tokenfleet")?;
            recording::read(&input::name(path), input::open(path)?, sink)
        }
        Format::Mooncake => {
            let path = input::only(paths, "mooncake")?;
            let usual = MooncakeOptions::default().block_size;
            let block_size = options.block_size.unwrap_or(usual);
            let reader = input::open(path)?;
            mooncake::read_into(&input::name(path), reader, MooncakeOptions { block_size }, sink)
        }
        Format::ClaudeCode => {
            let longest_call = options.longest_call;
            let options = ClaudeCodeOptions { longest_call, ..ClaudeCodeOptions::default() };
            claude_code::read_paths(paths, options, sink)
        }
        Format::Azure => azure::read(paths, sink),
        Format::BurstGpt => burstgpt::read(paths, sink),
        Format::ServeGen => servegen::read(paths, options, sink),
        Format::Trie => trie::read(paths, sink),
        Format::TraceLab => tracelab::read(paths, sink),
        Format::Otel => otel::read(paths, sink),
        Format::AgenticMooncake => agentic_mooncake::read(paths, options, sink),
        Format::LlmServingSim => llmservingsim::read(paths, sink),
        Format::InferenceLab => inference_lab::read(paths, sink),
        Format::RagPulse => ragpulse::read(paths, sink),
        Format::AgentPerf => agentperf::read(paths, sink),
        Format::TauBench => tau_bench::read(paths, sink),
        Format::Columns => columns::read(paths, &options.columns, sink),
    }
}

/// What the file at `path`, or the first file of the folder there, looks like.
pub fn guess(path: &Path) -> Option<Format> {
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        files = input::files_below(path).ok()?;
        if files.iter().any(|file| file.ends_with("0_trace.jsonl")) {
            return Some(Format::RagPulse);
        }
    }
    files.iter().find_map(|file| Format::guess(&input::start(file)?))
}

/// Adds to a refusal what the file looks like instead.
fn hint(error: TraceError, format: Format) -> TraceError {
    let TraceError::Malformed { place, problem, mend } = error else { return error };
    let start = input::start(Path::new(&place.file));
    let other = start.and_then(|start| match lines::not_text(&start) {
        Some(_) => None,
        None => Format::guess(&start),
    });
    let mend = match other.filter(|&other| other != format) {
        Some(other) => format!("it looks like {0}: `tokenfleet import {0}`", other.name()),
        None => mend,
    };
    TraceError::Malformed { place, problem, mend }
}

#[cfg(test)]
mod tests;
