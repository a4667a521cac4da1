//! The sums of a trial, or of a part of it, that figures are ratios of.

mod draw;
mod tiers;
mod transfers;

use crate::foundations::time::PS_PER_S;
use crate::serving::Counter;
use crate::serving::endpoint::EndpointUsage;
use crate::serving::tiers::Level;
use crate::simulation::outcome::{AgentTally, PICO_PER_USD, PoolTally};
use crate::simulation::plan::{Pool, SiteResource};
use crate::simulation::series::PoolBin;

pub use draw::{charge, peak_watts};
pub use tiers::TierServed;
pub use transfers::{Transfer, Transfers};

/// What servers did in a stretch of time, and what they cost. What is not known is not a number,
/// and so is every figure that needs it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Served {
    /// Dollars spent, idle time included.
    pub spent_usd: f64,
    /// Part of those charged to requests.
    pub charged_usd: f64,
    /// Part of those for the highest draw, where a tariff charges it apart.
    pub demand_usd: f64,
    /// That draw, at the facility's meter, W.
    pub demand_w: f64,
    /// Calls that were answered.
    pub calls: f64,
    /// Prompt tokens of admitted requests.
    pub input_tokens: f64,
    /// Part of those that a prefix cache held.
    pub cached_tokens: f64,
    /// Tokens produced.
    pub output_tokens: f64,
    /// Replica time, s.
    pub replica_s: f64,
    /// Replica time in steps, s.
    pub busy_s: f64,
    /// Decoding requests x time, s.
    pub batch_s: f64,
    /// Waiting requests x time, s.
    pub waiting_s: f64,
    /// KV tokens held by running requests x time, s.
    pub kv_token_s: f64,
    /// KV tokens that could be held x time, s.
    pub kv_capacity_s: f64,
    /// Arithmetic done by all GPUs, FLOP.
    pub flop: f64,
    /// Arithmetic that they could have done.
    pub possible_flop: f64,
    /// Memory traffic of all GPUs, bytes.
    pub bytes: f64,
    /// Memory traffic that they could have had.
    pub possible_bytes: f64,
    /// Times that a request lost its blocks.
    pub preemptions: f64,
    /// GPU time, s.
    pub gpu_s: f64,
    /// Energy of the GPUs, J.
    pub joules: f64,
    /// Energy at the facility's meter for them, J.
    pub facility_joules: f64,
    /// Carbon dioxide equivalent of that, g.
    pub carbon_g: f64,
    /// Replica time that was paid for, of pools to whose replicas something may happen, s.
    pub tracked_s: f64,
    /// Part of it in which they were out of service, s.
    pub down_s: f64,
    /// Committed replica time, s.
    pub committed_s: f64,
    /// Part of it in which they were not rented, s.
    pub spare_s: f64,
    /// Replicas that autoscalers asked for and that the site had no power or no room for x time, s.
    pub refused_s: [f64; SiteResource::ALL.len()],
    /// Time of pools whose autoscaler is under such a limit, s.
    pub limited_s: [f64; SiteResource::ALL.len()],
    /// Water at the site for the energy of the GPUs, l.
    pub water_l: f64,
    /// Calls sent to endpoints.
    pub requests: f64,
    /// Those that their limits refused.
    pub throttled: f64,
    /// Those refused or broken off because they were out of service.
    pub unavailable: f64,
    /// What levers counted, in the order of [`Counter`].
    pub counters: [f64; Counter::COUNT],
    /// What tiers behind the memories did, the nearest first.
    pub tiers: [TierServed; Level::COUNT],
    /// What came from prefill sides.
    pub transfers: Transfers,
}

/// Joules of a kilowatt-hour.
const JOULES_PER_KWH: f64 = 3.6e6;

/// Picoseconds times a count, in seconds.
fn seconds(ps: u128) -> f64 {
    ps as f64 / PS_PER_S as f64
}

impl Served {
    /// Nothing.
    pub const NONE: Self = Self::all(0.0);
    /// Nothing known.
    pub const UNKNOWN: Self = Self::all(f64::NAN);

    const fn all(value: f64) -> Self {
        Self {
            spent_usd: value,
            charged_usd: value,
            demand_usd: value,
            demand_w: value,
            calls: value,
            input_tokens: value,
            cached_tokens: value,
            output_tokens: value,
            replica_s: value,
            busy_s: value,
            batch_s: value,
            waiting_s: value,
            kv_token_s: value,
            kv_capacity_s: value,
            flop: value,
            possible_flop: value,
            bytes: value,
            possible_bytes: value,
            preemptions: value,
            gpu_s: value,
            joules: value,
            facility_joules: value,
            carbon_g: value,
            tracked_s: value,
            down_s: value,
            committed_s: value,
            spare_s: value,
            refused_s: [value; SiteResource::ALL.len()],
            limited_s: [value; SiteResource::ALL.len()],
            water_l: value,
            requests: value,
            throttled: value,
            unavailable: value,
            counters: [value; Counter::COUNT],
            tiers: [TierServed::all(value); Level::COUNT],
            transfers: Transfers([value; Transfer::COUNT]),
        }
    }

