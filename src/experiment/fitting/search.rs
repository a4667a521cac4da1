//! The search for constants.

use super::errors::{Fold, FoldErrors, RowErrors, folds};
use super::parameters::{PARAMETERS, engines, held};
use super::rows::{Row, closed_form, rows, simulate};
use crate::catalog::{Catalog, Engine};
use crate::experiment::validation::EngineTpot;
use crate::experiment::validation::table::Line;
use crate::foundations::least_squares::{NoMinimum, minimise_to, soft_l1};
use crate::performance::Latencies;

/// Up to about this far from 0 a residual counts fully.
const SCALE: f64 = 0.08;
/// Weight of times to first token, and where their residual levels off.
const TTFT: (f64, f64) = (0.4, 0.35);
/// Weight of the priors.
const PRIOR: f64 = 2.0;
/// Rounds of simulating and searching.
const ROUNDS: usize = 3;
/// Part of the sum of squares below which nothing is gained any more.
const TOLERANCE: f64 = 1e-5;

/// Constants, and how far predictions with them are off.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// By [`PARAMETERS`].
    pub values: Vec<f64>,
    /// The same in the catalog that the search used.
    pub held: Vec<f64>,
    /// Rows that were fitted to.
    pub rows: usize,
    /// Rows that were not: suspected of something, or of no use.
    pub left_out: usize,
    /// Errors of these rows, as simulated.
    pub errors: Vec<RowErrors>,
    /// Errors of rows left out of a fit.
    pub folds: Vec<FoldErrors>,
}

impl Fitted {
    /// The largest difference between what was found and what the catalog holds, as a share.
    #[must_use]
    pub fn largest_change(&self) -> f64 {
        let pairs = self.values.iter().zip(&self.held);
        pairs.map(|(value, held)| (value / held - 1.0).abs()).fold(0.0, f64::max)
    }

    /// Errors of rows left out of a fit; none where nothing was.
    #[must_use]
    pub fn left_out_by(&self, fold: Fold) -> Option<&FoldErrors> {
        self.folds.iter().find(|found| found.fold == fold)
    }
}

/// Fits the constants of `catalog`'s engines to rows.
///
/// # Errors
/// [`NoMinimum`] where the search fails.
pub fn fit(
    lines: &[Line<EngineTpot>],
    catalog: &Catalog,
    with_folds: bool,
    told: &(dyn Fn(&str) + Sync),
) -> Result<Fitted, NoMinimum> {
    let (rows, left_out) = rows(lines, catalog);
    let all: Vec<usize> = (0..rows.len()).collect();
    let mut values: Vec<f64> = PARAMETERS.iter().map(|parameter| parameter.prior).collect();
    let mut search = Search::at(&rows, catalog, &values);
    for round in 1..=ROUNDS {
        values = search.solve(&all, &values)?;
        search = Search::at(&rows, catalog, &values);
        told(&format!("round {round} of {ROUNDS}: {:.2} % TPOT", 100.0 * search.tpot_error()));
    }
    let errors = rows.iter().zip(&search.simulated).map(|(row, found)| RowErrors::of(row, found));
    let errors: Vec<RowErrors> = errors.collect();
    let mut found = Vec::new();
    for fold in Fold::ALL.into_iter().filter(|_| with_folds) {
        let predicted = folds(fold, &rows, |kept| {
            let values = search.solve(kept, &values)?;
            Ok(search.predict(&values))
        })?;
        let errors = rows.iter().zip(&predicted).map(|(row, found)| RowErrors::of(row, found));
        let errors = FoldErrors { fold, errors: errors.collect() };
        told(&format!("{fold} left out: {:.2} % TPOT", 100.0 * errors.mean_tpot()));
        found.push(errors);
    }
    let (held, rows) = (held(catalog), rows.len());
    Ok(Fitted { values, held, rows, left_out, errors, folds: found })
}

/// Closed forms times their ratio to the simulation at some constants.
struct Search<'a> {
    rows: &'a [Row<'a>],
    catalog: &'a Catalog,
    simulated: Vec<Latencies>,
    /// By row: simulated over closed form.
    ratios: Vec<Latencies>,
}

