//! Laws against moments, another implementation, and their own pinned bits.

use super::*;
use crate::foundations::{Purpose, Streams};
use proptest::prelude::*;
use statrs::distribution::{ContinuousCDF, DiscreteCDF};
use std::sync::LazyLock;

fn stream(entity: u64) -> Stream {
    Streams::new(1, 0).stream(Purpose::Sample, entity)
}

/// At least one of every law, with the parameters that agents are measured to have among them, and the
/// FNV-1a digest of the bits of 1,000 samples.
static LAWS: LazyLock<Vec<(Law, u64)>> = LazyLock::new(|| {
    let build = || -> Result<_, LawError> {
        let step = Law::mixture([(0.7, Law::constant(1.0)?), (0.3, Law::uniform(2.0, 5.0)?)])?;
        Ok(vec![
            (Law::constant(42.0)?, 0x03b9_5b3b_b84d_4fa5),
            (Law::uniform(-2.0, 8.0)?, 0x998e_abff_1563_1b4d),
            (Law::exponential(2.5)?, 0x567e_9d0d_8612_5b25),
            (Law::lognormal(4.996, 1.78)?, 0x9f17_bf54_921d_3257),
            (Law::lognormal_from_quantile(854.0, 0.9, 1940.0)?, 0x2adb_ecbb_b560_2a4e),
            (Law::gamma(0.309, 7.0)?, 0xf168_dcba_25b8_fa64),
            (Law::gamma(12.5, 0.2)?, 0xc3c1_4aed_2855_dbab),
            (Law::weibull(0.6, 3.0)?, 0x11b0_f0ad_b702_3fce),
            (Law::weibull(3.0, 0.5)?, 0xe6dd_375b_9eda_8356),
            (Law::pareto(2.5, 2.0)?, 0x7634_d47b_3bfe_7d3a),
            (Law::geometric(0.05)?, 0xbd6a_245d_5efa_6505),
            (Law::negative_binomial(0.454, 0.0473)?, 0x0292_e611_cfd3_62c0),
            (Law::negative_binomial(7.5, 0.3)?, 0xf050_0615_ca34_d4ad),
            (Law::poisson(0.4)?, 0x4dbe_8ecd_dcbd_be3d),
            (Law::poisson(5000.0)?, 0xfab0_561f_c894_eae1),
            (Law::zipf(1000, 0.9)?, 0x98da_5cf3_4e0e_adc2),
            (
                Law::empirical(&[(0.0, 0.2), (0.5, 1.0), (0.6, 1.0), (0.9, 3.0), (1.0, 10.0)])?,
                0xdc79_aa73_2fc2_70ba,
            ),
            (step.clone(), 0x5377_da8e_18c2_84e2),
            (step.truncated(1.0, 4.0)?, 0x8214_27ee_9d31_1fca),
            (Law::gamma(2.0, 3.0)?.truncated(1.0, 20.0)?, 0x36da_42e7_cea0_665a),
            (Law::poisson(6.0)?.truncated(3.0, 9.0)?, 0x521c_12be_b613_4dcf),
            (
                Law::lognormal(4.996, 1.78)?.clamped(f64::NEG_INFINITY, 20_000.0)?,
                0xca0a_99b3_f8bc_faff,
            ),
            (
                Law::lognormal(2.626, 0.866)?.rounded().clamped(3.0, f64::INFINITY)?,
                0xf344_6537_cc41_8459,
            ),
            (Law::negative_binomial(0.454, 0.0473)?.shifted(1.0)?, 0x7af8_22fc_89a4_e766),
            (Law::poisson(3.0)?.scaled(0.1)?.shifted(0.7)?, 0x3754_f5ba_c592_b52a),
            (Law::lognormal(9.0, 1.2)?.rounded(), 0x7a68_8c1e_525a_37b2),
        ])
    };
    build().unwrap()
});

