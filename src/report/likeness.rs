//! Generated agents held against recorded ones: distances and means, as a table.

use std::fmt::Write;

use serde::Serialize;

use super::published::{self, Published};
use crate::foundations::Law;
use crate::foundations::clusters::{Clusters, distance_by_chance};
use crate::foundations::fitting::{distance, distance_of_samples};
use crate::foundations::units::{format_duration, format_number, format_percent};
use crate::workload::trace::habits::Half;

/// The distance at which an archetype's law is called like the recording.
pub const ALIKE: f64 = 0.05;
/// The distance that is allowed where no family fits.
pub const NEAR: f64 = 0.10;
/// The difference of means that is allowed.
pub const MEANS: f64 = 0.05;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trait {
    /// Calls of a session.
    CallsPerSession,
    /// Calls of a person's request.
    CallsPerTask,
    /// Requests of a session.
    TasksPerSession,
    /// Tokens of a session's first prompt.
    FirstPrompt,
    /// Tokens of every prompt.
    Prompt,
    /// Tokens of every answer.
    Answer,
    /// What a tool adds to the context.
    Growth,
    /// Pauses for tools.
    ToolTime,
    /// Pauses of people.
    ThinkTime,
}

impl Trait {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::CallsPerSession => "calls of a session",
            Self::CallsPerTask => "calls of a task",
            Self::TasksPerSession => "tasks of a session",
            Self::FirstPrompt => "first prompt",
            Self::Prompt => "prompt",
            Self::Answer => "answer",
            Self::Growth => "growth by a tool",
            Self::ToolTime => "tool time",
            Self::ThinkTime => "think time",
        }
    }

    fn of(self, half: &Half) -> Vec<f64> {
        match self {
            Self::CallsPerSession => half.calls_per_session.clone(),
            Self::CallsPerTask => [&half.first_task_calls[..], &half.later_task_calls].concat(),
            Self::TasksPerSession => half.tasks_per_session.clone(),
            Self::FirstPrompt => half.first_input.clone(),
            Self::Prompt => half.input.clone(),
            Self::Answer => [&half.first_output[..], &half.later_output].concat(),
            Self::Growth => [&half.early_growth[..], &half.growth].concat(),
            Self::ToolTime => half.tool_s.clone(),
            Self::ThinkTime => half.think_s.clone(),
        }
    }

    /// What its values are told apart by: times by a nanosecond.
    fn grid(self) -> f64 {
        match self {
            Self::ToolTime | Self::ThinkTime => 1e-9,
            _ => 1.0,
        }
    }

    fn format(self, value: f64) -> String {
        match self {
            Self::ToolTime | Self::ThinkTime => format_duration(value),
            _ => format_number(value),
        }
    }
}

/// One trait of both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What it is.
    #[serde(rename = "trait")]
    pub of: Trait,
    /// Values recorded, in the half that judges, and generated.
    pub counts: (usize, usize),
    /// Kolmogorov-Smirnov distance.
    pub ks: f64,
    /// Distance that chance alone exceeds in 5 % of cases, sessions being independent.
    pub chance: f64,
    /// Means, recorded and generated.
    pub means: (f64, f64),
    /// Difference of means that chance alone exceeds in 5 % of cases, sessions being independent.
    pub mean_chance: f64,
    /// Distance and mean of sessions of a program that was fitted to the other half.
    pub fitted: Option<(f64, f64)>,
}

/// What is published of all that a recording is a part of.
#[derive(Clone, Debug)]
pub struct Whole {
    /// What it is of.
    pub of: Trait,
    /// Of how many values.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Its standard error, values being independent.
    pub error: f64,
    /// Their quantiles.
    pub law: Law,
}

/// One trait of generated sessions and of the whole of what a recording is a part of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WholeRow {
    /// What it is.
    #[serde(rename = "trait")]
    pub of: Trait,
    /// Values that the publication is of.
    pub count: u64,
    /// Kolmogorov-Smirnov distance.
    pub ks: f64,
    /// Means, published and generated.
    pub means: (f64, f64),
    /// Difference of means that chance alone exceeds in 5 % of cases, sessions being independent.
    pub mean_chance: f64,
}

/// What is said of a distance.
fn verdict(ks: f64, chance: f64) -> &'static str {
    match ks {
        _ if ks <= ALIKE => "like",
        _ if ks <= NEAR => "near",
        _ if ks <= chance => "chance",
        _ => "**off**",
    }
}

/// What is said of a generated mean.
fn means_verdict((mean, generated): (f64, f64), chance: f64) -> &'static str {
    match (generated - mean).abs() {
        difference if difference <= MEANS * mean => "agree",
        difference if difference <= chance => "chance",
        _ => "**off**",
    }
}

/// Sessions, one by one, that are held against each other.
#[derive(Clone, Copy, Debug)]
pub struct Sides<'s> {
    /// Recorded ones; every other one judges.
    pub recorded: &'s [Half],
    /// Those of an archetype.
    pub generated: &'s [Half],
    /// Those of a program that was fitted to the sessions between.
    pub fitted: Option<&'s [Half]>,
}

/// An archetype held against a recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Likeness {
    /// The archetype.
    pub archetype: String,
    /// The recording, for people.
    pub recording: String,
    /// Traits that both know.
    pub rows: Vec<Row>,
    /// Traits whose quantiles are published of all that the recording is a part of.
    pub whole: Vec<WholeRow>,
    /// Part of the prompt tokens that the session's own past held, recorded and generated.
    pub kept: Option<(f64, f64)>,
}

