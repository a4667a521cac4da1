//! How long one engine iteration takes.
//!
//! An iteration computes `T` new tokens, of which some belong to prompts and one to each of `D`
//! decoding requests, samples from `S` of them, and reads the keys and values of all contexts. Its
//! time is a sum over kernel groups, each the smooth maximum `P` of its arithmetic and its memory
//! traffic:
//!
//! ```text
//! gpu    = linear(T) + experts(T) + head(S) + attention + communication(T) + launches
//! decode = gpu + host(D)                             replayed from a captured graph
//! mixed  = max(gpu, launching) + host(D)             launched kernel by kernel
//! ```
//!
//! The part that depends on contexts is linear in them, with integer coefficients of a picosecond
//! for each token: a decode step of a given batch lasts `base + context_ps * (sum of contexts)`,
//! which is what lets a batch leap over many steps exactly.

use super::attention::{
    AttentionCost, ContextCost, PrefillCost, PromptState, PromptStream, WindowCost, pairs,
};
use super::collectives::{AllReduce, AllToAll};
use super::deployment::Deployment;
use super::error::PerformanceError;
use super::kernels::KernelCount;
use super::layout::Layout;
use super::measured_steps::{FormulaParts, MeasuredStep, MeasuredSteps, Shares, UnusableSteps};
use super::mixture_of_experts::{ExpertGroup, busiest, mixtures};
use super::pipeline::{Passage, Pipeline};
use super::rates::Rates;
use super::smooth_max::SmoothMax;
use super::step_cost::StepCost;
use crate::catalog::{Field, StepCoefficients};
use crate::foundations::whole;

/// Kernels whose time is the smooth maximum of arithmetic and memory traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct KernelGroup {
    /// Seconds of arithmetic for each token.
    pub compute_s: f64,
    /// Seconds of memory traffic that does not depend on the tokens: reading the weights.
    pub memory_s: f64,
    /// Bytes behind `memory_s`.
    pub bytes: f64,
}

impl KernelGroup {
    fn seconds(&self, bend: SmoothMax, tokens: f64) -> f64 {
        bend.of(tokens * self.compute_s, self.memory_s)
    }
}

/// Step times of one model on one kind of replica. All times are for the whole replica, all work
/// for each of its GPUs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepModel {
    /// The bend between arithmetic and memory traffic.
    pub bend: SmoothMax,
    /// Linear layers: projections, dense feed-forward, shared experts, routers.
    pub linear: KernelGroup,
    /// Routed experts, by shape.
    pub experts: Vec<ExpertGroup>,
    /// The output matrix, for tokens that are sampled from.
    pub head: KernelGroup,
    /// Latency of all all-reduces of a step, seconds.
    pub communication_s: f64,
    /// Seconds of communication for each new token.
    pub communication_token_s: f64,
    /// Whether a step computes its batch in two halves, of which one sends while the other computes.
    pub two_batch_overlap: bool,
    /// Seconds for each new token that activations take between matrix products.
    pub activation_token_s: f64,
    /// Bytes behind `activation_token_s`.
    pub activation_token_bytes: f64,
    /// Launching the kernels of a captured graph, seconds.
    pub launch_s: f64,
    /// Time to launch the kernels of a step that contains prompt tokens one by one, seconds.
    pub prefill_host_s: f64,
    /// Time of the attention of decodes in such a step over that in a step of decodes alone.
    pub mixed_attention: f64,
    /// New tokens up to which such a step is replayed piece by piece instead.
    pub captured_tokens: u32,
    /// Time that this takes, seconds.
    pub captured_host_s: f64,
    /// Host time for each request in the step, seconds.
    pub sequence_s: f64,
    /// What every step costs beside its kernels, seconds.
    pub step_s: f64,
    /// Attention over contexts that grow without bound.
    pub context: ContextCost,
    /// Attention over windows and selections, by size; states of recurrences as windows of 1.
    pub windows: Vec<WindowCost>,
    /// Attention of prompts.
    pub prompt: Vec<PromptStream>,
    /// Recurrences over prompts.
    pub state: PromptState,
    /// FLOP of one token in the layers, on each GPU.
    pub layer_flops: u64,
    /// FLOP of one token in the head, on each GPU.
    pub head_flops: u64,
    /// See [`StepModel::peak_flops`].
    pub peak_flops: f64,
    /// See [`StepModel::bandwidth`].
    pub bandwidth: f64,
    /// Stages that share the layers, where there are several.
    pub pipeline: Option<Pipeline>,
    /// Steps as they were measured, which the formula makes way for.
    pub measured: Option<MeasuredSteps>,
}

