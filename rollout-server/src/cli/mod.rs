//! The command line.

mod check;
mod demo;
mod diff;
mod doctor;
mod drain;
mod export;
mod failure;
mod import;
mod local;
mod ls;
mod mcp;
mod prices;
mod reprice;
mod run;
mod runs;
mod serve;
mod show;
mod stats;
mod tail;

use std::{error::Error, io::Write, process::ExitCode};

use clap::{Parser, Subcommand};

use self::failure::Failure;
use crate::terminal;

/// See what LLM agents did.
#[derive(Parser)]
#[command(name = "rollout", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Demo),
    Serve(serve::Serve),
    Ls(ls::Ls),
    Show(show::Show),
    Tail(tail::Tail),
    Runs(runs::Runs),
    Run(run::Run),
    Stats(stats::Stats),
    Diff(diff::Diff),
    Export(export::Export),
    Import(import::Import),
    Check(check::Check),
    Drain(drain::Drain),
    Doctor(doctor::Doctor),
    Reprice(reprice::Reprice),
    Mcp(mcp::Mcp),
    Prices(prices::ShowPrices),
}

/// Runs the command that the process was called with.
pub fn run() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::new().filter_or("ROLLOUT_LOG", "warn")).init();
    let result = match Cli::parse().command {
        Command::Demo(command) => print(|out, say, width| command.run(out, say, width)),
        Command::Serve(command) => command.run(),
        Command::Ls(command) => print(|out, say, width| command.run(out, say, width)),
        Command::Show(command) => print(|out, say, width| command.run(out, say, width)),
        Command::Tail(command) => print(|out, say, _| command.run(out, say)),
        Command::Runs(command) => print(|out, say, _| command.run(out, say)),
        Command::Run(command) => print(|out, say, _| command.run(out, say)),
        Command::Stats(command) => print(|out, say, width| command.run(out, say, width)),
        Command::Diff(command) => {
            let mut same = false;
            let run = |out: &mut dyn Write, say: &mut dyn Write, width| {
                command.run(out, say, width, &mut same)
            };
            let failed = print(run).inspect_err(|error| {
                anstream::eprintln!("rollout: {}", terminal::words(&error.to_string()));
            });
            return diff::code(same, failed.is_err());
        }
        Command::Export(command) => print(|_, say, _| command.run(say)),
        Command::Import(command) => print(|out, say, _| command.run(out, say)),
        Command::Check(command) => print(|out, say, _| command.run(out, say)),
        Command::Drain(command) => print(|out, say, _| command.run(out, say)),
        Command::Doctor(command) => print(|out, _, _| command.run(out)),
        Command::Mcp(command) => command.run(),
        Command::Reprice(command) => print(|out, say, _| command.run(out, say)),
        Command::Prices(command) => print(|out, _, _| command.run(out)),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            // It may repeat what was typed, or captured.
            anstream::eprintln!("rollout: {}", terminal::words(&error.to_string()));
            ExitCode::FAILURE
        }
    }
}

/// Runs a command that prints: data to stdout, the rest to stderr, colours only where they are
/// seen and wanted. It is told the width of the terminal. A reader who has gone is no failure.
fn print(
    run: impl FnOnce(&mut dyn Write, &mut dyn Write, usize) -> Result<(), Failure>,
) -> Result<ExitCode, Box<dyn Error>> {
    let width = terminal_size::terminal_size()
        .map_or(terminal::WIDTH, |(width, _)| usize::from(width.0).max(40));
    let mut out = anstream::stdout().lock();
    let result = run(&mut out, &mut anstream::stderr(), width).and_then(|()| Ok(out.flush()?));
    match result {
        Ok(()) | Err(Failure::BrokenPipe) => Ok(ExitCode::SUCCESS),
        Err(failure) => Err(failure.into()),
    }
}
