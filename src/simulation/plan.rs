//! A scenario resolved: every name looked up, every quantity in base units, ready to simulate.
//!
//! A plan is read-only and shared by all trials and threads.

use std::sync::Arc;

use crate::catalog::Calibration;
use crate::foundations::distribution::Law;
use crate::foundations::{SimDuration, SimTime};
use crate::performance::GpuPower;
use crate::serving::{EndpointSpec, ReplicaSpec, RouterPolicy, TiersSpec};
use crate::workload::arrival::Arrivals;
use crate::workload::program::Program;
use crate::workload::response_cache::ResponseCache;
use crate::workload::tool::Tool;
use crate::workload::trace::Trace;

mod fleet;
mod geography;
mod prefill;

pub use fleet::{
    Autoscale, Breakdown, Degradation, FleetLaw, LostCalls, Maintenance, Reclaim, ScaleOn, Watched,
};
pub use geography::{Geography, Route, RouteBy};
pub use prefill::Prefill;

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
    /// Whose agents they are, where a scenario says so and there are several; claims name them by
    /// their places.
    pub tenants: Vec<String>,
    /// Rows of the task table for each trial; a sample where there are more tasks.
    pub task_rows: usize,
    /// Length of a bin of the time series to begin with; bins double when there are too many.
    pub bin: SimDuration,
    /// What is not known, and its draws; the plan itself stands on the medians.
    pub uncertain: Option<Arc<Uncertain>>,
    /// What is assumed of the years ahead, if anything.
    pub outlook: Option<Outlook>,
    /// Power at the meter that its site has at most, W.
    pub power_limit_w: Option<f64>,
    /// Racks that its site has room for, and what one holds.
    pub racks: Option<Racks>,
    /// What its site pays for the highest draw, where that is charged apart from energy.
    pub demand: Option<Demand>,
}

/// Room for racks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Racks {
    /// How many.
    pub limit: u32,
    /// GPUs of each pool that one is fed and cooled for.
    pub gpus: Vec<u32>,
}

impl Racks {
    /// Racks that these pools fill with as many replicas as they may have.
    pub fn filled_by(&self, pools: &[Pool]) -> u64 {
        self.filled_with(pools, |place| pools[place].most_replicas())
    }

    /// Racks that so many replicas of each pool fill.
    fn filled_with(&self, pools: &[Pool], replicas: impl Fn(usize) -> u32) -> u64 {
        let each = pools.iter().enumerate();
        each.map(|(place, pool)| self.filled(place, pool, replicas(place))).sum()
    }

    /// Racks that so many replicas of the pool at a place fill.
    pub fn filled(&self, place: usize, pool: &Pool, replicas: u32) -> u64 {
        (u64::from(pool.gpus) * u64::from(replicas)).div_ceil(u64::from(self.gpus[place]))
    }
}

/// What a site gives its servers and may have too little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteResource {
    /// Power at its meter.
    Power,
    /// Room for racks.
    Racks,
}

impl SiteResource {
    /// All of them, in the order in which what they refuse is counted.
    pub const ALL: [Self; 2] = [Self::Power, Self::Racks];
}

/// A price of the highest draw from the grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand {
    /// Of a watt, for each hour that a bill is about, USD.
    pub usd_per_w_h: f64,
    /// Time over which a meter averages, s.
    pub interval_s: f64,
}

impl Plan {
    /// Dollars per hour for the highest draw were all servers at full load; zero without a tariff.
    pub fn most_demand_usd_per_h(&self) -> f64 {
        let charged = self.pools.iter().filter(|pool| pool.bill.pays_for_power());
        let price = self.demand.map_or(0.0, |demand| demand.usd_per_w_h);
        if price > 0.0 { price * charged.map(Pool::most_watts).sum::<f64>() } else { 0.0 }
    }

    /// Whether its site has a limit of this kind.
    pub fn limits(&self, resource: SiteResource) -> bool {
        match resource {
            SiteResource::Power => self.power_limit_w.is_some(),
            SiteResource::Racks => self.racks.is_some(),
        }
    }

