//! What is uncertain is drawn once for each trial, and told apart from chance.

use tokenfleet::experiment::{Answers, Comparison, Measure, MonteCarlo, Watch};
use tokenfleet::foundations::{Faults, Sources};
use tokenfleet::simulation::scenario::{NoFiles, ReadOptions, Scenario};

use crate::command_line::{folder, tokenfleet};

fn read(text: &str) -> Result<Scenario, Faults> {
    let mut sources = Sources::default();
    let source = sources.add_file("test.toml", text);
    Scenario::read(source, &mut sources, &ReadOptions::new(&NoFiles))
}

/// One server that is rarely busy, at an uncertain price.
fn scenario(price: &str, more: &str) -> String {
    format!(
        r#"
        [run]
        horizon = "120 s"
        trials  = 300
        [agents.service]
        program  = "plain"
        model    = "main"
        arrivals = {{ poisson = "0.1 /s" }}
        [pools.main]
        model       = "llama-3.1-8b"
        accelerator = "h100-sxm"
        precision   = "fp8"
        price       = {price}
        {more}
        "#
    )
}

/// Dollars of a task are P / N with the price P of the window and N tasks in it, which are
/// independent: the part that is not knowing is Var(P) E[1/N]² / (E[P²] E[1/N²] - E[P]² E[1/N]²).
#[test]
fn the_split_of_a_price_and_a_count_is_known() {
    let sigma: f64 = 0.35;
    let text = scenario("{ uncertain = { lognormal = { median = \"$3 /h\", sigma = 0.35 } } }", "");
    let scenario = read(&text).unwrap();
    let plans = [scenario.variants[0].plan.clone()];
    let run = MonteCarlo { plans: &plans, objectives: &[], trials: 300, seed: 1, threads: 2 };
    let watch = Watch::default();
    let answers = Answers::new("split", &run, run.run(&watch).unwrap(), 0.99);
    let answers = answers.with_twins(&run.twins(&watch).unwrap());
    let split = Measure::mean("usd_per_task").unwrap().split(&answers.variants[0], 0.99).unwrap();

    let mean = 0.1 * 120.0;
    let mut chance = libm::exp(-mean);
    let (mut all, mut first, mut second) = (0.0, 0.0, 0.0);
    for n in 1..100 {
        let n = f64::from(n);
        chance *= mean / n;
        all += chance;
        first += chance / n;
        second += chance / (n * n);
    }
    let (first, second) = (first / all, second / all);
    let (price, square) = (libm::exp(sigma * sigma / 2.0), libm::exp(2.0 * sigma * sigma));
    let known = (square - price * price) * first * first
        / (square * second - price * price * first * first);
    assert!((0.3..0.7).contains(&known), "the test would tell nothing: {known}");
    assert!(split.interval.contains(known), "{split:?} {known}");
    assert!(split.interval.high - split.interval.low < 0.4);

    let per_hour = Measure::mean("usd_per_h").unwrap().split(&answers.variants[0], 0.99).unwrap();
    assert!(per_hour.share > 0.999_999, "the price of an hour has no chance in it");
    let calls = Measure::mean("tasks_per_s").unwrap();
    let calls = calls.split(&answers.variants[0], 0.99).unwrap();
    assert_eq!(calls.interval.low, 0.0, "nothing of the load is unknown");
}

