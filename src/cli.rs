//! Floor 8: the command line.

pub mod catalog;
pub mod diagnostic;
