//! Figures as people read them: a value, how far it may be off, a unit.
//!
//! The half-width is rounded to one digit, to two where that digit is a 1; the value ends where the
//! half-width does, so no digit is shown that means nothing.

use crate::experiment::metric::Unit;
use crate::foundations::Interval;

/// Digits of a value at most, however sure it is.
const MOST_DIGITS: i32 = 4;
/// Digits of a value whose uncertainty is not known.
const PLAIN_DIGITS: i32 = 3;

/// How a value of some size is written: `before` it, how often one unit goes into the shown one,
/// and `after` it.
struct Scale {
    before: &'static str,
    factor: f64,
    after: &'static str,
}

const fn scale(before: &'static str, factor: f64, after: &'static str) -> Scale {
    Scale { before, factor, after }
}

/// The scale in which a value of this size reads best.
fn scale_of(unit: Unit, size: f64) -> Scale {
    let thousands = |size: f64, marks: [&'static str; 4]| match size {
        s if s < 1e3 => (1.0, marks[0]),
        s if s < 1e6 => (1e-3, marks[1]),
        s if s < 1e9 => (1e-6, marks[2]),
        _ => (1e-9, marks[3]),
    };
    match unit {
        Unit::Seconds => match size {
            0.0 => scale("", 1.0, " s"),
            s if s < 1e-3 => scale("", 1e6, " us"),
            s if s < 1.0 => scale("", 1e3, " ms"),
            s if s < 120.0 => scale("", 1.0, " s"),
            s if s < 7200.0 => scale("", 1.0 / 60.0, " min"),
            s if s < 172_800.0 => scale("", 1.0 / 3600.0, " h"),
            _ => scale("", 1.0 / 86_400.0, " days"),
        },
        Unit::Usd if size > 0.0 && size < 0.1 => scale("", 100.0, " ¢"),
        Unit::Usd | Unit::UsdPerHour | Unit::UsdPerMtoken => {
            let marks = match unit {
                Unit::UsdPerHour => [" /h", "k /h", "M /h", "B /h"],
                Unit::UsdPerMtoken => [" /Mtok", "k /Mtok", "M /Mtok", "B /Mtok"],
                _ => ["", "k", "M", "B"],
            };
            let (factor, after) = thousands(size, marks);
            scale("$", factor, after)
        }
        Unit::PerSecond => match size {
            s if s >= 0.1 || s == 0.0 => {
                let (factor, after) = thousands(size, [" /s", " k/s", " M/s", " B/s"]);
                scale("", factor, after)
            }
            s if s >= 0.1 / 60.0 => scale("", 60.0, " /min"),
            s if s >= 0.1 / 3600.0 => scale("", 3600.0, " /h"),
            _ => scale("", 86_400.0, " /day"),
        },
        Unit::Share => scale("", 100.0, " %"),
        Unit::Watts => {
            let (factor, after) = thousands(size, [" W", " kW", " MW", " GW"]);
            scale("", factor, after)
        }
        Unit::Joules => match size {
            s if s < 1e5 => {
                let (factor, after) = thousands(s, [" J", " kJ", " MJ", " GJ"]);
                scale("", factor, after)
            }
            s if s < 3.6e9 => scale("", 1.0 / 3.6e6, " kWh"),
            _ => scale("", 1.0 / 3.6e9, " MWh"),
        },
        Unit::Megabytes if size >= 1000.0 => scale("", 1e-3, " GB"),
        Unit::Megabytes => scale("", 1.0, " MB"),
        Unit::Grams if size >= 1000.0 => scale("", 1e-3, " kg"),
        Unit::Grams => scale("", 1.0, " g"),
        Unit::Litres if size < 1.0 => scale("", 1e3, " ml"),
        Unit::Litres => scale("", 1.0, " l"),
        Unit::TokensPerJoule => scale("", 1.0, " tok/J"),
        Unit::TokensPerUsd => {
            let (factor, after) = thousands(size, [" tok/$", " k tok/$", " M tok/$", " B tok/$"]);
            scale("", factor, after)
        }
        Unit::BytesPerSecond => {
            let (factor, after) = thousands(size, [" B/s", " kB/s", " MB/s", " GB/s"]);
            scale("", factor, after)
        }
        Unit::Tasks | Unit::Calls | Unit::Requests | Unit::Ratio if size < 1e5 => {
            scale("", 1.0, "")
        }
        Unit::Tokens | Unit::Tasks | Unit::Calls | Unit::Requests | Unit::Ratio => {
            let (factor, after) = thousands(size, ["", " k", " M", " B"]);
            scale("", factor, after)
        }
        Unit::TokensPerSecond => {
            let (factor, after) = thousands(size, [" tok/s", " k tok/s", " M tok/s", " B tok/s"]);
            scale("", factor, after)
        }
    }
}

/// The decimal place of the first digit of a positive number: 0 for 7, 1 for 42, -2 for 0.03.
fn first_place(number: f64) -> i32 {
    libm::floor(libm::log10(number)) as i32
}

/// Decimals that show a half-width as it should be.
fn decimals_for(half: f64) -> i32 {
    let place = first_place(half);
    let leading = half / libm::pow(10.0, f64::from(place));
    let digits = if leading < 1.95 { 2 } else { 1 };
    digits - 1 - place
}

/// Decimals that show so many digits of a number.
fn decimals_of(number: f64, digits: i32) -> i32 {
    if number == 0.0 { 0 } else { digits - 1 - first_place(number) }
}

