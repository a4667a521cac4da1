//! Text to quantities: a number, then a unit that is looked up by dimension.

use super::{Dimension, Reason, UnitError};

/// What a unit does to its number: `number * times / over`. One of the two is an exact power of
/// ten or a small integer wherever the other is not 1, so a value is rounded once.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scale {
    times: f64,
    over: f64,
}

/// The unit names of time, with their seconds (or the other way round below one second).
const TIMES: &[(&str, Scale)] = &[
    ("ps", over(1e12)),
    ("ns", over(1e9)),
    ("us", over(1e6)),
    ("µs", over(1e6)),
    ("μs", over(1e6)),
    ("ms", over(1e3)),
    ("s", times(1.0)),
    ("sec", times(1.0)),
    ("second", times(1.0)),
    ("min", times(60.0)),
    ("minute", times(60.0)),
    ("h", times(3600.0)),
    ("hr", times(3600.0)),
    ("hour", times(3600.0)),
    ("d", times(86_400.0)),
    ("day", times(86_400.0)),
    ("week", times(604_800.0)),
    ("month", times(730.0 * 3600.0)),
    ("year", times(8760.0 * 3600.0)),
];

/// Decimal prefixes, with the spellings in use.
const DECIMAL: &[(&str, f64)] =
    &[("", 1.0), ("k", 1e3), ("K", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12), ("P", 1e15)];

/// Binary prefixes: powers of 1024.
const BINARY: &[(&str, f64)] = &[
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
];

/// Words for large counts.
const COUNTS: &[(&str, f64)] = &[
    ("", 1.0),
    ("k", 1e3),
    ("K", 1e3),
    ("M", 1e6),
    ("million", 1e6),
    ("G", 1e9),
    ("B", 1e9),
    ("billion", 1e9),
    ("T", 1e12),
    ("trillion", 1e12),
];

/// What may stand before the slash of a rate.
const EVENTS: &[&str] = &[
    "1", "req", "request", "call", "task", "session", "arrival", "event", "failure", "error",
    "step",
];

pub(super) fn parse(dimension: Dimension, text: &str) -> Result<f64, UnitError> {
    read(dimension, text).map_err(|reason| {
        let reason = match reason {
            // "80 GB" where a time is due: say what it is instead of what it isn't.
            Reason::UnknownUnit(unit, meant) => Dimension::ALL
                .into_iter()
                .find(|&other| other != dimension && read(other, text).is_ok())
                .map_or(Reason::UnknownUnit(unit, meant), Reason::Other),
            reason => reason,
        };
        UnitError { dimension, found: text.trim().to_owned(), reason }
    })
}

/// One quantity; for times a sum of them, as in `1 h 30 min`.
fn read(dimension: Dimension, text: &str) -> Result<f64, Reason> {
    let text = text.trim();
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest.trim_start()),
        None => (1.0, text.strip_prefix('+').unwrap_or(text).trim_start()),
    };
    let (dollars, text) = match text.strip_prefix("US$").or_else(|| text.strip_prefix('$')) {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text),
    };
    let mut value = 0.0;
    let mut rest = text;
    loop {
        let (number, after) = split_number(rest)?;
        let end = match dimension {
            Dimension::Time => after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()),
            _ => after.len(),
        };
        let (unit, next) = after.split_at(end);
        let unit = unit.split_whitespace().collect::<Vec<_>>().join(" ");
        let scale = match scale(dimension, &unit, dollars) {
            Some(scale) => scale,
            None if dollars || !unit.is_empty() => {
                let meant = meant(dimension, &unit);
                return Err(Reason::UnknownUnit(unit, meant));
            }
            // Zero is zero in any unit.
            None if dimension.is_unitless() || number == 0.0 => times(1.0),
            None => return Err(Reason::NoUnit),
        };
        value += number * scale.times / scale.over;
        if !value.is_finite() {
            return Err(Reason::NotFinite);
        }
        if next.is_empty() {
            return Ok(sign * value);
        }
        rest = next;
    }
}

/// Splits `1_500.5e3 ms` into its number and what follows.
fn split_number(text: &str) -> Result<(f64, &str), Reason> {
    let bytes = text.as_bytes();
    let run = |from: usize, more: fn(&u8) -> bool| {
        from + bytes[from..].iter().take_while(|byte| more(byte)).count()
    };
    let mut end = run(0, |byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'_'));
    if bytes.get(end) == Some(&b',') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        return Err(Reason::Comma);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let digits = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if bytes.get(digits).is_some_and(u8::is_ascii_digit) {
            end = run(digits, u8::is_ascii_digit);
        }
    }
    let (number, rest) = text.split_at(end);
    let number: f64 = number.replace('_', "").parse().map_err(|_| match text {
        _ if matches!(text.to_ascii_lowercase().as_str(), "inf" | "infinity" | "nan") => {
            Reason::NotFinite
        }
        _ => Reason::NoNumber,
    })?;
    if number.is_finite() { Ok((number, rest)) } else { Err(Reason::NotFinite) }
}

