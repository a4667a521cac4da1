//! The uniform law on an interval: `F(x) = (x - low) / (high - low)`, mean `(low + high) / 2`, variance
//! `(high - low)² / 12`.
//!
//! ```
//! use tokenfleet::foundations::Law;
//! let law = Law::uniform(2.0, 8.0)?;
//! assert_eq!((law.mean(), law.variance(), law.quantile(0.25)), (5.0, 3.0, 3.5));
//! # Ok::<(), tokenfleet::foundations::LawError>(())
//! ```

use super::{Distribution, Law, LawError, Partial};
use crate::foundations::units::format_number;
use std::fmt;

/// All values between two bounds alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Uniform {
    low: f64,
    high: f64,
}

impl Law {
    /// Uniform between `low` and `high`.
    ///
    /// # Errors
    ///
    /// Refuses bounds that are not finite or not in order.
    pub fn uniform(low: f64, high: f64) -> Result<Self, LawError> {
        LawError::finite("uniform", "low", low)?;
        LawError::finite("uniform", "high", high)?;
        if low >= high {
            return Err(LawError::Contradiction {
                law: "uniform",
                problem: format!(
                    "low ({low}) must be below high ({high}); write a constant for a single value"
                ),
            });
        }
        Self::Uniform(Uniform { low, high }).finite()
    }
}

impl Distribution for Uniform {
    #[inline]
    fn quantile(&self, p: f64) -> f64 {
        self.low + p * (self.high - self.low)
    }

    fn cdf(&self, x: f64) -> f64 {
        (x.clamp(self.low, self.high) - self.low) / (self.high - self.low)
    }

    fn partial(&self, x: f64) -> Partial {
        let (a, b) = (self.low, x.clamp(self.low, self.high));
        let p = self.cdf(x);
        [p, p * (a + b) / 2.0, p * (a * a + a * b + b * b) / 3.0]
    }

    fn variance(&self) -> f64 {
        let width = self.high - self.low;
        width * width / 12.0
    }

    fn support(&self) -> (f64, f64) {
        (self.low, self.high)
    }
}

impl fmt::Display for Uniform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uniform({} to {})", format_number(self.low), format_number(self.high))
    }
}
