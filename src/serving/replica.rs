//! One model server: continuous batching with chunked prefill over paged KV.
//!
//! At each step boundary the server gives every decoding request its token, goes on with prompts
//! that are partly computed, and admits waiting requests in their order while token budget, batch
//! slots and KV blocks last. A step without prompt tokens repeats unchanged until a request ends, a
//! window fills or blocks run out, so the server leaps over all of those steps at once; an arrival
//! that could be admitted cuts the leap at the next boundary. When a running request can't be given
//! its next block, the one admitted last loses its blocks and is computed again later.

use std::collections::VecDeque;

use super::batch::{DecodeBatch, Stay};
use super::kv_cache::{Holding, KvCache};
use super::request::{Finished, Piece, Request, RequestId};
use super::step_table::StepTable;
use super::usage::{Progression, SHARE_BITS, Usage};
use crate::foundations::{SimDuration, SimTime};
use crate::performance::{HostProfile, PrefillCost, StepModel};

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
    /// Whether finished requests leave their context cached.
    pub prefix_cache: bool,
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

    /// Whether a request of so many tokens can ever run.
    pub fn can_hold(&self, prompt: u32, output: u32) -> bool {
        (u64::from(prompt) + u64::from(output)).div_ceil(u64::from(self.block)) <= self.kv_blocks
    }
}

/// Where a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Waiting,
    Prefill,
    Decode,
    /// Its prompt was all it had to compute; about to leave.
    Done,
    Gone,
}

#[derive(Clone, Debug)]
struct Sequence {
    generation: u32,
    phase: Phase,
    /// Changes whenever it joins or leaves the batch.
    ticket: u32,
    tag: u32,
    /// Steps the server must have done before it looks at this request.
    ready: u64,
    /// Range of its pieces in no common store: requests have few.
    pieces: smallvec::SmallVec<[Piece; 4]>,
    kept: u32,
    prompt: u32,
    output: u32,
    produced: u32,
    /// Tokens to compute before it decodes, and how many are.
    target: u32,
    computed: u32,
    holding: Option<Holding>,
    /// Its place in `running`, and its number among all admissions.
    place: u32,
    admission: u64,
    stay: Stay,
    share_at_join: u128,
    share: u128,
    submitted: SimTime,
    scheduled: Option<SimTime>,
    first_token: Option<SimTime>,
    cached: u32,
    preemptions: u32,
    cancelled: bool,
}

/// A prompt's part of a step.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    slot: u32,
    tokens: u32,
    /// Time and work of its attention.
    attention: PrefillCost,
}

/// What the server is doing until its next boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Activity {
    Idle,
    /// Decode steps of one batch: when they began, what is the same in each, how many.
    Leap {
        start: SimTime,
        run: Progression,
        fixed: u64,
        bytes: u64,
        steps: u64,
    },
    /// One step with prompt tokens in it; `decoding` where the batch takes part in it.
    Mixed {
        start: SimTime,
        length: u64,
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
    /// Requests that are still in the front end.
    announced: u32,
    running: Vec<u32>,
    /// Admitted requests whose prompt is not computed yet, oldest first.
    prefilling: VecDeque<u32>,
    /// The prompts in the mixed step under way.
    chunks: Vec<Chunk>,
    /// Requests cancelled since the last boundary.
    cancelled: Vec<u32>,
    batch: DecodeBatch,
    activity: Activity,
    /// Steps done since the start of the trial.
    done: u64,
    /// Time that the batch has been held up by steps of prompts alone, ps.
    stall: u64,
    admissions: u64,
    /// Time charged for one token in every step so far, ps x 2^20.
    share_per_token: u128,
    /// KV tokens of running requests outside shared nodes.
    own_tokens: u64,
    usage: Usage,
    /// Up to when the queue's length and the time in steps are booked.
    clock: SimTime,
    /// Time in steps and time charged before measuring began.
    before: Account,
}