    /// Replicas that the pool at a place may have beside those that other pools have now, all of them
    /// at full load; none where the site has no limit of this kind.
    pub fn room(
        &self,
        place: usize,
        resource: SiteResource,
        present: impl Fn(usize) -> u32,
    ) -> Option<u32> {
        let pool = &self.pools[place];
        let beside = |other: usize| if other == place { 0 } else { present(other) };
        match resource {
            SiteResource::Power => self.power_limit_w.map(|limit_w| {
                let others = self.pools.iter().enumerate();
                let others_w: f64 = others.map(|(at, pool)| pool.watts_of(beside(at))).sum();
                libm::floor((limit_w - others_w) / pool.watts_of(1) + 1e-9).max(0.0) as u32
            }),
            SiteResource::Racks => self.racks.as_ref().map(|racks| {
                let others = racks.filled_with(&self.pools, beside);
                let free = u64::from(racks.limit).saturating_sub(others);
                let gpus = free.saturating_mul(u64::from(racks.gpus[place]));
                u32::try_from(gpus / u64::from(pool.gpus.max(1))).unwrap_or(u32::MAX)
            }),
        }
    }

    /// What this trial is simulated by: the plan itself, or that of the trial's draw.
    pub fn of_trial(&self, trial: u64) -> &Plan {
        let draws = self.uncertain.as_ref().map_or(&[][..], |uncertain| &uncertain.draws);
        match draws.len() as u64 {
            0 => self,
            count => &draws[(trial % count) as usize].plan,
        }
    }
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
    /// Where cached context goes beside the memory of its GPUs.
    pub tiers: Option<TiersSpec>,
    /// GPUs of a replica.
    pub gpus: u32,
    /// Replicas that make one as a scenario counts them: attention groups that share experts.
    pub attention_groups: u32,
    /// How requests are spread.
    pub router: RouterPolicy,
    /// Who computes its prompts; without, its own replicas do.
    pub prefill: Option<Prefill>,
    /// What becomes of requests that it has too many of; without, they wait.
    pub overflow: Option<Overflow>,
    /// Part of the chances to get an answer right that its number formats keep, 0 to 1.
    pub quality: f64,
    /// Longest context that the model takes, prompt and output.
    pub max_context: u32,
    /// Price of a replica, USD per hour; where some are committed to, of every further one.
    pub usd_per_replica_h: f64,
    /// Replicas that are paid for whether they are used or not.
    pub commitment: Option<Commitment>,
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

/// Reserved capacity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Commitment {
    /// Replicas that are paid for all the time.
    pub replicas: u32,
    /// Price of each, USD per hour.
    pub usd_per_replica_h: f64,
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

    /// Places of the agents of the tenant at a place.
    pub fn agents_of(&self, tenant: usize) -> impl Iterator<Item = usize> {
        let all = self.populations.iter().enumerate();
        all.filter(move |(_, agents)| usize::from(agents.claim.tenant) == tenant).map(|(at, _)| at)
    }

