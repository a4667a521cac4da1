//! ChaCha8, one block at a time.
//!
//! Most streams of a simulation end after a few draws, so a generator must cost little to make and
//! to begin with. The crates compute four blocks at once and keep them all: on single requests that
//! alone took a tenth of the time. This one computes the block that is asked for, as rows of four
//! words in vector registers. Tests hold it against `rand_chacha`.
//!
//! Source: D. J. Bernstein, *ChaCha, a variant of Salsa20* (2008), with a counter and a nonce of
//! 64 bits each.

use wide::u32x4;

/// Words of a block, 64 bits each.
const WORDS: usize = 8;
/// "expand 32-byte k".
const CONSTANTS: Row = Row::new([0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]);
/// ChaCha8 does eight rounds, two in each turn of the loop.
const DOUBLE_ROUNDS: usize = 4;

/// A row of the state.
type Row = u32x4;

/// A stream of random words.
#[derive(Clone, Debug)]
pub(super) struct ChaCha8 {
    key: [u64; 4],
    nonce: u64,
    /// Blocks computed so far.
    counter: u64,
    block: [u64; WORDS],
    /// Words of the block that were given out.
    used: usize,
}

impl ChaCha8 {
    /// The stream of a key (four words of 64 bits, least significant byte first) and a nonce, at its
    /// beginning.
    #[inline]
    pub(super) fn new(key: [u64; 4], nonce: u64) -> Self {
        Self { key, nonce, counter: 0, block: [0; WORDS], used: WORDS }
    }

    /// The next word.
    #[inline]
    pub(super) fn next_u64(&mut self) -> u64 {
        if self.used == WORDS {
            self.refill();
        }
        let word = self.block[self.used];
        self.used += 1;
        word
    }

    fn refill(&mut self) {
        let [a, b, c, d] = self.key;
        let start = [CONSTANTS, row(a, b), row(c, d), row(self.counter, self.nonce)];
        let mut state = start;
        for _ in 0..DOUBLE_ROUNDS {
            state = diagonals(round(state), [1, 2, 3]);
            state = diagonals(round(state), [3, 2, 1]);
        }
        for (row, (done, start)) in state.into_iter().zip(start).enumerate() {
            let [a, b, c, d] = (done + start).to_array().map(u64::from);
            self.block[2 * row] = a | b << 32;
            self.block[2 * row + 1] = c | d << 32;
        }
        self.counter = self.counter.wrapping_add(1);
        self.used = 0;
    }
}

/// Two words of 64 bits, the lower half of each first.
#[inline]
fn row(one: u64, other: u64) -> Row {
    Row::new([one as u32, (one >> 32) as u32, other as u32, (other >> 32) as u32])
}

/// Four quarter rounds side by side, one in each column.
#[inline]
fn round([mut a, mut b, mut c, mut d]: [Row; 4]) -> [Row; 4] {
    let mix = |one: Row, other: Row, by: i32| {
        let mixed = one ^ other;
        mixed << by | mixed >> (32 - by)
    };
    a += b;
    d = mix(d, a, 16);
    c += d;
    b = mix(b, c, 12);
    a += b;
    d = mix(d, a, 8);
    c += d;
    b = mix(b, c, 7);
    [a, b, c, d]
}

/// Turns the lower rows to the left, so that diagonals become columns, or back.
#[inline]
fn diagonals([a, b, c, d]: [Row; 4], by: [usize; 3]) -> [Row; 4] {
    let turned = |row: Row, by: usize| {
        let words = row.to_array();
        Row::new(std::array::from_fn(|i| words[(i + by) % 4]))
    };
    [a, turned(b, by[0]), turned(c, by[1]), turned(d, by[2])]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    use super::*;

    proptest! {
        #[test]
        fn gives_the_words_of_the_crate(key: [u64; 4], nonce: u64, words in 1_usize..100) {
            let mut seed = [0; 32];
            for (bytes, word) in seed.chunks_mut(8).zip(key) {
                bytes.copy_from_slice(&word.to_le_bytes());
            }
            let mut theirs = ChaCha8Rng::from_seed(seed);
            theirs.set_stream(nonce);
            let mut ours = ChaCha8::new(key, nonce);
            for _ in 0..words {
                prop_assert_eq!(ours.next_u64(), theirs.next_u64());
            }
        }
    }
}
