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

/// See the module's page.
#[derive(Clone, Debug, Default)]
pub struct TaskSample {
    trial: u64,
    /// (key, trial, task, place in `rows`) of the tasks that stay, the largest key on top.
    keys: BinaryHeap<(u64, u64, u64, usize)>,
    rows: Vec<TaskRow>,
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
        Self { trial, limit, ..Self::default() }
    }

    /// Offers a task; its row is made only where it stays.
    pub fn offer(&mut self, task: u64, row: impl FnOnce() -> TaskRow) {
        self.seen += 1;
        if self.limit == 0 {
            return;
        }
        let key = derive(derive(self.trial, 0x7461_736b), task);
        if self.rows.len() < self.limit || self.keys.peek().is_some_and(|worst| key < worst.0) {
            self.keep(key, row());
        }
    }

    /// Keeps a task, in the place of the one with the largest key where there is no room.
    fn keep(&mut self, key: u64, row: TaskRow) {
        let (trial, task) = (row.trial, row.task);
        if self.rows.len() < self.limit {
            self.keys.push((key, trial, task, self.rows.len()));
            self.rows.push(row);
        } else if let Some(mut worst) = self.keys.peek_mut()
            && (key, trial, task) < (worst.0, worst.1, worst.2)
        {
            let place = worst.3;
            *worst = (key, trial, task, place);
            self.rows[place] = row;
        }
    }

    /// Adds the sample of another trial: what stays is a sample of the tasks of both.
    pub fn merge(&mut self, other: Self) {
        self.seen += other.seen;
        for (key, _, _, place) in other.keys {
            self.keep(key, other.rows[place].clone());
        }
    }

    /// Tasks offered.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The tasks that stayed, by trial and in order of their start.
    pub fn rows(&self) -> Vec<&TaskRow> {
        let mut rows: Vec<&TaskRow> = self.rows.iter().collect();
        rows.sort_by_key(|row| (row.trial, row.task));
        rows
    }
}
