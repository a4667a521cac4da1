//! `tokenfleet import`: recorded traffic of other tools as a trace and a scenario that replays it.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::failure::{FINE, Failure};
use super::process::{cpu_seconds, peak_rss_bytes};
use super::terminal::{print, remark};
use crate::foundations::units::{format_bytes, format_count, format_duration, format_percent};
use crate::report::fitted::FittedProgram;
use crate::report::starter::{self, Agents};
use crate::workload::trace::TraceError;
use crate::workload::trace::habits::Habits;
use crate::workload::trace::import::{self, Format, ImportOptions, NamedColumn};
use crate::workload::trace::recording::{Trailer, Writer};
use crate::workload::trace::survey::{Figures, Survey};

/// What `tokenfleet import` is told.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Writes NAME.trace.jsonl and NAME.toml; then: tokenfleet run NAME.toml")]
pub struct ImportArguments {
    /// How it was recorded; `auto` looks into the first file
    #[arg(value_parser = formats())]
    pub format: String,

    /// Files or folders; what is packed with gzip is unpacked
    #[arg(required = true)]
    pub files: Vec<PathBuf>,

    /// What to call the trace and the scenario, with a folder if you like
    #[arg(long, value_name = "NAME")]
    pub out: PathBuf,

    /// Tokens of a block of hashes, where the files do not say (Mooncake: 512)
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub block_size: Option<u32>,

    /// Leave out calls of more tokens (Claude Code)
    #[arg(long, value_name = "TOKENS")]
    pub longest_call: Option<u32>,

    /// Seconds to draw of a workload that is described by rates (ServeGen: 3600)
    #[arg(long, value_name = "SECONDS")]
    pub span: Option<f64>,

    /// Seed of what is drawn
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// What a column means: `input=prompt_tokens`. May be repeated
    #[arg(long, value_name = "MEANING=NAME")]
    pub column: Vec<NamedColumn>,

    /// Also write NAME-fit.toml, a program of laws fitted to the recording, and NAME-fit.md, a page
    /// that lays the laws over the data
    #[arg(long)]
    pub fit: bool,

    /// Fit laws of contexts to sessions whose prompts stay within so many tokens, as for a model
    /// with a smaller window
    #[arg(long, value_name = "TOKENS", requires = "fit", value_parser = clap::value_parser!(u32).range(1..))]
    pub window: Option<u32>,

    /// Say nothing but what went wrong
    #[arg(long, short)]
    pub quiet: bool,
}

/// Names of the formats, `auto` first.
fn formats() -> PossibleValuesParser {
    PossibleValuesParser::new(std::iter::once("auto").chain(Format::NAMES))
}

/// Reads recordings and writes a trace and its scenario: the exit code.
///
/// # Errors
/// What is wrong in the recordings, and whatever keeps the files from being written.
pub fn run(arguments: &ImportArguments) -> Result<u8, Failure> {
    let format = format(arguments)?;
    let options = options(arguments)?;
    let target = Target::of(&arguments.out)?;
    let (trailer, figures) = write(&target, format, &arguments.files, &options)?;
    let (cpu, memory) = (cpu_seconds(), peak_rss_bytes());
    let command = command(arguments, format);
    let trace = target.trace_file();
    let agents = Agents::Replay(&trace);
    let text = starter::scenario(&target.name, &agents, &command, &figures);
    put(&target.scenario(), text.as_bytes())?;
    let fitted = if arguments.fit {
        Some(fit(&target, arguments.window, &command, &figures)?)
    } else {
        None
    };
    if !arguments.quiet {
        let bytes = arguments.files.iter().map(|path| size(path)).sum::<u64>() as f64;
        let memory = memory.map_or(String::new(), |peak| {
            format!(", at most {} in memory", format_bytes(peak as f64))
        });
        remark(&format!(
            "read {} as {} in {} of processor time ({}/s){memory}\n",
            format_bytes(bytes),
            format.name(),
            format_duration(cpu),
            format_bytes(bytes / cpu.max(1e-3)),
        ));
        let laws = fitted.map_or(String::new(), |program| program.table());
        print(&(summary(&figures, &trailer) + &laws + &written(&target, arguments.fit)))?;
    }
    Ok(FINE)
}

