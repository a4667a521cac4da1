//! Rows of `end_to_end.csv` whose prompts and answers have servers of their own:
//! `disagg P4x(TP1 ADP4 EP4) D1x(TP1 ADP32 EP32)` is four instances for prompts, of four attention groups
//! of one GPU each, and one for answers, of 32.
//!
//! A run stands in two rows, time to first token and time per output token; both are predicted by one
//! simulation, with the throughput per GPU that follows from them: clients in closed loop produce
//! `c n / (TTFT + (n - 1) TPOT)` tokens a second. Keys and values go over the scale-up links where all
//! GPUs are in one domain, over the network elsewhere.

use std::collections::BTreeMap;

use super::closed_loop::ClosedLoop;
use super::comparison::{Class, Comparison, Outcome};
use super::configuration::{Configuration, Names, Unmodelled};
use super::end_to_end::{EndToEnd, degree};
use super::table::Line;
use crate::catalog::{Accelerator, Catalog, FeedForward, Field, Model};
use crate::foundations::SimDuration;
use crate::performance::{ContextBytes, Wide};
use crate::serving::link::LinkSpec;
use crate::simulation::plan::{Plan, Pool, Prefill};

use super::client::{Seen, mean, observe, replica_pool};

/// What transfers reach of a datasheet's bandwidth, and their latency; as a scenario has it where it
/// says nothing.
const EFFICIENCY: f64 = 0.85;
const LATENCY_S: f64 = 20e-6;
/// Of a network that nobody states, bytes per second and GPU: a card of 400 Gbit/s.
const USUAL_CARD: f64 = 50e9;
/// GPUs of a server, over which attention is spread at most.
const BOX: u32 = 8;
/// Requests of a run for each client.
const REQUESTS_PER_CLIENT: u64 = 4;

/// Measured times of runs by their name and load: to the first token, per further token, ms.
pub(super) type Runs<'r> = BTreeMap<(&'r str, &'r str), [Option<f64>; 2]>;

/// The two figures of each disaggregated run.
pub(super) fn runs(lines: &[Line<EndToEnd>]) -> Runs<'_> {
    let mut runs = Runs::new();
    for row in lines.iter().map(|line| &line.row).filter(|row| is_disaggregated(row)) {
        let run = runs.entry((&row.url, &row.concurrency_or_rate)).or_default();
        match row.metric.as_str() {
            "TTFT" => run[0] = Some(row.value),
            "TPOT" => run[1] = Some(row.value),
            _ => {}
        }
    }
    runs
}

/// Whether prompts have servers of their own.
pub(super) fn is_disaggregated(row: &EndToEnd) -> bool {
    row.parallelism.starts_with("disagg")
}

/// Instances of one side, all alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Side {
    instances: u32,
    tensor: u32,
    data: u32,
    expert: u32,
}

impl Side {
    /// From `P4x(TP1 ADP4 EP4)`, with the letter of the side.
    fn read(parallelism: &str, letter: char) -> Option<Self> {
        let start = parallelism.find(&format!(" {letter}"))? + 2;
        let (instances, rest) = parallelism[start..].split_once("x(")?;
        let (degrees, _) = rest.split_once(')')?;
        let side = Self {
            instances: instances.parse().ok()?,
            tensor: degree(degrees, "TP")?,
            data: degree(degrees, "ADP").unwrap_or(1),
            expert: degree(degrees, "EP").unwrap_or(1),
        };
        let Self { tensor: gpus, data, .. } = side;
        // Rows give the GPUs of an instance so, whatever its groups: nobody spreads attention wider.
        Some(match data == 1 && gpus > BOX {
            true => Self { tensor: 1, data: gpus, expert: gpus, ..side },
            false => side,
        })
    }

    fn replicas(self) -> u32 {
        self.instances * self.data
    }

    fn gpus(self) -> u32 {
        self.replicas() * self.tensor
    }

    fn configuration<'c>(
        self,
        row: &EndToEnd,
        catalog: &'c Catalog,
        clients: u32,
    ) -> Result<Configuration<'c>, Unmodelled> {
        let names = Names {
            model: &row.model,
            accelerator: &row.hardware,
            engine: &row.engine,
            precision: &row.precision,
            tensor_parallel: self.tensor,
            expert_parallel: 1,
            pipeline_parallel: 1,
        };
        let mut found = names.under(catalog, row.id(), clients, row.tokens()?)?;
        let copies = match self.data {
            1 => 0,
            _ => copies(found.deployment.model, u64::from(self.expert)),
        };
        found.deployment.wide =
            Wide { data_parallel: self.data, redundant_experts: copies, ..Wide::default() };
        found.deployment.expert_parallel = self.expert;
        found.deployment.check()?;
        // Flags of servers that do both.
        (found.settings.poll_steps, found.settings.batch_wait_steps) = (None, Some(0));
        Ok(found)
    }

    fn pool(
        self,
        configuration: &Configuration<'_>,
        context: u64,
    ) -> Result<(Pool, ContextBytes), Unmodelled> {
        let mut pool = replica_pool(&configuration.server(context)?);
        pool.replicas = self.replicas();
        Ok((pool, ContextBytes::of(&configuration.deployment)))
    }
}

