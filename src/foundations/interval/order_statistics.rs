//! A confidence interval for a quantile that assumes nothing about the law.
//!
//! Of `n` independent observations the number below the `p`-quantile is binomial, so the quantile lies
//! between the observations of rank `l` and `u` with probability `P(l <= Bin(n, p) < u)` (H. A. David
//! and H. N. Nagaraja, *Order Statistics*, 3rd ed., section 7.1). The ranks grow from the likeliest
//! count outwards, towards the likelier side, until that reaches the confidence.

use super::Interval;

/// The ranks, from 1, of the observations between which the `p`-quantile of `n` independent ones lies;
/// none where `n` is too small for that much confidence so near the end.
#[must_use]
pub fn quantile_ranks(n: u64, p: f64, confidence: f64) -> Option<(u64, u64)> {
    if !(p > 0.0 && p < 1.0 && confidence < 1.0) {
        return None;
    }
    let (count, odds) = (n as f64, p / (1.0 - p));
    let mode = libm::floor((count + 1.0) * p).min(count);
    // Probabilities relative to that of the mode, outwards: of k + 1 given that of k, and of k - 1.
    let above = |k: f64, weight: f64| weight * odds * (count - k) / (k + 1.0);
    let below = |k: f64, weight: f64| weight * k / ((count - k + 1.0) * odds);
    let sum_outwards = |next: &dyn Fn(f64, f64) -> f64, way: f64| {
        let (mut k, mut weight, mut sum) = (mode, next(mode, 1.0), 0.0);
        while weight > 1e-18 {
            sum += weight;
            k += way;
            weight = next(k, weight);
        }
        sum
    };
    let total = 1.0 + sum_outwards(&above, 1.0) + sum_outwards(&below, -1.0);

    let (mut low, mut high) = (mode, mode);
    let (mut weight_below, mut weight_above) = (below(mode, 1.0), above(mode, 1.0));
    let mut covered = 1.0;
    while covered < confidence * total {
        if weight_below <= 0.0 && weight_above <= 0.0 {
            return None;
        }
        if weight_above >= weight_below {
            high += 1.0;
            covered += weight_above;
            weight_above = above(high, weight_above);
        } else {
            low -= 1.0;
            covered += weight_below;
            weight_below = below(low, weight_below);
        }
    }
    // Counts `low..=high` mean a quantile above rank `low` and up to rank `high + 1`.
    (low >= 1.0 && high < count).then_some((low as u64, high as u64 + 1))
}

/// The interval of the `p`-quantile from independent observations in rising order.
#[must_use]
pub fn quantile_interval(sorted: &[f64], p: f64, confidence: f64) -> Option<Interval> {
    let (low, high) = quantile_ranks(sorted.len() as u64, p, confidence)?;
    let at = |rank: u64| sorted.get(rank as usize - 1).copied();
    Some(Interval { low: at(low)?, high: at(high)? })
}
