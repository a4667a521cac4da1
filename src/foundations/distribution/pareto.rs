//! The Pareto law, a power-law tail from a minimum on: `P(X > x) = (minimum/x)^alpha`.
//!
//! Quantile `minimum (1 - p)^(-1/alpha)`. The k-th moment is `alpha minimumᵏ / (alpha - k)` where
//! `alpha > k` and infinite elsewhere; up to `x` it is `alpha minimumᵏ ∫ e^((k - alpha) t) dt` over
//! `t = 0..ln(x/minimum)`.
//!
//! ```
//! use tokenfleet::foundations::Law;
//! let law = Law::pareto(1.5, 2.0)?;
//! assert_eq!((law.mean(), law.variance()), (6.0, f64::INFINITY));
//! assert!(law.truncated(2.0, 1000.0)?.variance().is_finite());
//! # Ok::<(), tokenfleet::foundations::LawError>(())
//! ```

use super::{Distribution, Law, LawError, Partial};
use crate::foundations::units::format_number;
use std::fmt;

/// A power-law tail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pareto {
    alpha: f64,
    minimum: f64,
}

impl Law {
    /// Pareto by tail exponent and smallest value.
    ///
    /// # Errors
    ///
    /// Refuses parameters that are not above 0 and finite, and tails that overflow.
    pub fn pareto(alpha: f64, minimum: f64) -> Result<Self, LawError> {
        let alpha = LawError::positive("pareto", "alpha", alpha)?;
        let minimum = LawError::positive("pareto", "minimum", minimum)?;
        Self::Pareto(Pareto { alpha, minimum }).finite()
    }
}

impl Distribution for Pareto {
    #[inline]
    fn quantile(&self, p: f64) -> f64 {
        self.minimum * libm::exp(-libm::log1p(-p) / self.alpha)
    }

    fn cdf(&self, x: f64) -> f64 {
        -libm::expm1(-self.alpha * libm::log(x.max(self.minimum) / self.minimum))
    }

    fn partial(&self, x: f64) -> Partial {
        let reach = libm::log(x.max(self.minimum) / self.minimum);
        let power = |k: f64| {
            let rate = self.alpha - k;
            let integral = if rate == 0.0 { reach } else { -libm::expm1(-rate * reach) / rate };
            self.alpha * integral
        };
        let m = self.minimum;
        [self.cdf(x), m * power(1.0), m * m * power(2.0)]
    }

    fn variance(&self) -> f64 {
        let a = self.alpha;
        if a <= 2.0 {
            return f64::INFINITY;
        }
        let deviation = self.minimum / (a - 1.0) * (a / (a - 2.0)).sqrt();
        deviation * deviation
    }

    fn support(&self) -> (f64, f64) {
        (self.minimum, f64::INFINITY)
    }
}

impl fmt::Display for Pareto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (alpha, minimum) = (format_number(self.alpha), format_number(self.minimum));
        write!(f, "pareto(alpha {alpha}, minimum {minimum})")
    }
}
