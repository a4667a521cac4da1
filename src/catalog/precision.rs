//! Number formats, the memory they take and the arithmetic they run on.
//!
//! A matrix product runs in the *wider* of its weight and activation formats: fp8 weights with fp8
//! activations use the fp8 units; int4 or mxfp4 weights with bf16 activations are unpacked on the
//! way and use the bf16 units ("weight only": less memory traffic, no faster arithmetic); bf16
//! attention matrices beside fp8 experts stay on the bf16 units.
//!
//! Effective bits include the scales that are stored with the elements: NVFP4 has an 8-bit scale
//! per 16 elements (4.5 bits), MXFP4 an 8-bit one per 32 (4.25), int4 a 16-bit one per 32 (4.5).
//! Embedding, output matrix, norms and routers stay in 16 bits in quantised checkpoints, and here.
//!
//! ```
//! use tokenfleet::catalog::{Catalog, NumberFormat, Precision};
//!
//! let catalog = Catalog::embedded();
//! let fp8 = Precision::of(NumberFormat::Fp8);
//! assert!(fp8.check(catalog.accelerator("h100-sxm")?).is_ok());
//! let error = fp8.check(catalog.accelerator("a100-sxm-80gb")?).unwrap_err();
//! assert!(error.to_string().contains("activations = \"bf16\""));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::name::UnknownName;

/// How a number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NumberFormat {
    /// IEEE single precision.
    Fp32,
    /// 16-bit: bfloat16, or IEEE half (`fp16`), which costs the same everywhere.
    Bf16,
    /// 8-bit floating point, per-tensor or 128 x 128 block scales (0.002 bits, neglected).
    Fp8,
    /// 8-bit integer, per-channel scales.
    Int8,
    /// 4-bit integer in groups of 32 with a 16-bit scale.
    Int4,
    /// OCP microscaling 4-bit float: groups of 32 with an 8-bit scale.
    Mxfp4,
    /// NVIDIA 4-bit float: groups of 16 with an 8-bit scale.
    Nvfp4,
}

impl NumberFormat {
    /// Every format, widest first.
    pub const ALL: [Self; 7] =
        [Self::Fp32, Self::Bf16, Self::Fp8, Self::Int8, Self::Int4, Self::Mxfp4, Self::Nvfp4];

    /// Name, as scenarios write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
            Self::Fp8 => "fp8",
            Self::Int8 => "int8",
            Self::Int4 => "int4",
            Self::Mxfp4 => "mxfp4",
            Self::Nvfp4 => "nvfp4",
        }
    }

    /// Quarters of a bit per element with its scales: exact, so that byte counts are.
    const fn quarter_bits(self) -> u64 {
        match self {
            Self::Fp32 => 128,
            Self::Bf16 => 64,
            Self::Fp8 | Self::Int8 => 32,
            Self::Int4 | Self::Nvfp4 => 18,
            Self::Mxfp4 => 17,
        }
    }

    /// Effective bits per element, scales included.
    #[must_use]
    pub fn bits_per_element(self) -> f64 {
        self.quarter_bits() as f64 / 4.0
    }

    /// Effective bytes per element, scales included.
    #[must_use]
    pub fn bytes_per_element(self) -> f64 {
        self.quarter_bits() as f64 / 32.0
    }

    /// Bytes of `elements`, scales included, rounded up; saturates at `u64::MAX`.
    #[must_use]
    pub fn bytes(self, elements: u64) -> u64 {
        let bytes = (u128::from(elements) * u128::from(self.quarter_bits())).div_ceil(32);
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// The arithmetic units that multiply two operands of this format.
    #[must_use]
    pub const fn compute(self) -> ComputeFormat {
        match self {
            Self::Fp32 => ComputeFormat::Fp32,
            Self::Bf16 => ComputeFormat::Bf16,
            Self::Fp8 => ComputeFormat::Fp8,
            Self::Int8 | Self::Int4 => ComputeFormat::Int8,
            Self::Mxfp4 | Self::Nvfp4 => ComputeFormat::Fp4,
        }
    }

    /// Activations that engines use with weights of this format when nothing is said: the same
    /// format for fp8, int8 and nvfp4; bf16 for int4 and mxfp4, whose usual kernels unpack them.
    #[must_use]
    pub const fn usual_activations(self) -> Self {
        match self {
            Self::Int4 | Self::Mxfp4 => Self::Bf16,
            other => other,
        }
    }
}

impl fmt::Display for NumberFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for NumberFormat {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let name = text.trim().to_ascii_lowercase();
        let canonical = match name.as_str() {
            "fp16" | "float16" | "half" | "bfloat16" | "f16" => "bf16",
            "float32" | "f32" => "fp32",
            "fp8_e4m3" | "fp8_e5m2" | "float8" | "e4m3" => "fp8",
            "fp4" | "nvfp4_block" => "nvfp4",
            other => other,
        };
        Self::ALL.into_iter().find(|format| format.name() == canonical).ok_or_else(|| {
            let valid = Self::ALL.iter().map(ToString::to_string).collect();
            UnknownName::new("number format", text, valid)
        })
    }
}

