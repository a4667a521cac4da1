//! Step times looked up by batch, each computed once.

use std::hint::cold_path;

use crate::performance::{Passage, PrefillCost, SmoothMaxTable, Speculation, StepCost, StepModel};

/// Prompts that a table holds are up to so long; engines seldom compute more in one step.
const LONGEST_KNOWN: u32 = 1 << 15;

/// Lazily filled tables over a [`StepModel`]: the smooth maxima cost a few powers each, a table
/// costs a load.
#[derive(Clone, Debug, Default)]
pub struct StepTable {
    decodes: Vec<DecodeCost>,
    tokens: Vec<StepCost>,
    head: Vec<StepCost>,
    draft_tokens: Vec<StepCost>,
    draft_head: Vec<StepCost>,
    prompts: Vec<PrefillCost>,
    bends: SmoothMaxTable,
}

/// A step of so many decodes and nothing else, attention aside.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct DecodeCost {
    pub(super) gpu: StepCost,
    /// Host time, ps.
    pub(super) host_ps: u64,
}

/// What `compute` says of `index`. What takes nothing counts as not computed yet.
fn lookup<T>(table: &mut Vec<T>, index: u32, compute: impl Fn(u32) -> T) -> T
where
    T: Copy + Default + PartialEq,
{
    let at = index as usize;
    if at >= table.len() {
        cold_path();
        table.resize(at + 1, T::default());
    }
    if table[at] == T::default() {
        cold_path();
        table[at] = compute(index);
    }
    table[at]
}

/// GPU time of layers and head together.
fn sum(body: StepCost, head: StepCost) -> StepCost {
    StepCost { ps: (body.ps + head.ps).max(1), bytes: body.bytes + head.bytes }
}

impl StepTable {
    /// A step of `requests` decodes, without drafts.
    #[inline(always)]
    pub(super) fn decode(&mut self, model: &StepModel, requests: u32) -> DecodeCost {
        lookup(&mut self.decodes, requests, |n| DecodeCost {
            gpu: sum(model.tokens(n), model.head(n)),
            host_ps: model.host_ps(n),
        })
    }

    /// GPU time of a step, attention aside: `tokens` new ones, of which `emitting` requests sample
    /// from.
    #[inline(always)]
    pub(super) fn gpu(&mut self, model: &StepModel, tokens: u32, emitting: u32) -> StepCost {
        let body = lookup(&mut self.tokens, tokens, |n| model.tokens(n));
        let head = lookup(&mut self.head, emitting, |n| model.head(n));
        sum(body, head)
    }

    /// Attention of `new` prompt tokens behind `cached` ones. Most often none are.
    #[inline(always)]
    pub(super) fn prefill_attention(
        &mut self,
        model: &StepModel,
        new: u32,
        cached: u32,
    ) -> PrefillCost {
        match cached {
            0 if new <= LONGEST_KNOWN => {
                lookup(&mut self.prompts, new, |n| model.prefill_attention(n, 0))
            }
            _ => {
                let bend = |a, b| self.bends.of(model.bend, a, b);
                model.prefill_attention_bent(new, cached, bend)
            }
        }
    }

    /// The same where `new` prompt tokens pass stages beside `decoding` requests.
    pub(super) fn staged(
        &mut self,
        model: &StepModel,
        (decoding, new, emitting): (u32, u32, u32),
        passage: Passage,
    ) -> StepCost {
        let body = model.mixed(decoding, new, passage);
        let head = lookup(&mut self.head, emitting, |n| model.head(n));
        sum(body, head)
    }

    /// The same where `decoding` requests have drafts to verify, beside `new` prompt tokens of
    /// which `emitting` are sampled from: the draft's own steps come on top, one for each drafted
    /// token and one for the prompts.
    #[cold]
    pub(super) fn speculated(
        &mut self,
        model: &StepModel,
        speculation: &Speculation,
        decoding: u32,
        new: u32,
        emitting: u32,
    ) -> StepCost {
        let verified = decoding * speculation.width();
        let mut cost = self.gpu(model, verified + new, verified + emitting);
        if let Some(draft) = &speculation.draft {
            let body = lookup(&mut self.draft_tokens, decoding, |n| draft.tokens(n));
            let head = lookup(&mut self.draft_head, decoding, |n| draft.head(n));
            let prompts = lookup(&mut self.draft_tokens, new, |n| draft.tokens(n));
            let passes = u64::from(speculation.drafted);
            cost.ps += passes * (body.ps + head.ps) + prompts.ps;
            cost.bytes += passes * (body.bytes + head.bytes) + prompts.bytes;
        }
        cost
    }
}
