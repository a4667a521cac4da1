//! The mixture: one of several laws, by weight. `F(x) = Σ wᵢ Fᵢ(x)`, and likewise every moment
//! `E[Xᵏ] = Σ wᵢ E[Xᵢᵏ]`.
//!
//! A draw takes one uniform number `u`: the component whose slice of (0, 1) it falls into draws from
//! the place inside the slice. The quantile lies between the smallest and the largest of its
//! components' and is found there by halving, down to neighbouring doubles.
//!
//! ```
//! use tokenfleet::foundations::Law;
//! // Nine answers in ten are short.
//! let tokens = Law::mixture([
//!     (9.0, Law::exponential(50.0)?),
//!     (1.0, Law::exponential(2000.0)?),
//! ])?;
//! assert!((tokens.mean() - 245.0).abs() < 1e-10);
//! assert!((tokens.cdf(tokens.quantile(0.9)) - 0.9).abs() < 1e-14);
//! # Ok::<(), tokenfleet::foundations::LawError>(())
//! ```

use super::{Distribution, Law, LawError, Partial};
use crate::foundations::units::format_percent;
use std::fmt;
use std::sync::Arc;

/// One of several laws, by weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    components: Vec<Component>,
}

/// A law and the slice of (0, 1) that picks it.
#[derive(Clone, Debug, PartialEq)]
struct Component {
    start: f64,
    weight: f64,
    law: Law,
}

impl Law {
    /// A mixture of laws by weight; the weights need not add up to 1. A weight of 0 leaves a law out.
    ///
    /// # Errors
    ///
    /// Refuses weights that are negative or not finite, or none above 0.
    pub fn mixture(parts: impl IntoIterator<Item = (f64, Self)>) -> Result<Self, LawError> {
        let mut parts: Vec<(f64, Self)> = parts.into_iter().collect();
        for (weight, _) in &parts {
            let valid = "0 or more, and finite";
            LawError::require(
                *weight >= 0.0 && weight.is_finite(),
                "mixture",
                "weight",
                *weight,
                valid,
            )?;
        }
        parts.retain(|(weight, _)| *weight > 0.0);
        let total = parts.iter().fold(0.0, |total, (weight, _)| total + weight);
        LawError::require(
            total > 0.0 && total.is_finite(),
            "mixture",
            "sum of weights",
            total,
            "above 0 and finite",
        )?;
        if parts.len() == 1 {
            return parts.remove(0).1.finite();
        }
        let mut start = 0.0;
        let components = parts
            .into_iter()
            .map(|(weight, law)| {
                let component = Component { start, weight: weight / total, law };
                start += component.weight;
                component
            })
            .collect();
        Self::Mixture(Arc::new(Mixture { components })).finite()
    }
}

impl Mixture {
    /// The components with their weights, which add up to 1.
    pub(super) fn parts(&self) -> impl Iterator<Item = (f64, &Law)> {
        self.components.iter().map(|component| (component.weight, &component.law))
    }
}

impl Distribution for Mixture {
    fn quantile(&self, p: f64) -> f64 {
        let quantiles = self.parts().map(|(_, law)| law.quantile(p));
        let (low, high) = quantiles
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), q| (low.min(q), high.max(q)));
        smallest_between(low, high, |x| self.cdf(x) >= p)
    }

    #[inline]
    fn draw(&self, u: f64) -> f64 {
        const END: f64 = f64::EPSILON / 2.0;
        // Components are few, and which one it is can't be guessed: so they are counted.
        let begun = self.components.iter().filter(|component| component.start < u).count();
        let picked = begun.saturating_sub(1);
        let Component { start, weight, law } = &self.components[picked];
        law.draw(((u - start) / weight).clamp(END, 1.0 - END))
    }

    fn inverts(&self) -> bool {
        false
    }

    fn cdf(&self, x: f64) -> f64 {
        self.parts().map(|(weight, law)| weight * law.cdf(x)).sum()
    }

    fn partial(&self, x: f64) -> Partial {
        self.parts().fold([0.0; 3], |sums, (weight, law)| {
            let part = law.partial(x);
            [0, 1, 2].map(|k| sums[k] + weight * part[k])
        })
    }

    fn mean(&self) -> f64 {
        self.parts().map(|(weight, law)| weight * law.mean()).sum()
    }

    /// Variance within the components and between them.
    fn variance(&self) -> f64 {
        let mean = self.mean();
        if !mean.is_finite() {
            return f64::INFINITY;
        }
        let part = |(weight, law): (f64, &Law)| {
            let off = law.mean() - mean;
            weight * (law.variance() + off * off)
        };
        self.parts().map(part).sum()
    }

    fn support(&self) -> (f64, f64) {
        let ends = self.parts().map(|(_, law)| law.support());
        ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (a, b)| {
            (low.min(a), high.max(b))
        })
    }
}

impl fmt::Display for Mixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("mixture(")?;
        for (i, (weight, law)) in self.parts().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{}: {law}", format_percent(weight))?;
        }
        f.write_str(")")
    }
}

/// The smallest double in `low..=high` that satisfies a condition which, once true, stays true; `high`
/// where none below does.
fn smallest_between(low: f64, high: f64, condition: impl Fn(f64) -> bool) -> f64 {
    // Doubles are ordered as these integers are; the map is its own inverse.
    let flip = |bits: i64| bits ^ (((bits >> 63) as u64) >> 1) as i64;
    let value = |key: i64| f64::from_bits(flip(key) as u64);
    let (mut low, mut high) = (flip(low.to_bits() as i64), flip(high.to_bits() as i64));
    while low < high {
        let middle = low.wrapping_add((high.wrapping_sub(low) as u64 / 2) as i64);
        if condition(value(middle)) { high = middle } else { low = middle + 1 }
    }
    value(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_finds_the_exact_double() {
        for edge in [-3.5, -f64::MIN_POSITIVE, 0.0, 1e-300, 0.1, 7.0] {
            assert_eq!(smallest_between(-10.0, 10.0, |x| x >= edge), edge);
        }
        assert_eq!(smallest_between(-1.0, 2.0, |_| false), 2.0);
        assert_eq!(smallest_between(-1.0, 2.0, |_| true), -1.0);
    }
}
