//! Scenarios: what is simulated, read from TOML with units in its text.
//!
//! A scenario names agents, the pools that serve them and what is demanded of both; variants change
//! some values of it. Reading resolves every variant to a [`Plan`]: names are looked up, catalog
//! figures fetched, step times compiled, graphs of programs checked. All faults of all variants are
//! reported at once, each at its place.
//!
//! ```
//! use tokenfleet::foundations::Sources;
//! use tokenfleet::simulation::scenario::{NoFiles, ReadOptions, Scenario};
//!
//! let text = r#"
//! name = "two ways to serve it"
//!
//! [run]
//! horizon = "10 min"
//!
//! [agents.reader]
//! program  = "plain"
//! model    = "main"
//! arrivals = { poisson = "2 /s" }
//!
//! [pools.main]
//! model           = "llama-3.3-70b"
//! accelerator     = "h100-sxm"
//! tensor_parallel = 4
//! precision       = { weights = "fp8", kv = "fp8" }
//!
//! [objectives]
//! ttft_p99 = "2 s"
//!
//! [variants.two]
//! "pools.main.replicas" = 2
//! "#;
//! let mut sources = Sources::default();
//! let source = sources.add_file("two.toml", text);
//! let scenario = Scenario::read(source, &mut sources, &ReadOptions::new(&NoFiles))?;
//!
//! let names: Vec<_> = scenario.variants.iter().map(|variant| variant.plan.name.as_str()).collect();
//! assert_eq!(names, ["base", "two"]);
//! assert_eq!(scenario.variants[1].plan.pools[0].replicas, 2);
//! assert_eq!(scenario.objectives[0].limit, 2.0);
//! # Ok::<(), tokenfleet::foundations::Faults>(())
//! ```

pub mod agents;
mod archetype;
pub mod document;
mod entries;
pub mod files;
pub mod objectives;
pub mod overlay;
pub mod pools;
pub mod programs;
pub mod reader;
pub mod run;
mod variants;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::catalog::{Catalog, Provenance};
use crate::foundations::error::Sources;
use crate::foundations::{Fault, Faults, SourceId};
use crate::simulation::plan::{Behaviour, Plan, Pool};
use crate::workload::program::{ModelChoice, Program, StepKind};

use agents::replay::Traces;
use agents::{AGENT, Agents, Surroundings};
use document::{Node, Table};
use pools::{Deployed, POOL};
use programs::tools::TOOL;
use programs::{Archetypes, Library, PROGRAM, Programs};
use reader::{Key, Schema, Section};
use run::RUN;
use variants::Version;

pub use archetype::Archetype;
pub use files::{Files, Folder, NoFiles};
pub use objectives::{Objective, Part, Statistic};
pub use run::RunSettings;
pub use variants::BASE;

/// Keys of a scenario.
pub static SCENARIO: Schema = Schema::new(
    "Agents, the pools that serve them, and what is demanded of both.",
    &[
        Key::text("name", "what the scenario is called").default("scenario"),
        Key::text("description", "what it is about").default(""),
        Key::section("run", &RUN).optional(),
        Key::sections("agents", &AGENT),
        Key::sections("programs", &PROGRAM).optional(),
        Key::sections("tools", &TOOL).optional(),
        Key::sections("pools", &POOL),
        Key::any("objectives", "bounds by figure and statistic, `ttft_p99`")
            .optional()
            .example("{ ttft_p99 = \"3 s\" }"),
        Key::any("variants", "the same with changes: a dotted path and a value for each")
            .optional()
            .example("{ bigger = { \"pools.main.replicas\" = 8 } }"),
        Key::any("accelerators", "entries to add to the catalog, or to change in it").optional(),
        Key::any("models", "entries to add to the catalog, or to change in it").optional(),
        Key::any("engines", "entries to add to the catalog, or to change in it").optional(),
        Key::any("regions", "entries to add to the catalog, or to change in it").optional(),
    ],
);

/// A scenario, ready to be simulated.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// What it is about.
    pub description: String,
    /// Its file, as it was read.
    pub text: String,
    /// Trials, seed and confidence, the same for all variants.
    pub run: RunSettings,
    /// What is demanded of each variant.
    pub objectives: Vec<Objective>,
    /// The scenario as it stands, `base`, and its variants.
    pub variants: Vec<Variant>,
    /// What to beware of.
    pub warnings: Faults,
}

/// One version of a scenario.
#[derive(Clone, Debug)]
pub struct Variant {
    /// What is simulated; it has the variant's name.
    pub plan: Plan,
    /// The catalog figures that it stands on, with their sources.
    pub provenance: Vec<Provenance>,
    /// What to beware of in it.
    pub warnings: Faults,
}

