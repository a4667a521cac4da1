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

use super::PoolSpec;
use crate::catalog::{Accelerator, Catalog, Confidence, Field, Provenance, Region};
use crate::foundations::units::format_usd;
use crate::foundations::{Dimension, Fault};
use crate::simulation::plan::Bill;
use crate::simulation::scenario::reader::{Key, Schema, Section};

/// Keys of `cost` where it is a table.
pub static COST: Schema =
    Schema::new("What a GPU-hour costs its owner.", &[Key::section("owned", &OWNED)]);

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
    let server = figure(Field::ServerPower)
        .or_else(|| Some(figure(Field::FacilityPower)? / region.pue.value))
        .or_else(|| Some(tdp? * USUAL_SERVER));
    if section.has("cost") && spec.usd_per_gpu_h.is_some() {
        let fault = section.fault("cost", "both `price` and `cost` say what a GPU-hour costs");
        section.report(fault.help("remove one of them"));
        return None;
    }
    let usd_per_gpu_h = match (section.section_by("cost", &COST), spec.usd_per_gpu_h) {
        (Some(cost), _) => owned(&cost.section("owned"), accelerator, server, region)?,
        (None, Some(price)) => vec![("rent", price)],
        (None, None) => vec![rented(section, accelerator)?],
    };
    Some(Bill {
        usd_per_gpu_h,
        facility_factor: server
            .zip(tdp)
            .map_or(f64::NAN, |(server, tdp)| server / tdp * region.pue.value),
        grams_per_kwh: region.carbon_g_per_kwh.as_ref().map_or(f64::NAN, |grams| grams.value),
    })
}

fn region<'c>(section: &Section, catalog: &'c Catalog) -> Option<&'c Region> {
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
        ("electricity", kw * region.pue.value * region.electricity.value),
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
    let owned = section.section_by("cost", &COST).is_some();
    let rented =
        |name: &str| !owned && spec.usd_per_gpu_h.is_none() && section.text("cost") == name;
    match field {
        Field::OnDemand => rented("on-demand"),
        Field::Reserved => rented("reserved"),
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
