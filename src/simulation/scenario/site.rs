//! `[site]`: what the place where the servers stand can give, and what it charges for the highest draw.

use super::entries;
use super::pools::cost;
use super::reader::{Key, Schema, Section};
use super::run::Timing;
use crate::catalog::{Catalog, Field};
use crate::foundations::units::{format_duration, format_usd};
use crate::foundations::{Dimension, Fault, Faults};
use crate::simulation::plan::{Demand, Pool, Racks};
use crate::simulation::series::MOST_BINS;

/// Keys of `[site]`.
pub static SITE: Schema = Schema::new(
    "What the place where all pools stand can give, and what it charges for the highest draw.",
    &[
        Key::quantity(
            "power_limit",
            Dimension::Power,
            "power at the meter that there is at most; autoscalers rent no more than it feeds",
        )
        .above(0.0)
        .optional()
        .example("1 MW"),
        Key::integer("racks", 1, 1_000_000, "racks that there is room for; autoscalers rent no more")
            .optional()
            .example("10"),
        Key::quantity(
            "rack_power",
            Dimension::Power,
            "power of the servers that one rack is fed and cooled for; by default four of eight H100",
        )
        .above(0.0)
        .default("41 kW"),
        Key::boolean("fill", "whether all replicas are multiplied until no more fit")
            .default("false"),
        Key::quantity(
            "demand_charge",
            Dimension::MoneyPerHour,
            "price of the highest draw, for 1 kW, apart from energy; paid by pools that are owned",
        )
        .above(0.0)
        .optional()
        .example("$15 /month"),
        Key::quantity("demand_interval", Dimension::Time, "time over which that draw is a mean")
            .between(1.0, 86_400.0)
            .default("15 min"),
    ],
);

/// More than any tariff charges for a kilowatt and month, USD: the dearest of the United States pass
/// $30 (NREL/BR-6A20-68963, 2017).
const DEAREST: f64 = 100.0;
const HOURS_OF_A_MONTH: f64 = 730.0;

/// Chips of a server, where their links reach no further: more of them are a rack system.
const SERVER: u32 = 8;

/// The power of the site, W, and its racks. A fleet that needs more of either is reported; one that
/// needs less is multiplied where that is asked for.
pub(super) fn room(
    site: &Section,
    sections: &[&Section],
    pools: &mut [Option<Pool>],
    catalog: &Catalog,
    warnings: &mut Faults,
) -> (Option<f64>, Option<Racks>) {
    let power_w = site.optional("power_limit", Section::quantity);
    let count = site.optional("racks", Section::integer::<u32>);
    if power_w.is_none() && count.is_none() {
        if site.has("fill") {
            let fault = site.fault("fill", "there is no limit that it could be filled to");
            site.report(fault.help("give `power_limit` or `racks`, or remove it"));
        } else if !["demand_charge", "demand_interval", "rack_power"]
            .iter()
            .any(|key| site.has(key))
        {
            let message = "neither a limit nor a price of the power of the site is given";
            let fault = site.fault("power_limit", message);
            site.report(fault.help("give `power_limit`, `racks` or `demand_charge`"));
        }
    }
    if count.is_none() && site.has("rack_power") {
        let fault = site.fault("rack_power", "nobody has said how many racks there are");
        site.report(fault.help("give `racks = 10`, or remove it"));
    }
    if pools.iter().any(Option::is_none) {
        // A pool that could not be built has said so; nothing is known of the fleet.
        return (power_w, None);
    }
    let racks = count.and_then(|limit| {
        let gpus = sections.iter().zip(pools.iter().flatten());
        let gpus = gpus.map(|(section, pool)| rack_of(site, section, pool, catalog));
        Some(Racks { limit, gpus: gpus.collect::<Option<_>>()? })
    });
    let powered = power_w.map(|limit| within_power(site, limit, pools));
    let racked = racks.as_ref().map(|racks| within_racks(site, racks, pools));
    let times = powered.into_iter().chain(racked).fold(f64::INFINITY, f64::min);
    if site.boolean("fill") && (1.0..f64::INFINITY).contains(&times) {
        let times = times.min(f64::from(u32::MAX)) as u32;
        for pool in pools.iter_mut().flatten() {
            pool.replicas = pool.replicas.saturating_mul(times);
        }
    }
    if times >= 1.0 {
        check_autoscalers(sections, pools, power_w, racks.as_ref(), warnings);
    }
    (power_w, racks)
}

