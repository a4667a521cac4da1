//! The plainest engine that keeps the rules of a replica, written apart from it.
//!
//! It has no closed form in it: it walks every request in every step, adds up contexts token by token
//! and charges each step as it happens.

use std::collections::VecDeque;

use tokenfleet::foundations::random::uniform;
use tokenfleet::foundations::{SimDuration, SimTime};
use tokenfleet::serving::kv_cache::{Holding, KvCache};
use tokenfleet::serving::{Finished, ReplicaSpec, Scheduling};

use super::workload::{Job, agenda};

mod queue;

const SHARE_BITS: u32 = 20;

#[derive(Clone, Debug)]
struct Sequence {
    tag: u32,
    job: Job,
    slot: u32,
    /// When it leaves the front end.
    arrives: SimTime,
    /// Steps the server must have done before it looks at it.
    ready: u64,
    produced: u32,
    target: u32,
    computed: u32,
    /// Tokens whose keys and values lie in memory while it decodes.
    stored: u32,
    /// With drafts: tokens stored when it began to decode, steps since then and in all, tokens to
    /// make in them, and its attention at the start, by context and window.
    pace: Pace,
    decoding: bool,
    holding: Option<Holding>,
    scheduled: Option<SimTime>,
    first_token: Option<SimTime>,
    cached: u32,
    preemptions: u32,
    share: u128,
    cancelled: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    from: u32,
    done: u64,
    /// Tokens for each step, in 2^-20 of one.
    growth: u64,
}

impl Pace {
    fn made(&self) -> u32 {
        ((self.growth * self.done) >> 20) as u32
    }

    /// Attention time of the next step over a context of at most `limit` tokens.
    fn attention(&self, ps: u64, limit: u64) -> u64 {
        let first = u64::from(self.from) + 1;
        if first >= limit {
            return limit * ps;
        }
        let per_step = ((u128::from(ps) * u128::from(self.growth)) >> 20) as u64;
        let mut context = first << 20;
        let mut cost = first * ps;
        for _ in 0..self.done {
            if context >= limit << 20 {
                break;
            }
            context += self.growth;
            cost += per_step;
        }
        cost
    }
}

/// The plainest engine that keeps the rules.
pub(super) struct Reference {
    spec: ReplicaSpec,
    pub(super) kv: KvCache,
    /// In the front end, and when it will be through with them.
    arriving: VecDeque<Sequence>,
    front_end_free: SimTime,
    waiting: VecDeque<Sequence>,
    /// Tokens charged to tenants.
    charged: [u64; 3],
    /// In order of admission.
    running: Vec<Sequence>,
    /// (tag, prompt tokens) of the step under way.
    chunks: Vec<(u32, u32)>,
    ends: Option<SimTime>,
    step_ps: u64,
    /// Whether the batch takes part in the step under way.
    with_batch: bool,
    done: u64,
    /// Steps done when a prompt was taken up last.
    taken_up: u64,
    vacant: Vec<u32>,
    slots: u32,
    cancels: Vec<u32>,
    pub(super) displaced: u64,
    pub(super) finished: Vec<Finished>,
    pub(super) busy_ps: u64,
    pub(super) batch_ps: u128,
    pub(super) kv_token_ps: u128,
    pub(super) gaps: Vec<u64>,
    /// Time that those who decode have been held up by steps of prompts alone.
    stall: u64,
}

impl Reference {
    fn new(spec: &ReplicaSpec) -> Self {
        Self {
            spec: spec.clone(),
            kv: KvCache::new(spec.kv_blocks, spec.block, spec.sequence_blocks, spec.prefix_cache),
            arriving: VecDeque::new(),
            front_end_free: SimTime::ZERO,
            waiting: VecDeque::new(),
            charged: [0; 3],
            running: Vec::new(),
            chunks: Vec::new(),
            ends: None,
            step_ps: 0,
            with_batch: true,
            done: 0,
            taken_up: 0,
            vacant: Vec::new(),
            slots: 0,
            cancels: Vec::new(),
            displaced: 0,
            finished: Vec::new(),
            busy_ps: 0,
            batch_ps: 0,
            kv_token_ps: 0,
            gaps: Vec::new(),
            stall: 0,
        }
    }