/// The same trial has the same unknowns in every variant, and by every name that they share.
#[test]
fn unknowns_are_common_to_variants() {
    let price = "{ uncertain = { uniform = [\"$1 /h\", \"$3 /h\"] }, as = \"rent\" }";
    let more = r#"
        replicas = { uncertain = { uniform = [2, 9], round = true }, as = "rent" }
        [variants.b200]
        "pools.main.accelerator" = { uncertain = ["b200-sxm", "h200-sxm"] }
    "#;
    let scenario = read(&scenario(price, more)).unwrap();
    let drawn = |variant: usize| scenario.variants[variant].plan.uncertain.clone().unwrap();
    let (base, other) = (drawn(0), drawn(1));
    assert_eq!((base.inputs.len(), other.inputs.len(), base.draws.len()), (1, 2, 300));
    assert_eq!(base.inputs[0].name, "rent");
    assert_eq!(base.inputs[0].range, ["$1.10 /h", "$2.00 /h", "$2.90 /h"].map(str::to_owned));
    let mut sum = 0.0;
    for (one, two) in base.draws.iter().zip(&other.draws) {
        let usd = |plan: &tokenfleet::simulation::Plan| plan.pools[0].usd_per_replica_h;
        assert_eq!(usd(&one.plan), usd(&two.plan));
        let part = (usd(&one.plan) - 1.0) / 2.0;
        assert_eq!(one.plan.pools[0].replicas, (2.0 + 7.0 * part).round() as u32);
        sum += usd(&one.plan);
    }
    assert!((sum / 300.0 - 2.0).abs() < 0.1);
    let machines: Vec<&str> =
        other.draws.iter().map(|draw| draw.plan.pools[0].accelerator.as_str()).collect();
    let b200 = machines.iter().filter(|name| **name == "b200-sxm").count();
    assert!((110..190).contains(&b200), "{b200} of 300");
    assert_eq!(scenario.variants[0].plan.pools[0].usd_per_replica_h, 2.0);
}

#[test]
fn nonsense_is_refused_where_it_stands() {
    for (price, said) in [
        ("{ uncertain = { lognormal = { median = \"3 s\", sigma = 0.1 } } }", "which is a time"),
        ("{ uncertain = { lognormal = { median = \"$3 /h\" } } }", "lognormal lacks `p90`"),
        ("{ uncertain = { uniform = [\"-$3 /h\", \"$1 /h\"] } }", "`price` must be at least"),
        ("{ uncertain = { normal = 3 } }", "unknown law `normal`"),
        ("{ uncertain = \"$3 /h\" }", "expected a law or a list"),
        ("{ uncertain = [\"$3 /h\"] }", "one of how many?"),
        ("{ uncertain = [\"$3 /h\", \"$4 /h\"], name = \"x\" }", "unknown key `name`"),
    ] {
        let faults = read(&scenario(price, "")).unwrap_err();
        assert!(faults.to_string().contains(said), "{price}: {faults}");
    }
    let text = scenario("\"$1 /h\"", "[objectives]\nttft_p99 = { uncertain = [\"1 s\", \"2 s\"] }");
    let faults = read(&text).unwrap_err().to_string();
    assert!(faults.contains("`objectives.ttft_p99` cannot be uncertain"), "{faults}");
}

#[test]
fn the_command_line_tells_not_knowing_from_chance() {
    let dir = folder();
    let price = "{ uncertain = { uniform = [\"$1 /h\", \"$3 /h\"] } }";
    std::fs::write(dir.path().join("test.toml"), scenario(price, "")).unwrap();
    let run = |threads: &str| {
        let words = ["run", "test.toml", "--trials", "12", "--threads", threads, "--out", "out"];
        let ran = tokenfleet(dir.path(), &words);
        assert!(ran.stdout.contains("UNCERTAIN") && ran.stdout.contains("not knowing"));
        let out = dir.path().join("out");
        let text = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
        let found = (text("summary.json"), text("trials.csv"));
        std::fs::remove_dir_all(out).unwrap();
        found
    };
    let (summary, trials) = run("1");
    assert_eq!((&summary, &trials), (&run("2").0, &run("2").1));
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    let found = &summary["variants"][0]["uncertainty"];
    assert_eq!(found["inputs"][0]["name"], "pools.main.price");
    assert_eq!(found["twins"], 12);
    assert_eq!(found["metrics"]["usd_per_h"]["not_knowing"], 1.0);
    assert!(trials.lines().next().unwrap().ends_with(",uncertain.pools.main.price"));
    assert!(trials.lines().nth(1).unwrap().ends_with(" /h"));
}

