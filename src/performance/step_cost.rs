//! Time and memory traffic of a part of a step.

/// Time and memory traffic of one part of a step, on each GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepCost {
    /// Time, ps.
    pub ps: u64,
    /// Bytes read and written.
    pub bytes: u64,
}
