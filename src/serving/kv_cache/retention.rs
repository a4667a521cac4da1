//! What a memory does about context that nobody stands on where lower tiers stand behind it: it tells
//! what it forgets and what was computed, pins and gives up, and takes in what was fetched.

use std::hint::cold_path;
use std::ops::Range;

use super::KvCache;
use crate::foundations::{SimDuration, SimTime};
use crate::serving::prefix_tree::{NONE, PrefixTree};
use crate::serving::request::Piece;

/// How long a memory keeps what nobody stands on, and what it tells of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Context that nobody used for so long is gone.
    pub ttl: Option<SimDuration>,
    /// Whether there is anywhere to look for what is not here.
    pub seeks: bool,
    /// Whether it tells what it evicts.
    pub tells_evicted: bool,
    /// Whether it tells what was computed.
    pub tells_computed: bool,
}

/// Why a memory tells of some blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// They made room for others.
    Evicted,
    /// They are to be kept elsewhere, and go first here.
    Offloaded,
    /// A request has computed them, or found them, and left.
    Computed,
}

/// Blocks of a key, counted from the start of the context, that something happened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The key.
    pub key: u64,
    /// The first block.
    pub start: u32,
    /// The block behind the last.
    pub end: u32,
    /// What happened.
    pub why: Why,
}

/// What came of a retention so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Retained {
    rules: Retention,
    moved: Vec<Moved>,
    unpinned: u64,
}

impl Retained {
    pub(super) fn clear(&mut self) {
        self.moved.clear();
        self.unpinned = 0;
    }

    /// Evicts in the ranked order.
    pub(super) fn evict(&mut self, tree: &mut PrefixTree, wanted: u64) -> u64 {
        let (moved, tells) = (&mut self.moved, self.rules.tells_evicted);
        let (freed, unpinned) = tree.evict_ranked(wanted, |run| {
            if tells {
                moved.push(Moved {
                    key: run.key,
                    start: run.start,
                    end: run.end,
                    why: Why::Evicted,
                });
            }
        });
        self.unpinned += unpinned;
        freed
    }
}

impl KvCache {
    /// With rules for what nobody stands on; without a prefix cache they mean nothing.
    #[must_use]
    pub fn retaining(mut self, rules: Option<Retention>) -> Self {
        if let Some(rules) = rules
            && let Some(tree) = &mut self.tree
        {
            *tree = PrefixTree::ranked(rules.ttl);
            self.retained = Some(Box::new(Retained { rules, ..Retained::default() }));
        }
        self
    }

    /// Time passes; returns the blocks that nobody used for too long and that are gone.
    pub fn pass(&mut self, now: SimTime) -> u64 {
        let expired = self.tree.as_mut().map_or(0, |tree| tree.pass(now));
        self.free += expired;
        expired
    }

    /// Blocks that hold nothing.
    pub fn free_blocks(&self) -> u64 {
        self.free
    }

    /// Evicts until so many blocks are free, or as many as can be had.
    pub fn reclaim(&mut self, blocks: u64) {
        let blocks = blocks.min(self.available());
        self.take(blocks);
        self.free += blocks;
    }

    /// Whole blocks of this context that are here, from its start.
    pub fn known_blocks(&self, pieces: &[Piece], prompt: u32) -> u32 {
        self.tree.as_ref().map_or(0, |tree| tree.find(pieces, prompt, self.block).blocks)
    }

    /// Makes what is here of a context the one used last, so that it goes last.
    pub fn touch(&mut self, pieces: &[Piece], prompt: u32) {
        if let Some(tree) = &mut self.tree {
            let found = tree.find(pieces, prompt, self.block);
            tree.touch(found);
        }
    }

    /// Keeps the end of a context, known by the key of its last piece, until then, as long as anything
    /// else can go.
    pub fn pin(&mut self, tail: u64, until: SimTime) {
        if let Some(tree) = &mut self.tree {
            tree.pin(tail, until);
        }
    }

    /// Tells that the end of a context is to be kept elsewhere, and lets it go first here.
    pub fn offload(&mut self, tail: u64) {
        if let (Some(tree), Some(retained)) = (&mut self.tree, &mut self.retained)
            && let Some(run) = tree.give_up(tail)
        {
            let why = Why::Offloaded;
            retained.moved.push(Moved { key: run.key, start: run.start, end: run.end, why });
        }
    }

    /// Tells that the first `computed` tokens of a context are here or were.
    #[inline(always)]
    pub fn tell_computed(&mut self, pieces: &[Piece], computed: u32) {
        let Some(retained) = self.retained.as_mut().filter(|some| some.rules.tells_computed) else {
            return;
        };
        cold_path();
        let first = retained.moved.len();
        let mut start = 0;
        for (at, piece) in pieces.iter().enumerate() {
            // What was produced lies behind the prompt under the key of its last piece.
            let last = at + 1 == pieces.len();
            let end = if last { computed } else { piece.end.min(computed) } / self.block;
            if end > start {
                retained.moved.push(Moved { key: piece.key, start, end, why: Why::Computed });
                start = end;
            }
        }
        // What all others stand on is used last.
        retained.moved[first..].reverse();
    }

    /// Takes in blocks of a context that came from elsewhere, leaving `reserve` blocks that can be
    /// had; nobody stands on them yet. What lies before them must still be here. How many it took.
    pub fn insert(&mut self, pieces: &[Piece], blocks: Range<u32>, reserve: u64) -> u64 {
        let Some(tree) = &mut self.tree else { return 0 };
        let Range { start, end } = blocks;
        let found = tree.find(pieces, end.saturating_mul(self.block.tokens()), self.block);
        if found.blocks < start {
            return 0;
        }
        let mut leaf = tree.lock(found);
        // Blocks that somebody stands on or that are here already cannot make room.
        let room = (self.free + tree.evictable_blocks()).saturating_sub(reserve);
        let wanted = u64::from(end.saturating_sub(found.blocks)).min(room);
        let (mut at, end) = (found.blocks, found.blocks + wanted as u32);
        self.take(wanted);
        let Some(tree) = &mut self.tree else { return 0 };
        for piece in pieces {
            let until = (piece.end / self.block).min(end);
            if until > at {
                if !tree.can_extend(leaf, piece.key) {
                    break;
                }
                leaf = tree.extend(leaf, piece.key, at, until);
                at = until;
            }
        }
        self.free += u64::from(end - at);
        if leaf != NONE {
            tree.unlock(leaf);
        }
        u64::from(at - found.blocks)
    }

    /// Hands over what it told since it was last asked.
    pub fn hand_over(&mut self, told: &mut Vec<Moved>) {
        if let Some(retained) = &mut self.retained {
            told.append(&mut retained.moved);
        }
    }

    /// Pinned blocks that had to go since it was last asked.
    pub fn take_unpinned(&mut self) -> u64 {
        self.retained.as_mut().map_or(0, |some| std::mem::take(&mut some.unpinned))
    }
}
