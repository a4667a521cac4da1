//! A catalog archetype by itself: its program, without a scenario around it.

use std::cell::RefCell;

use super::document::Table;
use super::programs::{Archetypes, Caller, Library, Programs};
use crate::catalog::Catalog;
use crate::foundations::error::Sources;
use crate::foundations::{Fault, Faults};
use crate::workload::program::Program;
use crate::workload::tool::Tool;

/// An archetype as it would be simulated.
#[derive(Clone, Debug)]
pub struct Archetype {
    /// Its program and those of its sub-agents.
    pub programs: Vec<Program>,
    /// The place of its own program among them.
    pub program: u16,
    /// Tools of all of them.
    pub tools: Vec<Tool>,
}

impl Archetype {
    /// Reads an archetype of the catalog.
    ///
    /// # Errors
    /// What is wrong in its file, or that there is none of this name.
    pub fn read(name: &str, catalog: &Catalog) -> Result<Self, Faults> {
        if let Err(unknown) = catalog.agent(name) {
            return Err(Faults::from(Fault::new(unknown.to_string())));
        }
        let faults = RefCell::new(Faults::default());
        let archetypes = Archetypes::new(Sources::default());
        let library = Library::new(catalog, &archetypes, Table::EMPTY);
        let mut read = Programs::new(library, &[], Vec::new(), &faults);
        let program = read.build(name, &Caller::default());
        let (programs, tools) = (read.programs, read.tools);
        let faults = faults.into_inner();
        match program {
            Some(program) if faults.is_empty() => Ok(Self { programs, program, tools }),
            _ => Err(faults),
        }
    }

    /// Its own program.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.programs[usize::from(self.program)]
    }
}
