//! `tokenfleet size`: how much a fleet carries, and the cheapest that meets everything.

use std::sync::Arc;

use super::answer::Answer;
use super::arguments::{Common, Find, SizeArguments};
use super::failure::{FINE, Failure};
use super::limits::Order;
use super::prepare::{Prepared, command_words};
use super::report;
use super::terminal::remark;
use super::work::Work;
use crate::experiment::design::{Axis, Layout};
use crate::experiment::sizing::{
    Assessment, Fleet, FleetFound, Knob, LoadFound, Search, Setup, Stopped, Sure,
};
use crate::foundations::units::{format_number, format_usd};
use crate::foundations::{Fault, Faults};
use crate::report::sizing::{Load, Sizing};
use crate::report::table;
use crate::simulation::Plan;
use crate::simulation::scenario::{BASE, Change, Draws, Point};

/// Sizes a scenario: the exit code.
///
/// # Errors
/// Bad input, and whatever keeps the answer from being given.
pub fn run(arguments: &SizeArguments) -> Result<u8, Failure> {
    let common = &arguments.common;
    let argument = |fault: Fault| Failure::Argument(Faults::from(fault));
    let axes: Result<Vec<Axis>, Fault> = arguments.over.iter().map(|a| Axis::parse(a)).collect();
    let settings = match axes.map_err(argument)? {
        axes if axes.is_empty() => Vec::new(),
        axes => Layout::Grid.points(&axes, 0, 1).map_err(argument)?,
    };
    let points: Vec<Point> = settings
        .iter()
        .map(|settings| Point {
            name: kind(settings),
            of: String::new(),
            changes: settings.iter().cloned().map(Change::Set).collect(),
        })
        .collect();
    let variant = arguments.variant.as_deref().unwrap_or(BASE);
    // A candidate that is hard to tell gets more trials, each with its draw.
    let (trials, times) = match arguments.max_trials {
        Some(most) => (Some(most), 1),
        None => (common.trials, 8),
    };
    let draws = Draws::OfTrials { trials, times, seed: common.seed };
    let (prepared, candidates) =
        Prepared::with_draws(common, &[variant.to_owned()], &points, draws)?;
    let plan = &prepared.plans[0];
    let knobs = knobs(plan, &arguments.of).map_err(argument)?;
    let work = Work::begin(common, &prepared, &[plan], Order::Search, &command(arguments))?;
    let fleets: Vec<Fleet> = match points.is_empty() {
        true => vec![Fleet { name: String::new(), plan: Ok(plan.clone()) }],
        false => points
            .into_iter()
            .zip(candidates)
            .map(|(point, plan)| Fleet { name: point.name, plan })
            .collect(),
    };

    let setup = Setup {
        objectives: &prepared.objectives,
        trials: prepared.trials,
        most_trials: arguments.max_trials.unwrap_or(8 * prepared.trials),
        most_candidates: arguments.max_candidates,
        most_replicas: arguments.max_replicas,
        precision: arguments.precision,
        seed: prepared.seed,
        threads: prepared.threads,
        confidence: arguments.confidence.unwrap_or(prepared.confidence),
    };
    let (watch, store) = (Arc::clone(&work.watch), Arc::clone(&work.store));
    let told = |name: &str, plan: &Plan, found: &Assessment| {
        if !common.quiet {
            remark(&told(name, plan, &knobs, found));
        }
    };
    let mut search = Search::new(setup, &watch, &store, &told);
    let stopped = |stopped: Stopped| match (work.check(), stopped) {
        (Err(failure), _) => failure,
        (Ok(()), Stopped::Asked) => work.stopped(),
        (Ok(()), other) => Failure::Argument(Faults::from(Fault::new(other.to_string()))),
    };
    let look = |search: &mut Search<'_>| look(search, arguments.find, plan, &knobs, &fleets);
    if store.share().is_some() {
        search.foresee(look).map_err(stopped)?;
        work.check()?;
    }
    let Found { given, fleets: found, headroom } = look(&mut search).map_err(stopped)?;
    let sizing = Sizing {
        scenario: &prepared.name,
        objectives: &prepared.objectives,
        seed: prepared.seed,
        confidence: setup.confidence,
        paths: knobs.iter().map(|knob| knob.path(plan)).collect(),
        load: load(plan),
        given,
        fleets: fleets.iter().map(|fleet| fleet.name.clone()).zip(found).collect(),
        headroom,
        seen: search.seen(),
    };
    let text = |style| in_words(&sizing, arguments, &settings, style);
    let answer = Answer::new(&text, sizing.to_json()?, |out| sizing.to_csv(out))?;
    work.check()?;
    if let Some(folder) = &work.folder {
        work.describe(folder, &prepared, setup.trials, command(arguments), true)?;
        answer.write(folder, ["size.json", "candidates.csv"])?;
        report::add_with_answer(folder, sizing.scenario, &text(table::Style::PLAIN))?;
    }
    let written = work.finish(true)?;
    answer.show(common.format, written.as_deref())?;
    Ok(FINE)
}

/// What a search found.
struct Found {
    /// The fleet as it stands, and the load that it carries.
    given: Option<(Assessment, LoadFound)>,
    /// What became of each kind of fleet.
    fleets: Vec<FleetFound>,
    /// The load that the cheapest of them carries.
    headroom: Option<LoadFound>,
}

