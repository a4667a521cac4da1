//! A TOML text as a tree in which every key and value knows where it was written.
//!
//! ```
//! use tokenfleet::foundations::error::{Faults, Sources};
//! use tokenfleet::simulation::scenario::document;
//!
//! let mut sources = Sources::default();
//! let source = sources.add_file("small.toml", "[run]\nhorizon = \"2 h\"\n");
//! let mut faults = Faults::default();
//! let root = document::parse(source, &sources, &mut faults).unwrap();
//!
//! let run = root.as_table().and_then(|table| table.get("run")).unwrap();
//! let horizon = run.as_table().and_then(|table| table.get("horizon")).unwrap();
//! assert_eq!(horizon.as_str(), Some("2 h"));
//! assert_eq!(horizon.origin.span(), 16..21);
//! ```

mod build;
mod syntax;

use std::ops::Range;

use crate::foundations::error::{Place, SourceId, shortened};

pub use syntax::{parse, parse_bare, parse_bytes, parse_value};

/// How deep tables and lists may nest, counting the parts of dotted keys. Deeper input has no
/// meaning and would only exhaust the stack of whatever walks it.
pub const DEEPEST: usize = 64;

/// Where a key or a value was written: a text and a range of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The text.
    pub source: SourceId,
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Origin {
    /// The range of bytes.
    pub fn span(self) -> Range<usize> {
        self.start..self.end
    }

    /// The place of a fault here, in what the dotted `path` names.
    pub fn place(self, path: impl Into<String>) -> Place {
        Place { source: self.source, span: self.span(), path: path.into() }
    }
}

/// A value and where it was written.
///
/// The origin of a table is its header, its braces, or the key that implied it; that of the whole
/// document is the point at its start.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it was written.
    pub origin: Origin,
}

/// A TOML value. A date is the text that it was written as.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A text.
    String(String),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction or an exponent; `inf` and `nan` are valid TOML.
    Float(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A list.
    Array(Vec<Node>),
    /// A table.
    Table(Table),
}

/// Keys with their values, in the order in which they were written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// The keys and their values.
    pub entries: Vec<Entry>,
    /// Whether it was written as one value, in braces, rather than under a header or dotted keys.
    pub inline: bool,
}

/// One key of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key, unquoted.
    pub key: String,
    /// Where the key was written.
    pub key_origin: Origin,
    /// Its value.
    pub node: Node,
}

impl Node {
    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The table, if it is one.
    pub fn as_table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// What stands here, for a message: `text "abc"`, `12`, `a table`.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::String(text) => format!("text \"{}\"", shortened(text)),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Boolean(flag) => flag.to_string(),
            Value::Array(_) => "a list".to_owned(),
            Value::Table(_) => "a table".to_owned(),
        }
    }
}

impl Table {
    /// A table without keys.
    pub const EMPTY: &'static Table = &Table { entries: Vec::new(), inline: false };

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// A key with its value.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The keys in the order in which they were written.
    pub fn keys(&self) -> impl Iterator<Item = &str> + Clone {
        self.entries.iter().map(|entry| entry.key.as_str())
    }
}

/// `parent.key`, the key quoted where it needs to be.
pub fn join_path(parent: &str, key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let key = match !key.is_empty() && key.chars().all(bare) {
        true => shortened(key),
        false => format!("{:?}", shortened(key)),
    };
    if parent.is_empty() { key } else { format!("{parent}.{key}") }
}

/// Parses a valid document, for tests.
#[cfg(test)]
pub(crate) fn parsed(text: &str) -> (Node, crate::foundations::Sources, SourceId) {
    use crate::foundations::error::{Faults, Sources};
    let (mut sources, mut faults) = (Sources::default(), Faults::default());
    let source = sources.add_file("test.toml", text);
    let root = parse(source, &sources, &mut faults).expect("valid TOML");
    assert!(faults.is_empty(), "{faults}");
    (root, sources, source)
}
