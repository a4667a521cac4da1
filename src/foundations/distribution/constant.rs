//! The constant law: `P(X = c) = 1`.
//!
//! ```
//! use tokenfleet::foundations::Law;
//! let law = Law::constant(42.0)?;
//! assert_eq!((law.mean(), law.variance(), law.is_constant()), (42.0, 0.0, Some(42.0)));
//! # Ok::<(), tokenfleet::foundations::LawError>(())
//! ```

use super::{Distribution, Law, LawError, Partial, atom};
use crate::foundations::units::format_number;
use std::fmt;

/// A single value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constant {
    value: f64,
}

impl Law {
    /// Always 0.
    pub const ZERO: Self = Self::Constant(Constant { value: 0.0 });
    /// Always 1.
    pub const ONE: Self = Self::Constant(Constant { value: 1.0 });

    /// Always `value`.
    ///
    /// # Errors
    ///
    /// Refuses what is not a finite number.
    pub fn constant(value: f64) -> Result<Self, LawError> {
        let value = LawError::finite("constant", "value", value)?;
        Ok(Self::Constant(Constant { value }))
    }
}

impl Distribution for Constant {
    #[inline]
    fn quantile(&self, _: f64) -> f64 {
        self.value
    }

    fn cdf(&self, x: f64) -> f64 {
        if x < self.value { 0.0 } else { 1.0 }
    }

    fn partial(&self, x: f64) -> Partial {
        atom(self.cdf(x), self.value)
    }

    fn variance(&self) -> f64 {
        0.0
    }

    fn support(&self) -> (f64, f64) {
        (self.value, self.value)
    }
}

impl fmt::Display for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_number(self.value))
    }
}
