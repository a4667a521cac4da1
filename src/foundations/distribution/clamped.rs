//! Clamping: values below `low` become `low`, values above `high` become `high`. Unlike truncation it
//! puts atoms on the bounds, as a token limit does.
//!
//! ```text
//! E[Yᵏ] = lowᵏ P(X <= low) + E[Xᵏ; low < X < high] + highᵏ P(X >= high)
//! ```
//!
//! ```
//! use tokenfleet::foundations::Law;
//! let law = Law::uniform(0.0, 10.0)?.clamped(2.0, 8.0)?;
//! assert!((law.cdf(2.0) - 0.2).abs() < 1e-15); // an atom
//! assert!((law.mean() - 5.0).abs() < 1e-14);
//! # Ok::<(), tokenfleet::foundations::LawError>(())
//! ```

use super::{Bounds, Distribution, Law, LawError, Partial, atom, minus};
use std::fmt;
use std::sync::Arc;

/// A law whose values outside bounds are moved to them.
#[derive(Clone, Debug, PartialEq)]
pub struct Clamped {
    law: Law,
    low: f64,
    high: f64,
    /// The value, where there is only one.
    only: Option<f64>,
}

impl Law {
    /// This law with values outside the bounds, which may be infinite, moved to them.
    ///
    /// # Errors
    ///
    /// Refuses bounds that are not in order.
    pub fn clamped(self, low: f64, high: f64) -> Result<Self, LawError> {
        LawError::ordered("clamping", low, high)?;
        let only = self.maximum().clamp(low, high);
        let only = (self.minimum().clamp(low, high) == only).then_some(only);
        Self::Clamped(Arc::new(Clamped { law: self, low, high, only })).finite()
    }
}

impl Clamped {
    /// The value, where there is only one.
    #[inline]
    pub(super) fn only(&self) -> Option<f64> {
        self.only
    }
}

impl Distribution for Clamped {
    #[inline]
    fn quantile(&self, p: f64) -> f64 {
        self.law.quantile(p).clamp(self.low, self.high)
    }

    #[inline]
    fn draw(&self, u: f64) -> f64 {
        // Tokens are drawn most often, by rounded laws between bounds.
        let drawn = match &self.law {
            Law::Rounded(law) => law.draw(u),
            law => law.draw(u),
        };
        drawn.clamp(self.low, self.high)
    }

    fn inverts(&self) -> bool {
        self.law.inverts()
    }

    fn cdf(&self, x: f64) -> f64 {
        if x < self.low {
            0.0
        } else if x >= self.high {
            1.0
        } else {
            self.law.cdf(x)
        }
    }

    fn partial(&self, x: f64) -> Partial {
        if x < self.low {
            return [0.0; 3];
        }
        let inner_high = self.high.next_down();
        let upto_low = self.law.partial(self.low);
        let inside = minus(self.law.partial(x.min(inner_high).max(self.low)), upto_low);
        let low = atom(upto_low[0], self.low);
        let high =
            atom(if x < self.high { 0.0 } else { 1.0 - self.law.cdf(inner_high) }, self.high);
        [0, 1, 2].map(|k| low[k] + inside[k] + high[k])
    }

    fn support(&self) -> (f64, f64) {
        let (low, high) = self.law.support();
        (low.clamp(self.low, self.high), high.clamp(self.low, self.high))
    }
}

impl fmt::Display for Clamped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} clamped to {}", self.law, Bounds(self.low, self.high))
    }
}
