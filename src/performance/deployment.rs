//! One replica as a choice of catalog entries, and what is wrong with it.

use super::error::PerformanceError;
use crate::catalog::{Accelerator, Attention, ComputeFormat, Engine, Field, Model, Precision};

/// A model on the GPUs of one replica.
#[derive(Clone, Copy, Debug)]
pub struct Deployment<'a> {
    /// The model.
    pub model: &'a Model,
    /// The accelerator, all of one kind.
    pub accelerator: &'a Accelerator,
    /// The serving engine.
    pub engine: &'a Engine,
    /// Formats of weights, activations and cache.
    pub precision: Precision,
    /// GPUs that every layer is spread over.
    pub tensor_parallel: u32,
    /// Groups of GPUs that the routed experts are dealt to; 1 where each expert is spread over all
    /// GPUs. Divides `tensor_parallel`.
    pub expert_parallel: u32,
    /// Stages that layers are dealt to in their order, each of `tensor_parallel` GPUs.
    pub pipeline_parallel: u32,
    /// Whether experts are shared by more GPUs than attention is spread over.
    pub wide: Wide,
}

/// Experts that several attention groups share. Each group of `tensor_parallel` GPUs has sequences,
/// a cache and attention weights of its own; routed experts are dealt over all of them, and tokens
/// travel there and back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wide {
    /// Attention groups that share the experts; 1 where they do not.
    pub data_parallel: u32,
    /// How the popularity of experts falls: as rank to the power of minus this; the engine's fitted
    /// imbalance where `None`.
    pub expert_skew: Option<f64>,
    /// Further copies of the most popular experts of each layer.
    pub redundant_experts: u32,
    /// Whether each batch is computed in two halves, one of which sends while the other computes.
    pub two_batch_overlap: bool,
}

impl Default for Wide {
    fn default() -> Self {
        Self { data_parallel: 1, expert_skew: None, redundant_experts: 0, two_batch_overlap: false }
    }
}

