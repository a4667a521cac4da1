//! One variant: distributions of its tasks and calls, its money, its servers.

use super::columns::{BLANK, labelled, quantile, side_by_side};
use super::grid::{Cell, Grid, Style, Tone, pairs, paragraph};
use super::headline;
use crate::experiment::{Answer, Answers, Metric, ModelError, Objective, Scope, Unit, Verdict};
use crate::foundations::units::{format_count, format_percent};
use crate::foundations::{Histogram, Interval};
use crate::report::quantity::{plain, with_interval};
use crate::report::sparkline::{sparkline, sparkline_to};
use crate::simulation::plan::{Endpoint, Pool};
use crate::simulation::series::PoolBin;

/// A figure's name in files, and what it is called on the terminal.
type Label = (&'static str, &'static str);

const TASK: [Label; 13] = [
    ("task_latency_s", "latency"),
    ("task_success_rate", "success"),
    ("response_hit_rate", "cached answers"),
    ("response_wrong_share", "  wrong"),
    ("llm_calls_per_task", "LLM calls"),
    ("tool_calls_per_task", "tool calls"),
    ("input_tokens_per_task", "input tokens"),
    ("cached_tokens_per_task", "  cached"),
    ("output_tokens_per_task", "output tokens"),
    ("reasoning_tokens_per_task", "  reasoning"),
    ("amplification", "amplification"),
    ("prompt_to_output_ratio", "input : output"),
    ("usd_per_task", "cost"),
];
const CALL: [Label; 6] = [
    ("ttft_s", "TTFT"),
    ("tpot_s", "TPOT"),
    ("itl_s", "token gap"),
    ("call_latency_s", "latency"),
    ("queue_time_s", "queueing"),
    ("tool_time_s", "tool step"),
];
const MONEY: [Label; 17] = [
    ("usd_per_task", "per task"),
    ("usd_per_successful_task", "successful task"),
    ("usd_busy_per_task", "task, busy time"),
    ("usd_per_mtoken", "per Mtoken"),
    ("usd_per_mtoken_input", "Mtoken input"),
    ("usd_per_mtoken_output", "Mtoken output"),
    ("usd_per_h", "per hour"),
    ("idle_usd_share", "idle"),
    ("usd_demand_per_h", "peak demand"),
    ("demand_power_w", "  draw charged"),
    ("wasted_usd_share", "answers unused"),
    ("wasted_timeout_usd_share", "  timed out"),
    ("wasted_lost_usd_share", "  lost"),
    ("wasted_hedge_usd_share", "  hedged"),
    ("wasted_abandoned_usd_share", "  given up"),
    ("wasted_rejected_usd_share", "work sent back"),
    ("wasted_failed_task_usd_share", "failed tasks"),
];
const POOL: [Label; 35] = [
    ("utilization", "busy"),
    ("compute_utilization", "compute"),
    ("hbm_bandwidth_saturation", "HBM bandwidth"),
    ("kv_occupancy", "KV memory"),
    ("batch_size", "batch size"),
    ("queue_length", "queue"),
    ("prefix_hit_rate", "prefix hits"),
    ("host_hit_rate", "hits in host"),
    ("storage_hit_rate", "hits in storage"),
    ("store_hit_rate", "hits in store"),
    ("kv_recomputed_share", "sooner computed"),
    ("host_read_bytes_per_s", "host to GPU"),
    ("host_read_utilization", "host to GPU busy"),
    ("host_written_bytes_per_s", "GPU to host"),
    ("host_write_utilization", "GPU to host busy"),
    ("storage_read_bytes_per_s", "from storage"),
    ("storage_read_utilization", "from storage busy"),
    ("storage_written_bytes_per_s", "to storage"),
    ("store_read_bytes_per_s", "from store"),
    ("store_read_utilization", "from store busy"),
    ("store_written_bytes_per_s", "to store"),
    ("kv_expired_ratio", "expired"),
    ("kv_dropped_ratio", "not written"),
    ("output_tokens_per_s", "output"),
    ("preemptions_per_call", "preempted"),
    ("acceptance_length", "tokens a step"),
    ("availability", "availability"),
    ("replicas", "replicas paid"),
    ("replicas_without_power", "  no power for"),
    ("replicas_without_racks", "  no racks for"),
    ("kv_transfer_s", "KV transfer"),
    ("kv_transfer_wait_s", "  wait for room"),
    ("kv_transfer_mb", "  size"),
    ("kv_link_utilization", "  link busy"),
    ("kv_pinned_share", "  KV pinned"),
];
const ENDPOINT: [Label; 9] = [
    ("requests", "calls sent"),
    ("throttled_share", "refused (429)"),
    ("unavailable_share", "out of service"),
    ("input_tokens", "input tokens"),
    ("cached_tokens", "  cached"),
    ("output_tokens", "output tokens"),
    ("usd_spent", "charged"),
    ("usd_per_h", "per hour"),
    ("usd_per_mtoken", "per Mtoken"),
];
const AGENT: [Label; 16] = [
    ("task_latency_s", "latency"),
    ("task_latency_s", "latency p95"),
    ("task_success_rate", "success"),
    BLANK,
    ("llm_calls_per_task", "LLM calls"),
    ("tool_calls_per_task", "tool calls"),
    ("input_tokens_per_task", "input tokens"),
    ("cached_tokens_per_task", "  cached"),
    ("output_tokens_per_task", "output tokens"),
    ("amplification", "amplification"),
    ("prompt_to_output_ratio", "input : output"),
    BLANK,
    ("ttft_s", "TTFT p95"),
    ("tpot_s", "TPOT"),
    ("usd_per_task", "cost"),
    ("tasks_per_s", "tasks"),
];

