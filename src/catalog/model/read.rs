//! Reading models from their data file, and changing one key by key.

use serde_json::{Map, Value};

use super::{ConfigError, Model};
use crate::catalog::figure::{Confidence, Figure, Source};
use crate::catalog::name::Named;
use crate::catalog::record::{self, FieldError, Sources, Standing};
use crate::foundations::units::Dimension;

const KIND: &str = "model";

/// A model with the configuration that it was built from, so that entries can build on it.
#[derive(Clone, Debug)]
pub(in crate::catalog) struct Entry {
    pub(in crate::catalog) model: Model,
    config: Map<String, Value>,
}

impl Named for Entry {
    fn key(&self) -> &str {
        &self.model.key
    }
    fn name(&self) -> &str {
        &self.model.name
    }
    fn aliases(&self) -> &[String] {
        &self.model.aliases
    }
}

/// Reads the table of an entry.
pub(in crate::catalog) fn read(
    entry: &toml::Table,
    sources: &Sources,
) -> Result<Entry, FieldError> {
    let key = record::text(entry, "key");
    let bad = |name: &str, reason: String| FieldError::bad(KIND, &key, name, reason);
    let unstated =
        Standing { source: Source::default().into(), confidence: Confidence::C, assumed: true };
    let standing = unstated.with(entry, sources).map_err(|reason| bad("source", reason))?;
    let config = match entry.get("config") {
        Some(toml::Value::Table(table)) => json_object(table),
        _ => return Err(bad("config", "is missing".to_owned())),
    };
    let mut model =
        Model::from_config(&config).map_err(|error| bad("config", error.to_string()))?;

    let count = |name: &str| {
        let figure = record::figure(entry.get(name)?, Dimension::Number, sources, &standing);
        let scaled = figure.map(|figure| Figure { value: figure.value * 1e9, ..figure });
        Some(scaled.map_err(|reason| bad(name, reason)))
    };
    model.published_total = count("total_parameters_b").transpose()?;
    model.published_active = count("active_parameters_b").transpose()?;
    model.name = record::text(entry, "name");
    model.vendor = record::text(entry, "vendor");
    model.release = record::text(entry, "release");
    model.aliases = record::texts(entry, "aliases");
    model.shape = Some(Figure {
        value: format!("{} config", model.model_type),
        low: None,
        high: None,
        source: standing.source.clone(),
        confidence: standing.confidence,
        assumed: standing.assumed,
        note: record::text(entry, "note"),
    });
    model.key = key;
    Ok(Entry { model, config })
}

impl Entry {
    /// A model that nothing but its configuration describes.
    pub(in crate::catalog) fn new(
        key: &str,
        config: Map<String, Value>,
        by: &str,
    ) -> Result<Self, ConfigError> {
        let mut model = Model::from_config(&config)?;
        key.clone_into(&mut model.key);
        key.clone_into(&mut model.name);
        let source = Source { text: by.to_owned(), date: String::new() };
        let shape = Figure::stated(format!("{} config", model.model_type), by);
        model.shape = Some(Figure { source: source.into(), ..shape });
        Ok(Self { model, config })
    }

    /// This model under another key, with some keys of its configuration changed.
    pub(in crate::catalog) fn derive(
        &self,
        key: &str,
        changes: &toml::Table,
        by: &str,
    ) -> Result<Self, ConfigError> {
        let mut config = self.config.clone();
        for (name, value) in json_object(changes) {
            config.insert(name, value);
        }
        let mut entry = Self::new(key, config, by)?;
        entry.model.vendor.clone_from(&self.model.vendor);
        entry.model.release.clone_from(&self.model.release);
        Ok(entry)
    }
}

fn json_object(table: &toml::Table) -> Map<String, Value> {
    table.iter().map(|(name, value)| (name.clone(), json(value))).collect()
}

fn json(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text.clone()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) => Value::from(*number),
        toml::Value::Boolean(flag) => Value::Bool(*flag),
        toml::Value::Datetime(date) => Value::String(date.to_string()),
        toml::Value::Array(list) => Value::Array(list.iter().map(json).collect()),
        toml::Value::Table(table) => Value::Object(json_object(table)),
    }
}

impl Entry {
    /// A model from a whole configuration written as TOML.
    pub(in crate::catalog) fn whole(
        key: &str,
        config: &toml::Table,
        by: &str,
    ) -> Result<Self, ConfigError> {
        Self::new(key, json_object(config), by)
    }

    /// A model from the text of a `config.json`.
    pub(in crate::catalog) fn from_json(
        key: &str,
        text: &str,
        by: &str,
    ) -> Result<Self, ConfigError> {
        match serde_json::from_str(text) {
            Ok(Value::Object(config)) => Self::new(key, config, by),
            Ok(_) => Err(ConfigError::NotJson("found something else".to_owned())),
            Err(error) => Err(ConfigError::NotJson(error.to_string())),
        }
    }
}
