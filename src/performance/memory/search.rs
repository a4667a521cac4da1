//! The smallest changes that make a deployment fit, found by trying them.

use super::{Demand, Rule};
use crate::catalog::{NumberFormat, Precision};
use crate::performance::deployment::Deployment;
use crate::performance::does_not_fit::{DoesNotFit, Mend};

/// Says what is missing and what would mend it.
pub(super) fn explain(
    deployment: &Deployment<'_>,
    rule: Rule,
    max_context: u64,
    missing: u64,
) -> DoesNotFit {
    let demand = Demand::of(deployment);
    DoesNotFit {
        model: deployment.model.key.clone(),
        accelerator: deployment.accelerator.key.clone(),
        gpus: deployment.replica_gpus(),
        memory: rule.memory,
        utilisation: rule.utilisation,
        weights: demand.weights,
        reserve: rule.reserve,
        context: demand.context(max_context, rule.block_size),
        max_context,
        missing,
        mends: Search { rule, max_context, deployment }.mends(),
    }
}

/// The search for what would do.
struct Search<'a> {
    deployment: &'a Deployment<'a>,
    rule: Rule,
    max_context: u64,
}

impl Search<'_> {
    /// The smallest change of each kind that does alone; failing that, the fewest GPUs for each
    /// narrower precision.
    fn mends(&self) -> Vec<Mend> {
        let fits = |mend: &Mend| self.fits(mend);
        let unchanged = Mend::default();
        let gpus: Vec<Mend> = larger(self.deployment)
            .into_iter()
            .map(|ranks| Mend { tensor_parallel: Some(ranks), ..unchanged })
            .collect();
        let weights: Vec<Mend> = narrower_weights(self.deployment)
            .into_iter()
            .map(|format| Mend { weights: Some(format), ..unchanged })
            .collect();
        let kv = narrower_kv(self.deployment).map(|format| Mend { kv: Some(format), ..unchanged });

        let mut mends: Vec<Mend> = Vec::new();
        mends.extend(gpus.iter().copied().find(fits));
        mends.extend(weights.iter().copied().find(fits));
        mends.extend(kv.filter(fits));
        mends.extend(self.shorter());
        if mends.is_empty() {
            mends.extend(weights.iter().filter_map(|narrow| {
                gpus.iter().map(|more| Mend { weights: narrow.weights, ..*more }).find(fits)
            }));
        }
        mends
    }

    fn fits(&self, mend: &Mend) -> bool {
        let demand = Demand::of(&changed(self.deployment, mend));
        self.rule.missing(&demand, mend.max_context.unwrap_or(self.max_context)).is_none()
    }

    /// The longest context that fits, in whole blocks, if it is worth having.
    fn shorter(&self) -> Option<Mend> {
        const LEAST_TOKENS: u64 = 1024;
        let block = u64::from(self.rule.block_size);
        let of = |blocks: u64| Mend { max_context: Some(blocks * block), ..Mend::default() };
        let (mut short, mut long) = (0, self.max_context.div_ceil(block));
        while short + 1 < long {
            let middle = short.midpoint(long);
            if self.fits(&of(middle)) { short = middle } else { long = middle }
        }
        (short * block >= LEAST_TOKENS).then(|| of(short))
    }
}

/// `deployment` with the changes of `mend`, context aside.
pub(super) fn changed<'a>(deployment: &Deployment<'a>, mend: &Mend) -> Deployment<'a> {
    let mut changed = *deployment;
    changed.tensor_parallel = mend.tensor_parallel.unwrap_or(deployment.tensor_parallel);
    if let Some(format) = mend.weights {
        changed.precision = narrowed(deployment.precision, format);
    }
    changed.precision.kv = mend.kv.unwrap_or(changed.precision.kv);
    changed
}

/// Valid degrees of tensor parallelism above the present one that keep expert parallelism valid.
fn larger(deployment: &Deployment<'_>) -> Vec<u32> {
    let valid = deployment.valid_tensor_parallel().into_iter();
    let groups = deployment.expert_parallel.max(1);
    let keeps = |ranks: &u32| *ranks > deployment.tensor_parallel && ranks.is_multiple_of(groups);
    valid.filter(keeps).collect()
}

/// Weights and experts that are wider than `format` in that format.
fn narrowed(precision: Precision, format: NumberFormat) -> Precision {
    let narrower = |held: NumberFormat| {
        if held.bits_per_element() > format.bits_per_element() { format } else { held }
    };
    Precision {
        weights: narrower(precision.weights),
        experts: narrower(precision.experts),
        activations: format.usual_activations(),
        kv: precision.kv,
    }
}

/// Formats narrower than the widest present one that the hardware runs, widest first.
fn narrower_weights(deployment: &Deployment<'_>) -> Vec<NumberFormat> {
    use NumberFormat::{Bf16, Fp8, Int4, Nvfp4};
    let present = deployment.precision;
    let runs = |format: &NumberFormat| {
        let changed = narrowed(present, *format);
        (changed.weights, changed.experts) != (present.weights, present.experts)
            && changed.check(deployment.accelerator).is_ok()
    };
    let mut formats: Vec<NumberFormat> =
        [Bf16, Fp8, Nvfp4, Int4].into_iter().filter(runs).collect();
    // Weights in int4, unpacked on the way, stand in where there are no 4-bit units.
    if formats.contains(&Nvfp4) {
        formats.retain(|&format| format != Int4);
    }
    formats
}

/// The next narrower cache.
fn narrower_kv(deployment: &Deployment<'_>) -> Option<NumberFormat> {
    (deployment.precision.kv.bits_per_element() > 8.0).then_some(NumberFormat::Fp8)
}
