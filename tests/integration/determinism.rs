//! The same plan, seed and trial give the same outcome, whatever ran in the same world before.

use tokenfleet::foundations::distribution::Law;
use tokenfleet::serving::ReplicaSpec;
use tokenfleet::simulation::World;
use tokenfleet::simulation::plan::Plan;
use tokenfleet::workload::arrival::Arrivals;
use tokenfleet::workload::program::{Branch, SharedSegment};
use tokenfleet::workload::tool::Tool;

use crate::fixture::{call, constant, end, plan, pool, program, server, tool};

fn agents() -> Plan {
    let output = Law::lognormal(4.0, 0.8).unwrap();
    let again = Branch { cumulative: vec![(0.8, 1), (1.0, 2)] };
    let mut program =
        program(vec![call(constant(20.0), output, again), tool(Branch::always(0)), end()]);
    program.shared = vec![SharedSegment {
        identity: 5,
        tokens: constant(500.0),
        variant: constant(1.0),
        redrawn: 0.0,
    }];
    let replica = ReplicaSpec { prefix_cache: true, kv_blocks: 2_000, ..server(0.02, 0.0005, 16) };
    let mut plan = plan(program, pool(replica, 2), Arrivals::poisson(1.0).unwrap(), 2_000);
    plan.tools = vec![Tool {
        name: "shell".into(),
        latency_s: Law::lognormal(0.0, 1.5).unwrap(),
        result_tokens: Law::lognormal(5.0, 1.0).unwrap(),
        failure: 0.1,
        timeout: None,
        slots: None,
    }];
    plan.task_rows = 100;
    plan
}

#[test]
fn a_trial_depends_on_seed_and_number_alone() {
    let plan = agents();
    let fresh = |seed, trial| World::new(&plan).run(seed, trial, |_, _| true).unwrap();
    let mut used = World::new(&plan);
    for trial in [3, 0, 3] {
        let again = used.run(7, trial, |_, _| true).unwrap();
        assert!(again == fresh(7, trial), "trial {trial} depends on what ran before");
        assert_eq!(again.conservation.violations(), Vec::<String>::new());
    }
    assert!(fresh(7, 0) != fresh(7, 1), "trials are different draws");
    assert!(fresh(7, 0) != fresh(8, 0), "seeds are different draws");
}

/// Task 17 is the same task on any hardware: what it asks for does not depend on the servers.
#[test]
fn tasks_are_the_same_on_other_hardware() {
    let slow = agents();
    let mut fast = agents();
    fast.pools[0].replica.model.step_s /= 5.0;
    fast.pools[0].replicas = 3;
    let run = |plan: &Plan| World::new(plan).run(7, 0, |_, _| true).unwrap();
    let (slow, fast) = (run(&slow), run(&fast));
    assert!(
        slow.agents[0].task_latency.histogram.mean() > fast.agents[0].task_latency.histogram.mean()
    );
    let asked = |row: &&tokenfleet::simulation::task_sample::TaskRow| {
        (row.task, row.calls, row.tool_calls, row.input_tokens, row.output_tokens)
    };
    let (slow, fast) = (slow.tasks.rows(), fast.tasks.rows());
    assert_eq!(
        slow.iter().map(asked).collect::<Vec<_>>(),
        fast.iter().map(asked).collect::<Vec<_>>()
    );
}