/// What a replica has in hand; for checking that nothing was lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// KV blocks of running requests.
    pub blocks_held: u64,
    /// Time in steps since the start of the trial, ps.
    pub busy_ps: u128,
    /// Time charged to requests that left, ps.
    pub charged_ps: u128,
}

impl Replica {
    /// An idle server.
    pub fn new(spec: &ReplicaSpec) -> Self {
        let mut replica = Self {
            kv: KvCache::new(spec.kv_blocks, spec.block, spec.prefix_cache),
            sequences: Vec::new(),
            vacant: Vec::new(),
            waiting: VecDeque::new(),
            announced: 0,
            running: Vec::new(),
            prefilling: VecDeque::new(),
            chunks: Vec::new(),
            cancelled: Vec::new(),
            batch: DecodeBatch::default(),
            activity: Activity::Idle,
            done: 0,
            stall: 0,
            admissions: 0,
            share_per_token: 0,
            own_tokens: 0,
            usage: Usage::default(),
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
        self.announced = 0;
        self.running.clear();
        self.prefilling.clear();
        self.chunks.clear();
        self.cancelled.clear();
        self.batch.clear(&spec.model, spec.block);
        self.activity = Activity::Idle;
        (self.done, self.stall) = (0, 0);
        (self.admissions, self.share_per_token, self.own_tokens) = (0, 0, 0);
        self.usage.clear();
        (self.clock, self.before) = (SimTime::ZERO, Account::default());
    }

    /// Begins the running sums anew, at the end of a warm-up.
    pub fn start_measuring(&mut self) {
        self.before.busy_ps += u128::from(self.usage.busy_ps);
        self.before.charged_ps += u128::from(self.usage.charged_ps());
        self.usage.clear();
    }

    /// What it has in hand, as of the last settled boundary.
    pub fn account(&self) -> Account {
        let own = |&slot: &u32| {
            let sequence = &self.sequences[slot as usize];
            let stayed = match sequence.phase {
                Phase::Decode => (self.batch.steps - sequence.stay.joined) as u32,
                _ => 0,
            };
            sequence.holding.map_or(0, |held| self.kv.own_blocks(&held, sequence.target + stayed))
        };
        Account {
            blocks_held: self.kv.shared_blocks() + self.running.iter().map(own).sum::<u64>(),
            busy_ps: self.before.busy_ps + u128::from(self.usage.busy_ps),
            charged_ps: self.before.charged_ps + u128::from(self.usage.charged_ps()),
        }
    }

    /// Books the queue's length and whether the server is busy, up to now; before every change of
    /// either.
    fn book_time(&mut self, now: SimTime) {
        let since = now.since(self.clock).0;
        self.usage.waiting_ps += u128::from(since) * self.waiting.len() as u128;
        if !self.is_idle() {
            self.usage.busy_ps += since;
        }
        self.clock = now;
    }

    /// Time charged so far to requests that are still running, ps.
    pub fn accrued_ps(&self, spec: &ReplicaSpec) -> u128 {
        let of = |&slot: &u32| {
            let sequence = &self.sequences[slot as usize];
            let decoding = sequence.phase == Phase::Decode;
            sequence.share + if decoding { self.decode_share(spec, sequence) } else { 0 }
        };
        self.running.iter().map(of).sum::<u128>() >> SHARE_BITS
    }

    /// What a decoding request owes for its steps in the batch so far, ps x 2^20.
    fn decode_share(&self, spec: &ReplicaSpec, sequence: &Sequence) -> u128 {
        let stayed = self.batch.steps - sequence.stay.joined;
        let attention = DecodeBatch::attention_share(&spec.model, sequence.stay, stayed);
        self.share_per_token - sequence.share_at_join + (attention << SHARE_BITS)
    }

    /// Requests waiting to be admitted.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Requests admitted and not done.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Requests that a router must reckon with: in the front end, waiting, or running.
    pub fn load(&self) -> usize {
        self.announced as usize + self.waiting.len() + self.running.len()
    }

    /// A request is on its way through the front end.
    pub fn announce(&mut self) {
        self.announced += 1;
    }

    /// A request has left the front end, to be submitted or because it was cancelled.
    pub fn withdraw_announced(&mut self) {
        self.announced = self.announced.saturating_sub(1);
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.activity == Activity::Idle
    }

    /// Running sums up to the last boundary; see [`Replica::settle`].
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// The KV memory as of the last settled boundary.
    pub fn kv(&self) -> &KvCache {
        &self.kv
    }

    /// When the present step or leap ends.
    pub fn boundary(&self) -> Option<SimTime> {
        match self.activity {
            Activity::Idle => None,
            Activity::Leap { start, run, steps, .. } => {
                Some(start + SimDuration(run.elapsed(steps)))
            }
            Activity::Mixed { start, length, .. } => Some(start + SimDuration(length)),
        }
    }

    /// Puts a request into the queue. It can be admitted at the next boundary; a leap is cut there
    /// if it would be. The caller asks for [`Replica::boundary`] again.
    pub fn submit(&mut self, spec: &ReplicaSpec, request: Request<'_>, now: SimTime) -> RequestId {
        self.book_time(now);
        let id = self.enter(request, now);
        let admissible = self.waiting.is_empty() && self.running.len() < spec.batch_limit as usize;
        self.waiting.push_back(id.slot);
        if admissible || spec.host.lookahead_steps > 0 || spec.host.poll_steps > 1 {
            self.settle(spec, now);
            let ready = self.next_look(&spec.host);
            self.sequences[id.slot as usize].ready = ready;
            if admissible {
                self.cut(ready - self.done);
            }
        }
        id
    }

    /// Steps that must be done before the scheduler looks at a request that comes now: the one
    /// under way, those composed ahead, and up to the next look where it looks only now and then.
    fn next_look(&self, host: &HostProfile) -> u64 {
        if self.is_idle() {
            return self.done;
        }
        let next = self.done + 1 + u64::from(host.lookahead_steps);
        let every = if self.batch.size > 0 { u64::from(host.poll_steps.max(1)) } else { 1 };
        next.next_multiple_of(every)
    }

    /// Takes a request back; it leaves at the next boundary, as [`Finished`] with `cancelled` set.
    /// Does nothing when it is gone already.
    pub fn cancel(&mut self, spec: &ReplicaSpec, id: RequestId, now: SimTime) {
        let sequence = &mut self.sequences[id.slot as usize];
        if sequence.generation != id.generation || sequence.phase == Phase::Gone {
            return;
        }
        if !std::mem::replace(&mut sequence.cancelled, true) {
            self.cancelled.push(id.slot);
            self.settle(spec, now);
            self.cut(1);
        }
    }

    /// Books the steps of the present leap that are done by `now`, so that usage, KV memory and
    /// prefix cache are those of that instant. Changes nothing that happens.
    pub fn settle(&mut self, spec: &ReplicaSpec, now: SimTime) {
        self.book_time(now);
        if let Activity::Leap { start, run, fixed, bytes, steps } = self.activity {
            let done = run.completed(now.since(start).0, steps);
            if done > 0 {
                self.book_leap(spec, run, fixed, bytes, done);
                let start = start + SimDuration(run.elapsed(done));
                let run = Progression { base: run.base + run.slope * done, ..run };
                self.activity = Activity::Leap { start, run, fixed, bytes, steps: steps - done };
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
    /// go to `finished`. Also wakes an idle server that has been given a request.
    pub fn step(
        &mut self,
        spec: &ReplicaSpec,
        table: &mut StepTable,
        now: SimTime,
        finished: &mut Vec<Finished>,
    ) {
        self.book_time(now);
        match std::mem::replace(&mut self.activity, Activity::Idle) {
            Activity::Idle => {}
            Activity::Leap { run, fixed, bytes, steps, .. } => {
                self.book_leap(spec, run, fixed, bytes, steps);
            }
            mixed @ Activity::Mixed { .. } => self.end_mixed(spec, mixed, now, finished),
        }
        while let Some((slot, ticket)) = self.batch.pop_end() {
            if alive(&self.sequences, slot, ticket) {
                self.leave(spec, slot, now, finished);
            }
        }
        let mut cancelled = std::mem::take(&mut self.cancelled);
        for slot in cancelled.drain(..) {
            if self.sequences[slot as usize].phase != Phase::Gone
                && self.sequences[slot as usize].cancelled
            {
                self.leave(spec, slot, now, finished);
            }
        }
        self.cancelled = cancelled;
        self.begin(spec, table, now);
    }

    fn enter(&mut self, request: Request<'_>, now: SimTime) -> RequestId {
        let fresh = Sequence {
            generation: 0,
            phase: Phase::Waiting,
            ticket: 0,
            tag: request.tag,
            ready: 0,
            pieces: request.pieces.into(),
            kept: request.kept,
            prompt: request.prompt.max(1),
            output: request.output.max(1),
            produced: 0,
            target: request.prompt.max(1),
            computed: 0,
            holding: None,
            place: u32::MAX,
            admission: 0,
            stay: Stay::default(),
            share_at_join: 0,
            share: 0,
            submitted: now,
            scheduled: None,
            first_token: None,
            cached: 0,
            preemptions: 0,
            cancelled: false,
        };
        match self.vacant.pop() {
            Some(slot) => {
                let old = &mut self.sequences[slot as usize];
                let (generation, ticket) = (old.generation, old.ticket);
                *old = Sequence { generation, ticket, ..fresh };
                RequestId { slot, generation }
            }
            None => {
                self.sequences.push(fresh);
                RequestId { slot: (self.sequences.len() - 1) as u32, generation: 0 }
            }
        }
    }

    /// Decides what the next step computes.
    fn begin(&mut self, spec: &ReplicaSpec, table: &mut StepTable, now: SimTime) {
        let preempted = self.make_room(spec);
        let beside = if spec.host.prefill_alone { 0 } else { self.batch.size as u32 };
        let mut budget = spec.token_budget.saturating_sub(beside);
        self.chunks.clear();
        for &slot in &self.prefilling {
            let sequence = &self.sequences[slot as usize];
            let tokens = spec.chunk(sequence.target - sequence.computed, budget);
            if tokens == 0 {
                break;
            }
            self.chunks.push(Chunk { slot, tokens, attention: PrefillCost::default() });
            budget = budget.saturating_sub(tokens);
        }
        while budget > 0 && !preempted && self.running.len() < spec.batch_limit as usize {
            let Some(&slot) = self.waiting.front() else { break };
            let has_work = self.batch.size > 0 || !self.chunks.is_empty();
            if has_work && self.sequences[slot as usize].ready > self.done {
                break;
            }
            let Some(left) = self.admit(slot, spec, budget, now) else { break };
            self.waiting.pop_front();
            let tokens = spec.chunk(left, budget);
            self.chunks.push(Chunk { slot, tokens, attention: PrefillCost::default() });
            budget = budget.saturating_sub(tokens);
        }
        self.activity = if !self.chunks.is_empty() {
            self.begin_mixed(spec, table, now)
        } else if self.batch.size > 0 {
            // After a preemption nobody was admitted: the next boundary must try. So must the one
            // at which the scheduler first looks at the head of the queue.
            let mut longest = if preempted || self.stall > 0 { 1 } else { spec.longest_leap };
            if let Some(&head) = self.waiting.front() {
                let ahead = self.sequences[head as usize].ready.saturating_sub(self.done);
                longest = longest.min(if ahead > 0 { ahead } else { u64::MAX });
            }
            self.begin_leap(spec, table, longest.max(1), now)
        } else {
            Activity::Idle
        };
    }

    /// Preempts until the next step's blocks can be had; whether it had to.
    fn make_room(&mut self, spec: &ReplicaSpec) -> bool {
        let mut preempted = false;
        while self.batch.blocks_for(1) > self.kv.available() {
            let last = self.running.iter().copied();
            let Some(slot) = last.max_by_key(|&s| self.sequences[s as usize].admission) else {
                break;
            };
            self.preempt(spec, slot);
            preempted = true;
        }
        preempted
    }

    /// Admits a waiting request if its blocks can be had; returns the tokens it has to compute.
    fn admit(&mut self, slot: u32, spec: &ReplicaSpec, budget: u32, now: SimTime) -> Option<u32> {
        let reserve = self.batch.blocks_for(1);
        let first_in_step = self.chunks.is_empty();
        let sequence = &mut self.sequences[slot as usize];
        if !spec.chunked_prefill && !first_in_step {
            let cached = self.kv.cached_tokens(&sequence.pieces, sequence.target);
            if sequence.target - cached > budget {
                return None;
            }
        }
        let holding = self.kv.admit(&sequence.pieces, sequence.target, reserve)?;
        sequence.phase = Phase::Prefill;
        sequence.holding = Some(holding);
        sequence.computed = holding.cached_tokens;
        sequence.admission = self.admissions;
        sequence.place = self.running.len() as u32;
        if sequence.scheduled.is_none() {
            sequence.scheduled = Some(now);
            sequence.cached = holding.cached_tokens;
            self.usage.cached_tokens += u64::from(holding.cached_tokens);
            self.usage.prompt_tokens += u64::from(sequence.prompt);
        }
        self.own_tokens += u64::from(sequence.target) - self.kv.tree_tokens(&holding);
        self.admissions += 1;
        self.running.push(slot);
        self.prefilling.push_back(slot);
        Some(sequence.target - sequence.computed)
    }

    fn begin_leap(
        &mut self,
        spec: &ReplicaSpec,
        table: &mut StepTable,
        longest: u64,
        now: SimTime,
    ) -> Activity {
        let size = self.batch.size as u32;
        let sequences = &self.sequences;
        let steps = self
            .batch
            .undisturbed(self.kv.available(), |slot, ticket| alive(sequences, slot, ticket))
            .clamp(1, longest);
        let gpu = table.gpu(&spec.model, size, size);
        let fixed = gpu.ps + spec.model.host_ps(size);
        let attention = self.batch.attention(&spec.model);
        let run = Progression { base: fixed + attention.base, slope: attention.slope };
        Activity::Leap { start: now, run, fixed, bytes: gpu.bytes, steps }
    }

    /// Books decode steps: `fixed` ps of each are the same for every token in the batch.
    fn book_leap(
        &mut self,
        spec: &ReplicaSpec,
        run: Progression,
        fixed: u64,
        bytes: u64,
        steps: u64,
    ) {
        let size = self.batch.size;
        let (flops, traffic) = self.batch.attention_work(&spec.model, steps);
        let kv_tokens = self.own_tokens + self.shared_tokens();
        let usage = &mut self.usage;
        let elapsed = run.elapsed(steps);
        let per_token = (u128::from(fixed) << SHARE_BITS) / u128::from(size.max(1));
        usage.steps += steps;
        usage.leaps += 1;
        usage.batch_ps += u128::from(size) * u128::from(elapsed);
        usage.kv_token_ps += run.weighted(kv_tokens, size, steps);
        usage.output_tokens += size * steps;
        usage.flops +=
            flops + u128::from(steps) * u128::from(size) * u128::from(spec.model.token_flops());
        usage.bytes += traffic + u128::from(steps) * u128::from(bytes);
        let first_gap = run.base + std::mem::take(&mut self.stall);
        usage.inter_token.record_progression(first_gap, run.slope, steps, size);
        self.done += steps;
        self.share_per_token += per_token * u128::from(steps);
        self.own_tokens += size * steps;
        self.advance_batch(steps);
    }

    /// Moves the decode batch on and gives it the blocks it grew into.
    fn advance_batch(&mut self, steps: u64) {
        self.kv.take(self.batch.blocks_for(steps));
        let sequences = &self.sequences;
        self.batch.advance(steps, |slot, ticket| alive(sequences, slot, ticket));
    }

    fn shared_tokens(&self) -> u64 {
        self.kv.shared_blocks() * u64::from(self.kv.block_tokens())
    }

    fn begin_mixed(&mut self, spec: &ReplicaSpec, table: &mut StepTable, now: SimTime) -> Activity {
        let model = &spec.model;
        let decoding = self.batch.size > 0 && !spec.host.prefill_alone;
        let beside = if decoding { self.batch.size as u32 } else { 0 };
        let mut attention_ps = if decoding { self.batch.attention(model).base } else { 0 };
        let (mut new, mut emitting) = (0, beside);
        for chunk in &mut self.chunks {
            let sequence = &self.sequences[chunk.slot as usize];
            chunk.attention = model.prefill_attention(chunk.tokens, sequence.computed);
            attention_ps += chunk.attention.ps;
            new += chunk.tokens;
            emitting += u32::from(sequence.computed + chunk.tokens == sequence.target);
        }
        let sequences = beside + self.chunks.len() as u32;
        let gpu = table.gpu(model, beside + new, emitting);
        // Without a captured graph the host may be slower than the device; it runs beside it.
        let busy = (gpu.ps + attention_ps).max(model.prefill_host_ps(beside + new));
        let length = busy + model.host_ps(sequences);
        Activity::Mixed { start: now, length, attention_ps, bytes: gpu.bytes, decoding }
    }

    fn end_mixed(
        &mut self,
        spec: &ReplicaSpec,
        mixed: Activity,
        now: SimTime,
        finished: &mut Vec<Finished>,
    ) {
        let Activity::Mixed { length, attention_ps, bytes, decoding, .. } = mixed else { return };
        let model = &spec.model;
        let present = self.batch.size;
        let size = if decoding { present } else { 0 };
        let new: u64 = self.chunks.iter().map(|chunk| u64::from(chunk.tokens)).sum();
        let fixed = u128::from(length - attention_ps);
        let per_token = (fixed << SHARE_BITS) / u128::from((size + new).max(1));
        let prefill_flops: u128 =
            self.chunks.iter().map(|chunk| u128::from(chunk.attention.flops)).sum();
        let kv_tokens = self.own_tokens + self.shared_tokens();
        self.done += 1;
        let usage = &mut self.usage;
        usage.steps += 1;
        usage.batch_ps += u128::from(present) * u128::from(length);
        usage.kv_token_ps += u128::from(kv_tokens) * u128::from(length);
        usage.output_tokens += size;
        usage.prefill_tokens += new;
        usage.flops += prefill_flops + u128::from(new) * u128::from(model.prompt_token_flops());
        usage.bytes += u128::from(bytes);
        if decoding {
            let (flops, traffic) = self.batch.attention_work(model, 1);
            usage.flops += flops + u128::from(size) * u128::from(model.token_flops());
            usage.bytes += traffic;
            usage.inter_token.record_n(length, size);
            self.share_per_token += per_token;
            self.own_tokens += size;
            self.advance_batch(1);
        } else if present > 0 {
            self.stall += length;
        }
        let mut chunks = std::mem::take(&mut self.chunks);
        for Chunk { slot, tokens, attention } in chunks.drain(..) {
            let sequence = &mut self.sequences[slot as usize];
            sequence.computed += tokens;
            sequence.share +=
                per_token * u128::from(tokens) + (u128::from(attention.ps) << SHARE_BITS);
            if sequence.computed == sequence.target {
                self.emit_first(spec, slot, now, finished);
            }
        }
        self.chunks = chunks;
        let sequences = &self.sequences;
        self.prefilling.retain(|&slot| sequences[slot as usize].phase == Phase::Prefill);
    }

    /// The prompt is computed and gives one token; the rest is decoded.
    fn emit_first(
        &mut self,
        spec: &ReplicaSpec,
        slot: u32,
        now: SimTime,
        finished: &mut Vec<Finished>,
    ) {
        self.usage.output_tokens += 1;
        let sequence = &mut self.sequences[slot as usize];
        sequence.produced += 1;
        sequence.first_token.get_or_insert(now);
        sequence.ticket = sequence.ticket.wrapping_add(1);
        let remaining = sequence.output - sequence.produced;
        if remaining == 0 {
            sequence.phase = Phase::Done;
            self.leave(spec, slot, now, finished);
            return;
        }
        sequence.phase = Phase::Decode;
        sequence.share_at_join = self.share_per_token;
        let (context, ticket) = (sequence.target + 1, sequence.ticket);
        sequence.stay = self.batch.join(&spec.model, slot, ticket, context, remaining);
    }

    /// Takes a running request out of batch and memory; its tokens stay known to it.
    fn withdraw(&mut self, spec: &ReplicaSpec, slot: u32) {
        let found = &self.sequences[slot as usize];
        let share = match found.phase {
            Phase::Decode => self.decode_share(spec, found),
            _ => 0,
        };
        let sequence = &mut self.sequences[slot as usize];
        let mut length = sequence.computed;
        if sequence.phase == Phase::Decode {
            let stayed = self.batch.leave(&spec.model, sequence.stay);
            sequence.produced += stayed as u32;
            length = sequence.target + stayed as u32;
            sequence.share += share;
            self.own_tokens -= stayed;
        } else if sequence.phase == Phase::Prefill {
            self.prefilling.retain(|&other| other != slot);
        }
        sequence.ticket = sequence.ticket.wrapping_add(1);
        if let Some(holding) = sequence.holding.take() {
            self.own_tokens -= u64::from(sequence.target) - self.kv.tree_tokens(&holding);
            // Blocks were taken for the whole target even where it is not computed yet.
            let held = length.max(sequence.target);
            let kept = if sequence.cancelled { 0 } else { sequence.kept };
            let computed = length.min(sequence.prompt.saturating_add(kept));
            let tail = sequence.pieces.last().map(|piece| piece.key);
            self.kv.release(holding, held, computed, tail);
        }
        let place = std::mem::replace(&mut sequence.place, u32::MAX) as usize;
        self.running.swap_remove(place);
        if let Some(&moved) = self.running.get(place) {
            self.sequences[moved as usize].place = place as u32;
        }
    }

    /// Takes a request's blocks away; it is computed again, first in the queue.
    fn preempt(&mut self, spec: &ReplicaSpec, slot: u32) {
        self.withdraw(spec, slot);
        let sequence = &mut self.sequences[slot as usize];
        sequence.phase = Phase::Waiting;
        sequence.preemptions += 1;
        // All that is produced is prompt now; the last token was never computed.
        sequence.target = sequence.prompt + sequence.produced;
        sequence.computed = 0;
        if let Some(last) = sequence.pieces.last_mut() {
            last.end = last.end.max(sequence.target);
        }
        self.usage.preemptions += 1;
        self.waiting.push_front(slot);
    }

    /// A request is done or cancelled.
    fn leave(&mut self, spec: &ReplicaSpec, slot: u32, now: SimTime, finished: &mut Vec<Finished>) {
        if self.sequences[slot as usize].phase == Phase::Waiting {
            self.waiting.retain(|&other| other != slot);
        } else {
            self.withdraw(spec, slot);
        }
        let sequence = &mut self.sequences[slot as usize];
        sequence.phase = Phase::Gone;
        sequence.generation = sequence.generation.wrapping_add(1);
        self.usage.charged += sequence.share;
        finished.push(Finished {
            tag: sequence.tag,
            submitted: sequence.submitted,
            scheduled: sequence.scheduled,
            first_token: sequence.first_token,
            finished: now,
            prompt: sequence.prompt,
            cached: sequence.cached,
            produced: sequence.produced,
            preemptions: sequence.preemptions,
            share: SimDuration((sequence.share >> SHARE_BITS) as u64),
            cancelled: sequence.cancelled && sequence.produced < sequence.output,
        });
        self.vacant.push(slot);
    }
}

/// Whether a ticket that the batch holds still stands for a request that decodes.
fn alive(sequences: &[Sequence], slot: u32, ticket: u32) -> bool {
    let sequence = &sequences[slot as usize];
    sequence.phase == Phase::Decode && sequence.ticket == ticket
}
