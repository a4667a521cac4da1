//! Renewal processes: independent gaps of one law.
//!
//! Seen from a fixed instant, the gap that covers it is longer than most, for long gaps cover more
//! instants: its density is `x f(x)/μ`. The instant lies anywhere in it, so the first arrival comes
//! after a uniform part of such a *length-biased* gap. For a gamma law of shape `k` that gap is
//! gamma of shape `k + 1`; for a Weibull law `scale E^k` (`E` standard exponential) it is `scale
//! G^k` with
//! `G` gamma of shape `1 + k`; the exponential law has no memory and begins as it goes on.

use super::error::{check_rate, require};
use super::{Arrival, ArrivalError};
use crate::foundations::distribution::{Law, LawError};
use crate::foundations::{SimDuration, SimTime, Stream};

/// The law of the gaps between one client's arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapFamily {
    /// Gamma: fits most measured clients.
    Gamma,
    /// Weibull: tighter bursts and longer pauses at the same coefficient of variation.
    Weibull,
}

/// A renewal process in seconds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Renewal {
    shape: Shape,
    gap: Law,
    first: First,
}

/// What a process is, apart from its rate.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    Poisson,
    Constant,
    Family(GapFamily, f64),
}

#[derive(Clone, Debug, PartialEq)]
enum First {
    /// A gap like any other.
    Whole,
    /// A uniform part of `scale * law ^ power`.
    PartOf { law: Law, scale: f64, power: f64 },
}

impl Renewal {
    pub(super) fn poisson(rate: f64) -> Result<Self, ArrivalError> {
        let rate = check_rate("poisson", rate)?;
        let gap = named("poisson", Law::exponential(1.0 / rate))?;
        Ok(Self { shape: Shape::Poisson, gap, first: First::Whole })
    }

    pub(super) fn every(interval: f64) -> Result<Self, ArrivalError> {
        let (fits, valid) = ((1e-9..=1e9).contains(&interval), "from 1e-9 to 1e9");
        let interval = require(fits, "constant", "interval", interval, " s", valid)?;
        let gap = named("constant", Law::constant(interval))?;
        Ok(Self { shape: Shape::Constant, gap, first: First::Whole })
    }

    pub(super) fn new(family: GapFamily, rate: f64, variation: f64) -> Result<Self, ArrivalError> {
        let process = match family {
            GapFamily::Gamma => "gamma",
            GapFamily::Weibull => "weibull",
        };
        let mean = 1.0 / check_rate(process, rate)?;
        if variation == 1.0 {
            return Self::poisson(rate);
        }
        let square = variation * variation;
        let (gap, first) = match family {
            GapFamily::Gamma => {
                let gap = named(process, Law::gamma_from_mean(mean, variation))?;
                let law = named(process, Law::gamma(1.0 / square + 1.0, mean * square))?;
                (gap, First::PartOf { law, scale: 1.0, power: 1.0 })
            }
            GapFamily::Weibull => {
                let gap = named(process, Law::weibull_from_mean(mean, variation))?;
                // The quantile is scale (-ln(1 - p))^power: at 1 - 1/e the scale itself.
                let e = std::f64::consts::E;
                let scale = gap.quantile(1.0 - 1.0 / e);
                let power = libm::log(gap.quantile(1.0 - libm::exp(-e)) / scale);
                let law = named(process, Law::gamma(1.0 + power, 1.0))?;
                (gap, First::PartOf { law, scale, power })
            }
        };
        Ok(Self { shape: Shape::Family(family, variation), gap, first })
    }

    /// The same process at `factor` times the rate.
    pub(super) fn times(&self, factor: f64) -> Result<Self, ArrivalError> {
        match self.shape {
            Shape::Poisson => Self::poisson(self.rate() * factor),
            Shape::Constant => Self::every(self.gap.mean() / factor),
            Shape::Family(family, variation) => Self::new(family, self.rate() * factor, variation),
        }
    }

    pub(super) fn rate(&self) -> f64 {
        1.0 / self.gap.mean()
    }

    /// Seconds to the first arrival.
    pub(super) fn first_gap(&self, stream: &mut Stream) -> f64 {
        match &self.first {
            First::Whole => self.gap.sample(stream),
            First::PartOf { law, scale, power } => {
                let covering = scale * libm::pow(law.sample(stream), *power);
                covering * stream.uniform()
            }
        }
    }

    /// Seconds from one arrival to the next.
    #[inline]
    pub(super) fn gap(&self, stream: &mut Stream) -> f64 {
        self.gap.sample(stream)
    }
}

fn named(process: &'static str, law: Result<Law, LawError>) -> Result<Law, ArrivalError> {
    law.map_err(|source| ArrivalError::Gap { process, source })
}

#[derive(Clone, Debug)]
pub(super) struct RenewalStream {
    renewal: Renewal,
    stream: Stream,
    next: SimTime,
}

impl RenewalStream {
    pub(super) fn new(renewal: Renewal, mut stream: Stream) -> Self {
        let first = SimDuration::from_s_saturating(renewal.first_gap(&mut stream));
        Self { renewal, stream, next: SimTime::ZERO + first }
    }

    #[inline]
    pub(super) fn next(&mut self) -> Option<Arrival> {
        let at = self.next;
        self.next += SimDuration::from_s_saturating(self.renewal.gap(&mut self.stream));
        Some(Arrival { at, client: 0 })
    }
}
