//! What to beware of in an answer, in plain words.

use crate::foundations::Dimension;
use crate::foundations::units::{format_count, format_duration, format_number, format_percent};
use crate::simulation::Cause;
use crate::simulation::plan::Ending;

use super::answer::Answer;
use super::evidence::{QUANTILES, Value};
use super::metric::{Metric, Scope};
use super::trial::TrialRow;

/// Half-width over value from which on a figure means little.
const VAGUE: f64 = 0.5;
/// Largest over smallest value of a figure in the trials, from which on they disagree.
const DISAGREEING: f64 = 10.0;
/// Figures whose agreement between trials is looked at.
const LOOKED_AT: [&str; 7] = [
    "task_latency_s",
    "ttft_s",
    "tpot_s",
    "call_latency_s",
    "tokens_per_task",
    "usd_per_task",
    "usd_per_mtoken_output",
];

/// All warnings about an answer, the worst first.
pub(super) fn warnings(answer: &Answer<'_>, planned: u64) -> Vec<String> {
    let mut found = Vec::new();
    let done = answer.rows.len() as u64;
    if done < planned {
        found.push(format!("stopped after {done} of {planned} trials"));
    }
    if done == 0 {
        return found;
    }
    found.extend(broken_sums(answer));
    found.extend(unfit_load(answer));
    found.extend(refused_replicas(answer));
    found.extend(lost_tasks(answer));
    found.extend(long_tasks(answer));
    found.extend(vague_figures(answer));
    found.extend(few_observations(answer));
    found.extend((done == 1).then(|| single_trial(answer)));
    let (kept, seen) = (answer.tasks.count() as u64, answer.tasks.seen());
    if kept < seen {
        let rows = format_count(kept as f64);
        found.push(format!("tasks.csv is a uniform sample of {rows} of all tasks"));
    }
    found
}

fn single_trial(answer: &Answer<'_>) -> String {
    let unsure = |key: &&&str| {
        let figure = answer.fleet(key);
        figure.mean.is_some() && figure.interval.is_none()
    };
    let unsure: Vec<_> = LOOKED_AT.iter().filter(unsure).copied().collect();
    let silent = match unsure.is_empty() {
        true => String::new(),
        false => format!(" and none can be given for {}", unsure.join(", ")),
    };
    format!(
        "one trial: intervals come from batches inside it, say nothing about other seeds{silent}; \
         run more with --trials"
    )
}

fn broken_sums(answer: &Answer<'_>) -> Option<String> {
    let broken =
        |row: &TrialRow| row.conservation.violations().first().map(|sum| (row.trial, sum.clone()));
    let (trial, sum) = answer.rows.iter().find_map(broken)?;
    Some(format!("trial {trial} does not add up, which is a fault of this program: {sum}"))
}

/// Counts over all trials.
fn sum(answer: &Answer<'_>, of: impl Fn(&TrialRow) -> u64) -> u64 {
    answer.rows.iter().map(of).sum()
}

/// Requests waiting in the first and the last third of the measured window, averaged over trials.
fn queue_growth(answer: &Answer<'_>) -> Option<(f64, f64)> {
    let (from_s, to_s) = answer.rows.first()?.window_s;
    let length_s = answer.series.length.as_s();
    let third = (to_s - from_s) / 3.0;
    let mean = |from_s: f64, to_s: f64| {
        let bins = answer.series.bins.iter().enumerate();
        let inside = bins.filter(|(index, _)| {
            let start_s = *index as f64 * length_s;
            start_s >= from_s && start_s + length_s <= to_s
        });
        let (waiting, covered) = inside.fold((0.0, 0.0), |(waiting, covered), (_, bin)| {
            let all: u128 = bin.pools.iter().map(|pool| pool.waiting_ps).sum();
            (waiting + all as f64, covered + bin.covered_ps as f64)
        });
        (covered > 0.0).then(|| waiting / covered)
    };
    Some((mean(from_s, from_s + third)?, mean(to_s - third, to_s)?))
}

