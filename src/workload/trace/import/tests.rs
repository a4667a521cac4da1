//! Every format: a file as it should be, what becomes of it, and any mutilation of it.

use std::fs;

use proptest::prelude::*;

use super::*;
use crate::workload::trace::assemble::Assembler;
use crate::workload::trace::recording::{Session, Writer};
use crate::workload::trace::{Gap, KeyScope, RecordedStep, Trace};

/// A small file of each format that is one file.
const SAMPLES: [(Format, &str); 14] = [
    (
        Format::Tokenfleet,
        r#"{"tokenfleet_trace":1,"source":"x","scope":"session","block_size":64}
{"session":"a","start_s":1.5,"actions":[{"task":true,"call":{"in":100,"out":5,"context":{"blocks":[[1,2]]}}},{"wait_s":2.0,"wait_for":"tool","spawn":[{"actions":[{"call":{"in":9,"out":1}}]}]},{"wait_s":3.0,"wait_for":"human","task":true,"call":{"in":130,"out":5,"context":{"blocks":[[1,3]]}}}]}
{"sessions":1,"calls":3,"notes":["n"]}
"#,
    ),
    (
        Format::Mooncake,
        r#"{"timestamp": 0, "input_length": 600, "output_length": 5, "hash_ids": [0, 1]}
{"timestamp": 90, "input_length": 700, "output_length": 0, "hash_ids": [0, 2], "session_id": "a"}
{"input_length": 900, "output_length": 7, "hash_ids": [0, 2], "session_id": "a", "delay": 1500}
"#,
    ),
    (
        Format::ClaudeCode,
        r#"{"id":"x","block_size":64,"hash_id_scope":"local","requests":[{"t":1,"type":"n","in":100,"out":1,"hash_ids":[1,2],"api_time":3},{"t":9,"type":"subagent","duration_ms":5,"requests":[{"t":0,"type":"s","in":7,"out":1,"hash_ids":[3]}]},{"t":12,"type":"n","in":130,"out":1,"hash_ids":[1,2,4]}]}"#,
    ),
    (
        Format::Azure,
        "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:17:03.9799600,4808,10\r\n\
         2023-11-16 18:17:04.0319600,3180,0\r\n2023-11-16 18:17:05.0,0,4",
    ),
    (
        Format::BurstGpt,
        "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n\
         5,,2,ChatGPT,472,18,490,API log\n9,s1,3.5,GPT-4,10,20,30,Conversation log\n\
         20,s1,1,GPT-4,40,25,65,Conversation log\n21,,1,GPT-4,40,0,40,API log\n",
    ),
    (
        Format::Trie,
        r#"{"input_prompt_length": 6342, "assistant_response_length": [85, 46], "num_turns": 2, "tool_call_latency": [37.197, 1.56], "tool_call_output_length": [664, 35], "final_assistant_response_length": 288}"#,
    ),
    (
        Format::TraceLab,
        r#"{"session_id":"s","round_index":0,"model":"m","input_tokens_total":1000,"prefix_tokens":400,"newly_append_tokens":600,"output_tokens":50,"timing_events":[{"event_type":"user_message","timestamp":"2026-06-01T05:40:20.000Z"},{"event_type":"tool_call","timestamp":"2026-06-01T05:40:30.500Z"}]}
{"session_id":"s","round_index":1,"model":"m","input_tokens_total":1300,"prefix_tokens":1000,"newly_append_tokens":300,"output_tokens":60,"timing_events":[{"event_type":"tool_result","timestamp":"2026-06-01T05:40:32.500Z"},{"event_type":"text","timestamp":"2026-06-01T05:40:39.000Z"}]}
"#,
    ),
    (
        Format::Otel,
        r#"{"resourceSpans":[{"scopeSpans":[{"spans":[
{"traceId":"t1","spanId":"a","name":"invoke_agent lead","startTimeUnixNano":"1000000000","endTimeUnixNano":"30000000000","attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"invoke_agent"}},{"key":"gen_ai.conversation.id","value":{"stringValue":"talk"}}]},
{"traceId":"t1","spanId":"b","parentSpanId":"a","name":"chat m","startTimeUnixNano":"1000000000","endTimeUnixNano":"3000000000","attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"chat"}},{"key":"gen_ai.usage.input_tokens","value":{"intValue":"1000"}},{"key":"gen_ai.usage.output_tokens","value":{"intValue":"50"}},{"key":"gen_ai.request.model","value":{"stringValue":"m"}}]},
{"traceId":"t1","spanId":"c","parentSpanId":"a","name":"invoke_agent helper","startTimeUnixNano":"4000000000","endTimeUnixNano":"9000000000","attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"invoke_agent"}}]},
{"traceId":"t1","spanId":"d","parentSpanId":"c","name":"chat m","startTimeUnixNano":"4500000000","endTimeUnixNano":"8000000000","attributes":[{"key":"gen_ai.usage.prompt_tokens","value":{"intValue":"300"}},{"key":"gen_ai.usage.completion_tokens","value":{"intValue":"20"}}]},
{"traceId":"t1","spanId":"e","parentSpanId":"a","name":"chat m","startTimeUnixNano":"10000000000","endTimeUnixNano":"12000000000","attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"chat"}},{"key":"gen_ai.usage.input_tokens","value":{"intValue":"1200"}},{"key":"gen_ai.usage.output_tokens","value":{"intValue":"40"}},{"key":"gen_ai.usage.cache_read.input_tokens","value":{"intValue":"960"}}]}
]}]}]}"#,
    ),
    (
        Format::AgenticMooncake,
        r#"{"schema":"dynamo.agentic_mooncake","version":2,"block_size":64,"hash_id_scope":"local","source":{"format":"x","digest":"d"}}
{"request_id":"r1","play_id":"p","session_id":"s","model":"m","input_length":100,"output_length":5,"hash_ids":[1,2],"not_before_ms":0.0}
{"request_id":"r2","play_id":"p","session_id":"child","model":"m","input_length":60,"output_length":5,"hash_ids":[9],"not_before_ms":0.0,"dependencies":[{"request_id":"r1","trigger":"completion","delay_ms":250.0,"relation":"spawn"}]}
{"request_id":"r3","play_id":"p","session_id":"s","model":"m","input_length":150,"output_length":5,"hash_ids":[1,2,3],"not_before_ms":0.0,"dependencies":[{"request_id":"r2","trigger":"completion","delay_ms":1000.0,"relation":"join"}]}
"#,
    ),
    (
        Format::LlmServingSim,
        r#"{"session_id":"a","arrival_time_ns":1000000000,"sub_requests":[{"input_toks":900,"output_toks":60,"tool_duration_ns":1500000000},{"input_toks":990,"output_toks":70,"tool_duration_ns":0}]}
{"input_toks": 120, "output_toks": 80, "arrival_time_ns": 250000000}
"#,
    ),
    (
        Format::InferenceLab,
        r#"{"id":"a","steps":[{"input":9000,"new":9000,"output":120,"gap":0,"kind":"user"},{"input":9800,"new":680,"output":90,"gap":2.5,"kind":"tool"},{"input":9990,"new":190,"output":90,"gap":60,"kind":"user"}]}"#,
    ),
    (
        Format::AgentPerf,
        r#"{"version":1,"turn_id":"t:0","task_id":"t","conversation_id":"c","recorded_prompt_tokens":1458,"recorded_completion_tokens":101,"recorded_model_duration_ms":850,"simulated_tool_delay_ms_after":253.5}
{"version":1,"turn_id":"t:1","task_id":"t","conversation_id":"helper","recorded_prompt_tokens":700,"recorded_completion_tokens":11,"recorded_model_duration_ms":50,"simulated_tool_delay_ms_after":0}
{"version":1,"turn_id":"t:2","task_id":"t","conversation_id":"c","recorded_prompt_tokens":1865,"recorded_completion_tokens":58,"recorded_model_duration_ms":431,"simulated_tool_delay_ms_after":0}
"#,
    ),
    (
        Format::TauBench,
        "task_id,trial,reward,llm_calls,tool_calls,tool_errors,user_messages,system_chars,assistant_chars,tool_result_chars\n\
         0,0,0.0,4,2,1,8,6155,800,4000\n",
    ),
    (
        Format::Columns,
        "session_id,start_time_ms,duration_s,prompt_tokens,completion_tokens,cached_tokens\n\
         a,1000,2,500,20,0\na,5000,1.5,700,30,500\nb,2500,1,100,10,0\n",
    ),
];

