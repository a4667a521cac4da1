//! What the headers of `scenarios/features` say of them is so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tokenfleet::experiment::totals::{Served, charge};
use tokenfleet::foundations::Sources;
use tokenfleet::simulation::outcome::AgentTally;
use tokenfleet::simulation::scenario::{Folder, ReadOptions, Scenario};
use tokenfleet::simulation::waste::Waste;
use tokenfleet::simulation::{Plan, TrialOutcome, World};

/// The plans of a scenario by name of the variant, settings given as on the command line.
fn plans(name: &str, set: &[&str]) -> BTreeMap<String, Plan> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/features");
    let file = format!("{name}.toml");
    let path = folder.join(&file);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut sources = Sources::default();
    let source = sources.add_file(&file, text);
    let set: Vec<String> = set.iter().map(|&flag| flag.to_owned()).collect();
    let folder = Folder::of(&path);
    let options = ReadOptions { set: &set, ..ReadOptions::new(&folder) };
    let scenario = Scenario::read(source, &mut sources, &options);
    let scenario = scenario.unwrap_or_else(|faults| panic!("{name}: {faults}"));
    scenario.variants.into_iter().map(|variant| (variant.plan.name.clone(), variant.plan)).collect()
}

/// One trial of each variant.
fn outcomes(name: &str, set: &[&str]) -> BTreeMap<String, TrialOutcome> {
    let run = |(variant, plan): (String, Plan)| {
        let outcome = World::new(&plan).run(1, 0, |_, _| true).unwrap();
        assert_eq!(outcome.conservation.violations(), Vec::<String>::new(), "{name} {variant}");
        (variant, outcome)
    };
    plans(name, set).into_iter().map(run).collect()
}

fn hits(outcome: &TrialOutcome) -> f64 {
    let usage = &outcome.pools[0].usage;
    usage.cached_tokens as f64 / usage.prompt_tokens as f64
}

fn ttft_s(outcome: &TrialOutcome, quantile: f64) -> f64 {
    outcome.agents[0].ttft.histogram.quantile(quantile) as f64 / 1e6
}

fn tpot_s(outcome: &TrialOutcome) -> f64 {
    outcome.agents[0].tpot.histogram.mean() / 1e9
}

#[test]
fn scheduling() {
    let found = outcomes("scheduling", &[]);
    let people = |name: &str| ttft_s(&found[name], 0.95);
    let batch = |name: &str| found[name].agents[1].task_latency.histogram.mean() / 1e6;
    assert!(people("base") > 10.0 * people("people-alone"), "{}", people("base"));
    assert!(people("priority") < 2.0 * people("people-alone"), "{}", people("priority"));
    assert!(people("no-preemption") < 0.5 * people("base"));
    assert!(people("deadline") < 1.1 * people("no-preemption"));
    assert!(people("shortest-first") < 0.5 * people("base"));
    assert!(people("fair") < 0.5 * people("base"), "{}", people("fair"));
    assert!(batch("priority") < 1.3 * batch("base"), "{} {}", batch("priority"), batch("base"));
    let displaced = |name: &str| found[name].pools[0].usage.counters.all()[2];
    assert!(displaced("priority") > 100 && displaced("no-preemption") == 0);
}

/// The highest of the draws over bins of 16 min, at the meter: less by night, least all day long.
#[test]
fn peak_demand() {
    let plans = plans("peak-demand", &["run.bin=16 min"]);
    let found = outcomes("peak-demand", &["run.bin=16 min"]);
    let usd = |name: &str| {
        let (plan, found) = (&plans[name], &found[name]);
        let window_s = found.window_s.1 - found.window_s.0;
        let mut served = [Served::by_pool(&plan.pools[0], &found.pools[0], window_s)];
        let before = served[0].spent_usd;
        charge(plan, &found.series, found.window_s, &mut served);
        (served[0].demand_usd, before)
    };
    let ((noon, before), (night, _), (spread, _)) = (usd("base"), usd("by-night"), usd("spread"));
    assert!((0.7..0.85).contains(&(night / noon)), "{}", night / noon);
    assert!((0.63..0.75).contains(&(spread / noon)), "{}", spread / noon);
    assert!((0.01..0.02).contains(&(noon / before)), "{}", noon / before);
}

/// Ten racks of four servers of eight H100, of two of eight B200, of 72 GB300 each.
#[test]
fn racks() {
    let plans = plans("racks", &[]);
    let gpus = |name: &str| plans[name].pools[0].replicas * plans[name].pools[0].gpus;
    assert_eq!(["base", "b200", "gb300-liquid"].map(gpus), [320, 160, 720]);
}

