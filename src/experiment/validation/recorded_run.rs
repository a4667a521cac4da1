//! `recorded_runs/NAME/`: a run of vLLM request by request, with its queue and cache over time.
//!
//! `NAME` begins with the accelerator: `RTX4090-Llama-3.1-8B`. `meta.json` says how the engine was
//! started, `requests.jsonl` when each request was queued and answered, `timeseries.csv` how many
//! ran and waited. Times are the engine's own: a request is sent when it is queued.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::client::{Seen, mean, observe, recorded_plan};
use super::comparison::{Class, Comparison, Outcome};
use super::configuration::{Configuration, Names, Unmodelled};
use super::table::{self, Line, Row};
use crate::catalog::Catalog;
use crate::foundations::error::{Place, SourceId, Sources};
use crate::foundations::time::PS_PER_S;
use crate::foundations::{Fault, Faults, SimDuration};
use crate::workload::trace::{
    Gap, RecordedAction, RecordedCall, RecordedSession, RecordedStep, Trace,
};

/// How the engine was started.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Meta {
    /// Model.
    pub model: String,
    engine_kwargs: EngineArguments,
    kv_cache: Option<KvCache>,
    hardware: Option<Hardware>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Hardware {
    device_total_memory_bytes: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
struct EngineArguments {
    tensor_parallel_size: Option<u32>,
    max_num_seqs: Option<u64>,
    max_num_batched_tokens: Option<u64>,
    dtype: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct KvCache {
    num_gpu_blocks: Option<u64>,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Request {
    /// Prompt tokens.
    pub input_toks: u32,
    /// Tokens of the answer.
    pub output_toks: u32,
    /// When it reached the engine, s.
    pub queued_ts: f64,
    /// When its first token came out, s.
    pub first_token_ts: f64,
    /// When its last token came out, s.
    pub last_token_ts: f64,
}

/// The engine's state at one instant.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Tick {
    /// Seconds since the start.
    pub t: f64,
    /// Requests running.
    pub running: f64,
    /// Requests waiting.
    pub waiting: f64,
    /// KV memory in use, per cent.
    pub kv_cache_pct: f64,
}

impl Row for Tick {
    const COLUMNS: &'static [&'static str] = &["t", "running", "waiting", "kv_cache_pct"];

    fn fault(&self) -> Option<(&'static str, &'static str)> {
        let figures = [
            ("t", self.t),
            ("running", self.running),
            ("waiting", self.waiting),
            ("kv_cache_pct", self.kv_cache_pct),
        ];
        let wrong = figures.into_iter().find(|(_, value)| !(value.is_finite() && *value >= 0.0));
        wrong.map(|(column, _)| (column, "must be at least 0"))
    }
}

/// A run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordedRun {
    /// The folder's name.
    pub name: String,
    /// How the engine was started.
    pub meta: Meta,
    /// Its requests, in the order in which they were queued.
    pub requests: Vec<Request>,
    /// Its state over time; empty where it was not recorded.
    pub ticks: Vec<Line<Tick>>,
}

/// Load over time, as simulated.
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    /// The run.
    pub name: String,
    /// Second, running, waiting, share of the KV memory: measured.
    pub measured: Vec<[f64; 4]>,
    /// The same, predicted.
    pub predicted: Vec<[f64; 4]>,
}

