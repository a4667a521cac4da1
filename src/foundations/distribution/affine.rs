//! Shift and scale: `Y = offset + scale X` with `scale > 0`.
//!
//! `E[Y] = offset + scale E[X]`, `Var(Y) = scale² Var(X)`, quantiles move along.
//!
//! ```
//! use tokenfleet::foundations::Law;
//! let latency = Law::exponential(2.0)?.scaled(0.5)?.shifted(0.3)?;
//! assert_eq!(latency.to_string(), "0.3 + 0.5 × exponential(mean 2)");
//! assert_eq!((latency.mean(), latency.variance(), latency.minimum()), (1.3, 1.0, 0.3));
//! # Ok::<(), tokenfleet::foundations::LawError>(())
//! ```

use super::{Distribution, Law, LawError, Partial};
use crate::foundations::units::format_number;
use std::fmt;
use std::sync::Arc;

/// A law shifted and scaled.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine {
    law: Law,
    offset: f64,
    scale: f64,
}

impl Law {
    /// This law plus a number.
    ///
    /// # Errors
    ///
    /// Refuses an offset that is not finite.
    pub fn shifted(self, offset: f64) -> Result<Self, LawError> {
        let offset = LawError::finite("shift", "offset", offset)?;
        Self::affine(self, offset, 1.0)
    }

    /// This law times a number.
    ///
    /// # Errors
    ///
    /// Refuses a factor that is not above 0 and finite.
    pub fn scaled(self, factor: f64) -> Result<Self, LawError> {
        let factor = LawError::positive("scaling", "factor", factor)?;
        Self::affine(self, 0.0, factor)
    }

    fn affine(law: Self, offset: f64, scale: f64) -> Result<Self, LawError> {
        let affine = match law {
            Self::Affine(inner) => Affine {
                law: inner.law.clone(),
                offset: offset + scale * inner.offset,
                scale: scale * inner.scale,
            },
            law => Affine { law, offset, scale },
        };
        LawError::positive("scaling", "product of the factors", affine.scale)?;
        Self::Affine(Arc::new(affine)).finite()
    }
}

impl Affine {
    #[inline]
    fn apply(&self, x: f64) -> f64 {
        self.offset + self.scale * x
    }

    /// The largest `x` whose image is at most `y`. Division may miss it by one rounding, which matters
    /// where `x` is a whole number that carries an atom.
    fn preimage(&self, y: f64) -> f64 {
        let x = (y - self.offset) / self.scale;
        if !x.is_finite() {
            x
        } else if self.apply(x.round()) == y {
            x.max(x.round())
        } else if self.apply(x) > y {
            x.next_down()
        } else {
            x
        }
    }
}

impl Distribution for Affine {
    #[inline]
    fn quantile(&self, p: f64) -> f64 {
        self.apply(self.law.quantile(p))
    }

    #[inline]
    fn draw(&self, u: f64) -> f64 {
        self.apply(self.law.draw(u))
    }

    fn inverts(&self) -> bool {
        self.law.inverts()
    }

    fn cdf(&self, x: f64) -> f64 {
        self.law.cdf(self.preimage(x))
    }

    fn partial(&self, x: f64) -> Partial {
        let (a, s) = (self.offset, self.scale);
        let [mass, first, second] = self.law.partial(self.preimage(x));
        [mass, a * mass + s * first, a * a * mass + 2.0 * a * s * first + s * s * second]
    }

    fn mean(&self) -> f64 {
        self.apply(self.law.mean())
    }

    fn variance(&self) -> f64 {
        self.scale * self.scale * self.law.variance()
    }

    fn support(&self) -> (f64, f64) {
        let (low, high) = self.law.support();
        (self.apply(low), self.apply(high))
    }
}

impl fmt::Display for Affine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.offset != 0.0 {
            write!(f, "{} + ", format_number(self.offset))?;
        }
        if self.scale != 1.0 {
            write!(f, "{} × ", format_number(self.scale))?;
        }
        self.law.fmt(f)
    }
}
