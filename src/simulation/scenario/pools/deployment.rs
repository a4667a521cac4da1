//! From a pool as it is written to one that can serve: names looked up, defaults filled in, step
//! times compiled, memory laid out.

use super::measured::{Limits, Measurements};
use super::speculation::Resolved;
use super::{PoolSpec, PrecisionSpec, Quality, cost, kv_tiers};
use crate::catalog::{
    Accelerator, Accuracy, Catalog, Field, FieldKind, Model, NumberFormat, Precision, Provenance,
};
use crate::foundations::units::format_number;
use crate::foundations::{Fault, Faults};
use crate::performance::{
    ContextBytes, Deployment, GpuPower, HostProfile, MemoryPlan, PerformanceError, Shape,
    StepModel, usual_reserve,
};
use crate::serving::ReplicaSpec;
use crate::simulation::plan::Pool;
use crate::simulation::scenario::files::Files;
use crate::simulation::scenario::reader::Section;

/// A pool that can serve, and the catalog figures that it stands on.
#[derive(Debug)]
pub(in crate::simulation::scenario) struct Deployed {
    pub(in crate::simulation::scenario) pool: Pool,
    /// Bytes of the weights of a replica.
    pub(in crate::simulation::scenario) weights_bytes: f64,
    /// Format and bytes of its keys and values.
    pub(in crate::simulation::scenario) keys_and_values: (NumberFormat, ContextBytes),
    pub(in crate::simulation::scenario) provenance: Vec<Provenance>,
}

/// Keys that say what a replica is; whether it can be is worked out from them alone.
const REPLICA_KEYS: [&str; 12] = [
    "model",
    "accelerator",
    "engine",
    "tensor_parallel",
    "expert_parallel",
    "pipeline_parallel",
    "micro_batches",
    "data_parallel",
    "expert_skew",
    "redundant_experts",
    "two_batch_overlap",
    "precision",
];

