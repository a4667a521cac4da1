//! Parameters of each family from a sorted sample.

use super::{Family, Grid};

/// Steps of an iteration; all here converge in a fraction of it.
const ROUNDS: usize = 200;
/// A single value with a larger share of the sample is told apart from the rest.
const SINGLE: f64 = 0.02;

/// All families that can be fitted to the sample.
pub(super) fn families(sorted: &[f64], grid: Grid) -> Vec<Family> {
    let (Some(&least), Some(&most)) = (sorted.first(), sorted.last()) else { return Vec::new() };
    if least == most {
        return vec![Family::Constant(least)];
    }
    let mut found = Vec::new();
    let positive: Vec<f64> = sorted.iter().copied().filter(|&x| x > 0.0).collect();
    if positive.len() == sorted.len() {
        found.extend(smooth(sorted));
    } else if least >= 0.0 && positive.len() > 1 {
        let zeros = 1.0 - positive.len() as f64 / sorted.len() as f64;
        let rest = smooth(&positive).into_iter();
        found.extend(rest.map(|rest| Family::Inflated(vec![(0.0, zeros)], Box::new(rest))));
    }
    let mut found: Vec<Family> =
        found.into_iter().map(|family| Family::Cut(Box::new(family), most)).collect();
    if grid == Grid::Count && least >= 0.0 {
        found.extend(negative_binomial(sorted, 0.0));
        found.push(geometric(sorted));
        found.extend(inflated(sorted));
    }
    found
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Mean and deviation.
fn moments(values: &[f64]) -> (f64, f64) {
    let mean = mean(values);
    let square = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / values.len() as f64;
    (mean, libm::sqrt(square))
}

/// Families of positive numbers.
fn smooth(values: &[f64]) -> Vec<Family> {
    let average = mean(values);
    let logs: Vec<f64> = values.iter().map(|&x| libm::log(x)).collect();
    let (mu, sigma) = moments(&logs);
    if sigma < 1e-9 {
        return vec![Family::Constant(values[0])];
    }
    // T. Minka, "Estimating a Gamma distribution" (2002), first approximation: within 1.5 %.
    let s = (libm::log(average) - mu).max(1e-9);
    let shape = (3.0 - s + libm::sqrt((s - 3.0) * (s - 3.0) + 24.0 * s)) / (12.0 * s);
    let mut found = vec![
        Family::Exponential(average),
        Family::Lognormal(mu, sigma),
        Family::Gamma(shape, average / shape),
    ];
    found.extend(weibull(values, &logs, mu));
    found.extend(two_lognormals(&logs, sigma));
    found
}

/// The likelihood equation of the Weibull shape, by bisection: it falls with the shape.
fn weibull(values: &[f64], logs: &[f64], mean_log: f64) -> Option<Family> {
    let largest = logs.iter().copied().fold(f64::MIN, f64::max);
    let weights = |shape: f64| {
        logs.iter().fold((0.0, 0.0), |(sum, moment), log| {
            let weight = libm::exp(shape * (log - largest));
            (sum + weight, moment + weight * log)
        })
    };
    let excess = |shape: f64| {
        let (sum, moment) = weights(shape);
        1.0 / shape + mean_log - moment / sum
    };
    let (mut low, mut high) = (0.02, 50.0);
    if excess(low) < 0.0 || excess(high) > 0.0 {
        return None;
    }
    for _ in 0..60 {
        let middle = libm::sqrt(low * high);
        if excess(middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    let (sum, _) = weights(low);
    let scale = libm::exp(largest) * libm::pow(sum / values.len() as f64, 1.0 / low);
    Some(Family::Weibull(low, scale))
}

/// Two normals of the logarithms by expectation and maximisation, from their lower and upper half.
fn two_lognormals(logs: &[f64], sigma: f64) -> Option<Family> {
    if logs.len() < 50 {
        return None;
    }
    let halves = logs.split_at(logs.len() / 2);
    let floor = sigma * 0.02;
    let start = |half: &[f64]| {
        let (mu, deviation) = moments(half);
        (mu, deviation.max(floor))
    };
    let (mut weight, mut one, mut other) = (0.5, start(halves.0), start(halves.1));
    for _ in 0..ROUNDS {
        let density = |x: f64, (mu, s): (f64, f64)| {
            let z = (x - mu) / s;
            libm::exp(-0.5 * z * z) / s
        };
        let (mut n, mut first, mut second) = (0.0, [0.0; 2], [0.0; 2]);
        for &x in logs {
            let (a, b) = (weight * density(x, one), (1.0 - weight) * density(x, other));
            let share = if a + b > 0.0 { a / (a + b) } else { 0.5 };
            n += share;
            first[0] += share * x;
            second[0] += share * x * x;
            first[1] += (1.0 - share) * x;
            second[1] += (1.0 - share) * x * x;
        }
        let all = logs.len() as f64;
        if n < 1.0 || all - n < 1.0 {
            return None;
        }
        let normal = |n: f64, first: f64, second: f64| {
            let mu = first / n;
            (mu, libm::sqrt((second / n - mu * mu).max(floor * floor)))
        };
        let before = (one.0, other.0);
        weight = n / all;
        one = normal(n, first[0], second[0]);
        other = normal(all - n, first[1], second[1]);
        if (one.0 - before.0).abs() + (other.0 - before.1).abs() < 1e-7 {
            break;
        }
    }
    Some(Family::Lognormals(weight, [one, other]))
}

fn geometric(sorted: &[f64]) -> Family {
    let least = sorted[0];
    Family::NegativeBinomial { least, r: 1.0, p: 1.0 / (1.0 + mean(sorted) - least) }
}

/// Above the smallest value, which may be lower by `slack`: `r` by a search for the largest
/// likelihood, `p` by the mean.
fn negative_binomial(sorted: &[f64], slack: f64) -> Option<Family> {
    let least = (sorted[0] - slack).max(0.0);
    let rest = mean(sorted) - least;
    if rest <= 0.0 {
        return None;
    }
    let mut counts: Vec<(f64, f64)> = Vec::new();
    for &x in sorted {
        match counts.last_mut() {
            Some((value, count)) if *value == x => *count += 1.0,
            _ => counts.push((x, 1.0)),
        }
    }
    let likelihood = |log_r: f64| {
        let r = libm::exp(log_r);
        let p = r / (r + rest);
        let of = |&(x, count): &(f64, f64)| {
            let k = x - least;
            let ways = libm::lgamma(k + r) - libm::lgamma(r) - libm::lgamma(k + 1.0);
            count * (ways + r * libm::log(p) + k * libm::log1p(-p))
        };
        counts.iter().map(of).sum::<f64>()
    };
    // The likelihood has one peak in log r.
    let (mut low, mut high) = (-5.0, 7.0);
    for _ in 0..60 {
        let (a, b) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if likelihood(a) < likelihood(b) { low = a } else { high = b }
    }
    let r = libm::exp(low);
    Some(Family::NegativeBinomial { least, r, p: r / (r + rest) })
}

/// The two smallest values by their shares, where those are large, and a negative binomial beyond.
fn inflated(sorted: &[f64]) -> Option<Family> {
    let mut singles = Vec::new();
    let mut rest = sorted;
    for _ in 0..2 {
        let &value = rest.first()?;
        let end = rest.partition_point(|&x| x <= value);
        let share = end as f64 / sorted.len() as f64;
        if share < SINGLE {
            break;
        }
        singles.push((value, share));
        rest = &rest[end..];
    }
    if singles.is_empty() || rest.len() < 2 {
        return None;
    }
    let beyond = negative_binomial(rest, 0.0)?;
    Some(Family::Inflated(singles, Box::new(beyond)))
}
