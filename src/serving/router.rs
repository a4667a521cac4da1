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

/// The replicas of a pool that take requests.
#[derive(Clone, Copy, Debug)]
pub enum Open<'a> {
    /// All of so many.
    All(usize),
    /// Those at these places, in their order; one at least.
    Some(&'a [u32]),
}

impl Open<'_> {
    /// How many there are.
    pub fn count(&self) -> usize {
        match self {
            Open::All(count) => *count,
            Open::Some(places) => places.len(),
        }
    }

    /// The place in the pool of the open one at a place among them.
    pub fn place(&self, at: usize) -> usize {
        match self {
            Open::All(_) => at,
            Open::Some(places) => places[at] as usize,
        }
    }
}

/// An instant, while the steps that end in it are ended one by one, by replica.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// When it is.
    pub now: SimTime,
    /// Replicas from this place on have not had their turn yet.
    pub turn: usize,
}

impl Moment {
    /// Settles the replica at a place as of now.
    pub fn settle(self, at: usize, replica: &mut Replica, spec: &ReplicaSpec) {
        if at < self.turn {
            replica.settle(spec, self.now);
        } else {
            replica.settle_before_turn(spec, self.now);
        }
    }
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

    /// The replica, of those that are open, for a request of `session` with these pieces.
    #[expect(clippy::too_many_arguments, reason = "a router may look at all of it")]
    pub fn route(
        &mut self,
        spec: &ReplicaSpec,
        replicas: &mut [Replica],
        open: Open<'_>,
        session: u64,
        pieces: &[Piece],
        prompt: u32,
        moment: Moment,
    ) -> usize {
        let count = open.count();
        let chosen = match self.policy {
            _ if count == 1 => 0,
            RouterPolicy::RoundRobin => self.last.wrapping_add(1) % count,
            RouterPolicy::LeastLoaded => self.least_loaded(replicas, open),
            RouterPolicy::SessionAffinity => {
                let weight = |&at: &usize| derive(session, open.place(at) as u64);
                (0..count).max_by_key(weight).unwrap_or(0)
            }
            RouterPolicy::PowerOfChoices { choices } => self.of_some(replicas, open, choices),
            RouterPolicy::PrefixAware { least_match, load_bound, slack } => {
                let total: usize = (0..count).map(|at| replicas[open.place(at)].load()).sum();
                let most = load_bound * (total + 1) as f64 / count as f64 + slack;
                let enough = (least_match * f64::from(prompt)).max(1.0);
                let mut best = None;
                for at in self.in_turn(count) {
                    let index = open.place(at);
                    let load = replicas[index].load();
                    if load as f64 > most {
                        continue;
                    }
                    moment.settle(index, &mut replicas[index], spec);
                    let cached = replicas[index].kv().cached_tokens(pieces, prompt);
                    let merit = (cached, Reverse(load));
                    if f64::from(cached) >= enough && best.is_none_or(|(known, _)| merit > known) {
                        best = Some((merit, at));
                    }
                }
                best.map_or_else(|| self.least_loaded(replicas, open), |(_, at)| at)
            }
        };
        self.last = chosen;
        open.place(chosen)
    }

    /// The least loaded of so many different replicas drawn by chance, the first of equals.
    fn of_some(&mut self, replicas: &[Replica], open: Open<'_>, choices: u32) -> usize {
        let Some(stream) = &mut self.stream else { return 0 };
        let some = (choices as usize).min(open.count());
        let mut drawn: SmallVec<[usize; 4]> = SmallVec::new();
        while drawn.len() < some {
            let index = stream.below(open.count() as u64) as usize;
            if !drawn.contains(&index) {
                drawn.push(index);
            }
        }
        drawn.into_iter().min_by_key(|&at| replicas[open.place(at)].load()).unwrap_or(0)
    }

    /// Places among the open ones, beginning behind the last one chosen.
    fn in_turn(&self, count: usize) -> impl Iterator<Item = usize> + use<> {
        let first = self.last.wrapping_add(1) % count;
        (0..count).map(move |step| (first + step) % count)
    }

    fn least_loaded(&self, replicas: &[Replica], open: Open<'_>) -> usize {
        let places = self.in_turn(open.count());
        places.min_by_key(|&at| replicas[open.place(at)].load()).unwrap_or(0)
    }
}