/// A file of this text under a name that says nothing.
fn file(folder: &Path, text: &[u8]) -> PathBuf {
    let path = folder.join("recording");
    fs::write(&path, text).unwrap();
    path
}

fn assembled(format: Format, paths: &[PathBuf]) -> Result<Trace, TraceError> {
    let mut trace = Assembler::new("t");
    let ending = read(format, paths, &ImportOptions::default(), &mut trace)?;
    trace.finish(ending)
}

fn sample(format: Format) -> Trace {
    let folder = tempfile::tempdir().unwrap();
    let (_, text) = SAMPLES.iter().find(|(of, _)| *of == format).unwrap();
    assembled(format, &[file(folder.path(), text.as_bytes())]).unwrap()
}

/// Sizes of the calls of each root session with the pauses before them, spawns as `None`.
fn shape(trace: &Trace) -> Vec<Vec<Option<(u32, u32, f64)>>> {
    let of = |&root: &u32| {
        let action = |action: &crate::workload::trace::RecordedAction| match action.step {
            RecordedStep::Call(call) => {
                let call = &trace.calls[call as usize];
                Some((call.input, call.output, (action.delay.as_s() * 1e4).round() / 1e4))
            }
            RecordedStep::Spawn(_) => None,
        };
        trace.actions_of(root).iter().map(action).collect()
    };
    trace.roots.iter().map(of).collect()
}

