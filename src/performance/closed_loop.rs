//! Clients in closed loop, in closed form.
//!
//! `c` clients each send their next request as soon as the last is answered: the load of a
//! benchmark at stated concurrency. In its steady state every client decodes but those whose prompt
//! is computed, half of every answer is behind on average, and in the time of one answer of `O`
//! tokens all other clients' prompts of `I` tokens are computed once, in `m` steps of `n` tokens:
//!
//! ```text
//! n    = min( max(min(I, budget), c I / O), budget )         m = c I / n, at most O
//! TPOT = ( (O - m) decode + m mixed(n) ) / O                 prompts beside decodes
//! TPOT = decode + m prefill(n) / O                           prompts in steps of their own
//! ```
//!
//! with the steps of a [`StepModel`], the very ones that a simulated replica does. The first token
//! waits for the front end, for the steps under way, for prompts before its own (a queue with one
//! server, M/D/1) and for its own prompt. Simulating the clients is exact and much dearer; the closed
//! form is what a fit evaluates thousands of times, and its derivatives are what it needs it for.

use super::host::HostProfile;
use super::step_time::StepModel;

/// A closed loop in its steady state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClosedLoop {
    /// Requests under way.
    pub clients: f64,
    /// Tokens of a prompt, without those found in a prefix cache.
    pub prompt: f64,
    /// Tokens of an answer.
    pub answer: f64,
    /// Most new tokens in a step.
    pub token_budget: u32,
}

/// Mean latencies of a closed loop, seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latencies {
    /// From a request to its first token.
    pub ttft_s: f64,
    /// From each token to the next.
    pub tpot_s: f64,
}

impl ClosedLoop {
    /// Mean latencies on a replica that steps like `model` behind a front end like `host`.
    #[must_use]
    pub fn latencies(&self, model: &StepModel, host: &HostProfile) -> Latencies {
        let Self { clients, prompt, answer, .. } = *self;
        let budget = f64::from(self.token_budget).max(1.0);
        let whole = if host.whole_prompts { prompt } else { prompt.min(budget) };
        // New tokens of a step with prompt tokens: one prompt's, or more where they come as fast.
        let tokens = f64::max(whole, (clients * prompt / answer).min(budget)).max(1.0);
        let steps = clients * prompt / tokens;

        let decode = decode_s(model, clients, prompt, answer);
        let (tpot_s, prefill) = if host.prefill_alone {
            let prefill = prefill_s(model, 0.0, tokens, prompt, answer);
            (decode + steps * prefill / answer, prefill)
        } else {
            let mixed = prefill_s(model, (clients - 1.0).max(0.0), tokens, prompt, answer);
            let steps = steps.min(answer);
            (((answer - steps) * decode + steps * mixed) / answer, mixed)
        };
        // A prompt takes so many steps; the queue of prompts is busy for that part of the time.
        let own = (prompt / tokens).max(1.0) * prefill;
        let busy = (clients * own / (answer * tpot_s + own)).min(0.9);
        let queue = 0.5 * own * busy / (1.0 - busy);
        let under_way = if clients > 1.0 { 0.5 + f64::from(host.lookahead_steps) } else { 0.0 };
        let front = host.request_delay_ps as f64 + host.request_serial_ps as f64;
        let front_s = (front + host.prompt_token_ps as f64 * prompt) * 1e-12;
        Latencies { ttft_s: front_s + under_way * tpot_s + queue + own, tpot_s }
    }
}

/// A decode step of so many requests with half of their answers behind them, seconds.
fn decode_s(model: &StepModel, requests: f64, prompt: f64, answer: f64) -> f64 {
    let gpu_s = between(requests, |n| model.tokens(n).ps + model.head(n).ps + model.host_ps(n));
    gpu_s + requests * context_s(model, prompt, answer)
}

/// A step with so many prompt tokens beside so many decoding requests, seconds.
fn prefill_s(model: &StepModel, decoding: f64, tokens: f64, prompt: f64, answer: f64) -> f64 {
    // Prompts in it: whole ones, or a chunk from the middle of a long one.
    let prompts = (tokens / prompt.max(1.0)).max(1.0);
    let chunk = libm::round(tokens / prompts) as u32;
    let cached = libm::round((prompt - f64::from(chunk)).max(0.0) / 2.0) as u32;
    let attention = prompts * model.prefill_attention(chunk, cached).ps as f64 * 1e-12;
    let new = decoding + tokens;
    let body = between(new, |n| model.tokens(n).ps);
    let head = between(decoding + (tokens / prompt.max(1.0)).min(prompts), |n| model.head(n).ps);
    let gpu = body + head + attention + decoding * context_s(model, prompt, answer);
    let launching = between(new, |n| model.prefill_host_ps(n));
    gpu.max(launching) + between(decoding, |n| model.host_ps(n))
}

