//! OpenTelemetry spans of generative AI, as OTLP JSON: one export, or one a line.
//!
//! Calls are spans whose operation is `chat`, `text_completion` or `generate_content`, or that carry
//! token counts. A session is a conversation (`gen_ai.conversation.id`) or else a trace; each trace
//! of a conversation is a task. Calls below an agent's span inside another agent's are a
//! sub-agent's. Read are the names of today (`gen_ai.usage.input_tokens`, `gen_ai.provider.name`,
//! `gen_ai.usage.cache_read.input_tokens`) and the older ones (`gen_ai.usage.prompt_tokens`,
//! `llm.usage.prompt_tokens`, `gen_ai.system`, `traceloop.span.kind`, OpenInference's). Calls that
//! overlap ran in parallel.
//!
//! Where both a framework and its client library are traced, one request has two spans, one inside
//! the other, and a framework's span may hold the sum of several: only the innermost is counted.
//! The conventions say that input tokens include cached ones; some libraries hand on counts that do
//! not. A model with a call that read more from the cache than it had input is one of those.
//!
//! Source: OpenTelemetry semantic conventions for generative AI, status Development.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde_json::Value;

use super::input::{files, name, open};
use super::notes::Notes;
use super::timeline::{self, Turn};
use crate::workload::trace::lines::{Lines, malformed};
use crate::workload::trace::recording::{Call, Ending, Header, Session, Sink};
use crate::workload::trace::{Gap, TraceError};

const EXPECTED: &str = "an export is {\"resourceSpans\": [{\"scopeSpans\": [{\"spans\": [...]}]}]}, \
    one in the file or one a line";

