//! `stats.json`: how fast a run was. The only file of a result that differs from run to run.

use crate::experiment::Answers;
use crate::foundations::units::{format_bytes, format_count, format_duration};

/// How fast a run was.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Stats {
    /// LLM calls simulated, warm-up and drain included.
    pub calls: u64,
    /// Processor time of all threads, from the start of the program, s.
    pub cpu_seconds: f64,
    /// One over the other.
    pub calls_per_cpu_second: f64,
    /// The most memory that was resident at once; null where the system does not say.
    pub peak_rss_bytes: Option<u64>,
    /// Events handled.
    pub events: u64,
    /// Engine iterations of all replicas.
    pub steps: u64,
    /// Leaps over one or more undisturbed iterations.
    pub leaps: u64,
}

impl Stats {
    /// The stats of these answers, given what the process used.
    pub fn new(answers: &Answers<'_>, cpu_seconds: f64, peak_rss_bytes: Option<u64>) -> Self {
        let rows = || answers.variants.iter().flat_map(|answer| &answer.rows);
        let calls = rows().map(|row| row.calls).sum();
        Self {
            calls,
            cpu_seconds,
            calls_per_cpu_second: calls as f64 / cpu_seconds,
            peak_rss_bytes,
            events: rows().map(|row| row.events).sum(),
            steps: rows().map(|row| row.steps).sum(),
            leaps: rows().map(|row| row.leaps).sum(),
        }
    }

    /// In one line.
    pub fn line(&self) -> String {
        let memory = self.peak_rss_bytes.map(|bytes| format_bytes(bytes as f64));
        format!(
            "{} calls in {} CPU: {} calls per CPU second, {} peak memory, {} events, {} steps in \
             {} leaps\n",
            self.calls,
            format_duration(self.cpu_seconds),
            format_count(self.calls_per_cpu_second),
            memory.unwrap_or_else(|| "unknown".to_owned()),
            format_count(self.events as f64),
            format_count(self.steps as f64),
            format_count(self.leaps as f64),
        )
    }
}
