//! One model server: continuous batching with chunked prefill over paged KV.
//!
//! At each step boundary the server gives every decoding request its token, goes on with prompts
//! that are partly computed, and admits waiting requests in their order while token budget, batch
//! slots and KV blocks last. A step without prompt tokens repeats unchanged until a request ends, a
//! window fills or blocks run out, so the server leaps over all of those steps at once; an arrival
//! that could be admitted cuts the leap at the next boundary. When a running request can't be given
//! its next block, the one admitted last loses its blocks and is computed again later.
//!
//! Before the queue stands the front end: it takes up one request at a time, so when a request is
//! sent it is known when it will reach the queue, and no event is needed for that.

use std::collections::VecDeque;
use std::hint::cold_path;

pub use account::Account;
pub use under_way::UnderWay;

use super::batch::DecodeBatch;
use super::kv_cache::{KvCache, Retention};
use super::request::{Fetch, Finished, Request, RequestId, Stage};
use super::scheduling::{Scheduling, Shares};
use super::sequence::{Chunk, Phase, Sequence, alive};
use super::step_table::StepTable;
use super::usage::{Progression, SHARE_BITS, Usage};
use crate::foundations::{SimDuration, SimTime};
use crate::performance::{HostProfile, Speculation, StepModel};

mod account;
mod fetching;
mod hand_over;
mod lose;
mod schedule;
mod steps;
mod under_way;

/// What all replicas of a pool have in common.
#[derive(Clone, Debug)]
pub struct ReplicaSpec {
    /// Step times of the model on its hardware.
    pub model: StepModel,
    /// Most new tokens in a step.
    pub token_budget: u32,
    /// Most requests running at once.
    pub batch_limit: u32,
    /// Whether a prompt may be computed over several steps.
    pub chunked_prefill: bool,
    /// Tokens in a KV block.
    pub block: u32,
    /// KV blocks of a replica.
    pub kv_blocks: u64,
    /// Blocks that every running request takes beside those of its context: windows, states.
    pub sequence_blocks: u64,
    /// Whether finished requests leave their context cached.
    pub prefix_cache: bool,
    /// What becomes of cached context where lower tiers stand behind the memory.
    pub retention: Option<Retention>,
    /// What it guesses ahead, and checks.
    pub speculation: Option<Speculation>,
    /// In which order it takes up requests.
    pub scheduling: Scheduling,
    /// Habits of the engine's scheduler, and delays before it.
    pub host: HostProfile,
    /// Most steps to leap over; 1 makes every step an event of its own.
    pub longest_leap: u64,
}

impl ReplicaSpec {
    /// Tokens of a prompt with `left` to go that fit into a step with `budget` left.
    fn chunk(&self, left: u32, budget: u32) -> u32 {
        if self.chunked_prefill || budget == 0 { left.min(budget) } else { left }
    }

    /// Tokens that a step computes for each decoding request.
    fn width(&self) -> u32 {
        self.speculation.as_ref().map_or(1, Speculation::width)
    }

    /// Arithmetic of a step for each decoding request, its attention and its draft's aside, FLOP.
    fn request_flops(&self) -> u64 {
        let Some(speculation) = &self.speculation else { return self.model.token_flops() };
        let draft = speculation.draft.as_ref().map_or(0, StepModel::token_flops);
        u64::from(self.width()) * self.model.token_flops() + u64::from(speculation.drafted) * draft
    }

    /// How long so many prompt tokens behind others take on a server with nothing else to do, ps.
    pub fn prompt_ps(&self, tokens: u32, behind: u32) -> u64 {
        let (mut done, mut ps) = (0, 0u64);
        while done < tokens {
            let chunk = self.chunk(tokens - done, self.token_budget.max(1)).max(1);
            let passage = self.model.passage(1, chunk, done == 0);
            let attention = self.model.prefill_attention(chunk, behind + done);
            let gpu = self.model.mixed(0, chunk, passage).ps + passage.attention(attention).ps;
            ps = ps.saturating_add(gpu.max(self.model.prefill_host_ps(chunk)));
            done += chunk;
        }
        ps
    }

    /// Whether a request of so many tokens can ever run.
    pub fn can_hold(&self, prompt: u32, output: u32) -> bool {
        let context = (u64::from(prompt) + u64::from(output)).div_ceil(u64::from(self.block));
        context + self.sequence_blocks <= self.kv_blocks
    }
}

