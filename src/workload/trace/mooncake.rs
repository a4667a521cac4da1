//! Mooncake request traces: JSON lines of arrival, sizes and chained block hashes.
//!
//! ```json
//! {"timestamp": 3000, "input_length": 6758, "output_length": 500, "hash_ids": [0, 1, 2]}
//! ```
//!
//! `timestamp` is in milliseconds from the start of the trace; `hash_ids` has one hash per 512
//! tokens of input, the last block partly filled. Every line becomes a session of one call: the
//! format does not say which requests belong to one conversation, only what they share.
//!
//! The published conversation trace was stamped by a clock that stands on a grid of 3 s. Requests
//! of one line of the grid truly came somewhere in the interval, so [`Trace::clock_grid`] says how
//! wide it is, and replay spreads them in it (see
//! [`Arrivals`](crate::workload::arrival::Arrivals)).
//!
//! Source: R. Qin et al., *Mooncake: Trading More Storage for Less Computation*, FAST 2025, and
//! <https://github.com/kvcache-ai/Mooncake>.
//!
//! ```
//! use tokenfleet::workload::trace::mooncake::{MooncakeOptions, read_path};
//!
//! let path = "scenarios/traces/mooncake-conversation-1000.jsonl".as_ref();
//! let trace = read_path(path, MooncakeOptions::default())?;
//! assert_eq!((trace.calls[0].input, trace.calls[0].output), (6758, 500));
//! assert_eq!(trace.common_prefix(0, 1), 512); // the system prompt that all share
//! # Ok::<(), tokenfleet::workload::trace::TraceError>(())
//! ```

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;

use super::assemble::Assembler;
use super::block_ids::BlockIds;
use super::lines::{Lines, malformed};
use super::recording::{Action, Call, Context, Ending, Header, Session, Sink, VERSION};
use super::{Gap, KeyScope, Trace, TraceError, TracePlace};
use crate::foundations::time::PS_PER_S;

const PS_PER_MS: u64 = PS_PER_S / 1000;

/// What a line must look like, for messages.
const EXPECTED: &str = "a Mooncake line is {\"timestamp\": milliseconds, \"input_length\": tokens, \
    \"output_length\": tokens, \"hash_ids\": [one per block of input]}";

/// How to read a Mooncake trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MooncakeOptions {
    /// Tokens of a block. 512 in the published traces.
    pub block_size: u32,
}

impl Default for MooncakeOptions {
    fn default() -> Self {
        Self { block_size: 512 }
    }
}

#[derive(Deserialize)]
struct Row {
    timestamp: Option<f64>,
    #[serde(alias = "input_tokens")]
    input_length: u32,
    #[serde(alias = "output_tokens")]
    output_length: u32,
    hash_ids: BlockIds,
    session_id: Option<String>,
    #[serde(alias = "delay_ms")]
    delay: Option<f64>,
}

/// Reads a trace from a file.
///
/// # Errors
/// As [`read`], and where the file cannot be opened.
pub fn read_path(path: &Path, options: MooncakeOptions) -> Result<Trace, TraceError> {
    let file = path.display().to_string();
    let opened = File::open(path);
    let opened = opened.map_err(|source| TraceError::Unreadable { file: file.clone(), source })?;
    read(&file, BufReader::with_capacity(1 << 16, opened), options)
}

/// Reads a trace line by line; `file` is its name in messages.
///
/// # Errors
/// The first line that is not what the format asks for, and a file without lines.
pub fn read(
    file: &str,
    reader: impl BufRead,
    options: MooncakeOptions,
) -> Result<Trace, TraceError> {
    let mut trace = Assembler::new(file);
    let ending = read_into(file, reader, options, &mut trace)?;
    trace.finish(ending)
}

