//! What can happen in a world.

/// Among events of one instant: step boundaries come first, by replica; a server that was idle
/// begins its step last, so that it sees all that arrives at that instant.
pub(super) const RANK_ORDINARY: u32 = u32::MAX - 1;
/// See [`RANK_ORDINARY`].
pub(super) const RANK_WAKE_SERVER: u32 = u32::MAX;

/// One event. Handles are checked when it happens: what they name may be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The next session of a population starts.
    Arrival { population: u16 },
    /// A user of a closed loop comes back.
    Return { population: u16, client: u32 },
    /// A replica's step or leap ends, or an idle replica begins.
    Step { replica: u32 },
    /// An actor goes on: a wait, a tool or a backoff is over.
    Wake { actor: Handle },
    /// A tool call returns and frees its slot. The actor may have gone on since: the round says.
    ToolReturns { tool: u16, actor: Handle, round: u32 },
    /// An attempt takes too long.
    Timeout { call: Handle },
    /// A task takes too long.
    Deadline { task: Handle },
    /// A bin of the time series ends.
    Sample,
    /// Measuring begins.
    WarmedUp,
    /// No new tasks from here.
    Horizon,
    /// What is not done by now is left as it is.
    DrainLimit,
}

/// Names an entry of a [`super::slab::Slab`]; no longer fits once that was freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handle {
    pub(super) index: u32,
    pub(super) generation: u32,
}

impl Handle {
    /// Names nothing.
    pub(super) const NONE: Self = Self { index: u32::MAX, generation: u32::MAX };
}
