//! The paged KV memory of one replica: an exact budget of blocks, and the prefix tree inside it.
//!
//! Every block is free, held by a running request, or cached (in the tree, shared). A request's
//! prompt is given all its blocks when it is admitted; what it produces takes a block each time its
//! length crosses a block boundary.

mod retention;

use std::hint::cold_path;

use super::block_size::BlockSize;
use super::prefix_tree::{NONE, PrefixTree};
use super::request::Piece;
use retention::Retained;

pub use retention::{Moved, Retention, Why};

/// What an admitted request holds; given back by [`KvCache::release`].
#[derive(Clone, Copy, Debug)]
pub struct Holding {
    leaf: u32,
    /// Blocks of the request's context that lie in the tree (shared or not), from the start.
    tree_blocks: u32,
    /// Prompt tokens whose keys and values were found.
    pub cached_tokens: u32,
}

/// See the module's page.
#[derive(Clone, Debug)]
pub struct KvCache {
    block: BlockSize,
    total: u64,
    /// Blocks of each request beside those of its context.
    beside: u64,
    free: u64,
    tree: Option<PrefixTree>,
    evicted: u64,
    /// What it does about context that nobody stands on, beside forgetting the oldest.
    retained: Option<Box<Retained>>,
}

impl KvCache {
    /// A memory of `total` blocks of `block` tokens, with or without a prefix cache. Every request
    /// takes `beside` blocks more than its context has.
    pub fn new(total: u64, block: u32, beside: u64, prefix_cache: bool) -> Self {
        let tree = prefix_cache.then(PrefixTree::default);
        let block = BlockSize::new(block);
        Self { block, total, beside, free: total, tree, evicted: 0, retained: None }
    }

    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.free = self.total;
        self.evicted = 0;
        if let Some(tree) = &mut self.tree {
            tree.clear();
        }
        if let Some(retained) = &mut self.retained {
            retained.clear();
        }
    }

    /// Forgets what it holds, as a server does that starts again; what was evicted stays counted.
    pub fn empty(&mut self) {
        let evicted = self.evicted;
        self.clear();
        self.evicted = evicted;
    }

    /// Tokens in a block.
    pub fn block_tokens(&self) -> u32 {
        self.block.tokens()
    }

    /// Blocks in all.
    pub fn total_blocks(&self) -> u64 {
        self.total
    }

    /// Blocks that could be had at once: free ones, and cached ones that nobody stands on.
    pub fn available(&self) -> u64 {
        self.free + self.tree.as_ref().map_or(0, PrefixTree::evictable_blocks)
    }

    /// Cached blocks under running requests, each counted once however many share it.
    pub fn shared_blocks(&self) -> u64 {
        self.tree.as_ref().map_or(0, PrefixTree::locked_blocks)
    }

    /// Blocks evicted since the start.
    pub fn evicted_blocks(&self) -> u64 {
        self.evicted
    }

    /// Prompt tokens of this context that are cached now, for routing.
    pub fn cached_tokens(&self, pieces: &[Piece], prompt: u32) -> u32 {
        let Some(tree) = &self.tree else { return 0 };
        self.reusable(tree.find(pieces, prompt, self.block).blocks, prompt)
    }

    /// At least one token must be computed, to have something to sample the next from; a prompt
    /// that is cached whole gives up its last block.
    fn reusable(&self, blocks: u32, prompt: u32) -> u32 {
        let tokens = blocks * self.block.tokens();
        if tokens >= prompt { tokens - self.block.tokens() } else { tokens }
    }

    /// Takes the blocks for a prompt while leaving `reserve` available; `None` when they can't be
    /// had now.
    #[inline(always)]
    pub fn admit(&mut self, pieces: &[Piece], prompt: u32, reserve: u64) -> Option<Holding> {
        let all = u64::from(self.block.covering(prompt)) + self.beside;
        let Some(tree) = &mut self.tree else {
            (self.free >= all + reserve).then(|| self.free -= all)?;
            return Some(Holding { leaf: NONE, tree_blocks: 0, cached_tokens: 0 });
        };
        let found = tree.find(pieces, prompt, self.block);
        let needed = all - u64::from(found.blocks);
        // A try that fails must leave no trace: not even in the order of eviction.
        if self.free + tree.evictable_blocks() - tree.unlocked_on(found) < needed + reserve {
            return None;
        }
        let mut leaf = tree.lock(found);
        let cached_tokens = self.reusable(found.blocks, prompt);
        self.take(needed);
        let tree = self.tree.as_mut()?;
        let mut tree_blocks = found.blocks;
        for piece in pieces {
            let end = piece.end.min(prompt) / self.block;
            if end > tree_blocks {
                if !tree.can_extend(leaf, piece.key) {
                    break;
                }
                leaf = tree.extend(leaf, piece.key, tree_blocks, end);
                tree_blocks = end;
            }
        }
        Some(Holding { leaf, tree_blocks, cached_tokens })
    }

    /// Whether [`KvCache::admit`] would find the blocks.
    pub fn has_room(&self, pieces: &[Piece], prompt: u32, reserve: u64) -> bool {
        let all = u64::from(self.block.covering(prompt)) + self.beside;
        let (found, unlocked) = match &self.tree {
            None => (0, 0),
            Some(tree) => {
                let found = tree.find(pieces, prompt, self.block);
                (u64::from(found.blocks), tree.unlocked_on(found))
            }
        };
        self.available() - unlocked >= all - found + reserve
    }

    /// Takes blocks that are available (the caller has made sure), evicting where none is free.
    #[inline(always)]
    pub fn take(&mut self, blocks: u64) {
        if blocks > self.free {
            let wanted = blocks - self.free;
            let evicted = match (&mut self.tree, &mut self.retained) {
                (Some(tree), None) => tree.evict(wanted),
                (Some(tree), Some(retained)) => {
                    cold_path();
                    retained.evict(tree, wanted)
                }
                (None, _) => 0,
            };
            self.free += evicted;
            self.evicted += evicted;
        }
        debug_assert!(self.free >= blocks, "more blocks taken than there are");
        self.free = self.free.saturating_sub(blocks);
    }

    /// Tokens of a holding that lie in the tree.
    #[inline(always)]
    pub fn tree_tokens(&self, holding: &Holding) -> u64 {
        u64::from(holding.tree_blocks) * u64::from(self.block.tokens())
    }

    /// Blocks outside the tree of a request that has taken blocks for so many tokens.
    pub fn own_blocks(&self, holding: &Holding, tokens: u32) -> u64 {
        let context = self.block.covering(tokens).max(holding.tree_blocks);
        u64::from(context - holding.tree_blocks) + self.beside
    }

    /// Gives back the blocks of `held` tokens, of which the first `computed` are computed. They
    /// stay cached, the request's own tail under `tail` (the key of its last piece) where a later
    /// request may continue from it; what was never computed does not.
    #[inline(always)]
    pub fn release(&mut self, holding: Holding, held: u32, computed: u32, tail: Option<u64>) {
        let mut own = self.own_blocks(&holding, held);
        if let Some(tree) = &mut self.tree {
            let mut leaf = holding.leaf;
            let end = computed / self.block;
            if let Some(key) = tail
                && end > holding.tree_blocks
                && tree.can_extend(leaf, key)
            {
                leaf = tree.extend(leaf, key, holding.tree_blocks, end);
                own -= u64::from(end - holding.tree_blocks);
            }
            tree.unlock(leaf);
            if end < holding.tree_blocks {
                own += tree.trim(leaf, end);
            }
        }
        self.free += own;
    }

    /// Free, shared and evictable blocks plus those `own`ed by running requests are all there are.
    pub fn is_conserved(&self, own: u64) -> bool {
        self.available() + self.shared_blocks() + own == self.total
    }

    #[cfg(test)]
    fn check(&self, own: u64) {
        if let Some(tree) = &self.tree {
            tree.check();
        }
        assert!(self.is_conserved(own), "blocks were lost or made");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLOCK: u32 = 16;

    fn chain(ends: &[(u64, u32)]) -> Vec<Piece> {
        ends.iter().map(|&(key, end)| Piece { key, end }).collect()
    }

    #[test]
    fn a_session_finds_its_own_history_and_the_shared_prompt() {
        let mut kv = KvCache::new(1_000, BLOCK, 0, true);
        let first = chain(&[(1, 100), (77, 200)]);
        let held = kv.admit(&first, 200, 0).unwrap();
        assert_eq!(held.cached_tokens, 0);
        kv.take(3);
        kv.release(held, 249, 249, Some(77));
        // 249 tokens are 15 whole blocks: the next turn finds 240 of them.
        let second = chain(&[(1, 100), (77, 300)]);
        assert_eq!(kv.cached_tokens(&second, 300), 240);
        // Another session shares the system prompt: 6 whole blocks of its 100 tokens.
        let other = chain(&[(1, 100), (78, 150)]);
        let held = kv.admit(&other, 150, 0).unwrap();
        assert_eq!(held.cached_tokens, 96);
        kv.release(held, 150, 150, Some(78));
        kv.check(0);
    }

    #[test]
    fn a_prompt_that_is_cached_whole_computes_its_last_block() {
        let mut kv = KvCache::new(100, BLOCK, 0, true);
        let prompt = chain(&[(5, 64)]);
        let held = kv.admit(&prompt, 64, 0).unwrap();
        kv.release(held, 64, 64, None);
        assert_eq!(kv.cached_tokens(&prompt, 64), 48);
    }

    #[test]
    fn the_least_recently_released_goes_first_and_from_its_end() {
        let mut kv = KvCache::new(10, BLOCK, 0, true);
        for key in [1, 2] {
            let held = kv.admit(&chain(&[(key, 64)]), 64, 0).unwrap();
            kv.release(held, 64, 64, None);
        }
        let held = kv.admit(&chain(&[(3, 64)]), 64, 0).unwrap();
        // 10 blocks, 4 + 4 cached, 4 wanted: two free ones and two cut from the end of key 1.
        assert_eq!(kv.cached_tokens(&chain(&[(1, 64)]), 65), 32);
        assert_eq!(kv.cached_tokens(&chain(&[(2, 64)]), 65), 64);
        assert_eq!(kv.evicted_blocks(), 2);
        kv.release(held, 64, 64, None);
        kv.check(0);
    }

    proptest! {
        /// Random forks, growth, eviction and overlap: blocks are never lost or made, and what is
        /// said to be cached was computed before.
        #[test]
        fn blocks_are_conserved(
            total in 20u64..80,
            beside in 0u64..3,
            requests in proptest::collection::vec(
                (0u64..3, 0u32..60, 0u64..6, 1u32..150, 0u32..60, any::<bool>()), 1..120)
        ) {
            let mut kv = KvCache::new(total, BLOCK, beside, true);
            let mut running: Vec<(Holding, u32, u32, u64)> = Vec::new();
            for (system, fork, session, own, output, finish) in requests {
                if finish && !running.is_empty() {
                    let at = (session as usize) % running.len();
                    let (held, _, length, key) = running.swap_remove(at);
                    kv.release(held, length, length - length.min(own) / 2, Some(key));
                } else {
                    // A session forks from its system prompt at an offset of its own.
                    let shared = 40 + fork / 20 * 16 + system as u32;
                    let key = 100 + system * 1000 + u64::from(fork / 20) * 100 + session;
                    let prompt = shared + own;
                    let pieces = chain(&[(system * 10 + u64::from(fork / 20), shared), (key, prompt)]);
                    if let Some(held) = kv.admit(&pieces, prompt, 1) {
                        prop_assert!(held.cached_tokens < prompt);
                        let grown = (prompt + output).div_ceil(BLOCK) - prompt.div_ceil(BLOCK);
                        if kv.available() >= u64::from(grown) {
                            kv.take(u64::from(grown));
                            running.push((held, prompt, prompt + output, key));
                        } else {
                            kv.release(held, prompt, prompt, Some(key));
                        }
                    }
                }
                let own = running.iter()
                    .map(|(held, _, length, _)| kv.own_blocks(held, *length))
                    .sum();
                kv.check(own);
            }
        }
    }
}
