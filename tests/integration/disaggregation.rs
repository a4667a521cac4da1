//! Prompts and answers on servers of their own: closed forms of what lies between them.

use tokenfleet::foundations::distribution::Law;
use tokenfleet::foundations::{Faults, SimDuration, SimTime, Sources};
use tokenfleet::performance::{KernelGroup, StepModel};
use tokenfleet::serving::ReplicaSpec;
use tokenfleet::serving::link::LinkSpec;
use tokenfleet::simulation::TrialOutcome;
use tokenfleet::simulation::plan::{Plan, Prefill, Stop};
use tokenfleet::simulation::scenario::{NoFiles, ReadOptions, Scenario};
use tokenfleet::workload::arrival::Arrivals;
use tokenfleet::workload::program::Branch;

use crate::fixture::{call, constant, end, plan, pool, program, run, server};

/// Seconds that a prompt token takes.
const TOKEN_S: f64 = 1e-4;

/// A pool of `decode` servers whose prompts one server computes that takes them one by one.
fn disaggregated(
    decode: ReplicaSpec,
    [prompt, output]: [Law; 2],
    (bytes, bytes_per_s): (u64, u64),
    arrivals: Arrivals,
    tasks: u64,
) -> Plan {
    let steps = vec![call(prompt, output, Branch::always(1)), end()];
    let mut plan = plan(program(steps), pool(decode, 1), arrivals, tasks);
    let linear = KernelGroup { compute_s: TOKEN_S, ..KernelGroup::default() };
    let prompts = ReplicaSpec {
        model: StepModel { linear, ..StepModel::default() },
        token_budget: u32::MAX,
        ..server(0.0, 0.0, 1)
    };
    plan.pools.push(pool(prompts, 1));
    plan.pools[0].prefill = Some(Prefill {
        pool: 1,
        link: LinkSpec { bytes_per_s, latency: SimDuration::ZERO },
        shared: false,
        token_bytes: 0.0,
        sequence_bytes: bytes,
    });
    plan
}

fn ttft_s(outcome: &TrialOutcome) -> f64 {
    outcome.agents[0].ttft.histogram.mean() / 1e6
}

/// One request alone: 0.2 s for 2,000 tokens of prompt, 0.5 s for 500 MB at 1 GB/s, ten steps of
/// 10 ms for the tokens behind the first.
#[test]
fn one_request_takes_prompt_transfer_and_answer() {
    let lengths = [constant(2000.0), constant(11.0)];
    let arrivals = Arrivals::poisson(0.001).unwrap();
    let link = (500_000_000, 1_000_000_000);
    // What is measured ends when the fourth comes.
    let plan = disaggregated(server(0.01, 0.0, 8), lengths, link, arrivals, 4);
    let outcome = run(&plan, 0);
    let agents = &outcome.agents[0];
    assert!((ttft_s(&outcome) - 0.7).abs() < 1e-3, "{}", ttft_s(&outcome));
    assert!((agents.tpot.histogram.mean() / 1e9 - 0.01).abs() < 1e-5);
    assert!((agents.task_latency.histogram.mean() / 1e6 - 0.8).abs() < 1e-3);
    let [answers, prompts] = &outcome.pools[..] else { panic!("two pools") };
    assert_eq!((prompts.usage.output_tokens, answers.usage.output_tokens), (3, 30));
    assert_eq!((prompts.usage.prefill_tokens, answers.usage.prefill_tokens), (6000, 0));
    assert_eq!(answers.transfers.link.bytes, 1_500_000_000);
    assert_eq!(answers.transfers.transfer_ps, 1_500_000_000_000);
    assert_eq!((answers.transfers.wait_ps, answers.transfers.arrived), (0, 3));
    // 125 blocks for half a second, three times.
    assert_eq!(answers.transfers.pinned_block_ps, 125 * 1_500_000_000_000);
}

