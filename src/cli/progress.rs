//! How far a run is, on standard error, while somebody looks at it.

#![allow(clippy::disallowed_methods, reason = "the time left is told by the clock on the wall")]

use std::io::{self, IsTerminal};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::experiment::Watch;
use crate::foundations::units::{format_count, format_duration};
use crate::simulation::Plan;

/// How often it is drawn.
const TICK: Duration = Duration::from_millis(100);
/// A run that is over sooner shows nothing.
const PATIENCE: Duration = Duration::from_millis(400);
/// Parts of the bar.
const PARTS: u64 = 1000;

/// Runs `work` while what `watch` tells is shown; silently where it is not `wanted` or standard
/// error is no terminal.
pub fn shown<T>(
    wanted: bool,
    plans: &[Plan],
    trials: u64,
    watch: &Watch,
    work: impl FnOnce() -> T,
) -> T {
    if !wanted || !io::stderr().is_terminal() {
        return work();
    }
    let (done, is_done) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let begin = Instant::now();
            if is_done.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let bar = bar();
            while is_done.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                draw(&bar, plans, trials, watch, begin.elapsed().as_secs_f64());
            }
            bar.finish_and_clear();
        });
        let found = work();
        drop(done);
        found
    })
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(PARTS), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:24} {msg}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn draw(bar: &ProgressBar, plans: &[Plan], trials: u64, watch: &Watch, elapsed_s: f64) {
    let all = trials * plans.len() as u64;
    let done = fraction(plans, trials, watch);
    let left = match done {
        done if watch.is_stopped() || done < 0.01 => String::new(),
        done => format!(", {} left", format_duration((elapsed_s / done - elapsed_s).ceil())),
    };
    bar.set_position((done * PARTS as f64) as u64);
    bar.set_message(format!(
        "{} of {all} trials, {} simulated, {} calls/s{left}{}",
        watch.trials(),
        format_duration(watch.simulated_s()),
        format_count(watch.calls() as f64 / elapsed_s),
        if watch.is_stopped() { ", stopping" } else { "" },
    ));
}

/// The part of the work that is done, by simulated time where trials end by time.
fn fraction(plans: &[Plan], trials: u64, watch: &Watch) -> f64 {
    let whole = watch.trials() as f64 / (trials * plans.len() as u64) as f64;
    let horizons: Option<f64> =
        plans.iter().map(|plan| plan.stop.horizon.map(|horizon| horizon.as_s())).sum();
    match horizons {
        // Trials that also end by a number of tasks may end sooner, those that drain later.
        Some(all_s) if plans.iter().all(|plan| plan.stop.tasks.is_none()) => {
            (watch.simulated_s() / (all_s * trials as f64)).clamp(whole, 1.0)
        }
        _ => whole,
    }
}