fn format(arguments: &ImportArguments) -> Result<Format, Failure> {
    if let Some(format) = Format::from_name(&arguments.format) {
        return Ok(format);
    }
    let first = &arguments.files[0];
    import::guess(first).ok_or_else(|| {
        let name = first.display();
        Failure::Usage(format!(
            "`{name}` looks like none of the formats: {}",
            Format::NAMES.join(", ")
        ))
    })
}

fn options(arguments: &ImportArguments) -> Result<ImportOptions, Failure> {
    if let Some(span) = arguments.span.filter(|span| !(1.0..=1e7).contains(span)) {
        return Err(Failure::Usage(format!("--span {span}: give 1 to 10,000,000 seconds")));
    }
    Ok(ImportOptions {
        block_size: arguments.block_size,
        longest_call: arguments.longest_call,
        span_s: arguments.span,
        seed: arguments.seed,
        columns: arguments.column.clone(),
    })
}

/// Where the results go: a folder and a name without ending.
struct Target {
    folder: PathBuf,
    name: String,
}

impl Target {
    fn of(out: &Path) -> Result<Self, Failure> {
        let name = out.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let name = name.strip_suffix(".toml").unwrap_or(name);
        if name.is_empty() {
            let out = out.display();
            return Err(Failure::Usage(format!("--out {out}: give a name, as results/ours")));
        }
        let folder = out.parent().unwrap_or(Path::new("")).to_owned();
        if !folder.as_os_str().is_empty() {
            fs::create_dir_all(&folder)?;
        }
        Ok(Self { folder, name: name.to_owned() })
    }

    fn trace_file(&self) -> String {
        format!("{}.trace.jsonl", self.name)
    }

    fn trace(&self) -> PathBuf {
        self.folder.join(self.trace_file())
    }

    fn scenario(&self) -> PathBuf {
        self.folder.join(format!("{}.toml", self.name))
    }
}

/// Reads the recordings into the trace's file, which is there whole or not at all.
fn write(
    target: &Target,
    format: Format,
    files: &[PathBuf],
    options: &ImportOptions,
) -> Result<(Trailer, Figures), Failure> {
    let part = target.trace().with_extension("part");
    let name = part.display().to_string();
    let written = (|| {
        let unwritable = |source| TraceError::Unwritable { file: name.clone(), source };
        let file = File::create(&part).map_err(unwritable)?;
        let mut writer = Writer::new(BufWriter::with_capacity(1 << 18, file), &name);
        let mut survey = Survey::of(&mut writer);
        let ending = import::read(format, files, options, &mut survey)?;
        let figures = survey.figures;
        if figures.calls == 0 {
            let file = files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>();
            let expected = "nothing was left to replay";
            return Err(TraceError::Empty { file: file.join(", "), expected });
        }
        let trailer = writer.finish(ending)?;
        fs::rename(&part, target.trace()).map_err(unwritable)?;
        Ok((trailer, figures))
    })();
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    Ok(written?)
}

/// Fits laws to the trace that was written, and writes them as a scenario and as a page.
fn fit(
    target: &Target,
    window: Option<u32>,
    command: &str,
    figures: &Figures,
) -> Result<FittedProgram, Failure> {
    let mut habits = Habits::default();
    habits.window = window;
    import::read(Format::Tokenfleet, &[target.trace()], &ImportOptions::default(), &mut habits)?;
    let program = FittedProgram::new(&habits).ok_or_else(|| {
        Failure::Usage(
            "--fit: one session is too few, laws are fitted to one half and judged on \
                        the other"
                .to_owned(),
        )
    })?;
    let name = format!("{}-fit", target.name);
    let window = window.map_or(String::new(), |tokens| format!(" --window {tokens}"));
    let command = format!("{command} --fit{window}");
    let text = program.program(&name);
    let agents = Agents::Program(&text, program.arrivals());
    let text = starter::scenario(&name, &agents, &command, figures);
    put(&target.folder.join(format!("{name}.toml")), text.as_bytes())?;
    let page = program.page(&target.name, &target.trace_file());
    put(&target.folder.join(format!("{name}.md")), page.as_bytes())?;
    Ok(program)
}

