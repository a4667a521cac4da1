//! One trial: agents, servers and the calendar that moves them.
//!
//! A trial is a pure function of (plan, root seed, trial number): it reads no clock, no environment
//! and no file, and draws from named streams only.

use std::collections::VecDeque;
use std::hint::cold_path;
use std::ops::Range;

use super::actor::{Actor, CallMemory, InFlight, Reply, Task};
use super::boundaries::{Boundaries, Boundary};
use super::call_log::TrialLog;
use super::cause::Cause;
use super::event::{Event, Handle};
use super::exchange::{Exchange, exchanges};
use super::fleet::Fleet;
use super::next_arrivals::NextArrivals;
use super::observations::Kept;
use super::outcome::{
    AgentTally, CALL_FIGURES, Conservation, PICO_PER_USD, TASK_FIGURES, TrialOutcome,
};
use super::plan::{Ending, Plan, Pool, SiteResource};
use super::pool_tiers::PoolTiers;
use super::series::{Bin, PoolBin};
use super::slab::Slab;
use super::timeouts::Timeouts;
use crate::foundations::random::{Purpose, Streams, derive};
use crate::foundations::time::PS_PER_S;
use crate::foundations::{Calendar, EventKey, Histogram, SimDuration, SimTime};
use crate::serving::endpoint::EndpointUsage;
use crate::serving::step_table::StepTable;
use crate::serving::{Endpoint, Finished, Replica, Router};
use crate::workload::arrival::ArrivalStream;
use crate::workload::response_cache::Answers;

/// Names the outages of endpoints.
const ENDPOINTS: u64 = 0x656e_6470_6f69_6e74;

/// A pool in a running trial.
#[derive(Debug)]
pub(super) struct PoolState {
    pub(super) router: Router,
    /// Its replicas among those of all pools.
    pub(super) replicas: Range<usize>,
    table: StepTable,
    /// See [`Pool::pico_per_ps`].
    pub(super) pico_per_ps: f64,
    pub(super) charged_pico: u128,
    /// Charged before measuring began to requests that were running then, picodollars.
    accrued_pico: u128,
    pub(super) calls: u64,
    /// Where something may happen to its replicas.
    pub(super) fleet: Option<Box<Fleet>>,
    /// What lies between it and its prefill side.
    pub(super) exchange: Option<Box<Exchange>>,
    /// Where its replicas' memories have tiers behind them.
    pub(super) tiers: Option<Box<PoolTiers>>,
    /// Whether the end of a step is of interest to more than those who wait for it.
    attended: bool,
    /// Mean time in service of late, ps; only where requests may overflow.
    pub(super) service_ps: f64,
    /// Gaps between tokens, ps: of all replicas at once, so that few buckets are in use.
    inter_token: Histogram,
    /// Usage up to the last sample, to take the next difference from.
    sampled: PoolBin,
}

/// A population in a running trial.
#[derive(Debug, Default)]
pub(super) struct PopulationState {
    pub(super) sessions: u64,
    pub(super) returns: u64,
    pub(super) calls: CallMemory,
    /// Answers that its cache keeps.
    pub(super) answers: Answers,
    /// What was observed of its latest calls, tasks and tool steps and is not counted yet.
    pub(super) calls_kept: Kept<CALL_FIGURES>,
    pub(super) tasks_kept: Kept<TASK_FIGURES>,
    pub(super) tools_kept: Kept<1>,
    /// The client behind the arrival that is due.
    client: u32,
}

/// Slots of a tool, and who waits for one.
#[derive(Debug, Default)]
pub(super) struct Desk {
    pub(super) busy: u32,
    pub(super) queue: VecDeque<Errand>,
}

/// A tool call that waits for a slot.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) actor: Handle,
    pub(super) round: u32,
    pub(super) time: SimDuration,
}

