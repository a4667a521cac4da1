//! What servers draw from the grid over a trial, and what a tariff charges for the highest draw.
//!
//! Where demand is charged apart from energy, a month's bill has a price for each kilowatt of the
//! highest draw D, a mean over some minutes by the meter's clock. The measured window stands for the
//! month, of which it bears its part:
//!
//! ```text
//! dollars = price of a kW and month · D · window / month
//! ```
//!
//! Pools bear it in proportion to what each draws in that interval ("coincident peak").

use crate::simulation::plan::{Demand, Plan, Pool};
use crate::simulation::series::Series;

use super::{Served, seconds};

/// A stretch of the measured window.
struct Draw {
    length_s: f64,
    /// At the facility's meter, by pool, W.
    watts: Vec<f64>,
}

/// The bins of the time series that lie in the measured window.
fn draws(plan: &Plan, series: &Series, (from_s, to_s): (f64, f64)) -> Vec<Draw> {
    let bins = series.bins.iter().enumerate();
    let inside = bins.filter_map(|(index, bin)| {
        let start_s = index as f64 * series.length.as_s();
        let length_s = seconds(bin.covered_ps);
        if start_s < from_s || start_s + length_s > to_s * (1.0 + 1e-12) || length_s <= 0.0 {
            return None;
        }
        let pools = plan.pools.iter().zip(&bin.pools);
        // A step is booked where it ends: a bin may have a little more of it than its own time.
        let watts = |(pool, bin): (&Pool, _)| {
            let watts = Served::by_bin(pool, bin, length_s).facility_joules / length_s;
            if watts > pool.most_watts() { pool.most_watts() } else { watts }
        };
        Some(Draw { length_s, watts: pools.map(watts).collect() })
    });
    inside.collect()
}

/// Power at the facility's meter in the bin of a trial's measured window that has most, W: of all
/// pools together, and of each.
pub fn peak_watts(plan: &Plan, series: &Series, window_s: (f64, f64)) -> (f64, Vec<f64>) {
    let (mut all, mut each) = (f64::NAN, vec![f64::NAN; plan.pools.len()]);
    for Draw { watts, .. } in draws(plan, series, window_s) {
        all = all.max(watts.iter().sum());
        each.iter_mut().zip(watts).for_each(|(peak, watts)| *peak = peak.max(watts));
    }
    (all, each)
}

/// Adds what the tariff charges for the highest draw to what pools cost that pay for their power.
pub fn charge(plan: &Plan, series: &Series, window_s: (f64, f64), served: &mut [Served]) {
    let Some(demand) = &plan.demand else { return };
    let length_s = window_s.1 - window_s.0;
    let mean = || served.iter().map(|served| served.facility_joules / length_s).collect();
    let highest = highest(plan, demand, series, window_s).unwrap_or_else(mean);
    for ((served, pool), watts) in served.iter_mut().zip(&plan.pools).zip(highest) {
        if pool.bill.pays_for_power() {
            served.demand_w = watts;
            served.demand_usd = demand.usd_per_w_h * watts * length_s / 3600.0;
            served.spent_usd += served.demand_usd;
        }
    }
}

/// The draw of each pool in the tariff's interval in which those that are charged draw most; what is
/// left at the end of the window is no interval. None where there is no whole one.
fn highest(
    plan: &Plan,
    demand: &Demand,
    series: &Series,
    window_s: (f64, f64),
) -> Option<Vec<f64>> {
    let charged = |joules: &[f64]| -> f64 {
        let pools = plan.pools.iter().zip(joules);
        pools.filter(|(pool, _)| pool.bill.pays_for_power()).map(|(_, joules)| joules).sum()
    };
    let (mut most, mut highest) = (f64::NEG_INFINITY, None);
    let (mut length_s, mut joules) = (0.0, vec![0.0; plan.pools.len()]);
    for draw in draws(plan, series, window_s) {
        length_s += draw.length_s;
        joules.iter_mut().zip(&draw.watts).for_each(|(sum, watts)| *sum += watts * draw.length_s);
        if length_s >= demand.interval_s * (1.0 - 1e-9) {
            let watts: Vec<f64> = joules.iter().map(|joules| joules / length_s).collect();
            if charged(&watts) > most {
                (most, highest) = (charged(&watts), Some(watts));
            }
            length_s = 0.0;
            joules.fill(0.0);
        }
    }
    highest
}
