//! Engines under a fixed number of clients: time per output token and to the first one.
//!
//! All clients send their first request at once and the next one as soon as they are answered; a
//! run has ten requests for each. Where a source draws lengths from 0.8 to 1.0 of the nominal ones,
//! so does the replay; where it states them as fixed, answers spread by 5 % all the same, without
//! which all clients would stay in step for ever, as no measurement shows.

use super::client::{Client, drawn_from};
use super::configuration::{Configuration, Unmodelled};
use crate::catalog::SchedulerDefaults;
use crate::foundations::distribution::{Law, LawError};
use crate::performance::GpuPower;
use crate::serving::ReplicaSpec;
use crate::simulation::World;
use crate::workload::arrival::{ArrivalError, Arrivals};

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

/// What the clients saw, in the mean of all requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// Time per output token, first apart, ms.
    pub tpot_ms: f64,
    /// Time to the first token, ms.
    pub ttft_ms: f64,
    /// Output tokens per second of the whole run.
    pub output_tokens_per_s: f64,
}

impl ClosedLoop {
    /// What these clients would see of a configuration; `seed` sets the chance in their lengths.
    ///
    /// # Errors
    /// [`Unmodelled`] where the model does not fit.
    pub fn replay(self, configuration: &Configuration<'_>, seed: u64) -> Result<Seen, Unmodelled> {
        let deployment = &configuration.deployment;
        let settings = &configuration.settings;
        let per_client = settings.requests_per_client.unwrap_or(REQUESTS_PER_CLIENT);
        let requests = per_client * u64::from(self.clients);
        let context = u64::from(self.prompt) + u64::from(self.answer);
        let scheduler = scheduler(configuration);
        let replica = ReplicaSpec::deploy(deployment, &scheduler, context)?;
        let drawn = settings.drawn_lengths.unwrap_or(false);
        let client = self.client(drawn, requests).map_err(Unmodelled::NotSimulated)?;
        let power = GpuPower::of(deployment.accelerator);
        let plan = client.plan(replica, deployment.tensor_parallel, power);
        let mut world = World::new(&plan);
        let (mut tpot, mut ttft, mut speed) = (0.0, 0.0, 0.0);
        let trials = LEAST_REQUESTS.div_ceil(requests).max(1);
        for trial in 0..trials {
            let Some(outcome) = world.run(seed, trial, |_, _| true) else { continue };
            let seen = &outcome.agents[0];
            tpot += seen.tpot.histogram.mean();
            ttft += seen.ttft.histogram.mean();
            speed += seen.output_tokens as f64 / outcome.ended.as_s();
        }
        let trials = trials as f64;
        Ok(Seen {
            tpot_ms: tpot * 1e-6 / trials,
            ttft_ms: ttft * 1e-3 / trials,
            output_tokens_per_s: speed / trials,
        })
    }

    fn client(self, drawn: bool, requests: u64) -> Result<Client, String> {
        let told = |error: LawError| error.to_string();
        let (prompt, answer) = match drawn {
            true => (drawn_from(DRAWN, self.prompt), drawn_from(DRAWN, self.answer)),
            false => (Law::constant(f64::from(self.prompt)), drawn_from(STATED, self.answer)),
        };
        let arrivals = Arrivals::closed_loop(self.clients, Law::ZERO);
        let arrivals = arrivals.map_err(|error: ArrivalError| error.to_string())?;
        Ok(Client {
            prompt: prompt.map_err(told)?,
            answer: answer.map_err(told)?,
            arrivals,
            requests,
        })
    }
}

/// The engine's scheduler as the campaign set it. Benchmarks send random tokens: nothing is shared.
fn scheduler(configuration: &Configuration<'_>) -> SchedulerDefaults {
    let deployment = &configuration.deployment;
    let settings = &configuration.settings;
    let usual = deployment.engine.scheduler_on(deployment.accelerator);
    SchedulerDefaults {
        max_batched_tokens: settings.max_batched_tokens.unwrap_or(usual.max_batched_tokens),
        max_running: settings.max_running.unwrap_or(usual.max_running),
        memory_utilization: settings.memory_utilization.unwrap_or(usual.memory_utilization),
        poll_steps: settings.poll_steps.unwrap_or(usual.poll_steps),
        prefix_cache: false,
        ..usual
    }
}