/// Reads a trace line by line into a sink.
///
/// # Errors
/// As [`read`].
pub fn read_into(
    file: &str,
    reader: impl BufRead,
    options: MooncakeOptions,
    sink: &mut dyn Sink,
) -> Result<Ending, TraceError> {
    let block_size = options.block_size.max(1);
    let (version, scope) = (VERSION, KeyScope::Global);
    sink.begin(&Header { version, source: "mooncake".into(), scope, block_size })?;
    let mut lines = Lines::new(file, reader);
    let mut times_ms = Vec::new();
    let mut conversations = Conversations::default();
    let (mut backwards, mut no_output, mut uncovered) = (0_u64, 0_u64, 0_u64);
    while lines.read()? {
        let row: Row = lines.parse(EXPECTED)?;
        let wrong = |field: &str, problem: String, mend: &str| {
            let place = TracePlace { path: field.to_owned(), ..lines.place().clone() };
            Err(malformed(place, problem, mend))
        };
        let blocks = row.hash_ids.count;
        let needed = u64::from(row.input_length).div_ceil(u64::from(block_size));
        if row.input_length == 0 {
            return wrong("input_length", "a request without input".into(), "remove the line");
        }
        if blocks > needed {
            let problem = format!(
                "{blocks} blocks of {block_size} tokens for {} tokens of input, at most {needed} expected",
                row.input_length
            );
            return wrong("hash_ids", problem, "set `block_size` to the trace's own");
        }
        no_output += u64::from(row.output_length == 0);
        uncovered += u64::from(blocks < needed);
        let call = Call {
            input: row.input_length,
            output: row.output_length.max(1),
            context: Context::Blocks(row.hash_ids.runs),
            ..Call::default()
        };
        if let Some(name) = &row.session_id
            && conversations.knows(name)
        {
            conversations.go_on(name, row.timestamp, row.delay, call);
            continue;
        }
        let timestamp = row.timestamp.unwrap_or(f64::NAN);
        let Some(time_ms) = whole_ms(timestamp) else {
            let problem = match row.timestamp {
                Some(timestamp) => format!("{timestamp} is no time in this trace"),
                None => "missing".to_owned(),
            };
            return wrong("timestamp", problem, "give milliseconds from 0 to 213 days");
        };
        backwards += u64::from(times_ms.last().is_some_and(|&before| time_ms < before));
        times_ms.push(time_ms);
        let action = Action { task: true, call: Some(call), ..Action::default() };
        let start_s = Some(time_ms as f64 / 1e3);
        let session = Session { start_s, actions: vec![action], ..Session::default() };
        match row.session_id {
            Some(name) => conversations.begin(name, time_ms as f64, session),
            None => sink.session(session)?,
        }
    }
    if times_ms.is_empty() {
        return Err(TraceError::Empty { file: file.to_owned(), expected: EXPECTED });
    }
    conversations.0.into_values().try_for_each(|(session, _)| sink.session(session))?;
    let grid_ms = clock_grid_ms(&times_ms);
    let mut notes = Vec::new();
    let mut note = |count: u64, what: &str| {
        if count > 0 {
            notes.push(format!("{count} {what}"));
        }
    };
    note(lines.blank, "blank lines passed over");
    note(backwards, "requests stood before their predecessor in time: sorted, ties in file order");
    note(no_output, "requests had no output: replayed with one token");
    note(uncovered, "requests had fewer blocks than input: the rest is shared with nobody");
    note(grid_ms, "ms is the grid of the recording clock: starts spread within it at replay");
    Ok(Ending { clock_grid_s: grid_ms as f64 / 1e3, notes })
}

/// Turns of rows that name a session, with the time of the last one in milliseconds.
#[derive(Default)]
struct Conversations(BTreeMap<String, (Session, f64)>);

impl Conversations {
    fn knows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn begin(&mut self, name: String, time_ms: f64, session: Session) {
        self.0.insert(name.clone(), (Session { name, ..session }, time_ms));
    }

    /// A further turn: `delay` after the answer before, or else as long as lay between the starts.
    fn go_on(&mut self, name: &str, timestamp: Option<f64>, delay: Option<f64>, call: Call) {
        let Some((session, last_ms)) = self.0.get_mut(name) else { return };
        let now = timestamp.unwrap_or(*last_ms);
        let wait_s = (delay.unwrap_or(now - *last_ms) / 1e3).max(0.0);
        *last_ms = now;
        let action =
            Action { wait_s, gap: Gap::Human, task: true, call: Some(call), ..Action::default() };
        session.actions.push(action);
    }
}

