//! A deployment's own factors, fitted to measurements of it: the file that `tokenfleet calibrate`
//! writes and that a pool names.
//!
//! ```
//! use tokenfleet::catalog::Calibration;
//!
//! let text = r#"
//!     model = "llama-3.3-70b"
//!     accelerator = "h100-sxm"
//!     engine = "vllm"
//!     tensor_parallel = 4
//!     points = 5
//!     tpot_error = 0.031
//!     source = "bench-8.json, bench-32.json, bench-64.json"
//!     gpu_time = { value = 1.05, low = 0.98, high = 1.12 }
//!     host_time = { value = 0.9, low = 0.7, high = 1.15 }
//! "#;
//! let calibration = Calibration::read(text)?;
//! assert_eq!(calibration.gpu_time.value, 1.05);
//! assert_eq!(Calibration::read(&calibration.to_toml()), Ok(calibration));
//! # Ok::<(), tokenfleet::catalog::BadCalibration>(())
//! ```

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::figure::{Confidence, Provenance};

/// Factors on the times of a deployment, and what they were fitted to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Key of the model that was measured.
    pub model: String,
    /// Key of the accelerator.
    pub accelerator: String,
    /// Key of the engine.
    pub engine: String,
    /// GPUs that each layer was spread over.
    pub tensor_parallel: u32,
    /// Measured points.
    pub points: u32,
    /// Mean error of time per output token without these factors, as a share of the measured one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpot_error_before: Option<f64>,
    /// The same with them, of points left out of the fit.
    pub tpot_error: f64,
    /// The same of time to first token, where the points have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_error: Option<f64>,
    /// The files of the points.
    pub source: String,
    /// When they were measured, where that is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub date: String,
    /// On the time in kernels.
    pub gpu_time: Factor,
    /// On the time of launches and of the host's work.
    pub host_time: Factor,
    /// On the delays before the scheduler, where the points tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub front_end: Option<Factor>,
}

/// A factor and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Factor {
    /// The factor.
    pub value: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Why a text is no calibration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct BadCalibration {
    /// What is wrong.
    pub reason: String,
    /// Where, in bytes.
    pub span: Option<Range<usize>>,
}

impl Calibration {
    /// Reads what [`Calibration::to_toml`] wrote.
    ///
    /// # Errors
    /// [`BadCalibration`] for what is missing, unknown or cannot be.
    pub fn read(text: &str) -> Result<Self, BadCalibration> {
        /// Further from 1 it is not the same deployment.
        const FURTHEST: f64 = 100.0;
        let found: Self = toml::from_str(text).map_err(|error| BadCalibration {
            reason: error.message().lines().next().unwrap_or_default().to_owned(),
            span: error.span(),
        })?;
        let factors = [
            ("gpu_time", Some(found.gpu_time)),
            ("host_time", Some(found.host_time)),
            ("front_end", found.front_end),
        ];
        for (name, factor) in factors {
            let fits = |value: f64| (1.0 / FURTHEST..=FURTHEST).contains(&value);
            if let Some(factor) = factor.filter(|factor| !fits(factor.value)) {
                let reason = format!("`{name}` is {}, which no machine explains", factor.value);
                return Err(BadCalibration { reason, span: None });
            }
        }
        Ok(found)
    }

    /// The file that a pool can name.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let head = "# Factors of a deployment, by `tokenfleet calibrate`. A pool names this file:\n\
                    # calibration = \"FILE\"\n\n";
        // Of numbers, texts and tables of them nothing can fail.
        head.to_owned() + &toml::to_string(self).unwrap_or_default()
    }

    /// Its factors as rows of a listing, under the name of what they are applied to.
    #[must_use]
    pub fn provenance(&self, what: &str) -> Vec<Provenance> {
        let named = [
            ("gpu_time", Some(self.gpu_time)),
            ("host_time", Some(self.host_time)),
            ("front_end", self.front_end),
        ];
        let row = |(name, factor): (&str, Option<Factor>)| {
            let Factor { value, low, high } = factor?;
            Some(Provenance {
                what: what.to_owned(),
                figure: name.to_owned(),
                value: value.to_string(),
                low: low.to_string(),
                high: high.to_string(),
                source: format!("calibrated with {} points: {}", self.points, self.source),
                date: self.date.clone(),
                confidence: Confidence::A,
                assumed: false,
                note: String::new(),
            })
        };
        named.into_iter().filter_map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "model = 'a'\naccelerator = 'b'\nengine = 'c'\ntensor_parallel = 1\n\
                        points = 3\ntpot_error = 0.05\nsource = 'x.json'\n\
                        gpu_time = { value = 1.0, low = 0.9, high = 1.1 }\n\
                        host_time = { value = 1.0, low = 0.9, high = 1.1 }\n";

    #[test]
    fn what_is_wrong_is_told() {
        let reason = |text: &str| Calibration::read(text).unwrap_err().reason;
        assert!(Calibration::read(GOOD).is_ok());
        assert_eq!(reason(&GOOD.replace("points = 3\n", "")), "missing field `points`");
        assert!(reason(&GOOD.replace("engine", "engin")).starts_with("unknown field `engin`"));
        let far = reason(&GOOD.replacen("value = 1.0", "value = 0.0", 1));
        assert_eq!(far, "`gpu_time` is 0, which no machine explains");
    }
}