/// The runs among some files, each file a name within its folder, an id and its text.
pub(super) fn read_all(
    files: &[(String, SourceId)],
    sources: &Sources,
    faults: &mut Faults,
) -> Vec<RecordedRun> {
    let mut runs: BTreeMap<String, RecordedRun> = BTreeMap::new();
    for (path, source) in files {
        let Some((name, file)) = path.split_once('/') else { continue };
        let run = runs.entry(name.to_owned()).or_default();
        run.name = name.to_owned();
        let text = sources.get(*source).map_or("", |source| &source.text);
        let at = |span| Place { source: *source, span, path: String::new() };
        match file {
            "meta.json" => match serde_json::from_str(text) {
                Ok(meta) => run.meta = meta,
                Err(error) => {
                    let start: usize = text
                        .split_inclusive('\n')
                        .take(error.line().saturating_sub(1))
                        .map(str::len)
                        .sum();
                    faults.push(Fault::new(error.to_string()).at(at(start..start)));
                }
            },
            "requests.jsonl" => {
                let mut start = 0;
                for line in text.split_inclusive('\n') {
                    let span = start..start + line.trim_end().len();
                    start += line.len();
                    if line.trim().is_empty() {
                        continue;
                    }
                    match request(line) {
                        Ok(request) => run.requests.push(request),
                        Err(problem) => faults.push(Fault::new(problem).at(at(span))),
                    }
                }
                run.requests.sort_by(|one, two| one.queued_ts.total_cmp(&two.queued_ts));
            }
            "timeseries.csv" => match table::read(*source, sources) {
                Ok(ticks) => run.ticks = ticks,
                Err(wrong) => faults.extend(wrong),
            },
            _ => {}
        }
    }
    runs.into_values().filter(|run| !run.requests.is_empty()).collect()
}

fn request(line: &str) -> Result<Request, String> {
    let request: Request = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let Request { input_toks, output_toks, queued_ts, first_token_ts, last_token_ts } = request;
    if input_toks == 0 || output_toks == 0 {
        return Err("a request has at least one token in and one out".to_owned());
    }
    let ordered = queued_ts <= first_token_ts && first_token_ts <= last_token_ts;
    if !(ordered && queued_ts >= 0.0 && last_token_ts.is_finite()) {
        return Err("the times of a request must follow each other".to_owned());
    }
    Ok(request)
}

impl RecordedRun {
    fn configuration<'c>(&self, catalog: &'c Catalog) -> Result<Configuration<'c>, Unmodelled> {
        let engine = &self.meta.engine_kwargs;
        let names = Names {
            model: &self.meta.model,
            accelerator: self.accelerator(),
            engine: "vllm",
            precision: match engine.dtype.as_deref() {
                None | Some("auto") => "bf16",
                Some(format) => format,
            },
            tensor_parallel: engine.tensor_parallel_size.unwrap_or(1),
            expert_parallel: 1,
            pipeline_parallel: 1,
        };
        let mut configuration = names.under(catalog, "recorded_runs", 0, (0, 0))?;
        let settings = &mut configuration.settings;
        settings.max_batched_tokens = engine.max_num_batched_tokens.or(settings.max_batched_tokens);
        settings.max_running = engine.max_num_seqs.or(settings.max_running);
        Ok(configuration)
    }

    /// The catalog with the memory that this run's device reported.
    fn own_catalog(&self, catalog: &Catalog) -> Result<Catalog, Unmodelled> {
        let mut own = catalog.clone();
        let reported = self.meta.hardware.as_ref().and_then(|it| it.device_total_memory_bytes);
        if let Some(bytes) = reported {
            let key = catalog.accelerator(self.accelerator())?.key.clone();
            let memory = toml::Table::from_iter([("memory".into(), format!("{bytes} B").into())]);
            let added = own.add_accelerator(&key, Some(&key), &memory, "recorded run");
            added.map_err(|error| Unmodelled::NotSimulated(error.to_string()))?;
        }
        Ok(own)
    }

    fn accelerator(&self) -> &str {
        self.name.split('-').next().unwrap_or(&self.name)
    }

    fn start_s(&self) -> f64 {
        self.requests.first().map_or(0.0, |request| request.queued_ts)
    }

    /// The same requests at the same times.
    fn trace(&self) -> Trace {
        let mut trace = Trace { models: vec![self.meta.model.clone()], ..Trace::default() };
        for (place, request) in (0..).zip(&self.requests) {
            trace.roots.push(place);
            trace.sessions.push(RecordedSession {
                start: SimDuration::from_s_saturating(request.queued_ts - self.start_s()),
                actions: place..place + 1,
                name: "".into(),
            });
            trace.actions.push(RecordedAction {
                delay: SimDuration::ZERO,
                gap: Gap::None,
                starts_task: true,
                step: RecordedStep::Call(place),
            });
            trace.calls.push(RecordedCall {
                input: request.input_toks,
                output: request.output_toks,
                pieces: 0..0,
                model: 0,
                recorded_ttft: None,
                recorded_time: None,
            });
        }
        trace
    }

    fn longest(&self) -> u64 {
        let tokens =
            |request: &Request| u64::from(request.input_toks) + u64::from(request.output_toks);
        self.requests.iter().map(tokens).max().unwrap_or(1)
    }

    fn replay(&self, configuration: &Configuration<'_>) -> Result<(Seen, u64), Unmodelled> {
        let server = configuration.server(self.longest())?;
        let plan = recorded_plan(&server, self.trace())?;
        let mut seen = observe(&plan, 1, 1)?;
        Ok((seen.remove(0), server.replica.kv_blocks))
    }

    /// Running, waiting and cache over time, measured and predicted.
    ///
    /// # Errors
    /// [`Unmodelled`].
    pub fn curves(&self, catalog: &Catalog) -> Result<Curves, Unmodelled> {
        let catalog = self.own_catalog(catalog)?;
        let configuration = self.configuration(&catalog)?;
        let (seen, blocks) = self.replay(&configuration)?;
        let tick = |line: &Line<Tick>| {
            let Tick { t, running, waiting, kv_cache_pct } = line.row;
            [t, running, waiting, kv_cache_pct / 100.0]
        };
        let series = &seen.outcome.series;
        let scheduler = configuration.scheduler();
        let capacity = blocks as f64 * scheduler.block_size as f64;
        let mut end_s = 0.0;
        let bins = series.bins.iter().map(|bin| {
            let covered = bin.covered_ps.max(1) as f64;
            end_s += covered / PS_PER_S as f64;
            let pool = &bin.pools[0];
            let [running, waiting, kv] =
                [pool.batch_ps, pool.waiting_ps, pool.kv_token_ps].map(|ps| ps as f64 / covered);
            [end_s, running, waiting, kv / capacity]
        });
        Ok(Curves {
            name: self.name.clone(),
            measured: self.ticks.iter().map(tick).collect(),
            predicted: bins.collect(),
        })
    }
}

