//! Discrete-event simulation of fleets of AI agents on fleets of LLM servers.

pub mod foundations;
pub mod catalog;
pub mod performance;
pub mod workload;
pub mod serving;
pub mod simulation;
pub mod experiment;
pub mod report;
pub mod cli;
