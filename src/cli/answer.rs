//! What an experiment says: in the folder of its result, and on standard output as `--format` asks.

use std::path::Path;

use clap::ValueEnum;

use super::failure::Failure;
use super::terminal::{answer_style, print};
use crate::report::folder::Folder;
use crate::report::table::Style;

/// How an answer is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Table,
    /// `summary.json`
    Json,
    /// One row for each figure, with the intervals of its mean and its quantiles
    Csv,
}

/// The answer of an experiment in all its forms.
pub struct Answer<'a> {
    /// As text for people.
    text: &'a dyn Fn(Style) -> String,
    /// As JSON.
    json: String,
    /// As a table.
    csv: Vec<u8>,
}

impl<'a> Answer<'a> {
    /// An answer whose table is written by `csv`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new(
        text: &'a dyn Fn(Style) -> String,
        json: String,
        csv: impl FnOnce(&mut Vec<u8>) -> csv::Result<()>,
    ) -> Result<Self, Failure> {
        let mut table = Vec::new();
        csv(&mut table).map_err(std::io::Error::other)?;
        Ok(Self { text, json, csv: table })
    }

    /// Writes the answer into a result under the names of its two files.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, folder: &Folder, [json, csv]: [&str; 2]) -> Result<(), Failure> {
        folder.file(json, |out| out.write_all(self.json.as_bytes()))?;
        Ok(folder.file(csv, |out| out.write_all(&self.csv))?)
    }

    /// Prints the answer; as text, with the folder that it was written to.
    ///
    /// # Errors
    /// When whoever reads it has gone.
    pub fn show(&self, format: Format, written: Option<&Path>) -> Result<(), Failure> {
        match format {
            Format::Table => {
                let mut text = (self.text)(answer_style());
                if let Some(out) = written {
                    text.push_str(&format!("\nwritten to {}\n", out.display()));
                }
                print(&text)
            }
            Format::Json => print(&self.json),
            Format::Csv => print(&String::from_utf8_lossy(&self.csv)),
        }
    }
}