#[test]
fn tenants() {
    let found = outcomes("tenants", &[]);
    let charged = |name: &str, agents: std::ops::Range<usize>| {
        let all = &found[name].agents;
        let of = |agents: &[AgentTally]| agents.iter().map(|a| a.charged_pico as f64).sum::<f64>();
        let tasks: u64 = all[agents.clone()].iter().map(|agent| agent.finished()).sum();
        (of(&all[agents.clone()]) / of(all), of(&all[agents]) / tasks as f64)
    };
    let (product, engineering) = (charged("base", 0..2), charged("base", 2..3));
    assert!((0.25..0.4).contains(&engineering.0), "{engineering:?}");
    assert!((5.0..9.0).contains(&(engineering.1 / product.1)), "{product:?} {engineering:?}");
    for agents in [0..2, 2..3, 3..4] {
        let (base, fair) = (charged("base", agents.clone()).0, charged("fair", agents).0);
        assert!((fair / base - 1.0).abs() < 0.05, "{base} {fair}");
    }
    let wait = |name: &str| ttft_s(&found[name], 0.95);
    assert!(wait("fair") < 0.85 * wait("base"), "{} {}", wait("fair"), wait("base"));
}

/// Half of the tries pass in 16 bits, as many more fail as quality is lost: a task takes
/// 2 calls / (0.5 x quality).
#[test]
fn precision() {
    let plans = plans("precision", &[]);
    let found = outcomes("precision", &["run.horizon=2 h"]);
    let of = |name: &str| (&plans[name].pools[0], &found[name].agents[0]);
    let (base, _) = of("base");
    for (name, kept) in
        [("base", 1.0), ("fp8", 0.999 * 0.999), ("int4", 0.98), ("nvfp4", 0.9924 * 0.999)]
    {
        let (pool, agents) = of(name);
        assert!((pool.quality - kept).abs() < 1e-12, "{name}");
        let calls = &agents.calls_per_task.histogram;
        let expected = 2.0 / (0.5 * kept);
        // Geometric tries: their standard deviation over the root of the tasks.
        let error = 2.0 * libm::sqrt(1.0 - 0.5 * kept) / (0.5 * kept);
        let error = 4.0 * error / libm::sqrt(calls.count() as f64);
        assert!((calls.mean() - expected).abs() < error, "{name}: {} {expected}", calls.mean());
    }
    let calls = |name: &str| of(name).1.calls_per_task.histogram.mean();
    assert!((1.05..1.2).contains(&(calls("mxfp4") / calls("base"))));
    // Memory: fewer bytes of weights and of each token leave room for more tokens.
    let tokens = |name: &str| of(name).0.replica.kv_blocks;
    assert!(tokens("fp8") > 2 * tokens("base"));
    assert!(tokens("nvfp4") > tokens("fp8") && tokens("int4") > tokens("base"));
    // Time: reading fewer bytes at a small batch, faster units where the chip has them at a large
    // prompt. Weights that are unpacked are read faster and multiplied no faster.
    let step = |name: &str, tokens: u32| of(name).0.replica.model.tokens(tokens).ps as f64;
    assert!(step("nvfp4", 1) < step("fp8", 1) && step("fp8", 1) < step("base", 1));
    assert!(step("int4", 1) < step("fp8", 1));
    assert!(step("nvfp4", 8192) < step("fp8", 8192) && step("fp8", 8192) < step("base", 8192));
    assert!((step("int4", 8192) / step("base", 8192) - 1.0).abs() < 0.1);
    assert_eq!(base.quality, 1.0);
}

#[test]
fn speculation() {
    let found = outcomes("speculation", &["run.horizon=6 min"]);
    let tpot = |name: &str| tpot_s(&found[name]);
    assert!((2.4..2.8).contains(&(tpot("base") / tpot("eagle"))));
    assert!((1.6..1.85).contains(&(tpot("base") / tpot("ngram"))));
    assert!(tpot("busy") / tpot("busy-eagle") > 1.8);
    assert!(tpot("busy-ngram") > 1.4 * tpot("busy"));
    let yielded = |name: &str| {
        let [verified, accepted, ..] = *found[name].pools[0].usage.counters.all();
        (verified + accepted) as f64 / verified as f64
    };
    // Long answers: what the last step of each makes too much is a few in a thousand.
    assert!((yielded("busy-eagle") / 2.75 - 1.0).abs() < 0.01, "{}", yielded("busy-eagle"));
    assert!((yielded("busy-ngram") / 1.8 - 1.0).abs() < 0.01, "{}", yielded("busy-ngram"));
    assert_eq!(found["busy"].pools[0].usage.counters.all()[0], 0);
}

