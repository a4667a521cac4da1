//! When work arrives.
//!
//! [`Arrivals`] is a process with its parameters checked; an [`ArrivalStream`]
//! is it running in one trial, giving instant after instant. What arrives (a task, a session) is
//! the world's business, and so is everything that happens after an arrival: in a closed loop the
//! stream only lets each user in once.
//!
//! | Process | Interarrival times | Dispersion of counts, long windows |
//! |---|---|---|
//! | [`poisson`](Arrivals::poisson) | exponential | 1 |
//! | [`every`](Arrivals::every) | constant | 0 |
//! | [`gamma`](Arrivals::gamma), [`weibull`](Arrivals::weibull) | by coefficient of variation `c` | `c²` |
//! | [`modulated`](Arrivals::modulated) | Poisson whose rate jumps between phases | above 1 |
//! | [`population`](Arrivals::population) | many clients' renewal processes together | `Σ share c²` |
//! | [`closed_loop`](Arrivals::closed_loop) | each user returns after a think time | - |
//! | [`recorded`](Arrivals::recorded) | a trace's | the trace's |
//!
//! A [`Profile`] over the hours of a day or week may lie on top of all but the last two.
//!
//! Renewal processes are *stationary*: they have been running for ever when the trial begins, so
//! the first gap is the rest of one that began before. Started with a whole gap instead, a process
//! of coefficient of variation `c` would be `(c² - 1)/2` arrivals ahead of its rate, 84 for the 13
//! that is measured at coding services.
//!
//! Sources: D. R. Cox, *Renewal Theory* (1962), section 2.3; W. Fischer and K. Meier-Hellstern,
//! *The Markov-modulated Poisson process (MMPP) cookbook*, Performance Evaluation 18 (1993).
//!
//! ```
//! use tokenfleet::foundations::Streams;
//! use tokenfleet::workload::arrival::{ArrivalStream, Arrivals, Profile};
//!
//! // Four tasks a minute in bursts, twice as many in the first half of the day as in the second.
//! let day: Vec<f64> = (0..24).map(|hour| if hour < 12 { 2.0 } else { 1.0 }).collect();
//! let arrivals = Arrivals::gamma(4.0 / 60.0, 2.5)?.with_profile(Profile::hourly(&day, 0.0)?)?;
//!
//! let mut stream = ArrivalStream::new(&arrivals, Streams::new(1, 0), 0);
//! let first = stream.next().unwrap();
//! assert!(first.at <= stream.next().unwrap().at);
//!
//! let refused = Arrivals::poisson(0.0).unwrap_err();
//! assert_eq!(refused.to_string(), "poisson arrivals: rate is 0 /s, but must be from 1e-9 to 1e9");
//! # Ok::<(), tokenfleet::workload::arrival::ArrivalError>(())
//! ```

mod closed_loop;
mod error;
mod modulated;
mod population;
mod profile;
mod recorded;
mod renewal;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::foundations::distribution::Law;
use crate::foundations::{Purpose, SimDuration, SimTime, Streams};
use crate::workload::trace::Trace;

pub use error::ArrivalError;
pub use modulated::Phase;
pub use population::Clients;
pub use profile::Profile;
pub use renewal::GapFamily;

use closed_loop::{ClosedLoop, ClosedLoopStream};
use modulated::{Modulated, ModulatedStream};
use population::{Population, PopulationStream};
use profile::Warp;
use recorded::{Recorded, RecordedStream};
use renewal::{Renewal, RenewalStream};

/// One arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When.
    pub at: SimTime,
    /// Whose: the client of a population, the user of a closed loop, the place among a trace's root
    /// sessions; 0 where nobody is told apart.
    pub client: u32,
}

/// An arrival process whose parameters make sense. Cheap to clone; shared by all trials.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrivals {
    process: Process,
    profile: Option<Arc<Profile>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Process {
    Renewal(Renewal),
    Modulated(Arc<Modulated>),
    Population(Arc<Population>),
    ClosedLoop(ClosedLoop),
    Recorded(Recorded),
}

impl Process {
    fn without_profile(self) -> Arrivals {
        Arrivals { process: self, profile: None }
    }
}

impl Arrivals {
    /// A Poisson process: independent arrivals at `rate_per_s`.
    ///
    /// # Errors
    /// A rate outside 1e-9 to 1e9 per second.
    pub fn poisson(rate_per_s: f64) -> Result<Self, ArrivalError> {
        Ok(Process::Renewal(Renewal::poisson(rate_per_s)?).without_profile())
    }

