//! What a GPU-hour of a pool costs, and what it draws from the grid.
//!
//! *Rented*: the catalog's rent on demand, reserved for a year or so, or spot; or a stated `price`.
//! *Owner*: the catalog's whole cost of an owner, as one published model of it has it. *Owned*: the
//! same from its parts. With capital K per GPU, n years and interest r, capital recovery is
//!
//! ```text
//! K r / (1 - (1 + r)^-n) per year of 8760 h
//! ```
//!
//! (the annuity; E. L. Grant, *Principles of Engineering Economy*). Spares are a part of K per year,
//! staff a part of capital recovery; space is rented by the kilowatt of the machines; electricity is
//! paid for the machines at full load times the region's PUE, as colocation bills it.
//!
//! *Reserved*: so many replicas are paid for all the time, whether rented or not, further ones by
//! the hour. Committing to the k-th replica pays where it is rented for more than the part
//!
//! ```text
//! price committed / price on demand
//! ```
//!
//! of the time: its break-even utilisation.

use super::PoolSpec;
use crate::catalog::{Accelerator, Catalog, Confidence, Field, Provenance, Region};
use crate::foundations::units::{format_duration, format_usd};
use crate::foundations::{Dimension, Fault, Faults, SimTime};
use crate::simulation::plan::{Bill, Commitment, Pool};
use crate::simulation::scenario::reader::{Key, Schema, Section};

/// Keys of `cost` where it is a table.
pub static COST: Schema = Schema::new(
    "What a GPU-hour costs: its owner, or who has committed to some.",
    &[Key::section("owned", &OWNED).optional(), Key::section("reserved", &RESERVED).optional()],
);

/// Keys of `cost.reserved`.
pub static RESERVED: Schema = Schema::new(
    "Capacity that is committed to: paid for whether it is used or not, the rest by the hour.",
    &[
        Key::integer("replicas", 1, 100_000, "replicas that are committed to").example("4"),
        Key::quantity("term", Dimension::Time, "how long it is committed to")
            .above(0.0)
            .default("1 year"),
        Key::quantity(
            "price",
            Dimension::MoneyPerHour,
            "price of a committed GPU-hour, if not the catalog's",
        )
        .above(0.0)
        .optional()
        .example("$2.24 /h"),
        Key::quantity(
            "on_demand",
            Dimension::MoneyPerHour,
            "price of a further one, if not the catalog's",
        )
        .above(0.0)
        .optional()
        .example("$2.77 /h"),
    ],
);

/// Keys of `cost.owned`.
pub static OWNED: Schema = Schema::new(
    "Hardware that is owned, by the parts of its cost.",
    &[
        Key::quantity("capital", Dimension::Money, "price of one GPU with its part of the cluster")
            .at_least(0.0)
            .optional()
            .example("$48700"),
        Key::quantity("network", Dimension::Fraction, "network, on a price without it")
            .at_least(0.0)
            .default("15 %"),
        Key::quantity("years", Dimension::Number, "years of use").between(0.25, 30.0).default("5"),
        Key::quantity("interest", Dimension::Fraction, "cost of money per year")
            .between(0.0, 1.0)
            .default("8 %"),
        Key::quantity("spares", Dimension::Fraction, "replacements per year, of the capital")
            .between(0.0, 1.0)
            .default("4 %"),
        Key::quantity("staff", Dimension::Fraction, "operations, of capital recovery")
            .between(0.0, 10.0)
            .default("20 %"),
        Key::quantity("space", Dimension::MoneyPerHour, "rent of space and cooling for 1 kW")
            .at_least(0.0)
            .default("$184 /month"),
        Key::quantity("power", Dimension::Power, "power of one GPU with its part of the server")
            .above(0.0)
            .optional()
            .example("1275 W"),
    ],
);

pub(super) const NAMES: [&str; 4] = ["on-demand", "reserved", "spot", "owner"];
/// Host, fans and conversion beside the chips where nobody has published them: as of a DGX H100,
/// 10.2 kW for eight chips of 700 W.
const USUAL_SERVER: f64 = 10_200.0 / (8.0 * 700.0);