/// Works out a pool; `None` where it cannot be, which is reported.
pub(in crate::simulation::scenario) fn resolve(
    name: &str,
    section: &Section,
    spec: &PoolSpec,
    catalog: &Catalog,
    files: &dyn Files,
    warnings: &mut Faults,
) -> Option<Deployed> {
    // What is worked out from stand-ins for faulty values says nothing.
    if !section.is_sound_in(&REPLICA_KEYS) {
        return None;
    }
    let model = catalog.model(&spec.model).ok()?;
    let accelerator = catalog.accelerator(&spec.accelerator).ok()?;
    let engine = catalog.engine(&spec.engine).ok()?;
    let (precision, remark) = formats(&spec.precision, model, accelerator);
    if let Some(remark) = remark {
        warnings.push(section.fault("precision", remark));
    }
    let deployment = Deployment {
        model,
        accelerator,
        engine,
        precision,
        tensor_parallel: spec.tensor_parallel,
        expert_parallel: spec.expert_parallel,
        pipeline_parallel: spec.pipeline_parallel,
        wide: spec.wide,
    };
    let wrong = deployment.faults();
    for error in &wrong {
        section.report(place(section, error));
    }
    let bill = cost::bill(section, spec, accelerator, catalog);
    if !wrong.is_empty() || !section.is_sound() {
        return None;
    }
    let drafts = match &spec.speculation {
        Some(some) => Some(some.resolve(name, &deployment, catalog)?),
        None => None,
    };
    let width = drafts.as_ref().map_or(1, |some| some.drafted + 1);
    let scheduler = Scheduler::of(spec, &deployment, width);
    scheduler.check(section, model, width);
    let (kv_blocks, sequence_blocks) =
        memory(section, spec, &deployment, &scheduler, drafts.as_ref(), warnings)?;
    let mut formula = StepModel::compile_wide(&deployment, width).ok()?;
    let mut speculation = None;
    if let Some(some) = &drafts {
        let (model, drafting) = some.compile(&deployment, formula)?;
        (formula, speculation) = (model, Some(drafting));
        if spec.step_table.is_some() {
            let fault = section.fault("step_table", "steps were measured without drafts");
            section.report(fault.help("leave out `step_table` or `speculation`"));
        }
    }
    let stages = spec.pipeline_parallel;
    if stages > 1 {
        for key in ["speculation", "step_table"].into_iter().filter(|key| section.has(key)) {
            let fault = section.fault(key, format!("`{key}` is not known for pipelines"));
            section.report(fault.help("leave it out, or pipeline_parallel"));
        }
        let micro_batches = spec.micro_batches.unwrap_or(stages);
        let shape = Shape { micro_batches, budget: scheduler.token_budget };
        formula = formula.in_stages(&deployment, shape).ok()?;
    } else if spec.micro_batches.is_some() {
        let fault = section.fault("micro_batches", "there are no stages for them to go round in");
        section.report(fault.help("give `pipeline_parallel`, or remove `micro_batches`"));
    }
    let limits = Limits { batch: scheduler.batch_limit, tokens: scheduler.token_budget };
    let tiers = kv_tiers::read(section, &deployment, scheduler.block, scheduler.prefix_cache);
    if section.has("kv_tiers") && tiers.is_none() {
        return None;
    }
    let measurements = Measurements::read(section, spec, &deployment, files)?;
    let step = measurements.apply(section, &formula, limits, warnings)?;

    let mut provenance = catalog.sources_of(&spec.accelerator, &spec.model, &spec.engine).ok()?;
    provenance.retain(|row| row.what != accelerator.key || is_used(&row.figure, section, spec));
    provenance.extend(measurements.provenance(name));
    let quality = match spec.quality {
        Quality::Stated(share) => share,
        Quality::Published => {
            let rows = catalog.quality_rows(&precision, &model.native_precision);
            provenance.extend(rows.iter().map(|row| row.provenance(name)));
            rows.iter().map(|row| row.kept).product()
        }
    };
    provenance.extend(drafts.and_then(|some| some.provenance));
    let bill = bill?;
    provenance.extend(cost::provenance(name, &bill));
    let host = HostProfile::of(engine, accelerator).calibrated(&measurements.factors());
    let pool = Pool {
        name: name.to_owned(),
        model: model.key.clone(),
        accelerator: accelerator.key.clone(),
        engine: engine.key.clone(),
        // Each attention group is a server of its own; the experts that they share are in its steps.
        replicas: spec.replicas.saturating_mul(spec.wide.data_parallel),
        gpus: deployment.replica_gpus(),
        attention_groups: spec.wide.data_parallel,
        router: spec.router,
        prefill: None,
        overflow: None,
        quality,
        fleet: None,
        tiers: tiers.as_ref().map(|(spec, _)| spec.clone()),
        max_context: scheduler.max_context,
        usd_per_replica_h: bill.usd() * f64::from(deployment.replica_gpus()),
        commitment: cost::commitment(
            section,
            accelerator,
            deployment.replica_gpus(),
            spec.wide.data_parallel,
        ),
        bill,
        peak_flops: step.peak_flops,
        bandwidth: step.bandwidth,
        gpu_power: GpuPower::of(accelerator),
        measured_model: measured_model(model, catalog),
        calibration: measurements.calibration,
        replica: ReplicaSpec {
            model: step,
            // Each batch that goes round has a budget of its own.
            token_budget: scheduler
                .token_budget
                .saturating_mul(spec.micro_batches.unwrap_or(stages).min(stages)),
            batch_limit: scheduler.batch_limit,
            chunked_prefill: scheduler.chunked_prefill,
            block: scheduler.block,
            kv_blocks,
            sequence_blocks,
            prefix_cache: scheduler.prefix_cache,
            retention: tiers.map(|(_, retention)| retention),
            host: HostProfile { whole_prompts: !scheduler.chunked_prefill, ..host },
            speculation,
            scheduling: spec.scheduling,
            longest_leap: u64::MAX,
        },
    };
    let weights_bytes = weights(&deployment, &scheduler) * f64::from(pool.gpus);
    let keys_and_values = (precision.kv, ContextBytes::of(&deployment));
    Some(Deployed { pool, weights_bytes, keys_and_values, provenance })
}

