//! The standard normal law: density, distribution function and its inverse.
//!
//! `Φ(z) = erfc(-z/√2) / 2`; the inverse is algorithm AS 241 (PPND16) of M. J. Wichura, *The
//! percentage points of the normal distribution*, Applied Statistics 37 (1988), about one part in
//! `10^16`: three rational functions, one for the centre and two for the tails.

use std::f64::consts::{FRAC_1_SQRT_2, TAU};

use super::elementary::ln;

/// The density of the standard normal law at `z`.
#[must_use]
pub fn normal_pdf(z: f64) -> f64 {
    libm::exp(-0.5 * z * z) / TAU.sqrt()
}

/// The probability that a standard normal variable is at most `z`.
#[must_use]
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

/// The `z` with `Φ(z) = p`: minus infinity at 0, infinity at 1, NaN outside.
#[must_use]
#[inline]
pub fn normal_quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        return q * ratio(0.180_625 - q * q, &CENTRE);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    if tail <= 0.0 {
        return if tail == 0.0 { f64::INFINITY.copysign(q) } else { f64::NAN };
    }
    let r = (-ln(tail)).sqrt();
    let z = if r <= 5.0 { ratio(r - 1.6, &NEAR_TAIL) } else { ratio(r - 5.0, &FAR_TAIL) };
    z.copysign(q)
}

/// A ratio of two polynomials of degree 7, coefficients of rising powers, as (numerator, denominator).
/// Terms are joined in pairs (G. Estrin, 1960): a draw waits for three products, not for seven.
#[inline]
fn ratio(x: f64, coefficients: &[(f64, f64); 8]) -> f64 {
    let (square, fourth) = (x * x, x * x * (x * x));
    let sum = |of: fn((f64, f64)) -> f64| {
        let [a, b, c, d, e, f, g, h] = coefficients.map(of);
        ((a + b * x) + (c + d * x) * square) + ((e + f * x) + (g + h * x) * square) * fourth
    };
    sum(|(over, _)| over) / sum(|(_, under)| under)
}

const CENTRE: [(f64, f64); 8] = [
    (3.387_132_872_796_366_5, 1.0),
    (1.331_416_678_917_843_8e2, 4.231_333_070_160_091e1),
    (1.971_590_950_306_551_3e3, 6.871_870_074_920_579e2),
    (1.373_169_376_550_946e4, 5.394_196_021_424_751e3),
    (4.592_195_393_154_987e4, 2.121_379_430_158_659_7e4),
    (6.726_577_092_700_87e4, 3.930_789_580_009_271e4),
    (3.343_057_558_358_813e4, 2.872_908_573_572_194_3e4),
    (2.509_080_928_730_122_7e3, 5.226_495_278_852_854e3),
];

const NEAR_TAIL: [(f64, f64); 8] = [
    (1.423_437_110_749_683_5, 1.0),
    (4.630_337_846_156_546, 2.053_191_626_637_759),
    (5.769_497_221_460_691, 1.676_384_830_183_803_8),
    (3.647_848_324_763_204_5, 6.897_673_349_851e-1),
    (1.270_458_252_452_368_4, 1.481_039_764_274_800_8e-1),
    (2.417_807_251_774_506e-1, 1.519_866_656_361_645_7e-2),
    (2.272_384_498_926_918_4e-2, 5.475_938_084_995_345e-4),
    (7.745_450_142_783_414e-4, 1.050_750_071_644_416_9e-9),
];

const FAR_TAIL: [(f64, f64); 8] = [
    (6.657_904_643_501_103, 1.0),
    (5.463_784_911_164_114, 5.998_322_065_558_88e-1),
    (1.784_826_539_917_291_3, 1.369_298_809_227_358e-1),
    (2.965_605_718_285_048_7e-1, 1.487_536_129_085_061_5e-2),
    (2.653_218_952_657_612_4e-2, 7.868_691_311_456_133e-4),
    (1.242_660_947_388_078_4e-3, 1.846_318_317_510_054_8e-5),
    (2.711_555_568_743_487_6e-5, 1.421_511_758_316_446e-7),
    (2.010_334_399_292_288_1e-7, 2.044_263_103_389_939_8e-15),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_match_fifty_digit_arithmetic() {
        // mpmath: sqrt(2) erfinv(2p - 1), p being the double nearest to the decimal.
        for (p, z) in MPMATH {
            let error = (normal_quantile(p) - z).abs() / z.abs();
            assert!(error < 6e-16, "{p}: {} instead of {z}", normal_quantile(p));
        }
        assert_eq!(normal_quantile(0.5), 0.0);
        assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(normal_quantile(1.0), f64::INFINITY);
        assert!(normal_quantile(-0.1).is_nan() && normal_quantile(1.1).is_nan());
    }

    const MPMATH: [(f64, f64); 16] = [
        (1e-16, -8.222082216130435),
        (1e-10, -6.361340902404057),
        (1e-05, -4.264890793922825),
        (0.001, -3.0902323061678136),
        (0.025, -1.9599639845400543),
        (0.07, -1.4757910281791706),
        (0.0750001, -1.4395307645017297),
        (0.1, -1.2815515655446004),
        (0.25, -0.6744897501960817),
        (0.4, -0.2533471031357997),
        (0.6, 0.2533471031357997),
        (0.9, 1.2815515655446006),
        (0.95, 1.6448536269514722),
        (0.975, 1.9599639845400538),
        (0.999, 3.090232306167813),
        (0.9999999, 5.199337582290661),
    ];

    proptest! {
        #[test]
        fn cdf_undoes_quantile(exponent in -36.0..-0.7_f64, upper in any::<bool>()) {
            let tail = libm::exp(exponent);
            let z = normal_quantile(tail);
            // A relative error e of z moves the tail by about z^2 e.
            prop_assert!((normal_cdf(z) / tail - 1.0).abs() < 1e-15 * (2.0 + 2.0 * z * z));
            if upper {
                let p = 1.0 - tail;
                prop_assert!((normal_cdf(normal_quantile(p)) - p).abs() < 3e-16);
            }
        }
    }
}
