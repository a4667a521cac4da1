//! Names of catalog entries: matching without regard to case or separators, and errors that help.
//!
//! `H100 SXM`, `h100_sxm` and `h100-sxm` are one name. A name that is not there is answered by the
//! one that was probably meant and by the valid ones.

use std::collections::BTreeMap;

use crate::foundations::error::{Fault, choices, suggest};

/// A name that the catalog does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown {kind} `{name}`{}; choose from: {}",
    did_you_mean(meant.as_deref()),
    choices(name, valid.iter().map(String::as_str))
)]
pub struct UnknownName {
    /// What was looked for: `accelerator`, `model`, `engine`, ...
    pub kind: &'static str,
    /// The name as it was written.
    pub name: String,
    /// The name that was probably meant.
    pub meant: Option<String>,
    /// Every valid name.
    pub valid: Vec<String>,
}

impl UnknownName {
    /// An error for `name` among the `valid` names.
    #[must_use]
    pub fn new(kind: &'static str, name: &str, valid: Vec<String>) -> Self {
        let meant = suggest(name, valid.iter().map(String::as_str)).map(str::to_owned);
        Self { kind, name: name.to_owned(), meant, valid }
    }

    /// The same as a fault, to be reported beside others at its place.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let fault = Fault::new(format!("unknown {} `{}`", self.kind, self.name));
        let fault = match &self.meant {
            Some(meant) => fault.help(format!("did you mean `{meant}`?")),
            None => fault,
        };
        let choices = choices(&self.name, self.valid.iter().map(String::as_str));
        fault.help(format!("choose from: {choices}"))
    }
}

/// ` (did you mean ...?)`, or nothing.
pub(super) fn did_you_mean(meant: Option<&str>) -> String {
    meant.map(|meant| format!(" (did you mean `{meant}`?)")).unwrap_or_default()
}

/// A name without regard to case and to how its words are joined.
pub(super) fn normal(name: &str) -> String {
    let letters = name.chars().filter(|c| !matches!(c, ' ' | '_' | '-'));
    letters.flat_map(char::to_lowercase).collect()
}

/// An entry that is found by its key, its name or one of its aliases.
pub trait Named {
    /// The entry's stable key.
    fn key(&self) -> &str;
    /// Its name in prose, by which it is found too.
    fn name(&self) -> &str;
    /// Its other names.
    fn aliases(&self) -> &[String];
}

/// Entries in the order of their file, found by key or alias.
#[derive(Clone, Debug)]
pub(super) struct Shelf<T> {
    kind: &'static str,
    entries: Vec<T>,
    index: BTreeMap<String, usize>,
}

impl<T: Named> Shelf<T> {
    /// A shelf of things called `kind` in errors. A key wins over an alias, an earlier entry over
    /// a later one.
    pub(super) fn new(kind: &'static str, entries: Vec<T>) -> Self {
        let mut shelf = Self { kind, entries, index: BTreeMap::new() };
        shelf.reindex();
        shelf
    }

    fn reindex(&mut self) {
        self.index.clear();
        let keys = self.entries.iter().map(|entry| entry.key());
        for (position, key) in keys.enumerate() {
            self.index.insert(normal(key), position);
        }
        for (position, entry) in self.entries.iter().enumerate() {
            for name in entry.aliases().iter().map(String::as_str).chain([entry.name()]) {
                self.index.entry(normal(name)).or_insert(position);
            }
        }
    }

    /// Adds `entry`; one with the same key is replaced.
    pub(super) fn put(&mut self, entry: T) {
        let key = normal(entry.key());
        match self.entries.iter_mut().find(|held| normal(held.key()) == key) {
            Some(held) => *held = entry,
            None => self.entries.push(entry),
        }
        self.reindex();
    }

    /// The entry of this key or alias.
    ///
    /// # Errors
    /// [`UnknownName`], with what was probably meant and all valid keys.
    pub(super) fn get(&self, name: &str) -> Result<&T, UnknownName> {
        match self.index.get(&normal(name)) {
            Some(&position) => Ok(&self.entries[position]),
            None => Err(self.unknown(name)),
        }
    }

    /// All entries, in order.
    pub(super) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.entries.iter()
    }

    fn unknown(&self, name: &str) -> UnknownName {
        let valid = self.entries.iter().map(|entry| entry.key().to_owned()).collect();
        let mut error = UnknownName::new(self.kind, name, valid);
        if error.meant.is_none() {
            // It may look like an alias where it looks like no key: name the key then.
            let alias = suggest(&normal(name), self.index.keys().map(String::as_str));
            let position = alias.and_then(|alias| self.index.get(alias));
            error.meant = position.map(|&position| self.entries[position].key().to_owned());
        }
        error
    }
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

    #[test]
    fn an_entry_put_under_a_held_key_replaces_it() {
        let mut shelf = shelf();
        shelf.put(Entry("h200-sxm", vec!["mine".to_owned()]));
        assert_eq!(shelf.iter().count(), 2);
        assert_eq!(shelf.get("mine").map(|entry| entry.0), Ok("h200-sxm"));
        assert!(shelf.get("hopper 2").is_err());
    }
}
