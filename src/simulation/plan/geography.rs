//! Where backends stand and users sit, how far apart that is, and which backends serve whom.

use crate::foundations::SimDuration;

/// Places on the map, and routes between them. Backends are named by their place among pools and,
/// behind them, endpoints.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Geography {
    /// Names of regions.
    pub regions: Vec<String>,
    /// By backend, where it stands; `None` where nobody says.
    pub of_backend: Vec<Option<u16>>,
    /// By population, where its users sit.
    pub of_population: Vec<Option<u16>>,
    /// By population, the regions that its calls may not leave; none where they may go anywhere.
    pub residency: Vec<Vec<u16>>,
    /// By two regions, the time from one to the other and back.
    pub round_trip: Vec<Vec<SimDuration>>,
    /// Backends that stand in for each other.
    pub routes: Vec<Route>,
}

/// Backends that stand in for each other; agents name a route as they name a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Name in the scenario.
    pub name: String,
    /// The backends, in the order in which they were written.
    pub backends: Vec<u16>,
    /// Which comes first.
    pub by: RouteBy,
    /// Requests that may wait for each replica of a pool before the next backend is tried.
    pub spill: Option<u32>,
}

/// Which backend of a route comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteBy {
    /// The one written first.
    Order,
    /// The nearest to the user.
    Distance,
    /// The one whose replicas cost least; endpoints, which are paid by the token, last.
    Price,
    /// The one with the fewest requests for each replica; endpoints last.
    Load,
}

impl Geography {
    /// The time from a population's users to a backend and back.
    pub fn round_trip(&self, population: u16, backend: u16) -> SimDuration {
        let user = self.of_population[usize::from(population)];
        match user.zip(self.of_backend[usize::from(backend)]) {
            Some((from, to)) => self.round_trip[usize::from(from)][usize::from(to)],
            None => SimDuration::ZERO,
        }
    }

    /// Whether a backend may serve a population.
    pub fn allows(&self, population: u16, backend: u16) -> bool {
        let allowed = &self.residency[usize::from(population)];
        let stands = self.of_backend[usize::from(backend)];
        allowed.is_empty() || stands.is_some_and(|region| allowed.contains(&region))
    }
}