/// Costs of a task are P T / N with prices P that are drawn and the trial's N tasks, which both
/// variants have alike. Against a fixed price, paired, N cancels and all is not knowing; against
/// nothing it does not, and to first order the part is cv(P)² / (cv(P)² + 1 / E[N]).
#[test]
fn a_paired_difference_is_split_into_not_knowing_and_chance() {
    let more = r#"
        [variants.drawn]
        "pools.main.price" = { uncertain = { lognormal = { median = "$3 /h", sigma = 0.35 } } }
        [variants.free]
        "pools.main.price" = "$0 /h"
    "#;
    let scenario = read(&scenario("\"$3 /h\"", more)).unwrap();
    let plans: Vec<_> = scenario.variants.iter().map(|variant| variant.plan.clone()).collect();
    let run = MonteCarlo { plans: &plans, objectives: &[], trials: 300, seed: 1, threads: 2 };
    let watch = Watch::default();
    let answers = Answers::new("split", &run, run.run(&watch).unwrap(), 0.99);
    let answers = answers.with_twins(&run.twins(&watch).unwrap());
    let cost = Measure::mean("usd_per_task").unwrap();
    let against = |baseline: usize, variant: usize| {
        let comparison = Comparison::new(&answers, baseline, vec![cost.clone()]);
        comparison.of(variant, &cost).unwrap().doubt
    };

    let paired = against(0, 1).unwrap();
    assert!(paired.split.interval.low > 0.999_999, "{paired:?}");
    // Nine of ten prices of the law lie within exp(±1.645 sigma) times its median.
    let (low, high) = (libm::exp(-1.645 * 0.35), libm::exp(1.645 * 0.35));
    assert!((paired.trials.low / low - 1.0).abs() < 0.15, "{paired:?} {low}");
    assert!((paired.trials.high / high - 1.0).abs() < 0.15, "{paired:?} {high}");

    let alone = against(2, 1).unwrap().split;
    let square = libm::exp(0.35 * 0.35) - 1.0;
    let known = square / (square + 1.0 / 12.0);
    assert!((0.5..0.7).contains(&known), "the test would tell nothing: {known}");
    assert!(alone.interval.contains(known), "{alone:?} {known}");
    assert!(alone.interval.high - alone.interval.low < 0.4, "{alone:?}");

    // Nothing is unknown in either of the other two.
    let certain = against(0, 2).unwrap().split;
    assert_eq!(certain.interval.low, 0.0, "{certain:?}");
}

#[test]
fn a_comparison_says_what_is_not_knowing() {
    let dir = folder();
    let more = "[variants.dearer]\n\"pools.main.price\" = { uncertain = [\"$2 /h\", \"$5 /h\"] }";
    std::fs::write(dir.path().join("test.toml"), scenario("\"$3 /h\"", more)).unwrap();
    let words = ["compare", "test.toml", "--trials", "12", "--out", "out", "--quiet"];
    let ran = tokenfleet(dir.path(), &words);
    assert!(ran.stdout.contains("BETWEEN TRIALS"), "{}", ran.stdout);
    let read = |name: &str| std::fs::read_to_string(dir.path().join("out").join(name)).unwrap();
    let found: serde_json::Value = serde_json::from_str(&read("comparison.json")).unwrap();
    let rows = found["variants"][0]["differences"].as_array().unwrap();
    let cost = rows.iter().find(|row| row["metric"] == "usd_per_h").unwrap();
    assert_eq!(cost["between_trials"]["not_knowing"], 1.0);
    let head = read("comparison.csv").lines().next().unwrap().to_owned();
    assert!(
        head.ends_with(",trials,trials_p5,trials_p95,not_knowing,not_knowing_low,not_knowing_high")
    );
    // The result folder also tells of each variant by itself.
    assert!(read("summary.json").contains("\"twins\": 12"));
    let again = ["compare", "test.toml", "--trials", "12", "--threads", "1", "--format", "csv"];
    assert_eq!(tokenfleet(dir.path(), &again).stdout, read("comparison.csv"));
}