impl StepModel {
    /// The step times of a deployment.
    ///
    /// # Errors
    /// [`PerformanceError`] for a deployment that cannot be; whether it fits in memory is asked
    /// apart, of [`MemoryPlan`](super::MemoryPlan).
    pub fn compile(deployment: &Deployment<'_>) -> Result<Self, PerformanceError> {
        Self::compile_wide(deployment, 1)
    }

    /// The same for decode steps that compute `width` tokens for each request, as where drafted
    /// tokens are verified.
    ///
    /// # Errors
    /// As [`StepModel::compile`].
    pub fn compile_wide(deployment: &Deployment<'_>, width: u32) -> Result<Self, PerformanceError> {
        deployment.check()?;
        let Deployment { model, accelerator, engine, precision, .. } = *deployment;
        let c = engine.step_on(accelerator);
        let rates = Rates::of(deployment, &c)?;
        let layout = Layout::of(deployment);
        let attention = AttentionCost::of(deployment, &rates, &c, width);
        let kernels = KernelCount::of(deployment, &c);
        let plain = precision.unquantised().bytes_per_element();

        let linear_bytes =
            layout.linear * precision.weights.bytes_per_element() + layout.router * plain;
        let linear = KernelGroup {
            compute_s: 2.0 * (layout.linear + layout.router) / rates.linear,
            memory_s: linear_bytes / rates.weights,
            bytes: linear_bytes,
        };
        let head_bytes = layout.head * plain;
        let head = KernelGroup {
            compute_s: 2.0 * layout.head / rates.head,
            memory_s: head_bytes / rates.weights,
            bytes: head_bytes,
        };
        let all_reduce = all_reduce(deployment, &c)?;
        let exchange = exchange(deployment)?;
        let [linear_flops, expert_flops, head_flops] =
            [layout.linear + layout.router, layout.visited, layout.head].map(|n| 2.0 * n);
        let ideal = linear_flops / rates.linear_peak
            + expert_flops / rates.expert_peak
            + head_flops / rates.peak16;
        let prefill_host_s = kernels.launched * c.prefill_kernel_s
            + model.moe_layers() as f64 * c.prefill_moe_layer_s;
        Ok(Self {
            bend: SmoothMax::new(c.overlap_sharpness),
            linear,
            experts: experts(deployment, &rates, &c),
            head,
            communication_s: layout.parts * all_reduce.latency_s
                + layout.exchanges * exchange.latency_s,
            communication_token_s: layout.parts * all_reduce.byte_s * 2.0 * model.hidden as f64
                + layout.exchanged * exchange.byte_s,
            two_batch_overlap: deployment.wide.two_batch_overlap,
            activation_token_s: layout.activations / rates.activations,
            activation_token_bytes: layout.activations,
            launch_s: kernels.replayed * c.kernel_launch_s,
            prefill_host_s,
            mixed_attention: c.attention_mixed_factor,
            captured_tokens: c.prefill_captured_tokens as u32,
            captured_host_s: prefill_host_s * c.prefill_captured_factor,
            sequence_s: c.sequence_s,
            step_s: c.step_s,
            context: attention.context,
            windows: attention.windows,
            prompt: attention.prompt,
            state: attention.state,
            layer_flops: whole(linear_flops + expert_flops),
            head_flops: whole(head_flops),
            peak_flops: (linear_flops + expert_flops + head_flops) / ideal,
            bandwidth: rates.bandwidth,
            pipeline: None,
            measured: None,
        })
    }

