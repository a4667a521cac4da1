//! What surrounds the steps: the front end of an engine and the habits of its scheduler.

use crate::catalog::{Accelerator, Engine};
use crate::foundations::whole;

/// Delays and habits of an engine that show in time to first token, as plain figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostProfile {
    /// Delay between a client's request and its arrival at the scheduler that does not depend on
    /// load, and on the way back: parsing, queues between processes, ps.
    pub request_delay_ps: u64,
    /// Time that one request occupies the front end, which serves one at a time, ps.
    pub request_serial_ps: u64,
    /// The same for each prompt token: tokenising, ps.
    pub prompt_token_ps: u64,
    /// Steps by which the scheduler composes ahead of the one that runs.
    pub lookahead_steps: u32,
    /// Decode steps between two looks at the queue of new requests.
    pub poll_steps: u32,
    /// Decode steps for which new prompts are held back.
    pub batch_wait_steps: u32,
    /// True where prompts are computed in steps of their own, before any decode.
    pub prefill_alone: bool,
    /// True where a prompt is never cut into chunks.
    pub whole_prompts: bool,
}

impl HostProfile {
    /// The profile of `engine` on `accelerator`.
    #[must_use]
    pub fn of(engine: &Engine, accelerator: &Accelerator) -> Self {
        let step = engine.step_on(accelerator);
        let scheduler = &engine.scheduler;
        let ps = |seconds: f64| whole(seconds * 1e12);
        let steps = |steps: u64| u32::try_from(steps).unwrap_or(u32::MAX);
        Self {
            request_delay_ps: ps(step.request_s),
            request_serial_ps: ps(step.request_serial_s),
            prompt_token_ps: ps(step.prompt_token_s),
            lookahead_steps: steps(scheduler.lookahead_steps),
            poll_steps: steps(scheduler.poll_steps).max(1),
            batch_wait_steps: steps(scheduler.batch_wait_steps),
            prefill_alone: !scheduler.mixed_steps,
            whole_prompts: !scheduler.chunked_prefill,
        }
    }

    /// Time that a request with so many prompt tokens occupies the front end, ps.
    #[must_use]
    pub fn serial_ps(&self, prompt_tokens: u32) -> u64 {
        self.request_serial_ps + self.prompt_token_ps * u64::from(prompt_tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[test]
    fn each_engine_has_its_habits() {
        let catalog = Catalog::embedded();
        let h100 = catalog.accelerator("h100").unwrap();
        let [vllm, sglang, trt] = ["vllm", "sglang", "tensorrt-llm"]
            .map(|engine| HostProfile::of(catalog.engine(engine).unwrap(), h100));
        // vLLM mixes chunks of prompts with decodes, SGLang computes prompts first and apart,
        // TensorRT-LLM takes prompts whole; all compose one step ahead.
        let habits = |host: HostProfile| (host.prefill_alone, host.whole_prompts);
        assert_eq!([vllm, sglang, trt].map(habits), [(false, false), (true, false), (false, true)]);
        assert_eq!([vllm, sglang, trt].map(|host| host.lookahead_steps), [1; 3]);
        // Half a millisecond and 3.5 us per token: 20,000 tokens keep vLLM's front end for 70.5 ms.
        assert_eq!(vllm.serial_ps(20_000), 70_500_000_000);
    }
}
