//! Floor 0: time, chance, statistics and fitting. Knows nothing of servers or agents.

pub mod calendar;
mod chacha;
pub mod clusters;
pub mod distribution;
pub mod error;
pub mod fitting;
pub mod histogram;
pub mod interval;
pub mod least_squares;
pub mod random;
pub mod special_function;
pub mod statistics;
pub mod time;
pub mod units;
pub mod whole;

pub use calendar::{Calendar, EventKey};
pub use distribution::{Law, LawError};
pub use error::{Fault, Faults, Place, SourceId, Sources};
pub use histogram::Histogram;
pub use interval::{Estimate, Interval};
pub use random::{Purpose, Stream, Streams};
pub use statistics::{Moments, TimeWeighted};
pub use time::{SimDuration, SimTime};
pub use units::Dimension;
pub use whole::whole;
