//! What is in flight: actors (agents and sub-agents), their tasks, their calls.

use smallvec::SmallVec;

use super::event::Handle;
use super::waste::Waste;
use crate::foundations::random::Stream;
use crate::foundations::{EventKey, SimTime};
use crate::serving::RequestId;
use crate::serving::endpoint::Course;
use crate::workload::context::Context;
use crate::workload::program::StepIndex;

/// What an actor follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    /// A program, by its place in the plan.
    Program(u16),
    /// A recorded session: its trace, its next action and the one after its last.
    Recorded { trace: u16, next: u32, end: u32 },
}

/// What an actor does when it wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnWake {
    /// Starts the session's next task.
    StartTask,
    /// Goes on with a step, a wait being over.
    Enter(StepIndex),
    /// Goes on behind a tool step, all its calls having returned.
    ToolsReturned,
    /// Tries its call again.
    Attempt,
    /// Goes on with the answer that a cache gave.
    Cached,
    /// Performs its next recorded action.
    Replay,
    /// Begins a recorded session: waits for its first action.
    Await,
}

/// Why a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallReason {
    /// The program's present step asks for it.
    Step,
    /// It summarises a context that has grown too long.
    Compaction,
    /// It was recorded.
    Recorded,
}

/// The call that an actor is making.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) reason: CallReason,
    pub(super) pool: u16,
    pub(super) output: u32,
    pub(super) reasoning: u32,
    /// Produced tokens that join the context, and those of them that the server may keep cached.
    pub(super) joins: u32,
    pub(super) kept: u32,
    /// Attempts made, and how many more will fail in transport.
    pub(super) attempts: u32,
    pub(super) errors_left: u32,
    /// When the first attempt was made.
    pub(super) since: SimTime,
    /// The request at the server, and the one before it of a hedged call.
    pub(super) request: Handle,
    pub(super) twin: Handle,
}

/// An agent at work: the root of a session, or a sub-agent of a task.
#[derive(Debug)]
pub(super) struct Actor {
    pub(super) handle: Handle,
    pub(super) population: u16,
    pub(super) client: u32,
    pub(super) script: Script,
    pub(super) step: StepIndex,
    pub(super) pool: u16,
    /// The place of the backend that answered it last.
    pub(super) answered_at: u16,
    /// Name of its random streams and of its part of contexts.
    pub(super) entity: u64,
    pub(super) stream: Option<Stream>,
    pub(super) context: Context,
    /// Variants of the segments that open its context, where those may change.
    pub(super) variants: SmallVec<[u32; 2]>,
    /// By loop of the program: times left, plus one while it runs.
    pub(super) loops: SmallVec<[u32; 4]>,
    pub(super) parent: Handle,
    pub(super) children: SmallVec<[Handle; 4]>,
    /// Sub-agents started so far, and contexts cut.
    pub(super) forks: u64,
    /// Tokens of reports for its context.
    pub(super) reports: u32,
    /// Output tokens that the last call added to the context.
    pub(super) last_joined: u32,
    pub(super) last_output: u32,
    /// Tool calls or sub-agents still waited for.
    pub(super) awaited: u32,
    /// Tool steps begun or broken off so far: what returns from an earlier one is not waited for.
    pub(super) round: u32,
    pub(super) tool_failed: bool,
    /// Results of tools in its context, where old ones are taken out: where each begins, and its
    /// tokens.
    pub(super) results: Vec<(u32, u32)>,
    pub(super) tools_since: SimTime,
    /// From when to when its latest answer was written, reasoning left out.
    pub(super) wrote: (SimTime, SimTime),
    pub(super) task: Handle,
    pub(super) tasks_left: u32,
    pub(super) on_wake: OnWake,
    pub(super) wake: EventKey,
    pub(super) call: Option<Call>,
    pub(super) compacted: bool,
}

impl Default for Actor {
    fn default() -> Self {
        Self {
            handle: Handle::NONE,
            population: 0,
            client: 0,
            script: Script::Program(0),
            step: 0,
            pool: 0,
            answered_at: u16::MAX,
            entity: 0,
            stream: None,
            context: Context::default(),
            variants: SmallVec::new(),
            loops: SmallVec::new(),
            parent: Handle::NONE,
            children: SmallVec::new(),
            forks: 0,
            reports: 0,
            last_joined: 0,
            last_output: 0,
            awaited: 0,
            round: 0,
            tool_failed: false,
            results: Vec::new(),
            tools_since: SimTime::ZERO,
            wrote: (SimTime::ZERO, SimTime::ZERO),
            task: Handle::NONE,
            tasks_left: 0,
            on_wake: OnWake::StartTask,
            wake: EventKey::NONE,
            call: None,
            compacted: false,
        }
    }
}

