//! Attention: what a context costs while decoding and while a prompt is computed.
//!
//! A decode step reads the keys and values of every context and multiplies with each. Both grow
//! with the context, so the smooth maximum of their times does too: so much for each token read.
//! A prompt of `n` tokens behind `q` cached ones forms `n (q + n/2)` pairs of tokens, fewer where a
//! window or a selection limits them, and reads `q + n` tokens once. Latent attention works on the
//! latent itself while decoding and unpacks keys and values for a prompt. A recurrence reads and
//! writes its state once per sequence and step, whatever the context: a window of one token.

use super::deployment::Deployment;
use super::layout::head_share;
use super::rates::Rates;
use super::smooth_max::SmoothMax;
use crate::catalog::{Attention, ContextStream, NumberFormat, StepCoefficients, StreamRole};
use crate::foundations::whole;

/// What one decoding request pays in a step for each token of its context, on each GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContextCost {
    /// Time, ps.
    pub ps: u64,
    /// Bytes of keys and values read.
    pub bytes: u64,
    /// Arithmetic, FLOP.
    pub flops: u64,
}

impl ContextCost {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            ps: self.ps + other.ps,
            bytes: self.bytes + other.bytes,
            flops: self.flops + other.flops,
        }
    }

    /// A part of it, of so many that are alike.
    #[must_use]
    pub fn shared_by(self, n: u64) -> Self {
        let part = |whole: u64| (whole + n / 2) / n.max(1);
        Self { ps: part(self.ps), bytes: part(self.bytes), flops: part(self.flops) }
    }

    /// So many times as much.
    #[must_use]
    pub fn times(self, n: u64) -> Self {
        Self { ps: self.ps * n, bytes: self.bytes * n, flops: self.flops * n }
    }
}

/// Attention that reads at most the last `window` tokens of a context, or as many selected ones.
/// What a sequence pays however short it is has a window of one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowCost {
    /// Tokens after which a context stops adding to the step.
    pub window: u32,
    /// For each context token inside the window.
    pub cost: ContextCost,
}

/// Attention of one prompt chunk, on each GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrefillCost {
    /// Time, ps.
    pub ps: u64,
    /// Arithmetic, FLOP.
    pub flops: u64,
}

/// One stream of a context as a prompt sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PromptStream {
    /// Tokens that each token attends to at most; `u32::MAX` for all.
    pub limit: u32,
    /// Seconds for each pair of a new and an attended token.
    pub pair_s: f64,
    /// FLOP for each such pair.
    pub pair_flops: f64,
    /// Pairs of padding for each new token.
    pub padding: f64,
    /// Seconds to read one token's keys and values.
    pub read_s: f64,
}

/// Recurrences as a prompt sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PromptState {
    /// Seconds for each new token.
    pub token_s: f64,
    /// FLOP for each new token.
    pub token_flops: f64,
    /// Seconds for each chunk: reading and writing the states.
    pub chunk_s: f64,
}

/// Pairs that `new` tokens behind `cached` ones form when each attends to at most `limit`.
#[must_use]
pub(super) fn pairs(new: f64, cached: f64, limit: f64) -> f64 {
    let growing = (limit - cached).clamp(0.0, new);
    growing * (cached + growing / 2.0) + (new - growing) * limit
}

/// Attention of a deployment, compiled.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct AttentionCost {
    pub(super) context: ContextCost,
    pub(super) windows: Vec<WindowCost>,
    pub(super) prompt: Vec<PromptStream>,
    pub(super) state: PromptState,
}

/// Unrounded [`ContextCost`].
#[derive(Clone, Copy, Default)]
struct Slope {
    seconds: f64,
    bytes: f64,
    flops: f64,
}

impl Slope {
    fn add(&mut self, other: Self) {
        self.seconds += other.seconds;
        self.bytes += other.bytes;
        self.flops += other.flops;
    }

    /// To whole picoseconds: half of one is lost at most per token, 0.2 % of a slope of 250 ps.
    fn round(self) -> ContextCost {
        ContextCost {
            ps: whole(self.seconds * 1e12),
            bytes: whole(self.bytes),
            flops: whole(self.flops),
        }
    }
}

impl AttentionCost {
    /// A decode step computes `width` tokens for each request and reads its context once for all.
    pub(super) fn of(
        deployment: &Deployment<'_>,
        rates: &Rates,
        c: &StepCoefficients,
        width: u32,
    ) -> Self {
        let model = deployment.model;
        let ranks = f64::from(deployment.tensor_parallel);
        let bend = SmoothMax::new(c.overlap_sharpness);
        let mut unbounded = Slope::default();
        let mut windows: Vec<(u32, Slope)> = Vec::new();
        let mut prompt: Vec<PromptStream> = Vec::new();
        for stream in model.context_streams() {
            let limit = limit(&stream, model.max_context);
            let decode = decode(&stream, deployment, rates, bend, width);
            match windows.iter_mut().find(|(window, _)| *window == limit) {
                _ if limit == u32::MAX => unbounded.add(decode),
                Some((_, slope)) => slope.add(decode),
                None => windows.push((limit, decode)),
            }
            merge(&mut prompt, self::prompt(&stream, deployment, rates, c, limit));
        }
        let (state, per_sequence) = states(deployment, rates, ranks);
        if per_sequence.bytes > 0.0 {
            windows.push((1, per_sequence));
        }
        windows.sort_unstable_by_key(|&(window, _)| window);
        let windows =
            windows.into_iter().map(|(window, slope)| WindowCost { window, cost: slope.round() });
        Self { context: unbounded.round(), windows: windows.collect(), prompt, state }
    }
}

