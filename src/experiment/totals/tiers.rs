//! What the tiers behind memories did, as sums that figures are ratios of.

use crate::foundations::time::PS_PER_S;
use crate::serving::tiers::TierUsage;

/// What the tiers of one level did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TierServed {
    /// Prompt tokens fetched.
    pub hit_tokens: f64,
    /// Prompt tokens that could be computed sooner.
    pub recomputed_tokens: f64,
    /// Tokens forgotten for their age.
    pub expired_tokens: f64,
    /// Tokens not written for want of buffers.
    pub dropped_tokens: f64,
    /// Tokens written.
    pub written_tokens: f64,
    /// Bytes fetched.
    pub read_bytes: f64,
    /// Bytes written.
    pub written_bytes: f64,
    /// Time in which something is fetched, all links together, s.
    pub reading_s: f64,
    /// Time in which something is written, s.
    pub writing_s: f64,
    /// Links x time, s.
    pub link_s: f64,
}

impl TierServed {
    /// The same everywhere.
    pub const fn all(value: f64) -> Self {
        Self {
            hit_tokens: value,
            recomputed_tokens: value,
            expired_tokens: value,
            dropped_tokens: value,
            written_tokens: value,
            read_bytes: value,
            written_bytes: value,
            reading_s: value,
            writing_s: value,
            link_s: value,
        }
    }

    /// Those of a level in a window of this length.
    pub fn of(usage: &TierUsage, window_s: f64) -> Self {
        let seconds = |ps: u64| ps as f64 / PS_PER_S as f64;
        Self {
            hit_tokens: usage.hit_tokens as f64,
            recomputed_tokens: usage.recomputed_tokens as f64,
            expired_tokens: usage.expired_tokens as f64,
            dropped_tokens: usage.dropped_tokens as f64,
            written_tokens: usage.written_tokens as f64,
            read_bytes: usage.read.bytes as f64,
            written_bytes: usage.write.bytes as f64,
            reading_s: seconds(usage.read.busy_ps),
            writing_s: seconds(usage.write.busy_ps),
            link_s: usage.links as f64 * window_s,
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            hit_tokens: self.hit_tokens + other.hit_tokens,
            recomputed_tokens: self.recomputed_tokens + other.recomputed_tokens,
            expired_tokens: self.expired_tokens + other.expired_tokens,
            dropped_tokens: self.dropped_tokens + other.dropped_tokens,
            written_tokens: self.written_tokens + other.written_tokens,
            read_bytes: self.read_bytes + other.read_bytes,
            written_bytes: self.written_bytes + other.written_bytes,
            reading_s: self.reading_s + other.reading_s,
            writing_s: self.writing_s + other.writing_s,
            link_s: self.link_s + other.link_s,
        }
    }
}
