//! Runs what was read, within bounds, and holds what comes out to account.

use std::time::{Duration, Instant};

use tokenfleet::cli::diagnostic;
use tokenfleet::experiment::{Answers, MonteCarlo, Objective, Watch};
use tokenfleet::foundations::error::Sources;
use tokenfleet::report::{Summary, csv, table};
use tokenfleet::simulation::World;
use tokenfleet::simulation::plan::Plan;
use tokenfleet::simulation::scenario::{Files, ReadOptions, Scenario};

/// Time for which one plan is simulated.
const BOUND: Duration = Duration::from_millis(150);
/// A plan that ended so soon is put through trials and reports too.
const SHORT: Duration = Duration::from_millis(40);

/// Reads a scenario as the command line does, tells its faults, and runs it.
pub(crate) fn scenario(text: &str, set: &[String], files: &dyn Files) {
    let mut sources = Sources::default();
    let source = sources.add_file("hostile.toml", text);
    let options = ReadOptions { set, ..ReadOptions::new(files) };
    match Scenario::read(source, &mut sources, &options) {
        Err(faults) => {
            let told = diagnostic::render(&faults, &sources, diagnostic::Style::PLAIN);
            assert!(told.contains("error"), "refused without a word: {told:?}");
        }
        Ok(scenario) => {
            diagnostic::render_warnings(&scenario.warnings, &sources, diagnostic::Style::PLAIN);
            for variant in scenario.variants.iter().take(2) {
                if plan(&variant.plan) {
                    report(&scenario, &variant.plan);
                }
            }
        }
    }
}

/// Whether a trial of the plan ends soon; what it counted must add up.
fn plan(plan: &Plan) -> bool {
    let since = Instant::now();
    let outcome = World::new(plan).run(1, 0, |_, _| since.elapsed() < BOUND);
    let Some(outcome) = outcome else { return false };
    let violations = outcome.conservation.violations();
    assert!(violations.is_empty(), "conservation: {violations:?}");
    since.elapsed() < SHORT
}

/// All that `run` makes of two trials.
fn report(scenario: &Scenario, plan: &Plan) {
    let objectives: Vec<Objective> =
        scenario.objectives.iter().filter_map(Objective::from_scenario).collect();
    let plans = std::slice::from_ref(plan);
    let monte_carlo = MonteCarlo { plans, objectives: &objectives, trials: 2, seed: 1, threads: 1 };
    let found = monte_carlo.run(&Watch::default()).unwrap();
    let answers = Answers::new(&scenario.name, &monte_carlo, found, scenario.run.confidence);
    let json = Summary::new(&answers).to_json().unwrap();
    serde_json::from_str::<serde_json::Value>(&json).unwrap();
    table::render(&answers, table::Style::PLAIN);
    csv::figures(&answers, std::io::sink()).unwrap();
    csv::trials(&answers, std::io::sink()).unwrap();
    csv::tasks(&answers, std::io::sink()).unwrap();
    csv::timeseries(&answers, std::io::sink()).unwrap();
}
