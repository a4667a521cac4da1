//! `[variants.NAME]`: the same scenario with some values changed.

use super::document::{Node, Table, Value};
use super::overlay;
use super::run;
use crate::foundations::error::Sources;
use crate::foundations::{Fault, Faults};

/// The name of the scenario as it stands.
pub const BASE: &str = "base";

/// One document to be read.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) name: String,
    pub(super) root: Node,
    /// Paths of the values that it changes.
    pub(super) changed: Vec<Vec<String>>,
}

/// The scenario as it stands and with each variant's changes; only the `wanted` ones, where some
/// are named.
pub(super) fn versions(
    mut root: Node,
    wanted: &[String],
    sources: &Sources,
    faults: &mut Faults,
) -> Vec<Version> {
    let variants = take(&mut root, faults);
    let names = || variants.entries.iter().map(|entry| entry.key.as_str());
    for name in wanted {
        if name != BASE && names().all(|known| known != name) {
            faults.push(Fault::unknown("variant", name, [BASE].into_iter().chain(names())));
        }
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let mut versions = Vec::new();
    if is_wanted(BASE) {
        versions.push(Version { name: BASE.to_owned(), root: root.clone(), changed: Vec::new() });
    }
    for entry in &variants.entries {
        let place = || entry.key_origin.place(format!("variants.{}", entry.key));
        if entry.key == BASE {
            let message = "`base` is the name of the scenario as it stands";
            faults.push(Fault::new(message).at(place()).help("call the variant something else"));
            continue;
        }
        let Some(changes) = entry.node.as_table() else {
            let message = format!("expected a table of changes, found {}", entry.node.describe());
            let help = "for example `\"pools.main.replicas\" = 8`";
            faults.push(Fault::new(message).at(entry.node.origin.place(place().path)).help(help));
            continue;
        };
        if !is_wanted(&entry.key) {
            continue;
        }
        let mut changed = root.clone();
        overlay::apply(&mut changed, changes, sources, faults);
        check_shared(&root, &changed, faults);
        let paths = overlay::paths(changes, sources);
        versions.push(Version { name: entry.key.clone(), root: changed, changed: paths });
    }
    versions
}

/// Takes `[variants]` out of the document.
fn take(root: &mut Node, faults: &mut Faults) -> Table {
    let Value::Table(table) = &mut root.value else { return Table::default() };
    let Some(index) = table.entries.iter().position(|entry| entry.key == "variants") else {
        return Table::default();
    };
    let entry = table.entries.remove(index);
    match entry.node.value {
        Value::Table(variants) => variants,
        _ => {
            let message = format!("expected a table of variants, found {}", entry.node.describe());
            faults.push(Fault::new(message).at(entry.node.origin.place("variants")));
            Table::default()
        }
    }
}

/// Reports what a variant changes though all share it.
fn check_shared(base: &Node, changed: &Node, faults: &mut Faults) {
    let run = run::SHARED.map(|key| ["run", key]);
    let whole = ["name", "description", "objectives", "variants"].map(|key| [key, ""]);
    for [first, second] in run.into_iter().chain(whole) {
        let find = |root: &Node| -> Option<Node> {
            let found = root.as_table()?.get(first)?;
            if second.is_empty() {
                Some(found.clone())
            } else {
                found.as_table()?.get(second).cloned()
            }
        };
        let Some(new) = find(changed).filter(|new| find(base).as_ref() != Some(new)) else {
            continue;
        };
        let path = if second.is_empty() { first.to_owned() } else { format!("{first}.{second}") };
        let message = format!("a variant can't change `{path}`");
        let help = "all variants share it, so that they can be compared trial by trial";
        faults.push(Fault::new(message).at(new.origin.place(path)).help(help));
    }
}
