//! How long steps last, what they do, and who pays for them.

use std::hint::cold_path;

use super::{Activity, FULL_SPEED, Replica, ReplicaSpec};
use crate::foundations::random::uniform;
use crate::foundations::{SimDuration, SimTime};
use crate::serving::batch::TOKEN_BITS;
use crate::serving::request::{Finished, Stage};
use crate::serving::scheduling::Scheduling;
use crate::serving::sequence::{Chunk, Phase, alive};
use crate::serving::step_table::StepTable;
use crate::serving::usage::{Counter, Progression, SHARE_BITS, share_of};

impl Replica {
    #[inline(always)]
    pub(super) fn begin_leap(
        &mut self,
        spec: &ReplicaSpec,
        table: &mut StepTable,
        longest: u64,
        now: SimTime,
    ) -> Activity {
        let size = self.batch.size as u32;
        let blocks = match spec.retention {
            None => self.kv.available(),
            Some(_) => {
                cold_path();
                self.reclaim();
                self.kv.free_blocks()
            }
        };
        let sequences = &self.sequences;
        let steps = self
            .batch
            .undisturbed(blocks, |slot, ticket| alive(sequences, slot, ticket))
            .clamp(1, longest);
        let plain = table.decode(&spec.model, size);
        let gpu = match &spec.speculation {
            None => plain.gpu,
            Some(some) => table.speculated(&spec.model, some, size, 0, 0),
        };
        let host = self.slowed(plain.host_ps);
        let attention = self.batch.attention(&spec.model);
        // What slowness adds to attention is shared like all else.
        let fixed = self.slowed(gpu.ps + attention.base) - attention.base + host;
        let run = Progression { base: fixed + attention.base, slope: attention.slope };
        Activity::Leap { start: now, run, fixed, host, bytes: gpu.bytes, steps }
    }

    /// A time as it is at the server's present speed.
    #[inline(always)]
    fn slowed(&self, ps: u64) -> u64 {
        match self.slowness {
            FULL_SPEED => ps,
            slowness => {
                cold_path();
                (u128::from(ps) * u128::from(slowness) / u128::from(FULL_SPEED)) as u64
            }
        }
    }

    /// Books decode steps: `fixed` ps of each are the same for every token in the batch, `host` ps of
    /// these the host's.
    #[inline(always)]
    pub(super) fn book_leap(
        &mut self,
        spec: &ReplicaSpec,
        run: Progression,
        fixed: u64,
        host: u64,
        bytes: u64,
        steps: u64,
    ) {
        let size = self.batch.size;
        let (flops, traffic) = self.batch.attention_work(&spec.model, steps);
        let kv_token_ps = self.kv_token_ps(run, steps);
        let tokens = self.advance_batch(spec, steps);
        let usage = &mut self.usage;
        let elapsed = run.elapsed(steps);
        let per_token = share_of(fixed, size);
        usage.gpu_ps += elapsed - host * steps;
        usage.steps += steps;
        usage.leaps += 1;
        usage.batch_ps += u128::from(size) * u128::from(elapsed);
        usage.kv_token_ps += kv_token_ps;
        usage.output_tokens += tokens;
        usage.flops +=
            flops + u128::from(steps) * u128::from(size) * u128::from(spec.request_flops());
        usage.bytes += traffic + u128::from(steps) * u128::from(bytes);
        let first_gap = run.base + std::mem::take(&mut self.stall);
        self.gaps.push([first_gap, run.slope, steps, size]);
        self.done += steps;
        self.share_per_token += per_token * u128::from(steps);
    }

    /// KV tokens of running requests over the next steps, x time.
    #[inline(always)]
    fn kv_token_ps(&mut self, run: Progression, steps: u64) -> u128 {
        let tokens = self.own_tokens + self.shared_tokens();
        let Some((beyond, growth)) = self.batch.growth() else {
            return run.weighted(tokens, self.batch.size, steps);
        };
        let all = run.weighted((tokens << TOKEN_BITS) + beyond, growth, steps) + self.token_ps_rest;
        self.token_ps_rest = all & ((1 << TOKEN_BITS) - 1);
        all >> TOKEN_BITS
    }

    /// Moves the decode batch on and gives it the blocks it grew into; returns the tokens made.
    #[inline(always)]
    fn advance_batch(&mut self, spec: &ReplicaSpec, steps: u64) -> u64 {
        self.kv.take(self.batch.blocks_for(steps));
        let sequences = &self.sequences;
        let alive = |slot, ticket| alive(sequences, slot, ticket);
        let tokens = self.batch.advance(&spec.model, steps, alive);
        self.own_tokens += tokens;
        if spec.speculation.is_some() {
            cold_path();
            let verified = self.batch.size * steps;
            self.usage.counters.count(Counter::Verified, verified);
            self.usage.counters.count(Counter::Accepted, tokens - verified);
        }
        tokens
    }

