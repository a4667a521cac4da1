//! Reading a document's sections into typed values, with every fault at its place.
//!
//! A [`Section`] pairs a table of the document with the [`Schema`] of its keys. Opening it reports
//! the keys that nobody knows; each getter reports a value that is missing, of the wrong kind or
//! out of range. Nothing stops at a fault: a getter then gives the key's default or example as a
//! stand-in, so that the rest is read and its faults are found too. What was read counts only when
//! no fault was reported at all.
//!
//! ```
//! use std::cell::RefCell;
//! use tokenfleet::foundations::{Dimension, Faults, Sources};
//! use tokenfleet::simulation::scenario::document;
//! use tokenfleet::simulation::scenario::reader::{Key, Schema, Section};
//!
//! static RUN: Schema = Schema::new("How long and how often to simulate.", &[
//!     Key::quantity("horizon", Dimension::Time, "simulated time").above(0.0).example("2 h"),
//!     Key::quantity("warm_up", Dimension::Time, "time cut from its start").default("0 s"),
//!     Key::integer("trials", 1, 1_000_000, "independent trials").default("20"),
//! ]);
//!
//! struct Run { horizon_s: f64, warm_up_s: f64, trials: u32 }
//!
//! fn read(text: &str) -> Result<Run, Faults> {
//!     let (mut sources, mut faults) = (Sources::default(), Faults::default());
//!     let source = sources.add_file("run.toml", text);
//!     let Some(root) = document::parse(source, &sources, &mut faults) else { return Err(faults) };
//!     let faults = RefCell::new(faults);
//!     let run = Section::root(&root, &RUN, &faults);
//!     let value = Run {
//!         horizon_s: run.quantity("horizon"),
//!         warm_up_s: run.quantity("warm_up"),
//!         trials: run.integer("trials"),
//!     };
//!     if run.is_sound() && value.warm_up_s >= value.horizon_s {
//!         run.report(run.fault("warm_up", "the warm-up leaves nothing of the horizon"));
//!     }
//!     faults.into_inner().into_result(value)
//! }
//!
//! assert_eq!(read("horizon = '2 h'").unwrap().trials, 20);
//! let faults = read("horizont = '2 h'\ntrials = 0").err().unwrap();
//! assert_eq!(faults.to_string(), "\
//! horizont: unknown key `horizont` (did you mean `horizon`?)
//! trials: `trials` must be between 1 and 1000000, found 0");
//! ```

mod check;
mod get;
mod law;
mod schema;
mod section;

use super::document::{Node, Origin, Value, parse_bare};
use crate::foundations::Dimension;
use crate::foundations::error::{Place, Sources, shortened};

pub use check::problems;
pub(super) use law::read_law;
pub use law::{Form, LAWS, LawSyntax, MODIFIERS, Of, Parameters};
pub use schema::{Bounds, Key, Kind, Presence, Schema, Tag};
pub use section::Section;

/// A value under a free name, as in a table of weights by step.
#[derive(Debug, Clone, PartialEq)]
pub struct Named<'d, T> {
    /// The name.
    pub name: &'d str,
    /// The value.
    pub value: T,
    /// Where the name was written.
    pub place: Place,
}

/// One quantity in its base unit, for values that stand under no key of a schema.
pub(super) fn quantity(
    name: &str,
    of: Dimension,
    bounds: Bounds,
    node: &Node,
) -> Result<f64, String> {
    let read = match &node.value {
        Value::String(text) => of.parse(text),
        Value::Integer(number) => of.from_number(*number as f64),
        Value::Float(number) => of.from_number(*number),
        _ => return Err(wrong_kind(&of.expected(), node)),
    };
    let value = read.map_err(|error| error.to_string())?;
    match bounds.contain(value) {
        true => Ok(value),
        false => {
            let found = node.as_str().map_or_else(|| node.describe(), shortened);
            Err(format!("`{}` must be {}, found {found}", shortened(name), bounds.describe(of)))
        }
    }
}

fn wrong_kind(expected: &str, node: &Node) -> String {
    format!("expected {expected}, found {}", node.describe())
}

/// The value of a default or an example.
fn literal(text: &str) -> Node {
    let mut sources = Sources::default();
    let source = sources.add_flag(text);
    parse_bare(source, &sources, 0..text.len()).unwrap_or_else(|_| {
        let origin = Origin { source, start: 0, end: text.len() };
        Node { value: Value::String(text.to_owned()), origin }
    })
}

#[cfg(test)]
mod tests;
