//! Floor 1: accelerators, models, precisions, engines, prices, regions and agents, each figure
//! with its source, date and confidence.
//!
//! The data lie beside the code (`src/catalog/*.toml`, `prices.csv`) and are compiled in. A file is
//! read when something of it is first asked for. What is recalled, inferred or a placeholder is
//! marked *assumed* and can be listed with [`Catalog::assumptions`].
//!
//! ```
//! use tokenfleet::catalog::Catalog;
//!
//! let mut catalog = Catalog::embedded();
//! let changes: toml::Table = r#"memory = "96 GiB""#.parse()?;
//! catalog.add_accelerator("h100-96", Some("h100-sxm"), &changes, "scenario")?;
//! assert_eq!(catalog.accelerator("h100-96")?.memory()?, 96.0 * (1u64 << 30) as f64);
//!
//! let error = catalog.accelerator("h10-sxm").unwrap_err();
//! assert!(error.to_string().contains("did you mean `h100-sxm`"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod accelerator;
mod accuracy;
pub mod agent;
mod calibration;
mod economics;
mod engine;
mod figure;
mod model;
mod name;
mod precision;
mod price;
mod quality;
mod record;
mod region;
mod shelf;
mod speculation;
#[cfg(test)]
mod tests;

pub use accelerator::{Accelerator, Field, FieldKind, MissingFigure, UnsupportedPrecision};
pub use accuracy::{Accuracy, Basis, ClassError, Latency};
pub use agent::Agent;
pub use calibration::{BadCalibration, Calibration, Factor};
pub use economics::{Trend, TrendKind};
pub use engine::{Engine, Fit, SchedulerDefaults, StepCoefficients, UtilizationOf};
pub use figure::{Confidence, Figure, Provenance, Source};
pub use model::{
    Attention, Compressed, ConfigError, ConfigFault, ContextStream, FeedForward, Heads, Latent,
    LayerGroup, Linear, Model, Moe, Parameters, Selection, StreamRole, hugging_face,
};
pub use name::{Named, UnknownName};
pub use precision::{ComputeFormat, NumberFormat, Precision};
pub use price::{BadDate, Date, Price, PriceError, Prices};
pub use quality::QualityRow;
pub use record::FieldError;
pub use region::Region;
pub use speculation::Acceptance;

use std::sync::OnceLock;

use crate::foundations::error::Fault;

use shelf::{Shelf, broken};

/// Everything that is known of hardware, models, engines, prices and places.
///
/// Entries can be added and changed, which is how a scenario brings its own.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    accelerators: OnceLock<Shelf<Accelerator>>,
    models: OnceLock<Shelf<model::read::Entry>>,
    engines: OnceLock<Shelf<Engine>>,
    regions: OnceLock<Shelf<Region>>,
    prices: OnceLock<Prices>,
    acceptance: OnceLock<Vec<Acceptance>>,
    quality: OnceLock<Vec<QualityRow>>,
    trends: OnceLock<Vec<Trend>>,
    agents: OnceLock<Shelf<Agent>>,
}

/// An entry that could not be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The entry to build on is not there.
    #[error(transparent)]
    Base(#[from] UnknownName),
    /// A field cannot be set.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// No model can be built from the configuration.
    #[error("model `{key}`: {error}")]
    Config {
        /// Key of the model.
        key: String,
        /// What is wrong.
        error: ConfigError,
    },
    /// The entry needs one to build on.
    #[error("{kind} `{key}` needs a `base` to build on")]
    NoBase {
        /// What kind of entry.
        kind: &'static str,
        /// Its key.
        key: String,
    },
}

impl EntryError {
    /// The same as faults, to be reported beside others at their place: one for each key of a
    /// faulty configuration.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        match self {
            Self::Base(unknown) => vec![unknown.fault()],
            Self::Config { key, error: ConfigError::Faulty { model_type, faults } } => {
                let fault = |fault| Fault::new(format!("{model_type} model `{key}`: {fault}"));
                faults.iter().map(fault).collect()
            }
            other => vec![Fault::new(other.to_string())],
        }
    }
}

impl Catalog {
    /// The catalog that is compiled in.
    #[must_use]
    pub fn embedded() -> Self {
        Self::default()
    }

    /// The accelerator of this key or alias.
    ///
    /// # Errors
    /// [`UnknownName`], with the nearest and all valid names; likewise below.
    pub fn accelerator(&self, name: &str) -> Result<&Accelerator, UnknownName> {
        self.accelerator_shelf().get(name)
    }

    /// The model of this key, alias or Hugging Face id.
    ///
    /// # Errors
    /// [`UnknownName`].
    pub fn model(&self, name: &str) -> Result<&Model, UnknownName> {
        self.model_shelf().get(name).map(|entry| &entry.model)
    }

