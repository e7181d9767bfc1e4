//! Parses the command line, runs, and turns the outcome into an exit code.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use tidegauge::cli;

/// A KEDA external scaler for Kafka consumer groups, with a memory.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Record, judge and answer KEDA, until SIGTERM or Ctrl-C.
    Serve(ConfigFile),
    /// Check the configuration, and do nothing else.
    Check(ConfigFile),
    /// Ask a running scaler what KEDA would be told.
    Ask(cli::ask::Arguments),
    /// Copy the store of a running scaler, or one that nobody has open.
    Backup(cli::backup::Arguments),
    /// Put a backup in the place of a store that nobody has open.
    Restore(cli::restore::Arguments),
    /// Tell what is in a store or a backup, and whether it is whole.
    Inspect(cli::inspect::Arguments),
    /// Write what was recorded as CSV, JSON lines or OpenMetrics for a backfill.
    Export(cli::export::Arguments),
    /// The whole product against an embedded Kafka with a workload.
    Demo(cli::demo::Arguments),
}

#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The configuration file. Without it: the environment and the defaults.
    #[arg(long, short, env = "TIDEGAUGE_CONFIG")]
    config: Option<PathBuf>,
}

fn check(file: Option<&Path>) -> ExitCode {
    match cli::check::run(file, &mut std::io::stdout()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

fn inspect(arguments: &cli::inspect::Arguments) -> ExitCode {
    match cli::inspect::run(arguments, &mut std::io::stdout().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(cause) => failed(&cause),
    }
}

fn failed(cause: &anyhow::Error) -> ExitCode {
    eprintln!("tidegauge: {cause:#}");
    ExitCode::FAILURE
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Serve(file) => cli::serve::run(file.config.as_deref()),
        Command::Check(file) => return check(file.config.as_deref()),
        Command::Ask(arguments) => cli::ask::run(&arguments),
        Command::Backup(arguments) => cli::backup::run(&arguments),
        Command::Restore(arguments) => cli::restore::run(&arguments),
        Command::Inspect(arguments) => return inspect(&arguments),
        Command::Export(arguments) => cli::export::run(&arguments),
        Command::Demo(arguments) => cli::demo::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => failed(&cause),
    }
}
