//! Where cached context goes beside the memory of the GPUs: host memory and local storage of each
//! server, a store that all servers of a pool share; and the links to them.
//!
//! A tier is filled as context is computed (write-through), or with what the tier above it forgets
//! (write-back). Every transfer takes the tier's link, which all transfers share evenly; what is
//! written can be found when it has arrived, and what would have to wait in more buffers than there
//! are is not written. A request looks for its context tier by tier. What a tier holds is fetched
//! where that is sooner than to compute it, by what its link is doing and by the step times of the
//! model; then it is copied into the memory, and the request goes on.

mod ledger;

use std::collections::BTreeSet;

use super::kv_cache::{Moved, Why};
use super::link::{Link, LinkSpec, LinkUsage};
use super::replica::{Replica, ReplicaSpec};
use super::request::RequestId;
use crate::foundations::{SimDuration, SimTime};
use ledger::{Ledger, Run};

/// What a tier is, from the nearest to the farthest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Memory of a server's host.
    Host,
    /// Storage in the server.
    Storage,
    /// A store that all servers of the pool share.
    Store,
}

impl Level {
    /// How many there are.
    pub const COUNT: usize = 3;
    /// All of them, the nearest first.
    pub const ALL: [Self; Self::COUNT] = [Self::Host, Self::Storage, Self::Store];
}

/// One tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierSpec {
    /// Where it is.
    pub level: Level,
    /// Blocks that it holds: of each server, or of the pool where it is shared.
    pub blocks: u64,
    /// From it to the GPUs.
    pub read: LinkSpec,
    /// To it.
    pub write: LinkSpec,
    /// Whether it is filled as context is computed; otherwise with what the tier above forgets.
    pub write_through: bool,
    /// Context that nobody used for so long is gone.
    pub ttl: Option<SimDuration>,
    /// Bytes that may wait to be written to it; while there are more, nothing else is written.
    pub buffer: u64,
}

/// What becomes of a session's context while it waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// It is evicted when it was used least recently.
    #[default]
    Lru,
    /// It stays as long as anything else can go.
    Pinned,
    /// So it does for a time, and then goes first.
    PinnedFor(SimDuration),
    /// It goes to the next tier at once, and here it goes first.
    Offloaded,
}

/// What a session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// A tool, or agents that it sent out.
    Tool,
    /// A person.
    Human,
}

/// The tiers of a pool and its rules for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TiersSpec {
    /// The nearest first.
    pub tiers: Vec<TierSpec>,
    /// Bytes of a block, in one copy.
    pub block_bytes: u64,
    /// Whether to fetch what a tier holds even where it could be computed sooner.
    pub always_fetch: bool,
    /// Whether to look for context when a request is sent, and not when it is its turn.
    pub prefetch: bool,
    /// What becomes of context while a tool runs.
    pub tool_gap: Keep,
    /// What becomes of context while a person thinks.
    pub human_pause: Keep,
}

impl TiersSpec {
    /// What becomes of context in a pause.
    pub fn keep(&self, pause: Pause) -> Keep {
        match pause {
            Pause::Tool => self.tool_gap,
            Pause::Human => self.human_pause,
        }
    }
}

/// What a tier of all servers of a pool did, as sums since measuring began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TierUsage {
    /// Prompt tokens that were fetched from it.
    pub hit_tokens: u64,
    /// Prompt tokens that it held, but that could be computed sooner.
    pub recomputed_tokens: u64,
    /// Tokens that it forgot for their age.
    pub expired_tokens: u64,
    /// Tokens that were not written because too much waited to be.
    pub dropped_tokens: u64,
    /// Tokens that were written.
    pub written_tokens: u64,
    /// What was fetched.
    pub read: LinkUsage,
    /// What was written.
    pub write: LinkUsage,
    /// Links in each direction.
    pub links: u64,
}

impl TierUsage {
    /// Adds another's sums.
    pub fn add(&mut self, other: &Self) {
        self.hit_tokens += other.hit_tokens;
        self.recomputed_tokens += other.recomputed_tokens;
        self.expired_tokens += other.expired_tokens;
        self.dropped_tokens += other.dropped_tokens;
        self.written_tokens += other.written_tokens;
        self.read.add(&other.read);
        self.write.add(&other.write);
        self.links += other.links;
    }
}

/// A tier of one server, or the shared one.
#[derive(Clone, Debug)]
struct Tier {
    spec: TierSpec,
    ledger: Ledger,
    read: Link,
    write: Link,
    /// Bytes on their way to it.
    buffered: u64,
    usage: TierUsage,
}

impl Tier {
    fn new(spec: TierSpec) -> Self {
        Self {
            spec,
            ledger: Ledger::new(spec.blocks, spec.ttl),
            read: Link::new(spec.read),
            write: Link::new(spec.write),
            buffered: 0,
            usage: TierUsage::default(),
        }
    }
}

