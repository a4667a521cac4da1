//! `tokenfleet run`: the main job.

use std::io;
use std::process;
use std::sync::Arc;

use super::arguments::{Format, RunArguments};
use super::failure::{FINE, Failure, MISSED, STOPPED};
use super::load::{self, Loaded};
use super::process::{cpu_seconds, peak_rss_bytes};
use super::terminal::{answer_style, fault_style, print, remark};
use super::{diagnostic, progress};
use crate::catalog::Provenance;
use crate::experiment::{Answers, MonteCarlo, Objective, Watch};
use crate::report::folder::Folder;
use crate::report::manifest::{self, Origin};
use crate::report::{Stats, Summary, csv, table};
use crate::simulation::Plan;

/// Simulates a scenario: the exit code.
///
/// # Errors
/// Bad input, and whatever keeps the answer from being given.
pub fn run(arguments: &RunArguments) -> Result<u8, Failure> {
    let loaded = load::load(arguments.scenario.as_deref(), &arguments.set, &arguments.variant)?;
    let Loaded { scenario, sources, inputs } = loaded;
    let folder = arguments.out.as_deref().map(Folder::begin).transpose()?;
    if !arguments.quiet {
        remark(&diagnostic::render_warnings(&scenario.warnings, &sources, fault_style()));
    }
    let objectives: Vec<Objective> =
        scenario.objectives.iter().filter_map(Objective::from_scenario).collect();
    let provenance: Vec<Provenance> =
        scenario.variants.iter().flat_map(|variant| variant.provenance.clone()).collect();
    let plans: Vec<Plan> = scenario.variants.into_iter().map(|variant| variant.plan).collect();
    let monte_carlo = MonteCarlo {
        plans: &plans,
        objectives: &objectives,
        trials: arguments.trials.unwrap_or(scenario.run.trials),
        seed: arguments.seed.unwrap_or(scenario.run.seed),
        threads: arguments.threads.map_or(0, usize::from),
    };

    let watch = stop_on_interrupt();
    let (trials, wanted) = (monte_carlo.trials, !arguments.quiet);
    let found = progress::shown(wanted, &plans, trials, &watch, || monte_carlo.run(&watch))?;
    let answers = Answers::new(&scenario.name, &monte_carlo, found, scenario.run.confidence);
    if answers.stopped_after() == Some(0) {
        return Err(Failure::Stopped);
    }

    let stats = Stats::new(&answers, cpu_seconds(), peak_rss_bytes());
    if let Some(folder) = folder {
        let command = command(arguments);
        let origin = Origin { command, inputs, sources: manifest::sources(provenance) };
        write(folder, &answers, &origin, arguments.stats.then_some(&stats))?;
    }
    show(&answers, arguments, &stats)?;
    Ok(if arguments.check && !answers.meet_all() { MISSED } else { FINE })
}

/// A watch that the first Ctrl-C stops; the second ends the process.
fn stop_on_interrupt() -> Arc<Watch> {
    let watch = Arc::new(Watch::default());
    let seen = Arc::clone(&watch);
    // Without a handler Ctrl-C ends the process, which is what it does anywhere.
    let _ = ctrlc::set_handler(move || {
        if seen.is_stopped() {
            process::exit(i32::from(STOPPED));
        }
        seen.stop();
    });
    watch
}

/// The words that give this result again. Where it is written and how it is computed and printed
/// do not belong to it.
fn command(arguments: &RunArguments) -> Vec<String> {
    let mut words = vec!["tokenfleet".to_owned(), "run".to_owned()];
    words.extend(arguments.scenario.as_ref().map(|path| path.display().to_string()));
    let mut flag = |name: &str, value: String| words.extend([name.to_owned(), value]);
    if let Some(trials) = arguments.trials {
        flag("--trials", trials.to_string());
    }
    if let Some(seed) = arguments.seed {
        flag("--seed", seed.to_string());
    }
    arguments.set.iter().for_each(|change| flag("--set", change.clone()));
    arguments.variant.iter().for_each(|name| flag("--variant", name.clone()));
    words
}

fn write(
    folder: Folder,
    answers: &Answers<'_>,
    origin: &Origin,
    stats: Option<&Stats>,
) -> Result<(), Failure> {
    let json = manifest::to_json(answers, origin)?;
    folder.file("manifest.json", |out| out.write_all(json.as_bytes()))?;
    let json = Summary::new(answers).to_json()?;
    folder.file("summary.json", |out| out.write_all(json.as_bytes()))?;
    folder.file("trials.csv", |out| csv::trials(answers, out))?;
    folder.file("tasks.csv", |out| csv::tasks(answers, out))?;
    folder.file("timeseries.csv", |out| csv::timeseries(answers, out))?;
    if let Some(stats) = stats {
        let json = serde_json::to_string_pretty(stats)? + "\n";
        folder.file("stats.json", |out| out.write_all(json.as_bytes()))?;
    }
    Ok(folder.commit()?)
}

fn show(answers: &Answers<'_>, arguments: &RunArguments, stats: &Stats) -> Result<(), Failure> {
    let speed = if arguments.stats { stats.line() } else { String::new() };
    match arguments.format {
        Format::Table => {
            let mut text = table::render(answers, answer_style());
            if let Some(out) = &arguments.out {
                text.push_str(&format!("\nwritten to {}\n", out.display()));
            }
            if arguments.stats {
                text.push_str(&format!("\n{speed}"));
            }
            print(&text)
        }
        Format::Json => {
            remark(&speed);
            print(&Summary::new(answers).to_json()?)
        }
        Format::Csv => {
            let mut text = Vec::new();
            csv::figures(answers, &mut text).map_err(io::Error::other)?;
            remark(&speed);
            if !arguments.quiet {
                remark(&table::warnings(answers, table::Style::PLAIN));
            }
            print(&String::from_utf8_lossy(&text))
        }
    }
}