/// The first look at a request that nobody has reckoned yet.
const NOT_KNOWN: u64 = 0;

/// [`Replica::set_slowness`] of a server that is well.
pub const FULL_SPEED: u64 = 1024;

/// What the server is doing until its next boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Activity {
    Idle,
    /// Nothing to compute, and no room for those that wait before something is fetched.
    Stalled,
    /// Decode steps of one batch: when they began, what is the same in each (of its time, the
    /// host's part of that, memory traffic), how many.
    Leap {
        start: SimTime,
        run: Progression,
        fixed: u64,
        host: u64,
        bytes: u64,
        steps: u64,
    },
    /// One step with prompt tokens in it; `decoding` where the batch takes part in it.
    Mixed {
        start: SimTime,
        length: u64,
        gpu_ps: u64,
        attention_ps: u64,
        bytes: u64,
        decoding: bool,
    },
}

/// See the module's page.
#[derive(Clone, Debug)]
pub struct Replica {
    kv: KvCache,
    sequences: Vec<Sequence>,
    vacant: Vec<u32>,
    waiting: VecDeque<u32>,
    /// Those of them whose context is on its way from a lower tier: they are passed over.
    fetching: usize,
    /// Those of the queue that came to their turn before anybody looked for their context below.
    turns: Vec<u32>,
    /// Blocks that were fetched for requests in the queue or are on their way.
    ahead: u64,
    /// Requests that are still in the front end, and when each leaves it for the queue.
    arriving: VecDeque<(SimTime, u32)>,
    /// Where tenants share fairly: what each was served.
    shares: Shares,
    /// When the front end is through with the requests it has.
    front_end_free: SimTime,
    running: Vec<u32>,
    /// Admitted requests whose prompt is not computed yet, oldest first.
    prefilling: VecDeque<u32>,
    /// The prompts in the mixed step under way.
    chunks: Vec<Chunk>,
    /// Requests that were cancelled, or whose keys and values came, since the last boundary.
    called: Vec<u32>,
    /// Requests that room was made for, until the caller asks.
    fetches: Vec<Fetch>,
    /// Requests that are done here and whose blocks are still to be fetched.
    kept: Vec<u32>,
    batch: DecodeBatch,
    activity: Activity,
    /// How much longer its steps take than they should, in 1024ths.
    slowness: u64,
    /// Steps done since the start of the trial.
    done: u64,
    /// Time that the batch has been held up by steps of prompts alone, ps.
    stall: u64,
    admissions: u64,
    /// Steps done when prompts were taken up last.
    taken_up: u64,
    /// Time charged for one token in every step so far, ps x 2^20.
    share_per_token: u128,
    /// KV tokens of running requests outside shared nodes.
    own_tokens: u64,
    /// What is left of fixed-point sums of tokens x time below a whole one.
    token_ps_rest: u128,
    usage: Usage,
    /// Gaps that are not counted yet: their buckets are seldom in a near cache, and counted together
    /// several are fetched at once.
    gaps: Vec<Gaps>,
    /// Up to when the queue's length and the time in steps are booked.
    clock: SimTime,
    /// Time in steps and time charged before measuring began.
    before: Account,
}

/// Gaps between tokens in a leap: in the first step, growth from step to step, steps, requests.
type Gaps = [u64; 4];
/// So many are counted together.
const GAPS: usize = 16;

impl Replica {
    /// An idle server.
    pub fn new(spec: &ReplicaSpec) -> Self {
        let mut replica = Self {
            kv: KvCache::new(spec.kv_blocks, spec.block, spec.sequence_blocks, spec.prefix_cache)
                .retaining(spec.retention),
            sequences: Vec::new(),
            vacant: Vec::new(),
            waiting: VecDeque::new(),
            fetching: 0,
            turns: Vec::new(),
            ahead: 0,
            arriving: VecDeque::new(),
            shares: Shares::default(),
            front_end_free: SimTime::ZERO,
            running: Vec::new(),
            prefilling: VecDeque::new(),
            chunks: Vec::new(),
            called: Vec::new(),
            fetches: Vec::new(),
            kept: Vec::new(),
            batch: DecodeBatch::default(),
            activity: Activity::Idle,
            slowness: FULL_SPEED,
            done: 0,
            stall: 0,
            admissions: 0,
            taken_up: 0,
            share_per_token: 0,
            own_tokens: 0,
            token_ps_rest: 0,
            usage: Usage::default(),
            gaps: Vec::with_capacity(GAPS),
            clock: SimTime::ZERO,
            before: Account::default(),
        };
        replica.clear(spec);
        replica
    }

