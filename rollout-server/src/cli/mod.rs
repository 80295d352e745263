//! The command line.

mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// See what LLM agents did.
#[derive(Parser)]
#[command(name = "rollout", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Serve),
}

/// Runs the command that the process was called with.
pub fn run() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::new().filter_or("ROLLOUT_LOG", "warn")).init();
    let result = match Cli::parse().command {
        Command::Serve(command) => command.run(),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            anstream::eprintln!("rollout: {error}");
            ExitCode::FAILURE
        }
    }
}
