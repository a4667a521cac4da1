//! The parameters of a law, in whichever of its forms they were given.

use super::syntax::{Form, Of};
use super::{Reader, every};
use crate::foundations::distribution::LawError;
use crate::foundations::error::Fault;
use crate::foundations::{Dimension, Law};
use crate::simulation::scenario::document::{Entry, Node, join_path};
use crate::simulation::scenario::reader::wrong_kind;

impl Reader<'_> {
    /// A law by one of the forms of its parameters.
    pub(super) fn form(&self, law: &str, forms: &[Form], node: &Node, path: &str) -> Option<Law> {
        let takes = || {
            let form = |form: &Form| {
                form.keys
                    .iter()
                    .map(|(key, _)| format!("`{key}`"))
                    .collect::<Vec<_>>()
                    .join(" and ")
            };
            let forms: Vec<_> = forms.iter().map(form).collect();
            format!("{law} takes {}", forms.join(", or "))
        };
        let Some(table) = node.as_table() else {
            let fault = Fault::new(wrong_kind("a table of parameters", node));
            return self.report(fault.help(takes()), node.origin, path);
        };
        let given = |&(key, of): &(&str, Of)| {
            table.entries.iter().find(|entry| match of {
                Of::Percentile => percentile(&entry.key).is_some(),
                _ => entry.key == key,
            })
        };
        // The form that most of the given keys belong to; of equals the first.
        let count = |form: &&Form| form.keys.iter().filter_map(given).count();
        let form = forms.iter().rev().max_by_key(count)?;
        let used: Vec<Option<&Entry>> = form.keys.iter().map(given).collect();
        let first = used.iter().flatten().next();
        let is_used = |entry: &Entry| used.iter().flatten().any(|used| std::ptr::eq(*used, entry));
        let mut superfluous = false;
        for entry in table.entries.iter().filter(|entry| !is_used(entry)) {
            superfluous = true;
            let known = forms.iter().flat_map(|form| form.keys);
            let is_known = known.clone().any(|(key, of)| {
                entry.key == *key
                    || matches!(of, Of::Percentile) && percentile(&entry.key).is_some()
            });
            let fault = match first {
                Some(first) if is_known => {
                    let message = format!("`{}` can't stand beside `{}`", entry.key, first.key);
                    Fault::new(message).help(takes())
                }
                _ => Fault::unknown("parameter", &entry.key, known.map(|(key, _)| *key)),
            };
            self.report::<()>(fault, entry.key_origin, &join_path(path, &entry.key));
        }
        let missing = form.keys.iter().zip(&used).filter(|(_, used)| used.is_none());
        let missing: Vec<_> = missing.map(|((key, _), _)| format!("`{key}`")).collect();
        if !missing.is_empty() && !superfluous {
            let message = format!("{law} lacks {}", missing.join(" and "));
            self.report::<()>(Fault::new(message).help(takes()), node.origin, path);
        }
        let value = |(&(_, of), entry): (&(&str, Of), &Option<&Entry>)| {
            let Entry { key, node, .. } = entry.as_ref()?;
            let path = join_path(path, key);
            match of {
                Of::Same | Of::Percentile => self.value(node, self.of, &path),
                Of::Fraction => self.value(node, Dimension::Fraction, &path),
                Of::Number => self.value(node, Dimension::Number, &path),
                Of::Whole => {
                    let number = self.value(node, Dimension::Number, &path)?;
                    let whole = number.fract() == 0.0 && number >= 0.0;
                    let fault = || Fault::new(wrong_kind("a whole number", node));
                    if whole { Some(number) } else { self.report(fault(), node.origin, &path) }
                }
            }
        };
        let mut values = every(form.keys.iter().zip(&used).map(value))?;
        values.extend(used.iter().flatten().filter_map(|entry| percentile(&entry.key)));
        if superfluous {
            return None;
        }
        let error = match (form.make)(&values) {
            Ok(law) => return Some(law),
            Err(error) => error,
        };
        // Point at the number that is wrong, if it is one.
        let LawError::Parameter { parameter, valid, .. } = error else {
            return self.report(Fault::new(error.to_string()), node.origin, path);
        };
        let wrong = used.iter().flatten().find(|entry| match parameter {
            "coefficient of variation" => entry.key == "cv",
            "minimum" => entry.key == "min",
            "quantile value" => percentile(&entry.key).is_some(),
            "p" => entry.key == "p" || percentile(&entry.key).is_some(),
            _ => entry.key == parameter,
        });
        let Some(wrong) = wrong else {
            return self.report(Fault::new(error.to_string()), node.origin, path);
        };
        let found = wrong.node.as_str().map_or_else(|| wrong.node.describe(), str::to_owned);
        let message = format!("`{}` must be {valid}, found {found}", wrong.key);
        self.report(Fault::new(message), wrong.node.origin, &join_path(path, &wrong.key))
    }
}

/// The probability that a key such as `p90` names: two digits are percent, more are decimals, so
/// that `p999` is 99.9 %.
fn percentile(key: &str) -> Option<f64> {
    let digits = key.strip_prefix('p').filter(|digits| !digits.is_empty())?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(())?;
    match digits.len() {
        1 => format!("0.0{digits}").parse().ok(),
        _ => format!("0.{digits}").parse().ok(),
    }
}
