//! `engine_tpot.csv` once more: what is left of the error where a deployment was calibrated with
//! three of its own points.
//!
//! The rows of one engine, model and format on the same number of the same GPUs are a deployment.
//! Its rows at the lowest, the highest and the middle concurrency are what a user would have
//! measured; all other rows judge the factors found.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::client::{Seen, mean};
use super::comparison::{FileFindings, Outcome};
use super::configuration::{Configuration, Unmodelled};
use super::engine_tpot::{EngineTpot, comparisons};
use super::table::Line;
use crate::catalog::Catalog;
use crate::experiment::calibration::{Point, calibrate};
use crate::performance::{Factors, Latencies};

/// What the findings are called in tables.
pub const NAME: &str = "engine_tpot.csv after three points";

/// Rows of one deployment.
type Deployed<'a> = [&'a Line<EngineTpot>];

/// Calibrates each deployment and compares its other rows.
#[must_use]
pub fn compare(lines: &[Line<EngineTpot>], catalog: &Catalog) -> FileFindings {
    let mut deployments: BTreeMap<_, Vec<&Line<EngineTpot>>> = BTreeMap::new();
    for line in lines {
        let EngineTpot { source, hardware, model, precision, tp, ep, .. } = &line.row;
        deployments.entry((source, hardware, model, precision, tp, ep)).or_default().push(line);
    }
    let deployments: Vec<Vec<&Line<EngineTpot>>> = deployments.into_values().collect();
    let outcomes: Vec<Vec<(u64, Outcome)>> =
        deployments.into_par_iter().map(|rows| judge(rows, catalog)).collect();
    let mut outcomes: Vec<(u64, Outcome)> = outcomes.into_iter().flatten().collect();
    outcomes.sort_by_key(|(line, _)| *line);
    FileFindings::gather(NAME, outcomes)
}

/// What becomes of the rows of one deployment.
fn judge(rows: Vec<&Line<EngineTpot>>, catalog: &Catalog) -> Vec<(u64, Outcome)> {
    let all = |rows: &Deployed<'_>, reason: &str| -> Vec<(u64, Outcome)> {
        let missed = |line: &&Line<EngineTpot>| (line.number, Err(not_simulated(reason)));
        rows.iter().map(missed).collect()
    };
    let suspected = |line: &&Line<EngineTpot>| {
        line.row.configuration(catalog).is_ok_and(|found| found.settings.suspect.is_some())
    };
    let (suspects, mut rows): (Vec<_>, Vec<_>) = rows.into_iter().partition(suspected);
    let mut outcomes = all(&suspects, "suspected of something that the row does not say");
    rows.sort_by_key(|line| (line.row.batch, line.number));
    if rows.len() < 4 {
        outcomes.extend(all(&rows, "a deployment with fewer than four points"));
        return outcomes;
    }
    let last = rows.remove(rows.len() - 1);
    let middle = rows.remove(rows.len() / 2);
    let first = rows.remove(0);
    let given = [first, middle, last];
    match factors(&given, catalog) {
        Ok(factors) => {
            outcomes.extend(all(&given, "a point that its deployment was calibrated with"));
            outcomes.extend(rows.iter().map(|line| (line.number, one(line, &factors, catalog))));
        }
        Err(reason) => {
            outcomes.extend(all(&given, &reason.to_string()));
            outcomes.extend(all(&rows, &reason.to_string()));
        }
    }
    outcomes
}

fn not_simulated(reason: &str) -> Unmodelled {
    Unmodelled::NotSimulated(reason.to_owned())
}

/// The factors that three rows give.
fn factors(given: &Deployed<'_>, catalog: &Catalog) -> Result<Factors, Unmodelled> {
    let points: Vec<Point> = given.iter().map(|line| point(line)).collect();
    let configuration = given[0].row.configuration(catalog)?;
    let replica = configuration.server(tokens(&given[0].row))?.replica;
    let predict = |factors: &Factors, point: &Point| {
        let line = given.iter().find(|line| line.number.to_string() == point.name)?;
        let configuration = line.row.configuration(catalog).ok()?;
        let seen = replay(line, &configuration, factors).ok()?;
        Some(Latencies {
            ttft_s: mean(&seen, Seen::ttft_ms) * 1e-3,
            tpot_s: mean(&seen, Seen::tpot_ms) * 1e-3,
        })
    };
    calibrate(&points, &replica.model, &replica.host, replica.token_budget, &predict)
        .map(|found| found.factors())
        .map_err(|unfit| not_simulated(&unfit.to_string()))
}

fn tokens(row: &EngineTpot) -> u64 {
    u64::from(row.isl) + u64::from(row.osl)
}

/// A row as a user would hand it to `calibrate`; its line is its name.
fn point(line: &Line<EngineTpot>) -> Point {
    let row = &line.row;
    Point {
        name: line.number.to_string(),
        clients: row.batch.into(),
        open: false,
        prompt: row.isl.into(),
        answer: row.osl.into(),
        tpot_s: row.measured_ms * 1e-3,
        ttft_s: row.ttft_ms.map(|ms| ms * 1e-3),
        date: String::new(),
    }
}

/// What the clients of a row would see under factors.
fn replay(
    line: &Line<EngineTpot>,
    configuration: &Configuration<'_>,
    factors: &Factors,
) -> Result<Vec<Seen>, Unmodelled> {
    let row = &line.row;
    let mut server = configuration.server(tokens(row))?;
    server.replica.model = server.replica.model.calibrated(factors);
    server.replica.host = server.replica.host.calibrated(factors);
    row.load().replay_on(&server, &configuration.settings, line.number)
}

/// Compares a row that no factor was fitted to.
fn one(line: &Line<EngineTpot>, factors: &Factors, catalog: &Catalog) -> Outcome {
    let configuration = line.row.configuration(catalog)?;
    let seen = replay(line, &configuration, factors)?;
    Ok(comparisons(line, &configuration, &seen))
}
