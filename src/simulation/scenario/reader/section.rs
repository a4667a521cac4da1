//! An open section: which of its keys are there, and where.

use std::cell::RefCell;

use super::{Key, Kind, Presence, Schema};
use crate::foundations::error::{Fault, Faults, Place, suggest};
use crate::simulation::scenario::document::{Entry, Node, Origin, Table, join_path};

/// A table of the document, open for reading by its schema.
#[derive(Debug)]
pub struct Section<'d> {
    schema: &'static Schema,
    /// The further keys that the value of the schema's tag brings.
    case: Option<&'static Schema>,
    table: &'d Table,
    origin: Origin,
    pub(super) path: String,
    pub(super) faults: &'d RefCell<Faults>,
    /// Whether this stands in for a value that is not a table, which was reported.
    absent: bool,
    /// Whether the tag does not say which keys there are: then neither a missing nor an unknown one
    /// is worth telling.
    untagged: bool,
}

impl<'d> Section<'d> {
    /// Opens the whole document.
    pub fn root(
        node: &'d Node,
        schema: &'static Schema,
        faults: &'d RefCell<Faults>,
    ) -> Section<'d> {
        Section::open(node, String::new(), schema, faults)
    }

    /// Opens a value as a section and reports its unknown keys. What is not a table is reported and
    /// reads as an empty one.
    pub fn open(
        node: &'d Node,
        path: String,
        schema: &'static Schema,
        faults: &'d RefCell<Faults>,
    ) -> Section<'d> {
        let table = node.as_table();
        let mut section = Section {
            schema,
            case: None,
            table: table.unwrap_or(Table::EMPTY),
            origin: node.origin,
            path,
            faults,
            absent: table.is_none(),
            untagged: false,
        };
        if table.is_none() {
            let message = format!("expected a table, found {}", node.describe());
            section.report(Fault::new(message).at(node.origin.place(section.path.as_str())));
        }
        section.choose_case();
        section.report_unknown_keys();
        section
    }

    /// A section that was left out: its keys have their defaults, and the missing ones are
    /// reported at this section.
    pub(super) fn left_out(&self, key: &Key, schema: &'static Schema) -> Section<'d> {
        let mut section = Section {
            schema,
            case: None,
            table: Table::EMPTY,
            origin: self.origin,
            path: join_path(&self.path, key.name),
            faults: self.faults,
            absent: self.absent,
            untagged: false,
        };
        section.choose_case();
        section
    }

    fn choose_case(&mut self) {
        let Some(tag) = self.schema.tag else { return };
        let case = |word: &str| tag.cases.iter().find(|(name, _)| *name == word);
        let given = match self.table.get(tag.key) {
            Some(node) => node.as_str().and_then(case),
            None => match self.schema.key(tag.key).map(|key| key.presence) {
                Some(Presence::Default(word)) => case(word),
                _ => None,
            },
        };
        self.untagged = given.is_none();
        let case = given.or_else(|| case(self.schema.key(tag.key)?.stand_in()));
        self.case = case.map(|&(_, schema)| schema);
    }

    fn keys(&self) -> impl Iterator<Item = &'static Key> + Clone {
        self.schema.keys.iter().chain(self.case.map_or(&[][..], |case| case.keys))
    }

    /// The keys that were given and that nobody knows.
    fn unknown(&self) -> impl Iterator<Item = &'d Entry> {
        let entries = self.table.entries.iter();
        entries.filter(|entry| self.keys().all(|key| key.name != entry.key))
    }

    fn report_unknown_keys(&self) {
        if self.untagged {
            return;
        }
        for entry in self.unknown() {
            let fault = Fault::unknown("key", &entry.key, self.keys().map(|key| key.name));
            let fault = match self.belongs_to(&entry.key) {
                Some(elsewhere) => Fault { help: vec![elsewhere], ..fault },
                None => fault,
            };
            self.report(fault.at(entry.key_origin.place(join_path(&self.path, &entry.key))));
        }
    }

    /// Where a key would be right that is wrong here, if that is near.
    fn belongs_to(&self, key: &str) -> Option<String> {
        let below = self.keys().find_map(|section| match section.kind {
            Kind::Section(schema) if schema.key(key).is_some() => Some(section.name),
            _ => None,
        });
        if let Some(name) = below {
            return Some(format!("`{key}` belongs in [{}]", join_path(&self.path, name)));
        }
        let tag = self.schema.tag?;
        let (case, _) = tag.cases.iter().find(|(_, schema)| schema.key(key).is_some())?;
        Some(format!("`{key}` is a key where `{} = \"{case}\"`", tag.key))
    }

    /// The dotted path of this section; empty for the whole document.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where this section was written.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The keys that were given, in the order in which they were written.
    pub fn given_keys(&self) -> impl Iterator<Item = &'d str> + Clone + use<'d> {
        self.table.keys()
    }

    /// The value of a key as it was written, if it was given.
    pub fn node(&self, key: &str) -> Option<&'d Node> {
        self.table.get(key)
    }

    /// Whether a key was given.
    pub fn has(&self, key: &str) -> bool {
        self.node(key).is_some()
    }

    /// Whether nothing was reported in this section and below it.
    pub fn is_sound(&self) -> bool {
        !self.absent && !self.untagged && !self.has_fault_at(&self.path)
    }

    /// Whether the values of these keys can be relied upon: nothing was reported in them, and no key
    /// is unknown, which might have been meant as one of them.
    pub fn is_sound_in(&self, keys: &[&str]) -> bool {
        let sound = |key: &&str| !self.has_fault_at(&join_path(&self.path, key));
        !self.absent && !self.untagged && self.unknown().next().is_none() && keys.iter().all(sound)
    }

    /// Whether something was reported at a path or below it.
    fn has_fault_at(&self, path: &str) -> bool {
        let within = |fault: &Fault| {
            let of = fault.place.as_ref().map_or("", |place| place.path.as_str());
            let below = of.strip_prefix(path);
            path.is_empty()
                || below.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.faults.borrow().iter().any(within)
    }

    /// The place of a key's value, or of the section where the key was left out.
    pub fn place(&self, key: &str) -> Place {
        let origin = self.node(key).map_or(self.origin, |node| node.origin);
        origin.place(join_path(&self.path, key))
    }

    /// A fault at the value of a key; to be completed with help and [reported](Self::report).
    pub fn fault(&self, key: &str, message: impl Into<String>) -> Fault {
        Fault::new(message).at(self.place(key))
    }

    /// Adds a fault to those of the document.
    pub fn report(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }

    /// Reads a key that may be left out: `section.optional("deadline", Section::quantity)`.
    pub fn optional<T>(&self, key: &str, read: impl FnOnce(&Self, &str) -> T) -> Option<T> {
        self.has(key).then(|| read(self, key))
    }

    /// Which one of several keys was given. None and more than one are faults.
    pub fn one_of(&self, keys: &[&'static str]) -> Option<&'static str> {
        let mut given = keys.iter().copied().filter(|key| self.has(key));
        let Some(first) = given.next() else {
            let names: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
            let fault = Fault::new(format!("one of the keys {} is needed", names.join(", ")));
            let example = keys.first().and_then(|key| self.declared(key)).map(Key::assignment);
            let fault =
                example.into_iter().fold(fault, |f, e| f.help(format!("for example `{e}`")));
            if !self.absent && !self.untagged && !keys.iter().any(|key| self.is_mistyped(key)) {
                self.report(fault.at(self.origin.place(self.path.as_str())));
            }
            return None;
        };
        for other in given {
            let message = format!("`{other}` can't stand beside `{first}`");
            self.report(self.fault(other, message).help("keep one of them"));
        }
        Some(first)
    }

    /// The key of the schema, or of the case that the tag chose.
    pub(super) fn declared(&self, name: &str) -> Option<&'static Key> {
        let key = self.keys().find(|key| key.name == name);
        debug_assert!(key.is_some(), "the schema of [{}] lacks `{name}`", self.path);
        key
    }

    /// What stands in for a missing or wrong value.
    pub(super) fn stand_in(&self, key: &str) -> &'static str {
        self.declared(key).map_or("", Key::stand_in)
    }

    /// A key and its value, if it was given; a required one that was not is reported.
    pub(super) fn given(&self, name: &str) -> Option<(&'static Key, &'d Node)> {
        let key = self.declared(name)?;
        let node = self.node(name);
        if node.is_none() && key.presence == Presence::Required && self.is_missing(name) {
            let path = self.path.as_str();
            let within = if path.is_empty() { String::new() } else { format!(" in `{path}`") };
            let message = match key.kind {
                Kind::Sections(_) => format!("missing section [{}]", join_path(path, name)),
                _ => format!("missing key `{name}`{within}"),
            };
            let doc = key.doc.trim_end_matches('.');
            let fault = self.fault(name, message);
            self.report(fault.help(format!("{doc}, for example `{}`", key.assignment())));
        }
        node.map(|node| (key, node))
    }

    /// Whether a key was left out, and not only mistyped.
    pub fn lacks(&self, key: &str) -> bool {
        !self.has(key) && self.is_missing(key)
    }

    /// Whether it is worth telling that a key was not given: not where its section is not there or
    /// not known itself, nor where it was only mistyped.
    fn is_missing(&self, name: &str) -> bool {
        let is_tag = self.schema.tag.is_some_and(|tag| tag.key == name);
        !self.absent && (!self.untagged || is_tag) && !self.is_mistyped(name)
    }

    /// Whether some unknown key was most likely meant to be this one.
    fn is_mistyped(&self, name: &str) -> bool {
        let known = || self.keys().map(|key| key.name);
        self.unknown().any(|entry| suggest(&entry.key, known()) == Some(name))
    }
}
