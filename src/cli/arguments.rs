//! What may be typed. What it means is for the file of each command to say.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::agents::AgentsArguments;
use super::answer::Format;
use super::catalog::CatalogArguments;
use super::drift::DriftArguments;
use super::export::ExportArguments;
use super::import::ImportArguments;
use super::init::InitArguments;
use super::man::ManArguments;
use super::place::Place;
use super::schema::SchemaArguments;
use super::serve::ServeArguments;
use super::shard::arguments::ShardArguments;
use crate::experiment::design::MOST_POINTS;
use crate::foundations::Dimension;

/// Fleets of AI agents on fleets of LLM servers, simulated.
///
/// How many tokens a task burns, how long it takes, what it costs, and how sure that is.
#[derive(Clone, Debug, Parser)]
#[command(name = "tokenfleet", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Arguments {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 fine, 1 an objective was missed and --check asks, 2 bad \
                          input, 3 an internal fault, 130 stopped before a trial was finished.";

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Write a first scenario, from flags or a few questions
    Init(InitArguments),
    /// Simulate a scenario and its variants
    Run(RunArguments),
    /// Hold variants against one of them, trial by trial: what differs, and how sure that is
    Compare(CompareArguments),
    /// Simulate a scenario at many points: several values of one path or of several
    Sweep(SweepArguments),
    /// Say how much load a fleet carries, and find the cheapest that meets all objectives
    Size(SizeArguments),
    /// Split the difference between two variants over the factors that differ
    Explain(ExplainArguments),
    /// Say which of the things that are not known drives the answer, and what to measure first
    Sensitivity(SensitivityArguments),
    /// Cut an experiment into parts for many machines, and put them together again
    Shard(ShardArguments),
    /// Look years ahead by every published rate of price decline: own hardware or an API
    Forecast(ForecastArguments),
    /// Read scenarios and report every fault; run nothing
    Check(CheckArguments),
    /// Print what a scenario may say: a JSON Schema for editors, or a reference of all keys
    Schema(SchemaArguments),
    /// Turn recorded traffic into a trace and a scenario that replays it
    Import(ImportArguments),
    /// Fit the constants of the step-time model to published measurements
    Fit(FitArguments),
    /// Fit a pool's own factors to measured points of it
    Calibrate(CalibrateArguments),
    /// Hold the catalog's archetypes against recorded agents, and write a page about it
    Agents(AgentsArguments),
    /// Hold live traffic against what a scenario expects: what moved, and what it does to the bill
    Drift(DriftArguments),
    /// Write what a scenario simulates as a trace that others can replay
    Export(ExportArguments),
    /// Show what is known of hardware, models, engines, prices and agents
    Catalog(CatalogArguments),
    /// Hold predictions against measurements of real engines, and say how far they are off
    Validate(ValidateArguments),
    /// Show results, alone or side by side, as a page to read and to send
    Report(ReportArguments),
    /// Show a page on this machine to play with: knobs, a checked editor, results as they come in
    Serve(ServeArguments),
    /// Print completions for a shell
    Completions(CompletionsArguments),
    /// Write manual pages
    Man(ManArguments),
}

/// What every command that simulates is told.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// The scenario file; a small default one without it
    pub scenario: Option<PathBuf>,

    /// Independent repetitions, instead of the scenario's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub trials: Option<u64>,

    /// Root of all random numbers, instead of the scenario's
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Threads; without it one for each core. The result is the same with any number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,

    /// Replace a value of the scenario: `pools.main.replicas=8`
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<String>,

    /// Write the result into this folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Go on where an earlier run was killed or stopped, and write the result into this folder;
    /// without DIR into that of --out
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    pub resume: Option<Option<PathBuf>>,

    /// How to print the answer
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,

    /// Stop after this time with what is found, and say so: `10 min`
    #[arg(long, value_name = "TIME", value_parser = |text: &str| limit(text, Dimension::Time))]
    pub max_time: Option<f64>,

    /// Refuse what is estimated to take more memory than this, and stop where it does: `4 GB`
    #[arg(long, value_name = "SIZE", value_parser = |text: &str| limit(text, Dimension::Bytes))]
    pub max_memory: Option<f64>,

    /// Print neither progress nor remarks beside the answer
    #[arg(long, short)]
    pub quiet: bool,

    /// Where it is worked on
    #[arg(skip)]
    pub place: Place,
}

