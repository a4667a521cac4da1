//! `tokenfleet agents`: archetypes held against recorded agents and published figures, as a page.

mod facts;
mod tables;

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use self::tables::Tables;
use super::failure::{FINE, Failure};
use super::terminal::{print, remark};
use crate::foundations::Sources;
use crate::report::export;
use crate::report::fitted::FittedProgram;
use crate::report::likeness::{Likeness, Page, Sides, Trait};
use crate::simulation::World;
use crate::simulation::call_log::LoggedCall;
use crate::simulation::scenario::files::NoFiles;
use crate::simulation::scenario::{ReadOptions, Scenario, Variant};
use crate::workload::trace::TraceError;
use crate::workload::trace::habits::{Habits, Half};
use crate::workload::trace::import::{self, Format as Recording, ImportOptions};
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

/// An archetype and a recording of agents of its kind.
struct Pair {
    archetype: &'static str,
    format: Recording,
    file: &'static str,
    /// Only sessions whose names begin so.
    sessions: &'static str,
    /// Sessions with longer prompts are not asked about contexts, tokens.
    window: Option<u32>,
    columns: &'static [(&'static str, &'static str)],
    what: &'static str,
    traits: &'static [Trait],
    /// What is published of all that the recording is a part of: names of tables of quantiles, and
    /// what is to be added to their values.
    tables: &'static [(Trait, &'static str, f64)],
    /// Users and simulated hours; enough for several hundred sessions.
    users: u32,
    hours: u32,
}

const AGENTS: &[Trait] = &[
    Trait::CallsPerSession,
    Trait::FirstPrompt,
    Trait::Prompt,
    Trait::Answer,
    Trait::Growth,
    Trait::ToolTime,
];
const SESSIONS: &[Trait] = &[
    Trait::TasksPerSession,
    Trait::CallsPerTask,
    Trait::CallsPerSession,
    Trait::FirstPrompt,
    Trait::Prompt,
    Trait::Answer,
    Trait::Growth,
    Trait::ToolTime,
    Trait::ThinkTime,
];

const PAIRS: [Pair; 6] = [
    Pair {
        archetype: "coding-autonomous",
        format: Recording::Trie,
        file: "trie/agentic_coding_8k_first2000.jsonl",
        sessions: "",
        window: None,
        columns: &[],
        what: "Applied Compute trie, agentic coding: the first 2,000 of 8,192 tasks. Tasks of similar \
               length stand together there, and these are shorter. The archetype has the calls and \
               the tool times of all.",
        traits: AGENTS,
        // A task makes one call more than it uses tools.
        tables: &[
            (Trait::CallsPerSession, "trie_coding.tool_turns", 1.0),
            (Trait::FirstPrompt, "trie_coding.initial_prompt_tokens", 0.0),
            (Trait::ToolTime, "trie_coding.tool_latency_s", 0.0),
        ],
        users: 20,
        hours: 6,
    },
    Pair {
        archetype: "coding-interactive",
        format: Recording::Columns,
        file: "claude_code_weka/llm_calls.csv.gz",
        sessions: "",
        window: Some(200_000),
        columns: &[("cached", "prefix_hit_blocks64*64")],
        what: "Claude Code sessions (WEKA kv-cache-tester, Apache-2.0), about half of 710. Contexts are \
               compared with those three in four that stay within 200k tokens, the window for which \
               the archetype cuts them. Its tasks and think times are those of all 710.",
        traits: SESSIONS,
        tables: &[
            (Trait::TasksPerSession, "claude_code.user_requests_per_session", 0.0),
            (Trait::CallsPerTask, "claude_code.llm_calls_per_user_request", 0.0),
            (Trait::CallsPerSession, "claude_code.llm_calls_per_session", 0.0),
            (Trait::Answer, "claude_code.output_tokens", 0.0),
            (Trait::ToolTime, "claude_code.think_s.after_tool", 0.0),
            (Trait::ThinkTime, "claude_code.think_s.after_user", 0.0),
        ],
        users: 40,
        hours: 72,
    },
    Pair {
        archetype: "react",
        format: Recording::Columns,
        file: "lmcache_agentic/train_shard4_normalized.jsonl",
        sessions: "gaia",
        window: None,
        columns: &[],
        what: "GAIA tasks (LMCache agentic traces, MIT); prompts were not recorded.",
        traits: &[Trait::CallsPerSession, Trait::Answer, Trait::ToolTime],
        tables: &[
            (Trait::CallsPerSession, "lmcache.gaia.llm_calls_per_session", 0.0),
            (Trait::Answer, "lmcache.gaia.output_tokens", 0.0),
        ],
        users: 20,
        hours: 6,
    },
    Pair {
        archetype: "chat",
        format: Recording::Mooncake,
        file: "mooncake/conversation_first5000.jsonl",
        sessions: "",
        window: None,
        columns: &[],
        what: "Mooncake conversation trace (Apache-2.0): 5,000 of 12,031 requests, not linked.",
        traits: &[Trait::Prompt, Trait::Answer],
        tables: &[
            (Trait::Prompt, "mooncake.conversation.input_tokens", 0.0),
            (Trait::Answer, "mooncake.conversation.output_tokens", 0.0),
        ],
        users: 100,
        hours: 2,
    },
    Pair {
        archetype: "rag",
        format: Recording::RagPulse,
        file: "ragpulse",
        sessions: "",
        window: None,
        columns: &[],
        what: "RAGPulse (MIT): 7,106 requests of a week. What came before a request is part of its \
               prompt.",
        traits: &[Trait::TasksPerSession, Trait::Prompt, Trait::Answer, Trait::ThinkTime],
        tables: &[],
        users: 4,
        hours: 500,
    },
    Pair {
        archetype: "plain",
        format: Recording::Azure,
        file: "azure2023/AzureLLMInferenceTrace_conv.csv",
        sessions: "",
        window: None,
        columns: &[],
        what: "Azure conversations of 2023 (CC BY 4.0): 19,366 requests.",
        traits: &[Trait::Prompt, Trait::Answer],
        tables: &[],
        users: 20,
        hours: 2,
    },
];

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
    let columns = pair.columns.iter().map(|&(what, name)| (what.to_owned(), name.to_owned()));
    let options = ImportOptions { columns: columns.collect(), ..ImportOptions::default() };
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
