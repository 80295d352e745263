//! A program that does as it is told on stdin, a command a line, and answers each with a line of JSON on stdout:
//! `record N` (events), `flush`.

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

fn main() {
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
