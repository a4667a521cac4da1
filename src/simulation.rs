//! Floor 5: one trial.

pub mod scenario;
