//! How far the model itself may be off, beside chance.
//!
//! An interval over trials says how much a figure owes to the seed, and shrinks as trials are added.
//! What the step-time model gets wrong does not: it is known from measurements of the same kind
//! ([`Accuracy`]), from the points that a pool was calibrated with, or it is an extrapolation. If
//! predictions are off by a share `e`, what will be measured lies between `x / (1 + e)` and
//! `x / (1 - e)`.

use std::fmt;

use crate::catalog::{Accuracy, Basis, ClassError, Latency};
use crate::foundations::Interval;
use crate::foundations::units::{format_count, format_percent};
use crate::simulation::plan::{Plan, Pool};

use super::evidence::Part;
use super::metric::Scope;

/// The model's own error in the latencies of a pool.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelError {
    /// In time per output token.
    pub tpot: Band,
    /// In time to first token.
    pub ttft: Band,
}

/// How far one latency may be off, and how that is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// As a share of what is measured.
    pub error: f64,
    /// Measured rows that this stands on.
    pub rows: u32,
    /// How it is known.
    pub basis: BandBasis,
    /// The same in words.
    pub told: String,
}

/// How an error is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BandBasis {
    /// From points of the pool itself that were left out of its calibration.
    Calibrated,
    /// From measured steps that stand in for the model.
    StepTable,
    /// From measurements of this engine, accelerator and model.
    Measured,
    /// From models that were left out of the fit.
    ModelLeftOut,
    /// From accelerators that were left out of the fit.
    AcceleratorLeftOut,
    /// Nothing was measured.
    Unknown,
}

/// The error of a latency for which there are no measurements at all: a datasheet's roofline with
/// fitted efficiencies is about so far off on hardware that it has not seen.
const UNKNOWN: f64 = 0.15;

impl ModelError {
    /// What is known of a pool.
    #[must_use]
    pub fn of(pool: &Pool) -> Self {
        let known = Accuracy::embedded();
        let class = |latency| {
            known.expected(latency, &pool.engine, &pool.accelerator, &pool.measured_model)
        };
        let mut found = Self {
            tpot: Band::of(pool, class(Latency::Tpot)),
            ttft: Band::of(pool, class(Latency::Ttft)),
        };
        if let Some(calibration) = &pool.calibration {
            let band = |error| Band {
                error,
                rows: calibration.points,
                basis: BandBasis::Calibrated,
                told: format!("calibrated with {} points of its own", calibration.points),
            };
            found.tpot = band(calibration.tpot_error);
            if let Some(error) = calibration.ttft_error {
                found.ttft = band(error);
            }
        }
        if let Some(steps) = &pool.replica.model.measured {
            found.tpot = Band {
                error: steps.worst_error(),
                rows: steps.rows(),
                basis: BandBasis::StepTable,
                told: format!("{} measured steps", steps.rows()),
            };
        }
        found
    }

    /// The share by which a figure may be off; none where the model has no part in it, as in tokens,
    /// or where that is not known.
    #[must_use]
    pub fn share(&self, metric: &str) -> Option<f64> {
        match metric {
            "ttft_s" => Some(self.ttft.error),
            "tpot_s" | "itl_s" | "call_latency_s" | "task_latency_s" | "output_tokens_per_s" => {
                Some(self.tpot.error)
            }
            _ => None,
        }
    }
}

/// The share by which a figure of a part may be off: the largest of the pools that it rests on.
#[must_use]
pub fn share_of(plan: &Plan, part: &Part, metric: &str) -> Option<f64> {
    let concerns = |pool: &&Pool| match part.scope {
        Scope::Fleet | Scope::Agent | Scope::Tenant => true,
        Scope::Pool => pool.name == part.name,
        Scope::Endpoint => false,
    };
    let shares = plan.pools.iter().filter(concerns).map(|pool| ModelError::of(pool).share(metric));
    shares.flatten().reduce(f64::max)
}

/// Where a figure will be measured whose prediction may be off by `share`.
#[must_use]
pub fn band(value: f64, share: f64) -> Interval {
    Interval { low: value / (1.0 + share), high: value / (1.0 - share.min(0.99)) }
}

impl Band {
    fn of(pool: &Pool, class: Option<&ClassError>) -> Self {
        let Pool { engine, accelerator, model, .. } = pool;
        let Some(class) = class else {
            let told = "nothing of the kind was measured".to_owned();
            return Self { error: UNKNOWN, rows: 0, basis: BandBasis::Unknown, told };
        };
        let rows = format_count(f64::from(class.rows));
        let (basis, told) = match class.basis {
            Basis::Measured => (
                BandBasis::Measured,
                format!("{rows} measured rows of {} with {engine} on {accelerator}", class.model),
            ),
            Basis::ModelLeftOut => (
                BandBasis::ModelLeftOut,
                format!(
                    "extrapolated: no measurement of {model} with {engine} on {accelerator}, other \
                     models left out of the fit were so far off"
                ),
            ),
            Basis::AcceleratorLeftOut => (
                BandBasis::AcceleratorLeftOut,
                format!(
                    "extrapolated: no measurement of {accelerator} with {engine}, other \
                     accelerators left out of the fit were so far off"
                ),
            ),
        };
        Self { error: class.expected(), rows: class.rows, basis, told }
    }
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tpot, ttft } = self;
        let [of_tpot, of_ttft] = [tpot, ttft].map(|band| format_percent(percent(band.error)));
        match tpot.told == ttft.told {
            true => write!(f, "TPOT ±{of_tpot}, TTFT ±{of_ttft} ({})", tpot.told),
            false => {
                write!(f, "TPOT ±{of_tpot} ({}), TTFT ±{of_ttft} ({})", tpot.told, ttft.told)
            }
        }
    }
}

/// Whole percents: an error is not known to more.
fn percent(share: f64) -> f64 {
    libm::round(100.0 * share).max(1.0) / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_holds_what_is_measured_when_the_prediction_is_off() {
        // 10 % too high and 10 % too low of a measured 100.
        let [high, low] = [110.0, 90.0].map(|predicted| band(predicted, 0.1));
        assert!((high.low - 100.0).abs() < 1e-9 && (low.high - 100.0).abs() < 1e-9);
    }
}
