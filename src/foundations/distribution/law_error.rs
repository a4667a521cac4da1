//! Why a law was refused.

use crate::foundations::units::format_percent;

/// A law that makes no sense, with the reason and the mend.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LawError {
    /// A parameter lies outside its range.
    #[error("{law}: {parameter} is {value}, but must be {valid}")]
    Parameter {
        /// The law.
        law: &'static str,
        /// Which parameter.
        parameter: &'static str,
        /// What it is.
        value: f64,
        /// What it may be.
        valid: &'static str,
    },
    /// Two parameters contradict each other.
    #[error("{law}: {problem}")]
    Contradiction {
        /// The law.
        law: &'static str,
        /// The contradiction and its mend.
        problem: String,
    },
    /// Samples can be too large for a double.
    #[error("{law}: its samples can overflow; give it a lighter tail")]
    Overflow {
        /// The law.
        law: String,
    },
    /// A discrete law spreads over too many integers to tabulate.
    #[error(
        "{law}: its table would need more than {limit} entries; make it narrower, or round a \
         continuous law"
    )]
    TooWide {
        /// The law.
        law: String,
        /// The most entries that a table may have.
        limit: usize,
    },
    /// Bounds that leave nothing of a law.
    #[error(
        "{law}: only {} of it lies within {low} to {high}; widen the bounds",
        format_percent(*mass)
    )]
    Outside {
        /// The law.
        law: String,
        /// The lower bound.
        low: f64,
        /// The upper bound.
        high: f64,
        /// The probability between them.
        mass: f64,
    },
}

impl LawError {
    /// Passes a parameter that is above zero and finite.
    pub(super) fn positive(
        law: &'static str,
        parameter: &'static str,
        value: f64,
    ) -> Result<f64, Self> {
        let valid = "above 0 and finite";
        Self::require(value > 0.0 && value.is_finite(), law, parameter, value, valid)
    }

    /// Passes a parameter that is a finite number.
    pub(super) fn finite(
        law: &'static str,
        parameter: &'static str,
        value: f64,
    ) -> Result<f64, Self> {
        Self::require(value.is_finite(), law, parameter, value, "a finite number")
    }

    /// Passes a parameter that fulfils a condition.
    pub(super) fn require(
        fulfilled: bool,
        law: &'static str,
        parameter: &'static str,
        value: f64,
        valid: &'static str,
    ) -> Result<f64, Self> {
        fulfilled.then_some(value).ok_or(Self::Parameter { law, parameter, value, valid })
    }

    /// Passes bounds in the right order.
    pub(super) fn ordered(law: &'static str, low: f64, high: f64) -> Result<(), Self> {
        (low <= high).then_some(()).ok_or_else(|| Self::Contradiction {
            law,
            problem: format!("the lower bound {low} must not exceed the upper bound {high}"),
        })
    }
}
