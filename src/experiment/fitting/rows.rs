//! The rows that are fitted to: closed form, simulation, and what was measured.

use rayon::prelude::*;

use crate::catalog::{Catalog, Engine};
use crate::experiment::validation::client::{Seen, mean};
use crate::experiment::validation::closed_loop::ClosedLoop as Replay;
use crate::experiment::validation::table::Line;
use crate::experiment::validation::{Configuration, EngineTpot};
use crate::performance::{ClosedLoop, Deployment, HostProfile, Latencies, StepModel};

/// A measured row that can be predicted.
#[derive(Debug)]
pub(super) struct Row<'c> {
    configuration: Configuration<'c>,
    /// Place of its engine in the catalog.
    engine: usize,
    load: ClosedLoop,
    replay: Replay,
    seed: u64,
    /// Measured time per output token, seconds.
    pub(super) tpot_s: f64,
    /// Measured time to first token, seconds.
    pub(super) ttft_s: Option<f64>,
}

impl<'c> Row<'c> {
    fn new(line: &Line<EngineTpot>, catalog: &'c Catalog) -> Option<Self> {
        let row = &line.row;
        let configuration = row.configuration(catalog).ok()?;
        if configuration.settings.suspect.is_some() {
            return None;
        }
        let Deployment { engine, accelerator, .. } = configuration.deployment;
        let drawn = configuration.settings.drawn_lengths.unwrap_or(false);
        // Means of lengths drawn from 0.8, answers from 0.95 where they are stated as fixed.
        let (prompt, answer) = if drawn { (0.9, 0.9) } else { (1.0, 0.975) };
        let budget = configuration.settings.max_batched_tokens;
        let budget = budget.unwrap_or(engine.scheduler_on(accelerator).max_batched_tokens);
        Some(Self {
            engine: catalog.engines().position(|known| known.key == engine.key)?,
            load: ClosedLoop {
                clients: f64::from(row.batch),
                prompt: prompt * f64::from(row.isl),
                answer: answer * f64::from(row.osl),
                token_budget: u32::try_from(budget).unwrap_or(u32::MAX),
            },
            replay: Replay { clients: row.batch, prompt: row.isl, answer: row.osl },
            seed: line.number,
            tpot_s: row.measured_ms * 1e-3,
            ttft_s: row.ttft_ms.map(|ms| ms * 1e-3),
            configuration,
        })
    }

    /// Keys of engine, accelerator and model.
    pub(super) fn class(&self) -> [&'c str; 3] {
        let Deployment { engine, accelerator, model, .. } = self.configuration.deployment;
        [&engine.key, &accelerator.key, &model.key]
    }

    fn deployment<'e>(&self, engines: &'e [Engine]) -> Deployment<'e>
    where
        'c: 'e,
    {
        Deployment { engine: &engines[self.engine], ..self.configuration.deployment }
    }

    pub(super) fn closed_form(&self, engines: &[Engine]) -> Option<Latencies> {
        let deployment = self.deployment(engines);
        let model = StepModel::compile(&deployment).ok()?;
        let host = HostProfile::of(deployment.engine, deployment.accelerator);
        Some(self.load.latencies(&model, &host))
    }

    pub(super) fn simulated(&self, engines: &[Engine]) -> Option<Latencies> {
        let deployment = self.deployment(engines);
        let settings = self.configuration.settings.clone();
        let seen = self.replay.replay(&Configuration { deployment, settings }, self.seed).ok()?;
        let (ttft_ms, tpot_ms) = (mean(&seen, Seen::ttft_ms), mean(&seen, Seen::tpot_ms));
        Some(Latencies { ttft_s: ttft_ms * 1e-3, tpot_s: tpot_ms * 1e-3 })
    }
}

/// All rows that can be predicted, and how many cannot or are suspected of something.
pub(super) fn rows<'c>(lines: &[Line<EngineTpot>], catalog: &'c Catalog) -> (Vec<Row<'c>>, usize) {
    let rows: Vec<Row<'c>> = lines.iter().filter_map(|line| Row::new(line, catalog)).collect();
    let left_out = lines.len() - rows.len();
    (rows, left_out)
}

/// By row, as simulated; rows that do not fit any more are as in closed form.
pub(super) fn simulate(rows: &[Row<'_>], engines: &[Engine]) -> Vec<Latencies> {
    let one = |row: &Row<'_>| row.simulated(engines).or_else(|| row.closed_form(engines));
    rows.par_iter().map(|row| one(row).unwrap_or(NOTHING)).collect()
}

/// By row, in closed form.
pub(super) fn closed_form(rows: &[Row<'_>], engines: &[Engine]) -> Vec<Latencies> {
    rows.par_iter().map(|row| row.closed_form(engines).unwrap_or(NOTHING)).collect()
}

const NOTHING: Latencies = Latencies { ttft_s: f64::NAN, tpot_s: f64::NAN };