#[test]
fn digests_are_pinned() {
    let digest = |law: &Law| {
        let mut stream = stream(0);
        (0..1_000)
            .flat_map(|_| law.sample(&mut stream).to_bits().to_le_bytes())
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            })
    };
    let drifted: Vec<String> = LAWS
        .iter()
        .filter(|(law, pinned)| digest(law) != *pinned)
        .map(|(law, _)| format!("{law}: {:#018x}", digest(law)))
        .collect();
    assert!(drifted.is_empty(), "these laws changed their bits:\n{}", drifted.join("\n"));
}

#[test]
fn moments_are_those_of_the_draws() {
    // Midpoint integration over the uniform number; the tail beyond the last midpoint limits it.
    const N: u32 = 1 << 18;
    for (law, _) in LAWS.iter() {
        let mut moments = [0.0; 3];
        for i in 0..N {
            let x = law.draw((f64::from(i) + 0.5) / f64::from(N));
            moments = [moments[0] + 1.0, moments[1] + x, moments[2] + x * x];
        }
        let [_, mean, square] = moments.map(|sum| sum / f64::from(N));
        let (deviation, error) = (law.variance().sqrt(), (law.mean() - mean).abs());
        assert!(error <= 5e-4 * deviation.max(1e-9), "{law}: mean {} not {mean}", law.mean());
        let found = (square - mean * mean).max(0.0);
        let tolerance = if law.quantile(1.0 - 1e-9) > 50.0 * deviation { 0.2 } else { 2e-3 };
        assert!(
            (found - law.variance()).abs() <= tolerance * law.variance(),
            "{law}: variance {} not {found}",
            law.variance()
        );
    }
}

#[test]
fn closed_moments_are_the_limits_of_the_partial_ones() {
    for (law, _) in LAWS.iter() {
        let [mass, first, second] = law.partial(f64::INFINITY);
        let (mean, variance) = (law.mean(), law.variance());
        assert!((mass - 1.0).abs() < 1e-14, "{law}: {mass}");
        assert!((first - mean).abs() <= 1e-11 * mean.abs(), "{law}: {first} not {mean}");
        let square = variance + mean * mean;
        assert!((second - square).abs() <= 1e-10 * square, "{law}: {second} not {square}");
    }
}

#[test]
fn partial_moments_integrate_the_quantile_function() {
    // E[Xᵏ; X <= x] = ∫ Q(p)ᵏ dp over p < F(x), by midpoints.
    const N: u32 = 40_000;
    for (law, _) in LAWS.iter() {
        for p in [0.1, 0.5, 0.83, 0.97] {
            let x = law.quantile(p);
            let (mass, partial) = (law.cdf(x), law.partial(x));
            let mut sums = [0.0; 2];
            for i in 0..N {
                let value = law.quantile_fast((f64::from(i) + 0.5) / f64::from(N) * mass);
                sums = [sums[0] + value, sums[1] + value * value];
            }
            let scale = mass / f64::from(N);
            let typical = law.quantile(0.99).abs().max(law.quantile(0.01).abs());
            assert!((partial[0] - mass).abs() < 1e-13, "{law} at {x}: {partial:?}");
            let first = (partial[1] - sums[0] * scale).abs();
            assert!(first < 1e-4 * typical, "{law} at {x}: {partial:?} not {sums:?}");
            let second = (partial[2] - sums[1] * scale).abs();
            assert!(second < 1e-4 * typical * typical, "{law} at {x}: {partial:?} not {sums:?}");
        }
    }
}

