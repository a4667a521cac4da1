//! Replicas that compute the prompts of another pool's requests.

use crate::serving::link::LinkSpec;

/// The prefill side of a pool whose own replicas only decode.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prefill {
    /// The place of the pool whose replicas compute prompts.
    pub pool: u16,
    /// What keys and values go over from there: a link like this for each of its replicas.
    pub link: LinkSpec,
    /// Whether all its replicas have one such link together.
    pub shared: bool,
    /// Bytes for each token of a prompt.
    pub token_bytes: f64,
    /// Bytes for each prompt, however long it is: windows, states.
    pub sequence_bytes: u64,
}

impl Prefill {
    /// Bytes of keys and values of so many tokens of a prompt.
    pub fn bytes(&self, tokens: u32) -> u64 {
        libm::ceil(self.token_bytes * f64::from(tokens)) as u64 + self.sequence_bytes
    }
}
