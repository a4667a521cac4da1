//! Outcomes of trials that never ran, for tests of what is made of outcomes: they stay the same
//! when the simulation learns something.

use tokenfleet::foundations::{Histogram, Law, Purpose, SimDuration, SimTime, Stream, Streams};
use tokenfleet::serving::Usage;
use tokenfleet::simulation::observations::Observations;
use tokenfleet::simulation::outcome::{AgentTally, Conservation, PoolTally};
use tokenfleet::simulation::plan::Plan;
use tokenfleet::simulation::series::{Bin, PoolBin, Series};
use tokenfleet::simulation::task_sample::{TaskRow, TaskSample};
use tokenfleet::simulation::{Cause, TrialOutcome};

const S: u128 = 1_000_000_000_000;
const WINDOW_S: f64 = 540.0;

/// Draws a count about as large as `median`, and records it.
fn draw(stream: &mut Stream, median: f64, sigma: f64, into: &mut Observations) -> u64 {
    let law = Law::lognormal_from_median(median, sigma).unwrap();
    let value = law.sample(stream).round() as u64;
    into.record(value);
    value
}

/// What some agents did: tasks of so many calls, one in twelve without success.
fn agents(stream: &mut Stream, tasks: u64, calls: f64, slowness: f64) -> AgentTally {
    let mut tally = AgentTally {
        started: tasks,
        finished_in_window: tasks,
        tool_errors: 7,
        ..AgentTally::default()
    };
    for task in 0..tasks {
        match task % 12 {
            11 => tally.failed[Cause::Program as usize] += 1,
            _ => tally.succeeded += 1,
        }
        let made = draw(stream, calls, 0.6, &mut tally.calls_per_task).max(1);
        tally.tool_calls_per_task.record(made - 1);
        tally.calls += made;
        tally.tool_calls += made - 1;
        for _ in 0..made {
            draw(stream, 2e6 * slowness, 0.5, &mut tally.call_latency);
            draw(stream, 25e3 * slowness, 0.6, &mut tally.ttft);
            draw(stream, 12e6, 0.1, &mut tally.tpot);
            draw(stream, 6e3 * slowness, 0.7, &mut tally.queue_time);
        }
        for _ in 1..made {
            draw(stream, 5e5, 1.2, &mut tally.tool_time);
        }
        let work = made as f64;
        draw(stream, 3e6 * work * slowness, 0.4, &mut tally.task_latency);
        let input = draw(stream, 7000.0 * work, 0.3, &mut tally.input_per_task);
        let output = draw(stream, 160.0 * work, 0.5, &mut tally.output_per_task);
        tally.cached_per_task.record(input * 4 / 5);
        tally.reasoning_per_task.record(output / 4);
        tally.tokens_per_task.record(input + output);
        draw(stream, 450.0, 0.4, &mut tally.plain_per_task);
        let charge = draw(stream, 9e5 * work, 0.2, &mut tally.charge_per_task);
        tally.input_tokens += input;
        tally.cached_tokens += input * 4 / 5;
        tally.output_tokens += output;
        tally.reasoning_tokens += output / 4;
        tally.charged_pico += u128::from(charge) * 1000;
    }
    tally.succeeded_in_window = tally.succeeded;
    (tally.calls_in_window, tally.attempts) = (tally.calls, tally.calls);
    tally
}

/// Load that is even, or grows from nothing to `queue` waiting requests.
fn series(plan: &Plan, tasks: u64, queue: u128) -> Series {
    let mut series = Series::new(SimDuration::from_s(10.0).unwrap());
    for bin in 0..60_u64 {
        let pool = |_| PoolBin {
            busy_ps: 18 * S,
            gpu_ps: 16 * S,
            batch_ps: 18 * S * (5 + u128::from(bin % 4)),
            waiting_ps: 10 * S * queue * u128::from(bin) / 60,
            kv_token_ps: 10 * S * (70_000 + 1000 * u128::from(bin % 7)),
            prompt_tokens: 90_000 + 500 * (bin % 5),
            cached_tokens: 72_000,
            output_tokens: 2_000 + 30 * (bin % 6),
            flops: 3_000_000_000_000_000 + u128::from(bin % 3) * 200_000_000_000_000,
            bytes: 30_000_000_000_000,
            ..PoolBin::default()
        };
        let now = SimTime::from_s(10.0 * (bin + 1) as f64).unwrap();
        let filled = Bin {
            tasks_started: tasks / 54,
            tasks_finished: tasks / 54 + bin % 2,
            tasks_succeeded: tasks / 60,
            calls: tasks / 18,
            pools: plan.pools.iter().map(pool).collect(),
            ..Bin::default()
        };
        series.push(filled, now);
    }
    series
}

