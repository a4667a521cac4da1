//! List prices of hosted models, by the date from which they hold.
//!
//! A price list is a history: each row holds from its date until the next row of the same model
//! and host. [`Prices::price_at`] answers what a model cost on a day.
//!
//! ```
//! use tokenfleet::catalog::{Catalog, Date};
//!
//! let catalog = Catalog::embedded();
//! let prices = catalog.prices();
//! let then = prices.price_at("gpt-4 (8k)", Date::new(2024, 1, 1)?)?;
//! assert_eq!((then.input_usd_per_mtok, then.output_usd_per_mtok), (30.0, 60.0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use super::figure::{Confidence, Provenance};
use super::name::{UnknownName, normal};

/// A day of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// A day.
    ///
    /// # Errors
    /// [`BadDate`] where there is no such day.
    pub fn new(year: u16, month: u8, day: u8) -> Result<Self, BadDate> {
        let leap =
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => 0,
        };
        if (1..=days).contains(&day) && (1900..=2200).contains(&year) {
            Ok(Self { year, month, day })
        } else {
            Err(BadDate(format!("{year:04}-{month:02}-{day:02}")))
        }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:04}-{:02}-{:02}", self.year, self.month, self.day))
    }
}

impl FromStr for Date {
    type Err = BadDate;

    fn from_str(text: &str) -> Result<Self, BadDate> {
        let bad = || BadDate(text.to_owned());
        let mut parts = text.trim().splitn(3, '-');
        let mut part = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits).ok_or_else(bad)?;
            part.parse::<u16>().map_err(|_| bad())
        };
        let (year, month, day) = (part(4)?, part(2)?, part(2)?);
        let small = |number: u16| u8::try_from(number).map_err(|_| bad());
        Self::new(year, small(month)?, small(day)?).map_err(|_| bad())
    }
}

/// A text that is not a day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a date such as `2026-10-01`")]
pub struct BadDate(pub String);

/// The price of one model on one host from one date on.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Price {
    /// First day that it holds.
    #[serde(deserialize_with = "date", rename = "price_date")]
    pub from: Date,
    /// When the model itself was released, or empty.
    pub model_release_date: String,
    /// How the date is known: `launch`, `change`, `launch_assumed` (first recorded later, no change
    /// known since launch), ...
    pub date_kind: String,
    /// Who sells it.
    pub provider: String,
    /// `first-party` for the maker's own service, `third-party` for others.
    pub host: String,
    /// The model as the list names it.
    pub model: String,
    /// Dollars per million input tokens.
    pub input_usd_per_mtok: f64,
    /// Dollars per million input tokens that were found in the provider's cache.
    pub cached_input_usd_per_mtok: Option<f64>,
    /// Dollars per million tokens written to that cache, where that costs extra.
    pub cache_write_usd_per_mtok: Option<f64>,
    /// Dollars per million output tokens.
    pub output_usd_per_mtok: f64,
    /// Discount for batch use (0.5: half the price).
    pub batch_discount: Option<f64>,
    /// Tokens of context above which the two prices below hold, where a list has such.
    pub long_context_above_tokens: Option<u64>,
    /// Dollars per million input tokens above that.
    pub long_context_input_usd_per_mtok: Option<f64>,
    /// Dollars per million output tokens above that.
    pub long_context_output_usd_per_mtok: Option<f64>,
    /// Longest context in tokens.
    pub context_tokens: Option<u64>,
    /// True where the weights are public.
    pub open_weights: Option<bool>,
    /// Where it was read.
    pub source: String,
    /// Date of that source, or empty.
    pub source_date: String,
    /// How far to trust it.
    pub confidence: Confidence,
    /// Remark, or empty.
    pub notes: String,
}

fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

impl Price {
    /// True where the figure was recalled or its date assumed.
    #[must_use]
    pub fn assumed(&self) -> bool {
        self.confidence >= Confidence::C || self.date_kind.contains("assumed")
    }

    /// Its rows in a listing: one per price.
    #[must_use]
    pub fn provenance(&self) -> Vec<Provenance> {
        let prices = [
            ("input_usd_per_mtok", Some(self.input_usd_per_mtok)),
            ("cached_input_usd_per_mtok", self.cached_input_usd_per_mtok),
            ("cache_write_usd_per_mtok", self.cache_write_usd_per_mtok),
            ("output_usd_per_mtok", Some(self.output_usd_per_mtok)),
        ];
        let row = |(figure, value): (&str, f64)| Provenance {
            what: format!("{}/{} from {}", self.provider, self.model, self.from),
            figure: figure.to_owned(),
            value: format!("${value}"),
            low: String::new(),
            high: String::new(),
            source: self.source.clone(),
            date: self.source_date.clone(),
            confidence: self.confidence,
            assumed: self.assumed(),
            note: self.notes.clone(),
        };
        prices.into_iter().filter_map(|(figure, value)| Some(row((figure, value?)))).collect()
    }
}

