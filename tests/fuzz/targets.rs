//! What takes files from strangers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use tokenfleet::catalog::{Model, NumberFormat, Precision};
use tokenfleet::cli::diagnostic;
use tokenfleet::experiment::calibration::points;
use tokenfleet::foundations::error::Sources;
use tokenfleet::report::html::{self, ResultData};
use tokenfleet::simulation::scenario::{Files, Folder, WantedTrace};
use tokenfleet::workload::trace::assemble::Assembler;
use tokenfleet::workload::trace::import::{self, Format, ImportOptions};
use tokenfleet::workload::trace::{Trace, TraceError};

use crate::{http, simulate};

/// A kind of input.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Shipped folders whose files are cases to begin with.
    pub(crate) seeds: &'static [&'static str],
    /// How their names end.
    pub(crate) ending: &'static str,
    /// Makes ready, and gives what does a case.
    pub(crate) start: fn() -> Run,
}

/// What does a case; a panic is a finding.
pub(crate) type Run = Box<dyn FnMut(&[u8])>;

pub(crate) const TARGETS: [Target; 8] = [
    Target { name: "scenario", seeds: &["scenarios"], ending: ".toml", start: scenario },
    Target { name: "set", seeds: &[], ending: "", start: set },
    Target { name: "import", seeds: &["scenarios/traces"], ending: "", start: import },
    Target { name: "config", seeds: &["tests/data/config"], ending: ".json", start: config },
    Target { name: "points", seeds: &["tests/data"], ending: "measured_tpot.csv", start: points },
    Target { name: "result", seeds: &[], ending: "", start: result },
    Target { name: "shard", seeds: &[], ending: "", start: shard },
    Target { name: "http", seeds: &[], ending: "", start: http::start },
];

