//! What a server is doing, for those who look on.

use super::{Activity, Replica};

/// What steps under way compute; nothing of an idle server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnderWay {
    /// Requests that get a token in each.
    pub decoding: u32,
    /// Prompts in it, where it is a single step with some.
    pub prompts: u32,
    /// Tokens of these.
    pub prompt_tokens: u32,
}

impl Replica {
    /// Steps done since the start of the trial.
    pub fn steps_done(&self) -> u64 {
        self.done
    }

    /// What it is doing.
    pub fn under_way(&self) -> UnderWay {
        match self.activity {
            Activity::Idle | Activity::Stalled => UnderWay::default(),
            Activity::Leap { .. } => {
                UnderWay { decoding: self.batch.size as u32, ..UnderWay::default() }
            }
            Activity::Mixed { decoding, .. } => UnderWay {
                decoding: if decoding { self.batch.size as u32 } else { 0 },
                prompts: self.chunks.len() as u32,
                prompt_tokens: self.chunks.iter().map(|chunk| chunk.tokens).sum(),
            },
        }
    }
}
