//! `tokenfleet compare`: variants against one of them, trial by trial.

use super::answer::Answer;
use super::arguments::CompareArguments;
use super::failure::{FINE, Failure};
use super::limits::Order;
use super::prepare::{Prepared, command_words};
use super::terminal::remark;
use super::work::Work;
use super::{progress, report, run};
use crate::experiment::comparison::trials_for;
use crate::experiment::{Answers, Comparison, Findings, Measure, MonteCarlo};
use crate::foundations::units::format_percent;
use crate::foundations::{Fault, Faults};
use crate::report::{ComparisonSummary, table};

/// Compares the variants of a scenario: the exit code.
///
/// # Errors
/// Bad input, and whatever keeps the answer from being given.
pub fn run(arguments: &CompareArguments) -> Result<u8, Failure> {
    let common = &arguments.common;
    let mut wanted = arguments.variant.clone();
    if !wanted.is_empty() && !wanted.contains(&arguments.baseline) {
        wanted.insert(0, arguments.baseline.clone());
    }
    let prepared = match arguments.until {
        Some(_) => Prepared::with_trials(common, &wanted, arguments.max_trials)?,
        None => Prepared::new(common, &wanted)?,
    };
    let main = prepared.measure("--metric", &arguments.metric)?;
    let baseline = baseline(&prepared, &arguments.baseline)?;
    let work =
        Work::begin(common, &prepared, &prepared.plans(), Order::Together, &command(arguments))?;

    let mut measures: Vec<Measure> = table::comparison::usual_measures()
        .into_iter()
        .filter_map(|(measure, _)| measure)
        .collect();
    if !measures.contains(&main) {
        measures.push(main.clone());
    }
    let mut monte_carlo = prepared.monte_carlo();
    if arguments.until.is_some() {
        // One trial says nothing of differences.
        monte_carlo.trials = monte_carlo.trials.clamp(2, arguments.max_trials.max(2));
    }
    let (mut found, mut twins) =
        simulate(&prepared, &monte_carlo, Default::default(), &work, !common.quiet)?;
    loop {
        let answers = Answers::new(&prepared.name, &monte_carlo, found, prepared.confidence)
            .with_twins(&twins);
        if answers.stopped_after() == Some(0) {
            return Err(work.stopped());
        }
        let comparison = Comparison::new(&answers, baseline, measures.clone());
        let (done, sharpness) = (monte_carlo.trials, comparison.sharpness(&main));
        let missing = arguments.until.filter(|&until| sharpness > until);
        match missing {
            Some(until) if done < arguments.max_trials && !work.watch.is_stopped() => {
                monte_carlo.trials = trials_for(until, sharpness, done).min(arguments.max_trials);
                if !common.quiet {
                    remark(&format!(
                        "{done} trials leave {main} unsure by {} of the baseline's: going on to \
                         {}\n",
                        format_percent(sharpness),
                        monte_carlo.trials
                    ));
                }
                let known = (answers.into_findings(), twins);
                (found, twins) = simulate(&prepared, &monte_carlo, known, &work, !common.quiet)?;
            }
            _ => {
                if let Some(until) = missing {
                    remark(&format!(
                        "warning: {done} trials leave {main} unsure by {}, {} was asked; raise \
                         --max-trials\n",
                        format_percent(sharpness),
                        format_percent(until)
                    ));
                }
                return conclude(arguments, &prepared, &comparison, &main, work);
            }
        }
    }
}

/// What is found of all variants, and of the twins of their trials.
type Known = (Vec<Findings>, Vec<Findings>);

fn simulate(
    prepared: &Prepared,
    monte_carlo: &MonteCarlo<'_>,
    (found, twins): Known,
    work: &Work,
    wanted: bool,
) -> Result<Known, Failure> {
    let (plans, trials, Work { watch, store, .. }) = (&prepared.plans, monte_carlo.trials, work);
    let found = progress::shown(wanted, plans, trials, watch, || {
        monte_carlo.run_with(store, "trials", found, watch)
    })?;
    let twins = monte_carlo.twins_with(store, "trials", twins, watch)?;
    work.check().map(|()| (found, twins))
}

fn conclude(
    arguments: &CompareArguments,
    prepared: &Prepared,
    comparison: &Comparison<'_>,
    main: &Measure,
    work: Work,
) -> Result<u8, Failure> {
    let summary = ComparisonSummary::new(comparison);
    let text = |style| table::comparison::render(comparison, main, style);
    let answer = Answer::new(&text, summary.to_json()?, |out| summary.to_csv(out))?;
    let is_whole = comparison.answers.stopped_after().is_none();
    if let Some(folder) = &work.folder {
        run::write(
            folder,
            comparison.answers,
            &work.origin(prepared, command(arguments), is_whole),
        )?;
        answer.write(folder, ["comparison.json", "comparison.csv"])?;
        report::add(folder, &prepared.name)?;
    }
    let written = work.finish(is_whole)?;
    answer.show(arguments.common.format, written.as_deref())?;
    Ok(FINE)
}

/// The words that give this result again.
fn command(arguments: &CompareArguments) -> Vec<String> {
    let mut words = command_words("compare", &arguments.common);
    let mut flag = |name: &str, value: &str| words.extend([name.to_owned(), value.to_owned()]);
    arguments.variant.iter().for_each(|name| flag("--variant", name));
    flag("--baseline", &arguments.baseline);
    flag("--metric", &arguments.metric);
    if let Some(until) = arguments.until {
        flag("--until", &format_percent(until).replace(' ', ""));
        flag("--max-trials", &arguments.max_trials.to_string());
    }
    words
}

/// The place of the baseline among the variants.
fn baseline(prepared: &Prepared, name: &str) -> Result<usize, Failure> {
    let names = || prepared.plans.iter().map(|plan| plan.name.as_str());
    if prepared.plans.len() < 2 {
        let fault = Fault::new("there is nothing to compare: the scenario has no variants");
        let help = "add some, for example `[variants.bigger]` with `\"pools.main.replicas\" = 8`";
        return Err(Failure::Argument(Faults::from(fault.help(help))));
    }
    names().position(|known| known == name).ok_or_else(|| {
        let valid: Vec<&str> = names().collect();
        Failure::of_flag("--baseline", Fault::unknown("variant", name, valid))
    })
}