fn scenarios() -> Folder {
    Folder(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios"))
}

fn scenario() -> Run {
    Box::new(|input| simulate::scenario(&String::from_utf8_lossy(input), &[], &scenarios()))
}

/// Lines of `path=value` on the scenario that has a bit of everything.
fn set() -> Run {
    let text = fs::read_to_string(scenarios().0.join("retry-storm.toml")).unwrap();
    Box::new(move |input| {
        let flags = String::from_utf8_lossy(input);
        let flags: Vec<String> = flags.lines().take(6).map(str::to_owned).collect();
        simulate::scenario(&text, &flags, &scenarios());
    })
}

/// A file by itself, for whatever scenario names one.
struct One(Option<Trace>, String);

impl Files for One {
    fn text(&self, _: &str) -> io::Result<String> {
        Ok(self.1.clone())
    }

    fn trace(&self, wanted: &WantedTrace) -> Result<Trace, TraceError> {
        let none = || TraceError::Unreadable {
            file: wanted.path.clone(),
            source: io::ErrorKind::NotFound.into(),
        };
        self.0.clone().ok_or_else(none)
    }
}

const REPLAY: &str = r#"
[run]
tasks = 200
[agents.x]
model = "main"
arrivals = "recorded"
replay = { trace = "t", format = "tokenfleet", models = { "*" = "main" } }
[pools.main]
model = "llama-3.3-70b"
accelerator = "h100-sxm"
tensor_parallel = 4
prefix_cache = true
"#;

/// Read as what it looks like and as what it is not, and replayed.
fn import() -> Run {
    let folder = TempDir::new().unwrap();
    let mut turn = 0;
    Box::new(move |input| {
        let path = folder.path().join("recording");
        fs::write(&path, input).unwrap();
        turn += 1;
        let other = Format::ALL[turn % Format::ALL.len()];
        let guessed = import::guess(&path);
        let options = ImportOptions { span_s: Some(600.0), ..ImportOptions::default() };
        for format in [guessed, Some(other)].into_iter().flatten() {
            let mut trace = Assembler::new("t");
            let ending = import::read(format, std::slice::from_ref(&path), &options, &mut trace);
            let read = ending.and_then(|ending| trace.finish(ending));
            match read {
                Ok(trace) => simulate::scenario(REPLAY, &[], &One(Some(trace), String::new())),
                Err(error) => drop(error.to_string()),
            }
        }
    })
}

const OWN_MODEL: &str = r#"
[run]
tasks = 20
[agents.x]
program = "plain"
model = "main"
arrivals = { poisson = "1 /s" }
[models.own]
config = "config.json"
[pools.main]
model = "own"
accelerator = "b200-sxm"
tensor_parallel = 8
"#;

/// A model's `config.json`, what it says of memory, and a server of it.
fn config() -> Run {
    Box::new(|input| {
        let text = String::from_utf8_lossy(input).into_owned();
        if let Ok(model) = Model::from_config_json(&text) {
            let precision = Precision::of(NumberFormat::Fp8);
            let _ = (model.parameters(), model.weight_bytes(&precision));
            let _ =
                (model.context_streams(), model.state_bytes_per_sequence(), model.query_heads());
        }
        simulate::scenario(OWN_MODEL, &[], &One(None, text));
    })
}

/// Measured points, for `calibrate`.
fn points() -> Run {
    Box::new(|input| {
        let mut sources = Sources::default();
        let source = sources.add_file("points.csv", String::from_utf8_lossy(input));
        if let Err(faults) = points::read(source, &sources) {
            diagnostic::render(&faults, &sources, diagnostic::Style::PLAIN);
        }
    })
}

/// A result folder of which one file, named in the first line, was tampered with.
fn result() -> Run {
    let folder = TempDir::new().unwrap();
    let whole = folder.path().join("whole");
    assert_eq!(command(folder.path(), &["run", &small(), "--quiet", "--out", "whole"]), 0);
    let names: Vec<PathBuf> =
        fs::read_dir(&whole).unwrap().map(|entry| entry.unwrap().path()).collect();
    Box::new(move |input| {
        let cut = input.iter().position(|&byte| byte == b'\n').unwrap_or(input.len());
        let named = String::from_utf8_lossy(&input[..cut]).into_owned();
        let broken = folder.path().join("broken");
        let _ = fs::remove_dir_all(&broken);
        fs::create_dir(&broken).unwrap();
        for path in names.iter().filter(|path| path.file_name().unwrap() != "report.html") {
            fs::copy(path, broken.join(path.file_name().unwrap())).unwrap();
        }
        if let Some(path) = names.iter().find(|path| path.file_name().unwrap() == &*named) {
            let text = input.get(cut + 1..).unwrap_or_default();
            fs::write(broken.join(path.file_name().unwrap()), text).unwrap();
        }
        match ResultData::read(&broken, "broken") {
            Ok(data) => drop(html::render(&[data])),
            Err(error) => drop(error.to_string()),
        }
    })
}

fn small() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/small.toml").to_owned()
}

/// The exit code of the program itself; that it blames itself is a finding.
fn command(folder: &Path, words: &[&str]) -> i32 {
    let binary = env!("CARGO_BIN_EXE_tokenfleet");
    let ran = Command::new(binary).args(words).current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    let code = ran.status.code().unwrap_or_else(|| panic!("{words:?}: {} {said}", ran.status));
    assert!(code <= 2, "{words:?}: exit code {code}: {said}");
    code
}

/// A plan to run a shard of, or a shard to merge, as the first line says; the file follows.
fn shard() -> Run {
    let folder = TempDir::new().unwrap();
    let at = folder.path().to_owned();
    let plan = ["shard", "plan", "--shards", "1", "--out", "good.json", "run", &small()];
    assert_eq!(command(&at, &plan), 0);
    Box::new(move |input| {
        let _keep = &folder;
        let cut = input.iter().position(|&byte| byte == b'\n').unwrap_or(input.len());
        fs::write(at.join("hostile"), input.get(cut + 1..).unwrap_or_default()).unwrap();
        let _ = fs::remove_dir_all(at.join("out"));
        let words: &[&str] = match &input[..cut] {
            b"plan" => &["shard", "run", "--plan", "hostile", "--index", "0", "--out", "made"],
            _ => &["shard", "merge", "--plan", "good.json", "hostile", "--out", "out"],
        };
        command(&at, words);
    })
}
