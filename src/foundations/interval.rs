//! Confidence intervals: how sure a simulated figure is.
//!
//! | Given | Interval |
//! |---|---|
//! | a figure from each of several trials | Student t: `mean ± t s/√n` ([`Estimate::of_trials`]) |
//! | a ratio of two totals over trials | delta method ([`Estimate::of_ratio`]) |
//! | one long run of dependent observations | batch means ([`BatchMeans`]) |
//! | successes out of attempts | Wilson's score ([`wilson`]) |
//! | a quantile of independent observations | order statistics ([`quantile_interval`]) |
//!
//! A 95 % interval is a promise that, over many repetitions, 95 of 100 such intervals hold the truth;
//! the tests here repeat and count.
//!
//! Sources: A. M. Law, *Simulation Modeling and Analysis*, 5th ed., chapters 4 and 9; W. G. Cochran,
//! *Sampling Techniques*, 3rd ed., section 6.3 (ratios).
//!
//! ```
//! use tokenfleet::foundations::interval::Estimate;
//! let estimate = Estimate::of_trials(&[4.9, 5.2, 5.5, 4.7, 4.9], 0.95);
//! assert_eq!(estimate.to_string(), "5.04 ± 0.39 (95 %, n = 5)");
//! assert_eq!(Estimate::of_trials(&[4.9], 0.95).to_string(), "4.9 (n = 1)");
//! ```

mod batch_means;
mod fisher;
mod order_statistics;
mod student_t;
mod wilson;

use super::statistics::Moments;
use super::units::{format_number, format_percent};
use std::fmt;

pub use batch_means::BatchMeans;
pub use fisher::fisher_quantile;
pub use order_statistics::{quantile_interval, quantile_ranks};
pub use student_t::student_t;
pub use wilson::wilson;

/// A range that holds the truth with a stated confidence.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Interval {
    /// The interval from `centre - half_width` to `centre + half_width`.
    #[must_use]
    pub fn around(centre: f64, half_width: f64) -> Self {
        Self { low: centre - half_width, high: centre + half_width }
    }

    /// Half of its width.
    #[must_use]
    pub fn half_width(&self) -> f64 {
        (self.high - self.low) / 2.0
    }

    /// Whether it holds a value.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// A figure with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The figure; NaN where there is nothing to estimate it from.
    pub mean: f64,
    /// Where the truth lies; none where there are too few observations to say.
    pub interval: Option<Interval>,
    /// The confidence of the interval, such as 0.95.
    pub confidence: f64,
    /// How many trials or observations it rests on.
    pub n: u64,
}

impl Estimate {
    /// The mean of independent trials: `mean ± t s/√n` with `n - 1` degrees of freedom.
    #[must_use]
    pub fn of_trials(values: &[f64], confidence: f64) -> Self {
        let moments: Moments = values.iter().copied().collect();
        Self::with_error(moments.mean(), moments.standard_error(), moments.count(), confidence)
    }

    /// The ratio of two totals over independent trials, given as (top, bottom): `R = Σ yᵢ / Σ xᵢ`,
    /// its standard error that of the residuals `yᵢ - R xᵢ` over the mean of `x`.
    #[must_use]
    pub fn of_ratio(trials: &[(f64, f64)], confidence: f64) -> Self {
        let n = trials.len() as f64;
        let (top, bottom) = trials.iter().fold((0.0, 0.0), |(y, x), t| (y + t.0, x + t.1));
        let ratio = top / bottom;
        let squares: f64 = trials.iter().map(|(y, x)| (y - ratio * x) * (y - ratio * x)).sum();
        let error = (squares / (n - 1.0) / n).sqrt() / (bottom / n).abs();
        Self::with_error(ratio, error, trials.len() as u64, confidence)
    }

    /// A figure with a standard error from `n` independent parts.
    fn with_error(mean: f64, error: f64, n: u64, confidence: f64) -> Self {
        let half_width = student_t(confidence, n as f64 - 1.0) * error;
        let interval = half_width.is_finite().then(|| Interval::around(mean, half_width));
        Self { mean, interval, confidence, n }
    }

    /// Half of the interval over the figure: how precise it is. Infinite without an interval.
    #[must_use]
    pub fn relative_half_width(&self) -> f64 {
        self.interval.map_or(f64::INFINITY, |interval| (interval.half_width() / self.mean).abs())
    }
}

/// `5.04 ± 0.39 (95 %, n = 5)`: two digits of the half-width, and as many places of the figure.
impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(interval) = self.interval else {
            return write!(f, "{} (n = {})", format_number(self.mean), self.n);
        };
        let half = interval.half_width();
        let places =
            if half > 0.0 { (1.0 - libm::floor(libm::log10(half))).clamp(0.0, 12.0) } else { 3.0 };
        let (mean, places) = (self.mean, places as usize);
        write!(f, "{mean:.places$} ± {half:.places$} ")?;
        write!(f, "({}, n = {})", format_percent(self.confidence), self.n)
    }
}

#[cfg(test)]
mod tests;
