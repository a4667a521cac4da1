//! Writing down what happens in a trial, where somebody asked for it.

use super::actor::{Call, CallReason, InFlight, Script, Server};
use super::call_log::{Boundary, GivenUp, LoggedCall, LoggedTools, TrialLog, Visit};
use super::event::Handle;
use super::plan::Plan;
use super::waste::Waste;
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
        Self::logged(plan, TrialLog::default(), (seed, trial), proceed)
    }

    /// The same with each boundary of each server's steps.
    pub fn timeline_of_trial(
        plan: &'p Plan,
        seed: u64,
        trial: u64,
        proceed: impl FnMut(SimTime, u64) -> bool,
    ) -> TrialLog {
        let log = TrialLog { keeps_steps: true, ..TrialLog::default() };
        Self::logged(plan, log, (seed, trial), proceed)
    }

    fn logged(
        plan: &'p Plan,
        log: TrialLog,
        (seed, trial): (u64, u64),
        proceed: impl FnMut(SimTime, u64) -> bool,
    ) -> TrialLog {
        let mut world = Self::new(plan);
        world.log = Some(Box::new(log));
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
        let replica = server.replica().map_or(0, |index| self.name_of_replica(index).1);
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

    /// Writes down that a replica is at a boundary, where somebody asked for these.
    #[inline]
    pub(super) fn log_boundary(&mut self, index: usize) {
        if self.log.as_ref().is_none_or(|log| !log.keeps_steps) {
            return;
        }
        let (pool, replica) = self.name_of_replica(index);
        let (at, found) = (self.now, &self.replicas[index]);
        if let Some(log) = &mut self.log {
            let (done, next) = (found.steps_done(), found.under_way());
            log.boundaries.push(Boundary { pool, replica, at, done, next });
        }
    }

    /// The pool of a replica among all, and its place there.
    fn name_of_replica(&self, index: usize) -> (u16, u32) {
        let pool = self.pool_of_replica[index];
        (pool, (index - self.pools[usize::from(pool)].replicas.start) as u32)
    }

    /// Writes down that nobody waits for the answer to a request any longer.
    pub(super) fn log_given_up(&mut self, request: Handle, why: Waste) {
        let InFlight { actor, server, sent, population, .. } = self.in_flight[request];
        if self.log.is_none() || !self.actors.contains(actor) {
            return;
        }
        let endpoints = self.plan.pools.len() as u16;
        let server = match server {
            Server::Endpoint { index, .. } => Some((endpoints + index, 0)),
            _ => server.replica().map(|index| self.name_of_replica(index)),
        };
        let found = &self.actors[actor];
        let given_up = GivenUp {
            population,
            session: self.session_of(actor),
            actor: found.entity,
            task: self.tasks[found.task].number,
            server,
            sent,
            at: self.now,
            why,
        };
        if let Some(log) = &mut self.log {
            log.given_up.push(given_up);
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
