//! `tokenfleet shard`: an experiment cut into parts that any machines work on, and put together again.
//!
//! A plan holds the command and the scenario with its files. Each shard is the command itself, let to
//! simulate its part only; merged is the command again, for which nothing is left to simulate. So there
//! is one way in which a result comes about, and the bytes are those of one machine.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use clap::{CommandFactory, Parser};
use sha2::{Digest, Sha256};

use super::arguments::{Arguments, Command, Common};
use super::failure::{FINE, Failure};
use super::place::{Place, Planned};
use super::{compare, explain, run as run_command, sensitivity, size, sweep};
use crate::experiment::Store;
use crate::experiment::journal::{Journal, Written};
use crate::experiment::store::{Record, Share, Sink};
use crate::foundations::{Fault, Faults};

pub mod arguments;
mod plan;

use arguments::{MergeArguments, PlanArguments, ShardArguments, ShardJob, ShardRunArguments};
use plan::ShardPlan;

/// Plans, simulates or merges shards: the exit code.
///
/// # Errors
/// Bad input, and whatever keeps it from being done.
pub fn run(arguments: &ShardArguments) -> Result<u8, Failure> {
    match &arguments.job {
        ShardJob::Plan(arguments) => make_plan(arguments),
        ShardJob::Run(arguments) => run_shard(arguments),
        ShardJob::Merge(arguments) => merge(arguments),
    }
}

fn refuse(message: impl Into<String>, help: &str) -> Failure {
    Failure::Argument(Faults::from(Fault::new(message).help(help)))
}

fn make_plan(arguments: &PlanArguments) -> Result<u8, Failure> {
    let mut words = arguments.words.clone();
    let shards = match (take(&mut words, "--shards"), arguments.shards) {
        (Some(text), _) => text.parse().ok().filter(|shards| (1..=100_000).contains(shards)),
        (None, shards) => shards,
    };
    let shards = shards.ok_or_else(|| refuse("into how many parts?", "add `--shards 8`"))?;
    let out = take(&mut words, "--out").map(PathBuf::from).or_else(|| arguments.out.clone());
    let out = out.ok_or_else(|| refuse("where is the plan to go?", "add `--out plan.json`"))?;
    let planned = Arc::new(Mutex::new(None));
    let mut command = command_of(&words)?;
    let common = common_of(&mut command)?;
    if common.resume.is_some() {
        return Err(refuse("a plan has nothing to resume", "leave out --resume"));
    }
    common.place = Place::Planning(Arc::clone(&planned));
    match perform(&command) {
        Err(Failure::Gathered) => {}
        Err(failure) => return Err(failure),
        Ok(_) => return Err(Failure::Internal("a plan was carried out".to_owned())),
    }
    let planned = planned.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Planned { heading, files } = planned.unwrap_or_default();
    let plan = ShardPlan::new(shards, words, heading, &files);
    let text = serde_json::to_string_pretty(&plan)? + "\n";
    write_whole(&out, text.as_bytes())?;
    Ok(FINE)
}

/// The value of a flag among words, taken out of them.
fn take(words: &mut Vec<String>, flag: &str) -> Option<String> {
    let at = words.iter().position(|word| word.split('=').next() == Some(flag))?;
    let word = words.remove(at);
    match word.split_once('=') {
        Some((_, value)) => Some(value.to_owned()),
        None => (at < words.len()).then(|| words.remove(at)),
    }
}

/// Commands that can be cut into parts.
const COMMANDS: [&str; 6] = ["run", "compare", "sweep", "size", "explain", "sensitivity"];

/// What words behind `tokenfleet` mean; a scenario by itself is to be run.
fn command_of(words: &[String]) -> Result<Command, Failure> {
    let known = Arguments::command();
    let first = words.first().filter(|word| known.find_subcommand(word).is_some());
    let named = first.is_some();
    if let Some(other) = first.filter(|word| !COMMANDS.contains(&word.as_str())) {
        let help = format!("commands with parts are {}", COMMANDS.join(", "));
        return Err(refuse(format!("`{other}` has no parts"), &help));
    }
    let head: &[&str] = if named { &["tokenfleet"] } else { &["tokenfleet", "run"] };
    let all = head.iter().map(OsString::from).chain(words.iter().map(OsString::from));
    let parsed = Arguments::try_parse_from(all);
    parsed.map(|arguments| arguments.command).map_err(|wrong| Failure::Usage(usage(&wrong)))
}

/// What is wrong with words, without the word `error` that is put before it.
fn usage(wrong: &clap::Error) -> String {
    let text = wrong.to_string();
    text.trim().trim_start_matches("error: ").to_owned()
}

fn common_of(command: &mut Command) -> Result<&mut Common, Failure> {
    match command {
        Command::Run(arguments) => Ok(&mut arguments.common),
        Command::Compare(arguments) => Ok(&mut arguments.common),
        Command::Sweep(arguments) => Ok(&mut arguments.common),
        Command::Size(arguments) => Ok(&mut arguments.common),
        Command::Explain(arguments) => Ok(&mut arguments.common),
        Command::Sensitivity(arguments) => Ok(&mut arguments.common),
        _ => Err(Failure::Internal("a command without parts was cut into some".to_owned())),
    }
}

fn perform(command: &Command) -> Result<u8, Failure> {
    match command {
        Command::Run(arguments) => run_command::run(arguments),
        Command::Compare(arguments) => compare::run(arguments),
        Command::Sweep(arguments) => sweep::run(arguments),
        Command::Size(arguments) => size::run(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Sensitivity(arguments) => sensitivity::run(arguments),
        _ => Err(Failure::Internal("a command without parts was cut into some".to_owned())),
    }
}

/// What a shard says of itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Heading {
    /// The experiment.
    experiment: String,
    /// Which part, from 0.
    shard: u64,
    /// Of how many.
    shards: u64,
}

