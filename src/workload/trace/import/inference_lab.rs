//! Sessions of inference-lab: one a line, a step for each call.
//!
//! ```json
//! {"id": "a", "steps": [{"input": 9000, "new": 9000, "output": 120, "gap": 0, "kind": "user"},
//!                       {"input": 9800, "new": 680, "output": 90, "gap": 2.5, "kind": "tool"}]}
//! ```
//!
//! `new` of the input's tokens are not those of the step before; `gap` seconds lie before a step.
//!
//! Source: <https://github.com/doublewordai/inference-lab> (MIT).

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use super::input::{files, name, open};
use super::notes::Notes;
use super::timeline::{self, Turn};
use crate::workload::trace::lines::Lines;
use crate::workload::trace::recording::{Call, Ending, Header, Sink};
use crate::workload::trace::{Gap, TraceError};

const EXPECTED: &str = "a line is {\"id\", \"steps\": [{\"input\", \"new\", \"output\", \"gap\": \
    seconds, \"kind\": \"user\" or \"tool\"}]}";

#[derive(Deserialize)]
struct Row {
    id: Value,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    input: u32,
    new: Option<u32>,
    output: u32,
    #[serde(default)]
    gap: f64,
    kind: Option<Kind>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    User,
    #[serde(other)]
    Tool,
}

pub(super) fn read(paths: &[PathBuf], sink: &mut dyn Sink) -> Result<Ending, TraceError> {
    sink.begin(&Header::without_blocks("inference-lab"))?;
    let mut notes = Notes::default();
    for path in files(paths)? {
        let mut lines = Lines::new(&name(&path), open(&path)?);
        while lines.read()? {
            let row: Row = lines.parse(EXPECTED)?;
            let turns = row.steps.into_iter().map(|step| Turn {
                wait_s: Some(step.gap.clamp(0.0, 1e7)),
                gap: step.kind.map(|kind| match kind {
                    Kind::User => Gap::Human,
                    Kind::Tool => Gap::Tool,
                }),
                cached: step.new.map(|new| step.input.saturating_sub(new)),
                call: Call { input: step.input, output: step.output, ..Call::default() },
                ..Turn::default()
            });
            let name = row.id.as_str().map_or_else(|| row.id.to_string(), str::to_owned);
            sink.session(timeline::session(name, None, turns.collect(), &mut notes))?;
        }
        notes.add("blank lines passed over", lines.blank);
    }
    Ok(Ending { clock_grid_s: 0.0, notes: notes.into_lines() })
}
