//! Tables for programs: trials, tasks, load over time, and all figures in a row each.
//!
//! A figure of one kind of agent or one pool has a column of its own, `agents.coder.usd_per_task`;
//! a variant without that agent leaves it empty, as does a figure that is not known.

use std::io::Write;

use crate::experiment::{Answer, Answers, METRICS, Metric, Part, QUANTILES, Scope, Unit};
use crate::foundations::Interval;
use crate::serving::endpoint::EndpointUsage;
use crate::simulation::Cause;
use crate::simulation::outcome::PICO_PER_USD;
use crate::simulation::plan::{Plan, Pool};
use crate::simulation::series::{Bin, PoolBin};

/// A number in the fewest digits that read back as the same; empty where it is not finite.
pub fn number(value: f64) -> String {
    match value {
        v if !v.is_finite() => String::new(),
        v if v != 0.0 && !(1e-5..1e16).contains(&v.abs()) => format!("{v:e}"),
        v => v.to_string(),
    }
}

fn optional(value: Option<f64>) -> String {
    value.map_or_else(String::new, number)
}

/// A writer of rows that end in a line break alone.
pub fn writer<W: Write>(out: W) -> csv::Writer<W> {
    csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(out)
}

/// The parts of all variants, each once, in the order in which they first appear by scope.
fn all_parts(answers: &Answers<'_>) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for scope in [Scope::Fleet, Scope::Agent, Scope::Tenant, Scope::Pool, Scope::Endpoint] {
        for part in answers.variants.iter().flat_map(|variant| &variant.parts) {
            if part.scope == scope && !parts.contains(part) {
                parts.push(part.clone());
            }
        }
    }
    parts
}

/// A column of `trials.csv`: a figure of a part, or a quantile of it.
struct TrialColumn<'a> {
    part: &'a Part,
    metric: &'static Metric,
    quantile: Option<usize>,
}

/// Quantiles that `trials.csv` states of times: p50, p95, p99.
const OF_TIMES: [usize; 3] = [0, 2, 3];

impl TrialColumn<'_> {
    fn name(&self) -> String {
        let quantile = self.quantile.map(|at| format!("_p{:.0}", QUANTILES[at] * 100.0));
        format!("{}{}{}", self.part.prefix(), self.metric.key, quantile.unwrap_or_default())
    }

    fn value(&self, answer: &Answer<'_>, row: usize) -> Option<f64> {
        let part = answer.parts.iter().position(|part| part == self.part)?;
        let value = &answer.rows[row].parts[part][self.metric.index()];
        match self.quantile {
            None => value.get(),
            Some(at) => value.spread.map(|spread| spread.quantiles[at]),
        }
    }
}

/// What is uncertain in any variant.
fn unknowns<'a>(answers: &'a Answers<'_>) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for uncertain in answers.variants.iter().filter_map(|answer| answer.plan.uncertain.as_ref()) {
        for input in &uncertain.inputs {
            if !names.contains(&input.name.as_str()) {
                names.push(&input.name);
            }
        }
    }
    names
}

/// What was drawn for a trial under this name.
fn drawn(answer: &Answer<'_>, trial: u64, name: &str) -> String {
    let found = answer.plan.uncertain.as_ref().and_then(|uncertain| {
        let input = uncertain.inputs.iter().position(|input| input.name == name)?;
        uncertain.draws.get(trial as usize)?.values.get(input)
    });
    found.cloned().unwrap_or_default()
}

/// `trials.csv`: a row for each variant and trial.
///
/// # Errors
/// When writing fails.
pub fn trials(answers: &Answers<'_>, out: impl Write) -> csv::Result<()> {
    let parts = all_parts(answers);
    let mut columns = Vec::new();
    for part in &parts {
        for metric in METRICS.iter().filter(|metric| metric.applies_to(part.scope)) {
            if !answers.speaks_of(metric) {
                continue;
            }
            columns.push(TrialColumn { part, metric, quantile: None });
            if metric.unit == Unit::Seconds && metric.is_observed() {
                columns.extend(OF_TIMES.map(|at| TrialColumn { part, metric, quantile: Some(at) }));
            }
        }
    }
    let counts = ["variant", "trial", "window_s", "tasks_started", "tasks_succeeded"];
    let fates = Cause::ALL.iter().map(|(_, name)| format!("tasks_failed_{name}"));
    let objectives = answers.objectives.iter().map(|o| format!("objectives.{}", o.name));
    let unknowns = unknowns(answers);
    let mut out = writer(out);
    out.write_record(
        counts
            .map(str::to_owned)
            .into_iter()
            .chain(fates)
            .chain(["tasks_in_flight".to_owned()])
            .chain(objectives)
            .chain(columns.iter().map(TrialColumn::name))
            .chain(unknowns.iter().map(|name| format!("uncertain.{name}"))),
    )?;
    for answer in &answers.variants {
        for (index, row) in answer.rows.iter().enumerate() {
            let counts = [
                answer.plan.name.clone(),
                row.trial.to_string(),
                number(row.window_s.1 - row.window_s.0),
                row.started.to_string(),
                row.succeeded.to_string(),
            ];
            let fates = row.failed.iter().chain([&row.in_flight]).map(u64::to_string);
            let objectives = row.objectives.iter().copied().map(number);
            let figures = columns.iter().map(|column| optional(column.value(answer, index)));
            let drawn = unknowns.iter().map(|name| drawn(answer, row.trial, name));
            let row = counts.into_iter().chain(fates).chain(objectives).chain(figures);
            out.write_record(row.chain(drawn))?;
        }
    }
    out.flush()?;
    Ok(())
}

