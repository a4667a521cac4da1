//! Tokens in a KV block, by which counts of tokens and steps are divided again and again.
//!
//! Engines use powers of two, for which a shift takes the place of a division that costs ten times
//! that; any other size works, too.

use std::hint::cold_path;
use std::ops::{Div, Rem};

/// See the module's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockSize {
    tokens: u32,
    /// Its logarithm, where it is a power of two.
    shift: Option<u32>,
}

impl BlockSize {
    /// Blocks of so many tokens, one at least.
    pub(super) fn new(tokens: u32) -> Self {
        let tokens = tokens.max(1);
        Self { tokens, shift: tokens.is_power_of_two().then(|| tokens.trailing_zeros()) }
    }

    /// Tokens in a block.
    #[inline(always)]
    pub(super) fn tokens(self) -> u32 {
        self.tokens
    }

    /// Blocks that hold so many tokens, the last of them perhaps in part.
    #[inline(always)]
    pub(super) fn covering(self, tokens: u32) -> u32 {
        ((u64::from(tokens) + u64::from(self.tokens - 1)) / self) as u32
    }
}

impl Default for BlockSize {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Div<BlockSize> for u64 {
    type Output = Self;

    #[inline(always)]
    fn div(self, block: BlockSize) -> Self {
        match block.shift {
            Some(shift) => self >> shift,
            None => {
                cold_path();
                self / Self::from(block.tokens)
            }
        }
    }
}

impl Div<BlockSize> for u32 {
    type Output = Self;

    #[inline(always)]
    fn div(self, block: BlockSize) -> Self {
        (u64::from(self) / block) as Self
    }
}

impl Rem<BlockSize> for u64 {
    type Output = Self;

    #[inline(always)]
    fn rem(self, block: BlockSize) -> Self {
        self - self / block * Self::from(block.tokens)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn divides_as_numbers_do(tokens in 1_u32..300, long: u64, short: u32) {
            let block = BlockSize::new(tokens);
            let by = u64::from(tokens);
            prop_assert_eq!((long / block, long % block), (long / by, long % by));
            prop_assert_eq!((short / block, block.covering(short)), (short / tokens, short.div_ceil(tokens)));
        }
    }
}
