//! Probability laws as scenarios write them.
//!
//! A quantity alone is a constant. Otherwise a table names one law, with its parameters, and beside
//! it what is done to its values, in this order whatever the order of writing: `truncate = [low,
//! high]` draws again what falls outside, `times` and `plus` scale and shift, `round = true` makes
//! them whole, `min` and `max` move what lies outside onto the bound.
//!
//! ```toml
//! latency = "3 s"
//! latency = { lognormal = { median = "8 s", p90 = "20 s" }, max = "2 min" }
//! calls   = { geometric = { mean = 4 }, plus = 1 }
//! tokens  = { mixture = [{ weight = 0.7, constant = 200 }, { weight = 0.3, gamma = { mean = "2k", cv = 1.5 } }] }
//! ```

mod form;
mod syntax;

use std::cell::RefCell;

use super::get::misdeclared;
use super::{Bounds, Kind, Section, literal, quantity, wrong_kind};
use crate::foundations::distribution::LawError;
use crate::foundations::error::{Fault, Faults};
use crate::foundations::{Dimension, Law};
use crate::simulation::scenario::document::{Node, Origin, Table, Value, join_path};

pub use syntax::Parameters;
pub use syntax::{Form, LAWS, LawSyntax, Of};

/// What may stand beside a law, in the order in which it is applied.
pub static MODIFIERS: &[(&str, &str)] = &[
    ("truncate", "a lower and an upper value: draws again what falls outside"),
    ("times", "multiplies what is drawn"),
    ("plus", "is added to it"),
    ("round", "whether it is made whole"),
    ("min", "what is less becomes this"),
    ("max", "what is more becomes this"),
];

impl Section<'_> {
    /// A probability law of a quantity, constant where a quantity was given.
    pub fn law(&self, key: &str) -> Law {
        let of_key = |node: &Node, faults: &RefCell<Faults>| match self.declared(key)?.kind {
            Kind::Law(of, bounds) => read(node, join_path(&self.path, key), of, bounds, faults),
            _ => misdeclared(key),
        };
        let given = self.given(key).and_then(|(_, node)| of_key(node, self.faults));
        let stand_in = || of_key(&literal(self.stand_in(key)), &RefCell::default());
        given.or_else(stand_in).unwrap_or_else(zero)
    }
}

/// The law that is always zero.
fn zero() -> Law {
    Law::constant(0.0).expect("zero is a finite number")
}

/// Reads a law of values in the dimension `of`, which stands under no key of a schema.
pub(in crate::simulation::scenario) fn read_law(
    node: &Node,
    path: String,
    of: Dimension,
    faults: &RefCell<Faults>,
) -> Option<Law> {
    read(node, path, of, Bounds::ALL, faults)
}

/// Reads a law of values in the dimension `of` and within bounds; `None` where it has a fault.
fn read(
    node: &Node,
    path: String,
    of: Dimension,
    bounds: Bounds,
    faults: &RefCell<Faults>,
) -> Option<Law> {
    let law = Reader { of, faults }.law(node, &path)?;
    let (low, high) = (law.minimum(), law.maximum());
    let key = path.rsplit('.').next().unwrap_or(&path);
    let outside = if let Some(value) = law.is_constant() {
        (!bounds.contain(value)).then(|| format!("found {}", of.format(value)))
    } else if low < bounds.low {
        Some(format!("this law goes down to {}", of.format(low)))
    } else if high.is_infinite() && bounds.high.is_finite() {
        Some("this law has no upper end".to_owned())
    } else {
        (high > bounds.high).then(|| format!("this law goes up to {}", of.format(high)))
    };
    let Some(outside) = outside else { return Some(law) };
    let fault = Fault::new(format!("`{key}` must be {}, {outside}", bounds.describe(of)));
    let fault = match law.is_constant() {
        Some(_) => fault,
        None if low < bounds.low => fault.help("cut it with `min` or `truncate`"),
        None => fault.help("cut it with `max` or `truncate`"),
    };
    faults.borrow_mut().push(fault.at(node.origin.place(path)));
    None
}

struct Reader<'f> {
    /// The dimension of the law's values.
    of: Dimension,
    faults: &'f RefCell<Faults>,
}

