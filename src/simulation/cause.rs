//! Why tasks fail.

/// Why a task did not succeed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[repr(usize)]
pub enum Cause {
    /// Its program ended without success.
    Program,
    /// It used up its calls.
    CallLimit,
    /// It used up its tokens.
    TokenLimit,
    /// It used up its dollars.
    BudgetLimit,
    /// It ran past its deadline.
    Deadline,
    /// A call failed in every attempt.
    CallFailed,
    /// A prompt outgrew the model's context.
    ContextOverflow,
    /// A request needs more KV blocks than a replica has.
    MemoryOverflow,
}

impl Cause {
    /// All causes, with the words used for them in results.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Program, "program"),
        (Self::CallLimit, "call_limit"),
        (Self::TokenLimit, "token_limit"),
        (Self::BudgetLimit, "budget_limit"),
        (Self::Deadline, "deadline"),
        (Self::CallFailed, "call_failed"),
        (Self::ContextOverflow, "context_overflow"),
        (Self::MemoryOverflow, "memory_overflow"),
    ];
}
