//! Floor 5: one trial, from a resolved scenario to its outcome.

mod actor;
mod boundaries;
mod call;
pub mod call_log;
pub mod cause;
mod event;
mod logging;
pub mod outcome;
pub mod plan;
mod remote;
mod replay;
pub mod scenario;
pub mod series;
mod slab;
pub mod task_sample;
mod timeouts;
mod walk;
pub mod world;

pub use cause::Cause;
pub use outcome::TrialOutcome;
pub use plan::Plan;
pub use world::World;