/// `tasks.csv`: a row for each task of the sample; `stands_for` says how many tasks a row is one of,
/// `tenant` whose it is where several are named.
///
/// # Errors
/// When writing fails.
pub fn tasks(answers: &Answers<'_>, out: impl Write) -> csv::Result<()> {
    let mut out = writer(out);
    let names_tenants = answers.variants.iter().any(|answer| !answer.plan.tenants.is_empty());
    let head = ["variant", "trial", "task", "agent"];
    let rest = [
        "outcome",
        "started_s",
        "latency_s",
        "llm_calls",
        "tool_calls",
        "input_tokens",
        "cached_tokens",
        "output_tokens",
        "reasoning_tokens",
        "usd_busy",
        "stands_for",
    ];
    let tenant = names_tenants.then_some("tenant");
    out.write_record(head.into_iter().chain(tenant).chain(rest))?;
    for answer in &answers.variants {
        let rows = answer.tasks.rows();
        let stands_for = number(answer.tasks.seen() as f64 / rows.len() as f64);
        for row in rows {
            let outcome = row.cause.map_or("success", |cause| Cause::ALL[cause as usize].1);
            let agents = &answer.plan.populations[row.population as usize];
            let tenant = answer.plan.tenants.get(usize::from(agents.claim.tenant));
            let tenant = names_tenants.then(|| tenant.map_or("", String::as_str));
            let (trial, task) = (row.trial.to_string(), row.task.to_string());
            let head = [answer.plan.name.as_str(), &trial, &task, &agents.name];
            let rest = [
                outcome,
                &number(row.started_s),
                &number(row.latency_s),
                &row.calls.to_string(),
                &row.tool_calls.to_string(),
                &row.input_tokens.to_string(),
                &row.cached_tokens.to_string(),
                &row.output_tokens.to_string(),
                &row.reasoning_tokens.to_string(),
                &number(row.usd),
                &stands_for,
            ];
            out.write_record(head.into_iter().chain(tenant).chain(rest))?;
        }
    }
    out.flush()?;
    Ok(())
}