    fn submit(&mut self, tag: u32, job: &Job) {
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.slots += 1;
            self.slots - 1
        });
        let serial = SimDuration(self.spec.host.serial_ps(job.prompt));
        self.front_end_free = self.front_end_free.max(job.at) + serial;
        let arrives = self.front_end_free + SimDuration(self.spec.host.request_delay_ps);
        self.arriving.push_back(Sequence {
            tag,
            job: job.clone(),
            arrives,
            slot,
            ready: 0,
            produced: 0,
            target: job.prompt,
            computed: 0,
            stored: 0,
            pace: Pace::default(),
            decoding: false,
            holding: None,
            scheduled: None,
            first_token: None,
            cached: 0,
            preemptions: 0,
            share: 0,
            cancelled: false,
        });
    }

    fn release(&mut self, sequence: &mut Sequence) {
        if let Some(holding) = sequence.holding.take() {
            let valid = if sequence.decoding { sequence.stored } else { sequence.computed };
            let held = valid.max(sequence.target);
            let kept = if sequence.cancelled { 0 } else { sequence.job.kept };
            let computed = valid.min(sequence.job.prompt.saturating_add(kept));
            let tail = sequence.job.pieces.last().map(|piece| piece.key);
            self.kv.release(holding, held, computed, tail);
        }
    }

    fn leave(&mut self, mut sequence: Sequence, now: SimTime) {
        self.release(&mut sequence);
        self.vacant.push(sequence.slot);
        self.finished.push(Finished {
            tag: sequence.tag,
            submitted: sequence.arrives,
            scheduled: sequence.scheduled,
            first_token: sequence.first_token,
            finished: now,
            prompt: sequence.job.prompt,
            cached: sequence.cached,
            produced: sequence.produced,
            preemptions: sequence.preemptions,
            share: SimDuration((sequence.share >> SHARE_BITS) as u64),
            cancelled: sequence.cancelled && sequence.produced < sequence.job.output,
        });
    }

    /// Tokens that a step computes for each decoding request.
    fn width(&self) -> u32 {
        self.spec.speculation.as_ref().map_or(1, |some| some.drafted + 1)
    }

    fn blocks_for_decoding(&self) -> u64 {
        let block = self.spec.block;
        if self.spec.speculation.is_some() {
            let blocks = |s: &Sequence| {
                let next = Pace { done: s.pace.done + 1, ..s.pace };
                (s.pace.from + next.made()).div_ceil(block) - s.stored.div_ceil(block)
            };
            return self.running.iter().filter(|s| s.decoding).map(|s| u64::from(blocks(s))).sum();
        }
        self.running.iter().filter(|s| s.decoding && s.stored.is_multiple_of(block)).count() as u64
    }

    fn begin(&mut self, now: SimTime) {
        let mut preempted = false;
        while self.blocks_for_decoding() > self.kv.available() {
            let last = self.last().expect("somebody decodes");
            self.preempt(last);
            preempted = true;
        }
        if self.spec.scheduling == (Scheduling::Priority { preemption: true }) && !preempted {
            self.make_way();
        }
        let decoding = self.running.iter().filter(|s| s.decoding).count() as u32;
        let alone = self.spec.host.prefill_alone;
        let beside = if alone { 0 } else { decoding };
        let mut budget = self.spec.token_budget.saturating_sub(beside * self.width());
        self.chunks.clear();
        for sequence in self.running.iter().filter(|s| !s.decoding) {
            let tokens = (sequence.target - sequence.computed).min(budget);
            if tokens == 0 {
                break;
            }
            self.chunks.push((sequence.tag, tokens));
            budget -= tokens;
        }
        let held_until = self.held_until(decoding);
        while budget > 0 && !preempted && self.running.len() < self.spec.batch_limit as usize {
            let reserve = self.blocks_for_decoding();
            let Some(at) = self.next(decoding == 0 && self.chunks.is_empty()) else { break };
            let first = &self.waiting[at];
            if first.ready.max(held_until) > self.done && (decoding > 0 || !self.chunks.is_empty())
            {
                break;
            }
            let Some(holding) = self.kv.admit(&first.job.pieces, first.target, reserve) else {
                break;
            };
            let mut first = self.waiting.remove(at).expect("just seen");
            if first.scheduled.is_none() {
                let tokens = u64::from(first.job.prompt) + 2 * u64::from(first.job.output);
                self.charged[usize::from(first.job.standing.tenant)] += tokens;
            }
            self.taken_up = self.done;
            first.holding = Some(holding);
            first.computed = holding.cached_tokens;
            if first.scheduled.is_none() {
                first.scheduled = Some(now);
                first.cached = holding.cached_tokens;
            }
            let tokens = (first.target - first.computed).min(budget);
            self.chunks.push((first.tag, tokens));
            budget -= tokens;
            self.running.push(first);
        }
        if decoding == 0 && self.chunks.is_empty() {
            self.ends = None;
            return;
        }
        self.with_batch = !alone || self.chunks.is_empty();
        self.charge(now, if self.with_batch { decoding } else { 0 });
    }

    /// Works out how long the step takes and who pays for it.
    fn charge(&mut self, now: SimTime, decoding: u32) {
        let model = &self.spec.model;
        let mut attention = vec![0u64; self.running.len()];
        let (mut new, mut emitting) = (0, decoding);
        for (at, sequence) in self.running.iter().enumerate() {
            if sequence.decoding && self.with_batch && self.spec.speculation.is_some() {
                let pace = sequence.pace;
                attention[at] = pace.attention(model.context.ps, u64::from(u32::MAX));
                for window in &model.windows {
                    attention[at] += pace.attention(window.cost.ps, window.window.into());
                }
            } else if sequence.decoding && self.with_batch {
                let context = sequence.stored + 1;
                attention[at] = u64::from(context) * model.context.ps;
                for window in &model.windows {
                    attention[at] += u64::from(context.min(window.window)) * window.cost.ps;
                }
            } else if let Some(&(_, tokens)) =
                self.chunks.iter().find(|&&(tag, _)| tag == sequence.tag)
            {
                attention[at] = model.prefill_attention(tokens, sequence.computed).ps;
                new += tokens;
                emitting += u32::from(sequence.computed + tokens == sequence.target);
            }
        }
        let verified = decoding * self.width();
        let emitting = emitting - decoding + verified;
        let mut gpu = (model.tokens(verified + new).ps + model.head(emitting).ps).max(1);
        if let Some(some) = &self.spec.speculation
            && let Some(draft) = &some.draft
        {
            for _ in 0..some.drafted {
                gpu += draft.tokens(decoding).ps + draft.head(decoding).ps;
            }
            gpu += draft.tokens(new).ps;
        }
        let total: u64 = attention.iter().sum();
        let mut busy = gpu + total;
        if new > 0 {
            busy = busy.max(model.prefill_host_ps(verified + new));
        }
        self.step_ps = busy + model.host_ps(decoding);
        let fixed = u128::from(self.step_ps - total);
        let per_token = (fixed << SHARE_BITS) / u128::from(decoding + new);
        for (sequence, own) in self.running.iter_mut().zip(attention) {
            let tokens = match sequence.decoding {
                true => u32::from(self.with_batch),
                false => {
                    let chunk = self.chunks.iter().find(|&&(tag, _)| tag == sequence.tag);
                    chunk.map_or(0, |&(_, tokens)| tokens)
                }
            };
            sequence.share += per_token * u128::from(tokens) + (u128::from(own) << SHARE_BITS);
        }
        self.ends = Some(now + SimDuration(self.step_ps));
    }

    fn end_step(&mut self, now: SimTime) {
        let block = u64::from(self.spec.block);
        let decoding = self.running.iter().filter(|s| s.decoding).count() as u64;
        let own: u64 = self
            .running
            .iter()
            .map(|s| {
                let length = if s.decoding { s.stored } else { s.target };
                let tree = s.holding.map_or(0, |holding| self.kv.tree_tokens(&holding));
                u64::from(length) - tree
            })
            .sum();
        let tokens = own + self.kv.shared_blocks() * block;
        self.busy_ps += self.step_ps;
        self.batch_ps += u128::from(decoding) * u128::from(self.step_ps);
        let beyond: u64 = self
            .running
            .iter()
            .filter(|s| s.decoding)
            .map(|s| s.pace.growth * s.pace.done - (u64::from(s.pace.made()) << 20))
            .sum();
        self.kv_token_ps += u128::from((tokens << 20) + beyond) * u128::from(self.step_ps);
        self.done += 1;
        if self.with_batch {
            let gap = self.step_ps + std::mem::take(&mut self.stall);
            self.gaps.extend((0..decoding).map(|_| gap));
            self.kv.take(self.blocks_for_decoding());
            for sequence in self.running.iter_mut().filter(|s| s.decoding) {
                if self.spec.speculation.is_some() {
                    sequence.pace.done += 1;
                    let stored = sequence.pace.from + sequence.pace.made();
                    sequence.produced += stored - sequence.stored;
                    sequence.stored = stored;
                    continue;
                }
                sequence.stored += 1;
                sequence.produced += 1;
            }
        } else if decoding > 0 {
            self.stall += self.step_ps;
        }
        let chunks = std::mem::take(&mut self.chunks);
        for (tag, tokens) in chunks {
            let at = self.running.iter().position(|s| s.tag == tag).expect("it runs");
            let sequence = &mut self.running[at];
            sequence.computed += tokens;
            if sequence.computed < sequence.target {
                continue;
            }
            sequence.produced += 1;
            sequence.first_token.get_or_insert(now);
            if sequence.produced == sequence.job.output {
                let done = self.running.remove(at);
                self.leave(done, now);
            } else {
                sequence.decoding = true;
                sequence.stored = sequence.target;
                if let Some(some) = &self.spec.speculation {
                    let left = sequence.job.output - sequence.produced;
                    let drawn = uniform(sequence.job.luck, sequence.produced.into());
                    let steps = u64::from(some.steps(left, drawn));
                    let growth = (u64::from(left) << 20).div_ceil(steps);
                    sequence.pace = Pace { from: sequence.target, done: 0, growth };
                }
            }
        }
        loop {
            let done = self.running.iter().enumerate();
            let done = done.filter(|(_, s)| s.decoding && s.produced == s.job.output);
            let Some((at, _)) = done.min_by_key(|(_, s)| s.slot) else { break };
            let sequence = self.running.remove(at);
            self.leave(sequence, now);
        }
    }

    fn boundary(&mut self, now: SimTime) {
        if self.ends.take().is_some() {
            self.end_step(now);
        }
        for tag in std::mem::take(&mut self.cancels) {
            if let Some(at) = self.waiting.iter().position(|s| s.tag == tag) {
                let mut sequence = self.waiting.remove(at).expect("just found");
                sequence.cancelled = true;
                self.leave(sequence, now);
            } else if let Some(at) = self.running.iter().position(|s| s.tag == tag) {
                let mut sequence = self.running.remove(at);
                sequence.cancelled = true;
                self.leave(sequence, now);
            }
        }
        self.begin(now);
    }

    fn cancel(&mut self, tag: u32) {
        let known = |s: &Sequence| s.tag == tag;
        if let Some(at) = self.arriving.iter().position(known) {
            let sequence = self.arriving.remove(at).expect("just found");
            self.vacant.push(sequence.slot);
        }
        if self.waiting.iter().any(known) || self.running.iter().any(known) {
            // It counts as cancelled from now on, also when it is preempted before it leaves.
            for sequence in self.waiting.iter_mut().chain(&mut self.running) {
                sequence.cancelled |= sequence.tag == tag;
            }
            self.cancels.push(tag);
        }
    }
}

pub(super) fn serve_by_reference(spec: &ReplicaSpec, jobs: &[Job]) -> Reference {
    let mut server = Reference::new(spec);
    let mut agenda: VecDeque<_> = agenda(jobs).into();
    while !agenda.is_empty() || !server.arriving.is_empty() || server.ends.is_some() {
        let sent = agenda.front().map_or(SimTime::MAX, |&(at, ..)| at);
        let arrives = server.arriving.front().map_or(SimTime::MAX, |sequence| sequence.arrives);
        let next = sent.min(arrives);
        match server.ends {
            Some(end) if end <= next => server.boundary(end),
            _ => {
                while let Some(&(at, tag, cancel)) = agenda.front()
                    && at == next
                {
                    agenda.pop_front();
                    match cancel {
                        true => server.cancel(tag),
                        false => server.submit(tag, &jobs[tag as usize]),
                    }
                }
                let mut woken = false;
                while server.arriving.front().is_some_and(|first| first.arrives == next) {
                    server.receive();
                    woken = true;
                }
                if woken && server.ends.is_none() {
                    server.boundary(next);
                }
            }
        }
    }
    server
}