/// Tokens that a stream reads at most; all where that is the longest context anyway.
fn limit(stream: &ContextStream, max_context: u64) -> u32 {
    let limit = stream.read_limit.filter(|&limit| limit < max_context);
    limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(u32::MAX)
}

/// Bytes per token of context that one GPU keeps of a stream, in all its layers.
pub(super) fn bytes_per_token(stream: &ContextStream, kv: NumberFormat, ranks: f64) -> f64 {
    stream.bytes_per_token(kv) * head_share(stream.kv_heads, ranks)
}

/// One decode step, for each token of context.
fn decode(
    stream: &ContextStream,
    deployment: &Deployment<'_>,
    rates: &Rates,
    bend: SmoothMax,
    width: u32,
) -> Slope {
    let ranks = f64::from(deployment.tensor_parallel);
    let layers = stream.layers as f64;
    let bytes = bytes_per_token(stream, deployment.precision.kv, ranks);
    let (flops, rate) = match stream.role {
        StreamRole::KeyValue => (layers * stream.decode_flops / ranks, rates.attention),
        StreamRole::Index => (layers * stream.decode_flops, rates.index),
    };
    let flops = f64::from(width) * flops;
    Slope { seconds: bend.of(bytes / rates.cache, flops / rate), bytes, flops }
}

fn prompt(
    stream: &ContextStream,
    deployment: &Deployment<'_>,
    rates: &Rates,
    c: &StepCoefficients,
    limit: u32,
) -> PromptStream {
    let ranks = f64::from(deployment.tensor_parallel);
    let layers = stream.layers as f64;
    let (flops, rate) = match stream.role {
        StreamRole::KeyValue => (layers * stream.prefill_flops / ranks, rates.attention),
        StreamRole::Index => (layers * stream.prefill_flops, rates.index),
    };
    // Windows and indices are read along with the pairs.
    let long = stream.role == StreamRole::KeyValue && stream.stored_limit.is_none();
    let bytes = bytes_per_token(stream, deployment.precision.kv, ranks);
    PromptStream {
        limit,
        pair_s: flops / rate,
        pair_flops: flops,
        padding: if long { c.attention_padding_tokens / 2.0 } else { 0.0 },
        read_s: if long { bytes / rates.cache } else { 0.0 },
    }
}

/// Streams with the same limit and padding are one.
fn merge(prompt: &mut Vec<PromptStream>, next: PromptStream) {
    let alike = |held: &&mut PromptStream| {
        held.limit == next.limit
            && held.padding == next.padding
            && (held.read_s > 0.0) == (next.read_s > 0.0)
    };
    match prompt.iter_mut().find(alike) {
        Some(held) => {
            held.pair_s += next.pair_s;
            held.pair_flops += next.pair_flops;
            held.read_s += next.read_s;
        }
        None => prompt.push(next),
    }
}

/// States of recurrences: for prompts, and for each sequence of a decode step.
fn states(deployment: &Deployment<'_>, rates: &Rates, ranks: f64) -> (PromptState, Slope) {
    /// Operations for each element of a state and new token: decay, update, read-out.
    const FLOPS: f64 = 6.0;
    /// Chunked recurrences do about this much more than the recurrence itself.
    const CHUNKED: f64 = 4.0;
    let elements: f64 = deployment
        .model
        .layers
        .iter()
        .map(|group| match &group.attention {
            Attention::Linear(linear) => (group.count * linear.state_elements()) as f64 / ranks,
            _ => 0.0,
        })
        .sum();
    // Read and written, in single precision.
    let bytes = 2.0 * NumberFormat::Fp32.bytes_per_element() * elements;
    let seconds = bytes / rates.cache;
    let flops = FLOPS * elements;
    let prompt = PromptState {
        token_s: CHUNKED * flops / rates.attention,
        token_flops: flops,
        chunk_s: seconds,
    };
    (prompt, Slope { seconds, bytes, flops })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pairs_are_a_triangle_behind_a_rectangle_under_a_ceiling() {
        let all = f64::from(u32::MAX);
        assert_eq!(pairs(10.0, 0.0, all), 50.0);
        assert_eq!(pairs(10.0, 100.0, all), 1050.0);
        // The first 4 tokens see 0 to 4, the other 6 see 4 each.
        assert_eq!(pairs(10.0, 0.0, 4.0), 8.0 + 24.0);
        assert_eq!(pairs(10.0, 100.0, 4.0), 40.0);
    }

    /// Token by token: token `i` of a chunk sees the cached ones, those before it and half of
    /// itself, or the window.
    #[test]
    fn pairs_agree_with_adding_tokens() {
        for (new, cached, limit) in [(50, 0, 20), (50, 10, 20), (50, 30, 20), (7, 3, 1000)] {
            let seen = |i: i32| (f64::from(cached + i) + 0.5).min(f64::from(limit));
            let sum: f64 = (0..new).map(seen).sum();
            let [new, cached, limit] = [new, cached, limit].map(f64::from);
            assert!((pairs(new, cached, limit) - sum).abs() < 1e-9);
        }
    }

    proptest! {
        #[test]
        fn chunks_add_up(a in 1u32..9000, b in 1u32..9000, q in 0u32..200_000, w in 1u32..9000) {
            let [a, b, q, w] = [a, b, q, w].map(f64::from);
            let chunks = pairs(a, q, w) + pairs(b, q + a, w);
            let whole = pairs(a + b, q, w);
            prop_assert!((chunks - whole).abs() <= 1e-9 * whole);
        }
    }
}
