//! Session files as they are, as they may be, and as they must not be.

use serde_json::Value;

use super::*;
use crate::workload::trace::block_cache::{blocks_of_pieces, lru_hits};
use crate::workload::trace::{Gap, KeyScope, RecordedStep};
use proptest::prelude::*;

const FOLDER: &str = "scenarios/traces/claude-code";
const TWO_WAVES: &str = include_str!("../../../../scenarios/traces/claude-code/trace_0277.json");
const PLAIN: &str = include_str!("../../../../scenarios/traces/claude-code/trace_0012.json");
const ALL: [&str; 4] = [
    include_str!("../../../../scenarios/traces/claude-code/trace_0002.json"),
    PLAIN,
    TWO_WAVES,
    include_str!("../../../../scenarios/traces/claude-code/trace_0291.json"),
];

fn read_str(text: &str) -> Result<Trace, TraceError> {
    read("t.json", text.as_bytes(), ClaudeCodeOptions::default())
}

fn folder() -> Trace {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
    read_path(&folder, ClaudeCodeOptions::default()).unwrap()
}

/// The requests of a session in the order in which the reader numbers calls: sub-agents before the
/// parent's next call.
fn raw_calls(requests: &Value) -> Vec<&Value> {
    let of_entry = |entry| match raw_is_subagent(entry) {
        true => raw_calls(&entry["requests"]),
        false => vec![entry],
    };
    requests.as_array().unwrap().iter().flat_map(of_entry).collect()
}

fn raw_is_subagent(entry: &Value) -> bool {
    entry["type"] == "subagent"
}