/// Tasks that started in the measured window, and tasks that ended in it, where these are fewer
/// than chance explains.
fn shortfall(answer: &Answer<'_>) -> Option<(f64, f64)> {
    let started = sum(answer, |row| row.started) as f64;
    let ended = sum(answer, |row| row.finished_in_window) as f64;
    let behind = started - ended;
    (behind > 3.0 * libm::sqrt(started) && behind > 0.02 * started).then_some((started, ended))
}

/// The queue at the start and the end of the measured window, where it grows and tasks fall behind.
fn overload(answer: &Answer<'_>) -> Option<(f64, f64)> {
    shortfall(answer)?;
    queue_growth(answer).filter(|(first, last)| *last > 1.5 * first + 0.5)
}

/// Whether tasks end as fast as they start.
pub(super) fn keeps_up(answer: &Answer<'_>) -> bool {
    overload(answer).is_none()
}

/// How a trial is made longer.
fn longer(answer: &Answer<'_>) -> &'static str {
    match answer.plan.stop.tasks {
        Some(_) => "simulate more tasks",
        None => "lengthen the horizon and the warm-up",
    }
}

fn unfit_load(answer: &Answer<'_>) -> Option<String> {
    if sum(answer, |row| row.started) == 0 {
        let mend = "lengthen the horizon or shorten the warm-up";
        return Some(format!("no task started in the measured window: {mend}"));
    }
    let (started, ended) = shortfall(answer)?;
    let ended = format_percent(ended / started);
    Some(match overload(answer) {
        Some((first, last)) => format!(
            "the fleet does not keep up: only {ended} as many tasks ended as started, and the \
             queue grew from {} to {} requests; latencies depend on how long one looks",
            format_number(first),
            format_number(last)
        ),
        None => format!(
            "only {ended} as many tasks ended in the measured window as started in it: tasks are \
             long for the window, so what is counted per task is overstated; {}",
            longer(answer)
        ),
    })
}

/// Where the site has too little for what autoscalers ask for.
fn refused_replicas(answer: &Answer<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (part, name) in answer.parts_of(Scope::Pool) {
        let refused = |key: &str| answer.of(part, key).mean.filter(|&mean| mean > 0.0);
        let mut bind = |limit: String, key: &str, mean: f64| {
            found.push(format!(
                "the {limit} of the site bind: the autoscaler of `{name}` asked for {} replicas \
                 more than they are enough for, averaged over the measured window; raise `site.{key}`",
                format_number(mean)
            ));
        };
        if let Some((mean, limit_w)) =
            refused("replicas_without_power").zip(answer.plan.power_limit_w)
        {
            bind(Dimension::Power.format(limit_w), "power_limit", mean);
        }
        if let Some((mean, racks)) =
            refused("replicas_without_racks").zip(answer.plan.racks.as_ref())
        {
            bind(format!("{} racks", racks.limit), "racks", mean);
        }
    }
    found
}

fn lost_tasks(answer: &Answer<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let started = sum(answer, |row| row.started);
    let share = |count: u64| format_percent(count as f64 / started as f64);
    let mut failures: Vec<_> = Cause::ALL
        .iter()
        .map(|&(cause, name)| (sum(answer, |row| row.failed[cause as usize]), cause, name))
        .filter(|&(count, ..)| count > 0)
        .collect();
    failures.sort_by_key(|&(count, cause, _)| (std::cmp::Reverse(count), cause));
    // That some programs end without success is what they were told to do.
    if failures.iter().any(|&(_, cause, _)| cause != Cause::Program) {
        let causes: Vec<_> = failures
            .iter()
            .map(|&(count, cause, _)| format!("{} {}", share(count), words(cause)))
            .collect();
        found.push(format!("some tasks failed: {}", causes.join(", ")));
    }
    let in_flight = sum(answer, |row| row.in_flight);
    if in_flight > 0 {
        let why = match answer.plan.ending {
            Ending::Cut => "when the trial was cut at its horizon".to_owned(),
            Ending::Drain(longest) => {
                format!("after a drain of {}", format_duration(longest.as_s()))
            }
        };
        found.push(format!(
            "{} of tasks were still under way {why}: they count as not succeeded and as \
             infinitely late",
            share(in_flight)
        ));
    }
    found
}

/// Why tasks failed, behind a number of them.
fn words(cause: Cause) -> &'static str {
    match cause {
        Cause::Program => "gave up",
        Cause::CallLimit => "used up their calls",
        Cause::TokenLimit => "used up their tokens",
        Cause::BudgetLimit => "used up their dollars",
        Cause::Deadline => "ran past their deadline",
        Cause::CallFailed => "had a call that failed in every attempt",
        Cause::ContextOverflow => "outgrew the model's context",
        Cause::MemoryOverflow => "needed more KV memory than a replica has",
    }
}

