//! A provider's cache of prompt prefixes: what was sent before is known for a while after its last
//! use, whatever else is sent.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::foundations::random::derive;
use crate::foundations::{SimDuration, SimTime};
use crate::workload::context::Piece;

/// How a provider keeps prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromptCachePolicy {
    /// How long behind its last use a prefix is known.
    pub ttl: SimDuration,
    /// Shorter prefixes are not kept.
    pub least_tokens: u32,
}

/// Where the names of prefixes begin.
const ROOT: u64 = 0x7072_6566_6978;

#[derive(Clone, Copy, Debug)]
struct Known {
    /// Tokens up to which this piece is known.
    end: u32,
    expires: SimTime,
}

/// See the module's page. A prefix is named by the keys and ends of its pieces.
#[derive(Clone, Debug, Default)]
pub(super) struct PromptCache {
    known: FxHashMap<u64, Known>,
    /// Names by when they may have expired, first ones first.
    expiring: VecDeque<(SimTime, u64)>,
}

impl PromptCache {
    /// Tokens of a prompt that are known; those are used anew.
    pub(super) fn look_up(
        &mut self,
        policy: &PromptCachePolicy,
        pieces: &[Piece],
        prompt: u32,
        now: SimTime,
    ) -> u32 {
        self.expire(now);
        let (mut name, mut cached) = (ROOT, 0);
        for piece in pieces {
            name = derive(name, piece.key);
            let Some(known) = self.known.get_mut(&name).filter(|known| known.end > cached) else {
                break;
            };
            known.expires = now + policy.ttl;
            self.expiring.push_back((known.expires, name));
            cached = known.end.min(piece.end).min(prompt);
            if known.end < piece.end {
                break;
            }
            name = derive(name, u64::from(piece.end));
        }
        // One token at least is computed, or nothing could be said.
        let cached = cached.min(prompt.saturating_sub(1));
        if cached >= policy.least_tokens { cached } else { 0 }
    }

    /// Keeps a prompt.
    pub(super) fn keep(
        &mut self,
        policy: &PromptCachePolicy,
        pieces: &[Piece],
        prompt: u32,
        now: SimTime,
    ) {
        if prompt < policy.least_tokens {
            return;
        }
        let (mut name, expires) = (ROOT, now + policy.ttl);
        for piece in pieces {
            name = derive(name, piece.key);
            let end = piece.end.min(prompt);
            let known = self.known.entry(name).or_insert(Known { end, expires });
            (known.end, known.expires) = (known.end.max(end), expires);
            self.expiring.push_back((expires, name));
            name = derive(name, u64::from(piece.end));
        }
    }

    fn expire(&mut self, now: SimTime) {
        while let Some(&(at, name)) = self.expiring.front().filter(|(at, _)| *at <= now) {
            self.expiring.pop_front();
            if self.known.get(&name).is_some_and(|known| known.expires == at) {
                self.known.remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: PromptCachePolicy =
        PromptCachePolicy { ttl: SimDuration(100), least_tokens: 1000 };

    fn pieces(own: u64, end: u32) -> [Piece; 2] {
        [Piece { key: 1, end: 2000 }, Piece { key: own, end }]
    }

    #[test]
    fn what_was_sent_is_known_until_its_time_is_over() {
        let mut cache = PromptCache::default();
        let mut ask = |own, end, now| {
            let (pieces, now) = (pieces(own, end), SimTime(now));
            let cached = cache.look_up(&POLICY, &pieces, end, now);
            cache.keep(&POLICY, &pieces, end, now);
            cached
        };
        assert_eq!(ask(7, 3000, 0), 0);
        // The conversation goes on; another shares its first piece only.
        assert_eq!(ask(7, 4000, 50), 3000);
        assert_eq!(ask(8, 3000, 60), 2000);
        // Every use counts anew, and only use does.
        assert_eq!(ask(8, 3500, 155), 3000);
        assert_eq!(ask(7, 5000, 156), 2000);
        assert_eq!(ask(8, 4000, 300), 0);
    }

    #[test]
    fn short_prompts_are_not_kept() {
        let mut cache = PromptCache::default();
        let short = [Piece { key: 1, end: 999 }];
        cache.keep(&POLICY, &short, 999, SimTime(0));
        assert_eq!(cache.look_up(&POLICY, &short, 999, SimTime(1)), 0);
    }
}
