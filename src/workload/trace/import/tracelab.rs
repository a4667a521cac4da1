//! Rounds of TraceLab: a model call of a coding session a line, with the events around it.
//!
//! A round's input is what was cached plus what was appended; its events say when the person's
//! message or the tools' results came and when the answer was there. The pause before a round lies
//! between the end of the round before and the last of those inputs.
//!
//! Source: <https://github.com/uw-syfi/TraceLab> (code Apache-2.0, data CC BY 4.0).

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::input::{files, name, open, timestamp_s};
use super::notes::Notes;
use super::timeline::{self, Turn, later};
use crate::workload::trace::lines::{Lines, malformed};
use crate::workload::trace::recording::{Call, Ending, Header, Sink};
use crate::workload::trace::{Gap, TraceError};

const EXPECTED: &str = "a round is {\"session_id\", \"round_index\", \"model\", \
    \"input_tokens_total\", \"prefix_tokens\", \"output_tokens\", \"timing_events\": [...], ...}";

#[derive(Deserialize)]
struct Round {
    session_id: String,
    round_index: u64,
    #[serde(default)]
    model: String,
    input_tokens_total: u32,
    prefix_tokens: u32,
    output_tokens: u32,
    timing_events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    event_type: EventType,
    timestamp: String,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum EventType {
    UserMessage,
    ToolResult,
    #[serde(other)]
    Answer,
}

pub(super) fn read(paths: &[PathBuf], sink: &mut dyn Sink) -> Result<Ending, TraceError> {
    sink.begin(&Header::without_blocks("tracelab"))?;
    let mut notes = Notes::default();
    let mut sessions: BTreeMap<String, Vec<(u64, Turn)>> = BTreeMap::new();
    for path in files(paths)? {
        let mut lines = Lines::new(&name(&path), open(&path)?);
        while lines.read()? {
            let round: Round = lines.parse(EXPECTED)?;
            let time = |event: &Event| {
                timestamp_s(&event.timestamp).ok_or_else(|| {
                    let problem = format!("`{}` is no date and time", event.timestamp);
                    malformed(lines.place().clone(), problem, "write 2026-06-01T05:40:20.151Z")
                })
            };
            let (mut asked, mut answered, mut gap) = (None, None, Gap::Tool);
            for event in &round.timing_events {
                let at = time(event)?;
                match event.event_type {
                    EventType::Answer => answered = later(answered, Some(at)),
                    input => {
                        asked = later(asked, Some(at));
                        if input == EventType::UserMessage {
                            gap = Gap::Human;
                        }
                    }
                }
            }
            notes.count_if(asked.is_none(), "rounds have no recorded input event");
            let first_cached = round.round_index == 0 && round.prefix_tokens > 0;
            notes.count_if(
                first_cached,
                "first rounds found tokens cached from before their session: taken as new",
            );
            let turn = Turn {
                start_s: asked,
                time_s: asked.zip(answered).map(|(asked, answered)| (answered - asked).max(0.0)),
                gap: Some(gap),
                call: Call {
                    input: round.input_tokens_total,
                    output: round.output_tokens,
                    model: round.model,
                    ..Call::default()
                },
                cached: Some(round.prefix_tokens),
                ..Turn::default()
            };
            sessions.entry(round.session_id).or_default().push((round.round_index, turn));
        }
        notes.add("blank lines passed over", lines.blank);
    }
    let all = sessions.values().flatten().map(|(_, turn)| turn);
    let origin = timeline::earliest(all);
    for (name, mut rounds) in sessions {
        rounds.sort_by_key(|&(index, _)| index);
        let turns: Vec<Turn> = rounds.into_iter().map(|(_, turn)| turn).collect();
        let start = timeline::earliest(&turns).zip(origin).map(|(start, origin)| start - origin);
        sink.session(timeline::session(name, start, turns, &mut notes))?;
    }
    Ok(Ending { clock_grid_s: 0.0, notes: notes.into_lines() })
}
