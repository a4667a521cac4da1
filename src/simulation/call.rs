//! How actors call models: attempts, retries, and what becomes of the answer.

use std::hint::cold_path;

use super::actor::{Call, CallMemory, CallReason, InFlight, OnWake, Script, Server};
use super::cause::Cause;
use super::event::{Event, Handle};
use super::outcome::PICO_PER_USD;
use super::plan::Backend;
use super::walk::count;
use super::waste::Waste;
use super::world::World;
use crate::foundations::random::{Purpose, derive};
use crate::foundations::{SimDuration, SimTime, whole};
use crate::serving::{Finished, Moment, Open, Request, Stage, Standing};
use crate::workload::program::{LlmStep, ModelChoice, Passages, Program, StepKind};
use crate::workload::retry::RetryPolicy;
/// How an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Transport,
    Timeout,
    BreakerOpen,
    /// Turned away for too many requests; told, where that is known, when to come back.
    TooMany(Option<SimDuration>),
    /// Nobody was there, or left in the middle of it.
    Unavailable,
}

impl World<'_> {
    /// The actor's step asks for a call: builds the prompt and makes the first attempt.
    pub(super) fn begin_call(&mut self, actor: Handle, program: &Program, step: &LlmStep) {
        if let Some(pruning) = &program.pruning {
            cold_path();
            self.prune(actor, pruning);
        }
        if let Some(cut) = &program.compaction
            && self.actors[actor].context.tokens() > cut.above_tokens
            && !std::mem::replace(&mut self.actors[actor].compacted, true)
        {
            cold_path();
            return match &cut.summary_tokens {
                Some(law) => {
                    let output = self.draw_count(actor, law).max(1);
                    self.first_attempt(
                        actor,
                        CallReason::Compaction,
                        self.pool_of(actor, step),
                        output,
                        0,
                        0,
                        0,
                    );
                }
                None => {
                    self.compact(actor, program);
                    self.begin_call(actor, program, step);
                }
            };
        }
        self.actors[actor].compacted = false;
        if let Some(passages) = &step.passages {
            self.retrieve(actor, passages);
        }
        let input = self.draw_count(actor, &step.input_tokens);
        self.actors[actor].context.grow(input);
        let task = self.actors[actor].task;
        self.tasks[task].prompt.get_or_insert(input);
        let output = self.draw_count(actor, &step.output_tokens).max(1);
        let share = self.draw(actor, &step.reasoning_share).clamp(0.0, 1.0);
        let reasoning = count(f64::from(output) * share).min(output);
        let joins = match (step.keep_output, step.keep_reasoning) {
            (false, _) => 0,
            (true, true) => output,
            (true, false) => output - reasoning,
        };
        // The cache holds the output as it was produced; it can be continued only where that is
        // also how it stands in the context.
        let kept = if joins == output { output } else { 0 };
        let pool = self.pool_of(actor, step);
        self.first_attempt(actor, CallReason::Step, pool, output, reasoning, joins, kept);
    }

    #[inline(always)]
    fn pool_of(&self, actor: Handle, step: &LlmStep) -> u16 {
        match step.model {
            ModelChoice::Own => self.actors[actor].pool,
            ModelChoice::Pool(pool) => pool,
        }
    }

    /// Puts retrieved passages into the context, each under its own identity.
    #[cold]
    fn retrieve(&mut self, actor: Handle, passages: &Passages) {
        for _ in 0..self.draw_count(actor, &passages.count) {
            let rank = u64::from(self.draw_count(actor, &passages.rank));
            let identity = derive(passages.collection, rank);
            let tokens = self.drawn_once(identity, &passages.tokens);
            let actor = &mut self.actors[actor];
            actor.forks += 1;
            let own = derive(actor.entity, actor.forks);
            actor.context.insert_shared(identity, tokens, own);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "each says something else about one call")]
    #[inline(always)]
    pub(super) fn first_attempt(
        &mut self,
        actor: Handle,
        reason: CallReason,
        pool: u16,
        output: u32,
        reasoning: u32,
        joins: u32,
        kept: u32,
    ) {
        let plan = self.plan;
        let prompt = self.actors[actor].context.tokens();
        let most = plan.max_context(pool);
        let task = self.actors[actor].task;
        if let Some(cause) = self.limit_reached(actor) {
            cold_path();
            return self.fail_task(task, cause);
        }
        if prompt == 0 || prompt >= most {
            cold_path();
            return self.fail_task(task, Cause::ContextOverflow);
        }
        // An engine stops at the end of the context, whatever the answer still wanted to say.
        let output = output.min(most - prompt);
        let policy = self.retry_policy(actor);
        let errors_left = match policy.map(|policy| policy.transport_error) {
            Some(error) if error > 0.0 => {
                cold_path();
                let uniform = self.actors[actor].stream.as_mut().map_or(0.5, |s| s.uniform());
                count(libm::floor(libm::log(uniform) / libm::log(error)))
            }
            _ => 0,
        };
        let call = Call {
            reason,
            pool,
            output,
            reasoning: reasoning.min(output),
            joins: joins.min(output),
            kept: kept.min(output),
            attempts: 0,
            errors_left,
            since: self.now,
            request: Handle::NONE,
            twin: Handle::NONE,
        };
        let population = &plan.populations[usize::from(self.actors[actor].population)];
        if reason == CallReason::Step
            && let Some(cache) = &population.response_cache
            && self.answer_from(cache, actor, call)
        {
            return;
        }
        self.tasks[task].calls += 1;
        self.memory_of(actor).first_attempts += 1;
        self.actors[actor].call = Some(call);
        self.attempt(actor);
    }

    #[inline(always)]
    fn limit_reached(&self, actor: Handle) -> Option<Cause> {
        let task = &self.tasks[self.actors[actor].task];
        let root = self.actors[task.root].script;
        let Script::Program(program) = root else { return None };
        let limits = &self.plan.programs[program as usize].limits;
        if limits.calls.is_some_and(|most| task.calls >= most) {
            return Some(Cause::CallLimit);
        }
        if limits.tokens.is_some_and(|most| task.input_tokens + task.output_tokens >= most) {
            return Some(Cause::TokenLimit);
        }
        let most = limits.usd?;
        let spent = task.charged_pico as f64 / PICO_PER_USD;
        (spent >= most).then_some(Cause::BudgetLimit)
    }

    pub(super) fn retry_policy(&self, actor: Handle) -> Option<&RetryPolicy> {
        match self.actors[actor].script {
            Script::Program(program) => Some(&self.plan.programs[program as usize].retry),
            Script::Recorded { .. } => None,
        }
    }

    pub(super) fn memory_of(&mut self, actor: Handle) -> &mut CallMemory {
        let population = self.actors[actor].population;
        &mut self.counters[population as usize].calls
    }

    /// Sends the actor's call to a server, or fails on the way.
    #[inline(always)]
    pub(super) fn attempt(&mut self, actor: Handle) {
        let plan = self.plan;
        let (population, counted) = self.whose(actor);
        let Some(call) = &mut self.actors[actor].call else { return };
        call.attempts += 1;
        let transport_fails = call.errors_left > 0;
        call.errors_left = call.errors_left.saturating_sub(1);
        call.twin = Handle::NONE;
        let call = *call;
        self.tally(population).attempts += u64::from(counted);
        let open_until = self.memory_of(actor).open_until;
        if open_until > self.now {
            cold_path();
            return self.attempt_failed(actor, Failure::BreakerOpen);
        }
        if transport_fails {
            cold_path();
            return self.attempt_failed(actor, Failure::Transport);
        }
        let index = match self.choose_backend(actor, call.pool) {
            Some(Backend::Pool(index)) => index,
            Some(Backend::Endpoint(endpoint)) => {
                cold_path();
                return self.call_endpoint(actor, endpoint);
            }
            Some(Backend::Route(_)) | None => {
                cold_path();
                return self.attempt_failed(actor, Failure::TooMany(None));
            }
        };
        let pool = &plan.pools[index as usize];
        let prompt = self.actors[actor].context.tokens();
        let computed = pool
            .prefill
            .is_none_or(|side| plan.pools[side.pool as usize].replica.can_hold(prompt, 1));
        if !(computed && pool.replica.can_hold(prompt, call.output)) {
            cold_path();
            return self.fail_task(self.actors[actor].task, Cause::MemoryOverflow);
        }
        if self.turns_away(index) {
            return self.attempt_failed(actor, Failure::Unavailable);
        }
        self.send(actor, index);
    }

    /// Sends the actor's call on its way to a pool.
    #[inline(always)]
    pub(super) fn send(&mut self, actor: Handle, index: u16) {
        let (population, counted) = self.whose(actor);
        let found = &mut self.actors[actor];
        let (task, sent) = (found.task, self.now);
        let Some(call) = &mut found.call else { return };
        let output = call.output;
        let request = self.in_flight.insert_with(|entry| {
            *entry = InFlight {
                actor,
                task,
                population,
                server: Server::Held { pool: index },
                sent,
                output,
                counted,
                waste: Waste::default(),
            };
        });
        call.request = request;
        self.requests += 1;
        self.tokens_asked += u64::from(output);
        match self.round_trip(actor, index) {
            SimDuration::ZERO => self.dispatch(request, index),
            far => {
                cold_path();
                self.schedule(sent + far, Event::Delivered { call: request, pool: index });
            }
        }
        self.set_timeout(actor, request);
    }

    /// Sends a request to a replica of its pool, or lets it wait where none takes any.
    pub(super) fn dispatch(&mut self, request: Handle, pool: u16) {
        let plan = self.plan;
        match plan.pools[pool as usize].prefill {
            None => self.submit(request, pool, pool, Stage::Whole),
            Some(side) => {
                cold_path();
                self.submit(request, side.pool, pool, Stage::Prompt);
            }
        }
    }

    /// Has a replica of the pool `at` do its part of a request to `pool`.
    #[inline(always)]
    pub(super) fn submit(&mut self, request: Handle, at: u16, pool: u16, stage: Stage) {
        let plan = self.plan;
        let actor = self.in_flight[request].actor;
        let Some(replica) = self.route(actor, at) else { return self.hold(request, at, pool) };
        let context = &self.actors[actor].context;
        let prompt = context.tokens();
        let Some(call) = &self.actors[actor].call else { return };
        let spec = &plan.pools[at as usize].replica;
        let claim = plan.populations[self.in_flight[request].population as usize].claim;
        let sent = self.in_flight[request].sent;
        let luck = match spec.speculation {
            // A call is known by its context, which no two of a session have in common.
            Some(_) => {
                cold_path();
                let call = derive(self.actors[actor].entity, prompt.into());
                self.streams.stream(Purpose::Speculation, call).next_u64()
            }
            None => 0,
        };
        let wanted = Request {
            tag: request.index,
            pieces: context.pieces(),
            prompt,
            output: if stage == Stage::Prompt { 1 } else { call.output },
            kept: call.kept,
            luck,
            standing: Standing {
                priority: claim.priority,
                tenant: claim.tenant,
                deadline: claim.deadline.map_or(SimTime::MAX, |within| sent + within),
            },
            stage,
        };
        let id = self.replicas[replica].submit(spec, wanted, self.now);
        let index = replica as u32;
        self.in_flight[request].server = match stage {
            Stage::Whole => Server::Replica { index, request: id },
            Stage::Prompt => Server::Prefill { index, request: id, pool },
            Stage::Answer => Server::Answer { index, request: id },
        };
        if spec.retention.is_some() {
            self.prefetch(pool, replica, id, prompt);
        }
        self.follow(replica);
    }

    /// The replica, among all, that an actor's call to a pool goes to; none where none is open.
    fn route(&mut self, actor: Handle, pool: u16) -> Option<usize> {
        let session = self.session_of(actor);
        let avoided = self.hedged_at(actor);
        let context = &self.actors[actor].context;
        let state = &mut self.pools[pool as usize];
        let range = state.replicas.clone();
        let open = match &state.fleet {
            None => Open::All(range.len()),
            Some(fleet) => fleet.open()?,
        };
        // A second request to the same replica would wait behind the first.
        let elsewhere = avoided.and_then(|at| others(&open, at.checked_sub(range.start)?));
        let open = elsewhere.as_deref().map_or(open, Open::Some);
        let chosen = state.router.route(
            &self.plan.pools[pool as usize].replica,
            &mut self.replicas[range.clone()],
            open,
            session,
            context.pieces(),
            context.tokens(),
            Moment { now: self.now, turn: self.turn.saturating_sub(range.start) },
        );
        Some(range.start + chosen)
    }

    /// The entity of the session that an actor works for.
    pub(super) fn session_of(&self, actor: Handle) -> u64 {
        let task = self.actors[actor].task;
        self.actors[self.tasks[task].root].entity
    }

    /// An attempt failed: tries again after a wait, or gives up.
    #[cold]
    pub(super) fn attempt_failed(&mut self, actor: Handle, failure: Failure) {
        let (population, counted) = self.whose(actor);
        if counted {
            let tally = self.tally(population);
            match failure {
                Failure::Transport => tally.transport_errors += 1,
                Failure::Timeout => tally.timeouts += 1,
                Failure::BreakerOpen => tally.breaker_refusals += 1,
                Failure::TooMany(_) => tally.throttled += 1,
                Failure::Unavailable => tally.unavailable += 1,
            }
        }
        let Some(call) = self.actors[actor].call else { return };
        if self.goes_on(actor, &call) {
            return;
        }
        let (entity, now) = (self.actors[actor].entity, self.now);
        let policy = self.retry_policy(actor).cloned().unwrap_or(RetryPolicy::OF_RECORDED);
        let memory = self.memory_of(actor);
        if failure != Failure::BreakerOpen
            && let Some(breaker) = policy.breaker
        {
            memory.failures_in_row += 1;
            if memory.failures_in_row >= breaker.failures {
                memory.failures_in_row = 0;
                memory.open_until = now + breaker.cool_down;
            }
        }
        if call.attempts < policy.attempts && memory.affords(policy.budget) {
            memory.retries += 1;
            let task = &self.tasks[self.actors[actor].task];
            let name = derive(derive(entity, u64::from(task.calls)), u64::from(call.attempts));
            let uniform = self.streams.stream(Purpose::Retry, name).uniform();
            let wait = policy.wait(call.attempts + 1, uniform);
            // Whoever is told when to come back does not come sooner.
            let wait = match failure {
                Failure::TooMany(Some(told)) => wait.max(told),
                _ => wait,
            };
            self.wake_after(actor, wait, OnWake::Attempt);
            return;
        }
        self.tally(population).calls_failed += u64::from(counted);
        self.actors[actor].call = None;
        let way_out = match (call.reason, self.present_call(actor)) {
            (CallReason::Step, Some(step)) => step.on_error,
            _ => None,
        };
        match way_out {
            Some(step) => self.enter(actor, step),
            None => self.fail_task(self.actors[actor].task, Cause::CallFailed),
        }
    }

    /// The model call of the actor's present step.
    fn present_call(&self, actor: Handle) -> Option<&LlmStep> {
        let Script::Program(program) = self.actors[actor].script else { return None };
        let at = self.actors[actor].step as usize;
        match &self.plan.programs[program as usize].steps[at].kind {
            StepKind::Llm(step) => Some(step),
            StepKind::Check(step) => Some(&step.call),
            _ => None,
        }
    }

    /// A request left its server.
    #[inline(always)]
    pub(super) fn answered(&mut self, finished: &Finished, pool: u16) {
        let pico = self.charge_of(finished, pool);
        self.pools[pool as usize].calls += 1;
        if self.plan.pools[pool as usize].overflow.is_some() {
            self.pools[pool as usize].note_answer(finished);
        }
        self.settle_request(finished, pool, pico);
    }

    /// What a request owes the pool that it left.
    #[inline(always)]
    pub(super) fn charge_of(&mut self, finished: &Finished, pool: u16) -> u64 {
        let state = &mut self.pools[pool as usize];
        let pico = whole(finished.share.0 as f64 * state.pico_per_ps);
        state.charged_pico += u128::from(pico);
        pico
    }

    /// Charges a task for one of its requests.
    pub(super) fn bear(&mut self, task: Handle, population: u16, counted: bool, pico: u64) {
        if let Some(task) = self.tasks.get_mut(task) {
            task.charged_pico += pico;
        }
        if counted {
            self.tally(population).charged_pico += u128::from(pico);
        }
    }

    /// A request is over, answered by the backend at `place` or given up by its caller, and cost
    /// so much.
    #[inline(always)]
    pub(super) fn settle_request(&mut self, finished: &Finished, place: u16, pico: u64) {
        let request = self.in_flight.handle_at(finished.tag);
        let entry = &self.in_flight[request];
        let (actor, task, population) = (entry.actor, entry.task, entry.population);
        let (sent, server) = (entry.sent, entry.server);
        let (counted, asked, why) = (entry.counted, entry.output, entry.waste);
        self.in_flight.remove(request);
        self.tokens_produced += u64::from(finished.produced);
        self.tokens_cancelled += u64::from(asked - finished.produced.min(asked));
        self.bear(task, population, counted, pico);
        if !self.actors.contains(actor) {
            cold_path();
            if counted {
                self.waste((task, population), why, finished.produced, pico);
            }
            return;
        }
        self.bin.calls += 1;
        let open = self.measuring && self.accepting;
        self.tally(population).calls_in_window += u64::from(open);
        self.memory_of(actor).failures_in_row = 0;
        let Some(call) = self.actors[actor].call.take() else { return };
        if call.twin != Handle::NONE {
            cold_path();
            self.give_up_other(actor, &call, request);
        }
        let found = &mut self.tasks[task];
        found.input_tokens += u64::from(finished.prompt);
        found.cached_tokens += u64::from(finished.cached);
        found.output_tokens += u64::from(finished.produced);
        found.reasoning_tokens += u64::from(call.reasoning);
        if call.reason != CallReason::Compaction && found.root == actor {
            found.answer = finished.produced.saturating_sub(call.reasoning);
        }
        if counted {
            self.record_call(population, &call, finished, sent);
        }
        if self.log.is_some() {
            self.log_call(actor, place, server, &call, finished, pico);
        }
        self.actors[actor].answered_at = place;
        self.actors[actor].wrote = (visible_from(&call, finished), self.now);
        let tail = self.actors[actor].context.pieces().last().map(|piece| piece.key);
        self.take_answer(actor, call.joins, finished.produced);
        self.go_on(actor, call.reason);
        if let Server::Replica { index, .. } = server
            && self.plan.pools[usize::from(place)].replica.retention.is_some()
        {
            self.retain(actor, place, index as usize, tail.unwrap_or(0));
        }
    }

    /// An answer joins the context.
    #[inline(always)]
    pub(super) fn take_answer(&mut self, actor: Handle, joins: u32, produced: u32) {
        let waiting = &mut self.actors[actor];
        waiting.context.grow(joins);
        (waiting.last_joined, waiting.last_output) = (joins, produced);
    }

    /// The answer is there: what the program does with it.
    #[inline(always)]
    pub(super) fn go_on(&mut self, actor: Handle, reason: CallReason) {
        let Script::Program(program) = self.actors[actor].script else {
            return self.replay(actor);
        };
        let plan = self.plan;
        let program = &plan.programs[program as usize];
        let at = self.actors[actor].step;
        let next = match (&program.steps[at as usize].kind, reason) {
            (_, CallReason::Compaction) => {
                cold_path();
                self.compact(actor, program);
                at
            }
            (StepKind::Check(check), _)
                if !self.chance(actor, check.pass * self.quality_of(actor)) =>
            {
                self.judge(actor, true, false);
                check.on_fail
            }
            (StepKind::Check(check), _) => {
                self.judge(actor, true, true);
                self.choose(actor, &check.call.next)
            }
            (StepKind::Llm(step), _) => self.choose(actor, &step.next),
            _ => at,
        };
        self.enter(actor, next);
    }
}

/// When the part of an answer that comes behind its reasoning begins: tokens come evenly.
fn visible_from(call: &Call, answer: &Finished) -> SimTime {
    let first = answer.first_token.unwrap_or(answer.finished);
    if call.reasoning == 0 {
        return first;
    }
    let reasoning = f64::from(call.reasoning) / f64::from(answer.produced.max(1));
    first + SimDuration(whole(answer.finished.since(first).0 as f64 * reasoning))
}

/// The open places but the one `at`, if that is one of them and not the only one.
#[cold]
fn others(open: &Open<'_>, at: usize) -> Option<Vec<u32>> {
    let places = (0..open.count()).map(|nth| open.place(nth));
    let others: Vec<_> = places.filter(|&place| place != at).map(|place| place as u32).collect();
    (!others.is_empty() && others.len() < open.count()).then_some(others)
}
