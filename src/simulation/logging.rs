//! Writing down what happens in a trial, where somebody asked for it.

use super::actor::{Call, CallReason, Script, Server};
use super::call_log::{LoggedCall, LoggedTools, TrialLog, Visit};
use super::event::Handle;
use super::plan::Plan;
use super::world::World;
use crate::foundations::SimTime;
use crate::serving::Finished;
use crate::workload::program::StepIndex;

impl<'p> World<'p> {
    /// Runs one trial of a plan and returns its answered calls in the order of their answers.
    /// `proceed` is asked as in [`World::run`]; a trial that is stopped gives nothing.
    pub fn calls_of_trial(
        plan: &'p Plan,
        seed: u64,
        trial: u64,
        proceed: impl FnMut(SimTime, u64) -> bool,
    ) -> Option<Vec<LoggedCall>> {
        let mut world = Self::new(plan);
        world.log = Some(Box::new(TrialLog { keeps_pieces: true, ..TrialLog::default() }));
        world.run(seed, trial, proceed)?;
        world.log.map(|log| log.calls)
    }

    /// Runs one trial of a plan and returns what happened in it, without the pieces of prompts.
    /// `proceed` is asked as in [`World::run`]; of a trial that is stopped it is what happened until
    /// then.
    pub fn log_of_trial(
        plan: &'p Plan,
        seed: u64,
        trial: u64,
        proceed: impl FnMut(SimTime, u64) -> bool,
    ) -> TrialLog {
        let mut world = Self::new(plan);
        world.log = Some(Box::default());
        world.run(seed, trial, proceed);
        world.log.map(|log| *log).unwrap_or_default()
    }
}

impl World<'_> {
    /// Writes down a call; its caller's context is still that of the prompt.
    #[cold]
    pub(super) fn log_call(
        &mut self,
        actor: Handle,
        pool: u16,
        server: Server,
        call: &Call,
        finished: &Finished,
        charged_pico: u64,
    ) {
        let keeps_pieces = self.log.as_ref().is_some_and(|log| log.keeps_pieces);
        let found = &self.actors[actor];
        let parent = self.actors.contains(found.parent).then(|| self.actors[found.parent].entity);
        let step = match found.script {
            Script::Program(program) => Some((program, found.step)),
            Script::Recorded { .. } => None,
        };
        let replica = match server {
            Server::Replica { index, .. }
            | Server::Prefill { index, .. }
            | Server::Answer { index, .. } => {
                index - self.pools[pool as usize].replicas.start as u32
            }
            Server::Endpoint { .. } | Server::Held { .. } => 0,
        };
        let call = LoggedCall {
            population: found.population,
            session: self.session_of(actor),
            actor: found.entity,
            parent: parent.unwrap_or(found.entity),
            task: self.tasks[found.task].number,
            pool,
            replica,
            step,
            is_compaction: call.reason == CallReason::Compaction,
            since: call.since,
            submitted: finished.submitted,
            scheduled: finished.scheduled,
            first_token: finished.first_token,
            finished: finished.finished,
            input: finished.prompt,
            cached: finished.cached,
            output: finished.produced,
            charged_pico,
            pieces: if keeps_pieces { found.context.pieces().to_vec() } else { Vec::new() },
        };
        if let Some(log) = &mut self.log {
            log.calls.push(call);
        }
    }

    /// Writes down a step that an actor came to.
    #[cold]
    pub(super) fn log_visit(&mut self, actor: Handle, step: StepIndex) {
        let found = &self.actors[actor];
        let Script::Program(program) = found.script else { return };
        let visit = Visit {
            population: found.population,
            actor: found.entity,
            task: self.tasks[found.task].number,
            program,
            step,
            at: self.now,
        };
        if let Some(log) = &mut self.log {
            log.visits.push(visit);
        }
    }

    /// Writes down tools that have returned.
    #[cold]
    pub(super) fn log_tools(&mut self, actor: Handle, tool: u16) {
        let found = &self.actors[actor];
        let tools = LoggedTools {
            population: found.population,
            session: self.session_of(actor),
            actor: found.entity,
            task: self.tasks[found.task].number,
            tool,
            since: found.tools_since,
            finished: self.now,
        };
        if let Some(log) = &mut self.log {
            log.tools.push(tools);
        }
    }
}