    /// The same with steps as they were measured. What a table does not tell, bytes and arithmetic,
    /// stays the formula's.
    ///
    /// # Errors
    /// [`UnusableSteps`] for a table that nothing can be read from.
    pub fn with_measured_steps(&self, rows: &[MeasuredStep]) -> Result<Self, UnusableSteps> {
        let seconds = |ps: u64| ps as f64 * 1e-12;
        let steps = MeasuredSteps::new(rows, |row| {
            let emitting = row.batch + u32::from(row.new_tokens > 0);
            FormulaParts {
                host_s: seconds(self.host_ps(row.batch)),
                head_s: seconds(self.head(emitting).ps),
                attention_s: seconds(self.prefill_attention(row.new_tokens, row.cached_tokens).ps),
            }
        })?;
        let mut model = self.clone();
        model.context.ps = ps(steps.context_s());
        model.windows.iter_mut().for_each(|window| window.cost.ps = 0);
        let Shares { host, attention } = steps.shares();
        model.head.compute_s *= host;
        model.head.memory_s *= host;
        model.sequence_s *= host;
        model.step_s *= host;
        for stream in &mut model.prompt {
            stream.pair_s *= attention;
            stream.read_s *= attention;
        }
        model.state.token_s *= attention;
        model.state.chunk_s *= attention;
        model.measured = Some(steps);
        Ok(model)
    }

    /// GPU time of a step with so many new tokens, attention and head aside: linear layers,
    /// experts, communication, launches. Where layers are dealt to stages, of so many requests that
    /// decode; see [`StepModel::mixed`] for prompts.
    #[must_use]
    pub fn tokens(&self, tokens: u32) -> StepCost {
        if tokens == 0 {
            return StepCost::default();
        }
        let n = f64::from(tokens);
        if let Some(pipeline) = &self.pipeline {
            return pipeline.layers(tokens, |n| self.formula(n));
        }
        let formula = self.formula(n);
        match &self.measured {
            Some(steps) => {
                StepCost { ps: ps(steps.tokens_s(n, || formula.ps as f64 * 1e-12)), ..formula }
            }
            None => formula,
        }
    }

    fn formula(&self, n: f64) -> StepCost {
        if self.two_batch_overlap {
            return self.halves(n / 2.0);
        }
        let seconds = self.linear.seconds(self.bend, n)
            + self.launch_s
            + self.communication_s
            + (self.communication_token_s + self.activation_token_s) * n;
        let bytes = self.linear.bytes + self.activation_token_bytes * n;
        let (seconds, bytes) = self.with_experts(n, seconds, bytes);
        StepCost { ps: ps(seconds), bytes: bytes as u64 }
    }

    /// Time and traffic of other kernels, and of the routed experts for `n` tokens with them.
    fn with_experts(&self, n: f64, seconds: f64, bytes: f64) -> (f64, f64) {
        self.experts.iter().fold((seconds, bytes), |(seconds, bytes), group| {
            let (group_s, group_bytes) = group.cost(self.bend, n);
            (seconds + group_s, bytes + group_bytes)
        })
    }

    /// Two halves of `n` tokens each, in turns: kernels of one run while the other's tokens travel, so
    /// the step takes the longer of both. Weights are read and kernels launched for each half.
    ///
    /// Source: DeepSeek, *profile-data* (2025), where attention and experts of one half hide dispatch
    /// and combine of the other. Attention over contexts is not counted among what hides them.
    fn halves(&self, n: f64) -> StepCost {
        let kernels =
            self.linear.seconds(self.bend, n) + self.launch_s + self.activation_token_s * n;
        let bytes = self.linear.bytes + self.activation_token_bytes * n;
        let (kernels, bytes) = self.with_experts(n, kernels, bytes);
        let travel = self.communication_s + self.communication_token_s * n;
        StepCost { ps: ps(2.0 * kernels.max(travel)), bytes: (2.0 * bytes) as u64 }
    }

