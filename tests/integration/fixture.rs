//! Small plans made by hand, for tests that know the answer.

use tokenfleet::foundations::distribution::Law;
use tokenfleet::foundations::{SimDuration, SimTime};
use tokenfleet::performance::{GpuPower, HostProfile, StepModel};
use tokenfleet::serving::{ReplicaSpec, RouterPolicy, Scheduling};
use tokenfleet::simulation::plan::{Behaviour, Bill, Claim, Ending, Plan, Pool, Population, Stop};
use tokenfleet::simulation::{TrialOutcome, World};
use tokenfleet::workload::arrival::Arrivals;
use tokenfleet::workload::program::{
    Branch, Limits, LlmStep, ModelChoice, Program, Session, Step, StepKind, ToolStep,
};
use tokenfleet::workload::retry::RetryPolicy;
use tokenfleet::workload::tool::Tool;

/// A law that is always the same number.
pub(crate) fn constant(value: f64) -> Law {
    Law::constant(value).unwrap()
}

/// A server whose steps take `step_s`, and `sequence_s` more for each request in them.
pub(crate) fn server(step_s: f64, sequence_s: f64, batch_limit: u32) -> ReplicaSpec {
    ReplicaSpec {
        model: StepModel { step_s, sequence_s, ..StepModel::default() },
        token_budget: 100_000,
        batch_limit,
        chunked_prefill: true,
        block: 16,
        kv_blocks: 1 << 40,
        sequence_blocks: 0,
        prefix_cache: false,
        retention: None,
        host: HostProfile::default(),
        speculation: None,
        scheduling: Scheduling::Fcfs,
        longest_leap: u64::MAX,
    }
}

/// So many of these servers at a dollar an hour.
pub(crate) fn pool(replica: ReplicaSpec, replicas: u32) -> Pool {
    Pool {
        name: "pool".into(),
        model: "model".into(),
        accelerator: "accelerator".into(),
        engine: "engine".into(),
        replica,
        replicas,
        gpus: 1,
        attention_groups: 1,
        router: RouterPolicy::LeastLoaded,
        prefill: None,
        overflow: None,
        quality: 1.0,
        fleet: None,
        tiers: None,
        max_context: 1 << 30,
        usd_per_replica_h: 1.0,
        commitment: None,
        bill: Bill::UNKNOWN,
        peak_flops: 1e15,
        bandwidth: 1e12,
        gpu_power: GpuPower { idle_w: 100.0, full_w: 500.0 },
        measured_model: String::new(),
        calibration: None,
    }
}

/// A step that calls the agent's own model.
pub(crate) fn call(input: Law, output: Law, next: Branch) -> StepKind {
    StepKind::Llm(LlmStep {
        model: ModelChoice::Own,
        passages: None,
        input_tokens: input,
        output_tokens: output,
        reasoning_share: constant(0.0),
        keep_reasoning: true,
        keep_output: true,
        next,
        on_error: None,
    })
}

/// A step that calls the first tool once.
pub(crate) fn tool(next: Branch) -> StepKind {
    StepKind::Tool(ToolStep {
        tool: 0,
        parallel: constant(1.0),
        streamed: false,
        result_includes_output: false,
        next,
        on_error: None,
    })
}

/// The end of a task that went well.
pub(crate) fn end() -> StepKind {
    StepKind::End { success: true }
}

/// A program of these steps, starting with the first; sessions of one task, no limits.
pub(crate) fn program(steps: Vec<StepKind>) -> Program {
    let name = |(index, kind)| Step { name: format!("step-{index}"), kind };
    Program {
        name: "program".into(),
        steps: steps.into_iter().enumerate().map(name).collect(),
        start: 0,
        restart: 0,
        loops: 0,
        shared: vec![],
        opening_tokens: constant(0.0),
        session: Session::default(),
        pruning: None,
        compaction: None,
        limits: Limits { calls: None, tokens: None, usd: None, deadline: None },
        retry: RetryPolicy::default(),
    }
}

/// One population that walks `program` and starts `tasks` tasks.
pub(crate) fn plan(program: Program, pool: Pool, arrivals: Arrivals, tasks: u64) -> Plan {
    Plan {
        name: "plan".into(),
        stop: Stop { horizon: None, tasks: Some(tasks) },
        warm_up: SimTime::ZERO,
        ending: Ending::Drain(SimDuration::MAX),
        pools: vec![pool],
        endpoints: vec![],
        geography: None,
        programs: vec![program],
        tools: vec![],
        traces: vec![],
        populations: vec![Population {
            name: "users".into(),
            behaviour: Behaviour::Program(0),
            pool: 0,
            claim: Claim::default(),
            arrivals,
            response_cache: None,
            think_time_s: None,
        }],
        task_rows: 0,
        bin: SimDuration::from_s(1000.0).unwrap(),
        uncertain: None,
        outlook: None,
        tenants: Vec::new(),
        power_limit_w: None,
        racks: None,
        demand: None,
    }
}

/// A tool, and a plan in which a task is one call of it.
pub(crate) fn tool_plan(latency: Law, slots: u32, arrivals: Arrivals, tasks: u64) -> Plan {
    let steps = vec![tool(Branch::always(1)), end()];
    let mut plan = plan(program(steps), pool(server(1.0, 0.0, 1), 1), arrivals, tasks);
    plan.tools = vec![Tool {
        name: "tool".into(),
        latency_s: latency,
        result_tokens: constant(0.0),
        failure: 0.0,
        timeout: None,
        slots: Some(slots),
    }];
    plan
}

/// Runs one trial.
pub(crate) fn run(plan: &Plan, trial: u64) -> TrialOutcome {
    let outcome = World::new(plan).run(1, trial, |_, _| true).unwrap();
    assert_eq!(outcome.conservation.violations(), Vec::<String>::new());
    outcome
}
