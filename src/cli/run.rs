//! `tokenfleet run`: the main job.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::answer::Format;
use super::arguments::RunArguments;
use super::failure::{FINE, Failure, MISSED};
use super::limits::Order;
use super::prepare::{Prepared, command_words};
use super::process::{cpu_seconds, peak_rss_bytes};
use super::progress;
use super::report;
use super::terminal::{answer_style, print, remark};
use super::work::Work;
use crate::experiment::Answers;
use crate::report::folder::Folder;
use crate::report::manifest::{self, Origin};
use crate::report::{Stats, Summary, csv, example, table};
use crate::simulation::World;

/// Variants of which tasks are looked at closely.
const MOST_EXAMPLES: usize = 12;

/// Simulates a scenario: the exit code.
///
/// # Errors
/// Bad input, and whatever keeps the answer from being given.
pub fn run(arguments: &RunArguments) -> Result<u8, Failure> {
    let common = &arguments.common;
    let prepared = Prepared::new(common, &arguments.variant)?;
    let words = command(arguments);
    let work = Work::begin(common, &prepared, &prepared.plans(), Order::Together, &words)?;
    let Work { watch, store, .. } = &work;

    let monte_carlo = prepared.monte_carlo();
    let (trials, wanted) = (monte_carlo.trials, !common.quiet);
    let plans = &prepared.plans;
    let found = progress::shown(wanted, plans, trials, watch, || {
        monte_carlo.run_with(store, "trials", Vec::new(), watch)
    })?;
    let twins = monte_carlo.twins_with(store, "trials", Vec::new(), watch)?;
    work.check()?;
    let answers = Answers::new(&prepared.name, &monte_carlo, found, prepared.confidence);
    if answers.stopped_after() == Some(0) {
        return Err(work.stopped());
    }
    let answers = answers.with_twins(&twins);

    let stats = Stats::new(&answers, cpu_seconds(), peak_rss_bytes());
    let is_whole = answers.stopped_after().is_none();
    if let Some(folder) = &work.folder {
        let origin = work.origin(&prepared, words, is_whole);
        write(folder, &answers, &origin)?;
        if arguments.stats {
            let json = serde_json::to_string_pretty(&stats)? + "\n";
            folder.file("stats.json", |out| out.write_all(json.as_bytes()))?;
        }
        report::add(folder, &prepared.name)?;
    }
    let written = work.finish(is_whole)?;
    show(&answers, arguments, &stats, written.as_deref())?;
    Ok(if arguments.check && !answers.meet_all() { MISSED } else { FINE })
}

/// The words that give this result again.
fn command(arguments: &RunArguments) -> Vec<String> {
    let mut words = command_words("run", &arguments.common);
    words.extend(arguments.variant.iter().flat_map(|name| ["--variant".to_owned(), name.clone()]));
    words
}

/// Writes all that the trials of a scenario's variants say, but for how fast they were.
///
/// # Errors
/// When writing fails.
pub(super) fn write(
    folder: &Folder,
    answers: &Answers<'_>,
    origin: &Origin,
) -> Result<(), Failure> {
    let json = manifest::to_json(answers, origin)?;
    folder.file("manifest.json", |out| out.write_all(json.as_bytes()))?;
    let json = Summary::new(answers).to_json()?;
    folder.file("summary.json", |out| out.write_all(json.as_bytes()))?;
    folder.file("trials.csv", |out| csv::trials(answers, out))?;
    folder.file("tasks.csv", |out| csv::tasks(answers, out))?;
    folder.file("distributions.csv", |out| csv::distributions(answers, out))?;
    folder.file("timeseries.csv", |out| csv::timeseries(answers, out))?;
    let examples = answers.variants.iter().take(MOST_EXAMPLES).map(|answer| {
        let log = World::log_of_trial(answer.plan, answers.seed, 0, example::proceed(answer.plan));
        (answer.plan.name.clone(), example::describe(answer.plan, &log))
    });
    let json = serde_json::to_string(&examples.collect::<BTreeMap<_, _>>())? + "\n";
    Ok(folder.file("example.json", |out| out.write_all(json.as_bytes()))?)
}

fn show(
    answers: &Answers<'_>,
    arguments: &RunArguments,
    stats: &Stats,
    written: Option<&Path>,
) -> Result<(), Failure> {
    let speed = if arguments.stats { stats.line() } else { String::new() };
    match arguments.common.format {
        Format::Table => {
            let mut text = table::render(answers, answer_style());
            if let Some(out) = written {
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
            if !arguments.common.quiet {
                remark(&table::warnings(answers, table::Style::PLAIN));
            }
            print(&String::from_utf8_lossy(&text))
        }
    }
}
