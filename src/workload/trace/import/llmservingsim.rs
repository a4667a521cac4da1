//! LLMServingSim's JSON lines: agents as chains of requests, or single requests.
//!
//! ```json
//! {"session_id": "a", "arrival_time_ns": 0, "sub_requests": [
//!   {"input_toks": 900, "output_toks": 60, "tool_duration_ns": 1500000000}]}
//! {"input_toks": 120, "output_toks": 80, "arrival_time_ns": 250000000}
//! ```
//!
//! `input_tok_ids`, where they are given, say what prompts share, in blocks of sixteen tokens.
//!
//! Source: <https://github.com/casys-kaist/LLMServingSim> (MIT).

use std::hash::{Hash, Hasher};
use std::path::PathBuf;

use rustc_hash::FxHasher;
use serde::Deserialize;
use serde_json::Value;

use super::input::{files, name, open};
use super::notes::Notes;
use super::timeline::{self, Turn};
use crate::workload::trace::lines::{Lines, malformed};
use crate::workload::trace::recording::{Call, Context, Ending, Header, Sink, VERSION};
use crate::workload::trace::{KeyScope, TraceError};

const EXPECTED: &str = "a line is {\"arrival_time_ns\", \"sub_requests\": [{\"input_toks\", \
    \"output_toks\", \"tool_duration_ns\"}]} or {\"arrival_time_ns\", \"input_toks\", \"output_toks\"}";

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    session_id: Option<Value>,
    arrival_time_ns: f64,
    sub_requests: Option<Vec<SubRequest>>,
    input_toks: Option<u32>,
    output_toks: Option<u32>,
    input_tok_ids: Option<Vec<u32>>,
}

#[derive(Deserialize)]
struct SubRequest {
    input_toks: u32,
    output_toks: u32,
    #[serde(default)]
    tool_duration_ns: f64,
    input_tok_ids: Option<Vec<u32>>,
}

/// Tokens of a block: how finely vLLM shares what prompts have in common.
const BLOCK: u32 = 16;

/// Tokens are the same wherever they stand; what follows from sizes alone is a session's own.
fn header(tells_tokens: bool) -> Header {
    let scope = if tells_tokens { KeyScope::Global } else { KeyScope::PerSession };
    Header { version: VERSION, source: "llmservingsim".into(), scope, block_size: BLOCK }
}

/// What a prompt of these tokens shares: each block by all tokens up to its end.
fn context(tokens: &[u32], input: u32) -> Context {
    let mut all_before = FxHasher::default();
    let blocks = tokens.chunks(BLOCK as usize).take(input.div_ceil(BLOCK) as usize);
    let id = |block: &[u32]| {
        block.hash(&mut all_before);
        (all_before.finish(), 1)
    };
    Context::Blocks(blocks.map(id).collect())
}

pub(super) fn read(paths: &[PathBuf], sink: &mut dyn Sink) -> Result<Ending, TraceError> {
    let mut notes = Notes::default();
    let mut scope = None;
    for path in files(paths)? {
        let mut lines = Lines::new(&name(&path), open(&path)?);
        while lines.read()? {
            let row: Row = lines.parse(EXPECTED)?;
            let start_s = row.arrival_time_ns / 1e9;
            let wrong = |problem: &str| malformed(lines.place().clone(), problem, EXPECTED);
            if !(0.0..1e7).contains(&start_s) {
                return Err(wrong("`arrival_time_ns` is no time from the start of the trace"));
            }
            let requests = match (row.sub_requests, row.input_toks, row.output_toks) {
                (Some(requests), _, _) => requests,
                (None, Some(input_toks), Some(output_toks)) => {
                    let input_tok_ids = row.input_tok_ids;
                    vec![SubRequest {
                        input_toks,
                        output_toks,
                        tool_duration_ns: 0.0,
                        input_tok_ids,
                    }]
                }
                _ => return Err(wrong("neither `sub_requests` nor `input_toks`, `output_toks`")),
            };
            let tells_tokens = requests.iter().any(|request| request.input_tok_ids.is_some());
            let is_shared = match scope {
                Some(scope) => scope == KeyScope::Global,
                None => {
                    let header = header(tells_tokens);
                    sink.begin(&header)?;
                    *scope.insert(header.scope) == KeyScope::Global
                }
            };
            notes.count_if(
                tells_tokens && !is_shared,
                "rows told tokens, but not the first: shared within their session only",
            );
            let turns = requests.into_iter().map(|request| Turn {
                call: Call {
                    input: request.input_toks,
                    output: request.output_toks,
                    context: match &request.input_tok_ids {
                        Some(tokens) => context(tokens, request.input_toks),
                        None => Context::default(),
                    },
                    ..Call::default()
                },
                wait_after_s: Some((request.tool_duration_ns / 1e9).clamp(0.0, 1e7)),
                ..Turn::default()
            });
            let name = match row.session_id {
                Some(Value::String(name)) => name,
                Some(Value::Null) | None => String::new(),
                Some(other) => other.to_string(),
            };
            sink.session(timeline::session(name, Some(start_s), turns.collect(), &mut notes))?;
        }
        notes.add("blank lines passed over", lines.blank);
    }
    if scope.is_none() {
        sink.begin(&header(false))?;
    }
    Ok(Ending { clock_grid_s: 0.0, notes: notes.into_lines() })
}
