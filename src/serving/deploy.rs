//! From a deployment and its scheduler's settings to a replica that can serve.

use super::replica::ReplicaSpec;
use super::scheduling::Scheduling;
use crate::catalog::SchedulerDefaults;
use crate::performance::{
    Deployment, HostProfile, MemoryPlan, PerformanceError, Shape, StepModel, usual_reserve,
};

impl ReplicaSpec {
    /// The replica of `deployment` under these settings, able to hold a context of `max_context`
    /// tokens.
    ///
    /// # Errors
    /// [`PerformanceError`] for a deployment that cannot be or does not fit.
    pub fn deploy(
        deployment: &Deployment<'_>,
        scheduler: &SchedulerDefaults,
        max_context: u64,
    ) -> Result<Self, PerformanceError> {
        let narrow = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let block = narrow(scheduler.block_size).max(1);
        let reserve =
            usual_reserve(deployment, scheduler.max_batched_tokens, scheduler.max_running);
        let memory =
            MemoryPlan::fit(deployment, max_context, scheduler.memory_utilization, reserve, block)?;
        let host = HostProfile::of(deployment.engine, deployment.accelerator);
        let budget = narrow(scheduler.max_batched_tokens);
        let shape = Shape { micro_batches: deployment.pipeline_parallel, budget };
        Ok(Self {
            model: StepModel::compile(deployment)?.in_stages(deployment, shape)?,
            token_budget: budget.saturating_mul(deployment.pipeline_parallel.max(1)),
            batch_limit: narrow(scheduler.max_running),
            chunked_prefill: scheduler.chunked_prefill,
            block,
            kv_blocks: memory.blocks,
            sequence_blocks: memory.sequence_blocks,
            prefix_cache: scheduler.prefix_cache,
            retention: None,
            host: HostProfile {
                poll_steps: narrow(scheduler.poll_steps).max(1),
                batch_wait_steps: narrow(scheduler.batch_wait_steps),
                lookahead_steps: narrow(scheduler.lookahead_steps),
                prefill_alone: !scheduler.mixed_steps,
                whole_prompts: !scheduler.chunked_prefill,
                ..host
            },
            speculation: None,
            scheduling: Scheduling::Fcfs,
            longest_leap: u64::MAX,
        })
    }
}
