//! Floor 0: time, chance and statistics. Knows nothing of servers or agents.

pub mod calendar;
pub mod time;

pub use calendar::{Calendar, EventKey};
pub use time::{SimDuration, SimTime};
