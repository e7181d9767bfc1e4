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

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Serve(file) => cli::serve::run(file.config.as_deref()),
        Command::Check(file) => return check(file.config.as_deref()),
        Command::Ask(arguments) => cli::ask::run(&arguments),
        Command::Demo(arguments) => cli::demo::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            eprintln!("tidegauge: {cause:#}");
            ExitCode::FAILURE
        }
    }
}
