//! Serving engines: the coefficients of their step time and the defaults of their schedulers.
//!
//! The formulas that the coefficients stand in are those of the floor above, `performance`. They
//! were fitted to published closed-loop measurements of time per output token and time to first
//! token; [`Engine::fit`] says to which, and how far off they are. They trade against each other, so
//! they are no facts about hardware. An engine may override any of them for one accelerator.
//!
//! ```
//! use tokenfleet::catalog::Catalog;
//!
//! let catalog = Catalog::embedded();
//! let vllm = catalog.engine("vLLM")?;
//! assert_eq!(vllm.scheduler.block_size, 16);
//! assert!(vllm.step_on(catalog.accelerator("h100-sxm")?).kernel_launch_s < 10e-6);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod scheduler;
mod step;

pub use scheduler::{SchedulerDefaults, UtilizationOf};
pub use step::StepCoefficients;

use std::collections::BTreeMap;

use serde::Deserialize;

use super::accelerator::Accelerator;
use super::figure::{Confidence, Provenance};
use super::name::Named;
use super::record::FieldError;
use scheduler::SmallBatches;

const KIND: &str = "engine";

/// A serving engine at one version.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Engine {
    /// Stable name: `vllm`, `sglang`, `tensorrt-llm`.
    pub key: String,
    /// Name in prose.
    pub name: String,
    /// Version that the coefficients were fitted to.
    pub version: String,
    /// Other names.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Where the coefficients come from.
    pub fit: Fit,
    /// Where the scheduler's defaults come from.
    pub scheduler_source: String,
    /// Defaults that were put in by hand.
    #[serde(default)]
    pub assumed_defaults: Vec<String>,
    /// Coefficients of the step time, where an accelerator has none of its own; see
    /// [`Engine::step_on`].
    pub step: StepCoefficients,
    /// Defaults of the scheduler, where memory is large; see [`Engine::scheduler_on`].
    pub scheduler: SchedulerDefaults,
    #[serde(default)]
    small: Option<SmallBatches>,
    /// What differs on some accelerators, by key: [`StepCoefficients`] by name, and a `source`.
    #[serde(default)]
    accelerators: BTreeMap<String, toml::Table>,
    /// What the user of the program has set, and where.
    #[serde(skip)]
    stated: BTreeMap<String, String>,
}

/// Standing of fitted coefficients.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fit {
    /// The measurements that they were fitted to.
    pub source: String,
    /// Date of those measurements.
    pub date: String,
    /// How far to trust them.
    pub confidence: Confidence,
    /// Mean absolute error of time per output token, as a share of the measured one.
    pub mean_error: f64,
    /// Median of the same.
    pub median_error: f64,
    /// Coefficients that were put in by hand rather than fitted, by the start of their names.
    #[serde(default)]
    pub assumed: Vec<String>,
}

impl Engine {
    /// The coefficients on `accelerator`: the engine's own, with what differs there. An accelerator
    /// built on a catalog entry has that entry's.
    #[must_use]
    pub fn step_on(&self, accelerator: &Accelerator) -> StepCoefficients {
        let mut step = self.step;
        for (name, value) in self.differences(accelerator).into_iter().flatten() {
            // Read once when the catalog was: what is set here fits.
            let _ = step.set(name, value);
        }
        step
    }

    /// The scheduler's defaults on `accelerator`: engines choose smaller batches where there is
    /// little memory.
    #[must_use]
    pub fn scheduler_on(&self, accelerator: &Accelerator) -> SchedulerDefaults {
        let mut scheduler = self.scheduler;
        if let Some(small) = &self.small
            && (small.generations.contains(&accelerator.generation)
                || accelerator.memory().is_ok_and(|bytes| bytes < small.below_bytes))
        {
            let SmallBatches { max_batched_tokens, max_running, .. } = small;
            scheduler.max_batched_tokens =
                max_batched_tokens.unwrap_or(scheduler.max_batched_tokens);
            scheduler.max_running = max_running.unwrap_or(scheduler.max_running);
        }
        scheduler
    }

    /// Keys of the accelerators that have coefficients of their own.
    pub fn accelerators(&self) -> impl Iterator<Item = &str> {
        self.accelerators.keys().map(String::as_str)
    }

