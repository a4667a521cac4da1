//! All-reduce between the GPUs of one replica.
//!
//! Tensor parallelism sums partial results after every attention and every feed-forward network.
//! In a ring of `n` ranks each sends `2 (n-1)/n` times the vector, over both directions of its link
//! (Patarasuk and Yuan 2009), and starting costs a latency:
//!
//! ```text
//! t = alpha + beta * bytes * 2 (n-1)/n / (2 link)
//! ```
//!
//! `alpha` and `beta` are fitted. Above a ceiling a faster link brought nothing in the measurements:
//! messages of a decode step are too short.

/// Summing vectors over the GPUs of a replica.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AllReduce {
    /// Seconds of latency.
    pub latency_s: f64,
    /// Seconds for each byte of the vector.
    pub byte_s: f64,
}

impl AllReduce {
    /// An all-reduce over `ranks` GPUs whose links carry `link` bytes per second and direction, at
    /// `slowdown` times what bandwidth alone would take. One rank has nothing to sum.
    #[must_use]
    pub fn new(ranks: u32, link: f64, latency_s: f64, slowdown: f64) -> Self {
        if ranks <= 1 {
            return Self::default();
        }
        let n = f64::from(ranks);
        let sent = 2.0 * (n - 1.0) / n;
        Self { latency_s, byte_s: slowdown * sent / (2.0 * link) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_moves_twice_all_but_its_own_part() {
        let of = |ranks| AllReduce::new(ranks, 100e9, 2e-6, 1.0);
        assert_eq!(of(1), AllReduce::default());
        // Two ranks: each sends its vector once over a link of 200 GB/s in both directions.
        assert!((of(2).byte_s * 200e9 - 1.0).abs() < 1e-12);
        assert!((of(8).byte_s * 200e9 - 1.75).abs() < 1e-12);
        assert_eq!(of(8).latency_s, 2e-6);
    }
}
