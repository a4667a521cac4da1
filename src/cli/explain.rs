//! `tokenfleet explain`: which factor brings how much of the difference between two variants.

use super::answer::Answer;
use super::arguments::ExplainArguments;
use super::failure::{FINE, Failure};
use super::limits::Order;
use super::prepare::{Prepared, command_words};
use super::progress;
use super::report;
use super::work::Work;
use crate::experiment::explanation::{Explanation, MOST_FACTORS};
use crate::experiment::{Answers, MonteCarlo};
use crate::foundations::{Fault, Faults};
use crate::report::explanation::Explained;
use crate::report::table;
use crate::simulation::Plan;
use crate::simulation::scenario::{Change, Point};

/// Keys of a pool that say what machines it is: bought together, they are one factor.
const HARDWARE: [&str; 7] =
    ["accelerator", "tensor_parallel", "expert_parallel", "replicas", "price", "cost", "region"];

/// A factor: its name, and the paths that belong to it.
type Factor = (String, Vec<Vec<String>>);

/// Explains the difference between two variants: the exit code.
///
/// # Errors
/// Bad input, and whatever keeps the answer from being given.
pub fn run(arguments: &ExplainArguments) -> Result<u8, Failure> {
    let common = &arguments.common;
    let argument = |fault: Fault| Failure::Argument(Faults::from(fault));
    let pair = [arguments.from.clone(), arguments.to.clone()];
    let first = Prepared::new(common, &pair)?;
    let measure = first.measure("--metric", &arguments.metric)?;
    let factors = factors(&first, &arguments.group).map_err(argument)?;
    if factors.is_empty() || factors.len() > MOST_FACTORS {
        let message = format!(
            "{} and {} differ in {} factors, from 1 to {MOST_FACTORS} can be told apart",
            pair[0],
            pair[1],
            factors.len()
        );
        let help = "put some into one: `--group machines=pools.main.accelerator,pools.main.engine`";
        return Err(argument(Fault::new(message).help(help)));
    }
    let plans = subsets(arguments, &factors)?;
    let each: Vec<&Plan> = plans.iter().collect();
    let work = Work::begin(common, &first, &each, Order::Together, &command(arguments))?;
    let Work { watch, store, .. } = &work;
    let monte_carlo = MonteCarlo { plans: &plans, objectives: &[], ..first.monte_carlo() };
    let trials = first.trials;
    let found = progress::shown(!common.quiet, &plans, trials, watch, || {
        monte_carlo.run_with(store, "subsets", Vec::new(), watch)
    })?;
    work.check()?;
    let answers = Answers::new(&first.name, &monte_carlo, found, first.confidence);
    if answers.stopped_after() == Some(0) {
        return Err(work.stopped());
    }

    let values: Vec<f64> =
        answers.variants.iter().map(|answer| measure.value(answer).unwrap_or(0.0)).collect();
    let known = answers.stopped_after().unwrap_or(trials) as usize;
    let in_trials = answers.variants.iter().map(|answer| {
        let rows = answer.rows[..known].iter();
        rows.filter_map(|row| measure.in_trial(answer, row)).collect()
    });
    let in_trials: Vec<Vec<(f64, f64)>> = in_trials.collect();
    let explanation = Explanation::new(&values, &in_trials, first.confidence);
    let explanation = explanation.ok_or_else(|| {
        let message = format!("{measure} is not above zero everywhere, so it has no ratios");
        argument(Fault::new(message).help("explain another metric"))
    })?;
    let paths = |paths: Vec<Vec<String>>| paths.iter().map(|path| path.join(".")).collect();
    let explained = Explained {
        scenario: &first.name,
        from: &pair[0],
        to: &pair[1],
        measure,
        seed: first.seed,
        confidence: first.confidence,
        factors: factors.into_iter().map(|(name, of)| (name, paths(of))).collect(),
        explanation,
    };
    conclude(arguments, &first, &explained, work, answers.stopped_after().is_none())
}

