//! Dollars and joules: owned hardware by its parts, rents of the catalog, energy at the meter.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::command_line::{folder, tokenfleet};

/// GPUs of a replica of the small scenario.
const GPUS: u32 = 4;

fn ran(set: &[&str]) -> Result<Value, String> {
    let dir = folder();
    let mut words = vec!["run", "small.toml", "--variant", "base", "--format", "json"];
    words.extend(set.iter().flat_map(|set| ["--set", set]));
    let ran = tokenfleet(dir.path(), &words);
    match ran.code {
        0 => Ok(serde_json::from_str(&ran.stdout).unwrap()),
        _ => Err(ran.stderr),
    }
}

fn mean(summary: &Value, metric: &str) -> f64 {
    summary["variants"][0]["metrics"][metric]["mean"].as_f64().unwrap_or(f64::NAN)
}

fn usd_per_gpu_h(set: &[&str]) -> f64 {
    mean(&ran(set).unwrap(), "usd_per_h") / 4.0
}

fn near(found: f64, expected: f64) {
    assert!((found / expected - 1.0).abs() < 1e-9, "{found} is not {expected}");
}

/// Every part by hand: $40,000 over 4 years at 10 % is an annuity of 0.315471 of it.
#[test]
fn owned_hardware_costs_the_sum_of_its_parts() {
    let owned = "pools.main.cost={ owned = { capital = \"$40000\", years = 4, interest = \"10 %\", \
                 spares = \"5 %\", staff = \"25 %\", space = \"$146 /month\", power = \"1200 W\" } }";
    let annuity = 0.1 / (1.0 - 1.1_f64.powi(-4));
    assert!((annuity - 0.315_471).abs() < 1e-6);
    let capital = 40_000.0 * annuity / 8760.0;
    // Texas: $0.0725 per kWh at a PUE of 1.49. $146 a month is $0.20 an hour.
    let parts = [capital, 40_000.0 * 0.05 / 8760.0, 0.25 * capital, 0.2 * 1.2, 1.2 * 1.49 * 0.0725];
    near(usd_per_gpu_h(&[owned, "pools.main.region=us-texas"]), parts.iter().sum());

    // Without interest the debt is paid in equal parts; a dearer region costs its electricity more.
    let free = "pools.main.cost={ owned = { capital = \"$35040\", years = 4, interest = 0, \
                spares = 0, staff = 0, space = \"$0 /month\", power = \"1 kW\" } }";
    near(usd_per_gpu_h(&[free, "pools.main.region=us-texas"]), 1.0 + 1.49 * 0.0725);
    near(usd_per_gpu_h(&[free, "pools.main.region=us-virginia"]), 1.0 + 1.49 * 0.1301);
}

/// The catalog's defaults stay between the published cost of a neocloud (1.30) and the rent (2.77).
#[test]
fn an_h100_of_ones_own_costs_less_than_its_rent() {
    let owned = usd_per_gpu_h(&["pools.main.cost={ owned = {} }"]);
    let rent = usd_per_gpu_h(&[]);
    let reserved = usd_per_gpu_h(&["pools.main.cost=reserved"]);
    let spot = usd_per_gpu_h(&["pools.main.cost=spot"]);
    let neocloud = usd_per_gpu_h(&["pools.main.cost=owner"]);
    assert!(neocloud < owned && owned < rent, "{neocloud} {owned} {rent}");
    assert!(spot < reserved && reserved < rent, "{spot} {reserved} {rent}");
}

#[test]
fn what_is_listed_adds_up_to_what_is_spent() {
    let found = ran(&[]).unwrap();
    let price = |kind: &str| mean(&found, &format!("usd_per_mtoken_{kind}_listed"));
    near(price("output"), 5.0 * price("fresh"));
    near(price("cached"), 0.1 * price("fresh"));
    let (input, output) = (mean(&found, "input_tokens_per_s"), mean(&found, "output_tokens_per_s"));
    let cached = input * mean(&found, "prefix_hit_rate");
    let usd_per_s =
        ((input - cached) * price("fresh") + cached * price("cached") + output * price("output"))
            / 1e6;
    near(usd_per_s * 3600.0, mean(&found, "usd_per_h"));
}

