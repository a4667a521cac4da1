//! What can happen in a world, but for arrivals, the steps of its servers and the timeouts of calls.
//!
//! Of one instant, steps end first, by replica; then attempts become too late; then come events in the order in which they were
//! scheduled; a server that was idle begins last, so that it sees all that arrives (see
//! [`super::boundaries`], [`super::timeouts`] and [`super::next_arrivals`]).

/// One event. Handles are checked when it happens: what they name may be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A user of a closed loop comes back.
    Return { population: u16, client: u32 },
    /// An actor goes on: a wait, a tool or a backoff is over.
    Wake { actor: Handle },
    /// A tool call returns and frees its slot. The actor may have gone on since: the round says.
    ToolReturns { tool: u16, actor: Handle, round: u32 },
    /// Something happens to the replicas of a pool.
    Fleet { pool: u16, event: FleetEvent },
    /// A request reaches its pool from afar.
    Delivered { call: Handle, pool: u16 },
    /// A transfer between the tiers of a pool ends.
    Tiers { pool: u16 },
    /// Keys and values reach a pool over a link from its prefill side.
    Transferred { pool: u16, link: u32 },
    /// A call to an endpoint ends.
    Reply { call: Handle },
    /// A call that is not answered by now is sent a second time.
    Hedge { call: Handle },
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

/// What can happen to the replicas of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FleetEvent {
    /// A thing breaks that some replicas need.
    Breaks { unit: u32 },
    /// It works again.
    Repaired { unit: u32 },
    /// The whole pool goes down.
    Outage,
    /// It is back.
    OutageOver,
    /// A replica goes on more slowly.
    Slows { replica: u32 },
    /// It is as fast as before.
    Recovers { replica: u32 },
    /// The owner of a replica's machine wants it back.
    Reclaimed { replica: u32 },
    /// There is another in its place.
    Returns { replica: u32 },
    /// A round of reboots begins.
    Maintenance,
    /// A leaving replica is waited for no longer.
    DrainOver { replica: u32, turn: u32 },
    /// A replica has been rebooted.
    Rebooted { replica: u32 },
    /// The autoscaler looks.
    Scale,
    /// A rented replica is ready.
    Started { replica: u32, turn: u32 },
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
