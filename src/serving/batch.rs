//! The decode batch: requests that produce one token in every step.
//!
//! Nothing is touched per step. The batch keeps a step counter and the sums that the step time
//! needs; a request stores the step at which it ends and what its context was when it joined.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::cold_path;

use super::block_size::BlockSize;
use super::usage::{Progression, triangle};
use crate::performance::{StepModel, WindowCost};

mod paced;

use paced::Paced;
pub(super) use paced::TOKEN_BITS;

/// A request's stay in the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stay {
    /// Steps the batch had done when it joined.
    pub(super) joined: u64,
    /// Context read in its first step: everything cached plus the token it computes.
    pub(super) context: u32,
}

/// A step at which something becomes of a request, known by slot and ticket. In the order of the
/// three, by one comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due(u128);

impl Due {
    fn new(step: u64, slot: u32, ticket: u32) -> Self {
        Self(u128::from(step) << 64 | u128::from(slot) << 32 | u128::from(ticket))
    }

    fn step(self) -> u64 {
        (self.0 >> 64) as u64
    }

    fn request(self) -> (u32, u32) {
        ((self.0 >> 32) as u32, self.0 as u32)
    }
}

/// Contexts inside one attention window.
#[derive(Clone, Debug, Default)]
struct Window {
    /// Requests whose context is still shorter than the window.
    growing: u64,
    /// Sum over requests of min(context, window).
    context: u64,
    /// When growing requests fill the window.
    fills: BinaryHeap<Reverse<Due>>,
}

/// See the module's page.
#[derive(Clone, Debug, Default)]
pub(super) struct DecodeBatch {
    /// Decode steps done since the start.
    pub(super) steps: u64,
    /// Requests decoding.
    pub(super) size: u64,
    /// Sum of the contexts read in the next step.
    context: u64,
    windows: Vec<Window>,
    /// When requests have produced all. May hold requests that left early; their ticket says so.
    ends: BinaryHeap<Reverse<Due>>,
    /// Requests by (context - steps) modulo the block size, which says in which step one takes a
    /// block. Written twice, so that steps in a row are a slice, the last one first.
    phases: Vec<u32>,
    block_size: BlockSize,
    /// `steps` modulo the block size; the block size itself for nothing.
    turn: usize,
    /// Where a step gives more than one token: what takes the place of contexts, windows and phases.
    paced: Option<Box<Paced>>,
}

impl DecodeBatch {
    pub(super) fn clear(&mut self, model: &StepModel, block: u32, speculates: bool) {
        if speculates {
            self.paced.get_or_insert_default().clear();
        }
        (self.steps, self.size, self.context, self.turn) = (0, 0, 0, block as usize);
        self.windows.clear();
        self.windows.resize_with(model.windows.len(), Window::default);
        self.ends.clear();
        self.phases.clear();
        self.block_size = BlockSize::new(block);
        self.phases.resize(2 * self.block(), 0);
    }

    /// Tokens in a block.
    #[inline(always)]
    fn block(&self) -> usize {
        self.block_size.tokens() as usize
    }

    /// Adds a request that reads `context` tokens in its next step and makes `remaining` more, one in
    /// each step.
    #[inline(always)]
    pub(super) fn join(
        &mut self,
        model: &StepModel,
        slot: u32,
        ticket: u32,
        context: u32,
        remaining: u32,
    ) -> Stay {
        self.size += 1;
        self.context += u64::from(context);
        for (window, cost) in self.windows.iter_mut().zip(&model.windows) {
            window.context += u64::from(context.min(cost.window));
            if context < cost.window {
                window.growing += 1;
                let full = self.steps + u64::from(cost.window - context);
                window.fills.push(Reverse(Due::new(full, slot, ticket)));
            }
        }
        let phase = self.phase_of(context);
        for at in [phase, phase + self.block()] {
            self.phases[at] += 1;
        }
        let end = self.steps + u64::from(remaining);
        self.ends.push(Reverse(Due::new(end, slot, ticket)));
        Stay { joined: self.steps, context }
    }

    /// The same where `steps` steps make all of them.
    pub(super) fn join_paced(
        &mut self,
        model: &StepModel,
        (slot, ticket): (u32, u32),
        context: u32,
        remaining: u32,
        steps: u32,
    ) -> Stay {
        let last = self.steps + u64::from(steps);
        if let Some(paced) = &mut self.paced {
            cold_path();
            self.size += 1;
            self.ends.push(Reverse(Due::new(last, slot, ticket)));
            paced.join(model, (slot, ticket), context, remaining, (self.steps, last));
        }
        Stay { joined: self.steps, context }
    }

