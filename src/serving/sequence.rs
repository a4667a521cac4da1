//! A request inside a replica, from the queue to its last token.

use smallvec::SmallVec;

use super::batch::Stay;
use super::kv_cache::Holding;
use super::request::{Piece, Request, Stage};
use super::scheduling::Standing;
use crate::foundations::SimTime;
use crate::performance::PrefillCost;

/// Where a request is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// In the front end.
    Arriving,
    Waiting,
    Prefill,
    /// Its blocks are taken, its keys and values on their way.
    Fetching,
    Decode,
    /// Its prompt was all it had to compute; about to leave.
    Done,
    /// The same, its blocks kept until they are fetched.
    Kept,
    #[default]
    Gone,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Sequence {
    pub(super) generation: u32,
    pub(super) phase: Phase,
    /// Changes whenever it joins or leaves the batch.
    pub(super) ticket: u32,
    pub(super) tag: u32,
    /// Steps the server must have done before it looks at this request.
    pub(super) ready: u64,
    /// What the prompt consists of, first token first.
    pub(super) pieces: SmallVec<[Piece; 4]>,
    pub(super) kept: u32,
    pub(super) luck: u64,
    pub(super) standing: Standing,
    pub(super) stage: Stage,
    /// Its place in a queue that is not in order of arrival.
    pub(super) rank: u64,
    pub(super) prompt: u32,
    pub(super) output: u32,
    pub(super) produced: u32,
    /// Tokens to compute before it decodes, and how many are.
    pub(super) target: u32,
    pub(super) computed: u32,
    pub(super) holding: Option<Holding>,
    /// Its place in `running`, and its number among all admissions.
    pub(super) place: u32,
    pub(super) admission: u64,
    pub(super) stay: Stay,
    pub(super) share_at_join: u128,
    pub(super) share: u128,
    pub(super) submitted: SimTime,
    pub(super) scheduled: Option<SimTime>,
    pub(super) first_token: Option<SimTime>,
    pub(super) cached: u32,
    pub(super) preemptions: u32,
    pub(super) cancelled: bool,
    /// Whether its context was looked for in lower tiers, and whether some is on its way from there.
    pub(super) sought: bool,
    pub(super) fetching: bool,
    /// Blocks that were fetched for it or are on their way.
    pub(super) fetched: u32,
}

/// A prompt's part of a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    pub(super) slot: u32,
    pub(super) tokens: u32,
    /// Time and work of its attention.
    pub(super) attention: PrefillCost,
}

impl Sequence {
    /// Made anew, in the memory of an old one, for a request that reaches the queue at `arrives`.
    pub(super) fn renew(&mut self, request: Request<'_>, arrives: SimTime) {
        self.phase = Phase::Arriving;
        self.tag = request.tag;
        self.ready = 0;
        self.pieces.clear();
        self.pieces.extend_from_slice(request.pieces);
        (self.kept, self.luck, self.standing) = (request.kept, request.luck, request.standing);
        self.stage = request.stage;
        (self.prompt, self.output) = (request.prompt.max(1), request.output.max(1));
        (self.produced, self.target, self.computed) = (0, self.prompt, 0);
        self.holding = None;
        (self.place, self.admission) = (u32::MAX, 0);
        (self.share_at_join, self.share) = (0, 0);
        self.submitted = arrives;
        (self.scheduled, self.first_token) = (None, None);
        (self.cached, self.preemptions, self.cancelled) = (0, 0, false);
        (self.sought, self.fetching, self.fetched) = (false, false, 0);
    }
}

/// Whether a ticket that the batch holds still stands for a request that decodes.
pub(super) fn alive(sequences: &[Sequence], slot: u32, ticket: u32) -> bool {
    let sequence = &sequences[slot as usize];
    sequence.phase == Phase::Decode && sequence.ticket == ticket
}
