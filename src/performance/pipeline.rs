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
//! Prompts go round in micro-batches too, beside the decodes of each: one for each prompt, or for each
//! chunk of the engine's own token budget where that makes more. Some of a round's micro-batches then take
//! longer, and none overtakes another, so the round lasts as long as the slowest needs for its way, or
//! as long as one stage works for all:
//!
//! ```text
//! step = max( S slowest,  sum over micro-batches )
//! ```
//!
//! A prompt alone in its round holds up all others for its whole way; as many prompts as stages keep all
//! stages at work. Prompts that find the stages empty fill them first: `c` of them are through after
//! `c + S - 1` times what a stage takes for one, GPipe's formula again. With fewer requests than stages,
//! attention of decodes is taken as shared by all stages, a little too short.

use super::attention::PrefillCost;
use super::step_cost::StepCost;

/// Stages that share a model's layers, and what goes round in them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pipeline {
    /// Stages.
    pub stages: u32,
    /// What goes round.
    pub shape: Shape,
    /// Latency from a stage to the next, and what the host of each does for a micro-batch, seconds.
    pub send_s: f64,
    /// The same for each token, seconds.
    pub send_token_s: f64,
}

/// How requests are dealt to micro-batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Micro-batches at most.
    pub micro_batches: u32,
    /// Prompt tokens of a micro-batch at most.
    pub budget: u32,
}

/// How the prompts of a step pass the stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Micro-batches that carry them.
    batches: u32,
    /// How often the time of one of these in a stage passes until all are through.
    rounds: u32,
    /// Micro-batches times stages: parts that the work on prompts is dealt to.
    parts: u32,
}

impl Passage {
    /// Where there are no stages.
    pub const WHOLE: Self = Self { batches: 1, rounds: 1, parts: 1 };

    /// Attention of one prompt while all of them pass: its part of the step's time. What it works stays
    /// the same.
    #[must_use]
    #[inline]
    pub fn attention(self, whole: PrefillCost) -> PrefillCost {
        if self.rounds == self.parts {
            return whole;
        }
        let ps = u128::from(whole.ps) * u128::from(self.rounds) / u128::from(self.parts);
        PrefillCost { ps: ps as u64, ..whole }
    }
}

impl Pipeline {
    /// Micro-batches of a step in which so many requests get a token each.
    fn micro_batches(&self, requests: u32) -> u32 {
        requests.clamp(1, self.shape.micro_batches.max(1))
    }

    /// How `new` tokens of so many prompts pass the stages, which are `empty` or not.
    pub(super) fn passage(&self, prompts: u32, new: u32, empty: bool) -> Passage {
        let Shape { micro_batches, budget } = self.shape;
        let chunks = new.div_ceil(budget.max(1));
        let batches = prompts.max(chunks).clamp(1, micro_batches.max(1));
        let rounds = match empty {
            true => batches + self.stages - 1,
            false => batches.max(self.stages),
        };
        Passage { batches, rounds, parts: batches * self.stages }
    }

    /// What a stage takes for a micro-batch of so many tokens, and sends on, ps; `all` is what layers one
    /// after the other take.
    fn stage_ps(&self, tokens: f64, all: StepCost) -> f64 {
        all.ps as f64 / f64::from(self.stages) + 1e12 * (self.send_s + tokens * self.send_token_s)
    }

    /// The layers for one token of so many requests, on each GPU; `whole` is all layers one after the
    /// other.
    pub(super) fn layers(&self, requests: u32, whole: impl Fn(f64) -> StepCost) -> StepCost {
        let batches = self.micro_batches(requests);
        let each = f64::from(requests) / f64::from(batches);
        let all = whole(each);
        let rounds = f64::from(self.stages.max(batches));
        StepCost {
            ps: libm::round(rounds * self.stage_ps(each, all)) as u64,
            bytes: (f64::from(batches) * all.bytes as f64 / f64::from(self.stages)) as u64,
        }
    }

