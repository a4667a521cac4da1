//! Linear systems, dense and small.

/// A matrix by rows.
pub(super) type Matrix = Vec<Vec<f64>>;

/// The `X` of `A X = B`, by Gaussian elimination with partial pivoting; none for a singular `A`.
pub(super) fn solve(mut a: Matrix, mut b: Matrix) -> Option<Matrix> {
    let size = a.len();
    for column in 0..size {
        let pivot =
            (column..size).max_by(|&i, &j| a[i][column].abs().total_cmp(&a[j][column].abs()))?;
        if a[pivot][column].abs() < f64::MIN_POSITIVE {
            return None;
        }
        a.swap(column, pivot);
        b.swap(column, pivot);
        let (above, below) = a.split_at_mut(column + 1);
        let (done, open) = b.split_at_mut(column + 1);
        let (chosen, known) = (&above[column], &done[column]);
        for (row, value) in below.iter_mut().zip(open) {
            let factor = row[column] / chosen[column];
            if factor != 0.0 {
                take_times(&mut row[column..], factor, &chosen[column..]);
                take_times(value, factor, known);
            }
        }
    }
    for column in (0..size).rev() {
        let (open, done) = b.split_at_mut(column);
        let known = &mut done[0];
        known.iter_mut().for_each(|value| *value /= a[column][column]);
        for (row, value) in a.iter().zip(open) {
            if row[column] != 0.0 {
                take_times(value, row[column], known);
            }
        }
    }
    Some(b)
}

/// Takes `factor` times another row from a row.
fn take_times(row: &mut [f64], factor: f64, other: &[f64]) {
    for (value, other) in row.iter_mut().zip(other) {
        *value -= factor * other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_that_needs_pivoting_is_solved() {
        // x = (1, -2, 3), and twice that.
        let a = vec![vec![0.0, 2.0, 1.0], vec![1e-20, 1.0, 1.0], vec![4.0, 0.0, -1.0]];
        let b = vec![vec![-1.0, -2.0], vec![1.0, 2.0], vec![1.0, 2.0]];
        let x = solve(a, b).unwrap();
        for (row, expected) in x.iter().zip([1.0, -2.0, 3.0]) {
            assert!((row[0] - expected).abs() < 1e-12 && (row[1] - 2.0 * expected).abs() < 1e-12);
        }
    }

    #[test]
    fn a_singular_system_has_no_solution() {
        assert_eq!(solve(vec![vec![1.0, 2.0], vec![2.0, 4.0]], vec![vec![1.0], vec![1.0]]), None);
    }
}
