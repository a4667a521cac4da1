//! A scenario resolved: every name looked up, every quantity in base units, ready to simulate.
//!
//! A plan is read-only and shared by all trials and threads.

use std::sync::Arc;

use crate::catalog::Calibration;
use crate::foundations::distribution::Law;
use crate::foundations::{SimDuration, SimTime};
use crate::performance::GpuPower;
use crate::serving::{EndpointSpec, ReplicaSpec, RouterPolicy};
use crate::workload::arrival::Arrivals;
use crate::workload::program::Program;
use crate::workload::response_cache::ResponseCache;
use crate::workload::tool::Tool;
use crate::workload::trace::Trace;

mod fleet;
mod geography;

pub use fleet::{
    Autoscale, Breakdown, Degradation, FleetLaw, LostCalls, Maintenance, Reclaim, ScaleOn,
};
pub use geography::{Geography, Route, RouteBy};

/// One variant of a scenario, ready to simulate.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The variant's name.
    pub name: String,
    /// When new tasks stop to start.
    pub stop: Stop,
    /// Tasks and usage before this are left out of the results.
    pub warm_up: SimTime,
    /// What happens to tasks that are under way when new ones stop.
    pub ending: Ending,
    /// Model servers.
    pub pools: Vec<Pool>,
    /// Hosted models. Where a place names a backend, they come behind the pools.
    pub endpoints: Vec<Endpoint>,
    /// Where they stand and who may use them, where that matters; routes come behind endpoints.
    pub geography: Option<Geography>,
    /// Agent programs.
    pub programs: Vec<Program>,
    /// Tools.
    pub tools: Vec<Tool>,
    /// Recorded workloads.
    pub traces: Vec<Arc<Trace>>,
    /// Who sends tasks.
    pub populations: Vec<Population>,
    /// Rows of the task table for each trial; a sample where there are more tasks.
    pub task_rows: usize,
    /// Length of a bin of the time series to begin with; bins double when there are too many.
    pub bin: SimDuration,
}

/// When new tasks stop to start: whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// At this time.
    pub horizon: Option<SimTime>,
    /// After so many tasks.
    pub tasks: Option<u64>,
}

/// What happens to tasks under way when new ones stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// They are finished, for so long at most.
    Drain(SimDuration),
    /// They are left as they are, and counted as in flight.
    Cut,
}

/// Identical replicas behind a router.
#[derive(Clone, Debug)]
pub struct Pool {
    /// Name in the scenario.
    pub name: String,
    /// Name of the model.
    pub model: String,
    /// Name of the accelerator.
    pub accelerator: String,
    /// Name of the engine.
    pub engine: String,
    /// Step times, limits and memory of a replica.
    pub replica: ReplicaSpec,
    /// Replicas; those at the start, where their number follows the load.
    pub replicas: u32,
    /// What happens to them beside work; without, they are there all the time.
    pub fleet: Option<FleetLaw>,
    /// GPUs of a replica.
    pub gpus: u32,
    /// How requests are spread.
    pub router: RouterPolicy,
    /// What becomes of requests that it has too many of; without, they wait.
    pub overflow: Option<Overflow>,
    /// Part of the chances to get an answer right that its number formats keep, 0 to 1.
    pub quality: f64,
    /// Longest context that the model takes, prompt and output.
    pub max_context: u32,
    /// Price of a replica, USD per hour.
    pub usd_per_replica_h: f64,
    /// What that is made of, and what stands behind a joule.
    pub bill: Bill,
    /// Arithmetic that a GPU can do in the precision used, FLOP/s.
    pub peak_flops: f64,
    /// Memory bandwidth of a GPU, B/s.
    pub bandwidth: f64,
    /// Electrical power of a GPU.
    pub gpu_power: GpuPower,
    /// Name of the model of the same build that predictions were held against measurements of; its
    /// own where there is none.
    pub measured_model: String,
    /// Factors fitted to measurements of it, which its step times stand on.
    pub calibration: Option<Calibration>,
}

/// What becomes of requests that a pool has too many of. It has where either bound is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow {
    /// Requests that may wait, for each replica.
    pub queue: Option<u32>,
    /// Time that a request may be expected to wait: requests that wait, times the mean time in service
    /// of the last answers, over the requests that run.
    pub wait: Option<SimDuration>,
    /// The endpoint that takes them; they are refused where there is none.
    pub to: Option<u16>,
}

