//! Sessions, and the tasks that they are made of: how each begins and ends.

use std::hint::cold_path;
use std::mem::replace;

use super::actor::{OnWake, Script};
use super::cause::Cause;
use super::event::{Event, Handle};
use super::world::World;
use crate::foundations::SimDuration;
use crate::foundations::random::{Purpose, derive};
use crate::workload::program::{Program, SharedSegment, StepIndex};

impl World<'_> {
    /// A new session: its actor, its context, its first task.
    pub(super) fn start_session(&mut self, population: u16, client: u32) {
        let plan = self.plan;
        let spec = &plan.populations[population as usize];
        let number = self.counters[population as usize].sessions;
        self.counters[population as usize].sessions += 1;
        let entity = derive(u64::from(population) + 1, number);
        let script = match &spec.behaviour {
            super::plan::Behaviour::Program(program) => Script::Program(*program),
            super::plan::Behaviour::Recorded { trace, .. } => {
                cold_path();
                match self.recorded_session(*trace, number) {
                    Some(script) => script,
                    None => return,
                }
            }
        };
        let actor = self.actors.insert_with(|actor| {
            actor.renew();
            actor.population = population;
            actor.client = client;
            actor.script = script;
            actor.pool = spec.pool;
            actor.entity = entity;
            actor.tasks_left = 1;
        });
        self.actors[actor].handle = actor;
        if let Script::Program(program) = script {
            let program = &plan.programs[program as usize];
            self.actors[actor].stream = Some(self.streams.stream(Purpose::Session, entity));
            let tasks = self.draw_count(actor, &program.session.tasks);
            self.actors[actor].tasks_left = tasks.max(1);
            self.open_context(actor, program);
            self.start_task(actor, program.start);
        } else {
            self.actors[actor].tasks_left = u32::MAX;
            self.replay(actor);
        }
    }

    #[inline(always)]
    pub(super) fn open_context(&mut self, actor: Handle, program: &Program) {
        for segment in &program.shared {
            let variant = self.draw_count(actor, &segment.variant);
            let (identity, tokens) = self.text_of(segment, variant);
            self.actors[actor].context.append_shared(identity, tokens);
            if program.redraws() {
                cold_path();
                self.actors[actor].variants.push(variant);
            }
        }
        let own = self.draw_count(actor, &program.opening_tokens);
        let actor = &mut self.actors[actor];
        actor.context.open(actor.entity);
        actor.context.grow(own);
    }

    /// Identity and tokens of a segment's variant.
    #[inline(always)]
    fn text_of(&self, segment: &SharedSegment, variant: u32) -> (u64, u32) {
        let identity = derive(segment.identity, u64::from(variant));
        (identity, self.drawn_once(identity, &segment.tokens))
    }

    /// Draws anew what opens a context, for those of a session's tasks where it is another text.
    #[cold]
    fn redraw_shared(&mut self, actor: Handle, program: &Program) {
        let mut changed = false;
        for (at, segment) in program.shared.iter().enumerate() {
            if segment.redrawn > 0.0 && self.chance(actor, segment.redrawn) {
                let variant = self.draw_count(actor, &segment.variant);
                changed |= variant != replace(&mut self.actors[actor].variants[at], variant);
            }
        }
        if changed {
            let variants = self.actors[actor].variants.iter();
            let texts = program.shared.iter().zip(variants);
            let texts: Vec<_> = texts.map(|(text, &variant)| self.text_of(text, variant)).collect();
            let actor = &mut self.actors[actor];
            let before = actor.context.shared_tokens();
            actor.context.reopen(&texts);
            let now = actor.context.shared_tokens();
            actor.results.iter_mut().for_each(|(start, _)| *start = *start - before + now);
        }
    }

    /// Starts a task of a session; `step` is where, if it has a program.
    pub(super) fn start_task(&mut self, actor: Handle, step: StepIndex) {
        if !self.accepting {
            cold_path();
            self.end_session(actor);
            return;
        }
        let (now, counted) = (self.now, self.measuring);
        let number = self.tasks_started;
        self.tasks_started += 1;
        let population = self.actors[actor].population;
        let task = self.tasks.insert_with(|task| {
            *task = super::actor::Task {
                number,
                population,
                root: actor,
                started: now,
                counted,
                ..Default::default()
            };
        });
        self.bin.tasks_started += 1;
        self.tally(population).started += u64::from(counted);
        self.actors[actor].task = task;
        self.actors[actor].tasks_left -= 1;
        if self.plan.stop.tasks.is_some_and(|most| self.tasks_started >= most) {
            cold_path();
            self.stop_accepting();
        }
        match self.actors[actor].script {
            Script::Program(program) => {
                let plan = self.plan;
                let program = &plan.programs[program as usize];
                if let Some(deadline) = program.limits.deadline {
                    let key = self.schedule(now + deadline, Event::Deadline { task });
                    self.tasks[task].deadline = key;
                }
                self.enter(actor, step);
            }
            Script::Recorded { .. } => self.perform_recorded(actor),
        }
    }

    /// Starts a later task of a session.
    pub(super) fn start_next_task(&mut self, actor: Handle) {
        let Script::Program(program) = self.actors[actor].script else { return };
        let plan = self.plan;
        let program = &plan.programs[program as usize];
        if program.session.new_contexts {
            cold_path();
            let own = self.draw_count(actor, &program.opening_tokens);
            self.replace_own(actor, own);
        }
        if program.redraws() {
            self.redraw_shared(actor, program);
        }
        self.start_task(actor, program.restart);
    }

    pub(super) fn finish_task(&mut self, handle: Handle, cause: Option<Cause>) {
        let root = self.tasks[handle].root;
        if !self.actors[root].children.is_empty() {
            for &child in &std::mem::take(&mut self.actors[root].children) {
                self.abandon(child);
            }
        }
        self.abandon_call(root);
        let key =
            std::mem::replace(&mut self.actors[root].wake, crate::foundations::EventKey::NONE);
        self.calendar.cancel(key);
        self.actors[root].awaited = 0;
        self.actors[root].round += 1;
        self.actors[root].loops.clear();
        self.record_task(handle, cause);
        let deadline = self.tasks[handle].deadline;
        self.calendar.cancel(deadline);
        self.tasks.remove(handle);
        let actor = &mut self.actors[root];
        actor.task = Handle::NONE;
        if actor.tasks_left == 0 || !self.accepting {
            self.end_session(root);
            return;
        }
        if let Script::Program(program) = actor.script {
            let plan = self.plan;
            let think = self.draw_time(root, &plan.programs[program as usize].session.think_time_s);
            self.wake_after(root, think, OnWake::StartTask);
        } else {
            self.replay(root);
        }
    }

    /// The user is gone; in a closed loop, comes back after thinking.
    #[inline(always)]
    pub(super) fn end_session(&mut self, actor: Handle) {
        let (population, client) = (self.actors[actor].population, self.actors[actor].client);
        self.remove_actor(actor);
        if self.accepting
            && let Some(think) = &self.plan.populations[population as usize].think_time_s
        {
            let number = self.counters[population as usize].returns;
            self.counters[population as usize].returns += 1;
            let entity = derive(u64::from(population), number);
            let time = think.sample(&mut self.streams.stream(Purpose::Think, entity));
            let at = self.now + SimDuration::from_s_saturating(time);
            self.schedule(at, Event::Return { population, client });
        }
    }
}
