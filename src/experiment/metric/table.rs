//! Every figure with its definition, in the order in which they are shown.

mod bills;
mod failures;
mod kinds;
mod tiers;

use super::super::totals::{Served, Totals, Transfer};
use super::{Metric, Origin, Unit};
use crate::serving::Counter;
use crate::simulation::Cause;
use crate::simulation::plan::SiteResource;
use bills::BILLS;
pub(super) use failures::FAILURES;
use kinds::*;
pub(super) use tiers::TIERS;

/// All figures, in the order in which they are shown.
const PLAIN: &[Metric] = &[
    latency(
        "task_latency_s",
        |tally| &tally.task_latency,
        |tally| {
            let ended = tally.succeeded + tally.failed[Cause::Program as usize];
            tally.started.saturating_sub(ended)
        },
        "time from a task's start to the end of its program, whether that was a success or not",
    ),
    proportion(
        "task_success_rate",
        |tally| (tally.succeeded, tally.started),
        "tasks that succeeded over tasks that count; one that never ended did not succeed",
    ),
    observed(
        "llm_calls_per_task",
        Unit::Calls,
        1.0,
        |tally| &tally.calls_per_task,
        "LLM calls that a finished task made, sub-agents included",
    ),
    observed(
        "tool_calls_per_task",
        Unit::Calls,
        1.0,
        |tally| &tally.tool_calls_per_task,
        "tool calls that a finished task made, sub-agents included",
    ),
    observed(
        "tokens_per_task",
        Unit::Tokens,
        1.0,
        |tally| &tally.tokens_per_task,
        "input and output tokens of a finished task's calls",
    ),
    observed(
        "input_tokens_per_task",
        Unit::Tokens,
        1.0,
        |tally| &tally.input_per_task,
        "prompt tokens of a finished task's calls, cached ones included",
    ),
    observed(
        "cached_tokens_per_task",
        Unit::Tokens,
        1.0,
        |tally| &tally.cached_per_task,
        "prompt tokens of a finished task's calls that a prefix cache held",
    ),
    observed(
        "output_tokens_per_task",
        Unit::Tokens,
        1.0,
        |tally| &tally.output_per_task,
        "tokens produced for a finished task's calls, reasoning included",
    ),
    observed(
        "reasoning_tokens_per_task",
        Unit::Tokens,
        1.0,
        |tally| &tally.reasoning_per_task,
        "tokens produced for a finished task's calls that were reasoning",
    ),
    per_observed(
        "amplification",
        |tally| &tally.tokens_per_task,
        |tally| &tally.plain_per_task,
        "tokens of a task over those of one plain prompt and answer: what the user wrote for it, \
         and the visible part of its last answer",
    ),
    per_observed(
        "prompt_to_output_ratio",
        |tally| &tally.input_per_task,
        |tally| &tally.output_per_task,
        "input tokens over output tokens of finished tasks",
    ),
    latency(
        "ttft_s",
        |tally| &tally.ttft,
        unanswered_attempts,
        "time from sending a request to its first token, of requests that were answered",
    ),
    Metric {
        key: "tpot_s",
        unit: Unit::Seconds,
        origin: Origin::Observed { of: |tally| &tally.tpot, per_unit: NANO, lost: |_| 0 },
        scopes: TASKS,
        meaning: "time per output token behind the first, averaged over each request",
    },
    Metric {
        key: "itl_s",
        unit: Unit::Seconds,
        origin: Origin::Gaps,
        scopes: SERVERS,
        meaning: "time between two tokens of a request that follow each other",
    },
    latency(
        "call_latency_s",
        |tally| &tally.call_latency,
        unanswered_calls,
        "time from a call's first attempt to its last token, retries included",
    ),
    observed(
        "queue_time_s",
        Unit::Seconds,
        MICRO,
        |tally| &tally.queue_time,
        "time from sending a request to its admission by a server",
    ),
    observed(
        "tool_time_s",
        Unit::Seconds,
        MICRO,
        |tally| &tally.tool_time,
        "time of a tool step, waiting for a slot included",
    ),
    proportion(
        "failed_attempt_share",
        |tally| (failed_attempts(tally), tally.attempts),
        "attempts at calls that failed in transport, timed out or were refused",
    ),
    proportion(
        "tool_error_share",
        |tally| (tally.tool_errors, tally.tool_calls),
        "tool calls that returned an error",
    ),
    Metric {
        key: "usd_per_task",
        unit: Unit::Usd,
        origin: Origin::Dollars,
        scopes: TASKS,
        meaning: "all dollars spent in the measured window, idle time included, over tasks that \
                  ended in it; each task bears them in proportion to its own charge",
    },
    ratio(
        "usd_per_successful_task",
        Unit::Usd,
        TASKS,
        |t| (t.served.spent_usd, t.tally.succeeded_in_window as f64),
        "all dollars spent in the measured window over tasks that succeeded in it",
    ),
    ratio(
        "usd_busy_per_task",
        Unit::Usd,
        TASKS,
        |t| (t.served.charged_usd, t.tally.finished_in_window as f64),
        "dollars of the steps that requests sat in, idle time left out, over tasks that ended in \
         the measured window",
    ),
    ratio(
        "usd_per_mtoken",
        Unit::UsdPerMtoken,
        EVERY,
        |t| (t.served.spent_usd * 1e6, t.served.input_tokens + t.served.output_tokens),
        "all dollars spent in the measured window over input and output tokens served in it",
    ),
    ratio(
        "usd_per_mtoken_input",
        Unit::UsdPerMtoken,
        EVERY,
        |t| (t.served.spent_usd * 1e6, t.served.input_tokens),
        "all dollars spent in the measured window over input tokens served in it, cached included",
    ),
    ratio(
        "usd_per_mtoken_output",
        Unit::UsdPerMtoken,
        EVERY,
        |t| (t.served.spent_usd * 1e6, t.served.output_tokens),
        "all dollars spent in the measured window over output tokens produced in it",
    ),
    ratio(
        "usd_per_mtoken_fresh_listed",
        Unit::UsdPerMtoken,
        ALL,
        listed,
        "price of input tokens that were computed, were all dollars of the measured window spread as \
         list prices are: cached input at 0.1, output at 5 times the price of fresh input",
    ),
    ratio(
        "usd_per_mtoken_cached_listed",
        Unit::UsdPerMtoken,
        ALL,
        |t| (CACHED_WEIGHT * listed(t).0, listed(t).1),
        "price of input tokens found in a prefix cache by the same rule",
    ),
    ratio(
        "usd_per_mtoken_output_listed",
        Unit::UsdPerMtoken,
        ALL,
        |t| (OUTPUT_WEIGHT * listed(t).0, listed(t).1),
        "price of output tokens by the same rule",
    ),
    ratio(
        "usd_per_h",
        Unit::UsdPerHour,
        EVERY,
        |t| (t.served.spent_usd * 3600.0, t.window_s),
        "dollars spent per hour; an agent's part is its part of what tasks were charged",
    ),
    ratio(
        "idle_usd_share",
        Unit::Share,
        SERVERS,
        |t| {
            let Served { spent_usd, charged_usd, demand_usd, .. } = t.served;
            (spent_usd - charged_usd - demand_usd, spent_usd)
        },
        "dollars for time in which a replica did nothing, over all dollars",
    ),
    ratio(
        "wasted_usd_share",
        Unit::Share,
        TASKS,
        |t| (t.tally.unread().pico as f64, t.tally.charged_pico as f64),
        "charge of attempts whose answer nobody used, over the charge of all attempts",
    ),
    ratio(
        "wasted_token_share",
        Unit::Share,
        TASKS,
        |t| {
            let tokens = t.tally.unread().tokens;
            (tokens as f64, (tokens + t.tally.output_tokens) as f64)
        },
        "tokens produced by attempts whose answer nobody used, over all produced",
    ),
    ratio(
        "tasks_per_s",
        Unit::PerSecond,
        TASKS,
        |t| (t.tally.finished_in_window as f64, t.window_s),
        "tasks that ended in the measured window, per second",
    ),
    ratio(
        "calls_per_s",
        Unit::PerSecond,
        EVERY,
        |t| (t.served.calls, t.window_s),
        "LLM calls that were answered in the measured window, per second",
    ),
    ratio(
        "input_tokens_per_s",
        Unit::TokensPerSecond,
        EVERY,
        |t| (t.served.input_tokens, t.window_s),
        "prompt tokens of requests admitted in the measured window, cached included, per second",
    ),
    ratio(
        "output_tokens_per_s",
        Unit::TokensPerSecond,
        EVERY,
        |t| (t.served.output_tokens, t.window_s),
        "tokens produced in the measured window, per second",
    ),
    ratio(
        "output_tokens_per_s_per_gpu",
        Unit::TokensPerSecond,
        SERVERS,
        |t| (t.served.output_tokens, t.served.gpu_s),
        "tokens produced in the measured window, per second and GPU",
    ),
    ratio(
        "tokens_per_s_per_user",
        Unit::TokensPerSecond,
        TASKS,
        |t| (t.tally.tpot.histogram.count() as f64 * NANO, t.tally.tpot.histogram.sum() as f64),
        "how fast a user sees tokens come: one over the mean time per output token",
    ),
    ratio(
        "prefix_hit_rate",
        Unit::Share,
        EVERY,
        |t| (t.served.cached_tokens, t.served.input_tokens),
        "prompt tokens found in a prefix cache over all prompt tokens",
    ),
    ratio(
        "utilization",
        Unit::Share,
        SERVERS,
        |t| (t.served.busy_s, t.served.replica_s),
        "part of the measured window in which a replica was in a step",
    ),
    ratio(
        "compute_utilization",
        Unit::Share,
        SERVERS,
        |t| (t.served.flop, t.served.possible_flop),
        "arithmetic done over what the accelerators could have done in the measured window, at \
         their peak for the precision used",
    ),
    ratio(
        "hbm_bandwidth_saturation",
        Unit::Share,
        SERVERS,
        |t| (t.served.bytes, t.served.possible_bytes),
        "memory traffic of weights and KV over what the memory could have moved in the measured \
         window, at its peak",
    ),
    ratio(
        "kv_occupancy",
        Unit::Share,
        SERVERS,
        |t| (t.served.kv_token_s, t.served.kv_capacity_s),
        "KV memory held by running requests, averaged over the measured window",
    ),
    ratio(
        "batch_size",
        Unit::Requests,
        SERVERS,
        |t| (t.served.batch_s, t.served.busy_s),
        "requests decoding on a replica, averaged over its time in steps",
    ),
    ratio(
        "queue_length",
        Unit::Requests,
        SERVERS,
        |t| (t.served.waiting_s, t.window_s),
        "requests that wait for admission, on all replicas together, averaged over the measured \
         window",
    ),
    ratio(
        "preemptions_per_call",
        Unit::Ratio,
        SERVERS,
        |t| (t.served.preemptions, t.served.calls),
        "times that a request lost its KV blocks and was computed again, per answered call",
    ),
    ratio(
        "gpu_power_w",
        Unit::Watts,
        SERVERS,
        |t| (t.served.joules, t.served.gpu_s),
        "electrical power of an accelerator, host and cooling apart, averaged over the measured \
         window",
    ),
    ratio(
        "peak_power_w",
        Unit::Watts,
        SERVERS,
        |t| (t.peak_w, 1.0),
        "power at the facility's meter in the bin of `timeseries.csv` that has most: what site and \
         supply are built for",
    ),
    ratio(
        "joules_per_task",
        Unit::Joules,
        TASKS,
        |t| (t.served.joules, t.tally.finished_in_window as f64),
        "energy of the accelerators in the measured window, idle time included, over tasks that \
         ended in it",
    ),
    ratio(
        "tokens_per_joule",
        Unit::TokensPerJoule,
        ALL,
        |t| (t.served.output_tokens, t.served.joules),
        "tokens produced in the measured window over the energy of the accelerators in it",
    ),
    ratio(
        "tokens_per_usd",
        Unit::TokensPerUsd,
        EVERY,
        |t| (t.served.output_tokens, t.served.spent_usd),
        "tokens produced in the measured window over all dollars spent in it",
    ),
    ratio(
        "tokens_per_s_per_mw",
        Unit::TokensPerSecond,
        ALL,
        |t| (t.served.output_tokens * 1e6, t.served.facility_joules),
        "tokens produced in the measured window per second and megawatt at the facility's meter: \
         chips, hosts, conversion and cooling",
    ),
    ratio(
        "facility_joules_per_task",
        Unit::Joules,
        TASKS,
        |t| (t.served.facility_joules, t.tally.finished_in_window as f64),
        "energy at the facility's meter in the measured window, idle time included, over tasks that \
         ended in it",
    ),
    ratio(
        "carbon_g_per_task",
        Unit::Grams,
        TASKS,
        |t| (t.served.carbon_g, t.tally.finished_in_window as f64),
        "carbon dioxide equivalent of that energy in the pool's region, over the same tasks",
    ),
    ratio(
        "water_l_per_task",
        Unit::Litres,
        TASKS,
        |t| (t.served.water_l, t.tally.finished_in_window as f64),
        "water for cooling at the site, where its region's is known, over the same tasks",
    ),
    proportion(
        "response_hit_rate",
        |tally| (tally.cache_hits, tally.cache_asked),
        "calls that a cache of answers spared, over calls that asked it",
    ),
    proportion(
        "response_wrong_share",
        |tally| (tally.cache_wrong, tally.cache_hits),
        "answers from the cache that missed the question, over answers from it",
    ),
    ratio(
        "availability",
        Unit::Share,
        SERVERS,
        |t| (t.served.tracked_s - t.served.down_s, t.served.tracked_s),
        "part of the replica time paid for in which a replica was in service, of pools to whose \
         replicas something may happen",
    ),
    ratio(
        "replicas",
        Unit::Ratio,
        SERVERS,
        |t| (t.served.tracked_s, if t.served.tracked_s > 0.0 { t.window_s } else { f64::NAN }),
        "replicas that were paid for, averaged over the measured window, of such pools",
    ),
    ratio(
        "replicas_without_power",
        Unit::Ratio,
        SERVERS,
        |t| refused(t, SiteResource::Power),
        "replicas that autoscalers asked for and that the power of the site was too little for, \
         averaged over the measured window",
    ),
    ratio(
        "replicas_without_racks",
        Unit::Ratio,
        SERVERS,
        |t| refused(t, SiteResource::Racks),
        "replicas that autoscalers asked for and that the racks of the site had no room for, \
         averaged over the measured window",
    ),
    ratio(
        "commitment_utilization",
        Unit::Share,
        SERVERS,
        |t| (t.served.committed_s - t.served.spare_s, t.served.committed_s),
        "part of the committed replica time in which the replicas were rented; below the price \
         committed over that on demand, part of the commitment does not pay",
    ),
    ratio(
        "displacements_per_call",
        Unit::Ratio,
        SERVERS,
        |t| {
            let displaced = t.served.counted(Counter::Displaced);
            (displaced, if displaced > 0.0 { t.served.calls } else { 0.0 })
        },
        "times that a running request gave way to one of a higher class, per answered call",
    ),
    ratio(
        "acceptance_length",
        Unit::Tokens,
        SERVERS,
        |t| {
            let verified = t.served.counted(Counter::Verified);
            (verified + t.served.counted(Counter::Accepted), verified)
        },
        "tokens that a decode step gives each request where drafts are verified",
    ),
    ratio(
        "kv_transfer_s",
        Unit::Seconds,
        SERVERS,
        |t| (t.served.transferred(Transfer::WayS), t.served.transferred(Transfer::Arrived)),
        "time that keys and values of a prompt took from the prefill side, of those that arrived in \
         the measured window",
    ),
    ratio(
        "kv_transfer_wait_s",
        Unit::Seconds,
        SERVERS,
        |t| (t.served.transferred(Transfer::WaitS), t.served.transferred(Transfer::Begun)),
        "time that a computed prompt waited until the answering side had room for it",
    ),
    ratio(
        "kv_transfer_mb",
        Unit::Megabytes,
        SERVERS,
        |t| (t.served.transferred(Transfer::Bytes) / 1e6, t.served.transferred(Transfer::Begun)),
        "keys and values of a prompt that the answering side did not have cached",
    ),
    ratio(
        "kv_link_utilization",
        Unit::Share,
        SERVERS,
        |t| (t.served.transferred(Transfer::BusyS), t.served.transferred(Transfer::LinkS)),
        "part of the measured window in which a link from the prefill side had something to send",
    ),
    ratio(
        "kv_pinned_share",
        Unit::Share,
        SERVERS,
        |t| (t.served.transferred(Transfer::PinnedBlockS), t.served.transferred(Transfer::BlockS)),
        "KV memory of the prefill side that computed prompts held until they were fetched, averaged \
         over the measured window",
    ),
];

