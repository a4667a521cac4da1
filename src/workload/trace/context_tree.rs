//! Block hashes of many prompts, folded into few keys.
//!
//! Serving traces describe a prompt by one hash per block of its tokens, each hash standing for the
//! block *and* all before it. The prompts of a trace are then the paths of a tree. Most of its
//! branches are long and unbranched (a conversation that only grows), so the tree is kept as a
//! radix tree whose edges carry whole runs of blocks, and when all prompts are known every maximal
//! unbranched chain gets one key. A prompt becomes the chains on its path, each with the tokens
//! from the prompt's start to where the prompt leaves that chain or ends.
//!
//! ```
//! use tokenfleet::workload::trace::context_tree::{ContextTree, common_prefix};
//!
//! let mut tree = ContextTree::new(16);
//! tree.insert(&[1, 2, 3], 40)?; // the third block is half full
//! tree.insert(&[1, 2, 3, 4], 64)?; // the conversation went on
//! tree.insert(&[1, 7], 32)?; // another one with the same first block
//! let mut pieces = Vec::new();
//! let prompts = tree.resolve(0, &mut pieces)?.prompts;
//!
//! let prompt = |i: usize| &pieces[prompts[i].start as usize..prompts[i].end as usize];
//! assert_eq!(prompt(0).iter().map(|p| (p.key, p.end)).collect::<Vec<_>>(), [(0, 16), (1, 40)]);
//! assert_eq!(prompt(1).iter().map(|p| (p.key, p.end)).collect::<Vec<_>>(), [(0, 16), (1, 64)]);
//! assert_eq!(prompt(2).iter().map(|p| (p.key, p.end)).collect::<Vec<_>>(), [(0, 16), (2, 32)]);
//! assert_eq!(common_prefix(prompt(0), prompt(1)), 40);
//! assert_eq!(common_prefix(prompt(0), prompt(2)), 16);
//! # Ok::<(), tokenfleet::workload::trace::context_tree::Full>(())
//! ```
//!
//! Cost: 8 bytes per distinct block, about 40 per branch, 12 per prompt while the tree is built.
//! Inserting compares each block of a prompt once; resolving touches only branches.

use std::ops::Range;

use rustc_hash::FxHashMap;

use super::RecordedPiece;

const ROOT: u32 = 0;
const NO_KEY: u32 = u32::MAX;

/// More blocks, branches or pieces than 32 bits can count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than 4 billion blocks or pieces")]
pub struct Full;

/// See the module's page.
#[derive(Clone, Debug)]
pub struct ContextTree {
    block_size: u32,
    /// Hashes of all edges; an edge's own are one run.
    hashes: Vec<u64>,
    nodes: Vec<Node>,
    /// The node below a node whose edge begins with a hash.
    children: FxHashMap<(u32, u64), u32>,
    prompts: Vec<Prompt>,
}

/// A node and the edge that leads to it.
#[derive(Clone, Copy, Debug)]
struct Node {
    parent: u32,
    children: u32,
    /// Where the edge's run begins in `hashes`, and its length.
    run: u32,
    blocks: u32,
    /// Blocks from the root to the beginning of the edge.
    depth: u32,
}

/// A prompt ends on the path to `node`, `blocks` below the root. Later splits may leave that end on
/// an edge further up.
#[derive(Clone, Copy, Debug)]
struct Prompt {
    node: u32,
    blocks: u32,
    tokens: u32,
}

/// What [`ContextTree::resolve`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// The pieces of each prompt, in the order of insertion.
    pub prompts: Vec<Range<u32>>,
    /// The first key that was not used.
    pub next_key: u32,
}

impl ContextTree {
    /// An empty tree of blocks of `block_size` tokens (at least 1).
    pub fn new(block_size: u32) -> Self {
        let root = Node { parent: ROOT, children: 0, run: 0, blocks: 0, depth: 0 };
        Self {
            block_size: block_size.max(1),
            hashes: Vec::new(),
            nodes: vec![root],
            children: FxHashMap::default(),
            prompts: Vec::new(),
        }
    }

    /// Tokens of a block.
    pub fn block_size(&self) -> u32 {
        self.block_size
    }

    /// Different blocks seen so far.
    pub fn distinct_blocks(&self) -> usize {
        self.hashes.len()
    }

    /// Adds a prompt of `tokens` tokens whose blocks have these hashes; the last block may be
    /// partly filled, and tokens beyond the last block belong to no piece.
    ///
    /// # Errors
    /// [`Full`], with the tree as it was.
    pub fn insert(&mut self, hashes: &[u64], tokens: u32) -> Result<(), Full> {
        let room = self.hashes.len().checked_add(hashes.len()).ok_or(Full)?;
        let entries = self.nodes.len().max(self.prompts.len()) + 2;
        if room.max(entries) >= NO_KEY as usize {
            return Err(Full);
        }
        let (node, blocks) = (self.descend(hashes), hashes.len() as u32);
        self.prompts.push(Prompt { node, blocks, tokens });
        Ok(())
    }

