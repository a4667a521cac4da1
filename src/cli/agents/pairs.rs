//! Which archetype is held against which recording, and by what.

use crate::report::likeness::Trait;
use crate::workload::trace::import::Format as Recording;

/// An archetype and a recording of agents of its kind.
pub(super) struct Pair {
    pub(super) archetype: &'static str,
    pub(super) format: Recording,
    pub(super) file: &'static str,
    /// Only sessions whose names begin so.
    pub(super) sessions: &'static str,
    /// Sessions with longer prompts are not asked about contexts, tokens.
    pub(super) window: Option<u32>,
    pub(super) columns: &'static [&'static str],
    pub(super) what: &'static str,
    pub(super) traits: &'static [Trait],
    /// What is published of all that the recording is a part of: names of tables of quantiles, and
    /// what is to be added to their values.
    pub(super) tables: &'static [(Trait, &'static str, f64)],
    /// Users and simulated hours; enough for several hundred sessions.
    pub(super) users: u32,
    pub(super) hours: u32,
}

const AGENTS: &[Trait] = &[
    Trait::CallsPerSession,
    Trait::FirstPrompt,
    Trait::Prompt,
    Trait::Answer,
    Trait::Growth,
    Trait::ToolTime,
];
const SESSIONS: &[Trait] = &[
    Trait::TasksPerSession,
    Trait::CallsPerTask,
    Trait::CallsPerSession,
    Trait::FirstPrompt,
    Trait::Prompt,
    Trait::Answer,
    Trait::Growth,
    Trait::ToolTime,
    Trait::ThinkTime,
];

/// A recording that is compared as it is.
const WHOLE: Pair = Pair {
    archetype: "",
    format: Recording::Tokenfleet,
    file: "",
    sessions: "",
    window: None,
    columns: &[],
    what: "",
    traits: AGENTS,
    tables: &[],
    users: 20,
    hours: 2,
};

pub(super) const PAIRS: [Pair; 6] = [
    Pair {
        archetype: "coding-autonomous",
        format: Recording::Trie,
        file: "trie/agentic_coding_8k_first2000.jsonl",
        what: "Applied Compute trie, agentic coding: the first 2,000 of 8,192 tasks. Tasks of similar \
               length stand together there, and these are shorter. The archetype has the calls and \
               the tool times of all.",
        traits: AGENTS,
        // A task makes one call more than it uses tools.
        tables: &[
            (Trait::CallsPerSession, "trie_coding.tool_turns", 1.0),
            (Trait::FirstPrompt, "trie_coding.initial_prompt_tokens", 0.0),
            (Trait::ToolTime, "trie_coding.tool_latency_s", 0.0),
        ],
        users: 20,
        hours: 6,
        ..WHOLE
    },
    Pair {
        archetype: "coding-interactive",
        format: Recording::Columns,
        file: "claude_code_weka/llm_calls.csv.gz",
        window: Some(200_000),
        columns: &["cached=prefix_hit_blocks64*64"],
        what: "Claude Code sessions (WEKA kv-cache-tester, Apache-2.0), about half of 710. Contexts are \
               compared with those three in four that stay within 200k tokens, the window for which \
               the archetype cuts them. Its tasks and think times are those of all 710.",
        traits: SESSIONS,
        tables: &[
            (Trait::TasksPerSession, "claude_code.user_requests_per_session", 0.0),
            (Trait::CallsPerTask, "claude_code.llm_calls_per_user_request", 0.0),
            (Trait::CallsPerSession, "claude_code.llm_calls_per_session", 0.0),
            (Trait::Answer, "claude_code.output_tokens", 0.0),
            (Trait::ToolTime, "claude_code.think_s.after_tool", 0.0),
            (Trait::ThinkTime, "claude_code.think_s.after_user", 0.0),
        ],
        users: 40,
        hours: 72,
        ..WHOLE
    },
    Pair {
        archetype: "react",
        format: Recording::Columns,
        file: "lmcache_agentic/train_shard4_normalized.jsonl",
        sessions: "gaia",
        what: "GAIA tasks (LMCache agentic traces, MIT); prompts were not recorded.",
        traits: &[Trait::CallsPerSession, Trait::Answer, Trait::ToolTime],
        tables: &[
            (Trait::CallsPerSession, "lmcache.gaia.llm_calls_per_session", 0.0),
            (Trait::Answer, "lmcache.gaia.output_tokens", 0.0),
        ],
        users: 20,
        hours: 6,
        ..WHOLE
    },
    Pair {
        archetype: "chat",
        format: Recording::Mooncake,
        file: "mooncake/conversation_first5000.jsonl",
        what: "Mooncake conversation trace (Apache-2.0): 5,000 of 12,031 requests, not linked.",
        traits: &[Trait::Prompt, Trait::Answer],
        tables: &[
            (Trait::Prompt, "mooncake.conversation.input_tokens", 0.0),
            (Trait::Answer, "mooncake.conversation.output_tokens", 0.0),
        ],
        users: 100,
        hours: 2,
        ..WHOLE
    },
    Pair {
        archetype: "rag",
        format: Recording::RagPulse,
        file: "ragpulse",
        what: "RAGPulse (MIT): 7,106 requests of a week. What came before a request is part of its \
               prompt.",
        traits: &[Trait::TasksPerSession, Trait::Prompt, Trait::Answer, Trait::ThinkTime],
        users: 4,
        hours: 500,
        ..WHOLE
    },
    Pair {
        archetype: "plain",
        format: Recording::Azure,
        file: "azure2023/AzureLLMInferenceTrace_conv.csv",
        what: "Azure conversations of 2023 (CC BY 4.0): 19,366 requests.",
        traits: &[Trait::Prompt, Trait::Answer],
        users: 20,
        hours: 2,
        ..WHOLE
    },
];
