//! Files to read: opened, unpacked where they are compressed, found in folders.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use csv::StringRecord;
use flate2::read::MultiGzDecoder;

use crate::workload::trace::lines::{malformed, not_text};
use crate::workload::trace::{TraceError, TracePlace};

/// The name of a file in messages.
pub(super) fn name(path: &Path) -> String {
    path.display().to_string()
}

fn unreadable(path: &Path, source: io::Error) -> TraceError {
    TraceError::Unreadable { file: name(path), source }
}

/// Opens a file; what is packed with gzip is unpacked on the way.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead>, TraceError> {
    const BUFFER: usize = 1 << 18;
    let file = File::open(path).map_err(|source| unreadable(path, source))?;
    let mut reader = BufReader::with_capacity(BUFFER, file);
    let start = reader.fill_buf().map_err(|source| unreadable(path, source))?;
    if start.starts_with(b"\x1f\x8b") {
        return Ok(Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(reader))));
    }
    Ok(Box::new(reader))
}

/// The first bytes of a file, if it can be read.
pub(super) fn start(path: &Path) -> Option<Vec<u8>> {
    let mut start = Vec::new();
    open(path).ok()?.take(1 << 14).read_to_end(&mut start).ok()?;
    Some(start)
}

/// The one file of a format that has no use for several.
pub(super) fn only<'p>(paths: &'p [PathBuf], format: &str) -> Result<&'p Path, TraceError> {
    match paths {
        [path] if !path.is_dir() => Ok(path),
        _ => {
            let file = paths.iter().map(|path| name(path)).collect::<Vec<_>>().join(", ");
            let place = TracePlace { file, ..TracePlace::default() };
            let problem = format!("{format} reads one file at a time");
            Err(malformed(place, problem, "name one file"))
        }
    }
}

/// Files of a folder by name, hidden ones left out.
pub(super) fn files_below(folder: &Path) -> Result<Vec<PathBuf>, TraceError> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.map_err(|source| unreadable(folder, source))?;
    let visible = |path: &PathBuf| {
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
        !hidden && path.is_file()
    };
    let mut files: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).filter(visible).collect();
    files.sort();
    Ok(files)
}

/// Files and the files of folders, in this order.
pub(super) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, TraceError> {
    let mut files = Vec::new();
    for path in paths {
        match path.is_dir() {
            true => files.extend(files_below(path)?),
            false => files.push(path.clone()),
        }
    }
    Ok(files)
}

/// A table with a header, row by row.
pub(super) struct Table {
    rows: csv::Reader<Box<dyn BufRead>>,
    /// Names of the columns.
    pub(super) header: Vec<String>,
    row: StringRecord,
    file: String,
}

impl Table {
    pub(super) fn open(path: &Path) -> Result<Self, TraceError> {
        let file = name(path);
        let mut reader = open(path)?;
        let start = reader.fill_buf().map_err(|source| unreadable(path, source))?;
        if let Some((problem, mend)) = not_text(start) {
            let place = TracePlace { file, line: 1, ..TracePlace::default() };
            return Err(malformed(place, problem, mend));
        }
        let mut rows = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(reader);
        let header = rows.headers().map_err(|error| csv_error(&file, error))?;
        let strip = |cell: &str| cell.trim_start_matches('\u{feff}').to_owned();
        let header = header.iter().map(strip).collect();
        Ok(Self { rows, header, row: StringRecord::new(), file })
    }

    /// The place of a column.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }

    /// The place of a column that must be there.
    pub(super) fn needed(&self, name: &str, expected: &str) -> Result<usize, TraceError> {
        let missing = || {
            let place = TracePlace { file: self.file.clone(), line: 1, ..TracePlace::default() };
            malformed(place, format!("no column `{name}` in the header"), expected)
        };
        self.column(name).ok_or_else(missing)
    }

    /// Reads the next row; false at the end.
    pub(super) fn read(&mut self) -> Result<bool, TraceError> {
        self.rows.read_record(&mut self.row).map_err(|error| csv_error(&self.file, error))
    }

    /// A cell of the row that was read last, empty where the row is short.
    pub(super) fn cell(&self, column: usize) -> &str {
        self.row.get(column).unwrap_or_default()
    }

    /// A refusal of a cell of the row that was read last.
    pub(super) fn wrong(&self, column: usize, problem: &str, mend: &str) -> TraceError {
        let position = self.row.position();
        let place = TracePlace {
            file: self.file.clone(),
            line: position.map_or(0, csv::Position::line),
            byte: position.map_or(0, csv::Position::byte),
            path: self.header.get(column).cloned().unwrap_or_default(),
        };
        let cell = self.cell(column);
        malformed(place, format!("`{cell}` is {problem}"), mend)
    }

    /// Tokens of a cell.
    pub(super) fn tokens(&self, column: usize) -> Result<u32, TraceError> {
        let number = self.cell(column).parse::<f64>().ok();
        let number = number.filter(|number| (0.0..=4e9).contains(number));
        number.map(|number| libm::round(number) as u32).ok_or_else(|| {
            self.wrong(column, "no number of tokens", "give whole numbers from 0 to 4 billion")
        })
    }

    /// A number of a cell, at least zero.
    pub(super) fn number(&self, column: usize) -> Result<f64, TraceError> {
        let number = self.cell(column).parse::<f64>().ok();
        let number = number.filter(|number| (0.0..1e18).contains(number));
        number.ok_or_else(|| self.wrong(column, "no number of at least zero", "give a number"))
    }
}

fn csv_error(file: &str, error: csv::Error) -> TraceError {
    let position = error.position().cloned();
    let place = TracePlace {
        file: file.to_owned(),
        line: position.as_ref().map_or(0, csv::Position::line),
        byte: position.as_ref().map_or(0, csv::Position::byte),
        path: String::new(),
    };
    let problem = match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "a cell is not UTF-8 text".to_owned(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("truncated: {len} cells in a row, {expected_len} in the header")
        }
        _ => match error.into_kind() {
            csv::ErrorKind::Io(source) => {
                return TraceError::Unreadable { file: file.to_owned(), source };
            }
            other => format!("{other:?}"),
        },
    };
    malformed(place, problem, "one row for each request, as many cells as columns")
}

/// Seconds since 1970 of a date and time as text, with a zone or without.
pub(super) fn timestamp_s(text: &str) -> Option<f64> {
    let of = |timestamp: jiff::Timestamp| {
        timestamp.as_second() as f64 + f64::from(timestamp.subsec_nanosecond()) / 1e9
    };
    if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
        return Some(of(timestamp));
    }
    let civil = text.parse::<jiff::civil::DateTime>().ok()?;
    jiff::tz::Offset::UTC.to_timestamp(civil).ok().map(of)
}
