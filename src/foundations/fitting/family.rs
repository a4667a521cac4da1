//! Families of laws with fitted parameters, as laws and as scenarios write them.

use std::fmt::Write;

use super::Grid;
use crate::foundations::Law;
use crate::foundations::statistics::order_statistic;

/// Probabilities of a table of quantiles.
const TABLE: [f64; 50] = [
    0.0, 0.01, 0.025, 0.05, 0.075, 0.1, 0.125, 0.15, 0.175, 0.2, 0.225, 0.25, 0.275, 0.3, 0.325,
    0.35, 0.375, 0.4, 0.425, 0.45, 0.475, 0.5, 0.525, 0.55, 0.575, 0.6, 0.625, 0.65, 0.675, 0.7,
    0.725, 0.75, 0.775, 0.8, 0.825, 0.85, 0.875, 0.9, 0.925, 0.95, 0.965, 0.975, 0.985, 0.99,
    0.9925, 0.995, 0.9975, 0.999, 0.9995, 1.0,
];

/// A family with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub enum Family {
    /// Always the same.
    Constant(f64),
    /// Without memory, by its mean.
    Exponential(f64),
    /// By mean and deviation of the logarithm.
    Lognormal(f64, f64),
    /// By shape and scale.
    Gamma(f64, f64),
    /// By shape and scale.
    Weibull(f64, f64),
    /// Two lognormals: weight of the first, then both by mean and deviation of the logarithm.
    Lognormals(f64, [(f64, f64); 2]),
    /// A smallest value, then failures before the `r`-th success of probability `p`.
    NegativeBinomial {
        /// The smallest value.
        least: f64,
        /// Successes.
        r: f64,
        /// Probability of a success.
        p: f64,
    },
    /// Single values with their weights, and a family for the rest.
    Inflated(Vec<(f64, f64)>, Box<Family>),
    /// Quantiles, as (probability, value).
    Table(Vec<(f64, f64)>),
    /// A family cut at the largest value that was seen.
    Cut(Box<Family>, f64),
}