/// How many spans lie above each other at most.
const DEEPEST: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Export {
    #[serde(alias = "resource_spans")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans {
    #[serde(default, alias = "scope_spans", alias = "instrumentationLibrarySpans")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Deserialize)]
struct ScopeSpans {
    #[serde(default)]
    spans: Vec<RawSpan>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSpan {
    #[serde(alias = "trace_id")]
    trace_id: String,
    #[serde(alias = "span_id")]
    span_id: String,
    #[serde(default, alias = "parent_span_id")]
    parent_span_id: String,
    #[serde(default)]
    name: String,
    #[serde(alias = "start_time_unix_nano")]
    start_time_unix_nano: Value,
    #[serde(alias = "end_time_unix_nano")]
    end_time_unix_nano: Value,
    #[serde(default)]
    attributes: Vec<Attribute>,
}

#[derive(Deserialize)]
struct Attribute {
    key: String,
    #[serde(default)]
    value: Value,
}

/// What a span is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Call,
    Agent,
    Tool,
    Other,
}

/// A span as far as it matters here.
struct Span {
    kind: Kind,
    trace: String,
    parent: String,
    name: String,
    start_s: f64,
    end_s: f64,
    call: Call,
    cached: Option<u32>,
    /// Tokens that the call wrote into the cache.
    written: u32,
    conversation: Option<String>,
}

pub(super) fn read(paths: &[PathBuf], sink: &mut dyn Sink) -> Result<Ending, TraceError> {
    sink.begin(&Header::without_blocks("otel"))?;
    let mut notes = Notes::default();
    let mut spans: FxHashMap<(String, String), Span> = FxHashMap::default();
    let mut order = Vec::new();
    let mut file = String::new();
    for path in files(paths)? {
        file = name(&path);
        let mut lines = Lines::new(&file, open(&path)?);
        let mut is_first = true;
        while lines.read()? {
            if is_first && !lines.is_complete() {
                lines.read_rest()?;
            }
            is_first = false;
            let export: Export = lines.parse(EXPECTED)?;
            let scopes = export.resource_spans.into_iter().flat_map(|found| found.scope_spans);
            for raw in scopes.flat_map(|scope| scope.spans) {
                let key = (raw.trace_id.clone(), raw.span_id.clone());
                let span = span(raw).ok_or_else(|| {
                    let problem = format!("span {} has no start or end in nanoseconds", key.1);
                    malformed(lines.place().clone(), problem, EXPECTED)
                })?;
                notes.count_if(span.kind == Kind::Other, "spans of other kinds passed over");
                if spans.insert(key.clone(), span).is_none() {
                    order.push(key);
                } else {
                    notes.count("spans came twice: the last was taken");
                }
            }
        }
        notes.add("blank lines passed over", lines.blank);
    }
    leave_out_enclosing(&mut spans, &mut notes);
    include_cached(&mut spans, &mut notes);
    let agents = agents(&spans, &order);
    let sessions = sessions(&spans, &order);
    if sessions.is_empty() {
        let expected = "looked for spans with gen_ai.operation.name or gen_ai.usage.*";
        return Err(TraceError::Empty { file, expected });
    }
    let traces = || sessions.values().flatten().map(|(_, turns)| turns);
    let origin = timeline::earliest(traces().flatten());
    for (name, mut tasks) in sessions {
        tasks.sort_by(|one, other| one.0.total_cmp(&other.0));
        for (_, turns) in &mut tasks {
            turns.sort_by(|a, b| {
                a.start_s.partial_cmp(&b.start_s).unwrap_or(std::cmp::Ordering::Equal)
            });
            if let Some(first) = turns.first_mut() {
                first.gap = Some(Gap::Human);
            }
        }
        let agent = agents.get(&name).cloned().unwrap_or_default();
        let turns: Vec<Turn> = tasks.into_iter().flat_map(|(_, turns)| turns).collect();
        let start = timeline::earliest(&turns).zip(origin).map(|(start, origin)| start - origin);
        let session = timeline::session(name, start, turns, &mut notes);
        sink.session(Session { agent, ..session })?;
    }
    Ok(Ending { clock_grid_s: 0.0, notes: notes.into_lines() })
}

/// Makes calls around other calls no calls.
fn leave_out_enclosing(spans: &mut FxHashMap<(String, String), Span>, notes: &mut Notes) {
    let is_told = |span: &&Span| span.kind == Kind::Call && span.call.input > 0;
    let enclosing: Vec<(String, String)> = spans
        .values()
        .filter(is_told)
        .flat_map(|span| above(spans, span, Kind::Call))
        .cloned()
        .collect();
    for span in enclosing {
        if let Some(span) = spans.get_mut(&span).filter(|span| span.kind == Kind::Call) {
            span.kind = Kind::Other;
            notes.count("calls lay around other calls: only what is inside them is counted");
        }
    }
}

/// Adds cached tokens to prompts that were told without them.
fn include_cached(spans: &mut FxHashMap<(String, String), Span>, notes: &mut Notes) {
    let without: BTreeSet<String> = spans
        .values()
        .filter(|span| span.kind == Kind::Call && span.cached > Some(span.call.input))
        .map(|span| span.call.model.clone())
        .collect();
    for span in spans.values_mut() {
        let more = span.cached.unwrap_or(0).saturating_add(span.written);
        if span.kind == Kind::Call && more > 0 && without.contains(&span.call.model) {
            span.call.input = span.call.input.saturating_add(more);
            notes.count("prompts were told without their cached tokens: those were added");
        }
    }
}

/// The outermost agent of each session, by the name of the session.
fn agents(
    spans: &FxHashMap<(String, String), Span>,
    order: &[(String, String)],
) -> BTreeMap<String, String> {
    let mut agents = BTreeMap::new();
    for key in order {
        let span = &spans[key];
        if span.kind == Kind::Agent && above(spans, span, Kind::Agent).is_empty() {
            let session = span.conversation.as_ref().unwrap_or(&span.trace);
            agents.entry(session.clone()).or_insert_with(|| span.name.clone());
        }
    }
    agents
}

/// Tasks by session: when each began, and its turns.
type Sessions = BTreeMap<String, Vec<(f64, Vec<Turn>)>>;

/// Calls by conversation and trace, sub-agents' below their agents.
fn sessions(spans: &FxHashMap<(String, String), Span>, order: &[(String, String)]) -> Sessions {
    // Turns of each agent below another one, by the span of the sub-agent.
    let mut below: FxHashMap<&(String, String), Vec<Turn>> = FxHashMap::default();
    let mut roots: BTreeMap<&str, Vec<Turn>> = BTreeMap::new();
    let mut conversations: FxHashMap<&str, &str> = FxHashMap::default();
    let mut agents: Vec<(usize, &(String, String))> = Vec::new();
    for key in order {
        let span = &spans[key];
        if let Some(conversation) = &span.conversation {
            conversations.entry(&span.trace).or_insert(conversation);
        }
        let above = above(spans, span, Kind::Agent);
        match span.kind {
            Kind::Call => {
                let turn = Turn {
                    start_s: Some(span.start_s),
                    time_s: Some(span.end_s - span.start_s),
                    cached: span.cached,
                    call: span.call.clone(),
                    ..Turn::default()
                };
                // The outermost agent is the session's own.
                match above.split_last() {
                    Some((_, [.., _])) => below.entry(above[0]).or_default().push(turn),
                    _ => roots.entry(&span.trace).or_default().push(turn),
                }
            }
            Kind::Agent if !above.is_empty() => agents.push((above.len(), key)),
            _ => {}
        }
    }
    // The innermost first, so that each finds its own sub-agents done.
    agents.sort_by_key(|&(depth, _)| std::cmp::Reverse(depth));
    for (depth, key) in agents {
        let span = &spans[key];
        let Some(turns) = below.remove(key) else { continue };
        let turn = Turn {
            start_s: Some(span.start_s),
            time_s: Some(span.end_s - span.start_s),
            name: span.name.clone(),
            agent: turns,
            ..Turn::default()
        };
        let above = above(spans, span, Kind::Agent);
        match depth {
            0 | 1 => roots.entry(&span.trace).or_default().push(turn),
            _ => below.entry(above[0]).or_default().push(turn),
        }
    }
    let mut sessions = Sessions::new();
    for (trace, turns) in roots {
        let name = conversations.get(trace).copied().unwrap_or(trace);
        let start = timeline::earliest(&turns).unwrap_or(0.0);
        sessions.entry(name.to_owned()).or_default().push((start, turns));
    }
    sessions
}

/// Spans of a kind above a span, the innermost first.
fn above<'s>(
    spans: &'s FxHashMap<(String, String), Span>,
    span: &Span,
    kind: Kind,
) -> Vec<&'s (String, String)> {
    let mut above = Vec::new();
    let mut key = (span.trace.clone(), span.parent.clone());
    for _ in 0..DEEPEST {
        let Some((known, parent)) = spans.get_key_value(&key) else { break };
        if parent.kind == kind {
            above.push(known);
        }
        key.1.clone_from(&parent.parent);
    }
    above
}

