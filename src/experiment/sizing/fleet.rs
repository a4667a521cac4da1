//! The cheapest counts that meet everything.

use crate::experiment::objective::Objective;
use crate::simulation::Plan;
use crate::simulation::plan::Pool;

use super::assessment::Assessment;
use super::search::{Search, Stopped};
use super::{Knob, bursts, usd_per_h};

/// How often a fleet is doubled before other kinds are tried.
const PATIENCE: u32 = 2;

/// A kind of fleet: what its servers are, apart from how many.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// What it is called: `accelerator h200-sxm, tensor_parallel 2`.
    pub name: String,
    /// The plan, or why it cannot be built.
    pub plan: Result<Plan, String>,
}

/// What a site has no more of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SiteLimit {
    /// Power at the meter, W.
    Power(f64),
    /// Racks.
    Racks(u32),
}

/// What became of a kind of fleet.
#[derive(Clone, Debug)]
pub enum FleetFound {
    /// So many are enough, and no fewer.
    Enough(Box<Assessment>),
    /// All that could be cheaper than the best of another kind misses something; what was seen at
    /// the most that could.
    Dearer(Box<Assessment>),
    /// Even the smallest fleet is dearer than the best of another kind, USD per hour.
    TooDear(f64),
    /// These objectives, by place, are missed whatever the number; what was seen last.
    OutOfReach(Vec<usize>, Box<Assessment>),
    /// As many as the site has room for are not enough: what binds, and what was seen at it.
    OutOfRoom(SiteLimit, Box<Assessment>),
    /// It cannot be built.
    Unfit(String),
    /// As many candidates as were allowed had been simulated before.
    NotTried,
}

impl Fleet {
    /// About how much a replica of each pool does per second, in the same unknown unit for all
    /// fleets: the mean of a mix of prompts and decode steps of sixteen requests. Only for where to
    /// look first.
    fn vigour(&self) -> Option<f64> {
        let plan = self.plan.as_ref().ok()?;
        let of = |pool: &Pool| {
            let model = &pool.replica.model;
            let prompt = model.tokens(2048).ps as f64 / 2048.0;
            let decode = model.tokens(16).ps + model.head(16).ps + model.host_ps(16);
            f64::from(pool.attention_groups) * 1e12 / (8.0 * prompt + decode as f64 / 16.0)
        };
        let all: f64 = plan.pools.iter().map(of).sum();
        (all.is_finite() && all > 0.0).then_some(all)
    }

    /// Dollars for as much as that.
    fn dearness(&self) -> f64 {
        let each = |pool: &Pool| pool.usd_per_replica_h * f64::from(pool.attention_groups);
        let usd = |plan: &Plan| plan.pools.iter().map(each).sum::<f64>();
        let usd = self.plan.as_ref().map_or(f64::INFINITY, usd);
        self.vigour().map_or(f64::INFINITY, |vigour| usd / vigour)
    }
}

/// What is known before the least counts of a kind of fleet are sought.
#[derive(Clone, Copy, Debug)]
pub struct Hints {
    /// Nothing that costs as much, in USD per hour, or more is looked at.
    pub budget: Option<f64>,
    /// Where to look first.
    pub guess: Option<u32>,
    /// How often the counts may be doubled before it is given up.
    pub doublings: u32,
}

impl Default for Hints {
    /// Nothing is known, and nothing given up.
    fn default() -> Self {
        Self { budget: None, guess: None, doublings: u32::MAX }
    }
}

