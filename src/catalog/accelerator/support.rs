//! Whether an accelerator has the matrix units that a precision needs.

use super::Accelerator;
use crate::catalog::precision::{ComputeFormat, NumberFormat, Precision};

impl Precision {
    /// Asks whether `accelerator` has the matrix units that these formats need. The KV cache may
    /// have any format, for it is only stored.
    ///
    /// # Errors
    /// [`UnsupportedPrecision`], with the units that there are and the change that would do.
    pub fn check(&self, accelerator: &Accelerator) -> Result<(), UnsupportedPrecision> {
        for (part, weights) in [("weights", self.weights), ("experts", self.experts)] {
            let needed = self.compute_with(weights);
            if accelerator.peak_flops(needed).is_some() {
                continue;
            }
            return Err(UnsupportedPrecision {
                accelerator: accelerator.key.clone(),
                part,
                weights,
                activations: self.activations,
                needed,
                available: accelerator.compute_formats(),
            });
        }
        Ok(())
    }
}

/// A precision that the hardware has no matrix units for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{accelerator}` has no {needed} units, which {part} = \"{weights}\" with activations = \
     \"{activations}\" need; it has {}{}",
    list(available),
    mend(available)
)]
pub struct UnsupportedPrecision {
    /// Key of the accelerator.
    pub accelerator: String,
    /// The part of the precision at fault: `weights` or `experts`.
    pub part: &'static str,
    /// Format of those weights.
    pub weights: NumberFormat,
    /// Format of the activations.
    pub activations: NumberFormat,
    /// Units that this asks for.
    pub needed: ComputeFormat,
    /// Units that there are.
    pub available: Vec<ComputeFormat>,
}

fn list(available: &[ComputeFormat]) -> String {
    match available {
        [] => "no published matrix rate at all".to_owned(),
        formats => formats.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

fn mend(available: &[ComputeFormat]) -> &'static str {
    if available.contains(&ComputeFormat::Bf16) {
        "; narrow weights with activations = \"bf16\" are unpacked and run on its bf16 units"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[test]
    fn narrow_arithmetic_is_refused_where_there_is_none_and_weight_only_is_not() {
        use NumberFormat::{Bf16, Fp8, Int4, Int8, Mxfp4, Nvfp4};
        let catalog = Catalog::embedded();
        let runs = |key: &str, precision: Precision| {
            precision.check(catalog.accelerator(key).unwrap()).is_ok()
        };
        for (key, weights, expected) in [
            ("a100-sxm", Fp8, false),
            ("a100-sxm", Int8, true),
            ("a100-sxm", Int4, true),
            ("h100-sxm", Fp8, true),
            ("h100-sxm", Nvfp4, false),
            ("h100-sxm", Mxfp4, true),
            ("b200-sxm", Nvfp4, true),
            ("mi300x", Fp8, true),
            ("mi300x", Nvfp4, false),
        ] {
            assert_eq!(runs(key, Precision::of(weights)), expected, "{weights} on {key}");
        }
        let weight_only = Precision::of(Nvfp4).with_activations(Bf16);
        assert!(runs("h100-sxm", weight_only));
        assert!(runs("a100-sxm", Precision::of(Bf16).with_kv(Fp8)));
    }

    #[test]
    fn the_error_names_the_units_and_the_mend() {
        let catalog = Catalog::embedded();
        let hopper = catalog.accelerator("h100").unwrap();
        let error = Precision::of(NumberFormat::Nvfp4).check(hopper).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`h100-sxm` has no fp4 units, which weights = \"nvfp4\" with activations = \"nvfp4\" \
             need; it has fp32, tf32, bf16, fp8, int8; narrow weights with activations = \"bf16\" \
             are unpacked and run on its bf16 units"
        );
    }
}
