//! Which replica of a pool serves a request.

use std::cmp::Reverse;

use smallvec::SmallVec;

use super::replica::{Replica, ReplicaSpec};
use crate::foundations::SimTime;
use crate::foundations::random::{Purpose, Stream, Streams, derive};
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
    /// Of so many drawn by chance the one with the fewest requests: two do nearly all the good
    /// (M. Mitzenmacher, *The power of two choices in randomized load balancing*, IEEE TPDS 12(10),
    /// 2001), and nobody need know the load of all.
    PowerOfChoices {
        /// At least 1, which is a choice by chance alone.
        choices: u32,
    },
    /// The one that has most of the prompt cached, where that is enough and its load is not too far
    /// above the others'; the least loaded of equals. Where there is none, the least loaded of all.
    /// The load bound is that of consistent hashing with bounded loads (V. Mirrokni, M. Thorup,
    /// M. Zadimoghaddam, SODA 2018), its slack is SGLang's absolute threshold.
    PrefixAware {
        /// Share of the prompt that must be cached to count, 0 to 1: what all prompts begin with is
        /// cached everywhere soon, and says nothing about where to go.
        least_match: f64,
        /// Most requests over the mean of all replicas, at least 1.
        load_bound: f64,
        /// Requests beyond that bound that do not matter: few requests are never balanced.
        slack: f64,
    },
}

impl RouterPolicy {
    /// The prefix-aware router as it is where nothing else is said.
    pub const PREFIX_AWARE: Self =
        Self::PrefixAware { least_match: 0.3, load_bound: 1.25, slack: 4.0 };
}

/// A pool's router with its memory.
#[derive(Clone, Debug)]
pub struct Router {
    policy: RouterPolicy,
    last: usize,
    /// For policies that leave something to chance.
    stream: Option<Stream>,
}

impl Router {
    /// The router of pool number `pool` in a trial, which has routed nothing yet.
    pub fn new(policy: RouterPolicy, streams: Streams, pool: u64) -> Self {
        let draws = matches!(policy, RouterPolicy::PowerOfChoices { .. });
        let stream = draws.then(|| streams.stream(Purpose::Route, pool));
        Self { policy, last: usize::MAX, stream }
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
            RouterPolicy::PowerOfChoices { choices } => self.of_some(replicas, choices),
            RouterPolicy::PrefixAware { least_match, load_bound, slack } => {
                let total: usize = replicas.iter().map(Replica::load).sum();
                let most = load_bound * (total + 1) as f64 / replicas.len() as f64 + slack;
                let enough = (least_match * f64::from(prompt)).max(1.0);
                let mut best = None;
                for index in self.in_turn(replicas.len()) {
                    let load = replicas[index].load();
                    if load as f64 > most {
                        continue;
                    }
                    replicas[index].settle(spec, now);
                    let cached = replicas[index].kv().cached_tokens(pieces, prompt);
                    let merit = (cached, Reverse(load));
                    if f64::from(cached) >= enough && best.is_none_or(|(known, _)| merit > known) {
                        best = Some((merit, index));
                    }
                }
                best.map_or_else(|| self.least_loaded(replicas), |(_, index)| index)
            }
        };
        self.last = chosen;
        chosen
    }

    /// The least loaded of so many different replicas drawn by chance, the first of equals.
    fn of_some(&mut self, replicas: &[Replica], choices: u32) -> usize {
        let Some(stream) = &mut self.stream else { return 0 };
        let some = (choices as usize).min(replicas.len());
        let mut drawn: SmallVec<[usize; 4]> = SmallVec::new();
        while drawn.len() < some {
            let index = stream.below(replicas.len() as u64) as usize;
            if !drawn.contains(&index) {
                drawn.push(index);
            }
        }
        drawn.into_iter().min_by_key(|&index| replicas[index].load()).unwrap_or(0)
    }

    /// All replicas, beginning behind the last one chosen.
    fn in_turn(&self, count: usize) -> impl Iterator<Item = usize> + use<> {
        let first = self.last.wrapping_add(1) % count;
        (0..count).map(move |step| (first + step) % count)
    }

    fn least_loaded(&self, replicas: &[Replica]) -> usize {
        let replica = self.in_turn(replicas.len()).min_by_key(|&index| replicas[index].load());
        replica.unwrap_or(0)
    }
}