    fn differences(&self, accelerator: &Accelerator) -> Option<&toml::Table> {
        let names = [Some(&accelerator.key), accelerator.base.as_ref()];
        names.into_iter().flatten().find_map(|name| self.accelerators.get(name))
    }

    /// Sets one coefficient or default by its name, on every accelerator; `by` says who does.
    ///
    /// # Errors
    /// [`FieldError`] for an unknown name (with the valid ones) or a value that cannot be.
    pub fn set(&mut self, name: &str, value: &toml::Value, by: &str) -> Result<(), FieldError> {
        let done = if StepCoefficients::NAMES.contains(&name) {
            for differences in self.accelerators.values_mut() {
                differences.remove(name);
            }
            self.step.set(name, value)
        } else if SchedulerDefaults::NAMES.contains(&name) {
            match (name, &mut self.small) {
                ("max_batched_tokens", Some(small)) => small.max_batched_tokens = None,
                ("max_running", Some(small)) => small.max_running = None,
                _ => {}
            }
            self.scheduler.set(name, value)
        } else {
            let valid = StepCoefficients::NAMES.iter().chain(&SchedulerDefaults::NAMES);
            let valid = valid.map(|name| (*name).to_owned()).collect();
            return Err(FieldError::unknown(KIND, &self.key, name, valid));
        };
        done.map_err(|reason| FieldError::bad(KIND, &self.key, name, reason))?;
        self.stated.insert(name.to_owned(), by.to_owned());
        Ok(())
    }

    /// One row per coefficient and default, as they hold on `accelerator`, for manifests and
    /// listings.
    #[must_use]
    pub fn provenance(&self, accelerator: Option<&Accelerator>) -> Vec<Provenance> {
        let step = accelerator.map_or(self.step, |on| self.step_on(on));
        let scheduler = accelerator.map_or(self.scheduler, |on| self.scheduler_on(on));
        let differences = accelerator.and_then(|on| self.differences(on));
        let coefficients = StepCoefficients::NAMES.into_iter().map(|name| {
            let own = differences.filter(|differences| differences.contains_key(name));
            let own = own.map(|own| own.get("source").and_then(toml::Value::as_str));
            let source = own.flatten().unwrap_or(&self.fit.source);
            let assumed =
                own.is_none() && self.fit.assumed.iter().any(|start| name.starts_with(start));
            let value = step.get(name).unwrap_or_default().to_string();
            self.row(name, value, (source, &self.fit.date), assumed)
        });
        let defaults = SchedulerDefaults::NAMES.into_iter().map(|name| {
            let assumed = self.assumed_defaults.iter().any(|assumed| assumed == name);
            let value = scheduler.show(name).unwrap_or_default();
            self.row(name, value, (&self.scheduler_source, ""), assumed)
        });
        coefficients.chain(defaults).collect()
    }

    fn row(
        &self,
        figure: &str,
        value: String,
        (source, date): (&str, &str),
        assumed: bool,
    ) -> Provenance {
        let stated = self.stated.get(figure);
        let fitted = if assumed { Confidence::C } else { self.fit.confidence };
        Provenance {
            what: self.key.clone(),
            figure: figure.to_owned(),
            value,
            low: String::new(),
            high: String::new(),
            source: stated.map_or(source, String::as_str).to_owned(),
            date: if stated.is_some() { String::new() } else { date.to_owned() },
            confidence: if stated.is_some() { Confidence::A } else { fitted },
            assumed: assumed && stated.is_none(),
            note: String::new(),
        }
    }
}

impl Named for Engine {
    fn key(&self) -> &str {
        &self.key
    }
    fn name(&self) -> &str {
        &self.name
    }
    fn aliases(&self) -> &[String] {
        &self.aliases
    }
}

