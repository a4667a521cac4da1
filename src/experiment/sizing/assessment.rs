//! What the trials of a candidate say.

use crate::experiment::answer::Answer;
use crate::experiment::figure::Figure;
use crate::experiment::metric::Scope;
use crate::experiment::objective::{Objective, Verdict};
use crate::experiment::sweep::gpus;
use crate::simulation::plan::{Plan, Pool};

use super::{is_metered, usd_per_h};

/// Whether a candidate does what is demanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sure {
    /// Every objective is met, with the confidence asked for.
    Meets,
    /// One is missed, with that confidence.
    Misses,
    /// As many trials as were allowed cannot tell.
    Unsure,
}

/// How full something of a pool is.
#[derive(Clone, Debug, PartialEq)]
pub struct Fullness {
    /// The pool.
    pub pool: String,
    /// `KV memory`, `HBM bandwidth`, `compute`, `batch slots`.
    pub what: &'static str,
    /// From 0 to 1.
    pub share: f64,
}

/// What the trials of a candidate say.
#[derive(Clone, Debug)]
pub struct Assessment {
    /// Its counts, in the order of the knobs.
    pub counts: Vec<u32>,
    /// The load, as a multiple of the scenario's.
    pub load: f64,
    /// Dollars per hour, endpoints included.
    pub usd_per_h: f64,
    /// GPUs of all pools.
    pub gpus: u64,
    /// Power of all pools at the meter, at full load, W; not a number where nobody knows.
    pub watts: f64,
    /// Racks that all pools fill, where the site has a number of them.
    pub racks: Option<u64>,
    /// Trials that were run.
    pub trials: u64,
    /// Whether tasks end as fast as they start.
    pub keeps_up: bool,
    /// By objective.
    pub verdicts: Vec<Verdict>,
    /// By objective.
    pub sure_of: Vec<Sure>,
    /// All together.
    pub sure: Sure,
    /// Figures of the fleet.
    pub figures: Vec<Figure>,
    /// What is fullest, first.
    pub fullness: Vec<Fullness>,
}

impl Assessment {
    /// What an answer says of a candidate with these counts and this load.
    pub(super) fn new(
        answer: &Answer<'_>,
        objectives: &[Objective],
        counts: &[u32],
        load: f64,
    ) -> Self {
        let pairs = objectives.iter().zip(&answer.verdicts);
        let sure_of: Vec<Sure> =
            pairs.map(|(objective, verdict)| sure(objective, verdict)).collect();
        let all = match &sure_of[..] {
            _ if !answer.keeps_up => Sure::Misses,
            each if each.contains(&Sure::Misses) => Sure::Misses,
            each if each.contains(&Sure::Unsure) => Sure::Unsure,
            _ => Sure::Meets,
        };
        Self {
            counts: counts.to_vec(),
            load,
            usd_per_h: spent(answer),
            gpus: gpus(answer.plan),
            watts: answer.plan.pools.iter().map(Pool::most_watts).sum(),
            racks: answer.plan.racks.as_ref().map(|racks| racks.filled_by(&answer.plan.pools)),
            trials: answer.rows.len() as u64,
            keeps_up: answer.keeps_up,
            verdicts: answer.verdicts.clone(),
            sure_of,
            sure: all,
            figures: answer.figures[0].clone(),
            fullness: fullness(answer),
        }
    }

    /// What might be said of a candidate that nobody has simulated.
    pub(super) fn supposed(
        plan: &Plan,
        objectives: &[Objective],
        counts: &[u32],
        load: f64,
        meets: bool,
    ) -> Self {
        let sure = if meets { Sure::Meets } else { Sure::Misses };
        let unknown =
            |objective: &Objective| objective.verdict(&Figure::default(), f64::NAN, &[], 0.95);
        Self {
            counts: counts.to_vec(),
            load,
            usd_per_h: usd_per_h(plan),
            gpus: gpus(plan),
            watts: f64::NAN,
            racks: None,
            trials: 0,
            keeps_up: meets,
            verdicts: objectives.iter().map(unknown).collect(),
            sure_of: vec![sure; objectives.len()],
            sure,
            figures: Vec::new(),
            fullness: Vec::new(),
        }
    }

    /// Whether another candidate has the same servers.
    pub fn same_fleet(&self, other: &Self) -> bool {
        (&self.counts, self.gpus, self.usd_per_h) == (&other.counts, other.gpus, other.usd_per_h)
    }

    /// Whether it meets everything.
    pub fn meets(&self) -> bool {
        self.sure == Sure::Meets
    }

    /// Places of the objectives that are not met for sure.
    pub fn not_met(&self) -> impl Iterator<Item = usize> {
        let each = self.sure_of.iter().enumerate();
        each.filter(|&(_, &sure)| sure != Sure::Meets).map(|(index, _)| index)
    }
}

/// Dollars per hour: those of its servers, or where also calls are paid for or servers come and go,
/// what was spent.
fn spent(answer: &Answer<'_>) -> f64 {
    let owned = usd_per_h(answer.plan);
    match is_metered(answer.plan) {
        false => owned,
        true => answer.of(0, "usd_per_h").mean.unwrap_or(owned),
    }
}

/// Whether an objective is met, for sure.
fn sure(objective: &Objective, verdict: &Verdict) -> Sure {
    let met = |value: f64| objective.is_met_by(value);
    match verdict.interval {
        _ if !verdict.value.is_finite() => Sure::Misses,
        Some(interval) => match (met(interval.low), met(interval.high)) {
            (true, true) => Sure::Meets,
            (false, false) => Sure::Misses,
            _ => Sure::Unsure,
        },
        // Nothing is known of how far off the value may be.
        None if met(verdict.value) => Sure::Meets,
        None => Sure::Misses,
    }
}

fn fullness(answer: &Answer<'_>) -> Vec<Fullness> {
    let mut found = Vec::new();
    for ((part, name), pool) in answer.parts_of(Scope::Pool).zip(&answer.plan.pools) {
        let share = |key: &str| answer.of(part, key).mean.unwrap_or(0.0);
        let slots = share("batch_size") / f64::from(pool.replica.batch_limit);
        for (what, share) in [
            ("KV memory", share("kv_occupancy")),
            ("HBM bandwidth", share("hbm_bandwidth_saturation")),
            ("compute", share("compute_utilization")),
            ("batch slots", slots),
        ] {
            found.push(Fullness { pool: name.to_owned(), what, share });
        }
    }
    found.sort_by(|one, other| other.share.total_cmp(&one.share));
    found
}
