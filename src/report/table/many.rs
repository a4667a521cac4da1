//! Several variants side by side.

use super::columns::{BLANK, Side, blocks, figures, head};
use super::grid::{Cell, Grid, Style, Tone, paragraph};
use super::headline;
use crate::experiment::{Answers, ModelError};
use crate::report::quantity::plain;

/// Figures of the fleet that variants are compared by. A label that ends in a quantile's name shows
/// that instead of the mean.
pub(super) const FLEET: [(&str, &str); 49] = [
    ("task_latency_s", "latency"),
    ("task_latency_s", "latency p95"),
    ("task_success_rate", "success"),
    ("response_hit_rate", "cached answers"),
    ("check_fail_share", "checks failed"),
    ("rejection_share", "sent back"),
    ("hedge_share", "hedges"),
    ("tool_timeout_share", "tools too late"),
    BLANK,
    ("llm_calls_per_task", "LLM calls"),
    ("tool_calls_per_task", "tool calls"),
    ("input_tokens_per_task", "input tokens"),
    ("cached_tokens_per_task", "  cached"),
    ("output_tokens_per_task", "output tokens"),
    ("reasoning_tokens_per_task", "  reasoning"),
    ("amplification", "amplification"),
    ("prompt_to_output_ratio", "input : output"),
    BLANK,
    ("ttft_s", "TTFT"),
    ("ttft_s", "TTFT p95"),
    ("tpot_s", "TPOT"),
    BLANK,
    ("usd_per_task", "cost per task"),
    ("usd_per_successful_task", "  successful"),
    ("usd_per_mtoken", "cost per Mtoken"),
    ("usd_per_mtoken_output", "  output"),
    ("usd_per_h", "cost per hour"),
    ("idle_usd_share", "  idle"),
    ("demand_usd_share", "  peak demand"),
    ("wasted_timeout_usd_share", "  timed out"),
    ("wasted_lost_usd_share", "  lost"),
    ("wasted_hedge_usd_share", "  hedged"),
    ("wasted_abandoned_usd_share", "  given up"),
    ("wasted_rejected_usd_share", "  sent back"),
    ("wasted_failed_task_usd_share", "  failed tasks"),
    BLANK,
    ("utilization", "busy"),
    ("hbm_bandwidth_saturation", "HBM bandwidth"),
    ("kv_occupancy", "KV memory"),
    ("batch_size", "batch size"),
    ("host_hit_rate", "hits in host"),
    ("storage_hit_rate", "hits in storage"),
    ("store_hit_rate", "hits in store"),
    ("kv_recomputed_share", "sooner computed"),
    ("acceptance_length", "tokens a step"),
    ("availability", "availability"),
    ("replicas", "replicas paid"),
    ("replicas_without_power", "  no power for"),
    ("replicas_without_racks", "  no racks for"),
];

/// All variants, from their headline to their figures.
pub(super) fn render(answers: &Answers<'_>, style: Style) -> String {
    let mut text = paragraph("  ", &headline::of_many(answers), style);
    let columns: Vec<_> =
        answers.variants.iter().map(|answer| (answer.plan.name.as_str(), answer, 0)).collect();
    text.push('\n');
    text.push_str(&blocks(&columns, style, |columns| {
        let mut grid = head("VARIANT", columns);
        demands(&mut grid, answers, columns);
        if !answers.objectives.is_empty() {
            grid.row([]);
        }
        figures(&mut grid, &FLEET, columns);
        grid
    }));
    text.push('\n');
    text.push_str(&model_errors(answers, style));
    text
}

/// The model's own error, by pool: each once, with the variants and pools that it is about.
fn model_errors(answers: &Answers<'_>, style: Style) -> String {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let several = answers.variants.iter().any(|answer| answer.plan.pools.len() > 1);
    for answer in &answers.variants {
        for pool in &answer.plan.pools {
            let error = ModelError::of(pool).to_string();
            let who = match several {
                true => format!("{}.{}", answer.plan.name, pool.name),
                false => answer.plan.name.clone(),
            };
            match found.iter_mut().find(|(known, _)| *known == error) {
                Some((_, about)) => about.push(who),
                None => found.push((error, vec![who])),
            }
        }
    }
    let alone = found.len() == 1;
    let line = |(error, about): (String, Vec<String>)| {
        let text = if alone { error } else { format!("{}: {error}", about.join(", ")) };
        paragraph("model error  ", &text, style)
    };
    found.into_iter().map(line).collect()
}

fn demands(grid: &mut Grid, answers: &Answers<'_>, columns: &[Side<'_>]) {
    for (index, objective) in answers.objectives.iter().enumerate() {
        let unit = objective.metric.unit;
        let bound = if objective.at_least { "≥" } else { "≤" };
        let asked = format!("  {} {bound} {}", objective.name, plain(unit, Some(objective.limit)));
        let found = columns.iter().map(|(_, answer, _)| {
            let verdict = &answer.verdicts[index];
            let value = plain(unit, (!verdict.value.is_nan()).then_some(verdict.value));
            match verdict.met {
                true => Cell::new(format!("met  {value}")).tone(Tone::Good),
                false => Cell::new(format!("MISSED  {value}")).tone(Tone::Bad),
            }
        });
        grid.row([Cell::new(asked)].into_iter().chain(found));
        let times = columns.iter().map(|(_, answer, _)| {
            let verdict = &answer.verdicts[index];
            Cell::new(format!("{} of {}", verdict.trials_met, verdict.trials)).tone(Tone::Faint)
        });
        let label = Cell::new("    in trials").tone(Tone::Faint);
        grid.row([label].into_iter().chain(times));
    }
}
