//! Probability laws: what arrives, how long it takes, how many tokens it brings.
//!
//! Every law is sampled by inversion from **one** uniform number: `X = F⁻¹(U)`. The value rises with
//! the uniform, so two systems fed by the same stream get comparable draws even where their laws
//! differ, and a stream advances by one step per draw whatever the law. Only a mixture breaks the
//! first rule: its uniform picks the component and is then stretched over that component.
//!
//! Each law knows its distribution function, quantiles, and partial moments `E[Xᵏ; X <= x]`. The
//! latter make truncation, clamping, rounding and mixing closed under taking means: the mean of a
//! truncated lognormal is a formula, not a simulation.
//!
//! All functions come from `libm` and the tables from them, so a sample has the same bits on every
//! platform. `tests::digests_are_pinned` guards that.
//!
//! Source: L. Devroye, *Non-Uniform Random Variate Generation* (1986), chapters II.2 (inversion) and
//! III.2 (guide tables).
//!
//! ```
//! use tokenfleet::foundations::{Law, Purpose, Streams};
//!
//! // Tokens of an answer: half of them up to 120, one in twenty above 900.
//! let tokens = Law::lognormal_from_quantile(120.0, 0.95, 900.0)?.rounded().clamped(1.0, 8192.0)?;
//! assert_eq!(tokens.quantile(0.5), 120.0);
//! assert_eq!(tokens.to_string(), "round(lognormal(median 120, sigma 1.22)) clamped to 1..8190");
//!
//! let mut stream = Streams::new(1, 0).stream(Purpose::Task, 17);
//! let answer = tokens.sample(&mut stream);
//! assert!(answer.fract() == 0.0 && (1.0..=8192.0).contains(&answer));
//!
//! // A law that makes no sense is refused, with the reason.
//! let refused = Law::exponential(-3.0).unwrap_err();
//! assert_eq!(refused.to_string(), "exponential: mean is -3, but must be above 0 and finite");
//! # Ok::<(), tokenfleet::foundations::LawError>(())
//! ```

mod affine;
mod clamped;
mod constant;
mod empirical;
mod exponential;
mod gamma;
mod geometric;
mod law_error;
mod lognormal;
mod mixture;
mod negative_binomial;
mod pareto;
mod poisson;
mod rounded;
mod tabulated;
mod truncated;
mod uniform;
mod weibull;
mod zipf;

use super::random::Stream;
use std::fmt;
use std::sync::Arc;

pub use affine::Affine;
pub use clamped::Clamped;
pub use constant::Constant;
pub use empirical::Empirical;
pub use exponential::Exponential;
pub use gamma::Gamma;
pub use geometric::Geometric;
pub use law_error::LawError;
pub use lognormal::Lognormal;
pub use mixture::Mixture;
pub use negative_binomial::NegativeBinomial;
pub use pareto::Pareto;
pub use poisson::Poisson;
pub use rounded::Rounded;
pub use truncated::Truncated;
pub use uniform::Uniform;
pub use weibull::Weibull;
pub use zipf::Zipf;

/// A probability law on the real line, bounded below. Cheap to clone: large tables are shared.
///
/// Made by the constructors of the same names, which refuse parameters that make no sense; a law
/// that exists can be sampled for ever and always gives finite numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Law {
    /// Always the same value.
    Constant(Constant),
    /// All values of an interval alike.
    Uniform(Uniform),
    /// Without memory.
    Exponential(Exponential),
    /// The exponential of a normal variable.
    Lognormal(Lognormal),
    /// A sum of exponential stages, for any real number of stages.
    Gamma(Arc<Gamma>),
    /// A power of an exponential variable.
    Weibull(Weibull),
    /// A power-law tail.
    Pareto(Pareto),
    /// Failures before the first success.
    Geometric(Geometric),
    /// Failures before the `r`-th success, for any real `r`.
    NegativeBinomial(NegativeBinomial),
    /// Independent events in a fixed time.
    Poisson(Poisson),
    /// Ranks with a power-law popularity.
    Zipf(Zipf),
    /// A table of measured quantiles.
    Empirical(Arc<Empirical>),
    /// One of several laws, by weight.
    Mixture(Arc<Mixture>),
    /// A law given that it falls inside bounds.
    Truncated(Arc<Truncated>),
    /// A law whose values outside bounds are moved to them.
    Clamped(Arc<Clamped>),
    /// A law rounded to whole numbers.
    Rounded(Arc<Rounded>),
    /// A law shifted and scaled.
    Affine(Arc<Affine>),
}

/// `E[Xᵏ; X <= x]` for k = 0, 1 and 2: probability, first and second partial moment.
type Partial = [f64; 3];

/// What each law of this folder answers; [`Law`] forwards to it.
trait Distribution {
    /// The smallest `x` with `P(X <= x) >= p`, for `0 < p < 1`.
    fn quantile(&self, p: f64) -> f64;

    /// The value that the uniform number `u` draws.
    fn draw(&self, u: f64) -> f64 {
        self.quantile(u)
    }

    /// Whether `draw` rises with its argument, as `quantile` does.
    fn inverts(&self) -> bool {
        true
    }

    /// `P(X <= x)`.
    fn cdf(&self, x: f64) -> f64;

    /// `E[Xᵏ; X <= x]`, also for an infinite `x`.
    fn partial(&self, x: f64) -> Partial;

    /// The mean, infinite where there is none.
    fn mean(&self) -> f64 {
        self.partial(f64::INFINITY)[1]
    }

