//! `tokenfleet sweep`: a scenario at many points of a space.

use serde_json::json;

use super::arguments::{Design, Format, SweepArguments};
use super::checkpoint::Checkpoint;
use super::failure::{FINE, Failure};
use super::prepare::{Prepared, command_words, stop_on_interrupt};
use super::progress;
use super::report;
use super::terminal::{answer_style, print, remark};
use crate::experiment::design::{Axis, Layout};
use crate::experiment::sweep::{Outcome, SweepPoint};
use crate::experiment::{Answers, Measure, MonteCarlo, Watch};
use crate::foundations::{Fault, Faults};
use crate::report::folder::Folder;
use crate::report::manifest::Origin;
use crate::report::sweep::Sweep;
use crate::report::{manifest, table};
use crate::simulation::Plan;
use crate::simulation::scenario::{BASE, Change, Point};

/// Simulates a scenario at many points: the exit code.
///
/// # Errors
/// Bad input, and whatever keeps the answer from being given.
pub fn run(arguments: &SweepArguments) -> Result<u8, Failure> {
    let common = &arguments.common;
    let argument = |fault: Fault| Failure::Argument(Faults::from(fault));
    let main = Measure::parse(&arguments.metric).map_err(argument)?;
    let pareto = pair(&arguments.pareto).map_err(argument)?;
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
    let mut points: Vec<SweepPoint> = settings
        .into_iter()
        .zip(&candidates)
        .map(|(settings, plan)| SweepPoint {
            settings,
            found: plan.as_ref().err().map(|why| Err(why.clone())),
        })
        .collect();

    let folder = common.out.as_deref().map(Folder::begin).transpose()?;
    let checkpoint = match common.out.as_deref() {
        Some(out) => {
            let key = key(&prepared, variant, &common.set);
            let (checkpoint, done) = Checkpoint::open(out, &key, arguments.resume)?;
            for (settings, outcome) in done {
                if let Some(point) = points.iter_mut().find(|point| point.settings == settings) {
                    point.found.get_or_insert(Ok(outcome));
                }
            }
            Some(checkpoint)
        }
        None => None,
    };
    let checkpoint = simulate(&prepared, &candidates, &mut points, checkpoint, !common.quiet)?;
    if points.iter().all(|point| point.found.is_none()) {
        return Err(Failure::Stopped);
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
        pareto,
    };
    if stopped == 0 {
        if let Some(folder) = folder {
            write(&folder, &sweep, &main, &prepared.origin(command(arguments)))?;
            folder.commit()?;
        }
        if let Some(checkpoint) = checkpoint {
            checkpoint.finish()?;
        }
    }
    show(&sweep, &main, arguments, stopped)?;
    Ok(FINE)
}

/// What a sweep is, for telling whether another one goes on with it.
fn key(prepared: &Prepared, variant: &str, set: &[String]) -> serde_json::Value {
    let inputs = prepared.origin(Vec::new()).inputs;
    let inputs: Vec<_> = inputs.into_iter().map(|input| (input.name, input.sha256)).collect();
    json!({
        "tokenfleet": env!("CARGO_PKG_VERSION"),
        "command": "sweep",
        "inputs": inputs,
        "variant": variant,
        "set": set,
        "seed": prepared.seed,
        "trials": prepared.trials,
    })
}

/// Runs the trials of all points that have no outcome yet, until somebody says to stop.
fn simulate(
    prepared: &Prepared,
    candidates: &[Result<Plan, String>],
    points: &mut [SweepPoint],
    mut checkpoint: Option<Checkpoint>,
    wanted: bool,
) -> Result<Option<Checkpoint>, Failure> {
    let open: Vec<(usize, Plan)> = candidates
        .iter()
        .enumerate()
        .filter(|(at, _)| points[*at].found.is_none())
        .filter_map(|(at, plan)| Some((at, plan.as_ref().ok()?.clone())))
        .collect();
    let plans: Vec<Plan> = open.iter().map(|(_, plan)| plan.clone()).collect();
    let watch = stop_on_interrupt();
    progress::shown(wanted, &plans, prepared.trials, &watch, || {
        for (&(at, _), plan) in open.iter().zip(&plans) {
            let Some(outcome) = outcome(prepared, plan, &watch)? else { break };
            if let Some(checkpoint) = &mut checkpoint {
                checkpoint.add(&points[at].settings, &outcome)?;
            }
            points[at].found = Some(Ok(outcome));
        }
        Ok(checkpoint)
    })
}

/// What all trials of a plan say; none where they were stopped.
fn outcome(prepared: &Prepared, plan: &Plan, watch: &Watch) -> Result<Option<Outcome>, Failure> {
    let monte_carlo = MonteCarlo { plans: std::slice::from_ref(plan), ..prepared.monte_carlo() };
    let found = monte_carlo.run(watch)?;
    let answers = Answers::new(&prepared.name, &monte_carlo, found, prepared.confidence);
    Ok(if answers.stopped_after().is_some() { None } else { Outcome::of_only(&answers) })
}

/// The two measures of a front.
fn pair(text: &str) -> Result<[Measure; 2], Fault> {
    match text.split(',').collect::<Vec<_>>()[..] {
        [one, other] => Ok([Measure::parse(one)?, Measure::parse(other)?]),
        _ => {
            let message = format!("--pareto: expected two metrics, found `{text}`");
            Err(Fault::new(message).help("for example `--pareto usd_per_task,task_latency_p95`"))
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

fn write(
    folder: &Folder,
    sweep: &Sweep<'_>,
    main: &Measure,
    origin: &Origin,
) -> Result<(), Failure> {
    let json = manifest::of_experiment(sweep.scenario, sweep.seed, sweep.trials, origin)?;
    folder.file("manifest.json", |out| out.write_all(json.as_bytes()))?;
    let json = sweep.to_json()?;
    folder.file("sweep.json", |out| out.write_all(json.as_bytes()))?;
    folder.file("points.csv", |out| sweep.to_csv(out))?;
    let answer = table::sweep::render(sweep, main, table::Style::PLAIN);
    report::add_with_answer(folder, sweep.scenario, &answer)
}

fn show(
    sweep: &Sweep<'_>,
    main: &Measure,
    arguments: &SweepArguments,
    stopped: usize,
) -> Result<(), Failure> {
    let common = &arguments.common;
    if stopped > 0 {
        let resume = match &common.out {
            Some(_) => "; the same command with --resume goes on",
            None => "; with --out it could be resumed",
        };
        remark(&format!("warning: stopped with {stopped} points left{resume}\n"));
    }
    match common.format {
        Format::Table => {
            let mut text = table::sweep::render(sweep, main, answer_style());
            if let Some(out) = common.out.as_ref().filter(|_| stopped == 0) {
                text.push_str(&format!("\nwritten to {}\n", out.display()));
            }
            print(&text)
        }
        Format::Json => print(&sweep.to_json()?),
        Format::Csv => {
            let mut text = Vec::new();
            sweep.to_csv(&mut text).map_err(std::io::Error::other)?;
            print(&String::from_utf8_lossy(&text))
        }
    }
}
