//! `plan.json`: an experiment with all that it needs, and into how many parts it is cut.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::cli::failure::Failure;
use crate::cli::place::{Carried, Part};
use crate::experiment::Store;
use crate::foundations::{Fault, Faults};

/// Files that are carried along have so many bytes at most, all together; larger ones are told by
/// their digest and must lie on every machine.
const MOST_BYTES: usize = 32 << 20;

/// A plan.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct ShardPlan {
    /// The version that made it.
    pub tokenfleet: String,
    /// How many parts there are.
    pub shards: u64,
    /// The words behind `tokenfleet`.
    pub command: Vec<String>,
    /// What the experiment is: shards and results of another are told by it.
    pub heading: String,
    /// The scenario first, then the files that it names, as far as they are carried along.
    files: Vec<CarriedFile>,
}

/// A file in a plan.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct CarriedFile {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

impl ShardPlan {
    /// A plan of this many parts.
    pub(super) fn new(
        shards: u64,
        command: Vec<String>,
        heading: String,
        files: &[(String, Vec<u8>)],
    ) -> Self {
        let mut room = MOST_BYTES;
        let carried = files.iter().enumerate().filter_map(|(at, (name, bytes))| {
            let fits = bytes.len() <= room && (at == 0 || Carried::is_inside(name));
            room -= if fits { bytes.len() } else { 0 };
            let text = str::from_utf8(bytes).ok().map(str::to_owned);
            let base64 = text.is_none().then(|| STANDARD.encode(bytes));
            fits.then(|| CarriedFile { name: name.clone(), text, base64 })
        });
        let files = carried.collect();
        Self { tokenfleet: env!("CARGO_PKG_VERSION").to_owned(), shards, command, heading, files }
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// When it cannot be read, is none, or was made by another version.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let wrong = |message: String| Failure::Argument(Faults::from(Fault::new(message)));
        let text = fs::read_to_string(path)
            .map_err(|error| Failure::Unreadable { name: name.clone(), error })?;
        let plan: Self = serde_json::from_str(&text)
            .map_err(|error| wrong(format!("{name} is no plan of shards: {error}")))?;
        if plan.tokenfleet != env!("CARGO_PKG_VERSION") {
            let (theirs, mine) = (&plan.tokenfleet, env!("CARGO_PKG_VERSION"));
            return Err(wrong(format!("{name} was made by tokenfleet {theirs}, this is {mine}")));
        }
        match plan.shards {
            0 => Err(wrong(format!("{name} has no shards"))),
            _ => Ok(plan),
        }
    }

    /// A part of the experiment, or all of it, with what is known in `store`.
    ///
    /// # Errors
    /// When a file in the plan cannot be read.
    pub(super) fn part(&self, store: Arc<Store>) -> Result<Part, Failure> {
        let wrong = |file: &CarriedFile| {
            let fault = Fault::new(format!("the plan's file `{}` is damaged", file.name));
            Failure::Argument(Faults::from(fault))
        };
        let bytes = |(at, file): (usize, &CarriedFile)| {
            let bytes = match (&file.text, &file.base64) {
                (Some(text), None) => Some(text.clone().into_bytes()),
                (None, Some(base64)) => STANDARD.decode(base64).ok(),
                _ => None,
            };
            let bytes = bytes.filter(|_| at == 0 || Carried::is_inside(&file.name));
            Ok((file.name.clone(), bytes.ok_or_else(|| wrong(file))?))
        };
        let files = self.files.iter().enumerate().map(bytes).collect::<Result<_, Failure>>()?;
        Ok(Part { store, heading: self.heading.clone(), files: Arc::new(Carried::new(files)) })
    }
}