    /// Back to idle and empty for the next trial, keeping memory.
    pub fn clear(&mut self, spec: &ReplicaSpec) {
        self.kv.clear();
        self.sequences.clear();
        self.vacant.clear();
        self.waiting.clear();
        (self.fetching, self.ahead) = (0, 0);
        self.turns.clear();
        self.arriving.clear();
        self.shares.clear();
        self.front_end_free = SimTime::ZERO;
        self.running.clear();
        self.prefilling.clear();
        self.chunks.clear();
        self.called.clear();
        self.fetches.clear();
        self.kept.clear();
        self.batch.clear(&spec.model, spec.block, spec.speculation.is_some());
        (self.activity, self.slowness) = (Activity::Idle, FULL_SPEED);
        (self.done, self.stall, self.taken_up) = (0, 0, 0);
        (self.admissions, self.share_per_token, self.own_tokens) = (0, 0, 0);
        self.token_ps_rest = 0;
        self.usage = Usage::default();
        self.gaps.clear();
        (self.clock, self.before) = (SimTime::ZERO, Account::default());
    }

    /// Books the queue's length and whether the server is busy, up to now; before every change of
    /// either.
    #[inline(always)]
    fn book_time(&mut self, now: SimTime) {
        let since = now.since(self.clock).0;
        self.usage.waiting_ps += u128::from(since) * self.waiting.len() as u128;
        if !self.is_idle() {
            self.usage.busy_ps += since;
        }
        self.clock = now;
    }

    /// What a decoding request owes for its steps in the batch so far, ps x 2^20.
    #[inline(always)]
    fn decode_share(&self, spec: &ReplicaSpec, slot: u32) -> u128 {
        let sequence = &self.sequences[slot as usize];
        let attention = self.batch.attention_share(&spec.model, slot, sequence.stay);
        self.share_per_token - sequence.share_at_join + (attention << SHARE_BITS)
    }

    /// Requests waiting to be admitted.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// When the requests reached it that wait to be admitted.
    pub fn waiting_since(&self) -> impl Iterator<Item = SimTime> {
        self.waiting.iter().map(|&slot| self.sequences[slot as usize].submitted)
    }

    /// Requests sent to it and not admitted: in the front end or waiting.
    pub fn queued(&self) -> usize {
        self.arriving.len() + self.waiting.len()
    }

    /// Requests admitted and not done.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Requests that a router must reckon with: in the front end, waiting, or running.
    pub fn load(&self) -> usize {
        self.arriving.len() + self.waiting.len() + self.running.len()
    }

    /// Whether nothing is under way.
    #[inline(always)]
    pub fn is_idle(&self) -> bool {
        matches!(self.activity, Activity::Idle | Activity::Stalled)
    }

    /// Running sums up to the last boundary; see [`Replica::settle`].
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// The KV memory as of the last settled boundary.
    pub fn kv(&self) -> &KvCache {
        &self.kv
    }

    /// When the present step or leap ends, or an idle server has something to do.
    #[inline(always)]
    pub fn boundary(&self) -> Option<SimTime> {
        match self.activity {
            Activity::Idle if self.waiting.len() > self.fetching || !self.called.is_empty() => {
                Some(self.clock)
            }
            Activity::Idle | Activity::Stalled => self.next_arrival(),
            Activity::Leap { start, run, steps, .. } => {
                Some(start + SimDuration(run.elapsed(steps)))
            }
            Activity::Mixed { start, length, .. } => Some(start + SimDuration(length)),
        }
    }

    /// Sends a request to the server: through the front end into the queue. A leap is cut where the
    /// request will be looked at. The caller asks for [`Replica::boundary`] again.
    pub fn submit(&mut self, spec: &ReplicaSpec, request: Request<'_>, now: SimTime) -> RequestId {
        let arrives = self.through_front_end(spec, &request, now);
        let id = self.enter(request, arrives);
        self.arriving.push_back((arrives, id.slot));
        if self.arriving.len() == 1 {
            self.heed_arrival(spec);
        }
        id
    }

