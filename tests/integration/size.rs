//! Sizing finds what queueing theory knows, with few candidates, and agrees with `run`.

use serde_json::Value;
use tokenfleet::experiment::sizing::{Fleet, FleetFound, Hints, Knob, Search, Setup};
use tokenfleet::experiment::{Metric, Objective, Part, Statistic, Store, Watch};
use tokenfleet::foundations::random::{Purpose, Streams};
use tokenfleet::foundations::{Law, SimTime};
use tokenfleet::simulation::plan::Plan;
use tokenfleet::workload::arrival::Arrivals;

use crate::command_line::{folder, tokenfleet};
use crate::fixture::tool_plan;

/// Mean wait in M/M/c with `a` Erlang offered and a mean service of 1 s: Erlang C over c - a.
fn wait_s(c: u32, a: f64) -> f64 {
    let servers = f64::from(c);
    if servers <= a {
        return f64::INFINITY;
    }
    let blocked = (1..=c).fold(1.0, |b, k| a * b / (f64::from(k) + a * b));
    let rho = a / servers;
    blocked / (1.0 - rho + rho * blocked) / (servers - a)
}

/// A tool of exponential service with a mean of 1 s, to which `a` tasks come each second.
fn queue(a: f64, slots: u32, tasks: u64) -> Plan {
    let service = Law::exponential(1.0).unwrap();
    let plan = tool_plan(service, slots, Arrivals::poisson(a).unwrap(), tasks);
    Plan { warm_up: SimTime::from_s(50.0).unwrap(), ..plan }
}

fn demand(wait_s: f64) -> Vec<Objective> {
    vec![Objective {
        name: "tool_time_mean".into(),
        metric: Metric::find("tool_time_s").unwrap(),
        statistic: Statistic::Mean,
        limit: 1.0 + wait_s,
        at_least: false,
        of: Part::FLEET,
    }]
}

fn setup(objectives: &[Objective]) -> Setup<'_> {
    Setup {
        objectives,
        trials: 8,
        most_trials: 1024,
        most_candidates: 39,
        most_replicas: 1000,
        precision: 0.02,
        seed: 1,
        threads: 2,
        confidence: 0.999,
    }
}

/// In 50 random cases, loads of 0.5 to 20 Erlang and waits of 5 to 200 % of the service, the slots
/// found are the least that Erlang C allows. A limit that a number of servers comes as near to as
/// 0.5 % of the stay is drawn again: to tell on which side it lies would take millions of tasks.
#[test]
fn the_least_number_of_servers_is_erlang_c() {
    let store = Store::default();
    let mut stream = Streams::new(7, 0).stream(Purpose::Resample, 0);
    let (mut most, watch) = (0, Watch::default());
    for case in 0..50 {
        let (a, wait, expected) = std::iter::repeat_with(|| {
            let a = 0.5 * libm::pow(40.0, stream.uniform());
            let wait = 0.05 * libm::pow(40.0, stream.uniform());
            (a, wait, (1..).find(|&c| wait_s(c, a) <= wait).unwrap())
        })
        .find(|&(a, wait, least)| {
            let far = |c| (wait_s(c, a) - wait).abs() > 0.005 * (1.0 + wait);
            far(least) && far(least - 1)
        })
        .unwrap();
        let objectives = demand(wait);
        let start = 1 + stream.below(30) as u32;
        let fleet = Fleet { name: String::new(), plan: Ok(queue(a, start, 4000)) };
        let mut search = Search::new(setup(&objectives), &watch, &store, &|_, _, _| ());
        let found = search.least(&fleet, &[Knob::Slots(0)], Hints::default()).unwrap();
        let FleetFound::Enough(enough) = found else { panic!("case {case}: {found:?}") };
        assert_eq!(enough.counts, [expected], "case {case}: {a} Erlang, a wait of {wait} s");
        most = most.max(search.seen().len());
    }
    assert!(most < 15, "{most} candidates");
}

/// The highest load on c servers is where Erlang C meets the limit.
#[test]
fn the_highest_load_is_erlang_c() {
    let (watch, store) = (Watch::default(), Store::default());
    for (servers, wait) in [(1, 0.5), (4, 0.2), (12, 0.1)] {
        let (mut low, mut high) = (0.0, f64::from(servers));
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if wait_s(servers, middle) <= wait { low = middle } else { high = middle }
        }
        let objectives = demand(wait);
        let setup = Setup { most_trials: 128, confidence: 0.95, ..setup(&objectives) };
        let mut search = Search::new(setup, &watch, &store, &|_, _, _| ());
        let plan = queue(0.3 * f64::from(servers), servers, 6000);
        let knobs = [Knob::Slots(0)];
        let found = search.highest_load("", &plan, &knobs, &[servers]).unwrap();
        let carries = found.carries.unwrap().load * 0.3 * f64::from(servers);
        assert!((carries / low - 1.0).abs() < 0.04, "{servers}: {carries}, theory says {low}");
        assert!(search.seen().len() < 15);
    }
}