/// The model of the same build that was measured, as a later training of the same layers; the model's
/// own name where there is none.
fn measured_model(model: &Model, catalog: &Catalog) -> String {
    let same = |other: &Model| {
        (other.hidden, other.vocab, &other.layers) == (model.hidden, model.vocab, &model.layers)
    };
    let mut measured = Accuracy::embedded().models();
    let known = |key: &&str| *key == model.key || catalog.model(key).is_ok_and(same);
    measured.find(known).unwrap_or(&model.key).to_owned()
}

/// The scheduler's settings: the scenario's, the engine's where it says nothing.
struct Scheduler {
    batch_limit: u32,
    token_budget: u32,
    block: u32,
    max_context: u32,
    memory_utilization: f64,
    chunked_prefill: bool,
    prefix_cache: bool,
}

impl Scheduler {
    /// A step computes `width` tokens for each decoding request.
    fn of(spec: &PoolSpec, deployment: &Deployment, width: u32) -> Self {
        let defaults = deployment.engine.scheduler_on(deployment.accelerator);
        let or = |stated: Option<u32>, default: u64| {
            stated.unwrap_or(u32::try_from(default).unwrap_or(u32::MAX))
        };
        let token_budget = or(spec.max_batched_tokens, defaults.max_batched_tokens);
        let room = match width {
            1 => u32::MAX,
            _ => (token_budget / width).max(1),
        };
        Self {
            batch_limit: or(spec.max_running, defaults.max_running.min(room.into())),
            token_budget,
            block: or(spec.block_size, defaults.block_size),
            max_context: or(spec.max_context, deployment.model.max_context),
            memory_utilization: spec.memory_utilization.unwrap_or(defaults.memory_utilization),
            chunked_prefill: spec.chunked_prefill.unwrap_or(defaults.chunked_prefill),
            prefix_cache: spec.prefix_cache.unwrap_or(defaults.prefix_cache),
        }
    }

    fn check(&self, section: &Section, model: &Model, width: u32) {
        let Self { batch_limit, token_budget, max_context, .. } = *self;
        if u64::from(max_context) > model.max_context {
            let message = format!(
                "`{}` takes at most {} tokens, prompt and answer together",
                model.key, model.max_context
            );
            let fault = section.fault("max_context", message).help("lower `max_context`");
            section.report(fault.help(format!(
                "for one trained on longer contexts add an entry with base = \"{}\" in [models]",
                model.key
            )));
        }
        let wanted = batch_limit.saturating_mul(width);
        if token_budget < wanted {
            let each = if width == 1 { "one".to_owned() } else { width.to_string() };
            let message = format!(
                "a step has room for {token_budget} tokens, but {batch_limit} requests may each \
                 want {each}"
            );
            let fault = section.fault("max_batched_tokens", message);
            section.report(fault.help(format!(
                "raise `max_batched_tokens` to {wanted}, or lower `max_running` to {}",
                token_budget / width
            )));
        }
    }
}

/// KV blocks of a replica, and those that each request takes beside its context; `None` where the
/// model does not fit, which is reported.
fn memory(
    section: &Section,
    spec: &PoolSpec,
    deployment: &Deployment,
    scheduler: &Scheduler,
    drafts: Option<&Resolved>,
    warnings: &mut Faults,
) -> Option<(u64, u64)> {
    let Scheduler { batch_limit, token_budget, block, max_context, .. } = *scheduler;
    if let Some(blocks) = spec.kv_blocks {
        if blocks.saturating_mul(u64::from(block)) < u64::from(max_context) {
            warnings.push(too_few_blocks(section, blocks, block, max_context));
        }
        return Some((blocks, 0));
    }
    let reserve = usual_reserve(deployment, token_budget.into(), batch_limit.into());
    let share = scheduler.memory_utilization;
    match MemoryPlan::fit(deployment, max_context.into(), share, reserve, block) {
        Ok(plan) => {
            let Some(drafts) = drafts else { return Some((plan.blocks, plan.sequence_blocks)) };
            let beside = drafts.beside(plan, deployment);
            if let Some(beside) = beside.filter(|plan| plan.tokens() >= u64::from(max_context)) {
                return Some((beside.blocks, beside.sequence_blocks));
            }
            let left = beside.map_or(0, |plan| plan.tokens());
            let message = format!(
                "beside the draft there is room for {left} tokens of context, fewer than the \
                 {max_context} of the longest"
            );
            let fault = section.fault("speculation", message);
            section.report(fault.help("more GPUs, fewer bits, or a lower `max_context`"));
            None
        }
        Err(error) => {
            section.report(place(section, &error));
            None
        }
    }
}

