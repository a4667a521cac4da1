//! `[site]`: what the place where the servers stand can give.

use super::reader::{Key, Schema, Section};
use crate::foundations::{Dimension, Fault};
use crate::simulation::plan::Pool;

/// Keys of `[site]`.
pub static SITE: Schema = Schema::new(
    "What the place where all pools stand can give.",
    &[
        Key::quantity("power_limit", Dimension::Power, "power at the meter that there is at most")
            .above(0.0)
            .example("1 MW"),
        Key::boolean("fill", "whether all replicas are multiplied until no more fit into it")
            .default("false"),
    ],
);

/// Holds the fleet to the power of its site, W, and fills that where it is asked for; a fleet that
/// draws more is reported.
pub(super) fn power_limit(site: &Section, pools: &mut [Option<Pool>]) -> f64 {
    let limit = site.quantity("power_limit");
    let all = || pools.iter().flatten();
    if pools.iter().any(Option::is_none) {
        // A pool that could not be built has said so; nothing is known of the fleet.
        return limit;
    }
    if let Some(unknown) = all().find(|pool| pool.watts().is_nan()) {
        let message = format!("the power of `{}` is not known", unknown.accelerator);
        site.report(site.fault("power_limit", message).unfit());
        return limit;
    }
    let watts: f64 = all().map(Pool::watts).sum();
    let times = libm::floor(limit / watts + 1e-9);
    if times < 1.0 {
        let show = |watts| Dimension::Power.format(watts);
        let message =
            format!("the fleet draws {} at full load, its site has {}", show(watts), show(limit));
        let fault = site.fault("power_limit", message).unfit();
        let fit = |pool: &Pool| {
            let others = watts - pool.watts();
            let count = (limit - others) / (pool.watts() / f64::from(pool.replicas));
            format!("{} replicas of `{}` would fit", libm::floor(count.max(0.0)), pool.name)
        };
        site.report(all().map(fit).fold(fault, Fault::help));
    } else if site.boolean("fill") {
        let times = times.min(f64::from(u32::MAX)) as u32;
        for pool in pools.iter_mut().flatten() {
            pool.replicas = pool.replicas.saturating_mul(times);
        }
    }
    limit
}
