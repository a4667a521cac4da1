//! The values of a step, and the affine maps between them.
//!
//! Of each step, five values are functions of those of the steps behind it; all are affine, which is
//! what makes loops and sessions closed forms:
//!
//! | value | meaning, from arrival at the step to the end |
//! |---|---|
//! | `CALLS` | expected calls that read the context |
//! | `TAKEN` | the part of them behind a tool result that takes the last output away again |
//! | `INPUT` | expected input tokens, for a context that is empty on arrival |
//! | `SILENT` | probability that no call comes any more |
//! | `REPORT` | expected output of the last call, if one comes |

use super::moment::probabilities;
use crate::foundations::Law;

pub(super) const WIDTH: usize = 5;
pub(super) const CALLS: usize = 0;
pub(super) const TAKEN: usize = 1;
pub(super) const INPUT: usize = 2;
pub(super) const SILENT: usize = 3;
pub(super) const REPORT: usize = 4;

/// The five values of a step.
pub(super) type Values = [f64; WIDTH];

/// A linear map of them.
pub(super) type Square = [[f64; WIDTH]; WIDTH];

/// The values where nothing follows.
pub(super) const NOTHING_BEHIND: Values = [0.0, 0.0, 0.0, 1.0, 0.0];

pub(super) fn identity() -> Square {
    std::array::from_fn(|i| std::array::from_fn(|j| f64::from(u8::from(i == j))))
}

pub(super) fn product(a: &Square, b: &Square) -> Square {
    let cell = |i: usize, j: usize| (0..WIDTH).map(|k| a[i][k] * b[k][j]).sum();
    std::array::from_fn(|i| std::array::from_fn(|j| cell(i, j)))
}

pub(super) fn times(a: &Square, v: &Values) -> Values {
    std::array::from_fn(|i| (0..WIDTH).map(|k| a[i][k] * v[k]).sum())
}

/// `E[A^N]` and `E[Σ A^k; k < N]`: a random number of repetitions of an affine map.
pub(super) struct Powers {
    pub(super) power: Square,
    pub(super) sum: Square,
}

impl Powers {
    pub(super) fn of(map: &Square, number: &Law) -> Self {
        Self::over(map, probabilities(number))
    }

    /// As [`Powers::of`], for one repetition fewer.
    pub(super) fn all_but_one(map: &Square, number: &Law) -> Self {
        Self::over(map, probabilities(number).skip(1))
    }

    /// For so many repetitions as `numbers` count up from none, each with its probability.
    fn over(map: &Square, numbers: impl Iterator<Item = (u32, f64)>) -> Self {
        let mut mean = Self { power: [[0.0; WIDTH]; WIDTH], sum: [[0.0; WIDTH]; WIDTH] };
        let (mut power, mut sum) = (identity(), [[0.0; WIDTH]; WIDTH]);
        for (_, probability) in numbers {
            add(&mut mean.power, probability, &power);
            add(&mut mean.sum, probability, &sum);
            add(&mut sum, 1.0, &power);
            power = product(map, &power);
        }
        mean
    }

    pub(super) fn once(map: &Square) -> Self {
        Self { power: *map, sum: identity() }
    }

    /// What the repetitions of `V → A V + b` make of `behind`.
    pub(super) fn apply(&self, b: &Values, behind: &Values) -> Values {
        let (own, rest) = (times(&self.sum, b), times(&self.power, behind));
        std::array::from_fn(|row| own[row] + rest[row])
    }
}

fn add(to: &mut Square, factor: f64, other: &Square) {
    for (row, other) in to.iter_mut().zip(other) {
        for (value, other) in row.iter_mut().zip(other) {
            *value += factor * other;
        }
    }
}
