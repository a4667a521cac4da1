//! Discrete-event simulation of fleets of AI agents on fleets of LLM servers.

pub mod catalog;
pub mod cli;
pub mod experiment;
pub mod foundations;
pub mod performance;
pub mod report;
pub mod serving;
pub mod simulation;
pub mod workload;