/// See the module's page. Built once for each thread and used for many trials.
#[derive(Debug)]
pub struct World<'p> {
    pub(super) plan: &'p Plan,
    pub(super) streams: Streams,
    pub(super) calendar: Calendar<Event>,
    pub(super) now: SimTime,
    /// While steps that end now are ended, by replica: the first whose turn is still to come.
    pub(super) turn: usize,
    pub(super) actors: Slab<Actor>,
    pub(super) tasks: Slab<Task>,
    pub(super) in_flight: Slab<InFlight>,
    pub(super) replicas: Vec<Replica>,
    /// When the present step of each replica ends.
    boundaries: Boundaries,
    /// When attempts become too late.
    pub(super) timeouts: Timeouts,
    pub(super) pool_of_replica: Vec<u16>,
    pub(super) pools: Vec<PoolState>,
    pub(super) endpoints: Vec<Endpoint>,
    /// Calls at endpoints.
    pub(super) replies: Slab<Reply>,
    arrivals: Vec<ArrivalStream>,
    next_arrivals: NextArrivals,
    pub(super) counters: Vec<PopulationState>,
    pub(super) desks: Vec<Desk>,
    /// Requests that left a replica at the present boundary.
    pub(super) finished: Vec<Finished>,
    /// Whether new tasks may start, and whether those that do count.
    pub(super) accepting: bool,
    pub(super) measuring: bool,
    pub(super) tasks_started: u64,
    pub(super) requests: u64,
    pub(super) tokens_asked: u64,
    pub(super) tokens_produced: u64,
    pub(super) tokens_cancelled: u64,
    pub(super) bin: Bin,
    /// What happened one by one, where somebody asked for it.
    pub(super) log: Option<Box<TrialLog>>,
    pub(super) window: (SimTime, SimTime),
    pub(super) outcome: TrialOutcome,
}

impl<'p> World<'p> {
    /// A world for this plan.
    pub fn new(plan: &'p Plan) -> Self {
        let mut replicas = Vec::new();
        let mut pool_of_replica = Vec::new();
        let mut pools = Vec::new();
        for (index, pool) in plan.pools.iter().enumerate() {
            let first = replicas.len();
            for _ in 0..pool.most_replicas() {
                replicas.push(Replica::new(&pool.replica));
                pool_of_replica.push(index as u16);
            }
            pools.push(PoolState {
                router: Router::new(pool.router, Streams::new(0, 0), index as u64),
                replicas: first..replicas.len(),
                table: StepTable::default(),
                pico_per_ps: pool.pico_per_ps(),
                charged_pico: 0,
                accrued_pico: 0,
                calls: 0,
                fleet: None,
                exchange: None,
                tiers: None,
                attended: false,
                service_ps: 0.0,
                inter_token: Histogram::default(),
                sampled: PoolBin::default(),
            });
        }
        Self {
            plan,
            streams: Streams::new(0, 0),
            calendar: Calendar::new(),
            now: SimTime::ZERO,
            turn: usize::MAX,
            actors: Slab::default(),
            tasks: Slab::default(),
            in_flight: Slab::default(),
            boundaries: Boundaries::new(replicas.len()),
            timeouts: Timeouts::new(plan.programs.len()),
            replicas,
            pool_of_replica,
            pools,
            endpoints: Vec::new(),
            replies: Slab::default(),
            arrivals: Vec::new(),
            next_arrivals: NextArrivals::default(),
            counters: Vec::new(),
            desks: Vec::new(),
            finished: Vec::new(),
            accepting: true,
            measuring: false,
            tasks_started: 0,
            requests: 0,
            tokens_asked: 0,
            tokens_produced: 0,
            tokens_cancelled: 0,
            bin: Bin::default(),
            log: None,
            window: (SimTime::ZERO, SimTime::MAX),
            outcome: TrialOutcome::empty(plan, 0),
        }
    }

