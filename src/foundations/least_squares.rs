//! Nonlinear least squares: parameters that bring residuals as near to zero as they go.
//!
//! Minimises `sum r_i(x)^2` by the method of Levenberg and Marquardt: steps solve
//! `(J^T J + mu diag(J^T J)) d = -J^T r` with a Jacobian of central differences, and `mu` falls
//! after a step that helped and rises after one that did not. Whoever wants outliers to count less
//! passes residuals through [`soft_l1`]; whoever knows something beforehand adds residuals that say
//! so (*ridge*). A page of code, as the crates for it bring thirty others.
//!
//! ```
//! use tokenfleet::foundations::least_squares::minimise;
//!
//! // Rosenbrock's valley: its floor is at (1, 1).
//! let valley = |x: &[f64]| vec![10.0 * (x[1] - x[0] * x[0]), 1.0 - x[0]];
//! let found = minimise(&[-1.2, 1.0], valley)?;
//! assert!(found.parameters.iter().all(|x| (x - 1.0).abs() < 1e-6));
//! # Ok::<(), tokenfleet::foundations::least_squares::NoMinimum>(())
//! ```

/// Half the distance between the points of a difference quotient. Parameters are expected to be
/// of the order of one, logarithms best.
const STEP: f64 = 1e-5;
/// Steps that are tried at most.
const PATIENCE: usize = 500;
/// Part of the sum of squares that a step must gain to go on, where nothing else is asked for.
const TOLERANCE: f64 = 1e-12;

/// The parameters that were found.
#[derive(Clone, Debug)]
pub struct Minimum {
    /// The parameters.
    pub parameters: Vec<f64>,
    /// Residuals there.
    pub residuals: Vec<f64>,
    /// Diagonal of the inverse of `J^T J` there: times the variance of a residual it is the variance
    /// of the parameters. None where the residuals do not tell some parameters apart.
    variances: Option<Vec<f64>>,
}

impl Minimum {
    /// Standard error of a parameter whose residuals have a standard deviation of 1; none where the
    /// residuals do not determine it.
    #[must_use]
    pub fn unit_error(&self, parameter: usize) -> Option<f64> {
        self.variances.as_ref()?.get(parameter).map(|variance| variance.sqrt())
    }
}

/// Why no parameters were found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoMinimum {
    /// Fewer residuals than parameters.
    #[error("{residuals} residuals cannot determine {parameters} parameters")]
    Underdetermined {
        /// Residuals.
        residuals: usize,
        /// Parameters.
        parameters: usize,
    },
    /// A residual was infinite or not a number.
    #[error("a residual is not a finite number")]
    NotFinite,
    /// It was still improving when patience ended.
    #[error("the search did not settle")]
    Unsettled,
}

/// Parameters near `start` that make the sum of the squares of `residuals` least.
///
/// # Errors
/// [`NoMinimum`].
pub fn minimise(
    start: &[f64],
    residuals: impl Fn(&[f64]) -> Vec<f64>,
) -> Result<Minimum, NoMinimum> {
    minimise_to(TOLERANCE, start, residuals)
}

/// The same, done as soon as a step gains less than this part of the sum of squares.
///
/// # Errors
/// [`NoMinimum`].
pub fn minimise_to(
    tolerance: f64,
    start: &[f64],
    residuals: impl Fn(&[f64]) -> Vec<f64>,
) -> Result<Minimum, NoMinimum> {
    let mut at = start.to_vec();
    let mut here = residuals(&at);
    if here.len() < at.len() {
        let (residuals, parameters) = (here.len(), at.len());
        return Err(NoMinimum::Underdetermined { residuals, parameters });
    }
    let (mut sum, mut damping) = (squares(&here), 1e-3);
    if !sum.is_finite() {
        return Err(NoMinimum::NotFinite);
    }
    let mut slope = Slope::of(&at, &here, &residuals);
    for _ in 0..PATIENCE {
        let Some(step) = slope.step(damping) else { return Err(NoMinimum::NotFinite) };
        let next: Vec<f64> = at.iter().zip(&step).map(|(x, d)| x + d).collect();
        let there = residuals(&next);
        let gain = sum - squares(&there);
        if gain > 0.0 {
            let settled = gain <= tolerance * sum;
            (at, sum, here) = (next, sum - gain, there);
            slope = Slope::of(&at, &here, &residuals);
            damping = f64::max(damping / 5.0, 1e-12);
            if settled || sum == 0.0 {
                return Ok(slope.minimum(at, here));
            }
        } else if damping > 1e12 || step.iter().all(|d| d.abs() < 1e-12) {
            return Ok(slope.minimum(at, here));
        } else {
            damping *= 4.0;
        }
    }
    Err(NoMinimum::Unsettled)
}

