//! The context of a conversation: what its next prompt consists of, and which parts of that other
//! prompts have in common.
//!
//! A context is a chain of pieces, first token first: shared segments (system prompt, tool schemas,
//! retrieved passages), then the conversation's own history, which grows at its end. A piece's key
//! names its content *and* all before it, so that a key alone says whether a prefix is known.

use smallvec::SmallVec;

use crate::foundations::random::derive;

/// Identity of the content of a context up to some point.
pub type Key = u64;

/// A piece of a context: its key, and where it ends in tokens from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Identity of the content up to the end of this piece.
    pub key: Key,
    /// Tokens from the start of the context to the end of this piece.
    pub end: u32,
}

/// See the module's page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    pieces: SmallVec<[Piece; 4]>,
    /// Pieces at the start that are shared with others and survive compaction.
    shared: u32,
}

impl Context {
    /// Tokens in all.
    pub fn tokens(&self) -> u32 {
        self.pieces.last().map_or(0, |piece| piece.end)
    }

    /// The pieces, first token first.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Tokens of the shared start.
    pub fn shared_tokens(&self) -> u32 {
        self.shared.checked_sub(1).map_or(0, |last| self.pieces[last as usize].end)
    }

    fn key(&self) -> Key {
        self.pieces.last().map_or(0, |piece| piece.key)
    }

    fn push(&mut self, identity: u64, tokens: u32) {
        let key = derive(self.key(), identity);
        let end = self.tokens().saturating_add(tokens);
        self.pieces.push(Piece { key, end });
    }

    /// Empties it, keeping memory.
    pub fn clear(&mut self) {
        self.pieces.clear();
        self.shared = 0;
    }

    /// Appends a segment that others use too, at the start of a conversation.
    pub fn append_shared(&mut self, identity: u64, tokens: u32) {
        if tokens > 0 {
            self.push(identity, tokens);
            self.shared = self.pieces.len() as u32;
        }
    }

    /// Begins the conversation's own part; every later [`Context::grow`] adds to it.
    pub fn open(&mut self, identity: u64) {
        self.push(identity, 0);
    }

    /// Appends a segment that others use too in the middle of a conversation, and goes on with its
    /// own part behind it.
    pub fn insert_shared(&mut self, identity: u64, tokens: u32, own: u64) {
        self.push(identity, tokens);
        self.push(own, 0);
    }

    /// Appends tokens of its own.
    pub fn grow(&mut self, tokens: u32) {
        if let Some(last) = self.pieces.last_mut() {
            last.end = last.end.saturating_add(tokens);
        }
    }

    /// Takes the last `tokens` away; what follows is new content under `identity`.
    pub fn shorten(&mut self, tokens: u32, identity: u64) {
        if let Some(last) = self.pieces.last_mut() {
            last.end = last.end.saturating_sub(tokens);
        }
        self.open(identity);
    }

    /// Takes `tokens` out of the conversation's own part, from `start` on; what stands behind them is
    /// new content under `identity`, for all before it has changed.
    pub fn cut_out(&mut self, start: u32, tokens: u32, identity: u64) {
        let left = self.tokens().saturating_sub(start).saturating_sub(tokens);
        while self.pieces.len() > self.shared as usize
            && self.pieces.last().is_some_and(|last| last.end > start)
        {
            let begins = self.pieces.iter().rev().nth(1).map_or(0, |before| before.end);
            match begins < start {
                true => self.pieces.iter_mut().rev().take(1).for_each(|last| last.end = start),
                false => drop(self.pieces.pop()),
            }
        }
        self.push(identity, left);
    }

    /// Replaces everything behind the shared start by `tokens` of new content.
    pub fn compact(&mut self, identity: u64, tokens: u32) {
        self.pieces.truncate(self.shared as usize);
        self.push(identity, tokens);
    }

    /// Puts other segments, by identity and tokens, in the place of the shared start. What stands behind
    /// them is new content, for all before it has changed.
    pub fn reopen(&mut self, segments: &[(u64, u32)]) {
        let mut end = self.shared_tokens();
        let own: SmallVec<[Piece; 4]> = self.pieces.drain(self.shared as usize..).collect();
        self.clear();
        for &(identity, tokens) in segments {
            self.append_shared(identity, tokens);
        }
        for piece in own {
            self.push(piece.key, piece.end - end);
            end = piece.end;
        }
    }

    /// Becomes a copy of `other` that goes on by itself.
    pub fn fork(&mut self, other: &Self, identity: u64) {
        self.pieces.clone_from(&other.pieces);
        self.shared = self.pieces.len() as u32;
        self.open(identity);
    }

    /// Becomes the recorded context whose pieces are given.
    pub fn replay(&mut self, pieces: impl Iterator<Item = Piece>) {
        self.pieces.clear();
        self.pieces.extend(pieces);
        self.shared = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_the_content_and_all_before_it() {
        let mut one = Context::default();
        one.append_shared(1, 100);
        one.append_shared(9, 50);
        let mut other = Context::default();
        other.append_shared(2, 100);
        other.append_shared(9, 50);
        assert_ne!(one.pieces()[1].key, other.pieces()[1].key);
        let mut again = Context::default();
        again.append_shared(1, 100);
        again.append_shared(9, 50);
        assert_eq!(one, again);
    }

    #[test]
    fn what_is_cut_out_changes_only_what_stands_behind_it() {
        let mut context = Context::default();
        context.append_shared(1, 100);
        context.open(7);
        context.grow(900);
        context.insert_shared(5, 50, 8);
        context.grow(150);
        let before: Vec<Piece> = context.pieces().to_vec();
        // 300 of the first 900 tokens go.
        context.cut_out(400, 300, 9);
        assert_eq!(context.tokens(), 900);
        assert_eq!(context.pieces()[..2], [before[0], Piece { end: 400, ..before[1] }]);
        assert_eq!(context.pieces().len(), 3);
        assert_ne!(context.pieces()[2].key, before[2].key);
    }

    #[test]
    fn another_start_makes_all_behind_it_new() {
        let open = |start: u64| {
            let mut context = Context::default();
            context.append_shared(start, 100);
            context.append_shared(2, 50);
            context.open(7);
            context.grow(30);
            context
        };
        let (mut one, other) = (open(1), open(3));
        let old = one.clone();
        one.reopen(&[(3, 120), (2, 50)]);
        let ends: Vec<u32> = one.pieces().iter().map(|piece| piece.end).collect();
        assert_eq!((&ends[..], one.shared_tokens()), (&[120, 170, 200][..], 170));
        // What others share is found again, what is the conversation's own nowhere.
        assert_eq!(one.pieces()[1].key, other.pieces()[1].key);
        assert!(![old.pieces()[2].key, other.pieces()[2].key].contains(&one.pieces()[2].key));
        one.grow(5);
        assert_eq!((one.tokens(), one.pieces().len()), (205, 3));
    }

    #[test]
    fn compaction_keeps_the_shared_start_and_changes_the_rest() {
        let mut context = Context::default();
        context.append_shared(1, 100);
        context.open(7);
        context.grow(900);
        let before = context.pieces()[1];
        context.compact(8, 50);
        assert_eq!((context.tokens(), context.shared_tokens()), (150, 100));
        assert_ne!(context.pieces()[1].key, before.key);
    }
}
