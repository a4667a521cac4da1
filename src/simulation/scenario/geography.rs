//! `[routes.NAME]`, `[network]`, and the `region` and `residency` of agents: backends that stand in
//! for each other, how far users are from them, and which they may use.

use std::collections::BTreeSet;

use super::document::join_path;
use super::reader::{Key, Schema, Section};
use crate::catalog::Catalog;
use crate::foundations::{Dimension, Fault, SimDuration};
use crate::simulation::plan::{Backend, Behaviour, Geography, Plan, Route, RouteBy};
use crate::workload::program::{ModelChoice, StepKind};

/// Words of `by`.
const BY: [&str; 4] = ["order", "distance", "price", "load"];

/// Keys of `[routes.NAME]`.
pub static ROUTE: Schema = Schema::new(
    "Pools and endpoints that stand in for each other; agents name a route as they name a pool.",
    &[
        Key::names("backends", "pool or endpoint", "what calls may go to")
            .example("[\"us\", \"eu\"]"),
        Key::choice("by", &BY, "which comes first: as written, nearest, cheapest or least loaded")
            .default("order"),
        Key::integer(
            "spill",
            0,
            1_000_000_000,
            "requests that may wait for each replica before the next is tried",
        )
        .optional()
        .example("8"),
    ],
);

/// Keys of `[network]`.
pub static NETWORK: Schema = Schema::new(
    "How far regions are apart.",
    &[Key::named_quantities(
        "round_trip",
        Dimension::Time,
        "time from one region to another and back, by both names: \"germany us-virginia\"",
    )
    .at_least(0.0)
    .optional()
    .example("{ \"germany us-virginia\" = \"90 ms\" }")],
);

/// Reads the routes; `names` are those of all pools and endpoints.
pub(super) fn routes(written: &[(&str, Section)], names: &[&str]) -> Vec<Route> {
    let read = |(name, section): &(&str, Section)| {
        if names.contains(name) {
            let message = format!("`{name}` is a pool or an endpoint already");
            let fault = Fault::new(message).at(section.origin().place(section.path()));
            section.report(fault.help("agents name either as their model: rename one of them"));
        }
        let found = section.names("backends", names.iter().copied());
        let place = |name: &&str| names.iter().position(|known| known == name);
        let backends: Vec<u16> = found.iter().filter_map(place).map(|at| at as u16).collect();
        if backends.is_empty() && section.is_sound() {
            section
                .report(section.fault("backends", "a route leads somewhere").help("name a pool"));
        }
        Route {
            name: (*name).to_owned(),
            backends,
            by: section.choice(
                "by",
                &[
                    ("order", RouteBy::Order),
                    ("distance", RouteBy::Distance),
                    ("price", RouteBy::Price),
                    ("load", RouteBy::Load),
                ],
            ),
            spill: section.optional("spill", Section::integer),
        }
    };
    written.iter().map(read).collect()
}

/// The map of a plan; `None` where nothing of it matters.
pub(super) fn read(
    root: &Section,
    plan: &Plan,
    routes: Vec<Route>,
    agents: &[(&str, Section)],
    backends: &[&Section],
    catalog: &Catalog,
) -> Option<Geography> {
    let matters = |(_, agent): &(&str, Section)| agent.has("region") || agent.has("residency");
    if routes.is_empty() && !root.has("network") && !agents.iter().any(matters) {
        return None;
    }
    let mut map = Geography { routes, ..Geography::default() };
    let known: Vec<&str> = catalog.regions().map(|region| region.key.as_str()).collect();
    for section in backends {
        let region = section.name("region", known.iter().copied());
        let region = region.map(|name| map.place_of(name));
        map.of_backend.push(region);
    }
    for (_, agent) in agents {
        let region = agent.name("region", known.iter().copied());
        let region = region.map(|name| map.place_of(name));
        map.of_population.push(region);
        let stays =
            agent.optional("residency", |agent, key| agent.names(key, known.iter().copied()));
        let stays = stays.unwrap_or_default().into_iter().map(|name| map.place_of(name)).collect();
        map.residency.push(stays);
    }
    distances(root, &mut map, &known);
    if root.is_sound() {
        for (population, (_, agent)) in agents.iter().enumerate() {
            check(agent, plan, &map, population as u16, backends);
        }
    }
    Some(map)
}

impl Geography {
    fn place_of(&mut self, name: &str) -> u16 {
        let place = self.regions.iter().position(|known| known == name);
        place.unwrap_or_else(|| {
            self.regions.push(name.to_owned());
            self.regions.len() - 1
        }) as u16
    }
}

/// What is so far away that nobody says how far.
const UNKNOWN: SimDuration = SimDuration::MAX;

