//! `manifest.json`: what a result was made from, so that it can be made again.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::catalog::Provenance;
use crate::experiment::{Answers, METRICS, Metric};

/// A text that took part: the scenario, a file it names.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Input {
    /// What it is called: its path as it was typed, or `built in`.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// All of it, where it is text and short enough to read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Input {
    /// A text, kept whole.
    pub fn text(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { name: name.into(), sha256: sha256(text.as_bytes()), text: Some(text) }
    }

    /// Bytes, of which only the digest is kept.
    pub fn bytes(name: impl Into<String>, bytes: &[u8]) -> Self {
        Self { name: name.into(), sha256: sha256(bytes), text: None }
    }
}

/// A figure of the catalog that took part.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Source {
    /// The entry, `h100-sxm`.
    entry: String,
    /// The figure, `memory_bandwidth`.
    figure: String,
    /// Its value, with its unit.
    value: String,
    /// Where it was read.
    source: String,
    /// When that said so; empty where that is not known.
    date: String,
    /// How far to trust it.
    confidence: String,
    /// Whether it was recalled, inferred or put in as a placeholder.
    assumed: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
}

/// Figures of the catalog, each once, by entry and name.
pub fn sources(figures: Vec<Provenance>) -> Vec<Source> {
    let rows: BTreeMap<(String, String, String), Provenance> = figures
        .into_iter()
        .map(|row| ((row.what.clone(), row.figure.clone(), row.value.clone()), row))
        .collect();
    let source = |row: Provenance| Source {
        entry: row.what,
        figure: row.figure,
        value: row.value,
        source: row.source,
        date: row.date,
        confidence: row.confidence.to_string(),
        assumed: row.assumed,
        note: row.note,
    };
    rows.into_values().map(source).collect()
}

/// Where a result comes from, besides the answers themselves.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The words that make it again: `tokenfleet run x.toml --seed 1`.
    pub command: Vec<String>,
    /// The scenario first, then what it names.
    pub inputs: Vec<Input>,
    /// Figures of the catalog that were used.
    pub sources: Vec<Source>,
    /// The limit that cut it before all trials were finished.
    pub cut: Option<String>,
}

#[derive(serde::Serialize)]
struct Manifest<'a> {
    /// The version that made it.
    tokenfleet: &'static str,
    command: &'a [String],
    scenario: Scenario<'a>,
    inputs: &'a [Input],
    seed: u64,
    trials: u64,
    /// Fewer than `trials` where the run was stopped.
    trials_finished: u64,
    /// The limit that cut it.
    #[serde(skip_serializing_if = "Option::is_none")]
    cut_by: Option<&'a str>,
    confidence: f64,
    tasks_csv: Vec<Sampled<'a>>,
    sources: &'a [Source],
    definitions: BTreeMap<&'static str, Definition>,
}

#[derive(serde::Serialize)]
struct Scenario<'a> {
    name: &'a str,
    sha256: &'a str,
    text: &'a str,
}

#[derive(serde::Serialize)]
struct Sampled<'a> {
    variant: &'a str,
    rows: u64,
    tasks: u64,
    sampled: bool,
}

#[derive(serde::Serialize)]
struct Definition {
    unit: &'static str,
    meaning: &'static str,
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The manifest of an experiment over many points, as indented JSON with a line break at its end.
///
/// # Errors
/// When `serde_json` cannot write it; no value in it gives reason to.
pub fn of_experiment(
    scenario: &str,
    seed: u64,
    trials: u64,
    origin: &Origin,
) -> serde_json::Result<String> {
    let mut manifest = serde_json::json!({
        "tokenfleet": env!("CARGO_PKG_VERSION"),
        "command": origin.command,
        "scenario": scenario,
        "inputs": origin.inputs,
        "seed": seed,
        "trials": trials,
        "sources": origin.sources,
        "definitions": definitions(|metric| !metric.is_of_a_lever()),
    });
    if let Some(cut) = &origin.cut {
        manifest["cut_by"] = cut.as_str().into();
    }
    serde_json::to_string_pretty(&manifest).map(|json| json + "\n")
}

fn definitions(said: impl Fn(&&Metric) -> bool) -> BTreeMap<&'static str, Definition> {
    let definition = |metric: &Metric| {
        (metric.key, Definition { unit: metric.unit.text(), meaning: metric.meaning })
    };
    METRICS.iter().filter(said).map(definition).collect()
}

/// The manifest as indented JSON with a line break at its end.
///
/// # Errors
/// When `serde_json` cannot write it; no value in it gives reason to.
pub fn to_json(answers: &Answers<'_>, origin: &Origin) -> serde_json::Result<String> {
    let (scenario, inputs) = match origin.inputs.split_first() {
        Some((first, rest)) => (first.clone(), rest),
        None => (Input::text(answers.scenario, ""), &[][..]),
    };
    let sampled = answers.variants.iter().map(|answer| {
        let (rows, tasks) = (answer.tasks.count() as u64, answer.tasks.seen());
        Sampled { variant: &answer.plan.name, rows, tasks, sampled: rows < tasks }
    });
    let manifest = Manifest {
        tokenfleet: env!("CARGO_PKG_VERSION"),
        command: &origin.command,
        scenario: Scenario {
            name: answers.scenario,
            sha256: &scenario.sha256,
            text: scenario.text.as_deref().unwrap_or_default(),
        },
        inputs,
        seed: answers.seed,
        trials: answers.planned,
        trials_finished: answers.stopped_after().unwrap_or(answers.planned),
        cut_by: origin.cut.as_deref(),
        confidence: answers.confidence,
        tasks_csv: sampled.collect(),
        sources: &origin.sources,
        definitions: definitions(|metric| answers.speaks_of(metric)),
    };
    serde_json::to_string_pretty(&manifest).map(|json| json + "\n")
}