/// The scale of a unit, if it belongs to the dimension. `dollars` says that a `$` stood in front.
fn scale(dimension: Dimension, unit: &str, dollars: bool) -> Option<Scale> {
    let money = |unit: &str| money(unit, dollars);
    match dimension {
        Dimension::Money => money(unit),
        Dimension::MoneyPerHour => {
            let per_second = ratio(unit, money, device_time)?;
            Some(Scale { times: per_second.times * 3600.0, ..per_second })
        }
        Dimension::MoneyPerMtok => {
            let per_token = ratio(unit, money, tokens)?;
            Some(Scale { times: per_token.times * 1e6, ..per_token })
        }
        Dimension::MoneyPerKwh => {
            let per_joule = ratio(unit, money, energy)?;
            Some(Scale { times: per_joule.times * 3.6e6, ..per_joule })
        }
        _ if dollars => None,
        Dimension::Time => time(unit),
        Dimension::Rate if unit == "Hz" => Some(times(1.0)),
        Dimension::Rate => ratio(unit, events, time),
        Dimension::Bytes => bytes(unit),
        Dimension::Bandwidth => match unit.strip_suffix("bps") {
            Some(prefix) => Some(Scale { over: 8.0, ..named(prefix, DECIMAL)? }),
            None => ratio(unit, bytes, time),
        },
        Dimension::Power if unit == "mW" => Some(over(1e3)),
        Dimension::Power => named(unit.strip_suffix('W')?, DECIMAL),
        Dimension::Energy => energy(unit),
        Dimension::Tokens => tokens(unit),
        Dimension::TokenRate => ratio(unit, spelled_tokens, time),
        Dimension::Flops => ["FLOPS", "FLOP/s", "FLOPs", "Flops", "flops", "flop/s"]
            .iter()
            .find_map(|symbol| named(unit.strip_suffix(symbol)?, DECIMAL)),
        Dimension::Fraction => matches!(unit, "%" | "percent").then(|| over(100.0)),
        Dimension::Number => named(unit, COUNTS).or_else(|| named(unit, BINARY)),
    }
}

const fn times(times: f64) -> Scale {
    Scale { times, over: 1.0 }
}

const fn over(over: f64) -> Scale {
    Scale { times: 1.0, over }
}

/// `a/b` or `a per b`, each side by its own reader.
fn ratio(
    unit: &str,
    above: impl Fn(&str) -> Option<Scale>,
    below: impl Fn(&str) -> Option<Scale>,
) -> Option<Scale> {
    let (numerator, denominator) = match unit.split_once('/') {
        Some(sides) => sides,
        None => unit.strip_prefix("per ").map(|below| ("", below)).or(unit.split_once(" per "))?,
    };
    let below = Some(denominator.trim()).filter(|unit| !unit.is_empty()).and_then(below)?;
    let above = above(numerator.trim())?;
    Some(Scale { times: above.times * below.over, over: above.over * below.times })
}

/// A factor by its name in a table.
fn named(name: &str, table: &[(&str, f64)]) -> Option<Scale> {
    table.iter().find(|(known, _)| *known == name.trim_end()).map(|&(_, factor)| times(factor))
}

fn time(unit: &str) -> Option<Scale> {
    let find = |name: &str| TIMES.iter().find(|(known, _)| *known == name).map(|&(_, scale)| scale);
    let plural = |stem: &&str| stem.len() > 1 && !stem.ends_with('s');
    find(unit).or_else(|| unit.strip_suffix('s').filter(plural).and_then(find))
}

/// Time, of a device perhaps: `$2.49 /GPU-h`.
fn device_time(unit: &str) -> Option<Scale> {
    time(unit.strip_prefix("GPU-").or_else(|| unit.strip_prefix("GPU ")).unwrap_or(unit))
}

fn events(unit: &str) -> Option<Scale> {
    let singular = unit.strip_suffix('s').unwrap_or(unit);
    if EVENTS.contains(&unit) || EVENTS.contains(&singular) {
        Some(times(1.0))
    } else {
        named(unit, COUNTS)
    }
}