/// An H100 of 700 W is a part of a server of 1275 W, in a hall with the region's PUE.
#[test]
fn a_megawatt_is_one_at_the_meter() {
    let found = ran(&["pools.main.region=us-texas"]).unwrap();
    let factor = 1275.0 / 700.0 * 1.49;
    near(mean(&found, "tokens_per_s_per_mw"), mean(&found, "tokens_per_joule") / factor * 1e6);
    near(mean(&found, "facility_joules_per_task"), mean(&found, "joules_per_task") * factor);
    let watts = mean(&found, "gpu_power_w") * 4.0;
    near(mean(&found, "tokens_per_joule"), mean(&found, "output_tokens_per_s") / watts);
    near(mean(&found, "tokens_per_usd"), 1e6 / mean(&found, "usd_per_mtoken_output"));
    // Nobody has said what a kilowatt-hour of Texas emits; one of the whole country 369 g.
    assert!(mean(&found, "carbon_g_per_task").is_nan());
    let found = ran(&["pools.main.region=us"]).unwrap();
    let kwh = mean(&found, "facility_joules_per_task") / 3.6e6;
    near(mean(&found, "carbon_g_per_task"), 369.0 * kwh);
}

/// What is committed to is paid for whether there is so much or not, the rest by the hour.
#[test]
fn a_commitment_is_paid_for_used_or_not() {
    let usd_per_h = |replicas: u32, committed: u32| {
        let cost = format!(
            "pools.main.cost={{ reserved = {{ replicas = {committed}, price = \"$1 /h\", \
             on_demand = \"$3 /h\" }} }}"
        );
        let found = ran(&[&format!("pools.main.replicas={replicas}"), &cost]).unwrap();
        let used = mean(&found, "commitment_utilization");
        near(used, f64::from(replicas.min(committed)) / f64::from(committed));
        mean(&found, "usd_per_h") / f64::from(GPUS)
    };
    for (replicas, committed) in [(2, 1), (2, 2), (2, 5), (3, 2)] {
        let beyond = f64::from(replicas) - f64::from(committed);
        near(usd_per_h(replicas, committed), f64::from(committed) + 3.0 * beyond.max(0.0));
    }
}