    /// The node on whose edge the path of `hashes` ends, after adding what was missing of it.
    fn descend(&mut self, hashes: &[u64]) -> u32 {
        let (mut node, mut rest) = (ROOT, hashes);
        while let Some(&first) = rest.first() {
            let Some(&child) = self.children.get(&(node, first)) else {
                return self.append(node, rest);
            };
            let run = self.run(child);
            let same = run.iter().zip(rest).take_while(|(a, b)| a == b).count();
            let ends_inside = same < run.len();
            rest = &rest[same..];
            node = match rest.first() {
                Some(_) if ends_inside => self.split(child, same as u32),
                _ => child,
            };
        }
        node
    }

    fn run(&self, node: u32) -> &[u64] {
        let Node { run, blocks, .. } = self.nodes[node as usize];
        &self.hashes[run as usize..(run + blocks) as usize]
    }

    /// Adds a run below a node: to the node's own edge where that is the last run in memory.
    fn append(&mut self, node: u32, run: &[u64]) -> u32 {
        let above = &mut self.nodes[node as usize];
        let last_in_memory = (above.run + above.blocks) as usize == self.hashes.len();
        let start = self.hashes.len() as u32;
        self.hashes.extend_from_slice(run);
        if node != ROOT && above.children == 0 && last_in_memory {
            above.blocks += run.len() as u32;
            return node;
        }
        above.children += 1;
        let depth = above.depth + above.blocks;
        let blocks = run.len() as u32;
        self.push(run[0], Node { parent: node, children: 0, run: start, blocks, depth })
    }

    /// Cuts an edge after `blocks` blocks and returns the new node between its halves.
    fn split(&mut self, node: u32, blocks: u32) -> u32 {
        let lower = &mut self.nodes[node as usize];
        let upper = Node { children: 1, blocks, ..*lower };
        lower.run += blocks;
        lower.blocks -= blocks;
        lower.depth += blocks;
        let second = self.hashes[lower.run as usize];
        let middle = self.push(self.hashes[upper.run as usize], upper);
        self.nodes[node as usize].parent = middle;
        self.children.insert((middle, second), node);
        middle
    }

    fn push(&mut self, first: u64, node: Node) -> u32 {
        let index = self.nodes.len() as u32;
        self.children.insert((node.parent, first), index);
        self.nodes.push(node);
        index
    }

    /// Appends the pieces of all prompts to `pieces`, with keys from `first_key` on in the order in
    /// which the prompts meet them.
    ///
    /// # Errors
    /// [`Full`], when keys or pieces run out of 32 bits.
    pub fn resolve(
        &self,
        first_key: u32,
        pieces: &mut Vec<RecordedPiece>,
    ) -> Result<Resolved, Full> {
        let tops = self.chain_tops();
        let mut keys = vec![NO_KEY; self.nodes.len()];
        let mut next_key = first_key;
        let mut prompts = Vec::with_capacity(self.prompts.len());
        let mut path = Vec::new();
        for prompt in &self.prompts {
            path.clear();
            let mut top = tops[prompt.node as usize];
            let mut end = prompt.blocks;
            while top != ROOT {
                let Node { depth, parent, .. } = self.nodes[top as usize];
                // A later split may have moved the prompt's end above this chain.
                if depth < end {
                    path.push((top, end));
                    end = depth;
                }
                top = tops[parent as usize];
            }
            let start = pieces.len();
            for &(top, blocks) in path.iter().rev() {
                let key = &mut keys[top as usize];
                if *key == NO_KEY {
                    *key = next_key;
                    next_key = next_key.checked_add(1).filter(|&k| k != NO_KEY).ok_or(Full)?;
                }
                let end = blocks.saturating_mul(self.block_size).min(prompt.tokens);
                pieces.push(RecordedPiece { key: *key, end });
            }
            let index = |i: usize| u32::try_from(i).map_err(|_| Full);
            prompts.push(index(start)?..index(pieces.len())?);
        }
        Ok(Resolved { prompts, next_key })
    }

    /// For each node the topmost node of its chain: upwards as long as there is no other branch.
    fn chain_tops(&self) -> Vec<u32> {
        let mut tops = vec![NO_KEY; self.nodes.len()];
        tops[ROOT as usize] = ROOT;
        let mut chain = Vec::new();
        for start in 0..self.nodes.len() as u32 {
            let mut node = start;
            while tops[node as usize] == NO_KEY {
                chain.push(node);
                node = self.nodes[node as usize].parent;
            }
            // Downwards again, from the first node whose chain is known.
            while let Some(below) = chain.pop() {
                let continues = node != ROOT && self.nodes[node as usize].children == 1;
                tops[below as usize] = if continues { tops[node as usize] } else { below };
                node = below;
            }
        }
        tops
    }
}

