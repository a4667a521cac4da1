//! The radix tree over cached context, and the order in which it is evicted.
//!
//! A node is a run of whole KV blocks under one key: a shared segment, a recorded block, or the
//! growing tail of one session. Looking up a context costs the number of its pieces, not of its
//! tokens. Nodes that a running request stands on are locked, with everything above them; what is
//! not locked may be evicted, least recently released leaf first, its last blocks first.

mod ranked;
mod retention;

use std::hint::cold_path;

use rustc_hash::FxHashMap;

use super::block_size::BlockSize;
use super::request::Piece;
use crate::foundations::SimDuration;
use ranked::Ranked;

/// No node.
pub(super) const NONE: u32 = u32::MAX;

#[derive(Clone, Debug)]
struct Node {
    key: u64,
    parent: u32,
    /// First block and the block after the last, counted from the start of the context.
    start: u32,
    end: u32,
    locks: u32,
    children: u32,
    /// The child that goes on under the same key, where this node was split.
    continuation: u32,
    /// Neighbours in the eviction order; meaningful only while `listed`.
    older: u32,
    newer: u32,
    listed: bool,
}

/// Where a context stops being known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Match {
    /// The deepest node that holds some of it, or [`NONE`].
    pub(super) node: u32,
    /// Whole blocks known, from the start of the context.
    pub(super) blocks: u32,
}

/// Blocks of a key, counted from the start of the context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) key: u64,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// See the module's page.
#[derive(Clone, Debug, Default)]
pub(super) struct PrefixTree {
    nodes: Vec<Node>,
    vacant: Vec<u32>,
    /// The first node of every key. Never iterated.
    by_key: FxHashMap<u64, u32>,
    oldest: Option<u32>,
    newest: Option<u32>,
    /// Another order of eviction, in place of the one by neighbours.
    ranked: Option<Box<Ranked>>,
    /// Blocks in nodes that are locked, and in nodes that are not.
    locked: u64,
    unlocked: u64,
}

impl PrefixTree {
    /// A tree whose leaves can be pinned and given up, and are gone when nobody used them for `ttl`.
    pub(super) fn ranked(ttl: Option<SimDuration>) -> Self {
        Self { ranked: Some(Box::new(Ranked::new(ttl))), ..Self::default() }
    }

    pub(super) fn clear(&mut self) {
        if let Some(ranked) = &mut self.ranked {
            ranked.clear();
        }
        self.nodes.clear();
        self.vacant.clear();
        self.by_key.clear();
        (self.oldest, self.newest) = (None, None);
        (self.locked, self.unlocked) = (0, 0);
    }

    /// Blocks under locked nodes.
    pub(super) fn locked_blocks(&self) -> u64 {
        self.locked
    }

    /// Blocks that may be evicted.
    pub(super) fn evictable_blocks(&self) -> u64 {
        self.unlocked
    }

    /// How much of a context is known. Piece boundaries inside a block leave that block to the
    /// later piece, since a block's identity includes all its tokens.
    #[inline(always)]
    pub(super) fn find(&self, pieces: &[Piece], prompt: u32, block: BlockSize) -> Match {
        let want = |piece: &Piece| piece.end.min(prompt) / block;
        // Most often a session goes on. A key names all before it, too, and what is before a node is
        // known as long as the node is.
        if let Some(last) = pieces.last()
            && let Some(&first) = self.by_key.get(&last.key)
            && self.nodes[first as usize].start < want(last)
        {
            return self.find_in_run(first, want(last));
        }
        let mut found = Match { node: NONE, blocks: 0 };
        for piece in pieces {
            let want = want(piece);
            if want > found.blocks {
                let Some(&first) = self.by_key.get(&piece.key) else { break };
                found = self.find_in_run(first, want);
                if found.blocks < want {
                    break;
                }
            }
        }
        found
    }

    /// How much of the first `want` blocks of a context is known, of which the node `first` and what
    /// goes on under its key hold the last.
    #[inline(always)]
    fn find_in_run(&self, first: u32, want: u32) -> Match {
        let mut node = first;
        loop {
            let Node { end, continuation, .. } = self.nodes[node as usize];
            if end >= want || continuation == NONE {
                return Match { node, blocks: end.min(want) };
            }
            node = continuation;
        }
    }

    /// Blocks of the matched path that nobody stands on: locking it makes so many less evictable.
    #[inline(always)]
    pub(super) fn unlocked_on(&self, found: Match) -> u64 {
        let (mut index, mut end, mut blocks) = (found.node, found.blocks, 0);
        while index != NONE {
            let node = &self.nodes[index as usize];
            if node.locks > 0 {
                break;
            }
            blocks += u64::from(end - node.start);
            (index, end) = (node.parent, node.start);
        }
        blocks
    }

