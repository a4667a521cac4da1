//! One trial in figures: few enough to keep for thousands of trials, and what is merged of it.

use crate::foundations::histogram::Histogram;
use crate::simulation::Cause;
use crate::simulation::TrialOutcome;
use crate::simulation::observations::Observations;
use crate::simulation::outcome::{AgentTally, Conservation};
use crate::simulation::plan::Plan;
use crate::simulation::series::Series;
use crate::simulation::task_sample::TaskSample;

use super::evidence::{Evidence, NANO, QUANTILES, Spread, Value};
use super::metric::{METRICS, Metric, Origin, Scope};
use super::objective::Objective;
use super::totals::{Served, Totals, charge, peak_watts};

/// One trial.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TrialRow {
    /// Its number, from 0.
    pub trial: u64,
    /// Start and end of the measured window, s.
    pub window_s: (f64, f64),
    /// Whether the drain limit cut tasks off.
    pub drain_cut: bool,
    /// By part: the value of every metric, in the order of [`METRICS`].
    pub parts: Vec<Vec<Value>>,
    /// The value of every objective, infinite where too much was lost; not a number where nothing
    /// was observed.
    pub objectives: Vec<f64>,
    /// Tasks that count.
    pub started: u64,
    /// Those of them that succeeded.
    pub succeeded: u64,
    /// Those of them that failed, by [`Cause`].
    pub failed: [u64; Cause::ALL.len()],
    /// Those of them that were under way at the end.
    pub in_flight: u64,
    /// Tasks that ended in the measured window, whenever they started.
    pub finished_in_window: u64,
    /// Sums that must agree.
    pub conservation: Conservation,
    /// LLM calls, answered or not, warm-up included.
    pub calls: u64,
    /// Events handled.
    pub events: u64,
    /// Engine iterations of all replicas.
    pub steps: u64,
    /// Leaps over one or more of them.
    pub leaps: u64,
}

/// A trial taken apart: what is kept of it, and what is merged with other trials.
#[derive(Debug)]
pub struct Digest {
    /// Kept.
    pub row: TrialRow,
    /// Merged, by part.
    pub evidence: Vec<Evidence>,
    /// Merged.
    pub series: Series,
    /// Merged.
    pub tasks: TaskSample,
}