/// Replays a run: its means, and how long each request took.
pub(super) fn compare(run: &RecordedRun, catalog: &Catalog) -> Outcome {
    let catalog = run.own_catalog(catalog)?;
    let configuration = run.configuration(&catalog)?;
    let (seen, blocks) = run.replay(&configuration)?;
    let seen = [seen];
    let of_all = |of: &dyn Fn(&Request) -> Option<f64>| {
        let values: Vec<f64> = run.requests.iter().filter_map(of).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let tpot = |request: &Request| {
        let gaps = request.output_toks.checked_sub(1).filter(|&gaps| gaps > 0)?;
        Some((request.last_token_ts - request.first_token_ts) * 1e3 / f64::from(gaps))
    };
    let ttft = |request: &Request| Some((request.first_token_ts - request.queued_ts) * 1e3);
    let last = run.requests.iter().map(|request| request.last_token_ts).fold(0.0, f64::max);
    let recorded = run.meta.kv_cache.as_ref().and_then(|cache| cache.num_gpu_blocks);
    let figures = [
        ("tpot_mean_ms", Some(mean(&seen, Seen::tpot_ms)), of_all(&tpot)),
        ("ttft_mean_ms", Some(mean(&seen, Seen::ttft_ms)), of_all(&ttft)),
        ("span_s", Some(seen[0].span_s), Some(last - run.start_s())),
        ("kv_blocks", Some(blocks as f64), recorded.map(|blocks| blocks as f64)),
    ];
    let class = Class::of("recorded", &configuration);
    let mut all = Comparison::all(&class, 0, &run.name, &None, figures);
    let rows = seen[0].outcome.tasks.rows();
    for (number, (row, request)) in (1..).zip(rows.iter().zip(&run.requests)) {
        let measured = request.last_token_ts - request.queued_ts;
        let what = format!("{} request {number}", run.name);
        let figure = [("e2e_s", Some(row.latency_s), Some(measured))];
        all.extend(Comparison::all(&class, number, &what, &None, figure));
    }
    Ok(all)
}
