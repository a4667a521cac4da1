//! Whole trials: how long one takes by the number of its calls. Twice the calls should take twice
//! the time.

use divan::Bencher;
use divan::counter::ItemsCount;
use tokenfleet::foundations::Sources;
use tokenfleet::simulation::World;
use tokenfleet::simulation::plan::Plan;
use tokenfleet::simulation::scenario::{NoFiles, ReadOptions, Scenario};

fn main() {
    divan::main();
}

fn plan(name: &str, text: &str, tasks: u64) -> Plan {
    let mut sources = Sources::default();
    let source = sources.add_file(name, text);
    let set = [format!("run.tasks={tasks}")];
    let options = ReadOptions { set: &set, ..ReadOptions::new(&NoFiles) };
    let scenario = Scenario::read(source, &mut sources, &options);
    let mut scenario = scenario.unwrap_or_else(|faults| panic!("{name}: {faults:?}"));
    scenario.variants.swap_remove(0).plan
}

fn calls(plan: &Plan) -> u64 {
    let outcome = World::new(plan).run(1, 0, |_, _| true).expect("nobody stops it");
    outcome.agents.iter().map(|agents| agents.calls).sum()
}

fn trial(bencher: Bencher, plan: &Plan) {
    let mut world = World::new(plan);
    bencher
        .counter(ItemsCount::new(calls(plan)))
        .bench_local(|| world.run(1, 0, |_, _| true).map(|outcome| outcome.events));
}

/// Single requests to two servers.
#[divan::bench(args = [1_000, 10_000, 100_000], sample_count = 5)]
fn plain(bencher: Bencher, tasks: u64) {
    trial(bencher, &plan("plain-70b", include_str!("../scenarios/bench/plain-70b.toml"), tasks));
}

/// Coding agents on eight servers, with a prefix cache.
#[divan::bench(args = [50, 500, 5_000], sample_count = 5)]
fn agents(bencher: Bencher, tasks: u64) {
    trial(bencher, &plan("agents-70b", include_str!("../scenarios/bench/agents-70b.toml"), tasks));
}

/// A scenario's text to its plan: what a run costs before it begins.
#[divan::bench]
fn read() -> Plan {
    plan("plain-70b", include_str!("../scenarios/bench/plain-70b.toml"), 1)
}
