//! Which points are worth considering: those that no other point beats in one thing without being
//! worse in another (V. Pareto, *Manuale di economia politica*, 1906).

/// Whether each point is on the front. A coordinate is the better the higher it is; what is not
/// known is never on the front. Of points that agree in everything all are.
///
/// ```
/// use tokenfleet::experiment::pareto::front;
///
/// let speed_and_thrift = [[3.0, -9.0], [2.0, -4.0], [1.0, -5.0], [f64::NAN, 0.0]];
/// assert_eq!(front(&speed_and_thrift), [true, true, false, false]);
/// ```
pub fn front<const N: usize>(points: &[[f64; N]]) -> Vec<bool> {
    let beats = |one: &[f64; N], other: &[f64; N]| {
        let pairs = || one.iter().zip(other);
        pairs().all(|(a, b)| a >= b) && pairs().any(|(a, b)| a > b)
    };
    let known = |point: &[f64; N]| point.iter().all(|value| !value.is_nan());
    let on_front = |point| known(point) && !points.iter().any(|other| beats(other, point));
    points.iter().map(on_front).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_that_agree_stand_together() {
        assert_eq!(front(&[[1.0, 1.0], [1.0, 1.0], [1.0, 0.5]]), [true, true, false]);
        assert_eq!(front::<2>(&[]), Vec::<bool>::new());
        assert_eq!(front(&[[f64::INFINITY, -1.0], [1.0, 1.0]]), [true, true]);
    }
}
