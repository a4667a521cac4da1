//! What endpoints charge, and what tenants bear.

use super::super::{Metric, Unit};
use super::kinds::*;

/// Figures of bills.
pub(in super::super) const BILLS: [Metric; 9] = [
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
];