/// Further copies of experts without which they could not be dealt evenly to so many GPUs.
fn copies(model: &Model, gpus: u64) -> u32 {
    let experts = model.layers.iter().find_map(|group| match &group.ffn {
        FeedForward::Moe(mixture) => Some(mixture.experts),
        _ => None,
    });
    experts.map_or(0, |experts| (experts.next_multiple_of(gpus.max(1)) - experts) as u32)
}

/// Replays the run of a row; nothing for the second row of a run, which the first speaks for.
pub(super) fn compare(line: &Line<EndToEnd>, catalog: &Catalog, runs: &Runs<'_>) -> Outcome {
    let row = &line.row;
    let unknown = || Unmodelled::NotSimulated("a fleet whose replicas are not described".into());
    let measured = runs.get(&(row.url.as_str(), row.concurrency_or_rate.as_str()));
    let [ttft, tpot] = *measured.ok_or_else(unknown)?;
    if row.metric == "TPOT" && ttft.is_some() {
        return Ok(Vec::new());
    }
    let clients = row.clients().ok_or_else(unknown)?;
    let sides = Side::read(&row.parallelism, 'P').zip(Side::read(&row.parallelism, 'D'));
    let (prompts, answers) = sides.ok_or_else(unknown)?;
    let (prompt, answer) = row.tokens()?;
    let decoding = answers.configuration(row, catalog, clients)?;
    let prefilling = prompts.configuration(row, catalog, clients)?;
    let context = u64::from(prompt) + u64::from(answer);
    let (answering, bytes) = answers.pool(&decoding, context)?;
    let (computing, _) = prompts.pool(&prefilling, context)?;
    let load = ClosedLoop { clients, prompt, answer };
    let requests = REQUESTS_PER_CLIENT * u64::from(clients);
    let mut plan = load.plan(&decoding, requests)?;
    plan.pools = vec![answering, computing];
    connect(&mut plan, decoding.deployment.accelerator, bytes);
    let seen = observe(&plan, line.number, 1)?;

    let gpus = f64::from(prompts.gpus() + answers.gpus());
    let per_gpu = |ttft_ms: f64, tpot_ms: f64| {
        let tokens = f64::from(answer);
        f64::from(clients) * tokens * 1e3 / (ttft_ms + (tokens - 1.0) * tpot_ms) / gpus
    };
    let (found_ttft, found_tpot) = (mean(&seen, Seen::ttft_ms), mean(&seen, Seen::tpot_ms));
    let class = Class::of(&row.source, &decoding);
    let what =
        format!("{} {}, c{clients}, {prompt} in, {answer} out", row.precision, row.parallelism);
    let figures = [
        ("ttft_ms", Some(found_ttft), ttft),
        ("tpot_ms", Some(found_tpot), tpot),
        (
            "output_tokens_per_s_per_gpu",
            Some(per_gpu(found_ttft, found_tpot)),
            ttft.zip(tpot).map(|(ttft, tpot)| per_gpu(ttft, tpot)),
        ),
    ];
    Ok(Comparison::all(&class, line.number, &what, &decoding.settings.suspect, figures))
}

/// Has the second pool compute the prompts of the first.
fn connect(plan: &mut Plan, chip: &Accelerator, bytes: ContextBytes) {
    let gpus: u32 = plan.pools.iter().map(|pool| pool.gpus * pool.replicas).sum();
    let field = match gpus <= chip.link_domain() {
        true => Field::LinkBandwidth,
        false => Field::ScaleOutBandwidth,
    };
    let card = EFFICIENCY * chip.value(field).unwrap_or(USUAL_CARD);
    let ends = plan.pools.iter().map(|pool| pool.gpus).min().unwrap_or(1);
    plan.pools[0].prefill = Some(Prefill {
        pool: 1,
        link: LinkSpec {
            bytes_per_s: (card * f64::from(ends)) as u64,
            latency: SimDuration::from_s_saturating(LATENCY_S),
        },
        shared: false,
        token_bytes: bytes.token,
        sequence_bytes: bytes.sequence as u64,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_read_from_their_letters() {
        let text = "disagg P4x(TP1 ADP4 EP4) D1x(TP2 ADP32 EP64)";
        let side = |instances, tensor, data, expert| Side { instances, tensor, data, expert };
        assert_eq!(Side::read(text, 'P'), Some(side(4, 1, 4, 4)));
        assert_eq!(Side::read(text, 'D'), Some(side(1, 2, 32, 64)));
        assert_eq!(Side::read("disagg P1x(TP32 ADP1 EP4)", 'P'), Some(side(1, 1, 32, 32)));
        assert_eq!(Side::read("disagg of some kind", 'P'), None);
        assert_eq!(side(4, 2, 8, 1).gpus(), 64);
    }
}
