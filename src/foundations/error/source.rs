//! The texts that input came from.

/// Names a text in a [`Sources`] table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(usize);

/// A text that input came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What the text is called: a file's path as it was typed, or `the command line`.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// Whether line numbers mean something in it: true of a file, not of a command-line flag.
    pub has_lines: bool,
}

/// Every text that takes part in one scenario, so that a fault can be shown where it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources(Vec<Source>);

impl Sources {
    /// Adds a file.
    pub fn add_file(&mut self, name: impl Into<String>, text: impl Into<String>) -> SourceId {
        self.add(Source { name: name.into(), text: text.into(), has_lines: true })
    }

    /// Adds a command-line flag with its value, as it was typed: `--set run.trials=10`.
    pub fn add_flag(&mut self, text: impl Into<String>) -> SourceId {
        self.add(Source { name: "the command line".into(), text: text.into(), has_lines: false })
    }

    fn add(&mut self, source: Source) -> SourceId {
        self.0.push(source);
        SourceId(self.0.len() - 1)
    }

    /// The text of an id that this table gave out; `None` for an id of another table.
    pub fn get(&self, id: SourceId) -> Option<&Source> {
        self.0.get(id.0)
    }

    /// All texts, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.0.iter()
    }
}
