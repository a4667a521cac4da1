//! How fast things change, by who has published it: prices, demand, hardware.
//!
//! Published rates at which tokens get cheaper differ by more than ten times, as they are of different
//! things: the best model of its day, or the same answers from whoever sells them cheapest.
//!
//! ```
//! use tokenfleet::catalog::{Catalog, TrendKind};
//!
//! let catalog = Catalog::embedded();
//! let declines = catalog.trends(TrendKind::PriceDecline).map(|trend| trend.value);
//! let (slowest, fastest) = (declines.clone().fold(f64::MAX, f64::min), declines.fold(0.0, f64::max));
//! assert!(slowest == 1.0 && fastest / slowest > 100.0);
//! ```

use serde::Deserialize;

use super::figure::Confidence;

/// What changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrendKind {
    /// How many times cheaper a token gets in a year.
    PriceDecline,
    /// How many times as much is asked for after a year.
    DemandGrowth,
    /// By how many percent usage changes where prices rise by one.
    Elasticity,
    /// How many times as many tokens the same dollars of new hardware give after a year.
    HardwareGain,
    /// How many times as many tokens the same hardware gives after a year.
    SoftwareGain,
}

impl TrendKind {
    /// As scenarios and lists write it.
    pub const fn text(self) -> &'static str {
        match self {
            TrendKind::PriceDecline => "price-decline",
            TrendKind::DemandGrowth => "demand-growth",
            TrendKind::Elasticity => "elasticity",
            TrendKind::HardwareGain => "hardware-gain",
            TrendKind::SoftwareGain => "software-gain",
        }
    }
}

/// One published rate.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trend {
    /// What changes.
    pub kind: TrendKind,
    /// What it goes by.
    pub name: String,
    /// How fast; see its kind.
    pub value: f64,
    /// The lowest that its source states.
    pub low: Option<f64>,
    /// The highest.
    pub high: Option<f64>,
    /// The first day that it is about.
    pub from: String,
    /// The last.
    pub to: String,
    /// Who says so.
    pub source: String,
    /// When.
    pub source_date: String,
    /// How well it is known.
    pub confidence: Confidence,
    /// What it is about.
    pub note: String,
}

/// All of them.
///
/// # Errors
/// The reader's, with the line.
pub(super) fn read_all() -> Result<Vec<Trend>, csv::Error> {
    csv::Reader::from_reader(include_str!("economics.csv").as_bytes()).deserialize().collect()
}

#[cfg(test)]
mod tests {
    use super::super::price::Date;
    use super::*;

    #[test]
    fn every_rate_is_dated_and_within_what_its_source_states() {
        for trend in read_all().unwrap() {
            let dates = [&trend.from, &trend.to, &trend.source_date];
            let dates: Vec<Date> = dates.iter().map(|date| date.parse().unwrap()).collect();
            assert!(dates[0] < dates[1], "{trend:?}");
            assert!(trend.low.is_none_or(|low| low <= trend.value), "{trend:?}");
            assert!(trend.high.is_none_or(|high| trend.value <= high), "{trend:?}");
            assert!(!trend.source.is_empty() && !trend.note.is_empty(), "{trend:?}");
        }
    }
}
