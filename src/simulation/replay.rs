//! How actors repeat what was recorded.

use super::actor::{CallReason, OnWake, Script};
use super::event::Handle;
use super::plan::Behaviour;
use super::world::World;
use crate::foundations::random::derive;
use crate::workload::context::Piece;
use crate::workload::trace::{Gap, KeyScope, RecordedAction, RecordedStep, Trace};

/// Keys of recorded content that is the same in every session that repeats it.
const GLOBAL_KEYS: u64 = 0x7265_636f_7264_6564;
/// Keys of a call's tokens that stood in no recorded block.
const UNRECORDED: u64 = 1 << 40;

impl<'p> World<'p> {
    /// The script of the `number`-th session of a trace; after the last they begin anew.
    pub(super) fn recorded_session(&self, trace: u16, number: u64) -> Option<Script> {
        let recorded = &self.plan.traces[trace as usize];
        let count = recorded.roots.len() as u64;
        let root = recorded.roots[number.checked_rem(count)? as usize];
        Some(self.script_of(trace, root))
    }

    fn script_of(&self, trace: u16, session: u32) -> Script {
        let actions = &self.plan.traces[trace as usize].sessions[session as usize].actions;
        Script::Recorded { trace, next: actions.start, end: actions.end }
    }

    fn next_action(&self, actor: Handle) -> Option<(&'p Trace, &'p RecordedAction)> {
        let Script::Recorded { trace, next, end } = self.actors[actor].script else { return None };
        let trace: &'p Trace = &self.plan.traces[trace as usize];
        (next < end).then(|| (trace, &trace.actions[next as usize]))
    }

    /// Waits for the recorded gap before the actor's next action; without one, the session or the
    /// sub-agent is done.
    pub(super) fn replay(&mut self, actor: Handle) {
        let (parent, task) = (self.actors[actor].parent, self.actors[actor].task);
        let Some((_, action)) = self.next_action(actor) else {
            return match (parent, task) {
                (Handle::NONE, Handle::NONE) => self.end_session(actor),
                _ => self.reach_end(actor, None),
            };
        };
        if action.starts_task && parent == Handle::NONE && task != Handle::NONE {
            return self.reach_end(actor, None);
        }
        let population = self.actors[actor].population as usize;
        let longest = match self.plan.populations[population].behaviour {
            Behaviour::Recorded { longest_gap, .. } => longest_gap,
            Behaviour::Program(_) => action.delay,
        };
        let delay = action.delay.min(longest);
        let (population, counted) = self.whose(actor);
        if counted && action.gap == Gap::Tool {
            let tally = self.tally(population);
            tally.tool_calls += 1;
            tally.tool_time.record(delay.as_us());
        }
        if let Some(task) = self.tasks.get_mut(task) {
            task.tool_calls += u32::from(action.gap == Gap::Tool);
        }
        self.wake_after(actor, delay, OnWake::Replay);
    }

    /// The gap is over: acts.
    pub(super) fn perform_recorded(&mut self, actor: Handle) {
        if self.actors[actor].task == Handle::NONE {
            return self.start_task(actor, 0);
        }
        let Some((trace, action)) = self.next_action(actor) else { return };
        let Script::Recorded { trace: number, next, end } = self.actors[actor].script else {
            return;
        };
        self.actors[actor].script = Script::Recorded { trace: number, next: next + 1, end };
        match &action.step {
            RecordedStep::Call(call) => {
                let recorded = &trace.calls[*call as usize];
                let scope = match trace.scope {
                    KeyScope::Global => derive(GLOBAL_KEYS, u64::from(number)),
                    KeyScope::PerSession => self.session_of(actor),
                };
                let pieces = trace.pieces_of(*call);
                let known = pieces.last().map_or(0, |piece| piece.end);
                let rest = (known < recorded.input).then(|| {
                    let place = u64::from(next);
                    let key = derive(derive(self.actors[actor].entity, UNRECORDED), place);
                    Piece { key, end: recorded.input }
                });
                let known = pieces.iter().map(|piece| Piece {
                    key: derive(scope, u64::from(piece.key)),
                    end: piece.end,
                });
                let before = self.actors[actor].context.tokens();
                self.actors[actor].context.replay(known.chain(rest));
                // What joined since the last answer; all of it where there was none.
                let found = &self.actors[actor];
                let prompt = found.context.tokens().saturating_sub(before);
                let prompt = prompt.saturating_sub(found.last_output);
                self.tasks[found.task].prompt.get_or_insert(prompt);
                let pool = self.recorded_pool(actor, recorded.model);
                let output = recorded.output.max(1);
                self.first_attempt(actor, CallReason::Recorded, pool, output, 0, 0, 0);
            }
            RecordedStep::Spawn(sessions) => {
                self.actors[actor].awaited = sessions.len() as u32;
                for session in sessions.clone() {
                    let script = self.script_of(number, session);
                    let child = self.sub_agent(actor, script);
                    self.actors[actor].children.push(child);
                    let start = trace.sessions[session as usize].start;
                    self.wake_after(child, start, OnWake::Await);
                }
            }
        }
    }

    fn recorded_pool(&self, actor: Handle, model: u16) -> u16 {
        let population = self.actors[actor].population as usize;
        match &self.plan.populations[population].behaviour {
            Behaviour::Recorded { pools, .. } => pools.get(model as usize).copied(),
            Behaviour::Program(_) => None,
        }
        .unwrap_or(self.actors[actor].pool)
    }
}