    /// The same where `new` prompt tokens pass beside these.
    pub(super) fn mixed(
        &self,
        requests: u32,
        new: u32,
        passage: Passage,
        whole: impl Fn(f64) -> StepCost,
    ) -> StepCost {
        let busy = passage.batches;
        let batches = if requests > 0 { self.micro_batches(requests).max(busy) } else { busy };
        let light = f64::from(requests) / f64::from(batches);
        let heavy = light + f64::from(new) / f64::from(busy);
        let stage = |tokens: f64| {
            let all = whole(tokens);
            (self.stage_ps(tokens, all), all.bytes as f64 / f64::from(self.stages))
        };
        let (heavy_ps, heavy_bytes) = stage(heavy);
        let others = f64::from(batches - busy);
        let (light_ps, light_bytes) = if batches > busy { stage(light) } else { (0.0, 0.0) };
        let way = f64::from(passage.rounds) * heavy_ps;
        let work = f64::from(busy) * heavy_ps + others * light_ps;
        StepCost {
            ps: libm::round(way.max(work)) as u64,
            bytes: (f64::from(busy) * heavy_bytes + others * light_bytes) as u64,
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
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pipeline(stages: u32, micro_batches: u32) -> Pipeline {
        let shape = Shape { micro_batches, budget: 1000 };
        Pipeline { stages, shape, send_s: 0.0, send_token_s: 0.0 }
    }

    /// Layers that take a microsecond for each token.
    fn whole(tokens: f64) -> StepCost {
        StepCost { ps: libm::round(1e6 * tokens) as u64, bytes: 0 }
    }

    /// Micro-batches walked from stage to stage, round after round, none overtaking another: when each
    /// leaves the last stage in each round, where a stage takes so long for each of them.
    fn walk(stages: u32, each: &[f64], rounds: usize) -> Vec<Vec<f64>> {
        let mut free = vec![0.0f64; stages as usize];
        let mut ready = vec![0.0f64; each.len()];
        let mut left = Vec::new();
        for _ in 0..rounds {
            for (at, time) in ready.iter_mut().zip(each) {
                for stage in &mut free {
                    *at = at.max(*stage) + time;
                    *stage = *at;
                }
            }
            left.push(ready.clone());
        }
        left
    }

    /// Time between two rounds, when those of the beginning are over.
    fn round(left: &[Vec<f64>]) -> f64 {
        (left[left.len() - 1][0] - left[9][0]) / (left.len() - 10) as f64
    }

    proptest! {
        /// Work of all stages over their time: 1 - bubble, with a bubble of 1 - m / S.
        #[test]
        fn the_bubble_is_that_of_micro_batches_that_go_round(
            stages in 1u32..9, micro_batches in 1u32..17, rounds in 20usize..40,
        ) {
            let step = pipeline(stages, micro_batches).layers(16 * micro_batches, whole).ps as f64;
            let one = whole(16.0).ps as f64 / f64::from(stages);
            let walked = round(&walk(stages, &vec![one; micro_batches as usize], rounds));
            prop_assert!((walked / step - 1.0).abs() < 1e-3, "{walked} {step}");
            let busy = f64::from(micro_batches) * one / step;
            let bubble = (1.0 - f64::from(micro_batches) / f64::from(stages)).max(0.0);
            prop_assert!((1.0 - busy - bubble).abs() < 1e-3, "{busy} {bubble}");
        }

        /// Prompts in some of the micro-batches, in every round.
        #[test]
        fn a_round_with_prompts_lasts_as_long_as_the_slowest_or_all_of_them(
            stages in 1u32..9, micro_batches in 1u32..17, prompts in 1u32..17, new in 1u32..900,
        ) {
            let prompts = prompts.min(micro_batches);
            let pipeline = pipeline(stages, micro_batches);
            let passage = pipeline.passage(prompts, prompts * new, false);
            let step = pipeline.mixed(16 * micro_batches, prompts * new, passage, whole).ps as f64;
            let one = |tokens: u32| whole(f64::from(tokens)).ps as f64 / f64::from(stages);
            let mut each = vec![one(16); micro_batches as usize];
            each[..prompts as usize].fill(one(16 + new));
            let walked = round(&walk(stages, &each, 200));
            prop_assert!((walked / step - 1.0).abs() < 1e-3, "{walked} {step}");
        }

        /// Prompts of an idle server: `m / (m + S - 1)` of the time of all stages is work (GPipe, 2.3),
        /// and further ones behind them come at the rate of a stage.
        #[test]
        fn empty_stages_are_filled_first(stages in 1u32..9, prompts in 1u32..17, new in 1u32..900) {
            let pipeline = pipeline(stages, 16);
            let pass = |empty| {
                let passage = pipeline.passage(prompts, prompts * new, empty);
                pipeline.mixed(0, prompts * new, passage, whole).ps as f64
            };
            let one = whole(f64::from(new)).ps as f64 / f64::from(stages);
            let left = walk(stages, &vec![one; prompts as usize], 1);
            let (last, first) = (left[0][prompts as usize - 1], pass(true));
            prop_assert!((first / last - 1.0).abs() < 1e-3, "{first} {last}");
            let efficiency = f64::from(prompts) * one / first;
            let formula = f64::from(prompts) / f64::from(prompts + stages - 1);
            prop_assert!((efficiency - formula).abs() < 1e-3, "{efficiency} {formula}");
            prop_assume!(prompts >= stages);
            let left = walk(stages, &vec![one; prompts as usize], 2);
            let (second, walked) = (pass(false), left[1][prompts as usize - 1] - last);
            prop_assert!((second / walked - 1.0).abs() < 1e-3, "{second} {walked}");
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
        // A prompt in one chunk takes its whole way; four chunks of a long one follow each other.
        let pass = |new, empty| {
            let pipeline = pipeline(4, 4);
            let passage = pipeline.passage(1, new, empty);
            let attention = passage.attention(PrefillCost { ps: 1600, flops: 7 });
            assert_eq!(attention.flops, 7);
            (pipeline.mixed(0, new, passage, whole).ps, attention.ps)
        };
        assert_eq!(pass(900, true), (900_000_000, 1600));
        assert_eq!(pass(4000, false), (1_000_000_000, 400));
        assert_eq!(pass(4000, true), (1_750_000_000, 700));
    }
}
