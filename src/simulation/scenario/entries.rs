//! `[accelerators.NAME]`, `[models.NAME]`, `[engines.NAME]`, `[regions.NAME]`: what a scenario adds to
//! the catalog, or says otherwise than it.
//!
//! An entry builds on the one that `base` names, or on the catalog's of its own name. Its other keys
//! are those of the catalog's files; a model's are those of its `config.json`, which may also be
//! given whole, as `config = "path"`.

use super::document::{Entry, Node, Table, Value, join_path};
use super::files::Files;
use super::reader::Section;
use crate::catalog::{Catalog, EntryError, FieldError};
use crate::foundations::{Fault, Place};

/// The sections that hold entries.
pub(super) const KINDS: [&str; 4] = ["accelerators", "models", "engines", "regions"];

/// Who states the figures of an entry, in a result's list of sources.
pub(super) const BY: &str = "scenario";

/// Puts a scenario's entries into the catalog.
pub(super) fn apply(root: &Section, catalog: &mut Catalog, files: &dyn Files) {
    for kind in KINDS {
        let Some(node) = root.node(kind) else { continue };
        let Some(entries) = node.as_table() else {
            root.report(root.fault(kind, format!("expected a table, found {}", node.describe())));
            continue;
        };
        for entry in &entries.entries {
            let path = join_path(kind, &entry.key);
            match entry.node.as_table() {
                Some(table) => {
                    let added = Addition { root, kind, entry, table, path };
                    added.put(catalog, files);
                }
                None => {
                    let message = format!("expected a table, found {}", entry.node.describe());
                    root.report(Fault::new(message).at(entry.node.origin.place(path)));
                }
            }
        }
    }
}

/// An entry as it is written.
struct Addition<'a, 'd> {
    root: &'a Section<'d>,
    kind: &'static str,
    entry: &'d Entry,
    table: &'d Table,
    path: String,
}

impl Addition<'_, '_> {
    fn put(&self, catalog: &mut Catalog, files: &dyn Files) {
        let key = self.entry.key.as_str();
        let text = |name: &str| match self.table.get(name).map(|node| (node, node.as_str())) {
            Some((node, None)) => {
                let message = format!("expected text in quotes, found {}", node.describe());
                self.root.report(Fault::new(message).at(self.place(name)));
                None
            }
            found => found.and_then(|(_, text)| text),
        };
        let config = text("config").filter(|_| self.kind == "models");
        let known = match self.kind {
            "accelerators" => catalog.accelerator(key).is_ok(),
            "models" => catalog.model(key).is_ok(),
            "engines" => catalog.engine(key).is_ok(),
            _ => catalog.region(key).is_ok(),
        };
        let base = text("base").or(known.then_some(key));
        let skipped = |name: &str| name == "base" || name == "config" && self.kind == "models";
        let fields = self.table.entries.iter().filter(|entry| !skipped(&entry.key));
        let changes: toml::Table =
            fields.map(|entry| (entry.key.clone(), toml_value(&entry.node))).collect();
        if let Some(path) = config {
            if self.table.get("base").is_some() {
                let message = "`config` is a whole model, it has no `base`";
                self.root
                    .report(Fault::new(message).at(self.place("base")).help("keep one of them"));
                return;
            }
            let read = files.text(path);
            let added = match &read {
                Ok(text) => catalog.add_model_config(key, text, path),
                Err(error) => {
                    let message = format!("cannot read `{path}`: {error}");
                    return self.root.report(Fault::new(message).at(self.place("config")));
                }
            };
            if let Err(error) = added {
                return self.refuse(&error);
            }
        }
        let base = if config.is_some() { Some(key) } else { base };
        if config.is_some() && changes.is_empty() {
            return;
        }
        let added = match self.kind {
            "accelerators" => catalog.add_accelerator(key, base, &changes, BY),
            "models" => catalog.add_model(key, base, &changes, BY),
            "engines" => catalog.add_engine(key, base, &changes, BY),
            _ => catalog.add_region(key, base, &changes, BY),
        };
        if let Err(error) = added {
            self.refuse(&error);
        }
    }

    /// The place of a field, or of the entry where it was not written.
    fn place(&self, field: &str) -> Place {
        let origin = self.table.get(field).map_or(self.entry.node.origin, |node| node.origin);
        origin.place(join_path(&self.path, field))
    }

    fn refuse(&self, error: &EntryError) {
        let fault = match error {
            EntryError::Base(unknown) => unknown.fault().at(self.place("base")),
            EntryError::Field(FieldError::Unknown { name, valid, .. }) => {
                let origin = self.table.entry(name).map(|entry| entry.key_origin);
                let origin = origin.unwrap_or(self.entry.key_origin);
                let fault = Fault::unknown("key", name, valid.iter().map(String::as_str));
                fault.at(origin.place(join_path(&self.path, name)))
            }
            EntryError::Field(FieldError::Bad { name, reason, .. }) => {
                Fault::new(format!("`{name}`: {reason}")).at(self.place(name))
            }
            other => {
                Fault::new(other.to_string()).at(self.entry.key_origin.place(self.path.as_str()))
            }
        };
        self.root.report(fault);
    }
}

fn toml_value(node: &Node) -> toml::Value {
    match &node.value {
        Value::String(text) => toml::Value::String(text.clone()),
        Value::Integer(number) => toml::Value::Integer(*number),
        Value::Float(number) => toml::Value::Float(*number),
        Value::Boolean(flag) => toml::Value::Boolean(*flag),
        Value::Array(items) => toml::Value::Array(items.iter().map(toml_value).collect()),
        Value::Table(table) => {
            let entries = table.entries.iter();
            toml::Value::Table(
                entries.map(|entry| (entry.key.clone(), toml_value(&entry.node))).collect(),
            )
        }
    }
}
