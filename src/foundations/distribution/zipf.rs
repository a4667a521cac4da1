//! The Zipf law, popularity by rank: `P(X = k)` in proportion to `k^-exponent`, k = 1 to n.
//!
//! Exponent 0 makes all ranks alike. Tabulated, for up to a million ranks.
//!
//! ```
//! use tokenfleet::foundations::Law;
//! let rank = Law::zipf(3, 1.0)?; // weights 1, 1/2, 1/3
//! assert!((rank.cdf(1.0) - 6.0 / 11.0).abs() < 1e-15);
//! assert!((rank.mean() - 18.0 / 11.0).abs() < 1e-15);
//! # Ok::<(), tokenfleet::foundations::LawError>(())
//! ```

use super::tabulated::Tabulated;
use super::{Distribution, Law, LawError, Partial};
use crate::foundations::units::format_number;
use std::fmt;
use std::sync::Arc;

/// Ranks with a power-law popularity.
#[derive(Clone, Debug, PartialEq)]
pub struct Zipf {
    n: u64,
    exponent: f64,
    table: Arc<Tabulated>,
}

impl Law {
    /// Rank 1 to `n`, rank `k` with weight `k^-exponent`.
    ///
    /// # Errors
    ///
    /// Refuses no ranks at all, more than 1,048,576, and an exponent that is negative or not finite.
    pub fn zipf(n: u64, exponent: f64) -> Result<Self, LawError> {
        LawError::require(n > 0, "zipf", "n", n as f64, "at least 1")?;
        let inside = exponent >= 0.0 && exponent.is_finite();
        LawError::require(inside, "zipf", "exponent", exponent, "0 or more, and finite")?;
        let name = || format!("zipf(n {n}, exponent {})", format_number(exponent));
        let table = Tabulated::from_range(1, n, |k| libm::pow(k, -exponent), name)?;
        Ok(Self::Zipf(Zipf { n, exponent, table: Arc::new(table) }))
    }
}

impl Distribution for Zipf {
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

    fn support(&self) -> (f64, f64) {
        (1.0, self.n as f64)
    }
}

impl fmt::Display for Zipf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "zipf(n {}, exponent {})", self.n, format_number(self.exponent))
    }
}
