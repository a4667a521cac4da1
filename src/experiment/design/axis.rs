//! An axis of an experiment: a path of the scenario, and the values that it takes.

use crate::foundations::Fault;

/// Whole numbers of a range that are taken one by one; a wider range needs a number of steps.
const MOST_WHOLE: i64 = 64;
/// Values of a range where nothing says how many.
const USUAL: usize = 5;
/// Values of an axis at most.
const MOST: usize = 10_000;

/// A path of the scenario and the values that it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The path: `pools.main.replicas`.
    pub path: String,
    values: Values,
}

#[derive(Clone, Debug, PartialEq)]
enum Values {
    List(Vec<String>),
    Range(Range),
}

/// Numbers between two ends, with what stands before and behind each: `$` and ` /h`.
#[derive(Clone, Debug, PartialEq)]
struct Range {
    before: String,
    after: String,
    low: f64,
    high: f64,
    whole: bool,
    logarithmic: bool,
    steps: usize,
}

impl Axis {
    /// Reads `path=a,b,c` (a list; commas inside brackets, braces and quotes belong to a value),
    /// `path=low..high` (whole numbers one by one, five of others), `path=low..high:7` (seven evenly
    /// spaced) or `path=low..high:log7` (each the same number of times the one before). The ends of a
    /// range have one unit, written once or twice: `0.1..0.8 /s`.
    ///
    /// # Errors
    /// No `=`, no value, ends that are no numbers, differ in their units or are the wrong way round.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let example = "for example `pools.main.replicas=2,4,8` or `...=0.1..0.8 /s:5`";
        let fault = |message: String| Fault::new(message).help(example);
        let (path, written) = text
            .split_once('=')
            .ok_or_else(|| fault(format!("expected `path=values`, found `{text}`")))?;
        let (path, written) = (path.trim(), written.trim());
        if path.is_empty() || written.is_empty() {
            return Err(fault(format!("expected `path=values`, found `{text}`")));
        }
        let values = match Range::parse(written) {
            Some(range) => {
                Values::Range(range.map_err(|message| fault(format!("{path}: {message}")))?)
            }
            None => Values::List(split(written).into_iter().map(str::to_owned).collect()),
        };
        let axis = Self { path: path.to_owned(), values };
        match &axis.values {
            Values::List(values) if values.iter().any(String::is_empty) => {
                Err(fault(format!("{path}: an empty value in `{written}`")))
            }
            _ if axis.len() > MOST => Err(fault(format!("{path}: more than {MOST} values"))),
            _ => Ok(axis),
        }
    }

    /// How many values a grid takes.
    pub fn len(&self) -> usize {
        match &self.values {
            Values::List(values) => values.len(),
            Values::Range(range) => range.steps,
        }
    }

    /// Whether it has no value, which [`Axis::parse`] refuses.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A value of a grid.
    pub fn value(&self, index: usize) -> String {
        match &self.values {
            Values::List(values) => values[index].clone(),
            Values::Range(range) => {
                let of = (range.steps - 1).max(1);
                range.show(range.at(index as f64 / of as f64), 9)
            }
        }
    }

    /// The value at a part of the way, from 0 to 1: any of a range, one of a list.
    pub fn at(&self, part: f64) -> String {
        match &self.values {
            Values::List(values) => {
                let index = (part * values.len() as f64) as usize;
                values[index.min(values.len() - 1)].clone()
            }
            // Each whole number is as likely as any other.
            Values::Range(range) if range.whole && !range.logarithmic => {
                let count = range.high - range.low + 1.0;
                let number = range.low + libm::floor(part * count).min(count - 1.0);
                range.show(number, 9)
            }
            Values::Range(range) => range.show(range.at(part), 3),
        }
    }
}

impl Range {
    /// The range that is written, if it is one.
    fn parse(written: &str) -> Option<Result<Self, String>> {
        let (low, rest) = written.split_once("..")?;
        let (high, steps) = match rest.rsplit_once(':') {
            Some((high, steps)) => (high, Some(steps.trim())),
            None => (rest, None),
        };
        Some(Self::between(low, high, steps))
    }

    fn between(low: &str, high: &str, steps: Option<&str>) -> Result<Self, String> {
        let number = |text: &str| {
            taken_apart(text.trim()).ok_or_else(|| format!("`{}` is no number", text.trim()))
        };
        let (from, to) = (number(low)?, number(high)?);
        let same = |one: &str, other: &str| one.is_empty() || one == other;
        if !same(&from.before, &to.before) || !same(&from.after, &to.after) {
            return Err(format!("`{}` and `{}` have different units", low.trim(), high.trim()));
        }
        let (logarithmic, count) = match steps {
            None => (false, None),
            Some(steps) => {
                let (logarithmic, digits) = match steps.strip_prefix("log") {
                    Some(digits) => (true, digits.trim()),
                    None => (false, steps),
                };
                let count = digits.parse::<usize>().ok().filter(|count| *count >= 2);
                let count =
                    count.ok_or_else(|| format!("`{steps}` is no number of steps, 2 or more"))?;
                (logarithmic, Some(count))
            }
        };
        if from.number >= to.number {
            return Err(format!("{} is not below {}", from.number, to.number));
        }
        if logarithmic && from.number <= 0.0 {
            return Err("a logarithmic range must lie above 0".to_owned());
        }
        let whole = from.whole && to.whole && to.after.is_empty();
        let span = to.number - from.number;
        let steps = match count {
            Some(count) => count,
            None if whole && span < MOST_WHOLE as f64 => span as usize + 1,
            None if whole => {
                return Err(format!(
                    "more than {MOST_WHOLE} whole numbers; say how many with `:7` behind the range"
                ));
            }
            None => USUAL,
        };
        Ok(Self {
            before: to.before,
            after: to.after,
            low: from.number,
            high: to.number,
            whole,
            logarithmic,
            steps,
        })
    }