/// Prompts are an M/M/1 queue, whose departures are Poisson again (P. J. Burke, *The output of a
/// queuing system*, Operations Research 4(6), 1956); transfers of one size that share a link are
/// M/G/1 with processor sharing, of mean T / (1 - rho) (L. Kleinrock, *Queueing Systems* vol. 2, 1976).
#[test]
fn prompts_and_transfers_are_a_tandem_of_queues() {
    const TRIALS: u64 = 12;
    let (rate, service_s, transfer_s) = (0.5, 1.0, 1.2);
    let lengths = [Law::exponential(service_s / TOKEN_S).unwrap(), constant(2.0)];
    let link = (1_200_000_000, 1_000_000_000);
    let arrivals = Arrivals::poisson(rate).unwrap();
    let decode = ReplicaSpec { batch_limit: 100_000, ..server(1e-5, 0.0, 1) };
    let plan = disaggregated(decode, lengths, link, arrivals, 20_000);
    let outcomes: Vec<TrialOutcome> = (0..TRIALS).map(|trial| run(&plan, trial)).collect();
    let transfers = |outcome: &TrialOutcome| {
        let tally = outcome.pools[0].transfers;
        tally.transfer_ps as f64 / tally.arrived as f64 / 1e12
    };
    let expected = transfer_s / (1.0 - rate * transfer_s);
    agrees("transfer", &outcomes, expected, transfers);
    agrees("both", &outcomes, service_s / (1.0 - rate * service_s) + expected, ttft_s);
    let busy = |outcome: &TrialOutcome| {
        let tally = outcome.pools[0].transfers;
        tally.link.busy_ps as f64 / tally.link_ps as f64
    };
    agrees("link", &outcomes, rate * transfer_s, busy);
}

/// Within Student's t for 99.9 % and 11 degrees of freedom.
fn agrees(what: &str, outcomes: &[TrialOutcome], expected: f64, of: impl Fn(&TrialOutcome) -> f64) {
    let values: Vec<f64> = outcomes.iter().map(of).collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let half_width = 4.437 * (variance / n).sqrt();
    assert!(half_width < 0.1 * expected, "{what}: {mean} ± {half_width} tells nothing");
    let off = (mean - expected).abs();
    assert!(off <= half_width, "{what}: {mean} ± {half_width}, theory says {expected}");
}

/// An answering side with room for four contexts takes four every 1.02 s: a place that is left at a
/// step's end is taken at once, its prompt comes in 15 ms, the next step begins 20 ms after that, and
/// 100 steps of 10 ms follow. Twice as many come, so the memory of the other side is full of prompts
/// that nobody fetches, and no more of them are computed.
#[test]
fn who_has_no_room_holds_up_who_computes_prompts() {
    let lengths = [constant(1600.0), constant(101.0)];
    let decode = ReplicaSpec { kv_blocks: 4 * 107 + 3, ..server(0.01, 0.0, 64) };
    let arrivals = Arrivals::poisson(8.0).unwrap();
    let mut plan = disaggregated(decode, lengths, (15_000_000, 1_000_000_000), arrivals, 0);
    plan.pools[1].replica.kv_blocks = 50 * 100;
    plan.warm_up = SimTime::from_s(50.0).unwrap();
    plan.stop = Stop { horizon: SimTime::from_s(450.0), tasks: None };
    let outcome = run(&plan, 0);
    let [answers, prompts] = &outcome.pools[..] else { panic!("two pools") };
    let rate = answers.calls as f64 / 400.0;
    assert!((rate / (4.0 / 1.02) - 1.0).abs() < 0.02, "{rate} /s");
    let pinned = answers.transfers.pinned_block_ps as f64 / answers.transfers.block_ps as f64;
    assert!(pinned > 0.98 && pinned <= 1.0, "{pinned}");
    // It computes as many prompts as are fetched.
    let computed = prompts.usage.prompt_tokens as f64 / 1600.0;
    assert!((computed - answers.calls as f64).abs() <= 8.0, "{computed}");
    let waits_s = answers.transfers.wait_ps as f64 / answers.transfers.link.transfers as f64 / 1e12;
    // Little: fifty prompts wait, as long as it takes to fetch fifty.
    assert!((waits_s * rate / 50.0 - 1.0).abs() < 0.02, "{waits_s}");
}

const TWO_POOLS: &str = r#"
name = "two"

[run]
horizon = "10 min"

[agents.reader]
program  = "plain"
model    = "main"
arrivals = { poisson = "2 /s" }

[pools.main]
model           = "llama-3.3-70b"
accelerator     = "h100-sxm"
tensor_parallel = 4
precision       = { weights = "fp8", kv = "fp8" }
prefill         = { pool = "prompts" }

[pools.prompts]
model           = "llama-3.3-70b"
accelerator     = "h200-sxm"
tensor_parallel = 2
precision       = { weights = "fp8", kv = "fp8" }
"#;

fn read(set: &[&str]) -> Result<Scenario, Faults> {
    let mut sources = Sources::default();
    let source = sources.add_file("two.toml", TWO_POOLS.to_owned());
    let set: Vec<String> = set.iter().map(|&flag| flag.to_owned()).collect();
    let options = ReadOptions { set: &set, ..ReadOptions::new(&NoFiles) };
    Scenario::read(source, &mut sources, &options)
}