/// The outcome of a trial of `plan`, with so many requests waiting at its end.
pub(crate) fn outcome(plan: &Plan, trial: u64, queue: u64) -> TrialOutcome {
    let mut stream = Streams::new(1, trial).stream(Purpose::Parameter, 1);
    let slowness = 1.0 + queue as f64 / 40.0;
    let mut agents: Vec<AgentTally> = (0..plan.populations.len() as u64)
        .map(|index| {
            let tasks = 110 * (index + 1) + trial % 3 * 4;
            agents(&mut stream, tasks, 4.0 / (index * 3 + 1) as f64, slowness)
        })
        .collect();
    if queue > 0 {
        for agent in &mut agents {
            let late = agent.started / 3;
            agent.finished_in_window -= late;
            agent.succeeded_in_window -= late;
            (agent.succeeded, agent.in_flight) = (agent.succeeded - late, late);
        }
    }
    let sum = |of: fn(&AgentTally) -> u64| agents.iter().map(of).sum::<u64>();
    let charged: u128 = agents.iter().map(|agent| agent.charged_pico).sum();
    let (started, finished) = (sum(|agent| agent.started), sum(|agent| agent.finished_in_window));
    let pool = |pool: &tokenfleet::simulation::plan::Pool| {
        let usage = Usage {
            busy_ps: (972 * S) as u64,
            gpu_ps: (864 * S) as u64,
            steps: 80_000,
            leaps: 9_000,
            batch_ps: 5_800 * S,
            waiting_ps: 540 * S * u128::from(queue) / 2,
            kv_token_ps: 540 * S * 73_000,
            output_tokens: sum(|agent| agent.output_tokens),
            cached_tokens: sum(|agent| agent.cached_tokens),
            prompt_tokens: sum(|agent| agent.input_tokens),
            flops: 170_000_000_000_000_000,
            bytes: 1_600_000_000_000_000,
            preemptions: queue,
            ..Usage::default()
        };
        let mut inter_token = Histogram::default();
        for gap in 0..2_000 {
            inter_token.record_n(11_000_000_000 + gap * 1_500_000, 40 - gap / 50);
        }
        let spent = pool.usd_per_replica_h * f64::from(pool.replicas) * WINDOW_S / 3600.0;
        PoolTally {
            usage,
            inter_token,
            calls: sum(|agent| agent.calls),
            spent_pico: (spent * 1e12) as u128,
            charged_pico: charged,
            ..PoolTally::default()
        }
    };
    let mut tasks = TaskSample::new(trial, plan.task_rows);
    for task in 0..started {
        tasks.offer(task, || TaskRow {
            trial,
            task,
            population: 0,
            started_s: task as f64,
            latency_s: 10.0,
            cause: None,
            calls: 3,
            tool_calls: 2,
            input_tokens: 20_000,
            cached_tokens: 16_000,
            output_tokens: 500,
            reasoning_tokens: 120,
            usd: 0.003,
        });
    }
    TrialOutcome {
        trial,
        window_s: (60.0, 60.0 + WINDOW_S),
        drain_cut: queue > 0,
        pools: plan.pools.iter().map(pool).collect(),
        endpoints: vec![],
        series: series(plan, finished, u128::from(queue)),
        tasks,
        conservation: Conservation {
            tasks_started: started,
            tasks_succeeded: sum(|agent| agent.succeeded),
            tasks_failed: sum(|agent| agent.failed.iter().sum()),
            tasks_in_flight: sum(|agent| agent.in_flight),
            ..Conservation::default()
        },
        ended: SimTime::from_s(620.0).unwrap(),
        requests: sum(|agent| agent.attempts),
        events: 10_000,
        agents,
    }
}
