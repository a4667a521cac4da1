//! Laws for observations: which family fits best, and how well.
//!
//! Each family is fitted to one half of the observations, by maximum likelihood or, where that has
//! no simple form, close to it. They compete on the other half, by the probability that they give
//! to what was seen there: an observation is known to the grid of its clock or its counter, so the
//! probability of `x` is `F(x + g/2) - F(x - g/2)`, for counts and for times alike. The winner must
//! lie within a Kolmogorov-Smirnov distance of 0.05 of the second half, and have the mean of the
//! first within 5 %, or a table of quantiles of the first half takes its place.
//!
//! ```
//! use tokenfleet::foundations::fitting::{Fitted, Grid};
//! use tokenfleet::foundations::{Law, Purpose, Streams};
//!
//! let law = Law::lognormal(2.0, 0.8)?;
//! let mut stream = Streams::new(1, 0).stream(Purpose::Sample, 0);
//! let mut draw = || (0..4000).map(|_| law.sample(&mut stream)).collect::<Vec<_>>();
//! let fitted = Fitted::new(&draw(), &draw(), Grid::Time).unwrap();
//! assert_eq!(fitted.family.name(), "lognormal");
//! assert!(fitted.ks < 0.03);
//! # Ok::<(), tokenfleet::foundations::LawError>(())
//! ```

mod estimate;
mod family;

use super::Law;
use super::statistics::order_statistic;

pub use family::Family;

/// What observations are known to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grid {
    /// Whole numbers.
    Count,
    /// Seconds, to the grid that their values show.
    Time,
}

/// The largest distance at which a family still counts as fitting.
pub const FITS: f64 = 0.05;
/// How far a family's mean may lie from that of what it was fitted to.
const MEANS: f64 = 0.05;
/// Fewer observations in either half are told by a table, whatever fits.
const FEWEST: usize = 20;
/// Families are fitted to so many observations at most, spread evenly.
const MOST: usize = 20_000;

/// A law for observations.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// The family with its parameters.
    pub family: Family,
    /// The same as a law.
    pub law: Law,
    /// Observations of the half that it was fitted to, and of the half that judges it.
    pub counts: (usize, usize),
    /// Kolmogorov-Smirnov distance to the second half.
    pub ks: f64,
    /// Mean log-probability of an observation of the second half.
    pub log_likelihood: f64,
    /// The best family where a table was taken, with its distance.
    pub rejected: Option<(Family, f64)>,
    /// Mean of the second half.
    pub mean: f64,
    /// The second half, ascending.
    pub judged_on: Vec<f64>,
}

impl Fitted {
    /// The best law for `fit`, judged on `judge`; `None` where either is empty.
    pub fn new(fit: &[f64], judge: &[f64], grid: Grid) -> Option<Self> {
        let sorted = |values: &[f64]| {
            let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
            sorted.sort_by(f64::total_cmp);
            sorted
        };
        let (fit, judge) = (sorted(fit), sorted(judge));
        if fit.is_empty() || judge.is_empty() {
            return None;
        }
        let step = grid.step(&fit);
        let few = thinned(&fit);
        let mean = fit.iter().sum::<f64>() / fit.len() as f64;
        let fits = |found: &Self| {
            found.ks <= FITS && (found.law.mean() - mean).abs() <= MEANS * mean.abs()
        };
        let table = Family::table(&fit, grid);
        let mut found: Vec<Self> = estimate::families(&few, grid)
            .into_iter()
            .chain([table])
            .filter_map(|family| Self::judged(family, &fit, &judge, grid, step))
            .collect();
        let table = found.pop()?;
        let best = found.into_iter().max_by(|a, b| a.log_likelihood.total_cmp(&b.log_likelihood));
        Some(match best {
            Some(best) if fits(&best) && few.len().min(judge.len()) >= FEWEST => best,
            Some(best) if best.family.is_constant() => best,
            best => Self { rejected: best.map(|best| (best.family, best.ks)), ..table },
        })
    }

    fn judged(family: Family, fit: &[f64], judge: &[f64], grid: Grid, step: f64) -> Option<Self> {
        let law = family.law(grid)?;
        let seen = thinned(judge);
        let probability = |&x: &f64| law.cdf(x + step / 2.0) - law.cdf(x - step / 2.0);
        let sum: f64 = seen.iter().map(|x| libm::log(probability(x).max(1e-9))).sum();
        Some(Self {
            counts: (fit.len(), judge.len()),
            ks: distance(&law, judge, step),
            log_likelihood: sum / seen.len() as f64,
            rejected: None,
            mean: judge.iter().sum::<f64>() / judge.len() as f64,
            judged_on: judge.to_vec(),
            family,
            law,
        })
    }

    /// A quantile of the half that judges.
    pub fn observed(&self, p: f64) -> f64 {
        order_statistic(&self.judged_on, p).unwrap_or(0.0)
    }
}

impl Grid {
    /// Distance of neighbouring values: 1 for counts, and of times the coarsest of 1 s, 0.1 s, ...
    /// on which nine of ten lie.
    fn step(self, values: &[f64]) -> f64 {
        if self == Self::Count {
            return 1.0;
        }
        let lie_on = |step: f64| {
            let on = |&&x: &&f64| (x / step - libm::round(x / step)).abs() < 1e-3;
            values.iter().filter(on).count() * 10 >= values.len() * 9
        };
        [1.0, 0.1, 0.01].into_iter().find(|&step| lie_on(step)).unwrap_or(0.001)
    }
}

/// Evenly spread elements of a sorted sample.
fn thinned(sorted: &[f64]) -> Vec<f64> {
    let stride = sorted.len().div_ceil(MOST).max(1);
    sorted.iter().copied().skip(stride / 2).step_by(stride).collect()
}

/// The largest distance of a law's distribution function from that of a sorted sample, both taken
/// at the ends of the grid's intervals.
pub fn distance(law: &Law, sorted: &[f64], step: f64) -> f64 {
    let n = sorted.len() as f64;
    let mut largest: f64 = 0.0;
    let mut start = 0;
    while start < sorted.len() {
        let x = sorted[start];
        let end = start + sorted[start..].partition_point(|&other| other < x + step * 0.75);
        let (below, upto) = (law.cdf(x - step / 2.0), law.cdf(x + step / 2.0));
        largest = largest.max((below - start as f64 / n).abs()).max((upto - end as f64 / n).abs());
        start = end;
    }
    largest
}

/// The Kolmogorov-Smirnov distance of two sorted samples.
pub fn distance_of_samples(one: &[f64], other: &[f64]) -> f64 {
    let (mut a, mut b, mut largest) = (0, 0, 0.0_f64);
    while a < one.len() && b < other.len() {
        let x = one[a].min(other[b]);
        a += one[a..].partition_point(|&value| value <= x);
        b += other[b..].partition_point(|&value| value <= x);
        let apart = a as f64 / one.len() as f64 - b as f64 / other.len() as f64;
        largest = largest.max(apart.abs());
    }
    largest
}

#[cfg(test)]
mod tests;
