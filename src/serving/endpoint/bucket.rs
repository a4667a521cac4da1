//! Token buckets: how hosted services limit what one sends in a minute.
//!
//! A bucket holds what is allowed in its depth of time, starts full and fills at the rate, so that up
//! to any instant no more than `rate x time + depth` was let through (J. S. Turner, *New Directions
//! in Communications*, IEEE Communications Magazine 24(10), 1986). Levels are integers: a bucket lets
//! through exactly its rate.

use crate::foundations::{SimDuration, SimTime};

/// Picoseconds in a minute.
const MINUTE_PS: i128 = 60_000_000_000_000;

/// A limit on what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Things in a minute.
    pub per_minute: u64,
    /// Time whose allowance the bucket holds.
    pub depth: SimDuration,
}

/// What a limit still allows.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenBucket {
    /// Things x picoseconds in a minute; below zero it is in debt.
    level: i128,
    filled: SimTime,
}

impl RateLimit {
    fn full(&self) -> i128 {
        i128::from(self.per_minute) * i128::from(self.depth.0)
    }
}

impl TokenBucket {
    pub(super) fn new(limit: &RateLimit) -> Self {
        Self { level: limit.full(), filled: SimTime::ZERO }
    }

    /// How long until so many things may pass; nothing where they may now. More than the bucket
    /// holds may pass when it is full, and leave it in debt.
    pub(super) fn wait(&mut self, limit: &RateLimit, amount: u64, now: SimTime) -> SimDuration {
        let rate = i128::from(limit.per_minute);
        let filled = self.level + rate * i128::from(now.since(self.filled).0);
        (self.level, self.filled) = (filled.min(limit.full()), now);
        let needed = (i128::from(amount) * MINUTE_PS).min(limit.full());
        let missing = (needed - self.level).max(0);
        let ps = (missing + rate - 1) / rate.max(1);
        SimDuration(u64::try_from(ps).unwrap_or(u64::MAX))
    }

    pub(super) fn take(&mut self, amount: u64) {
        self.level -= i128::from(amount) * MINUTE_PS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: f64) -> SimTime {
        SimTime::from_s(s).unwrap()
    }

    /// Asked without end, it lets through its depth at once, and from then on its rate.
    #[test]
    fn it_lets_through_exactly_rate_times_time() {
        for (per_minute, depth_s, amount) in [(50, 60.0, 1), (7, 1.0, 1), (90_000, 10.0, 777)] {
            let limit = RateLimit { per_minute, depth: SimDuration::from_s(depth_s).unwrap() };
            let mut bucket = TokenBucket::new(&limit);
            let (mut now, mut passed) = (SimTime::ZERO, 0);
            while now < at(3600.0) {
                let wait = bucket.wait(&limit, amount, now);
                if wait > SimDuration::ZERO {
                    now += wait;
                    assert_eq!(bucket.wait(&limit, amount, now), SimDuration::ZERO);
                }
                if now < at(3600.0) {
                    bucket.take(amount);
                    passed += amount;
                }
            }
            // What the bucket held at first; where that is less than one, the first waits for none.
            let depth = (per_minute as f64 * depth_s / 60.0).max(amount as f64);
            let expected = per_minute as f64 * 60.0 + depth;
            let short = expected - passed as f64;
            assert!((0.0..=amount as f64).contains(&short), "{passed} of {expected}");
        }
    }

    #[test]
    fn what_does_not_fit_waits_for_a_full_bucket() {
        let limit = RateLimit { per_minute: 60, depth: SimDuration::from_s(10.0).unwrap() };
        let mut bucket = TokenBucket::new(&limit);
        assert_eq!(bucket.wait(&limit, 25, at(0.0)), SimDuration::ZERO);
        bucket.take(25);
        // 15 in debt: a full bucket of 10 is 25 seconds away.
        assert_eq!(bucket.wait(&limit, 25, at(0.0)).as_s(), 25.0);
        assert_eq!(bucket.wait(&limit, 1, at(0.0)).as_s(), 16.0);
    }
}