impl<'a> Search<'a> {
    fn at(rows: &'a [Row<'a>], catalog: &'a Catalog, values: &[f64]) -> Self {
        let engines = engines(catalog, values);
        let simulated = simulate(rows, &engines);
        let closed = closed_form(rows, &engines);
        let ratio = |(simulated, closed): (&Latencies, &Latencies)| Latencies {
            ttft_s: simulated.ttft_s / closed.ttft_s,
            tpot_s: simulated.tpot_s / closed.tpot_s,
        };
        let ratios = simulated.iter().zip(&closed).map(ratio).collect();
        Self { rows, catalog, simulated, ratios }
    }

    fn tpot_error(&self) -> f64 {
        let pairs = self.rows.iter().zip(&self.simulated);
        let sum: f64 = pairs.map(|(row, found)| (found.tpot_s / row.tpot_s - 1.0).abs()).sum();
        sum / self.rows.len().max(1) as f64
    }

    fn predict(&self, values: &[f64]) -> Vec<Latencies> {
        let engines: Vec<Engine> = engines(self.catalog, values);
        let closed = closed_form(self.rows, &engines);
        let corrected = |(closed, ratio): (&Latencies, &Latencies)| Latencies {
            ttft_s: closed.ttft_s * ratio.ttft_s,
            tpot_s: closed.tpot_s * ratio.tpot_s,
        };
        closed.iter().zip(&self.ratios).map(corrected).collect()
    }

    /// The constants that suit these rows best.
    fn solve(&self, used: &[usize], start: &[f64]) -> Result<Vec<f64>, NoMinimum> {
        let residuals = |logs: &[f64]| {
            let values: Vec<f64> = logs.iter().map(|log| libm::exp(*log)).collect();
            let found = self.predict(&values);
            let (weight, level) = TTFT;
            let of_row = |&index: &usize| {
                let (row, found) = (&self.rows[index], &found[index]);
                let tpot = libm::log(found.tpot_s / row.tpot_s);
                let ttft = row.ttft_s.map_or(0.0, |ttft_s| {
                    weight * level * libm::tanh(libm::log(found.ttft_s / ttft_s) / level)
                });
                [tpot, ttft]
            };
            let priors = PARAMETERS.iter().zip(logs).map(|(parameter, log)| {
                PRIOR * (log - libm::log(parameter.prior)) / parameter.width
            });
            used.iter().flat_map(of_row).chain(priors).map(|r| soft_l1(r, SCALE)).collect()
        };
        let start: Vec<f64> = start.iter().map(|value| libm::log(*value)).collect();
        let found = minimise_to(TOLERANCE, &start, residuals)?;
        Ok(found.parameters.iter().map(|log| libm::exp(*log)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::validation::table;
    use crate::foundations::Sources;

    /// `tokenfleet fit` from its priors ends near where the catalog is. To be quick, this begins there:
    /// one round finds nothing that predicts much better.
    #[test]
    fn the_catalog_is_as_good_as_what_a_fit_finds() {
        let mut sources = Sources::default();
        let text = include_str!("../../../tests/data/fidelity/engine_tpot.csv");
        let source = sources.add_file("engine_tpot.csv", text);
        let lines = table::read::<EngineTpot>(source, &sources).unwrap();
        let catalog = Catalog::embedded();
        let (rows, left_out) = rows(&lines, &catalog);
        assert_eq!((rows.len(), left_out), (1272, 148));
        let start = held(&catalog);
        let search = Search::at(&rows, &catalog, &start);
        assert!(search.tpot_error() < 0.081, "{}", search.tpot_error());
        let all: Vec<usize> = (0..rows.len()).collect();
        let found = search.solve(&all, &start).unwrap();
        let off = |found: &[Latencies]| {
            let errors = rows.iter().zip(found).map(|(row, found)| found.tpot_s / row.tpot_s - 1.0);
            errors.map(f64::abs).sum::<f64>() / rows.len() as f64
        };
        let gained = search.tpot_error() - off(&search.predict(&found));
        assert!(gained < 0.003, "{gained}");
    }
}
