//! `tokenfleet check`: everything that is wrong with scenarios, without running them.

use std::path::Path;

use serde_json::json;

use super::arguments::{CheckArguments, Said};
use super::diagnostic;
use super::failure::{BAD_INPUT, FINE, Failure};
use super::load::{Loaded, load};
use super::terminal::{fault_style, print, remark};
use crate::foundations::Sources;
use crate::simulation::scenario::Scenario;

/// Reads each scenario: the exit code.
///
/// # Errors
/// When the output cannot be written.
pub fn run(arguments: &CheckArguments) -> Result<u8, Failure> {
    let mut worst = FINE;
    let mut told = Vec::new();
    for path in &arguments.scenarios {
        let (variants, faults, warnings) = match load(Some(path), &arguments.set, &[]) {
            Ok(Loaded { scenario, sources, .. }) => {
                if arguments.format == Said::Text {
                    fine(path, &scenario, &sources, arguments.quiet)?;
                }
                let names = scenario.variants.iter().map(|variant| variant.plan.name.clone());
                let warnings = diagnostic::told(&scenario.warnings, &sources);
                (names.collect::<Vec<_>>(), Vec::new(), warnings)
            }
            Err(failure) => {
                worst = BAD_INPUT;
                if arguments.format == Said::Text {
                    remark(&explain(&failure));
                }
                let faults = match &failure {
                    Failure::Scenario { faults, sources } => diagnostic::told(faults, sources),
                    other => vec![json!({ "message": other.to_string() })],
                };
                (Vec::new(), faults, Vec::new())
            }
        };
        told.push(json!({
            "scenario": path.display().to_string(),
            "fine": faults.is_empty(),
            "variants": variants,
            "faults": faults,
            "warnings": warnings,
        }));
    }
    if arguments.format == Said::Json {
        print(&(serde_json::to_string_pretty(&told)? + "\n"))?;
    }
    Ok(worst)
}

/// Says that nothing is wrong, and what to beware of.
fn fine(path: &Path, scenario: &Scenario, sources: &Sources, quiet: bool) -> Result<(), Failure> {
    if quiet {
        return Ok(());
    }
    remark(&diagnostic::render_warnings(&scenario.warnings, sources, fault_style()));
    let variants = match scenario.variants.len() {
        1 => String::new(),
        count => format!(", {count} variants"),
    };
    print(&format!("{}: fine{variants}\n", path.display()))
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
