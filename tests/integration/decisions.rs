//! What to measure first, and what the years bring.

use std::fs;

use serde_json::Value;
use tokenfleet::foundations::Sources;
use tokenfleet::simulation::scenario::{NoFiles, ReadOptions, Scenario};

use crate::command_line::{folder, tokenfleet};

/// One server that is hardly used: a task costs the price of its time over the tasks in it.
const SCENARIO: &str = r#"
[run]
horizon = "5 min"
trials  = 2
[agents.service]
program  = "plain"
model    = "main"
arrivals = { poisson = { uncertain = { uniform = ["1.9 /s", "2.1 /s"] } } }
[pools.main]
model              = "llama-3.1-8b"
accelerator        = "h100-sxm"
precision          = "fp8"
price              = { uncertain = { uniform = ["$1 /h", "$3 /h"] } }
memory_utilization = { uncertain = { uniform = ["80 %", "95 %"] } }
[objectives]
ttft_p95 = "2 s"
[forecast]
api_input   = "$0.10 /Mtok"
api_output  = "$0.40 /Mtok"
power_limit = { uncertain = { uniform = ["50 kW", "60 kW"] } }
"#;

fn written(dir: &std::path::Path, file: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(dir.join("out").join(file)).unwrap()).unwrap()
}

/// Dollars go with the price and hardly with the rest: f = P / N has relative variances of 1/12 and
/// of 1/1200, so 99 % of what is not known is the price.
#[test]
fn a_price_drives_what_a_task_costs() {
    let dir = folder();
    let scenario = dir.path().join("test.toml");
    fs::write(&scenario, SCENARIO).unwrap();
    let words =
        ["sensitivity", "test.toml", "--points", "32", "--trials", "1", "--out", "out", "--quiet"];
    let ran = tokenfleet(dir.path(), &words);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("Measure pools.main.price first"), "{}", ran.stdout);
    let found = written(dir.path(), "sensitivity.json");
    assert_eq!(found["points"], 32 * 6 + 9);
    let price = &found["inputs"][0];
    assert_eq!(price["input"], "pools.main.price");
    assert!((price["total"].as_f64().unwrap() - 0.99).abs() < 0.05, "{price}");
    let (low, high) = (price["at_p5"].as_f64().unwrap(), price["at_p95"].as_f64().unwrap());
    assert!((high / low - 2.9 / 1.1).abs() < 1e-6, "{price}");
    assert!(found["inputs"][2]["total"].as_f64().unwrap() < 0.01);
    assert!(dir.path().join("out/sensitivity.csv").exists());
    assert!(!dir.path().join("out.progress.jsonl").exists());

    // With one kind of agents on one pool, what they are charged and what idles is all that is spent.
    let of_agent = ["--points", "8", "--trials", "1", "--format", "json", "--metric"];
    let driven = |metric| {
        tokenfleet(dir.path(), &[&["sensitivity", "test.toml"], &of_agent[..], &[metric]].concat())
    };
    let ran = driven("agents.service.usd_per_task");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(found["metric"], "agents.service.usd_per_task");
    assert!((found["inputs"][0]["total"].as_f64().unwrap() - 0.99).abs() < 0.05, "{found}");
    let ran = driven("agents.servise.usd_per_task");
    assert!(ran.code == 2 && ran.stderr.contains("did you mean `agents.service`?"));

    fs::write(&scenario, SCENARIO.replace("uncertain = {", "bogus = {")).unwrap();
    assert_eq!(tokenfleet(dir.path(), &["sensitivity", "test.toml"]).code, 2);
    let ran = tokenfleet(dir.path(), &["sensitivity", "small.toml"]);
    assert!(ran.code == 2 && ran.stderr.contains("mark what you do not know"), "{}", ran.stderr);
}

