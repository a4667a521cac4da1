//! What an endpoint has done, as integers that add up exactly.

use crate::foundations::histogram::{MOST_COUNTED, MOST_SUMMED};

/// What an endpoint did in a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EndpointUsage {
    /// Calls sent to it.
    pub requests: u64,
    /// Those refused by its limits.
    pub throttled: u64,
    /// Those refused or broken off because it was out of service.
    pub unavailable: u64,
    /// Those answered.
    pub calls: u64,
    /// Prompt tokens of calls that it charged for.
    pub input_tokens: u64,
    /// Part of those that its cache held.
    pub cached_tokens: u64,
    /// Tokens that it produced.
    pub output_tokens: u64,
    /// What it charged, picodollars.
    pub spent_pico: u128,
}

impl EndpointUsage {
    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.throttled += other.throttled;
        self.unavailable += other.unavailable;
        self.calls += other.calls;
        self.input_tokens += other.input_tokens;
        self.cached_tokens += other.cached_tokens;
        self.output_tokens += other.output_tokens;
        self.spent_pico += other.spent_pico;
    }

    /// Whether a run could have counted this: it may come from a disk.
    pub fn is_possible(&self) -> bool {
        let counts = [self.requests, self.throttled, self.unavailable, self.calls];
        let tokens = [self.input_tokens, self.cached_tokens, self.output_tokens];
        counts.iter().chain(&tokens).all(|&count| count <= MOST_COUNTED)
            && self.spent_pico <= MOST_SUMMED
    }
}
