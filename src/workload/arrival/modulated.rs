//! The Markov-modulated Poisson process: a Poisson process whose rate follows a Markov chain.
//!
//! With mean sojourns `s` and every other phase equally likely next, the chain spends the share
//! `s_i / Σ s` of its time in phase `i`, and the rate is the sum of the rates by these shares. For
//! two phases left at rates `a = 1/s₁` and `b = 1/s₂` the index of dispersion of the arrivals in a
//! window `t` is (Fischer and Meier-Hellstern)
//!
//! ```text
//! I(t) = 1 + D (1 - (1 - exp(-(a+b) t)) / ((a+b) t))
//! D = 2 a b (λ₁ - λ₂)² / ((a+b)² (λ₁ b + λ₂ a))
//! ```

use std::sync::Arc;

use super::error::require;
use super::{Arrival, ArrivalError};
use crate::foundations::{SimDuration, SimTime, Stream};

const PROCESS: &str = "modulated";

/// A phase of a Markov-modulated Poisson process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Phase {
    /// Arrivals per second while it lasts; may be 0.
    pub rate_per_s: f64,
    /// How long it lasts on average, in seconds.
    pub mean_sojourn_s: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Modulated {
    phases: Vec<Phase>,
}

impl Modulated {
    pub(super) fn new(phases: &[Phase]) -> Result<Self, ArrivalError> {
        if phases.len() < 2 {
            let problem = "fewer than two phases; for one rate use poisson".to_owned();
            return Err(ArrivalError::Contradiction { process: PROCESS, problem });
        }
        for &Phase { rate_per_s, mean_sojourn_s } in phases {
            let (fits, valid) = ((0.0..=1e9).contains(&rate_per_s), "from 0 to 1e9");
            require(fits, PROCESS, "a phase's rate", rate_per_s, " /s", valid)?;
            let (fits, valid) = ((1e-9..=1e9).contains(&mean_sojourn_s), "from 1e-9 to 1e9");
            require(fits, PROCESS, "a phase's mean sojourn", mean_sojourn_s, " s", valid)?;
        }
        let modulated = Self { phases: phases.to_vec() };
        // Every change of phase costs a step, so there must not be too many between two arrivals.
        let changes = modulated.changes_per_s() / modulated.rate();
        if changes.is_nan() || changes > 1e6 {
            let problem = if modulated.rate() > 0.0 {
                "phases change over a million times between two arrivals; use poisson with their \
                 mean rate"
            } else {
                "no phase has a rate; give one of them some arrivals"
            };
            let problem = problem.to_owned();
            return Err(ArrivalError::Contradiction { process: PROCESS, problem });
        }
        Ok(modulated)
    }

    /// The same phases at `factor` times their rates.
    pub(super) fn times(&self, factor: f64) -> Result<Self, ArrivalError> {
        let faster = |phase: &Phase| Phase { rate_per_s: phase.rate_per_s * factor, ..*phase };
        Self::new(&self.phases.iter().map(faster).collect::<Vec<_>>())
    }

    fn cycle_s(&self) -> f64 {
        self.phases.iter().map(|phase| phase.mean_sojourn_s).sum()
    }

    fn changes_per_s(&self) -> f64 {
        self.phases.len() as f64 / self.cycle_s()
    }

    pub(super) fn rate(&self) -> f64 {
        let arrivals = self.phases.iter().map(|phase| phase.rate_per_s * phase.mean_sojourn_s);
        arrivals.sum::<f64>() / self.cycle_s()
    }
}

#[derive(Clone, Debug)]
pub(super) struct ModulatedStream {
    modulated: Arc<Modulated>,
    stream: Stream,
    phase: usize,
    now: SimTime,
    /// When the phase ends.
    until: SimTime,
}

impl ModulatedStream {
    /// Starts in the long run's mixture of phases.
    pub(super) fn new(modulated: &Arc<Modulated>, mut stream: Stream) -> Self {
        let mut position = stream.uniform() * modulated.cycle_s();
        let sojourns = modulated.phases.iter().map(|phase| phase.mean_sojourn_s);
        let phase = sojourns.take_while(|sojourn| {
            position -= sojourn;
            position >= 0.0
        });
        let phase = phase.count().min(modulated.phases.len() - 1);
        let mut this = Self {
            modulated: Arc::clone(modulated),
            stream,
            phase,
            now: SimTime::ZERO,
            until: SimTime::ZERO,
        };
        this.until = this.end_of_phase();
        this
    }

    fn exponential(&mut self, mean_s: f64) -> SimDuration {
        SimDuration::from_s_saturating(-libm::log(self.stream.uniform()) * mean_s)
    }

    fn end_of_phase(&mut self) -> SimTime {
        let mean = self.modulated.phases[self.phase].mean_sojourn_s;
        self.now + self.exponential(mean)
    }

    fn change_phase(&mut self) {
        let phases = &self.modulated.phases;
        let others = phases.len() as u64 - 1;
        let step = 1 + if others > 1 { self.stream.below(others) as usize } else { 0 };
        self.phase = (self.phase + step) % phases.len();
        self.now = self.until;
        self.until = self.end_of_phase();
    }

    pub(super) fn next(&mut self) -> Option<Arrival> {
        // A gap that reaches beyond the phase is drawn anew there: exponential laws don't remember.
        while self.now < SimTime::MAX {
            let rate = self.modulated.phases[self.phase].rate_per_s;
            if rate > 0.0 {
                let at = self.now + self.exponential(1.0 / rate);
                if at < self.until {
                    self.now = at;
                    return Some(Arrival { at, client: 0 });
                }
            }
            self.change_phase();
        }
        None
    }
}