/// Reads a span; `None` where its times are no times.
fn span(raw: RawSpan) -> Option<Span> {
    let nanos = |value: &Value| {
        let text = value.as_str().and_then(|text| text.parse::<u64>().ok());
        text.or(value.as_u64())
    };
    let (start, end) = (nanos(&raw.start_time_unix_nano)?, nanos(&raw.end_time_unix_nano)?);
    let attributes: FxHashMap<&str, &Value> =
        raw.attributes.iter().map(|a| (a.key.as_str(), &a.value)).collect();
    let text = |names: &[&str]| names.iter().find_map(|name| as_text(attributes.get(name)?));
    let number = |names: &[&str]| names.iter().find_map(|name| as_number(attributes.get(name)?));
    let tokens = |names: &[&str]| number(names).map(|n| libm::round(n.clamp(0.0, 4e9)) as u32);
    let input = tokens(&[
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.usage.prompt_tokens",
        "llm.token_count.prompt",
    ]);
    let output = tokens(&[
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.usage.completion_tokens",
        "llm.token_count.completion",
    ]);
    let operation = text(&["gen_ai.operation.name", "llm.request.type"]);
    let span_kind = text(&["openinference.span.kind", "traceloop.span.kind"]);
    let span_kind = span_kind.map(|kind| kind.to_lowercase());
    let kind = match operation.as_deref() {
        Some("chat" | "text_completion" | "completion" | "generate_content") => Kind::Call,
        Some("invoke_agent" | "create_agent" | "invoke_workflow") => Kind::Agent,
        Some("execute_tool") => Kind::Tool,
        Some(_) => Kind::Other,
        None if span_kind.as_deref() == Some("agent") => Kind::Agent,
        None if span_kind.as_deref() == Some("tool") => Kind::Tool,
        None if input.is_some() || span_kind.as_deref() == Some("llm") => Kind::Call,
        None if attributes.contains_key("gen_ai.tool.name") => Kind::Tool,
        None => Kind::Other,
    };
    let call = Call {
        input: input.unwrap_or(0),
        output: output.unwrap_or(0),
        model: text(&["gen_ai.response.model", "gen_ai.request.model", "llm.model_name"])
            .unwrap_or_default(),
        ttft_s: number(&[
            "gen_ai.response.time_to_first_chunk",
            "gen_ai.server.time_to_first_token",
        ]),
        ..Call::default()
    };
    let cached = tokens(&[
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.cached_tokens",
        "llm.token_count.prompt_details.cache_read",
    ]);
    let written = tokens(&[
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "llm.token_count.prompt_details.cache_write",
    ]);
    let conversation = text(&["gen_ai.conversation.id", "session.id", "gen_ai.session.id"]);
    let agent = text(&["gen_ai.agent.name"]).unwrap_or(raw.name);
    let (start_s, end_s) = (start as f64 / 1e9, end.max(start) as f64 / 1e9);
    Some(Span {
        kind,
        trace: raw.trace_id,
        parent: raw.parent_span_id,
        name: agent,
        start_s,
        end_s,
        call,
        cached,
        written: written.unwrap_or(0),
        conversation,
    })
}

/// A number: `{"intValue": "12"}`, `{"doubleValue": 1.5}`, or a plain one.
fn as_number(value: &Value) -> Option<f64> {
    let inner = ["intValue", "doubleValue", "stringValue"].iter().find_map(|key| value.get(key));
    let inner = inner.unwrap_or(value);
    inner.as_f64().or_else(|| inner.as_str()?.parse().ok()).filter(|number| number.is_finite())
}

fn as_text(value: &Value) -> Option<String> {
    let inner = value.get("stringValue").unwrap_or(value);
    inner.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}
