//! Scenarios: what is simulated, read from TOML with units in its text.

pub mod document;
pub mod overlay;
pub mod reader;
