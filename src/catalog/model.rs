//! Models: what a step must read, multiply and keep.
//!
//! A [`Model`] is its layers, grouped by shape, with an embedding and an output matrix. It is
//! always built from the keys of a Hugging Face `config.json`: the catalog's own entries are such
//! keys too (`models.toml`), so one code path, the importer in [`hugging_face`], makes every model,
//! and comparing its parameter counts with the published ones tests data and importer at once.
//!
//! Counts of parameters follow from the shape:
//!
//! - total: embedding (unless tied) + output matrix + all layers
//! - active, per token: total less the input embedding and the experts not visited
//!
//! ```
//! use tokenfleet::catalog::{Catalog, NumberFormat, Precision};
//!
//! let catalog = Catalog::embedded();
//! let llama = catalog.model("meta-llama/Llama-3.3-70B-Instruct")?;
//! assert_eq!(llama.parameters().total(), 70_553_706_496); // as published, to the last one
//! // 2 (key and value) x 8 heads x 128 elements x 80 layers x 2 bytes
//! assert_eq!(llama.kv_bytes_per_token(NumberFormat::Bf16), 327_680.0);
//! let gib = llama.weight_bytes(&Precision::of(NumberFormat::Fp8)) as f64 / (1u64 << 30) as f64;
//! assert_eq!(gib.round(), 68.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod context;
pub mod hugging_face;
mod layer;
pub(super) mod read;
#[cfg(test)]
mod tests;

pub use context::{ContextStream, StreamRole};
pub use hugging_face::{ConfigError, ConfigFault};
pub use layer::{
    Attention, Compressed, FeedForward, Heads, Latent, LayerGroup, Linear, Moe, Selection,
};

use super::figure::{Figure, Provenance};
use super::name::Named;
use super::precision::{NumberFormat, Precision};

/// A language model.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Stable name, such as `llama-3.3-70b`.
    pub key: String,
    /// Name in prose.
    pub name: String,
    /// Who made it.
    pub vendor: String,
    /// When it was released.
    pub release: String,
    /// `model_type` of its `config.json`.
    pub model_type: String,
    /// Other names, Hugging Face ids among them.
    pub aliases: Vec<String>,
    /// Width of the residual stream.
    pub hidden: u64,
    /// Tokens that it knows.
    pub vocab: u64,
    /// True where the output matrix is the embedding.
    pub tied_embeddings: bool,
    /// Elements that the layers together look up per token in embeddings of their own; mostly 0.
    pub per_layer_embedding: u64,
    /// Longest context, prompt and answer together.
    pub max_context: u64,
    /// Layers by shape.
    pub layers: Vec<LayerGroup>,
    /// Layers beside these that predict further tokens, for speculation; not counted in.
    pub speculative_layers: u64,
    /// Formats that the checkpoint is published in.
    pub native_precision: Precision,
    /// Published total parameters, where there is a figure.
    pub published_total: Option<Figure<f64>>,
    /// Published parameters active per token.
    pub published_active: Option<Figure<f64>>,
    /// Source of the shape, and remarks; `None` for a model built from a file.
    pub shape: Option<Figure<String>>,
}

/// Where a model's parameters are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// Embeddings that are only looked up; 0 where the output matrix serves.
    pub embedding: u64,
    /// Output matrix.
    pub head: u64,
    /// Attention projections, recurrences included.
    pub attention: u64,
    /// Dense feed-forward layers.
    pub dense_ffn: u64,
    /// Experts that every token visits.
    pub shared_experts: u64,
    /// Routers.
    pub router: u64,
    /// Routed experts, all of them.
    pub routed_experts: u64,
    /// Routed experts that a token visits.
    pub active_experts: u64,
    /// Layer norms.
    pub norms: u64,
}

impl Parameters {
    /// All parameters.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.embedding + self.head + self.linear() + self.router + self.routed_experts + self.norms
    }

    /// Parameters that one token meets: without the input embedding, which is only looked up, and
    /// the experts not visited.
    #[must_use]
    pub fn active(&self) -> u64 {
        self.head + self.linear() + self.router + self.active_experts + self.norms
    }

    /// Quantisable matrices that every token meets: attention, dense layers, shared experts.
    #[must_use]
    pub fn linear(&self) -> u64 {
        self.attention + self.dense_ffn + self.shared_experts
    }
}

impl Model {
    /// Layers of all shapes.
    #[must_use]
    pub fn layer_count(&self) -> u64 {
        self.layers.iter().map(|group| group.count).sum()
    }

    /// Layers for which `wanted` holds.
    #[must_use]
    pub fn layers_where(&self, wanted: impl Fn(&LayerGroup) -> bool) -> u64 {
        self.layers.iter().filter(|group| wanted(group)).map(|group| group.count).sum()
    }

    /// Layers with routed experts.
    #[must_use]
    pub fn moe_layers(&self) -> u64 {
        self.layers_where(|group| matches!(group.ffn, FeedForward::Moe(_)))
    }

