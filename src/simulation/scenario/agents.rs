//! `[agents.NAME]`: who sends tasks, which program they follow and which pool serves them.

pub mod arrivals;
mod feasibility;
pub mod replay;
pub mod response_cache;

use std::cell::RefCell;
use std::sync::Arc;

use super::document::{Node, join_path};
use super::files::Files;
use super::pools::pools_by_name;
use super::programs::settings::{self, LIMITS, RETRY, SESSION};
use super::programs::{Caller, Programs, inherit};
use super::reader::{Key, Kind, Schema, Section};
use crate::foundations::{Dimension, Faults, SimDuration};
use crate::simulation::plan::{Behaviour, Claim, Pool, Population};
use crate::workload::arrival::Arrivals;
use crate::workload::program::Program;
use crate::workload::trace::Trace;

use arrivals::ARRIVALS;
use replay::{REPLAY, Traces};

/// Keys of `[agents.NAME]`.
pub static AGENT: Schema = Schema::new(
    "Agents of one kind and the sessions that arrive for them.",
    &[
        Key::text("description", "what they do").optional().example("pull requests"),
        Key::name("program", "program", "what they do: an archetype, or one of [programs]")
            .optional()
            .example("chat"),
        Key::section("replay", &REPLAY).optional(),
        Key::name("model", "pool", "pool that serves them").example("main"),
        Key::named_names("models", "pool", "pools of further models that their program names")
            .optional()
            .example("{ small = \"helper\" }"),
        Key::either(
            "arrivals",
            &[Kind::Section(&ARRIVALS), Kind::Choice(&["recorded"])],
            "when sessions start: a process, or \"recorded\" of a replay",
        )
        .optional()
        .example("{ poisson = \"0.4 /s\" }"),
        Key::integer(
            "priority",
            0,
            255,
            "their class where a pool schedules by it; higher is first",
        )
        .default("0"),
        Key::text("tenant", "whose they are: who bears their cost, and among whom a pool shares fairly; by default their own")
            .optional()
            .example("research"),
        Key::quantity(
            "deadline",
            Dimension::Time,
            "time within which a call should be answered, where a pool schedules by it",
        )
        .above(0.0)
        .optional()
        .example("10 s"),
        Key::name("region", "region", "where their users sit").optional().example("germany"),
        Key::names("residency", "region", "regions that their calls may not leave")
            .optional()
            .example("[\"germany\", \"france\"]"),
        Key::section("response_cache", &response_cache::RESPONSE_CACHE).optional(),
        Key::section("session", &SESSION).optional(),
        Key::section("limits", &LIMITS).optional(),
        Key::section("retry", &RETRY).optional(),
    ],
);

/// What agents are read from.
pub(super) struct Surroundings<'v> {
    /// Pools, and endpoints behind them.
    pub(super) backend_names: &'v [&'v str],
    /// `None` for a pool that cannot be.
    pub(super) pools: &'v [Option<Pool>],
    pub(super) traces: &'v Traces,
    pub(super) files: &'v dyn Files,
    pub(super) faults: &'v RefCell<Faults>,
}

/// The agents of a variant, and the traces that they replay.
#[derive(Debug, Default)]
pub(super) struct Agents {
    pub(super) populations: Vec<Population>,
    pub(super) traces: Vec<Arc<Trace>>,
    tenants: Vec<String>,
    /// Whether any of them says whose it is.
    names_tenants: bool,
}

impl Agents {
    /// Reads one kind of agents.
    pub(super) fn read(
        &mut self,
        name: &str,
        agent: &Section,
        around: &Surroundings,
        programs: &mut Programs,
        warnings: &mut Faults,
    ) {
        let pool = agent.name("model", around.backend_names.iter().copied());
        let position = |pool| around.backend_names.iter().position(|&known| known == pool);
        let pool = pool.and_then(position).map(|pool| pool as u16);
        let (behaviour, arrivals) = match agent.one_of(&["program", "replay"]) {
            Some("program") => {
                let program = walk(name, agent, pool, around, programs, warnings);
                (program.map(Behaviour::Program), arrivals::read(agent))
            }
            Some(_) => self.repeat(agent, pool.unwrap_or(0), around, warnings),
            None => (None, None),
        };
        if let (Some(behaviour), Some(arrivals), Some(pool)) = (behaviour, arrivals, pool) {
            let think_time_s = arrivals.users().map(|(_, think)| think.clone());
            let name = name.to_owned();
            let response_cache = agent.optional("response_cache", Section::section);
            let response_cache = response_cache.and_then(|cache| response_cache::read(&cache));
            let claim = self.claim(&name, agent);
            self.populations.push(Population {
                name,
                behaviour,
                pool,
                claim,
                arrivals,
                response_cache,
                think_time_s,
            });
        }
    }

