//! Samples that come in clusters: the calls of a session are alike, so that a thousand calls of ten
//! sessions tell little more than ten sessions do.
//!
//! The mean of a clustered sample is a ratio, of the clusters' sums to their sizes, and its standard
//! error is that of a ratio, `sqrt(J/(J - 1) Σ (s_j - m n_j)²) / Σ n_j` over J clusters (W. G. Cochran,
//! *Sampling Techniques*, 3rd ed., section 6.3). The distance that chance alone puts between two samples
//! comes from drawing whole clusters of both anew (A. C. Davison and D. V. Hinkley, *Bootstrap Methods
//! and their Application*, 1997, section 3.8): each time, how far the difference of the distribution
//! functions moves from what it is.
//!
//! ```
//! use tokenfleet::foundations::clusters::Clusters;
//! // Two sessions of alike calls: as unsure as two values, whatever the number of calls.
//! let sample = Clusters::new([vec![1.0; 50], vec![3.0; 50]]).unwrap();
//! assert_eq!((sample.mean(), sample.standard_error()), (2.0, 1.0));
//! ```

use super::random::{Purpose, Stream, Streams};
use super::statistics::order_statistic;

/// How often clusters are drawn anew.
const RESAMPLES: u64 = 400;

/// A sample in clusters.
#[derive(Clone, Debug)]
pub struct Clusters {
    /// Values with their clusters, sorted by value.
    values: Vec<(f64, u32)>,
    /// How many values each cluster has, and their sum.
    clusters: Vec<(u32, f64)>,
}

impl Clusters {
    /// From the values of each cluster; nothing where there is no value. Clusters without values
    /// are left out.
    pub fn new(clusters: impl IntoIterator<Item = Vec<f64>>) -> Option<Self> {
        let (mut values, mut sums) = (Vec::new(), Vec::new());
        for cluster in clusters.into_iter().filter(|cluster| !cluster.is_empty()) {
            values.extend(cluster.iter().map(|&value| (value, sums.len() as u32)));
            sums.push((cluster.len() as u32, cluster.iter().sum()));
        }
        values.sort_by(|one, other| one.0.total_cmp(&other.0));
        (!values.is_empty()).then_some(Self { values, clusters: sums })
    }

    /// How many values there are.
    pub fn count(&self) -> usize {
        self.values.len()
    }

    /// All values, sorted.
    pub fn values(&self) -> Vec<f64> {
        self.values.iter().map(|&(value, _)| value).collect()
    }

    /// The mean of all values.
    pub fn mean(&self) -> f64 {
        self.clusters.iter().map(|&(_, sum)| sum).sum::<f64>() / self.count() as f64
    }

    /// The standard error of the mean, clusters being independent; infinite where there is but one.
    pub fn standard_error(&self) -> f64 {
        let (mean, clusters) = (self.mean(), self.clusters.len() as f64);
        let square = |&(n, sum): &(u32, f64)| {
            let off = sum - mean * f64::from(n);
            off * off
        };
        let squares: f64 = self.clusters.iter().map(square).sum();
        match self.clusters.len() {
            1 => f64::INFINITY,
            _ => libm::sqrt(clusters / (clusters - 1.0) * squares) / self.count() as f64,
        }
    }

    /// How much more each value counts in a sample of clusters drawn anew than it does here, by cluster.
    fn drawn(&self, stream: &mut Stream) -> Vec<f64> {
        let mut times = vec![0_u32; self.clusters.len()];
        for _ in 0..times.len() {
            times[stream.below(self.clusters.len() as u64) as usize] += 1;
        }
        let sizes = times.iter().zip(&self.clusters);
        let drawn: f64 = sizes.map(|(&times, &(n, _))| f64::from(times) * f64::from(n)).sum();
        let now = 1.0 / self.count() as f64;
        times.into_iter().map(|times| f64::from(times) / drawn - now).collect()
    }
}

