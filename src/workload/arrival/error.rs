//! Why an arrival process was refused.

use crate::foundations::distribution::LawError;

/// Parameters of an arrival process that make no sense, with the reason and the mend.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ArrivalError {
    /// A parameter lies outside its range.
    #[error("{process} arrivals: {parameter} is {value}{unit}, but must be {valid}")]
    Parameter {
        /// The process.
        process: &'static str,
        /// Which parameter.
        parameter: &'static str,
        /// What it is.
        value: f64,
        /// Its unit, with a space before it; empty where it has none.
        unit: &'static str,
        /// What it may be.
        valid: &'static str,
    },
    /// Parameters that contradict each other or the process.
    #[error("{process} arrivals: {problem}")]
    Contradiction {
        /// The process.
        process: &'static str,
        /// The contradiction and its mend.
        problem: String,
    },
    /// The law of the gaps was refused.
    #[error("{process} arrivals: {source}")]
    Gap {
        /// The process.
        process: &'static str,
        /// Why.
        source: LawError,
    },
}

/// Passes a rate that a clock of picoseconds can follow.
pub(super) fn check_rate(process: &'static str, rate: f64) -> Result<f64, ArrivalError> {
    let (parameter, unit, valid) = ("rate", " /s", "from 1e-9 to 1e9");
    require((1e-9..=1e9).contains(&rate), process, parameter, rate, unit, valid)
}

/// Passes a parameter that fulfils a condition.
pub(super) fn require(
    fulfilled: bool,
    process: &'static str,
    parameter: &'static str,
    value: f64,
    unit: &'static str,
    valid: &'static str,
) -> Result<f64, ArrivalError> {
    let refused = ArrivalError::Parameter { process, parameter, value, unit, valid };
    fulfilled.then_some(value).ok_or(refused)
}
