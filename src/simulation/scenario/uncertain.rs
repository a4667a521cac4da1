//! `{ uncertain = LAW }` in place of a number or a quantity: what is not known.
//!
//! Each such value is drawn once for each trial, by the quantile that a stream of its own name gives,
//! and the scenario is read with it. So the same trial has the same unknowns in every variant that
//! does not say otherwise. Values that go by one name move together:
//!
//! ```toml
//! price    = { uncertain = { lognormal = { median = "$3 /h", p90 = "$5 /h" } } }
//! replicas = { uncertain = { uniform = [4, 8], round = true } }
//! cost     = { uncertain = ["on-demand", "reserved"] }                # one of these, equally likely
//! tools.search.latency = { uncertain = { uniform = ["1 s", "3 s"] }, as = "search" }
//! ```

use std::cell::RefCell;
use std::sync::Arc;

use super::document::{Entry, Node, Table, Value, join_path};
use super::reader::{LAWS, read_law};
use super::resolution::{Reading, Shared};
use super::variants::Version;
use crate::foundations::random::{Purpose, Streams};
use crate::foundations::{Dimension, Fault, Faults, Law};
use crate::simulation::plan::{Draw, Uncertain, Unknown};

/// Sections that say how to simulate or what is demanded: nothing in them is unknown.
const CERTAIN: [&str; 2] = ["run", "objectives"];
/// Draws of a scenario are plans in memory.
const MOST_DRAWS: u64 = 1 << 17;

/// How often uncertain inputs are drawn, and which of their values are taken.
#[derive(Clone, Copy, Debug)]
pub enum Draws<'a> {
    /// By chance, one draw for each trial: as many as the scenario has and under its seed, where
    /// nothing else is said.
    OfTrials {
        /// How many trials there are.
        trials: Option<u64>,
        /// How many times as many there may be in the end.
        times: u64,
        /// The seed behind all chance.
        seed: Option<u64>,
    },
    /// At these quantiles, one draw for each row and one column for each input.
    At(&'a [Vec<f64>]),
}

impl Default for Draws<'_> {
    fn default() -> Self {
        Draws::OfTrials { trials: None, times: 1, seed: None }
    }
}

/// The uncertain values of one version of a scenario, in the order of its document.
struct Unknowns {
    /// Of each value the place of its name, and what it may be.
    places: Vec<(usize, Range)>,
    names: Vec<String>,
}

/// What a value may be.
enum Range {
    /// A quantity.
    Law(Law, Dimension),
    /// One of these.
    OneOf(Vec<Node>),
}

impl Range {
    /// The value at a quantile, and as a text.
    fn at(&self, u: f64) -> (Value, String) {
        match self {
            Range::OneOf(nodes) => {
                let index = ((u * nodes.len() as f64) as usize).min(nodes.len() - 1);
                let node = &nodes[index];
                let text = node.as_str().map_or_else(|| node.describe(), str::to_owned);
                (node.value.clone(), text)
            }
            Range::Law(law, of) => {
                let value = law.quantile(u);
                let exact = of.exact(value);
                let written = match of.is_unitless() {
                    true if value.fract() == 0.0 && value.abs() < 9e15 => {
                        Value::Integer(value as i64)
                    }
                    true => Value::Float(value),
                    false => Value::String(exact.clone()),
                };
                (written, exact)
            }
        }
    }

    /// Its 5th percentile, median and 95th; all that it may be where these are few.
    fn told(&self) -> [String; 3] {
        match self {
            Range::Law(law, of) => [0.05, 0.5, 0.95].map(|p| of.format(law.quantile(p))),
            Range::OneOf(_) => [0.05, 0.5, 0.95].map(|p| self.at(p).1),
        }
    }
}

impl Unknowns {
    fn find(root: &Node, faults: &mut Faults) -> Self {
        let mut found = Self { places: Vec::new(), names: Vec::new() };
        found.walk(root, "", faults);
        found
    }

    fn walk(&mut self, node: &Node, path: &str, faults: &mut Faults) {
        match &node.value {
            Value::Table(table) => match marked(table) {
                Some(entry) => {
                    if CERTAIN.contains(&path.split('.').next().unwrap_or_default()) {
                        let fault = Fault::new(format!("`{path}` cannot be uncertain"));
                        let help = "what is simulated may be, how it is or what is demanded not";
                        faults.push(fault.help(help).at(node.origin.place(path)));
                    } else if let Some(range) = range(&entry.node, path, faults) {
                        let name = name(table, path, faults);
                        let known = self.names.iter().position(|known| *known == name);
                        let at = known.unwrap_or(self.names.len());
                        self.names.extend(known.is_none().then_some(name));
                        self.places.push((at, range));
                    }
                }
                None => {
                    for entry in &table.entries {
                        self.walk(&entry.node, &join_path(path, &entry.key), faults);
                    }
                }
            },
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.walk(item, &format!("{path}[{index}]"), faults);
                }
            }
            _ => {}
        }
    }

    /// The version with every uncertain value at the quantile of its name.
    fn version(&self, version: &Version, at: &dyn Fn(usize) -> f64) -> Version {
        let mut places = self.places.iter();
        let mut root = version.root.clone();
        set(&mut root, &mut |value| {
            if let Some((name, range)) = places.next() {
                *value = range.at(at(*name)).0;
            }
        });
        Version { name: version.name.clone(), root, changed: version.changed.clone() }
    }

    /// The first value of each name.
    fn ranges(&self) -> impl Iterator<Item = (&String, &Range)> {
        self.names.iter().enumerate().filter_map(|(name, text)| {
            let (_, range) = self.places.iter().find(|(of, _)| *of == name)?;
            Some((text, range))
        })
    }
}

