//! What was not replayed as it stands, counted.

use super::ClaudeCodeOptions;
use crate::foundations::SimDuration;

/// The recording's clock of calls shows whole seconds; smaller contradictions are its rounding.
pub(super) const CLOCK_S: f64 = 1.0;

/// See the module's page. Each is a line of [`Trace::notes`](super::Trace::notes).
#[derive(Default)]
pub(super) struct Counts {
    pub(super) other_files: u64,
    pub(super) blank_lines: u64,
    pub(super) empty_sessions: u64,
    pub(super) empty_subagents: u64,
    pub(super) too_long: u64,
    pub(super) no_output: u64,
    pub(super) uncovered: u64,
    pub(super) stamped_at_spawn: u64,
    pub(super) on_session_clock: u64,
    no_think_time: u64,
    unknown: u64,
    overlapped: u64,
    capped: u64,
    cut_s: f64,
}

impl Counts {
    /// The pause before an action at `t`, seconds on the recorded clock: as recorded by the client,
    /// or else what lies between the end of the last action, where that is known, and `t`. Seconds.
    pub(super) fn pause(
        &mut self,
        recorded: Option<f64>,
        end: Option<f64>,
        t: f64,
        options: &ClaudeCodeOptions,
    ) -> f64 {
        let seconds = recorded.or_else(|| end.map(|end| t - end));
        self.unknown += u64::from(seconds.is_none());
        let seconds = seconds.unwrap_or(0.0);
        self.overlapped += u64::from(seconds < -CLOCK_S);
        let pause = SimDuration::from_s_saturating(seconds);
        match options.idle_cap {
            Some(cap) if pause > cap => {
                self.capped += 1;
                self.cut_s += (pause - cap).as_s();
                cap.as_s()
            }
            _ => pause.as_s(),
        }
    }

    pub(super) fn without_think_time(&mut self) {
        self.no_think_time += 1;
    }

    /// The counts that are not zero, in words.
    pub(super) fn notes(&self) -> Vec<String> {
        let counted = [
            (self.other_files, "files that are neither .json nor .jsonl passed over"),
            (self.blank_lines, "blank lines passed over"),
            (self.empty_sessions, "sessions without calls left out"),
            (self.empty_subagents, "sub-agents without calls left out"),
            (self.too_long, "calls over the longest allowed left out"),
            (self.no_output, "calls had no output: replayed with one token"),
            (self.uncovered, "calls had fewer blocks than input: the rest is shared with nobody"),
            (self.no_think_time, "calls had no think_time: taken from the recorded clock"),
            (self.unknown, "pauses were unknown: replayed as none"),
            (self.overlapped, "actions began before the one they waited for ended: no pause"),
            (self.stamped_at_spawn, "sub-agents carry the time of their spawn, not of their end"),
            (self.on_session_clock, "sub-agents carry times of their session, not of their spawn"),
        ];
        let mut notes: Vec<String> = counted
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if self.capped > 0 {
            let (capped, hours) = (self.capped, self.cut_s / 3600.0);
            notes.push(format!("{capped} pauses cut to the idle cap: {hours:.1} h less in all"));
        }
        notes
    }
}
