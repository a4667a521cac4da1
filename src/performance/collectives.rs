//! All-reduce between the GPUs of one replica, all-to-all between those that share experts.
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

//!
//! Where experts are dealt over more GPUs than attention is, every token travels to its `k` experts
//! before each mixture and back behind it. Of the copies that a GPU sends, `(d - 1) / n` stay inside
//! its scale-up domain of `d` of the `n` GPUs, `(n - d) / n` leave it by the network card:
//!
//! ```text
//! t = latency + k width (dispatch + combine bytes) max(inside / link, outside / card) / efficiency
//! ```
//!
//! Both ways at once, which links and cards can do. With 85 % of the datasheet's bandwidths and 20 us
//! for each direction this meets what DeepEP measured on 16 to 256 H800 within a tenth.

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

/// Sending tokens to their experts and back.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AllToAll {
    /// Seconds of latency, both directions together.
    pub latency_s: f64,
    /// Seconds for each byte that a GPU sends.
    pub byte_s: f64,
}

impl AllToAll {
    /// Of bandwidths of a datasheet, what the exchange reaches: DeepEP's own figures are 80 to 90 %.
    pub(super) const EFFICIENCY: f64 = 0.85;
    /// Latency of one direction, s: where the network is needed, fitted to DeepEP's table; inside a
    /// scale-up domain assumed half of that.
    const NETWORK_S: f64 = 20e-6;
    const LINK_S: f64 = 10e-6;

    /// Latency of one direction, inside a scale-up domain or beyond it, s.
    pub(super) const fn latency_s(inside: bool) -> f64 {
        if inside { Self::LINK_S } else { Self::NETWORK_S }
    }

    /// Between `gpus` GPUs of which `domain` each are joined by links of `link` bytes per second and
    /// direction, and beyond them by a network of `network` bytes per second for each GPU.
    #[must_use]
    pub fn new(gpus: u32, domain: u32, link: f64, network: f64) -> Self {
        let (all, near) = (f64::from(gpus), f64::from(domain.min(gpus)));
        if gpus <= 1 {
            return Self::default();
        }
        let inside = (near - 1.0) / all / link;
        let outside = if gpus > domain { (all - near) / all / network } else { 0.0 };
        let latency = Self::latency_s(gpus <= domain);
        Self { latency_s: 2.0 * latency, byte_s: inside.max(outside) / Self::EFFICIENCY }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// DeepEP's table of its low-latency kernels (README before 2025-06, H800 with NVLink at 200 GB/s
    /// and one 400 Gb/s card each): 128 tokens of 7,168 elements to 8 experts, FP8 there and BF16 back,
    /// microseconds.
    #[test]
    fn an_exchange_takes_what_was_measured() {
        let measured = [(16, 118.0, 195.0), (32, 155.0, 273.0), (64, 173.0, 314.0)];
        let measured = measured.into_iter().chain([(128, 192.0, 369.0), (256, 194.0, 360.0)]);
        for (gpus, dispatch, combine) in measured {
            let exchange = AllToAll::new(gpus, 8, 200e9, 50e9);
            let elements = 128.0 * 8.0 * 7168.0;
            for (bytes, microseconds) in [(1.0, dispatch), (2.0, combine)] {
                let found = 1e6 * (exchange.latency_s / 2.0 + elements * bytes * exchange.byte_s);
                let off = found / microseconds - 1.0;
                assert!(off.abs() < 0.13, "{gpus} GPUs: {found} us, {microseconds} measured");
            }
        }
        assert_eq!(AllToAll::new(1, 8, 200e9, 50e9), AllToAll::default());
        // A rack needs no network.
        let rack = AllToAll::new(72, 72, 900e9, 0.0);
        assert!(rack.byte_s < 0.1 * AllToAll::new(72, 8, 900e9, 50e9).byte_s);
    }

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