impl<'de> Deserialize<'de> for NumberFormat {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A kind of matrix unit, with a peak rate of its own in each accelerator's datasheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ComputeFormat {
    /// IEEE single precision outside the matrix units.
    Fp32,
    /// 19-bit single precision on matrix units.
    Tf32,
    /// 16-bit floating point.
    Bf16,
    /// 8-bit floating point.
    Fp8,
    /// 4-bit floating point.
    Fp4,
    /// 8-bit integer.
    Int8,
}

impl ComputeFormat {
    /// Every kind, widest first.
    pub const ALL: [Self; 6] =
        [Self::Fp32, Self::Tf32, Self::Bf16, Self::Fp8, Self::Fp4, Self::Int8];

    /// Name, as listings write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
            Self::Fp8 => "fp8",
            Self::Fp4 => "fp4",
            Self::Int8 => "int8",
        }
    }
}

impl fmt::Display for ComputeFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The formats that a deployment uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Precision {
    /// Linear layers outside the routed experts.
    pub weights: NumberFormat,
    /// Routed experts.
    pub experts: NumberFormat,
    /// What the matrix products read beside the weights.
    pub activations: NumberFormat,
    /// Keys and values in the cache.
    pub kv: NumberFormat,
}

impl Precision {
    /// Weights of one format, the activations that go with it and a 16-bit KV cache.
    #[must_use]
    pub fn of(weights: NumberFormat) -> Self {
        let activations = weights.usual_activations();
        Self { weights, experts: weights, activations, kv: NumberFormat::Bf16 }
    }

    /// The same with another KV format.
    #[must_use]
    pub fn with_kv(self, kv: NumberFormat) -> Self {
        Self { kv, ..self }
    }

    /// The same with other activations.
    #[must_use]
    pub fn with_activations(self, activations: NumberFormat) -> Self {
        Self { activations, ..self }
    }

    /// Units that the linear layers outside the routed experts run on.
    #[must_use]
    pub fn compute(&self) -> ComputeFormat {
        self.compute_with(self.weights)
    }

    /// Units that the routed experts run on.
    #[must_use]
    pub fn expert_compute(&self) -> ComputeFormat {
        self.compute_with(self.experts)
    }

    /// Units that a product with `weights` runs on: those of the wider operand.
    #[must_use]
    pub fn compute_with(&self, weights: NumberFormat) -> ComputeFormat {
        wider(weights, self.activations).compute()
    }

    /// Format of embedding, output matrix, norms and routers: never narrower than 16 bits.
    #[must_use]
    pub fn unquantised(&self) -> NumberFormat {
        wider(self.weights, NumberFormat::Bf16)
    }

    /// True where activations are quantised on the fly, which costs kernels of its own.
    #[must_use]
    pub fn quantises_activations(&self) -> bool {
        self.activations.quarter_bits() < NumberFormat::Bf16.quarter_bits()
    }
}

fn wider(a: NumberFormat, b: NumberFormat) -> NumberFormat {
    if a.quarter_bits() >= b.quarter_bits() { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_the_scales_exactly() {
        // 576 latent elements per token: 1,152 B in bf16, 576 in fp8, 324 in nvfp4.
        let bytes = |format: NumberFormat| format.bytes(576);
        assert_eq!(bytes(NumberFormat::Bf16), 1152);
        assert_eq!(bytes(NumberFormat::Fp8), 576);
        assert_eq!(bytes(NumberFormat::Nvfp4), 324);
        assert_eq!(NumberFormat::Mxfp4.bytes(1), 1);
        assert_eq!(NumberFormat::Fp32.bytes(u64::MAX), u64::MAX);
        assert_eq!(NumberFormat::Mxfp4.bits_per_element(), 4.25);
    }

    #[test]
    fn the_wider_operand_decides_the_units() {
        let weight_only = Precision::of(NumberFormat::Int4);
        assert_eq!(weight_only.compute(), ComputeFormat::Bf16);
        assert_eq!(Precision::of(NumberFormat::Nvfp4).compute(), ComputeFormat::Fp4);
        let mixed = Precision {
            experts: NumberFormat::Mxfp4,
            ..Precision::of(NumberFormat::Bf16).with_activations(NumberFormat::Fp8)
        };
        assert_eq!(mixed.compute(), ComputeFormat::Bf16);
        assert_eq!(mixed.expert_compute(), ComputeFormat::Fp8);
        assert_eq!(mixed.unquantised(), NumberFormat::Bf16);
    }

    #[test]
    fn names_parse_with_their_synonyms_and_unknown_ones_list_the_valid() {
        assert_eq!("FP16".parse(), Ok(NumberFormat::Bf16));
        assert_eq!("nvfp4".parse(), Ok(NumberFormat::Nvfp4));
        let error = "fp9".parse::<NumberFormat>().unwrap_err();
        assert_eq!(error.meant.as_deref(), Some("fp8"));
        assert_eq!(error.valid.len(), NumberFormat::ALL.len());
    }
}
