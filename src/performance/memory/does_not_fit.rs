//! A deployment that does not fit: by how much, what takes it, and what would mend it.

use std::fmt;

use super::{Demand, Rule};
use crate::catalog::{NumberFormat, Precision};
use crate::foundations::units::format_bytes;
use crate::performance::deployment::Deployment;

/// A replica that has no room for one sequence of the longest context.
#[derive(Clone, Debug, PartialEq)]
pub struct DoesNotFit {
    /// Key of the model.
    pub model: String,
    /// Key of the accelerator.
    pub accelerator: String,
    /// GPUs of the replica.
    pub tensor_parallel: u32,
    /// Bytes of memory of each GPU.
    pub memory: u64,
    /// Share of it that the engine may take.
    pub utilisation: f64,
    /// Bytes of weights on each GPU.
    pub weights: u64,
    /// Bytes for activations, graphs and libraries on each GPU.
    pub reserve: u64,
    /// Bytes of one sequence of the longest context on each GPU.
    pub context: u64,
    /// That context, in tokens.
    pub max_context: u64,
    /// Bytes that are missing on each GPU.
    pub missing: u64,
    /// The smallest changes that would each do; two together where no single one does.
    pub mends: Vec<Mend>,
}

/// Changes that make a deployment fit; what is `None` stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mend {
    /// More GPUs.
    pub tensor_parallel: Option<u32>,
    /// Narrower weights.
    pub weights: Option<NumberFormat>,
    /// A narrower cache.
    pub kv: Option<NumberFormat>,
    /// A shorter longest context.
    pub max_context: Option<u64>,
}

impl DoesNotFit {
    pub(super) fn explain(
        deployment: &Deployment<'_>,
        rule: Rule,
        max_context: u64,
        missing: u64,
    ) -> Self {
        let demand = Demand::of(deployment);
        Self {
            model: deployment.model.key.clone(),
            accelerator: deployment.accelerator.key.clone(),
            tensor_parallel: deployment.tensor_parallel,
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

    /// What would mend it, a sentence each.
    #[must_use]
    pub fn help(&self) -> Vec<String> {
        match self.mends.as_slice() {
            [] => vec!["no change of parallelism, precision or context would do".to_owned()],
            mends => mends.iter().map(|mend| format!("it fits with {mend}")).collect(),
        }
    }
}

impl fmt::Display for DoesNotFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = |bytes: u64| format_bytes(bytes as f64);
        write!(
            f,
            "`{}` does not fit on {} x `{}`: {} are missing on each; weights take {}, activations \
             and graphs {}, one context of {} tokens {}, of {} at a utilisation of {}",
            self.model,
            self.tensor_parallel,
            self.accelerator,
            bytes(self.missing),
            bytes(self.weights),
            bytes(self.reserve),
            self.max_context,
            bytes(self.context),
            bytes(self.memory),
            self.utilisation,
        )
    }
}

impl fmt::Display for Mend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.tensor_parallel.map(|ranks| format!("tensor_parallel = {ranks}")),
            self.weights.map(|format| format!("weights = \"{format}\"")),
            self.kv.map(|format| format!("kv = \"{format}\"")),
            self.max_context.map(|tokens| format!("max_context = {tokens}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        f.write_str(&parts.join(" and "))
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
        let demand = Demand::of(&mend.apply(self.deployment));
        self.rule.missing(&demand, mend.max_context.unwrap_or(self.max_context)).is_none()
    }

    /// The longest context that fits, in whole blocks.
    fn shorter(&self) -> Option<Mend> {
        let block = u64::from(self.rule.block_size);
        let of = |blocks: u64| Mend { max_context: Some(blocks * block), ..Mend::default() };
        let (mut short, mut long) = (0, self.max_context.div_ceil(block));
        while short + 1 < long {
            let middle = short.midpoint(long);
            if self.fits(&of(middle)) { short = middle } else { long = middle }
        }
        (short > 0).then(|| of(short))
    }
}

impl Mend {
    /// `deployment` with the changes, context aside.
    #[must_use]
    pub fn apply<'a>(&self, deployment: &Deployment<'a>) -> Deployment<'a> {
        let mut changed = *deployment;
        changed.tensor_parallel = self.tensor_parallel.unwrap_or(deployment.tensor_parallel);
        if let Some(format) = self.weights {
            changed.precision = Precision::of(format).with_kv(deployment.precision.kv);
        }
        changed.precision.kv = self.kv.unwrap_or(changed.precision.kv);
        changed
    }
}

/// Valid degrees of tensor parallelism above the present one that keep expert parallelism valid.
fn larger(deployment: &Deployment<'_>) -> Vec<u32> {
    let valid = deployment.valid_tensor_parallel().into_iter();
    let groups = deployment.expert_parallel.max(1);
    let keeps = |ranks: &u32| *ranks > deployment.tensor_parallel && ranks.is_multiple_of(groups);
    valid.filter(keeps).collect()
}

/// Formats of weights below the present ones that the hardware runs, widest first.
fn narrower_weights(deployment: &Deployment<'_>) -> Vec<NumberFormat> {
    let present = deployment.precision;
    let candidates =
        [NumberFormat::Bf16, NumberFormat::Fp8, NumberFormat::Nvfp4, NumberFormat::Int4];
    let narrower = |format: &NumberFormat| {
        let bits = format.bits_per_element();
        bits < present.weights.bits_per_element().max(present.experts.bits_per_element())
            && Precision::of(*format).check(deployment.accelerator).is_ok()
    };
    let mut formats: Vec<NumberFormat> = candidates.into_iter().filter(narrower).collect();
    // Weight-only int4 stands in where there are no 4-bit units.
    if formats.contains(&NumberFormat::Nvfp4) {
        formats.retain(|&format| format != NumberFormat::Int4);
    }
    formats
}

/// The next narrower cache.
fn narrower_kv(deployment: &Deployment<'_>) -> Option<NumberFormat> {
    (deployment.precision.kv.bits_per_element() > 8.0).then_some(NumberFormat::Fp8)
}
