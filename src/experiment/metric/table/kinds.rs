//! Figures of the usual kinds, and what some of them count.

use super::super::super::totals::{Served, Totals};
use super::super::{Metric, Origin, Scope, Unit};
use crate::simulation::observations::Observations;
use crate::simulation::outcome::AgentTally;

pub(super) const ALL: &[Scope] = &[Scope::Fleet, Scope::Agent, Scope::Tenant, Scope::Pool];
pub(super) const TASKS: &[Scope] = &[Scope::Fleet, Scope::Agent, Scope::Tenant];
pub(super) const EVERY: &[Scope] =
    &[Scope::Fleet, Scope::Agent, Scope::Tenant, Scope::Pool, Scope::Endpoint];
pub(super) const TENANTS: &[Scope] = &[Scope::Tenant];
pub(super) const HOSTED: &[Scope] = &[Scope::Endpoint];
/// Whoever gets a bill: an endpoint's, or a tenant's.
pub(super) const BILLED: &[Scope] = &[Scope::Endpoint, Scope::Tenant];
pub(super) const SERVERS: &[Scope] = &[Scope::Fleet, Scope::Pool];

/// Microseconds in a second.
pub(super) const MICRO: f64 = 1e6;
/// Nanoseconds in a second.
pub(super) const NANO: f64 = 1e9;

pub(super) const fn observed(
    key: &'static str,
    unit: Unit,
    per_unit: f64,
    of: fn(&AgentTally) -> &Observations,
    meaning: &'static str,
) -> Metric {
    Metric {
        key,
        unit,
        origin: Origin::Observed { of, per_unit, lost: |_| 0 },
        scopes: TASKS,
        meaning,
    }
}

/// A latency, where `lost` says what never came.
pub(super) const fn latency(
    key: &'static str,
    of: fn(&AgentTally) -> &Observations,
    lost: fn(&AgentTally) -> u64,
    meaning: &'static str,
) -> Metric {
    let origin = Origin::Observed { of, per_unit: MICRO, lost };
    Metric { key, unit: Unit::Seconds, origin, scopes: TASKS, meaning }
}

pub(super) const fn ratio(
    key: &'static str,
    unit: Unit,
    scopes: &'static [Scope],
    of: fn(&Totals<'_>) -> (f64, f64),
    meaning: &'static str,
) -> Metric {
    Metric { key, unit, origin: Origin::Ratio(of), scopes, meaning }
}

/// A sum over the measured window of a trial.
pub(super) const fn sum(
    key: &'static str,
    unit: Unit,
    scopes: &'static [Scope],
    of: fn(&Served) -> f64,
    meaning: &'static str,
) -> Metric {
    Metric { key, unit, origin: Origin::Sum(of), scopes, meaning }
}

/// Attempts that failed on the way, at the server or before an open circuit breaker.
pub(super) fn failed_attempts(tally: &AgentTally) -> u64 {
    let refused = tally.breaker_refusals + tally.throttled + tally.unavailable;
    tally.transport_errors + tally.timeouts + refused
}

/// Attempts that were refused, timed out or had no answer when the trial ended. Those that never
/// reached a server, and those that their own task gave up, are not the servers' fault.
pub(super) fn unanswered_attempts(tally: &AgentTally) -> u64 {
    let explained = tally.calls + tally.abandoned + tally.transport_errors;
    tally.attempts.saturating_sub(explained)
}

/// Calls that failed in every attempt, or had no answer when the trial ended.
pub(super) fn unanswered_calls(tally: &AgentTally) -> u64 {
    let ended = tally.calls + tally.abandoned + failed_attempts(tally);
    tally.calls_failed + tally.attempts.saturating_sub(ended)
}

pub(super) const fn proportion(
    key: &'static str,
    of: fn(&AgentTally) -> (u64, u64),
    meaning: &'static str,
) -> Metric {
    Metric { key, unit: Unit::Share, origin: Origin::Proportion(of), scopes: TASKS, meaning }
}

pub(super) const fn per_observed(
    key: &'static str,
    top: fn(&AgentTally) -> &Observations,
    bottom: fn(&AgentTally) -> &Observations,
    meaning: &'static str,
) -> Metric {
    let origin = Origin::PerObserved { top, bottom };
    Metric { key, unit: Unit::Ratio, origin, scopes: TASKS, meaning }
}