    #[inline(always)]
    pub(super) fn shared_tokens(&self) -> u64 {
        self.kv.shared_blocks() * u64::from(self.kv.block_tokens())
    }

    /// A step that computes prompts, on a server that was `empty` before it or not.
    #[inline(always)]
    pub(super) fn begin_mixed(
        &mut self,
        spec: &ReplicaSpec,
        table: &mut StepTable,
        empty: bool,
        now: SimTime,
    ) -> Activity {
        let model = &spec.model;
        let decoding = self.batch.size > 0 && !spec.host.prefill_alone;
        let beside = if decoding { self.batch.size as u32 } else { 0 };
        let mut attention_ps = if decoding { self.batch.attention(model).base } else { 0 };
        let delay_ps = model.mixed_delay_ps(attention_ps);
        let new: u32 = self.chunks.iter().map(|chunk| chunk.tokens).sum();
        let passage = model.passage(self.chunks.len() as u32, new, empty);
        let mut emitting = beside;
        for chunk in &mut self.chunks {
            let sequence = &self.sequences[chunk.slot as usize];
            let attention = table.prefill_attention(model, chunk.tokens, sequence.computed);
            chunk.attention = passage.attention(attention);
            attention_ps += chunk.attention.ps;
            emitting += u32::from(sequence.computed + chunk.tokens == sequence.target);
        }
        let gpu = match &spec.speculation {
            None if model.pipeline.is_some() => {
                cold_path();
                table.staged(model, (beside, new, emitting), passage)
            }
            None => table.gpu(model, beside + new, emitting),
            Some(some) => table.speculated(model, some, beside, new, emitting - beside),
        };
        // Without a captured graph the host may be slower than the device; it runs beside it.
        let gpu_ps = self.slowed(gpu.ps + attention_ps + delay_ps);
        let host_ps = self.slowed(model.prefill_host_ps(beside * spec.width() + new));
        let length = gpu_ps.max(host_ps) + self.slowed(table.decode(model, beside).host_ps);
        Activity::Mixed { start: now, length, gpu_ps, attention_ps, bytes: gpu.bytes, decoding }
    }

    #[inline(always)]
    pub(super) fn end_mixed(
        &mut self,
        spec: &ReplicaSpec,
        mixed: Activity,
        now: SimTime,
        finished: &mut Vec<Finished>,
    ) {
        let Activity::Mixed { length, gpu_ps, attention_ps, bytes, decoding, .. } = mixed else {
            return;
        };
        let model = &spec.model;
        let present = self.batch.size;
        let size = if decoding { present } else { 0 };
        let new: u64 = self.chunks.iter().map(|chunk| u64::from(chunk.tokens)).sum();
        let per_token = share_of(length - attention_ps, size + new);
        let kv_token_ps = self.kv_token_ps(Progression { base: length, slope: 0 }, 1);
        self.done += 1;
        let usage = &mut self.usage;
        usage.gpu_ps += gpu_ps;
        usage.steps += 1;
        usage.batch_ps += u128::from(present) * u128::from(length);
        usage.kv_token_ps += kv_token_ps;
        usage.prefill_tokens += new;
        usage.flops += u128::from(new) * u128::from(model.prompt_token_flops());
        usage.bytes += u128::from(bytes);
        if decoding {
            let (flops, traffic) = self.batch.attention_work(model, 1);
            usage.flops += flops + u128::from(size) * u128::from(spec.request_flops());
            usage.bytes += traffic;
            self.gaps.push([length, 0, 1, size]);
            self.share_per_token += per_token;
            self.usage.output_tokens += self.advance_batch(spec, 1);
        } else if present > 0 {
            self.stall += length;
        }
        let mut chunks = std::mem::take(&mut self.chunks);
        for Chunk { slot, tokens, attention } in chunks.drain(..) {
            self.usage.flops += u128::from(attention.flops);
            let sequence = &mut self.sequences[slot as usize];
            sequence.computed += tokens;
            sequence.share +=
                per_token * u128::from(tokens) + (u128::from(attention.ps) << SHARE_BITS);
            if sequence.computed == sequence.target {
                self.emit_first(spec, slot, now, finished);
            }
        }
        self.chunks = chunks;
        // Prompts are taken in turn, so those that are through stand in front.
        let sequences = &self.sequences;
        let computes = |&slot: &u32| sequences[slot as usize].phase == Phase::Prefill;
        while self.prefilling.front().is_some_and(|slot| !computes(slot)) {
            self.prefilling.pop_front();
        }
        debug_assert!(self.prefilling.iter().all(computes), "a prompt was overtaken");
    }

