//! Recorded arrivals, off the grid of the clock that recorded them.
//!
//! Arrivals that a coarse clock stamped alike are spread in its interval as independent uniforms
//! would be, put in order: given that `k` of them lie above `x`, the least of those is
//! `1 - (1 - x) U^(1/k)`. So they come one by one, in the recorded order, without being stored.

use std::sync::Arc;

use super::error::require;
use super::{Arrival, ArrivalError};
use crate::foundations::{SimDuration, SimTime, Stream};

const PROCESS: &str = "recorded";

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Recorded {
    instants: Arc<[SimTime]>,
    grid: SimDuration,
    speed: f64,
}

impl Recorded {
    pub(super) fn new(
        instants: Vec<SimTime>,
        grid: SimDuration,
        speed: f64,
    ) -> Result<Self, ArrivalError> {
        let (fits, valid) = ((1e-6..=1e6).contains(&speed), "from 1e-6 to 1e6");
        let speed = require(fits, PROCESS, "speed", speed, "", valid)?;
        let problem = match instants.windows(2).position(|pair| pair[0] > pair[1]) {
            Some(at) => format!("number {} lies before number {at}; sort them by time", at + 1),
            None if instants.is_empty() => "there are none; give at least one instant".to_owned(),
            None => return Ok(Self { instants: instants.into(), grid, speed }),
        };
        Err(ArrivalError::Contradiction { process: PROCESS, problem })
    }

    /// The same recording, `factor` times as fast.
    pub(super) fn times(&self, factor: f64) -> Result<Self, ArrivalError> {
        let speed = self.speed * factor;
        let (fits, valid) = ((1e-6..=1e6).contains(&speed), "from 1e-6 to 1e6");
        Ok(Self { speed: require(fits, PROCESS, "speed", speed, "", valid)?, ..self.clone() })
    }

    /// The span runs to the end of the last grid interval; a free clock's to the last arrival.
    pub(super) fn rate(&self) -> Option<f64> {
        let (first, last) = (self.instants.first()?, self.instants.last()?);
        let span = (last.since(*first) + self.grid).as_s();
        let closed = if self.grid == SimDuration::ZERO { 1 } else { 0 };
        (span > 0.0).then(|| (self.instants.len() - closed) as f64 * self.speed / span)
    }
}

#[derive(Clone, Debug)]
pub(super) struct RecordedStream {
    recorded: Recorded,
    stream: Stream,
    index: usize,
    /// How many from `index` on share its instant, and how far into the grid interval we are.
    left: usize,
    position: f64,
}

impl RecordedStream {
    pub(super) fn new(recorded: Recorded, stream: Stream) -> Self {
        Self { recorded, stream, index: 0, left: 0, position: 0.0 }
    }

    pub(super) fn next(&mut self) -> Option<Arrival> {
        let Recorded { instants, grid, speed } = &self.recorded;
        let line = *instants.get(self.index)?;
        if self.left == 0 {
            self.left = instants[self.index..].iter().take_while(|&&at| at == line).count();
            self.position = 0.0;
        }
        let mut at = line;
        if *grid > SimDuration::ZERO {
            let above = libm::pow(self.stream.uniform(), 1.0 / self.left as f64);
            self.position = 1.0 - (1.0 - self.position) * above;
            at += SimDuration((grid.0 as f64 * self.position) as u64);
        }
        if *speed != 1.0 {
            at = SimTime((at.0 as f64 / speed) as u64);
        }
        let client = self.index as u32;
        self.left -= 1;
        self.index += 1;
        Some(Arrival { at, client })
    }
}
