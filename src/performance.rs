//! Floor 2: how long a step takes and what fits in memory.

pub mod step_time;

pub use step_time::{
    ContextCost, ExpertGroup, KernelGroup, PrefillCost, StepCost, StepModel, WindowCost,
};
