//! The Poisson law, independent events in a fixed time: `P(X = k) = mᵏ e⁻ᵐ / k!`, mean and variance `m`.
//!
//! Tabulated from its mode by `P(k + 1) / P(k) = m / (k + 1)`.
//!
//! ```
//! use tokenfleet::foundations::Law;
//! let law = Law::poisson(3.0)?;
//! assert!((law.cdf(0.0) - (-3.0_f64).exp()).abs() < 1e-16);
//! assert_eq!(law.quantile(0.5), 3.0);
//! # Ok::<(), tokenfleet::foundations::LawError>(())
//! ```

use super::tabulated::Tabulated;
use super::{Distribution, Law, LawError, Partial};
use crate::foundations::units::format_number;
use std::fmt;
use std::sync::Arc;

/// Independent events in a fixed time.
#[derive(Clone, Debug, PartialEq)]
pub struct Poisson {
    mean: f64,
    table: Arc<Tabulated>,
}

impl Law {
    /// Poisson with the given mean.
    ///
    /// # Errors
    ///
    /// Refuses a mean that is not above 0 and finite, or too large to tabulate (about `2e9`).
    pub fn poisson(mean: f64) -> Result<Self, LawError> {
        let mean = LawError::positive("poisson", "mean", mean)?;
        let name = || format!("poisson(mean {})", format_number(mean));
        let table = Tabulated::from_ratio(mean.floor(), |k| mean / (k + 1.0), name)?;
        Ok(Self::Poisson(Poisson { mean, table: Arc::new(table) }))
    }
}

impl Distribution for Poisson {
    #[inline]
    fn quantile(&self, p: f64) -> f64 {
        self.table.quantile(p)
    }

    fn cdf(&self, x: f64) -> f64 {
        self.table.cdf(x)
    }

    fn partial(&self, x: f64) -> Partial {
        self.table.partial(x)
    }

    fn mean(&self) -> f64 {
        self.mean
    }

    fn variance(&self) -> f64 {
        self.mean
    }

    fn support(&self) -> (f64, f64) {
        (0.0, f64::INFINITY)
    }
}

impl fmt::Display for Poisson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "poisson(mean {})", format_number(self.mean))
    }
}