    /// Runs one trial. `proceed` is asked now and then, with the simulated time and the calls made,
    /// whether to go on; a trial that is stopped gives nothing.
    pub fn run(
        &mut self,
        root_seed: u64,
        trial: u64,
        mut proceed: impl FnMut(SimTime, u64) -> bool,
    ) -> Option<TrialOutcome> {
        self.reset(root_seed, trial);
        let mut events = 0u64;
        loop {
            events += 1;
            if events.is_multiple_of(1 << 14) && !proceed(self.now, self.requests) {
                cold_path();
                return None;
            }
            let late = self.timeouts.next();
            let (next, arrival) = (self.calendar.next(), self.next_arrivals.next());
            let due = next.0.min(arrival.0).min(late);
            if let Some((Boundary { at, wakes }, replica)) = self.boundaries.first()
                && (at < due || at == due && (!wakes || due == SimTime::MAX))
            {
                self.now = at;
                self.turn = if wakes { usize::MAX } else { replica + 1 };
                self.step(replica);
                self.turn = usize::MAX;
                continue;
            }
            if late == due && due < SimTime::MAX {
                self.time_out();
                continue;
            }
            if arrival < next {
                self.now = arrival.0;
                let population = self.next_arrivals.pop();
                self.arrive(population);
                continue;
            }
            let Some((time, event)) = self.calendar.pop() else { break };
            debug_assert!(time >= self.now, "time runs forward");
            self.now = time;
            match event {
                Event::Wake { actor } => {
                    if self.actors.contains(actor) {
                        self.actors[actor].wake = EventKey::NONE;
                        self.wake(actor);
                    }
                }
                Event::Return { population, client } => {
                    if self.accepting {
                        self.start_session(population, client);
                    }
                }
                Event::ToolReturns { tool, actor, round } => self.tool_returns(tool, actor, round),
                Event::Fleet { pool, event } => self.fleet_event(pool, event),
                Event::Delivered { call, pool } => self.delivered(call, pool),
                Event::Tiers { pool } => self.tiers_advance(pool),
                Event::Transferred { pool, link } => self.transferred(pool, link),
                Event::Reply { call } => self.reply(call),
                Event::Hedge { call } => self.hedge(call),
                Event::Deadline { task } => self.fail_task(task, Cause::Deadline),
                Event::Sample => self.sample(),
                Event::WarmedUp => self.start_measuring(),
                Event::Horizon => self.stop_accepting(),
                Event::DrainLimit => {
                    self.outcome.drain_cut = self.tasks.iter().next().is_some();
                    break;
                }
            }
        }
        self.outcome.events = events;
        (self.outcome.ended, self.outcome.requests) = (self.now, self.requests);
        Some(self.conclude())
    }

    fn reset(&mut self, root_seed: u64, trial: u64) {
        let plan = self.plan;
        self.streams = Streams::new(root_seed, trial);
        self.calendar.clear();
        self.now = SimTime::ZERO;
        self.actors.clear();
        self.tasks.clear();
        self.in_flight.clear();
        for (replica, &pool) in self.replicas.iter_mut().zip(&self.pool_of_replica) {
            replica.clear(&plan.pools[pool as usize].replica);
        }
        self.boundaries.clear();
        self.timeouts.clear();
        for (index, (state, pool)) in self.pools.iter_mut().zip(&plan.pools).enumerate() {
            state.router = Router::new(pool.router, self.streams, index as u64);
            (state.charged_pico, state.accrued_pico, state.calls) = (0, 0, 0);
            (state.fleet, state.service_ps) = (None, 0.0);
            state.tiers = PoolTiers::of(pool);
            state.inter_token.reset();
            state.sampled = PoolBin::default();
            let prefills =
                |other: &Pool| other.prefill.is_some_and(|p| usize::from(p.pool) == index);
            let hands_over = pool.prefill.is_some() || plan.pools.iter().any(prefills);
            state.attended = pool.fleet.is_some() || pool.tiers.is_some() || hands_over;
        }
        for (state, exchange) in self.pools.iter_mut().zip(exchanges(plan)) {
            state.exchange = exchange;
        }
        self.replies.clear();
        self.endpoints.clear();
        for (index, endpoint) in plan.endpoints.iter().enumerate() {
            let outages = self.streams.stream(Purpose::Failure, derive(ENDPOINTS, index as u64));
            self.endpoints.push(Endpoint::new(&endpoint.spec, outages));
        }
        self.counters.clear();
        self.counters.resize_with(plan.populations.len(), PopulationState::default);
        self.desks.clear();
        self.desks.resize_with(plan.tools.len(), Desk::default);
        self.finished.clear();
        (self.accepting, self.measuring) = (true, false);
        self.tasks_started = 0;
        self.requests = 0;
        (self.tokens_asked, self.tokens_produced, self.tokens_cancelled) = (0, 0, 0);
        self.bin = self.empty_bin();
        self.window = (SimTime::ZERO, SimTime::MAX);
        self.outcome = TrialOutcome::empty(plan, trial);
        self.arrivals.clear();
        self.next_arrivals.clear(plan.populations.len());
        if plan.warm_up == SimTime::ZERO {
            self.measuring = true;
        } else {
            self.schedule(plan.warm_up, Event::WarmedUp);
        }
        if let Some(horizon) = plan.stop.horizon {
            self.schedule(horizon, Event::Horizon);
        }
        self.schedule(SimTime::ZERO + plan.bin, Event::Sample);
        for (index, population) in plan.populations.iter().enumerate() {
            let arrivals = ArrivalStream::new(&population.arrivals, self.streams, index as u64);
            self.arrivals.push(arrivals);
            self.schedule_arrival(index as u16);
        }
        self.start_fleets();
    }

