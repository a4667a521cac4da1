//! What went from prefill sides to the pools that answer, as sums that figures are ratios of.

use crate::foundations::time::PS_PER_S;
use crate::simulation::outcome::TransferTally;

/// A sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Transfer {
    /// Transfers begun.
    Begun,
    /// Bytes of these.
    Bytes,
    /// Time that their prompts had waited for room, s.
    WaitS,
    /// Transfers that arrived.
    Arrived,
    /// Their time on the way, s.
    WayS,
    /// Time of links with something to send, s.
    BusyS,
    /// Links x window, s.
    LinkS,
    /// Blocks of computed prompts that were still to be fetched x time, s.
    PinnedBlockS,
    /// Blocks of prefill sides x window, s.
    BlockS,
}

impl Transfer {
    /// How many there are.
    pub const COUNT: usize = 9;
}

/// A number for each [`Transfer`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transfers(pub [f64; Transfer::COUNT]);

impl Transfers {
    /// Those of a pool.
    pub fn of(tally: &TransferTally) -> Self {
        let seconds = |ps: u128| ps as f64 / PS_PER_S as f64;
        let mut sums = [0.0; Transfer::COUNT];
        for (what, sum) in [
            (Transfer::Begun, tally.link.transfers as f64),
            (Transfer::Bytes, tally.link.bytes as f64),
            (Transfer::WaitS, seconds(tally.wait_ps)),
            (Transfer::Arrived, tally.arrived as f64),
            (Transfer::WayS, seconds(tally.transfer_ps)),
            (Transfer::BusyS, seconds(u128::from(tally.link.busy_ps))),
            (Transfer::LinkS, seconds(tally.link_ps)),
            (Transfer::PinnedBlockS, seconds(tally.pinned_block_ps)),
            (Transfer::BlockS, seconds(tally.block_ps)),
        ] {
            sums[what as usize] = sum;
        }
        Self(sums)
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] + other.0[at]))
    }
}
