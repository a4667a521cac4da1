//! What `tokenfleet shard` may be told.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::answer::Format;

/// What `tokenfleet shard` is told.
#[derive(Args, Clone, Debug)]
pub struct ShardArguments {
    /// What to do with shards
    #[command(subcommand)]
    pub job: ShardJob,
}

/// What is done with shards.
#[derive(Clone, Debug, Subcommand)]
pub enum ShardJob {
    /// Cut an experiment into parts: `shard plan sweep x.toml --over PATH=VALUES --shards 8 --out plan.json`
    Plan(PlanArguments),
    /// Simulate one part of a plan, on any machine
    Run(ShardRunArguments),
    /// Put all parts together: the result that one machine would have written
    Merge(MergeArguments),
}

/// What `tokenfleet shard plan` is told.
#[derive(Args, Clone, Debug)]
pub struct PlanArguments {
    /// How many parts
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub shards: Option<u64>,

    /// Where to write the plan
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// The command (run, compare, sweep, size, explain or sensitivity; run without it), the scenario
    /// and the command's own flags
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND SCENARIO FLAGS"
    )]
    pub words: Vec<String>,
}

/// What `tokenfleet shard run` is told.
#[derive(Args, Clone, Debug)]
pub struct ShardRunArguments {
    /// The plan
    #[arg(long, value_name = "FILE")]
    pub plan: PathBuf,

    /// Which part, from 0
    #[arg(long, value_name = "I")]
    pub index: u64,

    /// Where to write what it found
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,

    /// Threads; without it one for each core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

/// What `tokenfleet shard merge` is told.
#[derive(Args, Clone, Debug)]
pub struct MergeArguments {
    /// The plan
    #[arg(long, value_name = "FILE")]
    pub plan: PathBuf,

    /// What every part found
    #[arg(required = true, value_name = "SHARD")]
    pub shards: Vec<PathBuf>,

    /// Write the result into this folder
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,

    /// How to print the answer
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,

    /// Print neither progress nor remarks beside the answer
    #[arg(long, short)]
    pub quiet: bool,
}
