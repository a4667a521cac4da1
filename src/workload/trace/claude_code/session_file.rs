//! A session as its file has it.

use serde::Deserialize;

use crate::workload::trace::KeyScope;
use crate::workload::trace::block_ids::BlockIds;

/// One session. What replay has no use for (`tool_tokens`, `totals`, ...) is not read.
#[derive(Deserialize)]
pub(super) struct SessionFile {
    pub(super) id: String,
    pub(super) block_size: u32,
    pub(super) hash_id_scope: HashIdScope,
    pub(super) requests: Vec<Entry>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum HashIdScope {
    Local,
    Global,
}

impl From<HashIdScope> for KeyScope {
    fn from(scope: HashIdScope) -> Self {
        match scope {
            HashIdScope::Local => Self::PerSession,
            HashIdScope::Global => Self::Global,
        }
    }
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum EntryType {
    /// A call whose answer came in one piece.
    #[serde(rename = "n")]
    Whole,
    /// A call whose answer was streamed.
    #[serde(rename = "s")]
    Streamed,
    Subagent,
}

/// An entry of `requests`: a call or a sub-agent. Which fields must be there depends on which.
#[derive(Deserialize)]
pub(super) struct Entry {
    pub(super) t: f64,
    #[serde(rename = "type")]
    pub(super) kind: EntryType,
    #[serde(default)]
    pub(super) model: String,
    #[serde(rename = "in")]
    pub(super) input: Option<u32>,
    #[serde(rename = "out")]
    pub(super) output: Option<u32>,
    pub(super) hash_ids: Option<BlockIds>,
    #[serde(default)]
    pub(super) input_types: Vec<ContentType>,
    #[serde(default)]
    pub(super) stop: Option<String>,
    pub(super) api_time: Option<f64>,
    pub(super) think_time: Option<f64>,
    pub(super) ttft: Option<f64>,
    #[serde(default)]
    pub(super) agent_id: String,
    pub(super) duration_ms: Option<f64>,
    pub(super) requests: Option<Vec<Entry>>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum ContentType {
    Text,
    ToolResult,
    #[serde(other)]
    Other,
}

impl Entry {
    /// When a call ended, where its duration was recorded.
    pub(super) fn end(&self) -> Option<f64> {
        self.api_time.map(|time| self.t + time)
    }

    /// Whether a person speaks in this call's input. A harness that compacts the conversation in
    /// the middle of its work sends text together with the results of the tools that it waited for.
    pub(super) fn has_user_text(&self, previous: Option<&Entry>) -> bool {
        let has = |wanted| self.input_types.contains(&wanted);
        let awaited_tools = previous.is_some_and(|call| call.stop.as_deref() == Some("tool_use"));
        has(ContentType::Text) && !(awaited_tools && has(ContentType::ToolResult))
    }
}
