//! A program under high load for a long time, and a server that is away for the first third of it.
//!
//! `cargo run --release -p rollout-tests --bin soak -- [--seconds 600] [--spans 100000]`. Every ten seconds it prints
//! what it has recorded, how far the exporter is behind, what was lost and why, and the memory that the program takes.
//! Exits with 0 if memory kept to its bound, and every event is delivered, waiting or counted as lost.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a program that cannot go on says so and fails, and this one is there to print what it found"
)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rollout::{Client, DropReason, ExporterKind, task};
use rollout_tests::proxy::{Fault, Proxy};

/// What records on their way to the spool may take.
const QUEUE_BYTES: u64 = 64 << 20;
/// What the program may take beside that: its code, what the worker and the exporter have at hand, the system's
/// allocator.
const BESIDE: u64 = 128 << 20;
const SPOOL_BYTES: u64 = 512 << 20;
const THREADS: u64 = 2;
const REPORT: Duration = Duration::from_secs(10);

struct Options {
    seconds: u64,
    spans: u64,
}

impl Options {
    fn read(mut words: impl Iterator<Item = String>) -> Self {
        let mut options = Self {
            seconds: 600,
            spans: 100_000,
        };
        while let Some(word) = words.next() {
            let mut number = || words.next().and_then(|text| text.parse().ok());
            match word.as_str() {
                "--seconds" => options.seconds = number().expect("a number of seconds"),
                "--spans" => options.spans = number().expect("a number of spans in a second"),
                other => panic!("{other}: there are --seconds N and --spans N"),
            }
        }
        options
    }
}

#[task]
fn work(number: u64, text: &str) -> usize {
    number as usize + text.len()
}

/// Calls so often in a second, for as long as it may.
fn load(spans: u64, stop: &AtomicBool, made: &AtomicU64) {
    const PACE: Duration = Duration::from_millis(10);
    let share = spans / THREADS / 100;
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        for number in 0..share {
            work(
                number,
                "an order that is late, and a customer who asks for it",
            );
        }
        made.fetch_add(share, Ordering::Relaxed);
        next += PACE;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// Bytes of memory that this process has; nothing where the system does not say.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).peekable();
    if words.peek().is_some_and(|word| word == "serve") {
        return rollout_server::cli::run();
    }
    soak(&Options::read(words))
}

fn soak(options: &Options) -> ExitCode {
    let (dir, of_server) = (tempfile::tempdir(), tempfile::tempdir());
    let (dir, of_server) = (dir.expect("a folder"), of_server.expect("a folder"));
    let (mut server, address) = serve(of_server.path().to_str().expect("a path of text"));
    let proxy = Proxy::start(address.parse().expect("an address"));
    proxy.inject(Fault::Refuse);
    let guard = rollout::builder()
        .dir(dir.path())
        .endpoint(proxy.url())
        .exporters([ExporterKind::Http])
        .max_queue_bytes(QUEUE_BYTES)
        .max_spool_bytes(SPOOL_BYTES)
        .init()
        .expect("a client");
    let (stop, made) = (AtomicBool::new(false), AtomicU64::new(0));
    let before = resident().unwrap_or(0);
    let mut most = 0;
    let began = Instant::now();
    let away = Duration::from_secs(options.seconds / 3);
    let end = Duration::from_secs(options.seconds);
    let mut is_away = true;
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| load(options.spans, &stop, &made));
        }
        let mut report = REPORT;
        while began.elapsed() < end {
            thread::sleep(Duration::from_millis(200));
            most = most.max(resident().unwrap_or(0));
            if is_away && began.elapsed() >= away {
                is_away = false;
                proxy.inject(Fault::None);
            }
            if began.elapsed() >= report {
                report += REPORT;
                say(&guard, began.elapsed(), &made, is_away);
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    // What is in the queue at the end may take a slow machine a while.
    let patience = Duration::from_secs(options.seconds.max(120));
    let report = guard.blocking_shutdown(patience);
    let report = report.expect("a report");
    say(&guard, began.elapsed(), &made, false);
    // Either may have ended already.
    let _ = server.kill();
    let _ = server.wait();
    let stats = guard.stats();
    let recorded = stats.recorded;
    // Each span is a start and an end, and so is the trace around it.
    let caused = made.load(Ordering::Relaxed) * 4;
    let missing = caused.abs_diff(recorded + stats.dropped(DropReason::QueueFull));
    println!(
        "{} spans in {:.0} s; memory {} MiB at the start, {} MiB at most, {} MiB allowed; {report:?}",
        made.load(Ordering::Relaxed),
        began.elapsed().as_secs_f64(),
        before >> 20,
        most >> 20,
        (QUEUE_BYTES + BESIDE) >> 20,
    );
    let whole = report.delivered + report.spooled + report.lost;
    let mut code = ExitCode::SUCCESS;
    for (ok, what) in [
        (most <= QUEUE_BYTES + BESIDE, "memory was over its bound"),
        (
            missing == 0,
            "some events are neither recorded nor counted as lost",
        ),
        (whole == caused, "the report does not add up"),
    ] {
        if !ok {
            println!(
                "FAILED: {what} ({caused} caused, {recorded} recorded, {whole} in the report)"
            );
            code = ExitCode::FAILURE;
        }
    }
    code
}

fn say(client: &Client, at: Duration, made: &AtomicU64, is_away: bool) {
    let stats = client.stats();
    let delivered = stats.exporters.get("http").map_or(0, |http| http.delivered);
    let gone = delivered + stats.dropped(DropReason::SpoolFull);
    println!(
        "{:>4.0} s, server {}: {} spans, {} events recorded, {} behind, lost {:?}, {} MiB",
        at.as_secs_f64(),
        if is_away { "away" } else { "there" },
        made.load(Ordering::Relaxed),
        stats.recorded,
        stats.spooled.saturating_sub(gone),
        stats.dropped,
        resident().unwrap_or(0) >> 20,
    );
}

/// A server, and where it listens.
fn serve(dir: &str) -> (Child, String) {
    let this = std::env::current_exe().expect("a path");
    let mut child = Command::new(this)
        .args(["serve", "--addr", "127.0.0.1:0", "--dir", dir])
        .env_remove("ROLLOUT_SERVE_API_KEY")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe"))
        .read_line(&mut line)
        .expect("text");
    let address = line.trim_end().strip_prefix("listening on http://");
    (child, address.expect("an address").to_owned())
}
