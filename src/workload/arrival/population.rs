//! Many clients, each a renewal process of its own: most of a service's load comes from few of
//! them, and its bursts are theirs.
//!
//! Client `i` of `n` has a share of the rate that falls with `i^-exponent` (Zipf), and gaps whose
//! coefficient of variation is drawn once per trial. The next arrival of the whole is the least of
//! the clients' next ones, from a heap: `log n` steps per arrival.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::error::{check_rate, require};
use super::renewal::{GapFamily, Renewal};
use super::{Arrival, ArrivalError};
use crate::foundations::distribution::Law;
use crate::foundations::{SimDuration, SimTime, Stream};

const PROCESS: &str = "population";

/// A law of coefficients is represented by as many equally likely ones: a gamma law costs a table.
const STRATA: u16 = 16;

/// A population of clients.
#[derive(Clone, Debug, PartialEq)]
pub struct Clients {
    /// How many.
    pub count: u32,
    /// Arrivals per second of all together.
    pub rate_per_s: f64,
    /// How unequal they are: client `i`, from 1, has a share proportional to `i^-exponent`; 0 for
    /// equal ones.
    pub zipf_exponent: f64,
    /// The law of each client's gaps.
    pub family: GapFamily,
    /// The coefficient of variation of each client's gaps: a constant, or a law from which each
    /// client draws once per trial.
    pub variation: Law,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Population {
    rate: f64,
    /// Mean gap of each client in seconds.
    mean_gaps: Vec<f64>,
    /// Processes of rate 1 that the clients' are drawn from, all equally likely.
    unit_processes: Vec<Renewal>,
}

impl Population {
    pub(super) fn new(clients: &Clients) -> Result<Self, ArrivalError> {
        let Clients { count, rate_per_s, zipf_exponent, family, variation } = clients;
        let (n, valid) = (f64::from(*count), "at least 1");
        require(*count > 0, PROCESS, "count", n, " clients", valid)?;
        let rate = check_rate(PROCESS, *rate_per_s)?;
        let (fits, valid) = ((0.0..=10.0).contains(zipf_exponent), "from 0 to 10");
        require(fits, PROCESS, "zipf exponent", *zipf_exponent, "", valid)?;
        let weight = |i: u32| libm::pow(f64::from(i), -zipf_exponent);
        let total: f64 = (1..=*count).map(weight).sum();
        let mean_gaps = (1..=*count).map(|i| total / (rate * weight(i))).collect();
        let unit = |variation| Renewal::new(*family, 1.0, variation);
        let unit_processes = match variation.is_constant() {
            Some(variation) => vec![unit(variation)?],
            None => (0..STRATA)
                .map(|i| unit(variation.quantile((f64::from(i) + 0.5) / f64::from(STRATA))))
                .collect::<Result<_, _>>()?,
        };
        Ok(Self { rate, mean_gaps, unit_processes })
    }

    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// The same clients at `factor` times their rates.
    pub(super) fn times(&self, factor: f64) -> Result<Self, ArrivalError> {
        let rate = check_rate(PROCESS, self.rate * factor)?;
        let mean_gaps = self.mean_gaps.iter().map(|gap| gap / factor).collect();
        Ok(Self { rate, mean_gaps, unit_processes: self.unit_processes.clone() })
    }
}

#[derive(Clone, Debug)]
pub(super) struct PopulationStream {
    population: Arc<Population>,
    stream: Stream,
    /// Which of the population's processes each client has.
    processes: Vec<u16>,
    /// The next arrival of each client, the earliest first.
    next: BinaryHeap<Reverse<(SimTime, u32)>>,
}

impl PopulationStream {
    pub(super) fn new(population: &Arc<Population>, mut clients: Stream, mut gaps: Stream) -> Self {
        let kinds = population.unit_processes.len() as u64;
        let processes: Vec<u16> =
            population.mean_gaps.iter().map(|_| clients.below(kinds) as u16).collect();
        let first = processes.iter().zip(&population.mean_gaps).enumerate();
        let next = first.map(|(client, (&process, mean))| {
            let gap = population.unit_processes[process as usize].first_gap(&mut gaps) * mean;
            Reverse((SimTime::ZERO + SimDuration::from_s_saturating(gap), client as u32))
        });
        let next = next.collect();
        Self { population: Arc::clone(population), stream: gaps, processes, next }
    }

    pub(super) fn next(&mut self) -> Option<Arrival> {
        let mut earliest = self.next.peek_mut()?;
        let Reverse((at, client)) = *earliest;
        let process = &self.population.unit_processes[self.processes[client as usize] as usize];
        let gap = process.gap(&mut self.stream) * self.population.mean_gaps[client as usize];
        earliest.0.0 += SimDuration::from_s_saturating(gap);
        Some(Arrival { at, client })
    }
}
