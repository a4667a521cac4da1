//! The highest load that a fleet carries.

use crate::simulation::Plan;

use super::assessment::Assessment;
use super::search::{Search, Stopped};
use super::{Knob, bursts};

/// A load beyond which nothing is sought: a thousand times the scenario's, or a thousandth.
const FARTHEST: f64 = 1000.0;
/// The same where an endpoint takes what is too much: beyond, its load is no longer the fleet's.
const FARTHEST_HOSTED: f64 = 8.0;

/// The highest load that a fleet carries.
#[derive(Clone, Debug)]
pub struct LoadFound {
    /// The highest load at which it was seen to meet everything; none where even a thousandth of the
    /// scenario's is too much.
    pub carries: Option<Assessment>,
    /// The lowest load at which it was seen not to; none where a thousand times the scenario's is
    /// not enough, eight times where an endpoint takes what is too much.
    pub fails: Option<Assessment>,
}

impl Search<'_> {
    /// Bisects the load of a plan with these counts until the highest that it carries is known to
    /// the setup's precision.
    ///
    /// # Errors
    /// See [`Stopped`].
    pub fn highest_load(
        &mut self,
        name: &str,
        plan: &Plan,
        knobs: &[Knob],
        counts: &[u32],
    ) -> Result<LoadFound, Stopped> {
        let farthest = if bursts(plan) { FARTHEST_HOSTED } else { FARTHEST };
        let mut at = |load: f64| self.assess(name, plan, knobs, counts, load);
        let (mut carries, mut fails) = (None, None);
        let mut load = 1.0;
        while (carries.is_none() || fails.is_none()) && (1.0 / FARTHEST..=farthest).contains(&load)
        {
            let found = match at(load) {
                Err(Stopped::TooMany(_)) if load != 1.0 => break,
                found => found?,
            };
            if found.meets() {
                carries = Some(found);
                load *= 2.0;
            } else {
                fails = Some(found);
                load /= 2.0;
            }
        }
        let precision = self.setup.precision;
        // Where there are too many candidates, what is known is told.
        while let (Some(low), Some(high)) = (&carries, &fails) {
            if high.load / low.load <= 1.0 + precision {
                break;
            }
            // A closed loop's users are whole: what lies between them is one of them.
            let between = rounded(libm::sqrt(low.load * high.load));
            if between <= low.load || between >= high.load {
                break;
            }
            let found = match self.assess(name, plan, knobs, counts, between) {
                Err(Stopped::TooMany(_)) => break,
                found => found?,
            };
            if found.meets() {
                carries = Some(found);
            } else {
                fails = Some(found);
            }
        }
        Ok(LoadFound { carries, fails })
    }
}

/// A factor in three digits, as one types it.
fn rounded(factor: f64) -> f64 {
    format!("{factor:.3e}").parse().unwrap_or(factor)
}
