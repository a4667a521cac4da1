//! A cache of blocks to hold against figures that were published for the traces: an LRU list of
//! single blocks, slow and plain. Only tests use it.

use std::collections::BTreeMap;

use super::Trace;

/// Blocks that were found, and blocks that were asked for, in a cache that holds `capacity`.
///
/// A prompt's hits are the leading run of its blocks that are there; all its blocks are then used.
pub(super) fn lru_hits<B: Ord + Clone>(prompts: &[Vec<B>], capacity: usize) -> (usize, usize) {
    let mut used_at: BTreeMap<B, usize> = BTreeMap::new();
    let mut by_use: BTreeMap<usize, B> = BTreeMap::new();
    let (mut hits, mut clock) = (0, 0);
    for prompt in prompts {
        hits += prompt.iter().take_while(|block| used_at.contains_key(block)).count();
        for block in prompt {
            clock += 1;
            if let Some(before) = used_at.insert(block.clone(), clock) {
                by_use.remove(&before);
            }
            by_use.insert(clock, block.clone());
        }
        while used_at.len() > capacity {
            let (_, oldest) = by_use.pop_first().unwrap();
            used_at.remove(&oldest);
        }
    }
    (hits, prompts.iter().map(Vec::len).sum())
}

/// The prompts of all calls as blocks of `size` tokens, told apart by key and place in the prompt.
pub(super) fn blocks_of_pieces(trace: &Trace, size: u32) -> Vec<Vec<(u32, u32)>> {
    let blocks = |call: usize| {
        let mut start = 0;
        let mut blocks = Vec::new();
        for piece in trace.pieces_of(call as u32) {
            let end = piece.end.div_ceil(size);
            blocks.extend((start..end).map(|block| (piece.key, block)));
            start = end;
        }
        blocks
    };
    (0..trace.calls.len()).map(blocks).collect()
}