/// How a scenario is to be read.
#[derive(Clone, Copy)]
pub struct ReadOptions<'a> {
    /// Where the files lie that it names.
    pub files: &'a dyn Files,
    /// Values that replace its own, as `path=value`; before those of variants.
    pub set: &'a [String],
    /// Variants to read; all of them where none is named.
    pub variants: &'a [String],
}

impl<'a> ReadOptions<'a> {
    /// The scenario as it stands, with all its variants.
    pub fn new(files: &'a dyn Files) -> Self {
        Self { files, set: &[], variants: &[] }
    }
}

impl Scenario {
    /// Reads the scenario whose text is `source`. Texts that take part besides, such as those of
    /// archetypes and flags, join `sources`.
    ///
    /// # Errors
    /// Everything that is wrong in it, at the places where it was written.
    pub fn read(
        source: SourceId,
        sources: &mut Sources,
        options: &ReadOptions,
    ) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let parsed = document::parse(source, sources, &mut faults);
        let Some(mut root) = parsed else { return Err(faults) };
        for flag in options.set {
            if let Err(wrong) = overlay::set_flag(&mut root, flag, sources) {
                faults.extend(wrong);
            }
        }
        let versions = variants::versions(root, options.variants, sources, &mut faults);
        let text = sources.get(source).map(|source| source.text.clone()).unwrap_or_default();

        let shared = Shared {
            catalog: Catalog::embedded(),
            archetypes: Archetypes::new(std::mem::take(sources)),
            traces: Traces::default(),
            files: options.files,
        };
        let read: Vec<_> = versions.iter().map(|version| shared.read(version)).collect();
        *sources = shared.archetypes.into_sources();

        let (mut warnings, mut whole, mut variants) = (Faults::default(), None, Vec::new());
        for (index, (version, reading)) in versions.iter().zip(read).enumerate() {
            let note = format!("in variant {}", version.name);
            if index == 0 {
                faults.extend(reading.faults);
                warnings.extend(reading.warnings.clone());
            } else {
                faults.extend_with_help(reading.faults, &note);
                warnings.extend_with_help(reading.warnings.clone(), &note);
            }
            if let Some((head, plan)) = reading.found {
                whole.get_or_insert(head);
                let (provenance, warnings) = (reading.provenance, reading.warnings);
                variants.push(Variant { plan, provenance, warnings });
            }
        }
        match (whole, faults.is_empty()) {
            (Some(Head { name, description, run, objectives }), true) => {
                Ok(Self { name, description, text, run, objectives, variants, warnings })
            }
            _ => Err(faults),
        }
    }
}

/// What is the same in all variants.
struct Head {
    name: String,
    description: String,
    run: RunSettings,
    objectives: Vec<Objective>,
}

/// What came of reading one version.
struct Reading {
    /// `None` where something is missing that faults tell of.
    found: Option<(Head, Plan)>,
    provenance: Vec<Provenance>,
    faults: Faults,
    warnings: Faults,
}

/// What all versions are read from.
struct Shared<'a> {
    catalog: Catalog,
    archetypes: Archetypes,
    traces: Traces,
    files: &'a dyn Files,
}