/// What `tokenfleet run` is told.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXIT_CODES)]
pub struct RunArguments {
    /// What every simulation is told
    #[command(flatten)]
    pub common: Common,

    /// Run this variant only; `base` is the scenario as it stands. May be repeated
    #[arg(long, value_name = "NAME")]
    pub variant: Vec<String>,

    /// Say how fast it was: calls per CPU second, peak memory
    #[arg(long)]
    pub stats: bool,

    /// Exit with 1 when a variant misses an objective
    #[arg(long)]
    pub check: bool,
}

/// What `tokenfleet compare` is told.
#[derive(Args, Clone, Debug)]
pub struct CompareArguments {
    /// What every simulation is told
    #[command(flatten)]
    pub common: Common,

    /// Compare these variants only; the baseline is always among them. May be repeated
    #[arg(long, value_name = "NAME")]
    pub variant: Vec<String>,

    /// The variant that all others are held against
    #[arg(long, value_name = "NAME", default_value = "base")]
    pub baseline: String,

    /// The figure that matters most, such as task_latency_p95 or agents.coder.usd_per_task
    #[arg(long, value_name = "METRIC", default_value = "usd_per_successful_task")]
    pub metric: String,

    /// Add trials until every variant's difference in the metric is known this well, relative to
    /// the baseline: `2%`
    #[arg(long, value_name = "PRECISION", value_parser = precision)]
    pub until: Option<f64>,

    /// Trials at most where `--until` adds some
    #[arg(long, value_name = "N", default_value_t = 2000, requires = "until")]
    pub max_trials: u64,
}

/// The front that is shown where none is asked for.
const FRONT: &str = "usd_per_successful_task,task_latency_p95";

/// What `tokenfleet sweep` is told.
#[derive(Args, Clone, Debug)]
pub struct SweepArguments {
    /// What every simulation is told
    #[command(flatten)]
    pub common: Common,

    /// An axis: `path=a,b,c`, `path=2..8` or `path=0.1..0.8 /s:5` (five steps, `:log5` for equal
    /// ratios). Repeat it for several axes
    #[arg(long, value_name = "PATH=VALUES", required = true)]
    pub over: Vec<String>,

    /// How points are laid out over the axes
    #[arg(long, value_enum, default_value_t)]
    pub design: Design,

    /// How many points, where they are sampled
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = points)]
    pub points: usize,

    /// Start from this variant rather than from the scenario as it stands
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,

    /// The figure by which the best point is chosen, such as usd_per_task or agents.coder.ttft_p99
    #[arg(long, value_name = "METRIC", default_value = "usd_per_successful_task")]
    pub metric: String,

    /// The two figures whose front is shown
    #[arg(long, value_name = "METRIC,METRIC", default_value = FRONT)]
    pub pareto: String,
}

/// What `tokenfleet explain` is told.
#[derive(Args, Clone, Debug)]
pub struct ExplainArguments {
    /// What every simulation is told
    #[command(flatten)]
    pub common: Common,

    /// The variant to start from
    #[arg(long, value_name = "NAME", default_value = "base")]
    pub from: String,

    /// The variant to explain
    #[arg(long, value_name = "NAME")]
    pub to: String,

    /// The figure to explain
    #[arg(long, value_name = "METRIC", default_value = "usd_per_successful_task")]
    pub metric: String,

    /// Make one factor of several differences: `machines=pools.main.accelerator,pools.main.engine`.
    /// The machines of a pool are one by themselves
    #[arg(long, value_name = "NAME=PATH,PATH")]
    pub group: Vec<String>,
}

