//! What is counted of a call that was answered, and of a task that has ended.

use super::actor::Call;
use super::cause::Cause;
use super::event::Handle;
use super::outcome::PICO_PER_USD;
use super::task_sample::TaskRow;
use super::waste::Waste;
use super::world::World;
use crate::foundations::SimTime;
use crate::serving::Finished;

impl World<'_> {
    /// Counts a call.
    pub(super) fn record_call(
        &mut self,
        population: u16,
        call: &Call,
        finished: &Finished,
        sent: SimTime,
    ) {
        let tally = self.tally(population);
        tally.calls += 1;
        tally.input_tokens += u64::from(finished.prompt);
        tally.cached_tokens += u64::from(finished.cached);
        tally.output_tokens += u64::from(finished.produced);
        tally.reasoning_tokens += u64::from(call.reasoning);
        tally.call_latency.record(finished.finished.since(call.since).as_us());
        let started = finished.scheduled.unwrap_or(finished.finished);
        tally.queue_time.record(started.since(finished.submitted).as_us());
        if let Some(first) = finished.first_token {
            tally.ttft.record(first.since(sent).as_us());
            if finished.produced > 1 {
                let gaps = u64::from(finished.produced - 1);
                tally.tpot.record(finished.finished.since(first).0 / gaps / 1000);
            }
        }
    }

    /// Counts a task, and why it failed where it did.
    pub(super) fn record_task(&mut self, handle: Handle, cause: Option<Cause>) {
        let task = &self.tasks[handle];
        self.bin.tasks_finished += 1;
        self.bin.tasks_succeeded += u64::from(cause.is_none());
        let conservation = &mut self.outcome.conservation;
        match cause {
            None => conservation.tasks_succeeded += 1,
            Some(_) => conservation.tasks_failed += 1,
        }
        let open = self.measuring && self.accepting;
        let tally = &mut self.outcome.agents[task.population as usize];
        tally.finished_in_window += u64::from(open);
        tally.succeeded_in_window += u64::from(open && cause.is_none());
        if !task.counted {
            return;
        }
        let latency = self.now.since(task.started);
        match cause {
            None => tally.succeeded += 1,
            Some(cause) => tally.failed[cause as usize] += 1,
        }
        if cause.is_some() {
            let (tokens, pico) = task.unjudged();
            tally.wasted[Waste::FailedTask as usize].add(tokens, pico.into());
        }
        if matches!(cause, None | Some(Cause::Program)) {
            tally.task_latency.record(latency.as_us());
        }
        tally.calls_per_task.record(u64::from(task.calls));
        tally.tool_calls_per_task.record(u64::from(task.tool_calls));
        tally.tokens_per_task.record(task.input_tokens + task.output_tokens);
        let plain = u64::from(task.prompt.unwrap_or(0)) + u64::from(task.answer);
        tally.plain_per_task.record(plain.max(1));
        tally.input_per_task.record(task.input_tokens);
        tally.cached_per_task.record(task.cached_tokens);
        tally.output_per_task.record(task.output_tokens);
        tally.reasoning_per_task.record(task.reasoning_tokens);
        tally.charge_per_task.record(task.charged_pico / 1000);
        let trial = self.outcome.trial;
        self.outcome.tasks.offer(task.number, || TaskRow {
            trial,
            task: task.number,
            population: task.population,
            started_s: task.started.as_s(),
            latency_s: latency.as_s(),
            cause,
            calls: task.calls,
            tool_calls: task.tool_calls,
            input_tokens: task.input_tokens,
            cached_tokens: task.cached_tokens,
            output_tokens: task.output_tokens,
            reasoning_tokens: task.reasoning_tokens,
            usd: task.charged_pico as f64 / PICO_PER_USD,
        });
    }
}
