//! Scenarios from files, and which files took part.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::place::Carried;
use crate::foundations::Faults;
use crate::foundations::error::Sources;
use crate::report::manifest::Input;
use crate::simulation::scenario::files::{self, WantedTrace};
use crate::simulation::scenario::{
    Draws, Files, Folder, Point, ReadOptions, Scenario, Variant, document,
};
use crate::workload::trace::{Trace, TraceError};

/// What the default scenario is called.
const QUICKSTART: &str = "scenarios/quickstart.toml";
/// The default scenario, for those who have no file yet.
const QUICKSTART_TEXT: &str = include_str!("../../scenarios/quickstart.toml");

/// A scenario and what it was read from.
#[derive(Debug)]
pub struct Loaded {
    /// The scenario.
    pub scenario: Scenario,
    /// The texts that took part, for showing warnings where they stand.
    pub sources: Sources,
    /// The scenario's text first, then the files that it names.
    pub inputs: Vec<Input>,
}

/// Reads a scenario: from a file, from standard input for `-`, or the default one.
///
/// # Errors
/// When the file cannot be read, and all faults in it.
pub fn load(path: Option<&Path>, set: &[String], variants: &[String]) -> Result<Loaded, Failure> {
    load_with_points(path, set, variants, &[], Draws::default(), None).map(|(loaded, _)| loaded)
}

/// What became of each point of an experiment: a variant, or the reason why it cannot be built.
pub type Candidates = Vec<Result<Variant, Faults>>;

/// Reads a scenario, and a variant for each of `points`. What is `carried` along is not read from
/// the disk.
///
/// # Errors
/// When the file cannot be read, and all faults in it and in the points.
pub fn load_with_points(
    path: Option<&Path>,
    set: &[String],
    variants: &[String],
    points: &[Point],
    draws: Draws<'_>,
    carried: Option<&Carried>,
) -> Result<(Loaded, Candidates), Failure> {
    let (name, bytes) = match path {
        _ if let Some(scenario) = carried.and_then(Carried::scenario) => scenario.clone(),
        None => (QUICKSTART.to_owned(), QUICKSTART_TEXT.as_bytes().to_vec()),
        Some(path) => (path.display().to_string(), read(path)?),
    };
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let mut sources = Sources::default();
            let mut faults = Faults::default();
            document::parse_bytes(&name, error.as_bytes(), &mut sources, &mut faults);
            return Err(Failure::Scenario { faults, sources });
        }
    };
    let folder = folder_of(path);
    let files = Noted { folder, carried, read: RefCell::default() };
    read_text(name, text, files, set, variants, points, draws)
}

/// The folder in which the files lie that a scenario names.
pub fn folder_of(scenario: Option<&Path>) -> PathBuf {
    scenario.map_or_else(|| PathBuf::from("scenarios"), |path| Folder::of(path).0)
}

/// Reads the text of a scenario that no file holds yet; files that it names lie in `folder`.
///
/// # Errors
/// All faults in it.
pub fn load_text(
    name: &str,
    text: &str,
    folder: &Path,
    set: &[String],
    variants: &[String],
) -> Result<Loaded, Failure> {
    let (name, text) = (name.to_owned(), text.to_owned());
    let files = Noted { folder: folder.to_owned(), carried: None, read: RefCell::default() };
    let read = read_text(name, text, files, set, variants, &[], Draws::default());
    read.map(|(loaded, _)| loaded)
}

fn read_text(
    name: String,
    text: String,
    files: Noted<'_>,
    set: &[String],
    variants: &[String],
    points: &[Point],
    draws: Draws<'_>,
) -> Result<(Loaded, Candidates), Failure> {
    let mut sources = Sources::default();
    let source = sources.add_file(&name, &text);
    let options = ReadOptions { files: &files, set, variants, draws };
    match Scenario::read_with_points(source, &mut sources, &options, points) {
        Ok((scenario, candidates)) => {
            let named = files.read.into_inner();
            let inputs = [Input::text(name, text)].into_iter().chain(named).collect();
            Ok((Loaded { scenario, sources, inputs }, candidates))
        }
        Err(faults) => Err(Failure::Scenario { faults, sources }),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = match path == Path::new("-") {
        true => files::whole_of(io::stdin().lock()),
        false => files::whole(path),
    };
    bytes.map_err(|error| Failure::Unreadable { name: path.display().to_string(), error })
}

/// Files below a folder or carried along, with a note of those that were read.
struct Noted<'c> {
    folder: PathBuf,
    carried: Option<&'c Carried>,
    read: RefCell<Vec<Input>>,
}

impl Noted<'_> {
    /// What is carried along of a file or a folder, if it is.
    fn carried(&self, path: &str) -> Option<Vec<&(String, Vec<u8>)>> {
        self.carried.map(|carried| carried.under(path)).filter(|files| !files.is_empty())
    }

    /// Notes a file, or all files below a folder by their names.
    fn note(&self, path: &str) {
        let mut noted = self.read.borrow_mut();
        if noted.iter().any(|input| input.name == path) {
            return;
        }
        match self.carried(path) {
            Some(files) => {
                noted.extend(files.into_iter().map(|(name, bytes)| Input::bytes(name, bytes)));
            }
            None => {
                let files = files_under(&self.folder, path);
                noted.extend(files.iter().map(|(name, bytes)| Input::bytes(name, bytes)));
            }
        }
    }
}

/// The bytes of a file, or of all files below a folder, by their names.
pub fn files_under(folder: &Path, path: &str) -> Vec<(String, Vec<u8>)> {
    let mut open = vec![(path.to_owned(), folder.join(path))];
    let mut found = Vec::new();
    while let Some((name, path)) = open.pop() {
        if let Ok(entries) = fs::read_dir(&path) {
            open.extend(entries.flatten().map(|entry| {
                let inside = entry.file_name();
                (format!("{name}/{}", inside.to_string_lossy()), entry.path())
            }));
        } else if let Ok(bytes) = fs::read(&path) {
            found.push((name, bytes));
        }
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

impl Files for Noted<'_> {
    fn text(&self, path: &str) -> io::Result<String> {
        let text = match self.carried(path).as_deref() {
            Some([(_, bytes)]) => String::from_utf8(bytes.clone()).map_err(io::Error::other)?,
            _ => Folder(self.folder.clone()).text(path)?,
        };
        self.note(path);
        Ok(text)
    }

    fn trace(&self, wanted: &WantedTrace) -> Result<Trace, TraceError> {
        let trace = match (self.carried(&wanted.path), self.carried) {
            (Some(_), Some(carried)) => {
                let name = self.folder.join(&wanted.path).display().to_string();
                let unpacked = tempfile::tempdir().and_then(|unpacked| {
                    carried.unpack(&wanted.path, unpacked.path()).map(|()| unpacked)
                });
                let unpacked = unpacked
                    .map_err(|source| TraceError::Unreadable { file: name.clone(), source })?;
                Trace { name, ..Folder(unpacked.path().to_owned()).trace(wanted)? }
            }
            _ => Folder(self.folder.clone()).trace(wanted)?,
        };
        self.note(&wanted.path);
        Ok(trace)
    }
}