    /// Locks the matched path, cutting its last node where the match ends inside it. Returns the
    /// node the path now ends in.
    #[inline(always)]
    pub(super) fn lock(&mut self, found: Match) -> u32 {
        if found.node == NONE {
            return NONE;
        }
        let leaf = match found.blocks >= self.nodes[found.node as usize].end {
            true => found.node,
            false => self.split(found.node, found.blocks),
        };
        let mut index = leaf;
        while index != NONE {
            let node = &mut self.nodes[index as usize];
            node.locks += 1;
            let (first, parent, blocks) =
                (node.locks == 1, node.parent, u64::from(node.end - node.start));
            if first {
                self.unlocked -= blocks;
                self.locked += blocks;
                self.unlist(index);
            }
            index = parent;
        }
        leaf
    }

    /// Undoes one [`PrefixTree::lock`].
    #[inline(always)]
    pub(super) fn unlock(&mut self, leaf: u32) {
        let mut index = leaf;
        while index != NONE {
            let node = &mut self.nodes[index as usize];
            node.locks -= 1;
            let (last, parent, childless) = (node.locks == 0, node.parent, node.children == 0);
            let blocks = u64::from(node.end - node.start);
            if last {
                self.locked -= blocks;
                self.unlocked += blocks;
                if let Some(ranked) = &mut self.ranked {
                    cold_path();
                    ranked.release(index);
                }
                if childless {
                    self.list_newest(index);
                }
            }
            index = parent;
        }
    }

    /// Appends `key`'s blocks up to `end` behind the locked node `leaf`, whose blocks end at
    /// `start`. The new run is locked once, like `leaf`. Returns the node that holds it.
    #[inline(always)]
    pub(super) fn extend(&mut self, leaf: u32, key: u64, start: u32, end: u32) -> u32 {
        debug_assert!(start < end);
        self.locked += u64::from(end - start);
        let same_key = leaf != NONE && self.nodes[leaf as usize].key == key;
        if same_key {
            let node = &mut self.nodes[leaf as usize];
            if node.children == 0 && node.locks == 1 {
                node.end = end;
                return leaf;
            }
        }
        let fresh = Node {
            key,
            parent: leaf,
            start,
            end,
            locks: 1,
            children: 0,
            continuation: NONE,
            older: NONE,
            newer: NONE,
            listed: false,
        };
        let index = self.insert(fresh);
        if leaf != NONE {
            self.nodes[leaf as usize].children += 1;
        }
        if same_key {
            self.nodes[leaf as usize].continuation = index;
        } else {
            self.by_key.insert(key, index);
        }
        index
    }

    /// Whether `extend` under this key may add a run behind `leaf`: a key that is known elsewhere
    /// (two requests that compute the same run at once) must not be added twice.
    pub(super) fn can_extend(&self, leaf: u32, key: u64) -> bool {
        if leaf != NONE && self.nodes[leaf as usize].key == key {
            self.nodes[leaf as usize].continuation == NONE
        } else {
            !self.by_key.contains_key(&key)
        }
    }

    /// Frees up to `wanted` blocks, least recently released first; returns how many.
    pub(super) fn evict(&mut self, wanted: u64) -> u64 {
        let mut freed = 0;
        while freed < wanted {
            let Some(index) = self.oldest else { break };
            freed += self.cut(index, wanted - freed);
        }
        freed
    }

    /// Cuts up to `most` blocks off the end of an unlocked leaf; returns how many.
    fn cut(&mut self, index: u32, most: u64) -> u64 {
        let node = &mut self.nodes[index as usize];
        let held = u64::from(node.end - node.start);
        let cut = held.min(most);
        node.end -= cut as u32;
        self.unlocked -= cut;
        if cut == held {
            self.remove(index);
        }
        cut
    }

    /// Forgets what lies behind block `end` of a path that was just unlocked, unless others stand
    /// on it; returns the blocks freed.
    pub(super) fn trim(&mut self, leaf: u32, end: u32) -> u64 {
        let mut freed = 0;
        let mut index = leaf;
        while index != NONE {
            let node = &mut self.nodes[index as usize];
            if !node.listed || node.end <= end {
                break;
            }
            let keep = end.max(node.start);
            let cut = u64::from(node.end - keep);
            let (emptied, parent) = (keep == node.start, node.parent);
            node.end = keep;
            self.unlocked -= cut;
            freed += cut;
            if !emptied {
                break;
            }
            self.remove(index);
            index = parent;
        }
        freed
    }