/// A hosted model.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Name in the scenario.
    pub name: String,
    /// What is called, as its price list names it.
    pub model: String,
    /// Longest context that it takes, prompt and answer.
    pub max_context: u32,
    /// How it answers, what it refuses, what it costs.
    pub spec: EndpointSpec,
}

/// What answers calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The pool at this place.
    Pool(u16),
    /// The endpoint at this place.
    Endpoint(u16),
    /// The route at this place: one of its pools and endpoints.
    Route(u16),
}

impl Plan {
    /// What stands at a place among pools and, behind them, endpoints and routes.
    pub fn backend(&self, place: u16) -> Backend {
        let (pools, endpoints) = (self.pools.len() as u16, self.endpoints.len() as u16);
        match place {
            pool if pool < pools => Backend::Pool(pool),
            endpoint if endpoint < pools + endpoints => Backend::Endpoint(endpoint - pools),
            route => Backend::Route(route - pools - endpoints),
        }
    }

    /// The longest context that the backend at a place takes.
    pub fn max_context(&self, place: u16) -> u32 {
        match self.backend(place) {
            Backend::Pool(pool) => self.pools[usize::from(pool)].max_context,
            Backend::Endpoint(endpoint) => self.endpoints[usize::from(endpoint)].max_context,
            Backend::Route(route) => {
                let routes = self.geography.as_ref().map(|map| &map.routes[usize::from(route)]);
                let backends = routes.map_or(&[][..], |route| &route.backends);
                backends.iter().map(|place| self.max_context(*place)).min().unwrap_or(0)
            }
        }
    }
}

/// What a GPU-hour costs by its parts, and what stands behind a joule of a chip. What nobody has
/// published is not a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Bill {
    /// Parts of the price of a GPU-hour, USD.
    pub usd_per_gpu_h: Vec<(&'static str, f64)>,
    /// Energy at the facility's meter over that of the chips: host, conversion and cooling.
    pub facility_factor: f64,
    /// Carbon dioxide equivalent of a kilowatt-hour, g.
    pub grams_per_kwh: f64,
}

impl Bill {
    /// Nothing known.
    pub const UNKNOWN: Self =
        Self { usd_per_gpu_h: Vec::new(), facility_factor: f64::NAN, grams_per_kwh: f64::NAN };

    /// All parts together.
    pub fn usd(&self) -> f64 {
        self.usd_per_gpu_h.iter().map(|(_, usd)| usd).sum()
    }
}

impl Pool {
    /// Replicas at most.
    pub fn most_replicas(&self) -> u32 {
        let scaling = self.fleet.as_ref().and_then(|fleet| fleet.autoscale.as_ref());
        scaling.map_or(self.replicas, |scaling| scaling.most.max(self.replicas))
    }

    /// Price of a replica, picodollars per picosecond: dollars per second.
    pub fn pico_per_ps(&self) -> f64 {
        self.usd_per_replica_h / 3600.0
    }
}

/// What the agents of a population do.
#[derive(Clone, Debug, PartialEq)]
pub enum Behaviour {
    /// They walk a program, by its place in [`Plan::programs`].
    Program(u16),
    /// They repeat recorded sessions, by place in [`Plan::traces`].
    Recorded {
        /// The trace.
        trace: u16,
        /// No recorded gap is waited for longer.
        longest_gap: SimDuration,
        /// The pool for each model of the trace; the population's own where this is too short.
        pools: Vec<u16>,
    },
}

/// What the requests of a population may claim of a scheduler that looks at more than the order of
/// arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Their class; a higher one comes first.
    pub priority: u8,
    /// Whose they are.
    pub tenant: u16,
    /// How long after it was sent a request should be answered.
    pub deadline: Option<SimDuration>,
}

/// Agents of one kind and the tasks sent to them.
#[derive(Clone, Debug)]
pub struct Population {
    /// Name in the scenario.
    pub name: String,
    /// What they do.
    pub behaviour: Behaviour,
    /// The place of the backend that serves them unless a step says otherwise.
    pub pool: u16,
    /// What their requests may claim of a scheduler.
    pub claim: Claim,
    /// When sessions start.
    pub arrivals: Arrivals,
    /// Answers that need no model.
    pub response_cache: Option<ResponseCache>,
    /// Where arrivals are closed: time between a session's end and the same user's next, seconds.
    pub think_time_s: Option<Law>,
}
