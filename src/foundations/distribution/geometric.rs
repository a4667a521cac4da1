//! The geometric law, failures before the first success: `P(X = k) = p (1 - p)ᵏ`, k = 0, 1, ...
//!
//! Mean `(1 - p)/p`, variance `(1 - p)/p²`, quantile `⌈ln(1 - u)/ln(1 - p)⌉ - 1`. Shifted by one it
//! counts attempts up to and including the success. It has no memory, which gives the partial
//! moments: given `X > n`, `X - n - 1` is geometric again.
//!
//! ```
//! use tokenfleet::foundations::Law;
//! let failures = Law::geometric(0.2)?;
//! assert!((failures.mean() - 4.0).abs() < 1e-12);
//! let attempts = Law::geometric_from_mean(4.0)?.shifted(1.0)?;
//! assert!((attempts.mean() - 5.0).abs() < 1e-12);
//! # Ok::<(), tokenfleet::foundations::LawError>(())
//! ```

use super::{Distribution, Law, LawError, Partial, minus};
use crate::foundations::units::format_number;
use std::fmt;

/// Failures before the first success.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geometric {
    p: f64,
    /// `ln(1 - p)`.
    ln_failure: f64,
}

impl Law {
    /// Failures before the first success, each trial succeeding with probability `p`.
    ///
    /// # Errors
    ///
    /// Refuses a probability outside `1e-9 <= p <= 1`.
    pub fn geometric(p: f64) -> Result<Self, LawError> {
        let inside = (1e-9..=1.0).contains(&p);
        LawError::require(inside, "geometric", "p", p, "between 1e-9 and 1")?;
        Self::Geometric(Geometric { p, ln_failure: libm::log1p(-p) }).finite()
    }

    /// Geometric on 0, 1, ... with the given mean.
    ///
    /// # Errors
    ///
    /// Refuses a mean that is negative or above a thousand million.
    pub fn geometric_from_mean(mean: f64) -> Result<Self, LawError> {
        let inside = (0.0..=0.999e9).contains(&mean);
        LawError::require(inside, "geometric", "mean", mean, "between 0 and 999000000")?;
        Self::geometric(1.0 / (1.0 + mean))
    }
}

impl Geometric {
    /// `P(X > n)`.
    fn beyond(&self, n: f64) -> f64 {
        libm::exp((n + 1.0) * self.ln_failure)
    }
}

impl Distribution for Geometric {
    #[inline]
    fn quantile(&self, p: f64) -> f64 {
        let position = libm::log1p(-p) / self.ln_failure;
        let k = (position.ceil() - 1.0).max(0.0);
        // Where the probability is that of a whole step, rounding decides; the cdf knows.
        if (position - position.round()).abs() < 1e-9 * position {
            let below = (k - 1.0).max(0.0);
            return [below, k].into_iter().find(|&k| self.cdf(k) >= p).unwrap_or(k + 1.0);
        }
        k
    }

    fn cdf(&self, x: f64) -> f64 {
        if x < 0.0 { 0.0 } else { -libm::expm1((x.floor() + 1.0) * self.ln_failure) }
    }

    fn partial(&self, x: f64) -> Partial {
        if x < 0.0 {
            return [0.0; 3];
        }
        let (mean, variance) = (self.mean(), self.variance());
        let square = variance + mean * mean;
        let (first, beyond) = (x.floor() + 1.0, self.beyond(x.floor()));
        if beyond == 0.0 {
            return [1.0, mean, square];
        }
        let tail = [1.0, first + mean, first * first + 2.0 * first * mean + square];
        minus([1.0, mean, square], tail.map(|moment| beyond * moment))
    }

    fn mean(&self) -> f64 {
        (1.0 - self.p) / self.p
    }

    fn variance(&self) -> f64 {
        (1.0 - self.p) / (self.p * self.p)
    }

    fn support(&self) -> (f64, f64) {
        (0.0, if self.p < 1.0 { f64::INFINITY } else { 0.0 })
    }
}

impl fmt::Display for Geometric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "geometric(p {})", format_number(self.p))
    }
}
