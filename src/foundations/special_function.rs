//! The special functions behind laws and intervals, on `libm` alone so that their bits are the same
//! on every platform.
//!
//! | Function | Serves |
//! |---|---|
//! | [`exp`], [`ln`] | what is drawn and timed in the event loop |
//! | [`normal_cdf`], [`normal_quantile`] | lognormal, large-sample intervals |
//! | [`incomplete_gamma`], [`ln_gamma_quantile`] | gamma, partial moments of Weibull and exponential |
//! | [`incomplete_beta`] | Student t, binomial |
//!
//! ```
//! use tokenfleet::foundations::special_function::{incomplete_beta, incomplete_gamma, normal_quantile};
//!
//! assert!((normal_quantile(0.975) - 1.959_963_984_540_054).abs() < 1e-15);
//! let (lower, upper) = incomplete_gamma(1.0, 2.0); // the exponential law at 2
//! assert!((upper - (-2.0_f64).exp()).abs() < 1e-16 && (lower + upper - 1.0).abs() < 1e-15);
//! assert!((incomplete_beta(2.0, 1.0, 0.3) - 0.09).abs() < 1e-16); // x^2
//! ```

mod elementary;
mod incomplete_beta;
mod incomplete_gamma;
mod normal;

pub use elementary::{exp, ln};
pub use incomplete_beta::{incomplete_beta, ln_beta};
pub use incomplete_gamma::{
    gamma_log_density, incomplete_gamma, ln_gamma_quantile, ln_incomplete_gamma,
};
pub use normal::{normal_cdf, normal_pdf, normal_quantile};
