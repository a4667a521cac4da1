//! `tokenfleet sweep`: a scenario at many points of a space.

use super::answer::Answer;
use super::arguments::{Design, SweepArguments};
use super::failure::{FINE, Failure};
use super::limits::Order;
use super::points;
use super::prepare::{Prepared, command_words};
use super::report;
use super::work::{Work, remark_stopped};
use crate::experiment::Measure;
use crate::experiment::design::{Axis, Layout};
use crate::experiment::sweep::SweepPoint;
use crate::foundations::{Fault, Faults};
use crate::report::sweep::Sweep;
use crate::report::table;
use crate::simulation::Plan;
use crate::simulation::scenario::{BASE, Change, Point};

/// Simulates a scenario at many points: the exit code.
///
/// # Errors
/// Bad input, and whatever keeps the answer from being given.
pub fn run(arguments: &SweepArguments) -> Result<u8, Failure> {
    let common = &arguments.common;
    let argument = |fault: Fault| Failure::Argument(Faults::from(fault));
    let axes: Result<Vec<Axis>, Fault> = arguments.over.iter().map(|a| Axis::parse(a)).collect();
    let axes = axes.map_err(argument)?;
    let layout = match arguments.design {
        Design::Grid => Layout::Grid,
        Design::LatinHypercube => Layout::LatinHypercube,
        Design::Sobol => Layout::Sobol,
    };
    let seed = common.seed.unwrap_or(1);
    let settings = layout.points(&axes, arguments.points, seed).map_err(argument)?;

    let point = |settings: &Vec<String>| Point {
        name: settings.join(" "),
        of: String::new(),
        changes: settings.iter().cloned().map(Change::Set).collect(),
    };
    let points: Vec<Point> = settings.iter().map(point).collect();
    let variant = arguments.variant.as_deref().unwrap_or(BASE);
    let (prepared, candidates) = Prepared::with_points(common, &[variant.to_owned()], &points)?;
    let main = prepared.measure("--metric", &arguments.metric)?;
    let pareto = pair(&prepared, &arguments.pareto)?;
    let mut points: Vec<SweepPoint> = settings
        .into_iter()
        .zip(&candidates)
        .map(|(settings, plan)| SweepPoint {
            settings,
            found: plan.as_ref().err().map(|why| Err(why.clone())),
        })
        .collect();

    let words = command(arguments);
    let plans: Vec<&Plan> = candidates.iter().flatten().collect();
    let work = Work::begin(common, &prepared, &plans, Order::InTurn, &words)?;
    let [one, other] = pareto.clone();
    let asked = [main.clone(), one, other];
    let outcomes = points::simulate(&prepared, &plans, &asked, &work, !common.quiet)?;
    let open = points.iter_mut().filter(|point| point.found.is_none());
    open.zip(outcomes).for_each(|(point, outcome)| point.found = outcome.map(Ok));
    if points.iter().all(|point| point.found.is_none()) {
        return Err(work.stopped());
    }
    let stopped = points.iter().filter(|point| point.found.is_none()).count();
    let sweep = Sweep {
        scenario: &prepared.name,
        variant,
        seed: prepared.seed,
        trials: prepared.trials,
        confidence: prepared.confidence,
        paths: axes.iter().map(|axis| axis.path.clone()).collect(),
        objectives: &prepared.objectives,
        points,
        main,
        pareto,
    };
    let text = |style| table::sweep::render(&sweep, style);
    let answer = Answer::new(&text, sweep.to_json()?, |out| sweep.to_csv(out))?;
    let mut written = None;
    if stopped == 0 {
        if let Some(folder) = &work.folder {
            work.describe(folder, &prepared, sweep.trials, words, true)?;
            answer.write(folder, ["sweep.json", "points.csv"])?;
            report::add_with_answer(folder, sweep.scenario, &text(table::Style::PLAIN))?;
        }
        written = work.finish(true)?;
    }
    remark_stopped(stopped, common);
    answer.show(common.format, written.as_deref())?;
    Ok(FINE)
}

/// The two measures of a front.
fn pair(prepared: &Prepared, text: &str) -> Result<[Measure; 2], Failure> {
    let measure = |name| prepared.measure("--pareto", name);
    match text.split(',').collect::<Vec<_>>()[..] {
        [one, other] => Ok([measure(one)?, measure(other)?]),
        _ => {
            let fault = Fault::new(format!("expected two metrics, found `{text}`"));
            let help = "for example `--pareto usd_per_task,task_latency_p95`";
            Err(Failure::of_flag("--pareto", fault.help(help)))
        }
    }
}

/// The words that give this result again.
fn command(arguments: &SweepArguments) -> Vec<String> {
    let mut words = command_words("sweep", &arguments.common);
    let mut flag = |name: &str, value: String| words.extend([name.to_owned(), value]);
    arguments.variant.iter().for_each(|name| flag("--variant", name.clone()));
    arguments.over.iter().for_each(|axis| flag("--over", axis.clone()));
    let sampled = match arguments.design {
        Design::Grid => None,
        Design::LatinHypercube => Some("latin-hypercube"),
        Design::Sobol => Some("sobol"),
    };
    if let Some(design) = sampled {
        flag("--design", design.to_owned());
        flag("--points", arguments.points.to_string());
    }
    flag("--pareto", arguments.pareto.clone());
    flag("--metric", arguments.metric.clone());
    words
}