    fn empty_bin(&self) -> Bin {
        Bin {
            pools: vec![PoolBin::default(); self.plan.pools.len()],
            endpoints: vec![EndpointUsage::default(); self.plan.endpoints.len()],
            ..Bin::default()
        }
    }

    pub(super) fn schedule(&mut self, at: SimTime, event: Event) -> EventKey {
        self.calendar.schedule(at, event)
    }

    fn schedule_arrival(&mut self, population: u16) {
        let arrivals = &mut self.arrivals[population as usize];
        if let Some(next) = arrivals.next() {
            self.counters[population as usize].client = next.client;
            let turn = self.calendar.take_turn();
            self.next_arrivals.set(population.into(), (next.at, turn));
        }
    }

    fn arrive(&mut self, population: u16) {
        if self.accepting {
            let client = self.counters[population as usize].client;
            self.start_session(population, client);
            self.schedule_arrival(population);
        }
    }

    /// Ends a replica's step or leap and tells those who waited for it.
    #[inline(always)]
    fn step(&mut self, index: usize) {
        let plan = self.plan;
        let pool = self.pool_of_replica[index];
        let spec = &plan.pools[pool as usize].replica;
        let (state, replica) = (&mut self.pools[pool as usize], &mut self.replicas[index]);
        replica.step(spec, &mut state.table, self.now, &mut self.finished);
        let attended = state.attended;
        if replica.has_gaps() {
            replica.count_gaps(&mut state.inter_token);
        }
        self.log_boundary(index);
        self.follow(index);
        if self.finished.is_empty() && !attended {
            return;
        }
        let mut finished = std::mem::take(&mut self.finished);
        if attended {
            self.hand_over(index, pool, &mut finished);
            self.heed_tiers(index, pool);
            self.check_drained(index, pool);
        } else {
            for request in finished.drain(..) {
                self.answered(&request, pool);
            }
        }
        self.finished = finished;
    }

    /// A replica's boundary may have moved.
    #[inline(always)]
    pub(super) fn follow(&mut self, index: usize) {
        let replica = &self.replicas[index];
        let wakes = replica.is_idle();
        let boundary = replica.boundary().map(|at| Boundary { at, wakes });
        self.boundaries.set(index, boundary);
    }

    pub(super) fn tally(&mut self, population: u16) -> &mut AgentTally {
        &mut self.outcome.agents[population as usize]
    }

