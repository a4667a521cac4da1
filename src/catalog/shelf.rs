//! Shelves of catalog entries, found by key, name or alias.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::name::{Named, UnknownName, normal};
use super::record::{FieldError, Sources};
use crate::foundations::error::suggest;

/// Entries in the order of their file, found by key or alias. Those of a data file are read one by
/// one when they are asked for; at first only their names are looked up in its text.
#[derive(Clone, Debug)]
pub(super) struct Shelf<T> {
    kind: &'static str,
    slots: Vec<Slot<T>>,
    index: BTreeMap<String, usize>,
    read: Read<T>,
    /// What stands before the first entry of a data file, and the sources read from it.
    head: &'static str,
    sources: OnceLock<Sources>,
}

/// Reads an entry from its table.
pub(super) type Read<T> = fn(&toml::Table, &Sources) -> Result<T, FieldError>;

#[derive(Clone, Debug)]
struct Slot<T> {
    key: String,
    others: Vec<String>,
    text: &'static str,
    entry: OnceLock<T>,
}

impl<T: Named> Slot<T> {
    fn of(entry: T) -> Self {
        let others = entry.aliases().iter().map(String::as_str).chain([entry.name()]);
        let others = others.map(str::to_owned).collect();
        Self { key: entry.key().to_owned(), others, text: "", entry: OnceLock::from(entry) }
    }

    /// A slot of an entry that is still to be read: its names are the quoted texts of `key`, `name`
    /// and `aliases`.
    fn unread(text: &'static str) -> Self {
        let quoted = |field: &str, end: char| {
            let value = text.split_once(&format!("\n{field} = ")).map(|(_, rest)| rest);
            let value = value.and_then(|rest| rest.split_once(end)).map(|(value, _)| value);
            let quoted = value.unwrap_or_default().split('"').skip(1).step_by(2);
            quoted.map(str::to_owned).collect::<Vec<_>>()
        };
        let key = quoted("key", '\n').concat();
        let others = [quoted("aliases", ']'), quoted("name", '\n')].concat();
        Self { key, others, text, entry: OnceLock::new() }
    }
}

impl<T: Named> Shelf<T> {
    /// A shelf of things called `kind` in errors. A key wins over an alias, an earlier entry over
    /// a later one.
    pub(super) fn new(kind: &'static str, entries: Vec<T>) -> Self {
        let slots = entries.into_iter().map(Slot::of).collect();
        Self::with(kind, slots, "", |_, _| unreachable!("every slot is filled"))
    }

    /// The `[[kind]]` entries of a compiled-in data file, read by `read`.
    pub(super) fn of_file(kind: &'static str, text: &'static str, read: Read<T>) -> Self {
        let mark = format!("\n[[{kind}]]");
        let mut parts = text.split(&mark);
        let head = parts.next().unwrap_or_default();
        Self::with(kind, parts.map(Slot::unread).collect(), head, read)
    }

    fn with(kind: &'static str, slots: Vec<Slot<T>>, head: &'static str, read: Read<T>) -> Self {
        let (index, sources) = (BTreeMap::new(), OnceLock::new());
        let mut shelf = Self { kind, slots, index, read, head, sources };
        shelf.reindex();
        shelf
    }

    fn reindex(&mut self) {
        self.index.clear();
        for (position, slot) in self.slots.iter().enumerate() {
            self.index.insert(normal(&slot.key), position);
        }
        for (position, slot) in self.slots.iter().enumerate() {
            for name in &slot.others {
                self.index.entry(normal(name)).or_insert(position);
            }
        }
    }

    /// The entry in a slot.
    fn entry<'a>(&'a self, slot: &'a Slot<T>) -> &'a T {
        slot.entry.get_or_init(|| {
            let sources =
                self.sources.get_or_init(|| Sources::read(table(self.head).get("sources")));
            // Sub-tables are named after their list, so the entry is read as the only one of it.
            let file = table(&format!("[[{}]]{}", self.kind, slot.text));
            let entry = file[self.kind].get(0).and_then(toml::Value::as_table);
            let entry = entry.unwrap_or_else(|| broken(&slot.key));
            (self.read)(entry, sources).unwrap_or_else(|error| broken(&error))
        })
    }

    /// Adds `entry`; one with the same key is replaced.
    pub(super) fn put(&mut self, entry: T) {
        let slot = Slot::of(entry);
        let key = normal(&slot.key);
        match self.slots.iter_mut().find(|held| normal(&held.key) == key) {
            Some(held) => *held = slot,
            None => self.slots.push(slot),
        }
        self.reindex();
    }