/// Writes a small file, whole or not at all.
fn put(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let part = path.with_extension("part");
    fs::write(&part, bytes)?;
    Ok(fs::rename(&part, path)?)
}

/// Bytes of a file or of the files of a folder.
fn size(path: &Path) -> u64 {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let inside: u64 = entries.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum();
    let own = fs::metadata(path).ok().filter(fs::Metadata::is_file);
    own.map_or(inside, |metadata| metadata.len())
}

/// What was typed and tells in what is written, for the scenario's first line.
fn command(arguments: &ImportArguments, format: Format) -> String {
    let ImportArguments { block_size, longest_call, span, seed, column, .. } = arguments;
    let mut words = vec!["tokenfleet import".to_owned(), format.name().to_owned()];
    words.extend(arguments.files.iter().map(|path| path.display().to_string()));
    words.extend(block_size.map(|tokens| format!("--block-size {tokens}")));
    words.extend(longest_call.map(|tokens| format!("--longest-call {tokens}")));
    words.extend(span.map(|span| format!("--span {span}")));
    words.extend((*seed != 1).then(|| format!("--seed {seed}")));
    words.extend(column.iter().map(|pair| format!("--column '{pair}'")));
    words.extend(["--out".to_owned(), arguments.out.display().to_string()]);
    words.join(" ")
}

fn summary(figures: &Figures, trailer: &Trailer) -> String {
    let calls = figures.calls.max(1) as f64;
    let (input, output) = (figures.input as f64, figures.output as f64);
    let mut text = format!("{} sessions, {} calls", figures.sessions, figures.calls);
    if figures.sub_agents > 0 {
        text.push_str(&format!(", {} sub-agents", figures.sub_agents));
    }
    if figures.starts.len() > 1 {
        text.push_str(&format!(", begun over {}", format_duration(figures.span_s())));
    }
    text.push_str("\n\n");
    let rows = [
        ("calls a session", format!("{:.1}", calls / figures.sessions.max(1) as f64)),
        ("prompt tokens a call", format_count(input / calls)),
        ("answer tokens a call", format_count(output / calls)),
        ("prompt : answer", format!("{:.1} : 1", input / output.max(1.0))),
        ("kept from the call before", format_percent(figures.kept as f64 / input.max(1.0))),
        ("longest call", format!("{} tokens", format_count(figures.longest as f64))),
    ];
    for (what, value) in rows {
        text.push_str(&format!("  {what:<26} {value}\n"));
    }
    if trailer.notes.is_empty() {
        text.push_str("\nnothing was dropped, repaired or assumed\n");
    } else {
        text.push_str("\ndropped, repaired or assumed\n");
        trailer.notes.iter().for_each(|note| text.push_str(&format!("  {note}\n")));
    }
    text
}

/// What was written, and what to do next.
fn written(target: &Target, with_fit: bool) -> String {
    let (trace, scenario) = (target.trace(), target.scenario());
    let (trace, scenario) = (trace.display(), scenario.display());
    let fit = target.folder.join(format!("{}-fit", target.name));
    let fit = fit.display();
    let (files, next) = match with_fit {
        true => {
            (format!(", {fit}.toml and {fit}.md"), format!("\n      tokenfleet run {fit}.toml"))
        }
        false => (String::new(), String::new()),
    };
    format!("\nwritten to {trace} and {scenario}{files}\nnext: tokenfleet run {scenario}{next}\n")
}
