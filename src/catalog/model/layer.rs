//! What a transformer layer is made of: how it attends and what it feeds forward.

/// Layers of equal shape, counted together. Their order in the model is not kept: no cost that is
/// modelled depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LayerGroup {
    /// How many layers have this shape.
    pub count: u64,
    /// How they attend.
    pub attention: Attention,
    /// What follows the attention.
    pub ffn: FeedForward,
}

/// How a layer looks back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Attention {
    /// Every token sees all tokens before it (MHA, GQA, MQA).
    Full(Heads),
    /// A token sees at most `window` tokens; the cache keeps no more.
    Window {
        /// Query and key-value heads.
        heads: Heads,
        /// Tokens seen.
        window: u64,
    },
    /// The whole context is kept, but each token reads only what an index selects.
    Sparse {
        /// Query and key-value heads.
        heads: Heads,
        /// How tokens are selected.
        selection: Selection,
    },
    /// Multi-head latent attention: one compressed vector per token instead of keys and values.
    Latent(Latent),
    /// A short window beside a history that is compressed `ratio` tokens to one (DeepSeek V4).
    Compressed(Compressed),
    /// A recurrent state of constant size (Mamba 2, gated delta rule, KDA).
    Linear(Linear),
    /// None: an FFN-only layer.
    None,
}

/// Query and key-value heads of ordinary attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Heads {
    /// Query heads.
    pub query: u64,
    /// Key-value heads.
    pub kv: u64,
    /// Elements of a query or key.
    pub head_dim: u64,
    /// Elements of a value.
    pub v_head_dim: u64,
    /// True where the query projection also yields an output gate, so is twice as wide.
    pub gated: bool,
    /// True where keys serve as values, so that one tensor is projected and kept.
    pub shared_kv: bool,
}

impl Heads {
    /// Plain heads: values as wide as keys, no gate.
    #[must_use]
    pub fn plain(query: u64, kv: u64, head_dim: u64) -> Self {
        Self { query, kv, head_dim, v_head_dim: head_dim, gated: false, shared_kv: false }
    }

    /// Elements kept per token.
    #[must_use]
    pub fn cached_elements(&self) -> u64 {
        self.kv * if self.shared_kv { self.head_dim } else { self.head_dim + self.v_head_dim }
    }

    fn weights(&self, hidden: u64) -> u64 {
        let query = self.query * self.head_dim * if self.gated { 2 } else { 1 };
        hidden * (query + self.cached_elements() + self.query * self.v_head_dim)
    }
}

/// Selection of the tokens that sparse attention reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Selection {
    /// Tokens read at most.
    pub top_k: u64,
    /// Heads of the index; 0 where the layer takes over another layer's choice.
    pub index_heads: u64,
    /// Elements of an index key, of which one per token is kept.
    pub index_dim: u64,
}

impl Selection {
    /// True where the layer computes and keeps an index of its own.
    #[must_use]
    pub fn has_index(&self) -> bool {
        self.index_heads > 0
    }

    /// Projections of the index: queries (from `query_input` wide vectors), one key, head weights.
    fn weights(&self, hidden: u64, query_input: u64) -> u64 {
        match self.has_index() {
            true => {
                let queries = query_input * self.index_heads * self.index_dim;
                queries + hidden * (self.index_dim + self.index_heads)
            }
            false => 0,
        }
    }
}

/// Multi-head latent attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Latent {
    /// Heads.
    pub heads: u64,
    /// Rank of the kept latent.
    pub kv_lora_rank: u64,
    /// Rank of the query's bottleneck; 0 for none.
    pub q_lora_rank: u64,
    /// Positional elements of a query or key; the key's are kept beside the latent.
    pub qk_rope_head_dim: u64,
    /// Other elements of a query or key.
    pub qk_nope_head_dim: u64,
    /// Elements of a value.
    pub v_head_dim: u64,
    /// True where the output passes a gate of full width.
    pub gated: bool,
    /// Selection of tokens, where attention is sparse.
    pub selection: Option<Selection>,
}

impl Latent {
    /// Elements kept per token.
    #[must_use]
    pub fn cached_elements(&self) -> u64 {
        self.kv_lora_rank + self.qk_rope_head_dim
    }

    fn weights(&self, hidden: u64) -> u64 {
        let queries = self.heads * (self.qk_nope_head_dim + self.qk_rope_head_dim);
        let query = match self.q_lora_rank {
            0 => hidden * queries,
            rank => rank * (hidden + queries),
        };
        let up = self.kv_lora_rank * self.heads * (self.qk_nope_head_dim + self.v_head_dim);
        let output = hidden * self.heads * self.v_head_dim * if self.gated { 2 } else { 1 };
        let query_input = if self.q_lora_rank == 0 { hidden } else { self.q_lora_rank };
        let index = self.selection.map_or(0, |selection| selection.weights(hidden, query_input));
        query + hidden * self.cached_elements() + up + output + index
    }
}

