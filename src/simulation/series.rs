//! Load over simulated time, in a bounded number of bins.

use crate::foundations::histogram::{MOST_COUNTED, MOST_SUMMED};
use crate::foundations::{SimDuration, SimTime};
use crate::serving::Usage;
use crate::serving::endpoint::EndpointUsage;

/// Bins at most; where there would be more, neighbours are joined and bins double in length.
pub const MOST_BINS: usize = 512;

/// What happened in one bin.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Bin {
    /// Time that it covers, ps: its length, less at the end of a trial; summed over trials.
    pub covered_ps: u128,
    /// Tasks that started.
    pub tasks_started: u64,
    /// Tasks that ended.
    pub tasks_finished: u64,
    /// Tasks that succeeded.
    pub tasks_succeeded: u64,
    /// Calls that were answered.
    pub calls: u64,
    /// By pool, in the scenario's order.
    pub pools: Vec<PoolBin>,
    /// By endpoint, in the scenario's order.
    pub endpoints: Vec<EndpointUsage>,
}

/// What one pool did in a bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PoolBin {
    /// Replica time in steps, ps.
    pub busy_ps: u128,
    /// Replica time in which kernels run, ps.
    pub gpu_ps: u128,
    /// Decoding requests x time, ps.
    pub batch_ps: u128,
    /// Requests waiting x time, ps.
    pub waiting_ps: u128,
    /// KV tokens held by running requests x time, token ps.
    pub kv_token_ps: u128,
    /// Prompt tokens of admitted requests.
    pub prompt_tokens: u64,
    /// Part of those found in the cache.
    pub cached_tokens: u64,
    /// Tokens produced.
    pub output_tokens: u64,
    /// Arithmetic done, FLOP per GPU, summed over replicas.
    pub flops: u128,
    /// Memory traffic, bytes per GPU, summed over replicas.
    pub bytes: u128,
    /// Replica time that was paid for and out of service, ps.
    pub down_ps: u128,
    /// Replica time that was not paid for, ps.
    pub unpaid_ps: u128,
    /// Time of committed replicas that were not rented, ps.
    pub spare_ps: u128,
}

impl PoolBin {
    fn is_possible(&self) -> bool {
        let Self { busy_ps, gpu_ps, batch_ps, waiting_ps, kv_token_ps, flops, bytes, .. } = *self;
        let times = [busy_ps, gpu_ps, batch_ps, waiting_ps, kv_token_ps];
        let sums = [flops, bytes, self.down_ps, self.unpaid_ps, self.spare_ps];
        let tokens = [self.prompt_tokens, self.cached_tokens, self.output_tokens];
        times.iter().chain(&sums).all(|&sum| sum <= MOST_SUMMED)
            && tokens.iter().all(|&count| count <= MOST_COUNTED)
    }

    /// Adds what a replica has done.
    pub(super) fn add(&mut self, usage: &Usage) {
        self.busy_ps += u128::from(usage.busy_ps);
        self.gpu_ps += u128::from(usage.gpu_ps);
        self.batch_ps += usage.batch_ps;
        self.waiting_ps += usage.waiting_ps;
        self.kv_token_ps += usage.kv_token_ps;
        self.prompt_tokens += usage.prompt_tokens;
        self.cached_tokens += usage.cached_tokens;
        self.output_tokens += usage.output_tokens;
        self.flops += usage.flops;
        self.bytes += usage.bytes;
    }

    /// Adds what came between two states of running sums.
    pub(super) fn add_difference(&mut self, now: &Self, before: &Self) {
        self.busy_ps += now.busy_ps - before.busy_ps;
        self.gpu_ps += now.gpu_ps - before.gpu_ps;
        self.batch_ps += now.batch_ps - before.batch_ps;
        self.waiting_ps += now.waiting_ps - before.waiting_ps;
        self.kv_token_ps += now.kv_token_ps - before.kv_token_ps;
        self.prompt_tokens += now.prompt_tokens - before.prompt_tokens;
        self.cached_tokens += now.cached_tokens - before.cached_tokens;
        self.output_tokens += now.output_tokens - before.output_tokens;
        self.flops += now.flops - before.flops;
        self.bytes += now.bytes - before.bytes;
        self.down_ps += now.down_ps - before.down_ps;
        self.unpaid_ps += now.unpaid_ps - before.unpaid_ps;
        self.spare_ps += now.spare_ps - before.spare_ps;
    }
}

impl Bin {
    /// Whether a run could have counted this: it may come from a disk.
    pub fn is_possible(&self) -> bool {
        let Self { tasks_started, tasks_finished, tasks_succeeded, calls, .. } = *self;
        let counts = [tasks_started, tasks_finished, tasks_succeeded, calls];
        counts.iter().all(|&count| count <= MOST_COUNTED)
            && self.covered_ps <= MOST_SUMMED
            && self.pools.iter().all(PoolBin::is_possible)
            && self.endpoints.iter().all(EndpointUsage::is_possible)
    }

    /// Adds what happened in another.
    fn add(&mut self, other: &Self) {
        self.covered_ps += other.covered_ps;
        self.tasks_started += other.tasks_started;
        self.tasks_finished += other.tasks_finished;
        self.tasks_succeeded += other.tasks_succeeded;
        self.calls += other.calls;
        for (mine, theirs) in self.pools.iter_mut().zip(&other.pools) {
            mine.add_difference(theirs, &PoolBin::default());
        }
        for (mine, theirs) in self.endpoints.iter_mut().zip(&other.endpoints) {
            mine.add(theirs);
        }
    }
}

/// Bins of equal length from the start of the trial; the last may be shorter.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Series {
    /// Length of a bin.
    pub length: SimDuration,
    /// The bins.
    pub bins: Vec<Bin>,
}

impl Series {
    /// An empty series.
    pub fn new(length: SimDuration) -> Self {
        Self { length, bins: Vec::new() }
    }

    /// Appends the bin that ends `now`; the length of the bin after it.
    pub fn push(&mut self, mut bin: Bin, now: SimTime) -> SimDuration {
        let start = SimTime::ZERO + self.length * self.bins.len() as u64;
        bin.covered_ps = u128::from(now.since(start).0);
        self.bins.push(bin);
        if self.bins.len() == MOST_BINS {
            self.join_neighbours();
        }
        self.length
    }

    fn join_neighbours(&mut self) {
        let mut joined = Vec::with_capacity(MOST_BINS);
        for pair in self.bins.chunks(2) {
            let mut first = pair[0].clone();
            pair[1..].iter().for_each(|later| first.add(later));
            joined.push(first);
        }
        self.bins = joined;
        self.length = self.length * 2;
    }

    /// Adds the series of another trial of the same plan, bin by bin, as long as the longer bins of
    /// the two.
    pub fn merge(&mut self, mut other: Self) {
        if self.bins.is_empty() {
            *self = other;
            return;
        }
        while self.length < other.length {
            self.join_neighbours();
        }
        while other.length < self.length {
            other.join_neighbours();
        }
        let (both, rest) = other.bins.split_at(self.bins.len().min(other.bins.len()));
        for (mine, theirs) in self.bins.iter_mut().zip(both) {
            mine.add(theirs);
        }
        self.bins.extend_from_slice(rest);
    }
}
