//! How long one engine iteration takes.
//!
//! An iteration computes `T` new tokens, of which some belong to prompts and one to each decoding
//! request, and reads the keys and values of all contexts. Its time is a sum over kernel groups
//! (linear layers, experts, head, attention, communication, launches, host work for each request),
//! each the smooth maximum of its arithmetic and its memory traffic.
//!
//! The part that depends on contexts is linear in them, with integer coefficients of a picosecond
//! for each token: a decode step of a given batch lasts `base + context_ps * (sum of contexts)`,
//! which is what lets a batch leap over many steps exactly.

/// Time and memory traffic of one part of a step, on each GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepCost {
    /// Time, ps.
    pub ps: u64,
    /// Bytes read and written.
    pub bytes: u64,
}

/// What one decoding request pays in a step for each token of its context, on each GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContextCost {
    /// Time, ps.
    pub ps: u64,
    /// Bytes of keys and values read.
    pub bytes: u64,
    /// Arithmetic, FLOP.
    pub flops: u64,
}

/// Attention that reads at most the last `window` tokens of a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowCost {
    /// Tokens after which a context stops adding to the step.
    pub window: u32,
    /// For each context token inside the window.
    pub cost: ContextCost,
}

/// Attention of one prompt chunk, on each GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrefillCost {
    /// Time, ps.
    pub ps: u64,
    /// Arithmetic, FLOP.
    pub flops: u64,
}

/// A kernel group whose time is the smooth maximum of arithmetic and memory traffic,
/// `(compute^p + memory^p)^(1/p)`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct KernelGroup {
    /// Seconds of arithmetic for each token.
    pub compute_s: f64,
    /// Tokens of arithmetic that are paid however few there are (tile padding).
    pub padding: f64,
    /// Seconds of memory traffic that does not depend on the tokens: reading the weights.
    pub memory_s: f64,
    /// Bytes behind `memory_s`.
    pub bytes: f64,
}

/// Routed experts: how many are read depends on how many tokens choose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExpertGroup {
    /// Experts, and how many each token chooses.
    pub experts: f64,
    /// Experts each token is routed to.
    pub active: f64,
    /// Seconds of arithmetic for each (token, expert) pair.
    pub compute_s: f64,
    /// Rows of padding for each expert that is read.
    pub padding: f64,
    /// Seconds to read one expert's weights.
    pub memory_s: f64,
    /// Bytes of one expert's weights.
    pub bytes: f64,
}

/// Step times of one model on one kind of replica. All times are for the whole replica, all work
/// for each of its GPUs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepModel {
    /// Sharpness of the smooth maximum.
    pub sharpness: f64,
    /// Linear layers: projections, dense feed-forward, shared experts.
    pub linear: KernelGroup,
    /// Routed experts, if any.
    pub experts: Option<ExpertGroup>,
    /// The output matrix, for tokens that are sampled from.
    pub head: KernelGroup,
    /// Communication: seconds in every step, and for each token.
    pub communication_s: f64,
    /// Seconds of communication for each new token.
    pub communication_token_s: f64,
    /// What every step costs beside its kernels, seconds.
    pub step_s: f64,
    /// Launching the kernels of a captured graph, seconds.
    pub launch_s: f64,
    /// Least time of the kernels of a step that contains prompt tokens, seconds.
    pub prefill_host_s: f64,
    /// Host time for each request in the step, seconds.
    pub sequence_s: f64,
    /// Attention over contexts that grow without bound.
    pub context: ContextCost,
    /// Attention over windows.
    pub windows: Vec<WindowCost>,
    /// Seconds of prefill attention for each (new token, attended token) pair of unbounded layers.
    pub pair_s: f64,
    /// FLOP behind `pair_s`.
    pub pair_flops: f64,
    /// (window, seconds, FLOP) for each pair of windowed layers.
    pub pair_windows: Vec<(u32, f64, f64)>,
    /// FLOP of one token in the layers, on each GPU.
    pub layer_flops: u64,
    /// FLOP of one token in the head, on each GPU.
    pub head_flops: u64,
}

impl StepModel {
    /// Linear layers, experts and communication of a step with so many new tokens.
    pub fn tokens(&self, tokens: u32) -> StepCost {
        let n = f64::from(tokens);
        let linear = self.group(&self.linear, n);
        let mut seconds =
            linear + self.launch_s + self.communication_s + self.communication_token_s * n;
        let mut bytes = self.linear.bytes;
        if let Some(group) = &self.experts {
            // Experts that at least one of n tokens chooses, when all are chosen alike.
            let missed = libm::pow(1.0 - group.active / group.experts, n);
            let read = group.experts * (1.0 - missed);
            let rows = n * group.active + group.padding * read;
            seconds += self.smooth_max(rows * group.compute_s, read * group.memory_s);
            bytes += read * group.bytes;
        }
        cost(seconds, bytes)
    }

    /// The head, for so many tokens to sample from.
    pub fn head(&self, emitting: u32) -> StepCost {
        if emitting == 0 {
            return StepCost::default();
        }
        cost(self.group(&self.head, f64::from(emitting)), self.head.bytes)
    }

    /// Host work for the requests in a step, and what every step costs beside its kernels, ps.
    pub fn host_ps(&self, sequences: u32) -> u64 {
        ps(self.step_s + self.sequence_s * f64::from(sequences))
    }

    /// Least time of the kernels of a step with prompt tokens, which the host launches one by one
    /// instead of replaying a captured graph, ps.
    pub fn prefill_host_ps(&self) -> u64 {
        ps(self.prefill_host_s)
    }

    /// Attention of `new` prompt tokens behind `cached` ones: each attends to all before it.
    pub fn prefill_attention(&self, new: u32, cached: u32) -> PrefillCost {
        let (n, q) = (f64::from(new), f64::from(cached));
        let pairs = n * (q + n / 2.0);
        let (mut seconds, mut flops) = (pairs * self.pair_s, pairs * self.pair_flops);
        for &(window, pair_s, pair_flops) in &self.pair_windows {
            let w = f64::from(window);
            // Tokens before the window is full attend to all, later ones to the window.
            let growing = (w - q).clamp(0.0, n);
            let pairs = growing * (q + growing / 2.0) + (n - growing) * w;
            seconds += pairs * pair_s;
            flops += pairs * pair_flops;
        }
        PrefillCost { ps: ps(seconds), flops: flops as u64 }
    }

    /// FLOP of a token that is sampled from, attention aside.
    pub fn token_flops(&self) -> u64 {
        self.layer_flops + self.head_flops
    }

    /// FLOP of a prompt token, attention aside.
    pub fn prompt_token_flops(&self) -> u64 {
        self.layer_flops
    }

    fn group(&self, group: &KernelGroup, tokens: f64) -> f64 {
        self.smooth_max((tokens + group.padding) * group.compute_s, group.memory_s)
    }

    fn smooth_max(&self, a: f64, b: f64) -> f64 {
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        if low <= 0.0 {
            return high;
        }
        let p = self.sharpness;
        high * libm::pow(1.0 + libm::pow(low / high, p), 1.0 / p)
    }
}

fn ps(seconds: f64) -> u64 {
    libm::round(seconds * 1e12) as u64
}

fn cost(seconds: f64, bytes: f64) -> StepCost {
    StepCost { ps: ps(seconds), bytes: bytes as u64 }
}
