//! ServeGen's clients, of which requests are drawn: what it holds are rates and lengths, not
//! requests.
//!
//! A client is two files: `...-trace.csv` without a header has the rate and the law of the gaps for
//! each window of 600 s (start, rate /s, CV, `Gamma` or `Weibull`, shape, scale in s), and
//! `...-dataset.json` the probabilities of prompt and answer lengths for each quarter of a day, as
//! Python dictionaries inside strings. Gaps are drawn one after the other within a window, lengths
//! independently of each other, from streams named by the seed and the client's place.
//!
//! Source: <https://github.com/alibaba/ServeGen> (Apache-2.0; Y. Xiang et al., 2025).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ImportOptions;
use super::azure::one_call;
use super::input::{files, name, open};
use super::notes::Notes;
use crate::foundations::{Law, Purpose, Stream, Streams};
use crate::workload::trace::lines::{Lines, json_error, malformed};
use crate::workload::trace::recording::{Call, Ending, Header, Sink};
use crate::workload::trace::{TraceError, TracePlace};

const EXPECTED: &str = "a client is ...-trace.csv with rows `start,rate,cv,Gamma|Weibull,shape,scale` \
    and ...-dataset.json with {\"0\": {\"input_tokens\": \"{length: probability, ...}\", ...}, ...}";

/// Length of a window of constant rate, seconds.
const WINDOW_S: f64 = 600.0;
/// Length of a window of constant lengths, seconds.
const LENGTHS_S: f64 = 21_600.0;
/// What is drawn where nobody asks for more, seconds.
const USUAL_SPAN_S: f64 = 3600.0;

#[derive(Deserialize)]
struct Window {
    #[serde(alias = "text_tokens")]
    input_tokens: Option<String>,
    output_tokens: Option<String>,
}

/// Cumulative probabilities of lengths.
struct Lengths(Vec<(f64, u32)>);

impl Lengths {
    fn draw(&self, stream: &mut Stream) -> u32 {
        let total = self.0.last().map_or(0.0, |&(total, _)| total);
        let uniform = stream.uniform() * total;
        let at = self.0.partition_point(|&(upto, _)| upto <= uniform);
        self.0.get(at).or(self.0.last()).map_or(1, |&(_, length)| length)
    }
}

/// Lengths of prompts and answers by window.
type Dataset = BTreeMap<u64, (Lengths, Lengths)>;

pub(super) fn read(
    paths: &[PathBuf],
    options: &ImportOptions,
    sink: &mut dyn Sink,
) -> Result<Ending, TraceError> {
    sink.begin(&Header::without_blocks("servegen"))?;
    let mut notes = Notes::default();
    let span_s = options.span_s.unwrap_or(USUAL_SPAN_S);
    let mut clients = 0_u64;
    let mut drawn = 0_u64;
    for rates in files(paths)? {
        let file = name(&rates);
        let Some(stem) = file.strip_suffix("-trace.csv") else {
            let known = file.ends_with("-dataset.json");
            notes.count_if(!known, "files that are neither rates nor lengths passed over");
            continue;
        };
        let dataset = read_lengths(Path::new(&format!("{stem}-dataset.json")), &mut notes)?;
        let stream = Streams::new(options.seed, 0).stream(Purpose::Client, clients);
        drawn += draw(&rates, &dataset, span_s, stream, sink, &mut notes)?;
        clients += 1;
    }
    if clients == 0 {
        let file = paths.iter().map(|path| name(path)).collect::<Vec<_>>().join(", ");
        return Err(TraceError::Empty { file, expected: EXPECTED });
    }
    let mut lines = notes.into_lines();
    lines.push(format!(
        "{drawn} requests of {clients} clients drawn over {span_s} s with seed {}; the recording \
         holds rates and lengths only, and not what prompts share",
        options.seed
    ));
    Ok(Ending { clock_grid_s: 0.0, notes: lines })
}

