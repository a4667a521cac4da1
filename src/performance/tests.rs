//! Laws that hold for every model of the catalog on common hardware.

use super::*;
use crate::catalog::{Accelerator, Catalog, Engine, Model, Precision};

/// The smallest replica of up to 8 GPUs on which `model` fits in its own precision, with 8k of
/// context; GPUs that lack the precision are left out.
fn smallest<'a>(
    model: &'a Model,
    accelerator: &'a Accelerator,
    engine: &'a Engine,
) -> Option<(Deployment<'a>, MemoryPlan)> {
    let of = |tensor_parallel| Deployment {
        model,
        accelerator,
        engine,
        precision: model.native_precision,
        tensor_parallel,
        expert_parallel: 1,
    };
    [1, 2, 4, 8].map(of).into_iter().find_map(|deployment| {
        let reserve = usual_reserve(&deployment, 8192, 256);
        let plan = MemoryPlan::fit(&deployment, 8192, 0.9, reserve, 16).ok()?;
        Some((deployment, plan))
    })
}

fn every_deployment(
    catalog: &Catalog,
    engine: &str,
    mut visit: impl FnMut(&Deployment<'_>, &MemoryPlan, &StepModel),
) -> usize {
    let engine = catalog.engine(engine).unwrap();
    let mut count = 0;
    for key in ["a100-sxm-80gb", "h100-sxm", "h200-sxm", "b200-sxm", "rtx-4090", "rtx-pro-6000"] {
        let accelerator = catalog.accelerator(key).unwrap();
        for model in catalog.models() {
            if let Some((deployment, plan)) = smallest(model, accelerator, engine) {
                let step = StepModel::compile(&deployment).unwrap();
                visit(&deployment, &plan, &step);
                count += 1;
            }
        }
    }
    count
}

#[test]
fn every_model_compiles_somewhere() {
    let catalog = Catalog::embedded();
    let mut seen = std::collections::BTreeSet::new();
    for engine in ["vllm", "sglang", "tensorrt-llm"] {
        let count = every_deployment(&catalog, engine, |deployment, plan, step| {
            seen.insert(deployment.model.key.clone());
            assert!(plan.blocks > 0);
            assert!(step.tokens(1).ps > 0, "{deployment:?}");
            println!(
                "{:32} {:14} tp{} {:>8.3} ms {:>6} ps/token {:?} blocks {} x {} + {}",
                deployment.model.key,
                deployment.accelerator.key,
                deployment.tensor_parallel,
                (step.tokens(1).ps + step.head(1).ps + step.host_ps(1)) as f64 * 1e-9,
                step.context.ps,
                step.windows.iter().map(|w| (w.window, w.cost.ps)).collect::<Vec<_>>(),
                plan.blocks,
                plan.block_bytes,
                plan.sequence_blocks,
            );
        });
        assert!(count > 100, "{count}");
    }
    let missing: Vec<_> =
        catalog.models().filter(|model| !seen.contains(&model.key)).map(|m| &m.key).collect();
    println!("{missing:?}");
    let _ = Precision::of;
}
