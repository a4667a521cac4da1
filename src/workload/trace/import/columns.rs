//! Any table with a row for each call: CSV with a header, or JSON lines of flat objects.
//!
//! What a column means is told by its name, or by `--column MEANING=NAME`. A name may end in a unit
//! (`_s`, `_ms`, `_us`, `_ns`); times are seconds otherwise. Known meanings and usual names:
//!
//! | meaning | names |
//! |---|---|
//! | `input`, `output` | `input_tokens`, `prompt_tokens`, `input_len`, ...; `output_tokens`, ... |
//! | `session`, `thread` | `session_id`, `conversation_id`, `trace`, `task`; `conversation`, `agent` |
//! | `start`, `end`, `time`, `ttft` | `start_time`, `arrival_time`, `t`; `end_time`; `duration`, `api_time` |
//! | `wait`, `wait_after` | `think_time`, `pre_gap`; `tool_delay_after` |
//! | `cached`, `model`, `kind` | `cached_tokens`; `model`, `request_model`; `input_types` |
//!
//! A row is at least `output`. Rows of one session are its calls; a second thread in it is a
//! sub-agent's. Where nobody recorded prompts, they are assumed (see [`assume_prompts`]).

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustc_hash::FxHashMap;
use serde_json::{Map, Value};

use super::agentperf::Tasks;
use super::azure::one_call;
use super::input::{Table, files, name, open, timestamp_s};
use super::notes::{NO_INPUT, NO_OUTPUT, Notes};
use super::timeline::{self, Turn};
use crate::foundations::error::suggest;
use crate::workload::trace::lines::{Lines, malformed};
use crate::workload::trace::recording::{Call, Ending, Header, Sink};
use crate::workload::trace::{Gap, TraceError, TracePlace};

const EXPECTED: &str = "name the columns with `--column input=NAME --column output=NAME`";

/// What a column may mean, and the names by which it goes without its unit.
const MEANINGS: [(&str, &[&str]); 13] = [
    (
        "input",
        &[
            "input",
            "input_tokens",
            "prompt_tokens",
            "input_len",
            "input_length",
            "context_tokens",
            "recorded_prompt_tokens",
        ],
    ),
    (
        "output",
        &[
            "output",
            "output_tokens",
            "completion_tokens",
            "output_len",
            "output_length",
            "generated_tokens",
            "response_tokens",
        ],
    ),
    ("session", &["session", "session_id", "conversation_id", "trace", "trace_id", "task", "id"]),
    ("thread", &["thread", "conversation", "agent", "agent_id"]),
    ("start", &["start", "start_time", "arrival_time", "timestamp", "t", "time_stamp"]),
    ("end", &["end", "end_time"]),
    ("time", &["time", "duration", "api_time", "latency", "model", "elapsed"]),
    ("ttft", &["ttft", "time_to_first_token"]),
    ("wait", &["wait", "think_time", "pre_gap", "gap"]),
    ("wait_after", &["wait_after", "tool_delay_after", "tool_wait_after"]),
    ("cached", &["cached", "cached_tokens", "prefix_len", "prefix_tokens", "cache_read_tokens"]),
    ("model", &["model", "request_model", "model_id", "model_name"]),
    ("kind", &["kind", "input_types", "gap_kind"]),
];
/// Meanings whose columns may carry a unit.
const TIMES: [&str; 6] = ["start", "end", "time", "ttft", "wait", "wait_after"];
const UNITS: [(&str, f64); 5] =
    [("_ms", 1e-3), ("_us", 1e-6), ("_ns", 1e-9), ("_s", 1.0), ("", 1.0)];

/// Prompts that nobody recorded: the first of a session, and what each tool call brings. Medians
/// of 8,192 coding tasks (Applied Compute trie) for the first and the mean of 165,711 tool results.
const ASSUMED_FIRST: u32 = 6448;
const ASSUMED_RESULT: u32 = 647;

/// Which column holds what, and what its numbers are to be multiplied with.
type Columns = FxHashMap<&'static str, (String, f64)>;

pub(super) fn read(
    paths: &[PathBuf],
    named: &[NamedColumn],
    sink: &mut dyn Sink,
) -> Result<Ending, TraceError> {
    sink.begin(&Header::without_blocks("columns"))?;
    let mut rows = Rows::default();
    for path in files(paths)? {
        let start = super::input::start(&path).unwrap_or_default();
        let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start);
        let is_json = start.trim_ascii_start().starts_with(b"{");
        match is_json {
            true => read_lines(&path, named, &mut rows)?,
            false => read_table(&path, named, &mut rows)?,
        }
    }
    rows.finish(sink)
}

