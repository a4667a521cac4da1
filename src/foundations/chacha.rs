//! ChaCha8, one block at a time.
//!
//! Most streams of a simulation end after a few draws, so a generator must cost little to make and
//! to begin with. The crates compute four blocks at once and keep them all: on single requests that
//! alone took a tenth of the time. This one computes the block that is asked for, as rows of four
//! words, which compilers turn into vector instructions. Tests hold it against `rand_chacha`.
//!
//! Source: D. J. Bernstein, *ChaCha, a variant of Salsa20* (2008), with a counter and a nonce of
//! 64 bits each.

/// Words of a block, 64 bits each.
const WORDS: usize = 8;
/// "expand 32-byte k".
const CONSTANTS: Row = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];
/// ChaCha8 does eight rounds, two in each turn of the loop.
const DOUBLE_ROUNDS: usize = 4;

/// A row of the state.
type Row = [u32; 4];

/// A stream of random words.
#[derive(Clone, Debug)]
pub(super) struct ChaCha8 {
    key: [Row; 2],
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
        let row = |low, high| {
            let ([a, b], [c, d]) = (halves(low), halves(high));
            [a, b, c, d]
        };
        let key = [row(key[0], key[1]), row(key[2], key[3])];
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
        let ([count_low, count_high], [low, high]) = (halves(self.counter), halves(self.nonce));
        let start = [CONSTANTS, self.key[0], self.key[1], [count_low, count_high, low, high]];
        let mut state = start;
        for _ in 0..DOUBLE_ROUNDS {
            round(&mut state);
            turn(&mut state, [1, 2, 3]);
            round(&mut state);
            turn(&mut state, [3, 2, 1]);
        }
        for (row, (done, start)) in state.iter().zip(&start).enumerate() {
            let [a, b, c, d] = add(*done, *start).map(u64::from);
            self.block[2 * row] = a | b << 32;
            self.block[2 * row + 1] = c | d << 32;
        }
        self.counter = self.counter.wrapping_add(1);
        self.used = 0;
    }
}

/// The lower and the upper half of a word.
#[inline]
fn halves(word: u64) -> [u32; 2] {
    [word as u32, (word >> 32) as u32]
}

#[inline]
fn add(one: Row, other: Row) -> Row {
    std::array::from_fn(|i| one[i].wrapping_add(other[i]))
}

/// One exclusive or and rotation of all lanes.
#[inline]
fn mix(one: Row, other: Row, by: u32) -> Row {
    std::array::from_fn(|i| (one[i] ^ other[i]).rotate_left(by))
}

/// Four quarter rounds side by side, one in each column.
#[inline]
fn round([a, b, c, d]: &mut [Row; 4]) {
    *a = add(*a, *b);
    *d = mix(*d, *a, 16);
    *c = add(*c, *d);
    *b = mix(*b, *c, 12);
    *a = add(*a, *b);
    *d = mix(*d, *a, 8);
    *c = add(*c, *d);
    *b = mix(*b, *c, 7);
}

/// Turns the lower rows to the left, so that diagonals become columns, or back.
#[inline]
fn turn(state: &mut [Row; 4], by: [usize; 3]) {
    for (row, by) in state[1..].iter_mut().zip(by) {
        row.rotate_left(by);
    }
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