impl Search<'_> {
    /// The least counts of one kind of fleet.
    ///
    /// # Errors
    /// See [`Stopped`].
    pub fn least(
        &mut self,
        fleet: &Fleet,
        knobs: &[Knob],
        hints: Hints,
    ) -> Result<FleetFound, Stopped> {
        let Hints { guess, mut doublings, .. } = hints;
        let plan = match &fleet.plan {
            Ok(plan) => plan,
            Err(why) => return Ok(FleetFound::Unfit(why.clone())),
        };
        let (name, most) = (&fleet.name, self.setup.most_replicas);
        let start: Vec<u32> = knobs.iter().map(|knob| knob.get(plan).unwrap_or(1)).collect();
        let bottom: Vec<u32> = knobs.iter().map(|knob| knob.least(plan)).collect();
        let (mut counts, mut least) = (start, bottom.clone());
        // What an autoscaler may rent at most says little of what it costs.
        let chosen = knobs.iter().any(|knob| matches!(knob, Knob::MostReplicas(_)));
        let budget = hints.budget.filter(|_| !chosen);
        // As many in these proportions as there is room for.
        let housed = |mut counts: Vec<u32>| -> Vec<u32> {
            while let Some((_, part)) = beyond(plan, knobs, &counts) {
                let fewer = counts.iter().zip(&bottom);
                let fewer = fewer.map(|(&n, &least)| ((f64::from(n) * part) as u32).max(least));
                let fewer: Vec<u32> = fewer.collect();
                if fewer == counts {
                    break;
                }
                counts = fewer;
            }
            counts
        };
        if let Some(budget) = budget {
            counts = match affordable(plan, knobs, &counts, budget, most) {
                Some(counts) => housed(counts),
                None => return Ok(FleetFound::TooDear(smallest_usd(plan, knobs))),
            };
        }
        let mut found = self.assess(name, plan, knobs, &counts, 1.0)?;
        if budget.is_some() && !found.meets() {
            return Ok(FleetFound::Dearer(Box::new(found)));
        }
        while !found.meets() {
            if counts.iter().all(|&count| count >= most) {
                let missed = found.not_met().collect();
                return Ok(FleetFound::OutOfReach(missed, Box::new(found)));
            }
            if doublings == 0 {
                return Ok(FleetFound::NotTried);
            }
            doublings -= 1;
            least = counts.iter().map(|&count| count.saturating_add(1).min(most)).collect();
            let twice: Vec<u32> =
                counts.iter().map(|&count| count.saturating_mul(2).min(most)).collect();
            let limit = beyond(plan, knobs, &twice).map(|(limit, _)| limit);
            let more = housed(twice);
            if let Some(limit) = limit.filter(|_| more.iter().zip(&counts).all(|(a, b)| a <= b)) {
                return Ok(FleetFound::OutOfRoom(limit, Box::new(found)));
            }
            counts = more;
            let bigger = self.assess(name, plan, knobs, &counts, 1.0)?;
            let lost = out_of_reach(self.setup.objectives, &found, &bigger);
            if !lost.is_empty() {
                return Ok(FleetFound::OutOfReach(lost, Box::new(bigger)));
            }
            found = bigger;
        }
        // Where several counts can be chosen, all of them at their least fail together, but one of
        // them alone may still be there or below.
        if knobs.len() > 1 {
            least = bottom;
        }
        let mut order: Vec<usize> = (0..knobs.len()).collect();
        order.sort_by(|&one, &other| {
            let usd = |at: usize| knobs[at].usd_per_h(plan) * f64::from(counts[at]);
            usd(other).total_cmp(&usd(one)).then(one.cmp(&other))
        });
        for at in order {
            let (mut low, mut high) = (least[at], counts[at]);
            let mut probes = Probes::around(guess.filter(|_| knobs.len() == 1));
            while low < high {
                counts[at] = probes.next(low, high);
                let fewer = self.assess(name, plan, knobs, &counts, 1.0)?;
                probes.tell(fewer.meets());
                if fewer.meets() {
                    high = counts[at];
                    found = fewer;
                } else {
                    low = counts[at] + 1;
                }
            }
            counts[at] = high;
        }
        if bursts(plan) {
            found = self.own_or_hosted(fleet, plan, knobs, found)?;
        }
        Ok(FleetFound::Enough(Box::new(found)))
    }

    /// The cheapest between the least that is enough and what costs as much without any call to an
    /// endpoint: one more server saves calls that are paid for, each one fewer than the last, so the
    /// cost falls first and then rises.
    fn own_or_hosted(
        &mut self,
        fleet: &Fleet,
        plan: &Plan,
        knobs: &[Knob],
        enough: Assessment,
    ) -> Result<Assessment, Stopped> {
        let mut best = enough;
        for at in 0..knobs.len() {
            let price = knobs[at].usd_per_h(plan);
            if price <= 0.0 {
                continue;
            }
            let spare = best.usd_per_h - own_usd_per_h(plan, knobs, &best.counts);
            let most = self.setup.most_replicas;
            let (mut low, mut high) = (best.counts[at], best.counts[at]);
            high = high.saturating_add(libm::floor(spare.max(0.0) / price) as u32).min(most);
            let with = |search: &mut Self, count: u32| {
                let mut counts = best.counts.clone();
                counts[at] = count;
                search.assess(&fleet.name, plan, knobs, &counts, 1.0)
            };
            while low < high {
                let middle = low + (high - low) / 2;
                let pair = with(self, middle).and_then(|one| Ok((one, with(self, middle + 1)?)));
                let (fewer, more) = match pair {
                    // What is known is told.
                    Err(Stopped::TooMany(_)) => return Ok(best),
                    pair => pair?,
                };
                match more.meets() && more.usd_per_h < fewer.usd_per_h {
                    true => low = middle + 1,
                    false => high = middle,
                }
            }
            let found = with(self, low)?;
            if found.meets() && found.usd_per_h < best.usd_per_h {
                best = found;
            }
        }
        Ok(best)
    }

    /// The least counts of every kind of fleet, in their order. The most promising are tried first,
    /// the others only below the price of the best so far, and from where it leads to expect.
    ///
    /// # Errors
    /// See [`Stopped`]; kinds that are left when there are too many candidates are not tried.
    pub fn cheapest(
        &mut self,
        fleets: &[Fleet],
        knobs: &[Knob],
    ) -> Result<Vec<FleetFound>, Stopped> {
        let mut order: Vec<usize> = (0..fleets.len()).collect();
        order.sort_by(|&one, &other| fleets[one].dearness().total_cmp(&fleets[other].dearness()));
        let mut budget: Option<f64> = None;
        // What the best fleet so far does, by its vigour and its number.
        let mut work: Option<f64> = None;
        let mut all: Vec<FleetFound> = fleets.iter().map(|_| FleetFound::NotTried).collect();
        // Kinds that only a great number makes do wait until the others have set a price.
        for doublings in [PATIENCE, u32::MAX] {
            for &at in &order {
                if !matches!(all[at], FleetFound::NotTried) {
                    continue;
                }
                let vigour = fleets[at].vigour();
                let guess = work.zip(vigour).map(|(work, vigour)| libm::ceil(work / vigour) as u32);
                let hints = Hints { budget, guess, doublings };
                let found = match self.least(&fleets[at], knobs, hints) {
                    Err(Stopped::TooMany(_)) if budget.is_some() => return Ok(all),
                    found => found?,
                };
                if let FleetFound::Enough(enough) = &found {
                    budget = Some(budget.map_or(enough.usd_per_h, |usd| usd.min(enough.usd_per_h)));
                    work = vigour.map(|vigour| vigour * f64::from(enough.counts[0]));
                }
                all[at] = found;
            }
        }
        Ok(all)
    }
}

