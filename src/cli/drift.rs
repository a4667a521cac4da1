//! `tokenfleet drift`: live traffic held against what a scenario expects of it.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::{Map, Value, json};

use super::failure::{FINE, Failure, MISSED};
use super::load;
use super::terminal::{print, remark};
use crate::experiment::drift::{self, Bill, Drift, Measure, Moved, Observed, Ratio};
use crate::foundations::units::{format_duration, format_number, format_percent, format_usd};
use crate::simulation::World;
use crate::simulation::call_log::LoggedCall;
use crate::simulation::plan::{Behaviour, Population};
use crate::workload::trace::import::{self, Format, ImportOptions, NamedColumn};

/// What `tokenfleet drift` is told.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Exit codes: 0 fine, 1 something has moved and --check asks, 2 bad input.")]
pub struct DriftArguments {
    /// The scenario that says what to expect
    pub scenario: PathBuf,

    /// What was observed: OpenTelemetry spans, a table of calls, or any other recording
    #[arg(required = true)]
    pub telemetry: Vec<PathBuf>,

    /// How it was recorded
    #[arg(long, default_value = "auto", value_parser = formats())]
    pub format: String,

    /// What a column means: `input=prompt_tokens`. May be repeated
    #[arg(long, value_name = "MEANING=NAME")]
    pub column: Vec<NamedColumn>,

    /// Simulated trials that the expectation rests on; one where the scenario replays a recording
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub trials: u64,

    /// Root of all random numbers, instead of the scenario's
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Replace a value of the scenario: `pools.main.replicas=8`
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<String>,

    /// Exit with 1 when something has moved
    #[arg(long)]
    pub check: bool,

    /// Say it in JSON
    #[arg(long)]
    pub json: bool,

    /// Say nothing of how the telemetry was read
    #[arg(long, short)]
    pub quiet: bool,
}

/// Names of the formats, `auto` first.
fn formats() -> PossibleValuesParser {
    PossibleValuesParser::new(std::iter::once("auto").chain(Format::NAMES))
}

/// Compares and says what moved: the exit code.
///
/// # Errors
/// Bad input, and whatever keeps the answer from being given.
pub fn run(arguments: &DriftArguments) -> Result<u8, Failure> {
    let observed = observed(arguments)?;
    let loaded = load::load(Some(&arguments.scenario), &arguments.set, &["base".to_owned()])?;
    let scenario = loaded.scenario;
    let seed = arguments.seed.unwrap_or(scenario.run.seed);
    let Some(variant) = scenario.variants.into_iter().next() else {
        return Err(Failure::Usage("the scenario has no variant to expect anything of".to_owned()));
    };
    let plan = variant.plan;
    // Trials of a program are different sessions; a recording is the same ones again.
    let repeats =
        |population: &Population| matches!(population.behaviour, Behaviour::Recorded { .. });
    let trials = if plan.populations.iter().any(repeats) { 1 } else { arguments.trials };
    let calls: Vec<Vec<LoggedCall>> = (0..trials)
        .map(|trial| World::calls_of_trial(&plan, seed, trial, |_, _| true).unwrap_or_default())
        .collect();
    let prices = drift::token_prices(&calls.concat());
    let compare = |agent: &str, population: Option<u16>| {
        let expected: Vec<_> =
            calls.iter().flat_map(|calls| drift::simulated(calls, population)).collect();
        drift::compare(agent, &expected, &observed.of(agent), prices)
    };
    // Agents are told apart where the telemetry names them as the scenario does.
    let named = plan.populations.iter().enumerate().filter(|(_, population)| {
        observed.sessions.iter().any(|(agent, _)| *agent == population.name)
    });
    let mut drifts: Vec<Drift> =
        named.map(|(at, population)| compare(&population.name, Some(at as u16))).collect();
    if drifts.is_empty() {
        drifts.push(compare("", None));
    }
    let mut text = String::new();
    match arguments.json {
        true => {
            let told: Vec<Value> = drifts.iter().map(told).collect();
            text = serde_json::to_string_pretty(&told)? + "\n";
        }
        false => drifts.iter().for_each(|drift| render(drift, arguments, &mut text)),
    }
    print(&text)?;
    let moved = drifts.iter().flat_map(|drift| &drift.figures).any(|figure| figure.has_moved);
    Ok(if arguments.check && moved { MISSED } else { FINE })
}

