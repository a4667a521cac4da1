//! A bounded, unbiased sample of the tasks of a trial.
//!
//! Each task has a key that is a hash of its trial and number; the tasks with the smallest keys
//! stay. That is a uniform sample without replacement, whatever order the tasks end in and trials
//! are merged in: the same one on every run, and the same tasks in every variant.

use std::collections::BinaryHeap;

use super::cause::Cause;
use crate::foundations::random::derive;

/// One task, as it stands in `tasks.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskRow {
    /// Number of its trial.
    pub trial: u64,
    /// Number among all tasks of the trial, in order of their start.
    pub task: u64,
    /// Population, by place in the scenario.
    pub population: u16,
    /// When it started, seconds.
    pub started_s: f64,
    /// How long it took, seconds.
    pub latency_s: f64,
    /// `None` for success.
    pub cause: Option<Cause>,
    /// LLM calls.
    pub calls: u32,
    /// Tool calls.
    pub tool_calls: u32,
    /// Input tokens.
    pub input_tokens: u64,
    /// Input tokens found in a cache.
    pub cached_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
    /// Reasoning tokens, part of the output.
    pub reasoning_tokens: u64,
    /// Charge, USD.
    pub usd: f64,
}

#[derive(Clone, Debug, PartialEq)]
struct Keyed(u64, TaskRow);

impl Eq for Keyed {}

impl Ord for Keyed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1.trial, self.1.task).cmp(&(other.0, other.1.trial, other.1.task))
    }
}

impl PartialOrd for Keyed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// See the module's page.
#[derive(Clone, Debug, Default)]
pub struct TaskSample {
    trial: u64,
    heap: BinaryHeap<Keyed>,
    limit: usize,
    seen: u64,
}

impl PartialEq for TaskSample {
    fn eq(&self, other: &Self) -> bool {
        self.seen == other.seen && self.rows() == other.rows()
    }
}

impl TaskSample {
    /// A sample of at most `limit` tasks of a trial.
    pub fn new(trial: u64, limit: usize) -> Self {
        Self { trial, heap: BinaryHeap::new(), limit, seen: 0 }
    }

    /// Offers a task; its row is made only where it stays.
    pub fn offer(&mut self, task: u64, row: impl FnOnce() -> TaskRow) {
        self.seen += 1;
        if self.limit == 0 {
            return;
        }
        let key = derive(derive(self.trial, 0x7461_736b), task);
        if self.heap.len() < self.limit || self.heap.peek().is_some_and(|worst| key < worst.0) {
            self.keep(Keyed(key, row()));
        }
    }

    fn keep(&mut self, row: Keyed) {
        self.heap.push(row);
        if self.heap.len() > self.limit {
            self.heap.pop();
        }
    }

    /// Adds the sample of another trial: what stays is a sample of the tasks of both.
    pub fn merge(&mut self, other: Self) {
        self.seen += other.seen;
        for row in other.heap {
            self.keep(row);
        }
    }

    /// Tasks offered.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The tasks that stayed, by trial and in order of their start.
    pub fn rows(&self) -> Vec<&TaskRow> {
        let mut rows: Vec<&TaskRow> = self.heap.iter().map(|keyed| &keyed.1).collect();
        rows.sort_by_key(|row| (row.trial, row.task));
        rows
    }
}
