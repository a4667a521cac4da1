//! How actors walk their programs: everything but the calls themselves.

use std::hint::cold_path;

use super::actor::{Actor, OnWake, Script};
use super::cause::Cause;
use super::event::{Event, Handle};
use super::world::{Errand, World};
use crate::foundations::SimDuration;
use crate::foundations::distribution::Law;
use crate::foundations::random::{Purpose, derive};
use crate::workload::program::{
    Branch, Join, LoopStep, ModelChoice, Program, SpawnStep, Step, StepIndex, StepKind, ToolStep,
};

/// Steps without time or call between two events; a program that goes on longer has no way out.
const MOST_IDLE_STEPS: u32 = 100_000;

/// A drawn number of tokens or things: rounded, never negative, never past a `u32`.
pub(super) fn count(drawn: f64) -> u32 {
    (drawn + 0.5) as u32
}

impl World<'_> {
    /// Performs steps until one takes time.
    pub(super) fn enter(&mut self, actor: Handle, step: StepIndex) {
        let Script::Program(program) = self.actors[actor].script else { return };
        let plan = self.plan;
        let program = &plan.programs[program as usize];
        let mut step = step;
        for _ in 0..MOST_IDLE_STEPS {
            self.actors[actor].step = step;
            if self.log.is_some() {
                self.log_visit(actor, step);
            }
            let next = match &program.steps[step as usize].kind {
                StepKind::Llm(call) => return self.begin_call(actor, program, call),
                StepKind::Check(check) => return self.begin_call(actor, program, &check.call),
                StepKind::Tool(tool) => self.begin_tools(actor, tool),
                StepKind::Spawn(spawn) => self.spawn(actor, spawn),
                StepKind::Wait(wait) => {
                    let time = self.draw_time(actor, &wait.time_s);
                    let next = match wait.on_reject {
                        None => self.choose(actor, &wait.next),
                        Some(back) => match self.chance(actor, wait.accept) {
                            true => {
                                self.judge(actor, false, true);
                                self.choose(actor, &wait.next)
                            }
                            false => {
                                self.judge(actor, false, false);
                                back
                            }
                        },
                    };
                    self.wake_after(actor, time, OnWake::Enter(next));
                    None
                }
                StepKind::Loop(repeat) => Some(self.repeat(actor, program, repeat)),
                StepKind::End { success } => {
                    let misled = self.tasks[self.actors[actor].task].misled;
                    let success = *success && !misled && self.is_right(actor, program);
                    let cause = if success { None } else { Some(Cause::Program) };
                    return self.reach_end(actor, cause);
                }
            };
            match next {
                Some(next) => step = next,
                None => return,
            }
        }
        self.fail_task(self.actors[actor].task, Cause::Program);
    }

    /// Whether what an agent believes to be done is: not always, where its model lost some of its
    /// quality to fewer bits and no check has looked for that.
    fn is_right(&self, actor: Handle, program: &Program) -> bool {
        let found = &self.actors[actor];
        let quality = self.quality_of(actor);
        let checks = |step: &Step| matches!(step.kind, StepKind::Check(_));
        if quality >= 1.0 || found.parent != Handle::NONE || program.steps.iter().any(checks) {
            return true;
        }
        let task = derive(found.entity, self.tasks[found.task].number);
        self.streams.stream(Purpose::Task, task).chance(quality)
    }

    /// Part of the chances to get an answer right that number formats keep: those of an actor's own
    /// pool, or where several may answer, of the place where its latest answer came from.
    pub(super) fn quality_of(&self, actor: Handle) -> f64 {
        let Actor { pool, answered_at, .. } = self.actors[actor];
        let quality = |place: u16| self.plan.pools.get(place as usize).map_or(1.0, |p| p.quality);
        match self.plan.pools.get(pool as usize) {
            Some(own) if own.overflow.is_none_or(|overflow| overflow.to.is_none()) => own.quality,
            _ => quality(answered_at),
        }
    }

    fn repeat(&mut self, actor: Handle, program: &Program, step: &LoopStep) -> StepIndex {
        let at = step.counter as usize;
        let loops = &mut self.actors[actor].loops;
        if loops.len() < program.loops as usize {
            cold_path();
            loops.resize(program.loops as usize, 0);
        }
        let left = match loops[at] {
            0 => self.draw_count(actor, &step.times).saturating_add(1),
            left => left,
        };
        self.actors[actor].loops[at] = left - 1;
        if left > 1 { step.body } else { step.next }
    }

    /// Calls a step's tools; where to go on at once when that takes no time.
    fn begin_tools(&mut self, actor: Handle, step: &ToolStep) -> Option<StepIndex> {
        let plan = self.plan;
        let tool = &plan.tools[step.tool as usize];
        let calls = self.draw_count(actor, &step.parallel);
        let ahead =
            if step.streamed { self.written_for(actor) / u64::from(calls.max(1)) } else { 0 };
        let waiting = &mut self.actors[actor];
        waiting.tools_since = self.now;
        waiting.round += 1;
        waiting.tool_failed = false;
        let (mut tokens, mut longest) = (0u32, SimDuration::ZERO);
        for behind in (0..calls).rev() {
            let mut time = self.draw_time(actor, &tool.latency_s);
            let mut result = self.draw_count(actor, &tool.result_tokens);
            let mut failed = tool.failure > 0.0 && self.chance(actor, tool.failure);
            let late = tool.timeout.filter(|timeout| time > *timeout);
            if let Some(timeout) = late {
                (time, result, failed) = (timeout, 0, true);
            }
            tokens = tokens.saturating_add(result);
            self.actors[actor].tool_failed |= failed;
            let (population, counted) = self.whose(actor);
            if counted {
                let tally = self.tally(population);
                tally.tool_calls += 1;
                tally.tool_errors += u64::from(failed);
                tally.tool_timeouts += u64::from(late.is_some());
            }
            if tool.slots.is_some() {
                self.actors[actor].awaited += 1;
                self.use_slot(step.tool, actor, time);
            }
            let under_way = ahead * u64::from(behind);
            longest = longest.max(SimDuration(time.0.saturating_sub(under_way)));
        }
        let task = self.actors[actor].task;
        self.tasks[task].tool_calls += calls;
        let before = self.actors[actor].context.tokens();
        self.add_result(actor, tokens, step.result_includes_output);
        if self.prunes(actor) {
            self.note_result(actor, before);
        }
        if tool.slots.is_some() && calls > 0 {
            return None;
        }
        if longest == SimDuration::ZERO {
            return Some(self.behind_tools(actor, step));
        }
        self.wake_after(actor, longest, OnWake::ToolsReturned);
        None
    }

    /// For how long the answer that has just come was written, picoseconds; nothing where other things
    /// have happened since.
    fn written_for(&self, actor: Handle) -> u64 {
        let (from, until) = self.actors[actor].wrote;
        if until == self.now { until.since(from).0 } else { 0 }
    }

    /// Puts a tool's result into the context.
    fn add_result(&mut self, actor: Handle, tokens: u32, includes_output: bool) {
        let actor = &mut self.actors[actor];
        let joined = std::mem::take(&mut actor.last_joined);
        if !includes_output {
            actor.context.grow(tokens);
        } else if tokens >= joined {
            actor.context.grow(tokens - joined);
        } else {
            actor.forks += 1;
            let identity = derive(actor.entity, actor.forks);
            actor.context.shorten(joined - tokens, identity);
        }
    }

    fn use_slot(&mut self, tool: u16, actor: Handle, time: SimDuration) {
        let slots = self.plan.tools[tool as usize].slots.unwrap_or(u32::MAX);
        let round = self.actors[actor].round;
        let desk = &mut self.desks[tool as usize];
        if desk.busy < slots {
            desk.busy += 1;
            self.schedule(self.now + time, Event::ToolReturns { tool, actor, round });
        } else {
            desk.queue.push_back(Errand { actor, round, time });
        }
    }

    /// A tool call with a slot returns: the next in the queue gets the slot.
    pub(super) fn tool_returns(&mut self, tool: u16, actor: Handle, round: u32) {
        self.desks[tool as usize].busy -= 1;
        while let Some(next) = self.desks[tool as usize].queue.pop_front() {
            let Errand { actor, round, time } = next;
            if self.actors.get_mut(actor).is_some_and(|found| found.round == round) {
                self.desks[tool as usize].busy += 1;
                self.schedule(self.now + time, Event::ToolReturns { tool, actor, round });
                break;
            }
        }
        if let Some(waiting) = self.actors.get_mut(actor).filter(|found| found.round == round) {
            waiting.awaited -= 1;
            if waiting.awaited == 0 {
                self.tools_returned(actor);
            }
        }
    }

    /// All of a step's tool calls have returned.
    pub(super) fn tools_returned(&mut self, actor: Handle) {
        let Script::Program(program) = self.actors[actor].script else { return };
        let plan = self.plan;
        let at = self.actors[actor].step as usize;
        if let StepKind::Tool(step) = &plan.programs[program as usize].steps[at].kind {
            let next = self.behind_tools(actor, step);
            self.enter(actor, next);
        }
    }

    #[inline(always)]
    fn behind_tools(&mut self, actor: Handle, step: &ToolStep) -> StepIndex {
        let spent = self.now.since(self.actors[actor].tools_since).as_us();
        let (population, counted) = self.whose(actor);
        if counted {
            self.record_tools(population, spent);
        }
        if self.log.is_some() {
            self.log_tools(actor, step.tool);
        }
        match step.on_error {
            Some(next) if self.actors[actor].tool_failed => next,
            _ => self.choose(actor, &step.next),
        }
    }

    /// Starts sub-agents; where to go on at once when there are none.
    fn spawn(&mut self, parent: Handle, step: &SpawnStep) -> Option<StepIndex> {
        let count = self.draw_count(parent, &step.count);
        if count == 0 {
            return Some(self.choose(parent, &step.next));
        }
        let needed = match step.join {
            Join::All => count,
            Join::First(some) => some.clamp(1, count),
        };
        self.actors[parent].awaited = needed;
        for _ in 0..count {
            let child = self.start_sub_agent(parent, step);
            self.actors[parent].children.push(child);
        }
        // Only now may they run: one that ends at once must find its siblings counted.
        for index in 0..count as usize {
            let Some(&child) = self.actors[parent].children.get(index) else { break };
            if self.actors.contains(child) {
                let start = self.plan.programs[step.program as usize].start;
                self.wake_after(child, SimDuration::ZERO, OnWake::Enter(start));
            }
        }
        None
    }

    fn start_sub_agent(&mut self, parent: Handle, step: &SpawnStep) -> Handle {
        let plan = self.plan;
        let child = self.sub_agent(parent, Script::Program(step.program));
        if let ModelChoice::Pool(pool) = step.model {
            self.actors[child].pool = pool;
        }
        if step.fork_context {
            let origin = self.actors[parent].context.clone();
            let entity = self.actors[child].entity;
            self.actors[child].context.fork(&origin, entity);
        } else {
            self.open_context(child, &plan.programs[step.program as usize]);
        }
        let input = self.draw_count(child, &step.input_tokens);
        self.actors[child].context.grow(input);
        child
    }

    /// A sub-agent with the identity that its parent gives it, not yet under way.
    pub(super) fn sub_agent(&mut self, parent: Handle, script: Script) -> Handle {
        self.actors[parent].forks += 1;
        let above = &self.actors[parent];
        let (population, client, pool, task) =
            (above.population, above.client, above.pool, above.task);
        let entity = derive(above.entity, above.forks);
        let child = self.actors.insert_with(|child| {
            child.renew();
            child.population = population;
            child.client = client;
            child.script = script;
            child.pool = pool;
            child.entity = entity;
            child.parent = parent;
            child.task = task;
        });
        self.actors[child].handle = child;
        self.actors[child].stream = Some(self.streams.stream(Purpose::Session, entity));
        let (population, counted) = self.whose(child);
        self.tally(population).sub_agents += u64::from(counted);
        child
    }

    /// An actor's program is through.
    pub(super) fn reach_end(&mut self, actor: Handle, cause: Option<Cause>) {
        if self.actors[actor].parent == Handle::NONE {
            self.finish_task(self.actors[actor].task, cause);
        } else {
            self.report(actor);
        }
    }

    /// A sub-agent is done: its report goes to the parent, who goes on when enough have come.
    fn report(&mut self, child: Handle) {
        let plan = self.plan;
        let parent = self.actors[child].parent;
        let at = self.actors[parent].step as usize;
        let spawn = match self.actors[parent].script {
            Script::Program(program) => match &plan.programs[program as usize].steps[at].kind {
                StepKind::Spawn(step) => Some(step),
                _ => None,
            },
            Script::Recorded { .. } => None,
        };
        if let Some(step) = spawn {
            let tokens = match &step.report_tokens {
                Some(law) => self.draw_count(child, law),
                None => self.actors[child].last_output,
            };
            let reports = &mut self.actors[parent].reports;
            *reports = reports.saturating_add(tokens);
        }
        self.remove_actor(child);
        let above = &mut self.actors[parent];
        above.awaited = above.awaited.saturating_sub(1);
        if above.awaited > 0 {
            return;
        }
        let children = std::mem::take(&mut above.children);
        for &other in &children {
            self.abandon(other);
        }
        let reports = std::mem::take(&mut self.actors[parent].reports);
        match spawn {
            Some(step) => {
                self.actors[parent].context.grow(reports);
                let next = self.choose(parent, &step.next);
                self.enter(parent, next);
            }
            None => self.replay(parent),
        }
    }

    /// Takes an actor and all below it out, whatever they are doing.
    pub(super) fn abandon(&mut self, actor: Handle) {
        let mut doomed: smallvec::SmallVec<[Handle; 8]> = smallvec::smallvec![actor];
        while let Some(next) = doomed.pop() {
            if let Some(found) = self.actors.get_mut(next) {
                doomed.extend(found.children.drain(..));
                self.abandon_call(next);
                self.remove_actor(next);
            }
        }
    }

    pub(super) fn remove_actor(&mut self, actor: Handle) {
        let key = self.actors[actor].wake;
        self.calendar.cancel(key);
        self.actors.remove(actor);
    }

    /// A task must stop, wherever its actors are.
    pub(super) fn fail_task(&mut self, task: Handle, cause: Cause) {
        if self.tasks.contains(task) {
            self.finish_task(task, Some(cause));
        }
    }

    /// Wakes an actor after some time.
    pub(super) fn wake_after(&mut self, actor: Handle, time: SimDuration, then: OnWake) {
        let key = self.schedule(self.now + time, Event::Wake { actor });
        let actor = &mut self.actors[actor];
        actor.wake = key;
        actor.on_wake = then;
    }

    /// The population an actor belongs to, and whether its task counts.
    pub(super) fn whose(&self, actor: Handle) -> (u16, bool) {
        let actor = &self.actors[actor];
        (actor.population, self.tasks.contains(actor.task) && self.tasks[actor.task].counted)
    }

    /// A number of tokens that depends on nothing but its name: the same in every conversation.
    pub(super) fn drawn_once(&self, identity: u64, law: &Law) -> u32 {
        match law.is_constant() {
            Some(value) => count(value),
            None => count(law.sample(&mut self.streams.stream(Purpose::Parameter, identity))),
        }
    }

    pub(super) fn draw_count(&mut self, actor: Handle, law: &Law) -> u32 {
        count(self.draw(actor, law))
    }

    pub(super) fn draw_time(&mut self, actor: Handle, law: &Law) -> SimDuration {
        SimDuration::from_s_saturating(self.draw(actor, law))
    }

    /// What is constant takes nothing from the stream.
    #[inline(always)]
    pub(super) fn draw(&mut self, actor: Handle, law: &Law) -> f64 {
        match &mut self.actors[actor].stream {
            Some(stream) => law.sample_unless_constant(stream),
            None => law.is_constant().unwrap_or_else(|| law.mean()),
        }
    }

    #[inline]
    pub(super) fn chance(&mut self, actor: Handle, probability: f64) -> bool {
        self.actors[actor].stream.as_mut().is_some_and(|stream| stream.uniform() < probability)
    }

    #[inline]
    pub(super) fn choose(&mut self, actor: Handle, branch: &Branch) -> StepIndex {
        match (branch.certain(), &mut self.actors[actor].stream) {
            (Some(only), _) => only,
            (None, Some(stream)) => branch.choose(stream.uniform()),
            (None, None) => branch.choose(0.5),
        }
    }

    /// An actor's wait is over.
    pub(super) fn wake(&mut self, actor: Handle) {
        match self.actors[actor].on_wake {
            OnWake::StartTask => self.start_next_task(actor),
            OnWake::Enter(step) => self.enter(actor, step),
            OnWake::ToolsReturned => self.tools_returned(actor),
            OnWake::Attempt => self.attempt(actor),
            OnWake::Cached => self.cached_answer(actor),
            OnWake::Replay => self.perform_recorded(actor),
            OnWake::Await => self.replay(actor),
        }
    }
}