fn bytes(unit: &str) -> Option<Scale> {
    let prefixed = |prefix: &str| named(prefix, DECIMAL).or_else(|| named(prefix, BINARY));
    match unit {
        "byte" | "bytes" => Some(times(1.0)),
        "bits" => Some(over(8.0)),
        _ => match unit.strip_suffix("bit") {
            Some(prefix) => Some(Scale { over: 8.0, ..prefixed(prefix)? }),
            None => prefixed(unit.strip_suffix('B')?),
        },
    }
}

fn energy(unit: &str) -> Option<Scale> {
    match unit.strip_suffix("Wh") {
        Some(prefix) => named(prefix, DECIMAL).map(|scale| times(scale.times * 3600.0)),
        None => named(unit.strip_suffix('J')?, DECIMAL),
    }
}

/// A number of tokens, the word for them left out perhaps: `k`, `M tokens`.
fn tokens(unit: &str) -> Option<Scale> {
    spelled_tokens(unit).or_else(|| named(unit, COUNTS)).or_else(|| named(unit, BINARY))
}

/// A number of tokens that says so: `tok`, `Mtok`, and as price lists have it `1M tokens`.
fn spelled_tokens(unit: &str) -> Option<Scale> {
    let words = ["tokens", "token", "tok", "Tok"];
    let prefix = words.iter().find_map(|word| unit.strip_suffix(word))?;
    let prefix = prefix.strip_prefix('1').unwrap_or(prefix).trim();
    named(prefix, COUNTS).or_else(|| named(prefix, BINARY))
}

fn money(unit: &str, dollars: bool) -> Option<Scale> {
    let prefix = match dollars {
        true => unit,
        false => ["USD", "usd", "US$", "$"].iter().find_map(|symbol| unit.strip_suffix(symbol))?,
    };
    named(prefix, COUNTS)
}