impl Shared<'_> {
    fn read(&self, version: &Version) -> Reading {
        let faults = RefCell::default();
        let mut reading = Reading {
            found: None,
            provenance: Vec::new(),
            faults: Faults::default(),
            warnings: Faults::default(),
        };
        reading.found = self.plan(version, &faults, &mut reading);
        reading.faults = faults.into_inner();
        reading
    }

    fn plan(
        &self,
        version: &Version,
        faults: &RefCell<Faults>,
        reading: &mut Reading,
    ) -> Option<(Head, Plan)> {
        let root = Section::root(&version.root, &SCENARIO, faults);
        let catalog = self.catalog_of(&root);
        let run = root.section("run");
        let (settings, timing) = (run::settings(&run), run::timing(&run));

        let written = root.sections("pools");
        let pool_names: Vec<&str> = written.iter().map(|&(name, _)| name).collect();
        let mut pools: Vec<Option<Pool>> = Vec::new();
        for (name, section) in &written {
            let spec = pools::read(section, &catalog);
            let deployed = spec.and_then(|spec| {
                pools::resolve(name, section, &spec, &catalog, &mut reading.warnings)
            });
            pools.push(deployed.map(|Deployed { pool, provenance }| {
                reading.provenance.extend(provenance);
                pool
            }));
        }

        let tools = root.optional("tools", Section::sections).unwrap_or_default();
        let tools = tools.iter().map(|(name, tool)| programs::tools::read(name, tool)).collect();
        let own = root.node("programs").and_then(Node::as_table).unwrap_or(Table::EMPTY);
        let library = Library::new(&catalog, &self.archetypes, own);
        let mut programs = Programs::new(library, &pool_names, tools, faults);
        let around = Surroundings {
            pool_names: &pool_names,
            pools: &pools,
            traces: &self.traces,
            files: self.files,
            faults,
        };
        let (mut agents, written_agents) = (Agents::default(), root.sections("agents"));
        for (name, agent) in &written_agents {
            agents.read(name, agent, &around, &mut programs, &mut reading.warnings);
        }
        let (used_programs, used_tools) = (programs.programs.len(), programs.tools.len());
        reading.provenance.extend(programs.provenance());
        programs.check_unused();
        programs.programs.truncate(used_programs);
        programs.tools.truncate(used_tools);

        for (key, written) in [("agents", written_agents.len()), ("pools", written.len())] {
            if written == 0 && root.has(key) {
                root.report(root.fault(key, format!("the scenario has no {key}")));
            }
        }
        let agent_names: Vec<&str> = written_agents.iter().map(|&(name, _)| name).collect();
        let objectives = objectives::read(&root, &agent_names, &pool_names);
        let ends = agents.populations.iter().all(|agents| agents.arrivals.ends());
        if agents.populations.len() == written_agents.len() {
            run::check_end(&run, &timing.stop, ends);
        }

        let head = Head {
            name: root.text("name").to_owned(),
            description: root.text("description").to_owned(),
            run: settings,
            objectives,
        };
        let plan = Plan {
            name: version.name.clone(),
            stop: timing.stop,
            warm_up: timing.warm_up,
            ending: timing.ending,
            pools: pools.iter().flatten().cloned().collect(),
            programs: programs.programs,
            tools: programs.tools,
            traces: agents.traces,
            populations: agents.populations,
            task_rows: timing.task_rows,
            bin: timing.bin,
        };
        reading.provenance = distinct(std::mem::take(&mut reading.provenance));
        if !root.is_sound() {
            return None;
        }
        objectives::check(&head.objectives, &root, &plan);
        for index in unused_pools(&plan) {
            let (name, section) = &written[index];
            let message = format!("pool `{name}` serves nobody");
            let fault = Fault::new(message).at(section.origin().place(section.path()));
            reading.warnings.push(fault.help("it is paid for all the same; remove it"));
        }
        Some((head, plan))
    }

    /// The catalog, with the scenario's own entries where it has some.
    fn catalog_of(&self, root: &Section) -> Cow<'_, Catalog> {
        if entries::KINDS.iter().all(|kind| !root.has(kind)) {
            return Cow::Borrowed(&self.catalog);
        }
        let mut own = self.catalog.clone();
        entries::apply(root, &mut own, self.files);
        Cow::Owned(own)
    }
}

/// Each row once, in the order of their first mention.
fn distinct(rows: Vec<Provenance>) -> Vec<Provenance> {
    let mut seen = BTreeSet::new();
    let new = |row: &Provenance| seen.insert((row.what.clone(), row.figure.clone()));
    rows.into_iter().filter(new).collect()
}

/// Places of pools that neither an agent nor a step of its programs names.
fn unused_pools(plan: &Plan) -> impl Iterator<Item = usize> {
    let of = |choice: &ModelChoice| match choice {
        ModelChoice::Own => None,
        ModelChoice::Pool(pool) => Some(*pool),
    };
    let steps = |program: &Program| -> Vec<u16> {
        let pool = |kind: &StepKind| match kind {
            StepKind::Llm(step) => of(&step.model),
            StepKind::Check(step) => of(&step.call.model),
            StepKind::Spawn(step) => of(&step.model),
            _ => None,
        };
        program.steps.iter().filter_map(|step| pool(&step.kind)).collect()
    };
    let recorded = plan.populations.iter().flat_map(|agents| match &agents.behaviour {
        Behaviour::Recorded { pools, .. } => pools.clone(),
        Behaviour::Program(_) => Vec::new(),
    });
    let own = plan.populations.iter().map(|agents| agents.pool);
    let used: BTreeSet<u16> =
        plan.programs.iter().flat_map(steps).chain(recorded).chain(own).collect();
    (0..plan.pools.len()).filter(move |&index| !used.contains(&(index as u16)))
}