#[test]
fn routing() {
    let found = outcomes("routing", &[]);
    let hits = |name: &str| hits(&found[name]);
    let slow = |name: &str| ttft_s(&found[name], 0.95);
    assert!(hits("prefix-aware") > 2.5 * hits("base"));
    assert!(hits("prefix-aware") > 0.95 * hits("session-affinity"));
    assert!(slow("prefix-aware") < slow("base"));
    assert!(slow("prefix-aware") < 0.9 * slow("session-affinity"));
    assert!(slow("power-of-two") < 1.25 * slow("base"));
    assert!(slow("random") > 1.15 * slow("power-of-two"));
    // A match of anything herds.
    assert!(slow("anything-goes") > 10.0 * slow("base"));
}

fn success(outcome: &TrialOutcome) -> f64 {
    let agents = &outcome.agents[0];
    agents.succeeded as f64 / agents.started as f64
}

#[test]
fn endpoint() {
    let found = outcomes("endpoint", &["run.horizon=\"20 min\""]);
    let usd = |name: &str| {
        let charges = &found[name].agents[0].charge_per_task.histogram;
        charges.sum() as f64 / charges.count() as f64
    };
    assert!((usd("no-cache") / usd("base") - 1.6).abs() < 0.1);
    assert!((usd("batch") / usd("base") - 0.5).abs() < 0.001);
    assert!(success(&found["base"]) > 0.95 && success(&found["tier-1"]) < 0.25);
    assert!(success(&found["outage"]) < success(&found["base"]) - 0.04);
    let usage = found["tier-1"].endpoints[0];
    assert!(usage.throttled > usage.calls);
}

#[test]
fn burst_to_api() {
    let found = outcomes("burst-to-api", &["run.horizon=\"20 min\""]);
    let slow = |name: &str| ttft_s(&found[name], 0.99);
    assert!(slow("alone") > 5.0 && slow("base") < 3.0 && slow("two") < slow("base"));
    let usage = found["base"].endpoints[0];
    assert!(usage.calls > 500 && usage.calls < found["base"].pools[0].calls);
    assert_eq!(found["alone"].endpoints[0].requests, 0);
}

#[test]
fn response_cache() {
    let found = outcomes("response-cache", &[]);
    let hits = |name: &str| {
        let agents = &found[name].agents[0];
        agents.cache_hits as f64 / agents.cache_asked as f64
    };
    let late = |name: &str| found[name].agents[0].task_latency.histogram.mean() / 1e6;
    assert!((hits("exact") - 0.63).abs() < 0.03 && (hits("short-memory") - 0.34).abs() < 0.03);
    assert!((hits("semantic") - 0.6).abs() < 0.02);
    assert!(late("base") > 4.0 * late("exact"));
    assert!((success(&found["semantic"]) - 0.97).abs() < 0.01);
}

#[test]
fn disaggregation() {
    let found = outcomes("disaggregation", &["run.horizon=\"12 min\""]);
    let gap = |name: &str| found[name].pools[0].inter_token.quantile(0.99) as f64 / 1e12;
    assert!(gap("base") > 0.3 && gap("split") < 0.027, "{} {}", gap("base"), gap("split"));
    let later = ttft_s(&found["split"], 0.5) - ttft_s(&found["base"], 0.5);
    assert!((0.03..0.3).contains(&later), "{later}");
    let way = |name: &str| {
        let tally = found[name].pools[0].transfers;
        tally.transfer_ps as f64 / tally.arrived as f64 / 1e12
    };
    assert!((way("split") - 0.0125).abs() < 0.001, "{}", way("split"));
    assert!(way("ethernet") > 2.0, "{}", way("ethernet"));
    let spent = |name: &str| found[name].pools.iter().map(|pool| pool.spent_pico).sum::<u128>();
    let share = spent("two-kinds") as f64 / spent("base") as f64;
    assert!((share - 0.737).abs() < 0.001, "{share}");
    assert!(gap("two-kinds") < 0.06 && ttft_s(&found["two-kinds"], 0.95) < 4.0);
}

