//! Simulated time as integers of a picosecond.
//!
//! Integers make sums exact: a thousand steps added one by one and the same thousand steps added
//! by their closed form end in the same bits. A `u64` of picoseconds reaches 213 days.
//!
//! ```
//! use tokenfleet::foundations::{SimDuration, SimTime};
//! let start = SimTime::from_s(1.5).unwrap();
//! let step = SimDuration::from_s(0.02).unwrap();
//! assert_eq!((start + step * 3).as_s(), 1.56);
//! ```

use std::ops::{Add, AddAssign, Mul, Sub};

use super::whole::whole;

/// Picoseconds in a second.
pub const PS_PER_S: u64 = 1_000_000_000_000;

/// The longest time that can be simulated, in seconds (213 days).
pub const LONGEST_S: f64 = u64::MAX as f64 / PS_PER_S as f64;

/// An instant: picoseconds since the start of the trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimTime(pub u64);

/// A span between two instants, in picoseconds.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct SimDuration(pub u64);

/// Seconds rounded to picoseconds; `None` when negative, not a number or past the range.
fn ps_from_s(seconds: f64) -> Option<u64> {
    let ps = seconds * PS_PER_S as f64;
    (ps > -0.5 && ps < u64::MAX as f64).then(|| whole(ps))
}

impl SimTime {
    /// The start of the trial.
    pub const ZERO: Self = Self(0);
    /// Later than every event.
    pub const MAX: Self = Self(u64::MAX);

    /// From seconds, to the nearest picosecond; `None` when negative, not a number or too late.
    pub fn from_s(seconds: f64) -> Option<Self> {
        ps_from_s(seconds).map(Self)
    }

    /// In seconds.
    pub fn as_s(self) -> f64 {
        self.0 as f64 / PS_PER_S as f64
    }

    /// The span since `earlier`; zero when that is not earlier.
    pub fn since(self, earlier: Self) -> SimDuration {
        SimDuration(self.0.saturating_sub(earlier.0))
    }
}

impl SimDuration {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// Longer than every trial.
    pub const MAX: Self = Self(u64::MAX);

    /// From seconds, to the nearest picosecond; `None` when negative, not a number or too long.
    pub fn from_s(seconds: f64) -> Option<Self> {
        ps_from_s(seconds).map(Self)
    }

    /// From a drawn number of seconds: what is negative or not a number becomes zero, what is too
    /// long becomes [`SimDuration::MAX`], so that a draw from a wild tail can never wrap around.
    pub fn from_s_saturating(seconds: f64) -> Self {
        ps_from_s(seconds).map_or(if seconds > 0.0 { Self::MAX } else { Self::ZERO }, Self)
    }

    /// In seconds.
    pub fn as_s(self) -> f64 {
        self.0 as f64 / PS_PER_S as f64
    }

    /// In whole microseconds, the unit of the latency histograms.
    pub fn as_us(self) -> u64 {
        self.0 / 1_000_000
    }
}

impl Add<SimDuration> for SimTime {
    type Output = Self;
    fn add(self, span: SimDuration) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl AddAssign<SimDuration> for SimTime {
    fn add_assign(&mut self, span: SimDuration) {
        *self = *self + span;
    }
}

impl Add for SimDuration {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for SimDuration {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for SimDuration {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Mul<u64> for SimDuration {
    type Output = Self;
    fn mul(self, times: u64) -> Self {
        Self(self.0.saturating_mul(times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_of_range_seconds_are_refused() {
        for bad in [-1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert_eq!(SimTime::from_s(bad), None, "{bad}");
        }
        assert_eq!(SimDuration::from_s_saturating(1e12), SimDuration::MAX);
        assert_eq!(SimDuration::from_s_saturating(f64::NAN), SimDuration::ZERO);
        assert_eq!(SimDuration::from_s_saturating(-3.0), SimDuration::ZERO);
    }

    #[test]
    fn the_range_reaches_213_days() {
        assert!(SimTime::from_s(213.0 * 86_400.0).is_some());
        assert!(SimTime::from_s(214.0 * 86_400.0).is_none());
    }
}
