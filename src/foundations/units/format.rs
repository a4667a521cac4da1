//! Quantities to text: three significant digits, and the unit in which they read best.

use super::Dimension;

/// Decimal prefixes from 10⁰ on.
const SI: &[&str] = &["", "k", "M", "G", "T", "P"];
/// Prefixes of counts from 10⁰ on: a thousand million is a billion.
const COUNT: &[&str] = &["", "k", "M", "B", "T"];
/// Prefixes of a second, from 10⁻¹² on.
const SUBSECOND: &[&str] = &["p", "n", "u", "m", ""];

pub(super) fn format(dimension: Dimension, value: f64) -> String {
    match dimension {
        Dimension::Time => format_duration(value),
        Dimension::Rate => format_rate(value),
        Dimension::Bytes => format_bytes(value),
        Dimension::Bandwidth => with_unit(value, SI, "B/s"),
        Dimension::Money => format_usd(value),
        Dimension::MoneyPerHour => format!("{} /h", format_usd(value)),
        Dimension::MoneyPerMtok => format!("{} /Mtok", format_usd(value)),
        Dimension::MoneyPerKwh => format!("{} /kWh", format_usd(value)),
        Dimension::Power => with_unit(value, SI, "W"),
        Dimension::Energy => with_unit(value, SI, "J"),
        Dimension::Tokens => format_count(value),
        Dimension::TokenRate => with_unit(value, COUNT, "tok/s"),
        Dimension::Flops => with_unit(value, SI, "FLOPS"),
        Dimension::Fraction => format_percent(value),
        Dimension::Number => format_number(value),
    }
}

/// Prints a duration in seconds: `1.24 s`, `640 ms`, `4.5 min`, `27.4 h`, `3.12 days`.
pub fn format_duration(seconds: f64) -> String {
    match seconds.abs() {
        // Below 120 of a unit, the smaller unit reads better: 90 s, 90 min, but 1.5 days as 36 h.
        s if s < 120.0 => scaled(seconds, -12, SUBSECOND, "s"),
        s if s < 7200.0 => format!("{} min", format_number(seconds / 60.0)),
        s if s < 172_800.0 => format!("{} h", format_number(seconds / 3600.0)),
        s if s.is_finite() => format!("{} days", format_number(seconds / 86_400.0)),
        _ => format_number(seconds),
    }
}

/// Prints a size in bytes with decimal prefixes: `83.4 GB`.
pub fn format_bytes(bytes: f64) -> String {
    with_unit(bytes, SI, "B")
}

/// Prints an amount of US dollars: cents up to a thousand, `$12.34`, then `$1.23k`, `$45.6M`; below
/// one dollar three significant digits, `$0.0312`.
pub fn format_usd(usd: f64) -> String {
    let sign = if usd < 0.0 { "-" } else { "" };
    match usd.abs() {
        0.0 => "$0".to_owned(),
        dollars if dollars < 0.995 => {
            let digits = significant(dollars);
            let pad = if digits.len() == "0.5".len() { "0" } else { "" };
            format!("{sign}${digits}{pad}")
        }
        dollars if dollars < 999.995 => format!("{sign}${dollars:.2}"),
        dollars if dollars.is_finite() => {
            format!("{sign}${}", scaled(dollars, 0, COUNT, "").replace(' ', ""))
        }
        _ => format_number(usd),
    }
}

/// Prints a count: `842`, `12.3 k`, `1.2 M`, `3.4 B`.
pub fn format_count(count: f64) -> String {
    scaled(count, 0, COUNT, "")
}

/// Prints a rate in 1/s per the second, minute, hour or day, whichever keeps it near one: `0.4 /s`,
/// `3 /min`, `1.2 k/s`.
pub fn format_rate(per_second: f64) -> String {
    match per_second.abs() {
        r if r >= 0.1 || r == 0.0 => with_unit(per_second, COUNT, "/s"),
        r if r * 60.0 >= 0.1 => format!("{} /min", format_number(per_second * 60.0)),
        r if r * 3600.0 >= 0.1 => format!("{} /h", format_number(per_second * 3600.0)),
        r if r.is_finite() => format!("{} /day", format_number(per_second * 86_400.0)),
        _ => format_number(per_second),
    }
}

/// Prints a fraction as a percentage: `5 %`, `99.9 %`.
pub fn format_percent(fraction: f64) -> String {
    format!("{} %", format_number(fraction * 100.0))
}

/// Prints a plain number to three significant digits: `4`, `0.05`, `1230`, `3.1e-7`. What is not a
/// number prints as `n/a`.
pub fn format_number(number: f64) -> String {
    let sign = if number < 0.0 { "-" } else { "" };
    match number.abs() {
        _ if number.is_nan() => "n/a".to_owned(),
        magnitude if magnitude.is_infinite() => format!("{sign}inf"),
        magnitude => format!("{sign}{}", significant(magnitude)),
    }
}

/// `value` with the prefix of `prefixes` (10⁰ on) that suits it, and a unit.
fn with_unit(value: f64, prefixes: &[&str], unit: &str) -> String {
    scaled(value, 0, prefixes, unit)
}

