//! `tokenfleet agents`: archetypes held against recorded agents and published figures, as a page.

mod facts;
mod pairs;
mod tables;

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use self::pairs::{PAIRS, Pair};
use self::tables::Tables;
use super::failure::{FINE, Failure};
use super::terminal::{print, remark};
use crate::foundations::Sources;
use crate::report::export;
use crate::report::fitted::FittedProgram;
use crate::report::likeness::{Likeness, Page, Sides};
use crate::simulation::World;
use crate::simulation::call_log::LoggedCall;
use crate::simulation::scenario::files::NoFiles;
use crate::simulation::scenario::{ReadOptions, Scenario, Variant};
use crate::workload::trace::TraceError;
use crate::workload::trace::habits::{Habits, Half};
use crate::workload::trace::import::{self, ImportOptions};
use crate::workload::trace::recording::{Header, Session, Sink};

/// What `tokenfleet agents` is told.
#[derive(Args, Clone, Debug)]
pub struct AgentsArguments {
    /// Folder of recordings; those that are not there are passed over and said to be
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,

    /// The page to write
    #[arg(long, value_name = "FILE", default_value = "results/agents.md")]
    pub out: PathBuf,

    /// Root of all random numbers
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// How to print what was found; the file is always a page
    #[arg(long, value_enum, default_value_t = Format::Page)]
    pub format: Format,
}

/// How the command prints what it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The page.
    Page,
    /// For programs.
    Json,
}

/// Compares and writes the page: the exit code.
///
/// # Errors
/// Recordings that are not what they should be, and whatever keeps the page from being written.
pub fn run(arguments: &AgentsArguments) -> Result<u8, Failure> {
    let mut page = Page::default();
    let published = Tables::read(&arguments.data)?;
    for pair in &PAIRS {
        let path = arguments.data.join(pair.file);
        if !path.exists() {
            page.skipped.push(format!("{}: no `{}` in the data", pair.archetype, pair.file));
            continue;
        }
        remark(&format!("{} ...\n", pair.archetype));
        let recorded = recorded(pair, &path)?;
        let of = |program: &str, name: &str| generated(pair, program, name, arguments.seed);
        let archetype = of("", pair.archetype)?;
        let fitted = match FittedProgram::new(&recorded.together) {
            Some(fitted) => Some(of(&fitted.program("fitted"), "fitted")?),
            None => None,
        };
        if pair.archetype == "coding-interactive" {
            page.published.extend(facts::hits(&recorded.apart, &archetype));
        }
        page.likenesses.push(Likeness::new(
            (pair.archetype, pair.what),
            pair.traits,
            Sides { recorded: &recorded.apart, generated: &archetype, fitted: fitted.as_deref() },
            &published.of(pair),
            arguments.seed,
        ));
    }
    if page.likenesses.is_empty() {
        let data = arguments.data.display();
        return Err(Failure::Usage(format!("`{data}` holds none of the recordings")));
    }
    remark("published figures ...\n");
    page.published.extend(facts::found(arguments.seed)?);
    let text = page.text();
    if let Some(folder) = arguments.out.parent() {
        fs::create_dir_all(folder)?;
    }
    let part = arguments.out.with_extension("part");
    fs::write(&part, &text)?;
    fs::rename(&part, &arguments.out)?;
    match arguments.format {
        Format::Page => print(&text)?,
        Format::Json => print(&(serde_json::to_string_pretty(&page)? + "\n"))?,
    }
    Ok(FINE)
}

/// Recorded sessions whose names begin in some way: what they do together, and each alone.
#[derive(Default)]
struct Recorded {
    start: &'static str,
    together: Habits,
    apart: Vec<Half>,
}

impl Sink for Recorded {
    fn begin(&mut self, header: &Header) -> Result<(), TraceError> {
        self.together.begin(header)
    }

    fn session(&mut self, session: Session) -> Result<(), TraceError> {
        if !session.name.starts_with(self.start) {
            return Ok(());
        }
        self.apart.push(self.together.of(&session));
        self.together.session(session)
    }
}

fn recorded(pair: &Pair, path: &Path) -> Result<Recorded, Failure> {
    let columns = pair.columns.iter().map(|column| column.parse().map_err(Failure::Usage));
    let columns = columns.collect::<Result<_, _>>()?;
    let options = ImportOptions { columns, ..ImportOptions::default() };
    let mut recorded = Recorded { start: pair.sessions, ..Recorded::default() };
    recorded.together.window = pair.window;
    import::read(pair.format, &[path.to_owned()], &options, &mut recorded)?;
    Ok(recorded)
}

/// Sessions of a program: one of the catalog, or the one that is written out.
fn generated(pair: &Pair, program: &str, name: &str, seed: u64) -> Result<Vec<Half>, Failure> {
    let calls = calls_of(program, name, pair.users, pair.hours, seed)?;
    let sessions = calls.iter().flat_map(|calls| export::sessions(calls));
    Ok(sessions.map(|session| Habits::default().of(&session)).collect())
}

/// Calls of a program's sessions on servers that take any context.
fn calls_of(
    program: &str,
    name: &str,
    users: u32,
    hours: u32,
    seed: u64,
) -> Result<Vec<Vec<LoggedCall>>, Failure> {
    let text = format!(
        "{program}\n[run]\nhorizon = \"{hours} h\"\n[agents.a]\nprogram = \"{name}\"\nmodel = \"main\"\n\
         arrivals = {{ closed = {{ users = {users}, think_time = \"1 s\" }} }}\n[pools.main]\n\
         model = \"llama-4-maverick\"\naccelerator = \"h200-sxm\"\ntensor_parallel = 8\n\
         replicas = 4\nprecision = {{ weights = \"fp8\", kv = \"fp8\" }}\n"
    );
    let mut sources = Sources::default();
    let source = sources.add_file(name, &text);
    let options = ReadOptions::new(&NoFiles);
    let scenario = match Scenario::read(source, &mut sources, &options) {
        Ok(scenario) => scenario,
        Err(faults) => return Err(Failure::Scenario { faults, sources }),
    };
    let calls = |variant: &Variant| {
        World::calls_of_trial(&variant.plan, seed, 0, |_, _| true).unwrap_or_default()
    };
    Ok(scenario.variants.iter().map(calls).collect())
}
