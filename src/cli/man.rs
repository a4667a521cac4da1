//! `tokenfleet man`: manual pages, one for each command.

use std::fs;
use std::path::PathBuf;

use clap::{Args, Command};

use super::failure::{FINE, Failure};
use super::terminal::{print, remark};

/// What `tokenfleet man` is told.
#[derive(Args, Clone, Debug)]
pub struct ManArguments {
    /// Write a page for each command into this folder; without it the main page is printed
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Writes the pages of a command line: the exit code.
///
/// # Errors
/// When they cannot be written.
pub fn run(arguments: &ManArguments, command: Command) -> Result<u8, Failure> {
    let Some(folder) = &arguments.out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        return print(&String::from_utf8_lossy(&page)).map(|()| FINE);
    };
    let written =
        fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
    written.map_err(|error| Failure::Unwritable { name: folder.display().to_string(), error })?;
    remark(&format!(
        "written to {0}; read one by `man -l {0}/tokenfleet-run.1`\n",
        folder.display()
    ));
    Ok(FINE)
}