/// Looks for what was asked for.
fn look(
    search: &mut Search<'_>,
    find: Find,
    plan: &Plan,
    knobs: &[Knob],
    fleets: &[Fleet],
) -> Result<Found, Stopped> {
    let given = match find {
        Find::Fleet => None,
        Find::Load | Find::Both => {
            let counts: Vec<u32> = knobs.iter().filter_map(|knob| knob.get(plan)).collect();
            let fleet = search.assess("", plan, knobs, &counts, 1.0)?;
            Some((fleet, search.highest_load("", plan, knobs, &counts)?))
        }
    };
    if find == Find::Load {
        return Ok(Found { given, fleets: Vec::new(), headroom: None });
    }
    let found = search.cheapest(fleets, knobs)?;
    let enough = fleets.iter().zip(&found).filter_map(|(fleet, found)| match found {
        FleetFound::Enough(enough) => Some((fleet, enough)),
        _ => None,
    });
    let best = enough.min_by(|one, other| one.1.usd_per_h.total_cmp(&other.1.usd_per_h));
    let headroom = match best {
        Some((Fleet { name, plan: Ok(plan) }, enough)) => {
            Some(search.highest_load(name, plan, knobs, &enough.counts)?)
        }
        _ => None,
    };
    Ok(Found { given, fleets: found, headroom })
}

/// What is counted: the named paths, or the replicas of every pool.
fn knobs(plan: &Plan, paths: &[String]) -> Result<Vec<Knob>, Fault> {
    if paths.is_empty() {
        return Ok(Knob::of_all_pools(plan));
    }
    let slots = (0..plan.tools.len()).map(Knob::Slots);
    let all: Vec<Knob> = Knob::of_all_pools(plan)
        .into_iter()
        .chain(slots.filter(|knob| knob.get(plan).is_some()))
        .collect();
    let named: Vec<String> = all.iter().map(|knob| knob.path(plan)).collect();
    let find = |path: &String| {
        let at = named.iter().position(|known| known == path);
        let unknown = || Fault::unknown("count", path, named.iter().map(String::as_str));
        at.map(|at| all[at]).ok_or_else(unknown)
    };
    paths.iter().map(find).collect()
}

/// `accelerator h200-sxm, tensor_parallel 2`.
fn kind(settings: &[String]) -> String {
    let each = settings.iter().map(|set| {
        let (path, value) = set.split_once('=').unwrap_or((set, ""));
        format!("{} {value}", path.rsplit('.').next().unwrap_or(path))
    });
    each.collect::<Vec<_>>().join(", ")
}

/// The load of a plan by kinds of agents.
fn load(plan: &Plan) -> Vec<Load> {
    let load = plan.populations.iter().map(|population| Load {
        agents: population.name.clone(),
        per_s: population.arrivals.mean_rate(),
        users: population.arrivals.users().map(|(users, _)| users),
    });
    load.collect()
}

/// A line about a candidate that was simulated.
fn told(name: &str, plan: &Plan, knobs: &[Knob], found: &Assessment) -> String {
    let counts = knobs.iter().zip(&found.counts);
    let counts: Vec<_> =
        counts.map(|(knob, count)| format!("{}={count}", knob.path(plan))).collect();
    let verdict = match found.sure {
        Sure::Meets => "meets",
        Sure::Misses => "misses",
        Sure::Unsure => "not sure",
    };
    let name = if name.is_empty() { String::new() } else { format!(" {name}") };
    format!(
        "{}{name} at {} times the load, {} /h: {verdict}, {} trials\n",
        counts.join(" "),
        format_number(found.load),
        format_usd(found.usd_per_h),
        found.trials
    )
}

/// The words that give this result again.
fn command(arguments: &SizeArguments) -> Vec<String> {
    let mut words = command_words("size", &arguments.common);
    let mut flag = |name: &str, value: String| words.extend([name.to_owned(), value]);
    arguments.variant.iter().for_each(|name| flag("--variant", name.clone()));
    arguments.over.iter().for_each(|axis| flag("--over", axis.clone()));
    arguments.of.iter().for_each(|path| flag("--of", path.clone()));
    arguments.confidence.iter().for_each(|level| flag("--confidence", level.to_string()));
    arguments.max_trials.iter().for_each(|most| flag("--max-trials", most.to_string()));
    words
}

/// The answer for people, with the command that runs the cheapest fleet.
fn in_words(
    sizing: &Sizing<'_>,
    arguments: &SizeArguments,
    settings: &[Vec<String>],
    style: table::Style,
) -> String {
    let by_itself = sizing.cheapest().map(|(name, fleet)| {
        let kind = settings.iter().find(|settings| kind(settings) == name);
        let counts = sizing.paths.iter().zip(&fleet.counts);
        let counts: Vec<String> = counts.map(|(path, count)| format!("{path}={count}")).collect();
        let as_many = Common { trials: Some(fleet.trials), ..arguments.common.clone() };
        let mut words = command_words("run", &as_many);
        let variant = arguments.variant.as_deref().unwrap_or(BASE);
        words.extend(["--variant".to_owned(), variant.to_owned()]);
        for set in kind.into_iter().flatten().chain(&counts) {
            words.extend(["--set".to_owned(), set.clone()]);
        }
        words.join(" ")
    });
    table::sizing::render(sizing, by_itself.as_deref(), style)
}