    /// Tokens that a request in the batch has made since it joined.
    #[inline(always)]
    pub(super) fn made(&self, slot: u32, stay: Stay) -> u64 {
        match &self.paced {
            None => self.steps - stay.joined,
            Some(paced) => {
                cold_path();
                u64::from(paced.made(slot))
            }
        }
    }

    /// Takes a request out; returns the tokens it has made.
    #[inline(always)]
    pub(super) fn leave(&mut self, model: &StepModel, slot: u32, stay: Stay) -> u64 {
        if let Some(paced) = &mut self.paced {
            cold_path();
            self.size -= 1;
            paced.leave(slot, self.steps);
            return u64::from(paced.made(slot));
        }
        let stayed = self.steps - stay.joined;
        let context = u64::from(stay.context) + stayed;
        self.size -= 1;
        self.context -= context;
        for (window, cost) in self.windows.iter_mut().zip(&model.windows) {
            let full = u64::from(cost.window);
            window.context -= context.min(full);
            if context < full {
                window.growing -= 1;
            }
        }
        let phase = self.phase_of(context as u32);
        for at in [phase, phase + self.block()] {
            self.phases[at] -= 1;
        }
        stayed
    }

    /// The token a request computes lies at position context - 1; it takes a block where that is a
    /// multiple of the block size.
    #[inline(always)]
    fn phase_of(&self, context: u32) -> usize {
        let block = self.block();
        ((context as usize + block - 1 + block - self.turn) as u64 % self.block_size) as usize
    }

    /// Blocks that the next `steps` steps take.
    #[inline(always)]
    pub(super) fn blocks_for(&self, steps: u64) -> u64 {
        if let Some(paced) = &self.paced {
            cold_path();
            return paced.blocks_for(self.steps, steps, self.block() as u32);
        }
        if steps == 1 {
            return self.blocks_in_step(0);
        }
        let (cycles, rest) = (steps / self.block_size, steps % self.block_size);
        cycles * self.size + self.blocks_in(rest as usize)
    }

    /// Whether so many blocks are enough for the next step.
    #[inline(always)]
    pub(super) fn can_step(&self, blocks: u64) -> bool {
        if let Some(paced) = &self.paced {
            cold_path();
            return paced.lasts(self.steps, blocks, 1, self.block() as u32);
        }
        self.blocks_in_step(0) <= blocks
    }

    /// Blocks that the `ahead`-th step from now takes, with `ahead` less than the block size.
    #[inline(always)]
    fn blocks_in_step(&self, ahead: usize) -> u64 {
        u64::from(self.phases[self.phases.len() - self.turn - ahead])
    }

    /// Blocks that the next `steps` steps take, fewer than the block size.
    #[inline(always)]
    fn blocks_in(&self, steps: usize) -> u64 {
        let (block, behind) = (self.block(), self.phases.len() - self.turn + 1);
        // All phases are looked at, so that how many count need not be guessed.
        let others = (block - steps) as u32;
        let count = |(at, &phase): (u32, &u32)| if at >= others { phase } else { 0 };
        u64::from((0..).zip(&self.phases[behind - block..behind]).map(count).sum::<u32>())
    }

    /// The most steps, up to `limit`, that `blocks` blocks last for.
    #[inline(always)]
    fn steps_within(&self, blocks: u64, limit: u64) -> u64 {
        let block = self.block() as u64;
        // Most often there is plenty: no request takes more than this.
        if (limit / self.block_size + 1) * self.size <= blocks || self.blocks_for(limit) <= blocks {
            return limit;
        }
        cold_path();
        let cycles = blocks / self.size.max(1);
        let mut left = blocks - cycles * self.size;
        let mut steps = cycles * block;
        for ahead in 0..block {
            let taken = self.blocks_in_step(ahead as usize);
            if steps == limit || taken > left {
                break;
            }
            left -= taken;
            steps += 1;
        }
        steps
    }

    /// Steps until something in the batch changes: a request ends, a window fills, or the blocks
    /// run out. Zero when not even the next step's blocks can be had.
    #[inline(always)]
    pub(super) fn undisturbed(&mut self, blocks: u64, alive: impl Fn(u32, u32) -> bool) -> u64 {
        let gone = |due: &Due| {
            let (slot, ticket) = due.request();
            !alive(slot, ticket)
        };
        // Each request in the batch has one end, so none is left of those that went unless there are
        // more of them.
        while self.ends.len() as u64 > self.size
            && self.ends.peek().is_some_and(|Reverse(end)| gone(end))
        {
            self.ends.pop();
        }
        let until = |due: &Reverse<Due>| due.0.step() - self.steps;
        let steps = self.ends.peek().map_or(u64::MAX, until);
        if let Some(paced) = &self.paced {
            cold_path();
            return paced.undisturbed(self.steps, blocks, steps, self.block() as u32);
        }
        let fills = self.windows.iter().map(|w| w.fills.peek().map_or(u64::MAX, until));
        let steps = fills.fold(steps, u64::min);
        self.steps_within(blocks, steps)
    }

