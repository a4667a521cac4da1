//! Engines under a fixed number of clients: time per output token and to the first one.
//!
//! All clients send their first request at once and the next one as soon as they are answered; a
//! run has ten requests for each. Where a source draws lengths from 0.8 to 1.0 of the nominal ones,
//! so does the replay; where it states them as fixed, answers spread by 5 % all the same, without
//! which all clients would stay in step for ever, as no measurement shows.

use super::campaign::Settings;
use super::client::{Client, Seen, drawn_from, observe};
use super::configuration::{Configuration, Unmodelled};
use super::server::Server;
use crate::foundations::distribution::Law;
use crate::simulation::plan::Plan;
use crate::workload::arrival::Arrivals;

/// Requests of a run for each client, where nothing else is known.
const REQUESTS_PER_CLIENT: u64 = 10;
/// Requests that a prediction rests on at least: short runs are repeated.
const LEAST_REQUESTS: u64 = 400;
/// Where answers of a stated length begin.
const STATED: f64 = 0.95;
/// Where drawn lengths begin.
const DRAWN: f64 = 0.8;

/// Clients in closed loop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClosedLoop {
    /// How many.
    pub clients: u32,
    /// Prompt tokens, nominal.
    pub prompt: u32,
    /// Tokens of the answer, nominal.
    pub answer: u32,
}

impl ClosedLoop {
    /// What these clients would see of a configuration, run by run; `seed` sets the chance in their
    /// lengths.
    ///
    /// # Errors
    /// [`Unmodelled`] where the model does not fit.
    pub fn replay(
        self,
        configuration: &Configuration<'_>,
        seed: u64,
    ) -> Result<Vec<Seen>, Unmodelled> {
        let server = configuration.server(u64::from(self.prompt) + u64::from(self.answer))?;
        self.replay_on(&server, &configuration.settings, seed)
    }

    /// The same on a server of the caller's own.
    ///
    /// # Errors
    /// [`Unmodelled`] where lengths make no law.
    pub fn replay_on(
        self,
        server: &Server,
        settings: &Settings,
        seed: u64,
    ) -> Result<Vec<Seen>, Unmodelled> {
        let per_client = settings.requests_per_client.unwrap_or(REQUESTS_PER_CLIENT);
        let requests = per_client * u64::from(self.clients);
        let client = self.client(settings.drawn_lengths.unwrap_or(false), requests)?;
        observe(&client.plan(server), seed, LEAST_REQUESTS.div_ceil(requests).max(1))
    }

    /// The plan in which they send so many requests to one replica.
    ///
    /// # Errors
    /// [`Unmodelled`] where the model does not fit.
    pub fn plan(
        self,
        configuration: &Configuration<'_>,
        requests: u64,
    ) -> Result<Plan, Unmodelled> {
        let server = configuration.server(u64::from(self.prompt) + u64::from(self.answer))?;
        let drawn = configuration.settings.drawn_lengths.unwrap_or(false);
        Ok(self.client(drawn, requests)?.plan(&server))
    }

    fn client(self, drawn: bool, requests: u64) -> Result<Client, Unmodelled> {
        let (prompt, answer) = match drawn {
            true => (drawn_from(DRAWN, self.prompt)?, drawn_from(DRAWN, self.answer)?),
            false => (Law::constant(f64::from(self.prompt))?, drawn_from(STATED, self.answer)?),
        };
        let arrivals = Arrivals::closed_loop(self.clients, Law::ZERO)?;
        Ok(Client { prompt, answer, arrivals, requests, shared: None, timeout: None })
    }
}