/// Where to look for the least number that is enough: at a guess first, then ever farther from it,
/// and in the middle of what is left once it is between two that were seen.
struct Probes {
    guess: Option<u32>,
    step: u32,
    last: Option<bool>,
}

impl Probes {
    fn around(guess: Option<u32>) -> Self {
        Self { guess, step: 1, last: None }
    }

    /// The next number to try, at least `low` and below `high`.
    fn next(&mut self, low: u32, high: u32) -> u32 {
        let at = match (self.guess, self.last) {
            (None, _) => low + (high - low) / 2,
            (Some(guess), None) => guess,
            (Some(_), Some(true)) => high.saturating_sub(self.step),
            (Some(_), Some(false)) => low.saturating_add(self.step - 1),
        };
        at.clamp(low, high - 1)
    }

    /// Whether what was tried was enough.
    fn tell(&mut self, enough: bool) {
        match self.last {
            Some(last) if last != enough => self.guess = None,
            Some(_) => self.step = self.step.saturating_mul(2),
            None => {}
        }
        self.last = Some(enough);
    }
}

/// What of the site is not enough for these counts, and the part of them that there is room for.
fn beyond(plan: &Plan, knobs: &[Knob], counts: &[u32]) -> Option<(SiteLimit, f64)> {
    let power = plan.power_limit_w.map(|limit| {
        let part = limit / watts(plan, knobs, counts);
        (SiteLimit::Power(limit), part)
    });
    let racks = plan.racks.as_ref().map(|racks| {
        let filled = |(place, pool): (usize, &Pool)| {
            let of = |knob: &Knob| match knob {
                Knob::Replicas(at) | Knob::MostReplicas(at) => *at == place,
                Knob::Slots(_) => false,
            };
            let knob = knobs.iter().zip(counts).find(|(knob, _)| of(knob));
            let now = pool.most_replicas();
            let replicas = knob.map_or(now, |(knob, &count)| match knob {
                Knob::Replicas(_) => count.saturating_mul(pool.attention_groups),
                _ => count,
            });
            racks.filled(place, pool, replicas)
        };
        let filled: u64 = plan.pools.iter().enumerate().map(filled).sum();
        let part = f64::from(racks.limit) / filled as f64;
        (SiteLimit::Racks(racks.limit), part)
    });
    let limits = power.into_iter().chain(racks).filter(|(_, part)| *part < 1.0);
    limits.min_by(|(_, one), (_, other)| one.total_cmp(other))
}

