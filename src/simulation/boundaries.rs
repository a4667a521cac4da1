//! When each server's step ends: the earliest of all, kept up to date as they change.
//!
//! Every server has one boundary at most, and it moves often. A tournament over the servers finds
//! the first with one comparison for each doubling of their number, and a change is played out
//! again along one path; a place in the calendar would cost several times that.

use crate::foundations::SimTime;

/// The boundary of one server. Among boundaries of one instant, steps end before idle servers wake,
/// by their place in the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Boundary {
    pub(super) at: SimTime,
    /// Whether an idle server wakes, which it does behind everything else of that instant: it must
    /// see all that arrives.
    pub(super) wakes: bool,
}

/// A server's boundary and its place in the fleet in one number, which orders them.
type Key = u128;

/// No boundary, from here on.
const NEVER: Key = key(Boundary { at: SimTime::MAX, wakes: true }, 0);

#[inline(always)]
const fn key(Boundary { at, wakes }: Boundary, server: usize) -> Key {
    (at.0 as Key) << 64 | (wakes as Key) << 32 | server as Key
}

/// See the module's page.
#[derive(Clone, Debug)]
pub(super) struct Boundaries {
    servers: usize,
    /// The first of each match, the final at 1. Match `m` is between `2 m` and `2 m + 1`; behind the
    /// last match come the servers themselves.
    firsts: Vec<Key>,
}

impl Boundaries {
    /// Boundaries of so many servers, none of them set.
    pub(super) fn new(servers: usize) -> Self {
        Self { servers, firsts: vec![NEVER; 2 * servers.max(1)] }
    }

    /// Forgets them all.
    pub(super) fn clear(&mut self) {
        self.firsts.fill(NEVER);
    }

    /// The first boundary, and whose it is.
    #[inline(always)]
    pub(super) fn first(&self) -> Option<(Boundary, usize)> {
        let first = self.firsts[1];
        let boundary = Boundary { at: SimTime((first >> 64) as u64), wakes: first >> 32 & 1 == 1 };
        (first < NEVER).then_some((boundary, first as u32 as usize))
    }

    /// Sets or takes away the boundary of a server.
    #[inline(always)]
    pub(super) fn set(&mut self, server: usize, boundary: Option<Boundary>) {
        let mut first = boundary.map_or(NEVER, |boundary| key(boundary, server));
        let mut game = self.servers + server;
        while std::mem::replace(&mut self.firsts[game], first) != first && game > 1 {
            first = first.min(self.firsts[game ^ 1]);
            game /= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against looking at them all.
        #[test]
        fn the_first_is_the_least(
            count in 1usize..20,
            changes in proptest::collection::vec((0usize..20, 0u64..9, any::<bool>(), any::<bool>()), 1..60),
        ) {
            let mut boundaries = Boundaries::new(count);
            let mut plain: Vec<Option<Boundary>> = vec![None; count];
            for (server, at, wakes, some) in changes {
                let boundary = some.then_some(Boundary { at: SimTime(at), wakes });
                boundaries.set(server % count, boundary);
                plain[server % count] = boundary;
                let set = plain.iter().enumerate().filter_map(|(at, known)| Some(((*known)?, at)));
                prop_assert_eq!(boundaries.first(), set.min());
            }
            boundaries.clear();
            prop_assert_eq!(boundaries.first(), None);
        }
    }
}
