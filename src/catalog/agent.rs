//! Agent archetypes: programs measured on recorded agents, to be named in a scenario.
//!
//! An archetype is a file of `src/catalog/agents/`: a program as a scenario writes it, and above it
//! a name, a description and `[[evidence]]` that says of each figure where it comes from. This floor
//! knows nothing of programs: it keeps the text, and a scenario reads it with the reader of its own
//! programs.
//!
//! ```
//! use tokenfleet::catalog::Catalog;
//!
//! let catalog = Catalog::embedded();
//! let chat = catalog.agent("chat")?;
//! assert!(chat.text.contains("[steps."));
//! assert!(chat.provenance().iter().any(|row| row.figure == "session.tasks"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use serde::Deserialize;

use super::figure::{Confidence, Provenance};
use super::name::Named;

/// Every archetype: its key and the text of its file.
#[rustfmt::skip] // one a line
const FILES: &[(&str, &str)] = &[
    ("plain", include_str!("agents/plain.toml")),
    ("chat", include_str!("agents/chat.toml")),
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

/// Where one figure of an archetype comes from.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Evidence {
    figure: String,
    source: String,
    #[serde(default)]
    date: String,
    confidence: Confidence,
    #[serde(default)]
    assumed: bool,
    #[serde(default)]
    note: String,
}

impl Agent {
    fn read(key: &str, text: &'static str) -> Result<Self, toml::de::Error> {
        let Head { name, description, aliases, evidence } = toml::from_str(text)?;
        Ok(Self { key: key.to_owned(), name, description, aliases, text, evidence })
    }

    /// One row per figure with its source, for manifests and listings. The value is left empty: it
    /// is a probability law, as written in [`Agent::text`].
    #[must_use]
    pub fn provenance(&self) -> Vec<Provenance> {
        let row = |evidence: &Evidence| Provenance {
            what: self.key.clone(),
            figure: evidence.figure.clone(),
            value: String::new(),
            low: String::new(),
            high: String::new(),
            source: evidence.source.clone(),
            date: evidence.date.clone(),
            confidence: evidence.confidence,
            assumed: evidence.assumed,
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

/// Reads all archetypes.
pub(super) fn read_all() -> Result<Vec<Agent>, toml::de::Error> {
    FILES.iter().map(|&(key, text)| Agent::read(key, text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_archetype_says_where_its_figures_come_from() {
        for agent in read_all().unwrap() {
            assert!(!agent.description.is_empty() && !agent.evidence.is_empty(), "{}", agent.key);
            let file: toml::Table = agent.text.parse().unwrap();
            for row in agent.provenance() {
                let mut parts = row.figure.split('.');
                let first = parts.next().unwrap_or_default();
                assert!(file.contains_key(first), "{}: {} is not in it", agent.key, row.figure);
                assert!(!row.source.is_empty(), "{}: {}", agent.key, row.figure);
            }
        }
    }

    #[test]
    fn evidence_with_an_unknown_key_is_refused() {
        let text = "name = 'x'\ndescription = 'x'\n[[evidence]]\nfigur = 'a'\nsource = 'b'\n";
        assert!(Agent::read("x", text).is_err());
    }
}