/// The unit that was meant by one that is only wrong in its case, or ambiguous.
fn meant(dimension: Dimension, unit: &str) -> Option<&'static str> {
    let known: &[&'static str] = match dimension {
        Dimension::Time if unit == "m" => return Some("min"),
        Dimension::Time => &["ms", "s", "min", "h", "day", "week"],
        Dimension::Rate => &["/s", "/min", "/h", "/day"],
        Dimension::Bytes => &["B", "KB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB"],
        Dimension::Bandwidth => &["MB/s", "GB/s", "TB/s", "Mbit/s", "Gbit/s"],
        Dimension::Money => &["USD"],
        Dimension::MoneyPerHour => &["USD/h", "/h", "/month", "/year"],
        Dimension::MoneyPerMtok => &["USD/Mtok", "/Mtok"],
        Dimension::MoneyPerKwh => &["USD/kWh", "/kWh", "/MWh"],
        Dimension::Power => &["W", "kW", "MW", "GW"],
        Dimension::Energy => &["J", "kJ", "MJ", "kWh", "MWh"],
        Dimension::Tokens | Dimension::TokenRate => &["k", "M", "tokens", "tok/s", "tokens/s"],
        Dimension::Flops => &["GFLOPS", "TFLOPS", "PFLOPS", "TFLOP/s"],
        Dimension::Fraction => &["%", "percent"],
        Dimension::Number => &["k", "M", "million", "billion"],
    };
    known.iter().copied().find(|name| name.eq_ignore_ascii_case(unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Dimension::*;
    use proptest::prelude::*;

    #[test]
    fn texts_read_as_their_values() {
        for (dimension, text, value) in [
            (Time, "2 h", 7200.0),
            (Time, "10min", 600.0),
            (Time, "300 ms", 0.3),
            (Time, "1 h 30 min", 5400.0),
            (Time, "2 weeks", 1_209_600.0),
            (Time, "250 ps", 2.5e-10),
            (Time, "3 years", 94_608_000.0),
            (Time, "-1.5 s", -1.5),
            (Time, "0", 0.0),
            (Rate, "0.4 /s", 0.4),
            (Rate, "12 /min", 0.2),
            (Rate, "3 per hour", 1.0 / 1200.0),
            (Rate, "30 requests/min", 0.5),
            (Rate, "12 k/s", 12_000.0),
            (Rate, "5 Hz", 5.0),
            (Bytes, "80 GB", 80e9),
            (Bytes, "80 GiB", 85_899_345_920.0),
            (Bytes, "16 KB", 16_000.0),
            (Bytes, "16 KiB", 16_384.0),
            (Bytes, "8 Gbit", 1e9),
            (Bandwidth, "3.35 TB/s", 3.35e12),
            (Bandwidth, "450 GB/s", 450e9),
            (Bandwidth, "400 Gbit/s", 50e9),
            (Bandwidth, "400 Gbps", 50e9),
            (Money, "$2.49", 2.49),
            (Money, "2.49 USD", 2.49),
            (Money, "$30k", 30_000.0),
            (Money, "-$5", -5.0),
            (Money, "$3.9M", 3.9e6),
            (MoneyPerHour, "$2.49 /h", 2.49),
            (MoneyPerHour, "$2.49/GPU-hour", 2.49),
            (MoneyPerHour, "2.49 USD per hour", 2.49),
            (MoneyPerHour, "$730 /month", 1.0),
            (MoneyPerMtok, "$0.60 /Mtok", 0.6),
            (MoneyPerMtok, "$0.60 per 1M tokens", 0.6),
            (MoneyPerMtok, "$0.0006 /k tokens", 0.6),
            (MoneyPerKwh, "$0.08 /kWh", 0.08),
            (MoneyPerKwh, "$80 /MWh", 0.08),
            (Power, "700 W", 700.0),
            (Power, "1.2 kW", 1200.0),
            (Power, "1 MW", 1e6),
            (Energy, "1 kWh", 3.6e6),
            (Energy, "3.6 MJ", 3.6e6),
            (Tokens, "8192", 8192.0),
            (Tokens, "8k", 8000.0),
            (Tokens, "128 k tokens", 128_000.0),
            (Tokens, "128Ki", 131_072.0),
            (Tokens, "1.5M", 1.5e6),
            (Tokens, "1_000", 1000.0),
            (TokenRate, "80 tok/s", 80.0),
            (TokenRate, "12k tokens per second", 12_000.0),
            (Flops, "989 TFLOPS", 989e12),
            (Flops, "35 PFLOP/s", 35e15),
            (Fraction, "5 %", 0.05),
            (Fraction, "0.05", 0.05),
            (Number, "4", 4.0),
            (Number, "1.5e3", 1500.0),
            (Number, "70B", 70e9),
        ] {
            assert_eq!(parse(dimension, text), Ok(value), "{text}");
        }
    }

    #[test]
    fn faults_say_what_was_expected_and_what_was_found() {
        for (dimension, text, end) in [
            (Time, "", "found \"\""),
            (Time, "soon", "found \"soon\""),
            (Time, "7200", "found 7200 without a unit"),
            (Time, "1 h 30", "found 1 h 30 without a unit"),
            (Time, "5 m", "found the unknown unit \"m\": did you mean \"min\"?"),
            (Time, "1e400 s", "which is not a finite number"),
            (Time, "1e308 years", "which is not a finite number"),
            (Time, "inf", "which is not a finite number"),
            (Time, "$5", "which is an amount of money"),
            (Time, "1 h - 5 min", "found the unknown unit \"h -\""),
            (Time, "1h30m", "found the unknown unit \"m\": did you mean \"min\"?"),
            (Rate, "300 ms", "found \"300 ms\", which is a time"),
            (Bytes, "80 gb", "did you mean \"GB\"?"),
            (Bytes, "1,5 GB", "write 1.5 or 1_500, a comma is read both ways"),
            (Bandwidth, "450 GB", "which is a size"),
            (MoneyPerHour, "$2.49", "which is an amount of money"),
            (MoneyPerHour, "$2.49 /Mtok", "which is a price per million tokens"),
            (MoneyPerMtok, "$0.60 /", "found the unknown unit \"/\""),
            (Power, "700 w", "did you mean \"W\"?"),
            (Number, "4 apples", "found the unknown unit \"apples\""),
            (Fraction, "5 GB", "which is a size"),
        ] {
            let error = parse(dimension, text).unwrap_err().to_string();
            assert!(error.ends_with(end), "{text}: {error}");
            assert!(error.starts_with("expected a"), "{error}");
        }
    }

    #[test]
    fn every_example_is_of_its_dimension_only() {
        for dimension in Dimension::ALL {
            for example in dimension.examples() {
                assert!(parse(dimension, example).is_ok(), "{example}");
                for other in Dimension::ALL.into_iter().filter(|other| !other.is_unitless()) {
                    let also = parse(other, example).is_ok();
                    assert!(!also || other == dimension, "{example} is {}", other.noun());
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in r"\PC*") {
            for dimension in Dimension::ALL {
                match parse(dimension, &text) {
                    Ok(value) => prop_assert!(value.is_finite()),
                    Err(error) => prop_assert!(!error.to_string().is_empty()),
                }
            }
        }

        #[test]
        fn near_misses_are_read_or_refused(text in "[-+$]?[0-9._e,]{0,6} ?[kMGTµm%$/USDhsWBit ]{0,6}") {
            for dimension in Dimension::ALL {
                let _ = parse(dimension, &text);
            }
        }
    }
}