    /// The engine of this key or alias.
    ///
    /// # Errors
    /// [`UnknownName`].
    pub fn engine(&self, name: &str) -> Result<&Engine, UnknownName> {
        self.engine_shelf().get(name)
    }

    /// The region of this key or alias.
    ///
    /// # Errors
    /// [`UnknownName`].
    pub fn region(&self, name: &str) -> Result<&Region, UnknownName> {
        self.region_shelf().get(name)
    }

    /// The agent archetype of this key or alias.
    ///
    /// # Errors
    /// [`UnknownName`].
    pub fn agent(&self, name: &str) -> Result<&Agent, UnknownName> {
        self.agent_shelf().get(name)
    }

    /// Prices of hosted models.
    pub fn prices(&self) -> &Prices {
        self.prices.get_or_init(|| {
            Prices::from_csv(include_str!("catalog/prices.csv")).unwrap_or_else(|e| broken(&e))
        })
    }

    /// Acceptance lengths of speculative decoding.
    pub fn acceptance(&self) -> &[Acceptance] {
        self.acceptance.get_or_init(|| speculation::read_all().unwrap_or_else(|e| broken(&e)))
    }

    /// What is known of the score that a model keeps in the formats in which it is `used` narrower
    /// than it is `native`ly published.
    pub fn quality_rows(&self, used: &Precision, native: &Precision) -> Vec<&QualityRow> {
        let all =
            || self.quality.get_or_init(|| quality::read_all().unwrap_or_else(|e| broken(&e)));
        let narrowed = quality::narrowed(used, native).into_iter();
        let row = |(part, format): (&str, NumberFormat)| {
            all().iter().find(|row| row.part == part && row.format == format.name())
        };
        narrowed.filter_map(row).collect()
    }

    /// The part of a score that is kept in all of them.
    pub fn quality_kept(&self, used: &Precision, native: &Precision) -> f64 {
        self.quality_rows(used, native).into_iter().map(|row| row.kept).product()
    }

    /// Published rates of one kind of change, as they are listed.
    pub fn trends(&self, kind: TrendKind) -> impl Iterator<Item = &Trend> + Clone {
        let all = self.trends.get_or_init(|| economics::read_all().unwrap_or_else(|e| broken(&e)));
        all.iter().filter(move |trend| trend.kind == kind)
    }

    /// All accelerators.
    pub fn accelerators(&self) -> impl Iterator<Item = &Accelerator> {
        self.accelerator_shelf().iter()
    }

    /// All models.
    pub fn models(&self) -> impl Iterator<Item = &Model> {
        self.model_shelf().iter().map(|entry| &entry.model)
    }

    /// All engines.
    pub fn engines(&self) -> impl Iterator<Item = &Engine> {
        self.engine_shelf().iter()
    }

    /// All regions.
    pub fn regions(&self) -> impl Iterator<Item = &Region> {
        self.region_shelf().iter()
    }

    /// All agent archetypes.
    pub fn agents(&self) -> impl Iterator<Item = &Agent> {
        self.agent_shelf().iter()
    }

    /// Adds or replaces the accelerator `key`: `base` (nothing known, where none is named) with
    /// `changes`. `by` says who states them and becomes their source.
    ///
    /// # Errors
    /// [`EntryError`] for an unknown base, an unknown field or an unreadable value.
    pub fn add_accelerator(
        &mut self,
        key: &str,
        base: Option<&str>,
        changes: &toml::Table,
        by: &str,
    ) -> Result<(), EntryError> {
        let mut entry = match base {
            Some(base) => {
                let mut entry = self.accelerator(base)?.clone();
                entry.base.get_or_insert_with(|| entry.key.clone());
                entry
            }
            None => Accelerator::empty(key),
        };
        rename(&mut entry.key, &mut entry.aliases, key);
        for (name, value) in changes {
            entry.set(name, value, by)?;
        }
        self.accelerator_shelf();
        if let Some(shelf) = self.accelerators.get_mut() {
            shelf.put(entry);
        }
        Ok(())
    }

    /// Adds or replaces the model `key`: `base` with `changes` to the keys of its `config.json`,
    /// or, without a base, a whole configuration.
    ///
    /// # Errors
    /// [`EntryError`] for an unknown base or a faulty configuration.
    pub fn add_model(
        &mut self,
        key: &str,
        base: Option<&str>,
        changes: &toml::Table,
        by: &str,
    ) -> Result<(), EntryError> {
        let built = match base {
            Some(base) => self.model_shelf().get(base)?.derive(key, changes, by),
            None => model::read::Entry::whole(key, changes, by),
        };
        let entry = built.map_err(|error| EntryError::Config { key: key.to_owned(), error })?;
        self.put_model(entry);
        Ok(())
    }

