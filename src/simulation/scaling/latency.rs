//! How many replicas hold a latency below a limit, learnt from what a pool is seen to do.
//!
//! A latency says that there are too few replicas, not how many there should be: in a queue that grows
//! it becomes as long as one cares to wait. So an overload is taken as the chance to learn what a
//! replica can do: how many requests it has in work at once, `k`, and how long each of them stays, `S`;
//! it answers `k / S` of them per second (Little's law), whatever it is that limits it. From then on
//! there are as many replicas, those included that still start, as let no more requests wait for longer
//! than the limit `t` allows than are meant to be, by Erlang's formula for `m = n k` servers and an offered
//! load of `a = lambda S` (A. K. Erlang, 1917; L. Kleinrock, *Queueing Systems* I, 1975, 3.5):
//!
//! ```text
//! P(W > t) = C(m, a) exp(-(m - a) t / S)
//! ```
//!
//! Requests that wait already count in `lambda` as if they came anew within the window, so that a queue is
//! worked off. Before anything was learnt, and where requests are late though none waits for a place (long
//! prompts beside others), replicas are added as long as it is so, each time as many as the ones before
//! have shown not to be enough.
//!
//! A time per output token grows at most in proportion to the requests on a replica, so what it would be
//! on one more or less is known without that.

use std::collections::VecDeque;

use crate::foundations::SimTime;
use crate::foundations::time::SimDuration;
use crate::serving::Finished;
use crate::simulation::plan::Watched;

/// Part of a limit that lets one replica go where nothing was learnt.
const ENOUGH: f64 = 0.5;

/// What a pool's autoscaler has seen.
#[derive(Clone, Debug, Default)]
pub(in crate::simulation) struct Watch {
    /// Requests that were answered of late.
    answered: VecDeque<Answered>,
    /// Requests that left the pool, in all.
    left: u64,
    /// What was seen at the last looks.
    looks: VecDeque<Look>,
    /// Requests sent before this say nothing of the latency: replicas were still starting.
    from: SimTime,
    learnt: Option<Learnt>,
}

#[derive(Clone, Copy, Debug)]
struct Answered {
    at: SimTime,
    submitted: SimTime,
    /// What is watched of it, where there is something to see.
    latency_s: Option<f64>,
    /// How long it was in work, and how long until its first token, s.
    held_s: f64,
    prompt_s: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Look {
    at: SimTime,
    left: u64,
    present: u64,
}

/// What a replica can do.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Learnt {
    /// Requests that it has in work at once.
    places: f64,
    /// How long each of them stays, s.
    held_s: f64,
}

/// How a pool stands when its autoscaler looks.
#[derive(Clone, Debug, Default)]
pub(super) struct Stand {
    /// Replicas that are rented and stay, those that start among them.
    pub(super) replicas: u32,
    /// Those of them that are out of service.
    pub(super) down: u32,
    /// Whether some of them still start.
    pub(super) starting: bool,
    /// Requests in it.
    pub(super) present: u64,
    /// When those were sent that wait.
    pub(super) waiting: Vec<SimTime>,
    /// Requests in work on each replica at which one waits for longer than the limit.
    pub(super) crowded: Vec<usize>,
    /// Replicas at most.
    pub(super) most: u32,
}

impl Watch {
    /// Notes a request that left the pool.
    pub(super) fn note(&mut self, report: &Finished, watched: Watched) {
        self.left += 1;
        let first = report.first_token.filter(|_| !report.cancelled);
        let (Some(first), Some(scheduled)) = (first, report.scheduled) else { return };
        let latency_s = match watched.per_token {
            false => Some(first.since(report.submitted).as_s()),
            true if report.produced < 2 => None,
            true => Some(report.finished.since(first).as_s() / f64::from(report.produced - 1)),
        };
        self.answered.push_back(Answered {
            at: report.finished,
            submitted: report.submitted,
            latency_s,
            held_s: report.finished.since(scheduled).as_s(),
            prompt_s: first.since(scheduled).as_s(),
        });
    }

    /// The replicas that there should be.
    pub(super) fn wanted(
        &mut self,
        now: SimTime,
        stand: &Stand,
        limit_s: f64,
        watched: Watched,
    ) -> u32 {
        self.forget(now, watched.window);
        if stand.starting {
            self.from = now;
        }
        let rate = self.rate(now, stand);
        self.looks.push_back(Look { at: now, left: self.left, present: stand.present });
        let limits = self.latency_s(now, stand, limit_s, watched) / limit_s;
        if watched.per_token {
            return for_tokens(limits, stand);
        }
        self.learn(stand);
        if stand.replicas == 0 {
            return u32::from(stand.present > 0);
        }
        let Some(learnt) = self.learnt else { return for_latency(limits, stand) };
        let mean = |of: fn(&Answered) -> f64| {
            let count = self.answered.len().max(1) as f64;
            self.answered.iter().map(of).sum::<f64>() / count
        };
        let window_s = watched.window.as_s();
        let load = (rate + stand.waiting.len() as f64 / window_s) * learnt.held_s;
        let wait = (limit_s - mean(|one| one.prompt_s)).max(0.0) / learnt.held_s;
        let most = stand.most.saturating_sub(stand.down);
        let needed = replicas(load, learnt.places, wait, 1.0 - watched.quantile, most) + stand.down;
        match limits > 1.0 {
            false => needed,
            // Late, and not for want of places.
            true if stand.crowded.is_empty() && !stand.starting => {
                self.from = now;
                needed.max(stand.replicas + 1)
            }
            true => needed.max(stand.replicas),
        }
    }