impl Heading {
    fn new(plan: &ShardPlan, shard: u64) -> Self {
        let digest = Sha256::digest(plan.heading.as_bytes());
        let experiment = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { experiment, shard, shards: plan.shards }
    }
}

/// Keeps what a shard finds until all of it is there.
#[derive(Clone, Debug, Default)]
struct Gathered(Arc<Mutex<Vec<Record>>>);

impl Sink for Gathered {
    fn is_due(&self) -> bool {
        false
    }

    fn put(&self, record: Record) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(record);
    }
}

fn run_shard(arguments: &ShardRunArguments) -> Result<u8, Failure> {
    let plan = ShardPlan::read(&arguments.plan)?;
    let (index, of) = (arguments.index, plan.shards);
    if index >= of {
        let message = format!("{} has no shard {index}", arguments.plan.display());
        return Err(refuse(message, &format!("its shards are 0 to {}", of - 1)));
    }
    let gathered = Gathered::default();
    let store = Store::of_share(Share { index, of }, Box::new(gathered.clone()));
    let mut command = command_of(&plan.command)?;
    let common = common_of(&mut command)?;
    common.place = Place::Elsewhere(plan.part(Arc::new(store))?);
    (common.quiet, common.threads) = (true, arguments.threads.or(common.threads));
    // Whatever a plan says: a shard writes its own file and no other.
    (common.out, common.resume) = (None, None);
    match perform(&command) {
        Err(Failure::Gathered) => {}
        Err(failure) => return Err(failure),
        Ok(_) => return Err(Failure::Internal("a shard was taken for the whole".to_owned())),
    }
    let heading = serde_json::to_string(&Heading::new(&plan, index))?;
    let mut journal = Journal::begin(Vec::new(), &heading)?;
    let mut records = gathered.0.lock().unwrap_or_else(PoisonError::into_inner);
    records.drain(..).try_for_each(|record| journal.record(record))?;
    write_whole(&arguments.out, &journal.end()?)?;
    Ok(FINE)
}

fn merge(arguments: &MergeArguments) -> Result<u8, Failure> {
    let plan = ShardPlan::read(&arguments.plan)?;
    let mut faults = Faults::default();
    let mut found: BTreeMap<u64, (&Path, Vec<Record>)> = BTreeMap::new();
    for path in &arguments.shards {
        let shown = path.display();
        let bytes = fs::read(path)
            .map_err(|error| Failure::Unreadable { name: shown.to_string(), error })?;
        let read = match Written::read_whole(&bytes) {
            Ok(read) => read,
            Err(damage) => {
                faults.push(Fault::new(format!("{shown}: {damage}")));
                continue;
            }
        };
        let heading: Option<Heading> = serde_json::from_str(&read.heading).ok();
        match heading.filter(|heading| *heading == Heading::new(&plan, heading.shard)) {
            None => faults.push(Fault::new(format!("{shown} is no shard of this plan"))),
            Some(heading) => match found.get(&heading.shard) {
                Some((first, _)) => faults.push(Fault::new(format!(
                    "{} and {shown} are both shard {}",
                    first.display(),
                    heading.shard
                ))),
                None => _ = found.insert(heading.shard, (path, read.records)),
            },
        }
    }
    let missing: Vec<u64> = (0..plan.shards).filter(|shard| !found.contains_key(shard)).collect();
    if !missing.is_empty() {
        let fault = Fault::new(match &missing[..] {
            [one] => format!("shard {one} is missing"),
            several => format!("shards {} are missing", ranges(several)),
        });
        faults.push(fault.help(format!(
            "tokenfleet shard run --plan {} --index {} --out FILE",
            arguments.plan.display(),
            missing[0]
        )));
    }
    faults.into_result(()).map_err(Failure::Argument)?;
    let records = found.into_values().flat_map(|(_, records)| records).collect();
    let mut command = command_of(&plan.command)?;
    let common = common_of(&mut command)?;
    common.place = Place::Elsewhere(plan.part(Arc::new(Store::new(records, None)))?);
    (common.out, common.resume) = (Some(arguments.out.clone()), None);
    (common.format, common.quiet) = (arguments.format, arguments.quiet || common.quiet);
    perform(&command)
}

/// `0, 2-4, 7`.
fn ranges(numbers: &[u64]) -> String {
    let runs = numbers.chunk_by(|one, next| one + 1 == *next).map(|run| match run {
        [one] => one.to_string(),
        _ => format!("{}-{}", run[0], run[run.len() - 1]),
    });
    runs.collect::<Vec<_>>().join(", ")
}

/// Writes a file, whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut neighbour = path.as_os_str().to_owned();
    neighbour.push(format!(".tmp-{}", std::process::id()));
    let put = || {
        let mut file = fs::File::create(&neighbour)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&neighbour, path)
    };
    put().map_err(|error: io::Error| {
        let _ = fs::remove_file(&neighbour);
        Failure::Unwritable { name: path.display().to_string(), error }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_a_plan_stand_anywhere() {
        let mut words = ["sweep", "--shards=4", "x.toml", "--out", "p.json", "--over", "a=1"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(take(&mut words, "--shards").as_deref(), Some("4"));
        assert_eq!(take(&mut words, "--out").as_deref(), Some("p.json"));
        assert_eq!(take(&mut words, "--out"), None);
        assert_eq!(words, ["sweep", "x.toml", "--over", "a=1"]);
    }

    #[test]
    fn missing_shards_in_short() {
        assert_eq!(ranges(&[0, 2, 3, 4, 7]), "0, 2-4, 7");
    }
}
