//! Quantities written with their unit: `3.35 TB/s`, `79.19 GiB`, `$2.49 /h`, `989.5 TFLOP/s`.
//!
//! Decimal prefixes are powers of 1,000 (`k M G T P E`), binary ones powers of 1,024 (`Ki Mi Gi
//! Ti Pi`). A bare number is taken in the base unit.

use std::fmt;

/// Dimension of a catalog figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerSecond,
    /// Arithmetic operations per second (a multiply-add counts as two).
    FlopPerSecond,
    /// Watts.
    Watts,
    /// US dollars.
    Usd,
    /// US dollars per hour.
    UsdPerHour,
    /// US dollars per kilowatt-hour.
    UsdPerKilowattHour,
    /// Grams of carbon dioxide equivalent per kilowatt-hour.
    GramsPerKilowattHour,
    /// A pure number.
    One,
}

impl Unit {
    /// How the base unit is written.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Bytes => "B",
            Self::BytesPerSecond => "B/s",
            Self::FlopPerSecond => "FLOP/s",
            Self::Watts => "W",
            Self::Usd => "$",
            Self::UsdPerHour => "$ /h",
            Self::UsdPerKilowattHour => "$ /kWh",
            Self::GramsPerKilowattHour => "g /kWh",
            Self::One => "",
        }
    }

    /// An example, for error messages.
    pub(super) const fn example(self) -> &'static str {
        match self {
            Self::Bytes => "80 GiB",
            Self::BytesPerSecond => "3.35 TB/s",
            Self::FlopPerSecond => "989.5 TFLOP/s",
            Self::Watts => "700 W",
            Self::Usd => "$30000",
            Self::UsdPerHour => "$2.49 /h",
            Self::UsdPerKilowattHour => "$0.08 /kWh",
            Self::GramsPerKilowattHour => "350 g /kWh",
            Self::One => "8",
        }
    }

    /// `value` as people write it: three or four significant digits and a prefix.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Bytes => prefixed(value, 1024.0, &["", "Ki", "Mi", "Gi", "Ti", "Pi"], "B"),
            Self::BytesPerSecond | Self::FlopPerSecond => {
                prefixed(value, 1000.0, &["", "k", "M", "G", "T", "P", "E"], self.symbol())
            }
            Self::Watts => format!("{} W", digits(value)),
            Self::Usd => format!("${}", digits(value)),
            Self::UsdPerHour => format!("${} /h", digits(value)),
            Self::UsdPerKilowattHour => format!("${} /kWh", digits(value)),
            Self::GramsPerKilowattHour => format!("{} g/kWh", digits(value)),
            Self::One => digits(value),
        }
    }

    /// Reads `text` as a quantity of this dimension, in the base unit.
    ///
    /// # Errors
    /// [`BadQuantity`] where no number stands, the unit is another, or the value is not finite.
    pub fn parse(self, text: &str) -> Result<f64, BadQuantity> {
        let bad = || BadQuantity { text: text.to_owned(), expected: self };
        let squeezed: String = text.chars().filter(|c| !matches!(c, ' ' | ',' | '_')).collect();
        let (dollar, rest) = match squeezed.strip_prefix('$') {
            Some(rest) => (true, rest),
            None => (false, squeezed.as_str()),
        };
        let end = number_end(rest);
        let number: f64 = rest[..end].parse().map_err(|_| bad())?;
        let suffix = &rest[end..];
        let scale = self.scale(suffix, dollar).ok_or_else(bad)?;
        let value = number * scale;
        if value.is_finite() { Ok(value) } else { Err(bad()) }
    }

    /// Factor of a written suffix, `None` where it is not of this dimension.
    fn scale(self, suffix: &str, dollar: bool) -> Option<f64> {
        let money = matches!(self, Self::Usd | Self::UsdPerHour | Self::UsdPerKilowattHour);
        if dollar && !money {
            return None;
        }
        if suffix.is_empty() {
            return Some(1.0);
        }
        match self {
            Self::One => (suffix == "%").then_some(0.01),
            Self::Usd => matches!(suffix, "$" | "USD").then_some(1.0),
            Self::UsdPerHour => matches!(suffix, "/h" | "$/h" | "USD/h").then_some(1.0),
            Self::UsdPerKilowattHour => {
                matches!(suffix, "/kWh" | "$/kWh" | "USD/kWh").then_some(1.0)
            }
            Self::GramsPerKilowattHour => match suffix {
                "g/kWh" => Some(1.0),
                "kg/MWh" => Some(1.0),
                _ => None,
            },
            Self::Bytes => prefix(suffix.strip_suffix('B')?),
            Self::BytesPerSecond => prefix(suffix.strip_suffix("B/s")?),
            Self::FlopPerSecond => {
                let names = ["FLOP/s", "FLOPS", "FLOPs", "OP/s", "OPS"];
                names.iter().find_map(|name| prefix(suffix.strip_suffix(name)?))
            }
            Self::Watts => prefix(suffix.strip_suffix('W')?),
        }
    }
}

