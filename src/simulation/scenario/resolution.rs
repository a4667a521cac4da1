//! From one version of a scenario to its plan: the sections are read, then what needs several of
//! them is worked out and checked.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;

use super::agents::replay::Traces;
use super::agents::{Agents, Surroundings};
use super::document::{Node, Table};
use super::files::Files;
use super::objectives::Objective;
use super::pools::Deployed;
use super::programs::{Archetypes, Library, Programs};
use super::reader::Section;
use super::run::RunSettings;
use super::variants::Version;
use super::{
    SCENARIO, endpoints, entries, forecast, geography, objectives, pools, programs, run, site,
};
use crate::catalog::{Catalog, Provenance};
use crate::foundations::error::Sources;
use crate::foundations::{Fault, Faults};
use crate::simulation::plan::{Behaviour, Endpoint, Plan, Pool};
use crate::workload::program::{ModelChoice, Program, StepKind};

/// What is the same in all variants.
pub(super) struct Head {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) run: RunSettings,
    pub(super) objectives: Vec<Objective>,
}

/// What came of reading one version.
pub(super) struct Reading {
    /// `None` where something is missing that faults tell of.
    pub(super) found: Option<(Head, Plan)>,
    pub(super) provenance: Vec<Provenance>,
    pub(super) faults: Faults,
    pub(super) warnings: Faults,
}

/// What all versions are read from.
pub(super) struct Shared<'a> {
    catalog: Catalog,
    archetypes: Archetypes,
    traces: Traces,
    files: &'a dyn Files,
}

impl<'a> Shared<'a> {
    /// The compiled-in catalog and the scenario's files. The texts of archetypes join `sources`.
    pub(super) fn new(sources: Sources, files: &'a dyn Files) -> Self {
        let archetypes = Archetypes::new(sources);
        Self { catalog: Catalog::embedded(), archetypes, traces: Traces::default(), files }
    }

    /// All texts that took part.
    pub(super) fn into_sources(self) -> Sources {
        self.archetypes.into_sources()
    }

