//! What the next step computes: decodes, prompts under way, admissions, preemption.

use std::hint::cold_path;

use super::{Activity, FULL_SPEED, Replica, ReplicaSpec};
use crate::foundations::SimTime;
use crate::performance::PrefillCost;
use crate::serving::request::Stage;
use crate::serving::scheduling::Scheduling;
use crate::serving::sequence::{Chunk, Phase};
use crate::serving::step_table::StepTable;
use crate::serving::usage::Counter;

impl Replica {
    /// Decides what the next step computes, on a server that did nothing before (`empty`) or did.
    #[inline(always)]
    pub(super) fn begin(
        &mut self,
        spec: &ReplicaSpec,
        table: &mut StepTable,
        empty: bool,
        now: SimTime,
    ) {
        let preempted = self.make_room(spec);
        if spec.scheduling.preempts() && !preempted {
            self.make_way(spec);
        }
        let beside = if spec.host.prefill_alone { 0 } else { self.batch.size as u32 };
        let mut budget = spec.token_budget.saturating_sub(beside * spec.width());
        self.chunks.clear();
        // A queue is gone through in two halves, which takes a while even where it is empty.
        let prefilling = self.prefilling.len();
        for at in 0..prefilling {
            let slot = self.prefilling[at];
            let sequence = &self.sequences[slot as usize];
            let tokens = spec.chunk(sequence.target - sequence.computed, budget);
            if tokens == 0 {
                break;
            }
            self.chunks.push(Chunk { slot, tokens, attention: PrefillCost::default() });
            budget = budget.saturating_sub(tokens);
        }
        let held_until = self.held_until(spec);
        while budget > 0 && !preempted && self.running.len() < spec.batch_limit as usize {
            let Some(&first) = self.waiting.front() else { break };
            let has_work = self.batch.size > 0 || !self.chunks.is_empty();
            let (at, slot) = match spec.scheduling {
                Scheduling::Fcfs if self.fetching == 0 => (0, first),
                scheduling => {
                    cold_path();
                    let next = match scheduling {
                        Scheduling::Fcfs => self.first_there(),
                        _ => self.next_in_line(spec, has_work),
                    };
                    let Some(next) = next else { break };
                    next
                }
            };
            let ready = self.sequences[slot as usize].ready.max(held_until);
            if has_work && ready > self.done {
                break;
            }
            if spec.retention.is_some_and(|some| some.seeks)
                && !self.sequences[slot as usize].sought
            {
                cold_path();
                let sequence = &self.sequences[slot as usize];
                let reserve = self.batch.blocks_for(1);
                if !self.kv.has_room(&sequence.pieces, sequence.target, reserve) {
                    break;
                }
                self.wait_for_look(slot);
                continue;
            }
            let Some(left) = self.admit(slot, spec, budget, now) else { break };
            match at {
                0 => self.waiting.pop_front(),
                _ => {
                    cold_path();
                    self.waiting.remove(at)
                }
            };
            if left == 0 {
                cold_path();
                continue;
            }
            self.taken_up = self.done;
            let tokens = spec.chunk(left, budget);
            self.chunks.push(Chunk { slot, tokens, attention: PrefillCost::default() });
            budget = budget.saturating_sub(tokens);
        }
        self.activity = if !self.chunks.is_empty() {
            self.begin_mixed(spec, table, empty, now)
        } else if self.batch.size > 0 {
            // After a preemption nobody was admitted: the next boundary must try. So must the one
            // at which the scheduler first looks at the head of the queue.
            // Scaled times do not grow evenly.
            let single = preempted || self.stall > 0 || self.slowness != FULL_SPEED;
            let mut longest = if single { 1 } else { spec.longest_leap };
            if let Some((_, head)) = self.first_there() {
                let ready = self.sequences[head as usize].ready.max(held_until);
                let ahead = ready.saturating_sub(self.done);
                longest = longest.min(if ahead > 0 { ahead } else { u64::MAX });
                if held_until > self.done || spec.scheduling.overtakes() {
                    cold_path();
                    // Each of them may be the one that fills a step.
                    let ready =
                        self.waiting.iter().map(|&slot| self.sequences[slot as usize].ready);
                    let next = ready.filter(|&ready| ready > self.done).min();
                    longest = longest.min(next.map_or(u64::MAX, |ready| ready - self.done));
                }
            }
            self.begin_leap(spec, table, longest.max(1), now)
        } else if self.waiting.is_empty() {
            Activity::Idle
        } else {
            Activity::Stalled
        };
        self.heed_arrival(spec);
    }

