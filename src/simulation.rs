//! Floor 5: one trial, from a resolved scenario to its outcome.

mod actor;
mod boundaries;
mod cached;
mod call;
pub mod call_log;
pub mod cause;
mod event;
mod exchange;
mod fleet;
mod hand_over;
mod hedge;
mod judgement;
mod logging;
pub mod outcome;
pub mod plan;
mod pool_tiers;
mod records;
mod remote;
mod replay;
mod routing;
mod scaling;
pub mod scenario;
pub mod series;
mod slab;
pub mod task_sample;
mod tiers;
mod timeouts;
mod trim;
mod upkeep;
mod walk;
pub mod waste;
pub mod world;

pub use cause::Cause;
pub use outcome::TrialOutcome;
pub use plan::Plan;
pub use world::World;
