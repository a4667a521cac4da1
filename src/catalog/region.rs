//! Regions: what electricity costs, how much of it reaches the chips, how clean it is.

use super::figure::{Confidence, Figure, Provenance, Source};
use super::name::Named;
use crate::foundations::units::Dimension;

use super::record::{self, FieldError, Sources, Standing};

const KIND: &str = "region";

/// A place to run accelerators in.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// Stable name, such as `us-virginia`.
    pub key: String,
    /// Name in prose.
    pub name: String,
    /// Other names.
    pub aliases: Vec<String>,
    /// Dollars per kilowatt-hour delivered, before cooling.
    pub electricity: Figure<f64>,
    /// Power usage effectiveness: facility power over power of the machines.
    pub pue: Figure<f64>,
    /// Grams of carbon dioxide equivalent per kilowatt-hour, where a figure is known.
    pub carbon_g_per_kwh: Option<Figure<f64>>,
    /// Litres of water for cooling at the site per kilowatt-hour of the machines, where known.
    pub water_l_per_kwh: Option<Figure<f64>>,
}

impl Region {
    /// Sets `electricity` (`"$0.08 /kWh"`), `pue` (`1.2`), `carbon_g_per_kwh` or
    /// `water_l_per_kwh`.
    ///
    /// # Errors
    /// [`FieldError`] for an unknown name or an unreadable value.
    pub fn set(&mut self, name: &str, value: &toml::Value, by: &str) -> Result<(), FieldError> {
        let read = |dimension| {
            record::figure(value, dimension, &Sources::default(), &Standing::stated(by))
                .map_err(|reason| FieldError::bad(KIND, &self.key, name, reason))
        };
        match name {
            "electricity" => self.electricity = read(Dimension::MoneyPerKwh)?,
            "carbon_g_per_kwh" => self.carbon_g_per_kwh = Some(read(Dimension::Number)?),
            "water_l_per_kwh" => self.water_l_per_kwh = Some(read(Dimension::Number)?),
            "pue" => {
                let pue = read(Dimension::Number)?;
                if pue.value < 1.0 {
                    let reason = format!("{} is below 1", pue.value);
                    return Err(FieldError::bad(KIND, &self.key, name, reason));
                }
                self.pue = pue;
            }
            _ => {
                let valid = ["electricity", "pue", "carbon_g_per_kwh", "water_l_per_kwh"];
                let valid = valid.map(str::to_owned).to_vec();
                return Err(FieldError::unknown(KIND, &self.key, name, valid));
            }
        }
        Ok(())
    }

    /// One row per figure, for manifests and listings.
    #[must_use]
    pub fn provenance(&self) -> Vec<Provenance> {
        let figures = [
            ("electricity", Some(&self.electricity), " USD/kWh"),
            ("pue", Some(&self.pue), ""),
            ("carbon_g_per_kwh", self.carbon_g_per_kwh.as_ref(), " g/kWh"),
            ("water_l_per_kwh", self.water_l_per_kwh.as_ref(), " l/kWh"),
        ];
        let row = |(name, figure, unit): (&str, Option<&Figure<f64>>, &str)| {
            Some(figure?.provenance(&self.key, name, |value| format!("{value}{unit}")))
        };
        figures.into_iter().filter_map(row).collect()
    }
}

/// Reads the table of an entry.
pub(super) fn read(entry: &toml::Table, sources: &Sources) -> Result<Region, FieldError> {
    let key = record::text(entry, "key");
    let bad = |name: &str, reason: String| FieldError::bad(KIND, &key, name, reason);
    let standing =
        Standing { source: Source::default().into(), confidence: Confidence::C, assumed: true };
    let standing = standing.with(entry, sources).map_err(|reason| bad("source", reason))?;
    let figure = |name: &str, dimension| {
        let value = entry.get(name)?;
        Some(
            record::figure(value, dimension, sources, &standing)
                .map_err(|reason| bad(name, reason)),
        )
    };
    let needed = |name: &str, dimension| {
        figure(name, dimension).unwrap_or_else(|| Err(bad(name, "is missing".to_owned())))
    };
    Ok(Region {
        name: record::text(entry, "name"),
        aliases: record::texts(entry, "aliases"),
        electricity: needed("electricity", Dimension::MoneyPerKwh)?,
        pue: needed("pue", Dimension::Number)?,
        carbon_g_per_kwh: figure("carbon_g_per_kwh", Dimension::Number).transpose()?,
        water_l_per_kwh: figure("water_l_per_kwh", Dimension::Number).transpose()?,
        key,
    })
}

impl Named for Region {
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
