//! Step times as they were measured, in place of the model's formula.
//!
//! Whoever has a table of steps (requests that decode, their contexts, new prompt tokens, ms) need
//! not trust constants fitted to other machines. Between its points a step must stay what the
//! simulator leaps over: linear in the sum of contexts. So decode steps are read as
//!
//! ```text
//! ms(batch, context) = base(batch) + slope batch context
//! ```
//!
//! with one slope by least squares within batches, and a base that never falls (*isotonic*) and is
//! linear between the batches of the table. Steps with prompt tokens are a second base, by all new
//! tokens of the step, once attention over their prompts is taken off as the formula has it. So are
//! head and host, which depend on requests rather than tokens; where they would be more than half of
//! a step, or grow faster than it, they count for less. Beyond the table both bases go on with their last slope, which the
//! caller is told to warn of.

mod curve;

use serde::Deserialize;

use curve::Curve;

/// One measured step.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct MeasuredStep {
    /// Requests that decode in it.
    pub batch: u32,
    /// Tokens of context of each of them, the mean.
    pub context: f64,
    /// Prompt tokens computed in it, of one prompt.
    pub new_tokens: u32,
    /// Tokens of that prompt that were computed before.
    #[serde(default)]
    pub cached_tokens: u32,
    /// How long it lasts, ms.
    pub ms: f64,
}

/// A table of steps, ready to be interpolated.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredSteps {
    /// Decode steps at no context, s, by requests; head and host apart.
    decode: Curve,
    /// The same of steps with prompt tokens, by new tokens; their attention apart.
    prompt: Option<Curve>,
    /// These with head and attention.
    busy: Option<Curve>,
    /// Seconds for each token of context.
    context_s: f64,
    /// Shares of the formula's times that the table leaves room for.
    shares: Shares,
    /// Longest context of the table.
    longest_context: f64,
    /// Largest error of a row, as a share of its time.
    worst: f64,
    rows: u32,
}

/// Parts of a step by the formula, seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct FormulaParts {
    /// Work for requests, the step's own overhead.
    pub(super) host_s: f64,
    /// Output matrix.
    pub(super) head_s: f64,
    /// Attention over prompts.
    pub(super) attention_s: f64,
}

/// Parts of steps that stay the formula's, as shares of what it has for them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shares {
    /// Head, work for requests, the step's own overhead.
    pub(super) host: f64,
    /// Attention over prompts.
    pub(super) attention: f64,
}

/// Why a table cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum UnusableSteps {
    /// A figure that cannot be.
    #[error("row {row}: {reason}")]
    Row {
        /// Its number, from 1.
        row: usize,
        /// What is wrong.
        reason: String,
    },
    /// The same step with times that differ by more than noise.
    #[error("rows {rows:?} are the same step, but take {ms:?} ms")]
    Contradiction {
        /// Their numbers, from 1.
        rows: [usize; 2],
        /// Their times.
        ms: [f64; 2],
    },
    /// Too little to interpolate.
    #[error("{0}")]
    TooFew(String),
    /// Longer contexts are not slower in proportion, or larger batches not slower.
    #[error("row {row} takes {ms} ms where its neighbours leave {expected:.3} ms")]
    Crooked {
        /// Its number, from 1.
        row: usize,
        /// Its time.
        ms: f64,
        /// What a table that a step can be read from would have.
        expected: f64,
    },
}