#[test]
fn every_sample_looks_like_what_it_is() {
    for (format, text) in SAMPLES {
        assert_eq!(Format::guess(text.as_bytes()), Some(format));
    }
    for (format, name) in Format::ALL.into_iter().zip(Format::NAMES) {
        assert_eq!((format.name(), Format::from_name(name)), (name, Some(format)));
    }
}

#[test]
fn calls_and_pauses_are_those_of_the_files() {
    let call = |input, output, wait| Some((input, output, wait));
    for (format, expected) in [
        (Format::Tokenfleet, vec![vec![call(100, 5, 0.0), None, call(130, 5, 3.0)]]),
        (
            Format::Mooncake,
            vec![vec![call(600, 5, 0.0)], vec![call(700, 1, 0.0), call(900, 7, 1.5)]],
        ),
        (Format::Azure, vec![vec![call(4808, 10, 0.0)], vec![call(3180, 1, 0.0)]]),
        (
            Format::BurstGpt,
            vec![vec![call(472, 18, 0.0)], vec![call(10, 20, 0.0), call(40, 25, 7.5)]],
        ),
        (
            Format::Trie,
            vec![vec![call(6342, 85, 0.0), call(7091, 46, 37.197), call(7172, 288, 1.56)]],
        ),
        (Format::TraceLab, vec![vec![call(1000, 50, 0.0), call(1300, 60, 2.0)]]),
        (Format::Otel, vec![vec![call(1000, 50, 0.0), None, call(1200, 40, 1.0)]]),
        (Format::AgenticMooncake, vec![vec![call(100, 5, 0.0), None, call(150, 5, 1.0)]]),
        (
            Format::LlmServingSim,
            vec![vec![call(120, 80, 0.0)], vec![call(900, 60, 0.0), call(990, 70, 1.5)]],
        ),
        (
            Format::InferenceLab,
            vec![vec![call(9000, 120, 0.0), call(9800, 90, 2.5), call(9990, 90, 60.0)]],
        ),
        (Format::AgentPerf, vec![vec![call(1458, 101, 0.0), None, call(1865, 58, 0.0)]]),
        (
            Format::TauBench,
            vec![vec![
                call(1538, 50, 0.0),
                call(2088, 50, 0.0),
                call(2638, 50, 0.0),
                call(2738, 50, 28.6),
            ]],
        ),
        (
            Format::Columns,
            vec![vec![call(500, 20, 0.0), call(700, 30, 2.0)], vec![call(100, 10, 0.0)]],
        ),
    ] {
        assert_eq!(shape(&sample(format)), expected, "{}", format.name());
    }
}