/// Warns of autoscalers that may ask for more replicas than the site has room for.
fn check_autoscalers(
    sections: &[&Section],
    pools: &[Option<Pool>],
    power_w: Option<f64>,
    racks: Option<&Racks>,
    warnings: &mut Faults,
) {
    for (place, section) in sections.iter().enumerate() {
        let by_power = power_w.map(|limit| powered(limit, pools, place));
        let by_racks = racks.map(|racks| racked(racks, pools, place));
        let Some(fit) = by_power.into_iter().chain(by_racks).min() else { return };
        let scaling = pools[place].as_ref().and_then(Pool::autoscale);
        if scaling.is_some_and(|scaling| u64::from(scaling.most) > fit) {
            let message = format!("the site has no room for more than {fit} of these replicas");
            let help = format!("no more are rented: give `max = {fit}`, or the site more room");
            warnings.push(section.section("autoscale").fault("max", message).help(help));
        }
    }
}

/// How many replicas of one pool the power of the site feeds beside the others.
fn powered(limit: f64, pools: &[Option<Pool>], place: usize) -> u64 {
    let each = pools.iter().enumerate();
    let others = each.filter(|&(other, _)| other != place).filter_map(|(_, pool)| pool.as_ref());
    let left = limit - others.map(Pool::watts).sum::<f64>();
    let own = pools[place].as_ref().map_or(0.0, |pool| pool.watts() / f64::from(pool.replicas));
    libm::floor((left / own).max(0.0) + 1e-9) as u64
}

/// How many replicas of one pool its racks hold beside the others.
fn racked(racks: &Racks, pools: &[Option<Pool>], place: usize) -> u64 {
    let each = pools.iter().flatten().enumerate();
    let others = each.filter(|&(other, _)| other != place);
    let filled: u64 = others.map(|(at, pool)| racks.filled(at, pool, pool.replicas)).sum();
    let gpus = u64::from(racks.limit).saturating_sub(filled) * u64::from(racks.gpus[place]);
    gpus / pools[place].as_ref().map_or(1, |pool| u64::from(pool.gpus.max(1)))
}

/// How many times the fleet fits into the power of its site; what does not is reported.
fn within_power(site: &Section, limit: f64, pools: &[Option<Pool>]) -> f64 {
    let all = || pools.iter().flatten();
    if let Some(unknown) = all().find(|pool| pool.watts().is_nan()) {
        let message = format!("the power of `{}` is not known", unknown.accelerator);
        site.report(site.fault("power_limit", message).unfit());
        return 1.0;
    }
    let watts: f64 = all().map(Pool::watts).sum();
    let times = libm::floor(limit / watts + 1e-9);
    if times < 1.0 {
        let show = |watts| Dimension::Power.format(watts);
        let message =
            format!("the fleet draws {} at full load, its site has {}", show(watts), show(limit));
        let fault = site.fault("power_limit", message).unfit();
        let fit = |(place, pool): (usize, &Pool)| {
            format!("{} replicas of `{}` would fit", powered(limit, pools, place), pool.name)
        };
        site.report(all().enumerate().map(fit).fold(fault, Fault::help));
    }
    times
}

/// How many times the fleet fits into the racks of its site; what does not is reported.
fn within_racks(site: &Section, racks: &Racks, pools: &[Option<Pool>]) -> f64 {
    let each = || pools.iter().flatten().enumerate();
    let limit = u64::from(racks.limit);
    let filled = |times: u32| -> u64 {
        let of = |pool: &Pool| pool.replicas.saturating_mul(times);
        each().map(|(place, pool)| racks.filled(place, pool, of(pool))).sum()
    };
    let needed = filled(1);
    if needed > limit {
        let message = format!("the fleet fills {needed} racks, its site has {limit}");
        let fault = site.fault("racks", message).unfit();
        let fit = |(place, pool): (usize, &Pool)| {
            format!("{} replicas of `{}` would fit", racked(racks, pools, place), pool.name)
        };
        site.report(each().map(fit).fold(fault, Fault::help));
        return 0.0;
    }
    let (mut low, mut high) = (1, u32::MAX);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if filled(middle) <= limit { low = middle } else { high = middle - 1 }
    }
    f64::from(low)
}