    /// Whose they are; nobody where no agent says so, or all say the same: then results by agent, or
    /// those of the fleet, tell it.
    pub(super) fn tenants(&self) -> Vec<String> {
        match self.names_tenants && self.tenants.len() > 1 {
            true => self.tenants.clone(),
            false => Vec::new(),
        }
    }

    /// What their requests may claim of a scheduler.
    fn claim(&mut self, name: &str, agent: &Section) -> Claim {
        let named = agent.optional("tenant", Section::text);
        self.names_tenants |= named.is_some();
        let tenant = named.unwrap_or(name);
        let known = self.tenants.iter().position(|known| known == tenant);
        let tenant = known.unwrap_or_else(|| {
            self.tenants.push(tenant.to_owned());
            self.tenants.len() - 1
        });
        let deadline = agent.optional("deadline", Section::quantity);
        Claim {
            priority: agent.integer("priority"),
            tenant: tenant as u16,
            deadline: deadline.and_then(SimDuration::from_s),
        }
    }

    fn repeat(
        &mut self,
        agent: &Section,
        pool: u16,
        around: &Surroundings,
        warnings: &mut Faults,
    ) -> (Option<Behaviour>, Option<Arrivals>) {
        for key in ["models", "session", "limits", "retry", "response_cache"]
            .into_iter()
            .filter(|key| agent.has(key))
        {
            let message = format!("`{key}` has no meaning beside `replay`");
            let help = match key {
                "models" => "move it into `replay`",
                _ => "what was recorded is repeated as it was; remove it",
            };
            agent.report(agent.fault(key, message).help(help));
        }
        let section = agent.section("replay");
        let read = replay::read(&section, pool, around.backend_names, around.traces, around.files);
        let Some(read) = read else { return (None, None) };
        replay::check_lengths(agent, &read, around.pools, warnings);
        let arrivals = arrivals::read_recorded(agent, &read.trace, read.speed);
        let known = self.traces.iter().position(|known| Arc::ptr_eq(known, &read.trace));
        let trace = known.unwrap_or_else(|| {
            self.traces.push(read.trace);
            self.traces.len() - 1
        });
        let behaviour = Behaviour::Recorded {
            trace: trace as u16,
            longest_gap: read.longest_gap,
            pools: read.pools,
        };
        (Some(behaviour), arrivals)
    }
}

/// The place of the program that agents walk, with what they override in it.
fn walk(
    name: &str,
    agent: &Section,
    pool: Option<u16>,
    around: &Surroundings,
    programs: &mut Programs,
    warnings: &mut Faults,
) -> Option<u16> {
    let roles = pools_by_name(agent, "models", around.backend_names);
    let Some(program) = programs.named(agent, "program") else {
        // What the agent says itself can be read all the same.
        agent.optional("session", Section::section).map(|session| settings::session(&session));
        agent.optional("limits", Section::section).map(|limits| settings::limits(&limits));
        agent.optional("retry", Section::section).map(|retry| settings::retry(&retry));
        return None;
    };
    let caller = Caller {
        agent: name.to_owned(),
        roles: roles.iter().map(|role| (role.name.to_owned(), role.value)).collect(),
        place: Some(agent.place("program")),
    };
    let mut place = programs.build(&program, &caller)?;
    if let Some(changed) = override_settings(agent, &program, place, around, programs) {
        place = programs.add(changed);
    }
    let pool = pool.and_then(|pool| around.pools.get(usize::from(pool))?.as_ref());
    if let Some(pool) = pool {
        feasibility::check_prompts(agent, &programs.programs[usize::from(place)], pool, warnings);
    }
    Some(place)
}

/// The program with the agent's own `session`, `limits` and `retry`, if it gives any.
fn override_settings(
    agent: &Section,
    name: &str,
    place: u16,
    around: &Surroundings,
    programs: &Programs,
) -> Option<Program> {
    let given = ["session", "limits", "retry"].into_iter().any(|key| agent.has(key));
    let table = given.then(|| programs.table(name)).flatten()?;
    let mut program = programs.programs[usize::from(place)].clone();
    let merged = |key: &str, schema: &'static Schema| -> Option<Node> {
        let over = agent.node(key)?;
        let base = table.as_table().and_then(|table| table.get(key));
        Some(base.map_or_else(|| over.clone(), |base| inherit(base, over, schema)))
    };
    let path = |key| join_path(agent.path(), key);
    if let Some(node) = merged("session", &SESSION) {
        let section = Section::open(&node, path("session"), &SESSION, around.faults);
        program.session = settings::session(&section);
    }
    if let Some(node) = merged("limits", &LIMITS) {
        let section = Section::open(&node, path("limits"), &LIMITS, around.faults);
        program.limits = settings::limits(&section);
    }
    if let Some(node) = merged("retry", &RETRY) {
        let section = Section::open(&node, path("retry"), &RETRY, around.faults);
        program.retry = settings::retry(&section);
    }
    Some(program)
}