/// What a transfer is for.
#[derive(Clone, Copy, Debug)]
enum Transfer {
    /// A run on its way to the tier of the link.
    Write { run: Run, bytes: u64 },
    /// Part of a fetch.
    Read { fetch: u32 },
}

/// Context on its way to a request.
#[derive(Clone, Copy, Debug)]
struct Fetch {
    replica: u32,
    request: RequestId,
    /// Transfers that are still under way.
    parts: u32,
    /// The block from which, and up to which it comes.
    start: u32,
    end: u32,
}

/// Context that has come: to which replica, for which of its requests, which blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// The replica's place in its pool.
    pub replica: usize,
    /// The request that asked for it.
    pub request: RequestId,
    /// The first block of it.
    pub start: u32,
    /// The block behind the last.
    pub end: u32,
}

/// The tiers of a pool in a running trial.
#[derive(Clone, Debug)]
pub struct Tiers {
    spec: TiersSpec,
    /// Tokens of a block.
    block: u32,
    /// Those of the first server, of the second, and so on; then the shared one.
    tiers: Vec<Tier>,
    /// How many each server has of its own.
    own: usize,
    transfers: Vec<Transfer>,
    idle_transfers: Vec<u32>,
    fetches: Vec<Fetch>,
    idle_fetches: Vec<u32>,
    /// When the next transfer of each busy link ends; a tier's links are 2 n (read) and 2 n + 1.
    due: BTreeSet<(SimTime, u32)>,
    times: Vec<Option<SimTime>>,
}

impl Tiers {
    /// Empty tiers for so many servers whose blocks have `block` tokens.
    pub fn new(spec: &TiersSpec, replicas: usize, block: u32) -> Self {
        let of = |shared: bool| {
            spec.tiers.iter().filter(move |tier| (tier.level == Level::Store) == shared)
        };
        let own = of(false).count();
        let local = (0..replicas).flat_map(|_| of(false)).copied().map(Tier::new);
        let tiers: Vec<Tier> = local.chain(of(true).copied().map(Tier::new)).collect();
        Self {
            spec: spec.clone(),
            block,
            times: vec![None; 2 * tiers.len()],
            tiers,
            own,
            transfers: Vec::new(),
            idle_transfers: Vec::new(),
            fetches: Vec::new(),
            idle_fetches: Vec::new(),
            due: BTreeSet::new(),
        }
    }

    /// The place of a server's tier by its place among those of the scenario.
    fn place(&self, replica: usize, at: usize) -> usize {
        match at < self.own {
            true => replica * self.own + at,
            false => self.tiers.len() - 1,
        }
    }

    /// When the next transfer ends.
    pub fn next(&self) -> Option<SimTime> {
        self.due.first().map(|&(at, _)| at)
    }

    /// Notes when a link's next transfer ends, which may have changed.
    fn follow(&mut self, link: usize) {
        let tier = &self.tiers[link / 2];
        let next = if link.is_multiple_of(2) { tier.read.next() } else { tier.write.next() };
        let before = std::mem::replace(&mut self.times[link], next);
        if before != next {
            if let Some(at) = before {
                self.due.remove(&(at, link as u32));
            }
            self.due.extend(next.map(|at| (at, link as u32)));
        }
    }

    fn begin(&mut self, link: usize, bytes: u64, what: Transfer, now: SimTime) {
        let tag = match self.idle_transfers.pop() {
            Some(tag) => {
                self.transfers[tag as usize] = what;
                tag
            }
            None => {
                self.transfers.push(what);
                (self.transfers.len() - 1) as u32
            }
        };
        let tier = &mut self.tiers[link / 2];
        let link_of = if link.is_multiple_of(2) { &mut tier.read } else { &mut tier.write };
        link_of.start(now, bytes, tag);
        self.follow(link);
    }

    /// A server's memory told what became of cached context.
    pub fn take_in(&mut self, replica: usize, moved: &mut Vec<Moved>, now: SimTime) {
        for Moved { key, start, end, why } in moved.drain(..) {
            let run = Run { key, start, end };
            let count = self.spec.tiers.len();
            for at in 0..if why == Why::Computed { count } else { 1.min(count) } {
                let through = self.spec.tiers[at].write_through;
                if through == (why == Why::Computed) {
                    self.write(self.place(replica, at), run, now);
                }
            }
        }
    }

    /// Writes what a tier lacks of a run.
    fn write(&mut self, place: usize, run: Run, now: SimTime) {
        let (block, block_bytes) = (u64::from(self.block), self.spec.block_bytes);
        let tier = &mut self.tiers[place];
        tier.usage.expired_tokens += tier.ledger.expire(now) * block;
        let missing = tier.ledger.missing(run, now);
        let bytes = missing * block_bytes;
        if missing == 0 {
            return;
        }
        if tier.buffered >= tier.spec.buffer {
            tier.usage.dropped_tokens += missing * block;
            return;
        }
        tier.usage.written_tokens += missing * block;
        tier.buffered += bytes;
        self.begin(2 * place + 1, bytes, Transfer::Write { run, bytes }, now);
    }