const TENANT: [Label; 15] = [
    ("tasks", "tasks"),
    ("task_success_rate", "success"),
    ("task_latency_s", "latency p95"),
    ("ttft_s", "TTFT p95"),
    BLANK,
    ("input_tokens", "input tokens"),
    ("cached_tokens", "  cached"),
    ("output_tokens", "output tokens"),
    BLANK,
    ("usd_spent", "cost"),
    ("bill_share", "of the bill"),
    ("usd_per_task", "per task"),
    ("usd_per_successful_task", "successful task"),
    ("usd_per_mtoken_input", "Mtoken input"),
    ("usd_per_mtoken_output", "Mtoken output"),
];

/// Bars of a distribution.
const BARS: usize = 12;

/// One variant, from its headline to its servers.
pub(super) fn render(answer: &Answer<'_>, of: &Answers<'_>, style: Style) -> String {
    let objectives = of.objectives;
    let headline = headline::of_one(answer, objectives, of.confidence);
    let mut text = paragraph("  ", &headline, style);
    if answer.rows.is_empty() {
        return text;
    }
    let mut section = |section: String| {
        text.push('\n');
        text.push_str(&section);
    };
    if !objectives.is_empty() {
        section(demands(objectives, &answer.verdicts, style));
    }
    section(distributions("TASK", &TASK, answer, style));
    section(distributions("CALL", &CALL, answer, style));
    section(money(answer, style));
    let agents: Vec<_> = answer.parts_of(Scope::Agent).collect();
    if agents.len() > 1 {
        let columns: Vec<_> = agents.iter().map(|&(part, name)| (name, answer, part)).collect();
        section(side_by_side("AGENT", &AGENT, &columns, style));
    }
    let tenants: Vec<_> = answer.parts_of(Scope::Tenant).collect();
    if !tenants.is_empty() {
        let columns: Vec<_> = tenants.iter().map(|&(part, name)| (name, answer, part)).collect();
        section(side_by_side("TENANT", &TENANT, &columns, style));
    }
    for ((part, _), pool) in answer.parts_of(Scope::Pool).zip(&answer.plan.pools) {
        section(servers(answer, part, pool, style));
    }
    for ((part, _), endpoint) in answer.parts_of(Scope::Endpoint).zip(&answer.plan.endpoints) {
        section(hosted(answer, part, endpoint, style));
    }
    text
}