    /// The entry of this key or alias.
    ///
    /// # Errors
    /// [`UnknownName`], with what was probably meant and all valid keys.
    pub(super) fn get(&self, name: &str) -> Result<&T, UnknownName> {
        match self.index.get(&normal(name)) {
            Some(&position) => Ok(self.entry(&self.slots[position])),
            None => Err(self.unknown(name)),
        }
    }

    /// All entries, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().map(|slot| self.entry(slot))
    }

    fn unknown(&self, name: &str) -> UnknownName {
        let valid = self.slots.iter().map(|slot| slot.key.clone()).collect();
        let mut error = UnknownName::new(self.kind, name, valid);
        if error.meant.is_none() {
            // It may look like an alias where it looks like no key: name the key then.
            let alias = suggest(&normal(name), self.index.keys().map(String::as_str));
            let position = alias.and_then(|alias| self.index.get(alias));
            error.meant = position.map(|&position| self.slots[position].key.clone());
        }
        error
    }
}

fn table(text: &str) -> toml::Table {
    text.parse().unwrap_or_else(|error| broken(&error))
}

/// The compiled-in files are part of the program: a fault in them is a fault of the program, which
/// the tests of this floor would have found.
pub(super) fn broken(error: &dyn std::fmt::Display) -> ! {
    unreachable!("embedded catalog: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Entry(&'static str, Vec<String>);

    impl Named for Entry {
        fn key(&self) -> &str {
            self.0
        }
        fn name(&self) -> &str {
            self.0
        }
        fn aliases(&self) -> &[String] {
            &self.1
        }
    }

    fn shelf() -> Shelf<Entry> {
        let entry = |key, alias: &str| Entry(key, vec![alias.to_owned()]);
        let entries = vec![entry("h100-sxm", "H100 SXM5"), entry("h200-sxm", "Hopper 2")];
        Shelf::new("accelerator", entries)
    }

    fn error(name: &str) -> UnknownName {
        shelf().get(name).map(|entry| entry.0).unwrap_err()
    }

    #[test]
    fn names_match_without_case_or_separator() {
        for name in ["h100-sxm", "H100 SXM", "H100_sxm5", " h100-SXM "] {
            assert_eq!(shelf().get(name).map(|entry| entry.0), Ok("h100-sxm"), "{name}");
        }
    }

    #[test]
    fn an_unknown_name_is_answered_by_what_was_meant_and_all_valid_ones() {
        assert_eq!(
            error("h100-smx").to_string(),
            "unknown accelerator `h100-smx` (did you mean `h100-sxm`?); choose from: h100-sxm, \
             h200-sxm"
        );
        assert_eq!(error("hoper-2").meant.as_deref(), Some("h200-sxm"));
        assert_eq!(error("zzz").meant, None);
        assert_eq!(error("zzz").fault().help, ["choose from: h100-sxm, h200-sxm"]);
    }

    /// Names are looked up in the text of a file and read with the entry: both must agree.
    #[test]
    fn entries_of_data_files_have_the_names_that_they_are_found_by() {
        let catalog = crate::catalog::Catalog::embedded();
        let mut seen = 0;
        let mut find = |kind: &str, found: &str, key: &str| {
            seen += 1;
            assert_eq!(found, key, "{kind}");
        };
        for entry in catalog.models() {
            for name in entry.aliases.iter().chain([&entry.key]) {
                find("model", &catalog.model(name).unwrap().key, &entry.key);
            }
        }
        for entry in catalog.accelerators() {
            for name in entry.aliases.iter().chain([&entry.key, &entry.name]) {
                find("accelerator", &catalog.accelerator(name).unwrap().key, &entry.key);
            }
        }
        for entry in catalog.regions() {
            for name in entry.aliases.iter().chain([&entry.key, &entry.name]) {
                find("region", &catalog.region(name).unwrap().key, &entry.key);
            }
        }
        assert!(seen > 200, "{seen}");
    }

    #[test]
    fn an_entry_put_under_a_held_key_replaces_it() {
        let mut shelf = shelf();
        shelf.put(Entry("h200-sxm", vec!["mine".to_owned()]));
        assert_eq!(shelf.iter().count(), 2);
        assert_eq!(shelf.get("mine").map(|entry| entry.0), Ok("h200-sxm"));
        assert!(shelf.get("hopper 2").is_err());
    }
}