/// Every figure, those that are not always there last.
pub const METRICS: &[Metric] = &{
    let parts: [&[Metric]; 4] = [PLAIN, &TIERS, &FAILURES, &BILLS];
    let mut all = [PLAIN[0]; PLAIN.len() + TIERS.len() + FAILURES.len() + BILLS.len()];
    let (mut part, mut from, mut to) = (0, 0, 0);
    while to < all.len() {
        if from == parts[part].len() {
            (part, from) = (part + 1, 0);
        }
        all[to] = parts[part][from];
        (from, to) = (from + 1, to + 1);
    }
    all
};

/// Figures of levers that are not always there, beside those of tiers.
pub(super) const LEVERS: &[&str] = &[
    "kv_transfer_s",
    "kv_transfer_wait_s",
    "kv_transfer_mb",
    "kv_link_utilization",
    "kv_pinned_share",
    "displacements_per_call",
    "acceptance_length",
    "availability",
    "replicas",
    "replicas_without_power",
    "replicas_without_racks",
    "commitment_utilization",
    "usd_demand_per_h",
    "demand_usd_share",
    "demand_power_w",
    "water_l_per_task",
    "response_hit_rate",
    "response_wrong_share",
];

/// Replicas that a site refused to autoscalers; nothing where none is under such a limit.
fn refused(t: &Totals<'_>, resource: SiteResource) -> (f64, f64) {
    let at = resource as usize;
    let window_s = if t.served.limited_s[at] > 0.0 { t.window_s } else { f64::NAN };
    (t.served.refused_s[at], window_s)
}

/// What an output token and a cached input token bear of the dollars, where an input token that has
/// to be computed bears 1: the ratios of most list prices since 2025.
const OUTPUT_WEIGHT: f64 = 5.0;
const CACHED_WEIGHT: f64 = 0.1;

/// Dollars spent, and the tokens that bear them in units of fresh input tokens.
fn listed(t: &Totals<'_>) -> (f64, f64) {
    let fresh = t.served.input_tokens - t.served.cached_tokens;
    let cached = CACHED_WEIGHT * t.served.cached_tokens;
    (t.served.spent_usd * 1e6, fresh + cached + OUTPUT_WEIGHT * t.served.output_tokens)
}
