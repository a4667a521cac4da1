//! `tokenfleet forecast`: years ahead, by every published rate at which tokens get cheaper.

use super::answer::Answer;
use super::arguments::ForecastArguments;
use super::failure::{FINE, Failure};
use super::limits::Order;
use super::prepare::{Prepared, command_words};
use super::terminal::remark;
use super::work::Work;
use crate::catalog::{Catalog, Trend, TrendKind};
use crate::experiment::Measure;
use crate::experiment::forecast::{Today, years};
use crate::experiment::sizing::{Assessment, Knob, Search, Setup, Stopped, usd_per_h};
use crate::experiment::sweep::gpus;
use crate::foundations::units::format_number;
use crate::foundations::{Fault, Faults};
use crate::report::forecast::{Forecast, Path};
use crate::report::table;
use crate::simulation::Plan;
use crate::simulation::plan::{Outlook, Pool};
use crate::simulation::scenario::BASE;

/// Forecasts a scenario: the exit code.
///
/// # Errors
/// Bad input, and whatever keeps the answer from being given.
pub fn run(arguments: &ForecastArguments) -> Result<u8, Failure> {
    let common = &arguments.common;
    let argument = |fault: Fault| Failure::Argument(Faults::from(fault));
    let variant = arguments.variant.clone().unwrap_or_else(|| BASE.to_owned());
    let prepared = Prepared::new(common, std::slice::from_ref(&variant))?;
    let plan = &prepared.plans[0];
    let outlook = plan.outlook.as_ref().ok_or_else(|| {
        let fault = Fault::new("the scenario assumes nothing of the years ahead");
        let help = "add `[forecast]` with `api = \"llama-3.3-70b-versatile\"`; its other keys have defaults: \
                    `tokenfleet schema --reference`";
        argument(fault.help(help))
    })?;
    let catalog = Catalog::embedded();
    let trends = trends(&catalog, &arguments.paths).map_err(argument)?;

    let work = Work::begin(common, &prepared, &[plan], Order::Search, &command(arguments))?;
    let today = today(&prepared, plan, &work, !common.quiet)?;
    if outlook.power_limit_w.is_some() && today.watts.is_nan() {
        let message = "the power of its hardware is not known, so no limit can bind";
        return Err(argument(Fault::new(message).help("remove `forecast.power_limit`")));
    }
    let drawn: Vec<&Outlook> = plan
        .uncertain
        .iter()
        .flat_map(|uncertain| &uncertain.draws)
        .filter_map(|draw| draw.plan.outlook.as_ref())
        .collect();
    let path = |trend| {
        let trend: &Trend = trend;
        let each: Vec<_> =
            drawn.iter().map(|outlook| years(&today, outlook, trend.value)).collect();
        let path = years(&today, outlook, trend.value);
        let part = |ahead: usize| {
            let cheaper = each.iter().filter(|path| path[ahead].is_own_cheaper()).count();
            cheaper as f64 / each.len() as f64
        };
        let own_cheaper = match each.is_empty() {
            true => Vec::new(),
            false => (0..path.len()).map(part).collect(),
        };
        Path { trend, years: path, own_cheaper }
    };
    let forecast = Forecast {
        scenario: &prepared.name,
        variant: &variant,
        seed: prepared.seed,
        trials: prepared.trials,
        today,
        outlook,
        paths: trends.into_iter().map(path).collect(),
    };
    let words = table::forecast::in_words(&forecast).replace('\u{a0}', " ");
    let text = |style| table::forecast::render(&forecast, style);
    let answer = Answer::new(&text, forecast.to_json(words)?, |out| forecast.to_csv(out))?;
    if let Some(folder) = &work.folder {
        work.describe(folder, &prepared, prepared.trials, command(arguments), true)?;
        answer.write(folder, ["forecast.json", "forecast.csv"])?;
    }
    let written = work.finish(true)?;
    answer.show(common.format, written.as_deref())?;
    Ok(FINE)
}

/// The published rates, or the named ones of them, the slowest first.
fn trends<'c>(catalog: &'c Catalog, wanted: &[String]) -> Result<Vec<&'c Trend>, Fault> {
    let all: Vec<&Trend> = catalog.trends(TrendKind::PriceDecline).collect();
    if wanted.is_empty() {
        return Ok(all);
    }
    let names = || all.iter().map(|trend| trend.name.as_str());
    if let Some(unknown) = wanted.iter().find(|name| names().all(|known| known != name.as_str())) {
        return Err(Fault::unknown("price path", unknown, names()));
    }
    Ok(all.iter().copied().filter(|trend| wanted.contains(&trend.name)).collect())
}

/// What the fleet carries and what its tasks are, by simulation.
fn today(prepared: &Prepared, plan: &Plan, work: &Work, wanted: bool) -> Result<Today, Failure> {
    let argument = |fault: Fault| Failure::Argument(Faults::from(fault));
    let setup = Setup {
        objectives: &prepared.objectives,
        trials: prepared.trials,
        most_trials: prepared.trials.max(2),
        most_candidates: 39,
        most_replicas: u32::MAX,
        precision: 0.02,
        seed: prepared.seed,
        threads: prepared.threads,
        confidence: prepared.confidence,
    };
    let told = |_: &str, _: &Plan, found: &Assessment| {
        if wanted {
            let sure = if found.meets() { "carries it" } else { "does not" };
            remark(&format!("{} times the load: {sure}\n", format_number(found.load)));
        }
    };
    let stopped = |stopped: Stopped| match (work.check(), stopped) {
        (Err(failure), _) => failure,
        (Ok(()), Stopped::Asked) => work.stopped(),
        (Ok(()), other) => argument(Fault::new(other.to_string())),
    };
    let mut search = Search::new(setup, &work.watch, &work.store, &told);
    let knobs = Knob::of_all_pools(plan);
    let counts: Vec<u32> = knobs.iter().filter_map(|knob| knob.get(plan)).collect();
    let found = search.highest_load("", plan, &knobs, &counts).map_err(stopped)?;
    let carries = found.carries.ok_or_else(|| {
        let fault = Fault::new("the fleet does not meet its objectives at any load");
        argument(fault.help("`tokenfleet size` says what breaks first"))
    })?;
    let mean = |key: &str| {
        let value = Measure::mean(key).and_then(|measure| measure.of(&carries.figures).0);
        value.ok_or_else(|| argument(Fault::new(format!("{key} is not known: no task ended"))))
    };
    let rates = plan.populations.iter().map(|population| population.arrivals.mean_rate());
    let rate: Option<f64> = rates.sum();
    // A closed loop says how many users there are, not how many tasks they ask for.
    let carried = mean("tasks_per_s")?;
    let rate = rate.unwrap_or(carried / carries.load);
    Ok(Today {
        per_task: [
            mean("input_tokens_per_task")?,
            mean("cached_tokens_per_task")?,
            mean("output_tokens_per_task")?,
        ],
        tasks_per_s: rate,
        carries_per_s: rate * carries.load,
        units: plan.pools.iter().map(|pool| pool.replicas).max().unwrap_or(1),
        usd_per_h: usd_per_h(plan) + plan.most_demand_usd_per_h(),
        watts: plan.pools.iter().map(Pool::watts).sum(),
        gpus: gpus(plan),
    })
}

/// The words that give this result again.
fn command(arguments: &ForecastArguments) -> Vec<String> {
    let mut words = command_words("forecast", &arguments.common);
    let mut flag = |name: &str, value: &str| words.extend([name.to_owned(), value.to_owned()]);
    arguments.variant.iter().for_each(|name| flag("--variant", name));
    arguments.paths.iter().for_each(|path| flag("--path", path));
    words
}