/// The API's price falls as published; what own hardware costs is today's price over what it carries.
#[test]
fn years_follow_every_published_rate() {
    let dir = folder();
    fs::write(dir.path().join("test.toml"), SCENARIO).unwrap();
    let ran = tokenfleet(dir.path(), &["forecast", "test.toml", "--out", "out", "--quiet"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("on own hardware and"), "{}", ran.stdout);
    let found = written(dir.path(), "forecast.json");
    let paths = found["paths"].as_array().unwrap();
    assert_eq!(paths.len(), 8);
    let rates: Vec<f64> =
        paths.iter().map(|path| path["times_cheaper_per_year"].as_f64().unwrap()).collect();
    assert!(rates.is_sorted() && rates[7] / rates[0] > 10.0, "{rates:?}");
    for (path, rate) in paths.iter().zip(rates) {
        let years = path["years"].as_array().unwrap();
        let usd = |year: usize| years[year]["api_usd_per_task"].as_f64().unwrap();
        assert!((usd(0) / usd(1) / rate - 1.0).abs() < 1e-9);
        // Two times a year carries them nowhere near the limit, 200 times beyond it.
        let carried = years[5]["carried"].as_f64().unwrap();
        assert!(years[5]["watts"].as_f64().unwrap() <= 55e3);
        assert!(if rate == 1.0 { carried == 1.0 } else { rate < 100.0 || carried < 1.0 });
    }
    let today = &found["today"];
    let tokens = |key: &str| today[key].as_f64().unwrap();
    let usd =
        (tokens("input_tokens_per_task") * 0.1 + tokens("output_tokens_per_task") * 0.4) / 1e6;
    let told = paths[0]["years"][0]["api_usd_per_task"].as_f64().unwrap();
    assert!((told / usd - 1.0).abs() < 1e-9);

    let ran = tokenfleet(dir.path(), &["forecast", "small.toml"]);
    assert!(ran.code == 2 && ran.stderr.contains("[forecast]"), "{}", ran.stderr);
    let ran = tokenfleet(dir.path(), &["forecast", "test.toml", "--path", "a16"]);
    assert!(ran.code == 2 && ran.stderr.contains("did you mean `a16z`"), "{}", ran.stderr);
}

const SITE: &str = r#"
[run]
horizon = "1 min"
trials  = 2
[agents.service]
program  = "plain"
model    = "main"
arrivals = { poisson = "150 /s" }
[pools.main]
model       = "llama-3.1-8b"
accelerator = "h100-sxm"
precision   = "fp8"
[objectives]
ttft_p95 = "500 ms"
tpot_p95 = "20 ms"
[site]
power_limit = "4 kW"
"#;

/// A GPU of a DGX H100 takes 1275 W (10.2 kW for eight, NVIDIA's data sheet), times the region's PUE
/// of 1.49: two of them are all that 4 kW feed.
#[test]
fn power_is_a_bottleneck() {
    let dir = folder();
    let file = dir.path().join("test.toml");
    let run = |text: &str, words: &[&str]| {
        fs::write(&file, text).unwrap();
        tokenfleet(dir.path(), &[&[words[0], "test.toml"], &words[1..]].concat())
    };
    let ran = run(SITE, &["size", "--find", "fleet", "--quiet"]);
    let told = ran.stdout.replace('\n', " ");
    assert!(told.contains("power is the bottleneck: 2 replicas of main"), "{told}");
    let ran = run(SITE, &["run", "--set", "pools.main.replicas=3"]);
    assert!(
        ran.code == 2 && ran.stderr.contains("2 replicas of `main` would fit"),
        "{}",
        ran.stderr
    );
    let filled = SITE.replace("4 kW\"", "1 MW\"\nfill = true");
    let mut sources = Sources::default();
    let source = sources.add_file("test.toml", filled);
    let read = Scenario::read(source, &mut sources, &ReadOptions::new(&NoFiles)).unwrap();
    let pool = &read.variants[0].plan.pools[0];
    assert_eq!(pool.replicas, (1e6 / (1275.0 * 1.49)) as u32);
    assert!(pool.watts() <= 1e6 && pool.watts() > 0.998e6);
}

/// An autoscaler that wants five rents the two that 4 kW feed, and the answer says what bound it.
#[test]
fn an_autoscaler_is_bound_by_the_power_of_its_site() {
    let dir = folder();
    let run = |site: &str| -> Value {
        let scaled = "precision = \"fp8\"\nautoscale = { min = 1, max = 5, on = \"requests\", \
                      target = 1, interval = \"2 s\", start = \"1 s\", link = \"100 GB/s\" }";
        let text = SITE.replace("precision   = \"fp8\"", scaled);
        let text = text.replace("[site]\npower_limit = \"4 kW\"", site);
        fs::write(dir.path().join("test.toml"), text).unwrap();
        let ran = tokenfleet(dir.path(), &["run", "test.toml", "--format", "json"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let warned = ran.stderr.contains("no room for more than 2 of these replicas");
        assert_eq!(warned, site.contains("4 kW"), "{}", ran.stderr);
        serde_json::from_str::<Value>(&ran.stdout).unwrap()["variants"][0].clone()
    };
    let told = |found: &Value| {
        let warnings = found["warnings"].as_array().unwrap();
        warnings.iter().any(|warning| warning.as_str().unwrap().contains("of the site bind"))
    };
    let mean = |found: &Value, key: &str| found["metrics"][key]["mean"].as_f64();
    let free = run("");
    assert!(mean(&free, "replicas").unwrap() > 4.0 && !told(&free));
    assert!(mean(&free, "replicas_without_power").is_none());
    let bound = run("[site]\npower_limit = \"4 kW\"\nracks = 9");
    let (rented, refused) =
        (mean(&bound, "replicas").unwrap(), mean(&bound, "replicas_without_power").unwrap());
    assert!(rented > 1.8 && rented <= 2.0 && refused > 2.5 && refused <= 3.0, "{rented} {refused}");
    assert_eq!(mean(&bound, "replicas_without_racks"), Some(0.0));
    assert!(told(&bound) && mean(&bound, "peak_power_w").unwrap() <= 4000.0);
    let wide = run("[site]\npower_limit = \"1 MW\"");
    assert_eq!(mean(&wide, "replicas_without_power"), Some(0.0));
    assert!(!told(&wide) && mean(&wide, "replicas") == mean(&free, "replicas"));
}

/// A DGX H100 takes 10.2 kW: a rack of 41 kW feeds four, 32 GPUs, one of 40 kW three. An NVL72 of
/// 1.83 kW a GPU takes 132 kW and a rack of its own.
#[test]
fn racks_are_a_bottleneck() {
    let dir = folder();
    let file = dir.path().join("test.toml");
    let with = |site: &str| SITE.replace("power_limit = \"4 kW\"", site);
    let run = |text: &str, words: &[&str]| {
        fs::write(&file, text).unwrap();
        tokenfleet(dir.path(), &[&[words[0], "test.toml"], &words[1..]].concat())
    };
    let filled = |site: &str, accelerator: &str| {
        let pool = format!("{accelerator}\"\nprice = \"$3 /h");
        let text = with(site).replace("h100-sxm", &pool);
        let mut sources = Sources::default();
        let source = sources.add_file("test.toml", text);
        let read = Scenario::read(source, &mut sources, &ReadOptions::new(&NoFiles)).unwrap();
        read.variants[0].plan.pools[0].replicas
    };
    assert_eq!(filled("racks = 3\nfill = true", "h100-sxm"), 3 * 32);
    assert_eq!(filled("racks = 3\nrack_power = \"40 kW\"\nfill = true", "h100-sxm"), 3 * 24);
    assert_eq!(filled("racks = 3\nrack_power = \"300 kW\"\nfill = true", "gb300-nvl72"), 3 * 72);
    // Whichever is less: 100 kW at the meter feed 52 GPUs of 1275 W at a PUE of 1.49.
    assert_eq!(filled("racks = 3\npower_limit = \"100 kW\"\nfill = true", "h100-sxm"), 52);

    let one = with("racks = 1\nrack_power = \"11 kW\"").replace("150 /s", "900 /s");
    let ran = run(&one, &["size", "--find", "fleet", "--quiet"]);
    let told = ran.stdout.replace('\n', " ");
    assert!(told.contains("room is the bottleneck: 8 replicas of main"), "{told}");
    // 40 GPUs fill two racks of 32: one that is begun counts whole.
    let words = ["size", "--find", "load", "--quiet", "--format", "json"];
    let ran = run(&with("racks = 2"), &[&words[..], &["--set", "pools.main.replicas=40"]].concat());
    let found: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(found["given"]["fleet"]["racks"], 2, "{}", ran.stdout);
    for (site, replicas, wrong) in [
        ("racks = 1", "33", "32 replicas of `main` would fit"),
        (
            "racks = 1\nrack_power = \"9 kW\"",
            "1",
            "draw 10.2 kW, one here is fed and cooled for 9 kW",
        ),
        ("rack_power = \"9 kW\"", "1", "nobody has said how many racks there are"),
    ] {
        let ran = run(&with(site), &["run", "--set", &format!("pools.main.replicas={replicas}")]);
        assert!(ran.code == 2 && ran.stderr.contains(wrong), "{}", ran.stderr);
    }
}
