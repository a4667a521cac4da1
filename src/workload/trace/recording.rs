//! The one form in which tokenfleet keeps a recorded workload, whatever it was recorded as.
//!
//! JSON lines: a header, a line for each session, a trailer that says how many there were, so that
//! a file that breaks off is noticed.
//!
//! ```json
//! {"tokenfleet_trace":1,"source":"claude-code","scope":"session","block_size":64}
//! {"session":"a","start_s":0.0,"actions":[
//!    {"task":true,"call":{"in":21059,"out":843,"context":{"blocks":[[1,330]]},"model":"opus","time_s":5.2}},
//!    {"wait_s":3.0,"wait_for":"tool","call":{"in":22100,"out":90,"context":{"keep":[21059,1]}}},
//!    {"wait_s":0.4,"wait_for":"tool","spawn":[{"session":"agent_001","start_s":0.0,"actions":[]}]}]}
//! {"sessions":1,"calls":2,"clock_grid_s":0.0,"notes":["12 calls had no output: replayed with one token"]}
//! ```
//!
//! (A session is one line; it is broken here to be read.) A session does its actions one after the
//! other, each `wait_s` seconds after the one before has ended. An action is either a `call` or a
//! `spawn` of sub-agents, sessions of their own that start `start_s` after it and for whose last
//! call it waits. `wait_for` says what the pause was spent on: `tool` or `human`; `task` marks the
//! first action of a person's request. `start_s` of a session is seconds from the start of the
//! trace, and left out where nobody recorded it. What a prompt has in common with others stands in
//! its [`Context`]. Times are those of the recorded fleet and are not replayed.

use std::io::{BufRead, Write};

use serde::{Deserialize, Serialize};

use super::lines::{Lines, malformed};
use super::{Gap, KeyScope, TraceError, TracePlace};
use crate::foundations::time::LONGEST_S;

/// The version of the form that is written, and the only one that is read.
pub const VERSION: u32 = 1;

const EXPECTED: &str =
    "`tokenfleet import` writes such files: a header, a line for each session, a trailer";

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The version of the form.
    #[serde(rename = "tokenfleet_trace")]
    pub version: u32,
    /// The format that it was recorded in.
    pub source: String,
    /// How far the identities in contexts reach.
    #[serde(default)]
    pub scope: KeyScope,
    /// Tokens of a block of [`Context::Blocks`].
    #[serde(default = "one")]
    pub block_size: u32,
}

fn one() -> u32 {
    1
}

impl Header {
    /// Of a recording that knows no blocks.
    pub fn without_blocks(source: &str) -> Self {
        let (version, scope) = (VERSION, KeyScope::PerSession);
        Self { version, source: source.to_owned(), scope, block_size: 1 }
    }
}

/// The last line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trailer {
    /// Sessions before it, those of sub-agents not included.
    pub sessions: u64,
    /// Calls in them, those of sub-agents included.
    pub calls: u64,
    /// The grid of the recording clock on which sessions start, seconds; zero where it ran freely.
    #[serde(default)]
    pub clock_grid_s: f64,
    /// What was dropped, repaired, clipped or assumed, with counts, for people.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// One conversation of an agent, or one sub-agent's part of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Its recorded identity, empty where there was none.
    #[serde(rename = "session", default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The kind of agent, where that was recorded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub agent: String,
    /// Seconds from the start of the trace, or from its spawn for a sub-agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_s: Option<f64>,
    /// Tokens of a block in it and its sub-agents, where they are not the header's; only where
    /// identities do not reach beyond the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_size: Option<u32>,
    /// What it does, in this order.
    pub actions: Vec<Action>,
}

/// One thing that a session does: exactly one of `call` and `spawn`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// Pause after the end of the action before, seconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub wait_s: f64,
    /// What the pause was spent on.
    #[serde(rename = "wait_for", default, skip_serializing_if = "Gap::is_none")]
    pub gap: Gap,
    /// Whether a person's request begins here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub task: bool,
    /// A request to a language model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Call>,
    /// Sub-agents in parallel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spawn: Vec<Session>,
}

