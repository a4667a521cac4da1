//! A link that shares its bandwidth evenly among the transfers on it: egalitarian processor sharing.
//!
//! With n transfers under way each gets 1/n of the bandwidth, so all of them have received the same
//! since any moment at which they were all there. One number, what a transfer that was always there
//! would have received, therefore says of every transfer when it ends: when that number has grown by
//! its bytes. It moves on in integers, and is rounded only where a transfer comes or goes; being asked
//! changes nothing.
//!
//! A transfer reaches its end one latency after its last byte was sent; it takes no bandwidth in
//! that time. Without further arrivals a transfer of w bytes among others with r₁, r₂, ... to go has
//! sent its last byte after (w + Σ min(rᵢ, w)) / bandwidth.
//!
//! ```
//! use tokenfleet::foundations::{SimDuration, SimTime};
//! use tokenfleet::serving::link::{Link, LinkSpec};
//! let mut link = Link::new(LinkSpec { bytes_per_s: 10, latency: SimDuration::ZERO });
//! link.start(SimTime::ZERO, 20, 1);
//! link.start(SimTime::from_s(1.0).unwrap(), 5, 2);
//! // Ten bytes of the first are left when the second comes; of these five go beside its five.
//! let first = link.next().unwrap();
//! assert_eq!((first.as_s(), link.pop(first)), (2.0, Some(2)));
//! let second = link.next().unwrap();
//! assert_eq!((second.as_s(), link.pop(second)), (2.5, Some(1)));
//! ```

use std::collections::{BTreeMap, VecDeque};

use crate::foundations::time::PS_PER_S;
use crate::foundations::{SimDuration, SimTime};

/// What a link can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkSpec {
    /// Bytes per second, of all transfers together; at least 1.
    pub bytes_per_s: u64,
    /// Time from a transfer's last byte sent to its end.
    pub latency: SimDuration,
}

/// Names a transfer on its link. Outlives it harmlessly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TransferId {
    /// The level at which its last byte is sent.
    end: u128,
    number: u64,
}

/// What went over a link, as sums since they were last cleared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkUsage {
    /// Transfers begun.
    pub transfers: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Time with a transfer under way, ps.
    pub busy_ps: u64,
    /// Transfers under way x time, ps.
    pub transfer_ps: u128,
}

impl LinkUsage {
    /// Adds another link's sums.
    pub fn add(&mut self, other: &Self) {
        self.transfers += other.transfers;
        self.bytes += other.bytes;
        self.busy_ps += other.busy_ps;
        self.transfer_ps += other.transfer_ps;
    }
}

/// See the module's page. Levels are bytes x [`PS_PER_S`], so that one grows by `bytes_per_s` in each
/// picosecond that a transfer has the link alone.
#[derive(Clone, Debug)]
pub struct Link {
    spec: LinkSpec,
    /// What a transfer that was always there would have received by `since`.
    level: u128,
    since: SimTime,
    /// Transfers that are sending, by the level at which they end, and their tags.
    sending: BTreeMap<TransferId, u32>,
    /// Transfers whose last byte is on its way, in order.
    landing: VecDeque<(SimTime, u32)>,
    started: u64,
    usage: LinkUsage,
    /// Up to when usage is booked.
    booked: SimTime,
}

impl Link {
    /// An idle link.
    pub fn new(spec: LinkSpec) -> Self {
        Self {
            spec,
            level: 0,
            since: SimTime::ZERO,
            sending: BTreeMap::new(),
            landing: VecDeque::new(),
            started: 0,
            usage: LinkUsage::default(),
            booked: SimTime::ZERO,
        }
    }

    /// Back to idle for the next trial, keeping memory.
    pub fn clear(&mut self) {
        (self.level, self.since, self.started) = (0, SimTime::ZERO, 0);
        self.sending.clear();
        self.landing.clear();
        (self.usage, self.booked) = (LinkUsage::default(), SimTime::ZERO);
    }

    /// What it can do.
    pub fn spec(&self) -> LinkSpec {
        self.spec
    }

    /// Transfers that are sending now, as of the last call.
    pub fn sending(&self) -> usize {
        self.sending.len()
    }

    /// Begins a transfer at `now`, which must not lie before an earlier call. The caller asks for
    /// [`Link::next`] again, since others may end later than they would have.
    pub fn start(&mut self, now: SimTime, bytes: u64, tag: u32) -> TransferId {
        self.settle(now);
        let end = self.level_at(now) + u128::from(bytes) * u128::from(PS_PER_S);
        self.rebase(now);
        let id = TransferId { end, number: self.started };
        self.started += 1;
        self.usage.transfers += 1;
        self.usage.bytes += bytes;
        self.sending.insert(id, tag);
        id
    }