/// The bill of a pool: dollars of a GPU-hour by its parts, and what stands behind a joule of a chip;
/// `None` where no price is known, which is reported.
pub(super) fn bill(
    section: &Section,
    spec: &PoolSpec,
    accelerator: &Accelerator,
    catalog: &Catalog,
) -> Option<Bill> {
    let region = region(section, catalog)?;
    let figure = |field| accelerator.value(field).ok();
    let tdp = figure(Field::Tdp);
    let server = server_watts(accelerator, region);
    if section.has("cost") && spec.usd_per_gpu_h.is_some() {
        let fault = section.fault("cost", "both `price` and `cost` say what a GPU-hour costs");
        section.report(fault.help("remove one of them"));
        return None;
    }
    let usd_per_gpu_h = match (section.section_by("cost", &COST), spec.usd_per_gpu_h) {
        (Some(cost), _) => match (cost.has("owned"), cost.has("reserved")) {
            (true, false) => owned(&cost.section("owned"), accelerator, server, region)?,
            (false, true) => {
                let reserved = cost.section("reserved");
                vec![("rent on demand", terms(&reserved, accelerator)?.1)]
            }
            (both, _) => {
                let message = match both {
                    true => "the same hardware is either owned or reserved",
                    false => "neither `owned` nor `reserved` says what it costs",
                };
                let fault = section.fault("cost", message);
                section.report(
                    fault.help("{ owned = { years = 5 } } or { reserved = { replicas = 4 } }"),
                );
                return None;
            }
        },
        (None, Some(price)) => vec![("rent", price)],
        (None, None) => vec![rented(section, accelerator)?],
    };
    Some(Bill {
        usd_per_gpu_h,
        facility_factor: server
            .zip(tdp)
            .map_or(f64::NAN, |(server, tdp)| server / tdp * region.pue.value),
        grams_per_kwh: region.carbon_g_per_kwh.as_ref().map_or(f64::NAN, |grams| grams.value),
        litres_per_joule: region
            .water_l_per_kwh
            .as_ref()
            .and_then(|litres| Some(litres.value * server? / tdp? / 3.6e6))
            .unwrap_or(f64::NAN),
    })
}

/// Power of a chip with its part of the server or rack system, W, where anybody has published it.
pub(in crate::simulation::scenario) fn server_watts(
    accelerator: &Accelerator,
    region: &Region,
) -> Option<f64> {
    let figure = |field| accelerator.value(field).ok();
    figure(Field::ServerPower)
        .or_else(|| Some(figure(Field::FacilityPower)? / region.pue.value))
        .or_else(|| Some(figure(Field::Tdp)? * USUAL_SERVER))
}

/// What is committed to, each replica of so many GPUs; `None` where nothing is.
pub(super) fn commitment(
    section: &Section,
    accelerator: &Accelerator,
    gpus: u32,
    groups: u32,
) -> Option<Commitment> {
    let cost = section.section_by("cost", &COST)?;
    let reserved = cost.has("reserved").then(|| cost.section("reserved"))?;
    let (price, _) = terms(&reserved, accelerator)?;
    Some(Commitment {
        replicas: reserved.integer::<u32>("replicas").saturating_mul(groups),
        usd_per_replica_h: price * f64::from(gpus),
    })
}