/// Power at the meter with these counts, W.
fn watts(plan: &Plan, knobs: &[Knob], counts: &[u32]) -> f64 {
    let more = knobs.iter().zip(counts).map(|(knob, &count)| match knob {
        Knob::Replicas(pool) | Knob::MostReplicas(pool) => {
            let now = f64::from(knob.get(plan).unwrap_or(count));
            plan.pools[*pool].most_watts() * (f64::from(count) / now - 1.0)
        }
        Knob::Slots(_) => 0.0,
    });
    plan.pools.iter().map(Pool::most_watts).sum::<f64>() + more.sum::<f64>()
}

/// Dollars per hour of the servers with these counts.
fn own_usd_per_h(plan: &Plan, knobs: &[Knob], counts: &[u32]) -> f64 {
    let prices = knobs.iter().zip(counts);
    let more = prices.map(|(knob, &count)| {
        knob.usd_per_h(plan) * (f64::from(count) - f64::from(knob.get(plan).unwrap_or(count)))
    });
    usd_per_h(plan) + more.sum::<f64>()
}

/// Dollars per hour with one of each.
fn smallest_usd(plan: &Plan, knobs: &[Knob]) -> f64 {
    let spared = |knob: &Knob| {
        let count = knob.get(plan).unwrap_or(1);
        knob.usd_per_h(plan) * f64::from(count.saturating_sub(1))
    };
    usd_per_h(plan) - knobs.iter().map(spared).sum::<f64>()
}

/// The most that costs less than `budget`, in the proportions of `counts`; none where one of each
/// costs as much.
fn affordable(
    plan: &Plan,
    knobs: &[Knob],
    counts: &[u32],
    budget: f64,
    most: u32,
) -> Option<Vec<u32>> {
    let smallest = smallest_usd(plan, knobs);
    // A price that only rounding tells from the budget is the same.
    let budget = budget * (1.0 - 1e-9);
    if smallest >= budget {
        return None;
    }
    let prices: Vec<f64> = knobs.iter().map(|knob| knob.usd_per_h(plan)).collect();
    let of = |scale: f64| -> Vec<u32> {
        let scaled = counts.iter().map(|&count| libm::floor(f64::from(count) * scale));
        scaled.map(|count| count.clamp(1.0, f64::from(most)) as u32).collect()
    };
    let usd = |counts: &[u32]| {
        let more = prices.iter().zip(counts);
        smallest + more.map(|(usd, &count)| usd * f64::from(count - 1)).sum::<f64>()
    };
    let (mut low, mut high) = (0.0, f64::from(most));
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if usd(&of(middle)) < budget { low = middle } else { high = middle }
    }
    Some(of(low))
}

/// Objectives that a fleet misses and always will. Where a value nears its end as v + c/n, twice the
/// servers halve what is left: as much as they brought is all that is still to come.
fn out_of_reach(objectives: &[Objective], found: &Assessment, bigger: &Assessment) -> Vec<usize> {
    let stuck = |&index: &usize| {
        let (before, after) = (found.verdicts[index].value, bigger.verdicts[index].value);
        found.keeps_up && before.is_finite() && !objectives[index].is_met_by(2.0 * after - before)
    };
    bigger.not_met().filter(stuck).collect()
}
