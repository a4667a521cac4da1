//! Generated agents held against recorded ones: distances and means, as a table.

use std::fmt::Write;

use serde::Serialize;

use super::published::{self, Published};
use crate::foundations::fitting::distance_of_samples;
use crate::foundations::units::{format_duration, format_number, format_percent};
use crate::workload::trace::habits::{Habits, Half};

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
            Self::CallsPerTask => half.calls_per_task.clone(),
            Self::TasksPerSession => half.tasks_per_session.clone(),
            Self::FirstPrompt => half.first_input.clone(),
            Self::Prompt => half.input.clone(),
            Self::Answer => [&half.first_output[..], &half.later_output].concat(),
            Self::Growth => half.growth.clone(),
            Self::ToolTime => half.tool_s.clone(),
            Self::ThinkTime => half.think_s.clone(),
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
    /// Distance that chance alone exceeds in 5 % of cases between so many independent values.
    pub chance: f64,
    /// Means, recorded and generated.
    pub means: (f64, f64),
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
    /// Part of the prompt tokens that the session's own past held, recorded and generated.
    pub kept: Option<(f64, f64)>,
}

impl Likeness {
    /// Compares generated sessions with every other recorded one.
    pub fn new(
        archetype: &str,
        recording: &str,
        traits: &[Trait],
        recorded: &Habits,
        generated: &Habits,
    ) -> Self {
        let half = &recorded.halves[1];
        let row = |&of: &Trait| {
            let (mut one, mut other) = (of.of(half), of.of(&generated.halves[0]));
            other.extend(of.of(&generated.halves[1]));
            if one.is_empty() || other.is_empty() {
                return None;
            }
            one.sort_by(f64::total_cmp);
            other.sort_by(f64::total_cmp);
            let (n, m) = (one.len() as f64, other.len() as f64);
            let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
            Some(Row {
                of,
                counts: (one.len(), other.len()),
                ks: distance_of_samples(&one, &other),
                // Smirnov's limit law at 95 %.
                chance: 1.358 * libm::sqrt((n + m) / (n * m)),
                means: (mean(&one), mean(&other)),
            })
        };
        let kept = |halves: &[Half]| {
            let sum = |of: fn(&Half) -> f64| halves.iter().map(of).sum::<f64>();
            let (all, kept) = (sum(|half| half.tokens.0), sum(|half| half.tokens.1));
            (kept > 0.0).then(|| kept / all)
        };
        Self {
            archetype: archetype.to_owned(),
            recording: recording.to_owned(),
            rows: traits.iter().filter_map(row).collect(),
            kept: kept(&recorded.halves[1..]).zip(kept(&generated.halves)),
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
         every other recorded session, the distance that chance alone exceeds in 5 % of cases if \
         all values were independent (values of one session are not), and the means. A trait is \
         like the recording within {ALIKE}, near within {NEAR}; means agree within {:.0} %.",
            MEANS * 100.0
        );
        for likeness in likenesses {
            let _ = writeln!(text, "\n## {}\n\n{}\n", likeness.archetype, likeness.recording);
            text.push_str("| trait | recorded | generated | KS | by chance | | mean recorded | mean generated | | |\n");
            text.push_str("|---|---|---|---|---|---|---|---|---|---|\n");
            for row in &likeness.rows {
                let change = row.means.1 / row.means.0 - 1.0;
                let verdict = if row.ks <= ALIKE {
                    "like"
                } else if row.ks <= NEAR {
                    "near"
                } else {
                    "**off**"
                };
                let means = if change.abs() <= MEANS { "agree" } else { "**off**" };
                let _ = writeln!(
                    text,
                    "| {} | {} | {} | {:.3} | {:.3} | {verdict} | {} | {} | {:+.1} % | {means} |",
                    row.of.name(),
                    row.counts.0,
                    row.counts.1,
                    row.ks,
                    row.chance,
                    row.of.format(row.means.0),
                    row.of.format(row.means.1),
                    change * 100.0
                );
            }
            if let Some((recorded, generated)) = likeness.kept {
                let _ = writeln!(
                    text,
                    "\nPrompt tokens that the session's own past held: {} recorded, {} generated.",
                    format_percent(recorded),
                    format_percent(generated)
                );
            }
        }
        text.push_str(&published::table(published));
        if !skipped.is_empty() {
            text.push_str("\n## Not compared\n\n");
            skipped.iter().for_each(|why| text.push_str(&format!("- {why}\n")));
        }
        text
    }
}