    /// The longest context that the backend at a place takes.
    #[inline]
    pub fn max_context(&self, place: u16) -> u32 {
        match self.backend(place) {
            Backend::Pool(pool) => {
                let Pool { max_context, prefill, .. } = &self.pools[usize::from(pool)];
                let prompts = prefill.map(|side| self.pools[usize::from(side.pool)].max_context);
                prompts.map_or(*max_context, |most| most.saturating_add(1).min(*max_context))
            }
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
    /// Water that cooling takes at the site for a joule of the chips, l.
    pub litres_per_joule: f64,
}

impl Bill {
    /// Nothing known.
    pub const UNKNOWN: Self = Self {
        usd_per_gpu_h: Vec::new(),
        facility_factor: f64::NAN,
        grams_per_kwh: f64::NAN,
        litres_per_joule: f64::NAN,
    };

    /// What electricity is called among the parts.
    pub const ELECTRICITY: &str = "electricity";

    /// Whether its owner has an electricity bill; where servers are rented, the rent has it in it.
    pub fn pays_for_power(&self) -> bool {
        self.usd_per_gpu_h.iter().any(|(part, _)| *part == Self::ELECTRICITY)
    }

    /// All parts together.
    pub fn usd(&self) -> f64 {
        self.usd_per_gpu_h.iter().map(|(_, usd)| usd).sum()
    }
}

impl Pool {
    /// What chooses its replicas, where that follows the load.
    pub fn autoscale(&self) -> Option<&Autoscale> {
        self.fleet.as_ref()?.autoscale.as_ref()
    }

    /// Replicas at most.
    pub fn most_replicas(&self) -> u32 {
        self.autoscale().map_or(self.replicas, |scaling| scaling.most.max(self.replicas))
    }

    /// Power of its replicas at the meter, at full load, W; not a number where nobody knows.
    pub fn watts(&self) -> f64 {
        self.watts_of(self.replicas)
    }

    /// The same of as many replicas as it may have.
    pub fn most_watts(&self) -> f64 {
        self.watts_of(self.most_replicas())
    }

    fn watts_of(&self, replicas: u32) -> f64 {
        let gpus = f64::from(self.gpus) * f64::from(replicas);
        gpus * self.gpu_power.full_w * self.bill.facility_factor
    }

    /// What calls are charged for a replica, picodollars per picosecond: dollars per second. Of an
    /// autoscaled pool it is the price of what is committed; the rest counts as idle.
    pub fn pico_per_ps(&self) -> f64 {
        let usd_per_h = match &self.commitment {
            None => self.usd_per_replica_h,
            Some(committed) if self.autoscale().is_some() => committed.usd_per_replica_h,
            Some(committed) => {
                let within = f64::from(committed.replicas.min(self.replicas));
                let beyond = f64::from(self.replicas) - within;
                let usd = within * committed.usd_per_replica_h + beyond * self.usd_per_replica_h;
                usd / f64::from(self.replicas)
            }
        };
        usd_per_h / 3600.0
    }

    /// Dollars of a stretch of time in which replicas were rented for so long, and `spare_s` of
    /// what is committed was not, s.
    pub fn usd(&self, window_s: f64, rented_s: f64, spare_s: f64) -> f64 {
        let (committed_s, usd_per_h) = match &self.commitment {
            None => (0.0, 0.0),
            Some(committed) => {
                (f64::from(committed.replicas) * window_s, committed.usd_per_replica_h)
            }
        };
        let beyond_s = rented_s - (committed_s - spare_s);
        (committed_s * usd_per_h + beyond_s * self.usd_per_replica_h) / 3600.0
    }

    /// Committed replicas that no load makes it rent: it has fewer.
    pub fn spare(&self) -> u32 {
        let committed = self.commitment.map_or(0, |committed| committed.replicas);
        committed.saturating_sub(self.most_replicas())
    }

    /// Dollars per hour with every replica rented.
    pub fn usd_per_h(&self) -> f64 {
        self.usd(3600.0, 3600.0 * f64::from(self.most_replicas()), 3600.0 * f64::from(self.spare()))
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

/// What a scenario does not know, apart from what varies by chance, and its draws. A price, a speed-up,
/// a rate of growth may be given as a law of what it could be: it is drawn once for each trial, which
/// is simulated by the plan that its draw gives. So figures differ between trials for two reasons,
/// which more trials cannot and can narrow.
#[derive(Clone, Debug)]
pub struct Uncertain {
    /// What is not known.
    pub inputs: Vec<Unknown>,
    /// One for each trial.
    pub draws: Vec<Draw>,
}

/// One thing that is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Its path in the scenario, or the name that several such share.
    pub name: String,
    /// Where it lies, in words: its 5th percentile, median and 95th, or what it is one of.
    pub range: [String; 3],
}

/// What is taken for true in a trial.
#[derive(Clone, Debug)]
pub struct Draw {
    /// By input.
    pub values: Vec<String>,
    /// The scenario with these values.
    pub plan: Plan,
}

/// What is assumed of the years ahead.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// The year that the plan is about.
    pub from: u32,
    /// How many years ahead.
    pub years: u32,
    /// What own hardware is held against.
    pub api: ApiPrice,
    /// Times as many tasks after a year, apart from what falling prices bring.
    pub demand_growth: f64,
    /// Percent more tasks where prices rise by one.
    pub elasticity: f64,
    /// Times as many tokens for the same dollars and watts, from hardware bought a year later.
    pub hardware_gain: f64,
    /// Times as many tokens from the same hardware after a year.
    pub software_gain: f64,
    /// Years after which hardware is replaced.
    pub refresh_years: f64,
    /// Power at the meter that there is at most, W.
    pub power_limit_w: Option<f64>,
    /// Cost of a task below which nobody meters it, USD.
    pub too_cheap_usd: f64,
}

impl Outlook {
    /// Five years with usual rates and an API without a price, to build others on.
    pub const SAMPLE: Self = Self {
        from: 2026,
        years: 5,
        api: ApiPrice {
            name: String::new(),
            date: String::new(),
            input: 0.0,
            cached: 0.0,
            output: 0.0,
        },
        demand_growth: 2.0,
        elasticity: -1.11,
        hardware_gain: 1.49,
        software_gain: 1.0,
        refresh_years: 5.0,
        power_limit_w: None,
        too_cheap_usd: 0.01,
    };
}

/// What a hosted model charges, USD per million tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiPrice {
    /// Its name in the price list.
    pub name: String,
    /// The day from which the price holds; empty where it was stated.
    pub date: String,
    /// Prompt tokens.
    pub input: f64,
    /// Prompt tokens that it has cached.
    pub cached: f64,
    /// Tokens of answers.
    pub output: f64,
}
