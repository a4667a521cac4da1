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
    /// Difference of means that chance alone exceeds in 5 % of cases between so many independent
    /// values.
    pub mean_chance: f64,
    /// Distance and mean of sessions of a program that was fitted to the other half.
    pub fitted: Option<(f64, f64)>,
}

impl Row {
    fn means_verdict(&self) -> &'static str {
        match (self.means.1 - self.means.0).abs() {
            difference if difference <= MEANS * self.means.0 => "agree",
            difference if difference <= self.mean_chance => "chance",
            _ => "**off**",
        }
    }

    fn verdict(&self) -> &'static str {
        match self.ks {
            ks if ks <= ALIKE => "like",
            ks if ks <= NEAR => "near",
            ks if ks <= self.chance => "chance",
            _ => "**off**",
        }
    }
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
    /// Compares sessions of an archetype, and of a program `fitted` to the other half, with every
    /// other recorded one.
    pub fn new(
        (archetype, recording): (&str, &str),
        traits: &[Trait],
        recorded: &Habits,
        generated: &Habits,
        fitted: Option<&Habits>,
    ) -> Self {
        let row = |&of: &Trait| {
            let sorted = |halves: &[Half]| {
                let mut values: Vec<f64> = halves.iter().flat_map(|half| of.of(half)).collect();
                values.sort_by(f64::total_cmp);
                Some(values).filter(|values| !values.is_empty())
            };
            let one = sorted(&recorded.halves[1..])?;
            let other = sorted(&generated.halves)?;
            let fitted = fitted.and_then(|fitted| sorted(&fitted.halves));
            let (n, m) = (one.len() as f64, other.len() as f64);
            let (mean, error) = mean_and_error(&one);
            let (other_mean, other_error) = mean_and_error(&other);
            Some(Row {
                of,
                counts: (one.len(), other.len()),
                ks: distance_of_samples(&one, &other),
                // Smirnov's limit law at 95 %.
                chance: 1.358 * libm::sqrt((n + m) / (n * m)),
                means: (mean, other_mean),
                mean_chance: 1.96 * libm::hypot(error, other_error),
                fitted: fitted
                    .map(|values| (distance_of_samples(&one, &values), mean_and_error(&values).0)),
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

/// The mean of some values, and its standard error if they are independent.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>();
    (mean, libm::sqrt(square / (n - 1.0).max(1.0) / n))
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
         like the recording within {ALIKE}, near within {NEAR}, and as far as chance where the \
         recording is too small to tell; means agree within {:.0} %, or as far as chance. The last \
         two columns are of a program that `tokenfleet import --fit` makes of the sessions between: \
         fitted to one half, simulated, and judged on the other.",
            MEANS * 100.0
        );
        for likeness in likenesses {
            let _ = writeln!(text, "\n## {}\n\n{}\n", likeness.archetype, likeness.recording);
            text.push_str(
                "| trait | recorded | generated | KS | by chance | | mean recorded | mean generated \
                 | | | KS, fitted | mean, fitted |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n",
            );
            for row in &likeness.rows {
                let change = |mean: f64| format!("{:+.1} %", (mean / row.means.0 - 1.0) * 100.0);
                let fitted = row
                    .fitted
                    .map_or("| ".to_owned(), |(ks, mean)| format!("{ks:.3} | {}", change(mean)));
                let _ = writeln!(
                    text,
                    "| {} | {} | {} | {:.3} | {:.3} | {} | {} | {} | {} | {} | {fitted} |",
                    row.of.name(),
                    row.counts.0,
                    row.counts.1,
                    row.ks,
                    row.chance,
                    row.verdict(),
                    row.of.format(row.means.0),
                    row.of.format(row.means.1),
                    change(row.means.1),
                    row.means_verdict(),
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
