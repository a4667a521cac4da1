//! The figures that a simulation answers with: their names, units and definitions.
//!
//! Every figure is a ratio of two sums over a trial: seconds over tasks, dollars over tokens, busy
//! time over time. That makes trials comparable and lets one estimator serve them all. Figures that
//! are observed one by one (a latency, the tokens of a task) have a distribution besides.
//!
//! *Measured window*: from the end of the warm-up until new tasks stop to start. *Tasks that count*
//! start inside it; they are followed to their end, or to the end of the drain.

use crate::foundations::Dimension;
use crate::simulation::Cause;
use crate::simulation::outcome::{AgentTally, Observations};

use super::totals::Totals;

/// What a figure is about: the whole fleet, one kind of agent, or one pool of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All agents and all pools.
    Fleet,
    /// The agents of one population.
    Agent,
    /// The replicas of one pool.
    Pool,
}

/// What a figure is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// US dollars.
    Usd,
    /// US dollars per hour.
    UsdPerHour,
    /// US dollars per million tokens.
    UsdPerMtoken,
    /// Tokens.
    Tokens,
    /// Calls, of models or of tools.
    Calls,
    /// Requests.
    Requests,
    /// Tasks or calls per second.
    PerSecond,
    /// Tokens per second.
    TokensPerSecond,
    /// A part of a whole, from 0 to 1.
    Share,
    /// How many times one thing is another.
    Ratio,
    /// Watts.
    Watts,
    /// Joules.
    Joules,
    /// Tokens per joule.
    TokensPerJoule,
}

impl Unit {
    /// As it stands in files.
    pub const fn text(self) -> &'static str {
        match self {
            Unit::Seconds => "s",
            Unit::Usd => "USD",
            Unit::UsdPerHour => "USD/h",
            Unit::UsdPerMtoken => "USD/Mtoken",
            Unit::Tokens => "tokens",
            Unit::Calls => "calls",
            Unit::Requests => "requests",
            Unit::PerSecond => "1/s",
            Unit::TokensPerSecond => "tokens/s",
            Unit::Share => "share",
            Unit::Ratio => "ratio",
            Unit::Watts => "W",
            Unit::Joules => "J",
            Unit::TokensPerJoule => "tokens/J",
        }
    }

    /// How people write it.
    pub const fn dimension(self) -> Dimension {
        match self {
            Unit::Seconds => Dimension::Time,
            Unit::Usd => Dimension::Money,
            Unit::UsdPerHour => Dimension::MoneyPerHour,
            Unit::UsdPerMtoken => Dimension::MoneyPerMtok,
            Unit::Tokens => Dimension::Tokens,
            Unit::PerSecond => Dimension::Rate,
            Unit::TokensPerSecond => Dimension::TokenRate,
            Unit::Share => Dimension::Fraction,
            Unit::Watts => Dimension::Power,
            Unit::Joules => Dimension::Energy,
            Unit::Calls | Unit::Requests | Unit::Ratio | Unit::TokensPerJoule => Dimension::Number,
        }
    }
}

/// Where a figure comes from.
#[derive(Clone, Copy, Debug)]
pub enum Origin {
    /// The mean of observations, made in whole numbers of a small unit.
    Observed {
        /// The observations.
        of: fn(&AgentTally) -> &Observations,
        /// Small units in one of the figure's unit.
        per_unit: f64,
        /// How many more would have been observed, had nothing failed: they count as infinite
        /// where an objective is judged.
        lost: fn(&AgentTally) -> u64,
    },
    /// The mean gap between the tokens of a request.
    Gaps,
    /// All dollars over finished tasks; each task bears them in proportion to its own charge.
    Dollars,
    /// Observations over observations of the same tasks, sum over sum.
    PerObserved {
        /// Over `bottom` it is the figure.
        top: fn(&AgentTally) -> &Observations,
        /// See `top`.
        bottom: fn(&AgentTally) -> &Observations,
    },
    /// Some of the things counted, over all of them.
    Proportion(fn(&AgentTally) -> (u64, u64)),
    /// Sum over sum.
    Ratio(fn(&Totals<'_>) -> (f64, f64)),
}

/// A figure.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name in files; ends in its unit where that is not plain.
    pub key: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// Where it comes from.
    pub origin: Origin,
    /// What it may be about.
    pub scopes: &'static [Scope],
    /// Its definition, in one sentence without a full stop.
    pub meaning: &'static str,
}

impl Metric {
    /// The figure of this name.
    pub fn find(key: &str) -> Option<&'static Metric> {
        METRICS.iter().find(|metric| metric.key == key)
    }

