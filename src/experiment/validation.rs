//! Predictions held against measurements of real engines.
//!
//! A folder of measurements is read row by row, each row's names are looked up in the catalog, and
//! what was measured is replayed through the same code that runs scenarios. What cannot be replayed
//! is counted with its reason, never skipped in silence.

pub mod campaign;
pub mod configuration;
pub mod engine_tpot;
pub mod table;

pub use campaign::Settings;
pub use configuration::{Configuration, Names, Unmodelled};
pub use engine_tpot::EngineTpot;