/// Holds the terms of a pool's cost against what happens to its replicas.
pub(in crate::simulation::scenario) fn check(
    section: &Section,
    pool: &Pool,
    horizon: Option<SimTime>,
    warnings: &mut Faults,
) {
    if !section.has("cost") {
        return;
    }
    let by_parts = section.section_by("cost", &COST);
    let word = by_parts.is_none().then(|| section.text("cost"));
    let taken_back = pool.fleet.as_ref().is_some_and(|law| law.reclaim.is_some());
    if taken_back && word.is_none_or(|word| ["reserved", "owner"].contains(&word)) {
        let message = "nobody takes back what is owned or committed to, as `failures.spot` says";
        let help = "use `cost = \"spot\"` or a `price`, or remove `failures.spot`";
        section.report(section.fault("cost", message).help(help));
    }
    if word == Some("spot") && !taken_back {
        let message = "spot machines are taken back, and here they never are";
        let help = "give `failures = { spot = { every = \"12 h\", back = \"10 min\" } }`";
        warnings.push(section.fault("cost", message).help(help));
    }
    let reserved = by_parts.as_ref().filter(|cost| cost.has("reserved"));
    let Some((reserved, committed)) =
        reserved.map(|cost| cost.section("reserved")).zip(pool.commitment)
    else {
        return;
    };
    let term_s = reserved.quantity("term");
    if let Some(horizon) = horizon.filter(|horizon| horizon.as_s() > term_s) {
        let message = format!(
            "the run of {} is longer than the commitment of {}",
            format_duration(horizon.as_s()),
            format_duration(term_s)
        );
        reserved.report(reserved.fault("term", message).help("lengthen `term`"));
    }
    if committed.replicas > pool.most_replicas() {
        let most = pool.most_replicas() / pool.attention_groups;
        let message = format!("more is committed to than the {most} replicas that there ever are");
        warnings.push(reserved.fault("replicas", message).help("the rest is paid for nothing"));
    }
}

/// Prices of a GPU-hour that is committed to, and of one on demand; a commitment that saves nothing
/// is refused.
fn terms(reserved: &Section, accelerator: &Accelerator) -> Option<(f64, f64)> {
    let of = |key: &str, field, what: &str| {
        let stated = reserved.optional(key, Section::quantity);
        let price = stated.or_else(|| accelerator.value(field).ok());
        if price.is_none() {
            let message = format!("no {what} of `{}` is published", accelerator.key);
            reserved.report(reserved.fault(key, message).unfit().help("state it"));
        }
        price
    };
    let price = of("price", Field::Reserved, "rent reserved");
    let on_demand = of("on_demand", Field::OnDemand, "rent on demand");
    let (price, on_demand) = (price?, on_demand?);
    if price >= on_demand {
        let message = format!(
            "a committed GPU-hour for {} saves nothing against {} on demand",
            format_usd(price),
            format_usd(on_demand)
        );
        reserved.report(reserved.fault("price", message).help("use `cost = \"on-demand\"`"));
        return None;
    }
    Some((price, on_demand))
}

pub(in crate::simulation::scenario) fn region<'c>(
    section: &Section,
    catalog: &'c Catalog,
) -> Option<&'c Region> {
    let name = section.text("region");
    match catalog.region(name) {
        Ok(region) => Some(region),
        Err(unknown) => {
            section.report(unknown.fault().at(section.place("region")));
            None
        }
    }
}

/// A price of the catalog, with what it is called.
fn rented(section: &Section, accelerator: &Accelerator) -> Option<(&'static str, f64)> {
    let (what, field) = match section.text("cost") {
        "on-demand" => ("rent on demand", Field::OnDemand),
        "reserved" => ("rent reserved", Field::Reserved),
        "spot" => ("spot rent", Field::Spot),
        "owner" => ("owner's cost", Field::OwnerCost),
        other => {
            let fault = Fault::unknown("cost", other, NAMES).at(section.place("cost"));
            section.report(fault.help("or { owned = { years = 5 } } for hardware of your own"));
            return None;
        }
    };
    let price = accelerator.value(field).ok();
    if price.is_none() {
        let message = match field {
            Field::OnDemand => format!("no rent of `{}` is published", accelerator.key),
            _ => format!("no {what} of `{}` is published", accelerator.key),
        };
        let fault = section.fault("price", message).unfit();
        let fault = fault.help("state one: `price = \"$2.49 /h\"` is that of one GPU");
        // Rents are two to ten times that, too wide a range to take one for granted.
        let bought = accelerator.value(Field::Purchase).ok().map(|usd| {
            let hourly = format_usd(usd / (4.0 * 8760.0));
            format!("bought for {}, it costs {hourly} /h over four years", format_usd(usd))
        });
        section.report(bought.into_iter().fold(fault, Fault::help));
    }
    price.map(|price| (what, price))
}

