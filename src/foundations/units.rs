//! Quantities as people write them: `"2 h"`, `"0.4 /s"`, `"80 GB"`, `"$2.49 /h"`.
//!
//! A [`Dimension`] says what a quantity measures. It parses text into an `f64` in its base unit
//! ([`Dimension::base_unit`]) and prints such a value shortly, to three significant digits.
//! Decimal and binary prefixes are kept apart (`GB` is 10⁹ bytes, `GiB` is 2³⁰), bits from bytes
//! (`Gbit`, never `Gb`), and a bare number is accepted only where no unit could be meant.
//!
//! ```
//! use tokenfleet::foundations::units::{Dimension, format_duration};
//!
//! assert_eq!(Dimension::Time.parse("1 h 30 min"), Ok(5400.0));
//! assert_eq!(Dimension::Bandwidth.parse("400 Gbit/s"), Ok(50e9));
//! assert_eq!(format_duration(0.64), "640 ms");
//!
//! let error = Dimension::Time.parse("80 GB").unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     r#"expected a time such as "2 h" or "300 ms", found "80 GB", which is a size"#,
//! );
//! ```

mod format;
mod parse;

use std::fmt;

pub use format::{
    format_bytes, format_count, format_duration, format_number, format_percent, format_rate,
    format_usd,
};

/// What a quantity measures, and hence the units that its text may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// A span of time; base unit seconds. A month is 730 h and a year 8760 h, as clouds bill them.
    Time,
    /// Events per time; base unit 1/s.
    Rate,
    /// A size in memory; base unit bytes.
    Bytes,
    /// Bytes per time; base unit B/s.
    Bandwidth,
    /// An amount of money; base unit US dollars.
    Money,
    /// Money per time, as rented hardware is priced; base unit USD/h.
    MoneyPerHour,
    /// Money per token, as hosted models are priced; base unit USD per million tokens.
    MoneyPerMtok,
    /// Money per energy; base unit USD/kWh.
    MoneyPerKwh,
    /// Power; base unit watts.
    Power,
    /// Energy; base unit joules.
    Energy,
    /// A number of tokens; `k` is 1000 and `Ki` is 1024.
    Tokens,
    /// Tokens per time; base unit tokens/s.
    TokenRate,
    /// Arithmetic throughput; base unit FLOP/s.
    Flops,
    /// A part of a whole: `"5 %"` or `0.05`.
    Fraction,
    /// A number without a unit.
    Number,
}

impl Dimension {
    /// Every dimension, in the order of their declaration.
    pub const ALL: [Dimension; 15] = [
        Dimension::Time,
        Dimension::Rate,
        Dimension::Bytes,
        Dimension::Bandwidth,
        Dimension::Money,
        Dimension::MoneyPerHour,
        Dimension::MoneyPerMtok,
        Dimension::MoneyPerKwh,
        Dimension::Power,
        Dimension::Energy,
        Dimension::Tokens,
        Dimension::TokenRate,
        Dimension::Flops,
        Dimension::Fraction,
        Dimension::Number,
    ];