    /// Steps that must be done before waiting prompts are taken up: where prompts are held back, so
    /// many after the first of them could have been, unless they fill a step already.
    #[inline(always)]
    fn held_until(&self, spec: &ReplicaSpec) -> u64 {
        /// Share of the token budget that is enough to go ahead, as TensorRT-LLM's scripts set it.
        const ENOUGH: f64 = 0.9;
        let wait = u64::from(spec.host.batch_wait_steps);
        if wait == 0 || self.batch.size == 0 || spec.scheduling.overtakes() {
            return 0;
        }
        cold_path();
        let Some((_, first)) = self.first_there() else { return 0 };
        let prompts = self.waiting.iter().map(|&slot| &self.sequences[slot as usize]);
        let prompts = prompts.filter(|sequence| !sequence.fetching);
        let ready = prompts.take_while(|sequence| sequence.ready <= self.done);
        let tokens = ready.map(|sequence| u64::from(sequence.target)).sum::<u64>();
        if (tokens + self.batch.size * u64::from(spec.width())) as f64
            >= ENOUGH * f64::from(spec.token_budget)
        {
            return 0;
        }
        self.sequences[first as usize].ready.max(self.taken_up + 1) + wait
    }

    /// Preempts until the next step's blocks can be had; whether it had to.
    fn make_room(&mut self, spec: &ReplicaSpec) -> bool {
        let mut preempted = false;
        while !self.batch.can_step(self.kv.available()) {
            cold_path();
            let Some(slot) = self.last_in_line(spec) else { break };
            self.preempt(spec, slot);
            preempted = true;
        }
        preempted
    }

    /// Admits a waiting request if its blocks can be had; returns the tokens it has to compute, none
    /// where they are fetched.
    #[inline(always)]
    fn admit(&mut self, slot: u32, spec: &ReplicaSpec, budget: u32, now: SimTime) -> Option<u32> {
        let reserve = self.batch.blocks_for(1);
        let first_in_step = self.chunks.is_empty();
        let sequence = &mut self.sequences[slot as usize];
        if !spec.chunked_prefill && !first_in_step {
            cold_path();
            let cached = self.kv.cached_tokens(&sequence.pieces, sequence.target);
            if sequence.target - cached > budget {
                return None;
            }
        }
        let holding = self.kv.admit(&sequence.pieces, sequence.target, reserve)?;
        self.ahead -= u64::from(std::mem::take(&mut sequence.fetched));
        sequence.holding = Some(holding);
        sequence.computed = holding.cached_tokens;
        sequence.admission = self.admissions;
        sequence.place = self.running.len() as u32;
        self.own_tokens += u64::from(sequence.target) - self.kv.tree_tokens(&holding);
        self.admissions += 1;
        self.running.push(slot);
        if sequence.stage == Stage::Answer {
            cold_path();
            self.fetch(slot, now);
            return Some(0);
        }
        sequence.phase = Phase::Prefill;
        self.prefilling.push_back(slot);
        if sequence.scheduled.is_none() {
            if spec.scheduling == Scheduling::Fair {
                cold_path();
                self.shares.charge(sequence);
            }
            sequence.scheduled = Some(now);
            sequence.cached = holding.cached_tokens;
            self.usage.cached_tokens += u64::from(holding.cached_tokens);
            self.usage.prompt_tokens += u64::from(sequence.prompt);
        }
        Some(sequence.target - sequence.computed)
    }

