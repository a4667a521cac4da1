//! What agents of a recording do, as samples of every quantity that a program needs.
//!
//! Sessions fall by their place into two halves, so that laws can be fitted to one and judged on
//! the other: calls of one session are alike, and a law that is judged on calls of sessions that it
//! has seen is judged too well.

use super::recording::{Action, Call, Context, Header, Session, Sink};
use super::survey::kept;
use super::{Gap, TraceError};

/// A context that has lost more than this share was compacted, or the agent began anew.
const DROP: f64 = 0.2;
/// A pause that a provider's prompt cache outlives, seconds: five minutes is what most promise.
pub const SOON_S: f64 = 300.0;
/// So many results of tools are told apart from later ones: an agent first reads, and reads much.
pub const EARLY: u32 = 4;
/// Leading texts or blocks of so many sessions are looked at for what all share.
const LOOKED_AT: usize = 512;

/// Samples of one half of the sessions.
#[derive(Clone, Debug, Default)]
pub struct Half {
    /// Calls of the session's own thread.
    pub calls_per_session: Vec<f64>,
    /// Requests of people in a session.
    pub tasks_per_session: Vec<f64>,
    /// Calls of each session's first request: what comes later is mostly shorter.
    pub first_task_calls: Vec<f64>,
    /// Calls of the others.
    pub later_task_calls: Vec<f64>,
    /// Tokens of a session's first prompt.
    pub first_input: Vec<f64>,
    /// Tokens of every prompt.
    pub input: Vec<f64>,
    /// Tokens of the answers to people's messages.
    pub first_output: Vec<f64>,
    /// Tokens of the other answers.
    pub later_output: Vec<f64>,
    /// What a message of a person adds to the context, less the answer before, tokens.
    pub message: Vec<f64>,
    /// What the first [`EARLY`] results of tools add to a session's context, the answers before them
    /// included, tokens.
    pub early_growth: Vec<f64>,
    /// What later ones add.
    pub growth: Vec<f64>,
    /// Tokens of later requests' first prompts.
    pub later_input: Vec<f64>,
    /// How many of those there are whose texts are known, and how many begin with the prompt before.
    pub carried: (u32, u32),
    /// Pauses for tools, seconds.
    pub tool_s: Vec<f64>,
    /// Pauses of people, seconds.
    pub think_s: Vec<f64>,
    /// Contexts before they were cut, and after, tokens.
    pub cut_from: Vec<f64>,
    /// See `cut_from`.
    pub cut_to: Vec<f64>,
    /// Tokens of prompts, and how many of them the session's own past held.
    pub tokens: (f64, f64),
    /// How many of them it held where the pause before was at most [`SOON_S`].
    pub kept_soon: f64,
}

/// Collects samples of sessions.
#[derive(Clone, Debug, Default)]
pub struct Habits {
    /// Sessions with longer prompts tell nothing about contexts, tokens; any do where this is not
    /// given.
    pub window: Option<u32>,
    /// Sessions of even and of odd places.
    pub halves: [Half; 2],
    /// Starts of sessions, seconds.
    pub starts: Vec<f64>,
    /// Sessions without and sub-agents with calls; the latter take part in no sample.
    pub sub_agents: u64,
    /// Sessions so far.
    pub sessions: u64,
    block_size: u32,
    /// First contexts of some sessions.
    openings: Vec<(Context, u32)>,
}

/// A call of a session's own thread with what came before it.
#[derive(Clone, Copy)]
struct Turn<'a> {
    call: &'a Call,
    gap: Gap,
    task: bool,
    pause_s: f64,
}

impl Half {
    /// Takes a session in; contexts of one that is longer than `window` stay out. Its sub-agents.
    fn add(&mut self, session: &Session, block_size: u32, window: u32) -> u64 {
        let (turns, sub_agents) = turns(session);
        self.behaviour(&turns);
        if turns.iter().all(|turn| turn.call.input <= window) {
            self.contexts(&turns, block_size);
        }
        sub_agents
    }

