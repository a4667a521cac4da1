//! Azure's tables of LLM inference: a request a row.
//!
//! ```csv
//! TIMESTAMP,ContextTokens,GeneratedTokens
//! 2023-11-16 18:17:03.9799600,4808,10
//! ```
//!
//! Source: <https://github.com/Azure/AzurePublicDataset> (CC BY 4.0; P. Patel et al., *Splitwise*,
//! ISCA 2024). The tables of 2025 have a column `NumImages`, which nothing is made of.

use std::path::PathBuf;

use super::input::{Table, files, timestamp_s};
use super::notes::{NO_INPUT, NO_OUTPUT, NO_SHARING, Notes};
use crate::workload::trace::TraceError;
use crate::workload::trace::recording::{Action, Call, Ending, Header, Session, Sink};

const EXPECTED: &str = "an Azure table begins with `TIMESTAMP,ContextTokens,GeneratedTokens`";

pub(super) fn read(paths: &[PathBuf], sink: &mut dyn Sink) -> Result<Ending, TraceError> {
    sink.begin(&Header::without_blocks("azure"))?;
    let mut notes = Notes::default();
    let mut origin = None;
    for path in files(paths)? {
        let mut table = Table::open(&path)?;
        let at = table.needed("TIMESTAMP", EXPECTED)?;
        let input = table.needed("ContextTokens", EXPECTED)?;
        let output = table.needed("GeneratedTokens", EXPECTED)?;
        while table.read()? {
            let time = timestamp_s(table.cell(at)).ok_or_else(|| {
                table.wrong(at, "no date and time", "write them as 2023-11-16 18:17:03.9799600")
            })?;
            let (input, output) = (table.tokens(input)?, table.tokens(output)?);
            if input == 0 {
                notes.count(NO_INPUT);
                continue;
            }
            notes.count_if(output == 0, NO_OUTPUT);
            let start_s = time - *origin.get_or_insert(time);
            notes.count_if(start_s < 0.0, "requests came before the first row: at the start");
            let call = Call { input, output: output.max(1), ..Call::default() };
            sink.session(one_call(start_s.max(0.0), call))?;
            notes.count(NO_SHARING);
        }
    }
    Ok(Ending { clock_grid_s: 0.0, notes: notes.into_lines() })
}

/// A session of a single request.
pub(super) fn one_call(start_s: f64, call: Call) -> Session {
    let action = Action { task: true, call: Some(call), ..Action::default() };
    Session { start_s: Some(start_s), actions: vec![action], ..Session::default() }
}
