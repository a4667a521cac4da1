//! `tokenfleet validate`: predictions held against measurements.

use std::fs;
use std::path::Path;

use super::arguments::{ValidateArguments, ValidateFormat};
use super::failure::{FINE, Failure};
use super::terminal::{answer_style, print, remark};
use crate::catalog::Catalog;
use crate::experiment::validation::folder::FILES;
use crate::experiment::validation::{FileFindings, Measurements, Target, targets, validate};
use crate::report::{accuracy, table, validation};

/// Replays all measurements of a folder: the exit code.
///
/// # Errors
/// A folder that cannot be read or holds nothing to compare with, and all faults in its files.
pub fn run(arguments: &ValidateArguments) -> Result<u8, Failure> {
    let folder = &arguments.data;
    let measurements = measurements(folder)?;
    let catalog = Catalog::embedded();
    let findings = validate(&measurements, &catalog);
    if findings.is_empty() {
        return Err(Failure::NothingToCompare { folder: folder.display().to_string() });
    }
    let targets = targets(&findings);
    if let Some(path) = &arguments.out {
        write(path, &measurements, &findings, &targets, &catalog)?;
    }
    let internal = |error: csv::Error| Failure::Internal(error.to_string());
    print(&match arguments.format {
        ValidateFormat::Table => {
            let style = answer_style();
            format!("{}\n{}", table::errors(&findings, style), table::targets(&targets, style))
        }
        ValidateFormat::Json => validation::to_json(&findings, &targets)?,
        ValidateFormat::Csv => {
            let text = validation::to_csv(&findings).map_err(internal)?;
            String::from_utf8_lossy(&text).into_owned()
        }
    })?;
    Ok(FINE)
}

/// Writes the page, and its plots into a folder of the page's name.
fn write(
    path: &Path,
    measurements: &Measurements,
    findings: &[FileFindings],
    targets: &[Target],
    catalog: &Catalog,
) -> Result<(), Failure> {
    let folder = path.with_extension("");
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let runs = measurements.recorded_runs.iter();
    let curves: Vec<_> = runs.filter_map(|run| run.curves(catalog).ok()).collect();
    fs::create_dir_all(&folder)?;
    for file in accuracy::page(findings, targets, &curves, &name) {
        let target = if file.name.is_empty() { path.to_owned() } else { folder.join(&file.name) };
        fs::write(target, file.text)?;
    }
    Ok(())
}

/// The measurements of a folder, with a remark on tables that nobody knows.
///
/// # Errors
/// A folder that cannot be read, and all faults in its files.
pub(super) fn measurements(folder: &Path) -> Result<Measurements, Failure> {
    let mut files = Vec::new();
    gather(folder, "", &mut files)?;
    let measurements = Measurements::read(files)
        .map_err(|(faults, sources)| Failure::Scenario { faults, sources })?;
    for name in measurements.unknown.iter().filter(|name| name.ends_with(".csv")) {
        let known: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        remark(&format!("warning: {name} is not read; known are {}\n", known.join(", ")));
    }
    Ok(measurements)
}

/// All files below a folder, by name, with their names inside it.
fn gather(folder: &Path, below: &str, files: &mut Vec<(String, String)>) -> Result<(), Failure> {
    let unreadable = |path: &Path| {
        let name = path.display().to_string();
        move |error| Failure::Unreadable { name, error }
    };
    let entries = fs::read_dir(folder).map_err(unreadable(folder))?;
    let mut entries: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{below}{name}");
        if path.is_dir() {
            gather(&path, &format!("{name}/"), files)?;
        } else {
            files.push((name, fs::read_to_string(&path).map_err(unreadable(&path))?));
        }
    }
    Ok(())
}
