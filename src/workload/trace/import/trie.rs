//! Applied Compute's trie workloads: one agent's task a line, as lists over its turns.
//!
//! ```json
//! {"num_turns": 2, "input_prompt_length": 6342, "assistant_response_length": [85, 46],
//!  "tool_call_output_length": [664, 35], "tool_call_latency": [37.197, 1.56],
//!  "final_assistant_response_length": 288}
//! ```
//!
//! N turns are N + 1 requests: the prompt, then after each tool call all before it, the answer and
//! the result. Nobody recorded when tasks began, nor what prompts of different tasks share.

use std::path::PathBuf;

use serde::Deserialize;

use super::input::{files, name, open};
use super::notes::{NO_OUTPUT, Notes};
use crate::foundations::time::LONGEST_S;
use crate::workload::trace::lines::{Lines, malformed};
use crate::workload::trace::recording::{Action, Call, Context, Ending, Header, Session, Sink};
use crate::workload::trace::{Gap, TraceError};

const EXPECTED: &str = "a line is {\"num_turns\", \"input_prompt_length\", \
    \"assistant_response_length\": [...], \"tool_call_output_length\": [...], \
    \"tool_call_latency\": [...], \"final_assistant_response_length\"}";

#[derive(Deserialize)]
struct Task {
    num_turns: usize,
    input_prompt_length: u32,
    assistant_response_length: Vec<u32>,
    tool_call_output_length: Vec<u32>,
    tool_call_latency: Vec<f64>,
    final_assistant_response_length: u32,
}

pub(super) fn read(paths: &[PathBuf], sink: &mut dyn Sink) -> Result<Ending, TraceError> {
    sink.begin(&Header::without_blocks("trie"))?;
    let mut notes = Notes::default();
    for path in files(paths)? {
        let mut lines = Lines::new(&name(&path), open(&path)?);
        while lines.read()? {
            let task: Task = lines.parse(EXPECTED)?;
            let turns = task.num_turns;
            let lists = [task.assistant_response_length.len(), task.tool_call_output_length.len()];
            let wrong = |problem: &str| Err(malformed(lines.place().clone(), problem, EXPECTED));
            if lists != [turns; 2] || task.tool_call_latency.len() != turns {
                return wrong("`num_turns` is not the length of the lists");
            }
            if task.input_prompt_length == 0 {
                return wrong("a task without a prompt");
            }
            if !task.tool_call_latency.iter().all(|latency| (0.0..LONGEST_S).contains(latency)) {
                return wrong("a latency that is no time");
            }
            sink.session(session(&task, &mut notes))?;
        }
        notes.add("blank lines passed over", lines.blank);
    }
    Ok(Ending { clock_grid_s: 0.0, notes: notes.into_lines() })
}

fn session(task: &Task, notes: &mut Notes) -> Session {
    let mut actions: Vec<Action> = Vec::with_capacity(task.num_turns + 1);
    let (mut input, mut before) = (task.input_prompt_length, 0);
    for turn in 0..=task.num_turns {
        let output = task.assistant_response_length.get(turn);
        let output = *output.unwrap_or(&task.final_assistant_response_length);
        notes.count_if(output == 0, NO_OUTPUT);
        let context = Context::Keep(before, 1);
        let call = Call { input, output: output.max(1), context, ..Call::default() };
        let latency = turn.checked_sub(1).map(|before| task.tool_call_latency[before]);
        actions.push(Action {
            wait_s: latency.unwrap_or(0.0),
            gap: if turn == 0 { Gap::None } else { Gap::Tool },
            task: turn == 0,
            call: Some(call),
            spawn: Vec::new(),
        });
        before = input;
        let result = task.tool_call_output_length.get(turn).copied().unwrap_or(0);
        input = input.saturating_add(output).saturating_add(result);
    }
    Session { actions, ..Session::default() }
}
