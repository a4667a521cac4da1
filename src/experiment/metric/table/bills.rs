//! What endpoints charge, what tenants bear, and what a tariff takes for the highest draw.

use super::super::super::totals::Totals;
use super::super::{Metric, Unit};
use super::kinds::*;

/// Figures of bills.
pub(in super::super) const BILLS: [Metric; 12] = [
    sum(
        "requests",
        Unit::Requests,
        HOSTED,
        |t| t.requests,
        "calls sent to it in the measured window",
    ),
    ratio(
        "throttled_share",
        Unit::Share,
        HOSTED,
        |t| (t.served.throttled, t.served.requests),
        "calls that its limits refused (429), over calls sent to it",
    ),
    ratio(
        "unavailable_share",
        Unit::Share,
        HOSTED,
        |t| (t.served.unavailable, t.served.requests),
        "calls refused or broken off because it was out of service, over calls sent to it",
    ),
    ratio(
        "tasks",
        Unit::Tasks,
        TENANTS,
        |t| (t.tally.finished_in_window as f64, 1.0),
        "tasks of a tenant that ended in the measured window",
    ),
    sum(
        "input_tokens",
        Unit::Tokens,
        BILLED,
        |t| t.input_tokens,
        "prompt tokens in the measured window that an endpoint charged for, or that were a tenant's, \
         cached included",
    ),
    sum(
        "cached_tokens",
        Unit::Tokens,
        BILLED,
        |t| t.cached_tokens,
        "part of them that a prefix cache held",
    ),
    sum(
        "output_tokens",
        Unit::Tokens,
        BILLED,
        |t| t.output_tokens,
        "tokens that an endpoint, or servers for a tenant, produced in the measured window",
    ),
    sum(
        "usd_spent",
        Unit::Usd,
        BILLED,
        |t| t.spent_usd,
        "dollars of the measured window that an endpoint charged, or that are a tenant's part of the \
         bill, idle time included",
    ),
    ratio(
        "bill_share",
        Unit::Share,
        TENANTS,
        |t| (t.served.spent_usd, t.bill_usd),
        "a tenant's part of all dollars of the measured window: its part of what tasks were charged",
    ),
    ratio(
        "usd_demand_per_h",
        Unit::UsdPerHour,
        SERVERS,
        |t| (t.served.demand_usd * 3600.0, charged(t, t.window_s)),
        "dollars per hour for the highest draw from the grid, by a tariff that charges it apart from \
         energy",
    ),
    ratio(
        "demand_usd_share",
        Unit::Share,
        SERVERS,
        |t| (t.served.demand_usd, charged(t, t.served.spent_usd)),
        "those dollars over all dollars",
    ),
    ratio(
        "demand_power_w",
        Unit::Watts,
        SERVERS,
        |t| (t.served.demand_w, charged(t, 1.0)),
        "that draw at the facility's meter: the highest mean over the tariff's interval; of a pool, \
         its part of it",
    ),
];

/// What is behind a figure of a tariff; nothing where none charges for a draw.
fn charged(t: &Totals<'_>, whole: f64) -> f64 {
    if t.served.demand_usd > 0.0 { whole } else { 0.0 }
}