#[test]
fn prompts_share_what_was_recorded_or_follows_from_it() {
    for (format, one, other, tokens) in [
        (Format::Tokenfleet, 0, 2, 100),
        (Format::Mooncake, 0, 1, 512),
        (Format::Mooncake, 1, 2, 700),
        (Format::Trie, 1, 2, 7091),
        (Format::TraceLab, 0, 1, 1000),
        // What the cache held, not what it might have.
        (Format::Otel, 0, 2, 960),
        (Format::Otel, 0, 1, 0),
        (Format::AgenticMooncake, 0, 2, 100),
        (Format::InferenceLab, 0, 1, 9000),
        (Format::AgentPerf, 0, 2, 1458),
        (Format::Columns, 0, 1, 500),
        (Format::Azure, 0, 1, 0),
    ] {
        assert_eq!(sample(format).common_prefix(one, other), tokens, "{}", format.name());
    }
}

#[test]
fn people_and_tools_are_told_apart() {
    let gaps = |format| {
        let trace = sample(format);
        trace.actions_of(trace.roots[0]).iter().map(|action| action.gap).collect::<Vec<_>>()
    };
    assert_eq!(gaps(Format::InferenceLab), [Gap::None, Gap::Tool, Gap::Human]);
    assert_eq!(gaps(Format::TraceLab), [Gap::None, Gap::Tool]);
    assert_eq!(gaps(Format::Otel), [Gap::None, Gap::Tool, Gap::Tool]);
}

#[test]
fn overlapping_calls_run_in_parallel_and_keep_their_context() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        "session,start,time,input,output\na,0,1,100,5\na,2,5,150,5\na,3,1,160,5\na,9,1,170,5\n";
    let trace = assembled(Format::Columns, &[file(folder.path(), text.as_bytes())]).unwrap();
    assert_eq!(shape(&trace), [[Some((100, 5, 0.0)), None, Some((170, 5, 2.0))]]);
    assert_eq!(trace.common_prefix(0, 1), 100);
    // The last one goes on from the longest before it, which ran in parallel.
    assert_eq!((trace.common_prefix(2, 3), trace.common_prefix(1, 3)), (160, 150));
}

#[test]
fn what_was_written_is_read_again_as_it_was() {
    for (format, _) in SAMPLES {
        let folder = tempfile::tempdir().unwrap();
        let (_, text) = SAMPLES.iter().find(|(of, _)| *of == format).unwrap();
        let path = file(folder.path(), text.as_bytes());
        let mut written = Vec::new();
        let mut writer = Writer::new(&mut written, "w");
        let options = ImportOptions::default();
        let ending = read(format, std::slice::from_ref(&path), &options, &mut writer).unwrap();
        writer.finish(ending).unwrap();
        let empty = String::from_utf8_lossy(&written).matches("\"actions\":[]").count();
        assert_eq!(empty, 0, "{} writes sessions in which nothing happens", format.name());
        let direct = assembled(format, &[path]).unwrap();
        let again = assembled(Format::Tokenfleet, &[file(folder.path(), &written)]).unwrap();
        assert_eq!(direct, again, "{}", format.name());
    }
}

#[test]
fn a_foreign_file_is_refused_with_what_it_looks_like() {
    let folder = tempfile::tempdir().unwrap();
    for (wanted, _) in SAMPLES {
        for (real, text) in SAMPLES {
            let path = file(folder.path(), text.as_bytes());
            let Err(error) = assembled(wanted, &[path]) else {
                // Some formats are special cases of the generic table.
                assert!(wanted == real || wanted == Format::Columns, "{wanted:?} {real:?}");
                continue;
            };
            let message = error.to_string();
            if matches!(error, TraceError::Malformed { .. }) {
                let hint = format!("it looks like {}", real.name());
                assert!(message.contains(&hint), "{wanted:?} {real:?}: {message}");
                assert!(message.contains(", line "), "{message}");
            }
        }
    }
}

