//! What a recording amounts to, counted while it passes by on its way to another sink.

use super::recording::{Action, Call, Context, Header, Session, Sink};
use super::{KeyScope, TraceError};

/// Counts of sessions on their way to `sink`.
pub struct Survey<'s> {
    sink: &'s mut dyn Sink,
    /// What was counted.
    pub figures: Figures,
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Sessions, those of sub-agents not included.
    pub sessions: u64,
    /// Sub-agents.
    pub sub_agents: u64,
    /// Calls.
    pub calls: u64,
    /// Requests of people.
    pub tasks: u64,
    /// Tokens of prompts.
    pub input: u64,
    /// Of those, what the call before in the same session had too.
    pub kept: u64,
    /// Tokens of answers.
    pub output: u64,
    /// The longest prompt and answer together, tokens.
    pub longest: u64,
    /// Names of models, with their calls.
    pub models: Vec<(String, u64)>,
    /// Start and calls of each session that says when it began, seconds.
    pub starts: Vec<(f64, u32)>,
    /// Tokens of a block.
    pub block_size: u32,
    /// Whether prompts of different sessions may share their beginnings.
    pub shares_between_sessions: bool,
}

impl<'s> Survey<'s> {
    /// Counts what goes to `sink`.
    pub fn of(sink: &'s mut dyn Sink) -> Self {
        Self { sink, figures: Figures::default() }
    }
}

impl Sink for Survey<'_> {
    fn begin(&mut self, header: &Header) -> Result<(), TraceError> {
        self.figures.block_size = header.block_size;
        self.figures.shares_between_sessions = header.scope == KeyScope::Global;
        self.sink.begin(header)
    }

    fn session(&mut self, session: Session) -> Result<(), TraceError> {
        let calls = session.calls();
        if calls > 0 {
            let figures = &mut self.figures;
            figures.sessions += 1;
            figures.calls += calls;
            let block_size = session.block_size.unwrap_or(figures.block_size);
            figures.count(&session, block_size);
            if let Some(start) = session.start_s {
                figures.starts.push((start, u32::try_from(calls).unwrap_or(u32::MAX)));
            }
        }
        self.sink.session(session)
    }
}

impl Figures {
    fn count(&mut self, session: &Session, block_size: u32) {
        let mut before: Option<&Call> = None;
        for Action { call, spawn, task, .. } in &session.actions {
            self.tasks += u64::from(*task);
            self.sub_agents += spawn.len() as u64;
            spawn.iter().for_each(|child| self.count(child, block_size));
            let Some(call) = call else { continue };
            self.input += u64::from(call.input);
            self.output += u64::from(call.output);
            self.longest = self.longest.max(u64::from(call.input) + u64::from(call.output));
            self.kept += u64::from(kept(call, before, block_size));
            match self.models.iter_mut().find(|(name, _)| *name == call.model) {
                Some((_, calls)) => *calls += 1,
                None => self.models.push((call.model.clone(), 1)),
            }
            before = Some(call);
        }
    }

    /// The span over which sessions began, seconds.
    pub fn span_s(&self) -> f64 {
        let starts = || self.starts.iter().map(|&(start, _)| start);
        let (first, last) = (starts().fold(f64::MAX, f64::min), starts().fold(0.0, f64::max));
        (last - first).max(0.0)
    }
}

/// Tokens that a prompt has in common with that of the call before.
pub fn kept(call: &Call, before: Option<&Call>, block_size: u32) -> u32 {
    let shared = match (&call.context, before.map(|call| &call.context)) {
        (Context::Keep(tokens, _), _) => return (*tokens).min(call.input),
        (Context::Blocks(own), Some(Context::Blocks(other))) => {
            common_runs(own, other).saturating_mul(u64::from(block_size)).min(1 << 32) as u32
        }
        (Context::Texts(own), Some(Context::Texts(other))) => {
            let same = own.iter().zip(other).take_while(|(a, b)| a.0 == b.0);
            // A text that is longer in one of them ends what they share.
            let whole = same.clone().take_while(|(a, b)| a.1 == b.1).count();
            same.take(whole + 1).map(|(a, b)| a.1.min(b.1)).fold(0, u32::saturating_add)
        }
        _ => 0,
    };
    shared.min(call.input).min(before.map_or(0, |call| call.input))
}

/// Blocks that two lists of runs have in common from their beginning.
fn common_runs(one: &[(u64, u32)], other: &[(u64, u32)]) -> u64 {
    let (mut one, mut other) = (one.iter().copied(), other.iter().copied());
    let (mut a, mut b) = (one.next(), other.next());
    let mut common = 0;
    while let (Some((first, length)), Some((start, count))) = (a, b) {
        if first != start {
            break;
        }
        let same = length.min(count);
        common += u64::from(same);
        let rest =
            |(first, length): (u64, u32)| (first.wrapping_add(u64::from(same)), length - same);
        a = if length > same { Some(rest((first, length))) } else { one.next() };
        b = if count > same { Some(rest((start, count))) } else { other.next() };
    }
    common
}

#[cfg(test)]
mod tests {
    use super::common_runs;

    #[test]
    fn runs_share_what_their_blocks_share() {
        for (one, other, common) in [
            (&[(1, 5)][..], &[(1, 3)][..], 3),
            (&[(1, 5)], &[(1, 3), (4, 1), (9, 2)], 4),
            (&[(1, 2), (7, 2)], &[(1, 2), (7, 1), (8, 5)], 4),
            (&[(2, 2)], &[(1, 2)], 0),
            (&[], &[(1, 2)], 0),
        ] {
            assert_eq!((common_runs(one, other), common_runs(other, one)), (common, common));
        }
    }
}