    /// Books what an endpoint does: in the present bin, and in the outcome while that counts.
    pub(super) fn book_endpoint(&mut self, index: u16, book: impl Fn(&mut EndpointUsage)) {
        book(&mut self.bin.endpoints[index as usize]);
        if self.measuring && self.accepting {
            book(&mut self.outcome.endpoints[index as usize]);
        }
    }

    /// Books what every replica has done by now, and adds what is new to the present bin.
    fn take_stock(&mut self) {
        let plan = self.plan;
        for (index, state) in self.pools.iter_mut().enumerate() {
            let mut sum = PoolBin::default();
            for replica in &mut self.replicas[state.replicas.clone()] {
                replica.settle(&plan.pools[index].replica, self.now);
                replica.count_gaps(&mut state.inter_token);
                sum.add(replica.usage());
            }
            if let Some(fleet) = &mut state.fleet {
                fleet.book(self.now);
                (sum.down_ps, sum.unpaid_ps) = (fleet.down_ps, fleet.unpaid_ps);
                sum.spare_ps = fleet.spare_ps;
            }
            self.bin.pools[index].add_difference(&sum, &state.sampled);
            state.sampled = sum;
        }
    }

    /// A bin of the time series ends.
    fn sample(&mut self) {
        self.take_stock();
        let empty = self.empty_bin();
        let length = self.outcome.series.push(std::mem::replace(&mut self.bin, empty), self.now);
        // Where nothing else is due, as behind the last recorded arrival, the trial is over.
        let goes_on = self.accepting || self.tasks.iter().next().is_some();
        if goes_on && !(self.calendar.is_empty() && self.boundaries.first().is_none()) {
            self.schedule(self.now + length, Event::Sample);
        }
    }

    /// The warm-up is over: what was used so far is forgotten.
    fn start_measuring(&mut self) {
        self.take_stock();
        self.measuring = true;
        self.window.0 = self.now;
        for index in 0..self.pools.len() {
            let accrued_pico = self.accrued_pico(index);
            let state = &mut self.pools[index];
            (state.charged_pico, state.accrued_pico, state.calls) = (0, accrued_pico, 0);
            state.inter_token.reset();
            state.sampled = PoolBin::default();
            state.fleet.iter_mut().for_each(|fleet| fleet.start_measuring());
            state.tiers.iter_mut().for_each(|tiers| tiers.start_measuring(self.now));
            state.exchange.iter_mut().for_each(|exchange| exchange.start_measuring(self.now));
        }
        for replica in &mut self.replicas {
            replica.start_measuring();
        }
    }

    /// Charged so far to requests of a pool that are still running, picodollars.
    fn accrued_pico(&self, index: usize) -> u128 {
        let pool = &self.plan.pools[index];
        let replicas = &self.replicas[self.pools[index].replicas.clone()];
        let ps: u128 = replicas.iter().map(|replica| replica.accrued_ps(&pool.replica)).sum();
        libm::round(ps as f64 * pool.pico_per_ps()) as u128
    }

