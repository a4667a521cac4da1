//! Floor 3: what agents do. Knows no server.

pub mod arrival;
pub mod context;
pub mod diagram;
pub mod expectation;
pub mod program;
pub mod response_cache;
pub mod retry;
pub mod tool;
pub mod trace;

pub use context::{Context, Key};
pub use program::{Branch, Program, Step, StepIndex};