    /// What the time of a pool's replicas costs and could have done, of which they were down, not
    /// paid for, or committed and not rented.
    fn capacity(pool: &Pool, window_s: f64, [down, unpaid, spare]: [u128; 3]) -> Self {
        let (replica_s, spare_s) =
            (window_s * f64::from(pool.most_replicas()) - seconds(unpaid), seconds(spare));
        let committed = pool.commitment.map_or(0, |committed| committed.replicas);
        let gpu_s = replica_s * f64::from(pool.gpus);
        let kv_tokens = pool.replica.kv_blocks as f64 * f64::from(pool.replica.block);
        Self {
            spent_usd: match &pool.commitment {
                None => replica_s / 3600.0 * pool.usd_per_replica_h,
                Some(_) => pool.usd(window_s, replica_s, spare_s),
            },
            committed_s: f64::from(committed) * window_s,
            spare_s,
            replica_s,
            kv_capacity_s: replica_s * kv_tokens,
            possible_flop: gpu_s * pool.peak_flops,
            possible_bytes: gpu_s * pool.bandwidth,
            gpu_s,
            tracked_s: if pool.fleet.is_some() { replica_s } else { 0.0 },
            down_s: seconds(down),
            ..Self::NONE
        }
    }

    /// What a pool did in the measured window.
    pub fn by_pool(pool: &Pool, tally: &PoolTally, window_s: f64) -> Self {
        let (usage, gpus) = (&tally.usage, f64::from(pool.gpus));
        Self {
            charged_usd: tally.charged_pico as f64 / PICO_PER_USD,
            calls: tally.calls as f64,
            input_tokens: usage.prompt_tokens as f64,
            cached_tokens: usage.cached_tokens as f64,
            output_tokens: usage.output_tokens as f64,
            busy_s: seconds(u128::from(usage.busy_ps)),
            batch_s: seconds(usage.batch_ps),
            waiting_s: seconds(usage.waiting_ps),
            kv_token_s: seconds(usage.kv_token_ps),
            flop: usage.flops as f64 * gpus,
            bytes: usage.bytes as f64 * gpus,
            preemptions: usage.preemptions as f64,
            counters: usage.counters.all().map(|count| count as f64),
            tiers: tally.tiers.map(|tier| TierServed::of(&tier, window_s)),
            transfers: Transfers::of(&tally.transfers),
            refused_s: tally.refused_ps.map(|ps| seconds(ps.unwrap_or(0))),
            limited_s: tally.refused_ps.map(|ps| if ps.is_some() { window_s } else { 0.0 }),
            ..Self::capacity(pool, window_s, [tally.down_ps, tally.unpaid_ps, tally.spare_ps])
        }
        .powered(pool, seconds(u128::from(usage.gpu_ps)))
    }

    /// What a pool did in a bin of the time series.
    pub fn by_bin(pool: &Pool, bin: &PoolBin, length_s: f64) -> Self {
        let gpus = f64::from(pool.gpus);
        Self {
            charged_usd: f64::NAN,
            demand_usd: f64::NAN,
            demand_w: f64::NAN,
            calls: f64::NAN,
            input_tokens: bin.prompt_tokens as f64,
            cached_tokens: bin.cached_tokens as f64,
            output_tokens: bin.output_tokens as f64,
            busy_s: seconds(bin.busy_ps),
            batch_s: seconds(bin.batch_ps),
            waiting_s: seconds(bin.waiting_ps),
            kv_token_s: seconds(bin.kv_token_ps),
            flop: bin.flops as f64 * gpus,
            bytes: bin.bytes as f64 * gpus,
            preemptions: f64::NAN,
            counters: [f64::NAN; Counter::COUNT],
            tiers: [TierServed::all(f64::NAN); Level::COUNT],
            transfers: Transfers([f64::NAN; Transfer::COUNT]),
            ..Self::capacity(pool, length_s, [bin.down_ps, bin.unpaid_ps, bin.spare_ps])
        }
        .powered(pool, seconds(bin.gpu_ps))
    }

    /// What an endpoint did in the measured window, or in a bin of the time series. What it draws
    /// from the grid nobody says, so with a call to it the fleet's energy is unknown, too.
    pub fn by_endpoint(usage: &EndpointUsage) -> Self {
        let usd = usage.spent_pico as f64 / PICO_PER_USD;
        let energy = if usage.calls > 0 { f64::NAN } else { 0.0 };
        Self {
            spent_usd: usd,
            charged_usd: usd,
            calls: usage.calls as f64,
            input_tokens: usage.input_tokens as f64,
            cached_tokens: usage.cached_tokens as f64,
            output_tokens: usage.output_tokens as f64,
            joules: energy,
            facility_joules: energy,
            carbon_g: energy,
            water_l: energy,
            requests: usage.requests as f64,
            throttled: usage.throttled as f64,
            unavailable: usage.unavailable as f64,
            ..Self::NONE
        }
    }