impl MeasuredSteps {
    /// Reads a table, given what the formula has for the parts of a row.
    ///
    /// # Errors
    /// [`UnusableSteps`].
    pub(super) fn new(
        rows: &[MeasuredStep],
        formula: impl Fn(&MeasuredStep) -> FormulaParts,
    ) -> Result<Self, UnusableSteps> {
        check(rows)?;
        let decodes: Vec<&MeasuredStep> = rows.iter().filter(|row| row.new_tokens == 0).collect();
        let context_s = slope(&decodes)?;
        let decoding = |row: &MeasuredStep| context_s * f64::from(row.batch) * row.context;
        let rest = |row: &MeasuredStep| (row.ms * 1e-3 - decoding(row)).max(1e-9);
        let host = |row: &MeasuredStep| formula(row).host_s;
        let head = |row: &MeasuredStep| formula(row).head_s;
        let attention = |row: &MeasuredStep| formula(row).attention_s;
        // At most half of a step each, or little would be left to interpolate.
        let room =
            |has: f64, takes: f64| if takes > 0.0 { (0.5 * has / takes).min(1.0) } else { 1.0 };
        let batch = |row: &MeasuredStep| f64::from(row.batch);
        let few = || UnusableSteps::TooFew("there are no decode steps".to_owned());
        let whole = Curve::isotonic(decodes.iter().map(|row| (batch(row), rest(row))).collect());
        let whole = whole.ok_or_else(few)?;
        let formula_host = Curve::isotonic(
            decodes.iter().map(|row| (batch(row), host(row) + head(row))).collect(),
        );
        let formula_host = formula_host.ok_or_else(few)?;
        // Nor may they grow faster with requests than the whole step does.
        let growth =
            whole.rises().zip(formula_host.rises()).map(|(has, takes)| room(2.0 * has, takes));
        let host_share = decodes
            .iter()
            .map(|row| room(rest(row), host(row) + head(row)))
            .chain(growth)
            .fold(1.0, f64::min);
        let prompts = || rows.iter().filter(|row| row.new_tokens > 0);
        let left =
            |row: &MeasuredStep| (rest(row) - host_share * (host(row) + head(row))).max(1e-9);
        let attention_share =
            prompts().map(|row| room(left(row), attention(row))).fold(1.0, f64::min);
        let tokens = |row: &MeasuredStep| f64::from(row.batch + row.new_tokens);
        let base = decodes.iter().map(|row| (tokens(row), left(row)));
        let mut steps = Self {
            decode: Curve::isotonic(base.collect()).ok_or_else(few)?,
            prompt: Curve::isotonic(
                prompts()
                    .map(|row| (tokens(row), left(row) - attention_share * attention(row)))
                    .collect(),
            ),
            busy: Curve::isotonic(
                prompts().map(|row| (tokens(row), rest(row) - host_share * host(row))).collect(),
            ),
            context_s,
            shares: Shares { host: host_share, attention: attention_share },
            longest_context: decodes.iter().map(|row| row.context).fold(0.0, f64::max),
            worst: 0.0,
            rows: rows.len() as u32,
        };
        for (index, row) in rows.iter().enumerate() {
            let body = match (row.new_tokens, &steps.prompt) {
                (1.., Some(prompt)) => prompt.at(tokens(row)) + attention_share * attention(row),
                _ => steps.decode.at(tokens(row)),
            };
            let found = body + host_share * (host(row) + head(row)) + decoding(row);
            let error = (found * 1e3 / row.ms - 1.0).abs();
            if error > MOST_CROOKED {
                let (row, ms, expected) = (index + 1, row.ms, found * 1e3);
                return Err(UnusableSteps::Crooked { row, ms, expected });
            }
            steps.worst = steps.worst.max(error);
        }
        Ok(steps)
    }

    /// Seconds of a step with so many new tokens, attention, head and host aside; `formula` where the table has no
    /// prompts and the step is larger than any batch in it.
    pub(super) fn tokens_s(&self, tokens: f64, formula: impl Fn() -> f64) -> f64 {
        match &self.prompt {
            _ if tokens <= self.decode.last() => self.decode.at(tokens),
            Some(prompt) => prompt.at(tokens).max(self.decode.at(self.decode.last())),
            None => formula(),
        }
    }

    /// Least seconds of the kernels of a step with prompt tokens; none where the table has no prompts.
    pub(super) fn busy_s(&self, tokens: f64) -> Option<f64> {
        self.busy.as_ref().map(|busy| busy.at(tokens))
    }

