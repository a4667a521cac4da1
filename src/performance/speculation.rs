//! Speculative decoding: a cheap draft proposes `k` tokens, one step of the model checks them all.
//!
//! A drafted token agrees with what the model would have written with probability `a`, given that
//! all before it did. Of a draft the agreeing head is kept, and the step gives one token of its own,
//! so it yields `Y = 1 + min(G, k)` tokens, `G` geometric:
//!
//! ```text
//! m = E Y = (1 - a^(k+1)) / (1 - a)                    (Leviathan, Kalman, Matias, ICML 2023)
//! ```
//!
//! How many steps `R` tokens take is a first passage: `N = min {n : Y_1 + ... + Y_n >= R}`, with the
//! moments of renewal theory (Wald's identity; D. R. Cox, *Renewal Theory*, 1962, 4.3 and 4.5):
//!
//! ```text
//! E N = (R + (E Y^2 / m - 1) / 2) / m        Var N = R Var Y / m^3
//! ```
//!
//! It is drawn once, when a request begins to decode, as a normal number of these moments within
//! what is possible, from `R / (k + 1)` to `R`.
//!
//! A step then computes `k + 1` tokens for each request in every layer and reads each context once
//! for all of them. Before it the draft takes `k` steps of its own, one after the other. At a small
//! batch, weights are read anyway and the `k` extra tokens are nearly free; at a large one they are
//! arithmetic, and most of it is thrown away.

use super::step_time::StepModel;
use crate::foundations::special_function::normal_quantile;

/// What a pool speculates with.
#[derive(Clone, Debug, PartialEq)]
pub struct Speculation {
    /// Tokens that are drafted for each step, at least 1.
    pub drafted: u32,
    /// Probability that a drafted token agrees, those before it having done so; below 1.
    pub acceptance: f64,
    /// One step of the draft; none where drafting costs the accelerator nothing.
    pub draft: Option<StepModel>,
}

impl Speculation {
    /// The acceptance with which `drafted` tokens yield `length` tokens for each step in the mean.
    /// `None` where no acceptance below 1 does.
    #[must_use]
    pub fn acceptance_of(drafted: u32, length: f64) -> Option<f64> {
        let possible = (1.0..f64::from(drafted) + 1.0).contains(&length);
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            match Self::yielded(drafted, middle) < length {
                true => low = middle,
                false => high = middle,
            }
        }
        possible.then_some(low)
    }

    /// Mean tokens of a step.
    #[must_use]
    pub fn mean_tokens(&self) -> f64 {
        Self::yielded(self.drafted, self.acceptance)
    }

    fn yielded(drafted: u32, acceptance: f64) -> f64 {
        (0..=drafted).rev().fold(0.0, |sum, _| 1.0 + acceptance * sum)
    }

    /// Mean square of the tokens of a step: the sum of `(2 y - 1) P(Y >= y)`.
    fn mean_square(&self) -> f64 {
        let terms = (0..=self.drafted).scan(1.0, |chance, y| {
            let term = (2.0 * f64::from(y) + 1.0) * *chance;
            *chance *= self.acceptance;
            Some(term)
        });
        terms.sum()
    }

    /// Tokens that a step computes for each request.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.drafted + 1
    }

    /// Steps that `tokens` tokens take, by a number between 0 and 1 that is drawn for them.
    #[must_use]
    pub fn steps(&self, tokens: u32, uniform: f64) -> u32 {
        let (mean, square, all) = (self.mean_tokens(), self.mean_square(), f64::from(tokens));
        let middle = (all + 0.5 * (square / mean - 1.0)) / mean;
        let deviation = libm::sqrt(all * (square - mean * mean).max(0.0) / mean) / mean;
        let drawn = libm::round(middle + deviation * normal_quantile(uniform));
        (drawn.max(0.0) as u32).clamp(tokens.div_ceil(self.width()), tokens)
    }
}

impl StepModel {
    /// The same beside a draft that takes `passes` steps before each: attention of both, in decode
    /// steps and over prompts.
    #[must_use]
    pub fn beside_draft(mut self, draft: &StepModel, passes: u32) -> Self {
        let passes = u64::from(passes);
        self.context = self.context.plus(draft.context.times(passes));
        for window in &draft.windows {
            let cost = window.cost.times(passes);
            match self.windows.iter_mut().find(|known| known.window == window.window) {
                Some(known) => known.cost = known.cost.plus(cost),
                None => self.windows.push(super::WindowCost { cost, ..*window }),
            }
        }
        self.windows.sort_unstable_by_key(|known| known.window);
        self.prompt.extend_from_slice(&draft.prompt);
        self.state.token_s += draft.state.token_s;
        self.state.token_flops += draft.state.token_flops;
        self.state.chunk_s += draft.state.chunk_s;
        self
    }
}