/// The Kolmogorov-Smirnov distance that chance alone exceeds in 5 % of cases between two such samples
/// of one law.
pub fn distance_by_chance(one: &Clusters, other: &Clusters, seed: u64) -> f64 {
    let streams = Streams::new(seed, 0);
    let distance = |resample| {
        let mut stream = streams.stream(Purpose::Resample, resample);
        let (more, less) = (one.drawn(&mut stream), other.drawn(&mut stream));
        let (mut a, mut b, mut apart, mut largest) = (0, 0, 0.0_f64, 0.0_f64);
        while a < one.count() && b < other.count() {
            let x = one.values[a].0.min(other.values[b].0);
            while let Some(&(_, cluster)) = one.values.get(a).filter(|value| value.0 <= x) {
                apart += more[cluster as usize];
                a += 1;
            }
            while let Some(&(_, cluster)) = other.values.get(b).filter(|value| value.0 <= x) {
                apart -= less[cluster as usize];
                b += 1;
            }
            largest = largest.max(apart.abs());
        }
        largest
    };
    let mut distances: Vec<f64> = (0..RESAMPLES).map(distance).collect();
    distances.sort_by(f64::total_cmp);
    order_statistic(&distances, 0.95).unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foundations::Law;
    use crate::foundations::statistics::Moments;

    /// `clusters` of `alike` equal values each, exponential.
    fn sample(clusters: u64, alike: usize, seed: u64) -> Clusters {
        let law = Law::exponential(1.0).unwrap();
        let mut stream = Streams::new(seed, 1).stream(Purpose::Sample, 0);
        Clusters::new((0..clusters).map(|_| vec![law.sample(&mut stream); alike])).unwrap()
    }

    #[test]
    fn clusters_of_one_are_independent_values() {
        let (one, other) = (sample(400, 1, 1), sample(900, 1, 2));
        // Smirnov's limit law at 95 %.
        let smirnov = 1.358 * libm::sqrt((400.0 + 900.0) / (400.0 * 900.0));
        assert!((distance_by_chance(&one, &other, 1) / smirnov - 1.0).abs() < 0.1);
        let values = one.values();
        let mean = values.iter().sum::<f64>() / 400.0;
        let square = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>();
        assert!((one.standard_error() / libm::sqrt(square / 399.0 / 400.0) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn alike_values_tell_no_more_than_one() {
        let (one, other) = (sample(200, 1, 3), sample(300, 1, 4));
        let (ones, others) = (sample(200, 20, 3), sample(300, 20, 4));
        assert!((ones.standard_error() - one.standard_error()).abs() < 1e-12);
        let (single, alike) =
            (distance_by_chance(&one, &other, 5), distance_by_chance(&ones, &others, 5));
        assert!((single - alike).abs() < 1e-9, "{single} {alike}");
    }

    /// Of many pairs of samples of one law, the distance exceeds what it says in one of twenty, and
    /// means differ by more than 1.96 standard errors as often, although clusters differ in size.
    #[test]
    fn chance_exceeds_it_in_a_twentieth_of_cases() {
        let mut stream = Streams::new(9, 0).stream(Purpose::Sample, 7);
        let mut draw = |clusters: usize| {
            Clusters::new((0..clusters).map(|_| {
                let centre = stream.uniform();
                let size = 1 + (stream.uniform() * 8.0) as usize;
                (0..size).map(|_| centre + 0.3 * stream.uniform()).collect()
            }))
            .unwrap()
        };
        let (mut far, mut off) = (Moments::default(), Moments::default());
        for case in 0..400 {
            let (one, other) = (draw(60), draw(90));
            let distance =
                super::super::fitting::distance_of_samples(&one.values(), &other.values());
            far.record(f64::from(u8::from(distance > distance_by_chance(&one, &other, case))));
            let error = libm::hypot(one.standard_error(), other.standard_error());
            off.record(f64::from(u8::from((one.mean() - other.mean()).abs() > 1.96 * error)));
        }
        assert!((0.02..0.08).contains(&far.mean()), "{}", far.mean());
        assert!((0.02..0.08).contains(&off.mean()), "{}", off.mean());
    }
}