fn squares(residuals: &[f64]) -> f64 {
    residuals.iter().map(|r| r * r).sum()
}

/// What a step is worked out from: `J^T J`, by rows, and `J^T r`.
struct Slope {
    product: Vec<Vec<f64>>,
    gradient: Vec<f64>,
}

impl Slope {
    fn of(at: &[f64], here: &[f64], residuals: &impl Fn(&[f64]) -> Vec<f64>) -> Self {
        let column = |index: usize| {
            let moved = |by: f64| {
                let mut at = at.to_vec();
                at[index] += by;
                residuals(&at)
            };
            let (above, below) = (moved(STEP), moved(-STEP));
            above.iter().zip(&below).map(|(a, b)| (a - b) / (2.0 * STEP)).collect()
        };
        let columns: Vec<Vec<f64>> = (0..at.len()).map(column).collect();
        let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        let row = |a: &Vec<f64>| columns.iter().map(|b| dot(a, b)).collect();
        Self {
            product: columns.iter().map(row).collect(),
            gradient: columns.iter().map(|a| dot(a, here)).collect(),
        }
    }

    /// Where to go next; none where the slope is not finite.
    fn step(&self, damping: f64) -> Option<Vec<f64>> {
        let mut damped = self.product.clone();
        for (index, row) in damped.iter_mut().enumerate() {
            // A parameter that nothing depends on stays where it is.
            row[index] = (row[index] * (1.0 + damping)).max(f64::MIN_POSITIVE);
        }
        let down: Vec<f64> = self.gradient.iter().map(|g| -g).collect();
        let step = solve(&factor(&damped)?, &down);
        step.iter().all(|d| d.is_finite()).then_some(step)
    }

    fn minimum(&self, parameters: Vec<f64>, residuals: Vec<f64>) -> Minimum {
        let variances = factor(&self.product).map(|lower| {
            let unit = |at: usize| (0..lower.len()).map(|i| f64::from(u8::from(i == at))).collect();
            let units = (0..lower.len()).map(|at| (at, unit(at)));
            units.map(|(at, unit): (usize, Vec<f64>)| solve(&lower, &unit)[at]).collect()
        });
        Minimum { parameters, residuals, variances }
    }
}

/// The lower triangle `L` with `L L^T = A` (Cholesky); none where `A` is not positive definite.
fn factor(a: &[Vec<f64>]) -> Option<Vec<Vec<f64>>> {
    let mut lower: Vec<Vec<f64>> = Vec::with_capacity(a.len());
    for (i, row) in a.iter().enumerate() {
        let mut next = Vec::with_capacity(i + 1);
        for (j, above) in lower.iter().enumerate() {
            let known: f64 = (0..j).map(|k| next[k] * above[k]).sum();
            next.push((row[j] - known) / above[j]);
        }
        let left = row[i] - next.iter().map(|x: &f64| x * x).sum::<f64>();
        // What rounding leaves of nothing counts as nothing.
        if !left.is_finite() || left <= row[i] * 1e-14 {
            return None;
        }
        next.push(left.sqrt());
        lower.push(next);
    }
    Some(lower)
}

/// The `x` of `L L^T x = b`.
fn solve(lower: &[Vec<f64>], b: &[f64]) -> Vec<f64> {
    let mut x = b.to_vec();
    for i in 0..x.len() {
        let known: f64 = (0..i).map(|k| lower[i][k] * x[k]).sum();
        x[i] = (x[i] - known) / lower[i][i];
    }
    for i in (0..x.len()).rev() {
        let known: f64 = (i + 1..x.len()).map(|k| lower[k][i] * x[k]).sum();
        x[i] = (x[i] - known) / lower[i][i];
    }
    x
}