fn raw_blocks(call: &Value) -> Vec<u64> {
    call["hash_ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect()
}

fn seconds(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[test]
fn every_call_of_every_file_is_there() {
    let trace = folder();
    let raw: Vec<Value> = ALL.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let calls: Vec<&Value> = raw.iter().flat_map(|file| raw_calls(&file["requests"])).collect();
    assert_eq!((trace.roots.len(), trace.calls.len()), (4, calls.len()));
    let mut recorded: Vec<_> = trace.calls.iter().map(|call| (call.input, call.output)).collect();
    let number = |call: &Value, key| call[key].as_u64().unwrap() as u32;
    let mut expected: Vec<_> = calls.iter().map(|c| (number(c, "in"), number(c, "out"))).collect();
    recorded.sort_unstable();
    expected.sort_unstable();
    assert_eq!(recorded, expected);
    // The files' own totals, sub-agents included.
    for (&root, file) in trace.roots.iter().zip(&raw) {
        assert_eq!(*trace.sessions[root as usize].name, *file["id"].as_str().unwrap());
        let next = trace.roots.iter().find(|&&other| other > root).copied();
        let family = root..next.unwrap_or(trace.sessions.len() as u32);
        let actions = family.flat_map(|session| trace.actions_of(session));
        let output: u32 = actions
            .map(|action| match action.step {
                RecordedStep::Call(call) => trace.calls[call as usize].output,
                RecordedStep::Spawn(_) => 0,
            })
            .sum();
        assert_eq!(u64::from(output), file["totals"]["combined_tokens"]["output"]);
    }
    assert_eq!(trace.scope, KeyScope::PerSession);
}

#[test]
fn pieces_hit_as_often_as_hashes_do() {
    // Local hashes mean nothing to another session, and keys of two sessions never meet.
    let (mut hits, mut blocks) = (0, 0);
    for text in ALL {
        let file: Value = serde_json::from_str(text).unwrap();
        let raw: Vec<_> = raw_calls(&file["requests"]).into_iter().map(raw_blocks).collect();
        let (hit, all) = lru_hits(&raw, usize::MAX);
        hits += hit;
        blocks += all;
        let trace = read_str(text).unwrap();
        assert_eq!(lru_hits(&blocks_of_pieces(&trace, 64), usize::MAX), (hit, all));
    }
    assert_eq!(lru_hits(&blocks_of_pieces(&folder(), 64), usize::MAX), (hits, blocks));
    // Over 710 sessions 96.4 % of blocks are found, and 87.1 % of their sub-agents'.
    let rate = hits as f64 / blocks as f64;
    assert!((0.871..0.964).contains(&rate), "{rate}");
}

#[test]
fn subagents_run_in_parallel_and_their_parent_waits() {
    let trace = read_str(TWO_WAVES).unwrap();
    let actions = trace.actions_of(trace.roots[0]);
    let spawns: Vec<_> = actions
        .iter()
        .enumerate()
        .filter_map(|(at, action)| match &action.step {
            RecordedStep::Spawn(sessions) => Some((at, sessions.clone())),
            RecordedStep::Call(_) => None,
        })
        .collect();
    assert_eq!(spawns, [(1, 1..4), (8, 4..5)]);
    // The first three were spawned together, right after the call that asked for them.
    assert!(actions[1].delay < SimDuration::from_s(1.0).unwrap());
    for child in 1..4 {
        assert!(trace.sessions[child].start < SimDuration::from_s(0.1).unwrap());
    }
    let calls = |session| trace.actions_of(session).len();
    assert_eq!([calls(1), calls(2), calls(3), calls(4)], [12, 4, 17, 11]);
    // The last of them spoke until 188 s after the spawn at 19.5 s; the parent went on at 228 s.
    let wait = actions[2].delay.as_s();
    assert!((wait - (228.0 - 19.474 - 146.0 - 42.06)).abs() < 0.01, "{wait}");
    assert_eq!(actions[2].gap, Gap::Tool);
    assert!(trace.actions_of(2).iter().all(|action| !action.starts_task));
}

#[test]
fn recorded_service_times_give_back_the_recorded_clock() {
    // Between two calls, recorded times are off by the second that the clock shows.
    for text in ALL {
        let file: Value = serde_json::from_str(text).unwrap();
        let trace = read_str(text).unwrap();
        let own = file["requests"].as_array().unwrap().iter().filter(|r| !raw_is_subagent(r));
        let recorded: Vec<f64> = own.map(|call| seconds(&call["t"])).collect();
        let mut replayed = Vec::new();
        let mut clock = 0.0;
        for action in trace.actions_of(trace.roots[0]) {
            clock += action.delay.as_s();
            if let RecordedStep::Call(_) = action.step {
                replayed.push(clock);
            }
            clock += duration(&trace, &action.step);
        }
        assert_eq!(recorded.len(), replayed.len());
        let gaps = |times: &[f64]| times.windows(2).map(|w| w[1] - w[0]).collect::<Vec<_>>();
        for (recorded, replayed) in gaps(&recorded).iter().zip(gaps(&replayed)) {
            assert!((recorded - replayed).abs() < 2.0, "{recorded} {replayed}");
        }
    }
}

/// How long a step took on the recorded fleet.
fn duration(trace: &Trace, step: &RecordedStep) -> f64 {
    let session = |session: u32| {
        let actions = trace.actions_of(session).iter();
        let busy: f64 = actions.map(|a| a.delay.as_s() + duration(trace, &a.step)).sum();
        trace.sessions[session as usize].start.as_s() + busy
    };
    match step {
        RecordedStep::Call(call) => trace.calls[*call as usize].recorded_time.unwrap().as_s(),
        RecordedStep::Spawn(sessions) => sessions.clone().map(session).fold(0.0, f64::max),
    }
}

#[test]
fn people_and_tools_are_told_apart() {
    for text in ALL {
        let file: Value = serde_json::from_str(text).unwrap();
        let trace = read_str(text).unwrap();
        let actions = trace.actions_of(trace.roots[0]).iter();
        let calls: Vec<_> =
            actions.filter(|action| matches!(action.step, RecordedStep::Call(_))).collect();
        let own = file["requests"].as_array().unwrap().iter().filter(|r| !raw_is_subagent(r));
        for (at, (action, raw)) in calls.into_iter().zip(own).enumerate() {
            let only = |kind: &str| raw["input_types"] == serde_json::json!([kind]);
            if only("text") {
                assert!(action.starts_task);
                assert_eq!(action.gap, if at == 0 { Gap::None } else { Gap::Human });
            } else if only("tool_result") {
                assert_eq!((action.starts_task, action.gap), (false, Gap::Tool));
            }
        }
    }
}

#[test]
fn the_time_of_a_spawn_is_recognised() {
    // The same session as a file that stamps sub-agents with their spawn.
    let mut file: Value = serde_json::from_str(TWO_WAVES).unwrap();
    for entry in file["requests"].as_array_mut().unwrap() {
        if raw_is_subagent(entry) {
            entry["t"] = (seconds(&entry["t"]) - seconds(&entry["duration_ms"]) / 1e3).into();
        }
    }
    let (ours, theirs) = (read_str(&file.to_string()).unwrap(), read_str(TWO_WAVES).unwrap());
    assert_eq!(ours.notes, ["4 sub-agents carry the time of their spawn, not of their end"]);
    assert_eq!(ours.sessions.len(), theirs.sessions.len());
    for (ours, theirs) in ours.actions.iter().zip(&theirs.actions) {
        assert!((ours.delay.as_s() - theirs.delay.as_s()).abs() < 1e-6);
        assert_eq!(ours.step, theirs.step);
    }
}

#[test]
fn times_of_the_session_in_sub_agents_are_recognised() {
    // The same session as a file whose sub-agents tell their session's times, stamped at their
    // spawn or at their end.
    for at_end in [true, false] {
        let mut file: Value = serde_json::from_str(TWO_WAVES).unwrap();
        for entry in file["requests"].as_array_mut().unwrap() {
            if raw_is_subagent(entry) {
                let spawn = seconds(&entry["t"]) - seconds(&entry["duration_ms"]) / 1e3;
                for inner in entry["requests"].as_array_mut().unwrap() {
                    inner["t"] = (seconds(&inner["t"]) + spawn).into();
                }
                if !at_end {
                    entry["t"] = spawn.into();
                }
            }
        }
        let (ours, theirs) = (read_str(&file.to_string()).unwrap(), read_str(TWO_WAVES).unwrap());
        let clock = "4 sub-agents carry times of their session, not of their spawn";
        assert_eq!(ours.notes.last().map(String::as_str), Some(clock));
        assert_eq!(ours.sessions.len(), theirs.sessions.len());
        for (ours, theirs) in ours.actions.iter().zip(&theirs.actions) {
            let apart = (ours.delay.as_s() - theirs.delay.as_s()).abs();
            assert!(apart < 1e-6, "{apart} {at_end}");
            assert_eq!(ours.step, theirs.step);
        }
    }
}

#[test]
fn long_pauses_are_cut_and_counted() {
    let idle_cap = SimDuration::from_s(300.0);
    let options = ClaudeCodeOptions { idle_cap, ..ClaudeCodeOptions::default() };
    let cut = read("t.json", ALL[0].as_bytes(), options).unwrap();
    let whole = read_str(ALL[0]).unwrap();
    let mut over = 0;
    for (cut, whole) in cut.actions.iter().zip(&whole.actions) {
        assert_eq!(Some(cut.delay), idle_cap.map(|cap| whole.delay.min(cap)));
        over += u64::from(cut.delay < whole.delay);
    }
    assert!(over > 0);
    assert!(cut.notes[0].starts_with(&format!("{over} pauses cut to the idle cap")));
}

#[test]
fn calls_beyond_the_window_are_left_out_and_counted() {
    let options = ClaudeCodeOptions { longest_call: Some(60_000), ..ClaudeCodeOptions::default() };
    let trace = read("t.json", TWO_WAVES.as_bytes(), options).unwrap();
    let whole = read_str(TWO_WAVES).unwrap();
    let fits = whole.calls.iter().filter(|call| call.input + call.output <= 60_000).count();
    assert!(0 < fits && fits < whole.calls.len());
    assert_eq!(trace.calls.len(), fits);
    let dropped = whole.calls.len() - fits;
    assert_eq!(trace.notes, [format!("{dropped} calls over the longest allowed left out")]);
}

#[test]
fn sessions_may_stand_one_per_line_or_over_many() {
    let lines = format!("{TWO_WAVES}\n\n{PLAIN}\n");
    let both = read_str(&lines).unwrap();
    assert_eq!(both.roots, [0, 5]);
    assert_eq!(both.notes, ["1 blank lines passed over"]);
    let pretty: Value = serde_json::from_str(PLAIN).unwrap();
    let pretty = serde_json::to_string_pretty(&pretty).unwrap();
    assert_eq!(read_str(&pretty).unwrap(), read_str(PLAIN).unwrap());
    let cut = read_str(&pretty[..pretty.len() / 2]).unwrap_err().to_string();
    let line = pretty[..pretty.len() / 2].trim_end().lines().count();
    assert!(cut.starts_with(&format!("t.json, line {line}, byte ")), "{cut}");
    assert!(cut.contains("truncated"));
}

#[test]
fn what_is_no_session_is_refused_with_its_place_and_mend() {
    let entry = r#"{"t":0,"type":"n","model":"m","in":100,"out":1,"hash_ids":[1,2]}"#;
    let file = |entry: &str| {
        format!(r#"{{"id":"x","block_size":64,"hash_id_scope":"local","requests":[{entry}]}}"#,)
    };
    assert!(read_str(&file(entry)).is_ok());
    for (text, expected) in [
        (file(entry)[..80].to_owned(), "truncated: EOF"),
        (file(&entry.replace("\"n\"", "\"z\"")), "unknown variant `z`, expected one of `n`, `s`"),
        (file(&entry.replace("\"in\":100,", "")), "requests[0]: a call lacks `in`"),
        (file(&entry.replace("100", "0")), "requests[0].in: a call without input"),
        (file(&entry.replace("100", "64")), "requests[0].hash_ids: 2 blocks of 64 tokens for 64"),
        (file(&entry.replace("100", "1.5")), "expected u32"),
        (file(r#"{"t":0,"type":"subagent"}"#), "requests[0].requests: a sub-agent without"),
        (file(entry).replace("64", "0"), "block_size: blocks of 0 tokens"),
        (file(entry).replace("local", "galactic"), "unknown variant `galactic`"),
        (r#"{"timestamp": 0, "input_length": 1}"#.to_owned(), "missing field `id`"),
        ("a,b\n1,2".to_owned(), "expected value"),
        (format!("{}\n{}", file(entry), file(entry).replace("64", "32")), ""),
    ] {
        match read_str(&text) {
            Ok(_) => assert_eq!(expected, "", "{text}"),
            Err(error) => {
                let message = error.to_string();
                assert!(matches!(error, TraceError::Malformed { .. }), "{message}");
                assert!(message.contains("t.json, line 1, byte "), "{message}");
                assert!(!expected.is_empty() && message.contains(expected), "{text}\n{message}");
            }
        }
    }
    let global = |text: String| text.replace("local", "global");
    let mixed = [file(entry), global(file(entry))].join("\n");
    assert!(read_str(&mixed).unwrap_err().to_string().contains("read sessions of one scope"));
    let sizes = [global(file(entry)), global(file(entry).replace("64", "128"))].join("\n");
    assert!(read_str(&sizes).unwrap_err().to_string().contains("differs from the 64"));
    assert!(matches!(read_str(""), Err(TraceError::Empty { .. })));
    assert!(matches!(read_str(&file("")), Err(TraceError::Empty { .. })));
}

#[test]
fn global_hashes_are_shared_between_sessions() {
    let global = PLAIN.replace("\"local\"", "\"global\"");
    let twice = read_str(&format!("{global}\n{global}")).unwrap();
    let one = read_str(PLAIN).unwrap();
    assert_eq!((twice.scope, twice.keys), (KeyScope::Global, one.keys));
    assert_eq!(twice.common_prefix(0, one.calls.len() as u32), twice.pieces_of(0)[0].end);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..100),
        digits in "[0-9eE.+-]{0,20}",
        at in any::<prop::sample::Index>(),
    ) {
        // Random text rarely gets past the first brace: also break a file that is right.
        let _ = read("t", &bytes[..], ClaudeCodeOptions::default());
        let good = r#"{"id":"x","block_size":64,"hash_id_scope":"local","requests":[
            {"t":1,"type":"n","in":100,"out":1,"hash_ids":[1,2],"api_time":3,"think_time":2},
            {"t":9,"type":"subagent","duration_ms":5,"requests":[
                {"t":0,"type":"s","in":7,"out":1,"hash_ids":[3],"ttft":0.1}]},
            {"t":12,"type":"n","in":130,"out":1,"hash_ids":[1,2,4]}]}"#;
        prop_assert!(read_str(good).is_ok());
        for insert in [&bytes[..], digits.as_bytes()] {
            let mut text = good.as_bytes().to_vec();
            let at = at.index(text.len());
            text.splice(at..at + 1, insert.iter().copied());
            let _ = read("t", &text[..], ClaudeCodeOptions::default());
        }
    }
}
