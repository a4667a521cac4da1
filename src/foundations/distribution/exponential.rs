//! The exponential law, the gap between independent events: `F(x) = 1 - e^(-x/m)`, mean and standard
//! deviation `m`.
//!
//! Quantile `-m ln(1 - p)`. Partial moments: `E[Xᵏ; X <= x] = k! mᵏ P(k + 1, x/m)` with the regularised
//! incomplete gamma function `P`.
//!
//! ```
//! use tokenfleet::foundations::Law;
//! let gap = Law::exponential(2.5)?;
//! assert_eq!((gap.mean(), gap.variance()), (2.5, 6.25));
//! assert!((gap.quantile(0.5) - 2.5 * 2.0_f64.ln()).abs() < 1e-15);
//! # Ok::<(), tokenfleet::foundations::LawError>(())
//! ```

use super::{Distribution, Law, LawError, Partial};
use crate::foundations::special_function::{incomplete_gamma, ln};
use crate::foundations::units::format_number;
use std::fmt;

/// The gap between events that have no memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exponential {
    mean: f64,
}

impl Law {
    /// Exponential with the given mean.
    ///
    /// # Errors
    ///
    /// Refuses a mean that is not above 0 and finite.
    pub fn exponential(mean: f64) -> Result<Self, LawError> {
        let mean = LawError::positive("exponential", "mean", mean)?;
        Self::Exponential(Exponential { mean }).finite()
    }
}

impl Distribution for Exponential {
    #[inline]
    fn quantile(&self, p: f64) -> f64 {
        -self.mean * libm::log1p(-p)
    }

    /// A uniform number taken from 1 loses nothing, so no care is needed near 0.
    #[inline]
    fn draw(&self, u: f64) -> f64 {
        -self.mean * ln(1.0 - u)
    }

    fn cdf(&self, x: f64) -> f64 {
        -libm::expm1(-x.max(0.0) / self.mean)
    }

    fn partial(&self, x: f64) -> Partial {
        let (z, m) = (x / self.mean, self.mean);
        let lower = |k| incomplete_gamma(k, z).0;
        [self.cdf(x), m * lower(2.0), 2.0 * m * m * lower(3.0)]
    }

    fn mean(&self) -> f64 {
        self.mean
    }

    fn variance(&self) -> f64 {
        self.mean * self.mean
    }

    fn support(&self) -> (f64, f64) {
        (0.0, f64::INFINITY)
    }
}

impl fmt::Display for Exponential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exponential(mean {})", format_number(self.mean))
    }
}
