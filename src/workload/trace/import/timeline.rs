//! From calls with times to the actions of a session.
//!
//! What overlapped in time ran in parallel and becomes one spawn; whatever comes next waited for
//! the last of it. Where a format says neither which tokens were cached nor what the prompt
//! consists of, a prompt is taken to go on from the longest of the last few that is not longer than
//! itself: agents append. A prompt that is shorter than all of them begins anew.

use super::notes::{ASSUMED_SHARING, NO_INPUT, NO_OUTPUT, Notes};
use crate::workload::trace::Gap;
use crate::workload::trace::recording::{Action, Call, Context, Session};

/// How many calls back a prompt is looked for that another goes on from.
const LOOK_BACK: usize = 8;
/// Clocks of different machines disagree by so much.
const CLOCK_S: f64 = 1e-3;

/// A call, or a sub-agent with turns of its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn {
    /// When it began, on the recorded clock.
    pub(super) start_s: Option<f64>,
    /// How long it took.
    pub(super) time_s: Option<f64>,
    /// The pause before it, where that was recorded itself.
    pub(super) wait_s: Option<f64>,
    /// The pause after it.
    pub(super) wait_after_s: Option<f64>,
    /// What the pause before it was spent on, where that is known.
    pub(super) gap: Option<Gap>,
    /// The call, its context not yet worked out.
    pub(super) call: Call,
    /// Tokens of the prompt that were cached, where that was recorded.
    pub(super) cached: Option<u32>,
    /// A sub-agent's name and turns; a call where this is empty.
    pub(super) name: String,
    /// See `name`.
    pub(super) agent: Vec<Turn>,
}

impl Turn {
    pub(super) fn end_s(&self) -> Option<f64> {
        Some(self.start_s? + self.time_s?)
    }
}

/// The later of two times, as far as they are known.
pub(super) fn later(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).max_by(f64::total_cmp)
}

/// The least start of all turns, sub-agents' included.
pub(super) fn earliest<'t>(turns: impl IntoIterator<Item = &'t Turn>) -> Option<f64> {
    turns.into_iter().filter_map(|turn| turn.start_s).min_by(f64::total_cmp)
}

/// A session of these turns, which begins at `start_s`.
pub(super) fn session(
    name: String,
    start_s: Option<f64>,
    turns: Vec<Turn>,
    notes: &mut Notes,
) -> Session {
    let actions = actions(turns, 0, &mut Prompts::default(), notes);
    Session { name, start_s, actions, ..Session::default() }
}

/// Prompts of a session and its sub-agents in their order, each with the thread that it belongs to:
/// 0 is the session's own, in which alone people speak.
#[derive(Default)]
struct Prompts {
    all: Vec<(u32, u32)>,
    threads: u32,
}

/// What a thread does whose turns these are.
fn actions(
    mut turns: Vec<Turn>,
    thread: u32,
    prompts: &mut Prompts,
    notes: &mut Notes,
) -> Vec<Action> {
    let is_root = thread == 0;
    turns.retain(|turn| {
        let is_empty = turn.agent.is_empty() && turn.call.input == 0;
        notes.count_if(is_empty, NO_INPUT);
        !is_empty
    });
    if turns.iter().all(|turn| turn.start_s.is_some()) {
        turns.sort_by(|a, b| a.start_s.unwrap_or(0.0).total_cmp(&b.start_s.unwrap_or(0.0)));
    }
    let mut actions: Vec<Action> = Vec::with_capacity(turns.len());
    let (mut end, mut wait_after) = (None, None);
    let mut turns = turns.into_iter().peekable();
    while let Some(first) = turns.next() {
        let (start, mut last) = (first.start_s, first.end_s());
        let after = first.wait_after_s;
        let mut wave = vec![first];
        while let Some(next) = turns.next_if(
            |next| matches!((next.start_s, last), (Some(at), Some(end)) if at < end - CLOCK_S),
        ) {
            last = later(last, next.end_s());
            wave.push(next);
        }
        let is_first = actions.is_empty();
        let between = start.zip(end).map(|(start, end): (f64, f64)| start - end);
        let wait = wave[0].wait_s.or(wait_after).or(between);
        notes.count_if(!is_first && wait.is_none(), "pauses were not recorded: replayed as none");
        let gap = wave[0].gap.unwrap_or(Gap::Tool);
        let by_person = is_root && gap == Gap::Human;
        let mut action = Action {
            wait_s: if is_first { 0.0 } else { wait.unwrap_or(0.0).max(0.0) },
            gap: if is_first { Gap::None } else { gap },
            task: is_root && (is_first || by_person),
            ..Action::default()
        };
        if wave.len() == 1 && wave[0].agent.is_empty() {
            action.call = wave.pop().map(|turn| call(turn, thread, prompts, notes));
        } else {
            notes.count_if(wave.len() > 1, "groups of calls overlapped in time: taken as parallel");
            let one = |turn| child(turn, start, thread, prompts, notes);
            action.spawn = wave.into_iter().map(one).collect();
        }
        actions.push(action);
        (end, wait_after) = (last, after);
    }
    actions
}

/// A sub-agent with a thread of its own, or a call beside others of this thread.
fn child(
    turn: Turn,
    wave_start: Option<f64>,
    thread: u32,
    prompts: &mut Prompts,
    notes: &mut Notes,
) -> Session {
    let start = turn.start_s.zip(wave_start).map_or(0.0, |(start, wave)| (start - wave).max(0.0));
    let name = turn.name.clone();
    let actions = if turn.agent.is_empty() {
        let call = Some(call(turn, thread, prompts, notes));
        vec![Action { call, ..Action::default() }]
    } else {
        prompts.threads += 1;
        actions(turn.agent, prompts.threads, prompts, notes)
    };
    Session { name, start_s: Some(start), actions, ..Session::default() }
}

/// The call of a turn with its context; its prompt joins `prompts`.
fn call(turn: Turn, thread: u32, prompts: &mut Prompts, notes: &mut Notes) -> Call {
    let Turn { mut call, cached, time_s, .. } = turn;
    notes.count_if(call.output == 0, NO_OUTPUT);
    call.output = call.output.max(1);
    call.cached = cached.map(|cached| cached.min(call.input));
    call.time_s = call.time_s.or(time_s).filter(|time| *time >= 0.0);
    call.ttft_s = call.ttft_s.filter(|time| *time >= 0.0);
    if call.context == Context::default() {
        call.context = prompts.before(call.input, cached, thread);
        let is_assumed = cached.is_none() && call.context != Context::default();
        notes.count_if(is_assumed, ASSUMED_SHARING);
    }
    prompts.all.push((thread, call.input));
    call
}

impl Prompts {
    /// Which prompt of its thread a prompt of `input` tokens goes on from, and how far it shares it.
    fn before(&self, input: u32, cached: Option<u32>, thread: u32) -> Context {
        let own = self.all.iter().rev().zip(1..).filter(|((of, _), _)| *of == thread);
        let recent = own.map(|(&(_, before), back)| (before, back)).take(LOOK_BACK);
        let fits = recent.filter(|&(before, _)| before <= input);
        match (fits.max_by_key(|&(before, back)| (before, u32::MAX - back)), cached) {
            (Some((before, back)), Some(cached)) => Context::Keep(before.min(cached), back),
            (Some((before, back)), None) => Context::Keep(before, back),
            (None, Some(cached)) => Context::Keep(cached.min(input), 1),
            (None, None) => Context::default(),
        }
    }
}