    /// One arrival every `interval_s` seconds, the first after one interval.
    ///
    /// # Errors
    /// An interval outside 1e-9 to 1e9 seconds.
    pub fn every(interval_s: f64) -> Result<Self, ArrivalError> {
        Ok(Process::Renewal(Renewal::every(interval_s)?).without_profile())
    }

    /// A renewal process with gamma gaps: rate, and the gaps' coefficient of variation (standard
    /// deviation over mean; above 1 arrivals come in bursts, below 1 they keep distance).
    ///
    /// # Errors
    /// A rate outside 1e-9 to 1e9 per second, or a coefficient that [`Law::gamma_from_mean`]
    /// refuses.
    pub fn gamma(rate_per_s: f64, variation: f64) -> Result<Self, ArrivalError> {
        Self::renewal(GapFamily::Gamma, rate_per_s, variation)
    }

    /// A renewal process with Weibull gaps, whose bursts are tighter and pauses longer than the
    /// gamma law's.
    ///
    /// # Errors
    /// As [`Arrivals::gamma`], with the coefficients that [`Law::weibull_from_mean`] takes.
    pub fn weibull(rate_per_s: f64, variation: f64) -> Result<Self, ArrivalError> {
        Self::renewal(GapFamily::Weibull, rate_per_s, variation)
    }

    fn renewal(family: GapFamily, rate: f64, variation: f64) -> Result<Self, ArrivalError> {
        Ok(Process::Renewal(Renewal::new(family, rate, variation)?).without_profile())
    }

    /// A Markov-modulated Poisson process: phases with rates of their own follow each other, each
    /// for an exponential time, and every other phase is equally likely to be the next.
    ///
    /// # Errors
    /// Fewer than two phases, rates that are negative or all zero, sojourns that are not above
    /// zero, and phases that change more than a million times between two arrivals.
    pub fn modulated(phases: &[Phase]) -> Result<Self, ArrivalError> {
        Ok(Process::Modulated(Arc::new(Modulated::new(phases)?)).without_profile())
    }

    /// Many clients, each a renewal process of its own.
    ///
    /// # Errors
    /// No clients, a rate or coefficient as [`Arrivals::gamma`] refuses, and an exponent outside 0
    /// to 10.
    pub fn population(clients: &Clients) -> Result<Self, ArrivalError> {
        Ok(Process::Population(Arc::new(Population::new(clients)?)).without_profile())
    }

    /// A fixed number of users, each of whom thinks, has one session served, and thinks again. The
    /// stream gives each user's first arrival, one think time after the start; later ones are the
    /// world's business, because it alone knows when a session has ended.
    ///
    /// # Errors
    /// No users.
    pub fn closed_loop(users: u32, think_time_s: Law) -> Result<Self, ArrivalError> {
        Ok(Process::ClosedLoop(ClosedLoop::new(users, think_time_s)?).without_profile())
    }

    /// Recorded instants, `speed` times as fast as recorded. Where the recording clock stood on a
    /// grid, the arrivals of one of its lines are spread evenly at random in the interval that
    /// follows, anew in each trial; arrivals keep their order.
    ///
    /// # Errors
    /// No instants, instants out of order, and a speed outside 1e-6 to 1e6.
    pub fn recorded(
        instants: impl IntoIterator<Item = SimTime>,
        clock_grid: SimDuration,
        speed: f64,
    ) -> Result<Self, ArrivalError> {
        let recorded = Recorded::new(instants.into_iter().collect(), clock_grid, speed)?;
        Ok(Process::Recorded(recorded).without_profile())
    }

    /// The arrivals of a trace's root sessions: [`Arrival::client`] is a place in [`Trace::roots`].
    ///
    /// # Errors
    /// As [`Arrivals::recorded`], and a trace of several sessions without times of their own.
    pub fn of_trace(trace: &Trace, speed: f64) -> Result<Self, ArrivalError> {
        if trace.roots.len() > 1 && trace.starts().all(|start| start == SimTime::ZERO) {
            return Err(ArrivalError::Contradiction {
                process: "recorded",
                problem: format!(
                    "{} says when its sessions began only relative to themselves; let them arrive \
                     by a process or in a closed loop of users",
                    trace.name
                ),
            });
        }
        Self::recorded(trace.starts(), trace.clock_grid, speed)
    }

    /// The same process on a clock that runs faster in busy hours: its mean rate stays, and the
    /// rate in each hour is multiplied by the profile. Gaps and phases shorten with it.
    ///
    /// # Errors
    /// A closed loop, whose users set the pace, and recorded arrivals, which have their own.
    pub fn with_profile(self, profile: Profile) -> Result<Self, ArrivalError> {
        let (process, whose) = match self.process {
            Process::ClosedLoop(_) => ("closed-loop", "its users' think time sets the pace"),
            Process::Recorded(_) => ("recorded", "the recording has its own hours"),
            process => return Ok(Self { process, profile: Some(Arc::new(profile)) }),
        };
        let problem = format!("a profile has no meaning here, {whose}; remove `profile`");
        Err(ArrivalError::Contradiction { process, problem })
    }

