//! `summary.json`: every figure of every variant, for programs to read.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::table;
use super::uncertainty::Uncertainty;
use crate::experiment::model_error::{Band, BandBasis, ModelError, band, share_of};
use crate::experiment::{Answer, Answers, Figure, Objective, Scope, Verdict};
use crate::simulation::plan::Pool;

/// The whole file. What is not known or not finite is null.
#[derive(Debug, serde::Serialize)]
pub struct Summary<'a> {
    /// The scenario's name.
    pub scenario: &'a str,
    /// The answer in a sentence or two.
    pub answer: String,
    /// Its variants, in its order.
    pub variants: Vec<VariantSummary<'a>>,
}

/// One variant.
#[derive(Debug, serde::Serialize)]
pub struct VariantSummary<'a> {
    /// Its name.
    pub name: &'a str,
    /// Figures of the fleet.
    pub metrics: Metrics<'a>,
    /// Figures by kind of agent.
    pub agents: Named<Metrics<'a>>,
    /// Figures by tenant, where several are named.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub tenants: Named<Metrics<'a>>,
    /// Figures by pool.
    pub pools: Named<Metrics<'a>>,
    /// Figures by hosted endpoint.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub endpoints: Named<Metrics<'a>>,
    /// The model's own error, by pool: what more trials do not narrow.
    model_error: Named<ModelErrorSummary>,
    /// Objectives, met or missed.
    pub objectives: Vec<ObjectiveSummary<'a>>,
    /// Sums that must agree, over all trials.
    pub conservation: ConservationSummary,
    /// What is not known, where anything is.
    #[serde(skip_serializing_if = "Option::is_none")]
    uncertainty: Option<Uncertainty<'a>>,
    /// What to beware of.
    pub warnings: &'a [String],
}

/// The figures of one part, by name.
#[derive(Clone, Copy, Debug)]
pub struct Metrics<'a> {
    answer: &'a Answer<'a>,
    part: usize,
}

/// Values by name, in the scenario's order.
#[derive(Debug)]
pub struct Named<T>(Vec<(String, T)>);

/// One figure.
#[derive(Debug, serde::Serialize)]
struct MetricSummary {
    mean: Option<f64>,
    ci_low: Option<f64>,
    ci_high: Option<f64>,
    p50: Option<f64>,
    p90: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
    n: u64,
    unit: &'static str,
    /// Where the mean may lie for what the model gets wrong; latencies and throughput only.
    #[serde(skip_serializing_if = "Option::is_none")]
    model_low: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_high: Option<f64>,
}

/// The model's own error in the latencies of a pool.
#[derive(Debug, serde::Serialize)]
struct ModelErrorSummary {
    tpot_s: BandSummary,
    ttft_s: BandSummary,
}

/// How far a latency may be off, and how that is known.
#[derive(Debug, serde::Serialize)]
struct BandSummary {
    /// As a share of what is measured.
    error: f64,
    basis: BandBasis,
    /// Measured rows behind it.
    rows: u32,
    told: String,
}

/// One objective.
#[derive(Debug, serde::Serialize)]
pub struct ObjectiveSummary<'a> {
    name: &'a str,
    metric: &'static str,
    statistic: String,
    bound: &'static str,
    limit: f64,
    unit: &'static str,
    /// What was judged; null where it is infinite or nothing was observed.
    value: Option<f64>,
    /// Whether so much failed or never ended that the value is infinite.
    infinite: bool,
    ci_low: Option<f64>,
    ci_high: Option<f64>,
    met: bool,
    /// Whether the model's own error spans the limit.
    within_model_error: bool,
    /// Part of the trials that meet it by themselves, and where its probability lies.
    probability: Option<f64>,
    probability_low: Option<f64>,
    probability_high: Option<f64>,
    trials_met: u64,
    trials: u64,
}

/// Sums over all trials, warm-up and drain included; dollars over the measured windows.
#[derive(Debug, Default, serde::Serialize)]
pub struct ConservationSummary {
    holds: bool,
    tasks_started: u64,
    tasks_succeeded: u64,
    tasks_failed: u64,
    tasks_in_flight: u64,
    tokens_asked: u64,
    tokens_produced: u64,
    tokens_cancelled: u64,
    tokens_in_flight: u64,
    kv_blocks_total: u64,
    kv_blocks_available: u64,
    kv_blocks_held: u64,
    replica_busy_s: f64,
    replica_charged_s: f64,
    usd_spent: Option<f64>,
    usd_charged: Option<f64>,
    usd_idle: Option<f64>,
    /// For the highest draw from the grid, where a tariff charges it apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    usd_demand: Option<f64>,
}

impl Serialize for Metrics<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let part = &self.answer.parts[self.part];
        for (metric, figure) in self.answer.figures_of(self.part) {
            let share = share_of(self.answer.plan, part, metric.key);
            map.serialize_entry(metric.key, &summary_of(figure, metric.unit.text(), share))?;
        }
        map.end()
    }
}

impl<T> Named<T> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

