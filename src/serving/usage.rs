//! What a replica has done, as integers that add up exactly.
//!
//! Between two events a decode batch changes only in that every context grows by one token, so the
//! steps of a leap last `base`, `base + slope`, `base + 2 slope`, ...; every sum over them has a
//! closed form in integers, and leaping gives the bits that single steps give.

use std::hint::cold_path;

/// Fixed-point fraction bits of the time a token is charged.
pub(super) const SHARE_BITS: u32 = 20;

/// What one of `tokens` tokens is charged of `ps` that they share, ps x 2^20.
#[inline]
pub(super) fn share_of(ps: u64, tokens: u64) -> u128 {
    // Division of 128 bits costs ten times that of 64, and steps take less than 17 s.
    match ps.leading_zeros() >= SHARE_BITS {
        true => u128::from((ps << SHARE_BITS) / tokens.max(1)),
        false => {
            cold_path();
            (u128::from(ps) << SHARE_BITS) / u128::from(tokens.max(1))
        }
    }
}

/// Sum of the whole numbers below `n`.
#[inline]
pub(super) fn triangle(n: u64) -> u128 {
    match n {
        ..0x1_0000_0000 => u128::from(n * n.saturating_sub(1) / 2),
        _ => {
            cold_path();
            u128::from(n) * u128::from(n - 1) / 2
        }
    }
}

/// Steps of a decode batch that nothing disturbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progression {
    /// Time of the first step, ps.
    pub(super) base: u64,
    /// What each step takes longer than the one before, ps.
    pub(super) slope: u64,
}

impl Progression {
    /// Time of the first `steps` steps, ps.
    #[inline(always)]
    pub(super) fn elapsed(&self, steps: u64) -> u64 {
        u64::try_from(self.sum(steps)).unwrap_or(u64::MAX)
    }

    #[inline(always)]
    fn sum(&self, steps: u64) -> u128 {
        let [n, base, slope] = [steps, self.base, self.slope].map(u128::from);
        n * base + slope * triangle(steps)
    }

    /// Whole steps done after `gap` ps, at most `limit`: a guess and a correction.
    #[inline(always)]
    pub(super) fn completed(&self, gap: u64, limit: u64) -> u64 {
        // As many as if none took longer than the first, where that is a step too many or two.
        let alike = gap / self.base.max(1);
        let longer = self.slope.saturating_mul(alike).saturating_mul(alike);
        let guess = if longer <= self.base.saturating_mul(2) { alike } else { self.root(gap) };
        let mut steps = guess.min(limit);
        let (mut end, gap) = (self.sum(steps), u128::from(gap));
        let step = |at: u64| u128::from(self.base) + u128::from(self.slope) * u128::from(at);
        while end > gap && steps > 0 {
            steps -= 1;
            end -= step(steps);
        }
        while steps < limit && end + step(steps) <= gap {
            end += step(steps);
            steps += 1;
        }
        steps
    }

    /// Steps in `gap` ps, by the root of their sum, to a step or two.
    #[cold]
    fn root(&self, gap: u64) -> u64 {
        let [base, slope, gap] = [self.base, self.slope, gap].map(|ps| ps as f64);
        let half = base - slope / 2.0;
        ((libm::sqrt(half * half + 2.0 * slope * gap) - half) / slope) as u64
    }

    /// Sum over `steps` steps of (`value` + `growth` i) x (time of step i).
    #[inline(always)]
    pub(super) fn weighted(&self, value: u64, growth: u64, steps: u64) -> u128 {
        let [v, g, b, s] = [value, growth, self.base, self.slope].map(u128::from);
        let first = triangle(steps);
        // The sum of the squares below `steps`. Division of 128 bits costs many times that of 64.
        let second = match steps {
            ..0x10_0000 => u128::from(first as u64 * (2 * steps).saturating_sub(1) / 3),
            _ => {
                cold_path();
                first * (2 * u128::from(steps) - 1) / 3
            }
        };
        v * self.sum(steps) + g * (b * first + s * second)
    }
}