    fn behaviour(&mut self, turns: &[Turn]) {
        let (mut tasks, mut of_task) = (0_u32, 0_u32);
        for &Turn { call, gap, task, pause_s } in turns {
            if task {
                self.end_task(tasks, of_task);
                tasks += 1;
                of_task = 0;
            }
            let output = if of_task == 0 { &mut self.first_output } else { &mut self.later_output };
            output.push(f64::from(call.output));
            of_task += 1;
            match gap {
                Gap::Human => self.think_s.push(pause_s),
                Gap::Tool => self.tool_s.push(pause_s),
                Gap::None => {}
            }
        }
        if !turns.is_empty() {
            self.end_task(tasks, of_task);
            self.calls_per_session.push(turns.len() as f64);
            self.tasks_per_session.push(f64::from(tasks.max(1)));
        }
    }

    fn contexts(&mut self, turns: &[Turn], block_size: u32) {
        let mut before: Option<&Call> = None;
        let (mut tasks, mut results) = (0_u32, 0_u32);
        for (place, &Turn { call, gap, task, pause_s }) in turns.iter().enumerate() {
            tasks += u32::from(task);
            self.input.push(f64::from(call.input));
            self.tokens.0 += f64::from(call.input);
            let kept = f64::from(kept(call, before, block_size));
            self.tokens.1 += kept;
            self.kept_soon += if pause_s <= SOON_S { kept } else { 0.0 };
            if let Some(before) = before.filter(|_| task) {
                self.later_input.push(f64::from(call.input));
                let whole = (1.0 - DROP) * f64::from(before.input) - f64::from(block_size);
                self.carried.0 += u32::from(kept > 0.0);
                self.carried.1 += u32::from(kept > 0.0 && kept >= whole);
            }
            let next = turns.get(place + 1).map(|turn| turn.call.input);
            let last = before.map_or(0, |call| call.input);
            let goes_back = next.is_some_and(|next| next >= last);
            // A call beside the conversation, such as one that names it, leaves it as it was.
            if u64::from(call.input) * 2 < u64::from(last) && goes_back {
                continue;
            }
            results += u32::from(gap == Gap::Tool);
            self.grow(call, before, gap, tasks <= 1 && results <= EARLY);
            before = Some(call);
        }
    }

    /// Counts the calls of a session's latest request, `tasks` of which have begun so far.
    fn end_task(&mut self, tasks: u32, calls: u32) {
        if calls > 0 {
            let of =
                if tasks > 1 { &mut self.later_task_calls } else { &mut self.first_task_calls };
            of.push(f64::from(calls));
        }
    }

    fn grow(&mut self, call: &Call, before: Option<&Call>, gap: Gap, early: bool) {
        let input = f64::from(call.input);
        let Some(before) = before else { return self.first_input.push(input) };
        let (last, answer) = (f64::from(before.input), f64::from(before.output));
        if input < last * (1.0 - DROP) {
            self.cut_from.push(last);
            self.cut_to.push(input);
        } else if gap == Gap::Human {
            self.message.push((input - last - answer).max(1.0));
        } else {
            let of = if early { &mut self.early_growth } else { &mut self.growth };
            of.push((input - last).max(1.0));
        }
    }
}

/// Calls of a session's own thread, and how many sub-agents there are beside it. For the agent,
/// they are a tool; single calls side by side are its own.
fn turns(session: &Session) -> (Vec<Turn<'_>>, u64) {
    let (mut turns, mut sub_agents, mut pause_s) = (Vec::new(), 0, 0.0);
    for Action { wait_s, gap, task, call, spawn } in &session.actions {
        pause_s += wait_s;
        let mut turn = |call, pause_s: &mut f64| {
            let pause_s = std::mem::take(pause_s);
            turns.push(Turn { call, gap: *gap, task: *task, pause_s });
        };
        if let Some(call) = call {
            turn(call, &mut pause_s);
        }
        let mut longest = 0.0_f64;
        for child in spawn {
            match &child.actions[..] {
                [Action { call: Some(call), .. }] if child.name.is_empty() => {
                    turn(call, &mut pause_s);
                }
                _ => {
                    sub_agents += 1;
                    longest = longest.max(duration_s(child));
                }
            }
        }
        pause_s += longest;
    }
    (turns, sub_agents)
}

/// How long a session took on the recorded fleet, as far as that was recorded.
fn duration_s(session: &Session) -> f64 {
    let of = |action: &Action| {
        let call = action.call.as_ref().and_then(|call| call.time_s).unwrap_or(0.0);
        action.wait_s + call + action.spawn.iter().map(duration_s).fold(0.0, f64::max)
    };
    session.start_s.unwrap_or(0.0) + session.actions.iter().map(of).sum::<f64>()
}

