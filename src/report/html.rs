//! `report.html`: one file that shows a result, or several side by side, to people.
//!
//! The page is made of the files of result folders and of nothing else, so a report written with a
//! result and one made later are the same. It holds its styles, its program and its data; no request
//! leaves it. What decides comes as plain HTML, before and without any script; charts are drawn by
//! Apache ECharts from the figures in the page.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

mod columns;
mod page;

/// The chart library (Apache ECharts 6.1.0, Apache-2.0; its notice lies beside it).
pub const ECHARTS: &str = include_str!("html/echarts.min.js");
/// Colours and type.
pub const STYLE: &str = include_str!("html/page.css");
/// How figures are written and drawn, for this page and for that of `tokenfleet serve`.
pub const SHARED: &str = include_str!("html/shared.js");
const PROGRAM: &str = include_str!("html/page.js");

/// Files that experiments over many points leave.
const EXPERIMENTS: [(&str, &str); 3] =
    [("sweep", "sweep.json"), ("size", "size.json"), ("explain", "explanation.json")];

/// Trials whose figures are in the page; more would only thicken the marks.
const MOST_TRIALS: usize = 400;

/// Why a folder gives no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file that every result has cannot be read.
    #[error("{path}: {reason}; a report is made from a folder that `--out` wrote")]
    NoResult {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// What a result folder holds, as far as a page shows it.
#[derive(Debug)]
pub struct ResultData {
    name: String,
    manifest: Value,
    /// Figures of variants; null for an experiment over many points.
    summary: Value,
    comparison: Option<Value>,
    /// Tasks looked at closely, by variant.
    example: Option<Value>,
    /// What an experiment found, by its kind.
    experiment: Option<(&'static str, Value)>,
    /// What an experiment said on the terminal.
    answer: String,
    trials: Value,
    distributions: Value,
    series: Value,
}

impl ResultData {
    /// Reads the files of a result in `folder`, to be called `name`.
    ///
    /// # Errors
    /// When one is missing or damaged.
    pub fn read(folder: &Path, name: &str) -> Result<Self, ReportError> {
        let failed = |file: &str, reason: String| ReportError::NoResult {
            path: folder.join(file).display().to_string(),
            reason,
        };
        let text = |file: &str| {
            std::fs::read_to_string(folder.join(file)).map_err(|e| failed(file, e.to_string()))
        };
        let json = |file: &str| {
            let value = serde_json::from_str(&text(file)?);
            value.map_err(|e| failed(file, e.to_string()))
        };
        let table = |file: &str, most: usize| {
            columns::by_variant(&text(file)?, most).map_err(|reason| failed(file, reason))
        };
        let optional = |file: &str| match folder.join(file).exists() {
            true => json(file).map(|mut value: Value| {
                columns::shorten(&mut value);
                Some(value)
            }),
            false => Ok(None),
        };
        for (kind, file) in EXPERIMENTS {
            if let Some(found) = optional(file)? {
                return Ok(Self {
                    name: name.to_owned(),
                    manifest: json("manifest.json")?,
                    summary: Value::Null,
                    comparison: None,
                    example: None,
                    experiment: Some((kind, found)),
                    answer: text("answer.txt")?,
                    trials: Value::Null,
                    distributions: Value::Null,
                    series: Value::Null,
                });
            }
        }
        let mut summary: Value = json("summary.json")?;
        if !summary["variants"].is_array() {
            return Err(failed("summary.json", "it has no variants".to_owned()));
        }
        columns::shorten(&mut summary);
        let comparison = folder.join("comparison.json");
        Ok(Self {
            name: name.to_owned(),
            manifest: json("manifest.json")?,
            summary,
            comparison: comparison.exists().then(|| json("comparison.json")).transpose()?,
            example: optional("example.json")?,
            experiment: None,
            answer: String::new(),
            trials: table("trials.csv", MOST_TRIALS)?,
            distributions: table("distributions.csv", usize::MAX)?,
            series: table("timeseries.csv", usize::MAX)?,
        })
    }

    fn data(&self) -> Value {
        json!({
            "name": self.name,
            "manifest": self.manifest,
            "summary": self.summary,
            "comparison": self.comparison,
            "example": self.example,
            "experiment": self.experiment.as_ref().map(|(kind, found)| {
                json!({ "kind": kind, "found": found })
            }),
            "trials": self.trials,
            "distributions": self.distributions,
            "series": self.series,
        })
    }
}

/// The page of these results.
pub fn render(results: &[ResultData]) -> String {
    let title = results.iter().map(|result| result.name.as_str()).collect::<Vec<_>>().join(", ");
    // `</script>` inside a string would end the element that holds it.
    let data = Value::Array(results.iter().map(ResultData::data).collect());
    let data = data.to_string().replace("</", "<\\/");
    let mut html = String::with_capacity(data.len() + ECHARTS.len() + 100_000);
    let _ = write!(
        html,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"generator\" content=\"tokenfleet {version}\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <title>{title} · tokenfleet</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{body}\
         <script type=\"application/json\" id=\"data\">{data}</script>\n\
         <script>{ECHARTS}</script>\n<script>\n{SHARED}</script>\n<script>\n{PROGRAM}</script>\n</body>\n</html>\n",
        version = env!("CARGO_PKG_VERSION"),
        title = page::escape(&title),
        body = page::body(results),
    );
    html
}