    /// Whether it says something about this.
    pub fn applies_to(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Whether single observations stand behind it, so that it has a distribution.
    pub fn is_observed(&self) -> bool {
        matches!(self.origin, Origin::Observed { .. } | Origin::Gaps | Origin::Dollars)
    }

    /// Its place in [`METRICS`].
    pub fn index(&self) -> usize {
        METRICS.iter().position(|metric| metric.key == self.key).unwrap_or(0)
    }

    /// Whether it is a part of a whole.
    pub fn is_share(&self) -> bool {
        self.unit == Unit::Share
    }

    /// Whether more of it is better, as of a success rate; less is, as of a latency, otherwise.
    pub fn more_is_better(&self) -> bool {
        let rate = matches!(self.unit, Unit::PerSecond | Unit::TokensPerSecond);
        let better = ["task_success_rate", "prefix_hit_rate", "tokens_per_joule"];
        rate || better.contains(&self.key)
    }
}

const ALL: &[Scope] = &[Scope::Fleet, Scope::Agent, Scope::Pool];
const TASKS: &[Scope] = &[Scope::Fleet, Scope::Agent];
const SERVERS: &[Scope] = &[Scope::Fleet, Scope::Pool];

/// Microseconds in a second.
const MICRO: f64 = 1e6;
/// Nanoseconds in a second.
const NANO: f64 = 1e9;

const fn observed(
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
const fn latency(
    key: &'static str,
    of: fn(&AgentTally) -> &Observations,
    lost: fn(&AgentTally) -> u64,
    meaning: &'static str,
) -> Metric {
    let origin = Origin::Observed { of, per_unit: MICRO, lost };
    Metric { key, unit: Unit::Seconds, origin, scopes: TASKS, meaning }
}

const fn ratio(
    key: &'static str,
    unit: Unit,
    scopes: &'static [Scope],
    of: fn(&Totals<'_>) -> (f64, f64),
    meaning: &'static str,
) -> Metric {
    Metric { key, unit, origin: Origin::Ratio(of), scopes, meaning }
}

/// Attempts that failed on the way, at the server or before an open circuit breaker.
fn failed_attempts(tally: &AgentTally) -> u64 {
    tally.transport_errors + tally.timeouts + tally.breaker_refusals
}

/// Attempts that were refused, timed out or had no answer when the trial ended. Those that never
/// reached a server, and those that their own task gave up, are not the servers' fault.
fn unanswered_attempts(tally: &AgentTally) -> u64 {
    let explained = tally.calls + tally.abandoned + tally.transport_errors;
    tally.attempts.saturating_sub(explained)
}

/// Calls that failed in every attempt, or had no answer when the trial ended.
fn unanswered_calls(tally: &AgentTally) -> u64 {
    let ended = tally.calls + tally.abandoned + failed_attempts(tally);
    tally.calls_failed + tally.attempts.saturating_sub(ended)
}

const fn proportion(
    key: &'static str,
    of: fn(&AgentTally) -> (u64, u64),
    meaning: &'static str,
) -> Metric {
    Metric { key, unit: Unit::Share, origin: Origin::Proportion(of), scopes: TASKS, meaning }
}

const fn per_observed(
    key: &'static str,
    top: fn(&AgentTally) -> &Observations,
    bottom: fn(&AgentTally) -> &Observations,
    meaning: &'static str,
) -> Metric {
    let origin = Origin::PerObserved { top, bottom };
    Metric { key, unit: Unit::Ratio, origin, scopes: TASKS, meaning }
}

/// All figures, in the order in which they are shown.
pub const METRICS: &[Metric] = &[
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
        ALL,
        |t| (t.served.spent_usd * 1e6, t.served.input_tokens + t.served.output_tokens),
        "all dollars spent in the measured window over input and output tokens served in it",
    ),
    ratio(
        "usd_per_mtoken_input",
        Unit::UsdPerMtoken,
        ALL,
        |t| (t.served.spent_usd * 1e6, t.served.input_tokens),
        "all dollars spent in the measured window over input tokens served in it, cached included",
    ),
    ratio(
        "usd_per_mtoken_output",
        Unit::UsdPerMtoken,
        ALL,
        |t| (t.served.spent_usd * 1e6, t.served.output_tokens),
        "all dollars spent in the measured window over output tokens produced in it",
    ),
    ratio(
        "usd_per_h",
        Unit::UsdPerHour,
        ALL,
        |t| (t.served.spent_usd * 3600.0, t.window_s),
        "dollars spent per hour; an agent's part is its part of what tasks were charged",
    ),
    ratio(
        "idle_usd_share",
        Unit::Share,
        SERVERS,
        |t| (t.served.spent_usd - t.served.charged_usd, t.served.spent_usd),
        "dollars for time in which a replica did nothing, over all dollars",
    ),
    ratio(
        "wasted_usd_share",
        Unit::Share,
        TASKS,
        |t| (t.tally.wasted_pico as f64, t.tally.charged_pico as f64),
        "charge of attempts whose answer nobody used, over the charge of all attempts",
    ),
    ratio(
        "wasted_token_share",
        Unit::Share,
        TASKS,
        |t| (t.tally.wasted_tokens as f64, (t.tally.wasted_tokens + t.tally.output_tokens) as f64),
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
        ALL,
        |t| (t.served.calls, t.window_s),
        "LLM calls that were answered in the measured window, per second",
    ),
    ratio(
        "input_tokens_per_s",
        Unit::TokensPerSecond,
        ALL,
        |t| (t.served.input_tokens, t.window_s),
        "prompt tokens of requests admitted in the measured window, cached included, per second",
    ),
    ratio(
        "output_tokens_per_s",
        Unit::TokensPerSecond,
        ALL,
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
        ALL,
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
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_carry_their_unit() {
        for (index, metric) in METRICS.iter().enumerate() {
            assert!(METRICS[..index].iter().all(|other| other.key != metric.key), "{}", metric.key);
            let (time, rate) = (metric.key.ends_with("_s"), metric.key.ends_with("_per_s"));
            assert_eq!(metric.unit == Unit::Seconds, time && !rate, "{}", metric.key);
            let money = metric.key.starts_with("usd_");
            let dollars = matches!(metric.unit, Unit::Usd | Unit::UsdPerHour | Unit::UsdPerMtoken);
            assert_eq!(dollars, money, "{}", metric.key);
            assert!(!metric.meaning.ends_with('.'), "{}", metric.key);
        }
    }
}