    /// Cuts `index` at block `at` inside it and returns the node that ends there. The tail keeps its
    /// index, so that requests standing on it need not know.
    fn split(&mut self, index: u32, at: u32) -> u32 {
        let node = &self.nodes[index as usize];
        debug_assert!(node.start < at && at < node.end);
        let head = Node {
            key: node.key,
            parent: node.parent,
            start: node.start,
            end: at,
            locks: node.locks,
            children: 1,
            continuation: index,
            older: NONE,
            newer: NONE,
            listed: false,
        };
        let (key, parent) = (head.key, head.parent);
        let fresh = self.insert(head);
        if let Some(ranked) = &mut self.ranked {
            ranked.split(fresh, index);
        }
        let continues = parent != NONE && self.nodes[parent as usize].continuation == index;
        if continues {
            self.nodes[parent as usize].continuation = fresh;
        } else {
            self.by_key.insert(key, fresh);
        }
        let tail = &mut self.nodes[index as usize];
        tail.parent = fresh;
        tail.start = at;
        fresh
    }

    fn insert(&mut self, node: Node) -> u32 {
        match self.vacant.pop() {
            Some(index) => {
                self.nodes[index as usize] = node;
                index
            }
            None => {
                cold_path();
                self.nodes.push(node);
                (self.nodes.len() - 1) as u32
            }
        }
    }

    /// Removes an emptied leaf; its parent may become the next to go.
    fn remove(&mut self, index: u32) {
        self.unlist(index);
        let Node { key, parent, .. } = self.nodes[index as usize];
        let mut continues = false;
        if parent != NONE {
            let above = &mut self.nodes[parent as usize];
            above.children -= 1;
            continues = above.continuation == index;
            if continues {
                above.continuation = NONE;
            }
            if above.children == 0 && above.locks == 0 {
                self.list_oldest(parent);
            }
        }
        if !continues {
            self.by_key.remove(&key);
        }
        self.vacant.push(index);
    }

    fn list_newest(&mut self, index: u32) {
        if self.ranked.is_some() {
            cold_path();
            return self.rank(index);
        }
        let newest = self.newest.replace(index);
        let node = &mut self.nodes[index as usize];
        (node.older, node.newer, node.listed) = (newest.unwrap_or(NONE), NONE, true);
        match newest {
            Some(other) => self.nodes[other as usize].newer = index,
            None => self.oldest = Some(index),
        }
    }

    /// A parent becomes evictable when its last child goes, and that child was the one used last:
    /// the parent is as old as the oldest entry.
    fn list_oldest(&mut self, index: u32) {
        if self.ranked.is_some() {
            cold_path();
            return self.rank(index);
        }
        let oldest = self.oldest.replace(index);
        let node = &mut self.nodes[index as usize];
        (node.older, node.newer, node.listed) = (NONE, oldest.unwrap_or(NONE), true);
        match oldest {
            Some(other) => self.nodes[other as usize].older = index,
            None => self.newest = Some(index),
        }
    }

    fn unlist(&mut self, index: u32) {
        let node = &mut self.nodes[index as usize];
        if !std::mem::take(&mut node.listed) {
            return;
        }
        if let Some(ranked) = &mut self.ranked {
            cold_path();
            return ranked.unlist(index);
        }
        let (older, newer) = (node.older, node.newer);
        match older {
            NONE => self.oldest = (newer != NONE).then_some(newer),
            other => self.nodes[other as usize].newer = newer,
        }
        match newer {
            NONE => self.newest = (older != NONE).then_some(older),
            other => self.nodes[other as usize].older = older,
        }
    }

    /// Recounts everything that is kept incrementally; for tests and debug builds.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let vacant: std::collections::BTreeSet<u32> = self.vacant.iter().copied().collect();
        let live = |&(index, _): &(usize, &Node)| !vacant.contains(&(index as u32));
        let nodes: Vec<_> = self.nodes.iter().enumerate().filter(live).collect();
        let sum = |locked: bool| -> u64 {
            let some = nodes.iter().filter(|(_, n)| (n.locks > 0) == locked);
            some.map(|(_, n)| u64::from(n.end - n.start)).sum()
        };
        assert_eq!((self.locked, self.unlocked), (sum(true), sum(false)));
        for &(index, node) in &nodes {
            assert!(node.start < node.end, "an empty node is kept");
            let children =
                nodes.iter().filter(|(_, n)| n.parent == index as u32).collect::<Vec<_>>();
            assert_eq!(node.children as usize, children.len());
            assert!(children.iter().all(|(_, n)| n.start == node.end));
            assert!(
                children.iter().all(|(_, n)| n.locks <= node.locks),
                "a child outlives its parent's lock"
            );
            assert_eq!(node.listed, node.locks == 0 && node.children == 0);
        }
        let listed_nodes = nodes.iter().filter(|(_, n)| n.listed).count();
        if let Some(ranked) = &self.ranked {
            return assert_eq!(ranked.len(), listed_nodes);
        }
        let mut listed = 0;
        let mut at = self.oldest;
        while let Some(index) = at {
            listed += 1;
            let newer = self.nodes[index as usize].newer;
            at = (newer != NONE).then_some(newer);
        }
        assert_eq!(listed, listed_nodes);
    }
}
