//! A program that does as it is told on stdin, a command a line, and answers each with a line of JSON on stdout:
//! `record N` (events), `flush`, and on Unix `limit N` (bytes that a file of it may have at most) and `unlimited`.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a program that cannot go on says so and fails"
)]

use std::io::BufRead as _;
use std::time::Duration;

use rollout::FlushError;
use serde_json::json;

/// What the files of this program may have: more cannot be written, as on a disk that is full.
#[cfg(unix)]
fn limit(bytes: u64) {
    use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};

    setrlimit(Resource::RLIMIT_FSIZE, bytes, RLIM_INFINITY).expect("a limit");
}

fn main() {
    // A write that goes beyond the limit is to fail, and not to end the program: every thread inherits this.
    #[cfg(unix)]
    nix::sys::signal::SigSet::from(nix::sys::signal::Signal::SIGXFSZ)
        .thread_block()
        .expect("a mask");
    let client = rollout::Client::builder()
        .build()
        .expect("the test configures it well");
    let mut recorded = 0;
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        match line.split_once(' ') {
            Some(("record", count)) => {
                for _ in 0..count.parse::<u64>().expect("a number") {
                    let name = format!("event {recorded}");
                    recorded += 1;
                    let fields = json!({ "external_trace_id": "of the test", "name": name });
                    client.capture_event(rollout::EventType::Metric, &fields);
                }
            }
            #[cfg(unix)]
            Some(("limit", bytes)) => limit(bytes.parse().expect("a number")),
            #[cfg(unix)]
            None if line == "unlimited" => limit(nix::sys::resource::RLIM_INFINITY),
            None if line == "flush" => {}
            _ => panic!("no such command: {line}"),
        }
        let report = loop {
            match client.blocking_flush(Duration::ZERO) {
                // A machine with much to do.
                Err(FlushError::Busy) => {}
                report => break report.expect("it runs"),
            }
        };
        let stats = client.stats();
        println!(
            "{}",
            json!({
                "recorded": recorded, "spooled": stats.spooled, "lost": stats.events_lost(),
                "waiting": report.spooled, "delivered": report.delivered, "warnings": stats.warnings,
            })
        );
    }
}