    /// When a request that is sent now leaves the front end. What comes from another server has been
    /// through one there.
    #[inline(always)]
    fn through_front_end(
        &mut self,
        spec: &ReplicaSpec,
        request: &Request<'_>,
        now: SimTime,
    ) -> SimTime {
        if request.stage == Stage::Answer {
            cold_path();
            return now;
        }
        let taken_up = self.front_end_free.max(now);
        self.front_end_free = taken_up + SimDuration(spec.host.serial_ps(request.prompt));
        self.front_end_free + SimDuration(spec.host.request_delay_ps)
    }

    /// When the next request leaves the front end.
    #[inline(always)]
    fn next_arrival(&self) -> Option<SimTime> {
        self.arriving.front().map(|&(at, _)| at)
    }

    /// Cuts the present leap where the scheduler looks at the next request from the front end, if it
    /// could admit it then. When that is, the request remembers, until something else is begun.
    #[inline(always)]
    fn heed_arrival(&mut self, spec: &ReplicaSpec) {
        // Where prompts are held back, one more may be what they wait for.
        let heeded = self.waiting.len() == self.fetching
            || spec.host.batch_wait_steps > 0
            || spec.scheduling.overtakes();
        let room = self.running.len() < spec.batch_limit as usize || spec.scheduling.preempts();
        let admissible = heeded && room;
        let Some(&(at, slot)) = self.arriving.front() else { return };
        let mut look = NOT_KNOWN;
        if admissible && let Activity::Leap { start, run, steps, .. } = self.activity {
            let passed = run.completed(at.since(start).0, steps);
            look = self.next_look(&spec.host, passed);
            self.cut(look - self.done);
        }
        self.sequences[slot as usize].ready = look;
    }

    /// Takes requests that have left the front end before `now` into the queue, or, where the server
    /// is idle, those that leave it now, too: a boundary comes before what arrives at its instant.
    #[inline(always)]
    fn receive(&mut self, spec: &ReplicaSpec, now: SimTime) {
        let idle = self.is_idle();
        let due = |&mut (at, _): &mut (SimTime, u32)| at < now || at == now && idle;
        while let Some((at, slot)) = self.arriving.pop_front_if(due) {
            let ready = match (self.sequences[slot as usize].ready, self.activity) {
                (NOT_KNOWN, Activity::Leap { start, run, steps, .. }) => {
                    self.next_look(&spec.host, run.completed(at.since(start).0, steps))
                }
                (NOT_KNOWN, _) => self.next_look(&spec.host, 0),
                (known, _) => known,
            };
            self.book_time(at);
            let sequence = &mut self.sequences[slot as usize];
            (sequence.phase, sequence.ready) = (Phase::Waiting, ready);
            self.fetching += usize::from(sequence.fetching);
            match spec.scheduling {
                Scheduling::Fcfs => self.waiting.push_back(slot),
                _ => {
                    cold_path();
                    self.queue_up(spec, slot);
                }
            }
        }
    }

    /// Steps that must be done before the scheduler looks at a request that comes when `passed`
    /// steps of the present leap are over: the one under way, those composed ahead, and up to the
    /// next look where it looks only now and then.
    #[inline(always)]
    fn next_look(&self, host: &HostProfile, passed: u64) -> u64 {
        if self.is_idle() {
            return self.done;
        }
        let next = self.done + passed + 1 + u64::from(host.lookahead_steps);
        match host.poll_steps {
            0 | 1 => next,
            every if self.batch.size > 0 => next.next_multiple_of(u64::from(every)),
            _ => next,
        }
    }

    /// Takes a request back from a settled server; it leaves at the next boundary, as [`Finished`]
    /// with `cancelled` set. True where it was still in the front end: then it is gone at once, and
    /// nothing follows. Does nothing when it is gone already.
    pub fn cancel(&mut self, id: RequestId) -> bool {
        let Some(sequence) = self.sequences.get_mut(id.slot as usize) else { return false };
        if sequence.generation != id.generation || sequence.phase == Phase::Gone {
            return false;
        }
        if sequence.phase == Phase::Arriving {
            self.arriving.retain(|&(_, slot)| slot != id.slot);
            self.used_fetched(id.slot);
            self.vacate(id.slot);
            return true;
        }
        if !std::mem::replace(&mut sequence.cancelled, true) {
            self.call(id.slot);
        }
        false
    }

    /// Something became of a request that the next boundary must see.
    fn call(&mut self, slot: u32) {
        self.called.push(slot);
        self.look_again();
    }

