//! The negative binomial law, counts more spread than Poisson's: failures before the `r`-th success,
//! for any real `r > 0`.
//!
//! `P(X = k) = Γ(k + r)/(k! Γ(r)) pʳ (1 - p)ᵏ`, mean `r (1 - p)/p`, variance `r (1 - p)/p²`; the same
//! parameters as `scipy.stats.nbinom`. It is a Poisson law whose mean is gamma distributed. Tabulated
//! from its mode by `P(k + 1) / P(k) = (1 - p) (k + r)/(k + 1)`.
//!
//! ```
//! use tokenfleet::foundations::Law;
//! // Tool calls of a coding agent: at least one, on average ten.
//! let calls = Law::negative_binomial(0.454, 0.0473)?.shifted(1.0)?;
//! assert!((calls.mean() - (1.0 + 0.454 * 0.9527 / 0.0473)).abs() < 1e-12);
//! assert_eq!(calls.to_string(), "1 + negative_binomial(r 0.454, p 0.0473)");
//! # Ok::<(), tokenfleet::foundations::LawError>(())
//! ```

use super::tabulated::Tabulated;
use super::{Distribution, Law, LawError, Partial};
use crate::foundations::units::format_number;
use std::fmt;
use std::sync::Arc;

/// Failures before the `r`-th success.
#[derive(Clone, Debug, PartialEq)]
pub struct NegativeBinomial {
    r: f64,
    p: f64,
    table: Arc<Tabulated>,
}

impl Law {
    /// Failures before the `r`-th success, each trial succeeding with probability `p`.
    ///
    /// # Errors
    ///
    /// Refuses an `r` that is not above 0 and finite, a `p` outside (0, 1), and laws too wide to
    /// tabulate.
    pub fn negative_binomial(r: f64, p: f64) -> Result<Self, LawError> {
        let r = LawError::positive("negative_binomial", "r", r)?;
        let inside = p > 0.0 && p < 1.0;
        LawError::require(inside, "negative_binomial", "p", p, "above 0 and below 1")?;
        let mode = ((r - 1.0) * (1.0 - p) / p).floor().max(0.0);
        let ratio = |k: f64| (1.0 - p) * (k + r) / (k + 1.0);
        let table = Arc::new(Tabulated::from_ratio(mode, ratio, || name(r, p))?);
        Ok(Self::NegativeBinomial(NegativeBinomial { r, p, table }))
    }
}

fn name(r: f64, p: f64) -> String {
    format!("negative_binomial(r {}, p {})", format_number(r), format_number(p))
}

impl Distribution for NegativeBinomial {
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
        self.r * (1.0 - self.p) / self.p
    }

    fn variance(&self) -> f64 {
        self.mean() / self.p
    }

    fn support(&self) -> (f64, f64) {
        (0.0, f64::INFINITY)
    }
}

impl fmt::Display for NegativeBinomial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&name(self.r, self.p))
    }
}
