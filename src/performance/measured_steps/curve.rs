//! A curve that never falls through measured points.
//!
//! Points at one place are averaged; where a later one is lower, both are pooled to their mean until
//! none is (*pool adjacent violators*, the least-squares fit of a non-decreasing function; Ayer et
//! al. 1955). Between points it is linear, before the first constant, after the last it goes on as
//! before.

/// See the file's page.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Curve(Vec<(f64, f64)>);

impl Curve {
    /// Through these points, in any order; none where there are none.
    pub(super) fn isotonic(mut points: Vec<(f64, f64)>) -> Option<Self> {
        points.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        // Blocks of places with one value: places, their points, the sum of their values.
        let mut blocks: Vec<(Vec<f64>, f64, f64)> = Vec::new();
        for (x, y) in points {
            match blocks.last_mut() {
                Some((places, count, sum)) if places.last() == Some(&x) => {
                    *count += 1.0;
                    *sum += y;
                }
                _ => blocks.push((vec![x], 1.0, y)),
            }
        }
        let mut pooled: Vec<(Vec<f64>, f64, f64)> = Vec::new();
        for mut block in blocks {
            while let Some(before) = pooled.pop_if(|last| last.2 / last.1 > block.2 / block.1) {
                let (places, count, sum) = before;
                block = ([places, block.0].concat(), block.1 + count, block.2 + sum);
            }
            pooled.push(block);
        }
        let spread = |(places, count, sum): (Vec<f64>, f64, f64)| {
            places.into_iter().map(move |x| (x, sum / count))
        };
        let knots: Vec<(f64, f64)> = pooled.into_iter().flat_map(spread).collect();
        (!knots.is_empty()).then_some(Self(knots))
    }

    /// Place of the last point.
    pub(super) fn last(&self) -> f64 {
        self.0.last().map_or(0.0, |&(x, _)| x)
    }

    /// How much it rises from each point to the next.
    pub(super) fn rises(&self) -> impl Iterator<Item = f64> {
        self.0.windows(2).map(|pair| pair[1].1 - pair[0].1)
    }

    /// Its value at a place.
    pub(super) fn at(&self, x: f64) -> f64 {
        let after = self.0.partition_point(|&(place, _)| place <= x);
        let (low, high) = match self.0.len() {
            _ if after == 0 => return self.0[0].1,
            1 => return self.0[0].1,
            length => (after.min(length - 1) - 1, after.min(length - 1)),
        };
        let ((x0, y0), (x1, y1)) = (self.0[low], self.0[high]);
        y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn between_points_it_is_linear_and_beyond_it_goes_on() {
        let curve = Curve::isotonic(vec![(4.0, 8.0), (1.0, 2.0), (2.0, 4.0)]).unwrap();
        for (x, y) in [(0.0, 2.0), (1.0, 2.0), (1.5, 3.0), (3.0, 6.0), (4.0, 8.0), (10.0, 20.0)] {
            assert!((curve.at(x) - y).abs() < 1e-12, "{x}");
        }
        assert_eq!(Curve::isotonic(vec![]), None);
        assert_eq!(Curve::isotonic(vec![(3.0, 5.0)]).unwrap().at(9.0), 5.0);
    }

    #[test]
    fn what_falls_is_pooled() {
        let curve = Curve::isotonic(vec![(1.0, 1.0), (2.0, 5.0), (3.0, 3.0), (4.0, 6.0)]).unwrap();
        assert_eq!(curve.0, [(1.0, 1.0), (2.0, 4.0), (3.0, 4.0), (4.0, 6.0)]);
    }

    proptest! {
        #[test]
        fn never_falls_and_keeps_the_mean(ys in prop::collection::vec(0.0..10.0f64, 1..30)) {
            let points: Vec<(f64, f64)> =
                ys.iter().enumerate().map(|(x, y)| (x as f64, *y)).collect();
            let curve = Curve::isotonic(points).unwrap();
            prop_assert!(curve.0.is_sorted_by(|a, b| a.1 <= b.1 + 1e-12));
            let mean = curve.0.iter().map(|(_, y)| y).sum::<f64>() / ys.len() as f64;
            prop_assert!((mean - ys.iter().sum::<f64>() / ys.len() as f64).abs() < 1e-9);
        }
    }
}