    /// The next boundary must see whether there is room now.
    fn look_again(&mut self) {
        self.cut(1);
        if self.activity == Activity::Stalled {
            self.activity = Activity::Idle;
        }
    }

    /// Books the arrivals and the steps of the present leap up to `now`, so that usage, KV memory
    /// and prefix cache are those of that instant. Changes nothing that happens.
    pub fn settle(&mut self, spec: &ReplicaSpec, now: SimTime) {
        self.settle_steps(spec, now, now);
    }

    /// The same while steps that end at `now` are ended one by one, by replica, and this one's turn
    /// is still to come: a step inside a leap that ends in this very instant is under way yet.
    pub fn settle_before_turn(&mut self, spec: &ReplicaSpec, now: SimTime) {
        self.settle_steps(spec, now, SimTime(now.0.saturating_sub(1)));
    }

    fn settle_steps(&mut self, spec: &ReplicaSpec, now: SimTime, until: SimTime) {
        self.receive(spec, now);
        self.book_time(now);
        if spec.retention.is_some() {
            cold_path();
            self.pass(now);
        }
        if let Activity::Leap { start, run, fixed, host, bytes, steps } = self.activity {
            let done = run.completed(until.since(start).0, steps);
            if done > 0 {
                self.book_leap(spec, run, fixed, host, bytes, done);
                let start = start + SimDuration(run.elapsed(done));
                let run = Progression { base: run.base + run.slope * done, ..run };
                self.activity =
                    Activity::Leap { start, run, fixed, host, bytes, steps: steps - done };
            }
        }
    }

    /// Ends the present, settled leap after at most so many steps.
    fn cut(&mut self, longest: u64) {
        if let Activity::Leap { steps, .. } = &mut self.activity {
            *steps = (*steps).min(longest.max(1));
        }
    }

    /// Ends the present step or leap at its boundary and begins the next; requests that are done
    /// go to `finished`. Also wakes an idle server that a request has reached.
    pub fn step(
        &mut self,
        spec: &ReplicaSpec,
        table: &mut StepTable,
        now: SimTime,
        finished: &mut Vec<Finished>,
    ) {
        self.receive(spec, now);
        self.book_time(now);
        if spec.retention.is_some() {
            cold_path();
            self.pass(now);
        }
        let before = std::mem::replace(&mut self.activity, Activity::Idle);
        let empty = matches!(before, Activity::Idle | Activity::Stalled);
        match before {
            Activity::Idle | Activity::Stalled => {}
            Activity::Leap { run, fixed, host, bytes, steps, .. } => {
                self.book_leap(spec, run, fixed, host, bytes, steps);
            }
            mixed @ Activity::Mixed { .. } => self.end_mixed(spec, mixed, now, finished),
        }
        while let Some((slot, ticket)) = self.batch.pop_end() {
            if alive(&self.sequences, slot, ticket) {
                self.leave(spec, slot, now, finished);
            }
        }
        if !self.called.is_empty() {
            self.answer_calls(spec, now, finished);
        }
        self.begin(spec, table, empty, now);
    }

    /// Requests that were cancelled leave, and those whose keys and values came decode.
    #[cold]
    fn answer_calls(&mut self, spec: &ReplicaSpec, now: SimTime, finished: &mut Vec<Finished>) {
        let mut called = std::mem::take(&mut self.called);
        for slot in called.drain(..) {
            let Sequence { phase, cancelled, .. } = self.sequences[slot as usize];
            if phase != Phase::Gone && cancelled {
                self.leave(spec, slot, now, finished);
            } else if phase == Phase::Fetching {
                self.begin_answer(spec, slot, now);
            }
        }
        self.called = called;
    }

    /// A request is gone: its name means nothing from now on.
    #[inline(always)]
    fn vacate(&mut self, slot: u32) {
        let sequence = &mut self.sequences[slot as usize];
        sequence.phase = Phase::Gone;
        sequence.generation = sequence.generation.wrapping_add(1);
        self.vacant.push(slot);
    }

    #[inline(always)]
    fn enter(&mut self, request: Request<'_>, arrives: SimTime) -> RequestId {
        let slot = self.vacant.pop().unwrap_or_else(|| {
            cold_path();
            self.sequences.push(Sequence::default());
            (self.sequences.len() - 1) as u32
        });
        let sequence = &mut self.sequences[slot as usize];
        sequence.renew(request, arrives);
        RequestId { slot, generation: sequence.generation }
    }
}
