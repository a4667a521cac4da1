//! Benchmark clients as plans, and what they see of a server.

use crate::foundations::distribution::{Law, LawError};
use crate::foundations::time::PS_PER_S;
use crate::foundations::{SimDuration, SimTime};
use crate::serving::RouterPolicy;
use crate::simulation::plan::{Behaviour, Bill, Claim, Ending, Plan, Pool, Population, Stop};
use crate::simulation::{TrialOutcome, World};
use crate::workload::arrival::{ArrivalError, Arrivals};
use crate::workload::program::{
    Branch, Limits, LlmStep, ModelChoice, Program, SharedSegment, Step, StepKind,
};
use crate::workload::retry::RetryPolicy;
use crate::workload::trace::Trace;

use super::configuration::Unmodelled;
use super::server::Server;

/// Requests of one prompt and one answer each.
#[derive(Clone, Debug)]
pub struct Client {
    /// Tokens of a prompt behind what prompts share.
    pub prompt: Law,
    /// Tokens of an answer.
    pub answer: Law,
    /// When requests are sent.
    pub arrivals: Arrivals,
    /// How many.
    pub requests: u64,
    /// What prompts begin with.
    pub shared: Option<SharedSegment>,
    /// How long an answer is waited for.
    pub timeout: Option<SimDuration>,
}

/// What a client saw in one run, and what the server did meanwhile.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Everything that the trial found.
    pub outcome: TrialOutcome,
    /// From the first request sent to the last answer, s.
    pub span_s: f64,
}

/// Length of a bin of the time series to begin with.
const BIN_S: f64 = 1.0;

impl Client {
    /// The plan that sends these requests to `server` and waits for all answers.
    #[must_use]
    pub fn plan(&self, server: &Server) -> Plan {
        let mut plan = empty_plan(server, self.requests);
        plan.programs = vec![self.program()];
        plan.populations = vec![Population {
            name: "clients".into(),
            behaviour: Behaviour::Program(0),
            pool: 0,
            claim: Claim::default(),
            arrivals: self.arrivals.clone(),
            response_cache: None,
            think_time_s: self.arrivals.users().map(|(_, think)| think.clone()),
        }];
        plan
    }

    fn program(&self) -> Program {
        let call = LlmStep {
            model: ModelChoice::Own,
            passages: None,
            input_tokens: self.prompt.clone(),
            output_tokens: self.answer.clone(),
            reasoning_share: Law::ZERO,
            keep_reasoning: false,
            keep_output: false,
            next: Branch::always(1),
            on_error: None,
        };
        let step = |name: &str, kind| Step { name: name.into(), kind };
        Program {
            name: "request".into(),
            steps: vec![
                step("call", StepKind::Llm(call)),
                step("answered", StepKind::End { success: true }),
            ],
            start: 0,
            restart: 0,
            loops: 0,
            shared: self.shared.iter().cloned().collect(),
            opening_tokens: Law::ZERO,
            session: Default::default(),
            pruning: None,
            compaction: None,
            limits: Limits { calls: None, tokens: None, usd: None, deadline: None },
            retry: RetryPolicy { timeout: self.timeout, ..RetryPolicy::default() },
        }
    }
}

/// The plan that sends recorded requests to `server`, each when it was sent.
///
/// # Errors
/// A trace without requests.
pub fn recorded_plan(server: &Server, trace: Trace) -> Result<Plan, ArrivalError> {
    let mut plan = empty_plan(server, trace.roots.len() as u64);
    plan.populations = vec![Population {
        name: "clients".into(),
        behaviour: Behaviour::Recorded {
            trace: 0,
            longest_gap: SimDuration::MAX,
            pools: vec![0; trace.models.len()],
        },
        pool: 0,
        claim: Claim::default(),
        arrivals: Arrivals::of_trace(&trace, 1.0)?,
        response_cache: None,
        think_time_s: None,
    }];
    plan.traces = vec![trace.into()];
    Ok(plan)
}

