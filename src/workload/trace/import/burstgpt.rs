//! BurstGPT's tables: a request a row, newer releases with its session.
//!
//! ```csv
//! Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type
//! ```
//!
//! `Timestamp` is in seconds from the first day's midnight, `Elapsed time` that of the whole answer.
//! Rows of one session are turns of a conversation: the next begins as long after the answer as it
//! did. A response of no tokens is a failed request and left out.
//!
//! Source: <https://github.com/HPMLL/BurstGPT> (CC BY 4.0).

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::azure::one_call;
use super::input::{Table, files};
use super::notes::{NO_INPUT, NO_SHARING, Notes};
use super::timeline::{self, Turn};
use crate::workload::trace::recording::{Call, Ending, Header, Sink};
use crate::workload::trace::{Gap, TraceError};

const EXPECTED: &str =
    "a BurstGPT table begins with `Timestamp,Model,Request tokens,Response tokens,...`";

pub(super) fn read(paths: &[PathBuf], sink: &mut dyn Sink) -> Result<Ending, TraceError> {
    sink.begin(&Header::without_blocks("burstgpt"))?;
    let mut notes = Notes::default();
    let mut conversations: BTreeMap<String, Vec<Turn>> = BTreeMap::new();
    let mut origin = None;
    for path in files(paths)? {
        let mut table = Table::open(&path)?;
        let at = table.needed("Timestamp", EXPECTED)?;
        let model = table.needed("Model", EXPECTED)?;
        let input = table.needed("Request tokens", EXPECTED)?;
        let output = table.needed("Response tokens", EXPECTED)?;
        let (session, elapsed) = (table.column("Session ID"), table.column("Elapsed time"));
        while table.read()? {
            let time = table.number(at)?;
            let (input, output) = (table.tokens(input)?, table.tokens(output)?);
            if output == 0 {
                notes.count("failed requests (no response tokens) left out");
                continue;
            }
            if input == 0 {
                notes.count(NO_INPUT);
                continue;
            }
            let start = (time - *origin.get_or_insert(time)).max(0.0);
            let elapsed = elapsed.filter(|&at| !table.cell(at).is_empty());
            let time_s = elapsed.map(|at| table.number(at)).transpose()?;
            let model = table.cell(model).to_owned();
            let call = Call { input, output, model, time_s, ..Call::default() };
            match session.map(|at| table.cell(at)).filter(|name| !name.is_empty()) {
                None => {
                    notes.count(NO_SHARING);
                    sink.session(one_call(start, call))?;
                }
                Some(name) => {
                    let (start_s, gap) = (Some(start), Some(Gap::Human));
                    let turn = Turn { start_s, time_s, gap, call, ..Turn::default() };
                    conversations.entry(name.to_owned()).or_default().push(turn);
                }
            }
        }
    }
    for (name, turns) in conversations {
        let start_s = timeline::earliest(&turns);
        sink.session(timeline::session(name, start_s, turns, &mut notes))?;
    }
    Ok(Ending { clock_grid_s: 0.0, notes: notes.into_lines() })
}
