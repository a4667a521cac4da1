//! Step times looked up by batch, each computed once.

use crate::performance::{Passage, Speculation, StepCost, StepModel};

/// Lazily filled tables over a [`StepModel`]: the smooth maxima cost a few powers each, a table
/// costs a load.
#[derive(Clone, Debug, Default)]
pub struct StepTable {
    tokens: Vec<StepCost>,
    head: Vec<StepCost>,
    draft_tokens: Vec<StepCost>,
    draft_head: Vec<StepCost>,
}

/// What is not computed yet; no step takes no time.
const UNKNOWN: StepCost = StepCost { ps: 0, bytes: 0 };

fn lookup(table: &mut Vec<StepCost>, index: u32, compute: impl Fn(u32) -> StepCost) -> StepCost {
    let at = index as usize;
    if at >= table.len() {
        table.resize(at + 1, UNKNOWN);
    }
    if table[at] == UNKNOWN {
        table[at] = compute(index);
    }
    table[at]
}

impl StepTable {
    /// GPU time of a step, attention aside: `tokens` new ones, of which `emitting` requests sample
    /// from.
    pub(super) fn gpu(&mut self, model: &StepModel, tokens: u32, emitting: u32) -> StepCost {
        let body = lookup(&mut self.tokens, tokens, |n| model.tokens(n));
        let head = lookup(&mut self.head, emitting, |n| model.head(n));
        StepCost { ps: (body.ps + head.ps).max(1), bytes: body.bytes + head.bytes }
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
        StepCost { ps: (body.ps + head.ps).max(1), bytes: body.bytes + head.bytes }
    }

    /// The same where `decoding` requests have drafts to verify, beside `new` prompt tokens of
    /// which `emitting` are sampled from: the draft's own steps come on top, one for each drafted
    /// token and one for the prompts.
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
