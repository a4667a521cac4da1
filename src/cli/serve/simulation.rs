//! Trials for the page: a first answer at once, better ones as trials come in, and an end as soon as
//! nobody waits.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_stream::Stream;

use crate::experiment::{Answers, METRICS, MonteCarlo, Objective, Watch};
use crate::foundations::SimTime;
use crate::foundations::units::format_duration;
use crate::report::{Summary, csv};
use crate::simulation::Plan;

/// Simulated time of a first sketch where a trial is longer than twice that.
const SKETCH_S: f64 = 2.0 * 3600.0;
/// No simulation works longer for one request.
const LONGEST: Duration = Duration::from_secs(120);
/// Figures whose distributions the page draws.
const DRAWN: [&str; 6] =
    ["usd_per_task", "task_latency_s", "ttft_s", "tpot_s", "call_latency_s", "tokens_per_task"];

/// What is simulated.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) name: String,
    pub(super) plan: Plan,
    pub(super) objectives: Vec<Objective>,
    pub(super) trials: u64,
    pub(super) seed: u64,
    pub(super) confidence: f64,
}

/// Lines of JSON, each an answer from all trials so far. Dropping it ends the simulation.
#[derive(Debug)]
pub(super) struct Lines {
    lines: Receiver<Bytes>,
    watch: Arc<Watch>,
}

impl Stream for Lines {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.lines.poll_recv(context).map(|line| line.map(Ok))
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.watch.stop();
    }
}

/// Begins to simulate; `busy` is held until it is over.
pub(super) fn begin<T: Send + 'static>(job: Job, busy: T) -> Lines {
    let (sender, lines) = channel(4);
    let watch = Arc::new(Watch::default());
    let (working, limited) = (Arc::clone(&watch), Arc::downgrade(&watch));
    tokio::task::spawn_blocking(move || {
        refine(job, &working, &sender);
        drop(busy);
    });
    tokio::spawn(async move {
        tokio::time::sleep(LONGEST).await;
        if let Some(watch) = limited.upgrade() {
            watch.stop();
        }
    });
    Lines { lines, watch }
}

/// Runs more and more trials and sends what all of them say.
fn refine(job: Job, watch: &Watch, sender: &Sender<Bytes>) {
    let tell = |line: Value| sender.blocking_send(Bytes::from(format!("{line}\n"))).is_ok();
    let plans = [job.plan];
    let base = MonteCarlo {
        plans: &plans,
        objectives: &job.objectives,
        trials: 1,
        seed: job.seed,
        threads: 0,
    };
    let describe = |run: &MonteCarlo<'_>, found, sketch: Option<String>| {
        let answers = Answers::new(&job.name, run, found, job.confidence);
        let told = answers.stopped_after().is_none() && tell(line(&answers, job.trials, sketch));
        told.then(|| answers.into_findings())
    };
    // A long trial is sketched by its beginning.
    let horizon_s = plans[0].stop.horizon.map_or(0.0, SimTime::as_s);
    if horizon_s > 2.0 * SKETCH_S {
        let mut short = plans.clone();
        let end_s = SKETCH_S.max(2.0 * short[0].warm_up.as_s());
        short[0].stop.horizon = SimTime::from_s(end_s);
        let run = MonteCarlo { plans: &short, ..base };
        let Ok(found) = run.run(watch) else { return };
        let part = format!("{} of {}", format_duration(end_s), format_duration(horizon_s));
        if describe(&run, found, Some(part)).is_none() {
            return;
        }
    }
    let (mut found, mut trials) = (Vec::new(), 1);
    loop {
        let run = MonteCarlo { trials, ..base };
        let Ok(more) = run.run_on(found, watch) else { return };
        match describe(&run, more, None) {
            Some(all) if trials < job.trials => found = all,
            _ => return,
        }
        trials = (trials * 3).div_ceil(2).clamp(trials + 1, job.trials);
    }
}

/// What the page is told of the trials so far.
fn line(answers: &Answers<'_>, planned: u64, sketch: Option<String>) -> Value {
    let summary = Summary::new(answers);
    let answer = &answers.variants[0];
    let mut distributions = Map::new();
    let fractions: Vec<f64> = csv::fractions().collect();
    for key in DRAWN {
        let metric = METRICS.iter().find(|metric| metric.key == key);
        let Some(metric) = metric else { continue };
        let Some((histogram, per_unit)) = answer.evidence[0].histogram(metric) else { continue };
        if histogram.count() > 0 {
            let value = |&p: &f64| histogram.quantile(p) as f64 / per_unit;
            distributions.insert(key.to_owned(), fractions.iter().map(value).collect());
        }
    }
    let variant = &summary.variants[0];
    // The page has no table of tasks.
    let warnings = variant.warnings.iter().filter(|text| !text.starts_with("tasks.csv"));
    let warnings: Vec<&String> = warnings.collect();
    json!({
        "trials": answers.planned,
        "planned": planned,
        "sketch": sketch,
        "answer": summary.answer,
        "metrics": variant.metrics,
        "objectives": variant.objectives,
        "warnings": warnings,
        "p": fractions,
        "distributions": distributions,
    })
}
