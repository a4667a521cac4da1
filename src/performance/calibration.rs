//! A deployment's own factors on what the model says of it.
//!
//! Few measured points cannot tell thirty constants apart, but they can tell whether this machine's
//! kernels and this machine's host are slower or faster than those that the constants were fitted
//! to. So there is one factor on the time in kernels, one on what surrounds them (launches, work
//! for each request, the step's own overhead) and one on the front end before the scheduler.

use super::host::HostProfile;
use super::step_time::{KernelGroup, StepModel};
use crate::foundations::whole;

/// Factors on the times of a deployment; 1 leaves them as they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factors {
    /// On the time that kernels compute, read and communicate.
    pub gpu_time: f64,
    /// On the time to launch kernels and the host's work for a step.
    pub host_time: f64,
    /// On the delays before the scheduler.
    pub front_end: f64,
}

impl Default for Factors {
    fn default() -> Self {
        Self { gpu_time: 1.0, host_time: 1.0, front_end: 1.0 }
    }
}

impl StepModel {
    /// The same deployment with these factors on its times.
    #[must_use]
    pub fn calibrated(&self, factors: &Factors) -> Self {
        let Factors { gpu_time: gpu, host_time: host, .. } = *factors;
        let group = |group: KernelGroup| KernelGroup {
            compute_s: group.compute_s * gpu,
            memory_s: group.memory_s * gpu,
            ..group
        };
        let mut model = self.clone();
        model.linear = group(self.linear);
        model.head = group(self.head);
        for experts in &mut model.experts {
            experts.compute_s *= gpu;
            experts.memory_s *= gpu;
        }
        model.communication_s *= gpu;
        model.communication_token_s *= gpu;
        model.activation_token_s *= gpu;
        model.context.ps = scaled(self.context.ps, gpu);
        for window in &mut model.windows {
            window.cost.ps = scaled(window.cost.ps, gpu);
        }
        for stream in &mut model.prompt {
            stream.pair_s *= gpu;
            stream.read_s *= gpu;
        }
        model.state.token_s *= gpu;
        model.state.chunk_s *= gpu;
        model.launch_s *= host;
        model.prefill_host_s *= host;
        model.captured_host_s *= host;
        model.sequence_s *= host;
        model.step_s *= host;
        model
    }
}

impl HostProfile {
    /// The same with these factors on its delays.
    #[must_use]
    pub fn calibrated(self, factors: &Factors) -> Self {
        let by = |ps| scaled(ps, factors.front_end);
        Self {
            request_delay_ps: by(self.request_delay_ps),
            request_serial_ps: by(self.request_serial_ps),
            prompt_token_ps: by(self.prompt_token_ps),
            ..self
        }
    }
}

fn scaled(ps: u64, factor: f64) -> u64 {
    whole(ps as f64 * factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Catalog, NumberFormat, Precision};
    use crate::performance::{Deployment, Wide};

    fn qwen() -> StepModel {
        let catalog = Catalog::embedded();
        let deployment = Deployment {
            model: catalog.model("qwen3-30b-a3b").unwrap(),
            accelerator: catalog.accelerator("h100-sxm").unwrap(),
            engine: catalog.engine("vllm").unwrap(),
            precision: Precision::of(NumberFormat::Bf16),
            tensor_parallel: 2,
            expert_parallel: 1,
            pipeline_parallel: 1,
            wide: Wide::default(),
        };
        StepModel::compile(&deployment).unwrap()
    }

    /// Twice the time in kernels and twice the rest is twice the step, to the picosecond.
    #[test]
    fn a_step_scales_with_both_factors_together() {
        let (model, twice) = (qwen(), Factors { gpu_time: 2.0, host_time: 2.0, front_end: 1.0 });
        let slow = model.calibrated(&twice);
        for tokens in [1, 37, 4096] {
            for (slow, fast) in [
                (slow.tokens(tokens).ps, model.tokens(tokens).ps),
                (slow.head(tokens).ps, model.head(tokens).ps),
                (slow.host_ps(tokens), model.host_ps(tokens)),
                (slow.prefill_host_ps(tokens), model.prefill_host_ps(tokens)),
                (slow.prefill_attention(tokens, 500).ps, model.prefill_attention(tokens, 500).ps),
                (slow.context.ps, model.context.ps),
            ] {
                assert!(slow.abs_diff(2 * fast) <= 2, "{slow} is not twice {fast}");
            }
        }
        assert_eq!(slow.tokens(8).bytes, model.tokens(8).bytes);
        assert_eq!(model.calibrated(&Factors::default()), model);
    }

    #[test]
    fn launches_are_the_hosts_and_reading_is_the_gpus() {
        let model = qwen();
        let host = model.calibrated(&Factors { host_time: 3.0, ..Factors::default() });
        let gained = host.tokens(1).ps - model.tokens(1).ps;
        assert!(gained.abs_diff((model.launch_s * 2e12) as u64) <= 2);
        let gpu = model.calibrated(&Factors { gpu_time: 3.0, ..Factors::default() });
        assert_eq!(gpu.host_ps(16), model.host_ps(16));
    }
}
