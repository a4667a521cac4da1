//! The scenarios that the page offers.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use crate::cli::failure::Failure;
use crate::simulation::scenario::files::WantedTrace;
use crate::simulation::scenario::{Files, Folder};
use crate::workload::trace::{Trace, TraceError};

/// Scenarios of the repository that need no file beside them.
const SHIPPED: [(&str, &str); 12] = [
    ("quickstart", include_str!("../../../scenarios/quickstart.toml")),
    ("coding-agents", include_str!("../../../scenarios/coding-agents.toml")),
    ("coding-interactive", include_str!("../../../scenarios/coding-interactive.toml")),
    ("chat", include_str!("../../../scenarios/chat.toml")),
    ("video-ads", include_str!("../../../scenarios/video-ads.toml")),
    (
        "one-answer-becomes-a-chain",
        include_str!("../../../scenarios/one-answer-becomes-a-chain.toml"),
    ),
    ("rubin-10x", include_str!("../../../scenarios/rubin-10x.toml")),
    ("hopper-blackwell-rubin", include_str!("../../../scenarios/hopper-blackwell-rubin.toml")),
    ("self-host-or-api", include_str!("../../../scenarios/self-host-or-api.toml")),
    ("stack-of-optimisations", include_str!("../../../scenarios/stack-of-optimisations.toml")),
    ("quantize-or-not", include_str!("../../../scenarios/quantize-or-not.toml")),
    ("small-model-first", include_str!("../../../scenarios/small-model-first.toml")),
];

/// Scenarios by name, and the folder of each that has one.
#[derive(Debug)]
pub(super) struct Scenarios {
    /// In the order in which they are offered: name and text.
    pub(super) offered: Vec<(String, String)>,
    folders: BTreeMap<String, PathBuf>,
}

impl Scenarios {
    /// Those of the program behind those of the user.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn with(files: &[PathBuf]) -> Result<Self, Failure> {
        let mut found = Self { offered: Vec::new(), folders: BTreeMap::new() };
        for path in files {
            let name = path.display().to_string();
            let read = fs::read_to_string(path);
            let text = read.map_err(|error| Failure::Unreadable { name: name.clone(), error })?;
            found.folders.insert(name.clone(), Folder::of(path).0);
            found.offered.push((name, text));
        }
        found.offered.extend(SHIPPED.map(|(name, text)| (name.to_owned(), text.to_owned())));
        Ok(found)
    }

    /// The files that a scenario of this name may read: those below its folder.
    pub(super) fn files(&self, name: &str) -> Below {
        Below(self.folders.get(name).cloned())
    }
}

/// Files below a folder and nowhere else; none without one.
#[derive(Debug)]
pub(super) struct Below(Option<PathBuf>);

impl Below {
    /// The folder as it stands for a path that does not lead out of it.
    fn folder(&self, path: &str) -> io::Result<Folder> {
        let refused = |why| io::Error::new(io::ErrorKind::PermissionDenied, why);
        let Some(folder) = &self.0 else {
            return Err(refused("this scenario has no folder: serve it as a file"));
        };
        let (whole, target) = (fs::canonicalize(folder)?, fs::canonicalize(folder.join(path))?);
        match target.starts_with(whole) {
            true => Ok(Folder(folder.clone())),
            false => Err(refused("the page reads only what lies beside the scenario")),
        }
    }
}

impl Files for Below {
    fn text(&self, path: &str) -> io::Result<String> {
        self.folder(path)?.text(path)
    }

    fn trace(&self, wanted: &WantedTrace) -> Result<Trace, TraceError> {
        let folder = self.folder(&wanted.path);
        let unreadable = |source| TraceError::Unreadable { file: wanted.path.clone(), source };
        folder.map_err(unreadable)?.trace(wanted)
    }
}
