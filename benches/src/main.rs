//! Prints what `docs/performance.md` shows.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program for a terminal, which may fail loudly"
)]

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use rollout_bench::child::Task;
use rollout_bench::part::series::Everybody;
use rollout_bench::part::{allocations, asm, caller, ingest, queries, through};
use rollout_bench::{machine, table::Table};

/// What tracing costs, side by side with the peers.
///
/// Ratios to peers of the same run say something on any machine; nanoseconds on a quiet one.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Options {
    /// What to measure; without any, everything.
    parts: Vec<Part>,
    /// Print Markdown, as the docs have it.
    #[arg(long)]
    markdown: bool,
    /// Write the graph of `series` to a file, as SVG.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Processes of each contender on the caller's side.
    #[arg(long, default_value_t = caller::ROUNDS)]
    rounds: usize,
    #[command(subcommand)]
    child: Option<Child>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// What a span costs the thread that is traced, recorded or not.
    Caller,
    /// What it allocates there.
    Allocations,
    /// What it costs as traces grow and threads are added.
    Series,
    /// What reaches an exporter: at a million spans a second, and as fast as it goes.
    Exporter,
    /// What reaches the spool, and a server.
    Store,
    /// How fast the embedded store takes events in.
    Ingest,
    /// How soon a server is ready, what it takes, and how fast it answers.
    Server,
    /// The instructions before the body of a function while nothing is recorded.
    Asm,
}

#[derive(Subcommand)]
enum Child {
    /// A part of a measurement, in a process of its own.
    #[command(hide = true)]
    Child {
        /// Which, as JSON.
        task: String,
    },
}

fn main() {
    let options = Options::parse();
    if let Some(Child::Child { task }) = options.child {
        let task: Task = serde_json::from_str(&task).unwrap();
        println!("{}", task.perform());
        return;
    }
    println!("{}", machine::description());
    let all = Part::value_variants();
    let parts = if options.parts.is_empty() {
        all
    } else {
        &options.parts
    };
    for &part in parts {
        for table in measure(part, &options) {
            print!(
                "{}",
                if options.markdown {
                    format!("\n{}", table.markdown())
                } else {
                    table.text()
                }
            );
        }
    }
}

fn measure(part: Part, options: &Options) -> Vec<Table> {
    match part {
        Part::Caller => caller::tables(options.rounds),
        Part::Allocations => allocations::tables(),
        Part::Series => {
            let everybody = Everybody::measure();
            if let Some(file) = &options.svg {
                std::fs::write(file, everybody.svg()).unwrap();
            }
            everybody.tables()
        }
        Part::Exporter => through::exporter(),
        Part::Store => through::store(),
        Part::Ingest => ingest::tables(),
        Part::Server => queries::tables(),
        Part::Asm => asm::tables(),
    }
}
