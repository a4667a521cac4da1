//! What is counted of a call that was answered, of a tool step and of a task that is over.

use super::actor::Call;
use super::cause::Cause;
use super::event::Handle;
use super::observations::ABSENT;
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
        let tally = &mut self.outcome.agents[population as usize];
        tally.calls += 1;
        tally.input_tokens += u64::from(finished.prompt);
        tally.cached_tokens += u64::from(finished.cached);
        tally.output_tokens += u64::from(finished.produced);
        tally.reasoning_tokens += u64::from(call.reasoning);
        let started = finished.scheduled.unwrap_or(finished.finished);
        let ttft = finished.first_token.map_or(ABSENT, |first| first.since(sent).as_us());
        let tpot = match finished.first_token {
            Some(first) if finished.produced > 1 => {
                finished.finished.since(first).0 / u64::from(finished.produced - 1) / 1000
            }
            _ => ABSENT,
        };
        let kept = &mut self.counters[population as usize].calls_kept;
        let full = kept.is_full_with([
            finished.finished.since(call.since).as_us(),
            started.since(finished.submitted).as_us(),
            ttft,
            tpot,
        ]);
        if full {
            tally.count_calls(kept);
        }
    }

    /// Counts a tool step that took so long, us.
    pub(super) fn record_tools(&mut self, population: u16, spent: u64) {
        let kept = &mut self.counters[usize::from(population)].tools_kept;
        if kept.is_full_with([spent]) {
            self.outcome.agents[usize::from(population)].count_tools(kept);
        }
    }

    /// Counts a task that is over.
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
            Some(cause) => {
                tally.failed[cause as usize] += 1;
                let (tokens, pico) = task.unjudged();
                tally.wasted[Waste::FailedTask as usize].add(tokens, pico.into());
            }
        }
        let ended = matches!(cause, None | Some(Cause::Program));
        let plain = u64::from(task.prompt.unwrap_or(0)) + u64::from(task.answer);
        let kept = &mut self.counters[task.population as usize].tasks_kept;
        let full = kept.is_full_with([
            if ended { latency.as_us() } else { ABSENT },
            task.calls.into(),
            task.tool_calls.into(),
            task.input_tokens + task.output_tokens,
            plain.max(1),
            task.input_tokens,
            task.cached_tokens,
            task.output_tokens,
            task.reasoning_tokens,
            task.charged_pico / 1000,
        ]);
        if full {
            tally.count_tasks(kept);
        }
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