impl Deployment<'_> {
    /// The first thing that is wrong, if anything is.
    ///
    /// # Errors
    /// See [`Deployment::faults`].
    pub fn check(&self) -> Result<(), PerformanceError> {
        self.faults().into_iter().next().map_or(Ok(()), Err)
    }

    /// Everything that is wrong: precision without hardware, heads that cannot be divided, more
    /// GPUs than the links join, missing and absurd figures.
    #[must_use]
    pub fn faults(&self) -> Vec<PerformanceError> {
        let mut faults: Vec<PerformanceError> = [
            self.check_tensor_parallel(),
            self.check_expert_parallel(),
            self.check_pipeline(),
            self.check_precision(),
        ]
        .into_iter()
        .filter_map(Result::err)
        .collect();
        if self.wide.two_batch_overlap && self.wide.data_parallel <= 1 {
            faults.push(PerformanceError::NothingToOverlap);
        }
        faults.extend(self.check_figures());
        faults
    }

    /// GPUs of a replica: those of all stages.
    #[must_use]
    pub fn replica_gpus(&self) -> u32 {
        self.tensor_parallel.saturating_mul(self.pipeline_parallel.max(1))
    }

    /// GPUs that hold a layer once: all attention groups that share its experts.
    #[must_use]
    pub fn gpus(&self) -> u32 {
        self.tensor_parallel.saturating_mul(self.wide.data_parallel.max(1))
    }

    /// Degrees of tensor parallelism that divide the model's heads and stay within the links.
    #[must_use]
    pub fn valid_tensor_parallel(&self) -> Vec<u32> {
        (1..=self.reach()).filter(|&ranks| self.indivisible(ranks).is_none()).collect()
    }

    /// GPUs that can share the layers of one replica: those that the scale-up links join, and up to
    /// a server of them where PCIe serves instead.
    fn reach(&self) -> u32 {
        const SERVER: u32 = 8;
        let domain = self.accelerator.link_domain();
        let over_host = self.accelerator.host_link_kind.starts_with("PCIe")
            && self.accelerator.value(Field::HostBandwidth).is_ok();
        if over_host { domain.max(SERVER) } else { domain }
    }

    /// The link between the GPUs of the replica: what joins all of them.
    pub(super) fn link_field(&self) -> Field {
        match self.tensor_parallel <= self.accelerator.link_domain() {
            true => Field::LinkBandwidth,
            false => Field::HostBandwidth,
        }
    }

    fn check_tensor_parallel(&self) -> Result<(), PerformanceError> {
        let ranks = self.tensor_parallel;
        let valid = || self.valid_tensor_parallel();
        let reach = self.reach();
        if ranks > reach {
            return Err(PerformanceError::BeyondDomain {
                accelerator: self.accelerator.key.clone(),
                link: self.accelerator.link_kind.clone(),
                reach,
                ranks,
                valid: valid(),
            });
        }
        match self.indivisible(ranks) {
            Some((what, heads)) => Err(PerformanceError::Indivisible {
                model: self.model.key.clone(),
                what,
                heads,
                ranks,
                valid: valid(),
            }),
            None => Ok(()),
        }
    }

    /// Heads that `ranks` GPUs cannot share: query heads must divide, key-value heads divide or be
    /// repeated a whole number of times.
    fn indivisible(&self, ranks: u32) -> Option<(&'static str, u64)> {
        let ranks = u64::from(ranks);
        if ranks == 0 {
            return Some(("query heads", 0));
        }
        let query = self.model.query_heads().into_iter().find(|heads| !heads.is_multiple_of(ranks));
        let kv = self.model.layers.iter().find_map(|group| match &group.attention {
            Attention::Full(heads)
            | Attention::Window { heads, .. }
            | Attention::Sparse { heads, .. } => {
                let fits = heads.kv == 0
                    || heads.kv.is_multiple_of(ranks)
                    || ranks.is_multiple_of(heads.kv);
                (!fits).then_some(heads.kv)
            }
            _ => None,
        });
        let query = query.map(|heads| ("query heads", heads));
        query.or(kv.map(|heads| ("key-value heads", heads)))
    }

    fn check_expert_parallel(&self) -> Result<(), PerformanceError> {
        let (ranks, groups, sharing) = (self.gpus(), self.expert_parallel, self.wide.data_parallel);
        let experts =
            super::mixture_of_experts::mixtures(self.model).map(|(_, moe)| moe.experts).min();
        let copies = u64::from(self.wide.redundant_experts);
        let fits = |groups: u32| {
            groups == 1 && sharing == 1 && copies == 0
                || groups > 1
                    && ranks.is_multiple_of(groups)
                    && groups.is_multiple_of(sharing)
                    && experts.is_some_and(|n| (n + copies).is_multiple_of(u64::from(groups)))
        };
        if fits(groups) {
            return Ok(());
        }
        Err(PerformanceError::ExpertParallel {
            model: self.model.key.clone(),
            experts,
            groups,
            ranks,
            sharing,
            redundant: copies,
            valid: (1..=ranks).filter(|&groups| fits(groups)).collect(),
        })
    }

    /// Layers must be dealt evenly, and by experts that stay in their stage.
    fn check_pipeline(&self) -> Result<(), PerformanceError> {
        let (layers, stages) = (self.model.layer_count(), self.pipeline_parallel);
        let divides = |stages: u32| stages > 0 && layers.is_multiple_of(u64::from(stages));
        if stages == 1 || divides(stages) && self.wide.data_parallel == 1 {
            return Ok(());
        }
        let most = u32::try_from(layers).unwrap_or(u32::MAX).min(64);
        let valid = match self.wide.data_parallel {
            1 => (1..=most).filter(|&stages| divides(stages)).collect(),
            _ => vec![1],
        };
        let model = self.model.key.clone();
        Err(PerformanceError::Stages { model, layers, stages, valid })
    }

    /// The link between two stages, where there are several.
    pub(super) fn stage_link(&self) -> Option<Field> {
        let gpus = self.tensor_parallel.saturating_mul(self.pipeline_parallel);
        (self.pipeline_parallel > 1).then(|| match gpus <= self.accelerator.link_domain() {
            true => Field::LinkBandwidth,
            false if gpus <= self.reach() => Field::HostBandwidth,
            false => Field::ScaleOutBandwidth,
        })
    }

    fn check_precision(&self) -> Result<(), PerformanceError> {
        Ok(self.precision.check(self.accelerator)?)
    }

    fn check_figures(&self) -> Vec<PerformanceError> {
        /// Of any figure that is needed, in bytes, bytes per second or operations per second: below
        /// that, steps would last for days.
        const LEAST: f64 = 1e6;
        let mut needed =
            vec![Field::Memory, Field::MemoryBandwidth, Field::peak(ComputeFormat::Bf16)];
        if self.tensor_parallel > 1 {
            needed.push(self.link_field());
        }
        needed.extend(self.stage_link());
        if self.wide.data_parallel > 1 {
            needed.push(Field::LinkBandwidth);
            if self.gpus() > self.accelerator.link_domain() {
                needed.push(Field::ScaleOutBandwidth);
            }
        }
        let wrong = |field| match self.accelerator.value(field) {
            Err(missing) => Some(PerformanceError::Missing(missing)),
            Ok(value) if value.is_finite() && value >= LEAST => None,
            Ok(value) => Some(PerformanceError::Absurd {
                accelerator: self.accelerator.key.clone(),
                field,
                value,
                least: LEAST,
            }),
        };
        needed.into_iter().filter_map(wrong).collect()
    }
}
