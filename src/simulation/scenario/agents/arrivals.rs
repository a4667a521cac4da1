//! `arrivals` of an agent: when its sessions start.
//!
//! ```toml
//! arrivals = { poisson = "0.4 /s" }
//! arrivals = { gamma = { rate = "0.4 /s", cv = 2.5 }, profile = { hours = [...], start = "9 h" } }
//! arrivals = { closed = { users = 40, think_time = { lognormal = { median = "30 s", p90 = "4 min" } } } }
//! arrivals = "recorded"
//! ```

use crate::foundations::{Dimension, Fault};
use crate::simulation::scenario::document::Node;
use crate::simulation::scenario::reader::{Key, Schema, Section};
use crate::workload::arrival::{ArrivalError, Arrivals, Clients, GapFamily, Phase, Profile};
use crate::workload::trace::Trace;

const RATE: Key =
    Key::quantity("rate", Dimension::Rate, "mean number of arrivals").above(0.0).example("0.4 /s");
const VARIATION: Key =
    Key::quantity("cv", Dimension::Number, "standard deviation of the gaps over their mean")
        .above(0.0)
        .example("2.5");

/// Keys of `arrivals`: one of the processes, and perhaps a profile.
pub static ARRIVALS: Schema = Schema::new(
    "When sessions start.",
    &[
        Key::quantity("poisson", Dimension::Rate, "independently of each other")
            .above(0.0)
            .optional()
            .example("0.4 /s"),
        Key::quantity("constant", Dimension::Rate, "at equal distances")
            .above(0.0)
            .optional()
            .example("0.4 /s"),
        Key::section("gamma", &GAMMA).optional(),
        Key::section("weibull", &WEIBULL).optional(),
        Key::section("bursts", &BURSTS).optional(),
        Key::section("clients", &CLIENTS).optional(),
        Key::section("closed", &CLOSED).optional(),
        Key::section("profile", &PROFILE).optional(),
    ],
);

/// The processes among those keys.
const PROCESSES: [&str; 7] =
    ["poisson", "constant", "gamma", "weibull", "bursts", "clients", "closed"];

/// Keys of `gamma`.
pub static GAMMA: Schema = Schema::new("Gamma-distributed gaps.", &[RATE, VARIATION]);

/// Keys of `weibull`.
pub static WEIBULL: Schema =
    Schema::new("Weibull-distributed gaps: tighter bursts, longer pauses.", &[RATE, VARIATION]);

/// Keys of `bursts`.
pub static BURSTS: Schema = Schema::new(
    "A Poisson process whose rate jumps between states.",
    &[Key::section_list("states", &STATE)],
);

/// Keys of each of `bursts.states`.
pub static STATE: Schema = Schema::new(
    "The states, each for an exponential time; every other one is equally likely to follow.",
    &[
        Key::quantity("rate", Dimension::Rate, "arrivals while it lasts")
            .at_least(0.0)
            .example("2 /s"),
        Key::quantity("mean_time", Dimension::Time, "how long it lasts on average")
            .above(0.0)
            .example("1 min"),
    ],
);

/// Keys of `clients`.
pub static CLIENTS: Schema = Schema::new(
    "Many clients of unequal rates, each bursty by itself.",
    &[
        Key::integer("count", 1, 1_000_000, "how many").example("200"),
        Key::quantity("rate", Dimension::Rate, "arrivals of all together")
            .above(0.0)
            .example("4 /s"),
        Key::quantity("exponent", Dimension::Number, "client i has a share like i^-exponent")
            .between(0.0, 10.0)
            .default("1"),
        Key::law("cv", Dimension::Number, "coefficient of variation of each client's gaps")
            .above(0.0)
            .default("1"),
        Key::choice("gaps", &["gamma", "weibull"], "law of each client's gaps").default("gamma"),
    ],
);

/// Keys of `closed`.
pub static CLOSED: Schema = Schema::new(
    "A fixed number of users, who think between their sessions.",
    &[
        Key::integer("users", 1, 10_000_000, "how many").example("40"),
        Key::law("think_time", Dimension::Time, "from the end of a user's session to the next")
            .at_least(0.0)
            .example("30 s"),
    ],
);

/// Keys of `profile`.
pub static PROFILE: Schema = Schema::new(
    "Busy and quiet hours: multiplies the rate and keeps its mean.",
    &[
        Key::quantities("hours", Dimension::Number, "24 multipliers by hour of the day, or 168")
            .at_least(0.0)
            .example(
                "[0.3, 0.2, 0.2, 0.2, 0.2, 0.3, 0.5, 0.8, 1.3, 1.7, 1.9, 1.8, 1.5, 1.7, 1.9, 1.8, \
                 1.6, 1.4, 1.1, 0.9, 0.8, 0.7, 0.6, 0.4]",
            ),
        Key::quantities("week", Dimension::Number, "7 multipliers on top, Monday first")
            .at_least(0.0)
            .optional()
            .example("[1, 1, 1, 1, 1, 0.4, 0.3]"),
        Key::quantity("start", Dimension::Time, "where in the day or week the trial begins")
            .at_least(0.0)
            .default("0 s"),
    ],
);