    /// Reads one version.
    pub(super) fn read(&self, version: &Version) -> Reading {
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

        let (written, hosted) = (root.sections("pools"), root.sections("endpoints"));
        let pool_names: Vec<&str> = written.iter().map(|&(name, _)| name).collect();
        let endpoint_names: Vec<&str> = hosted.iter().map(|&(name, _)| name).collect();
        let backend_names = [&pool_names[..], &endpoint_names].concat();
        let crossroads = root.optional("routes", Section::sections).unwrap_or_default();
        let routes = geography::routes(&crossroads, &backend_names);
        let route_names = crossroads.iter().map(|&(name, _)| name);
        let backend_names: Vec<&str> = backend_names.into_iter().chain(route_names).collect();
        let hosted_models = self.endpoints(&hosted, &pool_names, &catalog, reading);
        let (mut pools, mut formats): (Vec<Option<Pool>>, Vec<_>) = Default::default();
        for (name, section) in &written {
            let spec = pools::read(section, &catalog);
            let deployed = spec.and_then(|spec| {
                let warnings = &mut reading.warnings;
                pools::resolve(name, section, &spec, &catalog, self.files, warnings)
            });
            formats.push(deployed.as_ref().map(|deployed| deployed.keys_and_values));
            pools.push(deployed.map(|Deployed { mut pool, weights_bytes, provenance, .. }| {
                reading.provenance.extend(provenance);
                pool.overflow = pools::overflow::read(section, &endpoint_names);
                let (ends, warnings) = (timing.stop.horizon, &mut reading.warnings);
                pool.fleet = pools::fleet::read(section, &pool, weights_bytes, ends, warnings);
                if let Some(scaling) =
                    pool.fleet.as_ref().and_then(|fleet| fleet.autoscale.as_ref())
                    && !section.has("replicas")
                {
                    pool.replicas = scaling.least;
                }
                pools::cost::check(section, &pool, ends, &mut reading.warnings);
                pool
            }));
        }

        pools::prefill::connect(&written, &mut pools, &formats, &catalog);

        let place = root.optional("site", Section::section);
        let sections: Vec<&Section> = written.iter().map(|(_, section)| section).collect();
        let warnings = &mut reading.warnings;
        let room =
            place.as_ref().map(|site| site::room(site, &sections, &mut pools, &catalog, warnings));
        let (power_limit_w, racks) = room.unwrap_or_default();
        let demand = place.as_ref().and_then(|place| {
            let owners = sections.iter().copied().zip(&pools);
            site::demand(place, owners, &catalog, &timing, &mut reading.warnings)
        });

        let tools = root.optional("tools", Section::sections).unwrap_or_default();
        let tools = tools.iter().map(|(name, tool)| programs::tools::read(name, tool)).collect();
        let own = root.node("programs").and_then(Node::as_table).unwrap_or(Table::EMPTY);
        let library = Library::new(&catalog, &self.archetypes, own);
        let mut programs = Programs::new(library, &backend_names, tools, faults);
        let around = Surroundings {
            backend_names: &backend_names,
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

        if root.lacks("pools") && root.lacks("endpoints") {
            let fault = root.fault("pools", "missing section [pools] or [endpoints]");
            root.report(fault.help("what answers calls, for example `[pools.main]`"));
        }
        let backends = written.len() + hosted.len();
        for (key, written) in [("agents", written_agents.len()), ("pools", backends)] {
            if written == 0 && root.has(key) {
                root.report(root.fault(key, format!("the scenario has no {key}")));
            }
        }
        let agent_names: Vec<&str> = written_agents.iter().map(|&(name, _)| name).collect();
        let tenants = agents.tenants();
        let tenant_names: Vec<&str> = tenants.iter().map(String::as_str).collect();
        let objectives = objectives::read(
            &root,
            &objectives::Names {
                agents: &agent_names,
                tenants: &tenant_names,
                pools: &pool_names,
                endpoints: &endpoint_names,
            },
        );
        let ends = agents.populations.iter().all(|agents| agents.arrivals.ends());
        if agents.populations.len() == written_agents.len() {
            run::check_end(&run, &timing.stop, ends);
        }

        let outlook = root.optional("forecast", Section::section);
        let outlook = outlook.and_then(|section| forecast::read(&section, &catalog, power_limit_w));
        let head = Head {
            name: root.text("name").to_owned(),
            description: root.text("description").to_owned(),
            run: settings,
            objectives,
        };
        let mut plan = Plan {
            name: version.name.clone(),
            stop: timing.stop,
            warm_up: timing.warm_up,
            ending: timing.ending,
            pools: pools.iter().flatten().cloned().collect(),
            endpoints: hosted_models,
            geography: None,
            programs: programs.programs,
            tools: programs.tools,
            traces: agents.traces,
            populations: agents.populations,
            tenants,
            task_rows: timing.task_rows,
            bin: timing.bin,
            uncertain: None,
            outlook,
            power_limit_w,
            racks,
            demand,
        };
        check_counts(&root, &plan);
        let sections: Vec<&Section> =
            written.iter().chain(&hosted).map(|(_, section)| section).collect();
        plan.geography =
            geography::read(&root, &plan, routes, &written_agents, &sections, &catalog);
        reading.provenance = distinct(std::mem::take(&mut reading.provenance));
        if !root.is_sound() {
            return None;
        }
        objectives::check(&head.objectives, &root, &plan);
        for index in unused_backends(&plan) {
            let (name, section) = written.iter().chain(&hosted).nth(index)?;
            let (what, help) = match index < written.len() {
                true => ("pool", "it is paid for all the same; remove it"),
                false => ("endpoint", "remove it, or name it as a `model` or in a pool's `burst`"),
            };
            let message = format!("{what} `{name}` serves nobody");
            let fault = Fault::new(message).at(section.origin().place(section.path()));
            reading.warnings.push(fault.help(help));
        }
        Some((head, plan))
    }

    /// Reads the hosted models.
    fn endpoints(
        &self,
        written: &[(&str, Section)],
        pool_names: &[&str],
        catalog: &Catalog,
        reading: &mut Reading,
    ) -> Vec<Endpoint> {
        let mut read = Vec::new();
        for (name, section) in written {
            if pool_names.contains(name) {
                let message = format!("`{name}` is a pool already");
                let fault = Fault::new(message).at(section.origin().place(section.path()));
                section.report(fault.help("agents name either as their model: rename one of them"));
            }
            if let Some((endpoint, provenance)) = endpoints::read(name, section, catalog) {
                reading.provenance.extend(provenance);
                read.push(endpoint);
            }
        }
        read
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

/// Parts of a plan are named by numbers of 16 bits.
fn check_counts(root: &Section, plan: &Plan) {
    let counts = [
        ("pools", plan.pools.len() + plan.endpoints.len()),
        ("agents", plan.populations.len()),
        ("programs", plan.programs.len()),
        ("tools", plan.tools.len()),
    ];
    for (key, count) in counts.into_iter().filter(|&(_, count)| count > usize::from(u16::MAX)) {
        root.report(root.fault(key, format!("{count} {key} are too many, 65,535 are allowed")));
    }
}

/// Each row once, in the order of their first mention.
fn distinct(rows: Vec<Provenance>) -> Vec<Provenance> {
    let mut seen = BTreeSet::new();
    let new = |row: &Provenance| seen.insert((row.what.clone(), row.figure.clone()));
    rows.into_iter().filter(new).collect()
}

/// Places of backends that neither an agent, a step of its programs nor a pool's overflow names.
fn unused_backends(plan: &Plan) -> impl Iterator<Item = usize> {
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
    let first = plan.pools.len() as u16;
    let overflow = plan.pools.iter().filter_map(|pool| pool.overflow?.to);
    let overflow = overflow.map(|endpoint| first + endpoint);
    let routes = plan.geography.iter().flat_map(|map| &map.routes);
    let overflow = overflow.chain(routes.flat_map(|route| route.backends.clone()));
    let prompts = plan.pools.iter().filter_map(|pool| Some(pool.prefill?.pool));
    let overflow = overflow.chain(prompts);
    let used: BTreeSet<u16> =
        plan.programs.iter().flat_map(steps).chain(recorded).chain(own).chain(overflow).collect();
    (0..plan.pools.len() + plan.endpoints.len())
        .filter(move |&index| !used.contains(&(index as u16)))
}
