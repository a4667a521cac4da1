//! An order of eviction that knows more than the order of release: what is pinned goes last, what was
//! given up goes first, and what nobody used for too long is gone.

use std::collections::BTreeMap;

use crate::foundations::{SimDuration, SimTime};

/// When a leaf goes: by rank, and within one by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// It lies in another tier, or its time is over.
    GivenUp,
    /// Least recently used first.
    Used,
    /// Kept as long as anything else can go; the pin that ends first is broken first.
    Pinned,
}

/// Rank, time of last use or end of the pin, and the order among those of one time.
type Place = (Rank, SimTime, u64);

/// See the module's page. Leaves are those of a prefix tree, by their index.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranked {
    pub(super) now: SimTime,
    ttl: Option<SimDuration>,
    order: BTreeMap<Place, u32>,
    /// By index of a node: its place, and when it was last released.
    nodes: Vec<(Option<Place>, SimTime)>,
    listed: u64,
}

impl Ranked {
    /// Leaves that nobody used for `ttl` are gone.
    pub(super) fn new(ttl: Option<SimDuration>) -> Self {
        Self { ttl, ..Self::default() }
    }

    pub(super) fn clear(&mut self) {
        (self.now, self.listed) = (SimTime::ZERO, 0);
        self.order.clear();
        self.nodes.clear();
    }

    fn node(&mut self, index: u32) -> &mut (Option<Place>, SimTime) {
        let index = index as usize;
        if self.nodes.len() <= index {
            self.nodes.resize(index + 1, (None, SimTime::ZERO));
        }
        &mut self.nodes[index]
    }

    /// A node, leaf or not, was released now.
    pub(super) fn release(&mut self, index: u32) {
        let now = self.now;
        self.node(index).1 = now;
    }

    /// The head that was cut off a node was released when that was.
    pub(super) fn split(&mut self, head: u32, tail: u32) {
        self.node(head).1 = self.node(tail).1;
    }

    /// An unlocked node became a leaf.
    pub(super) fn list(&mut self, index: u32) {
        let since = self.node(index).1;
        self.put(index, Rank::Used, since);
    }

    pub(super) fn unlist(&mut self, index: u32) {
        if let Some(place) = self.node(index).0.take() {
            self.order.remove(&place);
        }
    }

    fn put(&mut self, index: u32, rank: Rank, time: SimTime) {
        self.unlist(index);
        self.listed += 1;
        let place = (rank, time, self.listed);
        self.node(index).0 = Some(place);
        self.order.insert(place, index);
    }

    /// Keeps a leaf until then, as long as anything else can go.
    pub(super) fn pin(&mut self, index: u32, until: SimTime) {
        self.put(index, Rank::Pinned, until);
    }

    /// Lets a leaf go before all others but those given up that were used before it.
    pub(super) fn give_up(&mut self, index: u32) {
        let since = self.node(index).1;
        self.put(index, Rank::GivenUp, since);
    }

    /// The leaf to evict next, and whether that breaks its pin.
    pub(super) fn first(&self) -> Option<(u32, bool)> {
        self.order.first_key_value().map(|(&(rank, ..), &index)| (index, rank == Rank::Pinned))
    }

    /// Gives up what was pinned until now.
    pub(super) fn unpin(&mut self) {
        let pins = (Rank::Pinned, SimTime::ZERO, 0)..=(Rank::Pinned, self.now, u64::MAX);
        while let Some((_, &index)) = self.order.range(pins.clone()).next() {
            self.give_up(index);
        }
    }

    /// A leaf, not pinned, that nobody used for too long.
    pub(super) fn expired(&self) -> Option<u32> {
        let ttl = self.ttl?;
        let from = |rank| (rank, SimTime::ZERO, 0);
        let ranks = [from(Rank::GivenUp)..from(Rank::Used), from(Rank::Used)..from(Rank::Pinned)];
        let mut oldest = ranks.into_iter().filter_map(|rank| self.order.range(rank).next());
        oldest.find_map(|(&(_, since, _), &index)| (since + ttl <= self.now).then_some(index))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}