/// The key that marks a table in braces as an uncertain value.
fn marked(table: &Table) -> Option<&Entry> {
    table.entry("uncertain").filter(|_| table.inline)
}

fn set(node: &mut Node, to: &mut impl FnMut(&mut Value)) {
    match &mut node.value {
        Value::Table(table) if marked(table).is_some() => to(&mut node.value),
        Value::Table(table) => table.entries.iter_mut().for_each(|entry| set(&mut entry.node, to)),
        Value::Array(items) => items.iter_mut().for_each(|item| set(item, to)),
        _ => {}
    }
}

/// What a value goes by: the name that it states, or its path.
fn name(table: &Table, path: &str, faults: &mut Faults) -> String {
    for entry in &table.entries {
        if !["uncertain", "as"].contains(&entry.key.as_str()) {
            let fault = Fault::unknown("key", &entry.key, ["uncertain", "as"]);
            faults.push(fault.at(entry.key_origin.place(join_path(path, &entry.key))));
        }
    }
    match table.get("as") {
        None => path.to_owned(),
        Some(node) => node.as_str().map(str::to_owned).unwrap_or_else(|| {
            let fault = Fault::new(format!("expected a name, found {}", node.describe()));
            faults.push(fault.at(node.origin.place(join_path(path, "as"))));
            path.to_owned()
        }),
    }
}

/// What an uncertain value may be. A law does not say of what it is: that is the first dimension in
/// which all of it can be read.
fn range(node: &Node, path: &str, faults: &mut Faults) -> Option<Range> {
    if let Value::Array(items) = &node.value {
        if items.len() < 2 {
            let fault = Fault::new("one of how many? An uncertain value has two or more");
            faults.push(fault.at(node.origin.place(path)));
            return None;
        }
        return Some(Range::OneOf(items.clone()));
    }
    if node.as_table().is_none() {
        let names: Vec<&str> = LAWS.iter().map(|law| law.name).collect();
        let fault = Fault::new(format!("expected a law or a list, found {}", node.describe()));
        let fault = fault.help(format!("laws are {}", names.join(", ")));
        faults.push(fault.at(node.origin.place(path)));
        return None;
    }
    let first = [Dimension::Number, Dimension::Fraction, Dimension::Tokens];
    let mut least: Option<Faults> = None;
    for of in first.into_iter().chain(Dimension::ALL) {
        let wrong = RefCell::default();
        let law = read_law(node, path.to_owned(), of, &wrong);
        let wrong: Faults = wrong.into_inner();
        match law {
            Some(law) if wrong.is_empty() => return Some(Range::Law(law, of)),
            _ if least.as_ref().is_none_or(|least| wrong.len() < least.len()) => {
                least = Some(wrong);
            }
            _ => {}
        }
    }
    faults.extend(least.unwrap_or_default());
    None
}

/// The stream of a name (G. Fowler, L. C. Noll, K.-P. Vo, FNV-1a).
fn entity(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

impl Shared<'_> {
    /// Reads one version: with what is uncertain in it at its medians, and once for each draw.
    pub(super) fn read_with_draws(&self, version: &Version, draws: &Draws) -> Reading {
        let mut faults = Faults::default();
        let unknowns = Unknowns::find(&version.root, &mut faults);
        if unknowns.places.is_empty() && faults.is_empty() {
            return self.read(version);
        }
        let mut reading = self.read(&unknowns.version(version, &|_| 0.5));
        // Where a value is ill, a table stands where the reader expects a number: told once.
        let at = |fault: &Fault| fault.place.as_ref().map(|place| place.path.clone());
        let told: Vec<String> = faults.iter().filter_map(at).collect();
        reading.faults.retain(|fault| {
            let at = at(fault).unwrap_or_default();
            !told.iter().any(|told| told.starts_with(&at) && !at.is_empty())
        });
        let ill = !faults.is_empty() || !reading.faults.is_empty();
        reading.faults.extend(faults);
        let Some((head, plan)) = reading.found.as_mut().filter(|_| !ill) else { return reading };
        let (trials, seed) = match *draws {
            Draws::OfTrials { trials, times, seed } => {
                let trials = trials.unwrap_or(head.run.trials).max(2).saturating_mul(times);
                (trials.min(MOST_DRAWS), seed.unwrap_or(head.run.seed))
            }
            Draws::At(rows) => (rows.len() as u64, 0),
        };
        let inputs = unknowns
            .ranges()
            .map(|(name, range)| Unknown { name: name.clone(), range: range.told() });
        let mut uncertain =
            Uncertain { inputs: inputs.collect(), draws: Vec::with_capacity(trials as usize) };
        for trial in 0..trials {
            let streams = Streams::new(seed, trial);
            let at = |name: usize| match *draws {
                Draws::OfTrials { .. } => {
                    streams.stream(Purpose::Parameter, entity(&unknowns.names[name])).uniform()
                }
                Draws::At(rows) => rows[trial as usize].get(name).copied().unwrap_or(0.5),
            };
            let values = unknowns.ranges().enumerate().map(|(name, (_, range))| range.at(at(name)));
            let values: Vec<String> = values.map(|(_, text)| text).collect();
            let drawn = self.read(&unknowns.version(version, &at));
            match drawn.found {
                Some((_, plan)) if drawn.faults.is_empty() => {
                    uncertain.draws.push(Draw { values, plan });
                }
                _ => {
                    let note = format!("as drawn for trial {trial}; `min` and `max` bound a law");
                    reading.faults.extend_with_help(drawn.faults, &note);
                    return reading;
                }
            }
        }
        plan.uncertain = Some(Arc::new(uncertain));
        reading
    }
}
