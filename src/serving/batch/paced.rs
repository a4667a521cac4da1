//! The decode batch where a step gives a request more than one token.
//!
//! How many steps a request takes was drawn when it joined; its context grows by the same
//! fixed-point number of tokens in each of them, so its attention is a progression with integer
//! terms of its own, and those of the batch add up. Which blocks are needed depends on where each
//! context stands: that is walked, once for a leap and not once for a step.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::performance::{ContextCost, StepModel};
use crate::serving::usage::triangle;

/// Fixed-point fraction bits of tokens.
pub(in crate::serving) const TOKEN_BITS: u32 = 20;

/// Attention of the next step, and what each further step adds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Course {
    base: ContextCost,
    slope: ContextCost,
}

impl Course {
    fn after(&self, steps: u64) -> ContextCost {
        self.base.plus(self.slope.times(steps))
    }
}

fn minus(from: ContextCost, what: ContextCost) -> ContextCost {
    ContextCost {
        ps: from.ps - what.ps,
        bytes: from.bytes - what.bytes,
        flops: from.flops - what.flops,
    }
}

/// One request's way through the batch.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    /// Its place in `members`.
    place: u32,
    /// Tokens stored when it joined, and since then.
    stored: u32,
    made: u32,
    joined: u64,
    /// Tokens for each step, fixed-point.
    growth: u64,
    /// Its attention as of step `since`, and the time of it charged before that.
    course: Course,
    since: u64,
    charged: u128,
}

impl Pace {
    /// Tokens made when the batch has done so many steps.
    fn made_at(&self, steps: u64) -> u32 {
        ((self.growth * (steps - self.joined)) >> TOKEN_BITS) as u32
    }

    /// Moves its course to step `now`.
    fn settle(&mut self, now: u64) {
        let steps = now - self.since;
        self.charged += self.charge(steps);
        self.course.base = self.course.after(steps);
        self.since = now;
    }

    /// Attention time of `steps` steps from `since` on, ps.
    fn charge(&self, steps: u64) -> u128 {
        let Course { base, slope } = self.course;
        u128::from(steps) * u128::from(base.ps) + triangle(steps) * u128::from(slope.ps)
    }
}

/// See the module's page.
#[derive(Clone, Debug, Default)]
pub(super) struct Paced {
    /// By slot.
    paces: Vec<Pace>,
    members: Vec<u32>,
    /// Sums over members.
    course: Course,
    growth: u64,
    /// (step, slot, ticket, window) at which a context fills a window.
    fills: BinaryHeap<Reverse<(u64, u32, u32, u32)>>,
}

impl Paced {
    pub(super) fn clear(&mut self) {
        self.members.clear();
        self.course = Course::default();
        self.growth = 0;
        self.fills.clear();
    }

    /// Adds a request that reads `context` tokens in its next step and makes `remaining` more in
    /// `last - now` steps.
    #[cold]
    pub(super) fn join(
        &mut self,
        model: &StepModel,
        (slot, ticket): (u32, u32),
        context: u32,
        remaining: u32,
        (now, last): (u64, u64),
    ) {
        let growth = (u64::from(remaining) << TOKEN_BITS).div_ceil((last - now).max(1));
        let mut course = grown(model.context, context, growth);
        for (index, window) in model.windows.iter().enumerate() {
            if context >= window.window {
                course.base = course.base.plus(window.cost.times(window.window.into()));
                continue;
            }
            let Course { base, slope } = grown(window.cost, context, growth);
            course.base = course.base.plus(base);
            course.slope = course.slope.plus(slope);
            let short = u64::from(window.window - context) << TOKEN_BITS;
            let full = now + short.div_ceil(growth);
            self.fills.push(Reverse((full, slot, ticket, index as u32)));
        }
        if self.paces.len() <= slot as usize {
            self.paces.resize(slot as usize + 1, Pace::default());
        }
        self.paces[slot as usize] = Pace {
            place: self.members.len() as u32,
            stored: context - 1,
            made: 0,
            joined: now,
            growth,
            course,
            since: now,
            charged: 0,
        };
        self.members.push(slot);
        self.growth += growth;
        self.course.base = self.course.base.plus(course.base);
        self.course.slope = self.course.slope.plus(course.slope);
    }

    #[cold]
    pub(super) fn leave(&mut self, slot: u32, now: u64) {
        let pace = &mut self.paces[slot as usize];
        pace.settle(now);
        let Pace { place, growth, course, .. } = *pace;
        self.growth -= growth;
        self.course.base = minus(self.course.base, course.base);
        self.course.slope = minus(self.course.slope, course.slope);
        self.members.swap_remove(place as usize);
        if let Some(&moved) = self.members.get(place as usize) {
            self.paces[moved as usize].place = place;
        }
    }

    /// Tokens that a request has made since it joined.
    pub(super) fn made(&self, slot: u32) -> u32 {
        self.paces[slot as usize].made
    }