#[test]
fn a_trace_that_breaks_off_is_refused() {
    let (_, text) = SAMPLES[0];
    let folder = tempfile::tempdir().unwrap();
    let without_trailer: String = text.lines().take(2).map(|line| format!("{line}\n")).collect();
    let wrong_count = text.replace("\"calls\":3", "\"calls\":4");
    let too_long = text.replace("[[1,2]]", "[[1,4000000000]]");
    for (text, expected) in [
        (&text[..200], "line 2, byte"),
        (&without_trailer, "ends after 1 sessions without a trailer"),
        (&wrong_count, "1 sessions with 3 calls stand before a trailer that counts 1 and 4"),
        (&too_long, "actions[0]: more blocks than the prompt has room for"),
    ] {
        let error = assembled(Format::Tokenfleet, &[file(folder.path(), text.as_bytes())]);
        let error = error.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn rates_are_drawn_as_they_are_described() {
    let folder = tempfile::tempdir().unwrap();
    let rates: String = (0..6).map(|w| format!("{},2.0,1.0,Gamma,1.0,0.5\n", w * 600)).collect();
    let lengths =
        r#"{"0": {"input_tokens": "{100: 0.25, 300: 0.75}", "output_tokens": "{7: 1.0}"}}"#;
    fs::write(folder.path().join("c-trace.csv"), rates).unwrap();
    fs::write(folder.path().join("c-dataset.json"), lengths).unwrap();
    let trace = assembled(Format::ServeGen, &[folder.path().to_owned()]).unwrap();
    // 7,200 expected of a Poisson process: five standard deviations are 424.
    assert!((trace.calls.len() as f64 - 7200.0).abs() < 424.0, "{}", trace.calls.len());
    let long = trace.calls.iter().filter(|call| call.input == 300).count() as f64;
    assert!((long / trace.calls.len() as f64 - 0.75).abs() < 0.03);
    assert!(trace.calls.iter().all(|call| call.output == 7));
}

#[test]
fn parts_of_prompts_are_shared_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let request = |at: u32, session: &str, passages: &str, question: u32| {
        format!(
            "{{\"timestamp\": \"{at}\", \"input_length\": 1010, \"output_length\": 9, \"hash_ids\": \
             {{\"sys_prompt\": [1], \"passages_ids\": [{passages}], \"history\": [], \
             \"web_search\": [], \"user_input\": [{question}]}}, \"session_id\": \"{session}\"}}\n"
        )
    };
    let trace = request(3, "a", "11, 12", 21) + "\n" + &request(9, "b", "11, 13", 22);
    fs::write(folder.path().join("0_trace.jsonl"), trace).unwrap();
    let size = |kind: &str, id: u32, tokens: u32| {
        format!("{{\"{kind}_id\": {id}, \"token_length\": {tokens}}}\n")
    };
    fs::write(folder.path().join("1_sys_prompt.jsonl"), size("sys_prompt", 1, 500)).unwrap();
    let passages: String = [11, 12, 13].map(|id| size("passage", id, 250)).concat();
    fs::write(folder.path().join("2_passages.jsonl"), passages).unwrap();
    let questions = size("user_input", 21, 10) + &size("user_input", 22, 10);
    fs::write(folder.path().join("4_user_input.jsonl"), questions).unwrap();
    assert_eq!(guess(folder.path()), Some(Format::RagPulse));
    let trace = assembled(Format::RagPulse, &[folder.path().to_owned()]).unwrap();
    assert_eq!(trace.common_prefix(0, 1), 750);
    assert_eq!(trace.pieces_of(0).last().unwrap().end, 1010);
}

#[test]
fn a_request_of_agentic_mooncake_waits_for_the_last_that_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let header = r#"{"schema":"dynamo.agentic_mooncake","version":2,"block_size":64,"hash_id_scope":"local","source":{"format":"x","digest":"d"}}"#;
    let row = |id: &str, session: &str, start: u32, waits: &[(&str, &str, u32)]| {
        let wait = |(on, trigger, delay): &(&str, &str, u32)| {
            format!(
                r#"{{"request_id":"{on}","trigger":"{trigger}","delay_ms":{delay},"relation":"join"}}"#
            )
        };
        let waits: Vec<String> = waits.iter().map(wait).collect();
        format!(
            r#"{{"request_id":"{id}","play_id":"p","session_id":"{session}","model":"m","input_length":64,"output_length":5,"hash_ids":[1],"not_before_ms":{start},"recorded_api_time_ms":4000,"dependencies":[{}]}}"#,
            waits.join(",")
        )
    };
    let import = |rows: &[String]| {
        let text = format!("{header}\n{}\n", rows.join("\n"));
        let mut trace = Assembler::new("t");
        let path = file(folder.path(), text.as_bytes());
        let options = ImportOptions::default();
        let ending = read(Format::AgenticMooncake, &[path], &options, &mut trace).unwrap();
        let notes = ending.notes.clone();
        (trace.finish(ending).unwrap(), notes)
    };
    let call = |wait| Some((64, 5, wait));
    // A sub-agent of 100 s that begins 2 s behind its parent's answer, 6 s behind its start; the
    // parent goes on a second behind it.
    let first = row("a", "lead", 0, &[]);
    let helper = row("b", "helper", 6000, &[("a", "dispatch", 6000)]);
    let waits = [("a", "completion", 103_000), ("b", "completion", 1000)];
    let (trace, notes) =
        import(&[first.clone(), helper.clone(), row("c", "lead", 107_000, &waits)]);
    assert_eq!(shape(&trace), [[call(0.0), None, call(1.0)]]);
    assert_eq!(notes, [""; 0]);
    let below = trace.sessions.iter().find(|session| &*session.name == "helper").unwrap();
    assert_eq!(below.start.as_s(), 2.0);
    // Nobody waits for it: a session of its own, at its time.
    let (trace, notes) =
        import(&[first.clone(), helper.clone(), row("c", "lead", 9000, &waits[..1])]);
    assert_eq!(shape(&trace), [vec![call(0.0), call(103.0)], vec![call(0.0)]]);
    assert_eq!(trace.sessions[trace.roots[1] as usize].start.as_s(), 6.0);
    assert_eq!(notes, ["1 sub-agents that nobody waited for: sessions of their own"]);
    // Waited for later only.
    let between = row("c", "lead", 5000, &[("a", "completion", 1000)]);
    let (trace, notes) = import(&[first, helper, between, row("d", "lead", 99_000, &waits[1..])]);
    assert_eq!(shape(&trace), [[call(0.0), None, call(1.0), call(1.0)]]);
    assert!(notes[0].starts_with("1 sub-agents ran beside later calls"), "{notes:?}");
}

