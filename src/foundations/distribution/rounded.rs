//! Rounding to whole numbers, halves away from zero: token counts from a continuous law.
//!
//! `P(Y = n) = F(n + 1/2) - F(n - 1/2)`, so moments are sums over integers. The first 4,096 are added
//! up; beyond them the density is flat on the scale of one, and midpoint integration with its first
//! correction does (Sheppard's corrections, M. Kendall and A. Stuart, *The Advanced Theory of
//! Statistics* 1, section 3.18): with `f` the density at the two ends `a` and `b` of the rest,
//!
//! ```text
//! E[Y; rest]  = E[X; rest] - (f(b) - f(a))/12
//! E[Y²; rest] = E[X²; rest] + P(rest)/12 - (b f(b) - a f(a))/6
//! ```
//!
//! ```
//! use tokenfleet::foundations::Law;
//! // The integer part of an exponential is geometric; shifting by a half turns rounding into that.
//! let steps = Law::exponential(4.0)?.shifted(-0.5)?.rounded();
//! let p = -(-0.25_f64).exp_m1();
//! assert!((steps.mean() - (1.0 - p) / p).abs() < 1e-12);
//! # Ok::<(), tokenfleet::foundations::LawError>(())
//! ```

use super::{Distribution, Law, Partial, atom, minus};
use crate::foundations::whole;
use std::fmt;
use std::sync::Arc;

/// How many integers are added up one by one.
const EXACT: f64 = 4096.0;

/// A law rounded to whole numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Rounded {
    law: Law,
}

impl Law {
    /// This law rounded to the nearest whole number, halves away from zero.
    #[must_use]
    pub fn rounded(self) -> Self {
        Self::Rounded(Arc::new(Rounded { law: self }))
    }
}

/// `x` rounded, by conversion where that can do it.
#[inline]
fn nearest(x: f64) -> f64 {
    if (0.0..1e15).contains(&x) { whole(x) as f64 } else { x.round() }
}

/// The largest value that rounds to `n` or less.
fn edge(n: f64) -> f64 {
    let half = n + 0.5;
    if n < 0.0 { half } else { half.next_down() }
}

impl Rounded {
    /// The partial moments of the rounded values above `from` up to `to`, both whole numbers, where
    /// the density is smooth.
    fn smooth(&self, from: f64, to: f64) -> Partial {
        let (a, b) = (edge(from), edge(to));
        let [mass, first, second] = minus(self.law.partial(b), self.law.partial(a));
        let density = |x: f64| self.law.cdf(x + 0.5) - self.law.cdf(x - 0.5);
        let (at_a, at_b) = (density(a), if b.is_finite() { density(b) } else { 0.0 });
        let moment_at_b = if at_b == 0.0 { 0.0 } else { b * at_b };
        [mass, first - (at_b - at_a) / 12.0, second + mass / 12.0 - (moment_at_b - a * at_a) / 6.0]
    }
}

impl Distribution for Rounded {
    #[inline]
    fn quantile(&self, p: f64) -> f64 {
        self.law.quantile(p).round()
    }

    #[inline]
    fn draw(&self, u: f64) -> f64 {
        nearest(self.law.draw(u))
    }

    fn inverts(&self) -> bool {
        self.law.inverts()
    }

    fn cdf(&self, x: f64) -> f64 {
        self.law.cdf(edge(x.floor()))
    }

    fn partial(&self, x: f64) -> Partial {
        let (first, last) = self.support();
        let last = last.min(x.floor());
        let mut sums = [0.0; 3];
        if last < first {
            return sums;
        }
        let exact = last.min(first + EXACT);
        let (mut n, mut below) = (first, 0.0);
        while n <= exact {
            let upto = self.law.cdf(edge(n));
            let here = atom(upto - below, n);
            sums = [0, 1, 2].map(|k| sums[k] + here[k]);
            below = upto;
            n += 1.0;
        }
        if last > exact {
            let rest = self.smooth(exact, last);
            sums = [0, 1, 2].map(|k| sums[k] + rest[k]);
        }
        sums
    }

    fn support(&self) -> (f64, f64) {
        let (low, high) = self.law.support();
        (low.round(), high.round())
    }
}

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "round({})", self.law)
    }
}