    /// What a quantity of this dimension is called in a sentence: `a time`, `a size`.
    pub const fn noun(self) -> &'static str {
        match self {
            Dimension::Time => "a time",
            Dimension::Rate => "a rate",
            Dimension::Bytes => "a size",
            Dimension::Bandwidth => "a bandwidth",
            Dimension::Money => "an amount of money",
            Dimension::MoneyPerHour => "a price per hour",
            Dimension::MoneyPerMtok => "a price per million tokens",
            Dimension::MoneyPerKwh => "a price per kWh",
            Dimension::Power => "a power",
            Dimension::Energy => "an energy",
            Dimension::Tokens => "a number of tokens",
            Dimension::TokenRate => "a number of tokens per second",
            Dimension::Flops => "a compute throughput",
            Dimension::Fraction => "a fraction",
            Dimension::Number => "a number",
        }
    }

    /// Two quantities of this dimension, as a scenario would write them.
    pub const fn examples(self) -> [&'static str; 2] {
        match self {
            Dimension::Time => ["2 h", "300 ms"],
            Dimension::Rate => ["0.4 /s", "12 /min"],
            Dimension::Bytes => ["80 GB", "16 KiB"],
            Dimension::Bandwidth => ["3.35 TB/s", "400 Gbit/s"],
            Dimension::Money => ["$2.49", "30000 USD"],
            Dimension::MoneyPerHour => ["$2.49 /h", "$1800 /month"],
            Dimension::MoneyPerMtok => ["$0.60 /Mtok", "$15 /Mtok"],
            Dimension::MoneyPerKwh => ["$0.08 /kWh", "$80 /MWh"],
            Dimension::Power => ["700 W", "1.2 kW"],
            Dimension::Energy => ["3.6 MJ", "1 kWh"],
            Dimension::Tokens => ["8192", "128k"],
            Dimension::TokenRate => ["80 tok/s", "12k tok/s"],
            Dimension::Flops => ["989 TFLOPS", "35 PFLOPS"],
            Dimension::Fraction => ["5 %", "0.05"],
            Dimension::Number => ["4", "1.5"],
        }
    }

    /// What is expected of this dimension, for a message: `a time such as "2 h" or "300 ms"`.
    pub fn expected(self) -> String {
        let [first, second] = self.examples();
        format!("{} such as \"{first}\" or \"{second}\"", self.noun())
    }

    /// The unit of parsed values, as a table's header would show it; empty for a plain number.
    pub const fn base_unit(self) -> &'static str {
        match self {
            Dimension::Time => "s",
            Dimension::Rate => "1/s",
            Dimension::Bytes => "B",
            Dimension::Bandwidth => "B/s",
            Dimension::Money => "USD",
            Dimension::MoneyPerHour => "USD/h",
            Dimension::MoneyPerMtok => "USD/Mtok",
            Dimension::MoneyPerKwh => "USD/kWh",
            Dimension::Power => "W",
            Dimension::Energy => "J",
            Dimension::Tokens => "tokens",
            Dimension::TokenRate => "tokens/s",
            Dimension::Flops => "FLOP/s",
            Dimension::Fraction | Dimension::Number => "",
        }
    }

    /// Whether a number without a unit is a quantity of this dimension.
    pub const fn is_unitless(self) -> bool {
        matches!(self, Dimension::Tokens | Dimension::Fraction | Dimension::Number)
    }

    /// Reads a quantity such as `"2 h"`, giving its value in the base unit.
    ///
    /// # Errors
    /// Malformed text, a unit of another dimension or no unit where one is needed, and numbers
    /// that are not finite, each with an example of what was expected.
    pub fn parse(self, text: &str) -> Result<f64, UnitError> {
        parse::parse(self, text)
    }

    /// Takes a number that was written without quotes: a token count, a fraction, a plain number,
    /// or zero, which needs no unit.
    ///
    /// # Errors
    /// A number that needs a unit, or that is not finite.
    pub fn from_number(self, number: f64) -> Result<f64, UnitError> {
        let wrong = |reason| Err(UnitError { dimension: self, found: number.to_string(), reason });
        match number {
            _ if !number.is_finite() => wrong(Reason::NotFinite),
            _ if number != 0.0 && !self.is_unitless() => wrong(Reason::NoUnit),
            _ => Ok(number),
        }
    }

    /// Prints a value given in the base unit with all its digits: [`parse`](Self::parse) reads back
    /// the same.
    ///
    /// ```
    /// use tokenfleet::foundations::Dimension;
    ///
    /// for (of, text) in [(Dimension::MoneyPerHour, "$2.49 /h"), (Dimension::Time, "0.1 s")] {
    ///     assert_eq!(of.exact(of.parse(text).unwrap()), text);
    /// }
    /// ```
    pub fn exact(self, value: f64) -> String {
        match self {
            Dimension::Tokens | Dimension::Fraction | Dimension::Number => value.to_string(),
            Dimension::Rate => format!("{value} /s"),
            Dimension::TokenRate => format!("{value} tok/s"),
            Dimension::Flops => format!("{value} FLOPS"),
            _ => match (self.base_unit().strip_prefix("USD"), value < 0.0) {
                (Some(""), false) => format!("${value}"),
                (Some(per), false) => format!("${value} {per}"),
                (Some(per), true) => format!("-${} {per}", -value),
                (None, _) => format!("{value} {}", self.base_unit()),
            },
        }
    }

    /// Prints a value given in the base unit, to three significant digits, so that
    /// [`parse`](Self::parse) reads it back within that rounding.
    pub fn format(self, value: f64) -> String {
        format::format(self, value)
    }
}

/// Text that is not a quantity of the expected [`Dimension`].
///
/// Its `Display` says what was expected, with an example, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitError {
    dimension: Dimension,
    found: String,
    reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Reason {
    /// No number where one must stand.
    NoNumber,
    /// A number, but no unit.
    NoUnit,
    /// A unit that belongs to another dimension.
    Other(Dimension),
    /// A unit that nobody knows, and perhaps the one that was meant.
    UnknownUnit(String, Option<&'static str>),
    /// Infinite, not a number, or beyond what an `f64` holds.
    NotFinite,
    /// A comma, which some read as a decimal point and some as a separator of thousands.
    Comma,
}

impl UnitError {
    /// The dimension that was expected.
    pub fn expected(&self) -> Dimension {
        self.dimension
    }
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Long text is cut: it is shown at its place anyhow.
        let found: String = self.found.chars().take(40).collect();
        let found = if found.len() < self.found.len() { found + "..." } else { found };
        write!(f, "expected {}, found ", self.dimension.expected())?;
        match &self.reason {
            Reason::NoNumber => write!(f, "\"{found}\""),
            Reason::NoUnit => write!(f, "{found} without a unit"),
            Reason::Other(other) => write!(f, "\"{found}\", which is {}", other.noun()),
            Reason::UnknownUnit(unit, None) => write!(f, "the unknown unit \"{unit}\""),
            Reason::UnknownUnit(unit, Some(meant)) => {
                write!(f, "the unknown unit \"{unit}\": did you mean \"{meant}\"?")
            }
            Reason::NotFinite => write!(f, "\"{found}\", which is not a finite number"),
            Reason::Comma => {
                write!(f, "\"{found}\": write 1.5 or 1_500, a comma is read both ways")
            }
        }
    }
}

impl std::error::Error for UnitError {}
