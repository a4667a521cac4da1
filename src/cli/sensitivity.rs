//! `tokenfleet sensitivity`: which of the things that are not known drives the answer.

use super::answer::Answer;
use super::arguments::SensitivityArguments;
use super::failure::{FINE, Failure};
use super::limits::Order;
use super::points;
use super::prepare::{Prepared, command_words};
use super::work::{Work, remark_stopped};
use crate::experiment::sensitivity::{Design, MOST_INPUTS};
use crate::experiment::sweep::Outcome;
use crate::foundations::{Fault, Faults};
use crate::report::sensitivity::Driven;
use crate::report::table;
use crate::simulation::Plan;
use crate::simulation::scenario::{BASE, Draws};

/// Trials at each point where nothing else is said: they are the same at all points, so their chance
/// hardly shows in what differs between points.
const USUAL_TRIALS: u64 = 2;

/// Says what drives a figure of a scenario: the exit code.
///
/// # Errors
/// Bad input, and whatever keeps the answer from being given.
pub fn run(arguments: &SensitivityArguments) -> Result<u8, Failure> {
    let common = &arguments.common;
    let argument = |fault: Fault| Failure::Argument(Faults::from(fault));
    let variant = [arguments.variant.clone().unwrap_or_else(|| BASE.to_owned())];
    let read = |draws| Prepared::with_draws(common, &variant, &[], draws).map(|(found, _)| found);

    let first = read(Draws::At(&[]))?;
    let measure = first.measure("--metric", &arguments.metric)?;
    let unknown = first.plans[0].uncertain.as_ref().map_or(0, |found| found.inputs.len());
    if unknown == 0 || unknown > MOST_INPUTS {
        let message = format!(
            "{unknown} inputs of `{}` are uncertain, from 1 to {MOST_INPUTS} can be told apart",
            variant[0]
        );
        let help = "mark what you do not know: `price = { uncertain = { uniform = [\"$2 /h\", \"$4 \
                    /h\"] } }`";
        return Err(argument(Fault::new(message).help(help)));
    }
    let design = Design::new(unknown, arguments.points, first.seed);
    let mut prepared = read(Draws::At(design.rows()))?;
    prepared.trials = common.trials.unwrap_or(USUAL_TRIALS);
    let uncertain = prepared.plans[0].uncertain.clone();
    let (inputs, draws) = uncertain
        .as_ref()
        .map_or((&[][..], &[][..]), |found| (&found.inputs[..], &found.draws[..]));

    let words = command(arguments);
    let points: Vec<&Plan> = draws.iter().map(|draw| &draw.plan).collect();
    let work = Work::begin(common, &prepared, &points, Order::InTurn, &words)?;
    let outcomes =
        points::simulate(&prepared, &points, std::slice::from_ref(&measure), &work, !common.quiet)?;
    let left = outcomes.iter().filter(|outcome| outcome.is_none()).count();
    if left > 0 {
        remark_stopped(left, common);
        return Err(work.stopped());
    }

    let value = |outcome: &Outcome| outcome.measured(&measure).0.unwrap_or(f64::NAN);
    let values: Vec<f64> = outcomes.iter().flatten().map(value).collect();
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        let named = inputs.iter().zip(&draws[at].values);
        let named: Vec<String> =
            named.map(|(input, value)| format!("{} = {value}", input.name)).collect();
        let message = format!("{measure} is not known where {}", named.join(", "));
        return Err(argument(Fault::new(message).help("simulate longer, or narrow the laws")));
    }
    let found = design.conclude(&values, prepared.confidence).ok_or_else(|| {
        let message = format!("{measure} is the same whatever the uncertain inputs are");
        argument(Fault::new(message).help("ask for another metric: `--metric usd_per_task`"))
    })?;
    let driven = Driven {
        scenario: &prepared.name,
        variant: &variant[0],
        measure,
        seed: prepared.seed,
        trials: prepared.trials,
        points: values.len(),
        confidence: prepared.confidence,
        inputs,
        found,
    };
    let text = |style| table::sensitivity::render(&driven, style);
    let answer = Answer::new(&text, driven.to_json()?, |out| driven.to_csv(out))?;
    if let Some(folder) = &work.folder {
        work.describe(folder, &prepared, prepared.trials, words, true)?;
        answer.write(folder, ["sensitivity.json", "sensitivity.csv"])?;
    }
    let written = work.finish(true)?;
    answer.show(common.format, written.as_deref())?;
    Ok(FINE)
}

/// The words that give this result again.
fn command(arguments: &SensitivityArguments) -> Vec<String> {
    let mut words = command_words("sensitivity", &arguments.common);
    let mut flag = |name: &str, value: String| words.extend([name.to_owned(), value]);
    arguments.variant.iter().for_each(|name| flag("--variant", name.clone()));
    flag("--metric", arguments.metric.clone());
    flag("--points", arguments.points.to_string());
    words
}