/// A residual that grows like its square root where it is much larger than `scale`: the square of
/// what is returned is `2 s^2 (sqrt(1 + (r/s)^2) - 1)`.
#[must_use]
pub fn soft_l1(residual: f64, scale: f64) -> f64 {
    let ratio = residual / scale;
    // sqrt(1 + z) - 1 without cancellation.
    let bent = ratio * ratio / ((1.0 + ratio * ratio).sqrt() + 1.0);
    (scale * (2.0 * bent).sqrt()).copysign(residual)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Misra1a of the Statistical Reference Datasets of NIST: certified parameters and standard
    /// deviations, of `y = b1 (1 - exp(-b2 x))`.
    #[test]
    fn agrees_with_certified_values() {
        let x = [
            77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1,
            689.1, 760.0,
        ];
        let y = [
            10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40,
            75.47, 81.78,
        ];
        // Parameters of the order of one.
        let residuals = |b: &[f64]| {
            let model = |x: f64| b[0] * 100.0 * (1.0 - libm::exp(-b[1] * 1e-4 * x));
            x.iter().zip(y).map(|(&x, y)| y - model(x)).collect()
        };
        let found = minimise(&[5.0, 1.0], residuals).unwrap();
        let near = |value: f64, expected: f64| (value / expected - 1.0).abs() < 1e-6;
        assert!(near(found.parameters[0] * 100.0, 2.3894212918e2), "{:?}", found.parameters);
        assert!(near(found.parameters[1] * 1e-4, 5.5015643181e-4));
        let sum: f64 = found.residuals.iter().map(|r| r * r).sum();
        assert!(near(sum, 1.2455138894e-1));
        let deviation = (sum / 12.0).sqrt();
        let error = |index| found.unit_error(index).unwrap() * deviation;
        assert!(near(error(0) * 100.0, 2.7070075241));
        assert!(near(error(1) * 1e-4, 7.2668688436e-6));
    }

    #[test]
    fn parameters_that_change_nothing_alone_have_no_error() {
        let found = minimise(&[1.0, 1.0], |x| vec![x[0] + x[1] - 3.0; 3]);
        let found = found.unwrap();
        assert!((found.parameters.iter().sum::<f64>() - 3.0).abs() < 1e-9);
        assert_eq!(found.unit_error(0), None);
    }

    #[test]
    fn what_cannot_be_found_is_an_error() {
        let few = minimise(&[1.0, 1.0], |x| vec![x[0]]).unwrap_err();
        assert_eq!(few, NoMinimum::Underdetermined { residuals: 1, parameters: 2 });
        assert_eq!(minimise(&[1.0], |_| vec![f64::NAN]).unwrap_err(), NoMinimum::NotFinite);
        // A valley without a floor.
        let slope = minimise(&[0.0], |x| vec![libm::exp(-x[0])]);
        assert!(slope.is_err() || slope.is_ok_and(|found| found.residuals[0] < 1e-6));
    }

    #[test]
    fn soft_l1_is_the_residual_where_it_is_small_and_its_root_where_it_is_large() {
        assert!((soft_l1(-1e-4, 0.1) + 1e-4).abs() < 1e-9);
        let large: f64 = soft_l1(1e4, 0.1);
        assert!((large * large / (2.0 * 0.1 * 1e4) - 1.0).abs() < 1e-4);
        // An outlier does not move the middle of the rest.
        let middle = |bend: fn(f64) -> f64| {
            let values = [1.0, 1.1, 0.9, 1.05, 0.95, 40.0];
            let residuals = |x: &[f64]| values.iter().map(|v| bend(v - x[0])).collect();
            minimise(&[1.0], residuals).unwrap().parameters[0]
        };
        assert!((middle(|r| soft_l1(r, 0.1)) - 1.0).abs() < 0.06);
        assert!(middle(|r| r) > 7.0);
    }
}