fn summary_of(figure: &Figure, unit: &'static str, share: Option<f64>) -> MetricSummary {
    let model = figure.mean.zip(share).map(|(mean, share)| band(mean, share));
    let [p50, p90, p95, p99] = figure.quantiles.map(|quantile| quantile.map(|q| q.value));
    MetricSummary {
        mean: figure.mean,
        ci_low: figure.interval.map(|interval| interval.low),
        ci_high: figure.interval.map(|interval| interval.high),
        p50,
        p90,
        p95,
        p99,
        n: figure.n,
        unit,
        model_low: model.map(|model| model.low),
        model_high: model.map(|model| model.high),
    }
}

fn error_of(pool: &Pool) -> ModelErrorSummary {
    let ModelError { tpot, ttft } = ModelError::of(pool);
    let [tpot_s, ttft_s] = [tpot, ttft].map(|Band { error, basis, rows, told }| BandSummary {
        error,
        basis,
        rows,
        told,
    });
    ModelErrorSummary { tpot_s, ttft_s }
}

fn objective_of<'a>(objective: &'a Objective, verdict: &Verdict) -> ObjectiveSummary<'a> {
    let some = verdict.trials > 0;
    ObjectiveSummary {
        name: &objective.name,
        metric: objective.metric.key,
        statistic: objective.statistic.to_string(),
        bound: if objective.at_least { "at least" } else { "at most" },
        limit: objective.limit,
        unit: objective.metric.unit.text(),
        value: verdict.value.is_finite().then_some(verdict.value),
        infinite: verdict.value.is_infinite(),
        ci_low: verdict.interval.map(|interval| interval.low),
        ci_high: verdict.interval.map(|interval| interval.high),
        met: verdict.met,
        within_model_error: verdict.is_within_model_error(objective.limit),
        probability: some.then(|| verdict.trials_met as f64 / verdict.trials as f64),
        probability_low: some.then_some(verdict.probability.low),
        probability_high: some.then_some(verdict.probability.high),
        trials_met: verdict.trials_met,
        trials: verdict.trials,
    }
}

fn conservation_of(answer: &Answer<'_>) -> ConservationSummary {
    let mut sums = ConservationSummary { holds: true, ..ConservationSummary::default() };
    let (mut busy_ps, mut charged_ps) = (0, 0);
    for row in &answer.rows {
        let found = &row.conservation;
        sums.holds &= found.violations().is_empty();
        sums.tasks_started += found.tasks_started;
        sums.tasks_succeeded += found.tasks_succeeded;
        sums.tasks_failed += found.tasks_failed;
        sums.tasks_in_flight += found.tasks_in_flight;
        sums.tokens_asked += found.tokens_asked;
        sums.tokens_produced += found.tokens_produced;
        sums.tokens_cancelled += found.tokens_cancelled;
        sums.tokens_in_flight += found.tokens_in_flight;
        sums.kv_blocks_total += found.blocks_total;
        sums.kv_blocks_available += found.blocks_available;
        sums.kv_blocks_held += found.blocks_held;
        busy_ps += found.busy_ps;
        charged_ps += found.charged_ps;
    }
    sums.replica_busy_s = busy_ps as f64 / 1e12;
    sums.replica_charged_s = charged_ps as f64 / 1e12;
    if let Some(spent) = answer.total(0, "idle_usd_share", |value| value.bottom) {
        let idle = answer.total(0, "idle_usd_share", |value| value.top);
        sums.usd_spent = Some(spent);
        sums.usd_idle = idle;
        sums.usd_demand = answer.total(0, "demand_usd_share", |value| value.top);
        sums.usd_demand = sums.usd_demand.filter(|usd| *usd > 0.0);
        let demand = sums.usd_demand.unwrap_or(0.0);
        sums.usd_charged = idle.map(|idle| spent - idle - demand);
    }
    sums
}

impl<'a> Summary<'a> {
    /// The summary of these answers.
    pub fn new(answers: &'a Answers<'_>) -> Self {
        let variants = answers.variants.iter();
        let variants = variants.map(|answer| VariantSummary::new(answer, answers));
        Self {
            scenario: answers.scenario,
            answer: table::in_words(answers),
            variants: variants.collect(),
        }
    }

    /// As indented JSON with a line break at its end.
    ///
    /// # Errors
    /// When `serde_json` cannot write it; no value in it gives reason to.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|json| json + "\n")
    }
}

impl<'a> VariantSummary<'a> {
    fn new(answer: &'a Answer<'_>, of: &'a Answers<'_>) -> Self {
        let (objectives, confidence) = (of.objectives, of.confidence);
        let metrics = |part: usize| Metrics { answer, part };
        let named = |scope| {
            let parts = answer.parts_of(scope);
            Named(parts.map(|(part, name)| (name.to_owned(), metrics(part))).collect())
        };
        let verdicts = objectives.iter().zip(&answer.verdicts);
        Self {
            name: &answer.plan.name,
            metrics: metrics(0),
            agents: named(Scope::Agent),
            tenants: named(Scope::Tenant),
            pools: named(Scope::Pool),
            endpoints: named(Scope::Endpoint),
            model_error: Named(
                answer.plan.pools.iter().map(|pool| (pool.name.clone(), error_of(pool))).collect(),
            ),
            objectives: verdicts
                .map(|(objective, verdict)| objective_of(objective, verdict))
                .collect(),
            conservation: conservation_of(answer),
            uncertainty: Uncertainty::new(answer, confidence),
            warnings: &answer.warnings,
        }
    }
}
