//! Agent archetypes: programs measured on recorded agents, to be named in a scenario.
//!
//! An archetype is a file of `src/catalog/agents/`: a program as a scenario writes it, with a name, a
//! description, and beside its figures `[[evidence]]` that says where each comes from and of what
//! kind that is. This floor knows nothing of programs: it keeps the text, and a scenario reads it
//! with the reader of its own programs.
//!
//! ```
//! use tokenfleet::catalog::Catalog;
//!
//! let catalog = Catalog::embedded();
//! let chat = catalog.agent("chat")?;
//! assert!(chat.text.contains("[steps."));
//! let tasks = chat.evidence().iter().find(|row| row.figure == "session.tasks").unwrap();
//! assert_eq!(tasks.basis, tokenfleet::catalog::agent::Basis::Measured);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;

use serde::Deserialize;

use super::figure::{Confidence, Provenance};
use super::name::Named;

/// Every archetype: its key and the text of its file.
#[rustfmt::skip] // one a line
const FILES: &[(&str, &str)] = &[
    ("plain", include_str!("agents/plain.toml")),
    ("chat", include_str!("agents/chat.toml")),
    ("react", include_str!("agents/react.toml")),
    ("coding-interactive", include_str!("agents/coding-interactive.toml")),
    ("coding-autonomous", include_str!("agents/coding-autonomous.toml")),
    ("rag", include_str!("agents/rag.toml")),
    ("deep-research", include_str!("agents/deep-research.toml")),
    ("research-sub-agent", include_str!("agents/research-sub-agent.toml")),
    ("reflexion", include_str!("agents/reflexion.toml")),
    ("plan-and-execute", include_str!("agents/plan-and-execute.toml")),
    ("tree-search", include_str!("agents/tree-search.toml")),
    ("tree-search-branch", include_str!("agents/tree-search-branch.toml")),
    ("video-pipeline", include_str!("agents/video-pipeline.toml")),
    ("video-scene", include_str!("agents/video-scene.toml")),
    ("batch", include_str!("agents/batch.toml")),
];

/// Keys of an archetype's file that are not part of its program.
pub const DESCRIPTIVE_KEYS: [&str; 4] = ["name", "description", "aliases", "evidence"];

/// An agent archetype.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    /// Stable name, such as `coding-autonomous`.
    pub key: String,
    /// Name in prose.
    pub name: String,
    /// What such an agent does, in one sentence.
    pub description: String,
    /// Other names.
    pub aliases: Vec<String>,
    /// The whole file: a program as a scenario writes it, and the [`DESCRIPTIVE_KEYS`].
    pub text: &'static str,
    evidence: Vec<Evidence>,
}

/// What is asked of an archetype's file; the rest is its program.
#[derive(Deserialize)]
struct Head {
    name: String,
    description: String,
    #[serde(default)]
    aliases: Vec<String>,
    evidence: Vec<Evidence>,
}

/// What kind of evidence stands behind a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// Taken from published raw records.
    Measured,
    /// Stated by those who measured it.
    Published,
    /// Stated by somebody else.
    Reported,
    /// Taken to be so for want of data.
    Assumed,
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Measured => "measured",
            Self::Published => "published",
            Self::Reported => "reported",
            Self::Assumed => "assumed",
        })
    }
}

/// Where a figure of an archetype comes from.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Path of the figure, or of the table with several, in the archetype's file; a shared segment
    /// goes by its name.
    pub figure: String,
    /// The figure as it is written.
    #[serde(skip)]
    pub value: String,
    /// What kind of evidence it is.
    pub basis: Basis,
    /// Where it was read.
    pub source: String,
    /// When that was published or retrieved, or empty.
    #[serde(default)]
    pub date: String,
    /// How far to trust it for agents of this kind.
    pub confidence: Confidence,
    /// What a reader must know to use it, or empty.
    #[serde(default)]
    pub note: String,
}

impl Agent {
    fn read(key: &str, text: &'static str) -> Result<Self, toml::de::Error> {
        let Head { name, description, aliases, mut evidence } = toml::from_str(text)?;
        let file: toml::Table = toml::from_str(text)?;
        for row in &mut evidence {
            row.value = at(&file, &row.figure).map(ToString::to_string).unwrap_or_default();
        }
        Ok(Self { key: key.to_owned(), name, description, aliases, text, evidence })
    }

