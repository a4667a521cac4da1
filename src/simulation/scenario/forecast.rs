//! `[forecast]`: what is assumed of the years ahead.

use super::reader::{Key, Schema, Section};
use crate::catalog::{Catalog, PriceError};
use crate::foundations::{Dimension, Fault};
use crate::simulation::plan::{ApiPrice, Outlook};

/// Keys of `[forecast]`.
pub static FORECAST: Schema = Schema::new(
    "What is assumed of the years ahead; for `tokenfleet forecast`.",
    &[
        Key::integer("from", 1900, 2200, "the year that the scenario is about").default("2026"),
        Key::integer("years", 1, 30, "how many years ahead").default("5"),
        Key::text("api", "hosted model of the price list that own hardware is held against")
            .optional()
            .example("llama-3.3-70b-versatile"),
        Key::quantity(
            "api_input",
            Dimension::MoneyPerMtok,
            "its price of prompts, instead of that",
        )
        .at_least(0.0)
        .optional()
        .example("$0.60 /Mtok"),
        Key::quantity("api_cached", Dimension::MoneyPerMtok, "its price of prompts it has cached")
            .at_least(0.0)
            .optional()
            .example("$0.06 /Mtok"),
        Key::quantity("api_output", Dimension::MoneyPerMtok, "its price of answers")
            .at_least(0.0)
            .optional()
            .example("$2.40 /Mtok"),
        Key::quantity(
            "demand_growth",
            Dimension::Number,
            "times as many tasks after a year, apart \
             from what falling prices bring",
        )
        .above(0.0)
        .default("2"),
        Key::quantity(
            "elasticity",
            Dimension::Number,
            "percent more tasks where prices rise by one: \
             below -1 cheaper tokens make a larger bill",
        )
        .between(-5.0, 0.0)
        .default("-1.11"),
        Key::quantity(
            "hardware_gain",
            Dimension::Number,
            "times as many tokens for the same dollars \
             and watts, from hardware bought a year later",
        )
        .above(0.0)
        .default("1.49"),
        Key::quantity(
            "software_gain",
            Dimension::Number,
            "times as many tokens from the same \
             hardware after a year",
        )
        .above(0.0)
        .default("1"),
        Key::quantity("refresh", Dimension::Number, "years after which hardware is replaced")
            .between(1.0, 30.0)
            .default("5"),
        Key::quantity(
            "power_limit",
            Dimension::Power,
            "power at the meter that there is at most; by default the site's",
        )
        .above(0.0)
        .optional()
        .example("1 MW"),
        Key::quantity("too_cheap", Dimension::Money, "cost of a task below which nobody meters it")
            .above(0.0)
            .default("$0.01"),
    ],
);

/// Reads what is assumed; `None` where no price is known, which is reported.
pub(super) fn read(section: &Section, catalog: &Catalog, site_w: Option<f64>) -> Option<Outlook> {
    let of = |key| section.optional(key, Section::quantity);
    let stated = (of("api_input"), of("api_cached"), of("api_output"));
    let name = section.optional("api", Section::text);
    let listed = match name.map(|name| catalog.prices().latest(name)) {
        Some(Ok(price)) => Some(price),
        Some(Err(PriceError::Unknown(unknown))) => {
            section.report(unknown.fault().at(section.place("api")));
            return None;
        }
        Some(Err(error)) => {
            section.report(section.fault("api", error.to_string()));
            return None;
        }
        None => None,
    };
    let input = stated.0.or(listed.map(|price| price.input_usd_per_mtok));
    let output = stated.2.or(listed.map(|price| price.output_usd_per_mtok));
    let api = input.zip(output).map(|(input, output)| ApiPrice {
        name: name.unwrap_or("the API").to_owned(),
        date: listed.map(|price| price.from.to_string()).unwrap_or_default(),
        input,
        cached: stated
            .1
            .or(listed.and_then(|price| price.cached_input_usd_per_mtok))
            .unwrap_or(input),
        output,
    });
    if api.is_none() {
        let fault = Fault::new("a forecast holds own hardware against the price of an API");
        let help = "name one, `api = \"deepseek-v4-pro\"`, or give `api_input` and `api_output`";
        section.report(fault.help(help).at(section.place("api")));
    }
    Some(Outlook {
        from: section.integer("from"),
        years: section.integer("years"),
        api: api?,
        demand_growth: section.quantity("demand_growth"),
        elasticity: section.quantity("elasticity"),
        hardware_gain: section.quantity("hardware_gain"),
        software_gain: section.quantity("software_gain"),
        refresh_years: section.quantity("refresh"),
        power_limit_w: of("power_limit").or(site_w),
        too_cheap_usd: section.quantity("too_cheap"),
    })
}