/// Milliseconds as an integer, where they are a time that can be simulated. Fractions are a finer
/// clock's, and rounded to the nearest.
fn whole_ms(timestamp: f64) -> Option<u64> {
    const LAST: f64 = (u64::MAX / PS_PER_MS) as f64;
    (0.0..LAST).contains(&timestamp).then(|| libm::round(timestamp) as u64)
}

/// The grid on which a recording clock stood, in milliseconds; 0 where it ran freely.
///
/// The grid is about the smallest distance of times that are not the same up to rounding, and every
/// time must lie on a multiple of it up to rounding. Of a free clock tens of times do so by chance
/// with a probability of `(5 / 50)^20` at most; and over that many lines a grid that is wrong by a
/// millisecond drifts off.
fn clock_grid_ms(times_ms: &[u64]) -> u64 {
    const ROUNDING: u64 = 2;
    const FINEST: u64 = 50;
    const FEWEST_LINES: usize = 20;
    let mut times = times_ms.to_vec();
    times.sort_unstable();
    times.dedup_by(|next, kept| next.abs_diff(*kept) <= ROUNDING);
    let step = times.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap_or(0);
    if times.len() < FEWEST_LINES || step < FINEST {
        return 0;
    }
    let holds = |&grid: &u64| times.iter().all(|time| (time + ROUNDING) % grid <= 2 * ROUNDING);
    (step - ROUNDING..=step + ROUNDING).find(holds).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foundations::SimDuration;
    use crate::workload::trace::RecordedStep;
    use crate::workload::trace::block_cache::{blocks_of_pieces, lru_hits};
    use proptest::prelude::*;

    const SAMPLE: &str = include_str!("../../../scenarios/traces/mooncake-conversation-1000.jsonl");

    fn read_str(text: &str) -> Result<Trace, TraceError> {
        read("t.jsonl", text.as_bytes(), MooncakeOptions::default())
    }

    fn sample() -> Trace {
        read_str(SAMPLE).unwrap()
    }

    /// The sample as any JSON reader sees it.
    fn raw() -> Vec<serde_json::Value> {
        SAMPLE.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn raw_blocks() -> Vec<Vec<u64>> {
        let hashes = |row: &serde_json::Value| {
            row["hash_ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect()
        };
        raw().iter().map(hashes).collect()
    }

    #[test]
    fn sizes_and_arrivals_are_those_of_the_file() {
        let (trace, raw) = (sample(), raw());
        assert_eq!((trace.roots.len(), trace.calls.len()), (1000, 1000));
        for (call, row) in trace.calls.iter().zip(&raw) {
            assert_eq!(u64::from(call.input), row["input_length"]);
            assert_eq!(u64::from(call.output), row["output_length"]);
            assert_eq!(trace.pieces[call.pieces.end as usize - 1].end, call.input);
        }
        // "Timestamps sit on a 3 s grid", give or take a millisecond.
        assert_eq!(trace.clock_grid, SimDuration::from_s(3.0).unwrap());
        for (start, row) in trace.starts().zip(&raw) {
            assert_eq!(start.0 % trace.clock_grid.0, 0);
            assert!((start.as_s() - row["timestamp"].as_f64().unwrap() / 1e3).abs() < 0.003);
        }
    }

    #[test]
    fn pieces_hit_every_cache_as_often_as_hashes_do() {
        let (raw, pieces) = (raw_blocks(), blocks_of_pieces(&sample(), 512));
        for capacity in [100, 1_000, 2_000, 5_000, 10_000, usize::MAX] {
            assert_eq!(lru_hits(&raw, capacity), lru_hits(&pieces, capacity));
        }
    }

    #[test]
    fn small_caches_hit_as_over_the_whole_trace() {
        // Measured over all 12,031 requests: 4.5 % of blocks with 0.5 M tokens, 11.2 % with 2.6 M, and
        // 36.6 % without end. The first 1,000 requests have seen little to hit upon yet: a little
        // less where the cache is the limit, much less where the past is.
        let blocks = blocks_of_pieces(&sample(), 512);
        for (tokens, published, least) in
            [(0.5e6, 0.045, 0.8), (2.6e6, 0.112, 0.8), (1e12, 0.366, 0.5)]
        {
            let (hits, all) = lru_hits(&blocks, (tokens / 512.0) as usize);
            let share = hits as f64 / all as f64 / published;
            assert!((least..1.0).contains(&share), "{tokens}: {share}");
        }
    }

    #[test]
    fn a_free_clock_has_no_grid() {
        let mut state = 1_u64;
        let mut random = |below| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        let free: Vec<u64> = (0..1000).map(|_| random(300_000)).collect();
        assert_eq!(clock_grid_ms(&free), 0);
        let whole_seconds: Vec<u64> = free.iter().map(|ms| ms / 1000 * 1000).collect();
        assert_eq!(clock_grid_ms(&whole_seconds), 1000);
        let blurred: Vec<u64> =
            (0..9000).map(|_| (random(4000) * 3000 + random(3)).saturating_sub(1)).collect();
        assert_eq!(clock_grid_ms(&blurred), 3000);
        for few in [&[][..], &[0], &[0, 0, 0], &[0, 3000, 6000]] {
            assert_eq!(clock_grid_ms(few), 0);
        }
    }

    #[test]
    fn requests_out_of_order_are_sorted_and_counted() {
        let line = |ms: u64, input: u64| {
            format!(
                "{{\"timestamp\":{ms},\"input_length\":{input},\"output_length\":0,\"hash_ids\":[]}}\n\n"
            )
        };
        let trace = read_str(&(line(70, 1) + &line(10, 2) + &line(70, 3) + &line(10, 4))).unwrap();
        let inputs = trace.roots.iter().map(|&root| match &trace.actions_of(root)[0].step {
            RecordedStep::Call(call) => trace.calls[*call as usize].input,
            RecordedStep::Spawn(_) => 0,
        });
        assert_eq!(inputs.collect::<Vec<_>>(), [2, 4, 1, 3]);
        assert_eq!(
            trace.notes,
            [
                "4 blank lines passed over",
                "2 requests stood before their predecessor in time: sorted, ties in file order",
                "4 requests had no output: replayed with one token",
                "4 requests had fewer blocks than input: the rest is shared with nobody",
            ]
        );
    }

    #[test]
    fn what_is_no_trace_is_refused_with_its_place_and_mend() {
        let good = SAMPLE.lines().next().unwrap();
        let bytes = good.len() + 1;
        for (line, expected) in [
            (&good[..40], "truncated: EOF while parsing"),
            ("{\"timestamp\": 1}", "missing field `input_length`"),
            ("TIMESTAMP,ContextTokens,GeneratedTokens", "expected value"),
            (&good.replace("6758", "0"), "input_length: a request without input"),
            (&good.replace("6758", "6000"), "14 blocks of 512 tokens for 6000 tokens of input"),
            (&good.replace("6758", "-1"), "invalid value: integer `-1`, expected u32"),
            (&good.replace("6758", "5000000000"), "expected u32"),
            (&good.replace("\"timestamp\": 0", "\"timestamp\": -3"), "-3 is no time"),
            (&good.replace("\"timestamp\": 0", "\"timestamp\": 1e300"), "is no time"),
            (&good.replace("[0", "[\"0\""), "expected an integer block hash"),
        ] {
            let error = read_str(&format!("{good}\n{line}\n")).unwrap_err();
            let TraceError::Malformed { place, mend, .. } = &error else { panic!("{error}") };
            assert_eq!((place.line, place.file.as_str()), (2, "t.jsonl"), "{line}");
            assert!(place.byte >= bytes as u64, "{line}: {place}");
            assert!(error.to_string().contains(expected), "{line}: {error}");
            assert!(!mend.is_empty());
        }
        assert!(matches!(read_str("\n\n"), Err(TraceError::Empty { .. })));
        let missing = read_path(Path::new("no/such/file"), MooncakeOptions::default());
        assert!(matches!(missing, Err(TraceError::Unreadable { .. })));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            at in 0..2000_usize,
            insert in any::<bool>(),
        ) {
            let mut text = SAMPLE.as_bytes()[..2000].to_vec();
            let end = if insert { at } else { (at + bytes.len()).min(2000) };
            text.splice(at..end, bytes.iter().copied());
            let _ = read("t", &text[..], MooncakeOptions::default());
            let _ = read("t", &bytes[..], MooncakeOptions { block_size: 0 });
        }
    }
}
