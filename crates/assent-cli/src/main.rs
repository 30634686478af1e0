//! The binary `assent`: it reads the command line and the environment, and wires the parts together.
//!
//! Exit codes: 0 done, 1 refused or failed, 2 wrong usage.

mod evaluate_cmd;
mod fetch;
mod models_arg;
mod packs_cmd;
mod places;
mod progress;
mod runtime_cmd;
mod search_args;
mod wheel;

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde_json::json;
use thiserror::Error;

/// Finds a person's photos in a collection, and only people who said yes can be found.
#[derive(Debug, Parser)]
#[command(name = "assent", version, about, propagate_version = true)]
struct Cli {
    /// Write one JSON object instead of text
    #[arg(long, global = true)]
    json: bool,
    /// The folder with packs [default: `ASSENT_PACKS`, else assent/packs in the user's data folder]
    #[arg(long, global = true, value_name = "DIR")]
    packs: Option<PathBuf>,
    /// The folder with the inference library [default: `ASSENT_RUNTIME`, else assent/runtime in the user's data folder]
    #[arg(long, global = true, value_name = "DIR")]
    runtime: Option<PathBuf>,
    /// The model pack [default: `default`, else the first that is there]
    #[arg(long, global = true, value_name = "NAME")]
    pack: Option<String>,
    /// Use a pack under this licence although it forbids commercial use
    #[arg(long, global = true, value_name = "LICENCE")]
    accept_licence: Vec<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// How right the engine is, on labelled photos that never enter a vault
    Evaluate(evaluate_cmd::EvaluateArgs),
    /// Model packs and sample photos
    Packs(packs_cmd::PacksArgs),
    /// The inference library
    Runtime(runtime_cmd::RuntimeArgs),
}

/// Why a command failed.
#[derive(Debug, Error)]
enum CliError {
    #[error(transparent)]
    Evaluate(#[from] evaluate_cmd::EvaluateCmdError),
    #[error(transparent)]
    Packs(#[from] packs_cmd::PacksError),
    #[error(transparent)]
    Runtime(#[from] runtime_cmd::RuntimeError),
}

fn main() -> ExitCode {
    // Wrong usage ends here, with exit code 2 and clap's explanation.
    let cli = Cli::parse();
    match run(&cli, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nobody to tell when the error output is closed.
            drop(report(&error, cli.json, &mut io::stderr().lock()));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli, out: &mut dyn Write) -> Result<(), CliError> {
    let models = models_arg::ModelPlaces {
        packs: cli.packs.clone(),
        runtime: cli.runtime.clone(),
        pack: cli.pack.clone(),
        accepted: cli.accept_licence.clone(),
    };
    match &cli.command {
        Command::Evaluate(args) => evaluate_cmd::run(args, &models, cli.json, out)?,
        Command::Packs(args) => packs_cmd::run(args, cli.packs.as_deref(), cli.json, out)?,
        Command::Runtime(args) => runtime_cmd::run(args, cli.runtime.as_deref(), cli.json, out)?,
    }
    Ok(())
}

/// Prints an error and each of its causes, once.
fn report(error: &dyn Error, json: bool, out: &mut dyn Write) -> io::Result<()> {
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        causes.push(error.to_string().trim_end().to_owned());
        cause = error.source();
    }
    if json {
        return writeln!(out, "{}", json!({ "error": error.to_string(), "causes": causes }));
    }
    writeln!(out, "assent: {error}")?;
    for cause in causes {
        writeln!(out, "  because: {}", cause.replace('\n', "\n    "))?;
    }
    Ok(())
}