#[test]
fn pipeline() {
    let found = outcomes("pipeline", &["run.horizon=\"10 min\""]);
    let late = |name: &str| ttft_s(&found[name], 0.95);
    let tpot = |name: &str| tpot_s(&found[name]);
    assert!(tpot("two-stages") < 0.8 * tpot("base") && late("two-stages") < late("base"));
    assert!(tpot("two-servers") < tpot("two-stages"));
    // Seven of eight stages wait for the eighth.
    assert!(late("one-batch") > 30.0 && late("eight-stages") < 5.0, "{}", late("one-batch"));
}

#[test]
fn regions() {
    let found = outcomes("regions", &[]);
    let ttft = |name: &str| found[name].agents[0].ttft.histogram.mean() / 1e6;
    let further = ttft("by-price") - ttft("base");
    assert!((0.05..0.1).contains(&further), "{further}");
    assert!(ttft("stay") > 10.0);
}

/// A system that stays down when what brought it down is long over, and four ways out.
#[test]
fn retry_storm() {
    let found = outcomes("../retry-storm", &[]);
    let success = |name: &str| success(&found[name]);
    assert!(success("no-outage") > 0.99);
    // The outage took 60 s of the 38 min measured.
    assert!(success("base") < 0.4 && success("backoff") < 0.5);
    for way_out in ["fewer", "budget", "shed", "breaker"] {
        assert!(success(way_out) > 0.9, "{way_out}: {}", success(way_out));
    }
}

/// Context that waits below the GPUs comes back sooner than it is computed, where the link is fast.
#[test]
fn kv_tiers() {
    let found = outcomes("kv-tiers", &["run.horizon=\"1 h\""]);
    let slow = |name: &str| ttft_s(&found[name], 0.95);
    let computed = |name: &str| found[name].pools[0].usage.prefill_tokens as f64;
    let tiers = |name: &str| found[name].pools[0].tiers;
    for name in ["host", "through", "storage", "store"] {
        assert!(slow(name) < 0.7 * slow("base"), "{name}: {} {}", slow(name), slow("base"));
        assert!(computed(name) < 0.8 * computed("base"), "{name}");
        assert!(hits(&found[name]) > hits(&found["base"]), "{name}");
    }
    assert!(tiers("storage")[1].hit_tokens > 0 && tiers("store")[2].hit_tokens > 0);
    assert!(tiers("through")[0].write.bytes > 0 && tiers("pin")[0].links == 0);
    // Over a slow link computing is sooner; where all is fetched anyhow, GPUs are spared.
    assert!(tiers("slow-store")[2].recomputed_tokens > tiers("slow-store")[2].hit_tokens / 10);
    assert_eq!(tiers("slow-store-always")[2].recomputed_tokens, 0);
    assert!(computed("slow-store-always") < computed("slow-store"));
    // What goes down as a person begins to think is there as often as what goes when it must.
    let found = tiers("offload")[0].hit_tokens as f64 / tiers("host")[0].hit_tokens as f64;
    assert!((0.8..1.25).contains(&found), "{found}");
}

/// What causes in vain cost of all that was charged.
fn wasted(outcome: &TrialOutcome, cause: Waste) -> f64 {
    let agents = &outcome.agents[0];
    agents.wasted[cause as usize].pico as f64 / agents.charged_pico as f64
}

#[test]
fn hedging() {
    let found = outcomes("hedging", &[]);
    let begins = |name: &str| found[name].agents[0].ttft.histogram.mean();
    let late = |name: &str| found[name].agents[0].task_latency.histogram.mean();
    assert!((0.55..0.75).contains(&(begins("hedge-late") / begins("base"))));
    assert!((0.35..0.5).contains(&(begins("hedge-soon") / begins("base"))));
    assert!(late("hedge-soon") < 0.93 * late("base"));
    assert!((0.08..0.14).contains(&wasted(&found["hedge-late"], Waste::Hedge)));
    assert!((0.25..0.35).contains(&wasted(&found["hedge-soon"], Waste::Hedge)));
    assert!(wasted(&found["within-budget"], Waste::Hedge) < 0.05);
    assert!(success(&found["timeout"]) < 0.7 && success(&found["hedge-soon"]) > 0.95);
    assert!(wasted(&found["timeout"], Waste::Timeout) > 0.2);
}