fn empty_plan(server: &Server, requests: u64) -> Plan {
    Plan {
        name: "benchmark".into(),
        stop: Stop { horizon: None, tasks: Some(requests) },
        warm_up: SimTime::ZERO,
        ending: Ending::Drain(SimDuration::MAX),
        pools: vec![replica_pool(server)],
        endpoints: vec![],
        geography: None,
        programs: Vec::new(),
        tools: Vec::new(),
        traces: Vec::new(),
        populations: Vec::new(),
        task_rows: usize::try_from(requests).unwrap_or(usize::MAX),
        bin: SimDuration::from_s_saturating(BIN_S),
        uncertain: None,
        outlook: None,
        tenants: Vec::new(),
        power_limit_w: None,
        racks: None,
        demand: None,
    }
}

/// One replica that is a pool.
#[must_use]
pub fn replica_pool(server: &Server) -> Pool {
    let Server { replica, gpus, power } = server.clone();
    let (peak_flops, bandwidth) = (replica.model.peak_flops, replica.model.bandwidth);
    Pool {
        name: "replica".into(),
        model: String::new(),
        accelerator: String::new(),
        engine: String::new(),
        replica,
        replicas: 1,
        gpus,
        attention_groups: 1,
        router: RouterPolicy::RoundRobin,
        prefill: None,
        overflow: None,
        quality: 1.0,
        fleet: None,
        tiers: None,
        max_context: u32::MAX,
        usd_per_replica_h: 0.0,
        commitment: None,
        bill: Bill::UNKNOWN,
        peak_flops,
        bandwidth,
        gpu_power: power,
        measured_model: String::new(),
        calibration: None,
    }
}

/// Runs a plan so many times.
///
/// # Errors
/// [`Unmodelled::NotSimulated`] where no request was answered.
pub fn observe(plan: &Plan, seed: u64, trials: u64) -> Result<Vec<Seen>, Unmodelled> {
    let mut world = World::new(plan);
    let seen: Vec<Seen> = (0..trials)
        .filter_map(|trial| world.run(seed, trial, |_, _| true))
        .map(|outcome| {
            let ends = outcome.tasks.rows().into_iter().map(|row| row.started_s + row.latency_s);
            Seen { span_s: ends.fold(0.0, f64::max), outcome }
        })
        .collect();
    match seen.iter().any(|seen| seen.outcome.agents[0].calls > 0) {
        true => Ok(seen),
        false => Err(Unmodelled::NotSimulated("no request could be answered".into())),
    }
}

impl Seen {
    /// Mean time per output token, first apart, ms.
    #[must_use]
    pub fn tpot_ms(&self) -> f64 {
        self.outcome.agents[0].tpot.histogram.mean() * 1e-6
    }

    /// Mean time to the first token, ms.
    #[must_use]
    pub fn ttft_ms(&self) -> f64 {
        self.outcome.agents[0].ttft.histogram.mean() * 1e-3
    }

    /// Output tokens per second over the whole run.
    #[must_use]
    pub fn output_tokens_per_s(&self) -> f64 {
        self.outcome.agents[0].output_tokens as f64 / self.span_s
    }

    /// Share of the run in which kernels ran.
    #[must_use]
    pub fn gpu_busy(&self) -> f64 {
        let bins = &self.outcome.series.bins;
        let ps: u128 = bins.iter().flat_map(|bin| &bin.pools).map(|pool| pool.gpu_ps).sum();
        ps as f64 / PS_PER_S as f64 / self.span_s
    }
}

/// The mean of a figure over runs.
pub fn mean(seen: &[Seen], of: impl Fn(&Seen) -> f64) -> f64 {
    seen.iter().map(of).sum::<f64>() / seen.len() as f64
}

/// Tokens between `low` and 1 of the nominal length, all alike.
///
/// # Errors
/// [`LawError`] for lengths that are no tokens.
pub fn drawn_from(low: f64, nominal: u32) -> Result<Law, LawError> {
    let nominal = f64::from(nominal);
    // Rounded, every whole number from the least to the nominal one is as likely.
    let least = libm::floor(low * nominal).max(1.0);
    Law::uniform(least - 0.5, nominal + 0.5)?.rounded().clamped(least, nominal)
}
