//! Model calls of agentperf (Artificial Analysis): a call a line, with the delay of the tools that
//! it asked for.
//!
//! Rows stand in the order in which the calls were made. The conversation of a task's first row is
//! the agent's own; another conversation between two of its calls is a sub-agent's.

use std::path::PathBuf;

use serde::Deserialize;

use super::input::{files, name, open};
use super::notes::Notes;
use super::timeline::{self, Turn};
use crate::workload::trace::TraceError;
use crate::workload::trace::lines::{Lines, malformed};
use crate::workload::trace::recording::{Call, Ending, Header, Sink};

const EXPECTED: &str = "a line is {\"task_id\", \"conversation_id\", \"recorded_prompt_tokens\", \
    \"recorded_completion_tokens\", \"recorded_model_duration_ms\", \
    \"simulated_tool_delay_ms_after\", ...}";

#[derive(Deserialize)]
struct Row {
    task_id: String,
    #[serde(default)]
    conversation_id: String,
    recorded_prompt_tokens: u32,
    #[serde(alias = "target_output_tokens")]
    recorded_completion_tokens: Option<u32>,
    recorded_model_duration_ms: Option<f64>,
    simulated_tool_delay_ms_after: Option<f64>,
}

pub(super) fn read(paths: &[PathBuf], sink: &mut dyn Sink) -> Result<Ending, TraceError> {
    sink.begin(&Header::without_blocks("agentperf"))?;
    let mut notes = Notes::default();
    let mut tasks = Tasks::default();
    for path in files(paths)? {
        let mut lines = Lines::new(&name(&path), open(&path)?);
        while lines.read()? {
            let row: Row = lines.parse(EXPECTED)?;
            let Some(output) = row.recorded_completion_tokens else {
                let problem = "missing `recorded_completion_tokens`";
                return Err(malformed(lines.place().clone(), problem, EXPECTED));
            };
            let seconds = |ms: Option<f64>| ms.map(|ms| (ms / 1e3).clamp(0.0, 1e7));
            let turn = Turn {
                time_s: seconds(row.recorded_model_duration_ms),
                wait_after_s: seconds(row.simulated_tool_delay_ms_after),
                call: Call { input: row.recorded_prompt_tokens, output, ..Call::default() },
                ..Turn::default()
            };
            tasks.add(row.task_id, row.conversation_id, turn);
        }
        notes.add("blank lines passed over", lines.blank);
    }
    for (name, turns) in tasks.finish() {
        sink.session(timeline::session(name, None, turns, &mut notes))?;
    }
    Ok(Ending { clock_grid_s: 0.0, notes: notes.into_lines() })
}

/// Turns by task, the conversations of one task told apart.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    tasks: Vec<Task>,
    places: rustc_hash::FxHashMap<String, usize>,
}

#[derive(Debug)]
struct Task {
    name: String,
    /// The agent's own conversation.
    own: String,
    turns: Vec<Turn>,
}

impl Tasks {
    /// Adds a turn of a conversation of a task.
    pub(super) fn add(&mut self, task: String, conversation: String, turn: Turn) {
        let place = *self.places.entry(task).or_insert_with_key(|name| {
            let own = conversation.clone();
            self.tasks.push(Task { name: name.clone(), own, turns: Vec::new() });
            self.tasks.len() - 1
        });
        let task = &mut self.tasks[place];
        if conversation == task.own {
            return task.turns.push(turn);
        }
        let known = task.turns.iter_mut().rev().find(|turn| turn.name == conversation);
        match known {
            Some(agent) => {
                agent.time_s = turn.end_s().zip(agent.start_s).map(|(end, start)| end - start);
                agent.agent.push(turn);
            }
            None => {
                let (start_s, time_s) = (turn.start_s, turn.time_s);
                let agent = Turn {
                    start_s,
                    time_s,
                    name: conversation,
                    agent: vec![turn],
                    ..Turn::default()
                };
                task.turns.push(agent);
            }
        }
    }

    /// Names and turns of all tasks, in the order of their first rows.
    pub(super) fn finish(self) -> impl Iterator<Item = (String, Vec<Turn>)> {
        self.tasks.into_iter().map(|task| (task.name, task.turns))
    }

    /// All turns.
    pub(super) fn turns(&self) -> impl Iterator<Item = &Turn> {
        self.tasks.iter().flat_map(|task| &task.turns)
    }
}