    /// The variance, infinite where there is none.
    fn variance(&self) -> f64 {
        let [_, mean, square] = self.partial(f64::INFINITY);
        if square.is_finite() { (square - mean * mean).max(0.0) } else { f64::INFINITY }
    }

    /// The smallest and the largest value.
    fn support(&self) -> (f64, f64);
}

/// Evaluates an expression for the law inside, without dynamic dispatch.
macro_rules! each {
    ($law:expr, $inner:ident => $value:expr) => {
        match $law {
            Law::Constant($inner) => $value,
            Law::Uniform($inner) => $value,
            Law::Exponential($inner) => $value,
            Law::Lognormal($inner) => $value,
            Law::Gamma($inner) => $value,
            Law::Weibull($inner) => $value,
            Law::Pareto($inner) => $value,
            Law::Geometric($inner) => $value,
            Law::NegativeBinomial($inner) => $value,
            Law::Poisson($inner) => $value,
            Law::Zipf($inner) => $value,
            Law::Empirical($inner) => $value,
            Law::Mixture($inner) => $value,
            Law::Truncated($inner) => $value,
            Law::Clamped($inner) => $value,
            Law::Rounded($inner) => $value,
            Law::Affine($inner) => $value,
        }
    };
}

impl Law {
    /// Draws a value, taking one uniform number from the stream.
    #[inline]
    pub fn sample(&self, stream: &mut Stream) -> f64 {
        self.draw(stream.uniform())
    }

    /// Draws a value; what is constant takes nothing from the stream.
    #[must_use]
    pub fn sample_unless_constant(&self, stream: &mut Stream) -> f64 {
        // Counts are drawn most often, by laws between bounds.
        match self {
            Self::Constant(law) => law.quantile(0.5),
            Self::Clamped(law) => law.only().unwrap_or_else(|| law.draw(stream.uniform())),
            _ => self.is_constant().unwrap_or_else(|| self.sample(stream)),
        }
    }

    /// The value that the uniform number `u` draws, `0 < u < 1`: for quasi-random points and
    /// antithetic pairs. Rises with `u` unless the law contains a mixture.
    #[inline]
    #[must_use]
    pub fn draw(&self, u: f64) -> f64 {
        each!(self, law => law.draw(u))
    }

    /// The smallest `x` with `P(X <= x) >= p`; the smallest value for `p <= 0`, the largest (which may
    /// be infinite) for `p >= 1`.
    #[must_use]
    pub fn quantile(&self, p: f64) -> f64 {
        if p <= 0.0 {
            self.minimum()
        } else if p >= 1.0 {
            self.maximum()
        } else {
            each!(self, law => law.quantile(p))
        }
    }

    /// `P(X <= x)`.
    #[must_use]
    pub fn cdf(&self, x: f64) -> f64 {
        each!(self, law => law.cdf(x))
    }

    /// The mean; infinite for a tail too heavy to have one.
    #[must_use]
    pub fn mean(&self) -> f64 {
        each!(self, law => law.mean())
    }

    /// The variance; infinite for a tail too heavy to have one.
    #[must_use]
    pub fn variance(&self) -> f64 {
        each!(self, law => law.variance())
    }

    /// The smallest value, always finite.
    #[must_use]
    pub fn minimum(&self) -> f64 {
        self.support().0
    }

    /// The largest value, or infinity.
    #[must_use]
    pub fn maximum(&self) -> f64 {
        self.support().1
    }

    /// The value, where there is only one.
    #[must_use]
    #[inline]
    pub fn is_constant(&self) -> Option<f64> {
        // Asked for many draws: the usual laws answer at once.
        match self {
            Self::Constant(law) => return Some(law.quantile(0.5)),
            Self::Lognormal(_) | Self::Exponential(_) | Self::Gamma(_) => return None,
            Self::Truncated(law) if law.is_proper() => return None,
            Self::Clamped(law) => return law.only(),
            Self::Empirical(law) => return law.only(),
            _ => {}
        }
        let (low, high) = self.support();
        (low == high).then_some(low)
    }

    fn inverts(&self) -> bool {
        each!(self, law => law.inverts())
    }

    fn partial(&self, x: f64) -> Partial {
        each!(self, law => law.partial(x))
    }

    fn support(&self) -> (f64, f64) {
        each!(self, law => law.support())
    }

    /// Passes a law whose every sample is finite.
    fn finite(self) -> Result<Self, LawError> {
        const END: f64 = f64::EPSILON / 2.0;
        if self.draw(END).is_finite() && self.draw(1.0 - END).is_finite() {
            Ok(self)
        } else {
            Err(LawError::Overflow { law: self.to_string() })
        }
    }
}

/// As written by a person: `lognormal(median 854, sigma 0.64)`.
impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each!(self, law => law.fmt(f))
    }
}

/// `a - b`, term by term.
fn minus(a: Partial, b: Partial) -> Partial {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// The partial moments of a point mass.
fn atom(probability: f64, value: f64) -> Partial {
    if probability == 0.0 { [0.0; 3] } else { [1.0, value, value * value].map(|v| probability * v) }
}

/// Bounds as a person writes them.
struct Bounds(f64, f64);

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = super::units::format_number;
        match (self.0.is_finite(), self.1.is_finite()) {
            (true, true) => write!(f, "{}..{}", number(self.0), number(self.1)),
            (true, false) => write!(f, "{}..", number(self.0)),
            (false, true) => write!(f, "..{}", number(self.1)),
            (false, false) => f.write_str(".."),
        }
    }
}

#[cfg(test)]
mod tests;
