//! `tokenfleet init`: a first scenario, from flags or from a few questions.
//!
//! The server is the smallest that holds the model with room for two of its longest contexts, the
//! fleet the smallest that a short trial finds without a queue: the scenario runs as it is written,
//! and answers rather than queues.

use std::fs::OpenOptions;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::{FINE, Failure};
use super::load::{self, Loaded};
use super::terminal::{print, remark};
use crate::catalog::{Catalog, UnknownName};
use crate::experiment::{Answers, MonteCarlo, Watch};
use crate::foundations::{Dimension, Faults};
use crate::report::first_scenario::FirstScenario;
use crate::simulation::Plan;

/// What `tokenfleet init` is told.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "What no flag says is asked for on a terminal, and taken as usual elsewhere."
)]
pub struct InitArguments {
    /// The file to write; one that is there is left alone
    #[arg(default_value = "scenario.toml")]
    pub file: PathBuf,

    /// What the agents do: `tokenfleet catalog agents`
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,

    /// How much they are asked: tasks per time, `0.4 /s`, or so many people, `40 users`
    #[arg(long, value_name = "LOAD")]
    pub load: Option<String>,

    /// The model: `tokenfleet catalog models`
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,

    /// What it runs on: `tokenfleet catalog accelerators`
    #[arg(long, value_name = "NAME")]
    pub accelerator: Option<String>,

    /// The software that serves it: `tokenfleet catalog engines`
    #[arg(long, value_name = "NAME", default_value = "vllm")]
    pub engine: String,

    /// Rent of one GPU instead of the catalog's: `$2.49 /h`
    #[arg(long, value_name = "PRICE")]
    pub price: Option<String>,

    /// What is demanded: `ttft_p95=3 s`. May be repeated
    #[arg(long, value_name = "FIGURE=BOUND")]
    pub objective: Vec<String>,

    /// Ask nothing
    #[arg(long, short)]
    pub yes: bool,
}

/// GPUs of a server that are tried.
const SERVERS: [u32; 7] = [1, 2, 4, 8, 16, 32, 64];
/// Replicas at most.
const MOST_REPLICAS: u32 = 1024;
/// A fleet is large enough where 95 % of the calls wait no longer for a server, seconds.
const SHORT_WAIT_S: f64 = 1.0;
/// How a fleet is tried.
const SHORT_RUN: [&str; 4] =
    ["run.horizon=\"20 min\"", "run.warm_up=\"5 min\"", "run.ending=\"cut\"", "run.trials=1"];

/// Writes the scenario: the exit code.
///
/// # Errors
/// What is not known, a file that is there, and whatever keeps it from being written.
pub fn run(arguments: &InitArguments) -> Result<u8, Failure> {
    let path = &arguments.file;
    if path.exists() {
        return Err(occupied(path));
    }
    let mut first = answers(arguments)?;
    remark("looking for a fleet that answers rather than queues ...\n");
    first.tensor_parallel = server(&mut first)?;
    first.replicas = fleet(&mut first)?;
    let text = first.text();
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
        match error.kind() {
            io::ErrorKind::AlreadyExists => occupied(path),
            _ => Failure::Unwritable { name: path.display().to_string(), error },
        }
    })?;
    let FirstScenario { replicas, tensor_parallel, accelerator, .. } = &first;
    let servers = if *replicas == 1 { "server" } else { "servers" };
    print(&format!(
        "written to {file}: {replicas} {servers} of {tensor_parallel} {accelerator}\nnext: tokenfleet \
         run {file}\n",
        file = first.file
    ))?;
    Ok(FINE)
}

fn occupied(path: &Path) -> Failure {
    let path = path.display();
    Failure::Usage(format!("{path} is there already; give another name, or move it away"))
}

/// What was said by flags, asked for, or is usual.
fn answers(arguments: &InitArguments) -> Result<FirstScenario, Failure> {
    let catalog = Catalog::embedded();
    let asks = !arguments.yes && io::stdin().is_terminal() && io::stderr().is_terminal();
    let name_of = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let said = |flag: &Option<String>, question: &str, usual: &str, check: Check<'_>| match flag {
        Some(said) => check(said).map(|()| said.clone()).map_err(Failure::Argument),
        None if asks => ask(question, usual, check),
        None => Ok(usual.to_owned()),
    };
    let known = |found: Result<(), UnknownName>| found.map_err(|unknown| unknown.fault().into());
    let agent = said(&arguments.agent, "What do the agents do", "chat", &|name| {
        known(catalog.agent(name).map(drop))
    })?;
    let load = said(&arguments.load, "How much are they asked", "0.5 /s", &|text| {
        arrivals(text).map(drop)
    })?;
    let model = said(&arguments.model, "Which model serves them", "llama-3.3-70b", &|name| {
        known(catalog.model(name).map(drop))
    })?;
    let accelerator = said(&arguments.accelerator, "On which accelerator", "h100-sxm", &|name| {
        known(catalog.accelerator(name).map(drop))
    })?;
    known(catalog.engine(&arguments.engine).map(drop)).map_err(Failure::Argument)?;
    let objectives = match &arguments.objective[..] {
        [] if asks => {
            let asked = ask("What is demanded", "ttft_p95=3 s", &|text| objective(text).map(drop))?;
            vec![asked]
        }
        [] => vec!["ttft_p95=3 s".to_owned()],
        said => said.to_vec(),
    };
    let objectives: Result<_, _> = objectives.iter().map(|text| objective(text)).collect();
    // A file that does not stand for itself, such as `..`, fails when it is written.
    let name = name_of(&arguments.file).unwrap_or_default();
    let agent =
        catalog.agent(&agent).map_err(|unknown| Failure::Argument(unknown.fault().into()))?;
    Ok(FirstScenario {
        name,
        agent: agent.key.clone(),
        agent_does: agent.description.clone(),
        arrivals: arrivals(&load).map_err(Failure::Argument)?,
        model,
        accelerator,
        engine: arguments.engine.clone(),
        tensor_parallel: 1,
        replicas: 1,
        price: arguments.price.clone(),
        objectives: objectives.map_err(Failure::Argument)?,
        file: arguments.file.display().to_string(),
    })
}

