//! RAGPulse: a week of a question-answering service, each prompt as a list of its parts.
//!
//! `0_trace.jsonl` names the parts of every request, in the order in which they stand in the prompt
//! here: system prompt, passages, history, web search, question. Five tables beside it hold the
//! sizes of the parts. Prompts share their leading parts.
//!
//! Source: <https://github.com/flashserve/RAGPulse> (MIT).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;
use serde::Deserialize;

use super::input::{files_below, name, only, open};
use super::notes::{NO_OUTPUT, Notes};
use crate::workload::trace::lines::{Lines, malformed};
use crate::workload::trace::recording::{
    Action, Call, Context, Ending, Header, Session, Sink, VERSION,
};
use crate::workload::trace::{Gap, KeyScope, TraceError};

const EXPECTED: &str = "a RAGPulse folder holds 0_trace.jsonl, whose lines are {\"timestamp\", \
    \"input_length\", \"output_length\", \"hash_ids\": {...}, \"session_id\"}, and 1_*.jsonl to \
    5_*.jsonl with the sizes of the parts";

#[derive(Deserialize)]
struct Request {
    timestamp: String,
    input_length: u32,
    output_length: u32,
    hash_ids: Parts,
    session_id: String,
}

#[derive(Deserialize)]
struct Parts {
    #[serde(default)]
    sys_prompt: Vec<u64>,
    #[serde(default)]
    passages_ids: Vec<u64>,
    #[serde(default)]
    history: Vec<u64>,
    #[serde(default)]
    web_search: Vec<u64>,
    #[serde(default)]
    user_input: Vec<u64>,
}

#[derive(Deserialize)]
struct Size {
    #[serde(
        alias = "sys_prompt_id",
        alias = "passage_id",
        alias = "history_id",
        alias = "user_input_id",
        alias = "web_search_id"
    )]
    id: u64,
    token_length: u32,
}

pub(super) fn read(paths: &[PathBuf], sink: &mut dyn Sink) -> Result<Ending, TraceError> {
    let folder = match paths {
        [folder] if folder.is_dir() => folder.as_path(),
        _ => only(paths, "ragpulse")?.parent().unwrap_or(Path::new("")),
    };
    let mut notes = Notes::default();
    let mut sizes = FxHashMap::default();
    let mut trace = None;
    for path in files_below(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })? {
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned());
        match file.as_deref().map(str::as_bytes) {
            Some([b'0', b'_', ..]) => trace = Some(path),
            Some([b'1'..=b'5', b'_', ..]) => read_sizes(&path, &mut sizes)?,
            _ => notes.count("other files passed over"),
        }
    }
    let Some(trace) = trace else {
        return Err(TraceError::Empty { file: name(folder), expected: EXPECTED });
    };
    let (version, scope) = (VERSION, KeyScope::Global);
    sink.begin(&Header { version, source: "ragpulse".into(), scope, block_size: 1 })?;
    let mut sessions: BTreeMap<String, Vec<(f64, Call)>> = BTreeMap::new();
    let mut lines = Lines::new(&name(&trace), open(&trace)?);
    while lines.read()? {
        let request: Request = lines.parse(EXPECTED)?;
        let time = request.timestamp.parse::<f64>().ok();
        let Some(time) = time.filter(|time| (0.0..1e7).contains(time)) else {
            let problem = format!("`{}` is no time in seconds", request.timestamp);
            return Err(malformed(lines.place().clone(), problem, EXPECTED));
        };
        if request.input_length == 0 {
            return Err(malformed(lines.place().clone(), "a request without input", EXPECTED));
        }
        let Parts { sys_prompt, passages_ids, history, web_search, user_input } = request.hash_ids;
        let parts = [sys_prompt, passages_ids, history, web_search, user_input];
        let (mut texts, mut sum) = (Vec::new(), 0_u64);
        for id in parts.into_iter().flatten() {
            match sizes.get(&id) {
                Some(&tokens) => {
                    texts.push((id, tokens));
                    sum += u64::from(tokens);
                }
                None => notes.count("parts of prompts have no recorded size: left out"),
            }
        }
        let fits =
            sum.abs_diff(u64::from(request.input_length)) <= u64::from(request.input_length) / 20;
        notes.count_if(
            !fits,
            "prompts differ by over 5 % from the sum of their parts: kept as recorded",
        );
        notes.count_if(request.output_length == 0, NO_OUTPUT);
        let call = Call {
            input: request.input_length,
            output: request.output_length.max(1),
            context: Context::Texts(texts),
            ..Call::default()
        };
        sessions.entry(request.session_id).or_default().push((time, call));
    }
    for (name, mut requests) in sessions {
        requests.sort_by(|one, other| one.0.total_cmp(&other.0));
        let start_s = requests.first().map(|&(start, _)| start);
        let mut before = start_s.unwrap_or(0.0);
        let action = |(at, call): (f64, Call)| {
            let is_first = Some(at) == start_s && before == at;
            let wait_s = at - std::mem::replace(&mut before, at);
            notes.count_if(
                wait_s > 0.0,
                "pauses between turns include the service of the recorded fleet",
            );
            let gap = if is_first { Gap::None } else { Gap::Human };
            Action { wait_s, gap, task: true, call: Some(call), ..Action::default() }
        };
        let actions = requests.into_iter().map(action).collect();
        sink.session(Session { name, start_s, actions, ..Session::default() })?;
    }
    notes.add("blank lines passed over", lines.blank);
    Ok(Ending { clock_grid_s: 0.0, notes: notes.into_lines() })
}

fn read_sizes(path: &Path, sizes: &mut FxHashMap<u64, u32>) -> Result<(), TraceError> {
    let mut lines = Lines::new(&name(path), open(path)?);
    while lines.read()? {
        let size: Size =
            lines.parse("a line is {\"<part>_id\": number, \"token_length\": tokens}")?;
        sizes.insert(size.id, size.token_length);
    }
    Ok(())
}
