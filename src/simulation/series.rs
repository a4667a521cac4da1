//! Load over simulated time, in a bounded number of bins.

use crate::foundations::SimDuration;
use crate::serving::Usage;

/// Bins at most; where there would be more, neighbours are joined and bins double in length.
pub const MOST_BINS: usize = 512;

/// What happened in one bin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bin {
    /// Tasks that started.
    pub tasks_started: u64,
    /// Tasks that ended.
    pub tasks_finished: u64,
    /// Calls that were answered.
    pub calls: u64,
    /// By pool, in the scenario's order.
    pub pools: Vec<PoolBin>,
}

/// What one pool did in a bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolBin {
    /// Replica time in steps, ps.
    pub busy_ps: u128,
    /// Decoding requests x time, ps.
    pub batch_ps: u128,
    /// Requests waiting x time, ps.
    pub waiting_ps: u128,
    /// KV tokens held by running requests x time, token ps.
    pub kv_token_ps: u128,
    /// Prompt tokens computed.
    pub prefill_tokens: u64,
    /// Prompt tokens found in the cache.
    pub cached_tokens: u64,
    /// Tokens produced.
    pub output_tokens: u64,
}

impl PoolBin {
    /// Adds what a replica has done.
    pub(super) fn add(&mut self, usage: &Usage) {
        self.busy_ps += u128::from(usage.busy_ps);
        self.batch_ps += usage.batch_ps;
        self.waiting_ps += usage.waiting_ps;
        self.kv_token_ps += usage.kv_token_ps;
        self.prefill_tokens += usage.prefill_tokens;
        self.cached_tokens += usage.cached_tokens;
        self.output_tokens += usage.output_tokens;
    }

    /// Adds what came between two states of running sums.
    pub(super) fn add_difference(&mut self, now: &Self, before: &Self) {
        self.busy_ps += now.busy_ps - before.busy_ps;
        self.batch_ps += now.batch_ps - before.batch_ps;
        self.waiting_ps += now.waiting_ps - before.waiting_ps;
        self.kv_token_ps += now.kv_token_ps - before.kv_token_ps;
        self.prefill_tokens += now.prefill_tokens - before.prefill_tokens;
        self.cached_tokens += now.cached_tokens - before.cached_tokens;
        self.output_tokens += now.output_tokens - before.output_tokens;
    }
}

impl Bin {
    fn join(&mut self, later: &Self) {
        self.tasks_started += later.tasks_started;
        self.tasks_finished += later.tasks_finished;
        self.calls += later.calls;
        for (mine, theirs) in self.pools.iter_mut().zip(&later.pools) {
            mine.add_difference(theirs, &PoolBin::default());
        }
    }
}

/// Bins of equal length from the start of the trial; the last may be shorter.
#[derive(Clone, Debug, Default, PartialEq)]
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

    /// Appends a bin; the length of the bin after it.
    pub fn push(&mut self, bin: Bin) -> SimDuration {
        self.bins.push(bin);
        if self.bins.len() == MOST_BINS {
            let mut joined = Vec::with_capacity(MOST_BINS);
            for pair in self.bins.chunks(2) {
                let mut first = pair[0].clone();
                pair[1..].iter().for_each(|later| first.join(later));
                joined.push(first);
            }
            self.bins = joined;
            self.length = self.length * 2;
        }
        self.length
    }
}