    /// Where its figures come from, in the order of the file.
    #[must_use]
    pub fn evidence(&self) -> &[Evidence] {
        &self.evidence
    }

    /// One row per figure with its source, for manifests and listings.
    #[must_use]
    pub fn provenance(&self) -> Vec<Provenance> {
        let row = |evidence: &Evidence| Provenance {
            what: self.key.clone(),
            figure: evidence.figure.clone(),
            value: evidence.value.clone(),
            low: String::new(),
            high: String::new(),
            source: evidence.source.clone(),
            date: evidence.date.clone(),
            confidence: evidence.confidence,
            assumed: evidence.basis == Basis::Assumed,
            note: evidence.note.clone(),
        };
        self.evidence.iter().map(row).collect()
    }
}

impl Named for Agent {
    fn key(&self) -> &str {
        &self.key
    }
    fn name(&self) -> &str {
        &self.name
    }
    fn aliases(&self) -> &[String] {
        &self.aliases
    }
}

/// What stands at a path; an element of a list goes by its `name`.
fn at<'f>(file: &'f toml::Table, path: &str) -> Option<&'f toml::Value> {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let mut found = file.get(first)?;
    for key in rest.split('.').filter(|key| !key.is_empty()) {
        found = match found {
            toml::Value::Array(items) => {
                let named =
                    |item: &&toml::Value| item.get("name")?.as_str().map(|name| name == key);
                items.iter().find(|item| named(item) == Some(true))?
            }
            other => other.get(key)?,
        };
    }
    Some(found)
}

/// Reads all archetypes.
pub(super) fn read_all() -> Result<Vec<Agent>, toml::de::Error> {
    FILES.iter().map(|&(key, text)| Agent::read(key, text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paths of all figures at or below a value: numbers, and text that begins with one.
    fn figures(value: &toml::Value, path: &str, found: &mut Vec<String>) {
        let quantity =
            |text: &str| text.trim_start_matches('$').starts_with(|c: char| c.is_ascii_digit());
        match value {
            toml::Value::Integer(_) | toml::Value::Float(_) => found.push(path.to_owned()),
            toml::Value::String(text) if quantity(text) => found.push(path.to_owned()),
            toml::Value::Table(table) => {
                for (key, value) in table {
                    figures(value, &format!("{path}.{key}"), found);
                }
            }
            toml::Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let name = item.get("name").and_then(toml::Value::as_str);
                    let name = name.map_or_else(|| index.to_string(), str::to_owned);
                    figures(item, &format!("{path}.{name}"), found);
                }
            }
            _ => {}
        }
    }

    #[test]
    fn every_figure_of_an_archetype_has_its_evidence() {
        for agent in read_all().unwrap() {
            let file: toml::Table = agent.text.parse().unwrap();
            let mut found = Vec::new();
            for (key, value) in &file {
                if !DESCRIPTIVE_KEYS.contains(&key.as_str()) {
                    figures(value, key, &mut found);
                }
            }
            assert!(!agent.description.is_empty() && !found.is_empty(), "{}", agent.key);
            for figure in found {
                let covers = |row: &Evidence| {
                    figure
                        .strip_prefix(&row.figure)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                };
                assert!(agent.evidence.iter().any(covers), "{}: whence {figure}?", agent.key);
            }
        }
    }

    #[test]
    fn evidence_belongs_to_a_figure_and_names_a_source() {
        for agent in read_all().unwrap() {
            for row in agent.evidence() {
                assert!(!row.value.is_empty(), "{}: {} is not in it", agent.key, row.figure);
                assert!(row.source.len() > 20, "{}: {}", agent.key, row.figure);
                let trusted = row.confidence <= Confidence::B;
                assert!(!(row.basis == Basis::Assumed && trusted), "{}: {}", agent.key, row.figure);
            }
        }
    }

    #[test]
    fn evidence_with_an_unknown_key_is_refused() {
        let text = "name = 'x'\ndescription = 'x'\n[[evidence]]\nfigur = 'a'\nsource = 'b'\n";
        assert!(Agent::read("x", text).is_err());
    }
}
