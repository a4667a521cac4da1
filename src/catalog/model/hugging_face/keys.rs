//! Typed access to the keys of a `config.json`, collecting every fault instead of the first.

use std::fmt;

use serde_json::{Map, Value};

/// What is wrong with one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFault {
    /// The key, or empty where the file as a whole is at fault.
    pub key: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// A fault of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It is not there, or null.
    Missing,
    /// It is not a whole number in the range that a model can have.
    OutOfRange {
        /// The value as it stands in the file.
        found: String,
        /// Least value that makes sense.
        low: u64,
        /// Greatest value that makes sense.
        high: u64,
    },
    /// It is of another kind, or at odds with other keys.
    Wrong(String),
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match &self.problem {
            Problem::Missing => write!(f, "`{key}` is missing"),
            Problem::OutOfRange { found, low, high } => {
                write!(f, "`{key}` is {found}, not a whole number from {low} to {high}")
            }
            Problem::Wrong(why) if key.is_empty() => f.write_str(why),
            Problem::Wrong(why) => write!(f, "`{key}` {why}"),
        }
    }
}

/// Bounds that keep products of sizes within 64 bits while no real model comes near them.
const WIDTH: u64 = 1 << 17;
const HEADS: u64 = 1 << 12;
const EXPERTS: u64 = 1 << 12;
pub(super) const LAYERS: u64 = 1 << 10;
const VOCABULARY: u64 = 1 << 24;
const TOKENS: u64 = 1 << 40;

/// The keys of one model, with the faults found so far. Reading a faulty number yields 1, so that
/// reading goes on and all faults come to light together.
pub(super) struct Keys<'a> {
    map: &'a Map<String, Value>,
    /// The object around a `text_config`, for keys that are written outside it.
    outer: Option<&'a Map<String, Value>>,
    pub(super) faults: Vec<ConfigFault>,
}

impl<'a> Keys<'a> {
    pub(super) fn new(map: &'a Map<String, Value>, outer: Option<&'a Map<String, Value>>) -> Self {
        Self { map, outer, faults: Vec::new() }
    }

    /// A nested object's keys; empty where there is none.
    pub(super) fn nested(&self, key: &str) -> Option<Keys<'a>> {
        self.get(key).and_then(Value::as_object).map(|map| Keys::new(map, None))
    }

    /// The value under `key`, null being none.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// Likewise, also outside the `text_config`.
    pub(super) fn get_anywhere(&self, key: &str) -> Option<&'a Value> {
        let outside = || self.outer?.get(key).filter(|value| !value.is_null());
        self.get(key).or_else(outside)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn missing(&mut self, key: &str) {
        self.faults.push(ConfigFault { key: key.to_owned(), problem: Problem::Missing });
    }

    pub(super) fn wrong(&mut self, key: &str, why: impl Into<String>) {
        self.faults.push(ConfigFault { key: key.to_owned(), problem: Problem::Wrong(why.into()) });
    }

    /// A whole number from `low` to `high`, `None` where it is absent or null.
    fn ranged(&mut self, key: &str, low: u64, high: u64) -> Option<u64> {
        let value = self.get(key)?;
        // Some exporters write whole numbers as 8192.0.
        let whole = |number: f64| {
            (number >= 0.0 && number <= TOKENS as f64 && number.trunc() == number)
                .then_some(number as u64)
        };
        let number = value.as_u64().or_else(|| value.as_f64().and_then(whole));
        match number.filter(|number| (low..=high).contains(number)) {
            Some(number) => Some(number),
            None => {
                let problem = Problem::OutOfRange { found: value.to_string(), low, high };
                self.faults.push(ConfigFault { key: key.to_owned(), problem });
                Some(1)
            }
        }
    }

    fn required(&mut self, key: &str, low: u64, high: u64) -> u64 {
        self.ranged(key, low, high).unwrap_or_else(|| {
            self.missing(key);
            1
        })
    }

    /// A width in elements.
    pub(super) fn width(&mut self, key: &str) -> u64 {
        self.required(key, 1, WIDTH)
    }

    /// A width that may be absent, null or 0.
    pub(super) fn maybe_width(&mut self, key: &str) -> Option<u64> {
        self.ranged(key, 0, WIDTH).filter(|&width| width > 0)
    }

    /// A number of heads.
    pub(super) fn heads(&mut self, key: &str) -> u64 {
        self.required(key, 1, HEADS)
    }

    /// A number of heads that may be absent.
    pub(super) fn maybe_heads(&mut self, key: &str) -> Option<u64> {
        self.ranged(key, 1, HEADS)
    }

    /// A number of layers.
    pub(super) fn layers(&mut self, key: &str) -> u64 {
        self.required(key, 1, LAYERS)
    }

    /// A number of layers that may be absent or 0.
    pub(super) fn maybe_layers(&mut self, key: &str) -> Option<u64> {
        self.ranged(key, 0, LAYERS)
    }

    /// A number of experts, under the first of `names` that is there.
    pub(super) fn experts(&mut self, names: &[&str]) -> u64 {
        match names.iter().find(|name| self.has(name)) {
            Some(name) => self.required(name, 1, EXPERTS),
            None => {
                self.missing(names[0]);
                1
            }
        }
    }

    /// A number of experts that may be absent or 0.
    pub(super) fn maybe_experts(&mut self, key: &str) -> Option<u64> {
        self.ranged(key, 0, EXPERTS).filter(|&experts| experts > 0)
    }

    /// A number of tokens in the vocabulary.
    pub(super) fn vocabulary(&mut self, key: &str) -> Option<u64> {
        self.ranged(key, 1, VOCABULARY)
    }

    /// A length in tokens that may be absent.
    pub(super) fn maybe_tokens(&mut self, key: &str) -> Option<u64> {
        self.ranged(key, 1, TOKENS)
    }

    /// A switch; `default` where it is absent.
    pub(super) fn flag(&mut self, key: &str, default: bool) -> bool {
        match self.get_anywhere(key) {
            None => default,
            Some(Value::Bool(flag)) => *flag,
            Some(other) => {
                let other = other.to_string();
                self.wrong(key, format!("is {other}, not true or false"));
                default
            }
        }
    }

    /// A text that may be absent.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.get(key).and_then(Value::as_str)
    }

    /// A list with an item per layer, `None` where it is absent. Further items (they belong to
    /// layers that predict further tokens) are cut off.
    pub(super) fn per_layer(&mut self, key: &str, layers: u64) -> Option<&'a [Value]> {
        let list = self.get(key)?.as_array()?;
        let layers = usize::try_from(layers).unwrap_or(usize::MAX);
        match list.get(..layers) {
            Some(list) => Some(list),
            None => {
                let count = list.len();
                self.wrong(key, format!("has {count} items for {layers} layers"));
                None
            }
        }
    }

    /// Whole numbers of a list (each up to `high`), `None` where it is absent.
    pub(super) fn numbers(&mut self, key: &str, high: u64) -> Option<Vec<u64>> {
        let list = self.get(key)?.as_array()?;
        let numbers: Option<Vec<u64>> =
            list.iter().map(|item| item.as_u64().filter(|&number| number <= high)).collect();
        if numbers.is_none() {
            self.wrong(key, format!("is not a list of whole numbers up to {high}"));
        }
        Some(numbers.unwrap_or_default())
    }
}