fn number_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut end = 0;
    while end < bytes.len() {
        let exponent = matches!(bytes[end], b'e' | b'E')
            && bytes.get(end + 1).is_some_and(|next| next.is_ascii_digit() || *next == b'-');
        let sign = matches!(bytes[end], b'-' | b'+') && (end == 0 || exponent_before(bytes, end));
        if !(bytes[end].is_ascii_digit() || bytes[end] == b'.' || exponent || sign) {
            break;
        }
        end += 1;
    }
    end
}

fn exponent_before(bytes: &[u8], at: usize) -> bool {
    matches!(bytes[at - 1], b'e' | b'E')
}

fn prefix(text: &str) -> Option<f64> {
    Some(match text {
        "" => 1.0,
        "k" | "K" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1_048_576.0,
        "Gi" => 1_073_741_824.0,
        "Ti" => 1_099_511_627_776.0,
        "Pi" => 1_125_899_906_842_624.0,
        _ => return None,
    })
}

fn prefixed(value: f64, step: f64, prefixes: &[&str], unit: &str) -> String {
    let mut scaled = value;
    let mut level = 0;
    while scaled.abs() >= step && level + 1 < prefixes.len() {
        scaled /= step;
        level += 1;
    }
    format!("{} {}{unit}", digits(scaled), prefixes[level])
}

/// Four significant digits at least, no trailing zeros.
fn digits(value: f64) -> String {
    let places = match value.abs() {
        v if v >= 1000.0 => 0,
        v if v >= 100.0 => 1,
        v if v >= 10.0 => 2,
        v if v >= 1.0 => 3,
        _ => 4,
    };
    let text = format!("{value:.places$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A text that is not a quantity of the wanted dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadQuantity {
    /// The text as it was written.
    pub text: String,
    /// What it should have been.
    pub expected: Unit,
}

impl fmt::Display for BadQuantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, expected } = self;
        let example = expected.example();
        match expected {
            Unit::One => write!(f, "`{text}` is not a number such as `{example}`"),
            _ => write!(f, "`{text}` is not a quantity such as `{example}`"),
        }
    }
}

impl std::error::Error for BadQuantity {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_in_their_base_unit() {
        let cases = [
            (Unit::Bytes, "80 GB", 80e9),
            (Unit::Bytes, "80GiB", 80.0 * 1_073_741_824.0),
            (Unit::BytesPerSecond, "3.35 TB/s", 3.35e12),
            (Unit::FlopPerSecond, "989.5 TFLOP/s", 989.5e12),
            (Unit::FlopPerSecond, "1.979 POP/s", 1.979e15),
            (Unit::UsdPerHour, "$2.49 /h", 2.49),
            (Unit::Usd, "$3,329,523", 3_329_523.0),
            (Unit::Watts, "1.2 kW", 1200.0),
            (Unit::Watts, "1e3", 1000.0),
            (Unit::One, "1.5", 1.5),
        ];
        for (unit, text, value) in cases {
            let read = unit.parse(text).unwrap();
            assert!((read - value).abs() <= value * 1e-12, "{text}: {read}");
        }
    }

    #[test]
    fn other_dimensions_and_nonsense_are_refused() {
        for (unit, text) in [
            (Unit::Bytes, "80 GB/s"),
            (Unit::Bytes, "$80"),
            (Unit::Watts, "seven"),
            (Unit::UsdPerHour, "2 /day"),
            (Unit::One, "1e999"),
            (Unit::One, "nan"),
            (Unit::One, ""),
        ] {
            assert!(unit.parse(text).is_err(), "{text}");
        }
        let error = Unit::Bytes.parse("80 W").unwrap_err();
        assert_eq!(error.to_string(), "`80 W` is not a quantity such as `80 GiB`");
    }

    #[test]
    fn values_are_shown_with_a_prefix() {
        assert_eq!(Unit::Bytes.show(80.0 * 1_073_741_824.0), "80 GiB");
        assert_eq!(Unit::BytesPerSecond.show(3.35e12), "3.35 TB/s");
        assert_eq!(Unit::FlopPerSecond.show(989.5e12), "989.5 TFLOP/s");
        assert_eq!(Unit::UsdPerHour.show(2.77), "$2.77 /h");
        assert_eq!(Unit::Usd.show(46240.0), "$46240");
    }
}