    /// Attention time of the next step and what each further step adds, ps.
    #[inline(always)]
    pub(super) fn attention(&self, model: &StepModel) -> Progression {
        if let Some(paced) = &self.paced {
            cold_path();
            let (base, slope) = paced.attention();
            return Progression { base, slope };
        }
        let mut base = self.context * model.context.ps;
        let mut slope = self.size * model.context.ps;
        for (window, WindowCost { cost, .. }) in self.windows.iter().zip(&model.windows) {
            base += window.context * cost.ps;
            slope += window.growing * cost.ps;
        }
        Progression { base, slope }
    }

    /// FLOP and bytes of attention over the next `steps` steps, on each GPU.
    #[inline(always)]
    pub(super) fn attention_work(&self, model: &StepModel, steps: u64) -> (u128, u128) {
        if let Some(paced) = &self.paced {
            cold_path();
            return paced.attention_work(steps);
        }
        let triangle = triangle(steps);
        let sum = |now: u64, growth: u64| {
            u128::from(now) * u128::from(steps) + u128::from(growth) * triangle
        };
        let context = sum(self.context, self.size);
        let mut flops = context * u128::from(model.context.flops);
        let mut bytes = context * u128::from(model.context.bytes);
        for (window, WindowCost { cost, .. }) in self.windows.iter().zip(&model.windows) {
            let context = sum(window.context, window.growing);
            flops += context * u128::from(cost.flops);
            bytes += context * u128::from(cost.bytes);
        }
        (flops, bytes)
    }

    /// Attention time charged to a request in the batch so far, ps.
    #[inline(always)]
    pub(super) fn attention_share(&self, model: &StepModel, slot: u32, stay: Stay) -> u128 {
        if let Some(paced) = &self.paced {
            cold_path();
            return paced.attention_share(slot, self.steps);
        }
        let steps = self.steps - stay.joined;
        let triangle = |first: u64, n: u64| {
            let [f, n] = [first, n].map(u128::from);
            f * n + n * n.saturating_sub(1) / 2
        };
        let first = u64::from(stay.context);
        let mut ps = triangle(first, steps) * u128::from(model.context.ps);
        for &WindowCost { window, cost } in &model.windows {
            let full = u64::from(window);
            let growing = full.saturating_sub(first).min(steps);
            let sum =
                triangle(first.min(full), growing) + u128::from(steps - growing) * u128::from(full);
            ps += sum * u128::from(cost.ps);
        }
        ps
    }

    /// Tokens beyond whole ones, and what each step adds to all contexts, in fixed point; `None` where
    /// each request makes one token in each step.
    #[inline(always)]
    pub(super) fn growth(&self) -> Option<(u64, u64)> {
        self.paced.as_ref().map(|paced| paced.growth(self.steps))
    }

    /// Moves on by `steps` undisturbed steps; returns the tokens made.
    #[inline(always)]
    pub(super) fn advance(
        &mut self,
        model: &StepModel,
        steps: u64,
        alive: impl Fn(u32, u32) -> bool,
    ) -> u64 {
        if let Some(paced) = &mut self.paced {
            cold_path();
            let now = self.steps;
            self.steps += steps;
            return paced.advance(model, now, steps, alive);
        }
        self.steps += steps;
        self.turn = ((self.turn as u64 - 1 + steps) % self.block_size) as usize + 1;
        self.context += self.size * steps;
        for window in &mut self.windows {
            window.context += window.growing * steps;
            while let Some(&Reverse(full)) = window.fills.peek() {
                let (slot, ticket) = full.request();
                let gone = !alive(slot, ticket);
                if !gone && full.step() > self.steps {
                    break;
                }
                window.fills.pop();
                if !gone {
                    window.growing -= 1;
                }
            }
        }
        self.size * steps
    }

    /// The next request that has produced all, if any.
    #[inline(always)]
    pub(super) fn pop_end(&mut self) -> Option<(u32, u32)> {
        let &Reverse(end) = self.ends.peek()?;
        (end.step() <= self.steps).then(|| self.ends.pop())?;
        Some(end.request())
    }
}
