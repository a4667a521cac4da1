//! `tokenfleet report`: a page that shows results, alone or side by side.

use std::fs;
use std::path::Path;

use super::arguments::ReportArguments;
use super::failure::{FINE, Failure};
use super::terminal::remark;
use crate::report::folder::Folder;
use crate::report::html::{self, ResultData};

/// Writes the page: the exit code.
///
/// # Errors
/// When a folder holds no result, or the page cannot be written.
pub fn run(arguments: &ReportArguments) -> Result<u8, Failure> {
    let results: Result<Vec<_>, _> =
        arguments.results.iter().map(|folder| ResultData::read(folder, &name_of(folder))).collect();
    let page = html::render(&results?);
    // Whole or not at all, like every result.
    let path = &arguments.out;
    let mut neighbour = path.clone().into_os_string();
    neighbour.push(format!(".tmp-{}", std::process::id()));
    let written = fs::write(&neighbour, page).and_then(|()| fs::rename(&neighbour, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&neighbour);
        Failure::Unwritable { name: path.display().to_string(), error }
    })?;
    remark(&format!("written to {}\n", path.display()));
    Ok(FINE)
}

/// Adds what an experiment said on the terminal, and its page, once all its other files are there.
///
/// # Errors
/// When writing fails.
pub(super) fn add_with_answer(
    folder: &Folder,
    scenario: &str,
    answer: &str,
) -> Result<(), Failure> {
    folder.file("answer.txt", |out| out.write_all(answer.as_bytes()))?;
    add(folder, scenario)
}

/// Adds the page of a result to it, once all its other files are there.
///
/// # Errors
/// When writing fails.
pub(super) fn add(folder: &Folder, scenario: &str) -> Result<(), Failure> {
    let page = html::render(&[ResultData::read(folder.files(), scenario)?]);
    Ok(folder.file("report.html", |out| out.write_all(page.as_bytes()))?)
}

fn name_of(folder: &Path) -> String {
    let path = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
