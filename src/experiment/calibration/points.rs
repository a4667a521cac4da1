//! Measured points, as benchmarks write them.
//!
//! Three kinds of file are told apart by what is in them: the result of `vllm bench serve
//! --save-result` (and of SGLang's `bench_serving`, which names things alike), one JSON object or
//! one on each line; rows of InferenceX, a JSON object or a list of them; a CSV with named columns.
//! All of them come down to the same names:
//!
//! | what | names |
//! |---|---|
//! | concurrency | `concurrency`, `max_concurrency`, `conc`, `clients`, `batch` |
//! | tokens of a prompt | `input_tokens`, `isl`, `random_input_len`; or `total_input_tokens` over `completed` |
//! | tokens of an answer | `output_tokens`, `osl`, ...; or `total_output_tokens` over `completed` |
//! | time per output token | `tpot_ms`, `mean_tpot_ms`, `measured_ms`, `median_tpot_ms`; `mean_tpot`, `median_tpot` in seconds |
//! | time to first token | `ttft_ms`, `mean_ttft_ms`, ...; may be absent |
//!
//! Where a benchmark had a request rate rather than a concurrency, Little's law gives the requests
//! under way: `completed / duration (TTFT + TPOT (answer - 1))`.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;

use crate::foundations::error::{Place, SourceId, Sources, shortened};
use crate::foundations::{Fault, Faults};

/// A measured point of a deployment.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The file that it was read from, and its place there where it has several.
    pub name: String,
    /// Requests under way, the mean.
    pub clients: f64,
    /// Whether that follows from a rate by Little's law.
    pub open: bool,
    /// Tokens of a prompt, the mean.
    pub prompt: f64,
    /// Tokens of an answer, the mean.
    pub answer: f64,
    /// Mean time per output token, first one apart, seconds.
    pub tpot_s: f64,
    /// Mean time to first token, seconds, where it was measured.
    pub ttft_s: Option<f64>,
    /// When it was measured, `2026-04-22`, where the file says so.
    pub date: String,
}

/// Reads the points of a file.
///
/// # Errors
/// Everything that is wrong in it, at its place.
pub fn read(source: SourceId, sources: &Sources) -> Result<Vec<Point>, Faults> {
    let Some(file) = sources.get(source) else { return Ok(Vec::new()) };
    let text = file.text.as_str();
    let records = match text.trim_start().starts_with(['{', '[']) {
        true => json(text),
        false => table(text),
    };
    let mut faults = Faults::default();
    let place = |span: Range<usize>| Place { source, span, path: String::new() };
    let records = records.map_err(|(span, reason)| Fault::new(reason).at(place(span)))?;
    let several = records.len() > 1;
    let mut points = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let name = match several {
            true => format!("{}#{}", file.name, index + 1),
            false => file.name.clone(),
        };
        match record.point(name) {
            Ok(point) => points.push(point),
            Err((reason, help)) => {
                faults.push(Fault::new(reason).help(help).at(place(record.span.clone())));
            }
        }
    }
    if records.is_empty() {
        faults.push(Fault::new("there are no points in this file").at(place(0..0)));
    }
    faults.into_result(points)
}

/// Named values of one point, and where they stand.
struct Record {
    values: BTreeMap<String, Value>,
    span: Range<usize>,
}

type Unreadable = (Range<usize>, String);

/// An object, a list of objects, or objects one after the other.
fn json(text: &str) -> Result<Vec<Record>, Unreadable> {
    let mut records = Vec::new();
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let mut start = 0;
    while let Some(next) = stream.next() {
        let end = stream.byte_offset();
        let value = next.map_err(|error| {
            let line = error.line().max(1);
            let before: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
            let at = (before + error.column().saturating_sub(1)).min(text.len());
            (at..at, format!("this is no JSON: {error}"))
        })?;
        let skipped = text[start..end].len() - text[start..end].trim_start().len();
        // Long results are shown by their beginning.
        let line = text[start + skipped..end].find('\n').map_or(end, |line| start + skipped + line);
        let span = start + skipped..line;
        start = end;
        let items = match value {
            Value::Array(items) => items,
            other => vec![other],
        };
        for item in items {
            let Value::Object(object) = item else {
                return Err((span, "expected objects with named values".to_owned()));
            };
            let values = object.into_iter().map(|(name, value)| (name.to_lowercase(), value));
            records.push(Record { values: values.collect(), span: span.clone() });
        }
    }
    Ok(records)
}