    /// When the next transfer reaches its end, if nothing else is begun until then.
    pub fn next(&self) -> Option<SimTime> {
        let landing = self.landing.front().map(|&(at, _)| at);
        landing.or_else(|| Some(self.next_sent()? + self.spec.latency))
    }

    /// The tag of a transfer that has reached its end by `now`; first those that did first, and of
    /// one instant those that were begun first.
    pub fn pop(&mut self, now: SimTime) -> Option<u32> {
        self.settle(now);
        let &(at, tag) = self.landing.front()?;
        (at <= now).then(|| self.landing.pop_front())?;
        Some(tag)
    }

    /// Gives a transfer up; the bytes that it had still to send. `None` when all were sent: such a
    /// one still reaches its end.
    pub fn cancel(&mut self, now: SimTime, id: TransferId) -> Option<u64> {
        self.settle(now);
        let level = self.level_at(now);
        self.sending.remove(&id)?;
        self.level = level;
        self.since = now;
        Some(bytes_between(level, id.end))
    }

    /// Bytes that a transfer has still to send.
    pub fn remaining(&self, now: SimTime, id: TransferId) -> u64 {
        match self.sending.contains_key(&id) {
            true => bytes_between(self.level_at(now), id.end),
            false => 0,
        }
    }

    /// How long a transfer begun at `now` would take if nothing else were begun until its end.
    pub fn expected(&self, now: SimTime, bytes: u64) -> SimDuration {
        let level = self.level_at(now);
        let own = u128::from(bytes) * u128::from(PS_PER_S);
        let beside = |id: &TransferId| id.end.saturating_sub(level).min(own);
        let work = own + self.sending.keys().map(beside).sum::<u128>();
        let ps = work.div_ceil(u128::from(self.spec.bytes_per_s.max(1)));
        SimDuration(u64::try_from(ps).unwrap_or(u64::MAX)) + self.spec.latency
    }

    /// What went over it up to `now`.
    pub fn usage(&mut self, now: SimTime) -> LinkUsage {
        self.settle(now);
        self.book(now);
        self.usage
    }

    /// Begins the sums anew, at the end of a warm-up.
    pub fn start_measuring(&mut self, now: SimTime) {
        self.settle(now);
        self.book(now);
        self.usage = LinkUsage::default();
    }

    /// When the next transfer has sent its last byte.
    fn next_sent(&self) -> Option<SimTime> {
        let (id, _) = self.sending.first_key_value()?;
        let left = id.end.saturating_sub(self.level) * self.sending.len() as u128;
        let ps = left.div_ceil(u128::from(self.spec.bytes_per_s.max(1)));
        Some(self.since + SimDuration(u64::try_from(ps).unwrap_or(u64::MAX)))
    }

    /// Moves transfers that have sent their last byte by `now` on their way.
    fn settle(&mut self, now: SimTime) {
        while let Some(at) = self.next_sent()
            && at <= now
            && let Some((id, tag)) = self.sending.first_key_value().map(|(id, tag)| (*id, *tag))
        {
            self.rebase(at);
            // Rounded up to a picosecond, the level may lie a little above.
            self.level = self.level.max(id.end);
            self.sending.remove(&id);
            self.landing.push_back((at + self.spec.latency, tag));
        }
    }

    /// The level at a time before which nobody ends.
    fn level_at(&self, now: SimTime) -> u128 {
        let received =
            u128::from(self.spec.bytes_per_s.max(1)) * u128::from(now.since(self.since).0);
        self.level + received / (self.sending.len().max(1) as u128)
    }

    /// Takes `now` as the moment from which the level is reckoned, before the number of transfers
    /// changes.
    fn rebase(&mut self, now: SimTime) {
        self.book(now);
        self.level = self.level_at(now);
        self.since = now;
    }

    fn book(&mut self, now: SimTime) {
        let since = now.since(self.booked).0;
        if !self.sending.is_empty() {
            self.usage.busy_ps += since;
            self.usage.transfer_ps += u128::from(since) * self.sending.len() as u128;
        }
        self.booked = self.booked.max(now);
    }
}

/// Whole bytes between two levels, rounded up.
fn bytes_between(level: u128, end: u128) -> u64 {
    let bytes = end.saturating_sub(level).div_ceil(u128::from(PS_PER_S));
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
