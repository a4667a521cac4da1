//! Power: idle and full draw, by the share of time in which kernels run.

use tokenfleet::experiment::totals::Served;
use tokenfleet::performance::StepModel;
use tokenfleet::serving::ReplicaSpec;
use tokenfleet::workload::arrival::Arrivals;
use tokenfleet::workload::program::Branch;

use crate::fixture::{call, constant, end, plan, pool, program, run, server};

/// Kernels run for 3 of the 4 ms of every step, and steps follow each other without a pause: a GPU
/// of 100 W idle and 500 W full draws 400 W.
#[test]
fn a_gpu_that_waits_for_its_host_draws_less() {
    let model = StepModel { launch_s: 3e-3, step_s: 1e-3, ..StepModel::default() };
    let replica = ReplicaSpec { model, ..server(0.0, 0.0, 8) };
    let steps = vec![call(constant(100.0), constant(50.0), Branch::always(1)), end()];
    let users = Arrivals::closed_loop(1, constant(0.0)).unwrap();
    let mut plan = plan(program(steps), pool(replica, 1), users, 40);
    plan.populations[0].think_time_s = Some(constant(0.0));
    let outcome = run(&plan, 0);
    let window_s = outcome.window_s.1 - outcome.window_s.0;
    let served = Served::by_pool(&plan.pools[0], &outcome.pools[0], window_s);
    assert!(window_s > 7.0, "{window_s}");
    assert!((served.joules / window_s - 400.0).abs() < 1e-6, "{}", served.joules / window_s);
    assert!((served.gpu_s - window_s).abs() < 1e-9);
}