/// Attention over a window and a compressed history, keys serving as values (one shared head).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Compressed {
    /// Query heads.
    pub heads: u64,
    /// Elements of a query, and of the one vector kept per entry.
    pub head_dim: u64,
    /// Rank of the query's bottleneck.
    pub q_lora_rank: u64,
    /// Rank of the output's bottleneck, in each group.
    pub o_lora_rank: u64,
    /// Groups of the output projection.
    pub o_groups: u64,
    /// Tokens kept uncompressed.
    pub window: u64,
    /// Tokens per compressed entry; 0 where the layer has no history beyond the window.
    pub ratio: u64,
    /// Selection among the compressed entries; `top_k` counts entries.
    pub selection: Option<Selection>,
}

impl Compressed {
    fn weights(&self, hidden: u64) -> u64 {
        let queries = self.heads * self.head_dim;
        let query = self.q_lora_rank * (hidden + queries);
        let output = self.o_lora_rank * (queries + self.o_groups * hidden);
        // A compressor has a value and a gate projection, doubled where entries overlap (ratio 4).
        let compressor = |width: u64| match self.ratio {
            0 => 0,
            4 => 4 * hidden * width,
            _ => 2 * hidden * width,
        };
        let index = self.selection.map_or(0, |selection| {
            let queries = self.q_lora_rank * selection.index_heads * selection.index_dim;
            queries + hidden * selection.index_heads + compressor(selection.index_dim)
        });
        query + hidden * self.head_dim + output + compressor(self.head_dim) + index
    }
}

/// A recurrence with a state of constant size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Linear {
    /// Heads, each with a state of its own.
    pub heads: u64,
    /// Rows of a head's state.
    pub key_dim: u64,
    /// Columns of a head's state.
    pub value_dim: u64,
    /// Parameters of all projections, convolutions included.
    pub weights: u64,
    /// Elements of the convolution's state.
    pub conv_state: u64,
}

impl Linear {
    /// Elements of the recurrent state of one sequence.
    #[must_use]
    pub fn state_elements(&self) -> u64 {
        self.heads * self.key_dim * self.value_dim
    }
}

impl Attention {
    /// Parameters of the projections.
    #[must_use]
    pub fn weights(&self, hidden: u64) -> u64 {
        match self {
            Self::Full(heads) | Self::Window { heads, .. } => heads.weights(hidden),
            Self::Sparse { heads, selection } => {
                heads.weights(hidden) + selection.weights(hidden, hidden)
            }
            Self::Latent(latent) => latent.weights(hidden),
            Self::Compressed(compressed) => compressed.weights(hidden),
            Self::Linear(linear) => linear.weights,
            Self::None => 0,
        }
    }

    /// The kind in a word, for listings.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Full(heads) if heads.query == heads.kv => "mha",
            Self::Full(_) => "gqa",
            Self::Window { .. } => "window",
            Self::Sparse { .. } => "sparse",
            Self::Latent(Latent { selection: Some(_), .. }) => "sparse mla",
            Self::Latent(_) => "mla",
            Self::Compressed(_) => "compressed",
            Self::Linear(_) => "linear",
            Self::None => "none",
        }
    }

    /// Key-value heads that tensor parallelism can spread; 1 where every rank keeps the whole.
    #[must_use]
    pub fn kv_heads(&self) -> u64 {
        match self {
            Self::Full(heads) | Self::Window { heads, .. } | Self::Sparse { heads, .. } => heads.kv,
            Self::Linear(linear) => linear.heads,
            Self::Latent(_) | Self::Compressed(_) | Self::None => 1,
        }
    }

    /// Query heads, which tensor parallelism must divide; `None` where there are none.
    #[must_use]
    pub fn query_heads(&self) -> Option<u64> {
        match self {
            Self::Full(heads) | Self::Window { heads, .. } | Self::Sparse { heads, .. } => {
                Some(heads.query)
            }
            Self::Latent(latent) => Some(latent.heads),
            Self::Compressed(compressed) => Some(compressed.heads),
            Self::Linear(linear) => Some(linear.heads),
            Self::None => None,
        }
    }
}

/// What a layer feeds forward.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FeedForward {
    /// One network for every token.
    Dense {
        /// Inner width.
        dim: u64,
        /// Matrices: 3 with a gate, 2 without.
        matrices: u64,
    },
    /// Routed experts.
    Moe(Moe),
    /// None: an attention-only layer.
    None,
}

/// A mixture of experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Moe {
    /// Routed experts.
    pub experts: u64,
    /// Experts that a token visits.
    pub active: u64,
    /// Inner width of an expert.
    pub expert_dim: u64,
    /// Inner width of what every token visits beside them (shared experts, a parallel dense
    /// network), together; 0 for none.
    pub shared_dim: u64,
    /// Width that routed experts read and write; 0 where that is the hidden width.
    pub latent_dim: u64,
    /// Matrices of an expert: 3 with a gate, 2 without.
    pub matrices: u64,
}

impl Moe {
    /// Parameters of one routed expert.
    #[must_use]
    pub fn expert_weights(&self, hidden: u64) -> u64 {
        let width = if self.latent_dim == 0 { hidden } else { self.latent_dim };
        self.matrices * width * self.expert_dim
    }

    /// Parameters that every token visits: shared experts and the way into and out of a latent.
    #[must_use]
    pub fn shared_weights(&self, hidden: u64) -> u64 {
        self.matrices * hidden * self.shared_dim + 2 * hidden * self.latent_dim
    }

    /// Parameters of the router.
    #[must_use]
    pub fn router_weights(&self, hidden: u64) -> u64 {
        hidden * self.experts
    }
}
