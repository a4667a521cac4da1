//! A small fleet with something of everything: agents with tools, a chat beside them, a shared
//! prompt, a cache.

use tokenfleet::foundations::{Law, SimDuration, SimTime};
use tokenfleet::performance::{ContextCost, KernelGroup, StepModel};
use tokenfleet::serving::{ReplicaSpec, RouterPolicy};
use tokenfleet::simulation::plan::{Behaviour, Bill, Claim, Ending, Plan, Pool, Population, Stop};
use tokenfleet::workload::arrival::Arrivals;
use tokenfleet::workload::program::{Branch, LoopStep, Program, SharedSegment, StepKind};
use tokenfleet::workload::tool::Tool;

use crate::fixture::{call, constant, end, plan, pool, program, server, tool};

fn about(median: f64, sigma: f64) -> Law {
    Law::lognormal_from_median(median, sigma).unwrap()
}

fn behind(mut program: Program, name: &str, shared_tokens: f64) -> Program {
    let tokens = constant(shared_tokens);
    program.name = name.into();
    program.shared =
        vec![SharedSegment { identity: 1, tokens, variant: constant(1.0), redrawn: 0.0 }];
    program
}

/// Asks, then calls a tool and thinks, six times on average.
fn coder() -> Program {
    let times = Law::geometric_from_mean(6.0).unwrap();
    let mut coder = program(vec![
        call(about(300.0, 0.6), about(120.0, 0.8), Branch::always(1)),
        StepKind::Loop(LoopStep { times, body: 2, next: 4, counter: 0 }),
        tool(Branch::always(3)),
        call(constant(0.0), about(150.0, 0.8), Branch::always(1)),
        end(),
    ]);
    coder.loops = 1;
    behind(coder, "coder", 6400.0)
}

/// Answers once; one answer in ten is of no use.
fn chat() -> Program {
    let useful = Branch { cumulative: vec![(0.9, 1), (1.0, 2)] };
    let useless = StepKind::End { success: false };
    behind(
        program(vec![call(about(200.0, 1.0), about(250.0, 0.7), useful), end(), useless]),
        "chat",
        1000.0,
    )
}

/// Two replicas of a model of some 70 billion parameters, roughly.
fn servers() -> Pool {
    let weights = 17.4e9;
    let linear = KernelGroup {
        compute_s: 2.0 * weights / 1187e12,
        memory_s: weights / 3.35e12,
        bytes: weights,
    };
    let model = StepModel {
        linear,
        launch_s: 4.9e-3,
        context: ContextCost { ps: 15_300, bytes: 40_960, flops: 2_621_440 },
        layer_flops: 2 * 17_400_000_000,
        ..server(0.26e-3, 19e-6, 256).model
    };
    let replica = ReplicaSpec {
        model,
        token_budget: 8192,
        kv_blocks: 30_000,
        sequence_blocks: 0,
        prefix_cache: true,
        ..server(0.0, 0.0, 256)
    };
    Pool {
        name: "main".into(),
        model: "llama-3.3-70b".into(),
        accelerator: "h100-sxm".into(),
        engine: "vllm".into(),
        gpus: 4,
        router: RouterPolicy::SessionAffinity,
        prefill: None,
        overflow: None,
        quality: 1.0,
        fleet: None,
        tiers: None,
        max_context: 131_072,
        usd_per_replica_h: 9.96,
        bill: Bill::UNKNOWN,
        peak_flops: 1979e12,
        bandwidth: 3.35e12,
        ..pool(replica, 2)
    }
}

/// So many coding tasks a second, and twice as many questions.
pub(crate) fn small_fleet(horizon_s: f64, tasks_per_s: f64) -> Plan {
    let population = |name: &str, program: u16, rate: f64| Population {
        name: name.into(),
        behaviour: Behaviour::Program(program),
        pool: 0,
        claim: Claim::default(),
        arrivals: Arrivals::poisson(rate).unwrap(),
        response_cache: None,
        think_time_s: None,
    };
    Plan {
        name: "base".into(),
        stop: Stop { horizon: SimTime::from_s(horizon_s), tasks: None },
        warm_up: SimTime::from_s(horizon_s / 10.0).unwrap(),
        ending: Ending::Drain(SimDuration::from_s(3600.0).unwrap()),
        programs: vec![coder(), chat()],
        tools: vec![Tool {
            name: "shell".into(),
            latency_s: about(0.5, 1.5),
            result_tokens: about(400.0, 1.0),
            failure: 0.05,
            timeout: None,
            slots: None,
        }],
        populations: vec![
            population("coder", 0, tasks_per_s),
            population("chat", 1, tasks_per_s * 2.0),
        ],
        task_rows: 500,
        bin: SimDuration::from_s(10.0).unwrap(),
        ..plan(coder(), servers(), Arrivals::poisson(1.0).unwrap(), 1)
    }
}
