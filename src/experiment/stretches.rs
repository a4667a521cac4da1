//! The measured window of a single trial, cut into stretches that stand in for trials.

use crate::simulation::outcome::AgentTally;
use crate::simulation::plan::Plan;
use crate::simulation::series::{Bin, Series};

use super::metric::{Metric, Origin};
use super::totals::{Served, Totals};

/// Stretches at most; so many that their spread is known, and so few that they hardly depend on
/// each other.
const MOST: usize = 20;
/// With fewer, nothing is said.
const FEWEST: usize = 8;

/// One part of the plan in one stretch.
#[derive(Clone, Debug)]
struct Stretch {
    window_s: f64,
    tally: AgentTally,
    served: Served,
}

/// What is known of each part of a plan in each stretch.
#[derive(Clone, Debug, Default)]
pub(super) struct Stretches(Vec<Vec<Stretch>>);

impl Stretches {
    /// Cuts the window between `from_s` and `to_s` of a trial.
    pub(super) fn new(plan: &Plan, (from_s, to_s): (f64, f64), series: &Series) -> Self {
        let length_s = series.length.as_s();
        let inside = |&(index, _): &(usize, &Bin)| {
            let start_s = index as f64 * length_s;
            start_s >= from_s && start_s + length_s <= to_s
        };
        let bins: Vec<_> =
            series.bins.iter().enumerate().filter(inside).map(|(_, bin)| bin).collect();
        if bins.len() < FEWEST {
            return Self::default();
        }
        let each = bins.len().div_ceil(MOST);
        let stretches = bins.chunks_exact(each).map(|bins| in_stretch(plan, bins, length_s));
        Self(stretches.collect())
    }

    /// Top and bottom of a figure of one part, in each stretch.
    pub(super) fn of(&self, part: usize, metric: &Metric) -> Vec<(f64, f64)> {
        let one = |parts: &Vec<Stretch>| {
            let Stretch { window_s, ref tally, served } = *parts.get(part)?;
            let (top, bottom) = match metric.origin {
                Origin::Ratio(of) => {
                    let (bill_usd, peak_w) = (f64::NAN, f64::NAN);
                    of(&Totals { window_s, tally, served, bill_usd, peak_w })
                }
                Origin::Sum(of) => (of(&served), window_s),
                Origin::Dollars => (served.spent_usd, tally.finished_in_window as f64),
                // All requests of a batch wait for the same step: a mean gap is the batch's time
                // over its tokens.
                Origin::Gaps => (served.batch_s, served.output_tokens),
                _ => return None,
            };
            (!top.is_nan() && !bottom.is_nan()).then_some((top, bottom))
        };
        self.0.iter().filter_map(one).collect()
    }
}

/// All parts in one stretch: the fleet, its agents, its pools, its endpoints.
fn in_stretch(plan: &Plan, bins: &[&Bin], length_s: f64) -> Vec<Stretch> {
    let window_s = bins.len() as f64 * length_s;
    let sum = |of: fn(&Bin) -> u64| bins.iter().map(|bin| of(bin)).sum::<u64>();
    let tally = AgentTally {
        finished_in_window: sum(|bin| bin.tasks_finished),
        succeeded_in_window: sum(|bin| bin.tasks_succeeded),
        ..AgentTally::default()
    };
    let pool = |index: usize| {
        let parts =
            bins.iter().map(|bin| Served::by_bin(&plan.pools[index], &bin.pools[index], length_s));
        parts.fold(Served::NONE, |sum, part| sum.plus(&part))
    };
    let pools: Vec<_> = (0..plan.pools.len()).map(pool).collect();
    let endpoint = |index: usize| {
        let parts = bins.iter().map(|bin| Served::by_endpoint(&bin.endpoints[index]));
        parts.fold(Served::NONE, |sum, part| sum.plus(&part))
    };
    let endpoints: Vec<_> = (0..plan.endpoints.len()).map(endpoint).collect();
    let calls = sum(|bin| bin.calls) as f64;
    let served = Served {
        calls,
        ..pools.iter().chain(&endpoints).fold(Served::NONE, |sum, pool| sum.plus(pool))
    };
    let fleet = Stretch { window_s, tally, served };
    let agent = match plan.populations.len() {
        // The only kind of agent is the fleet, but for what servers did.
        1 => Stretch {
            served: Served {
                spent_usd: served.spent_usd,
                calls,
                input_tokens: served.input_tokens,
                cached_tokens: served.cached_tokens,
                output_tokens: served.output_tokens,
                ..Served::UNKNOWN
            },
            ..fleet.clone()
        },
        // Of several kinds, bins do not say who did what.
        _ => Stretch { window_s: f64::NAN, tally: AgentTally::default(), served: Served::UNKNOWN },
    };
    let agents = std::iter::repeat_n(agent, plan.populations.len());
    let servers = pools.into_iter().chain(endpoints);
    let servers = servers.map(|served| Stretch { window_s, tally: AgentTally::default(), served });
    std::iter::once(fleet).chain(agents).chain(servers).collect()
}
