//! An accelerator's own rates, from kernels timed on it.
//!
//! `python/measure_gpu.py` times products, attention and copies. Each has a time by the model: the
//! smooth maximum of its arithmetic and its traffic at the datasheet's peaks and the engine's
//! efficiencies. Two factors, on rates of arithmetic and of memory, bring these to what was timed, by
//! least squares on logarithms with the ridge that deployments are calibrated with:
//!
//! ```text
//! time = P( operations / (compute_factor rate), bytes / (memory_factor bandwidth) )
//! ```
//!
//! They are the engine's coefficients of the same names. How long a launch takes is told, but nothing
//! is made of it: it holds for the measuring program's host, not for the server's.

use serde::Deserialize;

use crate::catalog::{Accelerator, ComputeFormat, Engine, MissingFigure};
use crate::foundations::least_squares::{NoMinimum, minimise, soft_l1};
use crate::performance::SmoothMax;

/// What `python/measure_gpu.py` wrote.
#[derive(Clone, Debug, Deserialize)]
pub struct TimedKernels {
    /// Version of the format.
    pub measure_gpu: u32,
    /// What was measured.
    pub device: Device,
    /// When.
    #[serde(default)]
    pub date: String,
    /// Kernels.
    pub measurements: Vec<TimedKernel>,
}

/// The device that kernels were timed on.
#[derive(Clone, Debug, Deserialize)]
pub struct Device {
    /// As its driver calls it.
    pub name: String,
    /// `cuda`, `rocm` or `cpu`.
    pub backend: String,
}

/// One kernel.
#[derive(Clone, Debug, Deserialize)]
pub struct TimedKernel {
    /// `gemm`, `decode_attention`, `prefill_attention`, `copy`, `launch`, `all_reduce`.
    pub kind: String,
    /// Of a product: `bf16` or `fp8`.
    #[serde(default)]
    pub precision: String,
    /// Operations, FLOP.
    #[serde(default)]
    pub flops: f64,
    /// Bytes read and written.
    #[serde(default)]
    pub bytes: f64,
    /// How long it takes.
    pub seconds: f64,
}

/// Factors on an accelerator's rates.
#[derive(Clone, Debug, PartialEq)]
pub struct AcceleratorFactors {
    /// On its arithmetic.
    pub compute_factor: f64,
    /// On its memory.
    pub memory_factor: f64,
    /// By kind of kernel: how many, and the median of measured over predicted time before and after.
    pub kinds: Vec<(String, usize, f64, f64)>,
}

impl AcceleratorFactors {
    /// The part of a scenario that sets them.
    #[must_use]
    pub fn to_toml(&self, engine: &str, timed: &TimedKernels) -> String {
        let Self { compute_factor, memory_factor, .. } = self;
        let when = if timed.date.is_empty() { "" } else { ", " };
        format!(
            "# Kernels timed on {}{when}{}.\n[engines.{engine}]\n\
             compute_factor = {compute_factor:.3}\nmemory_factor = {memory_factor:.3}\n",
            timed.device.name, timed.date
        )
    }
}

