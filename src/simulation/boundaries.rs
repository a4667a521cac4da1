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

impl Boundary {
    const NEVER: Self = Self { at: SimTime::MAX, wakes: true };
}

/// See the module's page.
#[derive(Clone, Debug)]
pub(super) struct Boundaries {
    servers: Vec<Boundary>,
    /// Of each match the winner, the final first; the matches below `m` are `2 m` and `2 m + 1`,
    /// and behind the last match come the servers.
    winners: Vec<u32>,
}

impl Boundaries {
    /// Boundaries of so many servers, none of them set.
    pub(super) fn new(servers: usize) -> Self {
        let mut new = Self { servers: vec![Boundary::NEVER; servers], winners: vec![0; servers] };
        new.clear();
        new
    }

    /// Forgets them all.
    pub(super) fn clear(&mut self) {
        self.servers.fill(Boundary::NEVER);
        for game in (1..self.servers.len()).rev() {
            self.play(game);
        }
    }

    /// The first boundary, and whose it is.
    #[inline(always)]
    pub(super) fn first(&self) -> Option<(Boundary, usize)> {
        let winner = match self.servers.len() {
            0 | 1 => 0,
            _ => self.winners[1] as usize,
        };
        let boundary = *self.servers.get(winner)?;
        (boundary != Boundary::NEVER).then_some((boundary, winner))
    }

    /// Sets or takes away the boundary of a server.
    #[inline(always)]
    pub(super) fn set(&mut self, server: usize, boundary: Option<Boundary>) {
        let boundary = boundary.unwrap_or(Boundary::NEVER);
        if std::mem::replace(&mut self.servers[server], boundary) == boundary {
            return;
        }
        let mut game = (server + self.servers.len()) / 2;
        while game > 0 {
            self.play(game);
            game /= 2;
        }
    }

    #[inline(always)]
    fn play(&mut self, game: usize) {
        let count = self.servers.len();
        let player = |at: usize| if at < count { self.winners[at] } else { (at - count) as u32 };
        let (one, other) = (player(2 * game), player(2 * game + 1));
        let key = |player: u32| (self.servers[player as usize], player);
        self.winners[game] = if key(one) < key(other) { one } else { other };
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