    /// Adds or replaces the model `key` by the text of a Hugging Face `config.json`.
    ///
    /// # Errors
    /// [`EntryError::Config`], naming every fault of the file.
    pub fn add_model_config(&mut self, key: &str, text: &str, by: &str) -> Result<(), EntryError> {
        let entry = model::read::Entry::from_json(key, text, by)
            .map_err(|error| EntryError::Config { key: key.to_owned(), error })?;
        self.put_model(entry);
        Ok(())
    }

    fn put_model(&mut self, entry: model::read::Entry) {
        self.model_shelf();
        if let Some(shelf) = self.models.get_mut() {
            shelf.put(entry);
        }
    }

    /// Adds or replaces the engine `key`: `base` with `changes` to coefficients and defaults.
    ///
    /// # Errors
    /// [`EntryError`] for a missing or unknown base, an unknown field or an impossible value.
    pub fn add_engine(
        &mut self,
        key: &str,
        base: Option<&str>,
        changes: &toml::Table,
        by: &str,
    ) -> Result<(), EntryError> {
        let no_base = || EntryError::NoBase { kind: "engine", key: key.to_owned() };
        let mut entry = self.engine(base.ok_or_else(no_base)?)?.clone();
        rename(&mut entry.key, &mut entry.aliases, key);
        for (name, value) in changes {
            entry.set(name, value, by)?;
        }
        self.engine_shelf();
        if let Some(shelf) = self.engines.get_mut() {
            shelf.put(entry);
        }
        Ok(())
    }

    /// Adds or replaces the region `key`: `base` with `changes`.
    ///
    /// # Errors
    /// [`EntryError`] for a missing or unknown base, an unknown field or an impossible value.
    pub fn add_region(
        &mut self,
        key: &str,
        base: Option<&str>,
        changes: &toml::Table,
        by: &str,
    ) -> Result<(), EntryError> {
        let no_base = || EntryError::NoBase { kind: "region", key: key.to_owned() };
        let mut entry = self.region(base.ok_or_else(no_base)?)?.clone();
        rename(&mut entry.key, &mut entry.aliases, key);
        for (name, value) in changes {
            entry.set(name, value, by)?;
        }
        self.region_shelf();
        if let Some(shelf) = self.regions.get_mut() {
            shelf.put(entry);
        }
        Ok(())
    }

    /// Every figure that is recalled, inferred or a placeholder.
    #[must_use]
    pub fn assumptions(&self) -> Vec<Provenance> {
        let accelerators = self.accelerators().flat_map(Accelerator::provenance);
        let models = self.models().flat_map(Model::provenance);
        let engines = self.engines().flat_map(|engine| engine.provenance(None));
        let regions = self.regions().flat_map(Region::provenance);
        let prices = self.prices().iter().flat_map(Price::provenance);
        let agents = self.agents().flat_map(Agent::provenance);
        let all =
            accelerators.chain(models).chain(engines).chain(regions).chain(prices).chain(agents);
        all.filter(|row| row.assumed).collect()
    }

    /// The sources of every figure that a deployment stands on, for a result's manifest.
    ///
    /// # Errors
    /// [`UnknownName`].
    pub fn sources_of(
        &self,
        accelerator: &str,
        model: &str,
        engine: &str,
    ) -> Result<Vec<Provenance>, UnknownName> {
        let accelerator = self.accelerator(accelerator)?;
        let mut rows = accelerator.provenance();
        rows.extend(self.model(model)?.provenance());
        rows.extend(self.engine(engine)?.provenance(Some(accelerator)));
        Ok(rows)
    }

    fn accelerator_shelf(&self) -> &Shelf<Accelerator> {
        self.accelerators.get_or_init(|| {
            Shelf::of_file(
                "accelerator",
                include_str!("catalog/accelerators.toml"),
                accelerator::read,
            )
        })
    }

    fn model_shelf(&self) -> &Shelf<model::read::Entry> {
        self.models.get_or_init(|| {
            Shelf::of_file("model", include_str!("catalog/models.toml"), model::read::read)
        })
    }

    fn engine_shelf(&self) -> &Shelf<Engine> {
        self.engines.get_or_init(|| {
            let engines = engine::read_all(include_str!("catalog/engines.toml"));
            Shelf::new("engine", engines.unwrap_or_else(|error| broken(&error)))
        })
    }

    fn agent_shelf(&self) -> &Shelf<Agent> {
        self.agents.get_or_init(|| {
            Shelf::new("agent", agent::read_all().unwrap_or_else(|error| broken(&error)))
        })
    }

    fn region_shelf(&self) -> &Shelf<Region> {
        self.regions.get_or_init(|| {
            Shelf::of_file("region", include_str!("catalog/regions.toml"), region::read)
        })
    }
}

/// An entry under a new key leaves the names of its base to the base.
fn rename(key: &mut String, aliases: &mut Vec<String>, new: &str) {
    if key != new {
        new.clone_into(key);
        aliases.clear();
    }
}