    /// The parameters, by where they are.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        let hidden = self.hidden;
        let matrix = self.vocab * hidden;
        let mut parameters = Parameters {
            embedding: if self.tied_embeddings { 0 } else { matrix }
                + self.vocab * self.per_layer_embedding,
            head: matrix,
            norms: hidden,
            ..Parameters::default()
        };
        for LayerGroup { count, attention, ffn } in &self.layers {
            parameters.attention += count * attention.weights(hidden);
            let parts =
                u64::from(*attention != Attention::None) + u64::from(*ffn != FeedForward::None);
            parameters.norms += count * parts * hidden;
            match ffn {
                FeedForward::Dense { dim, matrices } => {
                    parameters.dense_ffn += count * matrices * hidden * dim;
                }
                FeedForward::Moe(moe) => {
                    let expert = moe.expert_weights(hidden);
                    parameters.routed_experts += count * moe.experts * expert;
                    parameters.active_experts += count * moe.active * expert;
                    parameters.shared_experts += count * moe.shared_weights(hidden);
                    parameters.router += count * moe.router_weights(hidden);
                }
                FeedForward::None => {}
            }
        }
        parameters
    }

    /// Bytes of all weights, scales included. Embedding, output matrix, routers and norms stay in
    /// 16 bits (see [`Precision::unquantised`]).
    #[must_use]
    pub fn weight_bytes(&self, precision: &Precision) -> u64 {
        let parameters = self.parameters();
        let plain = parameters.embedding + parameters.head + parameters.router + parameters.norms;
        let parts = [
            precision.unquantised().bytes(plain),
            precision.weights.bytes(parameters.linear()),
            precision.experts.bytes(parameters.routed_experts),
        ];
        parts.into_iter().fold(0, u64::saturating_add)
    }

    /// What the context keeps and costs, stream by stream.
    #[must_use]
    pub fn context_streams(&self) -> Vec<ContextStream> {
        self.layers.iter().flat_map(context::streams).collect()
    }

    /// Bytes per token of the cache that grows with the whole context, without sparse indices.
    #[must_use]
    pub fn kv_bytes_per_token(&self, kv: NumberFormat) -> f64 {
        self.sum_streams(kv, |s| s.role == StreamRole::KeyValue && s.stored_limit.is_none())
    }

    /// Bytes per token of sparse indices, which grow with the context too.
    #[must_use]
    pub fn index_bytes_per_token(&self) -> f64 {
        self.sum_streams(NumberFormat::Bf16, |s| s.role == StreamRole::Index)
    }

    /// Bytes per token of the caches that stop growing at a window, by window.
    #[must_use]
    pub fn windowed_kv_bytes_per_token(&self, kv: NumberFormat) -> Vec<(u64, f64)> {
        let mut windows: Vec<(u64, f64)> = Vec::new();
        for stream in self.context_streams() {
            let Some(window) = stream.stored_limit else { continue };
            match windows.iter_mut().find(|(held, _)| *held == window) {
                Some((_, bytes)) => *bytes += stream.bytes_per_token(kv),
                None => windows.push((window, stream.bytes_per_token(kv))),
            }
        }
        windows
    }

    /// Bytes that a sequence keeps whatever its length: recurrent states in fp32, states of
    /// convolutions in 16 bits.
    #[must_use]
    pub fn state_bytes_per_sequence(&self) -> u64 {
        let state = |group: &LayerGroup| match group.attention {
            Attention::Linear(linear) => {
                group.count
                    * (NumberFormat::Fp32.bytes(linear.state_elements())
                        + NumberFormat::Bf16.bytes(linear.conv_state))
            }
            _ => 0,
        };
        self.layers.iter().map(state).sum()
    }

    /// Bytes that a sequence of `context` tokens keeps in all.
    #[must_use]
    pub fn kv_bytes(&self, context: u64, kv: NumberFormat) -> f64 {
        let streams = self.context_streams();
        let growing: f64 =
            streams.iter().map(|s| s.bytes_per_token(kv) * s.stored(context) as f64).sum();
        growing + self.state_bytes_per_sequence() as f64
    }

    /// Query heads in every attending layer, which tensor parallelism must divide.
    #[must_use]
    pub fn query_heads(&self) -> Vec<u64> {
        let mut heads: Vec<u64> =
            self.layers.iter().filter_map(|group| group.attention.query_heads()).collect();
        heads.sort_unstable();
        heads.dedup();
        heads
    }

    /// One row per sourced figure, for manifests and listings.
    #[must_use]
    pub fn provenance(&self) -> Vec<Provenance> {
        let billions = |value: &f64| format!("{} billion", value / 1e9);
        let published = [
            ("total_parameters", &self.published_total),
            ("active_parameters", &self.published_active),
        ];
        let shape = self
            .shape
            .iter()
            .map(|figure| figure.provenance(&self.key, "shape", std::clone::Clone::clone));
        let counts = published.into_iter().filter_map(|(name, figure)| {
            Some(figure.as_ref()?.provenance(&self.key, name, billions))
        });
        shape.chain(counts).collect()
    }

    fn sum_streams(&self, kv: NumberFormat, wanted: impl Fn(&ContextStream) -> bool) -> f64 {
        let streams = self.context_streams();
        streams.iter().filter(|s| wanted(s)).map(|s| s.bytes_per_token(kv)).sum()
    }
}

impl Named for Model {
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