/// Attention of one request in a decode step, the mean over its answer, seconds.
fn context_s(model: &StepModel, prompt: f64, answer: f64) -> f64 {
    let windows = model.windows.iter().map(|window| {
        window.cost.ps as f64 * mean_within(f64::from(window.window), prompt, answer)
    });
    let all = model.context.ps as f64 * (prompt + answer / 2.0);
    (all + windows.sum::<f64>()) * 1e-12
}

/// Mean of `min(window, context)` while a context grows from `prompt` by `answer`.
fn mean_within(window: f64, prompt: f64, answer: f64) -> f64 {
    let growing = (window - prompt).clamp(0.0, answer);
    (growing * (prompt + growing / 2.0) + (answer - growing) * window) / answer.max(1.0)
}

/// Picoseconds of whole numbers of tokens, in between and in seconds: a fit must not see stairs.
fn between(tokens: f64, ps: impl Fn(u32) -> u64) -> f64 {
    let below = libm::floor(tokens);
    let share = tokens - below;
    let low = ps(below as u32) as f64;
    let high = if share > 0.0 { ps(below as u32 + 1) as f64 } else { low };
    (low + share * (high - low)) * 1e-12
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::performance::{ContextCost, KernelGroup, WindowCost};

    /// Steps of 1 ms and 1 us for each new token, 10 ns for each token of context.
    fn plain() -> StepModel {
        StepModel {
            linear: KernelGroup { compute_s: 1e-6, ..KernelGroup::default() },
            step_s: 1e-3,
            context: ContextCost { ps: 10_000, ..ContextCost::default() },
            ..StepModel::default()
        }
    }

    fn load(clients: f64, prompt: f64, answer: f64) -> ClosedLoop {
        ClosedLoop { clients, prompt, answer, token_budget: 8192 }
    }

    #[test]
    fn one_client_decodes_alone() {
        let found = load(1.0, 1000.0, 100.0).latencies(&plain(), &HostProfile::default());
        // A decode step at a context of 1,050; one of a hundred tokens waits for no prompt but its
        // own, which the closed form books as shared.
        let decode = 1e-3 + 1e-6 + 1050.0 * 1e-8;
        let prefill = 1e-3 + 1000.0 * 1e-6;
        let expected = decode + (prefill - decode) / 100.0;
        assert!((found.tpot_s / expected - 1.0).abs() < 1e-9, "{found:?} {expected}");
        assert!((found.ttft_s / prefill - 1.0).abs() < 0.02);
    }

    #[test]
    fn prompts_beside_decodes_and_apart_cost_the_same_tokens() {
        let (model, load) = (plain(), load(10.0, 500.0, 1000.0));
        let beside = load.latencies(&model, &HostProfile::default());
        let apart =
            load.latencies(&model, &HostProfile { prefill_alone: true, ..HostProfile::default() });
        // Apart, ten prompts take a step of 1.5 ms each in a thousand tokens, on top of decodes.
        let decode = 1e-3 + 10.0 * (1e-6 + 1000.0 * 1e-8);
        assert!((apart.tpot_s / (decode + 10.0 * 1.5e-3 / 1000.0) - 1.0).abs() < 1e-9);
        assert!(beside.tpot_s < apart.tpot_s);
    }

    #[test]
    fn many_prompts_share_a_step_up_to_the_budget() {
        let model = plain();
        // 400 clients with 1,000 tokens in and out: 400 new prompt tokens for every step.
        let found = load(400.0, 1000.0, 1000.0).latencies(&model, &HostProfile::default());
        let decode = 1e-3 + 400.0 * (1e-6 + 1500.0 * 1e-8);
        let mixed = 1e-3 + 1399.0 * 1e-6 + 399.0 * 1500.0 * 1e-8;
        let expected = 0.6 * decode + 0.4 * mixed;
        assert!((found.tpot_s / expected - 1.0).abs() < 1e-9, "{found:?} {expected}");
    }

    #[test]
    fn a_window_stops_growing() {
        assert_eq!(mean_within(1e9, 100.0, 50.0), 125.0);
        assert_eq!(mean_within(80.0, 100.0, 50.0), 80.0);
        assert_eq!(mean_within(125.0, 100.0, 50.0), (25.0 * 112.5 + 25.0 * 125.0) / 50.0);
        let cost = ContextCost { ps: 10_000, ..ContextCost::default() };
        let windows = vec![WindowCost { window: 128, cost }];
        let model = StepModel { windows, context: ContextCost::default(), ..plain() };
        assert!((context_s(&model, 1000.0, 100.0) - 128.0 * 1e-8).abs() < 1e-15);
    }
}
