//! `tokenfleet export`: what a scenario simulates, as a trace that others can replay or as a timeline
//! to look at.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::failure::{FINE, Failure};
use super::load;
use super::terminal::{print, remark};
use crate::foundations::units::format_count;
use crate::report::{export, timeline};
use crate::simulation::Plan;
use crate::simulation::World;
use crate::simulation::call_log::{LoggedCall, TrialLog};
use crate::workload::trace::KeyScope;
use crate::workload::trace::TraceError;
use crate::workload::trace::recording::{Ending, Header, Sink, VERSION, Writer};

/// What `tokenfleet export` is told.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Mooncake is an open loop of single requests; agentic-mooncake (version 2) \
                        keeps what waits for what, for dynamo replay --trace-format agentic_mooncake"
)]
pub struct ExportArguments {
    /// The scenario file; a small default one without it
    pub scenario: Option<PathBuf>,

    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,

    /// The form to write
    #[arg(long, value_enum, default_value_t)]
    pub format: ExportFormat,

    /// The trial to export
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub trial: u64,

    /// Root of all random numbers, instead of the scenario's
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Replace a value of the scenario: `pools.main.replicas=8`
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<String>,

    /// Export this variant; without it the scenario as it stands
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
}

/// Forms of traces that are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A line for each call with its arrival
    #[default]
    Mooncake,
    /// A line for each call with the calls that it waited for
    AgenticMooncake,
    /// Sessions with their pauses, for `replay` of a scenario
    Tokenfleet,
    /// A timeline of agents, calls, tools and servers, for ui.perfetto.dev or chrome://tracing
    Perfetto,
}

/// Simulates one trial and writes its calls: the exit code.
///
/// # Errors
/// Bad input, and whatever keeps the file from being written.
pub fn run(arguments: &ExportArguments) -> Result<u8, Failure> {
    let variants = arguments.variant.clone().unwrap_or_else(|| "base".to_owned());
    let scenario = arguments.scenario.as_deref();
    let loaded = load::load(scenario, &arguments.set, &[variants])?;
    let scenario = loaded.scenario;
    let seed = arguments.seed.unwrap_or(scenario.run.seed);
    let Some(variant) = scenario.variants.into_iter().next() else {
        return Err(Failure::Usage("the scenario has no variant to export".to_owned()));
    };
    let plan = variant.plan;
    let trial = arguments.trial;
    let log = match arguments.format {
        ExportFormat::Perfetto => World::timeline_of_trial(&plan, seed, trial, |_, _| true),
        _ => {
            let calls = World::calls_of_trial(&plan, seed, trial, |_, _| true);
            TrialLog { calls: calls.unwrap_or_default(), ..TrialLog::default() }
        }
    };
    let calls = &log.calls;
    if calls.is_empty() {
        return Err(Failure::Usage("no call was answered: there is nothing to export".to_owned()));
    }
    let part = arguments.out.with_extension("part");
    let written = write(&part, arguments.format, &plan, &log);
    if let Err(error) = written.and_then(|()| Ok(fs::rename(&part, &arguments.out)?)) {
        let _ = fs::remove_file(&part);
        return Err(error);
    }
    let (input, output) = calls.iter().fold((0.0, 0.0), |(input, output), call| {
        (input + f64::from(call.input), output + f64::from(call.output))
    });
    let out = arguments.out.display();
    remark(&format!("trial {} of {}, seed {seed}\n", arguments.trial, scenario.name));
    print(&format!(
        "{} calls, {} tokens of prompts and {} of answers\nwritten to {out}\n",
        calls.len(),
        format_count(input),
        format_count(output),
    ))?;
    Ok(FINE)
}

fn write(path: &Path, format: ExportFormat, plan: &Plan, log: &TrialLog) -> Result<(), Failure> {
    let calls = &log.calls;
    let mut out = BufWriter::new(File::create(path)?);
    match format {
        ExportFormat::Mooncake => export::mooncake(calls, &mut out)?,
        ExportFormat::AgenticMooncake => export::agentic_mooncake(plan, calls, &mut out)?,
        ExportFormat::Perfetto => timeline::perfetto(plan, log, &mut out)?,
        ExportFormat::Tokenfleet => own(&path.display().to_string(), calls, &mut out)?,
    }
    Ok(out.flush()?)
}

fn own(name: &str, calls: &[LoggedCall], out: &mut dyn Write) -> Result<(), TraceError> {
    let mut writer = Writer::new(io::BufWriter::new(out), name);
    let scope = KeyScope::Global;
    writer.begin(&Header {
        version: VERSION,
        source: "tokenfleet".into(),
        scope,
        block_size: 1,
    })?;
    export::sessions(calls).into_iter().try_for_each(|session| writer.session(session))?;
    writer.finish(Ending::default()).map(|_| ())
}
