//! Means over random numbers of times, and of the slowest of several.

use crate::foundations::Law;
use crate::foundations::special_function::{normal_cdf, normal_pdf};

/// Loops are summed up to so many times; what a law has beyond stands there.
const LONGEST: u32 = 1 << 20;

/// What is left of a law when its sum may end.
const NEGLIGIBLE: f64 = 1e-15;

/// The law of a drawn number of tokens or things, as a walk draws it: rounded, and at least `low`.
pub(super) fn count(law: &Law, low: u32) -> Law {
    let rounded = law.clone().rounded();
    rounded.clone().clamped(f64::from(low), f64::from(u32::MAX)).unwrap_or(rounded)
}

/// (n, probability) of a law of whole numbers from 0.
pub(super) fn probabilities(law: &Law) -> impl Iterator<Item = (u32, f64)> + '_ {
    let mut below = 0.0;
    (0..=LONGEST).map_while(move |n| {
        if 1.0 - below <= NEGLIGIBLE {
            return None;
        }
        let upto = if n == LONGEST { 1.0 } else { law.cdf(f64::from(n)) };
        let here = upto - below;
        below = upto;
        Some((n, here))
    })
}

/// `E[f(N)]`.
pub(super) fn mean_of(law: &Law, f: impl Fn(f64) -> f64) -> f64 {
    probabilities(law).map(|(n, probability)| probability * f(f64::from(n))).sum()
}

/// Mean of the largest of `number` draws, 0 where there are none.
///
/// With `G` the generating function of the number, it is `∫ F⁻¹(u) G'(u) du`, here over
/// `u = Φ(z)` by the trapezoidal rule; a single draw has its exact mean.
pub(super) fn mean_of_largest(law: &Law, number: &Law) -> f64 {
    const STEPS: i32 = 2048;
    const REACH: f64 = 8.0;
    let mut weights = Vec::new();
    let mut single = 0.0;
    for (n, probability) in probabilities(number) {
        match n {
            0 => {}
            1 => single = probability * law.mean(),
            _ if probability > 0.0 => weights.push((f64::from(n), probability)),
            _ => {}
        }
    }
    if weights.is_empty() {
        return single;
    }
    let width = REACH / f64::from(STEPS);
    let density = |z: f64| {
        let u = normal_cdf(z);
        let slope: f64 = weights.iter().map(|&(n, p)| p * n * libm::pow(u, n - 1.0)).sum();
        law.quantile(u) * slope * normal_pdf(z)
    };
    single + (-STEPS..=STEPS).map(|at| density(f64::from(at) * width)).sum::<f64>() * width
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_of_exponentials_is_a_harmonic_sum() {
        let law = Law::exponential(2.0).unwrap();
        for (number, harmonic) in [(1.0, 1.0), (2.0, 1.5), (5.0, 137.0 / 60.0)] {
            let found = mean_of_largest(&law, &Law::constant(number).unwrap());
            assert!((found / (2.0 * harmonic) - 1.0).abs() < 1e-6, "{number}: {found}");
        }
    }

    #[test]
    fn probabilities_of_a_count_add_up_to_one() {
        let law = count(&Law::lognormal(2.626, 0.866).unwrap(), 3);
        let (total, mean) = probabilities(&law)
            .fold((0.0, 0.0), |(total, mean), (n, p)| (total + p, mean + p * f64::from(n)));
        assert!((total - 1.0_f64).abs() < 1e-12 && (mean / law.mean() - 1.0).abs() < 1e-9);
    }
}
