//! The Weibull law, times to failure and bursty gaps: `F(x) = 1 - exp(-(x/scale)^shape)`.
//!
//! With `k = 1/shape`: mean `scale Γ(1 + k)`, squared coefficient of variation
//! `Γ(1 + 2k)/Γ(1 + k)² - 1`, quantile `scale (-ln(1 - p))^k`. Partial moments:
//! `E[Xʲ; X <= x] = scaleʲ Γ(1 + jk) P(1 + jk, (x/scale)^shape)`. Shape 1 is the exponential law, below
//! it gaps come in bursts.
//!
//! ```
//! use tokenfleet::foundations::Law;
//! let gap = Law::weibull_from_mean(2.5, 1.8)?; // mean, coefficient of variation
//! assert!((gap.mean() - 2.5).abs() < 1e-12);
//! assert!((gap.variance().sqrt() / gap.mean() - 1.8).abs() < 1e-12);
//! # Ok::<(), tokenfleet::foundations::LawError>(())
//! ```

use super::{Distribution, Law, LawError, Partial};
use crate::foundations::special_function::incomplete_gamma;
use crate::foundations::units::format_number;
use std::fmt;

/// A power of an exponential variable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weibull {
    shape: f64,
    scale: f64,
}

impl Law {
    /// Weibull by shape and scale.
    ///
    /// # Errors
    ///
    /// Refuses a shape outside 0.01 to 1000, a scale that is not above 0 and finite, and tails that
    /// overflow.
    pub fn weibull(shape: f64, scale: f64) -> Result<Self, LawError> {
        let inside = (0.01..=1000.0).contains(&shape);
        LawError::require(inside, "weibull", "shape", shape, "between 0.01 and 1000")?;
        let scale = LawError::positive("weibull", "scale", scale)?;
        Self::Weibull(Weibull { shape, scale }).finite()
    }

    /// Weibull by mean and coefficient of variation (standard deviation over mean).
    ///
    /// # Errors
    ///
    /// Refuses a mean that is not above 0, and a coefficient outside 0.01 to 50.
    pub fn weibull_from_mean(mean: f64, variation: f64) -> Result<Self, LawError> {
        let mean = LawError::positive("weibull", "mean", mean)?;
        let inside = (0.01..=50.0).contains(&variation);
        let valid = "between 0.01 and 50";
        LawError::require(inside, "weibull", "coefficient of variation", variation, valid)?;
        // The coefficient rises with 1/shape.
        let (mut low, mut high) = (0.001, 20.0);
        for _ in 0..60 {
            let k = f64::midpoint(low, high);
            if squared_variation(k) < variation * variation { low = k } else { high = k }
        }
        Self::weibull(1.0 / high, mean / libm::exp(libm::lgamma(1.0 + high)))
    }
}

/// The squared coefficient of variation at `k = 1/shape`.
fn squared_variation(k: f64) -> f64 {
    libm::expm1(libm::lgamma(1.0 + 2.0 * k) - 2.0 * libm::lgamma(1.0 + k))
}

impl Distribution for Weibull {
    #[inline]
    fn quantile(&self, p: f64) -> f64 {
        // Half the cost of a power, and no less exact over this range.
        self.scale * libm::exp(libm::log(-libm::log1p(-p)) / self.shape)
    }

    fn cdf(&self, x: f64) -> f64 {
        -libm::expm1(-libm::pow(x.max(0.0) / self.scale, self.shape))
    }

    fn partial(&self, x: f64) -> Partial {
        let z = libm::pow(x.max(0.0) / self.scale, self.shape);
        [0.0, 1.0, 2.0].map(|j| {
            let a = 1.0 + j / self.shape;
            libm::exp(j * libm::log(self.scale) + libm::lgamma(a)) * incomplete_gamma(a, z).0
        })
    }

    fn variance(&self) -> f64 {
        let deviation = self.mean() * squared_variation(1.0 / self.shape).sqrt();
        deviation * deviation
    }

    fn support(&self) -> (f64, f64) {
        (0.0, f64::INFINITY)
    }
}

impl fmt::Display for Weibull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shape, scale) = (format_number(self.shape), format_number(self.scale));
        write!(f, "weibull(shape {shape}, scale {scale})")
    }
}
