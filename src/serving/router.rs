//! Which replica of a pool serves a request.

use super::replica::{Replica, ReplicaSpec};
use crate::foundations::SimTime;
use crate::foundations::random::derive;
use crate::workload::context::Piece;

/// How a pool spreads its requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RouterPolicy {
    /// Each replica in turn.
    RoundRobin,
    /// The one with the fewest requests, waiting or running; in turn among equals.
    LeastLoaded,
    /// Always the same one for a session, by rendezvous hashing.
    SessionAffinity,
    /// The one with the longest cached prefix, unless it has more than `load_bound` times the mean
    /// number of requests; then, and where nothing is cached, the least loaded.
    PrefixAware {
        /// At least 1.
        load_bound: f64,
    },
}

/// A pool's router with its memory.
#[derive(Clone, Debug)]
pub struct Router {
    policy: RouterPolicy,
    last: usize,
}

impl Router {
    /// A router that has routed nothing.
    pub fn new(policy: RouterPolicy) -> Self {
        Self { policy, last: usize::MAX }
    }

    /// The replica for a request of `session` with these pieces.
    pub fn route(
        &mut self,
        spec: &ReplicaSpec,
        replicas: &mut [Replica],
        session: u64,
        pieces: &[Piece],
        prompt: u32,
        now: SimTime,
    ) -> usize {
        let chosen = match self.policy {
            _ if replicas.len() == 1 => 0,
            RouterPolicy::RoundRobin => self.last.wrapping_add(1) % replicas.len(),
            RouterPolicy::LeastLoaded => self.least_loaded(replicas),
            RouterPolicy::SessionAffinity => {
                (0..replicas.len()).max_by_key(|&index| derive(session, index as u64)).unwrap_or(0)
            }
            RouterPolicy::PrefixAware { load_bound } => {
                let total: usize = replicas.iter().map(Replica::load).sum();
                let bound = load_bound * (total + 1) as f64 / replicas.len() as f64;
                let mut best = (0, None);
                for (index, replica) in replicas.iter_mut().enumerate() {
                    if replica.load() as f64 > bound {
                        continue;
                    }
                    replica.settle(spec, now);
                    let cached = replica.kv().cached_tokens(pieces, prompt);
                    if cached > best.0 {
                        best = (cached, Some(index));
                    }
                }
                best.1.unwrap_or_else(|| self.least_loaded(replicas))
            }
        };
        self.last = chosen;
        chosen
    }

    fn least_loaded(&self, replicas: &[Replica]) -> usize {
        let count = replicas.len();
        let first = self.last.wrapping_add(1) % count;
        (0..count)
            .map(|step| (first + step) % count)
            .min_by_key(|&index| replicas[index].load())
            .unwrap_or(0)
    }
}
