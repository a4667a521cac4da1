//! From published measurements to the constants of the step-time model.
//!
//! All engines, accelerators and models are fitted at once: seventeen constants that they share, and
//! up to six of each engine. A constant `x` is drawn to a prior `p` that was read off tables of single
//! kernels, which is what makes predictions carry over to models and accelerators that were never
//! fitted (without it, models left out are 28 % off instead of 10 %):
//!
//! ```text
//! least  sum rho( ln(TPOT / measured) )  +  sum rho( 0.4 * 0.35 tanh( ln(TTFT / measured) / 0.35 ) )
//!        + sum rho( 2 ln(x / p) / width )            rho(r) = soft_l1(r, 0.08)^2
//! ```
//!
//! Predicting a row means simulating its clients. The search works on the closed form of
//! [`ClosedLoop`](crate::performance::ClosedLoop) instead, times the ratio of simulation to closed
//! form at the constants found so far, and is repeated until both agree (*space mapping*, Bandler et
//! al. 1994). Rows that are suspected of something that they don't say are left out, and counted.
//!
//! Errors are told of the rows fitted to, as simulated, and of rows left out: one accelerator at a
//! time, one model at a time, every fifth row. What was chosen by looking at these rows, kernel
//! counts and campaigns' settings, is not chosen anew for each fold, so they are optimistic by that.

mod accuracy;
mod errors;
mod parameters;
mod rewrite;
mod rows;
mod search;

pub use accuracy::accuracy;
pub use errors::{Fold, FoldErrors, RowErrors};
pub use parameters::{PARAMETERS, Parameter};
pub use rewrite::rewritten;
pub use search::{Fitted, fit};
