//! Mixtures of experts: how many experts a batch visits, and what that costs.
//!
//! Each of `T` tokens chooses `k` of `E` experts. If every expert is as likely as any other, one is
//! left alone with probability `(1 - k/E)^T`, so the batch reads the weights of
//!
//! ```text
//! V(T) = E (1 - (1 - k/E)^T)
//! ```
//!
//! experts (*coverage*): `k` for one token, all of them for many. A model that always reads all
//! experts is wrong by a factor of two to three on measured kernels, coverage by 7 to 16 %.
//! Routing is skewed in practice and visits fewer; `spread` below 1 stands for that. The arithmetic
//! is done on tiles, so each visited expert is padded by some rows.

use super::smooth_max::SmoothMax;
use crate::catalog::{FeedForward, Model, Moe};

/// Experts that `tokens` tokens visit, each choosing `active` of `experts` independently.
#[must_use]
pub fn coverage(experts: f64, active: f64, tokens: f64) -> f64 {
    if active >= experts {
        return experts;
    }
    experts * (1.0 - libm::pow(1.0 - active / experts, tokens))
}

/// The routed experts of all layers of one shape, on one GPU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExpertGroup {
    /// Experts of a layer.
    pub experts: f64,
    /// Experts that a token visits.
    pub active: f64,
    /// Share of the draws that are independent of each other.
    pub spread: f64,
    /// Seconds of arithmetic for each (token, expert) pair, over all layers.
    pub compute_s: f64,
    /// Rows of padding for each expert that is visited.
    pub padding: f64,
    /// Seconds to read the weights of one expert in each layer.
    pub memory_s: f64,
    /// Bytes of these weights.
    pub bytes: f64,
    /// Groups with batches of their own that share the experts: each as large as this one's.
    pub sharing: f64,
}

impl ExpertGroup {
    /// Experts of a layer that `tokens` tokens visit, those of each sharing group; of the experts that
    /// all visit together, this group's part.
    #[must_use]
    pub fn visited(&self, tokens: f64) -> f64 {
        coverage(self.experts, self.active, tokens * self.spread * self.sharing) / self.sharing
    }

    /// Seconds and bytes for `tokens` tokens.
    pub(super) fn cost(&self, bend: SmoothMax, tokens: f64) -> (f64, f64) {
        let visited = self.visited(tokens);
        let rows = tokens * self.active + self.padding * visited;
        (bend.of(rows * self.compute_s, visited * self.memory_s), visited * self.bytes)
    }
}

/// Load of the busiest of `groups` of GPUs over the mean, where the popularity of experts falls by
/// rank as `rank^-skew`. The `redundant` further copies go to the experts whose copies are loaded most,
/// one by one, and copies are dealt out the most popular first, each to the least loaded group with a
/// place left, as balancers such as EPLB do.
#[must_use]
pub fn busiest(experts: u32, groups: u32, skew: f64, redundant: u32) -> f64 {
    let weights: Vec<f64> = (1..=experts).map(|rank| libm::pow(f64::from(rank), -skew)).collect();
    let total: f64 = weights.iter().sum();
    let mut copies = vec![1.0; weights.len()];
    for _ in 0..redundant {
        let load = |at: &usize| weights[*at] / copies[*at];
        let hottest = (0..weights.len()).max_by(|a, b| load(a).total_cmp(&load(b)));
        if let Some(hottest) = hottest {
            copies[hottest] += 1.0;
        }
    }
    let loads = weights.iter().zip(&copies);
    let mut loads: Vec<f64> = loads
        .flat_map(|(weight, &copies)| std::iter::repeat_n(weight / copies / total, copies as usize))
        .collect();
    loads.sort_by(|a, b| b.total_cmp(a));
    let places = loads.len().div_ceil(groups.max(1) as usize);
    let mut dealt = vec![(0.0_f64, 0); groups.max(1) as usize];
    for load in loads {
        let open = dealt.iter_mut().filter(|(_, held)| *held < places);
        if let Some(least) = open.min_by(|a, b| a.0.total_cmp(&b.0)) {
            *least = (least.0 + load, least.1 + 1);
        }
    }
    dealt.iter().map(|&(load, _)| load).fold(0.0, f64::max) * f64::from(groups.max(1))
}

/// Layers with routed experts: how many of each shape.
pub(super) fn mixtures(model: &Model) -> impl Iterator<Item = (u64, &Moe)> {
    model.layers.iter().filter_map(|group| match &group.ffn {
        FeedForward::Moe(moe) => Some((group.count, moe)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_token_visits_its_own_and_many_visit_all() {
        assert!((coverage(256.0, 8.0, 1.0) - 8.0).abs() < 1e-12);
        // Two tokens miss an expert with probability (1 - 8/256)^2.
        assert!((coverage(256.0, 8.0, 2.0) - (16.0 - 64.0 / 256.0)).abs() < 1e-9);
        assert!((coverage(256.0, 8.0, 1e4) - 256.0).abs() < 1e-9);
        assert_eq!(coverage(8.0, 8.0, 1.0), 8.0);
    }

    /// The mean over all ways to choose, counted rather than derived: 2 of 4 experts, 2 tokens.
    #[test]
    fn agrees_with_counting_every_choice() {
        let pairs: Vec<u32> = (0..16u32).filter(|set| set.count_ones() == 2).collect();
        let both = pairs.iter().flat_map(|a| pairs.iter().map(move |b| (a | b).count_ones()));
        let mean = f64::from(both.sum::<u32>()) / (pairs.len() * pairs.len()) as f64;
        assert!((coverage(4.0, 2.0, 2.0) - mean).abs() < 1e-12);
    }

    #[test]
    fn the_busiest_group_has_the_hottest_expert() {
        assert!((busiest(256, 64, 0.0, 0) - 1.0).abs() < 1e-12);
        // Two experts, two groups, the first twice as popular: 2/3 of the load on one of them. A third
        // copy cannot be dealt evenly to two groups, a further two can: 1/3 each, and halves of 1/3.
        assert!((busiest(2, 2, 1.0, 0) - 4.0 / 3.0).abs() < 1e-12);
        let weights: f64 = (1..=256).map(|rank| 1.0 / f64::from(rank)).sum();
        // Alone in its group, the hottest of 256 experts on 256 GPUs carries its own popularity.
        assert!((busiest(256, 256, 1.0, 0) - 256.0 / weights).abs() < 1e-9);
        let without = busiest(256, 64, 0.7, 0);
        assert!(busiest(256, 64, 0.7, 32) < 0.6 * without);
        assert!(busiest(256, 8, 0.7, 0) < without);
    }

    proptest! {
        #[test]
        fn more_tokens_visit_no_fewer(e in 2u32..512, k in 1u32..16, t in 1u32..10_000) {
            let (e, k, t) = (f64::from(e), f64::from(k.min(e)), f64::from(t));
            prop_assert!(coverage(e, k, t + 1.0) >= coverage(e, k, t));
            prop_assert!(coverage(e, k, t) <= e);
            prop_assert!(coverage(e, k, t) <= k * t + 1e-9);
        }
    }
}
