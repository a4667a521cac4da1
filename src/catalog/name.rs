//! Names of catalog entries: matching without regard to case or separators, and errors that help.
//!
//! `H100 SXM`, `h100_sxm` and `h100-sxm` are one name. A name that is not there is answered by the
//! nearest ones (Jaro-Winkler similarity) and by the list of all.

use std::collections::BTreeMap;

/// A name that the catalog does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {kind} `{name}`{}; valid names: {}", suggestion(nearest), valid.join(", "))]
pub struct UnknownName {
    /// What was looked for: `accelerator`, `model`, `engine`, ...
    pub kind: &'static str,
    /// The name as it was written.
    pub name: String,
    /// Up to three names that look like it, nearest first.
    pub nearest: Vec<String>,
    /// Every valid name.
    pub valid: Vec<String>,
}

impl UnknownName {
    /// An error for `name` among the `valid` names.
    #[must_use]
    pub fn new(kind: &'static str, name: &str, valid: Vec<String>) -> Self {
        let nearest = nearest(name, valid.iter().map(String::as_str));
        Self { kind, name: name.to_owned(), nearest, valid }
    }
}

fn suggestion(nearest: &[String]) -> String {
    match nearest {
        [] => String::new(),
        names => format!(" (did you mean `{}`?)", names.join("` or `")),
    }
}

/// Up to three of `valid` that look like `name`, nearest first.
pub(super) fn nearest<'a>(name: &str, valid: impl Iterator<Item = &'a str>) -> Vec<String> {
    const ALIKE: f64 = 0.8;
    let wanted = normal(name);
    let mut scored: Vec<(f64, &str)> = valid
        .map(|candidate| (strsim::jaro_winkler(&wanted, &normal(candidate)), candidate))
        .filter(|(score, _)| *score >= ALIKE)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().take(3).map(|(_, candidate)| candidate.to_owned()).collect()
}

/// A name without regard to case and to how its words are joined.
#[must_use]
pub(super) fn normal(name: &str) -> String {
    name.trim()
        .chars()
        .map(|c| if matches!(c, ' ' | '_') { '-' } else { c.to_ascii_lowercase() })
        .collect()
}

/// Entries in the order of their file, found by key or alias.
#[derive(Clone, Debug)]
pub(super) struct Shelf<T> {
    kind: &'static str,
    entries: Vec<T>,
    index: BTreeMap<String, usize>,
}

/// What a [`Shelf`] holds: something with a key and other names.
pub trait Named {
    /// The entry's stable key.
    fn key(&self) -> &str;
    /// Its other names.
    fn aliases(&self) -> &[String];
}

impl<T: Named> Shelf<T> {
    /// A shelf of things called `kind` in errors. A key wins over an alias, an earlier entry over a later one.
    #[must_use]
    pub(super) fn from_entries(kind: &'static str, entries: Vec<T>) -> Self {
        let mut index = BTreeMap::new();
        for (position, entry) in entries.iter().enumerate() {
            index.insert(normal(entry.key()), position);
        }
        for (position, entry) in entries.iter().enumerate() {
            for alias in entry.aliases() {
                index.entry(normal(alias)).or_insert(position);
            }
        }
        Self { kind, entries, index }
    }

    /// Adds `entry`; one with the same key is replaced.
    pub(super) fn put(&mut self, entry: T) {
        let key = normal(entry.key());
        let position = match self.entries.iter().position(|held| normal(held.key()) == key) {
            Some(position) => position,
            None => self.entries.len(),
        };
        for alias in entry.aliases() {
            self.index.entry(normal(alias)).or_insert(position);
        }
        self.index.insert(key, position);
        if position < self.entries.len() {
            self.entries[position] = entry;
        } else {
            self.entries.push(entry);
        }
    }

    /// The entry of this key or alias.
    ///
    /// # Errors
    /// [`UnknownName`], with the nearest and all valid keys.
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
        if error.nearest.is_empty() {
            // An alias may look like it where no key does: name the key that it stands for.
            let alias = nearest(name, self.index.keys().map(String::as_str)).into_iter().next();
            error.nearest = alias
                .and_then(|alias| self.index.get(&alias))
                .map(|&position| self.entries[position].key().to_owned())
                .into_iter()
                .collect();
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
        fn aliases(&self) -> &[String] {
            &self.1
        }
    }

    fn shelf() -> Shelf<Entry> {
        let entry = |key, alias: &str| Entry(key, vec![alias.to_owned()]);
        Shelf::from_entries(
            "accelerator",
            vec![entry("h100-sxm", "H100 SXM5"), entry("h200-sxm", "H200")],
        )
    }

    #[test]
    fn names_match_without_case_or_separator() {
        for name in ["h100-sxm", "H100 SXM", "H100_sxm5", " h100-SXM "] {
            assert_eq!(shelf().get(name).map(|entry| entry.0), Ok("h100-sxm"), "{name}");
        }
    }

    #[test]
    fn an_unknown_name_is_answered_by_its_neighbours_and_all_valid_ones() {
        let Err(error) = shelf().get("h100-smx") else { panic!("found") };
        assert_eq!(error.nearest[0], "h100-sxm");
        assert_eq!(error.valid, ["h100-sxm", "h200-sxm"]);
        let Err(error) = shelf().get("zzz") else { panic!("found") };
        assert_eq!(error.to_string(), "unknown accelerator `zzz`; valid names: h100-sxm, h200-sxm");
    }

    #[test]
    fn an_entry_put_under_a_held_key_replaces_it() {
        let mut shelf = shelf();
        shelf.put(Entry("h200-sxm", vec!["mine".to_owned()]));
        assert_eq!(shelf.iter().count(), 2);
        assert_eq!(shelf.get("mine").map(|entry| entry.0), Ok("h200-sxm"));
    }
}
