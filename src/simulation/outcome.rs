//! What a trial leaves behind: integer counts and histograms that merge exactly, in any order.

use super::cause::Cause;
use super::observations::{Kept, Observations};
use super::plan::SiteResource;
use super::series::Series;
use super::task_sample::TaskSample;
use super::waste::{Waste, Wasted};
use crate::foundations::SimTime;
use crate::foundations::histogram::{Histogram, MOST_COUNTED, MOST_SUMMED};
use crate::serving::Usage;
use crate::serving::endpoint::EndpointUsage;
use crate::serving::link::LinkUsage;
use crate::serving::tiers::{Level, TierUsage};

/// Picodollars in a dollar: money is counted in integers.
pub const PICO_PER_USD: f64 = 1e12;

/// Figures of a call and of a task that go into histograms.
pub(super) const CALL_FIGURES: usize = 4;
pub(super) const TASK_FIGURES: usize = 10;

/// What the agents of one population did. Only tasks that started after the warm-up count.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AgentTally {
    /// Tasks that started, and of those: succeeded, failed by [`Cause`], still under way.
    pub started: u64,
    /// Tasks that succeeded.
    pub succeeded: u64,
    /// Tasks that failed, by cause.
    pub failed: [u64; Cause::ALL.len()],
    /// Tasks under way when the trial ended.
    pub in_flight: u64,
    /// Tasks that ended, and that succeeded, inside the measured window, whenever they started.
    pub finished_in_window: u64,
    /// Tasks that succeeded inside the measured window.
    pub succeeded_in_window: u64,
    /// LLM calls that were answered.
    pub calls: u64,
    /// LLM calls that were answered inside the measured window, whenever their task started.
    pub calls_in_window: u64,
    /// Attempts at calls, retries included.
    pub attempts: u64,
    /// Calls that failed in every attempt.
    pub calls_failed: u64,
    /// Attempts that failed, by reason: in transport, by timeout, by an open circuit breaker, or
    /// abandoned with their task.
    pub transport_errors: u64,
    /// Attempts cancelled for taking too long.
    pub timeouts: u64,
    /// Attempts turned away by an endpoint's limits, or by a pool that had too many requests.
    pub throttled: u64,
    /// Attempts turned away or broken off because what should have served them was out of service.
    pub unavailable: u64,
    /// Calls refused by an open circuit breaker.
    pub breaker_refusals: u64,
    /// Attempts that were given up: their task ended before them, or another at the same call was
    /// answered.
    pub abandoned: u64,
    /// Second attempts beside one that was still under way, and those that were answered first.
    pub hedges: u64,
    /// Hedges that were answered before the attempt that they stood in for.
    pub hedges_won: u64,
    /// Tool calls, and how many returned an error.
    pub tool_calls: u64,
    /// Tool calls that returned an error.
    pub tool_errors: u64,
    /// Tool calls among those that took too long.
    pub tool_timeouts: u64,
    /// Checks of own work, and those that found it wrong.
    pub checks: u64,
    /// Checks that found the work wrong.
    pub checks_failed: u64,
    /// Looks of people at the work, and those that found it wrong.
    pub reviews: u64,
    /// People who found the work wrong.
    pub rejections: u64,
    /// Sub-agents started.
    pub sub_agents: u64,
    /// Contexts cut for being too long.
    pub compactions: u64,
    /// Contexts out of which old results of tools were taken, and the tokens of those.
    pub prunings: u64,
    /// Tokens of results that were taken out.
    pub pruned_tokens: u64,
    /// Calls that asked a cache of answers, and of those: answered by it, and wrongly.
    pub cache_asked: u64,
    /// Calls that a cache answered.
    pub cache_hits: u64,
    /// Calls that it answered wrongly.
    pub cache_wrong: u64,
    /// Tokens of answered calls.
    pub input_tokens: u64,
    /// Input tokens that were found in a prefix cache.
    pub cached_tokens: u64,
    /// Tokens produced by answered calls.
    pub output_tokens: u64,
    /// Part of those that was reasoning.
    pub reasoning_tokens: u64,
    /// Charged for steps that its calls sat in, picodollars.
    pub charged_pico: u128,
    /// What was produced and charged in vain, by [`Waste`].
    pub wasted: [Wasted; Waste::COUNT],
    /// Time of a task that came to an end of its program, us.
    pub task_latency: Observations,
    /// Time from a call's first attempt to its last token, us.
    pub call_latency: Observations,
    /// Time from the attempt that succeeded to its first token, us.
    pub ttft: Observations,
    /// Mean time between the tokens of a call, ns.
    pub tpot: Observations,
    /// Time before a server took the call up, us.
    pub queue_time: Observations,
    /// Time of a tool step, queue for a slot included, us.
    pub tool_time: Observations,
    /// LLM calls of a finished task.
    pub calls_per_task: Observations,
    /// Tool calls of a finished task.
    pub tool_calls_per_task: Observations,
    /// Input and output tokens of a finished task.
    pub tokens_per_task: Observations,
    /// Tokens of one plain prompt and answer in its place: what the user wrote for it, and the last
    /// answer less its reasoning.
    pub plain_per_task: Observations,
    /// Input tokens of a finished task.
    pub input_per_task: Observations,
    /// Cached input tokens of a finished task.
    pub cached_per_task: Observations,
    /// Output tokens of a finished task.
    pub output_per_task: Observations,
    /// Reasoning tokens of a finished task.
    pub reasoning_per_task: Observations,
    /// Charge of a finished task, nanodollars.
    pub charge_per_task: Observations,
}

