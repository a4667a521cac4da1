//! A folder of measurements: any of the files that are known, each by its name.

use super::calibrated;
use super::end_to_end::EndToEnd;
use super::engine_tpot::EngineTpot;
use super::load_sweep::LoadSweep;
use super::recorded_run::{self, RecordedRun};
use super::step_times::StepTime;
use super::table::{self, Line, Row};
use super::vllm_runs::VllmRun;
use crate::foundations::Faults;
use crate::foundations::error::{SourceId, Sources};

/// Names of the files that are read, and what is in them.
pub const FILES: [(&str, &str); 6] = [
    (ENGINE_TPOT, "engines in closed loop: time per output token, time to first token"),
    (END_TO_END, "published figures with their configuration"),
    (STEP_TIMES, "single iterations: sums of kernels and layers, whole steps"),
    (LOAD_SWEEP, "Poisson arrivals of rising rate: latency, throughput, power, dollars"),
    (VLLM_RUNS, "whole runs of vLLM: arrivals, shared prompts, engine flags"),
    (RECORDED_RUNS, "runs of vLLM request by request"),
];

/// What is in a file, or in findings that are made of one.
#[must_use]
pub fn about(name: &str) -> &'static str {
    let derived = (
        calibrated::NAME,
        "each deployment calibrated with three of its rows, the others compared",
    );
    let mut all = FILES.iter().chain([&derived]);
    all.find(|(known, _)| *known == name).map_or("", |(_, about)| about)
}

pub(super) const ENGINE_TPOT: &str = "engine_tpot.csv";
pub(super) const END_TO_END: &str = "end_to_end.csv";
pub(super) const STEP_TIMES: &str = "step_times.csv";
pub(super) const LOAD_SWEEP: &str = "load_sweep.csv";
pub(super) const VLLM_RUNS: &str = "vllm_h100_runs.csv";
pub(super) const RECORDED_RUNS: &str = "recorded_runs";

/// What was measured.
#[derive(Clone, Debug, Default)]
pub struct Measurements {
    /// Rows of `engine_tpot.csv`.
    pub engine_tpot: Vec<Line<EngineTpot>>,
    /// Rows of `end_to_end.csv`.
    pub end_to_end: Vec<Line<EndToEnd>>,
    /// Rows of `step_times.csv`.
    pub step_times: Vec<Line<StepTime>>,
    /// Rows of `load_sweep.csv`.
    pub load_sweep: Vec<Line<LoadSweep>>,
    /// Rows of `vllm_h100_runs.csv`.
    pub vllm_runs: Vec<Line<VllmRun>>,
    /// Folders of `recorded_runs`.
    pub recorded_runs: Vec<RecordedRun>,
    /// Files that nobody knows.
    pub unknown: Vec<String>,
}

impl Measurements {
    /// Reads files, each a name within the folder and its text.
    ///
    /// # Errors
    /// All faults in them, with the texts that they stand in.
    pub fn read(
        files: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, (Faults, Sources)> {
        let (mut sources, mut faults) = (Sources::default(), Faults::default());
        let mut found = Self::default();
        let mut recorded = Vec::new();
        for (name, text) in files {
            let source = sources.add_file(&name, text);
            match name.split_once('/') {
                None => match name.as_str() {
                    ENGINE_TPOT => rows(source, &sources, &mut faults, &mut found.engine_tpot),
                    END_TO_END => rows(source, &sources, &mut faults, &mut found.end_to_end),
                    STEP_TIMES => rows(source, &sources, &mut faults, &mut found.step_times),
                    LOAD_SWEEP => rows(source, &sources, &mut faults, &mut found.load_sweep),
                    VLLM_RUNS => rows(source, &sources, &mut faults, &mut found.vllm_runs),
                    _ => found.unknown.push(name),
                },
                Some((RECORDED_RUNS, file)) => recorded.push((file.to_owned(), source)),
                Some(_) => found.unknown.push(name),
            }
        }
        found.recorded_runs = recorded_run::read_all(&recorded, &sources, &mut faults);
        match faults.is_empty() {
            true => Ok(found),
            false => Err((faults, sources)),
        }
    }
}

fn rows<T: Row>(source: SourceId, sources: &Sources, faults: &mut Faults, into: &mut Vec<Line<T>>) {
    match table::read(source, sources) {
        Ok(rows) => *into = rows,
        Err(wrong) => faults.extend(wrong),
    }
}