/// `value` shown with one of `prefixes`, whose first stands for 10^`first` and each next for a
/// thousand times more. The shift is made on the decimal digits, so it never rounds twice.
fn scaled(value: f64, first: i32, prefixes: &[&str], unit: &str) -> String {
    let sign = if value < 0.0 { "-" } else { "" };
    let (number, prefix) = match split(value.abs()) {
        Some((digits, exponent)) => {
            let last = prefixes.len().saturating_sub(1) as i32;
            let index = (exponent - first).div_euclid(3).clamp(0, last);
            (joined(&digits, exponent - first - 3 * index), prefixes[index as usize])
        }
        None if value == 0.0 => ("0".to_owned(), ""),
        None => return format_number(value),
    };
    match (prefix, unit) {
        ("", "") => format!("{sign}{number}"),
        _ => format!("{sign}{number} {prefix}{unit}"),
    }
}

/// A positive number to three significant digits, without an exponent unless it is far from one.
fn significant(magnitude: f64) -> String {
    split(magnitude).map_or_else(|| "0".to_owned(), |(digits, exponent)| joined(&digits, exponent))
}

/// The leading digits `d.dd` of a positive finite number and its decimal exponent.
fn split(magnitude: f64) -> Option<(String, i32)> {
    let text = (magnitude > 0.0 && magnitude.is_finite()).then(|| format!("{magnitude:.2e}"))?;
    let (digits, exponent) = text.split_once('e')?;
    Some((digits.to_owned(), exponent.parse().ok()?))
}

/// `d.dd` times ten to `exponent`, trailing zeros dropped.
fn joined(digits: &str, exponent: i32) -> String {
    let number: f64 = format!("{digits}e{exponent}").parse().unwrap_or(f64::NAN);
    if (-6..9).contains(&exponent) { format!("{number}") } else { format!("{number:e}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_print_as_people_write_them() {
        for (printed, text) in [
            (format_duration(1.2449), "1.24 s"),
            (format_duration(0.64), "640 ms"),
            (format_duration(0.000_012_34), "12.3 us"),
            (format_duration(90.8), "90.8 s"),
            (format_duration(271.0), "4.52 min"),
            (format_duration(5400.0), "90 min"),
            (format_duration(98_640.0), "27.4 h"),
            (format_duration(270_000.0), "3.12 days"),
            (format_duration(-0.0015), "-1.5 ms"),
            (format_duration(0.0), "0 s"),
            (format_duration(0.9999), "1 s"),
            (format_duration(f64::NAN), "n/a"),
            (format_bytes(83.44e9), "83.4 GB"),
            (format_bytes(999.9), "1 kB"),
            (format_bytes(f64::NEG_INFINITY), "-inf"),
            (format_usd(0.031_24), "$0.0312"),
            (format_usd(0.6), "$0.60"),
            (format_usd(0.9951), "$1.00"),
            (format_usd(2.5), "$2.50"),
            (format_usd(123.456), "$123.46"),
            (format_usd(999.996), "$1k"),
            (format_usd(12_345.0), "$12.3k"),
            (format_usd(-3.9e6), "-$3.9M"),
            (format_usd(0.0), "$0"),
            (format_usd(1.234e-8), "$1.23e-8"),
            (format_count(842.0), "842"),
            (format_count(1_204_000.0), "1.2 M"),
            (format_count(999_999.0), "1 M"),
            (format_count(3.4e9), "3.4 B"),
            (format_count(0.25), "0.25"),
            (format_rate(0.4), "0.4 /s"),
            (format_rate(0.05), "3 /min"),
            (format_rate(1.0 / 3600.0), "1 /h"),
            (format_rate(12_345.0), "12.3 k/s"),
            (format_percent(0.05), "5 %"),
            (format_percent(0.99949), "99.9 %"),
            (format_number(0.1 + 0.2), "0.3"),
            (format_number(123_456.0), "123000"),
            (format_number(-3.14159e-7), "-3.14e-7"),
            (format_number(f64::INFINITY), "inf"),
            (Dimension::Bandwidth.format(3.35e12), "3.35 TB/s"),
            (Dimension::MoneyPerHour.format(2.49), "$2.49 /h"),
            (Dimension::MoneyPerMtok.format(0.6), "$0.60 /Mtok"),
            (Dimension::Flops.format(989e12), "989 TFLOPS"),
            (Dimension::Power.format(1200.0), "1.2 kW"),
        ] {
            assert_eq!(printed, text);
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back_within_its_rounding(
            mantissa in 1.0f64..10.0, exponent in -15i32..25, negative: bool,
        ) {
            let value: f64 = format!("{}{mantissa}e{exponent}", if negative { "-" } else { "" })
                .parse()
                .unwrap();
            for dimension in Dimension::ALL {
                let text = format(dimension, value);
                let read = dimension.parse(&text);
                let close = read.as_ref().is_ok_and(|r| ((r - value) / value).abs() <= 0.00501);
                prop_assert!(close, "{value} printed as {text:?} reads as {read:?}");
            }
        }

        #[test]
        fn nothing_is_unprintable(bits: u64) {
            for dimension in Dimension::ALL {
                prop_assert!(!format(dimension, f64::from_bits(bits)).is_empty());
            }
        }
    }
}