    /// The prompt is computed and gives one token; the rest is decoded.
    #[inline(always)]
    pub(super) fn emit_first(
        &mut self,
        spec: &ReplicaSpec,
        slot: u32,
        now: SimTime,
        finished: &mut Vec<Finished>,
    ) {
        self.usage.output_tokens += 1;
        let sequence = &mut self.sequences[slot as usize];
        if sequence.produced + 1 == sequence.output {
            cold_path();
            sequence.produced += 1;
            sequence.first_token.get_or_insert(now);
            sequence.ticket = sequence.ticket.wrapping_add(1);
            sequence.phase = Phase::Done;
            return match sequence.stage {
                Stage::Prompt if !sequence.cancelled => self.keep(spec, slot, now, finished),
                _ => self.leave(spec, slot, now, finished),
            };
        }
        self.begin_answer(spec, slot, now);
    }

    /// The prompt and the token behind it are there: the rest is decoded.
    #[inline(always)]
    pub(super) fn begin_answer(&mut self, spec: &ReplicaSpec, slot: u32, now: SimTime) {
        let sequence = &mut self.sequences[slot as usize];
        sequence.produced += 1;
        sequence.first_token.get_or_insert(now);
        sequence.ticket = sequence.ticket.wrapping_add(1);
        let remaining = sequence.output - sequence.produced;
        sequence.phase = Phase::Decode;
        sequence.share_at_join = self.share_per_token;
        let (context, ticket) = (sequence.target + 1, sequence.ticket);
        sequence.stay = match &spec.speculation {
            None => self.batch.join(&spec.model, slot, ticket, context, remaining),
            Some(some) => {
                cold_path();
                let steps = some.steps(remaining, uniform(sequence.luck, sequence.produced.into()));
                self.batch.join_paced(&spec.model, (slot, ticket), context, remaining, steps)
            }
        };
    }

    /// Takes a running request out of batch and memory; its tokens stay known to it.
    #[inline(always)]
    pub(super) fn withdraw(&mut self, spec: &ReplicaSpec, slot: u32) {
        let share = match self.sequences[slot as usize].phase {
            Phase::Decode => self.decode_share(spec, slot),
            _ => 0,
        };
        let sequence = &mut self.sequences[slot as usize];
        let mut length = sequence.computed;
        if sequence.phase == Phase::Decode {
            let made = self.batch.leave(&spec.model, slot, sequence.stay);
            sequence.produced += made as u32;
            length = sequence.target + made as u32;
            sequence.share += share;
            self.own_tokens -= made;
        } else if sequence.phase == Phase::Prefill {
            cold_path();
            self.prefilling.retain(|&other| other != slot);
        }
        sequence.ticket = sequence.ticket.wrapping_add(1);
        self.give_back(slot, length);
        self.stop_running(slot);
    }

    /// Gives back a request's blocks, of which the first `length` tokens are computed.
    #[inline(always)]
    pub(super) fn give_back(&mut self, slot: u32, length: u32) {
        let sequence = &mut self.sequences[slot as usize];
        if let Some(holding) = sequence.holding.take() {
            self.own_tokens -= u64::from(sequence.target) - self.kv.tree_tokens(&holding);
            // Blocks were taken for the whole target even where it is not computed yet.
            let held = length.max(sequence.target);
            let kept = if sequence.cancelled { 0 } else { sequence.kept };
            let computed = length.min(sequence.prompt.saturating_add(kept));
            let tail = sequence.pieces.last().map(|piece| piece.key);
            self.kv.release(holding, held, computed, tail);
            self.kv.tell_computed(&self.sequences[slot as usize].pieces, computed);
        }
    }

    /// Takes a request out of those that run.
    #[inline(always)]
    pub(super) fn stop_running(&mut self, slot: u32) {
        let sequence = &mut self.sequences[slot as usize];
        let place = std::mem::replace(&mut sequence.place, u32::MAX) as usize;
        self.running.swap_remove(place);
        if let Some(&moved) = self.running.get(place) {
            self.sequences[moved as usize].place = place as u32;
        }
    }

    /// A request is done or cancelled.
    pub(super) fn leave(
        &mut self,
        spec: &ReplicaSpec,
        slot: u32,
        now: SimTime,
        finished: &mut Vec<Finished>,
    ) {
        if self.sequences[slot as usize].phase == Phase::Waiting {
            cold_path();
            self.waiting.retain(|&other| other != slot);
            if spec.retention.is_some() {
                self.used_fetched(slot);
            }
        } else {
            self.withdraw(spec, slot);
        }
        finished.push(self.report(spec, slot, now));
        self.vacate(slot);
    }

    /// What is to be said of a request that is done.
    #[inline(always)]
    pub(super) fn report(&mut self, spec: &ReplicaSpec, slot: u32, now: SimTime) -> Finished {
        let sequence = &self.sequences[slot as usize];
        if spec.scheduling == Scheduling::Fair {
            cold_path();
            self.shares.go(sequence.standing.tenant);
        }
        self.usage.charged += sequence.share;
        Finished {
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
        }
    }
}