/// Draws the requests of one client.
fn draw(
    rates: &Path,
    dataset: &Dataset,
    span_s: f64,
    mut stream: Stream,
    sink: &mut dyn Sink,
    notes: &mut Notes,
) -> Result<u64, TraceError> {
    let mut lines = Lines::new(&name(rates), open(rates)?);
    let mut drawn = 0;
    while lines.read()? {
        let wrong = |problem: &str| malformed(lines.place().clone(), problem, EXPECTED);
        let line = std::str::from_utf8(lines.line()).map_err(|_| wrong("no text"))?;
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let &[start, rate, _, pattern, shape, scale] = &cells[..] else {
            return Err(wrong(&format!("{} cells, 6 expected", cells.len())));
        };
        let number = |cell: &str, what: &str| {
            let number = cell.parse::<f64>().ok().filter(|number| (0.0..1e12).contains(number));
            number.ok_or_else(|| wrong(&format!("{what} `{cell}` is no number of at least zero")))
        };
        let start = number(start, "start")?;
        if start >= span_s {
            break;
        }
        let rate = number(rate, "rate")?;
        if rate == 0.0 {
            continue;
        }
        let gaps = match pattern {
            "Gamma" => Law::gamma(number(shape, "shape")?, number(scale, "scale")?),
            "Weibull" => Law::weibull(number(shape, "shape")?, number(scale, "scale")?),
            "" => Law::exponential(1.0 / rate),
            other => return Err(wrong(&format!("unknown law `{other}`: Gamma or Weibull"))),
        };
        let gaps = gaps.map_err(|error| wrong(&error.to_string()))?;
        let window = (start / LENGTHS_S) as u64 * LENGTHS_S as u64;
        let Some((inputs, outputs)) = dataset.get(&window) else {
            notes.count("windows of 600 s have a rate but no lengths: left out");
            continue;
        };
        // Gaps of nearly nothing would never leave the window.
        let most = (rate * WINDOW_S * 100.0) as u64 + 1000;
        let end = (start + WINDOW_S).min(span_s);
        let mut at = start + gaps.sample(&mut stream);
        for _ in 0..most {
            if at >= end {
                break;
            }
            let (input, output) = (inputs.draw(&mut stream), outputs.draw(&mut stream));
            let call = Call { input: input.max(1), output: output.max(1), ..Call::default() };
            sink.session(one_call(at, call))?;
            drawn += 1;
            at += gaps.sample(&mut stream);
        }
    }
    Ok(drawn)
}

fn read_lengths(path: &Path, notes: &mut Notes) -> Result<Dataset, TraceError> {
    const LARGEST: u64 = 1 << 30;
    let mut text = Vec::new();
    let read =
        std::io::Read::read_to_end(&mut std::io::Read::take(open(path)?, LARGEST), &mut text);
    read.map_err(|source| TraceError::Unreadable { file: name(path), source })?;
    let place = TracePlace { file: name(path), line: 1, ..TracePlace::default() };
    let windows: BTreeMap<String, Window> = serde_json::from_slice(&text)
        .map_err(|error| json_error(&place, &text, &error, EXPECTED))?;
    let mut dataset = Dataset::new();
    for (start, window) in windows {
        let wrong = |problem: String| {
            malformed(TracePlace { path: start.clone(), ..place.clone() }, problem, EXPECTED)
        };
        let at = start.parse::<f64>().ok().filter(|at| (0.0..1e9).contains(at));
        let at = at.ok_or_else(|| wrong("no start of a window in seconds".to_owned()))?;
        let lengths = |text: &Option<String>| parse(text.as_deref().unwrap_or("{}"));
        let inputs = lengths(&window.input_tokens).map_err(wrong)?;
        let outputs = lengths(&window.output_tokens).map_err(wrong)?;
        if inputs.0.is_empty() || outputs.0.is_empty() {
            notes.count("quarters of a day without lengths");
            continue;
        }
        dataset.insert(at as u64, (inputs, outputs));
    }
    Ok(dataset)
}

/// `{374: 0.0003, 375: 0.0001}` as cumulative probabilities.
fn parse(text: &str) -> Result<Lengths, String> {
    let inside = text.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let inside = inside.ok_or("lengths are `{length: probability, ...}`")?;
    let mut total = 0.0;
    let pairs = inside.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (length, weight) = pair.split_once(':')?;
        let length = length.trim().parse::<f64>().ok().filter(|l| (0.0..4e9).contains(l))?;
        let weight = weight.trim().parse::<f64>().ok().filter(|w| (0.0..1e12).contains(w))?;
        total += weight;
        Some((total, libm::round(length) as u32))
    };
    let all: Option<Vec<(f64, u32)>> = pairs.map(pair).collect();
    let all = all.ok_or("a length or probability is no number")?;
    Ok(Lengths(if total > 0.0 { all } else { Vec::new() }))
}
