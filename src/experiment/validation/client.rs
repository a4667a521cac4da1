//! Benchmark clients as plans: so many in closed loop, or requests by an arrival process.

use crate::foundations::distribution::{Law, LawError};
use crate::foundations::{SimDuration, SimTime};
use crate::performance::GpuPower;
use crate::serving::{ReplicaSpec, RouterPolicy};
use crate::simulation::plan::{Behaviour, Ending, Plan, Pool, Population, Stop};
use crate::workload::arrival::Arrivals;
use crate::workload::program::{Branch, Limits, LlmStep, ModelChoice, Program, Step, StepKind};
use crate::workload::retry::RetryPolicy;

/// Requests of one prompt and one answer each, sent to one replica.
#[derive(Clone, Debug)]
pub struct Client {
    /// Tokens of a prompt.
    pub prompt: Law,
    /// Tokens of an answer.
    pub answer: Law,
    /// When requests are sent.
    pub arrivals: Arrivals,
    /// How many.
    pub requests: u64,
}

impl Client {
    /// The plan that sends these requests to `replica` and waits for all answers.
    #[must_use]
    pub fn plan(&self, replica: ReplicaSpec, gpus: u32, gpu_power: GpuPower) -> Plan {
        let (peak_flops, bandwidth) = (replica.model.peak_flops, replica.model.bandwidth);
        let pool = Pool {
            name: "replica".into(),
            model: String::new(),
            accelerator: String::new(),
            engine: String::new(),
            replica,
            replicas: 1,
            gpus,
            router: RouterPolicy::RoundRobin,
            max_context: u32::MAX,
            usd_per_replica_h: 0.0,
            peak_flops,
            bandwidth,
            gpu_power,
            calibration: None,
        };
        Plan {
            name: "benchmark".into(),
            stop: Stop { horizon: None, tasks: Some(self.requests) },
            warm_up: SimTime::ZERO,
            ending: Ending::Drain(SimDuration::MAX),
            pools: vec![pool],
            programs: vec![program(self.prompt.clone(), self.answer.clone())],
            tools: Vec::new(),
            traces: Vec::new(),
            populations: vec![Population {
                name: "clients".into(),
                behaviour: Behaviour::Program(0),
                pool: 0,
                arrivals: self.arrivals.clone(),
                think_time_s: self.arrivals.users().map(|(_, think)| think.clone()),
            }],
            task_rows: 0,
            bin: SimDuration::from_s_saturating(1e6),
        }
    }
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

fn program(prompt: Law, answer: Law) -> Program {
    let call = LlmStep {
        model: ModelChoice::Own,
        passages: None,
        input_tokens: prompt,
        output_tokens: answer,
        reasoning_share: Law::ZERO,
        keep_reasoning: true,
        keep_output: true,
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
        loops: 0,
        shared: Vec::new(),
        opening_tokens: Law::ZERO,
        session_tasks: Law::ONE,
        think_time_s: Law::ZERO,
        compaction: None,
        limits: Limits { calls: None, tokens: None, usd: None, deadline: None },
        retry: RetryPolicy::default(),
    }
}
