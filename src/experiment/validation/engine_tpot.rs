//! `engine_tpot.csv`: mean time per output token and to the first one of real engines, at a stated
//! number of clients in closed loop.

use std::fmt;

use serde::Deserialize;

use super::client::{Seen, mean};
use super::closed_loop::ClosedLoop;
use super::comparison::{Class, Comparison, Outcome};
use super::configuration::{Configuration, Names, Unmodelled};
use super::table::{Line, Row, at_least_one, positive};
use crate::catalog::Catalog;

/// One configuration under one load.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct EngineTpot {
    /// Who measured; the engine stands behind the last dash: `engine-tpot-vllm`.
    pub source: String,
    /// Accelerator.
    pub hardware: String,
    /// Model.
    pub model: String,
    /// Number format as the source names it.
    pub precision: String,
    /// GPUs that each layer is spread over.
    pub tp: u32,
    /// Clients, each with one request at a time.
    pub batch: u32,
    /// Mean time per output token of a request, first token apart, ms.
    pub measured_ms: f64,
    /// Prompt tokens, nominal.
    pub isl: u32,
    /// Tokens of the answer, nominal.
    pub osl: u32,
    /// Mean time to first token, ms.
    pub ttft_ms: Option<f64>,
    /// Groups of GPUs that experts are dealt to.
    #[serde(default = "one")]
    pub ep: u32,
    /// The source's own name of the run.
    #[serde(default)]
    pub id: String,
}

fn one() -> u32 {
    1
}

impl Row for EngineTpot {
    const COLUMNS: &'static [&'static str] =
        &["source", "hardware", "model", "precision", "tp", "batch", "measured_ms", "isl", "osl"];

    fn fault(&self) -> Option<(&'static str, &'static str)> {
        at_least_one(&[
            ("tp", f64::from(self.tp)),
            ("ep", f64::from(self.ep)),
            ("batch", f64::from(self.batch)),
            ("isl", f64::from(self.isl)),
            ("osl", f64::from(self.osl)),
        ])
        .or(positive(&[("measured_ms", Some(self.measured_ms)), ("ttft_ms", self.ttft_ms)]))
    }
}

impl EngineTpot {
    /// The engine's name.
    #[must_use]
    pub fn engine(&self) -> &str {
        self.source.rsplit('-').next().unwrap_or(&self.source)
    }

    /// Its clients.
    #[must_use]
    pub fn load(&self) -> ClosedLoop {
        ClosedLoop { clients: self.batch, prompt: self.isl, answer: self.osl }
    }

    /// The configuration as catalog entries and the settings of its campaign.
    ///
    /// # Errors
    /// [`Unmodelled`] for names that the catalog does not have and replicas that cannot be.
    pub fn configuration<'c>(&self, catalog: &'c Catalog) -> Result<Configuration<'c>, Unmodelled> {
        let names = Names {
            model: &self.model,
            accelerator: &self.hardware,
            engine: self.engine(),
            precision: &self.precision,
            tensor_parallel: self.tp,
            expert_parallel: self.ep,
            pipeline_parallel: 1,
        };
        names.under(catalog, &self.id, self.batch, (self.isl, self.osl))
    }
}

impl fmt::Display for EngineTpot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { precision, tp, ep, batch, isl, osl, .. } = self;
        write!(f, "{precision} tp{tp} ep{ep}, {batch} clients, {isl} in, {osl} out")
    }
}

/// Replays a row.
pub(super) fn compare(line: &Line<EngineTpot>, catalog: &Catalog) -> Outcome {
    let configuration = line.row.configuration(catalog)?;
    let seen = line.row.load().replay(&configuration, line.number)?;
    Ok(comparisons(line, &configuration, &seen))
}

/// What a row's clients saw beside what was measured.
pub(super) fn comparisons(
    line: &Line<EngineTpot>,
    configuration: &Configuration<'_>,
    seen: &[Seen],
) -> Vec<Comparison> {
    let row = &line.row;
    let class = Class::of(&row.source, configuration);
    let figures = [
        ("tpot_ms", Some(mean(seen, Seen::tpot_ms)), Some(row.measured_ms)),
        ("ttft_ms", Some(mean(seen, Seen::ttft_ms)), row.ttft_ms),
    ];
    let suspect = &configuration.settings.suspect;
    Comparison::all(&class, line.number, &row.to_string(), suspect, figures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::validation::table;
    use crate::foundations::Sources;

    #[test]
    fn every_row_that_is_shipped_can_be_simulated() {
        let text = include_str!("../../../tests/data/fidelity/engine_tpot.csv");
        let mut sources = Sources::default();
        let source = sources.add_file("engine_tpot.csv", text);
        let rows = table::read::<EngineTpot>(source, &sources).unwrap();
        let catalog = Catalog::embedded();
        let mut suspects = 0;
        for line in &rows {
            let found = line.row.configuration(&catalog);
            let found = found.unwrap_or_else(|reason| panic!("line {}: {reason}", line.number));
            suspects += usize::from(found.settings.suspect.is_some());
        }
        assert_eq!((rows.len(), suspects), (1420, 148));
    }
}
