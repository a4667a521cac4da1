//! The answer on a terminal: what a planner reads in ten seconds.
//!
//! First a sentence, then figures with how far they may be off, at last what to beware of. Lines
//! fit the terminal; where it is narrow, the less important columns are left out.

pub mod calibration;
mod columns;
pub mod comparison;
mod errors;
pub mod explanation;
pub mod fitting;
pub mod forecast;
mod grid;
mod headline;
mod many;
mod one;
pub mod sensitivity;
pub mod sizing;
pub mod sweep;
mod uncertain;

use std::collections::BTreeMap;

use grid::{Tone, paragraph};

use crate::experiment::Answers;
use crate::foundations::units::{format_count, format_duration, format_percent};
use crate::simulation::plan::Plan;

pub use errors::{errors, targets};
pub use grid::Style;

/// The answer as text, every line of it ended by a line break.
pub fn render(answers: &Answers<'_>, style: Style) -> String {
    let style = style.readable();
    let mut text = title(answers, style);
    text.push('\n');
    match &answers.variants[..] {
        [] => {}
        [only] => text.push_str(&one::render(only, answers, style)),
        _ => text.push_str(&many::render(answers, style)),
    }
    text.push_str(&uncertain::render(answers, style));
    text.push_str(&warnings(answers, style));
    text
}

/// The answer in a sentence or two.
pub fn in_words(answers: &Answers<'_>) -> String {
    let text = match &answers.variants[..] {
        [only] => headline::of_one(only, answers.objectives, answers.confidence),
        _ => headline::of_many(answers),
    };
    text.replace(grid::UNBROKEN, " ")
}

fn title(answers: &Answers<'_>, style: Style) -> String {
    let mut text = Tone::Title.paint(answers.scenario, style);
    let trials = match (answers.stopped_after(), answers.planned) {
        (Some(done), planned) => {
            let stopped = format!("stopped after {done} of {planned} trials");
            Tone::Caution.paint(&stopped, style)
        }
        (None, 1) => "1 trial".to_owned(),
        (None, planned) => format!("{planned} trials"),
    };
    text.push_str(&format!(
        ": {trials}{}, seed {}, ± at {}\n",
        answers.variants.first().map_or_else(String::new, |answer| length(answer.plan)),
        answers.seed,
        format_percent(answers.confidence),
    ));
    text
}

/// How long a trial of this plan is: ` of 2 h, the first 10 min unmeasured`.
fn length(plan: &Plan) -> String {
    let horizon = plan.stop.horizon.map(|horizon| format_duration(horizon.as_s()));
    let tasks = plan.stop.tasks.map(|tasks| format!("{} tasks", format_count(tasks as f64)));
    let length = match (horizon, tasks) {
        (Some(horizon), Some(tasks)) => format!(" of {horizon} or {tasks}"),
        (Some(one), None) | (None, Some(one)) => format!(" of {one}"),
        (None, None) => String::new(),
    };
    match plan.warm_up.as_s() {
        0.0 => length,
        warm_up => format!("{length}, the first {} unmeasured", format_duration(warm_up)),
    }
}

/// All warnings, one paragraph each, each once, with the variants that it is about where that is not all of them.
pub fn warnings(answers: &Answers<'_>, style: Style) -> String {
    let mut about: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut order: Vec<&str> = Vec::new();
    for answer in &answers.variants {
        for warning in &answer.warnings {
            let variants = about.entry(warning).or_default();
            if variants.is_empty() {
                order.push(warning);
            }
            variants.push(&answer.plan.name);
        }
    }
    let mut text = String::new();
    for warning in order {
        let variants = &about[warning];
        let who = match variants.len() == answers.variants.len() {
            true => String::new(),
            false => format!("{}: ", variants.join(", ")),
        };
        if text.is_empty() {
            text.push('\n');
        }
        let lines = paragraph("! ", &format!("{who}{warning}"), style);
        text.push_str(&lines.replacen('!', &Tone::Caution.paint("!", style), 1));
    }
    text
}
