//! Where an experiment is worked on: here as a whole, or as a part of one that was planned elsewhere.

use std::io;
use std::path::{Component, Path};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::failure::Failure;
use crate::experiment::Store;
use crate::foundations::{Fault, Faults};

/// See the module's page. No argument says so: it is what `tokenfleet shard` makes of a plan.
#[derive(Clone, Debug, Default)]
pub enum Place {
    /// Here, as a whole.
    #[default]
    Here,
    /// Nowhere yet: what it is goes into a plan.
    Planning(Arc<Mutex<Option<Planned>>>),
    /// In parts that make one.
    Elsewhere(Part),
}

impl Place {
    /// The scenario and its files, where they are not read from the disk.
    pub fn carried(&self) -> Option<&Carried> {
        match self {
            Place::Elsewhere(part) => Some(&part.files),
            Place::Here | Place::Planning(_) => None,
        }
    }
}

/// What goes into a plan.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    /// What the experiment is.
    pub heading: String,
    /// Names and bytes of the scenario and of the files that it names.
    pub files: Vec<(String, Vec<u8>)>,
}

/// A part of a planned experiment, or all parts together.
#[derive(Clone, Debug)]
pub struct Part {
    /// What is known, and what belongs to the part.
    pub store: Arc<Store>,
    /// What the experiment was when it was planned.
    pub heading: String,
    /// The scenario and its files.
    pub files: Arc<Carried>,
}

impl Part {
    /// Whether what was planned is what is about to be simulated.
    ///
    /// # Errors
    /// Where it is not: a file has changed, or the version.
    pub fn check(&self, heading: &str) -> Result<(), Failure> {
        if self.heading == heading {
            return Ok(());
        }
        let inputs = |heading: &str| {
            let heading: Value = serde_json::from_str(heading).unwrap_or_default();
            heading["inputs"].as_array().cloned().unwrap_or_default()
        };
        let (planned, here) = (inputs(&self.heading), inputs(heading));
        let other = here.iter().find(|input| !planned.contains(input));
        let fault = match other.and_then(|input| input[0].as_str()) {
            Some(name) => Fault::new(format!("{name} is not the file that the plan was made with"))
                .help("bring it here as it was, or make the plan again"),
            None => Fault::new("the plan is of another experiment than its command")
                .help("make the plan again"),
        };
        Err(Failure::Argument(Faults::from(fault)))
    }
}

/// A scenario and the files that it names, in memory.
#[derive(Clone, Debug)]
pub struct Carried {
    files: Vec<(String, Vec<u8>)>,
}

impl Carried {
    /// These files, the scenario first.
    pub fn new(files: Vec<(String, Vec<u8>)>) -> Self {
        Self { files }
    }

    /// Whether a path stays below the folder that it starts in.
    pub fn is_inside(name: &str) -> bool {
        let mut parts = Path::new(name).components();
        parts.clone().count() > 0 && parts.all(|part| matches!(part, Component::Normal(_)))
    }

    /// The scenario, with its name.
    pub fn scenario(&self) -> Option<&(String, Vec<u8>)> {
        self.files.first()
    }

    /// A file that the scenario names, or all files below a folder that it names.
    pub fn under(&self, path: &str) -> Vec<&(String, Vec<u8>)> {
        let named = self.files.iter().skip(1);
        named.filter(|(name, _)| Path::new(name).starts_with(path)).collect()
    }

    /// Puts the files under a path into a folder.
    ///
    /// # Errors
    /// What the file system says.
    pub fn unpack(&self, path: &str, folder: &Path) -> io::Result<()> {
        for (name, bytes) in self.under(path) {
            let target = folder.join(name);
            if let Some(parent) = target.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(target, bytes)?;
        }
        Ok(())
    }
}
