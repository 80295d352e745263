//! What the times of events say.

#![expect(
    clippy::unwrap_used,
    reason = "the functions that the tests share are tests too"
)]

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use rollout_core::{EventType, MemoryExporter, SpoolKind};
use serde_json::json;

/// The time of an event that a fresh client records, and the times around it.
fn recorded() -> (Timestamp, [Timestamp; 2]) {
    let memory = MemoryExporter::new();
    let client = rollout_core::builder()
        .spool(SpoolKind::Memory)
        .exporter(Box::new(memory.clone()))
        .build()
        .unwrap();
    let before = Timestamp::now();
    client.capture_event(EventType::Metric, &json!({ "external_trace_id": "t" }));
    let after = Timestamp::now();
    client.blocking_flush(Duration::from_mins(1)).unwrap();
    let at = memory.events()[0]["occurred_at"].as_str().unwrap().parse();
    (at.unwrap(), [before, after])
}

/// The rate of the processor's counter is found out in the first moments of a program; clients come at any time.
#[test]
fn a_client_that_starts_late_knows_the_time_too() {
    // Far less than what a counter that is taken for nanoseconds is off by, far more than what a clock is adjusted by.
    const NEAR: SignedDuration = SignedDuration::from_millis(500);
    let start = Instant::now();
    let mut clients = 0;
    while start.elapsed() < Duration::from_millis(2500) {
        let (at, [before, after]) = recorded();
        assert!(
            before - NEAR <= at && at <= after + NEAR,
            "{before} .. {at} .. {after}"
        );
        clients += 1;
        std::thread::park_timeout(Duration::from_millis(300));
    }
    assert!(clients > 2);
}
