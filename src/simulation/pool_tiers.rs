//! The tiers of a pool in a running trial, and what is handed over to them.

use super::plan::Pool;
use crate::foundations::{EventKey, SimTime};
use crate::serving::RequestId;
use crate::serving::kv_cache::Moved;
use crate::serving::tiers::{Arrived, Level, TierUsage, Tiers};

/// The tiers of a pool in a running trial.
#[derive(Clone, Debug)]
pub(super) struct PoolTiers {
    pub(super) tiers: Tiers,
    /// The event at which the next transfer ends.
    pub(super) due: Option<(SimTime, EventKey)>,
    /// Memory for what is handed over.
    pub(super) moved: Vec<Moved>,
    pub(super) turns: Vec<RequestId>,
    pub(super) arrived: Vec<Arrived>,
}

impl PoolTiers {
    /// Of a pool at the start of a trial, where it has some.
    pub(super) fn of(pool: &Pool) -> Option<Box<Self>> {
        let spec = pool.tiers.as_ref()?;
        Some(Box::new(Self {
            tiers: Tiers::new(spec, pool.most_replicas() as usize, pool.replica.block),
            due: None,
            moved: Vec::new(),
            turns: Vec::new(),
            arrived: Vec::new(),
        }))
    }

    /// What the tiers of each level did up to now.
    pub(super) fn usage(&mut self, now: SimTime) -> [TierUsage; Level::COUNT] {
        self.tiers.usage(now)
    }

    /// Begins the sums anew, at the end of a warm-up.
    pub(super) fn start_measuring(&mut self, now: SimTime) {
        self.tiers.start_measuring(now);
    }

    /// A server went down.
    pub(super) fn lose(&mut self, replica: usize) {
        self.tiers.lose(replica);
    }
}