impl Likeness {
    /// Compares sessions of an archetype, and of a fitted program, with every other recorded one,
    /// and the archetype's with what is published of the `whole`.
    pub fn new(
        (archetype, recording): (&str, &str),
        traits: &[Trait],
        Sides { recorded, generated, fitted }: Sides,
        whole: &[Whole],
        seed: u64,
    ) -> Self {
        let judges: Vec<&Half> = recorded.iter().skip(1).step_by(2).collect();
        let generated: Vec<&Half> = generated.iter().collect();
        let fitted: Option<Vec<&Half>> = fitted.map(|fitted| fitted.iter().collect());
        let values = |of: Trait, sessions: &[&Half]| {
            Clusters::new(sessions.iter().map(|session| of.of(session)))
        };
        let row = |&of: &Trait| {
            let (one, other) = (values(of, &judges)?, values(of, &generated)?);
            let judging = one.values();
            let from = |other: &Clusters| distance_of_samples(&judging, &other.values());
            let fitted = fitted.as_ref().and_then(|fitted| values(of, fitted));
            Some(Row {
                of,
                counts: (one.count(), other.count()),
                ks: from(&other),
                chance: distance_by_chance(&one, &other, seed),
                means: (one.mean(), other.mean()),
                mean_chance: 1.96 * libm::hypot(one.standard_error(), other.standard_error()),
                fitted: fitted.map(|fitted| (from(&fitted), fitted.mean())),
            })
        };
        let of_whole = |Whole { of, count, mean, error, law }: &Whole| {
            let found = values(*of, &generated)?;
            Some(WholeRow {
                of: *of,
                count: *count,
                ks: distance(law, &found.values(), of.grid()),
                means: (*mean, found.mean()),
                mean_chance: 1.96 * libm::hypot(*error, found.standard_error()),
            })
        };
        let kept = |sessions: &[&Half]| {
            let sum = |of: fn(&Half) -> f64| sessions.iter().map(|half| of(half)).sum::<f64>();
            let (all, kept) = (sum(|half| half.tokens.0), sum(|half| half.tokens.1));
            (kept > 0.0).then(|| kept / all)
        };
        Self {
            archetype: archetype.to_owned(),
            recording: recording.to_owned(),
            rows: traits.iter().filter_map(row).collect(),
            whole: whole.iter().filter_map(of_whole).collect(),
            kept: kept(&judges).zip(kept(&generated)),
        }
    }

    fn write(&self, text: &mut String) {
        let Self { archetype, recording, rows, whole, kept } = self;
        let change = |mean: f64, from: f64| format!("{:+.1} %", (mean / from - 1.0) * 100.0);
        let _ = writeln!(text, "\n## {archetype}\n\n{recording}\n");
        text.push_str(
            "| trait | recorded | generated | KS | by chance | | mean recorded | mean generated \
             | | | KS, fitted | mean, fitted |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n",
        );
        for row in rows {
            let fitted = row.fitted.map_or("| ".to_owned(), |(ks, mean)| {
                format!("{ks:.3} | {}", change(mean, row.means.0))
            });
            let _ = writeln!(
                text,
                "| {} | {} | {} | {:.3} | {:.3} | {} | {} | {} | {} | {} | {fitted} |",
                row.of.name(),
                row.counts.0,
                row.counts.1,
                row.ks,
                row.chance,
                verdict(row.ks, row.chance),
                row.of.format(row.means.0),
                row.of.format(row.means.1),
                change(row.means.1, row.means.0),
                means_verdict(row.means, row.mean_chance),
            );
        }
        if !whole.is_empty() {
            text.push_str(
                "\nAgainst quantiles that are published of all of it:\n\n| trait | of all | KS | | mean \
                 of all | mean generated | | |\n|---|---|---|---|---|---|---|---|\n",
            );
        }
        for row in whole {
            let _ = writeln!(
                text,
                "| {} | {} | {:.3} | {} | {} | {} | {} | {} |",
                row.of.name(),
                row.count,
                row.ks,
                verdict(row.ks, 0.0),
                row.of.format(row.means.0),
                row.of.format(row.means.1),
                change(row.means.1, row.means.0),
                means_verdict(row.means, row.mean_chance),
            );
        }
        if let &Some((recorded, generated)) = kept {
            let _ = writeln!(
                text,
                "\nPrompt tokens that the session's own past held: {} recorded, {} generated.",
                format_percent(recorded),
                format_percent(generated)
            );
        }
    }
}

/// All that is held against recordings and publications.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Page {
    /// Archetypes held against recordings.
    pub likenesses: Vec<Likeness>,
    /// Published figures held against ours.
    pub published: Vec<Published>,
    /// What was not compared, and why.
    pub skipped: Vec<String>,
}

impl Page {
    /// A table for each archetype, and one of the published figures.
    pub fn text(&self) -> String {
        let Self { likenesses, published, skipped } = self;
        let mut text = String::from("# Agents as generated and as recorded\n\n");
        let _ = writeln!(
            text,
            "Each archetype of the catalog is simulated and held against recorded agents of its kind, \
             trait by trait: the Kolmogorov-Smirnov distance (KS) of generated values from those of \
             every other recorded session, the distance that chance alone exceeds in 5 % of cases, \
             whole sessions of both sides drawn anew, and the means. A trait is like the recording \
             within {ALIKE}, near within {NEAR}, and as far as chance where the recording is too \
             small to tell; means agree within {:.0} %, or as far as chance. The last two columns are \
             of a program that `tokenfleet import --fit` makes of the sessions between: fitted to one \
             half, simulated, and judged on the other.",
            MEANS * 100.0
        );
        for likeness in likenesses {
            likeness.write(&mut text);
        }
        text.push_str(&published::table(published));
        if !skipped.is_empty() {
            text.push_str("\n## Not compared\n\n");
            skipped.iter().for_each(|why| text.push_str(&format!("- {why}\n")));
        }
        text
    }
}