/// What `tokenfleet sensitivity` is told.
#[derive(Args, Clone, Debug)]
pub struct SensitivityArguments {
    /// What every simulation is told; without `--trials` each point has two
    #[command(flatten)]
    pub common: Common,

    /// Look at this variant rather than at the scenario as it stands
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,

    /// The figure that matters, such as usd_per_task or agents.coder.ttft_p99
    #[arg(long, value_name = "METRIC", default_value = "usd_per_successful_task")]
    pub metric: String,

    /// Points of the Sobol sequence; simulated are two more than inputs times as many
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = points)]
    pub points: usize,
}

/// What `tokenfleet forecast` is told.
#[derive(Args, Clone, Debug)]
pub struct ForecastArguments {
    /// What every simulation is told
    #[command(flatten)]
    pub common: Common,

    /// Look at this variant rather than at the scenario as it stands
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,

    /// Follow this price path only, of `tokenfleet catalog economics`. May be repeated
    #[arg(long = "path", value_name = "NAME")]
    pub paths: Vec<String>,
}

/// What `tokenfleet size` is told.
#[derive(Args, Clone, Debug)]
pub struct SizeArguments {
    /// What every simulation is told
    #[command(flatten)]
    pub common: Common,

    /// What to look for
    #[arg(long, value_enum, default_value_t)]
    pub find: Find,

    /// Kinds of fleets to choose from: `pools.main.accelerator=h100-sxm,b200-sxm`. Repeat it for
    /// every combination
    #[arg(long, value_name = "PATH=VALUES")]
    pub over: Vec<String>,

    /// What to count, `pools.main.replicas` or `tools.sandbox.slots`; the replicas of all pools
    /// without it
    #[arg(long, value_name = "PATH")]
    pub of: Vec<String>,

    /// Size this variant rather than the scenario as it stands
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,

    /// How sure an objective must be met or missed, instead of the scenario's confidence
    #[arg(long, value_name = "LEVEL", value_parser = confidence)]
    pub confidence: Option<f64>,

    /// How closely the highest load is sought
    #[arg(long, value_name = "PRECISION", value_parser = precision, default_value = "2%")]
    pub precision: f64,

    /// Trials at most of a candidate that is hard to tell; without it eight times `--trials`
    #[arg(long, value_name = "N")]
    pub max_trials: Option<u64>,

    /// Candidates at most
    #[arg(long, value_name = "N", default_value_t = 39)]
    pub max_candidates: usize,

    /// Replicas at most of a pool
    #[arg(long, value_name = "N", default_value_t = 4096)]
    pub max_replicas: u32,
}

/// What a sizing looks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Find {
    /// The load that the fleet carries, and the cheapest fleet for the load
    #[default]
    Both,
    /// The highest load that the fleet carries as it stands
    Load,
    /// The cheapest fleet for the load as it stands
    Fleet,
}

/// A level of confidence.
fn confidence(text: &str) -> Result<f64, String> {
    let value = Dimension::Fraction.parse(text).map_err(|error| error.to_string())?;
    match value {
        value if (0.5..=0.9999).contains(&value) => Ok(value),
        _ => Err("must be from 50 % to 99.99 %".to_owned()),
    }
}

/// How points are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Design {
    /// Every combination
    #[default]
    Grid,
    /// As many strata of each axis as there are points, each visited once
    LatinHypercube,
    /// A scrambled Sobol sequence: even at any number of points
    Sobol,
}

/// A limit: a quantity above nothing.
fn limit(text: &str, of: Dimension) -> Result<f64, String> {
    let value = of.parse(text).map_err(|error| error.to_string())?;
    match value {
        value if value > 0.0 => Ok(value),
        _ => Err("must be above zero".to_owned()),
    }
}

/// A number of points, at least one.
fn points(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=MOST_POINTS) => Ok(count),
        _ => Err(format!("must be a whole number from 1 to {MOST_POINTS}")),
    }
}

