//! `tokenfleet check`: everything that is wrong with scenarios, without running them.

use super::arguments::CheckArguments;
use super::diagnostic;
use super::failure::{BAD_INPUT, FINE, Failure};
use super::load::load;
use super::terminal::{fault_style, print, remark};
use crate::foundations::Sources;

/// Reads each scenario: the exit code.
///
/// # Errors
/// When the output cannot be written.
pub fn run(arguments: &CheckArguments) -> Result<u8, Failure> {
    let mut worst = FINE;
    for path in &arguments.scenarios {
        match load(Some(path), &arguments.set, &[]) {
            Ok(loaded) => {
                let warnings = &loaded.scenario.warnings;
                remark(&diagnostic::render_warnings(warnings, &loaded.sources, fault_style()));
                let variants = match loaded.scenario.variants.len() {
                    1 => String::new(),
                    count => format!(", {count} variants"),
                };
                print(&format!("{}: fine{variants}\n", path.display()))?;
            }
            Err(failure) => {
                worst = BAD_INPUT;
                remark(&explain(&failure));
            }
        }
    }
    Ok(worst)
}

/// A failure as a person reads it; faults of scenarios where they stand.
pub fn explain(failure: &Failure) -> String {
    match failure {
        Failure::Scenario { faults, sources } => diagnostic::render(faults, sources, fault_style()),
        Failure::Argument(faults) => diagnostic::render(faults, &Sources::default(), fault_style()),
        Failure::ClosedPipe => String::new(),
        other => format!("error: {other}\n"),
    }
}
