//! One file per promise.

mod capacity;
mod conservation;
mod determinism;
mod expectation;
mod fixture;
mod leap;
mod queueing_theory;
mod scenario_errors;