impl Habits {
    /// Samples of one session alone.
    pub fn of(&self, session: &Session) -> Half {
        let mut half = Half::default();
        let block_size = session.block_size.unwrap_or(self.block_size);
        half.add(session, block_size, self.window.unwrap_or(u32::MAX));
        half
    }

    /// Tokens that open every prompt: what nine of ten sessions begin with alike.
    pub fn shared_tokens(&self) -> u32 {
        let usual = self.openings.len() / 10;
        let mut lengths: Vec<u32> = Vec::new();
        // The session that shares most with the others stands for all.
        for (one, input) in self.openings.iter().take(16) {
            let mut common: Vec<u32> = self
                .openings
                .iter()
                .map(|(other, tokens)| {
                    let call = |context: &Context, input: u32| Call {
                        input,
                        output: 1,
                        context: context.clone(),
                        ..Call::default()
                    };
                    let (one, other) = (call(one, *input), call(other, *tokens));
                    kept(&one, Some(&other), self.block_size)
                })
                .collect();
            common.sort_unstable();
            lengths.extend(common.get(usual));
        }
        lengths.into_iter().max().unwrap_or(0)
    }
}

impl Sink for Habits {
    fn begin(&mut self, header: &Header) -> Result<(), TraceError> {
        self.block_size = header.block_size;
        Ok(())
    }

    fn session(&mut self, session: Session) -> Result<(), TraceError> {
        let half = (self.sessions % 2) as usize;
        self.sessions += 1;
        let block_size = session.block_size.unwrap_or(self.block_size);
        self.sub_agents +=
            self.halves[half].add(&session, block_size, self.window.unwrap_or(u32::MAX));
        self.starts.extend(session.start_s);
        let opening = session.actions.first().and_then(|action| action.call.as_ref());
        if let Some(call) = opening.filter(|_| self.openings.len() < LOOKED_AT)
            && !matches!(call.context, Context::Keep(..))
        {
            self.openings.push((call.context.clone(), call.input));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(input: u32, wait_s: f64, gap: Gap) -> Action {
        let call = Some(Call { input, output: 10, ..Call::default() });
        Action { wait_s, gap, task: gap != Gap::Tool, call, spawn: Vec::new() }
    }

    #[test]
    fn a_session_is_taken_apart() {
        let mut habits = Habits::default();
        habits.begin(&Header::without_blocks("t")).unwrap();
        let helper = Session {
            name: "helper".to_owned(),
            actions: vec![call(50, 4.0, Gap::None), call(60, 0.5, Gap::Tool)],
            ..Session::default()
        };
        let spawn =
            Action { wait_s: 1.0, gap: Gap::Tool, spawn: vec![helper], ..Action::default() };
        let actions = vec![
            call(1000, 0.0, Gap::None),
            spawn,
            call(1300, 2.0, Gap::Tool),
            // A call beside the conversation, and on.
            call(100, 3.0, Gap::Tool),
            call(1500, 90.0, Gap::Human),
            call(400, 1.0, Gap::Tool),
        ];
        habits.session(Session { actions, ..Session::default() }).unwrap();
        let half = &habits.halves[0];
        assert_eq!(half.calls_per_session, [5.0]);
        assert_eq!(
            (&half.first_task_calls[..], &half.later_task_calls[..]),
            (&[3.0][..], &[2.0][..])
        );
        assert_eq!(
            (&half.tasks_per_session[..], &half.later_input[..]),
            (&[2.0][..], &[1500.0][..])
        );
        assert_eq!((&half.first_input[..], &half.early_growth[..]), (&[1000.0][..], &[300.0][..]));
        // What the person said is what came beyond the prompt and the answer before.
        assert_eq!(half.message, [190.0]);
        assert_eq!((&half.cut_from[..], &half.cut_to[..]), (&[1500.0][..], &[400.0][..]));
        assert_eq!(half.tool_s, [7.5, 3.0, 1.0]);
        assert_eq!((&half.think_s[..], habits.sub_agents), (&[90.0][..], 1));
    }
}
