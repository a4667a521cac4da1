//! What may happen to the replicas of a pool: failures, outages, reboots, and how many are rented.

use crate::foundations::distribution::Law;
use crate::foundations::{SimDuration, SimTime};
use crate::serving::interruption::InterruptionLaw;

/// What happens to the replicas of a pool, beside work.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FleetLaw {
    /// What breaks.
    pub breakdowns: Vec<Breakdown>,
    /// Servers that go on more slowly for a while.
    pub degradation: Option<Degradation>,
    /// Machines that their owner takes back.
    pub reclaim: Option<Reclaim>,
    /// Stretches in which the whole pool is down.
    pub outages: InterruptionLaw,
    /// Reboots by plan.
    pub maintenance: Option<Maintenance>,
    /// How many replicas are rented, where that follows the load.
    pub autoscale: Option<Autoscale>,
    /// What becomes of calls whose server is lost, or that find none.
    pub lost_calls: LostCalls,
}

/// What becomes of calls whose server is lost, or that find none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LostCalls {
    /// Their callers see an error.
    #[default]
    Fail,
    /// The router sends them again; while no server is up, they wait.
    Restart,
}

/// Things of one kind that break and are repaired. Each serves the replicas of one group, which are
/// down together: times in service are exponential, so things that a replica needs all of are one
/// thing that breaks as often as all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Breakdown {
    /// Mean time in service of one, seconds.
    pub between_s: f64,
    /// Replicas of a group.
    pub group: u32,
    /// Time until it is repaired, seconds.
    pub repair_s: Law,
}

/// Servers that go on more slowly for a while.
#[derive(Clone, Debug, PartialEq)]
pub struct Degradation {
    /// Mean time of a replica at full speed, seconds; exponential.
    pub between_s: f64,
    /// How long it lasts, seconds.
    pub length_s: Law,
    /// How much longer steps take, in 1024ths.
    pub slowness: u64,
}

/// Machines that their owner takes back; while they are gone nobody pays for them.
#[derive(Clone, Debug, PartialEq)]
pub struct Reclaim {
    /// Mean time that a replica is kept, seconds; exponential.
    pub between_s: f64,
    /// How long before it is told.
    pub notice: SimDuration,
    /// Time until there is another, seconds.
    pub back_s: Law,
}

/// Reboots by plan, replica after replica: each takes no new calls, ends those that it has, and
/// starts again.
#[derive(Clone, Debug, PartialEq)]
pub struct Maintenance {
    /// When the first round begins.
    pub start: SimTime,
    /// Time between the beginnings of two rounds; without, there is one.
    pub every: Option<SimDuration>,
    /// Time that a reboot takes, seconds.
    pub reboot_s: Law,
    /// How long it waits for calls to end, at most.
    pub drain: SimDuration,
    /// Replicas at once.
    pub at_once: u32,
}

/// How many replicas are rented, by the load.
#[derive(Clone, Debug, PartialEq)]
pub struct Autoscale {
    /// At least.
    pub least: u32,
    /// At most.
    pub most: u32,
    /// What is looked at.
    pub on: ScaleOn,
    /// What there should be of it for each replica; of a latency, its limit in seconds.
    pub target: f64,
    /// Time between two looks.
    pub interval: SimDuration,
    /// For so long fewer must have been enough before some are given back.
    pub cool_down: SimDuration,
    /// Time from renting a replica until it takes calls, seconds.
    pub start_s: Law,
}

/// What an autoscaler looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScaleOn {
    /// Requests that wait.
    Queue,
    /// Requests that wait or run.
    Requests,
    /// Time in steps since the last look, over time.
    Utilization,
    /// A latency of the requests answered of late.
    Latency(Watched),
}

/// A latency that an autoscaler holds below a limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Watched {
    /// Whether it is the time per output token rather than that to the first one.
    pub per_token: bool,
    /// Which part of the requests must keep within the limit.
    pub quantile: f64,
    /// Requests answered within this time count.
    pub window: SimDuration,
}