fn observed(arguments: &DriftArguments) -> Result<Observed, Failure> {
    let first = &arguments.telemetry[0];
    let format = match Format::from_name(&arguments.format) {
        Some(format) => format,
        None => import::guess(first).ok_or_else(|| {
            let (name, known) = (first.display(), Format::NAMES.join(", "));
            Failure::Usage(format!("`{name}` looks like none of the formats: {known}"))
        })?,
    };
    let columns = arguments.column.clone();
    let options = ImportOptions { columns, ..ImportOptions::default() };
    let mut observed = Observed::default();
    let ending = import::read(format, &arguments.telemetry, &options, &mut observed)?;
    for note in ending.notes.iter().filter(|_| !arguments.quiet) {
        remark(&format!("{}: {note}\n", format.name()));
    }
    Ok(observed)
}

fn render(drift: &Drift, arguments: &DriftArguments, text: &mut String) {
    let (expected, observed) = drift.sessions;
    let whose = if drift.agent.is_empty() { String::new() } else { format!("{}: ", drift.agent) };
    let scenario = arguments.scenario.display();
    let _ = writeln!(
        text,
        "{whose}{observed} sessions observed, held against {expected} that {scenario} expects\n"
    );
    let _ = writeln!(
        text,
        "  {:<24}{:>14}{:>14}{:>18}{:>8}  beyond noise",
        "", "expected", "observed", "change", "z"
    );
    for figure in &drift.figures {
        let _ = writeln!(
            text,
            "  {:<24}{:>14}{:>14}{:>18}{:>8}  {}",
            figure.measure.name(),
            value(figure.measure, figure.expected.value),
            value(figure.measure, figure.observed.value),
            change(figure),
            format!("{:+.1}", figure.z),
            if figure.has_moved { "moved" } else { "no" },
        );
    }
    let moved: Vec<&Moved> = drift.figures.iter().filter(|figure| figure.has_moved).collect();
    if moved.is_empty() {
        text.push_str("\nnothing has moved by more than chance would\n");
    } else {
        let words: Vec<String> = moved
            .iter()
            .map(|f| format!("{} {:+.0} %", f.measure.name(), f.change() * 100.0))
            .collect();
        let _ = writeln!(text, "\nmoved: {}", words.join(", "));
    }
    if let Some(bill) = &drift.bill {
        let share = (bill.observed / bill.expected - 1.0) * 100.0;
        let _ = writeln!(
            text,
            "a task costs {} of busy servers with what was observed, {} as expected: {share:+.0} %",
            format_usd(bill.observed),
            format_usd(bill.expected),
        );
        // Hits that nobody recorded have no effect to speak of.
        for (measure, usd) in bill.effects.iter().filter(|(_, usd)| *usd != 0.0) {
            let has_moved = moved.iter().any(|figure| figure.measure == *measure);
            let noise = if has_moved { "" } else { "  (within noise)" };
            let sign = if *usd < 0.0 { "-" } else { "+" };
            let _ =
                writeln!(text, "  {:<24}{sign}{}{noise}", measure.name(), format_usd(usd.abs()));
        }
    }
    text.push('\n');
}

/// The same for programs.
fn told(drift: &Drift) -> Value {
    let side = |ratio: Ratio| json!({ "value": ratio.value, "error": ratio.error });
    let figure = |figure: &Moved| {
        json!({
            "figure": figure.measure.name(),
            "expected": side(figure.expected),
            "observed": side(figure.observed),
            "change": figure.change(),
            "change_error": figure.change_error(),
            "z": figure.z,
            "moved": figure.has_moved,
        })
    };
    let bill = |bill: &Bill| {
        let effects = bill.effects.iter();
        json!({
            "expected_usd_per_task": bill.expected,
            "observed_usd_per_task": bill.observed,
            "effects_usd": effects
                .map(|(measure, usd)| (measure.name().to_owned(), json!(usd)))
                .collect::<Map<_, _>>(),
        })
    };
    json!({
        "agent": drift.agent,
        "sessions_expected": drift.sessions.0,
        "sessions_observed": drift.sessions.1,
        "figures": drift.figures.iter().map(figure).collect::<Vec<_>>(),
        "bill": drift.bill.as_ref().map(bill),
    })
}

fn change(figure: &Moved) -> String {
    let (change, error) = (figure.change() * 100.0, figure.change_error() * 196.0);
    format!("{change:+.1} ±{error:.1} %")
}

fn value(measure: Measure, value: f64) -> String {
    match measure {
        Measure::CacheHits => format_percent(value),
        Measure::CallLatency | Measure::Ttft | Measure::ToolTime => format_duration(value),
        Measure::PromptToOutput => format!("{value:.1} : 1"),
        _ => format_number(value),
    }
}