impl Reader<'_> {
    /// Adds a fault; `None`, for whatever can't be given then.
    fn report<T>(&self, fault: Fault, origin: Origin, path: &str) -> Option<T> {
        self.faults.borrow_mut().push(fault.at(origin.place(path)));
        None
    }

    /// The law, or a fault with the reason why it was refused.
    fn made(&self, law: Result<Law, LawError>, origin: Origin, path: &str) -> Option<Law> {
        law.map_err(|error| self.report::<Law>(Fault::new(error.to_string()), origin, path)).ok()
    }

    fn law(&self, node: &Node, path: &str) -> Option<Law> {
        match &node.value {
            Value::Table(table) => self.table(table, node.origin, path, &[]),
            Value::String(_) | Value::Integer(_) | Value::Float(_) => self.constant(node, path),
            Value::Boolean(_) | Value::Array(_) => {
                let expected = format!("{} or a law", self.of.expected());
                let example = "a law is like `{ exponential = { mean = 3 } }`";
                let fault = Fault::new(wrong_kind(&expected, node)).help(example);
                self.report(fault, node.origin, path)
            }
        }
    }

    fn constant(&self, node: &Node, path: &str) -> Option<Law> {
        let value = self.value(node, self.of, path)?;
        self.made(Law::constant(value), node.origin, path)
    }

    /// A quantity of any dimension.
    fn value(&self, node: &Node, of: Dimension, path: &str) -> Option<f64> {
        quantity(path, of, Bounds::ALL, node)
            .map_err(|message| self.report::<f64>(Fault::new(message), node.origin, path))
            .ok()
    }

    /// A list of quantities of any dimension.
    fn values(&self, node: &Node, of: Dimension, path: &str) -> Option<Vec<f64>> {
        let Value::Array(items) = &node.value else {
            return self.report(Fault::new(wrong_kind("a list", node)), node.origin, path);
        };
        let value = |(index, item)| self.value(item, of, &format!("{path}[{index}]"));
        every(items.iter().enumerate().map(value))
    }

    /// A list of a lower and an upper quantity.
    fn pair(&self, node: &Node, path: &str) -> Option<(f64, f64)> {
        match self.values(node, self.of, path)?[..] {
            [low, high] => Some((low, high)),
            ref values => {
                let message = format!("expected a list of two values, found {}", values.len());
                self.report(Fault::new(message), node.origin, path)
            }
        }
    }

    /// A table that names a law; `beside` are the keys that may stand in it besides the modifiers.
    fn table(&self, table: &Table, origin: Origin, path: &str, beside: &[&str]) -> Option<Law> {
        let others = || MODIFIERS.iter().map(|(name, _)| name).chain(beside).copied();
        let (mut laws, mut unknown) = (Vec::new(), false);
        for entry in &table.entries {
            if let Some(law) = LAWS.iter().find(|law| law.name == entry.key) {
                laws.push((law, entry));
            } else if others().all(|name| name != entry.key) {
                unknown = true;
                let known = LAWS.iter().map(|law| law.name).chain(others());
                let fault = Fault::unknown("law", &entry.key, known);
                self.report::<()>(fault, entry.key_origin, &join_path(path, &entry.key));
            }
        }
        for (law, entry) in laws.iter().skip(1) {
            let message = format!("`{}` can't stand beside `{}`", law.name, laws[0].0.name);
            let fault = Fault::new(message).help("for one of them by chance, write a `mixture`");
            self.report::<()>(fault, entry.key_origin, &join_path(path, law.name));
        }
        let law = match laws.first() {
            Some((law, entry)) => self.base(law, &entry.node, &join_path(path, law.name)),
            // It was meant by what is unknown.
            None if unknown => None,
            None => {
                let names: Vec<_> = LAWS.iter().map(|law| law.name).collect();
                let fault = Fault::new("a law is missing here");
                self.report(fault.help(format!("choose from: {}", names.join(", "))), origin, path)
            }
        };
        self.modified(law, table, path).filter(|_| !unknown && laws.len() == 1)
    }

    /// A law without its modifiers.
    fn base(&self, law: &LawSyntax, node: &Node, path: &str) -> Option<Law> {
        let made = match law.parameters {
            Parameters::Value => return self.constant(node, path),
            Parameters::Forms(forms) => return self.form(law.name, forms, node, path),
            Parameters::Pair => {
                let (low, high) = self.pair(node, path)?;
                Law::uniform(low, high)
            }
            Parameters::Quantiles => Law::empirical(&self.points(node, path)?),
            Parameters::Mixture => Law::mixture(self.parts(node, path)?),
        };
        self.made(made, node.origin, path)
    }

    /// The points of a table of quantiles, as pairs of probability and value.
    fn points(&self, node: &Node, path: &str) -> Option<Vec<(f64, f64)>> {
        let expected = "`p`, a list of probabilities, and `values`, a list as long";
        let Some(table) = node.as_table() else {
            let fault = Fault::new(wrong_kind(&format!("a table of {expected}"), node));
            return self.report(fault, node.origin, path);
        };
        let mut unknown = false;
        for entry in table.entries.iter().filter(|entry| !["p", "values"].contains(&&*entry.key)) {
            unknown = true;
            let fault = Fault::unknown("parameter", &entry.key, ["p", "values"]);
            self.report::<()>(fault, entry.key_origin, &join_path(path, &entry.key));
        }
        let list = |key: &str, of| {
            let Some(node) = table.get(key) else {
                let fault = Fault::new(format!("missing `{key}`")).help(format!("give {expected}"));
                return self.report(fault, node.origin, path);
            };
            self.values(node, of, &join_path(path, key))
        };
        let (p, values) = (list("p", Dimension::Fraction), list("values", self.of));
        let (p, values) = (p?, values?);
        if p.len() != values.len() {
            let message = format!("{} probabilities for {} values", p.len(), values.len());
            return self.report(Fault::new(message), node.origin, path);
        }
        (!unknown).then(|| p.into_iter().zip(values).collect())
    }

    /// The parts of a mixture with their weights.
    fn parts(&self, node: &Node, path: &str) -> Option<Vec<(f64, Law)>> {
        let Value::Array(items) = &node.value else {
            let fault = Fault::new(wrong_kind("a list of laws with weights", node));
            return self.report(fault, node.origin, path);
        };
        every(items.iter().enumerate().map(|(index, item)| {
            let path = format!("{path}[{index}]");
            let Some(table) = item.as_table() else {
                let fault = Fault::new(wrong_kind("a law with a `weight`", item));
                return self.report(fault, item.origin, &path);
            };
            let weight = match table.get("weight") {
                Some(node) => self.value(node, Dimension::Number, &join_path(&path, "weight")),
                None => self.report(Fault::new("missing `weight`"), item.origin, &path),
            };
            let law = self.table(table, item.origin, &path, &["weight"]);
            Some((weight?, law?))
        }))
    }

    /// The law with what stands beside it applied. Every modifier is read, whatever else is wrong.
    fn modified(&self, law: Option<Law>, table: &Table, path: &str) -> Option<Law> {
        let given = |key: &str| table.get(key).map(|node| (node, join_path(path, key)));
        let number = |key: &str, of| match given(key) {
            Some((node, path)) => self.value(node, of, &path).map(|value| Some((value, node))),
            None => Some(None),
        };
        let truncate = match given("truncate") {
            Some((node, path)) => self.pair(node, &path).map(|pair| Some((pair, node))),
            None => Some(None),
        };
        let round = match given("round") {
            Some((node, path)) => match node.value {
                Value::Boolean(round) => Some(round),
                _ => {
                    let fault = Fault::new(wrong_kind("true or false", node));
                    self.report(fault, node.origin, &path)
                }
            },
            None => Some(false),
        };
        let (times, plus) = (number("times", Dimension::Number), number("plus", self.of));
        let (min, max) = (number("min", self.of), number("max", self.of));
        let (truncate, times, plus, round, min, max) =
            (truncate?, times?, plus?, round?, min?, max?);
        let mut law = law?;
        if let Some(((low, high), node)) = truncate {
            law = self.made(law.truncated(low, high), node.origin, &join_path(path, "truncate"))?;
        }
        if let Some((factor, node)) = times {
            law = self.made(law.scaled(factor), node.origin, &join_path(path, "times"))?;
        }
        if let Some((offset, node)) = plus {
            law = self.made(law.shifted(offset), node.origin, &join_path(path, "plus"))?;
        }
        if round {
            law = law.rounded();
        }
        if let Some((_, node)) = max.or(min) {
            let low = min.map_or(f64::NEG_INFINITY, |(low, _)| low);
            let high = max.map_or(f64::INFINITY, |(high, _)| high);
            let key = if max.is_some() { "max" } else { "min" };
            law = self.made(law.clamped(low, high), node.origin, &join_path(path, key))?;
        }
        Some(law)
    }
}

/// All values, if there are all: every one is asked for first, so that every fault is found.
fn every<T>(values: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    values.collect::<Vec<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests;