    /// The same process with `factor` times the load: the rate, the speed of a recording, or the
    /// users of a closed loop. Hours, phases and clients stay what they are.
    ///
    /// # Errors
    /// A rate or speed that becomes too small or too large.
    pub fn times(&self, factor: f64) -> Result<Self, ArrivalError> {
        let process = match &self.process {
            Process::Renewal(renewal) => Process::Renewal(renewal.times(factor)?),
            Process::Modulated(modulated) => Process::Modulated(Arc::new(modulated.times(factor)?)),
            Process::Population(clients) => Process::Population(Arc::new(clients.times(factor)?)),
            Process::ClosedLoop(closed) => Process::ClosedLoop(closed.times(factor)),
            Process::Recorded(recorded) => Process::Recorded(recorded.times(factor)?),
        };
        Ok(Self { process, profile: self.profile.clone() })
    }

    /// Arrivals per second in the long run; `None` for a closed loop, where the system decides, and
    /// for a recording of a single instant.
    pub fn mean_rate(&self) -> Option<f64> {
        match &self.process {
            Process::Renewal(renewal) => Some(renewal.rate()),
            Process::Modulated(modulated) => Some(modulated.rate()),
            Process::Population(population) => Some(population.rate()),
            Process::ClosedLoop(_) => None,
            Process::Recorded(recorded) => recorded.rate(),
        }
    }

    /// Whether there is a last arrival.
    pub fn ends(&self) -> bool {
        matches!(self.process, Process::Recorded(_))
    }

    /// Users and their think time in seconds, where this is a closed loop: when a user's session
    /// has ended, the world lets the user think and come again.
    pub fn users(&self) -> Option<(u32, &Law)> {
        match &self.process {
            Process::ClosedLoop(closed) => Some((closed.users, &closed.think_time_s)),
            _ => None,
        }
    }
}

/// A running arrival process: an iterator over its arrivals in the order of time.
///
/// It ends where simulated time does, or, for a closed loop or a recording, when all have come.
#[derive(Clone, Debug)]
pub struct ArrivalStream {
    source: Source,
    warp: Option<Warp>,
}

#[derive(Clone, Debug)]
enum Source {
    Renewal(RenewalStream),
    Modulated(ModulatedStream),
    Population(PopulationStream),
    ClosedLoop(ClosedLoopStream),
    Recorded(RecordedStream),
}

impl ArrivalStream {
    /// Starts a process for the trial of `streams`; `entity` tells apart the processes of one
    /// scenario.
    pub fn new(arrivals: &Arrivals, streams: Streams, entity: u64) -> Self {
        let stream = |purpose| streams.stream(purpose, entity);
        let source = match &arrivals.process {
            Process::Renewal(renewal) => {
                Source::Renewal(RenewalStream::new(renewal.clone(), stream(Purpose::Arrival)))
            }
            Process::Modulated(modulated) => {
                Source::Modulated(ModulatedStream::new(modulated, stream(Purpose::Arrival)))
            }
            Process::Population(population) => {
                let (clients, gaps) = (stream(Purpose::Client), stream(Purpose::Arrival));
                Source::Population(PopulationStream::new(population, clients, gaps))
            }
            Process::ClosedLoop(closed) => {
                Source::ClosedLoop(ClosedLoopStream::new(closed, stream(Purpose::Think)))
            }
            Process::Recorded(recorded) => {
                Source::Recorded(RecordedStream::new(recorded.clone(), stream(Purpose::Replay)))
            }
        };
        Self { source, warp: arrivals.profile.clone().map(Warp::new) }
    }
}

impl Iterator for ArrivalStream {
    type Item = Arrival;

    #[inline]
    fn next(&mut self) -> Option<Arrival> {
        let arrival = match &mut self.source {
            Source::Renewal(renewal) => renewal.next(),
            Source::Modulated(modulated) => modulated.next(),
            Source::Population(population) => population.next(),
            Source::ClosedLoop(closed) => closed.next(),
            Source::Recorded(recorded) => recorded.next(),
        }?;
        let at = match &mut self.warp {
            None => arrival.at,
            Some(warp) => warp.clock(arrival.at),
        };
        (at < SimTime::MAX).then_some(Arrival { at, ..arrival })
    }
}
