//! `tokenfleet fit`: the constants of the step-time model from published measurements.

use std::fs;
use std::path::Path;

use super::arguments::FitArguments;
use super::failure::{FINE, Failure};
use super::terminal::{answer_style, print, remark};
use super::validate::measurements;
use crate::catalog::{Accuracy, Catalog};
use crate::experiment::fitting::{Fitted, accuracy, fit, rewritten};
use crate::report::table::fitting;

/// Fits all constants: the exit code.
///
/// # Errors
/// Measurements that cannot be read, a search that fails, files that cannot be written.
pub fn run(arguments: &FitArguments) -> Result<u8, Failure> {
    let found = measurements(&arguments.data)?;
    if found.engine_tpot.is_empty() {
        return Err(Failure::NothingToCompare { folder: arguments.data.display().to_string() });
    }
    let told = |text: &str| {
        if !arguments.quiet {
            remark(&format!("{text}\n"));
        }
    };
    let catalog = Catalog::embedded();
    let fitted = fit(&found.engine_tpot, &catalog, !arguments.no_folds, &told)
        .map_err(|error| Failure::Internal(format!("the search for constants failed: {error}")))?;
    print(&fitting::render(&fitted, answer_style()))?;
    if let Some(folder) = &arguments.write {
        write(folder, &fitted)?;
    }
    Ok(FINE)
}

/// Replaces the fitted constants in `engines.toml` of the catalog's folder, and its `accuracy.csv`.
fn write(folder: &Path, fitted: &Fitted) -> Result<(), Failure> {
    let engines = folder.join("engines.toml");
    let name = |path: &Path| path.display().to_string();
    let text = fs::read_to_string(&engines)
        .map_err(|error| Failure::Unreadable { name: name(&engines), error })?;
    let table = Accuracy::to_csv(&accuracy(fitted));
    for (path, text) in [(engines, rewritten(&text, fitted)), (folder.join("accuracy.csv"), table)]
    {
        fs::write(&path, text).map_err(|error| Failure::Unwritable { name: name(&path), error })?;
        remark(&format!("written to {}\n", path.display()));
    }
    Ok(())
}
