//! What is wrong with a deployment.

use std::fmt;

use super::does_not_fit::DoesNotFit;
use crate::catalog::{Field, MissingFigure, UnsupportedPrecision};
use crate::foundations::Fault;

/// A replica that cannot be.
#[derive(Clone, Debug, PartialEq)]
pub enum PerformanceError {
    /// The accelerator has no units for the precision.
    Precision(UnsupportedPrecision),
    /// A figure that nobody has published.
    Missing(MissingFigure),
    /// A figure of the accelerator that is too small to be true.
    Absurd {
        /// Key of the accelerator.
        accelerator: String,
        /// The figure.
        field: Field,
        /// What it says, in the field's base unit.
        value: f64,
        /// What it must be at least.
        least: f64,
    },
    /// Heads that the GPUs cannot share.
    Indivisible {
        /// Key of the model.
        model: String,
        /// Which heads.
        what: &'static str,
        /// How many there are.
        heads: u64,
        /// Tensor parallelism asked for.
        ranks: u32,
        /// Tensor parallelism that is possible.
        valid: Vec<u32>,
    },
    /// More GPUs than links join.
    BeyondDomain {
        /// Key of the accelerator.
        accelerator: String,
        /// Kind of link.
        link: String,
        /// GPUs that it or the host joins.
        reach: u32,
        /// Tensor parallelism asked for.
        ranks: u32,
        /// Tensor parallelism that is possible.
        valid: Vec<u32>,
    },
    /// Experts that cannot be dealt to so many groups of GPUs.
    ExpertParallel {
        /// Key of the model.
        model: String,
        /// Routed experts of a layer, `None` where the model has none.
        experts: Option<u64>,
        /// Expert parallelism asked for.
        groups: u32,
        /// GPUs that share them.
        ranks: u32,
        /// Attention groups among these.
        sharing: u32,
        /// Further copies of popular experts.
        redundant: u64,
        /// Expert parallelism that is possible.
        valid: Vec<u32>,
    },
    /// Layers that cannot be dealt evenly to the stages of a pipeline.
    Stages {
        /// Key of the model.
        model: String,
        /// Layers that it has.
        layers: u64,
        /// Pipeline parallelism asked for.
        stages: u32,
        /// Pipeline parallelism that is possible.
        valid: Vec<u32>,
    },
    /// Halves of a batch that have nothing to send while the other computes.
    NothingToOverlap,
    /// Weights and cache need more memory than there is.
    DoesNotFit(Box<DoesNotFit>),
}

impl PerformanceError {
    /// How to mend it, a sentence each.
    #[must_use]
    pub fn help(&self) -> Vec<String> {
        match self {
            Self::Precision(_) | Self::Missing(_) => Vec::new(),
            Self::Absurd { field, least, .. } => {
                vec![format!("it must be at least {}", field.dimension().format(*least))]
            }
            Self::Indivisible { valid, .. } | Self::BeyondDomain { valid, .. } => {
                vec![format!("tensor_parallel can be {}", list(valid))]
            }
            Self::ExpertParallel { experts: None, sharing: 2.., .. } => {
                vec!["leave data_parallel out: without experts to share, add replicas".to_owned()]
            }
            Self::ExpertParallel { experts: None, .. } => {
                vec!["leave expert_parallel at 1: the model has no routed experts".to_owned()]
            }
            Self::ExpertParallel { valid, .. } => vec![
                match valid[..] {
                    [] => "no expert_parallel does; change the other three".to_owned(),
                    _ => format!("expert_parallel can be {}", list(valid)),
                },
                "it must divide tensor_parallel x data_parallel, be a multiple of data_parallel, and \
                 deal out experts and redundant_experts evenly"
                    .to_owned(),
            ],
            Self::Stages { valid, .. } if valid[..] == [1] => {
                vec!["leave pipeline_parallel at 1: experts are dealt over data_parallel".to_owned()]
            }
            Self::Stages { valid, .. } => {
                vec![format!("pipeline_parallel can be {}", list(valid))]
            }
            Self::NothingToOverlap => vec![
                "leave two_batch_overlap out, or share experts between attention groups: \
                 data_parallel and expert_parallel above 1"
                    .to_owned(),
            ],
            Self::DoesNotFit(fault) => fault.help(),
        }
    }

    /// The same as a fault, to be reported beside others at its place.
    #[must_use]
    pub fn fault(&self) -> Fault {
        self.help().into_iter().fold(Fault::new(self.to_string()).unfit(), Fault::help)
    }
}

/// `1, 2 or 4`.
fn list(numbers: &[u32]) -> String {
    match numbers {
        [] => "nothing".to_owned(),
        [one] => one.to_string(),
        [most @ .., last] => {
            let most: Vec<String> = most.iter().map(ToString::to_string).collect();
            format!("{} or {last}", most.join(", "))
        }
    }
}

impl fmt::Display for PerformanceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Precision(error) => error.fmt(f),
            Self::Missing(error) => error.fmt(f),
            Self::Absurd { accelerator, field, value, .. } => {
                write!(f, "{field} of `{accelerator}` is {}", field.dimension().format(*value))
            }
            Self::Indivisible { ranks: 0, .. } => write!(f, "tensor_parallel is 0"),
            Self::Indivisible { model, what, heads, ranks, .. } => {
                write!(f, "the {heads} {what} of `{model}` cannot be shared by {ranks} GPUs")
            }
            Self::BeyondDomain { accelerator, link, reach, ranks, .. } => {
                let link = if link.is_empty() { "no known link" } else { link };
                write!(
                    f,
                    "tensor_parallel = {ranks} goes beyond the {reach} `{accelerator}` that \
                     {link} joins"
                )
            }
            Self::NothingToOverlap => f.write_str(
                "two_batch_overlap hides the exchange of tokens between attention groups, but there \
                 is one group",
            ),
            Self::ExpertParallel { groups: 0, .. } => write!(f, "expert_parallel is 0"),
            Self::ExpertParallel { model, experts: None, groups, .. } => {
                write!(f, "expert_parallel = {groups}, but `{model}` has no routed experts")
            }
            Self::ExpertParallel {
                model,
                experts: Some(experts),
                groups,
                ranks,
                sharing,
                redundant,
                ..
            } => {
                write!(f, "the {experts} experts of `{model}`")?;
                if *redundant > 0 {
                    write!(f, " and {redundant} copies")?;
                }
                write!(f, " cannot be dealt to {groups} groups of {ranks} GPUs")?;
                match sharing {
                    1 => Ok(()),
                    _ => write!(f, " in {sharing} attention groups"),
                }
            }
            Self::Stages { stages: 0, .. } => write!(f, "pipeline_parallel is 0"),
            Self::Stages { model, layers, stages, .. } => {
                write!(f, "the {layers} layers of `{model}` cannot be dealt to {stages} stages")
            }
            Self::DoesNotFit(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PerformanceError {}

impl From<UnsupportedPrecision> for PerformanceError {
    fn from(error: UnsupportedPrecision) -> Self {
        Self::Precision(error)
    }
}

impl From<MissingFigure> for PerformanceError {
    fn from(error: MissingFigure) -> Self {
        Self::Missing(error)
    }
}
