//! A model's step times where its layers are dealt to stages.

use super::collectives::AllToAll;
use super::deployment::Deployment;
use super::error::PerformanceError;
use super::pipeline::{Pipeline, Shape};
use super::step_time::StepModel;

impl StepModel {
    /// The step times of a deployment whose layers are dealt to stages, from those of all layers one
    /// after the other; the same where there is one stage.
    ///
    /// # Errors
    /// [`PerformanceError::Missing`] where nobody says how fast the link between stages is.
    pub fn in_stages(
        self,
        deployment: &Deployment<'_>,
        shape: Shape,
    ) -> Result<Self, PerformanceError> {
        let Some(link) = deployment.stage_link() else { return Ok(self) };
        let stages = deployment.pipeline_parallel;
        let bytes_per_s = deployment.accelerator.value(link)?;
        let inside = deployment.replica_gpus() <= deployment.accelerator.link_domain();
        // Each GPU of a stage sends its part of the activations in 16 bits.
        let bytes = 2.0 * deployment.model.hidden as f64 / f64::from(deployment.tensor_parallel);
        let n = u64::from(stages);
        // A micro-batch of a stage is prepared when the last one is done.
        let host_s = deployment.engine.step_on(deployment.accelerator).stage_s;
        let mut model = self;
        for window in &mut model.windows {
            window.cost = window.cost.shared_by(n);
        }
        Ok(Self {
            context: model.context.shared_by(n),
            layer_flops: model.layer_flops / n,
            head_flops: model.head_flops / n,
            pipeline: Some(Pipeline {
                stages,
                shape,
                send_s: AllToAll::latency_s(inside) + host_s,
                send_token_s: bytes / (AllToAll::EFFICIENCY * bytes_per_s),
            }),
            ..model
        })
    }
}