/// A precision: a percentage or a fraction between 0 and 1.
fn precision(text: &str) -> Result<f64, String> {
    let value = Dimension::Fraction.parse(text).map_err(|error| error.to_string())?;
    match value {
        value if value > 0.0 && value < 1.0 => Ok(value),
        _ => Err("must be above 0 % and below 100 %".to_owned()),
    }
}

/// What `tokenfleet check` is told.
#[derive(Args, Clone, Debug)]
pub struct CheckArguments {
    /// Scenario files
    #[arg(required = true)]
    pub scenarios: Vec<PathBuf>,

    /// Replace a value of each: `pools.main.replicas=8`
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<String>,

    /// How to say it
    #[arg(long, value_enum, default_value_t)]
    pub format: Said,

    /// Say nothing of scenarios that are fine
    #[arg(long, short)]
    pub quiet: bool,
}

/// How something is said that is no table of figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Said {
    /// For people
    #[default]
    #[value(alias = "table")]
    Text,
    /// For programs
    Json,
}

/// What `tokenfleet report` is told.
#[derive(Args, Clone, Debug)]
pub struct ReportArguments {
    /// Folders that `--out` wrote
    #[arg(required = true, value_name = "DIR")]
    pub results: Vec<PathBuf>,

    /// Where to write the page
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    pub out: PathBuf,
}

/// What `tokenfleet validate` is told.
#[derive(Args, Clone, Debug)]
pub struct ValidateArguments {
    /// Folder of measurements
    #[arg(long, value_name = "DIR", default_value = "tests/data/fidelity")]
    pub data: PathBuf,

    /// Write a page with tables, and plots of predicted against measured in a folder beside it
    #[arg(long, value_name = "FILE.md")]
    pub out: Option<PathBuf>,

    /// How to print the errors
    #[arg(long, value_enum, default_value_t)]
    pub format: ValidateFormat,
}

/// How errors are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ValidateFormat {
    /// For people
    #[default]
    Table,
    /// One object for each row of the tables
    Json,
    /// One line for each figure that was compared
    Csv,
}

/// What `tokenfleet fit` is told.
#[derive(Args, Clone, Debug)]
pub struct FitArguments {
    /// Folder of measurements
    #[arg(long, value_name = "DIR", default_value = "tests/data/fidelity")]
    pub data: PathBuf,

    /// Fit once only, and say nothing of accelerators and models left out
    #[arg(long)]
    pub no_folds: bool,

    /// Replace the constants in engines.toml of this folder, and write accuracy.csv beside it
    #[arg(long, value_name = "DIR", conflicts_with = "no_folds")]
    pub write: Option<PathBuf>,

    /// Do not tell of progress
    #[arg(long, short)]
    pub quiet: bool,
}

/// What `tokenfleet calibrate` is told.
#[derive(Args, Clone, Debug)]
pub struct CalibrateArguments {
    /// Measured points of one replica: results of `vllm bench serve --save-result`, rows of
    /// InferenceX, or a CSV with the columns concurrency, input_tokens, output_tokens, tpot_ms and,
    /// where known, ttft_ms. Or the one file of python/measure_gpu.py: kernels of the accelerator
    #[arg(required = true)]
    pub files: Vec<PathBuf>,

    /// The pool that was measured
    #[arg(long, value_name = "NAME")]
    pub pool: String,

    /// The scenario that has the pool; the small default one without it
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,

    /// Replace a value of the scenario: `pools.main.tensor_parallel=8`
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<String>,

    /// Write the factors into this file, for a pool to name: `calibration = "FILE"`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// How to say what was fitted
    #[arg(long, value_enum, default_value_t)]
    pub format: Said,

    /// Say nothing but what went wrong
    #[arg(long, short)]
    pub quiet: bool,
}

/// What `tokenfleet completions` is told.
#[derive(Args, Clone, Debug)]
pub struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        Arguments::command().debug_assert();
    }
}
