//! Floor 2: how long a step takes and what fits in memory.
//!
//! A [`Deployment`] names catalog entries: model, accelerator, engine, precision, parallelism. It
//! is compiled to a [`StepModel`], plain numbers that the serving floor evaluates millions of
//! times, and to a [`MemoryPlan`], the exact budget of KV blocks. Per GPU after tensor parallelism,
//! with `P(x, y) = (x^p + y^p)^(1/p)` and the datasheet's dense peaks and bandwidths, a step with
//! `T` new tokens, `D` decoding requests and `S` sampled tokens takes
//!
//! ```text
//! linear    = P( 2 N T / (e_c peak), bytes / (e_m bandwidth) ) + e_l T activations / bandwidth
//! experts   = P( 2 n (T k + pad V) / (e_cm peak), V bytes / (e_mm bandwidth) )   V = E (1 - (1 - k/E)^T)
//! head      = P( 2 h V S / (e_c peak16), bytes / (e_m bandwidth) )
//! attention = P( cache bytes / (e_a bandwidth), operations / (e_f peak16) )
//! reduce    = 2 L ( alpha + beta T h 2 B 2 (n-1)/n / (2 link) )
//! launches  = tau K                    K kernels, counted by kind of layer
//! decode    = the sum + s D + o
//! prefill   = max(the sum, tau_h K + o_h L_moe) + s D + o
//! ```
//!
//! The constants are the engine's ([`StepCoefficients`](crate::catalog::StepCoefficients)), fitted
//! to published measurements; the engine's [`Fit`](crate::catalog::Fit) says how far off they are.
//!
//! ```
//! use tokenfleet::catalog::{Catalog, NumberFormat, Precision};
//! use tokenfleet::performance::{Deployment, MemoryPlan, StepModel};
//!
//! let catalog = Catalog::embedded();
//! let deployment = Deployment {
//!     model: catalog.model("llama-3.3-70b")?,
//!     accelerator: catalog.accelerator("h100-sxm")?,
//!     engine: catalog.engine("vllm")?,
//!     precision: Precision::of(NumberFormat::Fp8),
//!     tensor_parallel: 4,
//!     expert_parallel: 1,
//!     pipeline_parallel: 1,
//!     wide: Default::default(),
//! };
//! let step = StepModel::compile(&deployment)?;
//! // One request alone: no faster than reading 71 GB of weights over four GPUs.
//! let alone = step.tokens(1).ps + step.head(1).ps + step.host_ps(1);
//! assert!(alone as f64 * 1e-12 > 71e9 / 4.0 / 3.35e12);
//!
//! let memory = MemoryPlan::fit(&deployment, 131_072, 0.9, 3_000_000_000, 16)?;
//! assert!(memory.tokens() > 131_072);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attention;
mod calibration;
mod chip;
mod closed_loop;
mod collectives;
mod deployment;
mod does_not_fit;
mod error;
mod host;
mod kernels;
mod layout;
mod measured_steps;
mod memory;
mod mixture_of_experts;
mod pipeline;
mod power;
mod rates;
mod smooth_max;
mod speculation;
mod stages;
mod step_cost;
mod step_time;
#[cfg(test)]
mod tests;

pub use attention::{ContextCost, PrefillCost, PromptState, PromptStream, WindowCost};
pub use calibration::Factors;
pub use closed_loop::{ClosedLoop, Latencies};
pub use collectives::{AllReduce, AllToAll};
pub use deployment::{Deployment, Wide};
pub use does_not_fit::{DoesNotFit, Mend};
pub use error::PerformanceError;
pub use host::HostProfile;
pub use measured_steps::{MeasuredStep, MeasuredSteps, UnusableSteps};
pub use memory::{ContextBytes, MemoryPlan, usual_reserve};
pub use mixture_of_experts::{ExpertGroup, busiest, coverage};
pub use pipeline::{Passage, Pipeline, Shape};
pub use power::GpuPower;
pub use smooth_max::{SmoothMax, SmoothMaxTable};
pub use speculation::Speculation;
pub use step_cost::StepCost;
pub use step_time::{KernelGroup, StepModel};