fn table(text: &str) -> Result<Vec<Record>, Unreadable> {
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let line = |at: usize| {
        let rest = &text[at.min(text.len())..];
        let start = at + (rest.len() - rest.trim_start_matches(['\r', '\n']).len());
        start..start + text[start.min(text.len())..].lines().next().unwrap_or("").len()
    };
    let unreadable = |error: csv::Error| {
        let at = error.position().map_or(0, |position| position.byte() as usize);
        (line(at), format!("this line cannot be read: {error}"))
    };
    let header = reader.headers().map_err(unreadable)?.clone();
    let mut records = Vec::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let at = record.position().map_or(0, |position| position.byte() as usize);
        let value = |text: &str| match text.parse::<f64>() {
            Ok(number) => serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number),
            Err(_) => Value::String(text.to_owned()),
        };
        let named = header.iter().zip(&record).filter(|(_, text)| !text.is_empty());
        let values = named.map(|(name, text)| (name.to_lowercase(), value(text)));
        records.push(Record { values: values.collect(), span: line(at) });
    }
    Ok(records)
}

const CONCURRENCY: [&str; 5] = ["concurrency", "max_concurrency", "conc", "clients", "batch"];
const PROMPT: [&str; 4] = ["input_tokens", "isl", "input_len", "random_input_len"];
const ANSWER: [&str; 4] = ["output_tokens", "osl", "output_len", "random_output_len"];
/// Names and the seconds in their unit.
const TPOT: [(&str, f64); 6] = [
    ("tpot_ms", 1e-3),
    ("mean_tpot_ms", 1e-3),
    ("measured_ms", 1e-3),
    ("median_tpot_ms", 1e-3),
    ("mean_tpot", 1.0),
    ("median_tpot", 1.0),
];
const TTFT: [(&str, f64); 5] = [
    ("ttft_ms", 1e-3),
    ("mean_ttft_ms", 1e-3),
    ("median_ttft_ms", 1e-3),
    ("mean_ttft", 1.0),
    ("median_ttft", 1.0),
];

/// What is wrong with a record, and how to mend it.
type Wrong = (String, String);

impl Record {
    fn point(&self, name: String) -> Result<Point, Wrong> {
        let prompt = self.tokens("prompt", &PROMPT, "total_input_tokens")?;
        let answer = self.tokens("answer", &ANSWER, "total_output_tokens")?;
        let tpot_s = self.time(&TPOT)?.ok_or_else(|| {
            let help = format!("expected one of {}", TPOT.map(|(name, _)| name).join(", "));
            ("this point has no time per output token".to_owned(), help)
        })?;
        let ttft_s = self.time(&TTFT)?;
        let (clients, open) = self.clients(answer, tpot_s, ttft_s)?;
        Ok(Point { name, clients, open, prompt, answer, tpot_s, ttft_s, date: self.date() })
    }