#[test]
fn tokens_of_llmservingsim_tell_what_prompts_share() {
    let folder = tempfile::tempdir().unwrap();
    let row = |tokens: std::ops::Range<u32>, at: u64| {
        let tokens: Vec<String> = tokens.map(|token| (token % 40).to_string()).collect();
        let (input, tokens) = (tokens.len(), tokens.join(","));
        format!(
            r#"{{"input_toks":{input},"output_toks":4,"arrival_time_ns":{at},"input_tok_ids":[{tokens}]}}"#
        )
    };
    let text = [row(0..38, 0), row(0..50, 1), row(2..40, 2)].join("\n");
    let trace = assembled(Format::LlmServingSim, &[file(folder.path(), text.as_bytes())]).unwrap();
    let common = [(0, 1), (0, 2), (1, 2)].map(|(one, other)| trace.common_prefix(one, other));
    assert_eq!((common, trace.scope), ([32, 0, 0], KeyScope::Global));
    // Behind a first row without tokens they count within a session, which is said.
    let plain = r#"{"input_toks":9,"output_toks":4,"arrival_time_ns":0}"#;
    let text = [plain, &row(0..38, 1)].join("\n");
    let path = file(folder.path(), text.as_bytes());
    let ending = read(Format::LlmServingSim, &[path], &ImportOptions::default(), &mut Nowhere);
    let notes = ending.unwrap().notes;
    assert_eq!(notes, ["1 rows told tokens, but not the first: shared within their session only"]);
}

/// A span: identity, parent's, start and end in seconds, attributes.
type RawSpan<'a> = (&'a str, &'a str, u64, u64, &'a [(&'a str, &'a str)]);

/// OTLP JSON of the spans of one trace.
fn spans(of: &[RawSpan<'_>]) -> String {
    let span = |&(id, parent, start, end, attributes): &RawSpan<'_>| {
        let attribute = |(key, value): &(&str, &str)| {
            let kind = if value.parse::<u32>().is_ok() { "intValue" } else { "stringValue" };
            format!(r#"{{"key":"{key}","value":{{"{kind}":"{value}"}}}}"#)
        };
        let attributes: Vec<String> = attributes.iter().map(attribute).collect();
        format!(
            r#"{{"traceId":"t","spanId":"{id}","parentSpanId":"{parent}","name":"{id}","startTimeUnixNano":"{start}000000000","endTimeUnixNano":"{end}000000000","attributes":[{}]}}"#,
            attributes.join(",")
        )
    };
    let spans: Vec<String> = of.iter().map(span).collect();
    format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}}"#, spans.join(","))
}