/// One request to a language model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Tokens of the prompt, at least 1.
    #[serde(rename = "in")]
    pub input: u32,
    /// Tokens of the answer, at least 1.
    #[serde(rename = "out")]
    pub output: u32,
    /// What the prompt has in common with others.
    #[serde(default)]
    pub context: Context,
    /// Who answered, empty where that was not recorded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// Tokens of the prompt that the recorded fleet found cached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<u32>,
    /// Seconds to the first token on the recorded fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_s: Option<f64>,
    /// Seconds to the last token on the recorded fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_s: Option<f64>,
}

/// What a prompt has in common with others, from its first token on. What is not named here is this
/// prompt's alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Context {
    /// Identities of its blocks, in runs `[first, count]` of consecutive numbers. Prompts share
    /// what their leading blocks share; the last block may be partly filled.
    Blocks(Vec<(u64, u32)>),
    /// `[tokens, back]`: its first `tokens` tokens are those of the prompt of the call `back` calls
    /// ago, as calls stand on the line, those of parents and sub-agents included. Nothing is shared
    /// with a call that tells its blocks.
    Keep(u32, u32),
    /// Texts `[identity, tokens]`, first text first. Prompts share what their leading texts share.
    Texts(Vec<(u64, u32)>),
}

impl Default for Context {
    fn default() -> Self {
        Self::Keep(0, 1)
    }
}

impl Session {
    /// Calls in it, those of sub-agents included.
    pub fn calls(&self) -> u64 {
        let of = |action: &Action| {
            u64::from(action.call.is_some()) + action.spawn.iter().map(Self::calls).sum::<u64>()
        };
        self.actions.iter().map(of).sum()
    }

    /// What is wrong with it, where its blocks have `block_size` tokens: a path and a reason.
    fn fault(&self, block_size: u32) -> Option<(String, String)> {
        let time = |seconds: f64| !(0.0..=LONGEST_S).contains(&seconds);
        if self.start_s.is_some_and(time) {
            return Some(("start_s".into(), "no time that can be simulated".into()));
        }
        self.actions.iter().enumerate().find_map(|(place, action)| {
            let problem = match (&action.call, &action.spawn[..]) {
                _ if time(action.wait_s) => Some("`wait_s` is no time that can be simulated"),
                (Some(call), []) => call.fault(block_size),
                (None, [_, ..]) => None,
                _ => Some("an action is either a `call` or a `spawn`"),
            };
            let path = format!("actions[{place}]");
            let below = || {
                let fault = |(at, child): (usize, &Self)| {
                    let (inside, problem) = child.fault(block_size)?;
                    Some((format!("{path}.spawn[{at}].{inside}"), problem))
                };
                action.spawn.iter().enumerate().find_map(fault)
            };
            problem.map(|problem| (path.clone(), problem.to_owned())).or_else(below)
        })
    }
}

impl Call {
    fn fault(&self, block_size: u32) -> Option<&'static str> {
        let blocks = match &self.context {
            Context::Blocks(runs) => runs.iter().map(|&(_, count)| u64::from(count)).sum(),
            Context::Keep(..) | Context::Texts(_) => 0,
        };
        if self.input == 0 || self.output == 0 {
            return Some("a call has at least one token of prompt and one of answer");
        }
        let room = u64::from(self.input).div_ceil(u64::from(block_size.max(1)));
        (blocks > room).then_some("more blocks than the prompt has room for")
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// Whoever takes a recording, session by session.
pub trait Sink {
    /// Takes the header, before all sessions.
    ///
    /// # Errors
    /// Whatever keeps the sink from going on.
    fn begin(&mut self, header: &Header) -> Result<(), TraceError>;

