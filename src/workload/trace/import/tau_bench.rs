//! The table of runs of tau-bench: a task a row, its calls counted and its texts measured in
//! characters.
//!
//! ```csv
//! task_id,trial,reward,llm_calls,tool_calls,tool_errors,user_messages,system_chars,assistant_chars,tool_result_chars
//! ```
//!
//! The table has no times and no sizes of single calls. Each run is replayed as its calls in equal
//! shares: tool calls first, then turns of the dialogue, four characters a token, a person answering
//! after 28.6 s (the mean of *InferCept*'s chats).
//!
//! Source: <https://github.com/sierra-research/tau-bench> (MIT).

use std::path::PathBuf;

use super::input::{Table, files};
use super::notes::Notes;
use crate::workload::trace::recording::{Action, Call, Context, Ending, Header, Session, Sink};
use crate::workload::trace::{Gap, TraceError};

const EXPECTED: &str = "the header names `llm_calls`, `tool_calls`, `system_chars`, \
    `assistant_chars` and `tool_result_chars`";

const CHARS_PER_TOKEN: f64 = 4.0;
const ANSWER_S: f64 = 28.6;

pub(super) fn read(paths: &[PathBuf], sink: &mut dyn Sink) -> Result<Ending, TraceError> {
    sink.begin(&Header::without_blocks("tau-bench"))?;
    let mut notes = Notes::default();
    for path in files(paths)? {
        let mut table = Table::open(&path)?;
        let column = |name: &str| table.needed(name, EXPECTED);
        let (calls, tools) = (column("llm_calls")?, column("tool_calls")?);
        let system = column("system_chars")?;
        let (assistant, results) = (column("assistant_chars")?, column("tool_result_chars")?);
        while table.read()? {
            let (calls, tools) = (table.tokens(calls)?, table.tokens(tools)?);
            if calls > 100_000 {
                return Err(table.wrong(0, "a run of over 100,000 calls", "check `llm_calls`"));
            }
            let share =
                |chars: f64, of: u32| (chars / CHARS_PER_TOKEN / f64::from(of.max(1))) as u32;
            let first = share(table.number(system)?, 1).max(1);
            let output = share(table.number(assistant)?, calls).max(1);
            let result = share(table.number(results)?, tools);
            notes.count("runs were recorded as sums: their calls are equal shares of them");
            let (mut actions, mut input, mut before) = (Vec::new(), first, 0);
            for place in 0..calls {
                let by_tool = (1..=tools).contains(&place);
                let call =
                    Call { input, output, context: Context::Keep(before, 1), ..Call::default() };
                let (gap, wait_s) = match (place, by_tool) {
                    (0, _) => (Gap::None, 0.0),
                    (_, true) => (Gap::Tool, 0.0),
                    (_, false) => (Gap::Human, ANSWER_S),
                };
                let task = place == 0;
                actions.push(Action { wait_s, gap, task, call: Some(call), spawn: Vec::new() });
                before = input;
                let came = if place < tools { result } else { output };
                input = input.saturating_add(output).saturating_add(came);
            }
            sink.session(Session { actions, ..Session::default() })?;
        }
    }
    Ok(Ending { clock_grid_s: 0.0, notes: notes.into_lines() })
}
