//! The `tokenfleet` command.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use tokenfleet::catalog::Catalog;
use tokenfleet::cli::arguments::{Arguments, Command};
use tokenfleet::cli::failure::{BAD_INPUT, FINE, Failure, INTERNAL};
use tokenfleet::cli::terminal::{print, remark};
use tokenfleet::cli::{
    agents, calibrate, catalog, check, compare, drift, explain, export, fit, forecast, import,
    init, man, report, run, schema, sensitivity, serve, shard, size, sweep, validate,
};

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(asked) => {
            // Help and version are asked for, anything else is a mistake. When nobody reads it,
            // nobody is told.
            let _ = asked.print();
            return ExitCode::from(if asked.use_stderr() { BAD_INPUT } else { FINE });
        }
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| perform(&arguments.command)));
    ExitCode::from(match outcome {
        Ok(Ok(code)) => code,
        Ok(Err(failure)) => {
            remark(&check::explain(&failure));
            failure.exit_code()
        }
        Err(_) => {
            remark("error: this is a fault of tokenfleet, not of your input; please report it\n");
            INTERNAL
        }
    })
}

fn perform(command: &Command) -> Result<u8, Failure> {
    match command {
        Command::Init(arguments) => init::run(arguments),
        Command::Man(arguments) => man::run(arguments, Arguments::command()),
        Command::Run(arguments) => run::run(arguments),
        Command::Compare(arguments) => compare::run(arguments),
        Command::Sweep(arguments) => sweep::run(arguments),
        Command::Size(arguments) => size::run(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Sensitivity(arguments) => sensitivity::run(arguments),
        Command::Shard(arguments) => shard::run(arguments),
        Command::Forecast(arguments) => forecast::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Schema(arguments) => schema::run(arguments),
        Command::Import(arguments) => import::run(arguments),
        Command::Calibrate(arguments) => calibrate::run(arguments),
        Command::Agents(arguments) => agents::run(arguments),
        Command::Drift(arguments) => drift::run(arguments),
        Command::Export(arguments) => export::run(arguments),
        Command::Fit(arguments) => fit::run(arguments),
        Command::Catalog(arguments) => {
            let mut text = Vec::new();
            catalog::run(arguments, &Catalog::embedded(), &mut text)?;
            print(&String::from_utf8_lossy(&text)).map(|()| FINE)
        }
        Command::Report(arguments) => report::run(arguments),
        Command::Validate(arguments) => validate::run(arguments),
        Command::Serve(arguments) => serve::run(arguments),
        Command::Completions(arguments) => {
            let mut text = Vec::new();
            let mut command = Arguments::command();
            clap_complete::generate(arguments.shell, &mut command, "tokenfleet", &mut text);
            print(&String::from_utf8_lossy(&text)).map(|()| FINE)
        }
    }
}