/// GPUs of a pool that a rack is fed and cooled for; none where that is not known, or is none.
fn rack_of(site: &Section, section: &Section, pool: &Pool, catalog: &Catalog) -> Option<u32> {
    let accelerator = catalog.accelerator(&pool.accelerator).ok()?;
    let region = cost::region(section, catalog)?;
    let Some(chip_w) = cost::server_watts(accelerator, region) else {
        let message = format!("the power of `{}` is not known", pool.accelerator);
        site.report(site.fault("racks", message).unfit());
        return None;
    };
    let joined = accelerator.value(Field::LinkDomain).map_or(SERVER, |chips| chips as u32);
    let chips = joined.max(SERVER);
    let (unit_w, rack_w) = (chip_w * f64::from(chips), site.quantity("rack_power"));
    let units = libm::floor(rack_w / unit_w + 1e-9);
    if units < 1.0 {
        let show = |watts| Dimension::Power.format(watts);
        let message = format!(
            "{chips} of `{}` in a rack draw {}, one here is fed and cooled for {}",
            pool.accelerator,
            show(unit_w),
            show(rack_w)
        );
        let fault = site.fault("rack_power", message).unfit();
        site.report(fault.help(format!("give `rack_power = \"{}\"` or more", show(unit_w))));
        return None;
    }
    // A rack system is a rack.
    let units = if joined > SERVER { 1.0 } else { units.min(f64::from(u32::MAX / chips)) };
    Some(units as u32 * chips)
}

/// What the highest draw costs; `owners` are the pools as they are written and as they were read.
pub(super) fn demand<'s, 'd: 's>(
    site: &Section,
    owners: impl Iterator<Item = (&'s Section<'d>, &'s Option<Pool>)>,
    catalog: &Catalog,
    timing: &Timing,
    warnings: &mut Faults,
) -> Option<Demand> {
    let Some(usd_per_kw_h) = site.optional("demand_charge", Section::quantity) else {
        if site.has("demand_interval") {
            let fault = site.fault("demand_interval", "no draw is charged for");
            site.report(fault.help("give `demand_charge = \"$15 /month\"`, or remove it"));
        }
        return None;
    };
    let interval_s = site.quantity("demand_interval");
    let usd_per_month = usd_per_kw_h * HOURS_OF_A_MONTH;
    if usd_per_month > DEAREST {
        let usd = format_usd(usd_per_month);
        let message = format!("{usd} a month for 1 kW is more than any tariff charges");
        let fault = site.fault("demand_charge", message);
        site.report(fault.help("it is a price for 1 kW and month, such as \"$15 /month\""));
    }
    let bin_s = bin_s(timing);
    if bin_s > interval_s {
        let message = format!(
            "draws are averaged over {}, the bins of the time series of so long a run",
            format_duration(bin_s)
        );
        warnings.push(site.fault("demand_interval", message).help("shorten the run, or `run.bin`"));
    }
    let mut charged = false;
    for (section, pool) in owners {
        let Some(pool) = pool else { continue };
        if !pool.bill.pays_for_power() {
            continue;
        }
        charged = true;
        if pool.watts().is_nan() {
            let message = format!("the power of `{}` is not known", pool.accelerator);
            site.report(site.fault("demand_charge", message).unfit());
        }
        if let Some(region) = cost::region(section, catalog)
            && region.electricity.source.text != entries::BY
        {
            let message = format!(
                "the catalog's {} for 1 kWh in `{}` is a mean of whole bills, demand included",
                format_usd(region.electricity.value),
                region.key
            );
            let fault = site.fault("demand_charge", message);
            warnings.push(fault.help(format!(
                "say what energy alone costs: `[regions.{}]` with `electricity = \"$0.06 /kWh\"`",
                region.key
            )));
        }
    }
    if !charged {
        let message = "nobody pays it: where servers are rented, the rent has their power in it";
        let help = "own them: `cost = { owned = {} }`";
        warnings.push(site.fault("demand_charge", message).help(help));
    }
    Some(Demand { usd_per_w_h: usd_per_kw_h / 1000.0, interval_s })
}

/// Length of the bins at the end of a run.
fn bin_s(timing: &Timing) -> f64 {
    let ends_s = timing.stop.horizon.map_or(0.0, |ends| ends.as_s());
    let mut bin_s = timing.bin.as_s();
    while ends_s / bin_s >= MOST_BINS as f64 {
        bin_s *= 2.0;
    }
    bin_s
}
