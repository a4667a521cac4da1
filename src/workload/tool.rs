//! Tools that agents call: a shell, a search API, a database.

use crate::foundations::SimDuration;
use crate::foundations::distribution::Law;

/// One kind of tool. All agents that name it share its slots.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// Name in the scenario.
    pub name: String,
    /// Time of a call once it has a slot, seconds.
    pub latency_s: Law,
    /// Tokens that a result adds to the context.
    pub result_tokens: Law,
    /// Probability that a call returns an error; its result still enters the context.
    pub failure: f64,
    /// A call that takes longer is given up and returns an error without a result.
    pub timeout: Option<SimDuration>,
    /// Calls served at once; `None` is without limit, others queue first come, first served.
    pub slots: Option<u32>,
}
