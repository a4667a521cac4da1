//! probe
use tokenfleet::foundations::distribution::Law;
use tokenfleet::foundations::*;
use tokenfleet::performance::*;
use tokenfleet::serving::*;
use tokenfleet::simulation::plan::*;
use tokenfleet::simulation::*;
use tokenfleet::workload::arrival::Arrivals;
use tokenfleet::workload::program::*;
use tokenfleet::workload::retry::RetryPolicy;
use tokenfleet::workload::tool::Tool;
fn model() -> StepModel { let c = tokenfleet::catalog::Catalog::embedded(); StepModel::compile(&Deployment { model: c.model("llama-3.3-70b").unwrap(), accelerator: c.accelerator("h100-sxm").unwrap(), engine: c.engine("vllm").unwrap(), precision: tokenfleet::catalog::Precision::of(tokenfleet::catalog::NumberFormat::Fp8), tensor_parallel: 4, expert_parallel: 1 }).unwrap() }
fn pool(replicas: u32, cache: bool, router: RouterPolicy) -> Pool {
    Pool {
        name: "main".into(),
        model: "m".into(),
        accelerator: "h100".into(),
        engine: "v".into(),
        replica: ReplicaSpec {
            model: model(),
            token_budget: 8192,
            batch_limit: 256,
            chunked_prefill: true,
            block: 16,
            kv_blocks: 80_000,
            prefix_cache: cache, host: HostProfile::default(),
            longest_leap: std::env::var("LEAP").ok().map_or(u64::MAX, |v| v.parse().unwrap()),
        },
        replicas,
        gpus: 4,
        router,
        max_context: 131072,
        usd_per_replica_h: 10.0,
        peak_flops: 1979e12,
        bandwidth: 3.35e12,
    }
}
fn llm(input: Law, output: Law, next: Branch) -> StepKind {
    StepKind::Llm(LlmStep {
        model: ModelChoice::Own,
        passages: None,
        input_tokens: input,
        output_tokens: output,
        reasoning_share: Law::constant(0.0).unwrap(),
        keep_reasoning: true,
        keep_output: true,
        next,
        on_error: None,
    })
}
fn program(steps: Vec<Step>, shared: Vec<SharedSegment>, loops: u16) -> Program {
    Program {
        name: "p".into(),
        steps,
        start: 0,
        loops,
        shared,
        opening_tokens: Law::constant(0.0).unwrap(),
        session_tasks: Law::constant(1.0).unwrap(),
        think_time_s: Law::constant(0.0).unwrap(),
        compaction: None,
        limits: Limits { calls: None, tokens: None, usd: None, deadline: None },
        retry: RetryPolicy::default(),
    }
}
fn main() {
    let mode = std::env::args().nth(1).unwrap();
    let n: u64 = std::env::args().nth(2).unwrap().parse().unwrap();
    let c = |x: f64| Law::constant(x).unwrap();
    let step = |name: &str, kind| Step { name: name.into(), kind };
    let (programs, tools, pools, rate) = if mode == "plain" {
        (
            vec![program(
                vec![
                    step(
                        "a",
                        llm(
                            Law::lognormal(7.4, 0.632).unwrap(),
                            Law::lognormal(5.5, 0.642).unwrap(),
                            Branch::always(1),
                        ),
                    ),
                    step("e", StepKind::End { success: true }),
                ],
                vec![],
                0,
            )],
            vec![],
            vec![pool(2, false, RouterPolicy::LeastLoaded)],
            12.0,
        )
    } else {
        (
            vec![program(
                vec![
                    step(
                        "loop",
                        StepKind::Loop(LoopStep {
                            times: Law::lognormal(2.626, 0.866).unwrap(),
                            body: 1,
                            next: 3,
                            counter: 0,
                        }),
                    ),
                    step(
                        "think",
                        llm(c(0.0), Law::lognormal(4.8, 0.8).unwrap(), Branch::always(2)),
                    ),
                    step(
                        "tool",
                        StepKind::Tool(ToolStep {
                            tool: 0,
                            parallel: c(1.0),
                            result_includes_output: false,
                            next: Branch::always(0),
                            on_error: None,
                        }),
                    ),
                    step(
                        "final",
                        llm(c(0.0), Law::lognormal(6.024, 0.392).unwrap(), Branch::always(4)),
                    ),
                    step("e", StepKind::End { success: true }),
                ],
                vec![SharedSegment { identity: 1, tokens: c(6400.0), variant: c(1.0) }],
                1,
            )],
            vec![Tool {
                name: "sh".into(),
                latency_s: Law::lognormal(-0.78, 1.502).unwrap(),
                result_tokens: Law::lognormal(4.996, 1.4).unwrap(),
                failure: 0.0,
                slots: None,
            }],
            vec![pool(6, true, RouterPolicy::SessionAffinity)],
            1.0,
        )
    };
    let plan = Plan {
        name: "x".into(),
        stop: Stop { horizon: None, tasks: Some(n) },
        warm_up: SimTime::ZERO,
        ending: Ending::Drain(SimDuration::MAX),
        pools,
        programs,
        tools,
        traces: vec![],
        populations: vec![Population {
            name: "u".into(),
            behaviour: Behaviour::Program(0),
            pool: 0,
            arrivals: Arrivals::poisson(rate).unwrap(),
            think_time_s: None,
        }],
        task_rows: 10000,
        bin: SimDuration(10_000_000_000_000),
    };
    let mut w = World::new(&plan);
    for trial in 0..2 {
        let t = std::time::Instant::now();
        let o = w.run(1, trial, |_, _| true).unwrap();
        let el = t.elapsed().as_secs_f64();
        let a = &o.agents[0];
        let p = &o.pools[0];
        println!(
            "trial {trial} wall {el:.3} s, calls {} -> {:.0}/s, tasks {} events {} window {:?}",
            a.calls,
            a.calls as f64 / el,
            a.succeeded,
            o.events,
            o.window_s
        );
        println!(
            " ttft {:.1} ms tpot {:.2} ms lat {:.2} s util {:.2} batch {:.1} hit {:.3} steps {} leaps {} preempt {}",
            a.ttft.histogram.mean() / 1e3,
            a.tpot.histogram.mean() / 1e6,
            a.task_latency.histogram.mean() / 1e6,
            p.usage.busy_ps as f64 / p.replica_ps as f64,
            p.usage.batch_ps as f64 / p.replica_ps as f64,
            p.usage.cached_tokens as f64 / p.usage.prompt_tokens as f64,
            p.usage.steps,
            p.usage.leaps,
            p.usage.preemptions
        );
        println!(" {:?} {:?}", o.conservation.violations(), o.conservation);
    }
}