/// Whether an answer will do.
type Check<'c> = &'c dyn Fn(&str) -> Result<(), Faults>;

/// Asks until the answer will do; an empty one is the usual.
fn ask(question: &str, usual: &str, check: Check<'_>) -> Result<String, Failure> {
    loop {
        remark(&format!("{question}? [{usual}] "));
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line)? == 0 {
            return Err(Failure::Usage("nobody answers; say --yes to take what is usual".into()));
        }
        let answer = Some(line.trim()).filter(|line| !line.is_empty()).unwrap_or(usual);
        match check(answer) {
            Ok(()) => return Ok(answer.to_owned()),
            Err(faults) => faults.iter().for_each(|fault| {
                remark(&format!("  {}\n", fault.message));
                fault.help.iter().for_each(|help| remark(&format!("  {help}\n")));
            }),
        }
    }
}

/// The load as a value of `arrivals`.
fn arrivals(load: &str) -> Result<String, Faults> {
    if let Some(users) = load.trim().strip_suffix("users").or(load.trim().strip_suffix("user")) {
        return match users.trim().parse::<u32>() {
            Ok(users @ 1..) => {
                Ok(format!("{{ closed = {{ users = {users}, think_time = \"1 min\" }} }}"))
            }
            _ => Err(fault(format!(
                "expected a number of users such as \"40 users\", found \"{load}\""
            ))),
        };
    }
    match Dimension::Rate.parse(load) {
        Ok(rate) if rate > 0.0 => Ok(format!("{{ poisson = {:?} }}", load.trim())),
        Ok(_) => Err(fault("a load must be above 0".to_owned())),
        Err(error) => Err(fault(format!("{error}; or people, \"40 users\""))),
    }
}

/// An objective taken apart; whether it makes sense the scenario says.
fn objective(text: &str) -> Result<(String, String), Faults> {
    match text.split_once('=') {
        Some((figure, bound)) if !figure.trim().is_empty() && !bound.trim().is_empty() => {
            Ok((figure.trim().to_owned(), bound.trim().trim_matches('"').to_owned()))
        }
        _ => {
            Err(fault(format!("expected a figure and a bound, \"ttft_p95=3 s\", found \"{text}\"")))
        }
    }
}

fn fault(message: String) -> Faults {
    crate::foundations::Fault::new(message).into()
}

/// The fewest GPUs of a server that hold the model.
fn server(first: &mut FirstScenario) -> Result<u32, Failure> {
    let mut fits = None;
    for gpus in SERVERS {
        first.tensor_parallel = gpus;
        match read(first, &[]) {
            Ok(loaded) => {
                fits = fits.or(Some(gpus));
                let plan = loaded.scenario.variants.first().map(|variant| &variant.plan);
                if plan.is_some_and(has_room) {
                    return Ok(gpus);
                }
            }
            Err(Failure::Scenario { faults, .. })
                if fits.is_some()
                    || gpus < SERVERS[6] && faults.iter().all(|fault| fault.unfit) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(fits.unwrap_or(1))
}

/// Whether two of the longest contexts find room.
fn has_room(plan: &Plan) -> bool {
    plan.pools.iter().all(|pool| {
        let tokens = pool.replica.kv_blocks.saturating_mul(pool.replica.block.into());
        tokens >= 2 * u64::from(pool.max_context)
    })
}

/// The fewest servers before which requests hardly wait, in a short trial.
fn fleet(first: &mut FirstScenario) -> Result<u32, Failure> {
    let mut enough = 1;
    while enough < MOST_REPLICAS && !is_enough(first, enough)? {
        enough *= 2;
    }
    let mut too_few = enough / 2;
    while enough - too_few > 1 {
        let middle = u32::midpoint(enough, too_few);
        match is_enough(first, middle)? {
            true => enough = middle,
            false => too_few = middle,
        }
    }
    Ok(enough)
}

fn is_enough(first: &mut FirstScenario, replicas: u32) -> Result<bool, Failure> {
    first.replicas = replicas;
    let scenario = read(first, &SHORT_RUN.map(str::to_owned))?.scenario;
    let plans: Vec<Plan> = scenario.variants.into_iter().map(|variant| variant.plan).collect();
    let (trials, seed, threads) = (1, scenario.run.seed, 1);
    let monte_carlo = MonteCarlo { plans: &plans, objectives: &[], trials, seed, threads };
    let found = monte_carlo.run(&Watch::default())?;
    let answers = Answers::new(&scenario.name, &monte_carlo, found, scenario.run.confidence);
    Ok(answers.variants.iter().all(|answer| {
        // The third of the quantiles that figures state is the 95th percentile.
        let waited = answer.fleet("queue_time_s").quantiles[2].map_or(0.0, |wait| wait.value);
        answer.keeps_up && waited <= SHORT_WAIT_S
    }))
}

/// Reads the scenario as it stands, without its variants.
fn read(first: &FirstScenario, set: &[String]) -> Result<Loaded, Failure> {
    load::load_text(&first.file, &first.text(), Path::new(""), set, &["base".to_owned()])
}
