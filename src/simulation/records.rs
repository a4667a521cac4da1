//! What is counted of a call that was answered.

use super::actor::Call;
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
}
