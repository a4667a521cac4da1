//! Floor 8: the command line.

pub mod diagnostic;
