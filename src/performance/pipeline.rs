//! Pipeline parallelism: layers dealt in their order to stages that work on different requests at once.
//!
//! Requests that decode are dealt to `m` micro-batches that go round: a micro-batch is back at the first
//! stage when its tokens have left the last one, and nothing waits for the others. A step, in which
//! every request gets its token, lasts until each micro-batch has been round once. That takes the way
//! of one through all stages, or `m` times what the slowest stage takes for one, whichever is longer:
//!
//! ```text
//! step = max( sum of stages + S send,  m (slowest stage + send) )
//! ```
//!
//! Of stages that are alike a part `1 - m / S` is idle where there are fewer micro-batches than stages
//! (the bubble), none where there are as many. A pipeline that is emptied after each step, as in training,
//! would idle for `(S - 1) / (m + S - 1)` of its time (Y. Huang et al., *GPipe*, NeurIPS 2019); engines
//! that serve do not empty it. The output matrix lies on the last stage alone, which makes that the
//! slowest.
//!
//! Prompts go round as chunks of the engine's own token budget, so a prompt within one has no other
//! beside it: it takes as long as without stages, while later ones fill the stages behind it. With fewer
//! requests than stages, attention of decodes is taken as shared by all stages, a little too short.

use super::step_cost::StepCost;

/// Stages that share a model's layers, and what goes round in them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pipeline {
    /// Stages.
    pub stages: u32,
    /// What goes round.
    pub shape: Shape,
    /// Latency from a stage to the next, seconds.
    pub send_s: f64,
    /// The same for each token, seconds.
    pub send_token_s: f64,
}

/// How requests are dealt to micro-batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Micro-batches at most.
    pub micro_batches: u32,
    /// Tokens up to which a step holds decodes alone.
    pub decodes: u32,
    /// New tokens of a micro-batch at most.
    pub budget: u32,
}

impl Pipeline {
    /// Micro-batches of a step with so many new tokens.
    fn micro_batches(&self, tokens: u32) -> u32 {
        let Shape { micro_batches, decodes, budget } = self.shape;
        let wanted = if tokens <= decodes { tokens } else { tokens.div_ceil(budget.max(1)) };
        wanted.clamp(1, micro_batches.max(1))
    }

    /// How often a micro-batch's time in one stage passes in a step: as often as there are stages, or
    /// micro-batches.
    fn rounds(&self, micro_batches: u32) -> f64 {
        f64::from(self.stages.max(micro_batches))
    }

    /// The layers for so many tokens, on each GPU; `whole` is all layers one after the other.
    pub(super) fn layers(&self, tokens: u32, whole: impl Fn(f64) -> StepCost) -> StepCost {
        let micro_batches = self.micro_batches(tokens);
        let each = f64::from(tokens) / f64::from(micro_batches);
        let (all, stages) = (whole(each), f64::from(self.stages));
        let stage_ps = all.ps as f64 / stages + 1e12 * (self.send_s + each * self.send_token_s);
        StepCost {
            ps: libm::round(self.rounds(micro_batches) * stage_ps) as u64,
            bytes: (f64::from(micro_batches) * all.bytes as f64 / stages) as u64,
        }
    }

    /// The output matrix, on the last stage.
    pub(super) fn head(&self, emitting: u32, whole: impl Fn(f64) -> StepCost) -> StepCost {
        let micro_batches = self.micro_batches(emitting);
        let one = whole(f64::from(emitting) / f64::from(micro_batches));
        let times = if micro_batches >= self.stages { micro_batches } else { 1 };
        let bytes = u64::from(micro_batches) * one.bytes / u64::from(self.stages);
        StepCost { ps: u64::from(times) * one.ps, bytes }
    }

    /// Attention of a prompt's chunk, which its micro-batches share: time, and work on each GPU.
    pub(super) fn prompt_attention(&self, new: u32, seconds: f64, flops: f64) -> (f64, f64) {
        let micro_batches = f64::from(self.micro_batches(new.max(self.shape.decodes + 1)));
        let stages = f64::from(self.stages);
        (seconds / micro_batches.min(stages), flops / stages)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pipeline(stages: u32, micro_batches: u32) -> Pipeline {
        let shape = Shape { micro_batches, decodes: 256, budget: 1000 };
        Pipeline { stages, shape, send_s: 0.0, send_token_s: 0.0 }
    }

    /// Layers that take a microsecond for each token.
    fn whole(tokens: f64) -> StepCost {
        StepCost { ps: libm::round(1e6 * tokens) as u64, bytes: 0 }
    }

    proptest! {
        /// Work of all stages over their time: 1 - bubble, with a bubble of 1 - m / S. Against a
        /// pipeline in which micro-batches are walked from stage to stage.
        #[test]
        fn the_bubble_is_that_of_micro_batches_that_go_round(
            stages in 1u32..9, micro_batches in 1u32..17, rounds in 20u32..40,
        ) {
            let tokens = 16 * micro_batches;
            let step = pipeline(stages, micro_batches).layers(tokens, whole).ps;
            let one = whole(16.0).ps as f64 / f64::from(stages);
            // When each stage is free, and when each micro-batch may enter its next one.
            let mut free = vec![0.0f64; stages as usize];
            let mut ready = vec![0.0f64; micro_batches as usize];
            let mut first = 0.0;
            for round in 0..rounds {
                for at in &mut ready {
                    for stage in &mut free {
                        *at = at.max(*stage) + one;
                        *stage = *at;
                    }
                }
                if round == 9 {
                    first = ready[0];
                }
            }
            let walked = (ready[0] - first) / f64::from(rounds - 10);
            prop_assert!((walked / step as f64 - 1.0).abs() < 1e-3, "{walked} {step}");
            let busy = f64::from(micro_batches) * one / step as f64;
            let bubble = (1.0 - f64::from(micro_batches) / f64::from(stages)).max(0.0);
            prop_assert!((1.0 - busy - bubble).abs() < 1e-3, "{busy} {bubble}");
        }
    }

    /// One request passes all stages and all sends; the output matrix of a full pipeline is the last
    /// stage's alone, so every micro-batch waits for it.
    #[test]
    fn a_request_alone_goes_through_all_stages() {
        let alone = Pipeline { send_s: 10e-6, ..pipeline(4, 4) };
        assert_eq!(alone.layers(1, whole).ps, 1_000_000 + 4 * 10_000_000);
        assert_eq!(alone.head(1, whole).ps, 1_000_000);
        assert_eq!(pipeline(4, 4).head(64, whole).ps, 4 * 16_000_000);
        // A prompt in one chunk takes its whole way, one of four chunks that of a chunk.
        assert_eq!(pipeline(4, 4).layers(900, whole).ps, 900_000_000);
        assert_eq!(pipeline(4, 4).layers(4000, whole).ps, 1_000_000_000);
    }
}