fn read_table(path: &Path, named: &[NamedColumn], rows: &mut Rows) -> Result<(), TraceError> {
    let mut table = Table::open(path)?;
    let place = TracePlace { file: name(path), line: 1, ..TracePlace::default() };
    let columns = columns(&table.header, named, &place)?;
    let at = |meaning: &str| {
        let (column, factor) = columns.get(meaning)?;
        Some((table.column(column)?, *factor))
    };
    let places: FxHashMap<&str, (usize, f64)> =
        MEANINGS.iter().filter_map(|&(meaning, _)| Some((meaning, at(meaning)?))).collect();
    while table.read()? {
        let cell = |meaning: &str| {
            let &(column, factor) = places.get(meaning)?;
            Some((table.cell(column), factor)).filter(|(cell, _)| !cell.is_empty())
        };
        rows.add(cell).map_err(|(meaning, problem)| {
            table.wrong(places.get(meaning).map_or(0, |&(column, _)| column), problem, EXPECTED)
        })?;
    }
    Ok(())
}

fn read_lines(path: &Path, named: &[NamedColumn], rows: &mut Rows) -> Result<(), TraceError> {
    let mut lines = Lines::new(&name(path), open(path)?);
    let mut known: Option<Columns> = None;
    while lines.read()? {
        let row: Map<String, Value> = lines.parse("one flat object a line")?;
        let columns = match &mut known {
            Some(columns) => columns,
            none => {
                let keys: Vec<String> = row.keys().cloned().collect();
                none.insert(columns(&keys, named, lines.place())?)
            }
        };
        let texts: FxHashMap<&str, (String, f64)> = columns
            .iter()
            .filter_map(|(&meaning, (column, factor))| {
                let text = match row.get(column)? {
                    Value::Null => return None,
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                Some((meaning, (text, *factor)))
            })
            .collect();
        let cell =
            |meaning: &str| texts.get(meaning).map(|(text, factor)| (text.as_str(), *factor));
        rows.add(cell).map_err(|(meaning, problem)| {
            let path = columns.get(meaning).map(|(column, _)| column.clone()).unwrap_or_default();
            let problem = format!("`{}` is {problem}", cell(meaning).map_or("", |(text, _)| text));
            malformed(TracePlace { path, ..lines.place().clone() }, problem, EXPECTED)
        })?;
    }
    rows.notes.add("blank lines passed over", lines.blank);
    Ok(())
}

/// What a column means, said by name: `input=prompt_tokens`, with a factor `cached=blocks*64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedColumn {
    meaning: &'static str,
    name: String,
}

impl FromStr for NamedColumn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (meaning, name) =
            text.split_once('=').ok_or("write MEANING=NAME, as input=prompt_tokens")?;
        let meanings = || MEANINGS.iter().map(|&(meaning, _)| meaning);
        let known = meanings().find(|known| *known == meaning);
        let meaning = known.ok_or_else(|| {
            let meant = suggest(meaning, meanings());
            let meant = meant.map(|meant| format!(" (did you mean `{meant}`?)"));
            let meanings = meanings().collect::<Vec<_>>().join(", ");
            format!(
                "no meaning `{meaning}`{}; a column may mean {meanings}",
                meant.unwrap_or_default()
            )
        })?;
        Ok(Self { meaning, name: name.to_owned() })
    }
}

impl fmt::Display for NamedColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.meaning, self.name)
    }
}

/// Finds the columns: those that were named, then those whose names say what they are.
fn columns(
    header: &[String],
    named: &[NamedColumn],
    place: &TracePlace,
) -> Result<Columns, TraceError> {
    let refuse = |problem: String| {
        let mend = format!("the columns are {}", header.join(", "));
        malformed(place.clone(), problem, mend)
    };
    let mut columns = Columns::default();
    for NamedColumn { meaning, name } in named {
        let (column, factor) = match name.split_once('*') {
            Some((column, factor)) => (column, factor.trim().parse().ok()),
            None => (name.as_str(), Some(unit(name).1)),
        };
        let column = column.trim();
        if !header.iter().any(|known| known == column) {
            return Err(refuse(format!("no column `{column}`")));
        }
        let factor = factor.filter(|factor: &f64| factor.is_finite() && *factor > 0.0);
        let factor = factor.ok_or_else(|| refuse(format!("no factor behind `{column}*`")))?;
        columns.insert(*meaning, (column.to_owned(), factor));
    }
    for (meaning, names) in MEANINGS {
        let of = |wanted: &&str| {
            header.iter().find_map(|column| {
                let lower = column.to_ascii_lowercase();
                // A column `model_s` is the model's time, one `model` its name.
                let is_plain = lower == **wanted && (meaning != "time" || lower != "model");
                let (stem, factor) = unit(&lower);
                let has_unit = TIMES.contains(&meaning) && stem != lower && stem == *wanted;
                let factor = if is_plain { 1.0 } else { factor };
                (is_plain || has_unit).then(|| (column.clone(), factor))
            })
        };
        if !columns.contains_key(meaning)
            && let Some(found) = names.iter().find_map(of)
        {
            columns.insert(meaning, found);
        }
    }
    if !columns.contains_key("output") {
        return Err(refuse("no column for tokens of the answer".to_owned()));
    }
    Ok(columns)
}

