//! Random numbers by name: every draw of a trial comes from a stream that says whose draw it is.
//!
//! A simulation that takes all its numbers from one generator changes every later draw as soon as
//! one event moves. Here each (root seed, trial, purpose, entity) has its own stream instead, so
//! task 17 of trial 3 asks for the same tokens on every hardware. Two systems are then compared
//! under *common random numbers*, and the variance of their difference drops to
//! `Var(X) + Var(Y) - 2 Cov(X, Y)`.
//!
//! The generator is ChaCha8, a pseudorandom function of (key, nonce, counter). The key spells root
//! seed, trial and purpose, the nonce is the entity: distinct names give independent streams
//! without any hashing, and a stream costs nothing until its first draw.
//!
//! Sources: D. J. Bernstein, *ChaCha, a variant of Salsa20* (2008); A. M. Law, *Simulation Modeling
//! and Analysis*, 5th ed., section 11.2 (common random numbers); D. Lemire, *Fast random integer
//! generation in an interval*, ACM TOMACS 29(1), 2019; G. Steele, D. Lea, C. Flood, *Fast splittable
//! pseudorandom number generators*, OOPSLA 2014 (the mixing function).
//!
//! ```
//! use tokenfleet::foundations::random::{Purpose, Streams};
//!
//! let streams = Streams::new(1, 3);
//! let mut task_17 = streams.stream(Purpose::Task, 17);
//! let first = task_17.uniform();
//! assert!(0.0 < first && first < 1.0);
//!
//! // The same name gives the same numbers, another name gives others.
//! assert_eq!(first, streams.stream(Purpose::Task, 17).uniform());
//! assert_ne!(first, streams.stream(Purpose::Tool, 17).uniform());
//! assert_ne!(first, Streams::new(1, 4).stream(Purpose::Task, 17).uniform());
//! ```

use std::convert::Infallible;

use rand::TryRng;

use super::chacha::ChaCha8;

/// The last quarter of every key, so that our streams are nobody else's.
const KEY_TAG: u64 = u64::from_le_bytes(*b"tokenflt");

/// What a stream is for.
///
/// A discriminant is part of the key: changing one changes every result, so they never do. New
/// purposes take new numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u64)]
pub enum Purpose {
    /// When tasks arrive.
    Arrival = 1,
    /// What a task is: its sizes, its path through the program.
    Task = 2,
    /// What the tasks of one session share.
    Session = 3,
    /// What one LLM call asks for.
    Call = 4,
    /// Latency, result size and outcome of a tool call.
    Tool = 5,
    /// Jitter of a back-off.
    Retry = 6,
    /// Random choices of a router.
    Route = 7,
    /// When machines fail and how long they stay down.
    Failure = 8,
    /// An uncertain parameter of the scenario, drawn once per trial.
    Parameter = 9,
    /// Which observations a bounded sample keeps.
    Sample = 10,
    /// A client and its rate.
    Client = 11,
    /// How long a person thinks.
    Think = 12,
    /// How many speculated tokens are accepted.
    Speculation = 13,
    /// Imbalance between experts.
    Expert = 14,
    /// Spreading recorded arrivals inside the grid of their clock.
    Replay = 15,
    /// Repetitions of a statistical procedure, such as a bootstrap.
    Resample = 16,
    /// Which points of a space an experiment visits.
    Design = 17,
    /// How fast a hosted endpoint answers a call.
    Endpoint = 18,
    /// What a cache of answers knows.
    ResponseCache = 19,
}

/// All streams of one trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streams {
    root_seed: u64,
    trial: u64,
}

impl Streams {
    /// The streams of trial number `trial` under `root_seed`.
    #[must_use]
    pub const fn new(root_seed: u64, trial: u64) -> Self {
        Self { root_seed, trial }
    }

    /// The stream that `entity` uses for `purpose`, at its beginning.
    #[must_use]
    #[inline]
    pub fn stream(&self, purpose: Purpose, entity: u64) -> Stream {
        let key = [self.root_seed, self.trial, purpose as u64, KEY_TAG];
        Stream { generator: ChaCha8::new(key, entity) }
    }
}

/// A sequence of independent random numbers.
///
/// It is a generator of the `rand` crate too, so whatever draws from those (the laws of
/// `rand_distr`, a shuffle) may draw from a stream. What reaches a result does not: those crates
/// change their algorithms, and the bits, from version to version.
#[derive(Clone, Debug)]
pub struct Stream {
    generator: ChaCha8,
}

impl Stream {
    /// 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.generator.next_u64()
    }

    /// A uniform number strictly between 0 and 1: the centre of one of `2^52` equal cells.
    ///
    /// `u` and `1 - u` are both exact and equally likely, and no inverse distribution function is
    /// ever asked for its value at 0 or 1. (53 bits and half a cell don't fit a double: the last
    /// cell would round to 1.)
    #[inline(always)]
    pub fn uniform(&mut self) -> f64 {
        open_unit(self.next_u64())
    }

    /// A uniform integer in `0..n`, without bias; 0 where `n` is 0.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        let mut product = u128::from(self.next_u64()) * u128::from(n);
        if (product as u64) < n {
            // The first 2^64 mod n values of the low half would make some results likelier.
            let biased = n.wrapping_neg() % n;
            while (product as u64) < biased {
                product = u128::from(self.next_u64()) * u128::from(n);
            }
        }
        (product >> 64) as u64
    }

    /// True with the given probability: never at 0 or less, always at 1 or more.
    #[inline]
    pub fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.next_u64() as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// The identity of child number `index` of `entity`, such as one call of a task.
