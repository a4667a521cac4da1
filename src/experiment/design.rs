//! Which points of a scenario to simulate: axes, and how points are laid out over them.
//!
//! A *grid* takes every combination. *Latin hypercube* sampling (M. D. McKay, R. J. Beckman, W. J.
//! Conover, Technometrics 21, 1979) cuts each axis into as many strata as there are points and visits
//! each once. *Sobol* points (Owen-scrambled; B. Burley, *Practical hash-based Owen scrambling*, JCGT
//! 9, 2020) fill the space evenly at any number of points.
//!
//! ```
//! use tokenfleet::experiment::design::{Axis, Layout};
//!
//! let replicas = Axis::parse("pools.main.replicas=2..6:3")?;
//! let rate = Axis::parse("agents.coder.arrivals.poisson=0.1 /s,0.2 /s")?;
//! let points = Layout::Grid.points(&[replicas, rate], 0, 1)?;
//! assert_eq!(points.len(), 6);
//! assert_eq!(points[1].join(" and "), "pools.main.replicas=2 and agents.coder.arrivals.poisson=0.2 /s");
//! # Ok::<(), tokenfleet::foundations::Fault>(())
//! ```

mod axis;

use crate::foundations::Fault;
use crate::foundations::random::{Purpose, Streams};

pub use axis::Axis;

/// Points at most: as many as a Sobol sequence is defined for here.
pub const MOST_POINTS: usize = 65_536;
/// Axes at most.
const MOST_AXES: usize = 64;

/// How points are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Every combination.
    #[default]
    Grid,
    /// Each stratum of each axis once.
    LatinHypercube,
    /// A scrambled Sobol sequence.
    Sobol,
}

impl Layout {
    /// The points, each a `path=value` for each axis. A grid has as many as it has; the others have
    /// `count`, laid out by `seed`.
    ///
    /// # Errors
    /// No axis, two axes of one path, or too many points.
    pub fn points(self, axes: &[Axis], count: usize, seed: u64) -> Result<Vec<Vec<String>>, Fault> {
        if axes.is_empty() {
            let help = "for example `--over pools.main.replicas=2,4,8`";
            return Err(Fault::new("there is no axis to go over").help(help));
        }
        if axes.len() > MOST_AXES {
            return Err(Fault::new(format!("more than {MOST_AXES} axes")));
        }
        for (index, axis) in axes.iter().enumerate() {
            if axes[..index].iter().any(|other| other.path == axis.path) {
                return Err(Fault::new(format!("`{}` is gone over twice", axis.path)));
            }
        }
        let number = match self {
            Layout::Grid => {
                axes.iter().map(Axis::len).try_fold(1, usize::checked_mul).unwrap_or(usize::MAX)
            }
            _ => count,
        };
        if number > MOST_POINTS {
            let help = "take fewer values, or `--design sobol --points 200`";
            return Err(Fault::new(format!("more than {MOST_POINTS} points")).help(help));
        }
        let point = |values: Vec<String>| {
            let pairs = axes.iter().zip(values);
            pairs.map(|(axis, value)| format!("{}={value}", axis.path)).collect()
        };
        Ok(match self {
            Layout::Grid => (0..number).map(|index| point(combination(axes, index))).collect(),
            Layout::LatinHypercube => {
                let strata: Vec<Vec<f64>> =
                    (0..axes.len()).map(|axis| stratified(axis, number, seed)).collect();
                let at = |index: usize| {
                    axes.iter().zip(&strata).map(|(axis, u)| axis.at(u[index])).collect()
                };
                (0..number).map(|index| point(at(index))).collect()
            }
            Layout::Sobol => {
                let at = |index: usize| {
                    let coordinate =
                        |(dimension, axis): (usize, &Axis)| axis.at(sobol(index, dimension, seed));
                    axes.iter().enumerate().map(coordinate).collect()
                };
                (0..number).map(|index| point(at(index))).collect()
            }
        })
    }
}

/// The combination of values with this number; the last axis turns fastest.
fn combination(axes: &[Axis], index: usize) -> Vec<String> {
    let mut rest = index;
    let mut values: Vec<String> = axes
        .iter()
        .rev()
        .map(|axis| {
            let value = axis.value(rest % axis.len());
            rest /= axis.len();
            value
        })
        .collect();
    values.reverse();
    values
}

/// Coordinate `dimension` of point `index` of a scrambled Sobol sequence, in [0, 1).
pub fn sobol(index: usize, dimension: usize, seed: u64) -> f64 {
    f64::from(sobol_burley::sample(index as u32, dimension as u32, seed as u32))
}

/// Coordinates of all points on one axis, one in each of `count` strata, in random order.
fn stratified(axis: usize, count: usize, seed: u64) -> Vec<f64> {
    let mut stream = Streams::new(seed, 0).stream(Purpose::Design, axis as u64);
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        order.swap(last, stream.below(last as u64 + 1) as usize);
    }
    order.into_iter().map(|stratum| (stratum as f64 + stream.uniform()) / count as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(texts: &[&str]) -> Vec<Axis> {
        texts.iter().map(|text| Axis::parse(text).unwrap()).collect()
    }

    #[test]
    fn a_grid_has_every_combination_once() {
        let points = Layout::Grid.points(&axes(&["a=1,2", "b=x,y,z"]), 0, 1).unwrap();
        let flat: Vec<String> = points.iter().map(|point| point.join(" ")).collect();
        assert_eq!(flat, ["a=1 b=x", "a=1 b=y", "a=1 b=z", "a=2 b=x", "a=2 b=y", "a=2 b=z"]);
    }

    #[test]
    fn a_latin_hypercube_visits_each_stratum_once() {
        for seed in 1..5 {
            let points =
                Layout::LatinHypercube.points(&axes(&["a=0.0..10.0", "b=0.0..1.0"]), 10, seed);
            let points = points.unwrap();
            for axis in 0..2 {
                let value = |point: &Vec<String>| -> f64 { point[axis][2..].parse().unwrap() };
                let scale = [1.0, 10.0][axis];
                let mut strata: Vec<u64> =
                    points.iter().map(|point| (value(point) * scale) as u64).collect();
                strata.sort_unstable();
                assert_eq!(strata, (0..10).collect::<Vec<_>>(), "{points:?}");
            }
        }
    }

    /// Of a square cut into 4 x 4, 16 points of a Sobol sequence visit each part once.
    #[test]
    fn sobol_points_are_even() {
        for seed in 0..4 {
            let mut parts: Vec<_> = (0..16)
                .map(|index| [0, 1].map(|axis| (sobol(index, axis, seed) * 4.0) as u32))
                .collect();
            parts.sort_unstable();
            parts.dedup();
            assert_eq!(parts.len(), 16);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(Layout::Grid.points(&[], 0, 1).is_err());
        assert!(Layout::Grid.points(&axes(&["a=1", "a=2"]), 0, 1).is_err());
        let wide = axes(&["a=1..60", "b=1..60", "c=1..60"]);
        assert!(Layout::Grid.points(&wide, 0, 1).unwrap_err().message.contains("65536"));
        assert_eq!(Layout::Sobol.points(&wide, 8, 1).unwrap().len(), 8);
    }
}