/// A price list over time, in order of date.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prices(Vec<Price>);

impl Prices {
    /// Reads a list in the catalog's CSV form.
    ///
    /// # Errors
    /// The reader's, with the line.
    pub fn from_csv(text: &str) -> Result<Self, csv::Error> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let mut rows: Vec<Price> = reader.deserialize().collect::<Result<_, _>>()?;
        rows.sort_by_key(|price| price.from); // stable: rows of one day keep their order
        Ok(Self(rows))
    }

    /// All rows, by date.
    pub fn iter(&self) -> std::slice::Iter<'_, Price> {
        self.0.iter()
    }

    /// The rows of one model, by date: by its name, or by `provider/model` where several sell it.
    ///
    /// # Errors
    /// [`UnknownName`], with the nearest and all names.
    pub fn history(&self, model: &str) -> Result<Vec<&Price>, UnknownName> {
        let wanted = normal(model);
        let named = |price: &&Price| {
            let full = format!("{}/{}", normal(&price.provider), normal(&price.model));
            normal(&price.model) == wanted || full == wanted
        };
        let rows: Vec<&Price> = self.0.iter().filter(named).collect();
        if rows.is_empty() {
            Err(UnknownName::new("priced model", model, self.names()))
        } else {
            Ok(rows)
        }
    }

    /// What a model cost on `day`: the last row from before or on it; the maker's own service comes
    /// before other hosts.
    ///
    /// # Errors
    /// [`PriceError`] for an unknown name or a day before the first price.
    pub fn price_at(&self, model: &str, day: Date) -> Result<&Price, PriceError> {
        let rows = self.history(model)?;
        let held = |price: &&&Price| price.from <= day;
        let own = |price: &&&Price| held(price) && price.host == "first-party";
        rows.iter().rfind(own).or_else(|| rows.iter().rfind(held)).copied().ok_or_else(|| {
            PriceError::TooEarly { model: model.to_owned(), day, first: rows[0].from }
        })
    }

    /// The latest row of a model.
    ///
    /// # Errors
    /// [`PriceError`] for an unknown name.
    pub fn latest(&self, model: &str) -> Result<&Price, PriceError> {
        self.price_at(model, Date { year: 2200, month: 12, day: 31 })
    }

    /// Names of all models, in order and once each.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.0.iter().map(|price| price.model.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// A price that is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// No such model is listed.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
    /// The day lies before the first price.
    #[error("no price of `{model}` is known on {day}: the first is of {first}")]
    TooEarly {
        /// The model.
        model: String,
        /// The day asked for.
        day: Date,
        /// The first day with a price.
        first: Date,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn dates_are_days_that_exist() {
        assert_eq!(day("2024-02-29").to_string(), "2024-02-29");
        for text in ["2023-02-29", "2024-13-01", "2024-1-1", "24-01-01", "yesterday", ""] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_last_price_up_to_the_day_holds() {
        let prices = Prices::from_csv(include_str!("prices.csv")).unwrap();
        assert_eq!(prices.iter().count(), 341);
        // DeepSeek's chat model from its launch to the day that caching on disk came.
        let before = prices.price_at("deepseek-chat", day("2024-08-02")).unwrap();
        assert_eq!(before.cached_input_usd_per_mtok, Some(0.014));
        let error = prices.price_at("gpt-4 (8k)", day("2023-01-01")).unwrap_err();
        assert!(error.to_string().contains("the first is of 2023-03-14"), "{error}");
        let error = prices.latest("gpt-4o-min").unwrap_err();
        assert!(error.to_string().contains("gpt-4o-mini"), "{error}");
    }

    #[test]
    fn every_price_is_a_price() {
        let prices = Prices::from_csv(include_str!("prices.csv")).unwrap();
        for price in prices.iter() {
            let all = [
                Some(price.input_usd_per_mtok),
                price.cached_input_usd_per_mtok,
                price.cache_write_usd_per_mtok,
                Some(price.output_usd_per_mtok),
            ];
            assert!(all.into_iter().flatten().all(|usd| (0.0..1000.0).contains(&usd)), "{price:?}");
            let cached = price.cached_input_usd_per_mtok.unwrap_or(0.0);
            assert!(cached <= price.input_usd_per_mtok, "{price:?}");
        }
    }
}