/// Tokens that two prompts have in common from their beginning.
pub fn common_prefix(one: &[RecordedPiece], other: &[RecordedPiece]) -> u32 {
    let mut common = 0;
    for (a, b) in one.iter().zip(other).take_while(|(a, b)| a.key == b.key) {
        common = a.end.min(b.end);
        if a.end != b.end {
            break;
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn resolve(block_size: u32, prompts: &[(Vec<u64>, u32)]) -> Vec<Vec<RecordedPiece>> {
        let mut tree = ContextTree::new(block_size);
        for (hashes, tokens) in prompts {
            tree.insert(hashes, *tokens).unwrap();
        }
        let mut pieces = Vec::new();
        let resolved = tree.resolve(0, &mut pieces).unwrap();
        let ranges = resolved.prompts.into_iter();
        ranges.map(|r| pieces[r.start as usize..r.end as usize].to_vec()).collect()
    }

    fn shown(pieces: &[RecordedPiece]) -> Vec<(u32, u32)> {
        pieces.iter().map(|piece| (piece.key, piece.end)).collect()
    }

    #[test]
    fn a_conversation_that_only_grows_keeps_one_key() {
        let prompts: Vec<_> =
            (1..=40_u64).map(|n| ((0..n).collect::<Vec<_>>(), n as u32 * 4)).collect();
        for (n, pieces) in resolve(4, &prompts).iter().enumerate() {
            assert_eq!(shown(pieces), [(0, (n as u32 + 1) * 4)]);
        }
    }

    #[test]
    fn interleaved_conversations_keep_one_key_each() {
        // Runs that are not the last in memory grow by child nodes, which must not show.
        let prompts: Vec<_> = (2..=20_u64)
            .flat_map(|n| [1, 2].map(|who| ((0..n).map(|b| 100 * who + b).collect(), n as u32)))
            .collect();
        let resolved = resolve(1, &prompts);
        for (i, pieces) in resolved.iter().enumerate() {
            assert_eq!(shown(pieces), [(i as u32 % 2, i as u32 / 2 + 2)]);
        }
    }

    #[test]
    fn every_branch_of_a_divergence_has_a_new_key() {
        let prompts = [(vec![1, 2, 3, 4], 8), (vec![1, 2, 9], 6), (vec![1, 2], 3), (vec![5], 2)];
        let resolved = resolve(2, &prompts);
        let resolved: Vec<_> = resolved.iter().map(|pieces| shown(pieces)).collect();
        assert_eq!(
            resolved,
            [vec![(0, 4), (1, 8)], vec![(0, 4), (2, 6)], vec![(0, 3)], vec![(3, 2)]]
        );
    }

    #[test]
    fn a_prompt_without_blocks_has_no_pieces() {
        assert_eq!(resolve(2, &[(vec![], 1), (vec![1], 2)])[0], []);
    }

    /// Prompts that branch often: each block is one of two, some repeat an earlier prompt's start.
    fn prompts() -> impl Strategy<Value = Vec<(Vec<u64>, u32)>> {
        let prompt =
            (prop::collection::vec(0..2_u64, 0..12), 0..8_u32, any::<prop::sample::Index>());
        prop::collection::vec(prompt, 1..40).prop_map(|raw| {
            let mut prompts: Vec<(Vec<u64>, u32)> = Vec::new();
            for (mut hashes, less, earlier) in raw {
                if !prompts.is_empty() && less % 2 == 0 {
                    let before = &prompts[earlier.index(prompts.len())].0;
                    hashes = before.iter().copied().chain(hashes).collect();
                }
                let tokens = (hashes.len() as u32 * 4).saturating_sub(less % 4);
                prompts.push((hashes, tokens));
            }
            prompts
        })
    }

    proptest! {
        #[test]
        fn pieces_share_exactly_what_hashes_share(prompts in prompts()) {
            let resolved = resolve(4, &prompts);
            for (a, (hashes_a, tokens_a)) in prompts.iter().enumerate() {
                prop_assert_eq!(resolved[a].last().map_or(0, |piece| piece.end), *tokens_a);
                prop_assert!(resolved[a].is_sorted_by(|one, next| one.end < next.end));
                for (b, (hashes_b, tokens_b)) in prompts.iter().enumerate() {
                    let same = hashes_a.iter().zip(hashes_b).take_while(|(x, y)| x == y).count();
                    let expected = (same as u32 * 4).min(*tokens_a).min(*tokens_b);
                    prop_assert_eq!(common_prefix(&resolved[a], &resolved[b]), expected);
                }
            }
        }

        #[test]
        fn a_chain_is_left_at_one_end_only(prompts in prompts()) {
            // Where a prompt goes on past a piece, that piece is complete and ends where everybody
            // else's does: keys are of maximal chains.
            let resolved = resolve(4, &prompts);
            let mut ends = std::collections::BTreeMap::new();
            for pieces in &resolved {
                for piece in &pieces[..pieces.len().saturating_sub(1)] {
                    prop_assert_eq!(*ends.entry(piece.key).or_insert(piece.end), piece.end);
                }
            }
            for piece in resolved.iter().flatten() {
                prop_assert!(ends.get(&piece.key).is_none_or(|&end| piece.end <= end));
            }
        }
    }
}
