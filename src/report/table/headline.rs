//! The answer in a sentence or two.

use super::grid::UNBROKEN;
use super::uncertain;
use crate::experiment::{Answer, Answers, Metric, Objective, Scope, Unit, Verdict};
use crate::report::quantity::{plain, roughly, with_interval};

/// A quantity that stays on its line.
fn unbroken(text: String) -> String {
    text.replace(' ', &UNBROKEN.to_string())
}

/// A figure of the fleet, with its interval.
fn sure(answer: &Answer<'_>, key: &str) -> String {
    let figure = answer.fleet(key);
    let unit = Metric::find(key).map(|metric| metric.unit);
    let text = unit.map(|unit| with_interval(unit, figure.mean, figure.interval));
    text.map_or_else(String::new, unbroken)
}

/// A figure of the fleet, as one says it.
fn about(answer: &Answer<'_>, key: &str) -> String {
    let unit = Metric::find(key).map(|metric| metric.unit);
    let text = unit.map(|unit| roughly(unit, answer.fleet(key).mean));
    text.map_or_else(String::new, unbroken)
}

/// What one variant comes to.
pub(super) fn of_one(answer: &Answer<'_>, objectives: &[Objective], confidence: f64) -> String {
    let latency = answer.fleet("task_latency_s");
    if answer.fleet("llm_calls_per_task").n == 0 {
        return "No task ended in the measured window.".to_owned();
    }
    let mut text = String::new();
    if !answer.keeps_up {
        text.push_str("The fleet does not keep up with its load. ");
    }
    let mut agents = answer.parts_of(Scope::Agent);
    let whose = match (agents.next(), agents.next()) {
        (Some((_, only)), None) => format!(" of {only}"),
        _ => String::new(),
    };
    let slow = latency.quantiles[2].map_or_else(String::new, |p95| {
        let unit = Metric::find("task_latency_s").map(|metric| metric.unit);
        unit.map_or_else(String::new, |unit| {
            format!(" (p95{UNBROKEN}{})", unbroken(roughly(unit, Some(p95.value))))
        })
    });
    text.push_str(&format!(
        "A task{whose} takes {}{slow}, makes {}. It costs {}, idle time included; {} of tasks \
         succeed.",
        about(answer, "task_latency_s"),
        work(answer),
        sure(answer, "usd_per_task"),
        unbroken(plain(Unit::Share, answer.fleet("task_success_rate").mean)),
    ));
    text.push_str(&uncertain::in_words(answer, confidence));
    if !objectives.is_empty() {
        text.push(' ');
        text.push_str(&demands(answer, objectives));
    }
    text
}

/// Whether a variant does what was demanded.
fn demands(answer: &Answer<'_>, objectives: &[Objective]) -> String {
    let missed: Vec<_> = objectives
        .iter()
        .zip(&answer.verdicts)
        .filter(|(_, verdict)| !verdict.met)
        .map(|(objective, verdict)| missed(objective, verdict))
        .collect();
    match (objectives.len(), missed.len()) {
        (1, 0) => "The objective is met.".to_owned(),
        (2, 0) => "Both objectives are met.".to_owned(),
        (all, 0) => format!("All {all} objectives are met."),
        (_, _) => format!("Missed: {}.", missed.join("; ")),
    }
}

fn missed(objective: &Objective, verdict: &Verdict) -> String {
    let unit = objective.metric.unit;
    let value = (!verdict.value.is_nan()).then_some(verdict.value);
    format!(
        "{} is {}, {} {} asked",
        objective.name,
        unbroken(plain(unit, value)),
        if objective.at_least { "at least" } else { "at most" },
        unbroken(plain(unit, Some(objective.limit))),
    )
}

/// What several variants come to.
pub(super) fn of_many(answers: &Answers<'_>) -> String {
    let all: Vec<&Answer<'_>> = answers.variants.iter().collect();
    let good: Vec<&Answer<'_>> = all.iter().copied().filter(|answer| answer.meets_all()).collect();
    let demanded = !answers.objectives.is_empty();
    let (verdict, candidates) = match (demanded, good.len()) {
        (false, _) => (String::new(), all.clone()),
        (true, 0) => {
            (format!("No variant meets all objectives. {} ", misses(answers, &all)), all.clone())
        }
        (true, met) if met == all.len() => ("All variants meet all objectives. ".to_owned(), good),
        (true, _) => {
            let bad: Vec<_> = all.iter().copied().filter(|answer| !answer.meets_all()).collect();
            (format!("{} ", misses(answers, &bad)), good)
        }
    };
    let cost = |answer: &Answer<'_>| answer.fleet("usd_per_successful_task").mean;
    let costs = candidates.iter().filter_map(|&answer| Some((answer, cost(answer)?)));
    let Some((best, least)) = costs.min_by(|one, other| one.1.total_cmp(&other.1)) else {
        return format!("{verdict}No variant finished a task.");
    };
    let among = if demanded && candidates.len() < all.len() { " that meets all" } else { "" };
    let mut text = format!(
        "{}{verdict}Cheapest{among} is {}: {} per successful task, idle time included.",
        same_work(&all),
        best.plan.name,
        sure(best, "usd_per_successful_task"),
    );
    let others = all.iter().filter(|answer| answer.plan.name != best.plan.name);
    let factors: Vec<_> = others
        .filter_map(|other| Some((other.plan.name.as_str(), cost(other)? / least)))
        .enumerate()
        .map(|(at, (name, factor))| {
            let verb = if at == 0 { "costs " } else { "" };
            let times = match (roughly(Unit::Ratio, Some(factor)), at) {
                (one, _) if one == "1" => "as much".to_owned(),
                (times, 0) => format!("{times} times as much"),
                (times, _) => format!("{times} times"),
            };
            format!("{name} {verb}{times}")
        })
        .collect();
    if !factors.is_empty() {
        text.push_str(&format!(" {}.", factors.join(", ")));
    }
    text
}

/// What a task takes, where that is the same in all variants.
fn same_work(variants: &[&Answer<'_>]) -> String {
    match variants {
        [first, rest @ ..] if rest.iter().all(|other| work(other) == work(first)) => {
            format!("A task makes {}. ", work(first))
        }
        _ => String::new(),
    }
}

/// What a task takes: `21 LLM calls and burns 500 k tokens, 1100 times one plain prompt and answer`.
fn work(answer: &Answer<'_>) -> String {
    let calls = match about(answer, "llm_calls_per_task") {
        one if one == "1" => "1 LLM call".to_owned(),
        some => format!("{some} LLM calls"),
    };
    let amplified = match about(answer, "amplification") {
        one if one == "1" => "as many as".to_owned(),
        times => format!("{times} times"),
    };
    let tokens = about(answer, "tokens_per_task");
    format!("{calls} and burns {tokens} tokens, {amplified} one plain prompt and answer")
}

/// Which objectives these variants miss: `base misses ttft_p99, tpot_p95; h200 misses ttft_p99.`
fn misses(answers: &Answers<'_>, variants: &[&Answer<'_>]) -> String {
    let missed = variants.iter().map(|answer| {
        let pairs = answers.objectives.iter().zip(&answer.verdicts);
        let names: Vec<_> = pairs
            .filter(|(_, verdict)| !verdict.met)
            .map(|(objective, _)| objective.name.as_str())
            .collect();
        format!("{} misses {}", answer.plan.name, names.join(", "))
    });
    missed.collect::<Vec<_>>().join("; ") + "."
}