/// 80 layers with 8 heads of 128 for keys and as much for values, in 8 bits: 163,840 bytes a token. Two
/// H200 send over two cards of 50 GB/s, 85 % of that.
#[test]
fn a_scenario_says_what_comes_over_which_link() {
    let scenario = read(&[]).unwrap();
    assert!(scenario.warnings.is_empty());
    let side = scenario.variants[0].plan.pools[0].prefill.unwrap();
    assert_eq!((side.pool, side.bytes(1), side.bytes(1000)), (1, 163_840, 163_840_000));
    assert_eq!(side.link.bytes_per_s, 85_000_000_000);
    assert_eq!(side.link.latency, SimDuration(20_000_000));
    let stated = read(&["pools.main.prefill.link=10 Gbit/s"]).unwrap();
    let side = stated.variants[0].plan.pools[0].prefill.unwrap();
    assert_eq!(side.link.bytes_per_s, 1_250_000_000);
}

#[test]
fn what_cannot_be_handed_over_is_refused() {
    for (set, message, help) in [
        ("pool=\"promps\"", "unknown pool `promps`", "did you mean `prompts`?"),
        ("pool=\"main\"", "`main` computes its own prompts", "remove `prefill`"),
        ("link=\"0 GB/s\"", "nothing comes over a link without bandwidth", ""),
        ("link=\"nvlink\"", "unknown link `nvlink`", "choose from"),
        ("link=\"scale-up\"", "no scale-up link joins `h200-sxm` and `h100-sxm`", "scale-out"),
    ] {
        let faults = read(&[&format!("pools.main.prefill.{set}")]).expect_err(set);
        let fault = faults.iter().next().unwrap();
        assert!(fault.message.starts_with(message), "{set}: {}", fault.message);
        assert!(fault.help.join(" ").contains(help), "{set}: {:?}", fault.help);
        assert_eq!(faults.iter().count(), 1, "{set}: {faults}");
    }
    for (set, message) in [
        ("pools.prompts.model=\"llama-3.1-70b\"", "`prompts` serves `llama-3.1-70b`"),
        ("pools.prompts.precision.kv=\"bf16\"", "keys and values are bf16 in `prompts`"),
        ("pools.prompts.region=\"germany\"", "`prompts` stands in `germany`"),
        ("pools.prompts.prefill={ pool = \"main\" }", "`prompts` has its own prompts computed"),
        (
            "pools.main.kv_tiers={ host = { capacity = \"1 TB\" } }",
            "`main` has nothing to fetch from tiers: its prompts are computed by `prompts`",
        ),
    ] {
        let faults = read(&[set]).expect_err(set);
        assert!(faults.iter().any(|fault| fault.message.starts_with(message)), "{set}: {faults}");
    }
    let far = ["pools.prompts.accelerator=\"h100-sxm\"", "pools.main.prefill.link=\"scale-up\""];
    let far = [&far[..], &["pools.prompts.replicas=4"]].concat();
    let faults = read(&far).expect_err("more than a box");
    assert!(faults.to_string().contains("both pools have 12 GPUs"), "{faults}");
}

/// The pool that computes prompts keeps contexts, and its tiers take them: what memory forgets, and what
/// a session leaves while a person thinks; both come back, and are computed no more.
#[test]
fn tiers_stand_behind_the_pool_that_computes_prompts() {
    let sessions = [
        "agents.reader.program=\"coding-interactive\"",
        "agents.reader.arrivals={ closed = { users = 16, think_time = \"2 min\" } }",
        "run.horizon=\"1 h\"",
    ];
    let outcome = |set: &[&str]| {
        let scenario =
            read(&[&sessions[..], set].concat()).unwrap_or_else(|faults| panic!("{faults}"));
        let outcome = run(&scenario.variants[0].plan, 0);
        let prompts = &outcome.pools[1];
        (prompts.usage.prefill_tokens, prompts.tiers[0])
    };
    let small = "pools.prompts.kv_blocks=12000";
    let (alone, _) = outcome(&[small]);
    let host = "pools.prompts.kv_tiers={ host = { capacity = \"1 TB\" } }";
    let (with, tier) = outcome(&[small, host]);
    assert!(tier.hit_tokens > 0 && with < alone * 9 / 10, "{with} {alone} {tier:?}");
    // Where memory forgets nothing, only who is told to offload writes.
    let large = "pools.prompts.kv_blocks=1000000";
    assert_eq!(outcome(&[large, host]).1.write.bytes, 0);
    let offload =
        "pools.prompts.kv_tiers={ host = { capacity = \"1 TB\" }, human_pause = \"offload\" }";
    assert!(outcome(&[large, offload]).1.write.bytes > 0);
}