impl Digest {
    /// Takes a trial apart.
    pub fn new(plan: &Plan, objectives: &[Objective], outcome: TrialOutcome) -> Self {
        let window_s = outcome.window_s.1 - outcome.window_s.0;
        let pools = plan.pools.iter().zip(&outcome.pools);
        let mut served: Vec<_> =
            pools.map(|(pool, tally)| Served::by_pool(pool, tally, window_s)).collect();
        charge(plan, &outcome.series, outcome.window_s, &mut served);
        let hosted: Vec<_> = outcome.endpoints.iter().map(Served::by_endpoint).collect();
        let fleet_served =
            served.iter().chain(&hosted).fold(Served::NONE, |sum, pool| sum.plus(pool));
        let (peak_w, peaks_w) = peak_watts(plan, &outcome.series, outcome.window_s);
        let (mut steps, mut leaps) = (0, 0);
        let mut fleet = Evidence::default();
        for pool in &outcome.pools {
            fleet.gaps.merge(&pool.inter_token);
            steps += pool.usage.steps;
            leaps += pool.usage.leaps;
        }
        for agent in &outcome.agents {
            fleet.tally.merge(agent);
        }
        let mut parts = vec![(fleet_served, Scope::Fleet, peak_w)];
        let mut evidence = vec![];
        for tally in outcome.agents {
            let served = fleet_served.share_of(&tally, &fleet.tally);
            let usd = borne_dollars(&tally, &served);
            fleet.usd.merge(&usd);
            parts.push((served, Scope::Agent, f64::NAN));
            evidence.push(Evidence { tally, usd, ..Evidence::default() });
        }
        let tenants: Vec<_> = (0..plan.tenants.len())
            .map(|tenant| {
                let mut all = Evidence::default();
                plan.agents_of(tenant).for_each(|agent| all.merge(&evidence[agent]));
                (fleet_served.share_of(&all.tally, &fleet.tally), all)
            })
            .collect();
        for ((pool, served), peak_w) in outcome.pools.into_iter().zip(served).zip(peaks_w) {
            parts.push((served, Scope::Pool, peak_w));
            evidence.push(Evidence { gaps: pool.inter_token, ..Evidence::default() });
        }
        for served in hosted {
            parts.push((served, Scope::Endpoint, f64::NAN));
            evidence.push(Evidence::default());
        }
        for (served, all) in tenants {
            parts.push((served, Scope::Tenant, f64::NAN));
            evidence.push(all);
        }
        evidence.insert(0, fleet);
        let values = |(&(served, scope, peak_w), evidence): (&(Served, Scope, f64), &Evidence)| {
            let bill_usd = fleet_served.spent_usd;
            let totals = Totals { window_s, tally: &evidence.tally, served, bill_usd, peak_w };
            METRICS.iter().map(|metric| value(metric, scope, &totals, evidence)).collect()
        };
        let rows: Vec<Vec<Value>> = parts.iter().zip(&evidence).map(values).collect();
        let judge = |objective: &Objective| match objective.place_in(plan) {
            Some(at) => objective.judge(rows[at][objective.metric.index()].get(), &evidence[at]),
            None => f64::NAN,
        };
        let all = &evidence[0].tally;
        let row = TrialRow {
            trial: outcome.trial,
            window_s: outcome.window_s,
            drain_cut: outcome.drain_cut,
            objectives: objectives.iter().map(judge).collect(),
            started: all.started,
            succeeded: all.succeeded,
            failed: all.failed,
            in_flight: all.in_flight,
            finished_in_window: all.finished_in_window,
            conservation: outcome.conservation,
            calls: outcome.requests,
            events: outcome.events,
            steps,
            leaps,
            parts: rows,
        };
        Self { row, evidence, series: outcome.series, tasks: outcome.tasks }
    }
}

/// Dollars of finished tasks: their charges, stretched so that all dollars of the window are borne
/// by the tasks that ended in it.
fn borne_dollars(tally: &AgentTally, served: &Served) -> Histogram {
    let charges = &tally.charge_per_task.histogram;
    let stretch = served.spent_usd * NANO / tally.finished_in_window as f64 / charges.mean();
    let mut borne = Histogram::default();
    if stretch.is_finite() {
        for bucket in charges.iter() {
            let charge = f64::midpoint(bucket.low as f64, bucket.high as f64);
            borne.record_n(libm::round(charge * stretch) as u64, bucket.count);
        }
    }
    borne
}

fn value(metric: &Metric, scope: Scope, totals: &Totals<'_>, evidence: &Evidence) -> Value {
    if !metric.applies_to(scope) {
        return Value::UNKNOWN;
    }
    let histogram = evidence.histogram(metric);
    let spread = histogram.map(|(histogram, per_unit)| Spread {
        count: histogram.count(),
        quantiles: QUANTILES.map(|p| histogram.quantile(p) as f64 / per_unit),
    });
    let sum = |observations: &Observations| observations.histogram.sum() as f64;
    let (top, bottom) = match metric.origin {
        Origin::Ratio(of) => of(totals),
        Origin::Sum(of) => (of(&totals.served), 1.0),
        Origin::Proportion(of) => {
            let (some, all) = of(totals.tally);
            (some as f64, all as f64)
        }
        Origin::PerObserved { top, bottom } => (sum(top(totals.tally)), sum(bottom(totals.tally))),
        Origin::Dollars => (totals.served.spent_usd, totals.tally.finished_in_window as f64),
        Origin::Observed { .. } | Origin::Gaps => histogram
            .map_or((f64::NAN, 0.0), |(h, per_unit)| (h.sum() as f64 / per_unit, h.count() as f64)),
    };
    Value { top, bottom, spread }
}