/// A column's name without its unit, and the unit in seconds.
fn unit(column: &str) -> (&str, f64) {
    let found = UNITS.iter().find_map(|&(unit, factor)| Some((column.strip_suffix(unit)?, factor)));
    found.unwrap_or((column, 1.0))
}

/// Rows gathered by session.
#[derive(Default)]
struct Rows {
    tasks: Tasks,
    single: Vec<Turn>,
    notes: Notes,
}

impl Rows {
    /// Adds a row whose cells `cell` gives by meaning; otherwise which of them is wrong, and why.
    fn add<'c>(
        &mut self,
        cell: impl Fn(&str) -> Option<(&'c str, f64)>,
    ) -> Result<(), (&'static str, &'static str)> {
        let number = |meaning: &'static str| match cell(meaning) {
            None => Ok(None),
            Some((text, factor)) => match text.parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(Some(value * factor)),
                _ => Err((meaning, "no number")),
            },
        };
        let time = |meaning: &'static str| match cell(meaning) {
            Some((text, _)) if text.parse::<f64>().is_err() => {
                timestamp_s(text).map(Some).ok_or((meaning, "neither a number nor a date and time"))
            }
            _ => number(meaning),
        };
        let tokens = |meaning: &'static str| match number(meaning)? {
            Some(value) if (0.0..=4e9).contains(&value) => Ok(Some(libm::round(value) as u32)),
            Some(_) => Err((meaning, "no number of tokens")),
            None => Ok(None),
        };
        let (start, end) = (time("start")?, time("end")?);
        let lasted = start.zip(end).map(|(start, end)| (end - start).max(0.0));
        let kind = cell("kind").map(|(kind, _)| kind);
        let turn = Turn {
            start_s: start,
            time_s: number("time")?.filter(|time| *time >= 0.0).or(lasted),
            wait_s: number("wait")?,
            wait_after_s: number("wait_after")?,
            gap: kind.and_then(|kind| {
                let by_tool = kind.contains("tool");
                let by_person =
                    kind.contains("text") || kind.contains("user") || kind.contains("human");
                if by_tool { Some(Gap::Tool) } else { by_person.then_some(Gap::Human) }
            }),
            call: Call {
                input: tokens("input")?.unwrap_or(0),
                output: tokens("output")?.ok_or(("output", "missing"))?,
                model: cell("model").map(|(model, _)| model.to_owned()).unwrap_or_default(),
                ttft_s: number("ttft")?,
                ..Call::default()
            },
            cached: tokens("cached")?,
            ..Turn::default()
        };
        match cell("session") {
            Some((session, _)) => {
                let thread = cell("thread").map(|(thread, _)| thread.to_owned());
                self.tasks.add(session.to_owned(), thread.unwrap_or_default(), turn);
            }
            None => self.single.push(turn),
        }
        Ok(())
    }

    fn finish(mut self, sink: &mut dyn Sink) -> Result<Ending, TraceError> {
        let turns = || self.tasks.turns().chain(&self.single);
        let origin = timeline::earliest(turns());
        let nobody_recorded_prompts =
            turns().all(|turn| turn.agent.is_empty() && turn.call.input == 0);
        for turn in self.single {
            if turn.call.input == 0 && !nobody_recorded_prompts {
                self.notes.count(NO_INPUT);
                continue;
            }
            self.notes.count_if(turn.call.output == 0, NO_OUTPUT);
            let start = turn.start_s.zip(origin).map_or(0.0, |(start, origin)| start - origin);
            let input = turn.call.input.max(1);
            let output = turn.call.output.max(1);
            let mut session = one_call(start, Call { input, output, ..turn.call });
            session.start_s = turn.start_s.map(|_| start);
            sink.session(session)?;
        }
        for (name, mut turns) in self.tasks.finish() {
            if nobody_recorded_prompts {
                assume_prompts(&mut turns, &mut self.notes);
            }
            let start =
                timeline::earliest(&turns).zip(origin).map(|(start, origin)| start - origin);
            sink.session(timeline::session(name, start, turns, &mut self.notes))?;
        }
        Ok(Ending { clock_grid_s: 0.0, notes: self.notes.into_lines() })
    }
}

/// Gives a session prompts that nobody recorded: a first one, and each next longer by the answer
/// before and a tool's result.
fn assume_prompts(turns: &mut [Turn], notes: &mut Notes) {
    let mut input = ASSUMED_FIRST;
    for turn in turns {
        notes.count(
            "calls had no recorded prompt: assumed 6,448 tokens at first, then all before and 647 more",
        );
        turn.call.input = input;
        input = input.saturating_add(turn.call.output).saturating_add(ASSUMED_RESULT);
    }
}