/// Right work passes and a part of the wrong: rounds are 1 / pass, and success what is right of it.
#[test]
fn checks() {
    let found = outcomes("checks", &[]);
    for (name, pass, right) in [
        ("base", 1.0, 0.75),
        ("self-check", 0.85, 0.882353),
        ("checked-by-another", 0.775, 0.967742),
        ("reviewed", 0.75, 1.0),
    ] {
        let (outcome, agents) = (&found[name], &found[name].agents[0]);
        assert!((success(outcome) - right).abs() < 0.025, "{name}: {}", success(outcome));
        let sent_back = (agents.checks_failed + agents.rejections) as f64;
        let rounds = 1.0 + sent_back / agents.started as f64;
        assert!((rounds * pass - 1.0).abs() < 0.03, "{name}: {rounds} rounds");
        let share = wasted(outcome, Waste::Rejected);
        assert!((share - (1.0 - pass)).abs() < 0.03, "{name}: {share} sent back");
    }
}

#[test]
fn tools() {
    let found = outcomes("tools", &[]);
    let late = |name: &str| found[name].agents[0].task_latency.histogram.mean();
    let input = |name: &str| found[name].agents[0].input_per_task.histogram.mean();
    assert!(late("fewer-slots") > 1.5 * late("base") && late("timeout") < late("base"));
    let agents = &found["timeout"].agents[0];
    let given_up = agents.tool_timeouts as f64 / agents.tool_calls as f64;
    // Lognormal of mean 4 s and as much deviation: P(T > 15 s) = 0.0218.
    assert!((given_up - 0.0218).abs() < 0.006, "{given_up}");
    assert!(input("extracted") < 0.4 * input("base"));
    assert!(found["extracted"].pools[1].calls > 10 * found["extracted"].agents[0].succeeded);
}

#[test]
fn prompt_design() {
    let found = outcomes("prompt-design", &[]);
    let begins = |name: &str| found[name].agents[0].ttft.histogram.mean();
    let cached = |name: &str| found[name].agents[0].cached_per_task.histogram.mean();
    let input = |name: &str| found[name].agents[0].input_per_task.histogram.mean();
    assert!((input("shared-first") / input("base") - 1.0).abs() < 0.01);
    assert!(cached("shared-first") > 1.05 * cached("base"));
    assert!(begins("shared-first") < 0.9 * begins("base"));
    assert!(begins("fewer-tools") < 0.85 * begins("base") && begins("shorter") < begins("base"));
    assert!(input("pruned") < 0.85 * input("base") && begins("pruned") > begins("base"));
}

#[test]
fn background_agents() {
    let found = outcomes("background-agents", &["run.horizon=\"2 h\""]);
    let late = |name: &str| found[name].agents[0].task_latency.histogram.mean();
    assert!((1.3..2.2).contains(&(late("base") / late("people-alone"))));
    assert!(ttft_s(&found["many"], 0.95) > 60.0);
    assert!(ttft_s(&found["many-by-class"], 0.95) < 0.5 * ttft_s(&found["many"], 0.95));
}

/// The first replica of an autoscaled pool is rented all day, the second for about half of it.
#[test]
fn commitment() {
    let found = outcomes("commitment", &["run.bin=1 h"]);
    let usd = |name: &str| found[name].pools[0].spent_pico as f64;
    assert!((0.85..0.95).contains(&(usd("one") / usd("base"))), "{}", usd("one") / usd("base"));
    assert!(usd("two") > usd("base") && usd("four") > 2.0 * usd("base"));
    let spare = found["two"].pools[0].spare_ps as f64 / found["two"].pools[0].replica_ps as f64;
    assert!((0.2..0.45).contains(&spare), "{spare}");
}

/// A cache with room for all finds what its blocks were seen with before, whole blocks from the first
/// on: counted here in the recording itself; a smaller one finds less.
#[test]
fn replay_cache_capacity() {
    let found = outcomes("../replay-cache-capacity", &[]);
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/traces/mooncake-conversation-1000.jsonl");
    let (mut seen, mut known, mut asked) = (BTreeSet::new(), 0, 0);
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let request: serde_json::Value = serde_json::from_str(line).unwrap();
        let tokens = request["input_length"].as_u64().unwrap();
        let ids = request["hash_ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap());
        let ids: Vec<u64> = ids.collect();
        let whole = ids.iter().take_while(|id| seen.contains(*id)).count() as u64;
        // The last token of a prompt is computed in any case.
        known += (512 * whole).min((tokens - 1) / 512 * 512);
        asked += tokens;
        seen.extend(ids);
    }
    let counted = known as f64 / asked as f64;
    assert!((hits(&found["all"]) - counted).abs() < 0.002, "{} {counted}", hits(&found["all"]));
    let rates = ["base", "1M", "2_6M", "5_1M", "10M", "all"].map(|name| hits(&found[name]));
    assert!(rates.is_sorted() && rates[0] < 0.05, "{rates:?}");
}
