//! What the headers of `scenarios/features` say of them is so.

use std::collections::BTreeMap;
use std::path::Path;

use tokenfleet::foundations::Sources;
use tokenfleet::simulation::scenario::{Folder, ReadOptions, Scenario};
use tokenfleet::simulation::{Plan, TrialOutcome, World};

/// The plans of a scenario by name of the variant, settings given as on the command line.
fn plans(name: &str, set: &[&str]) -> BTreeMap<String, Plan> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/features");
    let file = format!("{name}.toml");
    let text = std::fs::read_to_string(folder.join(&file)).unwrap();
    let mut sources = Sources::default();
    let source = sources.add_file(&file, text);
    let set: Vec<String> = set.iter().map(|&flag| flag.to_owned()).collect();
    let folder = Folder(folder);
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
