//! Where programs come from: the scenario's own, with what they inherit, and the catalog's
//! archetypes.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::PROGRAM;
use super::inherit::inherit;
use crate::catalog::agent::DESCRIPTIVE_KEYS;
use crate::catalog::{Agent, Catalog, Provenance};
use crate::foundations::error::Sources;
use crate::foundations::{Fault, Faults, SourceId};
use crate::simulation::scenario::document::{self, Node, Table, Value};

/// The catalog's archetypes that were asked for so far, parsed once for all variants.
#[derive(Debug)]
pub(in crate::simulation::scenario) struct Archetypes {
    sources: RefCell<Sources>,
    parsed: RefCell<BTreeMap<String, Option<Node>>>,
    origins: RefCell<BTreeSet<SourceId>>,
}

impl Archetypes {
    /// None yet. Their texts join `sources`, so that faults in them can be shown.
    pub(in crate::simulation::scenario) fn new(sources: Sources) -> Self {
        let (parsed, origins) = Default::default();
        Self { sources: RefCell::new(sources), parsed, origins }
    }

    /// The texts that were given, and those of the archetypes that were asked for.
    pub(in crate::simulation::scenario) fn into_sources(self) -> Sources {
        self.sources.into_inner()
    }

    fn get(&self, name: &str, catalog: &Catalog, faults: &RefCell<Faults>) -> Option<Node> {
        let agent = catalog.agent(name).ok()?;
        if let Some(parsed) = self.parsed.borrow().get(&agent.key) {
            return parsed.clone();
        }
        let mut sources = self.sources.borrow_mut();
        let source = sources.add_file(format!("catalog agent {}", agent.key), agent.text);
        self.origins.borrow_mut().insert(source);
        let mut parsed = document::parse(source, &sources, &mut faults.borrow_mut());
        if let Some(Node { value: Value::Table(table), .. }) = &mut parsed {
            table.entries.retain(|entry| !DESCRIPTIVE_KEYS.contains(&entry.key.as_str()));
        }
        self.parsed.borrow_mut().insert(agent.key.clone(), parsed.clone());
        parsed
    }
}

/// The programs that a variant may name.
#[derive(Debug)]
pub(in crate::simulation::scenario) struct Library<'v> {
    catalog: &'v Catalog,
    archetypes: &'v Archetypes,
    /// `[programs]` of the scenario.
    own: &'v Table,
    /// Archetypes that something was taken from.
    used: RefCell<BTreeSet<String>>,
}

impl<'v> Library<'v> {
    /// What the scenario's `own` table and the catalog hold.
    pub(in crate::simulation::scenario) fn new(
        catalog: &'v Catalog,
        archetypes: &'v Archetypes,
        own: &'v Table,
    ) -> Self {
        Self { catalog, archetypes, own, used: RefCell::default() }
    }

    /// Sources of the figures of all archetypes that something was taken from so far.
    pub(in crate::simulation::scenario) fn provenance(&self) -> Vec<Provenance> {
        let used = self.used.borrow();
        let agents = used.iter().filter_map(|name| self.catalog.agent(name).ok());
        agents.flat_map(Agent::provenance).collect()
    }

    fn archetype(&self, name: &str, faults: &RefCell<Faults>) -> Option<Node> {
        let key = self.catalog.agent(name).ok()?.key.clone();
        self.used.borrow_mut().insert(key);
        self.archetypes.get(name, self.catalog, faults)
    }

    /// Every name that a program may be called by.
    pub(in crate::simulation::scenario) fn names(&self) -> Vec<String> {
        let own = self.own.keys().map(str::to_owned);
        let archetypes = self.catalog.agents().map(|agent| agent.key.clone());
        let names: BTreeSet<String> = own.chain(archetypes).collect();
        names.into_iter().collect()
    }

    /// The name by which a program is known, given it or an alias of an archetype.
    pub(in crate::simulation::scenario) fn known(&self, name: &str) -> Option<String> {
        match self.own.get(name) {
            Some(_) => Some(name.to_owned()),
            None => self.catalog.agent(name).ok().map(|agent| agent.key.clone()),
        }
    }

    /// Names of the programs that the scenario writes itself.
    pub(in crate::simulation::scenario) fn written(&self) -> Vec<String> {
        self.own.keys().map(str::to_owned).collect()
    }

    /// Whether a text is an archetype's.
    pub(in crate::simulation::scenario) fn is_catalog(&self, source: SourceId) -> bool {
        self.archetypes.origins.borrow().contains(&source)
    }

    /// A program with all that it inherits; `None` where there is none of this name.
    pub(in crate::simulation::scenario) fn find(
        &self,
        name: &str,
        faults: &RefCell<Faults>,
    ) -> Option<Node> {
        self.expand(name, &mut Vec::new(), faults)
    }

    fn expand(
        &self,
        name: &str,
        above: &mut Vec<String>,
        faults: &RefCell<Faults>,
    ) -> Option<Node> {
        let Some(node) = self.own.get(name) else {
            return self.archetype(name, faults);
        };
        let base = node.as_table().and_then(|table| table.get("base"));
        let Some((origin, base)) = base.and_then(|base| Some((base.origin, base.as_str()?))) else {
            return Some(node.clone());
        };
        above.push(name.to_owned());
        let place = || origin.place(format!("{}.base", document::join_path("programs", name)));
        let below = if base == name {
            // A program may build on the archetype of its own name.
            self.archetype(base, faults)
        } else if above.iter().any(|open| open == base) {
            let message = format!("programs build on each other: {} -> {base}", above.join(" -> "));
            faults.borrow_mut().push(Fault::new(message).at(place()));
            return Some(node.clone());
        } else {
            self.expand(base, above, faults)
        };
        let Some(below) = below else {
            let names = self.names();
            let valid = names.iter().map(String::as_str);
            faults.borrow_mut().push(Fault::unknown("program", base, valid).at(place()));
            return Some(node.clone());
        };
        Some(inherit(&below, node, &PROGRAM))
    }
}