fn json(dir: &std::path::Path, words: &[&str]) -> Value {
    let ran = tokenfleet(dir, words);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

/// What `size` says of its fleet is what `run` says of it, and one replica less does not do.
#[test]
fn the_cheapest_fleet_agrees_with_run() {
    let dir = folder();
    let demands = ["--set", "objectives.ttft_p90=300 ms", "--set", "objectives.tpot_p90=25 ms"];
    let load = ["--set", "agents.reader.arrivals.poisson=40 /s", "--trials", "6"];
    let words = ["size", "small.toml", "--format", "json", "--max-trials", "6", "--quiet"];
    let found = json(dir.path(), &[&words[..], &demands, &load].concat());
    let replicas = found["cheapest"]["fleet"]["counts"]["pools.main.replicas"].as_u64().unwrap();
    assert!(replicas > 1 && found["candidates"].as_u64().unwrap() < 40, "{found:#}");
    let headroom = found["cheapest"]["carries"]["highest"].as_f64().unwrap();
    assert!((1.0..2.0).contains(&headroom), "{found:#}");

    let run = |replicas: u64| {
        let set = format!("pools.main.replicas={replicas}");
        let words = ["run", "small.toml", "--variant", "base", "--format", "json", "--set", &set];
        let summary = json(dir.path(), &[&words[..], &demands, &load].concat());
        summary["variants"][0]["objectives"].clone()
    };
    for objective in run(replicas).as_array().unwrap() {
        let told = &found["cheapest"]["fleet"]["objectives"][objective["name"].as_str().unwrap()];
        assert_eq!(told["value"], objective["value"]);
        assert_eq!((&told["low"], &told["high"]), (&objective["ci_low"], &objective["ci_high"]));
        assert!(objective["met"].as_bool().unwrap());
    }
    // With fewer an objective is missed, or its interval reaches beyond the limit.
    let fewer = run(replicas - 1);
    let met = |objective: &Value| {
        let high = objective["ci_high"].as_f64();
        high.is_some_and(|high| high <= objective["limit"].as_f64().unwrap())
    };
    assert!(!fewer.as_array().unwrap().iter().all(met), "{fewer:#}");
}

/// What `run` says of the fleet that `size` found in a scenario of its own, with these counts.
fn run_again(dir: &std::path::Path, set: &[String]) -> Value {
    let words = ["run", "own.toml", "--variant", "base", "--trials", "3", "--format", "json"];
    let sets = set.iter().flat_map(|set| ["--set", set]);
    let summary = json(dir, &words.into_iter().chain(sets).collect::<Vec<_>>());
    summary["variants"][0].clone()
}

/// The fleet of a sizing says what `run` says: figures of objectives, their intervals, the cost.
fn assert_agree(fleet: &Value, run: &Value) {
    for objective in run["objectives"].as_array().unwrap() {
        let told = &fleet["objectives"][objective["name"].as_str().unwrap()];
        assert_eq!(told["value"], objective["value"], "{fleet:#}");
        assert_eq!((&told["low"], &told["high"]), (&objective["ci_low"], &objective["ci_high"]));
    }
    let usd = |value: &Value| value.as_f64().unwrap();
    let (told, spent) = (usd(&fleet["usd_per_h"]), usd(&run["metrics"]["usd_per_h"]["mean"]));
    assert!((told / spent - 1.0).abs() < 1e-12, "{told} {spent}");
}

fn met(run: &Value) -> bool {
    let mut objectives = run["objectives"].as_array().unwrap().iter();
    objectives.all(|objective| {
        let high = objective["ci_high"].as_f64();
        high.is_some_and(|high| high <= objective["limit"].as_f64().unwrap())
    })
}

const OWN: &str = r#"
    [run]
    horizon = "8 min"
    warm_up = "1 min"
    [agents.reader]
    program  = "plain"
    model    = "main"
    arrivals = { gamma = { rate = "16 /s", cv = 6 } }
    [objectives]
    ttft_p95 = "4 s"
    [pools.main]
    model       = "gpt-oss-20b"
    accelerator = "h100-sxm"
    max_running = 8
    # more
"#;

fn sized(dir: &std::path::Path, more: &str) -> Value {
    let text = OWN.replace("# more", more);
    std::fs::write(dir.join("own.toml"), text).unwrap();
    let words = ["size", "own.toml", "--find", "fleet", "--trials", "3", "--max-trials", "3"];
    let found = json(dir, &[&words[..], &["--format", "json", "--quiet"]].concat());
    assert!(found["candidates"].as_u64().unwrap() < 40, "{found:#}");
    found["cheapest"]["fleet"].clone()
}

/// A replica of two attention groups is counted once, as the scenario counts it.
#[test]
fn attention_groups_are_counted_with_their_replica() {
    let dir = folder();
    let more = r#"
        data_parallel   = 2
        expert_parallel = 2
    "#;
    let fleet = sized(dir.path(), more);
    let replicas = fleet["counts"]["pools.main.replicas"].as_u64().unwrap();
    assert_eq!(fleet["gpus"].as_u64().unwrap(), 2 * replicas, "{fleet:#}");
    let run = |replicas: u64| run_again(dir.path(), &[format!("pools.main.replicas={replicas}")]);
    let with = run(replicas);
    assert_agree(&fleet, &with);
    assert!(replicas > 1 && met(&with) && !met(&run(replicas - 1)), "{fleet:#}");
}

/// Where an autoscaler chooses the replicas, how many it may rent is sized, and what they cost is
/// what was rented of them.
#[test]
fn how_many_an_autoscaler_may_rent_agrees_with_run() {
    let dir = folder();
    let more = r#"
        [pools.main.autoscale]
        min = 1
        max = 2
        on = "requests"
        target = 8
        interval = "5 s"
        cool_down = "30 s"
        start = "5 s"
    "#;
    let fleet = sized(dir.path(), more);
    let most = fleet["counts"]["pools.main.autoscale.max"].as_u64().unwrap();
    assert!(most > 2, "{fleet:#}");
    let set = |most: u64| [format!("pools.main.autoscale.max={most}")];
    let run = run_again(dir.path(), &set(most));
    assert_agree(&fleet, &run);
    let replicas = run["metrics"]["replicas"]["mean"].as_f64();
    assert!(replicas.is_some_and(|replicas| replicas < most as f64), "{run:#}");
    assert!(met(&run) && !met(&run_again(dir.path(), &set(most - 1))), "{fleet:#}");
}

/// Where an endpoint takes what is too much, one server meets the objective; so many servers are
/// proposed that neither one more nor one less is cheaper.
#[test]
fn own_servers_and_calls_to_an_endpoint_are_weighed() {
    let dir = folder();
    let more = r#"
        [pools.main.burst]
        to = "api"
        queue = 4
        [endpoints.api]
        model = "gpt-4.1"
        date  = "2026-01-01"
        ttft  = "500 ms"
        tpot  = "10 ms"
    "#;
    let fleet = sized(dir.path(), more);
    let replicas = fleet["counts"]["pools.main.replicas"].as_u64().unwrap();
    let usd = |replicas: u64| {
        let run = run_again(dir.path(), &[format!("pools.main.replicas={replicas}")]);
        assert!(met(&run), "{run:#}");
        (run["metrics"]["usd_per_h"]["mean"].as_f64().unwrap(), run)
    };
    let (best, run) = usd(replicas);
    assert_agree(&fleet, &run);
    assert!(replicas > 1, "{fleet:#}");
    assert!(best <= usd(replicas - 1).0 && best <= usd(replicas + 1).0, "{fleet:#}");
}

#[test]
fn kinds_of_fleets_are_held_against_each_other() {
    let dir = folder();
    let over = ["--over", "pools.main.accelerator=h100-sxm,b200-sxm"];
    let more = ["--over", "pools.main.tensor_parallel=1,2,4", "--find", "fleet", "--quiet"];
    let words = ["size", "small.toml", "--trials", "3", "--format", "json"];
    let found = json(dir.path(), &[&words[..], &over, &more].concat());
    let fleets = found["fleets"].as_array().unwrap();
    assert_eq!(fleets.len(), 6);
    assert_eq!(fleets[0]["found"], "cannot be built");
    let cheapest = found["cheapest"]["fleet"]["usd_per_h"].as_f64().unwrap();
    for fleet in fleets.iter().filter(|fleet| fleet["found"] == "enough") {
        assert!(fleet["fleet"]["usd_per_h"].as_f64().unwrap() >= cheapest);
    }
    assert!(found["candidates"].as_u64().unwrap() < 20, "{found:#}");
    assert!(found.get("given").is_none());
}

#[test]
fn what_no_number_of_servers_can_do_is_said() {
    let dir = folder();
    let words = ["size", "small.toml", "--find", "fleet", "--quiet", "--trials", "3"];
    let ran =
        tokenfleet(dir.path(), &[&words[..], &["--set", "objectives.tpot_p50=1 ms"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let plain = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(plain.contains("out of reach at any number: tpot_p50"), "{}", ran.stdout);
    for (flag, value, message) in [
        ("--of", "pools.mian.replicas", "did you mean `pools.main.replicas`?"),
        ("--over", "pools.main.accelerator=h1", "unknown accelerator `h1`"),
        ("--confidence", "20%", "must be from 50 %"),
    ] {
        let ran = tokenfleet(dir.path(), &["size", "small.toml", flag, value]);
        assert_eq!(ran.code, 2);
        assert!(ran.stderr.contains(message), "{}", ran.stderr);
    }
}