/// What a lever of the serving stack counts where it is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Counter {
    /// Steps of each request that verified a draft.
    Verified,
    /// Tokens that they gave beyond one each.
    Accepted,
    /// Running requests that gave way to one of a higher class.
    Displaced,
    /// Cached tokens that nobody used for too long.
    Expired,
    /// Pinned tokens that had to go.
    Unpinned,
}

impl Counter {
    /// How many there are.
    pub const COUNT: usize = 5;
}

/// A number for each [`Counter`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters([u64; Counter::COUNT]);

impl Counters {
    /// Counts `number` more.
    pub fn count(&mut self, what: Counter, number: u64) {
        self.0[what as usize] += number;
    }

    /// All of them, in the order of [`Counter`].
    pub fn all(&self) -> &[u64; Counter::COUNT] {
        &self.0
    }

    fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine += theirs);
    }
}

/// Running sums of one replica since the start of the trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time in steps, ps.
    pub busy_ps: u64,
    /// Time in which kernels run, ps: steps less what the host holds them up.
    pub gpu_ps: u64,
    /// Steps (engine iterations).
    pub steps: u64,
    /// Jumps over one or more undisturbed decode steps.
    pub leaps: u64,
    /// Decoding requests x time, ps.
    pub batch_ps: u128,
    /// Requests waiting x time, ps.
    pub waiting_ps: u128,
    /// Tokens of KV held by running requests x time, token ps.
    pub kv_token_ps: u128,
    /// Prompt tokens computed.
    pub prefill_tokens: u64,
    /// Tokens produced.
    pub output_tokens: u64,
    /// Prompt tokens found in the prefix cache, and prompt tokens of those requests.
    pub cached_tokens: u64,
    /// Prompt tokens of admitted requests.
    pub prompt_tokens: u64,
    /// Arithmetic done, FLOP per GPU.
    pub flops: u128,
    /// Memory traffic of weights and KV, bytes per GPU.
    pub bytes: u128,
    /// Requests that lost their blocks.
    pub preemptions: u64,
    /// What levers did that are not always there.
    pub counters: Counters,
    /// Time charged to requests, in ps x 2^20.
    pub charged: u128,
}

impl Usage {
    /// Time charged to requests, ps.
    pub fn charged_ps(&self) -> u64 {
        (self.charged >> SHARE_BITS) as u64
    }

    /// Adds another replica's sums.
    pub fn add(&mut self, other: &Self) {
        self.busy_ps += other.busy_ps;
        self.gpu_ps += other.gpu_ps;
        self.steps += other.steps;
        self.leaps += other.leaps;
        self.batch_ps += other.batch_ps;
        self.waiting_ps += other.waiting_ps;
        self.kv_token_ps += other.kv_token_ps;
        self.prefill_tokens += other.prefill_tokens;
        self.output_tokens += other.output_tokens;
        self.cached_tokens += other.cached_tokens;
        self.prompt_tokens += other.prompt_tokens;
        self.flops += other.flops;
        self.bytes += other.bytes;
        self.preemptions += other.preemptions;
        self.counters.add(&other.counters);
        self.charged += other.charged;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn closed_forms_equal_single_steps(
            base in 1u64..50_000_000_000, slope in 0u64..10_000_000, n in 0u64..300,
            value in 0u64..5_000_000, growth in 0u64..1_000, part in 0.0f64..1.0,
        ) {
            let run = Progression { base, slope };
            let (mut time, mut area) = (0u64, 0u128);
            for i in 0..n {
                let step = base + slope * i;
                area += u128::from(value + growth * i) * u128::from(step);
                time += step;
            }
            prop_assert_eq!(run.elapsed(n), time);
            prop_assert_eq!(run.weighted(value, growth, n), area);
            let gap = (time as f64 * part) as u64;
            let done = run.completed(gap, n);
            prop_assert!(run.elapsed(done) <= gap);
            prop_assert!(done == n || run.elapsed(done + 1) > gap);
        }
    }
}
