//! What a pool's owner has measured of it: factors on the model's times, or steps in its place.

use super::PoolSpec;
use crate::catalog::{Calibration, Confidence, Provenance};
use crate::foundations::Faults;
use crate::foundations::units::{format_count, format_percent};
use crate::performance::{Deployment, Factors, MeasuredStep, MeasuredSteps, StepModel};
use crate::simulation::scenario::files::Files;
use crate::simulation::scenario::reader::Section;

/// The files that a pool names.
#[derive(Debug, Default)]
pub(super) struct Measurements {
    pub(super) calibration: Option<Calibration>,
    /// The table and the file that it was read from.
    steps: Option<(Vec<MeasuredStep>, String)>,
    /// What the calibration was fitted to, where that is something else.
    stranger: Option<String>,
}

/// Up to where a pool takes its steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Most requests in a step.
    pub(super) batch: u32,
    /// Most new tokens in a step.
    pub(super) tokens: u32,
}

impl Measurements {
    /// Reads what the pool names; `None` where that cannot be, which is reported.
    pub(super) fn read(
        section: &Section,
        spec: &PoolSpec,
        deployment: &Deployment,
        files: &dyn Files,
    ) -> Option<Self> {
        let text = |key: &str, path: &str| match files.text(path) {
            Ok(text) => Some(text),
            Err(error) => {
                section.report(section.fault(key, format!("cannot read `{path}`: {error}")));
                None
            }
        };
        if spec.calibration.is_some() && spec.step_table.is_some() {
            let message = "measured steps need no calibration";
            section.report(section.fault("calibration", message).help("keep one of them"));
            return None;
        }
        let mut found = Self::default();
        if let Some(path) = &spec.calibration {
            let text = text("calibration", path)?;
            match Calibration::read(&text) {
                Ok(calibration) => {
                    found.stranger = stranger(&calibration, deployment);
                    found.calibration = Some(calibration);
                }
                Err(bad) => {
                    let line =
                        bad.span.as_ref().map(|span| 1 + text[..span.start].matches('\n').count());
                    let line = line.map_or(String::new(), |line| format!(", line {line}"));
                    let message = format!("`{path}`{line}: {bad}");
                    let fault = section.fault("calibration", message);
                    let help = "`tokenfleet calibrate` writes such files";
                    section.report(fault.help(help));
                    return None;
                }
            }
        }
        if let Some(path) = &spec.step_table {
            let rows = rows(&text("step_table", path)?);
            match rows {
                Ok(rows) => found.steps = Some((rows, path.clone())),
                Err(reason) => {
                    let fault = section.fault("step_table", format!("`{path}`, {reason}"));
                    let columns = "columns: batch, context, new_tokens, ms, and cached_tokens \
                                   where prompts have a past";
                    section.report(fault.help(columns));
                    return None;
                }
            }
        }
        Some(found)
    }

    /// The step times of the deployment that `formula` is of; `None` where a table cannot be used,
    /// which is reported.
    pub(super) fn apply(
        &self,
        section: &Section,
        formula: &StepModel,
        limits: Limits,
        warnings: &mut Faults,
    ) -> Option<StepModel> {
        if let Some(stranger) = &self.stranger {
            let fault = section.fault("calibration", stranger.as_str());
            warnings.push(fault.help("factors carry over only in part; calibrate this pool"));
        }
        let Some((rows, path)) = &self.steps else {
            return Some(formula.calibrated(&self.factors()));
        };
        let model = match formula.with_measured_steps(rows) {
            Ok(model) => model,
            Err(error) => {
                let fault = section.fault("step_table", format!("`{path}`, {error}"));
                section.report(fault.help("without `step_table` the catalog's model is used"));
                return None;
            }
        };
        for remark in model.measured.iter().flat_map(|steps| beyond(steps, limits)) {
            warnings.push(section.fault("step_table", format!("`{path}` {remark}")));
        }
        Some(model)
    }

    /// Factors on the model's times.
    pub(super) fn factors(&self) -> Factors {
        self.calibration.as_ref().map_or_else(Factors::default, |calibration| Factors {
            gpu_time: calibration.gpu_time.value,
            host_time: calibration.host_time.value,
            front_end: calibration.front_end.map_or(1.0, |factor| factor.value),
        })
    }

    /// What the pool `name` stands on, for the list of sources.
    pub(super) fn provenance(&self, name: &str) -> Vec<Provenance> {
        let factors = self.calibration.iter().flat_map(|found| found.provenance(name));
        let steps = self.steps.iter().map(|(rows, path)| Provenance {
            what: name.to_owned(),
            figure: "step_table".to_owned(),
            value: format!("{} steps", format_count(rows.len() as f64)),
            low: String::new(),
            high: String::new(),
            source: path.clone(),
            date: String::new(),
            confidence: Confidence::A,
            assumed: false,
            note: String::new(),
        });
        factors.chain(steps).collect()
    }
}

fn rows(text: &str) -> Result<Vec<MeasuredStep>, String> {
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let rows: Result<Vec<MeasuredStep>, csv::Error> = reader.deserialize().collect();
    rows.map_err(|error| {
        let line = error.position().map(|position| format!("line {}: ", position.line()));
        let reason = match error.kind() {
            csv::ErrorKind::Deserialize { err, .. } => err.to_string(),
            other => format!("{other:?}"),
        };
        format!("{}{reason}", line.unwrap_or_default())
    })
}

/// What a calibration was fitted to, where that is not this deployment.
fn stranger(calibration: &Calibration, deployment: &Deployment) -> Option<String> {
    let Deployment { model, accelerator, engine, tensor_parallel, .. } = *deployment;
    let was = [&calibration.model, &calibration.accelerator, &calibration.engine];
    let alike = was == [&model.key, &accelerator.key, &engine.key]
        && calibration.tensor_parallel == tensor_parallel;
    (!alike).then(|| {
        let [model, accelerator, engine] = was;
        format!(
            "this calibration was fitted to {model} on {} x {accelerator} with {engine}",
            calibration.tensor_parallel
        )
    })
}

/// Where steps of a pool lie outside of its table.
fn beyond(steps: &MeasuredSteps, limits: Limits) -> Vec<String> {
    /// A table that gives its own rows back worse than that is worth a word.
    const ROUGH: f64 = 0.1;
    let mut remarks = Vec::new();
    if steps.largest_batch() < limits.batch {
        let (has, may) = (steps.largest_batch(), limits.batch);
        remarks.push(format!("ends at {has} requests, steps may have {may}: extrapolated"));
    }
    match steps.most_tokens() {
        None => remarks.push("has no prompts: their steps are the catalog model's".to_owned()),
        Some(most) if most < limits.tokens => {
            let may = limits.tokens;
            remarks.push(format!("ends at {most} new tokens, steps may have {may}: extrapolated"));
        }
        Some(_) => {}
    }
    if steps.worst_error() > ROUGH {
        let error = format_percent(steps.worst_error());
        remarks.push(format!("is not smooth: its own rows are met within {error}"));
    }
    remarks
}
