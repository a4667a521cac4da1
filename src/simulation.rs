//! Floor 5: one trial.
