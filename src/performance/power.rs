//! Electrical power of an accelerator, by how much of the time its kernels run.
//!
//! ```text
//! power = idle + (full - idle) * busy
//! ```
//!
//! `busy` is the share of time in which kernels run: a GPU that waits for its host draws little. For
//! batches of many requests `full` is the design power. Fitted to the mean power of 49 runs at
//! Poisson rates of 1 to 200 requests per second (pChitral/vllm-cost-meter, arXiv 2606.11690) and
//! given the utilisation measured there, it is 2.1 % off in the mean on A100 PCIe and 5.3 % on
//! H100 NVL. Batches of one in FP8 or of a mixture of experts draw 15 to 20 % less.
//!
//! ```
//! use tokenfleet::catalog::Catalog;
//! use tokenfleet::performance::GpuPower;
//!
//! let a100 = GpuPower::of(Catalog::embedded().accelerator("a100-pcie-80gb")?);
//! assert_eq!((a100.watts(0.0), a100.watts(0.5), a100.watts(1.0)), (80.0, 190.0, 300.0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::catalog::{Accelerator, Field};

/// The power of one accelerator, host and cooling apart. What nobody has published is not a number,
/// and so is every figure that needs it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GpuPower {
    /// With a model loaded and nothing to do, W.
    pub idle_w: f64,
    /// With kernels running all the time, W.
    pub full_w: f64,
}

impl GpuPower {
    /// Not known.
    pub const UNKNOWN: Self = Self { idle_w: f64::NAN, full_w: f64::NAN };

    /// The power of an accelerator, from its idle and its design power.
    #[must_use]
    pub fn of(accelerator: &Accelerator) -> Self {
        let figure = |field| accelerator.value(field).unwrap_or(f64::NAN);
        Self { idle_w: figure(Field::IdlePower), full_w: figure(Field::Tdp) }
    }

    /// Mean power while kernels run this share of the time, W.
    #[must_use]
    pub fn watts(&self, busy: f64) -> f64 {
        self.idle_w + (self.full_w - self.idle_w) * busy
    }

    /// Energy over `total_s` seconds, in `busy_s` of which kernels run, J.
    #[must_use]
    pub fn joules(&self, total_s: f64, busy_s: f64) -> f64 {
        self.idle_w * (total_s - busy_s) + self.full_w * busy_s
    }
}