    /// Looks in the tiers for the context of a request that a server's queue holds, and begins to
    /// fetch it where that is sooner than to compute it; whether it did.
    pub fn seek(
        &mut self,
        index: usize,
        replica: &mut Replica,
        spec: &ReplicaSpec,
        request: RequestId,
        now: SimTime,
    ) -> bool {
        let Some((pieces, prompt, known)) = replica.seek(request) else { return false };
        // One token at least must be computed.
        let want = (prompt - 1) / self.block;
        let (mut at, mut parts) = (known.min(want), 0u32);
        let first = at;
        let fetch = self.idle_fetches.pop().unwrap_or(self.fetches.len() as u32);
        for level in 0..self.spec.tiers.len() {
            let place = self.place(index, level);
            let tier = &mut self.tiers[place];
            tier.usage.expired_tokens += tier.ledger.expire(now) * u64::from(self.block);
            let reach = tier.ledger.reach(pieces, self.block, at, want);
            if reach == at {
                continue;
            }
            let tokens = (reach - at) * self.block;
            let bytes = u64::from(reach - at) * self.spec.block_bytes;
            tier.ledger.touch(pieces, now);
            if !self.spec.always_fetch
                && tier.read.expected(now, bytes).0 >= spec.prompt_ps(tokens, at * self.block)
            {
                tier.usage.recomputed_tokens += u64::from(tokens);
                break;
            }
            tier.usage.hit_tokens += u64::from(tokens);
            self.begin(2 * place, bytes, Transfer::Read { fetch }, now);
            (at, parts) = (reach, parts + 1);
        }
        if parts == 0 {
            if (fetch as usize) < self.fetches.len() {
                self.idle_fetches.push(fetch);
            }
            return false;
        }
        let entry = Fetch { replica: index as u32, request, parts, start: first, end: at };
        match self.fetches.get_mut(fetch as usize) {
            Some(idle) => *idle = entry,
            None => self.fetches.push(entry),
        }
        replica.expect(request, at - first);
        true
    }

    /// Ends the transfers that are over by now; context that has come whole goes to `arrived`.
    pub fn advance(&mut self, now: SimTime, arrived: &mut Vec<Arrived>) {
        while let Some(&(at, link)) = self.due.first()
            && at <= now
        {
            let tier = &mut self.tiers[link as usize / 2];
            let is_read = link.is_multiple_of(2);
            let over = if is_read { tier.read.pop(now) } else { tier.write.pop(now) };
            self.follow(link as usize);
            let Some(tag) = over else { continue };
            self.idle_transfers.push(tag);
            match self.transfers[tag as usize] {
                Transfer::Write { run, bytes } => self.written(link as usize / 2, run, bytes, now),
                Transfer::Read { fetch } => {
                    let entry = &mut self.fetches[fetch as usize];
                    entry.parts -= 1;
                    if entry.parts == 0 {
                        let Fetch { replica, request, start, end, .. } = *entry;
                        arrived.push(Arrived { replica: replica as usize, request, start, end });
                        self.idle_fetches.push(fetch);
                    }
                }
            }
        }
    }

    /// A run has come to a tier; what it drives out goes on to the next, where that is filled so.
    fn written(&mut self, place: usize, run: Run, bytes: u64, now: SimTime) {
        let tier = &mut self.tiers[place];
        tier.buffered -= bytes;
        let mut driven_out = Vec::new();
        tier.ledger.insert(run, now, |run| driven_out.push(run));
        if self.own == 0 || place >= self.tiers.len() - usize::from(self.has_store()) {
            return;
        }
        let (replica, next) = (place / self.own, place % self.own + 1);
        if self.spec.tiers.get(next).is_some_and(|tier| !tier.write_through) {
            for run in driven_out {
                self.write(self.place(replica, next), run, now);
            }
        }
    }

    fn has_store(&self) -> bool {
        self.spec.tiers.last().is_some_and(|tier| tier.level == Level::Store)
    }

    /// A server went down, and with it what its own tiers held and what was on its way.
    pub fn lose(&mut self, replica: usize) {
        for at in 0..self.own {
            let place = self.place(replica, at);
            self.tiers[place].ledger.clear();
        }
    }

    /// What the tiers of each level did up to now.
    pub fn usage(&mut self, now: SimTime) -> [TierUsage; Level::COUNT] {
        let mut sums = [TierUsage::default(); Level::COUNT];
        for tier in &mut self.tiers {
            let (read, write) = (tier.read.usage(now), tier.write.usage(now));
            sums[tier.spec.level as usize].add(&TierUsage { read, write, links: 1, ..tier.usage });
        }
        sums
    }

    /// Begins the sums anew, at the end of a warm-up.
    pub fn start_measuring(&mut self, now: SimTime) {
        for tier in &mut self.tiers {
            tier.read.start_measuring(now);
            tier.write.start_measuring(now);
            tier.usage = TierUsage::default();
        }
    }
}

#[cfg(test)]
mod tests;
