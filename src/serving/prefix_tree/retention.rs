//! What a tree with a ranked order of eviction can do beside: time passes in it, its leaves are pinned
//! and given up, and it tells what it forgets.

use super::{Match, NONE, PrefixTree, Run};
use crate::foundations::SimTime;

impl PrefixTree {
    /// Time passes: pins end, and what nobody used for too long is gone. Returns the blocks freed.
    pub(in crate::serving) fn pass(&mut self, now: SimTime) -> u64 {
        let Some(ranked) = &mut self.ranked else { return 0 };
        ranked.now = now;
        ranked.unpin();
        let mut freed = 0;
        while let Some(index) = self.ranked.as_ref().and_then(|ranked| ranked.expired()) {
            freed += self.cut(index, u64::MAX);
        }
        freed
    }

    /// Frees up to `wanted` blocks in the ranked order and tells which; returns how many, and how
    /// many of them were pinned.
    pub(in crate::serving) fn evict_ranked(
        &mut self,
        wanted: u64,
        mut tell: impl FnMut(Run),
    ) -> (u64, u64) {
        let (mut freed, mut unpinned) = (0, 0);
        while freed < wanted {
            let Some((index, pinned)) = self.ranked.as_ref().and_then(|ranked| ranked.first())
            else {
                break;
            };
            let super::Node { key, end, .. } = self.nodes[index as usize];
            let cut = self.cut(index, wanted - freed);
            tell(Run { key, start: end - cut as u32, end });
            freed += cut;
            unpinned += if pinned { cut } else { 0 };
        }
        (freed, unpinned)
    }

    /// The leaf under which a key's blocks end, where nobody stands on it and nothing follows.
    fn leaf_of(&self, key: u64) -> Option<u32> {
        let mut index = *self.by_key.get(&key)?;
        loop {
            let node = &self.nodes[index as usize];
            match node.continuation {
                NONE => return node.listed.then_some(index),
                next => index = next,
            }
        }
    }

    /// Keeps the end of a context until then, as long as anything else can go.
    pub(in crate::serving) fn pin(&mut self, key: u64, until: SimTime) {
        if let Some(leaf) = self.leaf_of(key)
            && let Some(ranked) = &mut self.ranked
        {
            ranked.pin(leaf, until);
        }
    }

    /// Lets the end of a context go before all others; the blocks under its key that nobody stands on.
    pub(in crate::serving) fn give_up(&mut self, key: u64) -> Option<Run> {
        let leaf = self.leaf_of(key)?;
        self.ranked.as_mut()?.give_up(leaf);
        let end = self.nodes[leaf as usize].end;
        let (mut index, mut start) = (leaf, end);
        while index != NONE {
            let node = &self.nodes[index as usize];
            if node.key != key || node.locks > 0 {
                break;
            }
            (index, start) = (node.parent, node.start);
        }
        Some(Run { key, start, end })
    }

    /// Makes a context the one used last, so that it goes last.
    pub(in crate::serving) fn touch(&mut self, found: Match) {
        let leaf = self.lock(found);
        self.unlock(leaf);
    }

    pub(super) fn rank(&mut self, index: u32) {
        self.nodes[index as usize].listed = true;
        if let Some(ranked) = &mut self.ranked {
            ranked.list(index);
        }
    }
}
