//! Figures of what went wrong and what it cost: said only where it did.

use super::super::super::totals::Totals;
use super::super::{Metric, Unit};
use super::kinds::{TASKS, ratio};
use crate::simulation::waste::Waste;

/// A part of a whole, said only where there is some.
fn part(part: u64, whole: u64) -> (f64, f64) {
    (part as f64, if part > 0 { whole as f64 } else { 0.0 })
}

fn wasted(t: &Totals<'_>, cause: Waste) -> (f64, f64) {
    let pico = t.tally.wasted[cause as usize].pico;
    (pico as f64, if pico > 0 { t.tally.charged_pico as f64 } else { 0.0 })
}

/// All of them.
pub(in super::super) const FAILURES: [Metric; 12] = [
    ratio(
        "wasted_timeout_usd_share",
        Unit::Share,
        TASKS,
        |t| wasted(t, Waste::Timeout),
        "charge of attempts that took too long, over the charge of all attempts",
    ),
    ratio(
        "wasted_lost_usd_share",
        Unit::Share,
        TASKS,
        |t| wasted(t, Waste::Lost),
        "charge of attempts that went down with their server, over the charge of all attempts",
    ),
    ratio(
        "wasted_hedge_usd_share",
        Unit::Share,
        TASKS,
        |t| wasted(t, Waste::Hedge),
        "charge of attempts given up because a hedged call was answered by the other, over the \
         charge of all attempts",
    ),
    ratio(
        "wasted_abandoned_usd_share",
        Unit::Share,
        TASKS,
        |t| wasted(t, Waste::Abandoned),
        "charge of attempts whose task was over or had enough sub-agents, over the charge of all \
         attempts",
    ),
    ratio(
        "wasted_rejected_usd_share",
        Unit::Share,
        TASKS,
        |t| wasted(t, Waste::Rejected),
        "charge of work that a check or a person sent back, since the task's start or the rejection \
         before, over the charge of all attempts",
    ),
    ratio(
        "wasted_failed_task_usd_share",
        Unit::Share,
        TASKS,
        |t| wasted(t, Waste::FailedTask),
        "charge of tasks that failed, what had been sent back left out, over the charge of all \
         attempts",
    ),
    ratio(
        "hedge_share",
        Unit::Share,
        TASKS,
        |t| part(t.tally.hedges, t.tally.attempts),
        "attempts sent beside one that was still under way, over all attempts",
    ),
    ratio(
        "hedge_win_share",
        Unit::Share,
        TASKS,
        |t| (t.tally.hedges_won as f64, t.tally.hedges as f64),
        "hedges that were answered first, over hedges",
    ),
    ratio(
        "tool_timeout_share",
        Unit::Share,
        TASKS,
        |t| part(t.tally.tool_timeouts, t.tally.tool_calls),
        "tool calls given up for taking too long, over tool calls",
    ),
    ratio(
        "check_fail_share",
        Unit::Share,
        TASKS,
        |t| (t.tally.checks_failed as f64, t.tally.checks as f64),
        "checks that found the agent's work wrong, over checks",
    ),
    ratio(
        "rejection_share",
        Unit::Share,
        TASKS,
        |t| (t.tally.rejections as f64, t.tally.reviews as f64),
        "people who sent the work back, over people who looked at it",
    ),
    ratio(
        "pruned_tokens_per_task",
        Unit::Tokens,
        TASKS,
        |t| part(t.tally.pruned_tokens, t.tally.finished()),
        "tokens of old tool results that were taken out of contexts, per finished task",
    ),
];