    /// The head, for so many tokens to sample from.
    #[must_use]
    pub fn head(&self, emitting: u32) -> StepCost {
        if emitting == 0 {
            return StepCost::default();
        }
        let head = |n: f64| StepCost {
            ps: ps(self.head.seconds(self.bend, n)),
            bytes: self.head.bytes as u64,
        };
        match &self.pipeline {
            None => head(f64::from(emitting)),
            Some(pipeline) => pipeline.head(emitting, head),
        }
    }

    /// Host work for the requests in a step, and what every step costs beside its kernels, ps.
    #[must_use]
    pub fn host_ps(&self, sequences: u32) -> u64 {
        ps(self.step_s + self.sequence_s * f64::from(sequences))
    }

    /// Least time of the kernels of a step with so many new tokens, prompt tokens among them, ps:
    /// the host launches them one by one instead of replaying a captured graph.
    #[must_use]
    #[inline]
    pub fn prefill_host_ps(&self, tokens: u32) -> u64 {
        let measured = self.measured.as_ref().and_then(|m| m.busy_s(f64::from(tokens)));
        if let Some(seconds) = measured {
            return ps(seconds);
        }
        let captured = tokens <= self.captured_tokens;
        ps(if captured { self.captured_host_s } else { self.prefill_host_s })
    }

    /// What the attention of decodes takes longer in a step with prompt tokens, of `ps` in one
    /// without, ps.
    #[must_use]
    pub fn mixed_delay_ps(&self, ps: u64) -> u64 {
        let factor = (self.mixed_attention - 1.0).max(0.0);
        if factor == 0.0 { 0 } else { whole(ps as f64 * factor) }
    }

    /// How `new` tokens of so many prompts pass the stages, where layers are dealt to some; `empty` says
    /// whether nothing is under way in them.
    #[must_use]
    pub fn passage(&self, prompts: u32, new: u32, empty: bool) -> Passage {
        let passes = |pipeline: &Pipeline| pipeline.passage(prompts, new, empty);
        self.pipeline.as_ref().map_or(Passage::WHOLE, passes)
    }

    /// GPU time of a step that computes `new` prompt tokens beside `decodes` others, attention and head
    /// aside.
    #[must_use]
    pub fn mixed(&self, decodes: u32, new: u32, passage: Passage) -> StepCost {
        match &self.pipeline {
            None => self.tokens(decodes + new),
            Some(pipeline) => pipeline.mixed(decodes, new, passage, |n| self.formula(n)),
        }
    }

    /// Attention of `new` prompt tokens behind `cached` ones, through all layers one after the other.
    #[must_use]
    pub fn prefill_attention(&self, new: u32, cached: u32) -> PrefillCost {
        self.prefill_attention_bent(new, cached, |a, b| self.bend.of(a, b))
    }

    /// The same with a way to find the smooth maximum of two times.
    #[inline]
    pub(crate) fn prefill_attention_bent(
        &self,
        new: u32,
        cached: u32,
        mut bend: impl FnMut(f64, f64) -> f64,
    ) -> PrefillCost {
        if new == 0 {
            return PrefillCost::default();
        }
        let (n, q) = (f64::from(new), f64::from(cached));
        let mut seconds = self.state.chunk_s + n * self.state.token_s;
        let mut flops = n * self.state.token_flops;
        for stream in &self.prompt {
            let pairs = pairs(n, q, f64::from(stream.limit));
            let compute = (pairs + n * stream.padding) * stream.pair_s;
            seconds += bend(compute, (q + n) * stream.read_s);
            flops += pairs * stream.pair_flops;
        }
        if let Some(pipeline) = &self.pipeline {
            flops /= f64::from(pipeline.stages);
        }
        PrefillCost { ps: ps(seconds), flops: flops as u64 }
    }