    /// Attention time charged to a request so far, ps.
    pub(super) fn attention_share(&self, slot: u32, now: u64) -> u128 {
        let pace = &self.paces[slot as usize];
        pace.charged + pace.charge(now - pace.since)
    }

    /// Blocks that the `steps` steps behind step `now` take.
    #[cold]
    pub(super) fn blocks_for(&self, now: u64, steps: u64, block: u32) -> u64 {
        let blocks = |&slot: &u32| {
            let pace = &self.paces[slot as usize];
            let after = (pace.stored + pace.made_at(now + steps)).div_ceil(block);
            u64::from(after - (pace.stored + pace.made).div_ceil(block))
        };
        self.members.iter().map(blocks).sum()
    }

    /// Whether `blocks` blocks last for the `steps` steps behind step `now`.
    #[cold]
    pub(super) fn lasts(&self, now: u64, blocks: u64, steps: u64, block: u32) -> bool {
        // Most often there is plenty: no request takes more than this.
        let growth = (u128::from(self.growth) * u128::from(steps)) >> TOKEN_BITS;
        let most = growth / u128::from(block) + 2 * self.members.len() as u128;
        most <= u128::from(blocks) || self.blocks_for(now, steps, block) <= blocks
    }

    /// The most steps, up to `limit`, that `blocks` blocks last for.
    fn steps_within(&self, now: u64, blocks: u64, limit: u64, block: u32) -> u64 {
        if self.lasts(now, blocks, limit, block) {
            return limit;
        }
        let (mut lasts, mut fails) = (0, limit);
        while fails - lasts > 1 {
            let middle = lasts + (fails - lasts) / 2;
            match self.blocks_for(now, middle, block) <= blocks {
                true => lasts = middle,
                false => fails = middle,
            }
        }
        lasts
    }

    /// Steps behind step `now` until a window fills or blocks run out, at most `limit`.
    #[cold]
    pub(super) fn undisturbed(&self, now: u64, blocks: u64, limit: u64, block: u32) -> u64 {
        let full = self.fills.peek().map_or(u64::MAX, |Reverse((full, ..))| full - now);
        self.steps_within(now, blocks, limit.min(full), block)
    }

    /// Attention time of the next step and what each further step adds, ps.
    pub(super) fn attention(&self) -> (u64, u64) {
        (self.course.base.ps, self.course.slope.ps)
    }

    /// FLOP and bytes of attention over the next `steps` steps, on each GPU.
    pub(super) fn attention_work(&self, steps: u64) -> (u128, u128) {
        let Course { base, slope } = self.course;
        let sum = |now: u64, growth: u64| {
            u128::from(now) * u128::from(steps) + u128::from(growth) * triangle(steps)
        };
        (sum(base.flops, slope.flops), sum(base.bytes, slope.bytes))
    }

    /// Tokens that requests made beyond whole ones, and what each step adds to all their contexts,
    /// fixed-point.
    pub(super) fn growth(&self, now: u64) -> (u64, u64) {
        let beyond = |&slot: &u32| {
            let pace = &self.paces[slot as usize];
            (pace.growth * (now - pace.joined)) - (u64::from(pace.made) << TOKEN_BITS)
        };
        (self.members.iter().map(beyond).sum(), self.growth)
    }

    /// Moves on by `steps` undisturbed steps from step `now`; returns the tokens made.
    #[cold]
    pub(super) fn advance(
        &mut self,
        model: &StepModel,
        now: u64,
        steps: u64,
        alive: impl Fn(u32, u32) -> bool,
    ) -> u64 {
        let after = now + steps;
        let mut tokens = 0;
        for &slot in &self.members {
            let pace = &mut self.paces[slot as usize];
            let made = pace.made_at(after);
            tokens += u64::from(made - pace.made);
            pace.made = made;
        }
        self.course.base = self.course.after(steps);
        while let Some(&Reverse((full, slot, ticket, index))) = self.fills.peek() {
            let gone = !alive(slot, ticket);
            if !gone && full > after {
                break;
            }
            self.fills.pop();
            if !gone {
                let pace = &mut self.paces[slot as usize];
                pace.settle(after);
                let growing = slope(model.windows[index as usize].cost, pace.growth);
                pace.course.slope = minus(pace.course.slope, growing);
                self.course.slope = minus(self.course.slope, growing);
            }
        }
        tokens
    }
}

/// Attention over a context that grows by so much in each step.
fn grown(cost: ContextCost, context: u32, growth: u64) -> Course {
    Course { base: cost.times(context.into()), slope: slope(cost, growth) }
}

/// What a step adds to attention, rounded down to whole units once and for all.
fn slope(cost: ContextCost, growth: u64) -> ContextCost {
    let part = |each: u64| ((u128::from(each) * u128::from(growth)) >> TOKEN_BITS) as u64;
    ContextCost { ps: part(cost.ps), bytes: part(cost.bytes), flops: part(cost.flops) }
}