impl Law {
    /// The quantile by way of the draw, where that is the same.
    fn quantile_fast(&self, p: f64) -> f64 {
        if self.inverts() { self.draw(p) } else { self.quantile(p) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn quantile_and_cdf_undo_each_other(pick in 0..26_usize, p in 1e-9..1.0_f64) {
        let law = &LAWS[pick].0;
        let x = law.quantile(p);
        let (above, below) = (x + 1e-12 * x.abs(), x - 1e-12 * x.abs());
        prop_assert!(law.cdf(above) >= p - 1e-12, "{law}: F({x}) < {p}");
        prop_assert!(law.cdf(below.next_down()) <= p + 1e-12, "{law}: F({x}-) > {p}");
        prop_assert!((law.minimum()..=law.maximum()).contains(&x), "{law}: {x}");
        if law.inverts() {
            prop_assert!((law.draw(p) - x).abs() <= 2e-12 * x.abs(), "{law}: {x}");
        }
    }

    #[test]
    fn draws_rise_with_the_uniform_number(pick in 0..26_usize, u in 0.0..1.0_f64, v in 0.0..1.0_f64) {
        let law = &LAWS[pick].0;
        let (low, high) = (u.min(v).max(1e-16), u.max(v).max(1e-16));
        prop_assert!(!law.inverts() || law.draw(low) <= law.draw(high), "{law}");
    }

    #[test]
    fn no_parameters_panic_and_all_accepted_draw_finite(
        a in prop::num::f64::ANY, b in -5.0..5.0_f64, c in 1e-3..30.0_f64, u in 1e-16..1.0_f64,
    ) {
        let numbers = [a, b, c, 0.0, f64::INFINITY, f64::NAN];
        for x in numbers {
            for y in numbers {
                let attempts = [
                    Law::constant(x),
                    Law::uniform(x, y),
                    Law::exponential(x),
                    Law::lognormal(x, y),
                    Law::lognormal_from_quantile(x, 0.9, y),
                    Law::weibull(x, y),
                    Law::weibull_from_mean(x, y),
                    Law::pareto(x, y),
                    Law::geometric(x),
                    Law::poisson(x),
                    Law::zipf(9, x),
                    Law::empirical(&[(0.0, x), (1.0, y)]),
                    Law::from_observations(&[x, y, 0.5]),
                    Law::exponential(2.0).and_then(|law| law.truncated(x, y)),
                    Law::exponential(2.0).and_then(|law| law.clamped(x, y)),
                    Law::exponential(2.0).and_then(|law| law.scaled(x)?.shifted(y)),
                    Law::mixture([(x, Law::constant(1.0).unwrap()), (y, Law::constant(2.0).unwrap())]),
                ];
                for law in attempts.into_iter().flatten() {
                    let drawn = law.draw(u.min(1.0 - 1e-16));
                    prop_assert!(drawn.is_finite(), "{law}: {drawn}");
                    prop_assert!(law.minimum() <= drawn && drawn <= law.maximum(), "{law}: {drawn}");
                    prop_assert!(!law.mean().is_nan() && !law.variance().is_nan(), "{law}");
                }
            }
        }
    }
}

/// The Kolmogorov-Smirnov statistic of 40,000 samples against another implementation's distribution
/// function; above 1.95 once in a thousand.
fn kolmogorov_smirnov(law: &Law, cdf: impl Fn(f64) -> f64, whole: bool) -> f64 {
    let mut stream = stream(7);
    let mut values: Vec<f64> = (0..40_000).map(|_| law.sample(&mut stream)).collect();
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let gap = |(i, &x): (usize, &f64)| {
        let after = values.get(i + 1).is_none_or(|&next| next > x);
        let before = i == 0 || values[i - 1] < x;
        let (below, upto) = (if whole { cdf(x - 1.0) } else { cdf(x) }, cdf(x));
        let above = if after { ((i + 1) as f64 / n - upto).abs() } else { 0.0 };
        let under = if before { (i as f64 / n - below).abs() } else { 0.0 };
        above.max(under)
    };
    values.iter().enumerate().map(gap).fold(0.0, f64::max) * n.sqrt()
}

#[test]
fn samples_follow_an_independent_implementation() {
    use statrs::distribution as other;
    fn continuous(law: Law, other: impl ContinuousCDF<f64, f64>) {
        let statistic = kolmogorov_smirnov(&law, |x| other.cdf(x), false);
        assert!(statistic < 1.95, "{law}: {statistic}");
        for p in [0.001, 0.02, 0.3, 0.5, 0.8, 0.99] {
            let x = law.quantile(p);
            assert!((other.cdf(x) - p).abs() < 1e-9, "{law}: {} not {p}", other.cdf(x));
        }
    }
    fn discrete(law: Law, other: impl DiscreteCDF<u64, f64>) {
        let cdf = |x: f64| if x < 0.0 { 0.0 } else { other.cdf(x as u64) };
        let statistic = kolmogorov_smirnov(&law, cdf, true);
        assert!(statistic < 1.95, "{law}: {statistic}");
        for k in [0.0, 1.0, 2.0, 5.0, 17.0, 60.0] {
            assert!((cdf(k) - law.cdf(k)).abs() < 1e-10, "{law}: {} not {}", law.cdf(k), cdf(k));
        }
    }
    continuous(Law::uniform(-2.0, 8.0).unwrap(), other::Uniform::new(-2.0, 8.0).unwrap());
    continuous(Law::exponential(2.5).unwrap(), other::Exp::new(0.4).unwrap());
    continuous(Law::lognormal(4.996, 1.78).unwrap(), other::LogNormal::new(4.996, 1.78).unwrap());
    continuous(Law::gamma(0.309, 7.0).unwrap(), other::Gamma::new(0.309, 1.0 / 7.0).unwrap());
    continuous(Law::gamma(250.0, 2.0).unwrap(), other::Gamma::new(250.0, 0.5).unwrap());
    continuous(Law::weibull(0.6, 3.0).unwrap(), other::Weibull::new(0.6, 3.0).unwrap());
    continuous(Law::pareto(1.2, 2.0).unwrap(), other::Pareto::new(2.0, 1.2).unwrap());
    let nbinom = |r, p| other::NegativeBinomial::new(r, p).unwrap();
    discrete(Law::negative_binomial(0.454, 0.0473).unwrap(), nbinom(0.454, 0.0473));
    discrete(Law::negative_binomial(7.5, 0.3).unwrap(), nbinom(7.5, 0.3));
    discrete(Law::poisson(0.4).unwrap(), other::Poisson::new(0.4).unwrap());
    discrete(Law::poisson(50.0).unwrap(), other::Poisson::new(50.0).unwrap());
    // Theirs counts trials from 1.
    let trials = Law::geometric(0.05).unwrap().shifted(1.0).unwrap();
    discrete(trials, other::Geometric::new(0.05).unwrap());
}

#[test]
fn zipf_follows_rejection_inversion() {
    // rand_distr samples Zipf by another method; compare the counts of the first ranks.
    use rand_distr::Distribution as _;
    let mut other = Streams::new(3, 0).stream(Purpose::Design, 0);
    let zipf = rand_distr::Zipf::new(1000.0, 0.9).unwrap();
    let law = Law::zipf(1000, 0.9).unwrap();
    const N: usize = 200_000;
    let mut counts = [0.0; 5];
    for _ in 0..N {
        let rank: f64 = zipf.sample(&mut other);
        if rank <= 5.0 {
            counts[rank as usize - 1] += 1.0;
        }
    }
    for (k, count) in (1_u32..).zip(counts) {
        let p = law.cdf(f64::from(k)) - law.cdf(f64::from(k) - 1.0);
        let sigma = (N as f64 * p * (1.0 - p)).sqrt();
        assert!((count - N as f64 * p).abs() < 3.5 * sigma, "rank {k}: {count}");
    }
}

#[test]
fn refusals_say_what_is_wrong_and_how_to_mend_it() {
    let exponential = || Law::exponential(1.0).unwrap();
    let refused = [
        Law::lognormal(1.0, 0.0),
        Law::lognormal_from_quantile(854.0, 0.9, 800.0),
        Law::pareto(0.01, 1.0),
        Law::geometric(1.5),
        Law::poisson(1e12),
        Law::negative_binomial(0.5, 1e-8),
        Law::zipf(0, 1.0),
        Law::zipf(2_000_000, 1.0),
        Law::empirical(&[]),
        Law::empirical(&[(0.5, 1.0), (1.0, 2.0)]),
        Law::empirical(&[(0.0, 1.0), (0.7, 2.0), (0.7, 3.0), (1.0, 4.0)]),
        Law::empirical(&[(0.0, 1.0), (0.7, 0.5), (1.0, 4.0)]),
        Law::uniform(3.0, 3.0),
        Law::mixture([(0.0, exponential())]),
        exponential().truncated(100.0, 200.0),
        exponential().clamped(3.0, 2.0),
    ];
    let text: Vec<String> = refused.map(|law| law.unwrap_err().to_string()).into();
    insta::assert_snapshot!(text.join("\n"), @r"
    lognormal: sigma is 0, but must be above 0 and finite
    lognormal: the 0.9 quantile (800) must lie above the median (854)
    pareto(alpha 0.01, minimum 1): its samples can overflow; give it a lighter tail
    geometric: p is 1.5, but must be between 1e-9 and 1
    poisson(mean 1e12): its table would need more than 1048576 entries; make it narrower, or round a continuous law
    negative_binomial(r 0.5, p 1e-8): its table would need more than 1048576 entries; make it narrower, or round a continuous law
    zipf: n is 0, but must be at least 1
    zipf(n 2000000, exponent 1): its table would need more than 1048576 entries; make it narrower, or round a continuous law
    empirical: the table is empty; give at least the values at 0 and 1
    empirical: the probabilities run from 0.5 to 1; add the smallest value at 0 and the largest at 1
    empirical: probability 0.7 follows 0.7; they must rise
    empirical: value 0.5 at 0.7 follows 1 at 0; quantiles can't fall
    uniform: low (3) must be below high (3); write a constant for a single value
    mixture: sum of weights is 0, but must be above 0 and finite
    exponential(mean 1): only 0 % of it lies within 100 to 200; widen the bounds
    clamping: the lower bound 3 must not exceed the upper bound 2
    ");
}

#[test]
fn laws_are_small_and_shared() {
    assert!(size_of::<Law>() <= 32);
    let law = Law::poisson(5000.0).unwrap();
    assert_eq!(law, law.clone());
    assert_ne!(law, Law::poisson(5001.0).unwrap());
}

#[test]
fn a_clamped_law_with_one_value_is_a_constant() {
    let law = Law::exponential(3.0).unwrap();
    assert_eq!(law.is_constant(), None);
    assert_eq!(law.clone().clamped(2.0, 2.0).unwrap().is_constant(), Some(2.0));
    assert_eq!(law.clamped(-2.0, 0.0).unwrap().is_constant(), Some(0.0));
    assert_eq!(Law::zipf(1, 1.0).unwrap().is_constant(), Some(1.0));
    assert_eq!(Law::geometric(1.0).unwrap().is_constant(), Some(0.0));
}

#[test]
fn clamped_lognormal_has_its_closed_mean() {
    // E[min(X, c)] = e^(mu + s²/2) Φ((ln c - mu)/s - s) + c (1 - Φ((ln c - mu)/s)), by scipy.
    let law = Law::lognormal(4.996, 1.78).unwrap().clamped(0.0, 20_000.0).unwrap();
    assert!(
        (law.mean() - 660.620_627_616_219).abs() < 1e-9 * 660.620_627_616_219,
        "{}",
        law.mean()
    );
    // Σ n (F(n + 1/2) - F(n - 1/2)) over four million integers, by scipy.
    let law = Law::lognormal(9.0, 1.2).unwrap().rounded();
    assert!(
        (law.mean() - 16_647.244_729_445_57).abs() < 1e-9 * 16_647.244_729_445_57,
        "{}",
        law.mean()
    );
    assert!((law.variance() - 892_553_870.178_59).abs() < 1e-9 * 892_553_870.178_59);
}