impl Family {
    /// What people call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Constant(_) => "constant",
            Self::Exponential(_) => "exponential",
            Self::Lognormal(..) => "lognormal",
            Self::Gamma(..) => "gamma",
            Self::Weibull(..) => "weibull",
            Self::Lognormals(..) => "two lognormals",
            Self::NegativeBinomial { r, .. } if *r == 1.0 => "geometric",
            Self::NegativeBinomial { .. } => "negative binomial",
            Self::Inflated(_, rest) => match **rest {
                Self::NegativeBinomial { .. } => "single values, then negative binomial",
                Self::Lognormal(..) => "single values, then lognormal",
                _ => "single values, then a family",
            },
            Self::Table(_) => "table of quantiles",
            Self::Cut(inner, _) => inner.name(),
        }
    }

    pub(super) fn is_constant(&self) -> bool {
        matches!(self, Self::Constant(_))
    }

    /// The table of quantiles of a sorted sample.
    pub(super) fn table(sorted: &[f64], grid: Grid) -> Self {
        let mut points: Vec<(f64, f64)> = Vec::new();
        for p in TABLE {
            let value = order_statistic(sorted, p).unwrap_or(0.0);
            let value = if grid == Grid::Count { libm::round(value) } else { value };
            // Of equal values only the first and the last say something.
            if let [.., (_, before), (_, last)] = points[..]
                && before == value
                && last == value
            {
                points.pop();
            }
            points.push((p, value));
        }
        match (sorted.first(), sorted.last()) {
            (Some(least), Some(most)) if least == most => Self::Constant(*least),
            _ => Self::Table(points),
        }
    }

    /// The law; `None` where the parameters make none.
    pub(super) fn law(&self, grid: Grid) -> Option<Law> {
        let law = self.continuous()?;
        let whole = matches!(self, Self::Constant(_) | Self::NegativeBinomial { .. });
        Some(if grid == Grid::Count && !whole { law.rounded() } else { law })
    }

    fn continuous(&self) -> Option<Law> {
        match self {
            Self::Constant(value) => Law::constant(*value),
            Self::Exponential(mean) => Law::exponential(*mean),
            Self::Lognormal(mu, sigma) => Law::lognormal(*mu, *sigma),
            Self::Gamma(shape, scale) => Law::gamma(*shape, *scale),
            Self::Weibull(shape, scale) => Law::weibull(*shape, *scale),
            Self::Lognormals(weight, parts) => {
                let of = |(mu, sigma): (f64, f64)| Law::lognormal(mu, sigma);
                Law::mixture([(*weight, of(parts[0]).ok()?), (1.0 - weight, of(parts[1]).ok()?)])
            }
            Self::NegativeBinomial { least, r, p } => {
                Law::negative_binomial(*r, *p).ok()?.shifted(*least)
            }
            Self::Inflated(singles, rest) => {
                let left = 1.0 - singles.iter().map(|&(_, weight)| weight).sum::<f64>();
                let mut parts = Vec::with_capacity(singles.len() + 1);
                for &(value, weight) in singles {
                    parts.push((weight, Law::constant(value).ok()?));
                }
                parts.push((left, rest.continuous()?));
                Law::mixture(parts)
            }
            Self::Table(points) => Law::empirical(points),
            Self::Cut(inner, most) => {
                let law = inner.continuous()?;
                let least = law.minimum().min(*most);
                law.clamped(least, *most)
            }
        }
        .ok()
    }

    /// The law as a scenario writes it, for whole numbers and bounded below by `least`.
    pub fn toml(&self, grid: Grid, least: f64) -> String {
        let mut text = String::from("{ ");
        self.write(grid, &mut text);
        if grid == Grid::Count && !matches!(self, Self::Constant(_)) {
            text.push_str(", round = true");
        }
        if least > f64::MIN && !matches!(self, Self::Constant(value) if *value >= least) {
            let _ = write!(text, ", min = {}", quantity(grid, least));
        }
        if let Self::Cut(_, most) = self {
            let _ = write!(text, ", max = {}", quantity(grid, most.max(least)));
        }
        text.push_str(" }");
        text
    }

    fn write(&self, grid: Grid, text: &mut String) {
        let n = |value: &f64| number(*value);
        let q = |value: &f64| quantity(grid, *value);
        let _ = match self {
            Self::Constant(value) => write!(text, "constant = {}", q(value)),
            Self::Exponential(mean) => write!(text, "exponential = {{ mean = {} }}", q(mean)),
            Self::Lognormal(mu, sigma) => {
                write!(text, "lognormal = {{ mu = {}, sigma = {} }}", n(mu), n(sigma))
            }
            Self::Gamma(shape, scale) => {
                write!(text, "gamma = {{ shape = {}, scale = {} }}", n(shape), q(scale))
            }
            Self::Weibull(shape, scale) => {
                write!(text, "weibull = {{ shape = {}, scale = {} }}", n(shape), q(scale))
            }
            Self::Lognormals(weight, [one, other]) => write!(
                text,
                "mixture = [{{ weight = {}, lognormal = {{ mu = {}, sigma = {} }} }}, \
                 {{ weight = {}, lognormal = {{ mu = {}, sigma = {} }} }}]",
                n(weight),
                n(&one.0),
                n(&one.1),
                n(&(1.0 - weight)),
                n(&other.0),
                n(&other.1),
            ),
            Self::NegativeBinomial { least, r, p } => write!(
                text,
                "negative_binomial = {{ r = {}, p = {} }}, plus = {}",
                n(r),
                n(p),
                q(least)
            ),
            Self::Inflated(singles, rest) => {
                text.push_str("mixture = [");
                let mut left = 1.0;
                for (value, weight) in singles {
                    left -= weight;
                    let _ = write!(text, "{{ weight = {}, constant = {} }}, ", n(weight), q(value));
                }
                let _ = write!(text, "{{ weight = {}, ", n(&left));
                rest.write(grid, text);
                write!(text, " }}]")
            }
            Self::Table(points) => {
                let p: Vec<String> = points.iter().map(|(p, _)| n(p)).collect();
                let values: Vec<String> = points.iter().map(|(_, value)| q(value)).collect();
                let (p, values) = (p.join(", "), values.join(", "));
                write!(text, "quantiles = {{ p = [{p}], values = [{values}] }}")
            }
            Self::Cut(inner, _) => {
                inner.write(grid, text);
                Ok(())
            }
        };
    }
}

/// A value as scenarios write it: times carry their unit.
fn quantity(grid: Grid, value: f64) -> String {
    match grid {
        Grid::Count => number(value),
        Grid::Time => format!("\"{} s\"", number(value)),
    }
}

/// Five significant digits, as TOML writes numbers.
fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    let digits = (4.0 - libm::floor(libm::log10(value.abs()))).clamp(0.0, 12.0) as usize;
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}