    /// Takes a request's blocks away; it is computed again, first in the queue.
    #[cold]
    fn preempt(&mut self, spec: &ReplicaSpec, slot: u32) {
        self.withdraw(spec, slot);
        let sequence = &mut self.sequences[slot as usize];
        sequence.phase = Phase::Waiting;
        sequence.preemptions += 1;
        if sequence.stage == Stage::Answer {
            sequence.stage = Stage::Whole;
        }
        // All that is produced is prompt now; the last token was never computed.
        sequence.target = sequence.prompt + sequence.produced;
        sequence.computed = 0;
        if let Some(last) = sequence.pieces.last_mut() {
            last.end = last.end.max(sequence.target);
        }
        self.usage.preemptions += 1;
        match spec.scheduling {
            Scheduling::Fcfs | Scheduling::Fair => self.waiting.push_front(slot),
            _ => {
                let rank = self.sequences[slot as usize].rank;
                let at = self.waiting.partition_point(|&s| self.sequences[s as usize].rank < rank);
                self.waiting.insert(at, slot);
            }
        }
    }

    /// Puts a request into a queue that is not in order of arrival, behind its equals.
    #[cold]
    pub(super) fn queue_up(&mut self, spec: &ReplicaSpec, slot: u32) {
        let sequence = &mut self.sequences[slot as usize];
        sequence.rank = spec.scheduling.rank(&sequence.standing, sequence.output);
        let rank = sequence.rank;
        if spec.scheduling == Scheduling::Fair {
            self.shares.come(sequence.standing.tenant);
        }
        let at = self.waiting.partition_point(|&s| self.sequences[s as usize].rank <= rank);
        self.waiting.insert(at, slot);
    }

    /// The request to take up next of those that may be, and its place in the queue.
    #[cold]
    #[inline(always)]
    fn next_in_line(&self, spec: &ReplicaSpec, has_work: bool) -> Option<(usize, u32)> {
        let ready = |&(_, slot): &(usize, u32)| {
            let sequence = &self.sequences[slot as usize];
            !sequence.fetching && (!has_work || sequence.ready <= self.done)
        };
        let mut queue = self.waiting.iter().copied().enumerate().filter(ready);
        match spec.scheduling {
            Scheduling::Fair => queue.min_by_key(|&(_, slot)| {
                self.shares.served(self.sequences[slot as usize].standing.tenant)
            }),
            _ => queue.next(),
        }
    }

    /// The running request that gives way first: the one admitted last, of the lowest class where
    /// there are classes.
    #[cold]
    fn last_in_line(&self, spec: &ReplicaSpec) -> Option<u32> {
        let ranked = matches!(spec.scheduling, Scheduling::Priority { .. });
        // What is being written to from afar cannot be taken away.
        let fetched = |&slot: &u32| self.sequences[slot as usize].phase != Phase::Fetching;
        self.running.iter().copied().filter(fetched).max_by_key(|&slot| {
            let sequence = &self.sequences[slot as usize];
            (if ranked { sequence.rank } else { 0 }, sequence.admission)
        })
    }

    /// Takes the places of running requests of lower classes until the next in line can have one.
    #[cold]
    fn make_way(&mut self, spec: &ReplicaSpec) {
        let has_work = !self.running.is_empty();
        while let Some((_, slot)) = self.next_in_line(spec, has_work) {
            let waiting = &self.sequences[slot as usize];
            let full = self.running.len() >= spec.batch_limit as usize;
            let reserve = self.batch.blocks_for(1);
            if !full && self.kv.has_room(&waiting.pieces, waiting.target, reserve) {
                break;
            }
            let rank = waiting.rank;
            let last = self.last_in_line(spec);
            let Some(last) = last.filter(|&s| self.sequences[s as usize].rank > rank) else {
                break;
            };
            self.preempt(spec, last);
            self.usage.counters.count(Counter::Displaced, 1);
        }
    }
}
