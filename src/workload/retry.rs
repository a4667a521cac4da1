//! What an agent does when a call fails: how often it tries again, and after which wait.

use crate::foundations::SimDuration;

/// Retries of one call, and the limits on them.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Probability that an attempt fails in transport before it reaches a server.
    pub transport_error: f64,
    /// An attempt that takes longer is cancelled and counts as failed.
    pub timeout: Option<SimDuration>,
    /// A call that is unanswered after this time is sent a second time; the sooner answer counts.
    pub hedge: Option<SimDuration>,
    /// Attempts of one call, the first included.
    pub attempts: u32,
    /// Wait before the second attempt.
    pub backoff: SimDuration,
    /// Each further wait is this many times the one before.
    pub factor: f64,
    /// No wait is longer.
    pub longest: SimDuration,
    /// Part of the wait that is drawn: 0 waits exactly, 1 between nothing and the full wait.
    pub jitter: f64,
    /// Retries allowed for each first attempt, over the whole population; `None` is without limit.
    pub budget: Option<f64>,
    /// Stops calling for a while after failures in a row.
    pub breaker: Option<BreakerPolicy>,
}

/// A circuit breaker: after so many failures in a row no call is tried until it has cooled down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerPolicy {
    /// Failures in a row that open it.
    pub failures: u32,
    /// How long it stays open.
    pub cool_down: SimDuration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            transport_error: 0.0,
            timeout: None,
            hedge: None,
            attempts: 1,
            backoff: SimDuration(1_000_000_000_000),
            factor: 2.0,
            longest: SimDuration(60_000_000_000_000),
            jitter: 1.0,
            budget: None,
            breaker: None,
        }
    }
}

impl RetryPolicy {
    /// What a caller does whose retries were not recorded: four attempts, with waits from a second
    /// on that double.
    pub const OF_RECORDED: Self = Self {
        transport_error: 0.0,
        timeout: None,
        hedge: None,
        attempts: 4,
        backoff: SimDuration(1_000_000_000_000),
        factor: 2.0,
        longest: SimDuration(60_000_000_000_000),
        jitter: 1.0,
        budget: None,
        breaker: None,
    };

    /// The wait before attempt `attempt` (the second is 2), with `uniform` in (0, 1) drawn for the
    /// jitter.
    pub fn wait(&self, attempt: u32, uniform: f64) -> SimDuration {
        let grown = libm::pow(self.factor, f64::from(attempt.saturating_sub(2)));
        let full = (self.backoff.as_s() * grown).min(self.longest.as_s());
        SimDuration::from_s_saturating(full * (1.0 - self.jitter * uniform))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let policy = RetryPolicy { jitter: 0.0, ..RetryPolicy::default() };
        let waits: Vec<f64> = (2..10).map(|n| policy.wait(n, 0.5).as_s()).collect();
        assert_eq!(waits, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
    }

    #[test]
    fn full_jitter_waits_between_nothing_and_all() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.wait(3, 0.25).as_s(), 1.5);
    }
}
