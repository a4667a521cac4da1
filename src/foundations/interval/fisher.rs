//! Quantiles of Fisher's F, the ratio of two independent estimates of one variance.
//!
//! `P(F <= f) = I(d₁/2, d₂/2; d₁f / (d₁f + d₂))` with the incomplete beta function, which rises in its
//! last argument: that is bisected (NIST DLMF 8.17; Abramowitz and Stegun, 26.6.2).

use crate::foundations::special_function::incomplete_beta;

/// The `p`-quantile of F with these degrees of freedom; not a number where one is not above 0.
///
/// ```
/// use tokenfleet::foundations::interval::fisher_quantile;
///
/// // Abramowitz and Stegun, table 26.9: P(F > 3.33) = 5 % with 5 and 10 degrees of freedom.
/// assert!((fisher_quantile(0.95, 5.0, 10.0) - 3.3258).abs() < 1e-4);
/// ```
#[must_use]
pub fn fisher_quantile(p: f64, above: f64, below: f64) -> f64 {
    if !(above > 0.0 && below > 0.0 && (0.0..=1.0).contains(&p)) {
        return f64::NAN;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..100 {
        let x = f64::midpoint(low, high);
        match incomplete_beta(above / 2.0, below / 2.0, x) < p {
            true => low = x,
            false => high = x,
        }
    }
    low / (1.0 - low) * below / above
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Abramowitz and Stegun, table 26.9, and the reciprocal of the other tail.
    #[test]
    fn tabulated_quantiles() {
        for (p, above, below, expected) in [
            (0.95, 1.0, 10.0, 4.9646),
            (0.975, 19.0, 20.0, 2.4821),
            (0.99, 10.0, 30.0, 2.9791),
            (0.05, 10.0, 5.0, 1.0 / 3.3258),
        ] {
            let found = fisher_quantile(p, above, below);
            assert!((found - expected).abs() < 1e-4 * expected.max(1.0), "{found} {expected}");
        }
        assert!(fisher_quantile(0.5, 0.0, 1.0).is_nan());
    }
}
