//! Random servers and random requests for them.

use tokenfleet::foundations::random::{Purpose, Stream, Streams};
use tokenfleet::foundations::{SimDuration, SimTime};
use tokenfleet::performance::{
    ContextCost, ExpertGroup, HostProfile, KernelGroup, PromptStream, Speculation, StepModel,
    WindowCost,
};
use tokenfleet::serving::{Piece, ReplicaSpec, Scheduling, Standing};

/// A request, when it is sent, and when it is taken back.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) at: SimTime,
    pub(super) pieces: Vec<Piece>,
    pub(super) prompt: u32,
    pub(super) output: u32,
    pub(super) kept: u32,
    pub(super) luck: u64,
    pub(super) standing: Standing,
    pub(super) cancel_at: Option<SimTime>,
}

/// What is done to a server, in order: requests sent and cancelled.
pub(super) fn agenda(jobs: &[Job]) -> Vec<(SimTime, u32, bool)> {
    let mut agenda = Vec::new();
    for (tag, job) in jobs.iter().enumerate() {
        agenda.push((job.at, tag as u32, false));
        agenda.extend(job.cancel_at.map(|at| (at, tag as u32, true)));
    }
    agenda.sort();
    agenda
}

fn between(stream: &mut Stream, low: u64, high: u64) -> u64 {
    low + stream.below(high - low + 1)
}

fn random_model(stream: &mut Stream) -> StepModel {
    let group = |stream: &mut Stream| KernelGroup {
        compute_s: stream.uniform() * 1e-5,
        memory_s: stream.uniform() * 1e-3,
        bytes: stream.uniform() * 1e9,
    };
    let cost = |stream: &mut Stream| ContextCost {
        ps: between(stream, 0, 50_000),
        bytes: between(stream, 0, 1000),
        flops: between(stream, 0, 1000),
    };
    let windows = (0..stream.below(3))
        .map(|_| WindowCost { window: between(stream, 1, 120) as u32, cost: cost(stream) })
        .collect();
    let experts = stream.chance(0.4).then(|| ExpertGroup {
        experts: 64.0,
        active: 4.0,
        spread: 1.0,
        compute_s: stream.uniform() * 1e-6,
        padding: 10.0,
        memory_s: stream.uniform() * 1e-5,
        bytes: 1e7,
        sharing: 1.0,
    });
    StepModel {
        linear: group(stream),
        experts: experts.into_iter().collect(),
        head: group(stream),
        communication_s: stream.uniform() * 1e-4,
        communication_token_s: stream.uniform() * 1e-7,
        step_s: stream.uniform() * 1e-3,
        launch_s: stream.uniform() * 1e-3,
        prefill_host_s: stream.uniform() * 5e-3,
        captured_tokens: between(stream, 0, 60) as u32,
        captured_host_s: stream.uniform() * 1e-3,
        sequence_s: stream.uniform() * 1e-5,
        context: cost(stream),
        windows,
        prompt: vec![PromptStream {
            limit: u32::MAX,
            pair_s: stream.uniform() * 1e-9,
            pair_flops: 1.0,
            padding: 0.0,
            read_s: 0.0,
        }],
        layer_flops: 1000,
        head_flops: 10,
        ..StepModel::default()
    }
}

fn random_scheduling(stream: &mut Stream) -> Scheduling {
    match stream.below(10) {
        0 => Scheduling::Priority { preemption: false },
        1 | 2 => Scheduling::Priority { preemption: true },
        3 => Scheduling::ShortestFirst,
        4 => Scheduling::Deadline,
        5 => Scheduling::Fair,
        _ => Scheduling::Fcfs,
    }
}

fn random_speculation(stream: &mut Stream) -> Speculation {
    let draft = stream.chance(0.7).then(|| random_model(stream));
    Speculation { drafted: between(stream, 1, 5) as u32, acceptance: stream.uniform(), draft }
}

pub(super) fn random_case(seed: u64) -> (ReplicaSpec, Vec<Job>) {
    let mut stream = Streams::new(seed, 0).stream(Purpose::Sample, 0);
    let stream = &mut stream;
    let block = [1, 4, 16][stream.below(3) as usize];
    let longest = between(stream, 2, 150);
    let spec = ReplicaSpec {
        model: random_model(stream),
        token_budget: between(stream, 40, 300) as u32,
        batch_limit: between(stream, 1, 32) as u32,
        chunked_prefill: true,
        block,
        // Room for the longest request, and little more.
        kv_blocks: (3 * longest).div_ceil(u64::from(block)) + between(stream, 6, 40),
        sequence_blocks: if stream.chance(0.3) { between(stream, 1, 4) } else { 0 },
        prefix_cache: stream.chance(0.7),
        retention: None,
        host: HostProfile {
            lookahead_steps: stream.below(3) as u32 / 2,
            poll_steps: if stream.chance(0.2) { 7 } else { 1 },
            batch_wait_steps: if stream.chance(0.2) { 5 } else { 0 },
            prefill_alone: stream.chance(0.3),
            request_delay_ps: if stream.chance(0.5) { stream.below(30_000_000_000) } else { 0 },
            request_serial_ps: if stream.chance(0.5) { stream.below(9_000_000_000) } else { 0 },
            prompt_token_ps: if stream.chance(0.3) { stream.below(60_000_000) } else { 0 },
            ..HostProfile::default()
        },
        speculation: stream.chance(0.4).then(|| random_speculation(stream)),
        scheduling: random_scheduling(stream),
        longest_leap: u64::MAX,
    };
    let mut now = SimTime::ZERO;
    let jobs = (0..between(stream, 1, 60))
        .map(|_| {
            if stream.chance(0.8) {
                now += SimDuration(stream.below(60_000_000_000));
            }
            let shared = between(stream, 1, longest) as u32;
            let own = between(stream, 1, longest) as u32;
            let output = between(stream, 1, longest) as u32;
            let system = stream.below(3);
            let session = stream.below(4);
            let pieces = vec![
                Piece { key: 1 + system * 1000 + u64::from(shared), end: shared },
                Piece {
                    key: 1_000_000 + session + 10 * (system * 1000 + u64::from(shared)),
                    end: shared + own,
                },
            ];
            let cancel = stream.chance(0.15);
            let cancel_at = cancel.then(|| now + SimDuration(stream.below(100_000_000_000)));
            let kept = if stream.chance(0.5) { output } else { 0 };
            let luck = stream.next_u64();
            let standing = Standing {
                priority: stream.below(3) as u8,
                tenant: stream.below(3) as u16,
                deadline: now + SimDuration(stream.below(3_000_000_000_000)),
            };
            Job { at: now, pieces, prompt: shared + own, output, kept, luck, standing, cancel_at }
        })
        .collect();
    (spec, jobs)
}