/// Why kernels say nothing of an accelerator.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NoFactors {
    /// The catalog lacks a figure.
    #[error(transparent)]
    Missing(#[from] MissingFigure),
    /// Too few kernels that take longer than a launch.
    #[error("{found} kernels are long enough to tell rates by, {LEAST} are needed")]
    TooFew {
        /// Kernels.
        found: usize,
    },
    /// Timed on a CPU.
    #[error("these kernels were timed on a CPU, which only shows that the script runs")]
    Cpu,
    /// The solver gave up.
    #[error("the fit failed: {0}")]
    Unsolved(#[from] NoMinimum),
}

/// Kernels that are needed.
const LEAST: usize = 6;
/// Shorter kernels are mostly launch.
const SHORTEST_S: f64 = 30e-6;
const SCALE: f64 = 0.1;
const RIDGE: f64 = 0.4;

impl TimedKernels {
    /// Whether a text is one of these files; anything else is for another reader.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        text.trim_start().starts_with('{') && text.contains("\"measure_gpu\"")
    }

    /// Seconds of one launch, from a captured graph where there was one.
    #[must_use]
    pub fn launch_s(&self) -> Option<f64> {
        self.measurements.iter().rev().find(|row| row.kind == "launch").map(|row| row.seconds)
    }

    /// The factors that bring `engine`'s model of `accelerator` to these kernels.
    ///
    /// # Errors
    /// [`NoFactors`].
    pub fn factors(
        &self,
        accelerator: &Accelerator,
        engine: &Engine,
    ) -> Result<AcceleratorFactors, NoFactors> {
        if self.device.backend == "cpu" {
            return Err(NoFactors::Cpu);
        }
        let step = engine.step_on(accelerator);
        let bend = SmoothMax::new(step.overlap_sharpness);
        let bandwidth = accelerator.memory_bandwidth()?;
        let peak16 = accelerator.peak(ComputeFormat::Bf16)?;
        let chip = match accelerator.peak_flops(ComputeFormat::Fp4) {
            Some(_) => step.compute_factor_fp4_chip,
            None => 1.0,
        };
        let mut rows = Vec::new();
        for row in &self.measurements {
            let (rate, share) = match (row.kind.as_str(), row.precision.as_str()) {
                ("gemm", "fp8") => {
                    let peak = accelerator.peak(ComputeFormat::Fp8)?;
                    (step.compute_efficiency_fp8 * peak, step.memory_efficiency)
                }
                ("gemm", _) => (step.compute_efficiency_bf16 * peak16, step.memory_efficiency),
                ("decode_attention" | "prefill_attention", _) => {
                    (step.attention_compute_efficiency * peak16, step.attention_memory_efficiency)
                }
                ("copy", _) => (peak16, step.memory_efficiency),
                _ => continue,
            };
            let rate = rate * chip * step.compute_factor;
            let bandwidth = share * step.memory_factor * bandwidth;
            let (compute_s, memory_s) = (row.flops / rate, row.bytes / bandwidth);
            if row.seconds.is_finite() && row.seconds > SHORTEST_S {
                let kind = format!("{} {}", row.kind, row.precision).trim().to_owned();
                rows.push((kind, compute_s, memory_s, row.seconds));
            }
        }
        if rows.len() < LEAST {
            return Err(NoFactors::TooFew { found: rows.len() });
        }
        let ratio = |x: &[f64], &(_, compute_s, memory_s, seconds): &(String, f64, f64, f64)| {
            let [compute, memory] = [x[0], x[1]].map(libm::exp);
            bend.of(compute_s / compute, memory_s / memory) / seconds
        };
        let found = minimise(&[0.0, 0.0], |x| {
            let errors = rows.iter().map(|row| soft_l1(libm::log(ratio(x, row)), SCALE));
            errors.chain(x.iter().map(|x| RIDGE * x)).collect()
        })?
        .parameters;
        let mut names: Vec<String> = rows.iter().map(|(kind, ..)| kind.clone()).collect();
        names.sort();
        names.dedup();
        let middle = |kind: &str, x: &[f64]| {
            let of = rows.iter().filter(|(name, ..)| name == kind);
            let mut ratios: Vec<f64> = of.map(|row| 1.0 / ratio(x, row)).collect();
            ratios.sort_unstable_by(f64::total_cmp);
            (ratios.len(), ratios[ratios.len() / 2])
        };
        let kinds = names.into_iter().map(|kind| {
            let ((count, before), (_, after)) = (middle(&kind, &[0.0; 2]), middle(&kind, &found));
            (kind, count, before, after)
        });
        let kinds = kinds.collect();
        let [compute, memory] = [found[0], found[1]].map(libm::exp);
        // What the engine holds for this accelerator stays a part of it.
        let (compute_factor, memory_factor) =
            (compute * step.compute_factor, memory * step.memory_factor);
        Ok(AcceleratorFactors { compute_factor, memory_factor, kinds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    /// Kernels of an H200 whose arithmetic is 10 % slower than the model has it and whose memory is
    /// 5 % faster.
    fn timed() -> TimedKernels {
        let catalog = Catalog::embedded();
        let (h200, engine) =
            (catalog.accelerator("h200-sxm").unwrap(), catalog.engine("vllm").unwrap());
        let step = engine.step_on(h200);
        let rate = 0.9 * step.compute_efficiency_bf16 * h200.peak(ComputeFormat::Bf16).unwrap();
        let bandwidth = 1.05 * step.memory_efficiency * h200.memory_bandwidth().unwrap();
        let bend = SmoothMax::new(step.overlap_sharpness);
        let gemm = |m: f64| {
            let (flops, bytes) = (2.0 * m * 8192.0 * 28672.0, 2.0 * 8192.0 * 28672.0);
            let seconds = bend.of(flops / rate, bytes / bandwidth);
            TimedKernel { kind: "gemm".into(), precision: "bf16".into(), flops, bytes, seconds }
        };
        TimedKernels {
            measure_gpu: 1,
            device: Device { name: "NVIDIA H200".into(), backend: "cuda".into() },
            date: String::new(),
            measurements: [1.0, 16.0, 64.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0].map(gemm).into(),
        }
    }

    #[test]
    fn known_factors_come_back() {
        let catalog = Catalog::embedded();
        let (h200, engine) =
            (catalog.accelerator("h200-sxm").unwrap(), catalog.engine("vllm").unwrap());
        let found = timed().factors(h200, engine).unwrap();
        assert!((found.compute_factor - 0.9).abs() < 0.01, "{found:?}");
        assert!((found.memory_factor - 1.05).abs() < 0.01, "{found:?}");
        let part: toml::Table = found.to_toml("vllm", &timed()).parse().unwrap();
        assert!(part["engines"]["vllm"]["memory_factor"].as_float().is_some());
        let mut few = timed();
        few.measurements.truncate(3);
        assert_eq!(few.factors(h200, engine), Err(NoFactors::TooFew { found: 3 }));
        let mut cpu = timed();
        cpu.device.backend = "cpu".into();
        assert_eq!(cpu.factors(h200, engine), Err(NoFactors::Cpu));
    }
}