fn long_tasks(answer: &Answer<'_>) -> Option<String> {
    let (from_s, to_s) = answer.rows.first()?.window_s;
    let late = answer.fleet("task_latency_s").quantiles[2]?.value;
    (late > to_s - from_s).then(|| {
        format!(
            "one task in twenty takes longer than {}, the whole measured window is {}; {}",
            format_duration(late),
            format_duration(to_s - from_s),
            longer(answer)
        )
    })
}

/// How a figure, or a quantile of it, spreads between trials: the largest over the smallest.
fn disagreement(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let range = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    (range.1 >= DISAGREEING * range.0 && range.1 > 0.0).then_some(range)
}

fn vague_figures(answer: &Answer<'_>) -> Option<String> {
    let mut found = Vec::new();
    for key in LOOKED_AT {
        let Some(metric) = Metric::find(key) else { continue };
        found.extend(vague_figure(answer, metric).map(|range| format!("{key} {range}")));
    }
    (!found.is_empty()).then(|| {
        let shown = found.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
        let more = match found.len().saturating_sub(4) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("the spread between trials makes these figures meaningless: {shown}{more}")
    })
}

fn vague_figure(answer: &Answer<'_>, metric: &'static Metric) -> Option<String> {
    let show = |value: f64| metric.unit.dimension().format(value);
    let values: Vec<Value> = answer.rows.iter().map(|row| row.parts[0][metric.index()]).collect();
    if values.len() > 2 {
        let quantile = |index: usize| {
            let all = values.iter().filter_map(|value| value.spread);
            all.map(move |spread| spread.quantiles[index])
        };
        for (name, range) in [
            ("p50", disagreement(quantile(0))),
            ("mean", disagreement(values.iter().filter_map(Value::get))),
            ("p99", disagreement(quantile(3))),
        ] {
            if let Some((low, high)) = range {
                return Some(format!("({name} from {} to {})", show(low), show(high)));
            }
        }
    }
    let figure = &answer.figures[0][metric.index()];
    let (mean, interval) = (figure.mean?, figure.interval?);
    let vague = interval.half_width() > VAGUE * mean;
    vague.then(|| format!("({} to {})", show(interval.low), show(interval.high)))
}

fn few_observations(answer: &Answer<'_>) -> Option<String> {
    let few = |key: &str, things: &str| {
        let n = answer.fleet(key).n;
        let p99 = 1.0 - QUANTILES[3];
        (n > 0 && (n as f64) * p99 < 10.0).then(|| match n {
            0..100 => format!("only {n} {things}, too few for a p99"),
            _ => format!(
                "only {n} {things}: their p99 rests on {}",
                format_number(libm::floor(n as f64 * p99))
            ),
        })
    };
    few("task_latency_s", "tasks came to an end").or_else(|| few("ttft_s", "calls were answered"))
}