    /// Seconds for each token of context in a decode step.
    pub(super) fn context_s(&self) -> f64 {
        self.context_s
    }

    /// Shares of the formula's times that are counted.
    pub(super) fn shares(&self) -> Shares {
        self.shares
    }

    /// Most requests of a decode step in the table.
    #[must_use]
    pub fn largest_batch(&self) -> u32 {
        self.decode.last() as u32
    }

    /// Most new tokens of a step in the table; none where it has no prompts.
    #[must_use]
    pub fn most_tokens(&self) -> Option<u32> {
        self.prompt.as_ref().map(|prompt| prompt.last() as u32)
    }

    /// Longest context in the table.
    #[must_use]
    pub fn longest_context(&self) -> u32 {
        self.longest_context as u32
    }

    /// Steps of the table.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Largest error with which the table gives back its own rows.
    #[must_use]
    pub fn worst_error(&self) -> f64 {
        self.worst
    }
}

/// A row may differ by so much from what is interpolated.
const MOST_CROOKED: f64 = 0.5;
/// The same step measured twice may differ by so much.
const NOISE: f64 = 0.25;

fn check(rows: &[MeasuredStep]) -> Result<(), UnusableSteps> {
    let mut seen: Vec<(usize, &MeasuredStep)> = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        let bad = |reason: &str| Err(UnusableSteps::Row { row: index + 1, reason: reason.into() });
        if !(row.ms.is_finite() && row.ms > 0.0 && row.ms < 1e9) {
            return bad("`ms` must be a number above 0");
        }
        if !(row.context.is_finite() && (0.0..1e9).contains(&row.context)) {
            return bad("`context` must be a number of at least 0");
        }
        if row.batch == 0 && row.new_tokens == 0 {
            return bad("a step without requests and without prompt tokens takes no time");
        }
        seen.push((index + 1, row));
    }
    let key = |row: &MeasuredStep| (row.batch, row.new_tokens, row.cached_tokens);
    seen.sort_by(|(_, a), (_, b)| key(a).cmp(&key(b)).then(a.context.total_cmp(&b.context)));
    for pair in seen.windows(2) {
        let [(first, one), (second, two)] = [pair[0], pair[1]];
        let same = key(one) == key(two) && one.context == two.context;
        if same && (one.ms / two.ms - 1.0).abs() > NOISE {
            let (rows, ms) = ([first, second], [one.ms, two.ms]);
            return Err(UnusableSteps::Contradiction { rows, ms });
        }
    }
    Ok(())
}

/// Seconds for each token of context: how decode steps grow with the tokens of all contexts.
fn slope(rows: &[&MeasuredStep]) -> Result<f64, UnusableSteps> {
    let mut batches: Vec<u32> = rows.iter().map(|row| row.batch).collect();
    batches.sort_unstable();
    batches.dedup();
    if batches.len() < 2 {
        let few = "at least two batch sizes of decode steps (`new_tokens` 0) are needed";
        return Err(UnusableSteps::TooFew(few.to_owned()));
    }
    // Within each batch; large steps weigh no more than small ones.
    let (mut top, mut bottom) = (0.0, 0.0);
    for &batch in &batches {
        let of = || rows.iter().filter(move |row| row.batch == batch);
        let (count, load) =
            (of().count() as f64, |row: &MeasuredStep| f64::from(batch) * row.context);
        let mean_x = of().map(|row| load(row)).sum::<f64>() / count;
        let mean_t = of().map(|row| row.ms).sum::<f64>() / count;
        for row in of() {
            let x = load(row) - mean_x;
            top += x * (row.ms - mean_t) / (mean_t * mean_t);
            bottom += x * x / (mean_t * mean_t);
        }
    }
    if bottom <= 0.0 {
        let few = "at least two contexts at one batch size of decode steps are needed";
        return Err(UnusableSteps::TooFew(few.to_owned()));
    }
    Ok((top / bottom * 1e-3).max(0.0))
}

#[cfg(test)]
mod tests;
