//! The lognormal law, token counts and latencies of many small factors: `ln X` is normal with mean
//! `mu` and standard deviation `sigma`.
//!
//! Median `e^mu`, mean `e^(mu + sigma²/2)`, quantile `exp(mu + sigma Φ⁻¹(p))`. Partial moments:
//! `E[Xᵏ; X <= x] = e^(k mu + k² sigma²/2) Φ((ln x - mu)/sigma - k sigma)`.
//!
//! Measurements are often published as a median and one more quantile; then
//! `sigma = ln(value / median) / Φ⁻¹(p)`.
//!
//! ```
//! use tokenfleet::foundations::Law;
//! let law = Law::lognormal_from_quantile(854.0, 0.9, 1940.0)?;
//! assert_eq!(law.to_string(), "lognormal(median 854, sigma 0.64)");
//! assert!((law.quantile(0.9) - 1940.0).abs() < 1e-9);
//! # Ok::<(), tokenfleet::foundations::LawError>(())
//! ```

use super::{Distribution, Law, LawError, Partial};
use crate::foundations::special_function::{exp, normal_cdf, normal_quantile};
use crate::foundations::units::format_number;
use std::fmt;

/// The exponential of a normal variable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lognormal {
    mu: f64,
    sigma: f64,
}

impl Law {
    /// Lognormal by mean `mu` and standard deviation `sigma` of the logarithm.
    ///
    /// # Errors
    ///
    /// Refuses a `mu` outside -700 to 700, a `sigma` that is not above 0, and tails that overflow.
    pub fn lognormal(mu: f64, sigma: f64) -> Result<Self, LawError> {
        let inside = (-700.0..=700.0).contains(&mu);
        let mu = LawError::require(inside, "lognormal", "mu", mu, "between -700 and 700")?;
        let sigma = LawError::positive("lognormal", "sigma", sigma)?;
        Self::Lognormal(Lognormal { mu, sigma }).finite()
    }

    /// Lognormal by median and the standard deviation of the logarithm.
    ///
    /// # Errors
    ///
    /// As [`Law::lognormal`]; also refuses a median that is not above 0.
    pub fn lognormal_from_median(median: f64, sigma: f64) -> Result<Self, LawError> {
        let median = LawError::positive("lognormal", "median", median)?;
        Self::lognormal(libm::log(median), sigma)
    }

    /// Lognormal by median and one more quantile: `P(X <= value) = p`.
    ///
    /// # Errors
    ///
    /// As [`Law::lognormal_from_median`]; also where `value` lies on the wrong side of the median.
    pub fn lognormal_from_quantile(median: f64, p: f64, value: f64) -> Result<Self, LawError> {
        let median = LawError::positive("lognormal", "median", median)?;
        let value = LawError::positive("lognormal", "quantile value", value)?;
        let inside = p > 0.0 && p < 1.0 && p != 0.5;
        LawError::require(inside, "lognormal", "p", p, "between 0 and 1, other than 0.5")?;
        let sigma = libm::log(value / median) / normal_quantile(p);
        if sigma > 0.0 {
            return Self::lognormal(libm::log(median), sigma);
        }
        let side = if p > 0.5 { "above" } else { "below" };
        Err(LawError::Contradiction {
            law: "lognormal",
            problem: format!("the {p} quantile ({value}) must lie {side} the median ({median})"),
        })
    }
}

impl Distribution for Lognormal {
    #[inline]
    fn quantile(&self, p: f64) -> f64 {
        exp(self.mu + self.sigma * normal_quantile(p))
    }

    fn cdf(&self, x: f64) -> f64 {
        if x <= 0.0 { 0.0 } else { normal_cdf((libm::log(x) - self.mu) / self.sigma) }
    }

    fn partial(&self, x: f64) -> Partial {
        if x <= 0.0 {
            return [0.0; 3];
        }
        let z = (libm::log(x) - self.mu) / self.sigma;
        [0.0, 1.0, 2.0].map(|k| {
            let shift = k * self.sigma;
            libm::exp(k * self.mu + 0.5 * shift * shift) * normal_cdf(z - shift)
        })
    }

    fn variance(&self) -> f64 {
        let deviation = self.mean() * libm::expm1(self.sigma * self.sigma).sqrt();
        deviation * deviation
    }

    fn support(&self) -> (f64, f64) {
        (0.0, f64::INFINITY)
    }
}

impl fmt::Display for Lognormal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let median = format_number(libm::exp(self.mu));
        write!(f, "lognormal(median {median}, sigma {})", format_number(self.sigma))
    }
}
