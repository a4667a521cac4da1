//! A deployment that does not fit: by how much, what takes it, and what would mend it.

use std::fmt;

use crate::catalog::NumberFormat;
use crate::foundations::units::format_bytes;

/// A replica that has no room for one sequence of the longest context.
#[derive(Clone, Debug, PartialEq)]
pub struct DoesNotFit {
    /// Key of the model.
    pub model: String,
    /// Key of the accelerator.
    pub accelerator: String,
    /// GPUs of the replica.
    pub gpus: u32,
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
            self.gpus,
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
