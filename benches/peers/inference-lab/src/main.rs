//! Runs a trace through inference-lab's own engine: `inference-lab-race DEPLOYMENT TRACE [TIMES]`.
//!
//! The engine alone is driven, without the crate's metrics, progress and command line, which take
//! more time than it does; what is measured is the best that the crate can do. A trace is one of
//! those that `tokenfleet export` writes: `mooncake` (single requests) or `agentic-mooncake` (sessions
//! whose calls wait for each other). Prints one line of JSON.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader};

use inference_lab::config::{Deployment, ModelConfig};
use inference_lab::request::{Request, SessionSource, SessionSpec, StepSpec};
use inference_lab::simulation::{Engine, RequestTiming, Topology};
use serde::Deserialize;

#[derive(Deserialize)]
struct Row {
    timestamp: Option<f64>,
    session_id: Option<String>,
    input_length: u32,
    output_length: u32,
    #[serde(default)]
    not_before_ms: f64,
    #[serde(default)]
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    delay_ms: f64,
}

/// Requests with their arrivals, or sessions with their starts, by time.
enum Load {
    Single(Vec<(f64, u32, u32)>),
    Sessions(Vec<(f64, SessionSpec)>),
}

fn read(path: &str) -> Result<Load, Box<dyn Error>> {
    let mut single = Vec::new();
    let mut sessions: Vec<(f64, SessionSpec)> = Vec::new();
    let mut places = BTreeMap::new();
    for line in BufReader::new(std::fs::File::open(path)?).lines() {
        let Ok(row) = serde_json::from_str::<Row>(&line?) else { continue }; // the header
        let Some(id) = row.session_id else {
            let at = row.timestamp.ok_or("a request without a time")? / 1e3;
            single.push((at, row.input_length, row.output_length));
            continue;
        };
        let place = *places.entry(id.clone()).or_insert_with(|| {
            sessions.push((row.not_before_ms / 1e3, SessionSpec { id, steps: Vec::new() }));
            sessions.len() - 1
        });
        let steps = &mut sessions[place].1.steps;
        // Each call's prompt begins with all that the one before it read and wrote.
        let kept = steps.last().map_or(0, |before: &StepSpec| before.input + before.output);
        steps.push(StepSpec {
            input: row.input_length,
            new: row.input_length.saturating_sub(kept),
            output: row.output_length,
            gap: row.dependencies.first().map_or(0.0, |before| before.delay_ms / 1e3),
            kind: None,
        });
    }
    Ok(if sessions.is_empty() {
        single.sort_by(|a, b| a.0.total_cmp(&b.0));
        Load::Single(single)
    } else {
        sessions.sort_by(|a, b| a.0.total_cmp(&b.0));
        Load::Sessions(sessions)
    })
}

/// The load once, as a source of requests by time.
struct Arrivals<'a> {
    load: &'a Load,
    next: usize,
    source: Option<SessionSource>,
}

impl<'a> Arrivals<'a> {
    fn new(load: &'a Load, block_size: u32) -> Self {
        let source = match load {
            Load::Single(_) => None,
            Load::Sessions(sessions) => {
                let specs = sessions.iter().map(|(_, spec)| spec.clone()).collect();
                Some(SessionSource::new(specs, block_size))
            }
        };
        Self { load, next: 0, source }
    }

    fn fresh(&self) -> Option<f64> {
        match self.load {
            Load::Single(requests) => requests.get(self.next).map(|request| request.0),
            Load::Sessions(sessions) => sessions.get(self.next).map(|session| session.0),
        }
    }

    fn pending(&self) -> Option<f64> {
        self.source.as_ref().and_then(SessionSource::peek_pending)
    }

    fn due(&mut self, before: f64) -> Option<Request> {
        let fresh = self.fresh().unwrap_or(f64::INFINITY);
        let pending = self.pending().unwrap_or(f64::INFINITY);
        if fresh.min(pending) > before || fresh.min(pending).is_infinite() {
            return None;
        }
        if pending <= fresh {
            return self.source.as_mut()?.next_due(pending);
        }
        self.next += 1;
        match (self.load, &mut self.source) {
            (Load::Single(requests), _) => {
                let (at, input, output) = requests[self.next - 1];
                let id = self.next.to_string();
                Some(Request::new_with_target(id, 0, at, input, output, output))
            }
            (Load::Sessions(_), source) => Some(source.as_mut()?.start_session(fresh)),
        }
    }

    fn completed(&mut self, timing: &RequestTiming) {
        if let (Some(source), Some(step)) = (&mut self.source, &timing.session) {
            source.on_step_complete(step, timing.completion_time);
        }
    }
}

#[derive(Default)]
struct Served {
    ttft_s: Vec<f64>,
    tpot_s: Vec<f64>,
    e2e_s: Vec<f64>,
    output: u64,
    input: u64,
    cached: u64,
    rejected: u64,
    end_s: f64,
}

fn simulate(deployment: &Deployment, load: &Load) -> Result<Served, Box<dyn Error>> {
    let mut scheduler = deployment.scheduler.clone();
    scheduler.set_default_prefill_threshold(deployment.model.max_seq_len);
    let block_size = scheduler.block_size;
    let topology =
        Topology::aggregated(deployment.cluster(), deployment.model.clone(), scheduler)?
            .with_router(&deployment.router);
    let mut engine = Engine::new(topology);
    let mut arrivals = Arrivals::new(load, block_size);
    let mut served = Served::default();
    loop {
        // One request at a time enters the engine's calendar, when nothing comes before it.
        let until = engine.next_event_time().unwrap_or(f64::INFINITY);
        if let Some(request) = arrivals.due(until) {
            engine.submit(request);
            continue;
        }
        if engine.next_event_time().is_none() {
            return Ok(served);
        }
        for timing in &engine.step()?.completions {
            arrivals.completed(timing);
            served.rejected += u64::from(timing.rejected);
            served.ttft_s.push(timing.ttft());
            served.tpot_s.extend(timing.tpot());
            served.e2e_s.push(timing.e2e());
            served.input += u64::from(timing.num_prompt_tokens);
            served.cached += u64::from(timing.num_cached_tokens);
            served.output += u64::from(timing.num_output_tokens);
            served.end_s = timing.completion_time;
        }
    }
}

fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, deployment, trace, times @ ..] = &arguments[..] else {
        return Err("inference-lab-race DEPLOYMENT TRACE [TIMES]".into());
    };
    let times: u32 = times.first().map_or(Ok(1), |times| times.parse())?;
    let deployment = ModelConfig::from_file(deployment)?.deployment(None)?;
    let load = read(trace)?;
    let before = cpu_seconds();
    let mut served = Served::default();
    for _ in 0..times {
        served = simulate(&deployment, &load)?;
    }
    let engine = cpu_seconds() - before;
    let report = serde_json::json!({
        "calls": served.e2e_s.len() * times as usize,
        "engine_cpu_s": engine,
        "rejected": served.rejected,
        "ttft_s": mean(&served.ttft_s),
        "tpot_s": mean(&served.tpot_s),
        "e2e_s": mean(&served.e2e_s),
        "output_tokens_per_s": served.output as f64 / served.end_s,
        "prefix_hit_rate": served.cached as f64 / served.input as f64,
    });
    println!("{report}");
    Ok(())
}
