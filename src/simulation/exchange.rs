//! What lies between a pool and its prefill side: requests on their way, and the links that their keys
//! and values go over.

use std::collections::BTreeMap;

use super::outcome::TransferTally;
use super::plan::{Plan, Pool, Prefill};
use crate::foundations::{EventKey, SimTime};
use crate::serving::link::{Link, TransferId};
use crate::serving::{Finished, RequestId};

/// A request between its prompt and its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct HandOver {
    /// What was said of the prompt when it was done, and who has it.
    pub(super) prompt: Finished,
    pub(super) source: (usize, RequestId),
    /// When room was made for it, and its way over the link.
    pub(super) fetched: Option<(SimTime, Way)>,
}

/// A transfer under way, or over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) link: usize,
    pub(super) transfer: TransferId,
}

/// What lies between a pool and its prefill side.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) links: Vec<Link>,
    /// The event at which the next transfer of each link ends.
    pub(super) ends: Vec<EventKey>,
    /// By the request's number.
    pub(super) open: BTreeMap<u32, HandOver>,
    pub(super) tally: TransferTally,
}

impl Exchange {
    fn new(side: &Prefill, replicas: usize) -> Self {
        let links = if side.shared { 1 } else { replicas };
        Self {
            links: vec![Link::new(side.link); links],
            ends: vec![EventKey::NONE; links],
            open: BTreeMap::new(),
            tally: TransferTally::default(),
        }
    }

    /// Begins the sums anew, at the end of a warm-up.
    pub(super) fn start_measuring(&mut self, now: SimTime) {
        self.tally = TransferTally::default();
        self.links.iter_mut().for_each(|link| link.start_measuring(now));
    }

    /// What went over since then; prompts that still wait to be fetched count up to now.
    pub(super) fn tally(&mut self, side: &Pool, since: SimTime, now: SimTime) -> TransferTally {
        let block = side.replica.block;
        let mut tally = self.tally;
        let blocks = u128::from(side.most_replicas()) * u128::from(side.replica.kv_blocks);
        tally.block_ps = blocks * u128::from(now.since(since).0);
        for held in self.open.values().filter(|held| held.is_kept()) {
            tally.pinned_block_ps += held.pinned(block, since, now);
        }
        for link in &mut self.links {
            tally.link.add(&link.usage(now));
            tally.link_ps += u128::from(now.since(since).0);
        }
        tally
    }
}

impl HandOver {
    /// Whether the blocks of its prompt are still taken.
    pub(super) fn is_kept(&self) -> bool {
        self.source.1 != RequestId::NONE
    }

    /// Blocks that its prompt has held since it was computed, x time in a window, ps.
    pub(super) fn pinned(&self, block: u32, since: SimTime, now: SimTime) -> u128 {
        let blocks = self.prompt.prompt.div_ceil(block.max(1));
        u128::from(blocks) * u128::from(now.since(self.prompt.finished.max(since)).0)
    }
}

/// The exchanges of all pools at the start of a trial.
pub(super) fn exchanges(plan: &Plan) -> impl Iterator<Item = Option<Box<Exchange>>> {
    plan.pools.iter().map(|pool| {
        let side = pool.prefill?;
        let replicas = plan.pools[usize::from(side.pool)].most_replicas();
        Some(Box::new(Exchange::new(&side, replicas as usize)))
    })
}