    /// With the energy of GPUs whose kernels ran for so much of the replicas' time.
    fn powered(self, pool: &Pool, running_s: f64) -> Self {
        let busy_s = running_s * f64::from(pool.gpus);
        let joules = pool.gpu_power.joules(self.gpu_s, busy_s);
        let facility_joules = joules * pool.bill.facility_factor;
        let carbon_g = facility_joules / JOULES_PER_KWH * pool.bill.grams_per_kwh;
        let water_l = joules * pool.bill.litres_per_joule;
        Self { joules, facility_joules, carbon_g, water_l, ..self }
    }

    /// A sum over what came from prefill sides.
    pub fn transferred(&self, what: Transfer) -> f64 {
        self.transfers.0[what as usize]
    }

    /// What a lever counted.
    pub fn counted(&self, what: Counter) -> f64 {
        self.counters[what as usize]
    }

    /// This and another together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            spent_usd: self.spent_usd + other.spent_usd,
            charged_usd: self.charged_usd + other.charged_usd,
            demand_usd: self.demand_usd + other.demand_usd,
            demand_w: self.demand_w + other.demand_w,
            calls: self.calls + other.calls,
            input_tokens: self.input_tokens + other.input_tokens,
            cached_tokens: self.cached_tokens + other.cached_tokens,
            output_tokens: self.output_tokens + other.output_tokens,
            replica_s: self.replica_s + other.replica_s,
            busy_s: self.busy_s + other.busy_s,
            batch_s: self.batch_s + other.batch_s,
            waiting_s: self.waiting_s + other.waiting_s,
            kv_token_s: self.kv_token_s + other.kv_token_s,
            kv_capacity_s: self.kv_capacity_s + other.kv_capacity_s,
            flop: self.flop + other.flop,
            possible_flop: self.possible_flop + other.possible_flop,
            bytes: self.bytes + other.bytes,
            possible_bytes: self.possible_bytes + other.possible_bytes,
            preemptions: self.preemptions + other.preemptions,
            gpu_s: self.gpu_s + other.gpu_s,
            joules: self.joules + other.joules,
            facility_joules: self.facility_joules + other.facility_joules,
            carbon_g: self.carbon_g + other.carbon_g,
            tracked_s: self.tracked_s + other.tracked_s,
            down_s: self.down_s + other.down_s,
            committed_s: self.committed_s + other.committed_s,
            spare_s: self.spare_s + other.spare_s,
            refused_s: std::array::from_fn(|at| self.refused_s[at] + other.refused_s[at]),
            limited_s: std::array::from_fn(|at| self.limited_s[at] + other.limited_s[at]),
            water_l: self.water_l + other.water_l,
            requests: self.requests + other.requests,
            throttled: self.throttled + other.throttled,
            unavailable: self.unavailable + other.unavailable,
            counters: std::array::from_fn(|at| self.counters[at] + other.counters[at]),
            tiers: std::array::from_fn(|at| self.tiers[at].plus(&other.tiers[at])),
            transfers: self.transfers.plus(&other.transfers),
        }
    }

    /// The part of the window's dollars and tokens that belongs to some agents: their part of
    /// what tasks that count were charged, and of their tokens. So idle time is borne in proportion
    /// to use. Replicas serve everyone, so what they did belongs to no agent.
    pub fn share_of(&self, agent: &AgentTally, all: &AgentTally) -> Self {
        let part = |mine: f64, of: f64| if of > 0.0 { mine / of } else { f64::NAN };
        let dollars = part(agent.charged_pico as f64, all.charged_pico as f64);
        let input = part(agent.input_tokens as f64, all.input_tokens as f64);
        let output = part(agent.output_tokens as f64, all.output_tokens as f64);
        let cached = part(agent.cached_tokens as f64, all.cached_tokens as f64);
        Self {
            spent_usd: self.spent_usd * dollars,
            joules: self.joules * dollars,
            facility_joules: self.facility_joules * dollars,
            carbon_g: self.carbon_g * dollars,
            water_l: self.water_l * dollars,
            charged_usd: self.charged_usd * dollars,
            calls: agent.calls_in_window as f64,
            input_tokens: self.input_tokens * input,
            cached_tokens: if all.cached_tokens == 0 { 0.0 } else { self.cached_tokens * cached },
            output_tokens: self.output_tokens * output,
            ..Self::UNKNOWN
        }
    }
}

/// What figures are computed from: one scope, in one trial or a part of it.
#[derive(Clone, Copy, Debug)]
pub struct Totals<'a> {
    /// Length of the stretch, s.
    pub window_s: f64,
    /// What agents did; empty for a pool.
    pub tally: &'a AgentTally,
    /// What servers did for them.
    pub served: Served,
    /// Dollars that the whole fleet spent.
    pub bill_usd: f64,
    /// Power at the facility's meter in the bin of the time series that has most, W.
    pub peak_w: f64,
}