fn demands(objectives: &[Objective], verdicts: &[Verdict], style: Style) -> String {
    let title = |text: &str| Cell::new(text).tone(Tone::Title);
    let faint = |text: &str| Cell::new(text).tone(Tone::Faint);
    let mut grid = Grid::default()
        .words(title("OBJECTIVE"), 0)
        .figures(faint("asked"), 0)
        .figures(faint("found"), 0)
        .words(Cell::default(), 0)
        .figures(faint("in trials"), 0)
        .words(faint("probability"), 1)
        .words(Cell::default(), 2);
    for (objective, verdict) in objectives.iter().zip(verdicts) {
        let unit = objective.metric.unit;
        let bound = if objective.at_least { "≥" } else { "≤" };
        let value = (!verdict.value.is_nan()).then_some(verdict.value);
        let word = if verdict.met {
            Cell::new("met").tone(Tone::Good)
        } else {
            Cell::new("MISSED").tone(Tone::Bad)
        };
        let Interval { low, high } = verdict.probability;
        grid.row([
            Cell::new(format!("  {}", objective.name)),
            Cell::new(format!("{bound} {}", plain(unit, Some(objective.limit)))),
            Cell::new(with_interval(unit, value, verdict.interval)),
            word,
            Cell::new(format!("{} of {}", verdict.trials_met, verdict.trials)),
            Cell::new(format!("{} to {}", format_percent(low), format_percent(high))),
            match verdict.is_within_model_error(objective.limit) {
                true => Cell::new("within model error").tone(Tone::Caution),
                false => Cell::default(),
            },
        ]);
    }
    grid.render(style)
}

/// The distribution of each figure: mean, quantiles and shape.
fn distributions(title: &str, labels: &[Label], answer: &Answer<'_>, style: Style) -> String {
    let faint = |text: &str| Cell::new(text).tone(Tone::Faint);
    let mut grid = Grid::default()
        .words(Cell::new(title).tone(Tone::Title), 0)
        .figures(faint("mean"), 0)
        .figures(faint("p50"), 2)
        .figures(faint("p95"), 0)
        .figures(faint("p99"), 1)
        .words(faint("p1 to p99"), 3);
    for &(key, label) in labels {
        let (Some(metric), figure) = (Metric::find(key), answer.fleet(key)) else { continue };
        let Some(mean) = figure.mean else { continue };
        if mean == 0.0 && figure.interval.is_none_or(|interval| interval.high == 0.0) {
            continue;
        }
        let mut cells = vec![
            Cell::new(format!("  {label}")),
            Cell::new(with_interval(metric.unit, Some(mean), figure.interval)),
        ];
        if let Some((histogram, _)) = answer.evidence[0].histogram(metric) {
            cells.extend([0, 2, 3].map(|at| Cell::new(quantile(metric, figure, at))));
            cells.push(Cell::new(shape(histogram)));
        }
        grid.row(cells);
    }
    grid.render(style)
}

/// The shape of a distribution between its first and its last hundredth, on a logarithmic scale
/// where it spans more than a factor of twenty.
fn shape(histogram: &Histogram) -> String {
    let (low, high) = (histogram.quantile(0.01) as f64, histogram.quantile(0.99) as f64);
    if high <= low {
        return String::new();
    }
    let logarithmic = high > 20.0 * low.max(1.0) && high > 1000.0;
    let place = |value: f64| match logarithmic {
        true => libm::log(value.max(1.0) / low.max(1.0)) / libm::log(high / low.max(1.0)),
        false => (value - low) / (high - low),
    };
    let mut bars = [0.0; BARS];
    for bucket in histogram.iter() {
        let value = bucket.high as f64;
        if (low..=high).contains(&value) {
            bars[((place(value) * BARS as f64) as usize).min(BARS - 1)] += bucket.count as f64;
        }
    }
    sparkline(&bars)
}

fn values(labels: &[Label], answer: &Answer<'_>, part: usize) -> Vec<(&'static str, String)> {
    let value = |&(key, label): &Label| {
        let (metric, figure) = (Metric::find(key)?, answer.of(part, key));
        let mean = figure.mean?;
        Some((label, with_interval(labelled(metric), Some(mean), figure.interval)))
    };
    labels.iter().filter_map(value).collect()
}