///
/// Two rounds of the SplitMix64 finaliser. For one entity it is a bijection of the index, and for
/// one index a bijection of the entity, so siblings never collide; among `n` unrelated
/// descendants a collision has probability about `n^2 / 2^65`.
#[must_use]
#[inline]
pub const fn derive(entity: u64, index: u64) -> u64 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    mix(mix(entity.wrapping_add(GOLDEN)).wrapping_add(index.wrapping_mul(GOLDEN)))
}

/// A uniform number strictly between 0 and 1 that belongs to (`entity`, `index`), where a stream of its
/// own would be too much for one draw.
#[must_use]
pub const fn uniform(entity: u64, index: u64) -> f64 {
    open_unit(derive(entity, index))
}

/// The centre of one of `2^52` equal cells between 0 and 1.
const fn open_unit(bits: u64) -> f64 {
    const CELL: f64 = 1.0 / (1_u64 << 52) as f64;
    ((bits >> 12) as f64 + 0.5) * CELL
}

/// The finaliser of SplitMix64 (Stafford's variant 13), a bijection of 64 bits.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn stream(entity: u64) -> Stream {
        Streams::new(7, 0).stream(Purpose::Task, entity)
    }

    #[test]
    fn bits_are_pinned() {
        let mut stream = Streams::new(1, 2).stream(Purpose::Tool, 3);
        let bits = [(); 4].map(|()| stream.next_u64());
        // The first block of an independent ChaCha8 with key (1, 2, 5, "tokenflt") and nonce 3.
        let block = [
            0x131a_0b4f_e094_aa44,
            0x0189_3b47_ac9b_edc0,
            0x5180_0031_77e3_f0c5,
            0xf49c_0261_8a5a_85fe,
        ];
        assert_eq!(bits, block);
        assert_eq!(derive(1, 2), 0xf18d_6ce9_3d6c_f1ee);
    }

    #[test]
    fn every_part_of_the_name_matters() {
        let mut first = BTreeSet::new();
        for seed in 0..8 {
            for trial in 0..8 {
                for purpose in [Purpose::Arrival, Purpose::Task, Purpose::Session] {
                    for entity in 0..8 {
                        first.insert(Streams::new(seed, trial).stream(purpose, entity).next_u64());
                    }
                }
            }
        }
        assert_eq!(first.len(), 8 * 8 * 3 * 8);
    }

    #[test]
    fn the_ends_of_the_uniform_are_open() {
        let cell = |bits: u64| ((bits >> 12) as f64 + 0.5) / (1_u64 << 52) as f64;
        assert!(cell(0) > 0.0);
        assert!(cell(u64::MAX) < 1.0);
        assert_eq!(cell(0), 1.0 - cell(u64::MAX));
    }

    #[test]
    fn uniforms_pass_a_chi_squared_test() {
        // 99 degrees of freedom: P(chi2 > 148.2) = 0.001, both within a stream and across streams.
        let chi_squared = |mut next: Box<dyn FnMut(u64) -> f64>| {
            let mut counts = [0_f64; 100];
            (0..100_000).for_each(|i| counts[(next(i) * 100.0) as usize] += 1.0);
            counts.iter().map(|c| (c - 1000.0) * (c - 1000.0) / 1000.0).sum::<f64>()
        };
        let mut one = stream(0);
        assert!(chi_squared(Box::new(move |_| one.uniform())) < 148.2);
        assert!(chi_squared(Box::new(|entity| stream(entity).uniform())) < 148.2);
    }

    #[test]
    fn integers_below_are_uniform_and_in_range() {
        let mut stream = stream(1);
        let mut counts = [0_f64; 7];
        (0..70_000).for_each(|_| counts[stream.below(7) as usize] += 1.0);
        let chi_squared = counts.iter().map(|c| (c - 1e4) * (c - 1e4) / 1e4).sum::<f64>();
        assert!(chi_squared < 22.5, "{chi_squared}"); // 6 degrees of freedom, 0.1 %
        assert_eq!(stream.below(0), 0);
        assert_eq!(stream.below(1), 0);
        // Just above 2^63 nearly half of all raw values must be refused.
        let n = (1 << 63) + 1;
        let upper = (0..10_000).filter(|_| stream.below(n) >= n / 2).count();
        assert!((4_800..5_200).contains(&upper), "{upper}");
    }

    #[test]
    fn chance_keeps_its_promise_at_the_ends() {
        let mut stream = stream(2);
        assert!((0..1_000).all(|_| !stream.chance(0.0) && stream.chance(1.0)));
        let hits = (0..100_000).filter(|_| stream.chance(0.3)).count();
        assert!((29_500..30_500).contains(&hits), "{hits}");
    }

    #[test]
    fn siblings_and_cousins_differ() {
        let ids: BTreeSet<u64> =
            (0..300).flat_map(|entity| (0..300).map(move |i| derive(entity, i))).collect();
        assert_eq!(ids.len(), 90_000);
        assert_ne!(derive(0, 0), 0);
    }
}