    /// Takes a session.
    ///
    /// # Errors
    /// As above.
    fn session(&mut self, session: Session) -> Result<(), TraceError>;
}

/// What is left to say when all sessions were read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ending {
    /// The grid of the recording clock, seconds; zero where it ran freely.
    pub clock_grid_s: f64,
    /// What was dropped, repaired, clipped or assumed, with counts, for people.
    pub notes: Vec<String>,
}

/// Writes a recording down in this form.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    name: String,
    trailer: Trailer,
}

impl<W: Write> Writer<W> {
    /// Writes to `out`; `name` is its name in messages.
    pub fn new(out: W, name: &str) -> Self {
        Self { out, name: name.to_owned(), trailer: Trailer::default() }
    }

    fn line(&mut self, value: &impl Serialize) -> Result<(), TraceError> {
        let written = serde_json::to_writer(&mut self.out, value).map_err(Into::into);
        let written = written.and_then(|()| self.out.write_all(b"\n"));
        written.map_err(|source| TraceError::Unwritable { file: self.name.clone(), source })
    }

    /// Writes the trailer; what was written in all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self, ending: Ending) -> Result<Trailer, TraceError> {
        let Ending { clock_grid_s, notes } = ending;
        let trailer = Trailer { clock_grid_s, notes, ..std::mem::take(&mut self.trailer) };
        self.line(&trailer)?;
        let flushed = self.out.flush();
        flushed.map_err(|source| TraceError::Unwritable { file: self.name, source })?;
        Ok(trailer)
    }
}

impl<W: Write> Sink for Writer<W> {
    fn begin(&mut self, header: &Header) -> Result<(), TraceError> {
        self.line(header)
    }

    fn session(&mut self, session: Session) -> Result<(), TraceError> {
        self.trailer.sessions += 1;
        self.trailer.calls += session.calls();
        self.line(&session)
    }
}

/// Reads a recording in this form; `file` is its name in messages.
///
/// # Errors
/// The first line that is not what the form asks for, and a file that breaks off.
pub fn read(file: &str, reader: impl BufRead, sink: &mut dyn Sink) -> Result<Ending, TraceError> {
    let mut lines = Lines::new(file, reader);
    if !lines.read()? {
        return Err(TraceError::Empty { file: file.to_owned(), expected: EXPECTED });
    }
    let header: Header = lines.parse(EXPECTED)?;
    if header.version != VERSION {
        let problem = format!("version {} of the form, {VERSION} is known", header.version);
        return Err(malformed(lines.place().clone(), problem, "import the recording again"));
    }
    sink.begin(&header)?;
    let (mut sessions, mut calls) = (0, 0);
    while lines.read()? {
        if !lines.line().starts_with(b"{\"sessions\"") {
            let session: Session = lines.parse(EXPECTED)?;
            let block_size = session.block_size.unwrap_or(header.block_size);
            if let Some((path, problem)) = session.fault(block_size) {
                let place = TracePlace { path, ..lines.place().clone() };
                return Err(malformed(place, problem, "import the recording again"));
            }
            (sessions, calls) = (sessions + 1, calls + session.calls());
            sink.session(session)?;
            continue;
        }
        let trailer: Trailer = lines.parse(EXPECTED)?;
        if (trailer.sessions, trailer.calls) != (sessions, calls) {
            let problem = format!(
                "{sessions} sessions with {calls} calls stand before a trailer that counts {} and {}",
                trailer.sessions, trailer.calls
            );
            return Err(malformed(lines.place().clone(), problem, "import the recording again"));
        }
        if lines.read()? {
            let problem = "a line behind the trailer";
            return Err(malformed(lines.place().clone(), problem, "remove it"));
        }
        let Trailer { clock_grid_s, notes, .. } = trailer;
        return Ok(Ending { clock_grid_s, notes });
    }
    let problem = format!("truncated: the file ends after {sessions} sessions without a trailer");
    Err(malformed(lines.place().clone(), problem, "import the recording again"))
}