fn money(answer: &Answer<'_>, style: Style) -> String {
    let title = Tone::Title.paint("COST", style);
    format!("{title}\n{}", pairs(&values(&MONEY, answer, 0), style))
}

fn servers(answer: &Answer<'_>, part: usize, pool: &Pool, style: Style) -> String {
    let gpus = match pool.gpus {
        1 => String::new(),
        gpus => format!("{gpus} x "),
    };
    let title = format!("POOL {}", pool.name);
    let what = format!(
        "{} x {} on {gpus}{}, {}, {} KV tokens each",
        replicas(pool),
        pool.model,
        pool.accelerator,
        pool.engine,
        format_count(pool.replica.kv_blocks as f64 * f64::from(pool.replica.block)),
    );
    let head = paragraph(&format!("{title}  "), &what, style);
    let head = head.replacen(&title, &Tone::Title.paint(&title, style), 1);
    let at = answer.plan.pools.iter().position(|other| other.name == pool.name);
    let load = at.map_or_else(String::new, |at| load(answer, at));
    let bill = bill(pool, style);
    let error = paragraph("  model error  ", &ModelError::of(pool).to_string(), style);
    format!("{head}{bill}{}{load}{error}", pairs(&values(&POOL, answer, part), style))
}

fn hosted(answer: &Answer<'_>, part: usize, endpoint: &Endpoint, style: Style) -> String {
    let title = format!("ENDPOINT {}", endpoint.name);
    let head = paragraph(&format!("{title}  "), &endpoint.model, style);
    let head = head.replacen(&title, &Tone::Title.paint(&title, style), 1);
    format!("{head}{}", pairs(&values(&ENDPOINT, answer, part), style))
}

/// How many replicas there are: `4`, or `1 to 8`.
fn replicas(pool: &Pool) -> String {
    match pool.fleet.as_ref().and_then(|fleet| fleet.autoscale.as_ref()) {
        None => pool.replicas.to_string(),
        Some(scaling) => format!("{} to {}", scaling.least, scaling.most),
    }
}

/// What a GPU-hour is made of, where it has parts.
fn bill(pool: &Pool, style: Style) -> String {
    let parts = &pool.bill.usd_per_gpu_h;
    if parts.len() < 2 {
        return String::new();
    }
    let each = parts.iter().map(|(part, usd)| format!("{part} {}", plain(Unit::Usd, Some(*usd))));
    let all = plain(Unit::UsdPerHour, Some(pool.bill.usd()));
    let line = format!("a GPU costs {all}: {}", each.collect::<Vec<_>>().join(", "));
    paragraph("  ", &line, style)
}

/// Requests that run and wait on a pool, over the time until new tasks stop to start.
fn load(answer: &Answer<'_>, pool: usize) -> String {
    let ends_s = answer.rows.iter().map(|row| row.window_s.1).fold(0.0, f64::max);
    let bins = libm::floor(ends_s / answer.series.length.as_s()) as usize;
    let bins = &answer.series.bins[..bins.min(answer.series.bins.len())];
    if bins.len() < 2 * BARS {
        return String::new();
    }
    let means = |of: fn(&PoolBin) -> u128| -> Vec<f64> {
        let mean = |bar| {
            let part = bar * bins.len() / (2 * BARS)..(bar + 1) * bins.len() / (2 * BARS);
            let covered: u128 = bins[part.clone()].iter().map(|bin| bin.covered_ps).sum();
            let sum: u128 = bins[part].iter().map(|bin| of(&bin.pools[pool])).sum();
            sum as f64 / covered as f64
        };
        (0..2 * BARS).map(mean).collect()
    };
    let (running, waiting) = (means(|bin| bin.batch_ps), means(|bin| bin.waiting_ps));
    // A queue is shown against what runs, so that a short one looks short.
    let most = running.iter().copied().fold(0.0, f64::max);
    let waiting = match waiting.iter().all(|&mean| mean == 0.0) {
        true => String::new(),
        false => format!("  waiting {}", sparkline_to(&waiting, most)),
    };
    format!("  over time  running {}{waiting}\n", sparkline(&running))
}