/// Reads the arrivals of an agent that walks a program; `None` where they are faulty.
pub(super) fn read(agent: &Section) -> Option<Arrivals> {
    if agent.node("arrivals").and_then(Node::as_str) == Some("recorded") {
        let fault = agent.fault("arrivals", "only a `replay` has recorded arrivals");
        agent.report(fault.help("for example `arrivals = { poisson = \"0.4 /s\" }`"));
        return None;
    }
    process(agent)
}

/// Reads the arrivals of an agent that replays a trace: its own where nothing else is said.
pub(super) fn read_recorded(agent: &Section, trace: &Trace, speed: f64) -> Option<Arrivals> {
    match agent.node("arrivals").map(Node::as_str) {
        None | Some(Some("recorded")) => {
            let arrivals = Arrivals::of_trace(trace, speed);
            arrivals.map_err(|error| refuse(agent, "arrivals", &error)).ok()
        }
        Some(_) => process(agent),
    }
}

fn process(agent: &Section) -> Option<Arrivals> {
    let Some(arrivals) = agent.section_by("arrivals", &ARRIVALS) else {
        report_no_process(agent);
        return None;
    };
    let process = arrivals.one_of(&PROCESSES);
    let profile = arrivals.optional("profile", |arrivals, key| profile(&arrivals.section(key)));
    let process = process?;
    let made = match process {
        "poisson" => Arrivals::poisson(arrivals.quantity(process)),
        "constant" => Arrivals::every(1.0 / arrivals.quantity(process)),
        "gamma" | "weibull" => {
            let section = arrivals.section(process);
            let make = if process == "gamma" { Arrivals::gamma } else { Arrivals::weibull };
            make(section.quantity("rate"), section.quantity("cv"))
        }
        "bursts" => {
            let states = arrivals.section(process).section_list("states");
            let phases: Vec<Phase> = states.iter().map(phase).collect();
            Arrivals::modulated(&phases)
        }
        "clients" => Arrivals::population(&clients(&arrivals.section(process))),
        _ => {
            let section = arrivals.section(process);
            Arrivals::closed_loop(section.integer("users"), section.law("think_time"))
        }
    };
    if !arrivals.is_sound() {
        return None;
    }
    let made = made.map_err(|error| refuse(&arrivals, process, &error)).ok()?;
    match profile {
        Some(profile) => {
            let profiled = made.with_profile(profile?);
            profiled.map_err(|error| refuse(&arrivals, "profile", &error)).ok()
        }
        None => Some(made),
    }
}

fn phase(state: &Section) -> Phase {
    Phase { rate_per_s: state.quantity("rate"), mean_sojourn_s: state.quantity("mean_time") }
}

fn clients(section: &Section) -> Clients {
    Clients {
        count: section.integer("count"),
        rate_per_s: section.quantity("rate"),
        zipf_exponent: section.quantity("exponent"),
        variation: section.law("cv"),
        family: section
            .choice("gaps", &[("gamma", GapFamily::Gamma), ("weibull", GapFamily::Weibull)]),
    }
}

/// Reads a profile; `None` where it is faulty.
fn profile(section: &Section) -> Option<Profile> {
    let hours = section.quantities("hours");
    let week = section.optional("week", Section::quantities);
    let start_hour = section.quantity("start") / 3600.0;
    if !section.is_sound() {
        return None;
    }
    let multipliers = match week {
        None => hours,
        Some(week) if week.len() == 7 && hours.len() == 24 => {
            week.iter().flat_map(|day| hours.iter().map(move |hour| day * hour)).collect()
        }
        Some(week) => {
            let message =
                format!("`week` has {} values beside {} of `hours`", week.len(), hours.len());
            let help = "give 7 beside 24, or all 168 as `hours`";
            section.report(section.fault("week", message).help(help));
            return None;
        }
    };
    let profile = Profile::hourly(&multipliers, start_hour);
    profile.map_err(|error| refuse(section, "hours", &error)).ok()
}

fn refuse(section: &Section, key: &str, error: &ArrivalError) {
    section.report(section.fault(key, error.to_string()));
}

fn report_no_process(agent: &Section) {
    let fault = match agent.node("arrivals") {
        Some(node) => Fault::new(format!("expected an arrival process, found {}", node.describe())),
        None => Fault::new("missing key `arrivals`"),
    };
    let processes: Vec<_> = PROCESSES.iter().map(|name| format!("`{name}`")).collect();
    let fault = fault
        .help("for example `arrivals = { poisson = \"0.4 /s\" }`")
        .help(format!("choose from: {}", processes.join(", ")));
    agent.report(fault.at(agent.place("arrivals")));
}
