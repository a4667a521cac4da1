//! Stretches in which something is out of service whatever the load: stated ones, and others at
//! random, an alternating renewal process whose long-run share of time in service is
//!
//! ```text
//! E[between] / (E[between] + E[length])
//! ```
//!
//! (S. M. Ross, *Stochastic Processes*, 2nd ed., theorem 3.4.4).

use crate::foundations::distribution::Law;
use crate::foundations::random::Stream;
use crate::foundations::{SimDuration, SimTime};

/// When something is out of service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InterruptionLaw {
    /// Stated stretches, by their start.
    pub stated: Vec<Outage>,
    /// Those at random.
    pub random: Option<RandomOutages>,
}

/// Outages at random.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomOutages {
    /// Time in service between two of them, seconds.
    pub between_s: Law,
    /// How long they last, seconds.
    pub length_s: Law,
}

/// One stretch out of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outage {
    /// Its first instant.
    pub start: SimTime,
    /// Its end, back in service.
    pub end: SimTime,
}

impl InterruptionLaw {
    /// Whether there are none.
    pub fn is_never(&self) -> bool {
        self.stated.is_empty() && self.random.is_none()
    }
}

/// The outages of one trial. They depend on nothing that happens in it.
#[derive(Clone, Debug)]
pub struct Interruptions {
    stream: Stream,
    /// The random one that has not ended yet.
    random: Option<Outage>,
    /// Stated ones that have ended.
    passed: usize,
}

impl Interruptions {
    /// The outages that `stream` draws.
    pub fn new(law: &InterruptionLaw, stream: Stream) -> Self {
        let mut new = Self { stream, random: None, passed: 0 };
        new.random = law.random.as_ref().map(|law| new.draw(law, SimTime::ZERO));
        new
    }

    fn draw(&mut self, law: &RandomOutages, after: SimTime) -> Outage {
        let mut time = |law: &Law| {
            SimDuration::from_s_saturating(law.sample(&mut self.stream)).max(SimDuration(1))
        };
        let start = after + time(&law.between_s);
        Outage { start, end: start + time(&law.length_s) }
    }

    /// The outage that `now` lies in, or the next one. Asked in the order of time.
    pub fn at_or_after(&mut self, law: &InterruptionLaw, now: SimTime) -> Option<Outage> {
        while law.stated.get(self.passed).is_some_and(|outage| outage.end <= now) {
            self.passed += 1;
        }
        if let Some(random) = &law.random {
            while let Some(last) = self.random.filter(|outage| outage.end <= now) {
                self.random = Some(self.draw(random, last.end));
            }
        }
        let stated = law.stated.get(self.passed).copied();
        stated.into_iter().chain(self.random).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foundations::random::{Purpose, Streams};

    fn seconds(s: f64) -> SimTime {
        SimTime::from_s(s).unwrap()
    }

    #[test]
    fn stated_outages_come_in_their_order() {
        let outage = |from, to| Outage { start: seconds(from), end: seconds(to) };
        let law =
            InterruptionLaw { stated: vec![outage(10.0, 20.0), outage(50.0, 60.0)], random: None };
        let mut found = Interruptions::new(&law, Streams::new(1, 0).stream(Purpose::Failure, 0));
        assert_eq!(found.at_or_after(&law, seconds(15.0)), Some(outage(10.0, 20.0)));
        assert_eq!(found.at_or_after(&law, seconds(20.0)), Some(outage(50.0, 60.0)));
        assert_eq!(found.at_or_after(&law, seconds(60.0)), None);
    }

    /// Share of time in service over 20,000 cycles against the renewal theorem.
    #[test]
    fn the_share_in_service_is_that_of_the_renewal_theorem() {
        let random = RandomOutages {
            between_s: Law::exponential(900.0).unwrap(),
            length_s: Law::uniform(50.0, 150.0).unwrap(),
        };
        let law = InterruptionLaw { stated: Vec::new(), random: Some(random) };
        let mut found = Interruptions::new(&law, Streams::new(1, 0).stream(Purpose::Failure, 0));
        let (mut now, mut down_s) = (SimTime::ZERO, 0.0);
        for _ in 0..10_000 {
            let outage = found.at_or_after(&law, now).unwrap();
            down_s += outage.end.since(outage.start).as_s();
            now = outage.end;
        }
        let share = 1.0 - down_s / now.as_s();
        // A cycle's standard deviation makes 0.0009 of the share.
        assert!((share - 0.9).abs() < 0.003, "{share}");
    }
}
