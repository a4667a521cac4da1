//! The critical value of Student's t: `P(|T| <= t) = confidence` with `ν` degrees of freedom.
//!
//! `P(|T| > t) = I(ν/2, 1/2; ν/(ν + t²))` with the incomplete beta function. The density of `ln |T|` is
//! log-concave, so Newton's iteration for `ln t` on the logarithm of that tail can't diverge. From
//! 1,000 degrees on the expansion about the normal quantile `z` in powers of `1/ν` is exact to 12
//! digits (Abramowitz and Stegun, 26.7.5).

use crate::foundations::special_function::{incomplete_beta, ln_beta, normal_quantile};

/// The half-width of a two-sided interval in standard errors; infinite where `degrees` is not above 0
/// or `confidence` reaches 1. Infinite degrees give the normal law's.
#[must_use]
pub fn student_t(confidence: f64, degrees: f64) -> f64 {
    let tail = 1.0 - confidence;
    if tail.is_nan() || tail <= 0.0 || degrees.is_nan() || degrees <= 0.0 {
        return f64::INFINITY;
    }
    if tail >= 1.0 {
        return 0.0;
    }
    let z = -normal_quantile(tail / 2.0);
    if degrees >= 1000.0 {
        return expansion(z, degrees);
    }
    let (a, ln_tail) = (degrees / 2.0, libm::log(tail));
    let mut ln_t = libm::log(z.max(1e-300));
    for _ in 0..50 {
        let square = libm::exp(2.0 * ln_t);
        let x = degrees / (degrees + square);
        let beyond = incomplete_beta(a, 0.5, x);
        // d P(|T| > t) / d ln t = -2 x^a (1 - x)^(1/2) / B(a, 1/2), with 1 - x = t²/(ν + t²).
        let ln_x = -libm::log1p(square / degrees);
        let ln_rest = libm::log(square / (degrees + square));
        let slope = 2.0 * libm::exp(a * ln_x + 0.5 * ln_rest - ln_beta(a, 0.5)) / beyond;
        let step = (libm::log(beyond) - ln_tail) / slope;
        ln_t += step;
        if step.abs() < 1e-9 {
            break;
        }
    }
    libm::exp(ln_t)
}

fn expansion(z: f64, degrees: f64) -> f64 {
    let s = z * z;
    let terms = [
        1.0,
        (s + 1.0) / 4.0,
        ((5.0 * s + 16.0) * s + 3.0) / 96.0,
        (((3.0 * s + 19.0) * s + 17.0) * s - 15.0) / 384.0,
        ((((79.0 * s + 776.0) * s + 1482.0) * s - 1920.0) * s - 945.0) / 92_160.0,
    ];
    z * terms.iter().rev().fold(0.0, |sum, term| sum / degrees + term)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn critical_values_match_forty_digit_arithmetic() {
        for (confidence, degrees, t) in MPMATH {
            let found = student_t(confidence, degrees);
            assert!((found / t - 1.0).abs() < 1e-10, "{confidence}, {degrees}: {found} not {t}");
        }
    }

    #[test]
    fn the_ends_are_defined() {
        assert!((student_t(0.95, f64::INFINITY) - 1.959_963_984_540_054).abs() < 1e-14);
        assert_eq!(student_t(0.0, 5.0), 0.0);
        for (confidence, degrees) in [(1.0, 5.0), (0.95, 0.0), (0.95, -1.0), (f64::NAN, 3.0)] {
            assert_eq!(student_t(confidence, degrees), f64::INFINITY);
        }
    }

    /// Confidence, degrees of freedom, critical value by mpmath.
    const MPMATH: [(f64, f64, f64); 60] = [
        (0.5, 1.0, 1.0),
        (0.8, 1.0, 3.077683537175254),
        (0.95, 1.0, 12.706204736174694),
        (0.99, 1.0, 63.656741162871526),
        (0.9999, 1.0, 6366.197671316637),
        (0.5, 2.0, 0.816496580927726),
        (0.8, 2.0, 1.885618083164127),
        (0.95, 2.0, 4.302652729749462),
        (0.99, 2.0, 9.92484320091829),
        (0.9999, 2.0, 99.99249984375004),
        (0.5, 3.0, 0.7648923284043453),
        (0.8, 3.0, 1.6377443536962104),
        (0.95, 3.0, 3.1824463052837086),
        (0.99, 3.0, 5.840909309733355),
        (0.9999, 3.0, 28.000130010950006),
        (0.5, 4.0, 0.7406970841126826),
        (0.8, 4.0, 1.533206274058944),
        (0.95, 4.0, 2.7764451051977934),
        (0.99, 4.0, 4.604094871349992),
        (0.9999, 4.0, 15.544100581546113),
        (0.5, 9.0, 0.7027221467513264),
        (0.8, 9.0, 1.3830287383966324),
        (0.95, 9.0, 2.262157162798205),
        (0.99, 9.0, 3.249835541592126),
        (0.9999, 9.0, 6.593682583944881),
        (0.5, 30.0, 0.6827556933212926),
        (0.8, 30.0, 1.3104150253913958),
        (0.95, 30.0, 2.0422724563012378),
        (0.99, 30.0, 2.749995653567225),
        (0.9999, 30.0, 4.482417175409786),
        (0.5, 99.0, 0.6769759855461527),
        (0.8, 99.0, 1.2901614420344854),
        (0.95, 99.0, 1.9842169515864172),
        (0.99, 99.0, 2.626405457280827),
        (0.9999, 99.0, 4.055041309114356),
        (0.5, 500.0, 0.674980737965939),
        (0.8, 500.0, 1.2832470207103743),
        (0.95, 500.0, 1.9647198374673673),
        (0.99, 500.0, 2.5856978351419415),
        (0.9999, 500.0, 3.9222092318890978),
        (0.5, 999.0, 0.674735410346719),
        (0.8, 999.0, 1.2823995700373974),
        (0.95, 999.0, 1.9623414611334495),
        (0.99, 999.0, 2.5807596372676365),
        (0.9999, 999.0, 3.9063595611022386),
        (0.5, 1000.0, 0.6747351646070094),
        (0.8, 1000.0, 1.2823987214609245),
        (0.95, 1000.0, 1.962339080826408),
        (0.99, 1000.0, 2.5807546980659506),
        (0.9999, 1000.0, 3.9063437367014084),
        (0.5, 5000.0, 0.674538820360874),
        (0.8, 5000.0, 1.2817209053357186),
        (0.95, 5000.0, 1.9604385517065075),
        (0.99, 5000.0, 2.5768129665562807),
        (0.9999, 5000.0, 3.893733208926946),
        (0.5, 1000000.0, 0.6744899955310873),
        (0.8, 1000000.0, 1.2815524121299386),
        (0.95, 1000000.0, 1.9599663568141066),
        (0.99, 1000000.0, 2.575834220105334),
        (0.9999, 1000000.0, 3.890607581803092),
    ];
}