/// Reads the `[[engine]]` tables of a data file.
///
/// # Errors
/// The reader's, and [`FieldError`] as text for a coefficient that an accelerator cannot have.
pub(super) fn read_all(text: &str) -> Result<Vec<Engine>, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        engine: Vec<Engine>,
    }
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    for engine in &file.engine {
        for (accelerator, differences) in &engine.accelerators {
            for (name, value) in differences.iter().filter(|(name, _)| *name != "source") {
                let mut step = engine.step;
                step.set(name, value).map_err(|reason| {
                    format!("`{name}` of {} on {accelerator} {reason}", engine.key)
                })?;
            }
        }
    }
    Ok(file.engine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[test]
    fn small_and_old_accelerators_get_small_batches() {
        let catalog = Catalog::embedded();
        let mut vllm = catalog.engine("vllm").unwrap().clone();
        let batch = |engine: &Engine, key: &str| {
            let on = engine.scheduler_on(catalog.accelerator(key).unwrap());
            (on.max_batched_tokens, on.max_running)
        };
        assert_eq!(batch(&vllm, "h100-sxm"), (8192, 1024));
        assert_eq!(batch(&vllm, "a100-sxm-80gb"), (2048, 256));
        assert_eq!(batch(&vllm, "l40s"), (2048, 256));
        vllm.set("max_running", &64.into(), "scenario").unwrap();
        assert_eq!(batch(&vllm, "h100-sxm"), (8192, 64));
        assert_eq!(batch(&vllm, "l40s"), (2048, 64));
    }

    #[test]
    fn an_accelerator_may_have_coefficients_of_its_own() {
        let mut catalog = Catalog::embedded();
        let changes = toml::toml! { tdp = "500 W" };
        catalog.add_accelerator("my-h20", Some("h20"), &changes, "scenario").unwrap();
        let [h20, mine, h100] =
            ["h20", "my-h20", "h100"].map(|key| catalog.accelerator(key).unwrap());

        let mut engine = catalog.engine("vllm").unwrap().clone();
        let own = toml::toml! {
            kernel_launch_s = 9e-6
            source = "measured"
        };
        engine.accelerators.insert("h20".to_owned(), own);
        for accelerator in [h20, mine] {
            assert_eq!(engine.step_on(accelerator).kernel_launch_s, 9e-6);
            assert_eq!(engine.step_on(accelerator).sequence_s, engine.step.sequence_s);
        }
        assert_eq!(engine.step_on(h100), engine.step);
        let launch = |engine: &Engine| {
            let mut rows = engine.provenance(Some(h20)).into_iter();
            rows.find(|row| row.figure == "kernel_launch_s").map(|row| (row.source, row.value))
        };
        assert_eq!(launch(&engine), Some(("measured".to_owned(), "0.000009".to_owned())));

        // What the user states holds everywhere, and says so.
        engine.set("kernel_launch_s", &3e-6.into(), "scenario").unwrap();
        assert_eq!(engine.step_on(mine).kernel_launch_s, 3e-6);
        assert_eq!(launch(&engine), Some(("scenario".to_owned(), "0.000003".to_owned())));
    }

    #[test]
    fn impossible_values_are_refused() {
        let catalog = Catalog::embedded();
        let mut vllm = catalog.engine("vllm").unwrap().clone();
        for (name, value) in [
            ("compute_efficiency_fp8", toml::Value::from(0.0)),
            ("overlap_sharpness", toml::Value::from(0.5)),
            ("kernel_launch_s", toml::Value::from(-1.0)),
            ("kernel_launch_s", toml::Value::from(f64::NAN)),
            ("block_size", toml::Value::from(0)),
            ("memory_utilization", toml::Value::from(1.5)),
            ("utilization_of", toml::Value::from("some")),
            ("prefix_cache", toml::Value::from(1)),
        ] {
            assert!(vllm.set(name, &value, "scenario").is_err(), "{name} = {value}");
        }
        let error = vllm.set("blok_size", &16.into(), "scenario").unwrap_err();
        assert!(error.to_string().contains("did you mean `block_size`?"), "{error}");
    }

    #[test]
    fn a_data_file_with_an_unknown_coefficient_is_refused() {
        let text = include_str!("engines.toml");
        assert_eq!(read_all(text).map(|engines| engines.len()), Ok(3));
        let error = read_all(&format!("{text}\n[engine.accelerators.h20]\ntau = 1\n")).unwrap_err();
        assert!(error.contains("`tau` of tensorrt-llm on h20"), "{error}");
    }

    #[test]
    fn every_coefficient_and_default_is_listed() {
        for engine in Catalog::embedded().engines() {
            let rows = engine.provenance(None);
            assert_eq!(rows.len(), StepCoefficients::NAMES.len() + SchedulerDefaults::NAMES.len());
            assert!(rows.iter().all(|row| !row.value.is_empty() && !row.source.is_empty()));
        }
    }
}