/// Fields of one kind, listed once: all of them to read and all of them to change.
macro_rules! listed {
    ($kind:ty, $all:ident, $all_mut:ident: $($field:ident)*) => {
        impl AgentTally {
            fn $all(&self) -> impl IntoIterator<Item = &$kind> {
                [$(&self.$field),*]
            }

            fn $all_mut(&mut self) -> impl IntoIterator<Item = &mut $kind> {
                [$(&mut self.$field),*]
            }
        }
    };
}

listed! { u64, counts, counts_mut:
    started succeeded in_flight finished_in_window succeeded_in_window calls calls_in_window
    attempts calls_failed transport_errors timeouts throttled unavailable breaker_refusals
    abandoned tool_calls tool_errors sub_agents compactions prunings pruned_tokens hedges
    hedges_won tool_timeouts checks checks_failed reviews rejections cache_asked cache_hits
    cache_wrong input_tokens cached_tokens output_tokens reasoning_tokens
}

listed! { Observations, observations, observations_mut:
    task_latency call_latency ttft tpot queue_time tool_time calls_per_task tool_calls_per_task
    tokens_per_task plain_per_task input_per_task cached_per_task output_per_task
    reasoning_per_task charge_per_task
}

impl AgentTally {
    /// Tasks that ended, well or not.
    pub fn finished(&self) -> u64 {
        self.succeeded + self.failed.iter().sum::<u64>()
    }

    /// What attempts produced whose answers were never read.
    pub fn unread(&self) -> Wasted {
        let mut sum = Wasted::default();
        for cause in Waste::UNREAD {
            let Wasted { tokens, pico } = self.wasted[cause as usize];
            sum.add(tokens, pico);
        }
        sum
    }

    /// Adds another tally: of another trial, or of another population.
    pub fn merge(&mut self, other: &Self) {
        let theirs = other.counts();
        self.counts_mut().into_iter().zip(theirs).for_each(|(mine, theirs)| *mine += theirs);
        for (mine, theirs) in self.failed.iter_mut().zip(other.failed) {
            *mine += theirs;
        }
        self.charged_pico += other.charged_pico;
        for (mine, theirs) in self.wasted.iter_mut().zip(other.wasted) {
            mine.add(theirs.tokens, theirs.pico);
        }
        for (mine, theirs) in self.observations_mut().into_iter().zip(other.observations()) {
            mine.merge(theirs);
        }
    }

    /// Counts what was observed of calls: the figures of a row are in this order.
    #[inline(never)]
    pub(super) fn count_calls(&mut self, kept: &mut Kept<CALL_FIGURES>) {
        kept.count([&mut self.call_latency, &mut self.queue_time, &mut self.ttft, &mut self.tpot]);
    }

    /// Counts how long tool steps took.
    #[inline(never)]
    pub(super) fn count_tools(&mut self, kept: &mut Kept<1>) {
        kept.count([&mut self.tool_time]);
    }

    /// Counts what was observed of tasks: the figures of a row are in this order.
    #[inline(never)]
    pub(super) fn count_tasks(&mut self, kept: &mut Kept<TASK_FIGURES>) {
        kept.count([
            &mut self.task_latency,
            &mut self.calls_per_task,
            &mut self.tool_calls_per_task,
            &mut self.tokens_per_task,
            &mut self.plain_per_task,
            &mut self.input_per_task,
            &mut self.cached_per_task,
            &mut self.output_per_task,
            &mut self.reasoning_per_task,
            &mut self.charge_per_task,
        ]);
    }

    /// Whether a run could have counted this: it may come from a disk.
    pub fn is_possible(&self) -> bool {
        self.counts().into_iter().chain(&self.failed).all(|count| *count <= MOST_COUNTED)
            && self.charged_pico <= MOST_SUMMED
            && self
                .wasted
                .iter()
                .all(|wasted| wasted.tokens <= MOST_COUNTED && wasted.pico <= MOST_SUMMED)
    }
}

