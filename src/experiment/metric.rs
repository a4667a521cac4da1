//! The figures that a simulation answers with: their names, units and definitions.
//!
//! Every figure is a ratio of two sums over a trial: seconds over tasks, dollars over tokens, busy
//! time over time. That makes trials comparable and lets one estimator serve them all. Figures that
//! are observed one by one (a latency, the tokens of a task) have a distribution besides.
//!
//! *Measured window*: from the end of the warm-up until new tasks stop to start. *Tasks that count*
//! start inside it; they are followed to their end, or to the end of the drain.

mod table;

use crate::foundations::Dimension;
use crate::simulation::observations::Observations;
use crate::simulation::outcome::AgentTally;

use super::totals::{Served, Totals};

pub use table::METRICS;
use table::{FAILURES, LEVERS, TIERS};

/// What a figure is about: the whole fleet, one kind of agent, the agents of one tenant, one pool
/// of servers, or one hosted endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Scope {
    /// All agents and all pools.
    Fleet,
    /// The agents of one population.
    Agent,
    /// The agents of one tenant.
    Tenant,
    /// The replicas of one pool.
    Pool,
    /// One hosted endpoint.
    Endpoint,
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
    /// Tasks.
    Tasks,
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
    /// Millions of bytes.
    Megabytes,
    /// Joules.
    Joules,
    /// Grams.
    Grams,
    /// Litres.
    Litres,
    /// Tokens per joule.
    TokensPerJoule,
    /// Tokens per US dollar.
    TokensPerUsd,
    /// Bytes per second.
    BytesPerSecond,
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
            Unit::Tasks => "tasks",
            Unit::Calls => "calls",
            Unit::Requests => "requests",
            Unit::PerSecond => "1/s",
            Unit::TokensPerSecond => "tokens/s",
            Unit::Share => "share",
            Unit::Ratio => "ratio",
            Unit::Watts => "W",
            Unit::Megabytes => "MB",
            Unit::Joules => "J",
            Unit::Grams => "g",
            Unit::Litres => "l",
            Unit::TokensPerJoule => "tokens/J",
            Unit::TokensPerUsd => "tokens/USD",
            Unit::BytesPerSecond => "B/s",
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
            Unit::BytesPerSecond => Dimension::Bandwidth,
            Unit::Tasks | Unit::Calls | Unit::Requests | Unit::Ratio => Dimension::Number,
            Unit::TokensPerJoule
            | Unit::TokensPerUsd
            | Unit::Grams
            | Unit::Litres
            | Unit::Megabytes => Dimension::Number,
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
    /// A sum over the measured window of a trial; its mean over trials.
    Sum(fn(&Served) -> f64),
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

    /// Whether it is about a lever that is not always there: where nothing is known of it, nothing is
    /// said of it.
    pub fn is_of_a_lever(&self) -> bool {
        let is_among = |some: &[Self]| some.iter().any(|metric| metric.key == self.key);
        LEVERS.contains(&self.key) || is_among(&TIERS) || is_among(&FAILURES)
    }

    /// Whether it is a part of a whole.
    pub fn is_share(&self) -> bool {
        self.unit == Unit::Share
    }

    /// Whether more of it is better, as of a success rate; less is, as of a latency, otherwise.
    pub fn more_is_better(&self) -> bool {
        let rate = matches!(
            self.unit,
            Unit::PerSecond | Unit::TokensPerSecond | Unit::TokensPerJoule | Unit::TokensPerUsd
        );
        let better = ["task_success_rate", "availability", "prefix_hit_rate"];
        rate || better.contains(&self.key) || self.key.ends_with("_hit_rate")
    }
}

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
