//! When each server's step ends: the earliest of all, kept up to date as they change.
//!
//! Every server has one boundary at most, and it moves often. A tournament over the servers finds
//! the first: a change is played out again along one path, of which a match of eight is a few
//! comparisons that no processor has to guess. A place in the calendar would cost several times that.

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

/// See the module's page.
#[derive(Clone, Debug)]
pub(super) struct Boundaries {
    steps: Tournament,
    wakes: Tournament,
}

impl Boundaries {
    /// Boundaries of so many servers, none of them set.
    pub(super) fn new(servers: usize) -> Self {
        Self { steps: Tournament::new(servers), wakes: Tournament::new(servers) }
    }

    /// Forgets them all.
    pub(super) fn clear(&mut self) {
        self.steps.clear();
        self.wakes.clear();
    }

    /// The first boundary, and whose it is.
    #[inline(always)]
    pub(super) fn first(&self) -> Option<(Boundary, usize)> {
        let wakes = self.wakes.first.at < self.steps.first.at;
        let Entry { at, server } = if wakes { self.wakes.first } else { self.steps.first };
        (at < NEVER).then_some((Boundary { at: SimTime(at), wakes }, server as usize))
    }

    /// Sets or takes away the boundary of a server.
    #[inline(always)]
    pub(super) fn set(&mut self, server: usize, boundary: Option<Boundary>) {
        let (at, wakes) = match boundary {
            Some(Boundary { at, wakes }) => (at.0, wakes),
            None => (NEVER, false),
        };
        let (this, other) = match wakes {
            true => (&mut self.wakes, &mut self.steps),
            false => (&mut self.steps, &mut self.wakes),
        };
        if other.at(server) < NEVER {
            other.set(server, NEVER);
        }
        this.set(server, at);
    }
}

/// No boundary, from here on.
const NEVER: u64 = SimTime::MAX.0;
/// Entries that meet in a match.
const MATCH: usize = 8;

/// When something is due, and whose it is.
#[derive(Clone, Copy, Debug)]
struct Entry {
    at: u64,
    server: u32,
}

/// What is due first of one thing for each server, and of equals the one whose place is first.
#[derive(Clone, Debug)]
struct Tournament {
    first: Entry,
    /// Matches between servers side by side.
    servers: usize,
    /// Those first, then the matches of who won eight of these, and so on up to the final.
    matches: Vec<[u64; MATCH]>,
    /// Whose the entries are.
    whose: Vec<[u32; MATCH]>,
}

impl Tournament {
    fn new(servers: usize) -> Self {
        let servers = servers.div_ceil(MATCH).max(1);
        let (mut round, mut all) = (servers, servers);
        while round > 1 {
            round = round.div_ceil(MATCH);
            all += round;
        }
        let place = |at: usize| std::array::from_fn(|entry| (at * MATCH + entry) as u32);
        Self {
            first: Entry { at: NEVER, server: 0 },
            servers,
            matches: vec![[NEVER; MATCH]; all],
            whose: (0..all).map(place).collect(),
        }
    }

    fn clear(&mut self) {
        self.first.at = NEVER;
        self.matches.fill([NEVER; MATCH]);
    }

    #[inline(always)]
    fn at(&self, server: usize) -> u64 {
        self.matches[server / MATCH][server % MATCH]
    }

    // Called from several places that all run for each call of a model: one copy of it stays in a
    // processor's instruction cache.
    #[inline(never)]
    fn set(&mut self, server: usize, at: u64) {
        let mut winner = Entry { at, server: server as u32 };
        let (mut place, mut before, mut round) = (server, 0, self.servers);
        loop {
            let index = before + place / MATCH;
            self.matches[index][place % MATCH] = winner.at;
            self.whose[index][place % MATCH] = winner.server;
            winner = first(&self.matches[index], &self.whose[index]);
            if round == 1 {
                break;
            }
            place /= MATCH;
            before += round;
            round = round.div_ceil(MATCH);
        }
        self.first = winner;
    }
}

/// The winner of a match.
#[inline(always)]
fn first(due: &[u64; MATCH], whose: &[u32; MATCH]) -> Entry {
    let mut first = Entry { at: due[0], server: whose[0] };
    for (&at, &server) in due.iter().zip(whose).skip(1) {
        first = if at < first.at { Entry { at, server } } else { first };
    }
    first
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against looking at them all.
        #[test]
        fn the_first_is_the_least(
            count in 1usize..90,
            changes in proptest::collection::vec((0usize..90, 0u64..9, any::<bool>(), any::<bool>()), 1..60),
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
