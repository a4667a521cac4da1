//! What is written down of a call that was answered.

use super::actor::Call;
use super::call_log::LoggedCall;
use super::event::Handle;
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

    /// Writes down a call; its caller's context is still that of the prompt.
    pub(super) fn log_call(
        &mut self,
        actor: Handle,
        pool: u16,
        since: SimTime,
        finished: &Finished,
        charged_pico: u64,
    ) {
        let found = &self.actors[actor];
        let parent = self.actors.contains(found.parent).then(|| self.actors[found.parent].entity);
        let call = LoggedCall {
            population: found.population,
            session: self.session_of(actor),
            actor: found.entity,
            parent: parent.unwrap_or(found.entity),
            task: self.tasks[found.task].number,
            pool,
            since,
            first_token: finished.first_token,
            finished: finished.finished,
            input: finished.prompt,
            cached: finished.cached,
            output: finished.produced,
            charged_pico,
            pieces: found.context.pieces().to_vec(),
        };
        self.call_log.get_or_insert_default().push(call);
    }
}