    /// A number that must be above 0; none where it is absent or null.
    fn number(&self, name: &str) -> Result<Option<f64>, Wrong> {
        let value = match self.values.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(value) => value,
        };
        let number = value.as_f64().filter(|number| number.is_finite() && *number > 0.0);
        number.map(Some).ok_or_else(|| {
            let found = shortened(&value.to_string());
            (format!("`{name}` is {found}"), "it must be a number above 0".to_owned())
        })
    }

    fn first(&self, names: &[&str]) -> Result<Option<f64>, Wrong> {
        let mut found = names.iter().map(|name| self.number(name));
        found.find(|value| !matches!(value, Ok(None))).unwrap_or(Ok(None))
    }

    fn tokens(&self, what: &str, names: &[&str], total: &str) -> Result<f64, Wrong> {
        if let Some(tokens) = self.first(names)? {
            return Ok(tokens);
        }
        match (self.number(total)?, self.number("completed")?) {
            (Some(total), Some(requests)) => Ok(total / requests),
            _ => Err((
                format!("this point does not say how long a {what} is"),
                format!("expected one of {}, or {total} and completed", names.join(", ")),
            )),
        }
    }

    fn time(&self, names: &[(&str, f64)]) -> Result<Option<f64>, Wrong> {
        for (name, unit) in names {
            if let Some(value) = self.number(name)? {
                return Ok(Some(value * unit));
            }
        }
        Ok(None)
    }

    /// Requests under way, and whether they follow from a rate.
    fn clients(&self, answer: f64, tpot_s: f64, ttft_s: Option<f64>) -> Result<(f64, bool), Wrong> {
        let stated = self.first(&CONCURRENCY)?;
        // "inf" where all requests were sent at once.
        let rate = self.values.get("request_rate").and_then(Value::as_f64);
        let paced = rate.is_some_and(|rate| rate.is_finite() && rate > 0.0);
        if let (Some(clients), false) = (stated, paced) {
            return Ok((clients, false));
        }
        let under_way = || {
            let requests = self.number("completed").ok()??;
            let duration = self.number("duration").ok()??;
            Some(requests / duration * (ttft_s? + tpot_s * (answer - 1.0).max(0.0)))
        };
        let little = under_way().or_else(|| Some(rate? * (ttft_s? + tpot_s * answer)));
        match (little.filter(|n| n.is_finite() && *n > 0.0), stated) {
            (Some(little), stated) if paced => {
                Ok((little.min(stated.unwrap_or(f64::INFINITY)).max(1.0), true))
            }
            (_, Some(stated)) => Ok((stated, false)),
            _ => Err((
                "this point does not say how many requests were under way".to_owned(),
                format!(
                    "expected one of {}, or a request_rate with ttft; `vllm bench serve` takes \
                     --max-concurrency",
                    CONCURRENCY.join(", ")
                ),
            )),
        }
    }

    /// `20260422-101500` and `2026-04-22...` as `2026-04-22`.
    fn date(&self) -> String {
        let text = self.values.get("date").and_then(Value::as_str).unwrap_or_default();
        let digits: String = text.chars().filter(char::is_ascii_digit).take(8).collect();
        match digits.len() {
            8 => format!("{}-{}-{}", &digits[..4], &digits[4..6], &digits[6..]),
            _ => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(text: &str) -> Result<Vec<Point>, Vec<String>> {
        let mut sources = Sources::default();
        let source = sources.add_file("bench.json", text);
        read(source, &sources)
            .map_err(|faults| faults.into_iter().map(|fault| fault.to_string()).collect())
    }

    /// Names and values as `vllm bench serve --save-result` writes them.
    const VLLM: &str = r#"{"date": "20260422-101500", "backend": "vllm", "num_prompts": 80,
        "request_rate": "inf", "burstiness": 1.0, "max_concurrency": 8, "duration": 50.0,
        "completed": 80, "total_input_tokens": 81920, "total_output_tokens": 40960,
        "mean_ttft_ms": 60.0, "median_ttft_ms": 50.0, "mean_tpot_ms": 9.5, "median_tpot_ms": 9.4}"#;

    #[test]
    fn a_result_of_vllm_is_a_point() {
        let point = Point {
            name: "bench.json".into(),
            clients: 8.0,
            open: false,
            prompt: 1024.0,
            answer: 512.0,
            tpot_s: 9.5e-3,
            ttft_s: Some(60e-3),
            date: "2026-04-22".into(),
        };
        assert_eq!(points(VLLM), Ok(vec![point.clone()]));
        let two = points(&format!("{VLLM}\n{VLLM}")).unwrap();
        assert_eq!((two.len(), two[1].name.as_str()), (2, "bench.json#2"));
        assert_eq!(points(&format!("[{VLLM}, {VLLM}]")).unwrap(), two);
    }

    #[test]
    fn a_rate_has_requests_under_way() {
        let paced = VLLM.replace("\"inf\"", "1.6").replace("\"max_concurrency\": 8,", "");
        let point = points(&paced).unwrap().remove(0);
        // 1.6 /s x (0.06 s + 9.5 ms x 511).
        assert!((point.clients - 1.6 * (0.06 + 9.5e-3 * 511.0)).abs() < 1e-9 && point.open);
    }

    #[test]
    fn rows_of_tables_and_of_inferencex_are_points() {
        let table = "concurrency, isl, osl, tpot_ms\n# low\n4, 1024, 256, 8.0\n64,1024,256,21\n";
        let found = points(table).unwrap();
        assert_eq!((found[0].clients, found[1].tpot_s, found[0].ttft_s), (4.0, 21e-3, None));
        let row = r#"[{"hw": "b200", "conc": 64, "isl": 1024, "osl": 8192, "mean_tpot": 0.011}]"#;
        assert_eq!(points(row).unwrap()[0].tpot_s, 0.011);
    }

    #[test]
    fn what_is_missing_or_wrong_is_told() {
        let first = |text: &str| points(text).unwrap_err().remove(0);
        assert!(first("{").starts_with("this is no JSON"));
        assert_eq!(
            first(&VLLM.replace("max_concurrency", "most")),
            "this point does not say how many requests were under way (expected one of \
             concurrency, max_concurrency, conc, clients, batch, or a request_rate with ttft; \
             `vllm bench serve` takes --max-concurrency)"
        );
        let slow = first("concurrency,isl,osl,tpot_ms\n4,1,1,slow\n");
        assert_eq!(slow, "`tpot_ms` is \"slow\" (it must be a number above 0)");
        assert!(first("concurrency,isl,osl,tpot\n4,1,1,3\n").contains("time per output token"));
        assert!(first("concurrency,isl\n").starts_with("there are no points"));
        assert!(first("").starts_with("there are no points"));
    }
}
