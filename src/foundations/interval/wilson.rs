//! Wilson's score interval for a proportion: all `p` that the count seen doesn't refute,
//!
//! ```text
//! (k + z²/2 ± z √(k (n - k)/n + z²/4)) / (n + z²)
//! ```
//!
//! with `z` the normal quantile. Unlike `p̂ ± z s` it stays inside 0 to 1 and says something honest when
//! nothing, or everything, succeeded (E. B. Wilson, *Probable inference*, JASA 22, 1927; L. D. Brown,
//! T. T. Cai, A. DasGupta, *Interval estimation for a binomial proportion*, Statistical Science 16,
//! 2001).
//!
//! ```
//! use tokenfleet::foundations::interval::wilson;
//! let none_of_20 = wilson(0.0, 20.0, 0.95);
//! assert!(none_of_20.low == 0.0 && (none_of_20.high - 0.1611).abs() < 1e-4);
//! ```

use super::{Interval, student_t};

/// Where a proportion lies after `successes` out of `n` independent attempts; 0 to 1 for no attempts.
#[must_use]
pub fn wilson(successes: f64, n: f64, confidence: f64) -> Interval {
    if n.is_nan() || n <= 0.0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let (k, z) = (successes.clamp(0.0, n), student_t(confidence, f64::INFINITY));
    if z == f64::INFINITY {
        return Interval { low: 0.0, high: 1.0 };
    }
    let spread = z * (k * (n - k) / n + z * z / 4.0).sqrt();
    let at = |sign: f64| ((k + z * z / 2.0 + sign * spread) / (n + z * z)).clamp(0.0, 1.0);
    let low = if k == 0.0 { 0.0 } else { at(-1.0) };
    let high = if k == n { 1.0 } else { at(1.0) };
    Interval { low, high }
}