/// With a part u(k) of the time in which at least k replicas are rented, n committed ones and the
/// rest on demand cost n p + q (u(n+1) + u(n+2) + ...); so committing to the k-th pays where it is
/// rented for more than p / q of the time.
#[test]
fn a_commitment_breaks_even_at_the_ratio_of_its_prices() {
    let (price, on_demand, most) = (1.2, 2.0, 4);
    let found = |committed: u32| {
        let cost = match committed {
            0 => "price = \"$2 /h\"".to_owned(),
            some => format!(
                "cost = {{ reserved = {{ replicas = {some}, price = \"$1.2 /h\", on_demand = \"$2 /h\" }} }}"
            ),
        };
        let text = format!(
            r#"
            [run]
            horizon = "8 min"
            warm_up = "1 min"
            trials  = 1
            [agents.reader]
            program  = "plain"
            model    = "main"
            arrivals = {{ gamma = {{ rate = "6 /s", cv = 6 }} }}
            [pools.main]
            model       = "llama-3.1-8b"
            accelerator = "h100-sxm"
            max_running = 16
            {cost}
            [pools.main.autoscale]
            min = 1
            max = {most}
            on = "requests"
            target = 8
            interval = "2 s"
            cool_down = "10 s"
            start = "5 s"
            "#
        );
        let dir = folder();
        std::fs::write(dir.path().join("own.toml"), text).unwrap();
        let ran = tokenfleet(dir.path(), &["run", "own.toml", "--format", "json"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        serde_json::from_str::<Value>(&ran.stdout).unwrap()
    };
    let free = found(0);
    let (replicas, mut before, mut used_before) =
        (mean(&free, "replicas"), mean(&free, "usd_per_h"), 0.0);
    near(before, on_demand * replicas);
    let mut verdicts = Vec::new();
    for committed in 1..=most {
        let now = found(committed);
        near(mean(&now, "replicas"), replicas);
        let used = f64::from(committed) * mean(&now, "commitment_utilization");
        let usd = mean(&now, "usd_per_h");
        near(usd, f64::from(committed) * price + on_demand * (replicas - used));
        let last = used - used_before;
        assert!((0.0..=1.0 + 1e-9).contains(&last), "{last} of the time");
        assert_eq!(usd < before, last > price / on_demand, "{usd} {before} {last}");
        verdicts.push(usd < before);
        (before, used_before) = (usd, used);
    }
    near(used_before, replicas);
    assert!(
        verdicts[0] && !verdicts[most as usize - 1],
        "the test would tell nothing: {verdicts:?}"
    );
}

/// The peak lies between the mean, which it is where one bin is the whole window, and full load.
#[test]
fn peak_power_lies_between_the_mean_and_full_load() {
    let load = "agents.reader.arrivals.poisson=1 /s";
    let found = ran(&[load, "run.bin=1 s", "pools.main.region=us-texas"]).unwrap();
    let mean_w = mean(&found, "gpu_power_w") * 4.0 * 1275.0 / 700.0 * 1.49;
    let (peak_w, full_w) = (mean(&found, "peak_power_w"), 4.0 * 1275.0 * 1.49);
    assert!(1.05 * mean_w < peak_w && peak_w <= full_w * (1.0 + 1e-12), "{mean_w} {peak_w}");
    let whole = ran(&[load, "run.bin=60 s", "pools.main.region=us-texas"]).unwrap();
    near(mean(&whole, "peak_power_w"), mean_w);
}

/// 0.38 l for a kilowatt-hour of the machines, of which an H100 of 700 W draws 1275 W.
#[test]
fn water_is_that_of_the_region() {
    let found = ran(&["pools.main.region=us-texas"]).unwrap();
    let kwh = mean(&found, "joules_per_task") * 1275.0 / 700.0 / 3.6e6;
    near(mean(&found, "water_l_per_task"), 0.38 * kwh);
    assert!(mean(&ran(&["pools.main.region=china"]).unwrap(), "water_l_per_task").is_nan());
}

#[test]
fn mistakes_are_named() {
    for (set, message) in [
        (&["pools.main.cost=reservd"][..], "did you mean `reserved`?"),
        (&["pools.main.cost=spot", "pools.main.price=$1 /h"], "both `price` and `cost`"),
        (&["pools.main.cost={ owned = {} }", "pools.main.price=$1 /h"], "both `price` and `cost`"),
        (&["pools.main.cost={ owned = { years = 0 } }"], "`years` must be"),
        (&["pools.main.region=atlantis"], "unknown region `atlantis`"),
        (
            &["pools.main.cost={ owned = {}, reserved = { replicas = 1 } }"],
            "either owned or reserved",
        ),
        (
            &["pools.main.cost={ reserved = { replicas = 1, price = \"$4 /h\" } }"],
            "saves nothing against",
        ),
        (
            &["pools.main.cost={ reserved = { replicas = 1, term = \"5 s\" } }"],
            "longer than the commitment",
        ),
        (
            &[
                "pools.main.cost={ owned = {} }",
                "pools.main.failures={ spot = { every = \"1 h\", back = \"1 min\" } }",
            ],
            "nobody takes back what is owned",
        ),
        (&["pools.main.accelerator=vr200-nvl72", "pools.main.cost=spot"], "no spot rent of"),
    ] {
        match ran(set) {
            Err(stderr) => assert!(stderr.contains(message) && !message.is_empty(), "{stderr}"),
            Ok(_) => assert!(message.is_empty(), "{set:?}"),
        }
    }
}

/// What is charged for the highest draw stands beside energy, and with it makes the bill.
#[test]
fn peak_demand_is_charged_apart() {
    let owned = ["pools.main.cost={ owned = {} }", "regions.us.electricity=\"$0.06 /kWh\""];
    let without = ran(&owned).unwrap();
    let found = ran(&[&owned[..], &["site.demand_charge=\"$14.60 /month\""]].concat()).unwrap();
    let draw_kw = mean(&found, "demand_power_w") / 1000.0;
    assert!(draw_kw <= mean(&found, "peak_power_w") / 1000.0);
    // $14.60 a month of 730 h is 2 cents an hour.
    near(mean(&found, "usd_demand_per_h"), 0.02 * draw_kw);
    near(mean(&found, "usd_per_h"), mean(&without, "usd_per_h") + 0.02 * draw_kw);
    near(
        mean(&found, "demand_usd_share"),
        mean(&found, "usd_demand_per_h") / mean(&found, "usd_per_h"),
    );
    let sums = &found["variants"][0]["conservation"];
    let sum = |key: &str| sums[key].as_f64().unwrap();
    near(sum("usd_spent"), sum("usd_charged") + sum("usd_idle") + sum("usd_demand"));
    near(sum("usd_idle"), without["variants"][0]["conservation"]["usd_idle"].as_f64().unwrap());

    // Rents have it in them; then nothing is said of it.
    let rented = ran(&["site.demand_charge=\"$14.60 /month\""]).unwrap();
    assert!(mean(&rented, "usd_demand_per_h").is_nan());
    near(mean(&rented, "usd_per_h"), mean(&ran(&[]).unwrap(), "usd_per_h"));
    for (nonsense, told) in [
        ("site.demand_charge=\"$15 /h\"", "more than any tariff charges"),
        ("site={ demand_interval = \"5 min\" }", "no draw is charged for"),
        ("site={ fill = true }", "no limit that it could be filled to"),
        ("site={}", "neither a limit nor a price"),
    ] {
        let wrong = ran(&[&owned[..], &[nonsense]].concat()).unwrap_err();
        assert!(wrong.contains(told), "{wrong}");
    }
}

/// Three teams, one with two kinds of agents. All tasks count, and all of them end.
const TEAMS: &str = r#"
[run]
horizon = "5 min"
trials  = 1
[agents.chat]
tenant   = "product"
program  = "plain"
model    = "main"
arrivals = { poisson = "2 /s" }
[agents.search]
tenant   = "product"
program  = "rag"
model    = "main"
arrivals = { poisson = "1 /s" }
[agents.solver]
tenant   = "engineering"
program  = "react"
model    = "main"
arrivals = { poisson = "0.1 /s" }
[agents.legal]
program  = "plain"
model    = "main"
arrivals = { poisson = "0.2 /s" }
[pools.main]
model       = "llama-3.1-8b"
accelerator = "h100-sxm"
replicas    = 8
price       = "$3 /h"
[objectives.tenants.product]
ttft_p95 = "1 s"
"#;

fn table(dir: &Path, name: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(dir.join("out").join(name)).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

/// What tenants bear is the whole bill, in the proportions of what their tasks were charged, told
/// task by task.
#[test]
fn tenants_share_the_whole_bill() {
    let dir = folder();
    std::fs::write(dir.path().join("teams.toml"), TEAMS).unwrap();
    let words = ["run", "teams.toml", "--format", "json", "--out", "out"];
    let ran = tokenfleet(dir.path(), &words);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let summary: Value = serde_json::from_str(&ran.stdout).unwrap();
    let variant = &summary["variants"][0];
    let tenants = variant["tenants"].as_object().unwrap();
    let names: Vec<_> = tenants.keys().map(String::as_str).collect();
    assert_eq!(names, ["engineering", "legal", "product"]);
    let of = |part: &Value, key: &str| part[key]["mean"].as_f64().unwrap();
    let sum = |key: &str| tenants.values().map(|tenant| of(tenant, key)).sum::<f64>();

    let (all, window_s) = (&variant["metrics"], 300.0);
    let bill = 8.0 * 3.0 * window_s / 3600.0;
    near(sum("usd_spent"), bill);
    near(sum("bill_share"), 1.0);
    near(sum("usd_per_h"), of(all, "usd_per_h"));
    near(sum("tasks"), of(all, "tasks_per_s") * window_s);
    near(sum("input_tokens"), of(all, "input_tokens_per_s") * window_s);
    near(sum("output_tokens"), of(all, "output_tokens_per_s") * window_s);
    let busy = |tenant: &Value| of(tenant, "usd_busy_per_task") * of(tenant, "tasks");
    let idle = of(all, "idle_usd_share") * bill;
    assert!(idle > 0.1 * bill);
    near(tenants.values().map(busy).sum::<f64>() + idle, bill);

    // Its agents make a tenant.
    let product = &tenants["product"];
    let agents = ["chat", "search"].map(|agent| of(&variant["agents"][agent], "usd_per_h"));
    near(of(product, "usd_per_h"), agents.iter().sum());

    let tasks = table(dir.path(), "tasks.csv");
    let charged = |whose: Option<&str>| -> f64 {
        let rows = tasks.iter().filter(|row| whose.is_none_or(|whose| row["tenant"] == whose));
        rows.map(|row| row["usd_busy"].parse::<f64>().unwrap()).sum()
    };
    for (name, tenant) in tenants {
        near(of(tenant, "bill_share"), charged(Some(name)) / charged(None));
        let trials = table(dir.path(), "trials.csv");
        let column = trials[0][&format!("tenants.{name}.usd_spent")].parse::<f64>().unwrap();
        near(column, of(tenant, "usd_spent"));
    }
    assert_eq!(variant["objectives"][0]["name"], "tenants.product.ttft_p95");
}

/// Agents that are nobody else's, or all of one tenant, are told by agent alone.
#[test]
fn tenants_are_told_where_several_are_named() {
    let dir = folder();
    let told = |text: &str| {
        std::fs::write(dir.path().join("teams.toml"), text).unwrap();
        let ran = tokenfleet(dir.path(), &["run", "teams.toml", "--format", "json"]);
        let summary: Result<Value, _> = serde_json::from_str(&ran.stdout);
        summary.map_err(|_| ran.stderr).map(|summary| summary["variants"][0]["tenants"].clone())
    };
    let (open, _) = TEAMS.split_once("[objectives").unwrap();
    let nobody: Vec<&str> = open.lines().filter(|line| !line.starts_with("tenant")).collect();
    assert!(told(&nobody.join("\n")).unwrap().is_null());
    let one = nobody.join("\n").replace("program ", "tenant = \"us\"\nprogram ");
    assert!(told(&one).unwrap().is_null());
    let wrong = told(&TEAMS.replace("tenants.product", "tenants.produce")).unwrap_err();
    assert!(wrong.contains("unknown tenant `produce`"), "{wrong}");
    assert!(wrong.contains("did you mean `product`?"), "{wrong}");
}

/// A figure of a part is compared as one of the fleet is.
#[test]
fn tenants_are_compared_by_name() {
    let dir = folder();
    let text = format!("{TEAMS}[variants.fewer]\n\"pools.main.replicas\" = 6\n");
    std::fs::write(dir.path().join("teams.toml"), text).unwrap();
    let compared = |metric: &str| {
        let words =
            ["compare", "teams.toml", "--trials", "3", "--format", "json", "--metric", metric];
        tokenfleet(dir.path(), &words)
    };
    let ran = compared("tenants.product.usd_spent");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    let rows = found["variants"][0]["differences"].as_array().unwrap();
    let row = rows.iter().find(|row| row["metric"] == "tenants.product.usd_spent").unwrap();
    let words = ["run", "teams.toml", "--trials", "3", "--format", "json"];
    let summary: Value = serde_json::from_str(&tokenfleet(dir.path(), &words).stdout).unwrap();
    for (key, variant) in [("baseline", 0), ("value", 1)] {
        let tenant = &summary["variants"][variant]["tenants"]["product"]["usd_spent"]["mean"];
        near(row[key].as_f64().unwrap(), tenant.as_f64().unwrap());
    }
    for (wrong, meant) in [
        ("tenants.produkt.usd_spent", "did you mean `tenants.product`?"),
        ("tenants.product.usd_spend", "did you mean `tenants.product.usd_spent`?"),
        ("tenants.product.utilization", "unknown metric"),
    ] {
        let ran = compared(wrong);
        assert!(ran.code == 2 && ran.stderr.contains(meant), "{}", ran.stderr);
    }
}
