//! Intervals repeated many times: how often they hold the truth.

use super::*;
use crate::foundations::{Law, Purpose, Stream, Streams};

/// How many standard errors a measured coverage may be off: one in two thousand is.
const SIGMAS: f64 = 3.5;

fn stream(entity: u64) -> Stream {
    Streams::new(11, 0).stream(Purpose::Sample, entity)
}

/// Asserts that a procedure holds the truth as often as it should, over independent repetitions; a
/// known shortfall of approximate procedures may be added.
fn assert_coverage(
    name: &str,
    repetitions: u64,
    expected: f64,
    shortfall: f64,
    holds: impl Fn(&mut Stream) -> bool,
) {
    let held = (0..repetitions).filter(|&i| holds(&mut stream(i))).count() as f64;
    let (measured, n) = (held / repetitions as f64, repetitions as f64);
    let tolerance = SIGMAS * (expected * (1.0 - expected) / n).sqrt();
    assert!(
        measured > expected - tolerance - shortfall && measured < expected + tolerance,
        "{name}: {measured} of the intervals hold the truth, not {expected} ± {tolerance}"
    );
}

fn normal(stream: &mut Stream) -> f64 {
    crate::foundations::special_function::normal_quantile(stream.uniform())
}

#[test]
fn student_t_covers_the_mean_of_few_normal_trials() {
    for (n, confidence) in [(2, 0.95), (5, 0.95), (5, 0.8), (30, 0.99)] {
        assert_coverage("t", 4_000, confidence, 0.0, |stream| {
            let values: Vec<f64> = (0..n).map(|_| 7.0 + 3.0 * normal(stream)).collect();
            Estimate::of_trials(&values, confidence).interval.unwrap().contains(7.0)
        });
    }
}

#[test]
fn the_ratio_of_totals_is_covered() {
    // Dollars per token: both vary between trials, and together.
    let tokens = Law::gamma_from_mean(1000.0, 0.3).unwrap();
    assert_coverage("ratio", 3_000, 0.95, 0.01, |stream| {
        let trials: Vec<(f64, f64)> = (0..30)
            .map(|_| {
                let x = tokens.sample(stream);
                (0.02 * x + 3.0 * normal(stream), x)
            })
            .collect();
        Estimate::of_ratio(&trials, 0.95).interval.unwrap().contains(0.02)
    });
}

#[test]
fn batch_means_cover_the_mean_of_a_dependent_run() {
    // An autoregression with correlation 0.8 between neighbours: taken as independent, its standard
    // error would be three times too small.
    let run = |stream: &mut Stream| {
        let mut batches = BatchMeans::default();
        let mut x = normal(stream) / 0.6;
        for _ in 0..8_192 {
            x = 0.8 * x + normal(stream);
            batches.record(5.0 + x);
        }
        batches
    };
    assert_coverage("batch means", 400, 0.95, 0.01, |stream| {
        run(stream).estimate(0.95).interval.unwrap().contains(5.0)
    });
    let mean_correlation = (0..100).map(|i| run(&mut stream(i)).correlation()).sum::<f64>() / 100.0;
    assert!(mean_correlation.abs() < 0.05, "{mean_correlation}");
}

#[test]
fn batches_stay_bounded_and_lose_nothing() {
    let mut batches = BatchMeans::default();
    for i in 0..100_000_u32 {
        batches.record(f64::from(i));
        assert!(batches.means().count() < 64);
        assert_eq!(batches.count(), u64::from(i) + 1);
    }
    assert!(batches.means().count() >= 32);
    let first = batches.means().next().unwrap();
    assert_eq!(first, (batches.batch_size() - 1) as f64 / 2.0);
    batches.reset();
    assert_eq!((batches.count(), batches.estimate(0.95).interval), (0, None));
}

#[test]
fn wilson_covers_proportions_near_the_ends() {
    for p in [0.02, 0.3, 0.9] {
        // Coverage swings with p and n around the nominal; over many n it averages out.
        assert_coverage("wilson", 4_000, 0.95, 0.01, |stream| {
            let n = 150 + stream.below(100);
            let successes = (0..n).filter(|_| stream.chance(p)).count() as f64;
            wilson(successes, n as f64, 0.95).contains(p)
        });
    }
    // Brown, Cai and DasGupta's formula by hand: 8 of 10 at 95 %.
    let interval = wilson(8.0, 10.0, 0.95);
    assert!((interval.low - 0.490_162_471_536_641_5).abs() < 1e-12, "{interval:?}");
    assert!((interval.high - 0.943_317_848_545_624_7).abs() < 1e-12, "{interval:?}");
}

#[test]
fn order_statistics_cover_quantiles_as_the_binomial_law_says() {
    let law = Law::lognormal(0.0, 1.0).unwrap();
    for (n, p) in [(100_u64, 0.5), (200, 0.9), (500, 0.99)] {
        let (low, high) = quantile_ranks(n, p, 0.95).unwrap();
        let exact = binomial(n, p, low, high);
        assert!((0.95..0.97).contains(&exact), "{n}, {p}: {exact}");
        assert_coverage("order statistics", 3_000, exact, 0.0, |stream| {
            let mut values: Vec<f64> = (0..n).map(|_| law.sample(stream)).collect();
            values.sort_by(f64::total_cmp);
            quantile_interval(&values, p, 0.95).unwrap().contains(law.quantile(p))
        });
    }
}

/// `P(low <= Bin(n, p) < high)`, term by term.
fn binomial(n: u64, p: f64, low: u64, high: u64) -> f64 {
    let ln_term = |k: f64| {
        let n = n as f64;
        libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0)
            + k * libm::log(p)
            + (n - k) * libm::log1p(-p)
    };
    (low..high).map(|k| libm::exp(ln_term(k as f64))).sum()
}

#[test]
fn ranks_match_a_published_table() {
    // David and Nagaraja: the median of 10 lies between ranks 2 and 9 with 97.85 %, and no narrower
    // pair reaches 95 %; five observations can't bound it at all.
    assert_eq!(quantile_ranks(10, 0.5, 0.95), Some((2, 9)));
    assert_eq!(quantile_ranks(5, 0.5, 0.95), None);
    assert_eq!(quantile_ranks(6, 0.5, 0.95), Some((1, 6)));
    // A p99 needs several hundred observations.
    assert_eq!(quantile_ranks(100, 0.99, 0.95), None);
    assert_eq!(quantile_ranks(0, 0.5, 0.95), None);
    // Large numbers: close to the normal approximation n p ± 1.96 √(n p (1 - p)).
    let (low, high) = quantile_ranks(100_000_000, 0.5, 0.95).unwrap();
    assert!(
        (low as f64 - (5e7 - 9_799.8)).abs() < 3.0 && (high as f64 - (5e7 + 9_799.8)).abs() < 3.0
    );
}

#[test]
fn estimates_print_as_people_write_them() {
    let shown = |mean: f64, half: f64| {
        let interval = Some(Interval::around(mean, half));
        Estimate { mean, interval, confidence: 0.95, n: 5 }.to_string()
    };
    assert_eq!(shown(5.0417, 0.4163), "5.04 ± 0.42 (95 %, n = 5)");
    assert_eq!(shown(12_345.6, 678.9), "12346 ± 679 (95 %, n = 5)");
    assert_eq!(shown(0.001_234_5, 0.000_012_3), "0.001234 ± 0.000012 (95 %, n = 5)");
    assert_eq!(shown(3.0, 0.0), "3.000 ± 0.000 (95 %, n = 5)");
}
