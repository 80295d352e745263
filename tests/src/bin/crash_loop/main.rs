//! Kills programs and the server that they send to, again and again, at random moments, and then looks whether the
//! store holds what was accepted: all of it, each event once.
//!
//! `crash-loop [--runs N] [--seed N]`. Runs follow each other in one folder; each takes over what the one before has
//! left. Meanwhile the server is killed at moments of its own and started again. Exits with 0 if all is well, and
//! prints what it found.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a program that cannot go on says so and fails, and this one is there to print what it found"
)]

mod found;
mod host;
mod victim;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use fastrand::Rng;
use rollout::{ExporterKind, FlushReport};
use rollout_tests::DEADLINE;

use self::host::Host;

/// What the loop is asked to do.
struct Options {
    runs: u32,
    seed: u64,
}

impl Options {
    fn read(mut words: impl Iterator<Item = String>) -> Self {
        let mut options = Self {
            runs: 1000,
            seed: fastrand::u64(..),
        };
        while let Some(word) = words.next() {
            let mut number = || words.next().and_then(|text| text.parse().ok());
            match word.as_str() {
                "--runs" => options.runs = number().expect("a number of runs") as u32,
                "--seed" => options.seed = number().expect("a number"),
                other => panic!("{other}: there are --runs N and --seed N"),
            }
        }
        options
    }
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).peekable();
    match words.peek().map(String::as_str) {
        Some("serve") => rollout_server::cli::run(),
        Some("run") => victim::run(words.nth(1).expect("the number of the run")),
        _ => crash_loop(&Options::read(words)),
    }
}

fn crash_loop(options: &Options) -> ExitCode {
    println!("seed {}", options.seed);
    let mut random = Rng::with_seed(options.seed);
    let began = Instant::now();
    let programs = tempfile::tempdir().expect("a folder");
    let host = Host::start(random.fork());
    let mut reported = BTreeMap::new();
    for number in 0..options.runs {
        let laps = victim::kill(number, programs.path(), &host.url(), &mut random);
        reported.insert(number, laps);
        if random.u8(..5) == 0 {
            victim::tear(programs.path(), &mut random);
        }
    }
    let (host, restarts) = host.calm();
    let report = last_run(programs.path(), &host.url());
    let store = host.end();
    let found = found::compare(programs.path(), store.path(), &reported);
    println!(
        "{} runs and {restarts} servers killed in {:.0} s",
        options.runs,
        began.elapsed().as_secs_f64()
    );
    println!("{found}");
    if report.timed_out {
        println!("FAILED: the last run could not deliver what was left: {report:?}");
    }
    for fault in found.faults.iter().take(20) {
        println!("FAILED: {fault}");
    }
    if report.timed_out || !found.faults.is_empty() {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// A run that is not killed, and takes over what all others have left.
fn last_run(dir: &std::path::Path, url: &str) -> FlushReport {
    let client = rollout::builder()
        .dir(dir)
        .endpoint(url)
        .exporters([ExporterKind::Local, ExporterKind::Http])
        .build()
        .expect("a client");
    client.blocking_shutdown(DEADLINE).expect("a report")
}
