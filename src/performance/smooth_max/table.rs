//! Smooth maxima of one sharpness, looked up.
//!
//! The maximum of `a` and `b` is the larger of them times a function of their ratio alone. The ratios
//! that matter are cut into cells, so many to a doubling as the bend is sharp, and in each the function
//! is a polynomial through the Chebyshev points of the cell: a division and eight terms take the place
//! of two logarithms and two powers, and differ from them by less than one part in 10¹².

use std::f64::consts::PI;
use std::hint::cold_path;

use super::SmoothMax;

/// Terms of a polynomial.
const TERMS: usize = 8;

/// See the module's page. Cells are filled as they are asked for.
#[derive(Clone, Debug, Default)]
pub struct SmoothMaxTable {
    /// Coefficients around the middle of each cell, of which the first is at least 1; all are 0 where
    /// nobody asked yet.
    cells: Vec<[f64; TERMS]>,
}

impl SmoothMaxTable {
    /// [`SmoothMax::of`] of the bend, which is the same one each time.
    #[inline]
    pub fn of(&mut self, bend: SmoothMax, a: f64, b: f64) -> f64 {
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        let ratio = low / high;
        // Not so of two times of nothing either.
        let matters = ratio > bend.negligible;
        if !matters {
            return high;
        }
        let at = ratio.to_bits() >> bend.cell_bits;
        let cell = (at - (bend.negligible.to_bits() >> bend.cell_bits)) as usize;
        let middle = f64::from_bits((at << bend.cell_bits) + (1 << (bend.cell_bits - 1)));
        if self.cells.get(cell).is_none_or(|terms| terms[0] == 0.0) {
            cold_path();
            self.fill(bend, cell, at);
        }
        let [c0, c1, c2, c3, c4, c5, c6, c7] = self.cells[cell];
        let off = ratio - middle;
        let square = off * off;
        let lower = (c0 + c1 * off) + (c2 + c3 * off) * square;
        let upper = (c4 + c5 * off) + (c6 + c7 * off) * square;
        high * (lower + upper * (square * square))
    }

    /// Finds the polynomial of a cell, whose ratios have the upper bits `at`.
    fn fill(&mut self, bend: SmoothMax, cell: usize, at: u64) {
        if cell >= self.cells.len() {
            self.cells.resize(cell + 1, [0.0; TERMS]);
        }
        let [from, to] = [at, at + 1].map(|at| f64::from_bits(at << bend.cell_bits));
        let (middle, half) = (f64::midpoint(from, to), (to - from) / 2.0);
        let angle = |point: usize| PI * (point as f64 + 0.5) / TERMS as f64;
        let values: [f64; TERMS] =
            std::array::from_fn(|point| bend.of_ratio(middle + half * libm::cos(angle(point))));
        // The sum of Chebyshev's polynomials of the position in the cell, from -1 to 1, as powers of it.
        let mut terms = [0.0; TERMS];
        let (mut present, mut before) = ([0.0; TERMS], [0.0; TERMS]);
        present[0] = 1.0;
        for degree in 0..TERMS {
            let wave =
                |(point, value): (usize, &f64)| value * libm::cos(degree as f64 * angle(point));
            let sum: f64 = values.iter().enumerate().map(wave).sum();
            let weight = sum / TERMS as f64 * if degree == 0 { 1.0 } else { 2.0 };
            (0..TERMS).for_each(|power| terms[power] += weight * present[power]);
            let factor = if degree == 0 { 1.0 } else { 2.0 };
            let next = std::array::from_fn(|power| {
                let raised = if power == 0 { 0.0 } else { present[power - 1] };
                factor * raised - before[power]
            });
            (before, present) = (present, next);
        }
        let mut scale = 1.0;
        self.cells[cell] = terms.map(|term| {
            let scaled = term * scale;
            scale /= half;
            scaled
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn says_what_the_formula_says(
            a in 0.0..1e-2, ratios in proptest::collection::vec(0.0..3.0, 1..40), p in 1.0..200.0,
        ) {
            let (bend, mut table) = (SmoothMax::new(p), SmoothMaxTable::default());
            for b in ratios.into_iter().map(|ratio: f64| a * ratio) {
                let (looked_up, formula) = (table.of(bend, a, b), bend.of(a, b));
                prop_assert!((looked_up - formula).abs() <= 1e-12 * formula, "{looked_up} {formula}");
            }
        }
    }

    #[test]
    fn ends_of_the_range() {
        let mut table = SmoothMaxTable::default();
        for p in [1.0, 6.7, 1e6] {
            let (bend, mut table) = (SmoothMax::new(p), SmoothMaxTable::default());
            assert!((table.of(bend, 2.0, 2.0) / bend.of(2.0, 2.0) - 1.0).abs() < 1e-12);
        }
        let bend = SmoothMax::new(4.0);
        assert_eq!((table.of(bend, 0.0, 2.0), table.of(bend, 0.0, 0.0)), (2.0, 0.0));
    }
}
