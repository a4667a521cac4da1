//! Power: idle and full draw, by the share of time in which kernels run.

use tokenfleet::experiment::totals::{Served, charge};
use tokenfleet::foundations::SimDuration;
use tokenfleet::performance::StepModel;
use tokenfleet::serving::ReplicaSpec;
use tokenfleet::simulation::plan::{Bill, Demand};
use tokenfleet::simulation::series::{Bin, PoolBin, Series};
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

/// By hand: two GPUs of 100 W idle and 500 W full, in bins of 5 min of which kernels run for these
/// parts. Of the whole intervals of 10 min in the window, 20 min from the second bin on, (0, 1/2) has
/// a mean of 1/4 and (1/2, 1/4) one of 3/8: 2 (100 + 3/8 400) = 500 W, 750 W at the meter. At $14.60
/// for a kW and month, or $0.02 an hour, the third of an hour costs half a cent.
#[test]
fn the_highest_mean_draw_of_the_tariffs_interval_is_charged() {
    let owned = || {
        let mut pool = pool(server(0.0, 0.0, 8), 2);
        pool.bill = Bill {
            usd_per_gpu_h: vec![("capital", 1.0), (Bill::ELECTRICITY, 0.1)],
            facility_factor: 1.5,
            ..Bill::UNKNOWN
        };
        pool
    };
    let users = Arrivals::closed_loop(1, constant(0.0)).unwrap();
    let mut plan = plan(program(vec![end()]), owned(), users, 1);
    let mut rented = owned();
    rented.bill.usd_per_gpu_h = vec![("rent", 1.1)];
    plan.pools.push(rented);
    plan.demand = Some(Demand { usd_per_w_h: 0.02 / 1000.0, interval_s: 600.0 });

    let bin_ps = 300_000_000_000_000;
    let of =
        |part: f64| PoolBin { gpu_ps: (2.0 * part * bin_ps as f64) as u128, ..PoolBin::default() };
    // The rented pool draws most at another time, which changes nothing.
    let bins = [(1.0, 0.0), (0.0, 1.0), (0.5, 1.0), (0.5, 0.0), (0.25, 0.0), (1.0, 0.0)];
    let bin = |(own, rented): (f64, f64)| Bin {
        covered_ps: bin_ps,
        pools: vec![of(own), of(rented)],
        ..Bin::default()
    };
    let series =
        Series { length: SimDuration(bin_ps as u64), bins: bins.into_iter().map(bin).collect() };
    let mut served = [Served::NONE; 2];
    charge(&plan, &series, (300.0, 1500.0), &mut served);
    assert!((served[0].demand_w - 750.0).abs() < 1e-9, "{}", served[0].demand_w);
    assert!((served[0].demand_usd - 0.005).abs() < 1e-12, "{}", served[0].demand_usd);
    assert_eq!(served[0].spent_usd, served[0].demand_usd);
    assert_eq!((served[1].demand_usd, served[1].spent_usd), (0.0, 0.0));

    // A longer interval than the window: its mean, 2 (100 + 5/16 400) 1.5 = 675 W.
    plan.demand = Some(Demand { usd_per_w_h: 0.02 / 1000.0, interval_s: 7200.0 });
    let joules = 675.0 * 1200.0;
    let mut served = [Served { facility_joules: joules, ..Served::NONE }, Served::NONE];
    charge(&plan, &series, (300.0, 1500.0), &mut served);
    assert!((served[0].demand_w - 675.0).abs() < 1e-9, "{}", served[0].demand_w);
}