/// `number` rounded to `decimals`, which may be negative; without zeros behind the last digit where
/// `short`.
fn fixed(number: f64, decimals: i32, short: bool) -> String {
    let tens = libm::pow(10.0, f64::from((-decimals).max(0)));
    let number = if decimals < 0 { libm::round(number / tens) * tens } else { number };
    let text = format!("{number:.*}", decimals.clamp(0, 12) as usize);
    match (short, text.contains('.')) {
        (true, true) => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        _ => text,
    }
}

/// A value alone, to three digits: `3.42 min`, `$0.21`, `412 k`. `-` where there is none.
pub fn plain(unit: Unit, value: Option<f64>) -> String {
    to_digits(unit, value, PLAIN_DIGITS)
}

/// A value alone, to two digits, as one says it.
pub fn roughly(unit: Unit, value: Option<f64>) -> String {
    to_digits(unit, value, 2)
}

fn to_digits(unit: Unit, value: Option<f64>, digits: i32) -> String {
    let Some(value) = value.filter(|value| !value.is_nan()) else { return "-".to_owned() };
    let sign = if value < 0.0 { "-" } else { "" };
    let size = value.abs();
    if size.is_infinite() {
        return format!("{sign}infinite");
    }
    let scale = scale_of(unit, size);
    let shown = size * scale.factor;
    let money = scale.before == "$" && (1.0..100.0).contains(&shown);
    let decimals = if money { 2 } else { decimals_of(shown, digits) };
    format!("{sign}{}{}{}", scale.before, fixed(shown, decimals, !money), scale.after)
}

/// A value and the half-width of its interval: `3.42 ±0.05 min`, `$0.213 ±0.004`.
pub fn with_interval(unit: Unit, value: Option<f64>, interval: Option<Interval>) -> String {
    let (Some(value), Some(interval)) = (value, interval) else { return plain(unit, value) };
    let half = (value - interval.low).max(interval.high - value);
    if !value.is_finite() || !half.is_finite() || half < 0.0 {
        return plain(unit, Some(value));
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let scale = scale_of(unit, value.abs().max(half / 10.0));
    let (shown, half) = (value.abs() * scale.factor, half * scale.factor);
    if half <= shown * 1e-12 {
        return format!("{} ±0", plain(unit, Some(value)));
    }
    let finest = decimals_of(shown.max(half), MOST_DIGITS);
    let decimals = decimals_for(half).min(finest);
    let least = libm::pow(10.0, f64::from(-decimals));
    let half = match libm::round(half / least) {
        0.0 => format!("<{}", fixed(least, decimals, false)),
        _ => fixed(half, decimals, false),
    };
    format!("{sign}{}{} ±{half}{}", scale.before, fixed(shown, decimals, false), scale.after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_where_its_uncertainty_does() {
        let show = |unit, value: f64, half: f64| {
            with_interval(unit, Some(value), Some(Interval::around(value, half)))
        };
        for (shown, text) in [
            (show(Unit::Seconds, 205.2, 3.1), "3.42 ±0.05 min"),
            (show(Unit::Seconds, 0.6412, 0.0123), "641 ±12 ms"),
            (show(Unit::Seconds, 0.000_321, 0.000_04), "320 ±40 us"),
            (show(Unit::Usd, 0.2131, 0.0042), "$0.213 ±0.004"),
            (show(Unit::Usd, 0.0037, 0.000_09), "0.370 ±0.009 ¢"),
            (show(Unit::Usd, 12.345, 1.04), "$12.3 ±1.0"),
            (show(Unit::Usd, 1234.5, 20.0), "$1.23 ±0.02k"),
            (show(Unit::UsdPerMtoken, 0.613, 0.02), "$0.61 ±0.02 /Mtok"),
            (show(Unit::Share, 0.9871, 0.0021), "98.7 ±0.2 %"),
            (show(Unit::Tokens, 412_345.0, 2_900.0), "412 ±3 k"),
            (show(Unit::Tokens, 999.0, 2_900.0), "1000 ±3000"),
            (show(Unit::Calls, 21.31, 0.196), "21.3 ±0.2"),
            (show(Unit::Ratio, 38.2, 14.9), "38 ±15"),
            (show(Unit::Calls, 21.31, 1e-9), "21.31 ±<0.01"),
            (show(Unit::Calls, 20.0, 0.0), "20 ±0"),
            (show(Unit::PerSecond, 0.004, 0.000_2), "0.240 ±0.012 /min"),
            (show(Unit::Seconds, 0.0, 0.0), "0 s ±0"),
        ] {
            assert_eq!(shown, text);
        }
    }

    #[test]
    fn a_value_alone_has_three_digits() {
        for (unit, value, text) in [
            (Unit::Seconds, 205.2, "3.42 min"),
            (Unit::Seconds, 1.0, "1 s"),
            (Unit::Seconds, f64::INFINITY, "infinite"),
            (Unit::Usd, 0.021_34, "2.13 ¢"),
            (Unit::Usd, 2.5, "$2.50"),
            (Unit::Usd, 123.456, "$123"),
            (Unit::UsdPerHour, 1800.0, "$1.80k /h"),
            (Unit::Tokens, 412_345.0, "412 k"),
            (Unit::Tokens, 128_000.0, "128 k"),
            (Unit::Share, 0.5, "50 %"),
            (Unit::Ratio, -3.0, "-3"),
        ] {
            assert_eq!(plain(unit, Some(value)), text);
        }
        assert_eq!(plain(Unit::Seconds, None), "-");
    }
}