/// The factors in which two variants differ: the groups that were asked for, the machines of each
/// pool, and every other path by itself.
fn factors(prepared: &Prepared, groups: &[String]) -> Result<Vec<Factor>, Fault> {
    let mut paths: Vec<Vec<String>> = Vec::new();
    for path in prepared.changed.iter().flatten() {
        if !paths.contains(path) {
            paths.push(path.clone());
        }
    }
    let mut factors: Vec<Factor> = Vec::new();
    for group in groups {
        let (name, of) = group.split_once('=').ok_or_else(|| {
            let message = format!("--group: expected `name=path,path`, found `{group}`");
            Fault::new(message).help("for example `--group machines=pools.main.accelerator`")
        })?;
        let mut members = Vec::new();
        for wanted in of.split(',').map(str::trim) {
            let at = paths.iter().position(|path| path.join(".") == wanted);
            let at = at.ok_or_else(|| {
                let known: Vec<String> = paths.iter().map(|path| path.join(".")).collect();
                Fault::unknown("difference", wanted, known.iter().map(String::as_str))
            })?;
            members.push(paths.remove(at));
        }
        factors.push((name.trim().to_owned(), members));
    }
    let pools = prepared.plans.first().map_or(0, |plan: &Plan| plan.pools.len());
    for path in paths {
        let words: Vec<&str> = path.iter().map(String::as_str).collect();
        let name = match words[..] {
            ["pools", pool, key, ..] if HARDWARE.contains(&key) => match pools {
                1 => "hardware".to_owned(),
                _ => format!("hardware of {pool}"),
            },
            ["pools", _, key, ..] if pools == 1 => key.to_owned(),
            ["pools", pool, key, ..] => format!("{key} of {pool}"),
            _ => path.join("."),
        };
        match factors.iter_mut().find(|(known, _)| *known == name) {
            Some((_, members)) => members.push(path),
            None => factors.push((name, vec![path])),
        }
    }
    Ok(factors)
}

/// The plan of every subset of the factors, by its bits.
fn subsets(arguments: &ExplainArguments, factors: &[Factor]) -> Result<Vec<Plan>, Failure> {
    let point = |subset: usize| {
        let taken = factors.iter().enumerate().filter(|(bit, _)| subset & (1 << bit) != 0);
        let names: Vec<&str> = taken.clone().map(|(_, (name, _))| name.as_str()).collect();
        let like =
            |path: &Vec<String>| Change::Like { variant: arguments.to.clone(), path: path.clone() };
        Point {
            name: format!("{} with {} of {}", arguments.from, names.join(", "), arguments.to),
            of: arguments.from.clone(),
            changes: taken.flat_map(|(_, (_, paths))| paths.iter().map(like)).collect(),
        }
    };
    let points: Vec<Point> = (0..1 << factors.len()).map(point).collect();
    let pair = [arguments.from.clone(), arguments.to.clone()];
    let quiet = super::arguments::Common { quiet: true, ..arguments.common.clone() };
    let (_, plans) = Prepared::with_points(&quiet, &pair, &points)?;
    let plan = |(plan, point): (Result<Plan, String>, &Point)| {
        plan.map_err(|why| {
            let fault = Fault::new(format!("{} cannot be built: {why}", point.name));
            let help = "factors that need each other are one: `--group both=PATH,PATH`";
            Failure::Argument(Faults::from(fault.help(help)))
        })
    };
    plans.into_iter().zip(&points).map(plan).collect()
}

fn conclude(
    arguments: &ExplainArguments,
    prepared: &Prepared,
    explained: &Explained<'_>,
    work: Work,
    is_whole: bool,
) -> Result<u8, Failure> {
    let text = |style| table::explanation::render(explained, style);
    let answer = Answer::new(&text, explained.to_json()?, |out| explained.to_csv(out))?;
    if let Some(folder) = &work.folder {
        let trials = explained.explanation.trials;
        work.describe(folder, prepared, trials, command(arguments), is_whole)?;
        answer.write(folder, ["explanation.json", "explanation.csv"])?;
        report::add_with_answer(folder, explained.scenario, &text(table::Style::PLAIN))?;
    }
    let written = work.finish(is_whole)?;
    answer.show(arguments.common.format, written.as_deref())?;
    Ok(FINE)
}

/// The words that give this result again.
fn command(arguments: &ExplainArguments) -> Vec<String> {
    let mut words = command_words("explain", &arguments.common);
    let mut flag = |name: &str, value: &str| words.extend([name.to_owned(), value.to_owned()]);
    flag("--from", &arguments.from);
    flag("--to", &arguments.to);
    flag("--metric", &arguments.metric);
    arguments.group.iter().for_each(|group| flag("--group", group));
    words
}