impl Actor {
    /// Made anew in the memory of an old one, field by field: an actor is large and a session starts
    /// often.
    pub(super) fn renew(&mut self) {
        (self.stream, self.answered_at) = (None, u16::MAX);
        self.context.clear();
        self.variants.clear();
        self.loops.clear();
        self.children.clear();
        self.results.clear();
        self.call = None;
        (self.step, self.forks, self.reports) = (0, 0, 0);
        (self.last_joined, self.last_output, self.awaited, self.round) = (0, 0, 0, 0);
        (self.tool_failed, self.compacted) = (false, false);
        (self.tools_since, self.wake) = (SimTime::ZERO, EventKey::NONE);
        self.wrote = (SimTime::ZERO, SimTime::ZERO);
        (self.parent, self.task) = (Handle::NONE, Handle::NONE);
        (self.tasks_left, self.on_wake) = (0, OnWake::StartTask);
    }
}

/// One user request being served.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) number: u64,
    pub(super) population: u16,
    pub(super) root: Handle,
    pub(super) started: SimTime,
    /// Whether it started after the warm-up.
    pub(super) counted: bool,
    pub(super) calls: u32,
    pub(super) tool_calls: u32,
    /// How often a cache of answers was asked, and whether anything it gave was wrong.
    pub(super) asked: u32,
    pub(super) misled: bool,
    /// Tokens that the user wrote for it, as far as they are known yet.
    pub(super) prompt: Option<u32>,
    /// Tokens of its latest answer, reasoning left out.
    pub(super) answer: u32,
    pub(super) input_tokens: u64,
    pub(super) cached_tokens: u64,
    pub(super) output_tokens: u64,
    pub(super) reasoning_tokens: u64,
    pub(super) charged_pico: u64,
    /// Part of its output and its charge that was found wrong, or that is known to be in vain.
    pub(super) judged_tokens: u64,
    pub(super) judged_pico: u64,
    pub(super) deadline: EventKey,
}

impl Task {
    /// Tokens and picodollars since its start, or since its work was last found wrong.
    pub(super) fn unjudged(&self) -> (u64, u64) {
        (self.output_tokens - self.judged_tokens, self.charged_pico - self.judged_pico)
    }
}

impl Default for Task {
    fn default() -> Self {
        Self {
            number: 0,
            population: 0,
            root: Handle::NONE,
            started: SimTime::ZERO,
            counted: false,
            calls: 0,
            tool_calls: 0,
            asked: 0,
            misled: false,
            prompt: None,
            answer: 0,
            input_tokens: 0,
            cached_tokens: 0,
            output_tokens: 0,
            reasoning_tokens: 0,
            charged_pico: 0,
            judged_tokens: 0,
            judged_pico: 0,
            deadline: EventKey::NONE,
        }
    }
}

/// Where a request is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Server {
    /// At a replica among all, under this name.
    Replica { index: u32, request: RequestId },
    /// At a replica among all, which computes its prompt for a pool.
    Prefill { index: u32, request: RequestId, pool: u16 },
    /// At a replica among all, which another has computed the prompt for.
    Answer { index: u32, request: RequestId },
    /// With the router of this pool: no replica takes requests.
    Held { pool: u16 },
    /// At an endpoint; how it goes is with the replies.
    Endpoint { index: u16, reply: Handle },
}

impl Server {
    const NONE: Self = Self::Replica { index: 0, request: RequestId::NONE };

    /// The replica among all, where it is one.
    pub(super) fn replica(self) -> Option<usize> {
        match self {
            Self::Replica { index, .. }
            | Self::Prefill { index, .. }
            | Self::Answer { index, .. } => Some(index as usize),
            Self::Held { .. } | Self::Endpoint { .. } => None,
        }
    }
}

/// A call at an endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply {
    pub(super) course: Course,
    /// The event at its end.
    pub(super) key: EventKey,
}

impl Default for Reply {
    fn default() -> Self {
        Self { course: Course::default(), key: EventKey::NONE }
    }
}

/// A request at a server, and whom to tell.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) actor: Handle,
    pub(super) task: Handle,
    pub(super) population: u16,
    pub(super) server: Server,
    /// When the client sent it.
    pub(super) sent: SimTime,
    pub(super) output: u32,
    /// Whether its task counts.
    pub(super) counted: bool,
    /// What is to be said of its answer, should nobody wait for it.
    pub(super) waste: Waste,
}

impl Default for InFlight {
    fn default() -> Self {
        Self {
            actor: Handle::NONE,
            task: Handle::NONE,
            population: 0,
            server: Server::NONE,
            sent: SimTime::ZERO,
            output: 0,
            counted: false,
            waste: Waste::default(),
        }
    }
}

/// What a population remembers about its calls.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CallMemory {
    /// First attempts at calls, and retries.
    pub(super) first_attempts: u64,
    pub(super) retries: u64,
    /// For the circuit breaker.
    pub(super) failures_in_row: u32,
    pub(super) open_until: SimTime,
}

impl CallMemory {
    /// Whether a budget has another retry.
    pub(super) fn affords(&self, budget: Option<f64>) -> bool {
        let retries = (self.retries + 1) as f64;
        budget.is_none_or(|budget| retries <= budget * self.first_attempts as f64)
    }
}
