//! The smooth maximum of two times.
//!
//! A kernel that computes for `a` and moves data for `b` takes a little longer than the larger of
//! both, most where they are equal: `P(a, b) = (a^p + b^p)^(1/p)`. With `p = 1` nothing overlaps,
//! with `p` to infinity everything does (the roofline).

mod table;

use crate::foundations::special_function::{exp, ln};

pub use table::SmoothMaxTable;

/// `P(a, b)` of one sharpness.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SmoothMax {
    sharpness: f64,
    /// One over it.
    root: f64,
    /// Ratio of the smaller to the larger time below which the smaller adds less than 1e-9.
    negligible: f64,
    /// Lowest bits of a ratio, as a number in memory, that don't change the cell of a table it is in.
    cell_bits: u32,
}

/// Bits of a double below its exponent.
const FRACTION_BITS: u32 = f64::MANTISSA_DIGITS - 1;
/// Cells of a table to a doubling of the ratio, over the sharpness.
const CELLS: f64 = 4.0;

impl SmoothMax {
    /// The smooth maximum of sharpness `p`, of at least 1.
    #[must_use]
    pub fn new(p: f64) -> Self {
        let sharpness = p.max(1.0);
        let root = 1.0 / sharpness;
        let cells = libm::ceil(libm::log2(CELLS * sharpness)) as u32;
        let cell_bits = FRACTION_BITS.saturating_sub(cells).max(1);
        Self { sharpness, root, negligible: libm::pow(1e-9, root), cell_bits }
    }

    /// `(a^p + b^p)^(1/p)`, of times that are not negative.
    #[must_use]
    pub fn of(self, a: f64, b: f64) -> f64 {
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        if low <= high * self.negligible {
            return high;
        }
        high * self.of_ratio(low / high)
    }

    /// The smooth maximum of `ratio` and 1.
    #[inline(always)]
    fn of_ratio(self, ratio: f64) -> f64 {
        exp(ln(1.0 + exp(self.sharpness * ln(ratio))) * self.root)
    }
}

impl Default for SmoothMax {
    /// Almost a plain maximum.
    fn default() -> Self {
        Self::new(16.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn closed_forms() {
        assert!((SmoothMax::new(1.0).of(3.0, 4.0) - 7.0).abs() < 1e-12);
        assert!((SmoothMax::new(2.0).of(3.0, 4.0) - 5.0).abs() < 1e-12);
        assert_eq!(SmoothMax::new(4.0).of(0.0, 2.0), 2.0);
        assert_eq!(SmoothMax::new(4.0).of(0.0, 0.0), 0.0);
    }

    proptest! {
        #[test]
        fn lies_between_maximum_and_sum(a in 0.0..1e3, b in 0.0..1e3, p in 1.0..20.0) {
            let both = SmoothMax::new(p).of(a, b);
            prop_assert!(both >= f64::max(a, b));
            prop_assert!(both <= (a + b) * (1.0 + 1e-12));
        }

        #[test]
        fn scales_with_its_arguments(a in 0.0..1e3, b in 0.0..1e3, k in 1e-3..1e3) {
            let bend = SmoothMax::new(6.7);
            let difference: f64 = bend.of(k * a, k * b) - k * bend.of(a, b);
            prop_assert!(difference.abs() <= 1e-9 * k * (a + b));
        }
    }
}
