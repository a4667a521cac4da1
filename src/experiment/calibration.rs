//! A deployment's own factors, from a few measured points of it.
//!
//! The model's constants are shared by all machines; a deployment may differ from them by a driver,
//! a host, a build. Two factors (`Factors`), one on time in kernels and one on launches and host,
//! are fitted to the logarithm of time per output token, drawn towards 1 by a ridge:
//!
//! ```text
//! least  sum soft_l1( ln(predicted / measured), 0.1 )^2 + 0.4^2 (ln^2 gpu + ln^2 host)
//! ```
//!
//! Ridge and number of points were chosen on 1,272 published measurements: three points leave 5.6 %
//! of error on the other points of their deployment (`tokenfleet validate` tries each), none 7.8 %. One point makes
//! predictions worse than none (13.6 % against 11.7 %), because what is noise in it moves
//! everything; points at one concurrency cannot tell kernels from launches. Both are refused.
//!
//! The fit evaluates the closed form of `ClosedLoop`; where the points can be simulated, that is
//! corrected by the ratio of both and fitted again. Errors after the fit are those of points left
//! out of it, one after the other. Whoever has the machine but no serving logs has [`kernels`].

mod fit;
pub mod kernels;
pub mod points;
mod replay;

pub use fit::{Calibrated, Predict, Prediction, REPEATABILITY, Unfit, calibrate};
pub use points::Point;
pub use replay::replay;