    /// Drops what is older than the window; of the looks one stays that is.
    fn forget(&mut self, now: SimTime, window: SimDuration) {
        while self.answered.front().is_some_and(|one| now.since(one.at) > window) {
            self.answered.pop_front();
        }
        while self.looks.get(1).is_some_and(|look| now.since(look.at) >= window) {
            self.looks.pop_front();
        }
    }

    /// Requests that came per second within the window.
    fn rate(&self, now: SimTime, stand: &Stand) -> f64 {
        let before = self.looks.front().copied().unwrap_or_default();
        let came = (self.left + stand.present).saturating_sub(before.left + before.present);
        let over_s = now.since(before.at).as_s();
        if over_s > 0.0 { came as f64 / over_s } else { 0.0 }
    }

    /// The latency within which the stated part of the requests kept, of those answered of late and
    /// those that wait for longer than the limit already, s; nothing where there are none.
    fn latency_s(&self, now: SimTime, stand: &Stand, limit_s: f64, watched: Watched) -> f64 {
        let counts = |sent: &SimTime| *sent >= self.from;
        let answered = self.answered.iter().filter(|one| counts(&one.submitted));
        let mut seen: Vec<f64> = answered.filter_map(|one| one.latency_s).collect();
        if !watched.per_token {
            let ages =
                stand.waiting.iter().filter(|sent| counts(sent)).map(|&sent| now.since(sent));
            seen.extend(ages.map(SimDuration::as_s).filter(|&age_s| age_s > limit_s));
        }
        seen.sort_by(f64::total_cmp);
        let rank = libm::ceil(watched.quantile * seen.len() as f64) as usize;
        rank.checked_sub(1).map_or(0.0, |at| seen[at])
    }

    /// Learns what a replica can do where some have more than they can.
    fn learn(&mut self, stand: &Stand) {
        if stand.crowded.is_empty() || self.answered.is_empty() {
            return;
        }
        let places = stand.crowded.iter().sum::<usize>() as f64 / stand.crowded.len() as f64;
        let held_s = self.answered.iter().map(|one| one.held_s).sum::<f64>();
        let found = Learnt { places: places.max(1.0), held_s: held_s / self.answered.len() as f64 };
        self.learnt = Some(match self.learnt {
            None => found,
            Some(known) => Learnt {
                places: f64::midpoint(known.places, found.places),
                held_s: f64::midpoint(known.held_s, found.held_s),
            },
        });
    }
}

/// The fewest replicas, at most `most`, of `places` servers each for an offered load of `load`, where at most
/// a part `late` waits for longer than `wait` times of service.
fn replicas(load: f64, places: f64, wait: f64, late: f64, most: u32) -> u32 {
    if load <= 0.0 {
        return 0;
    }
    // Erlang's B by its recursion, from which C follows.
    let (mut blocked, mut servers) = (1.0, 0.0);
    for count in 1..most {
        let all = libm::floor(f64::from(count) * places);
        while servers < all {
            servers += 1.0;
            blocked = load * blocked / (servers + load * blocked);
        }
        let spare = servers - load;
        if spare > 0.0 {
            let waits = servers * blocked / (servers - load * (1.0 - blocked));
            if waits * libm::exp(-spare * wait) <= late {
                return count;
            }
        }
    }
    most
}

/// Replicas for a latency of so many limits, where nothing is known of what one can do: as many more
/// as the latency is too long by, at most as many again.
fn for_latency(limits: f64, stand: &Stand) -> u32 {
    match limits {
        _ if stand.starting => stand.replicas,
        limits if limits > 1.0 => stand.replicas + more(limits, stand.replicas),
        limits if limits <= ENOUGH => stand.replicas.saturating_sub(1),
        _ => stand.replicas,
    }
}

/// Replicas for a time per token of so many limits: one fewer has at most so much more to do.
fn for_tokens(limits: f64, stand: &Stand) -> u32 {
    let fewer = stand.replicas.saturating_sub(1);
    match limits {
        _ if stand.starting => stand.replicas,
        limits if limits > 1.0 => stand.replicas + more(limits, stand.replicas),
        limits if limits * f64::from(stand.replicas) <= f64::from(fewer) => fewer,
        _ => stand.replicas,
    }
}

fn more(limits: f64, replicas: u32) -> u32 {
    let more = f64::from(replicas.max(1)) * (limits - 1.0).min(1.0);
    (libm::ceil(more) as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Erlang's tables: for 10 erlangs 0.409 of the calls wait with 12 servers, and with 16 servers 0.037.
    #[test]
    fn as_few_servers_as_erlang_allows() {
        assert_eq!(replicas(10.0, 4.0, 0.0, 0.45, 9), 3);
        assert_eq!(replicas(10.0, 4.0, 0.0, 0.40, 9), 4);
        assert_eq!(replicas(10.0, 4.0, 0.5, 0.05, 9), 4);
        assert_eq!(replicas(10.0, 4.0, 2.0, 0.05, 9), 3);
        assert_eq!(replicas(10.0, 1.0, 0.0, 1.0, 99), 11);
        assert_eq!(replicas(0.0, 4.0, 0.5, 0.05, 9), 0);
        assert_eq!(replicas(1e4, 4.0, 0.5, 0.05, 9), 9);
    }
}
