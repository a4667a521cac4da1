//! A closed loop: so many users, each of whom waits for the answer before thinking of the next
//! question. Load then falls when the system slows down, which open arrivals don't.

use super::error::require;
use super::{Arrival, ArrivalError};
use crate::foundations::distribution::Law;
use crate::foundations::{SimDuration, SimTime, Stream};

#[derive(Clone, Debug, PartialEq)]
pub(super) struct ClosedLoop {
    pub(super) users: u32,
    pub(super) think_time_s: Law,
}

impl ClosedLoop {
    pub(super) fn new(users: u32, think_time_s: Law) -> Result<Self, ArrivalError> {
        require(users > 0, "closed-loop", "users", f64::from(users), "", "at least 1")?;
        Ok(Self { users, think_time_s })
    }

    /// `factor` times as many users, at least one.
    pub(super) fn times(&self, factor: f64) -> Self {
        let users = libm::round(f64::from(self.users) * factor).clamp(1.0, f64::from(u32::MAX));
        Self { users: users as u32, ..self.clone() }
    }
}

/// The first arrivals of all users, who begin by thinking.
#[derive(Clone, Debug)]
pub(super) struct ClosedLoopStream {
    first: std::vec::IntoIter<Arrival>,
}

impl ClosedLoopStream {
    pub(super) fn new(closed: &ClosedLoop, mut stream: Stream) -> Self {
        let arrival = |client| {
            let thought = SimDuration::from_s_saturating(closed.think_time_s.sample(&mut stream));
            Arrival { at: SimTime::ZERO + thought, client }
        };
        let mut first: Vec<Arrival> = (0..closed.users).map(arrival).collect();
        first.sort_by_key(|arrival| (arrival.at, arrival.client));
        Self { first: first.into_iter() }
    }

    pub(super) fn next(&mut self) -> Option<Arrival> {
        self.first.next()
    }
}
