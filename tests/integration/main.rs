//! One file per promise.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod answers;
mod archetypes;
mod browser;
mod calibration;
mod capacity;
mod command_line;
mod compare;
mod conservation;
mod decisions;
mod determinism;
mod documents;
mod endpoints;
mod example;
mod expectation;
mod explain;
mod features;
mod fixture;
mod fleets;
mod init;
mod intervals;
mod leap;
mod ledger;
mod made_up;
mod measure_gpu;
mod power;
mod queueing_theory;
mod rack;
mod regions;
mod report;
mod resume;
mod scenario_errors;
mod scenario_plans;
mod schema;
mod screenshots;
mod serve;
mod shards;
mod size;
mod small_fleet;
mod speculation;
mod sweep;
mod timeline;
mod traces;
mod uncertain;
mod validation;
