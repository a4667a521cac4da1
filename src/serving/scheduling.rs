//! In which order a replica takes up the requests that wait for it.
//!
//! - *First come, first served*, as engines do unless they are told otherwise.
//! - *Priority classes*: the highest class first, in order of arrival inside it. With preemption a
//!   waiting request of a higher class takes the place of the running one of the lowest, which is
//!   computed again later; so batch work fills the valleys of interactive load and leaves the peaks.
//! - *Shortest first*: the fewest tokens to produce first, as if their number were known.
//! - *Deadline*: the earliest deadline first (C. L. Liu, J. W. Layland, J. ACM 20(1), 1973).
//! - *Fair*: the tenant served least so far first, by a virtual token counter (Y. Sheng et al.,
//!   *Fairness in Serving Large Language Models*, OSDI 2024): a prompt token counts 1, an output
//!   token 2, and a tenant that was away comes back with no less than the least of those present.
//!   Charged when a request is taken up, as the paper's variant that knows lengths does.

use super::sequence::Sequence;
use crate::foundations::SimTime;

/// See the module's page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheduling {
    /// In order of arrival.
    #[default]
    Fcfs,
    /// The highest class first.
    Priority {
        /// Whether it may take the place of a running request of a lower class.
        preemption: bool,
    },
    /// The shortest answer first.
    ShortestFirst,
    /// The earliest deadline first.
    Deadline,
    /// The tenant that was served least first.
    Fair,
}

impl Scheduling {
    /// Whether a request can be taken up before one that came earlier.
    pub(super) fn overtakes(self) -> bool {
        !matches!(self, Self::Fcfs)
    }

    /// Whether it takes places away.
    pub(super) fn preempts(self) -> bool {
        matches!(self, Self::Priority { preemption: true })
    }

    /// What the queue is sorted by, the least first; equal ones stay in order of arrival.
    pub(super) fn rank(self, standing: &Standing, output: u32) -> u64 {
        match self {
            Self::Fcfs | Self::Fair => 0,
            Self::Priority { .. } => u64::from(u8::MAX - standing.priority),
            Self::ShortestFirst => output.into(),
            Self::Deadline => standing.deadline.0,
        }
    }
}

/// What a request may claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its class; a higher one comes first.
    pub priority: u8,
    /// Whose it is.
    pub tenant: u16,
    /// When its answer should be there.
    pub deadline: SimTime,
}

impl Default for Standing {
    fn default() -> Self {
        Self { priority: 0, tenant: 0, deadline: SimTime::MAX }
    }
}

/// Virtual token counters of tenants.
#[derive(Clone, Debug, Default)]
pub(super) struct Shares {
    /// (tokens served, requests waiting or running) by tenant.
    tenants: Vec<(u64, u32)>,
}

impl Shares {
    pub(super) fn clear(&mut self) {
        self.tenants.clear();
    }

    /// A request of a tenant comes.
    pub(super) fn come(&mut self, tenant: u16) {
        let tenant = usize::from(tenant);
        if self.tenants.len() <= tenant {
            self.tenants.resize(tenant + 1, (0, 0));
        }
        if self.tenants[tenant].1 == 0 {
            let present = self.tenants.iter().filter(|(_, requests)| *requests > 0);
            let least = present.map(|&(served, _)| served).min().unwrap_or(0);
            self.tenants[tenant].0 = self.tenants[tenant].0.max(least);
        }
        self.tenants[tenant].1 += 1;
    }

    /// It leaves.
    pub(super) fn go(&mut self, tenant: u16) {
        self.tenants[usize::from(tenant)].1 -= 1;
    }

    /// It is taken up.
    pub(super) fn charge(&mut self, sequence: &Sequence) {
        let tokens = u64::from(sequence.prompt) + 2 * u64::from(sequence.output);
        self.tenants[usize::from(sequence.standing.tenant)].0 += tokens;
    }

    /// Tokens that a tenant was served.
    pub(super) fn served(&self, tenant: u16) -> u64 {
        self.tenants[usize::from(tenant)].0
    }
}
