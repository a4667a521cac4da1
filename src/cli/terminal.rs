//! What standard output and standard error are connected to.

use std::env;
use std::io::{self, IsTerminal, Write};

use super::diagnostic;
use super::failure::Failure;
use crate::report::table;

/// Columns where nobody looks.
const UNSEEN_WIDTH: usize = 100;

/// Whether colours are wanted (see no-color.org).
fn colours_wanted() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// How an answer is printed on standard output.
pub fn answer_style() -> table::Style {
    let seen = io::stdout().is_terminal();
    let width = seen.then(|| terminal_size::terminal_size_of(io::stdout())).flatten();
    table::Style {
        width: width.map_or(UNSEEN_WIDTH, |(width, _)| usize::from(width.0)),
        colour: seen && colours_wanted(),
    }
}

/// How faults are printed on standard error.
pub fn fault_style() -> diagnostic::Style {
    let seen = io::stderr().is_terminal();
    let width = seen.then(|| terminal_size::terminal_size_of(io::stderr())).flatten();
    diagnostic::Style {
        width: width.map_or(UNSEEN_WIDTH, |(width, _)| usize::from(width.0)),
        colour: seen && colours_wanted(),
    }
}

/// Prints on standard output.
///
/// # Errors
/// When whoever reads it has gone, or it cannot be written.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Prints on standard error; when nobody reads that, nobody is told.
pub fn remark(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