/// Bytes of weights on each GPU.
fn weights(deployment: &Deployment, scheduler: &Scheduler) -> f64 {
    let Scheduler { batch_limit, token_budget, block, memory_utilization, .. } = *scheduler;
    let reserve = usual_reserve(deployment, token_budget.into(), batch_limit.into());
    let plan = MemoryPlan::fit(deployment, 1, memory_utilization, reserve, block);
    plan.map_or(0.0, |plan| plan.weights as f64)
}

/// The formats that are used, and a remark where they are not the model's own for lack of hardware.
fn formats(
    spec: &PrecisionSpec,
    model: &Model,
    accelerator: &Accelerator,
) -> (Precision, Option<String>) {
    let native = model.native_precision;
    let mut precision = match spec.weights {
        Some(weights) => Precision::of(weights),
        None => native,
    };
    precision.experts = spec.experts.unwrap_or(precision.experts);
    precision.activations = spec.activations.unwrap_or(precision.activations);
    precision.kv = spec.kv.unwrap_or(precision.kv);
    let own = spec.weights.is_none() && spec.experts.is_none() && spec.activations.is_none();
    let unpacked = precision.with_activations(NumberFormat::Bf16);
    if own && precision.check(accelerator).is_err() && unpacked.check(accelerator).is_ok() {
        let remark = format!(
            "`{}` has no units for `{}` in its native formats: its {} weights are unpacked and \
             multiplied in bf16",
            accelerator.key, model.key, native.weights
        );
        return (unpacked, Some(remark));
    }
    (precision, None)
}

fn too_few_blocks(section: &Section, blocks: u64, block: u32, max_context: u32) -> Fault {
    let held = blocks.saturating_mul(u64::from(block)) as f64;
    let message = format!(
        "{blocks} KV blocks hold {} tokens, fewer than the {} of the longest context",
        format_number(held),
        format_number(f64::from(max_context)),
    );
    section.fault("kv_blocks", message).help("longer requests fail; lower `max_context` to say so")
}

/// Where a fault of a deployment is best shown.
fn place(section: &Section, error: &PerformanceError) -> Fault {
    let keys: &[&str] = match error {
        PerformanceError::Precision(_) => &["precision", "accelerator"],
        PerformanceError::Missing(_) | PerformanceError::Absurd { .. } => &["accelerator"],
        PerformanceError::Indivisible { .. } | PerformanceError::BeyondDomain { .. } => {
            &["tensor_parallel"]
        }
        PerformanceError::Stages { .. } => &["pipeline_parallel"],
        PerformanceError::ExpertParallel { .. } => &["expert_parallel", "data_parallel"],
        PerformanceError::NothingToOverlap => &["two_batch_overlap"],
        PerformanceError::DoesNotFit(_) => &["tensor_parallel", "model"],
    };
    let key = keys.iter().find(|key| section.has(key)).unwrap_or(&keys[0]);
    error.fault().at(section.place(key))
}

/// Whether a figure of an accelerator matters to a pool.
fn is_used(figure: &str, section: &Section, spec: &PoolSpec) -> bool {
    match Field::from_name(figure) {
        Some(Field::LinkBandwidth | Field::LinkDomain) => {
            spec.tensor_parallel > 1 || spec.wide.data_parallel > 1 || spec.pipeline_parallel > 1
        }
        Some(Field::ScaleOutBandwidth) => spec.wide.data_parallel > 1 || spec.pipeline_parallel > 1,
        Some(field) => field.kind() == FieldKind::Chip || cost::is_used(field, section, spec),
        None => true,
    }
}