    fn at(&self, part: f64) -> f64 {
        match self.logarithmic {
            true => self.low * libm::pow(self.high / self.low, part),
            false => self.low + (self.high - self.low) * part,
        }
    }

    /// A number of this range, with so many decimals behind its first digit: more would only be
    /// noise of binary fractions, or of chance.
    fn show(&self, number: f64, decimals: usize) -> String {
        let number = if self.whole { libm::round(number) } else { number };
        let digits = format!("{number:.decimals$e}").parse().unwrap_or(number);
        format!("{}{digits}{}", self.before, self.after)
    }
}

struct Taken {
    before: String,
    number: f64,
    whole: bool,
    after: String,
}

/// `$2.49 /h` as `$`, 2.49 and ` /h`.
fn taken_apart(text: &str) -> Option<Taken> {
    let start = text.find(|c: char| c.is_ascii_digit() || matches!(c, '-' | '.'))?;
    let rest = &text[start..];
    let end = (1..=rest.len())
        .rev()
        .filter(|&end| rest.is_char_boundary(end))
        .find(|&end| rest[..end].parse::<f64>().is_ok_and(f64::is_finite))?;
    let digits = &rest[..end];
    Some(Taken {
        before: text[..start].to_owned(),
        number: digits.parse().ok()?,
        whole: digits.parse::<i64>().is_ok(),
        after: rest[end..].to_owned(),
    })
}

/// Parts between commas that stand in no brackets and no quotes.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut from, mut depth, mut quote) = (Vec::new(), 0, 0_i32, None);
    for (index, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth -= 1,
            (None, ',') if depth == 0 => {
                parts.push(text[from..index].trim());
                from = index + 1;
            }
            _ => {}
        }
    }
    parts.push(text[from..].trim());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        let axis = Axis::parse(text).unwrap();
        (0..axis.len()).map(|index| axis.value(index)).collect()
    }

    #[test]
    fn lists_and_ranges() {
        for (text, expected) in [
            ("a.b=h100-sxm, b200-sxm", &["h100-sxm", "b200-sxm"][..]),
            ("a=2..5", &["2", "3", "4", "5"]),
            ("a=2..8:3", &["2", "5", "8"]),
            ("a=0.1..0.5 /s", &["0.1 /s", "0.2 /s", "0.3 /s", "0.4 /s", "0.5 /s"]),
            ("a=$1 /h..$2 /h:2", &["$1 /h", "$2 /h"]),
            ("a=1..100:log3", &["1", "10", "100"]),
            ("a=50%..90%:3", &["50%", "70%", "90%"]),
            (
                "a={ weights = \"fp8\", kv = \"fp8\" },bf16",
                &["{ weights = \"fp8\", kv = \"fp8\" }", "bf16"],
            ),
        ] {
            assert_eq!(values(text), expected, "{text}");
        }
    }

    #[test]
    fn a_part_of_the_way() {
        let at = |text: &str, part| Axis::parse(text).unwrap().at(part);
        assert_eq!(at("a=x,y,z", 0.5), "y");
        assert_eq!(at("a=x,y,z", 0.999), "z");
        assert_eq!(at("a=2..5", 0.0), "2");
        assert_eq!(at("a=2..5", 0.99), "5");
        assert_eq!(at("a=1.0..2.0 /s", 0.25), "1.25 /s");
        assert_eq!(at("a=1.0..100.0:log3", 0.5), "10");
    }

    #[test]
    fn mistakes_are_named() {
        for (text, message) in [
            ("a", "expected `path=values`, found `a`"),
            ("a=", "expected `path=values`, found `a=`"),
            ("a=1,,2", "a: an empty value in `1,,2`"),
            ("a=5..2", "a: 5 is not below 2"),
            ("a=x..2", "a: `x` is no number"),
            ("a=1 s..2 h", "a: `1 s` and `2 h` have different units"),
            ("a=1..2:one", "a: `one` is no number of steps, 2 or more"),
            ("a=0..2:log3", "a: a logarithmic range must lie above 0"),
            ("a=1..1000", "a: more than 64 whole numbers; say how many with `:7` behind the range"),
        ] {
            assert_eq!(Axis::parse(text).unwrap_err().message, message, "{text}");
        }
    }
}