fn distances(root: &Section, map: &mut Geography, known: &[&str]) {
    let network = root.optional("network", Section::section);
    let stated = network.as_ref().map(|network| network.named_quantities("round_trip"));
    let mut pairs = Vec::new();
    for pair in stated.into_iter().flatten() {
        let names: Vec<&str> = pair.name.split_whitespace().collect();
        let [one, other] = names[..] else {
            let fault = Fault::new("two regions are expected, such as \"germany us-virginia\"");
            root.report(fault.at(pair.place));
            continue;
        };
        let mut all_known = true;
        for name in [one, other].into_iter().filter(|name| !known.contains(name)) {
            let place = pair.place.clone();
            root.report(Fault::unknown("region", name, known.iter().copied()).at(place));
            all_known = false;
        }
        if all_known {
            let time = SimDuration::from_s_saturating(pair.value);
            pairs.push((map.place_of(one), map.place_of(other), time));
        }
    }
    let count = map.regions.len();
    map.round_trip = vec![vec![UNKNOWN; count]; count];
    (0..count).for_each(|at| map.round_trip[at][at] = SimDuration::ZERO);
    for (one, other, time) in pairs {
        map.round_trip[usize::from(one)][usize::from(other)] = time;
        map.round_trip[usize::from(other)][usize::from(one)] = time;
    }
}

/// Whether the calls of a population find a way to where they may go.
fn check(agent: &Section, plan: &Plan, map: &Geography, population: u16, backends: &[&Section]) {
    let name_of = |place: u16| backends[usize::from(place)].path();
    let region_of = |place: u16| map.of_backend[usize::from(place)];
    let mut places = BTreeSet::new();
    for place in named_places(plan, population) {
        match plan.backend(place) {
            Backend::Route(route) => {
                let route = &map.routes[usize::from(route)];
                let allowed: Vec<u16> = route
                    .backends
                    .iter()
                    .copied()
                    .filter(|place| map.allows(population, *place))
                    .collect();
                if allowed.is_empty() {
                    let message = format!(
                        "route `{}` leads to nothing where these agents' calls may go",
                        route.name
                    );
                    let fault = agent.fault("residency", message);
                    agent.report(fault.help("add a pool there, or a region to `residency`"));
                }
                places.extend(allowed);
            }
            _ => {
                places.insert(place);
            }
        }
    }
    let sent_on: Vec<u16> = places
        .iter()
        .filter_map(|place| plan.pools.get(usize::from(*place))?.overflow?.to)
        .map(|endpoint| plan.pools.len() as u16 + endpoint)
        .collect();
    places.extend(sent_on);
    for place in places {
        if !map.allows(population, place) {
            let message = match region_of(place) {
                Some(region) => format!(
                    "[{}] stands in {}, where these agents' calls may not go",
                    name_of(place),
                    map.regions[usize::from(region)]
                ),
                None => format!("nobody says where [{}] stands", name_of(place)),
            };
            let fault = agent.fault("residency", message);
            agent.report(fault.help("give it a `region` of these, or name another model"));
        } else if map.round_trip(population, place) == UNKNOWN {
            let user = map.of_population[usize::from(population)].map(usize::from);
            let names = user.zip(region_of(place)).map(|(user, region)| {
                format!("{} {}", map.regions[user], map.regions[usize::from(region)])
            });
            let names = names.unwrap_or_default();
            let message = format!("nobody says how far [{}] is from these users", name_of(place));
            let path = join_path("network", "round_trip");
            let help = format!("give `[{path}] \"{names}\" = \"90 ms\"`");
            agent.report(agent.fault("region", message).help(help));
        }
    }
}

/// Places that a population's own model and the steps of its programs name.
fn named_places(plan: &Plan, population: u16) -> BTreeSet<u16> {
    let population = &plan.populations[usize::from(population)];
    let mut places = BTreeSet::from([population.pool]);
    let mut open = match &population.behaviour {
        Behaviour::Program(program) => vec![*program],
        Behaviour::Recorded { pools, .. } => {
            places.extend(pools);
            Vec::new()
        }
    };
    let mut seen = BTreeSet::new();
    while let Some(program) = open.pop() {
        if !seen.insert(program) {
            continue;
        }
        for step in &plan.programs[usize::from(program)].steps {
            let choice = match &step.kind {
                StepKind::Llm(step) => &step.model,
                StepKind::Check(step) => &step.call.model,
                StepKind::Spawn(step) => {
                    open.push(step.program);
                    &step.model
                }
                _ => continue,
            };
            if let ModelChoice::Pool(place) = choice {
                places.insert(*place);
            }
        }
    }
    places
}
