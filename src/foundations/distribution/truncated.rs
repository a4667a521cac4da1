//! Truncation: the law of `X` given that `low <= X <= high`. Values outside are not moved to the bounds
//! (that is clamping) but can't happen.
//!
//! With `b = P(X < low)` and `m = P(low <= X <= high)`: `F(x) = (F_X(x) - b)/m`, quantile
//! `Q_X(b + m p)`, moments `(E[Xᵏ; X <= high] - E[Xᵏ; X < low])/m`. A truncated mixture is the mixture
//! of its truncated components, each weighted by what is left of it.
//!
//! ```
//! use tokenfleet::foundations::Law;
//! let law = Law::exponential(10.0)?.truncated(5.0, f64::INFINITY)?;
//! assert!((law.mean() - 15.0).abs() < 1e-10); // no memory
//! assert_eq!(law.to_string(), "exponential(mean 10) within 5..");
//! # Ok::<(), tokenfleet::foundations::LawError>(())
//! ```

use super::{Bounds, Distribution, Law, LawError, Partial, minus};
use std::fmt;
use std::sync::Arc;

/// Less than this inside the bounds leaves too few digits.
const LEAST_MASS: f64 = 1e-6;

/// A law given that it falls inside bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Truncated {
    law: Law,
    low: f64,
    high: f64,
    /// `P(X < low)`.
    below: f64,
    /// `P(low <= X <= high)`.
    mass: f64,
}

impl Law {
    /// This law given that it lies within the bounds, which may be infinite.
    ///
    /// # Errors
    ///
    /// Refuses bounds that are not in order or leave less than a millionth of the law.
    pub fn truncated(self, low: f64, high: f64) -> Result<Self, LawError> {
        LawError::ordered("truncation", low, high)?;
        let below = self.cdf(low.next_down());
        let mass = self.cdf(high) - below;
        if mass.is_nan() || mass < LEAST_MASS {
            return Err(LawError::Outside { law: self.to_string(), low, high, mass });
        }
        if let Self::Mixture(mixture) = &self {
            let parts = mixture.parts().filter_map(|(weight, law)| {
                let left = law.cdf(high) - law.cdf(low.next_down());
                // What has no digits left has no weight either.
                (left >= LEAST_MASS * LEAST_MASS)
                    .then(|| law.clone().truncated_to(low, high).map(|law| (weight * left, law)))
            });
            return Self::mixture(parts.collect::<Result<Vec<_>, _>>()?);
        }
        self.truncated_to(low, high)
    }

    fn truncated_to(self, low: f64, high: f64) -> Result<Self, LawError> {
        let below = self.cdf(low.next_down());
        let mass = self.cdf(high) - below;
        Self::Truncated(Arc::new(Truncated { law: self, low, high, below, mass })).finite()
    }
}

impl Truncated {
    /// Whether several values of a law that takes many are left.
    pub(super) fn is_proper(&self) -> bool {
        self.low < self.high && !matches!(self.law, Law::Constant(_))
    }

    /// The untruncated probability of a truncated one.
    fn spread(&self, p: f64) -> f64 {
        // Rounding must not reach the ends, where quantiles can be infinite.
        (self.below + self.mass * p).clamp(f64::MIN_POSITIVE, 1.0 - f64::EPSILON / 2.0)
    }
}

impl Distribution for Truncated {
    fn quantile(&self, p: f64) -> f64 {
        self.law.quantile(self.spread(p)).clamp(self.low, self.high)
    }

    #[inline]
    fn draw(&self, u: f64) -> f64 {
        if self.law.inverts() {
            self.law.draw(self.spread(u)).clamp(self.low, self.high)
        } else {
            self.quantile(u)
        }
    }

    fn cdf(&self, x: f64) -> f64 {
        if x < self.low {
            0.0
        } else if x >= self.high {
            1.0
        } else {
            ((self.law.cdf(x) - self.below) / self.mass).clamp(0.0, 1.0)
        }
    }

    fn partial(&self, x: f64) -> Partial {
        if x < self.low {
            return [0.0; 3];
        }
        let below = self.law.partial(self.low.next_down());
        minus(self.law.partial(x.min(self.high)), below).map(|moment| moment / self.mass)
    }

    fn support(&self) -> (f64, f64) {
        let (low, high) = self.law.support();
        (low.max(self.low), high.min(self.high))
    }
}

impl fmt::Display for Truncated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} within {}", self.law, Bounds(self.low, self.high))
    }
}