/// `distributions.csv`: a row for each variant and fraction `p`, and for every observed figure the
/// value that this part of all its observations, over all trials, does not exceed.
///
/// # Errors
/// When writing fails.
pub fn distributions(answers: &Answers<'_>, out: impl Write) -> csv::Result<()> {
    let parts = all_parts(answers);
    let mut columns: Vec<(&Part, &'static Metric)> = Vec::new();
    for part in &parts {
        let metrics = METRICS.iter().filter(|m| m.is_observed() && m.applies_to(part.scope));
        columns.extend(metrics.map(|metric| (part, metric)));
    }
    let names = columns.iter().map(|(part, metric)| format!("{}{}", part.prefix(), metric.key));
    let mut out = writer(out);
    out.write_record(["variant".to_owned(), "p".to_owned()].into_iter().chain(names))?;
    for answer in &answers.variants {
        for p in fractions() {
            let figures = columns.iter().map(|(part, metric)| {
                let at = answer.parts.iter().position(|own| own == *part)?;
                let (histogram, per_unit) = answer.evidence[at].histogram(metric)?;
                Some(histogram.quantile(p) as f64 / per_unit)
            });
            let name = [answer.plan.name.clone(), number(p)];
            out.write_record(name.into_iter().chain(figures.map(optional)))?;
        }
    }
    out.flush()?;
    Ok(())
}

/// Every fiftieth, and closer at the ends.
pub fn fractions() -> impl Iterator<Item = f64> {
    let middle = (1..50).map(|step| f64::from(step) / 50.0);
    [0.001, 0.005, 0.01].into_iter().chain(middle).chain([0.99, 0.995, 0.999])
}

/// A column of `timeseries.csv` about a pool.
type PoolColumn = (&'static str, fn(&Pool, &PoolBin, f64) -> f64);

/// Columns about a pool, from what it did in so many picoseconds (summed over trials).
const POOL_COLUMNS: [PoolColumn; 10] = [
    ("utilization", |pool, bin, ps| bin.busy_ps as f64 / ps / paid(pool, bin, ps)),
    ("batch_size", |_, bin, _| bin.batch_ps as f64 / bin.busy_ps as f64),
    ("queue_length", |_, bin, ps| bin.waiting_ps as f64 / ps),
    ("kv_occupancy", |pool, bin, ps| {
        let tokens = pool.replica.kv_blocks as f64 * f64::from(pool.replica.block);
        bin.kv_token_ps as f64 / ps / paid(pool, bin, ps) / tokens
    }),
    ("compute_utilization", |pool, bin, ps| {
        bin.flops as f64 / (ps / 1e12) / paid(pool, bin, ps) / pool.peak_flops
    }),
    ("hbm_bandwidth_saturation", |pool, bin, ps| {
        bin.bytes as f64 / (ps / 1e12) / paid(pool, bin, ps) / pool.bandwidth
    }),
    ("prefix_hit_rate", |_, bin, _| bin.cached_tokens as f64 / bin.prompt_tokens as f64),
    ("input_tokens_per_s", |_, bin, ps| bin.prompt_tokens as f64 / (ps / 1e12)),
    ("output_tokens_per_s", |_, bin, ps| bin.output_tokens as f64 / (ps / 1e12)),
    ("usd_per_h", usd_per_h),
];

/// Replicas that were paid for, on average.
fn paid(pool: &Pool, bin: &PoolBin, ps: f64) -> f64 {
    f64::from(pool.most_replicas()) - bin.unpaid_ps as f64 / ps
}

/// Dollars per hour of a pool.
fn usd_per_h(pool: &Pool, bin: &PoolBin, ps: f64) -> f64 {
    let rented = paid(pool, bin, ps);
    match &pool.commitment {
        None => pool.usd_per_replica_h * rented,
        Some(_) => {
            let spare = f64::from(pool.spare()).max(bin.spare_ps as f64 / ps);
            pool.usd(3600.0, 3600.0 * rented, 3600.0 * spare)
        }
    }
}

/// Dollars per hour of all pools.
fn price(plan: &Plan, bin: &Bin, ps: f64) -> f64 {
    let pools = plan.pools.iter().zip(&bin.pools);
    pools.map(|(pool, bin)| usd_per_h(pool, bin, ps)).sum()
}

/// Dollars that endpoints charged in a bin, over all trials.
fn hosted_usd(bin: &Bin) -> f64 {
    bin.endpoints.iter().map(|usage| usage.spent_pico as f64 / PICO_PER_USD).sum()
}

/// A column of `timeseries.csv` about an endpoint.
type EndpointColumn = (&'static str, fn(&EndpointUsage, f64) -> f64);

/// Columns about an endpoint, from what it did in so many picoseconds (summed over trials).
const ENDPOINT_COLUMNS: [EndpointColumn; 5] = [
    ("requests_per_s", |usage, ps| usage.requests as f64 / (ps / 1e12)),
    ("throttled_share", |usage, _| usage.throttled as f64 / usage.requests as f64),
    ("unavailable_share", |usage, _| usage.unavailable as f64 / usage.requests as f64),
    ("output_tokens_per_s", |usage, ps| usage.output_tokens as f64 / (ps / 1e12)),
    ("usd_per_h", |usage, ps| usage.spent_pico as f64 / PICO_PER_USD / (ps / 3.6e15)),
];

/// `timeseries.csv`: load over simulated time, averaged over the trials that got so far; `coverage`
/// is the part of a bin that they did. Dollars are without those for the highest draw, which belong to
/// no bin.
///
/// # Errors
/// When writing fails.
pub fn timeseries(answers: &Answers<'_>, out: impl Write) -> csv::Result<()> {
    let parts = all_parts(answers);
    let pools: Vec<&Part> = parts.iter().filter(|part| part.scope == Scope::Pool).collect();
    let fleet = [
        "variant",
        "start_s",
        "end_s",
        "coverage",
        "tasks_started_per_s",
        "tasks_ended_per_s",
        "tasks_in_flight",
        "calls_per_s",
        "usd",
    ];
    let endpoints: Vec<&Part> = parts.iter().filter(|part| part.scope == Scope::Endpoint).collect();
    let names = pools.iter().flat_map(|part| {
        POOL_COLUMNS.iter().map(move |(name, _)| format!("{}{name}", part.prefix()))
    });
    let names = names.chain(endpoints.iter().flat_map(|part| {
        ENDPOINT_COLUMNS.iter().map(move |(name, _)| format!("{}{name}", part.prefix()))
    }));
    let mut out = writer(out);
    out.write_record(fleet.map(str::to_owned).into_iter().chain(names))?;
    for answer in &answers.variants {
        let length_s = answer.series.length.as_s();
        let trials = answer.rows.len() as f64;
        let mut in_flight = 0.0;
        for (index, bin) in answer.series.bins.iter().enumerate() {
            let ps = bin.covered_ps as f64;
            let start_s = index as f64 * length_s;
            in_flight += bin.tasks_started as f64 - bin.tasks_finished as f64;
            let per_s = |count: u64| number(count as f64 / (ps / 1e12));
            let fleet = [
                answer.plan.name.clone(),
                number(start_s),
                number(start_s + length_s),
                number(ps / 1e12 / length_s / trials),
                per_s(bin.tasks_started),
                per_s(bin.tasks_finished),
                number(in_flight / trials),
                per_s(bin.calls),
                number(
                    (price(answer.plan, bin, ps) / 3600.0 * ps / 1e12 + hosted_usd(bin)) / trials,
                ),
            ];
            let figures = pools.iter().flat_map(|part| pool_figures(answer, part, bin, ps));
            let hosted = endpoints.iter().flat_map(|part| endpoint_figures(answer, part, bin, ps));
            out.write_record(fleet.into_iter().chain(figures).chain(hosted))?;
        }
    }
    out.flush()?;
    Ok(())
}

fn pool_figures(answer: &Answer<'_>, part: &Part, bin: &Bin, ps: f64) -> Vec<String> {
    let at = answer.plan.pools.iter().position(|pool| pool.name == part.name);
    let figures = POOL_COLUMNS.iter().map(|(_, of)| match at {
        Some(at) => number(of(&answer.plan.pools[at], &bin.pools[at], ps)),
        None => String::new(),
    });
    figures.collect()
}

fn endpoint_figures(answer: &Answer<'_>, part: &Part, bin: &Bin, ps: f64) -> Vec<String> {
    let at = answer.plan.endpoints.iter().position(|endpoint| endpoint.name == part.name);
    let figure = |of: fn(&EndpointUsage, f64) -> f64| match at {
        Some(at) => number(of(&bin.endpoints[at], ps)),
        None => String::new(),
    };
    ENDPOINT_COLUMNS.iter().map(|&(_, of)| figure(of)).collect()
}

/// All figures, one in each row, with the intervals of their means and quantiles.
///
/// # Errors
/// When writing fails.
pub fn figures(answers: &Answers<'_>, out: impl Write) -> csv::Result<()> {
    let mut out = writer(out);
    let quantiles = QUANTILES.iter().flat_map(|p| {
        let name = format!("p{:.0}", p * 100.0);
        [name.clone(), format!("{name}_low"), format!("{name}_high")]
    });
    let first = ["variant", "scope", "name", "metric", "mean", "ci_low", "ci_high"];
    out.write_record(
        first
            .map(str::to_owned)
            .into_iter()
            .chain(quantiles)
            .chain(["n".to_owned(), "unit".to_owned()]),
    )?;
    for answer in &answers.variants {
        for (at, part) in answer.parts.iter().enumerate() {
            let scope = match part.scope {
                Scope::Fleet => "fleet",
                Scope::Agent => "agent",
                Scope::Tenant => "tenant",
                Scope::Pool => "pool",
                Scope::Endpoint => "endpoint",
            };
            for (metric, figure) in answer.figures_of(at) {
                let names = [&answer.plan.name, scope, &part.name, metric.key];
                let ends = |interval: Option<Interval>| {
                    [optional(interval.map(|i| i.low)), optional(interval.map(|i| i.high))]
                };
                let mean = [optional(figure.mean)].into_iter().chain(ends(figure.interval));
                let quantiles = figure.quantiles.iter().flat_map(|quantile| {
                    let value = optional(quantile.map(|quantile| quantile.value));
                    let interval = quantile.and_then(|quantile| quantile.interval);
                    [value].into_iter().chain(ends(interval))
                });
                let last = [figure.n.to_string(), metric.unit.text().to_owned()];
                out.write_record(
                    names.map(str::to_owned).into_iter().chain(mean).chain(quantiles).chain(last),
                )?;
            }
        }
    }
    out.flush()?;
    Ok(())
}
