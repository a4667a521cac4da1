//! What the page asks and what it is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::Shared;
use super::knobs::Knobs;
use super::simulation::{self, Job};
use crate::catalog::Catalog;
use crate::cli::diagnostic::{self, Style};
use crate::cli::failure::Failure;
use crate::cli::run::write;
use crate::experiment::{Answers, MonteCarlo, Objective, Watch};
use crate::foundations::error::{Faults, Sources};
use crate::report::folder::Folder;
use crate::report::html::{self, ResultData};
use crate::report::manifest::{self, Input, Origin};
use crate::report::schema;
use crate::simulation::scenario::{BASE, Draws, ReadOptions, Scenario};

/// Trials that one request may ask for.
const MOST_TRIALS: u64 = 400;
/// How long a request waits for others to end.
const QUEUE: Duration = Duration::from_secs(20);

/// A scenario as it stands on the page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// The name that it was offered by.
    name: String,
    text: String,
    /// What the knobs stand at: `path=value`.
    #[serde(default)]
    set: Vec<String>,
    /// Trials; the scenario's own without it.
    trials: Option<u64>,
}

/// A scenario that was read, with all its texts.
type Read = (Result<Scenario, Faults>, Sources);

/// The scenarios that are offered.
pub(super) async fn scenarios(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let offered = shared.scenarios.offered.iter();
    Json(offered.map(|(name, text)| json!({ "name": name, "text": text })).collect())
}

/// The JSON Schema of scenarios.
pub(super) async fn schema() -> Json<Value> {
    Json(schema::json(&Catalog::embedded()))
}

/// Everything that is wrong in a scenario, and what can be turned in it.
pub(super) async fn check(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let asked = match understood(&body) {
        Ok(asked) => asked,
        Err(refusal) => return *refusal,
    };
    let found = tokio::task::spawn_blocking(move || {
        let (read, sources) = read(&shared, &asked, &[]);
        let knobs = match &read {
            Ok(scenario) => {
                let plan = scenario.variants.first().map(|variant| &variant.plan);
                plan.map(|plan| Knobs::of(&asked.text, plan))
            }
            Err(_) => None,
        };
        let (faults, warnings, run) = match &read {
            Ok(scenario) => (Faults::default(), scenario.warnings.clone(), Some(scenario.run)),
            Err(faults) => (faults.clone(), Faults::default(), None),
        };
        json!({
            "faults": diagnostic::told(&faults, &sources),
            "text": diagnostic::render(&faults, &sources, Style::PLAIN),
            "warnings": diagnostic::render_warnings(&warnings, &sources, Style::PLAIN),
            "knobs": knobs,
            "trials": run.map(|run| run.trials),
            "variants": read.map(|scenario| names(&scenario)).unwrap_or_default(),
        })
    });
    answer(found.await)
}

