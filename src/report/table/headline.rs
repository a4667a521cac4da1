//! The answer in a sentence or two.

use crate::experiment::{Answer, Answers, Metric, Objective, Scope, Unit, Verdict};
use crate::report::quantity::{plain, roughly, with_interval};

/// A figure of the fleet, with its interval.
fn sure(answer: &Answer<'_>, key: &str) -> String {
    let figure = answer.fleet(key);
    let unit = Metric::find(key).map(|metric| metric.unit);
    unit.map_or_else(String::new, |unit| with_interval(unit, figure.mean, figure.interval))
}

/// A figure of the fleet, as one says it.
fn about(answer: &Answer<'_>, key: &str) -> String {
    let unit = Metric::find(key).map(|metric| metric.unit);
    unit.map_or_else(String::new, |unit| roughly(unit, answer.fleet(key).mean))
}

/// What one variant comes to.
pub(super) fn of_one(answer: &Answer<'_>, objectives: &[Objective]) -> String {
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
        unit.map_or_else(String::new, |unit| format!(" (p95 {})", roughly(unit, Some(p95.value))))
    });
    text.push_str(&format!(
        "A task{whose} takes {}{slow}, makes {} LLM calls and burns {} tokens, {} times one plain \
         prompt and answer. It costs {}, idle time included; {} of tasks succeed.",
        about(answer, "task_latency_s"),
        about(answer, "llm_calls_per_task"),
        about(answer, "tokens_per_task"),
        about(answer, "amplification"),
        sure(answer, "usd_per_task"),
        plain(Unit::Share, answer.fleet("task_success_rate").mean),
    ));
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
        plain(unit, value),
        if objective.at_least { "at least" } else { "at most" },
        plain(unit, Some(objective.limit)),
    )
}

/// What several variants come to.
pub(super) fn of_many(answers: &Answers<'_>) -> String {
    let candidates: Vec<&Answer<'_>> =
        answers.variants.iter().filter(|answer| answer.meets_all()).collect();
    let demanded = !answers.objectives.is_empty();
    let cost = |answer: &Answer<'_>| answer.fleet("usd_per_successful_task").mean;
    let by_cost = |answers: &[&Answer<'_>]| -> Option<usize> {
        let costs = answers.iter().enumerate().filter_map(|(at, answer)| Some((at, cost(answer)?)));
        costs.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(at, _)| at)
    };
    let Some(best) = by_cost(&candidates).map(|at| candidates[at]) else {
        return if demanded {
            "No variant meets all objectives.".to_owned()
        } else {
            "No variant finished a task.".to_owned()
        };
    };
    let among = match (demanded, candidates.len()) {
        (false, _) => "Cheapest".to_owned(),
        (true, 1) => "Only".to_owned(),
        (true, met) => format!("Of {met} variants that meet all objectives, cheapest"),
    };
    let meets = if demanded && candidates.len() == 1 { " meets all objectives" } else { "" };
    let mut text = format!(
        "{among}{} {}{meets}: {} per successful task, idle time included.",
        if meets.is_empty() { " is" } else { "" },
        best.plan.name,
        sure(best, "usd_per_successful_task"),
    );
    let others = answers.variants.iter().filter(|answer| answer.plan.name != best.plan.name);
    let dearer = others.filter_map(|other| Some((other, cost(other)? / cost(best)?)));
    let dearer: Vec<_> = dearer
        .enumerate()
        .map(|(at, (other, factor))| {
            let (verb, end) = if at == 0 { ("costs ", " as much") } else { ("", "") };
            format!("{} {verb}{} times{end}", other.plan.name, roughly(Unit::Ratio, Some(factor)))
        })
        .collect();
    if !dearer.is_empty() {
        text.push_str(&format!(" {}.", dearer.join(", ")));
    }
    text
}