/// Dollars of a GPU-hour that is owned, by their parts.
fn owned(
    section: &Section,
    accelerator: &Accelerator,
    server_w: Option<f64>,
    region: &Region,
) -> Option<Vec<(&'static str, f64)>> {
    let missing = |key: &str, what: &str| {
        let message = format!("no {what} of `{}` is published", accelerator.key);
        section.report(section.fault(key, message).unfit().help("state it"));
    };
    let network = 1.0 + section.quantity("network");
    let capital = section
        .optional("capital", Section::quantity)
        .or_else(|| accelerator.value(Field::ClusterCost).ok())
        .or_else(|| Some(accelerator.value(Field::Purchase).ok()? * network));
    let power_w = section.optional("power", Section::quantity).or(server_w);
    if capital.is_none() {
        missing("capital", "purchase price");
    }
    if power_w.is_none() {
        missing("power", "power");
    }
    let (capital, kw) = (capital?, power_w? / 1000.0);
    let recovery = annuity(section.quantity("interest"), section.quantity("years")) * capital;
    let per_h = |usd_per_year: f64| usd_per_year / 8760.0;
    Some(vec![
        ("capital", per_h(recovery)),
        ("spares", per_h(section.quantity("spares") * capital)),
        ("staff", per_h(section.quantity("staff") * recovery)),
        ("space", section.quantity("space") * kw),
        (Bill::ELECTRICITY, kw * region.pue.value * region.electricity.value),
    ])
}

/// What has to be paid each year for a dollar that is borrowed for `years`.
fn annuity(interest: f64, years: f64) -> f64 {
    match interest {
        0.0 => 1.0 / years,
        rate => rate / (1.0 - libm::pow(1.0 + rate, -years)),
    }
}

/// Whether a figure of an accelerator stands behind the bill of a pool.
pub(super) fn is_used(field: Field, section: &Section, spec: &PoolSpec) -> bool {
    let by_parts = section.section_by("cost", &COST);
    let owned = by_parts.as_ref().is_some_and(|cost| cost.has("owned"));
    let taken = |key: &str| {
        let reserved = by_parts.as_ref().filter(|cost| cost.has("reserved"));
        reserved.is_some_and(|cost| !cost.section("reserved").has(key))
    };
    let rented = |name: &str| {
        by_parts.is_none() && spec.usd_per_gpu_h.is_none() && section.text("cost") == name
    };
    match field {
        Field::OnDemand => rented("on-demand") || taken("on_demand"),
        Field::Reserved => rented("reserved") || taken("price"),
        Field::Spot => rented("spot"),
        Field::OwnerCost => rented("owner"),
        Field::ClusterCost | Field::Purchase => owned,
        Field::ServerPower | Field::Tdp | Field::IdlePower => true,
        _ => false,
    }
}

/// The parts of a bill, for manifests.
pub(super) fn provenance(pool: &str, bill: &Bill) -> Vec<Provenance> {
    let row = |&(part, usd): &(&'static str, f64)| Provenance {
        what: format!("pools.{pool}"),
        figure: format!("cost of a GPU-hour, {part}"),
        value: format!("{} /h", format_usd(usd)),
        low: String::new(),
        high: String::new(),
        source: "worked out from the scenario and the catalog".to_owned(),
        date: String::new(),
        confidence: Confidence::C,
        assumed: true,
        note: String::new(),
    };
    if bill.usd_per_gpu_h.len() < 2 {
        return Vec::new();
    }
    bill.usd_per_gpu_h.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 borrowed at 10 % for 2 years: 57.619 a year, of which 110 and 121 are the present values.
    #[test]
    fn an_annuity_pays_its_debt_back() {
        let paid = annuity(0.1, 2.0) * 100.0;
        assert!((paid - 57.619_047).abs() < 1e-6);
        assert!((paid / 1.1 + paid / 1.21 - 100.0).abs() < 1e-9);
        assert_eq!(annuity(0.0, 4.0), 0.25);
    }
}
