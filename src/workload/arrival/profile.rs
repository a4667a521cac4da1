//! Busy and quiet hours, by the exact inversion of operational time.
//!
//! A process of constant rate runs on its own clock, the *operational time* `τ`; the wall clock `t`
//! follows from `τ = Λ(t) = ∫ m`, with `m` the multiplier of the rate in force, constant over each
//! hour and 1 on average over the cycle. `Λ` is piecewise linear, so its inverse is exact, and the
//! operational length of a cycle equals its length. A Poisson process becomes the inhomogeneous
//! Poisson process of rate `λ m(t)`; other processes keep their burstiness relative to their rate.
//!
//! Source: E. Çinlar, *Introduction to Stochastic Processes* (1975), section 4.7.

use std::sync::Arc;

use super::ArrivalError;
use super::error::require;
use crate::foundations::SimTime;
use crate::foundations::time::PS_PER_S;

const PROCESS: &str = "profiled";
const HOUR: u64 = 3600 * PS_PER_S;

/// Multipliers of a rate over the hours of a day or a week.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Operational time from the start of the cycle to the end of each hour.
    ends: Vec<u64>,
    /// Where in the cycle the trial begins, by the clock and in operational time.
    start: u64,
    operational_start: u64,
}

impl Profile {
    /// A profile of 24 hours or of the 168 of a week, scaled to a mean of 1; `start_hour` is the
    /// hour of that cycle, with fractions, at which the trial begins.
    ///
    /// # Errors
    /// Another number of values, values that are negative or no numbers or all zero, and a start
    /// outside the cycle.
    pub fn hourly(multipliers: &[f64], start_hour: f64) -> Result<Self, ArrivalError> {
        let contradiction =
            |problem| Err(ArrivalError::Contradiction { process: PROCESS, problem });
        let hours = multipliers.len();
        if hours != 24 && hours != 168 {
            return contradiction(format!(
                "the profile has {hours} values, but must have 24, the hours of a day, or 168, \
                 those of a week"
            ));
        }
        for &value in multipliers {
            let fits = (0.0..=1e9).contains(&value);
            require(fits, PROCESS, "a value of the profile", value, "", "from 0 to 1e9")?;
        }
        let total: f64 = multipliers.iter().sum();
        if total <= 0.0 {
            return contradiction(
                "the profile is zero all the time; give some hour a value".into(),
            );
        }
        let (fits, valid) =
            ((0.0..hours as f64).contains(&start_hour), "within the profile's hours");
        require(fits, PROCESS, "start hour", start_hour, "", valid)?;
        let cycle = hours as f64 * HOUR as f64;
        let mut sum = 0.0;
        let ends: Vec<u64> = multipliers
            .iter()
            .map(|value| {
                sum += value;
                libm::round(sum / total * cycle) as u64
            })
            .collect();
        let start = (start_hour * HOUR as f64) as u64;
        let mut profile = Self { ends, start, operational_start: 0 };
        let hour = (start / HOUR) as usize;
        let part = (start % HOUR) as f64 / HOUR as f64;
        let inside = part * profile.length(hour) as f64;
        profile.operational_start = profile.begin(hour) + inside as u64;
        Ok(profile)
    }

    /// Operational time from the start of the cycle to the beginning of an hour.
    fn begin(&self, hour: usize) -> u64 {
        hour.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    fn length(&self, hour: usize) -> u64 {
        self.ends[hour] - self.begin(hour)
    }

    fn cycle(&self) -> u64 {
        self.ends.len() as u64 * HOUR
    }

    /// The multiplier of the rate at an instant of the trial.
    pub fn multiplier(&self, at: SimTime) -> f64 {
        let hour = (at.0 % self.cycle() + self.start) % self.cycle() / HOUR;
        self.length(hour as usize) as f64 / HOUR as f64
    }
}

/// Translates instants of operational time, in rising order, to the clock.
#[derive(Clone, Debug)]
pub(super) struct Warp {
    profile: Arc<Profile>,
    /// The hour of the cycle that the last instant fell into.
    hour: usize,
    /// Start of the cycle, the same on both clocks.
    cycle_start: u64,
}

impl Warp {
    pub(super) fn new(profile: Arc<Profile>) -> Self {
        Self { profile, hour: 0, cycle_start: 0 }
    }

    /// The instant by the clock; [`SimTime::MAX`] where it lies beyond simulated time.
    pub(super) fn clock(&mut self, operational: SimTime) -> SimTime {
        let profile = &*self.profile;
        let Some(instant) = operational.0.checked_add(profile.operational_start) else {
            return SimTime::MAX;
        };
        while instant - self.cycle_start >= profile.cycle() {
            self.cycle_start += profile.cycle();
            self.hour = 0;
        }
        let in_cycle = instant - self.cycle_start;
        while in_cycle >= profile.ends[self.hour] {
            self.hour += 1;
        }
        let inside = (in_cycle - profile.begin(self.hour)) as f64;
        let stretch = HOUR as f64 / profile.length(self.hour) as f64;
        let in_hour = ((inside * stretch) as u64).min(HOUR);
        let clock = self.cycle_start.saturating_add(self.hour as u64 * HOUR + in_hour);
        SimTime(clock.saturating_sub(profile.start))
    }
}
