//! A bounded, unbiased sample of the tasks of a trial.
//!
//! Each task has a key that is a hash of its trial and number; the tasks with the smallest keys
//! stay. That is a uniform sample without replacement, whatever order the tasks end in and trials
//! are merged in: the same one on every run, and the same tasks in every variant.

use std::fmt;

use super::cause::Cause;
use super::plan::Plan;
use crate::foundations::histogram::MOST_COUNTED;
use crate::foundations::random::derive;

/// One task, as it stands in `tasks.csv`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
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
#[derive(Clone, serde::Serialize, serde::Deserialize)]
#[serde(into = "Written", from = "Written")]
pub struct TaskSample {
    /// Hash of the trial's number.
    name: u64,
    /// Tasks that may stay, with their keys: all with a key up to `bound`, less than twice as many
    /// as are wanted. Now and then the half with the larger keys goes.
    kept: Vec<(u64, TaskRow)>,
    bound: u64,
    limit: usize,
    seen: u64,
}

/// A sample as it is kept on a disk: what stays, and nothing that depends on the order of merging.
#[derive(serde::Serialize, serde::Deserialize)]
struct Written {
    limit: usize,
    seen: u64,
    kept: Vec<(u64, TaskRow)>,
}

impl From<TaskSample> for Written {
    fn from(TaskSample { limit, seen, mut kept, .. }: TaskSample) -> Self {
        kept.sort_unstable_by_key(|(key, row)| (*key, row.trial, row.task));
        kept.truncate(limit);
        Self { limit, seen, kept }
    }
}

impl From<Written> for TaskSample {
    fn from(Written { limit, seen, kept }: Written) -> Self {
        Self { kept, limit, seen, ..Self::default() }
    }
}

impl PartialEq for TaskSample {
    fn eq(&self, other: &Self) -> bool {
        self.seen == other.seen && self.rows() == other.rows()
    }
}

/// What stays; how much more is kept for now depends on the order of merging.
impl fmt::Debug for TaskSample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskSample").field("seen", &self.seen).field("rows", &self.rows()).finish()
    }
}

impl Default for TaskSample {
    fn default() -> Self {
        Self::new(0, 0)
    }
}

impl TaskSample {
    /// A sample of at most `limit` tasks of a trial.
    pub fn new(trial: u64, limit: usize) -> Self {
        Self { name: derive(trial, 0x7461_736b), kept: Vec::new(), bound: u64::MAX, limit, seen: 0 }
    }

    /// Offers a task; its row is made only where it may stay.
    pub fn offer(&mut self, task: u64, row: impl FnOnce() -> TaskRow) {
        self.seen += 1;
        let key = derive(self.name, task);
        if key <= self.bound && self.limit > 0 {
            self.keep(key, row());
        }
    }

    fn keep(&mut self, key: u64, row: TaskRow) {
        self.kept.push((key, row));
        if self.kept.len() >= 2 * self.limit {
            let order = |(key, row): &(u64, TaskRow)| (*key, row.trial, row.task);
            self.kept.select_nth_unstable_by_key(self.limit - 1, order);
            self.kept.truncate(self.limit);
            self.bound = self.kept[self.limit - 1].0;
        }
    }

    /// Adds the sample of another trial: what stays is a sample of the tasks of both.
    pub fn merge(&mut self, other: Self) {
        self.seen += other.seen;
        for (key, row) in other.kept {
            if key <= self.bound && self.limit > 0 {
                self.keep(key, row);
            }
        }
    }

    /// Whether this can be a sample of the tasks of this plan: it may come from a disk.
    pub fn is_of(&self, plan: &Plan) -> bool {
        let known = |row: &TaskRow| usize::from(row.population) < plan.populations.len();
        self.seen <= MOST_COUNTED
            && self.limit == plan.task_rows
            && self.kept.iter().all(|(_, row)| known(row))
    }

    /// How many tasks stay.
    pub fn count(&self) -> usize {
        self.kept.len().min(self.limit)
    }

    /// Tasks offered.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The tasks that stay, by trial and in order of their start.
    pub fn rows(&self) -> Vec<&TaskRow> {
        let mut kept: Vec<_> = self.kept.iter().collect();
        kept.sort_unstable_by_key(|(key, row)| (*key, row.trial, row.task));
        let mut rows: Vec<_> = kept.into_iter().take(self.limit).map(|(_, row)| row).collect();
        rows.sort_unstable_by_key(|row| (row.trial, row.task));
        rows
    }
}