/// What a pool did inside the measured window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PoolTally {
    /// Sums over its replicas.
    pub usage: Usage,
    /// Gaps between tokens, ps.
    pub inter_token: Histogram,
    /// What tiers behind its memories did, the nearest first.
    pub tiers: [TierUsage; Level::COUNT],
    /// Calls that were answered.
    pub calls: u64,
    /// Replicas that were paid for x window, ps.
    pub replica_ps: u128,
    /// Part of it in which they were out of service.
    pub down_ps: u128,
    /// Time of replicas that were not paid for, ps.
    pub unpaid_ps: u128,
    /// Time of committed replicas that were not rented, ps.
    pub spare_ps: u128,
    /// Replicas that its autoscaler asked for and that the site had no power or no room for x time,
    /// ps; none where that has no such limit.
    pub refused_ps: [Option<u128>; SiteResource::ALL.len()],
    /// KV tokens that all its replicas can hold x window, token ps.
    pub kv_capacity_ps: u128,
    /// Requests waiting x time, ps.
    pub waiting_ps: u128,
    /// What came from its prefill side.
    pub transfers: TransferTally,
    /// Cached blocks that made room for others.
    pub evicted_blocks: u64,
    /// Paid for its replicas over the window, picodollars.
    pub spent_pico: u128,
    /// Charged to calls for the steps they sat in, picodollars.
    pub charged_pico: u128,
}

/// What went from a pool's prefill side to it inside the measured window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransferTally {
    /// Over the links.
    pub link: LinkUsage,
    /// Links x window, ps.
    pub link_ps: u128,
    /// Prompts that waited for room, until they had it, ps.
    pub wait_ps: u128,
    /// Prompts that arrived.
    pub arrived: u64,
    /// Their time on the way, ps.
    pub transfer_ps: u128,
    /// Blocks of computed prompts that were still to be fetched x time, ps.
    pub pinned_block_ps: u128,
    /// Blocks of the prefill side x window, ps.
    pub block_ps: u128,
}

/// Sums that must agree, whatever happened; all over the whole trial, warm-up included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Conservation {
    /// Tasks started, and what became of them.
    pub tasks_started: u64,
    /// Tasks that succeeded.
    pub tasks_succeeded: u64,
    /// Tasks that failed.
    pub tasks_failed: u64,
    /// Tasks under way at the end.
    pub tasks_in_flight: u64,
    /// Output tokens that requests asked for.
    pub tokens_asked: u64,
    /// Output tokens produced.
    pub tokens_produced: u64,
    /// Output tokens asked for and not produced, because the request was cancelled.
    pub tokens_cancelled: u64,
    /// Output tokens still to be produced at the end.
    pub tokens_in_flight: u64,
    /// KV blocks of all replicas, and at the end: free, cached, held by requests.
    pub blocks_total: u64,
    /// Blocks free or evictable at the end.
    pub blocks_available: u64,
    /// Blocks under running requests at the end.
    pub blocks_held: u64,
    /// Replica time in steps, ps.
    pub busy_ps: u128,
    /// Replica time charged to requests that left, ps.
    pub charged_ps: u128,
}

impl Conservation {
    /// The sums that do not agree, in words; none unless the program is wrong.
    pub fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut equal = |what: &str, left: u64, right: u64| {
            if left != right {
                found.push(format!("{what}: {left} is not {right}"));
            }
        };
        equal(
            "tasks started = succeeded + failed + in flight",
            self.tasks_started,
            self.tasks_succeeded + self.tasks_failed + self.tasks_in_flight,
        );
        equal(
            "tokens asked = produced + cancelled + in flight",
            self.tokens_asked,
            self.tokens_produced + self.tokens_cancelled + self.tokens_in_flight,
        );
        equal(
            "KV blocks = available + held",
            self.blocks_total,
            self.blocks_available + self.blocks_held,
        );
        if self.charged_ps > self.busy_ps {
            let (charged, busy) = (self.charged_ps, self.busy_ps);
            found.push(format!("time charged <= time in steps: {charged} ps > {busy} ps"));
        }
        found
    }
}

/// Everything that one trial found.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialOutcome {
    /// The trial's number, from 0.
    pub trial: u64,
    /// Start and end of the measured window, seconds.
    pub window_s: (f64, f64),
    /// Whether the trial was stopped before its tasks were done, by the drain limit.
    pub drain_cut: bool,
    /// By population, in the scenario's order.
    pub agents: Vec<AgentTally>,
    /// By pool, in the scenario's order.
    pub pools: Vec<PoolTally>,
    /// By endpoint, in the scenario's order.
    pub endpoints: Vec<EndpointUsage>,
    /// Load over time.
    pub series: Series,
    /// Some or all tasks.
    pub tasks: TaskSample,
    /// Sums that must agree.
    pub conservation: Conservation,
    /// When the last event happened.
    pub ended: SimTime,
    /// Requests sent to servers, warm-up and drain included.
    pub requests: u64,
    /// Events handled.
    pub events: u64,
}

impl TrialOutcome {
    /// Nothing found yet.
    pub(super) fn empty(plan: &super::plan::Plan, trial: u64) -> Self {
        Self {
            trial,
            window_s: (0.0, 0.0),
            drain_cut: false,
            agents: vec![AgentTally::default(); plan.populations.len()],
            pools: vec![PoolTally::default(); plan.pools.len()],
            endpoints: vec![EndpointUsage::default(); plan.endpoints.len()],
            series: Series::new(plan.bin),
            tasks: TaskSample::new(trial, plan.task_rows),
            conservation: Conservation::default(),
            ended: SimTime::ZERO,
            requests: 0,
            events: 0,
        }
    }
}