    /// FLOP of a token that is sampled from, attention aside, on each GPU.
    #[must_use]
    pub fn token_flops(&self) -> u64 {
        self.layer_flops + self.head_flops
    }

    /// FLOP of a prompt token, attention aside, on each GPU.
    #[must_use]
    pub fn prompt_token_flops(&self) -> u64 {
        self.layer_flops
    }

    /// FLOP per second that one GPU would reach were all its units at the datasheet's peak while a
    /// token uses them: the harmonic mean of the peaks of the formats in use.
    #[must_use]
    pub fn peak_flops(&self) -> f64 {
        self.peak_flops
    }

    /// Peak bytes per second of one GPU's memory.
    #[must_use]
    pub fn bandwidth(&self) -> f64 {
        self.bandwidth
    }
}

fn all_reduce(
    deployment: &Deployment<'_>,
    c: &StepCoefficients,
) -> Result<AllReduce, PerformanceError> {
    let ranks = deployment.tensor_parallel;
    if ranks <= 1 {
        return Ok(AllReduce::default());
    }
    let link =
        deployment.accelerator.value(deployment.link_field())?.min(c.all_reduce_link_ceiling);
    Ok(AllReduce::new(ranks, link, c.all_reduce_latency_s, c.all_reduce_slowdown))
}

/// The all-to-all around each mixture; nothing where experts lie where attention does.
fn exchange(deployment: &Deployment<'_>) -> Result<AllToAll, PerformanceError> {
    let gpus = deployment.gpus();
    if deployment.wide.data_parallel <= 1 {
        return Ok(AllToAll::default());
    }
    let accelerator = deployment.accelerator;
    let domain = accelerator.link_domain();
    let link = accelerator.value(Field::LinkBandwidth)?;
    let beyond = gpus > domain;
    let network = if beyond { accelerator.value(Field::ScaleOutBandwidth)? } else { 0.0 };
    Ok(AllToAll::new(gpus, domain, link, network))
}

/// Routed experts of each shape.
fn experts(deployment: &Deployment<'_>, rates: &Rates, c: &StepCoefficients) -> Vec<ExpertGroup> {
    let ranks = f64::from(deployment.tensor_parallel);
    let wide = deployment.wide;
    // The busiest rank decides where experts are dealt out whole.
    let busiest = |experts: u64| match (deployment.expert_parallel, wide.expert_skew) {
        (1, _) => 1.0,
        (_, None) => 1.0 + c.expert_parallel_imbalance,
        (groups, Some(skew)) => busiest(experts as u32, groups, skew, wide.redundant_experts),
    };
    let mut groups: Vec<ExpertGroup> = Vec::new();
    for (layers, moe) in mixtures(deployment.model) {
        let parameters = layers as f64 * moe.expert_weights(deployment.model.hidden) as f64 / ranks;
        let bytes = parameters * deployment.precision.experts.bytes_per_element();
        let next = ExpertGroup {
            experts: moe.experts as f64,
            active: moe.active as f64,
            spread: c.moe_routing_spread,
            compute_s: busiest(moe.experts) * 2.0 * parameters / rates.experts,
            padding: c.moe_padding_rows,
            memory_s: busiest(moe.experts) * bytes / rates.expert_weights,
            bytes,
            sharing: f64::from(wide.data_parallel),
        };
        let alike =
            |held: &&mut ExpertGroup| held.experts == next.experts && held.active == next.active;
        match groups.iter_mut().find(alike) {
            Some(held) => {
                held.compute_s += next.compute_s;
                held.memory_s += next.memory_s;
                held.bytes += next.bytes;
            }
            None => groups.push(next),
        }
    }
    groups
}

/// Whole picoseconds, at most a fortnight so that parts of a step can be added.
pub(super) fn ps(seconds: f64) -> u64 {
    const LONGEST_S: f64 = 1.2e6;
    whole(seconds.min(LONGEST_S) * 1e12)
}
