//! What was produced and paid for in vain, by cause.

/// Why nobody has anything of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[repr(usize)]
pub enum Waste {
    /// An attempt took too long.
    Timeout,
    /// An attempt went down with its server.
    Lost,
    /// Another attempt at the same call was answered sooner.
    Hedge,
    /// Its task was over, or enough other sub-agents were through.
    #[default]
    Abandoned,
    /// A check or a person found the work wrong.
    Rejected,
    /// Its task failed.
    FailedTask,
}

impl Waste {
    /// How many causes there are.
    pub const COUNT: usize = 6;
    /// Those of single attempts: their answers were never read.
    pub const UNREAD: [Self; 4] = [Self::Timeout, Self::Lost, Self::Hedge, Self::Abandoned];
}

/// Tokens produced, and what was charged for them and for their prompts, picodollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Wasted {
    /// Tokens produced.
    pub tokens: u64,
    /// Charged, picodollars.
    pub pico: u128,
}

impl Wasted {
    /// Adds some.
    pub fn add(&mut self, tokens: u64, pico: u128) {
        self.tokens += tokens;
        self.pico += pico;
    }
}
