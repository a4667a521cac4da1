//! What a scenario may say, for editors and for readers, from the declarations that read it.
//!
//! [`json()`] gives a JSON Schema, by which an editor completes and underlines; [`reference()`] a page.
//! Both walk [`SCENARIO`](crate::simulation::scenario::SCENARIO), so a key that is declared for the
//! reader is in both. The reader stays the judge: what depends on several values at once, such as a
//! model that does not fit, only it can say.

mod json;
mod reference;

pub use json::json;
pub use reference::reference;

use crate::catalog::{Catalog, NumberFormat};
use crate::foundations::Dimension;
use crate::simulation::scenario::reader::{Bounds, Key, Kind, Presence};

/// The names that the catalog has for `what`; none where a scenario defines its own.
fn known_names(what: &str, catalog: &Catalog) -> Vec<String> {
    match what {
        "accelerator" => catalog.accelerators().map(|entry| entry.key.clone()).collect(),
        "model" => catalog.models().map(|entry| entry.key.clone()).collect(),
        "engine" => catalog.engines().map(|entry| entry.key.clone()).collect(),
        "region" => catalog.regions().map(|entry| entry.key.clone()).collect(),
        "program" => catalog.agents().map(|entry| entry.key.clone()).collect(),
        "number format" => NumberFormat::ALL.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    }
}

/// A key in a sentence or two: what it means, what its value is, what stands for it.
fn sentences(key: &Key) -> String {
    let mut text = sentence(key.doc);
    let values = values(&key.kind);
    if !values.is_empty() {
        text.push_str(&format!(" {}", sentence(&values)));
    }
    match key.presence {
        Presence::Default(value) if !value.is_empty() => {
            text.push_str(&format!(" Default: {value}."));
        }
        _ => {}
    }
    text
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let stop = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{stop}", letters.as_str())
}

/// What a value may be; empty where nothing is to be said beside the key's own line.
fn values(kind: &Kind) -> String {
    match kind {
        Kind::Text | Kind::Any | Kind::Either(_) => String::new(),
        Kind::Boolean => "true or false".to_owned(),
        Kind::Integer(low, i64::MAX) => format!("a whole number from {low}"),
        Kind::Integer(low, high) => format!("a whole number from {low} to {high}"),
        Kind::Quantity(of, bounds) => quantity(*of, *bounds),
        Kind::Law(of, bounds) => format!("{}, or a law of one", quantity(*of, *bounds)),
        Kind::Quantities(of, bounds) => format!("a list, each {}", quantity(*of, *bounds)),
        Kind::NamedQuantities(of, bounds) => format!("by name {}", quantity(*of, *bounds)),
        Kind::Choice(words) => {
            let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
            match words.split_last() {
                Some((last, others)) if !others.is_empty() => {
                    format!("{} or {last}", others.join(", "))
                }
                _ => words.concat(),
            }
        }
        Kind::Name(what) => format!("the name of {} {what}", article(what)),
        Kind::Names(what) => format!("names, each of {} {what}", article(what)),
        Kind::NamedNames(what) => format!("by name, the name of {} {what}", article(what)),
        Kind::Section(_) => "a table".to_owned(),
        Kind::Sections(_) | Kind::Tables => "tables under names of your own".to_owned(),
        Kind::SectionList(_) => "a list of tables".to_owned(),
        Kind::Objectives => "a table".to_owned(),
    }
}

/// A quantity with its bounds: `a time such as "2 h", above 0 s`.
fn quantity(of: Dimension, bounds: Bounds) -> String {
    let unit = match of.base_unit() {
        "" => String::new(),
        _ => format!(" such as \"{}\"", of.examples()[0]),
    };
    match bounds {
        Bounds::ALL => format!("{}{unit}", of.noun()),
        _ => format!("{}{unit}, {}", of.noun(), bounds.describe(of)),
    }
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}
