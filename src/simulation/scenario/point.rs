//! Points of an experiment: a variant with some of its values replaced, made by whoever explores a
//! scenario rather than written in it.

use super::document::{Node, Value};
use super::overlay::{self, PathPart};
use super::variants::Version;
use crate::foundations::error::Sources;
use crate::foundations::{Fault, Faults};

/// A variant with some values replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// What it is called.
    pub name: String,
    /// The variant that it starts from; empty for the first that is read.
    pub of: String,
    /// What is replaced, in this order.
    pub changes: Vec<Change>,
}

/// A replaced value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// `path=value`, as behind `--set`.
    Set(String),
    /// What a path leads to in another variant: replaced by that, or removed where it has nothing
    /// there.
    Like {
        /// The other variant.
        variant: String,
        /// The keys of the path.
        path: Vec<String>,
    },
}

impl Point {
    /// The document of this point, made from one of the `versions`.
    pub(super) fn version(
        &self,
        versions: &[Version],
        sources: &mut Sources,
    ) -> Result<Version, Faults> {
        let find = |name: &str| {
            let found = versions.iter().find(|version| version.name == name);
            let names = versions.iter().map(|version| version.name.as_str());
            found.ok_or_else(|| Faults::from(Fault::unknown("variant", name, names)))
        };
        let start = match (self.of.is_empty(), versions.first()) {
            (true, Some(first)) => first,
            _ => find(&self.of)?,
        };
        let mut root = start.root.clone();
        for change in &self.changes {
            match change {
                Change::Set(flag) => overlay::set_flag(&mut root, flag, sources)?,
                Change::Like { variant, path } => copy(&mut root, &find(variant)?.root, path)?,
            }
        }
        Ok(Version { name: self.name.clone(), root, changed: Vec::new() })
    }
}

/// Makes what `path` leads to in `root` what it is in `from`.
fn copy(root: &mut Node, from: &Node, path: &[String]) -> Result<(), Faults> {
    let found = path.iter().try_fold(from, |node, key| node.as_table()?.get(key));
    match found {
        Some(node) => {
            let part = |key: &String| PathPart { key: key.clone(), origin: node.origin };
            let path: Vec<PathPart> = path.iter().map(part).collect();
            Ok(overlay::set(root, &path, node.clone())?)
        }
        None => {
            remove(root, path);
            Ok(())
        }
    }
}

fn remove(root: &mut Node, path: &[String]) {
    let (Some((first, rest)), Value::Table(table)) = (path.split_first(), &mut root.value) else {
        return;
    };
    match rest {
        [] => table.entries.retain(|entry| entry.key != *first),
        _ => {
            let entry = table.entries.iter_mut().find(|entry| entry.key == *first);
            if let Some(entry) = entry {
                remove(&mut entry.node, rest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::scenario::document::parsed;

    #[test]
    fn a_point_takes_values_from_flags_and_from_other_variants() {
        let version = |name: &str, text: &str| Version {
            name: name.into(),
            root: parsed(text).0,
            changed: Vec::new(),
        };
        let base = version("base", "[pools.main]\nreplicas = 2\nprice = \"$1 /h\"\n");
        let other = version("other", "[pools.main]\nreplicas = 4\naccelerator = \"b200\"\n");
        let like = |key: &str| Change::Like {
            variant: "other".into(),
            path: ["pools", "main", key].map(str::to_owned).to_vec(),
        };
        let point = Point {
            name: "mixed".into(),
            of: String::new(),
            changes: vec![
                Change::Set("pools.main.replicas=3".into()),
                like("accelerator"),
                like("price"),
            ],
        };
        let made = point.version(&[base, other], &mut Sources::default()).unwrap();
        let main = made.root.as_table().unwrap().get("pools").unwrap();
        let main = main.as_table().unwrap().get("main").unwrap().as_table().unwrap();
        assert_eq!(main.keys().collect::<Vec<_>>(), ["replicas", "accelerator"]);
        assert_eq!(main.get("replicas").unwrap().describe(), "3");
        let lost = Point { of: "third".into(), ..point };
        assert!(lost.version(&[], &mut Sources::default()).is_err());
    }
}