    /// No new tasks from now on, and the measured window ends.
    pub(super) fn stop_accepting(&mut self) {
        if !std::mem::replace(&mut self.accepting, false) {
            return;
        }
        self.take_stock();
        self.window.1 = self.now;
        let length = self.window.1.since(self.window.0);
        let accrued: Vec<u128> = (0..self.pools.len()).map(|i| self.accrued_pico(i)).collect();
        for (index, pool) in self.plan.pools.iter().enumerate() {
            let replicas = &self.replicas[self.pools[index].replicas.clone()];
            let tally = &mut self.outcome.pools[index];
            for replica in replicas {
                tally.usage.add(replica.usage());
                tally.evicted_blocks += replica.kv().evicted_blocks();
            }
            tally.inter_token.merge(&self.pools[index].inter_token);
            if let Some(tiers) = &mut self.pools[index].tiers {
                tally.tiers = tiers.usage(self.now);
            }
            tally.replica_ps = u128::from(length.0) * u128::from(pool.most_replicas());
            tally.spare_ps = u128::from(length.0) * u128::from(pool.spare());
            if let Some(fleet) = &self.pools[index].fleet {
                (tally.down_ps, tally.unpaid_ps) = (fleet.down_ps, fleet.unpaid_ps);
                tally.spare_ps = fleet.spare_ps;
                tally.replica_ps -= fleet.unpaid_ps;
                tally.refused_ps = SiteResource::ALL.map(|resource| {
                    let limited = pool.autoscale().is_some() && self.plan.limits(resource);
                    limited.then_some(fleet.refused_ps[resource as usize])
                });
            }
            tally.kv_capacity_ps = tally.replica_ps
                * u128::from(pool.replica.kv_blocks)
                * u128::from(pool.replica.block);
            let seconds = |ps: u128| ps as f64 / PS_PER_S as f64;
            let (most, unpaid_s) = (f64::from(pool.most_replicas()), seconds(tally.unpaid_ps));
            let usd = |replica_s: f64| pool.usd_per_replica_h * replica_s / 3600.0;
            let usd = match &pool.commitment {
                None => pool.usd_per_replica_h * most * length.as_s() / 3600.0 - usd(unpaid_s),
                Some(_) => {
                    let rented_s = most * length.as_s() - unpaid_s;
                    pool.usd(length.as_s(), rented_s, seconds(tally.spare_ps))
                }
            };
            tally.spent_pico = libm::round(usd * PICO_PER_USD) as u128;
            // What running requests owe counts as far as it was earned inside the window. The step
            // under way when measuring began counts whole, which a busy server could show.
            let state = &self.pools[index];
            let charged = state.charged_pico + accrued[index] - state.accrued_pico;
            tally.charged_pico = charged.min(tally.spent_pico);
            tally.calls = self.pools[index].calls;
            if let Some((side, exchange)) = pool.prefill.zip(self.pools[index].exchange.as_mut()) {
                let side = &self.plan.pools[usize::from(side.pool)];
                tally.transfers = exchange.tally(side, self.window.0, self.now);
            }
        }
        match self.plan.ending {
            Ending::Cut => self.schedule(self.now, Event::DrainLimit),
            Ending::Drain(longest) => self.schedule(self.now + longest, Event::DrainLimit),
        };
    }

    fn conclude(&mut self) -> TrialOutcome {
        self.stop_accepting();
        self.take_stock();
        let empty = self.empty_bin();
        let bin = std::mem::replace(&mut self.bin, empty);
        if bin != self.bin {
            self.outcome.series.push(bin, self.now);
        }
        let mut in_flight = 0;
        for task in self.tasks.iter() {
            in_flight += 1;
            let tally = &mut self.outcome.agents[task.population as usize];
            tally.in_flight += u64::from(task.counted);
        }
        self.outcome.window_s = (self.window.0.as_s(), self.window.1.as_s());
        let so_far = self.outcome.conservation;
        let mut sums = Conservation {
            tasks_started: self.tasks_started,
            tasks_in_flight: in_flight,
            tokens_asked: self.tokens_asked,
            tokens_produced: self.tokens_produced,
            tokens_cancelled: self.tokens_cancelled,
            ..so_far
        };
        sums.tokens_in_flight = self.in_flight.iter().map(|call| u64::from(call.output)).sum();
        for replica in &self.replicas {
            let state = replica.account();
            sums.blocks_total += replica.kv().total_blocks();
            sums.blocks_available += replica.kv().available();
            sums.blocks_held += state.blocks_held;
            sums.busy_ps += state.busy_ps;
            sums.charged_ps += state.charged_ps;
        }
        self.outcome.conservation = sums;
        for (state, tally) in self.counters.iter_mut().zip(&mut self.outcome.agents) {
            tally.count_calls(&mut state.calls_kept);
            tally.count_tasks(&mut state.tasks_kept);
            tally.count_tools(&mut state.tools_kept);
        }
        let empty = TrialOutcome::empty(self.plan, 0);
        std::mem::replace(&mut self.outcome, empty)
    }
}