/// Simulates, and tells what is known after every few trials: lines of JSON.
pub(super) async fn run(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let asked = match understood(&body) {
        Ok(asked) => asked,
        Err(refusal) => return *refusal,
    };
    let Some(busy) = turn(&shared).await else { return crowded() };
    let reading = tokio::task::spawn_blocking(move || {
        let (read, sources) = read(&shared, &asked, &[BASE.to_owned()]);
        read.map(|scenario| job(scenario, asked.trials))
            .map_err(|faults| refusal(&faults, &sources))
    });
    match reading.await {
        Ok(Ok(Some(job))) => {
            let lines = Body::from_stream(simulation::begin(job, busy));
            ([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response()
        }
        Ok(Err(refusal)) => *refusal,
        _ => broken(),
    }
}

/// The result as one page to keep, `report.html`.
pub(super) async fn report(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let asked = match understood(&body) {
        Ok(asked) => asked,
        Err(refusal) => return *refusal,
    };
    let Some(busy) = turn(&shared).await else { return crowded() };
    let wanted = Wanted::default();
    let watch = Arc::clone(&wanted.0);
    let made = tokio::task::spawn_blocking(move || {
        let (read, sources) = read(&shared, &asked, &[]);
        let page = read
            .map_err(|faults| refusal(&faults, &sources))
            .map(|read| page(&asked, read, &watch));
        drop(busy);
        page
    });
    match made.await {
        Ok(Ok(Ok(page))) => {
            let kind = (header::CONTENT_TYPE, "text/html; charset=utf-8");
            let name = (header::CONTENT_DISPOSITION, "attachment; filename=\"report.html\"");
            ([kind, name], page).into_response()
        }
        Ok(Err(refusal)) => *refusal,
        _ => broken(),
    }
}

fn understood(body: &[u8]) -> Result<Asked, Box<Response>> {
    serde_json::from_slice(body).map_err(|error| {
        let message = format!("this is not what the page asks: {error}\n");
        Box::new((StatusCode::BAD_REQUEST, message).into_response())
    })
}

fn read(shared: &Shared, asked: &Asked, variants: &[String]) -> Read {
    let mut sources = Sources::default();
    let source = sources.add_file(&asked.name, &asked.text);
    let files = shared.scenarios.files(&asked.name);
    let options = ReadOptions { files: &files, set: &asked.set, variants, draws: Draws::default() };
    (Scenario::read(source, &mut sources, &options), sources)
}

fn names(scenario: &Scenario) -> Vec<String> {
    scenario.variants.iter().map(|variant| variant.plan.name.clone()).collect()
}

fn job(scenario: Scenario, trials: Option<u64>) -> Option<Job> {
    let objectives = scenario.objectives.iter().filter_map(Objective::from_scenario).collect();
    Some(Job {
        plan: scenario.variants.into_iter().next()?.plan,
        name: scenario.name,
        objectives,
        trials: trials.unwrap_or(scenario.run.trials).clamp(1, MOST_TRIALS),
        seed: scenario.run.seed,
        confidence: scenario.run.confidence,
    })
}

/// Trials that somebody waits for: they stop when the request is given up, by whoever asked or by
/// its time limit.
#[derive(Default)]
struct Wanted(Arc<Watch>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// A place among those that simulate; none where others take too long.
async fn turn(shared: &Shared) -> Option<OwnedSemaphorePermit> {
    let turn = Arc::clone(&shared.machine).acquire_owned();
    tokio::time::timeout(QUEUE, turn).await.ok()?.ok()
}

/// The report of all variants, by way of a result folder that is removed again.
fn page(asked: &Asked, scenario: Scenario, watch: &Watch) -> Result<String, Failure> {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let place = format!("tokenfleet-page-{}-{serial}", std::process::id());
    let place = std::env::temp_dir().join(place);
    let objectives: Vec<Objective> =
        scenario.objectives.iter().filter_map(Objective::from_scenario).collect();
    let (mut plans, mut sources) = (Vec::new(), Vec::new());
    for variant in scenario.variants {
        plans.push(variant.plan);
        sources.extend(variant.provenance);
    }
    let monte_carlo = MonteCarlo {
        plans: &plans,
        objectives: &objectives,
        trials: asked.trials.unwrap_or(scenario.run.trials).clamp(1, MOST_TRIALS),
        seed: scenario.run.seed,
        threads: 0,
    };
    let found = monte_carlo.run(watch)?;
    let answers = Answers::new(&scenario.name, &monte_carlo, found, scenario.run.confidence);
    if answers.stopped_after().is_some() {
        return Err(Failure::Stopped);
    }
    let file = format!("{}.toml", scenario.name);
    let mut command = vec!["tokenfleet".to_owned(), "run".to_owned(), file.clone()];
    command.extend(asked.set.iter().flat_map(|set| ["--set".to_owned(), set.clone()]));
    command.extend(asked.trials.iter().flat_map(|n| ["--trials".to_owned(), n.to_string()]));
    let inputs = vec![Input::text(file, asked.text.as_str())];
    let origin = Origin { command, inputs, sources: manifest::sources(sources), cut: None };
    // What is not committed is removed when the folder is dropped.
    let folder = Folder::begin(&place)?;
    write(&folder, &answers, &origin)?;
    Ok(html::render(&[ResultData::read(folder.files(), &scenario.name)?]))
}

fn refusal(faults: &Faults, sources: &Sources) -> Box<Response> {
    let text = diagnostic::render(faults, sources, Style::PLAIN);
    let body = json!({ "faults": diagnostic::told(faults, sources), "text": text });
    Box::new((StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response())
}

fn crowded() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "other simulations are under way; try again\n")
        .into_response()
}

fn broken() -> Response {
    let message = "this is a fault of tokenfleet, not of your input; please report it\n";
    (StatusCode::INTERNAL_SERVER_ERROR, message).into_response()
}

fn answer(found: Result<Value, tokio::task::JoinError>) -> Response {
    found.map_or_else(|_| broken(), |value| Json(value).into_response())
}
