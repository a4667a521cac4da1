//! A point's clients, simulated on the very replica that scenarios run.

use super::points::Point;
use crate::experiment::validation::client::Client;
use crate::experiment::validation::server::Server;
use crate::foundations::distribution::Law;
use crate::performance::{Factors, Latencies};
use crate::simulation::World;
use crate::simulation::plan::Pool;
use crate::workload::arrival::Arrivals;

/// Requests for each client.
const REQUESTS_PER_CLIENT: u64 = 10;
/// Requests that a prediction rests on at least: short runs are repeated.
const LEAST_REQUESTS: u64 = 400;
/// Answers of a benchmark with stated lengths spread by so much around their mean all the same;
/// without it all clients would stay in step for ever.
const SPREAD: f64 = 0.025;
/// The same chance for all factors: what differs between two of them is theirs.
const SEED: u64 = 1;

/// What a point's clients would see of a replica of `pool` with these factors; none where their requests do
/// not fit into it.
#[must_use]
pub fn replay(pool: &Pool, factors: &Factors, point: &Point) -> Option<Latencies> {
    let mut replica = pool.replica.clone();
    replica.model = replica.model.calibrated(factors);
    replica.host = replica.host.calibrated(factors);
    let longest = (1.0 + SPREAD) * point.answer + 1.0;
    if !replica.can_hold(point.prompt as u32, longest as u32) {
        return None;
    }
    let clients = libm::round(point.clients).max(1.0) as u32;
    let requests = REQUESTS_PER_CLIENT * u64::from(clients);
    let [low, high] = [1.0 - SPREAD, 1.0 + SPREAD].map(|share| (share * point.answer).max(1.0));
    let answer = if high > low { Law::uniform(low, high) } else { Law::constant(low) };
    let client = Client {
        prompt: Law::constant(libm::round(point.prompt).max(1.0)).ok()?,
        answer: answer.ok()?.rounded(),
        arrivals: Arrivals::closed_loop(clients, Law::ZERO).ok()?,
        requests,
        shared: None,
        timeout: None,
    };
    let server = Server { replica, gpus: pool.gpus, power: pool.gpu_power };
    let plan = client.plan(&server);
    let mut world = World::new(&plan);
    let (mut tpot, mut ttft, mut ran) = (0.0, 0.0, 0.0);
    for trial in 0..LEAST_REQUESTS.div_ceil(requests) {
        let outcome = world.run(SEED, trial, |_, _| true)?;
        let seen = outcome.agents.first()?;
        tpot += seen.tpot.histogram.mean();
        ttft += seen.ttft.histogram.mean();
        ran += 1.0;
    }
    // Nanoseconds and microseconds.
    let found = Latencies { ttft_s: ttft * 1e-6 / ran, tpot_s: tpot * 1e-9 / ran };
    (found.tpot_s > 0.0 && found.ttft_s > 0.0).then_some(found)
}