fn otel(of: &[RawSpan<'_>]) -> (Trace, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let mut trace = Assembler::new("t");
    let path = file(folder.path(), spans(of).as_bytes());
    let ending = read(Format::Otel, &[path], &ImportOptions::default(), &mut trace).unwrap();
    let notes = ending.notes.clone();
    (trace.finish(ending).unwrap(), notes)
}

#[test]
fn a_request_that_a_framework_and_its_library_both_tell_counts_once() {
    let tokens = |input: &'static str| {
        [
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.usage.input_tokens", input),
            ("gen_ai.usage.output_tokens", "5"),
        ]
    };
    let (trace, notes) = otel(&[
        ("agent", "", 0, 30, &[("traceloop.span.kind", "agent")]),
        ("framework", "agent", 1, 20, &tokens("300")),
        ("chain", "framework", 1, 20, &[]),
        ("one", "chain", 2, 4, &tokens("100")),
        ("two", "chain", 10, 12, &tokens("200")),
        ("alone", "agent", 22, 24, &tokens("250")),
    ]);
    let call = |input, wait| Some((input, 5, wait));
    assert_eq!(shape(&trace), [[call(100, 0.0), call(200, 6.0), call(250, 10.0)]]);
    assert!(
        notes.iter().any(|note| note.starts_with("1 calls lay around other calls")),
        "{notes:?}"
    );
}

#[test]
fn tokens_make_a_call_of_a_span_whose_kind_says_less() {
    let spans = ["task", "CHAIN"].map(|kind| {
        [
            ("traceloop.span.kind", kind),
            ("llm.token_count.prompt", "70"),
            ("llm.token_count.completion", "5"),
        ]
    });
    let (trace, _) = otel(&[("a", "", 0, 1, &spans[0]), ("b", "", 2, 3, &spans[1])]);
    assert_eq!(shape(&trace), [[Some((70, 5, 0.0)), Some((70, 5, 1.0))]]);
}

#[test]
fn cached_tokens_belong_to_the_prompt_whether_or_not_a_library_counts_them() {
    let call = |model: &'static str, input: &'static str, cached: &'static str| {
        [
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.request.model", model),
            ("gen_ai.usage.input_tokens", input),
            ("gen_ai.usage.output_tokens", "5"),
            ("gen_ai.usage.cache_read.input_tokens", cached),
            ("gen_ai.usage.cache_creation.input_tokens", "10"),
        ]
    };
    let (trace, notes) = otel(&[
        ("a", "", 0, 1, &call("without", "1000", "0")),
        ("b", "", 2, 3, &call("without", "20", "1010")),
        ("c", "", 4, 5, &call("with", "2000", "1900")),
    ]);
    let sizes: Vec<u32> = trace.calls.iter().map(|call| call.input).collect();
    assert_eq!(sizes, [1010, 1040, 2000]);
    assert!(notes.iter().any(|note| note.starts_with("2 prompts were told without")), "{notes:?}");
}

/// Takes whatever comes.
struct Nowhere;

impl Sink for Nowhere {
    fn begin(&mut self, _: &recording::Header) -> Result<(), TraceError> {
        Ok(())
    }

    fn session(&mut self, _: Session) -> Result<(), TraceError> {
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_mutilated_file_is_read_or_refused(
        which in 0..SAMPLES.len(),
        at in any::<prop::sample::Index>(),
        length in 0_usize..40,
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            "[-+0-9eE.,:\\[\\]{}\"]{0,20}".prop_map(String::into_bytes),
        ],
    ) {
        let (format, text) = SAMPLES[which];
        let mut text = text.as_bytes().to_vec();
        let at = at.index(text.len());
        let end = (at + length).min(text.len());
        text.splice(at..end, bytes);
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), &text);
        for format in [format, Format::Columns, Format::Tokenfleet] {
            let mut trace = Assembler::new("t");
            let options = ImportOptions::default();
            if let Ok(ending) = read(format, std::slice::from_ref(&path), &options, &mut trace) {
                let _ = trace.finish(ending);
            }
        }
        let _ = read(format, &[path], &ImportOptions::default(), &mut Nowhere);
    }
}
