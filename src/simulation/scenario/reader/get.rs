//! The getters of a section: one per kind of value.

use super::section::Section;
use super::{Key, Kind, Named, Presence, Schema, literal, quantity, wrong_kind};
use crate::foundations::error::{Fault, Place, shortened};
use crate::simulation::scenario::document::{Entry, Node, Table, Value, join_path};

impl<'d> Section<'d> {
    /// A text.
    pub fn text(&self, key: &str) -> &'d str {
        match self.given(key).map(|(key, node)| (key, node, node.as_str())) {
            Some((.., Some(text))) => text,
            Some((_, node, None)) => {
                self.report(self.fault(key, wrong_kind("text in quotes", node)));
                self.stand_in(key)
            }
            None => self.stand_in(key),
        }
    }

    /// `true` or `false`.
    pub fn boolean(&self, key: &str) -> bool {
        self.read(key, |_, node| match node.value {
            Value::Boolean(flag) => Ok(flag),
            _ => Err(wrong_kind("true or false", node)),
        })
    }

    /// A whole number. The range of the key must fit into `T`.
    pub fn integer<T: TryFrom<i64> + Default>(&self, key: &str) -> T {
        self.read(key, |key, node| {
            let number = match node.value {
                Value::Integer(number) => Some(number),
                // 1e6 is a float to TOML.
                Value::Float(float) if float.fract() == 0.0 && float.abs() < 9e15 => {
                    Some(float as i64)
                }
                _ => None,
            };
            let number = number.ok_or_else(|| wrong_kind("a whole number", node))?;
            let Kind::Integer(low, high) = key.kind else { return Ok(misdeclared(key.name)) };
            let fits = (low..=high).contains(&number);
            let number = fits.then(|| T::try_from(number).ok()).flatten();
            let range = || format!("`{}` must be between {low} and {high}", key.name);
            number.ok_or_else(|| format!("{}, found {}", range(), node.describe()))
        })
    }

    /// A quantity in its base unit.
    pub fn quantity(&self, key: &str) -> f64 {
        self.read(key, |key, node| match key.kind {
            Kind::Quantity(of, bounds) => quantity(key.name, of, bounds, node),
            _ => Ok(misdeclared(key.name)),
        })
    }

    /// One of the words that the schema lists, as the value that stands beside it here.
    pub fn choice<T: Copy>(&self, key: &str, values: &[(&str, T)]) -> T {
        let words = values.iter().map(|&(word, _)| word);
        debug_assert!(
            matches!(self.declared(key).map(|key| key.kind), Some(Kind::Choice(declared))
                if declared.iter().copied().eq(words.clone())),
            "the words of `{key}` are not those of its schema"
        );
        let index: usize = self.read(key, |key, node| {
            let word = node.as_str().ok_or_else(|| wrong_kind("text in quotes", node))?;
            let index = words.clone().position(|known| known == word);
            index.ok_or_else(|| {
                let message = format!("`{}` can't be `{}`", key.name, shortened(word));
                Fault { message, ..Fault::unknown(key.name, word, words.clone()) }
            })
        });
        values[index].1
    }

    /// A name that must be one of the `valid` ones; `None` where a fault was reported, or where an
    /// optional key was left out.
    pub fn name<'v>(
        &self,
        key: &str,
        valid: impl IntoIterator<Item = &'v str> + Clone,
    ) -> Option<&'d str> {
        let Some((declared, node)) = self.given(key) else {
            return match self.declared(key)?.presence {
                Presence::Default(name) => Some(name),
                _ => None,
            };
        };
        let Kind::Name(what) = declared.kind else { return misdeclared(key) };
        self.known_name(what, node, self.place(key), valid)
    }

    /// A list of names, each of which must be one of the `valid` ones; others are left out.
    pub fn names<'v>(
        &self,
        key: &str,
        valid: impl IntoIterator<Item = &'v str> + Clone,
    ) -> Vec<&'d str> {
        let Some(Kind::Names(what)) = self.declared(key).map(|key| key.kind) else {
            return misdeclared(key);
        };
        let name = |(index, item): (usize, &'d Node)| {
            self.known_name(what, item, self.item_place(key, index, item), valid.clone())
        };
        self.items(key).iter().enumerate().filter_map(name).collect()
    }

    fn known_name<'v>(
        &self,
        what: &str,
        node: &'d Node,
        place: Place,
        valid: impl IntoIterator<Item = &'v str> + Clone,
    ) -> Option<&'d str> {
        let fault = match node.as_str() {
            Some(name) if valid.clone().into_iter().any(|known| known == name) => {
                return Some(name);
            }
            Some(name) => Fault::unknown(what, name, valid),
            None => Fault::new(wrong_kind(&format!("the name of a known {what}"), node)),
        };
        self.report(fault.at(place));
        None
    }

    /// A list of quantities in their base unit; wrong ones are left out.
    pub fn quantities(&self, key: &str) -> Vec<f64> {
        let Some(Kind::Quantities(of, bounds)) = self.declared(key).map(|key| key.kind) else {
            return misdeclared(key);
        };
        let value = |(index, item): (usize, &Node)| {
            let read = quantity(key, of, bounds, item);
            let place = self.item_place(key, index, item);
            read.map_err(|message| self.report(Fault::new(message).at(place))).ok()
        };
        self.items(key).iter().enumerate().filter_map(value).collect()
    }

    /// Quantities under free names, in the order in which they were written; wrong ones are left
    /// out.
    pub fn named_quantities(&self, key: &str) -> Vec<Named<'d, f64>> {
        let Some(Kind::NamedQuantities(of, bounds)) = self.declared(key).map(|key| key.kind) else {
            return misdeclared(key);
        };
        let value = |(path, entry): (String, &'d Entry)| {
            let read = quantity(&entry.key, of, bounds, &entry.node);
            let fault = |message| Fault::new(message).at(entry.node.origin.place(path.as_str()));
            let value = read.map_err(|message| self.report(fault(message))).ok()?;
            Some(Named { name: &entry.key, value, place: entry.key_origin.place(path) })
        };
        self.entries(key).filter_map(value).collect()
    }

    /// A section. Where it was left out, its keys have their defaults and those without one are
    /// missing; ask [`has`](Self::has) first, or use [`optional`](Self::optional), where leaving it
    /// out has another meaning.
    pub fn section(&self, key: &str) -> Section<'d> {
        let Some((declared, Kind::Section(schema))) = self.declared(key).map(|k| (k, k.kind))
        else {
            let () = misdeclared(key);
            return self.left_out(&UNDECLARED, &EMPTY);
        };
        match self.node(key) {
            Some(node) => Section::open(node, join_path(&self.path, key), schema, self.faults),
            None => self.left_out(declared, schema),
        }
    }

    /// The table of a key that may also be something simpler, opened by a schema of its own; `None`
    /// where it is not a table, or was left out.
    pub fn section_by(&self, key: &str, schema: &'static Schema) -> Option<Section<'d>> {
        debug_assert!(
            matches!(self.declared(key).map(|key| key.kind), Some(Kind::Either(kinds))
                if kinds.iter().any(|kind| matches!(kind, Kind::Section(known)
                    if std::ptr::eq(*known, schema)))),
            "`{key}` may be no such section"
        );
        let node = self.node(key).filter(|node| node.as_table().is_some())?;
        Some(Section::open(node, join_path(&self.path, key), schema, self.faults))
    }

    /// The sections under free names, in the order in which they were written.
    pub fn sections(&self, key: &str) -> Vec<(&'d str, Section<'d>)> {
        let Some(Kind::Sections(schema)) = self.declared(key).map(|key| key.kind) else {
            return misdeclared(key);
        };
        self.entries(key)
            .map(|(path, entry)| {
                (entry.key.as_str(), Section::open(&entry.node, path, schema, self.faults))
            })
            .collect()
    }

    /// The sections of a list.
    pub fn section_list(&self, key: &str) -> Vec<Section<'d>> {
        let Some(Kind::SectionList(schema)) = self.declared(key).map(|key| key.kind) else {
            return misdeclared(key);
        };
        let open = |(index, item): (usize, &'d Node)| {
            Section::open(item, self.item_place(key, index, item).path, schema, self.faults)
        };
        self.items(key).iter().enumerate().map(open).collect()
    }

    /// Reads a key's value, or what stands in for it.
    fn read<T: Default, E: Into<Fault>>(
        &self,
        name: &str,
        value: impl Fn(&'static Key, &Node) -> Result<T, E>,
    ) -> T {
        if let Some((key, node)) = self.given(name) {
            match value(key, node) {
                Ok(value) => return value,
                Err(fault) => self.report(Into::<Fault>::into(fault).at(self.place(name))),
            }
        }
        let Some(key) = self.declared(name) else { return T::default() };
        value(key, &literal(key.stand_in())).unwrap_or_default()
    }

    /// The items of a list, none where it was left out.
    fn items(&self, name: &str) -> &'d [Node] {
        match self.given(name).map(|(_, node)| (node, &node.value)) {
            Some((_, Value::Array(items))) => items,
            Some((node, _)) => {
                self.report(self.fault(name, wrong_kind("a list", node)));
                &[]
            }
            None => &[],
        }
    }

    fn item_place(&self, name: &str, index: usize, item: &Node) -> Place {
        item.origin.place(format!("{}[{index}]", join_path(&self.path, name)))
    }

    /// The entries of a table with their paths, none where it was left out.
    fn entries(&self, name: &str) -> impl Iterator<Item = (String, &'d Entry)> + use<'d> {
        let table = match self.given(name).map(|(_, node)| (node, node.as_table())) {
            Some((_, Some(table))) => table,
            Some((node, None)) => {
                self.report(self.fault(name, wrong_kind("a table", node)));
                Table::EMPTY
            }
            None => Table::EMPTY,
        };
        let path = join_path(&self.path, name);
        table.entries.iter().map(move |entry| (join_path(&path, &entry.key), entry))
    }
}

/// Stands in for a key that a schema lacks, which only a mistake in the code can ask for.
static UNDECLARED: Key = Key::any("undeclared", "");
static EMPTY: Schema = Schema::new("", &[]);

/// What a getter gives for a key that the schema declares as another kind: a mistake in the code.
pub(super) fn misdeclared<T: Default>(key: &str) -> T {
    debug_assert!(false, "`{key}` is not declared as what it is read as");
    T::default()
}
